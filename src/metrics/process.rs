//! What the system says of this process: memory, descriptors, CPU time. Linux' proc(5).
//!
//! What cannot be read is left out of the scrape.

use super::table::Metric;
use super::text::Page;
use crate::logic::time::Timestamp;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};
use std::fs;

/// Fields of /proc/self/stat behind the name: the state is field 3, and so the first of them.
const FIRST_FIELD: usize = 3;
const UTIME: usize = 14;
const STIME: usize = 15;
const THREADS: usize = 20;
const VSIZE: usize = 23;
const RSS: usize = 24;

/// Puts it on a page. `started`: when the process did.
pub fn show(page: &mut Page, started: Timestamp) {
    let seconds = |ms: i64| std::time::Duration::from_millis(ms.max(0).unsigned_abs()).as_secs_f64();
    page.add(Metric::ProcessStart, &[], seconds(started.0));
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        of_stat(page, &stat, system(SysconfVar::CLK_TCK), system(SysconfVar::PAGE_SIZE));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder itself is open as long as it is read.
        page.add(Metric::ProcessFds, &[], open.count().saturating_sub(1));
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        page.add(Metric::ProcessFdsMax, &[], soft);
    }
}

fn system(what: SysconfVar) -> Option<u64> {
    sysconf(what).ok().flatten().and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
}

fn of_stat(page: &mut Page, stat: &str, ticks: Option<u64>, page_bytes: Option<u64>) {
    // The name is in brackets and may hold anything, brackets too.
    let Some((_, fields)) = stat.rsplit_once(')') else { return };
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let field = |n: usize| fields.get(n - FIRST_FIELD)?.parse::<u64>().ok();
    if let (Some(user), Some(system), Some(ticks)) = (field(UTIME), field(STIME), ticks) {
        // Exact for as long as anybody waits: a thousandth of a second is finer than a tick.
        let ms = (user + system).saturating_mul(1000) / ticks;
        page.add(Metric::ProcessCpu, &[], std::time::Duration::from_millis(ms).as_secs_f64());
    }
    if let Some(threads) = field(THREADS) {
        page.add(Metric::ProcessThreads, &[], threads);
    }
    if let Some(bytes) = field(VSIZE) {
        page.add(Metric::ProcessVirtual, &[], bytes);
    }
    if let (Some(pages), Some(bytes)) = (field(RSS), page_bytes) {
        page.add(Metric::ProcessResident, &[], pages.saturating_mul(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Format;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat =
            "77 (a) b (c) S 1 77 77 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 1000 8192000 300 184467";
        let mut page = Page::default();
        of_stat(&mut page, stat, Some(100), Some(4096));
        let text = page.text(Format::Prometheus);
        for line in [
            "process_cpu_seconds_total 2",
            "process_threads 9",
            "process_virtual_memory_bytes 8192000",
            "process_resident_memory_bytes 1228800",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let mut page = Page::default();
        of_stat(&mut page, "nonsense", None, None);
        of_stat(&mut page, "1 (x) S", None, None);
        assert!(!page.text(Format::Prometheus).contains("\nprocess_threads "));
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let mut page = Page::default();
        show(&mut page, Timestamp(1500));
        let text = page.text(Format::Prometheus);
        let value = |name: &str| -> f64 {
            let line = text
                .lines()
                .find(|l| l.starts_with(&format!("{name} ")))
                .unwrap_or_else(|| panic!("{name}\n{text}"));
            line.split(' ').nth(1).unwrap().parse().unwrap()
        };
        assert!((value("process_start_time_seconds") - 1.5).abs() < f64::EPSILON);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") <= value("process_max_fds"));
    }
}
