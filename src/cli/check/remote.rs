//! `mozpool check --remote`: a running server in one line, by the rules for plugins of Nagios that Icinga, Naemon, Checkmk and others
//! go by, too: `STATUS - text | performance data`, and 0, 1, 2 or 3 as exit code.
//!
//! It asks one server, for what a monitor wants to know is whether that one is well; another would hide that it is not.

use super::scraped::Scraped;
use crate::cli::period::{Period, for_eyes};
use crate::cli::remote::{Access, Client, RemoteError};
use serde_json::Value;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How a server is looked at from afar.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Look at a running server: one line and an exit code as plugins of Nagios have them (0 OK, 1 WARNING, 2 CRITICAL,
    /// 3 UNKNOWN); without a URL the first server that other commands would ask
    #[arg(
        long, value_name = "URL", num_args = 0..=1, default_missing_value = "", conflicts_with = "json",
        help_heading = HEADING
    )]
    pub(super) remote: Option<String>,
    /// WARNING when more boards than this have failed: a number, or a part of all such as 5%
    #[arg(long, value_name = "NUMBER|PERCENT", default_value = "5%", requires = "remote", help_heading = HEADING)]
    warning_failed: String,
    /// CRITICAL when more boards than this have failed
    #[arg(long, value_name = "NUMBER|PERCENT", default_value = "25%", requires = "remote", help_heading = HEADING)]
    critical_failed: String,
    /// WARNING when a request has waited for a board for longer than this
    #[arg(long, value_name = "TIME", default_value = "30m", requires = "remote", help_heading = HEADING)]
    warning_wait: String,
    /// CRITICAL when a request has waited for a board for longer than this
    #[arg(long, value_name = "TIME", default_value = "2h", requires = "remote", help_heading = HEADING)]
    critical_wait: String,
    /// WARNING when less than this part of the store's disk is free
    #[arg(long, value_name = "PERCENT", default_value = "10%", requires = "remote", help_heading = HEADING)]
    warning_disk: String,
    /// CRITICAL when less than this part of the store's disk is free
    #[arg(long, value_name = "PERCENT", default_value = "3%", requires = "remote", help_heading = HEADING)]
    critical_disk: String,
    #[command(flatten)]
    access: Access,
    /// How long the server may take for all of it; then it is CRITICAL
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "remote", help_heading = HEADING)]
    timeout: String,
}

const HEADING: &str = "A running server";

/// In the order of how bad it is; what is not known comes last, for it says nothing of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// A number of boards, or a part of all.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Count(f64),
    Percent(f64),
}

impl Limit {
    fn parse(option: &str, text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let found = match text.strip_suffix('%') {
            Some(part) => number(part).filter(|n| *n <= 100.0).map(Self::Percent),
            None => number(text).map(Self::Count),
        };
        found.ok_or_else(|| format!("{option} is `{text}`; write a number such as 3, or a part such as 5%"))
    }

    fn of(self, total: f64) -> f64 {
        match self {
            Self::Count(n) => n,
            Self::Percent(part) => total * part / 100.0,
        }
    }
}

/// Two limits of one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limits<T> {
    warning: T,
    critical: T,
}

/// All limits, read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wanted {
    failed: Limits<Limit>,
    wait_s: Limits<f64>,
    /// Percent.
    disk: Limits<f64>,
    timeout: Duration,
}

impl Options {
    fn wanted(&self) -> Result<Wanted, String> {
        let time = |option: &str, text: &str| -> Result<f64, String> {
            let period: Period = text.parse().map_err(|e| format!("{option} is `{text}`: {e}"))?;
            Ok(period.seconds().into())
        };
        let part = |option: &str, text: &str| match Limit::parse(option, text)? {
            Limit::Percent(part) => Ok(part),
            Limit::Count(_) => Err(format!("{option} is `{text}`; write a part such as 10%")),
        };
        Ok(Wanted {
            failed: Limits {
                warning: Limit::parse("--warning-failed", &self.warning_failed)?,
                critical: Limit::parse("--critical-failed", &self.critical_failed)?,
            },
            wait_s: Limits {
                warning: time("--warning-wait", &self.warning_wait)?,
                critical: time("--critical-wait", &self.critical_wait)?,
            },
            disk: Limits {
                warning: part("--warning-disk", &self.warning_disk)?,
                critical: part("--critical-disk", &self.critical_disk)?,
            },
            timeout: Duration::from_secs_f64(time("--timeout", &self.timeout)?),
        })
    }
}

/// What was found: the worst counts, the text names all that is not well.
#[derive(Debug, Default)]
struct Report {
    bad: Vec<(Status, String)>,
    good: Vec<String>,
    data: Vec<String>,
}

impl Report {
    fn line(&self) -> (Status, String) {
        let status = self.bad.iter().map(|(status, _)| *status).max().unwrap_or(Status::Ok);
        let mut bad: Vec<_> = self.bad.iter().collect();
        bad.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
        let texts = bad.into_iter().map(|(_, text)| text).chain(&self.good).map(|text| plain(text));
        let mut line = format!("{status} - {}", texts.collect::<Vec<_>>().join("; "));
        if !self.data.is_empty() {
            line += " | ";
            line += &self.data.join(" ");
        }
        (status, line)
    }
}

/// A line may have no second bar and no end in it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c == '|' || c.is_control() { ' ' } else { c }).collect()
}

/// Looks, writes the line, and says what to exit with.
pub(super) fn run(options: &Options, config: Option<&Path>) -> ExitCode {
    let report = look(options, config)
        .unwrap_or_else(|why| Report { bad: vec![(Status::Unknown, why)], ..Report::default() });
    let (status, line) = report.line();
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => ExitCode::from(status as u8),
        Err(_) => ExitCode::from(Status::Unknown as u8),
    }
}

/// # Errors
/// What the check itself lacks.
fn look(options: &Options, config: Option<&Path>) -> Result<Report, String> {
    let wanted = options.wanted()?;
    let urls: Vec<String> = options.remote.iter().filter(|url| !url.is_empty()).cloned().collect();
    // Two calls, each with its half.
    let client =
        Client::of_one(&urls, &options.access, config, wanted.timeout / 2).map_err(|e| e.to_string())?;
    let critical = |why: String| Report { bad: vec![(Status::Critical, why)], ..Report::default() };
    let (ready, scraped) = match ask(&client) {
        Ok(answers) => answers,
        Err(RemoteError::Unreachable { url, why, .. }) => {
            return Ok(critical(format!("{url} does not answer: {why}")));
        }
        Err(error) => return Err(error.to_string()),
    };
    let mut report = Report::default();
    for check in ready["checks"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if check["ok"] != true {
            let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
            report.bad.push((Status::Critical, format!("{}: {}", text("name"), text("why"))));
        }
    }
    judge(&mut report, &scraped, &wanted);
    Ok(report)
}

fn ask(client: &Client) -> Result<(Value, Scraped), RemoteError> {
    let (_, ready) = client.plain("/api/ready")?;
    let strange = |why: &str| RemoteError::Strange { url: client.base().to_owned(), why: why.to_owned() };
    let ready: Value = serde_json::from_str(&ready).map_err(|_| strange("GET /api/ready is not JSON"))?;
    let (status, text) = client.plain("/metrics")?;
    if matches!(status, 401 | 403) {
        return Err(strange("GET /metrics needs a token of the role viewer"));
    }
    if status != 200 {
        return Err(strange(&format!("GET /metrics has status {status}, it may be older than this program")));
    }
    let scraped = Scraped::parse(&text);
    if scraped.sum("mozpool_build_info", &[]).is_none() {
        return Err(strange("GET /metrics has no metrics of Mozpool"));
    }
    Ok((ready, scraped))
}

fn judge(report: &mut Report, scraped: &Scraped, wanted: &Wanted) {
    for part in scraped.labels_where("mozpool_service_up", "service", |up| up < 0.5) {
        report.bad.push((Status::Critical, format!("{part} has ended")));
    }
    boards(report, scraped, wanted);
    queue(report, scraped, wanted);
    disk(report, scraped, wanted);
    let failures = scraped.sum("mozpool_store_failures_total", &[]).unwrap_or_default();
    report.data.push(format!("store_failures={failures}c"));
}

fn boards(report: &mut Report, scraped: &Scraped, wanted: &Wanted) {
    let group = |name: &str| scraped.sum("mozpool_devices", &[("group", name)]).unwrap_or_default();
    let Some(total) = scraped.sum("mozpool_devices", &[]) else {
        // A server without devices has none; one whose store cannot be read has said so.
        if scraped.sum("mozpool_store_readable", &[]) == Some(0.0) {
            report.bad.push((Status::Critical, "the devices cannot be read".into()));
        } else {
            report.good.push("no boards".into());
        }
        return;
    };
    let failed = group("failed");
    let (warning, critical) = (wanted.failed.warning.of(total), wanted.failed.critical.of(total));
    let text = format!("{failed} of {total} boards have failed");
    match above(failed, warning, critical) {
        Status::Ok => report.good.push(text),
        status => report.bad.push((status, text)),
    }
    report.data.push(format!("failed={failed};{warning};{critical};0;{total}"));
    for name in ["free", "used", "working", "out"] {
        report.data.push(format!("{name}={};;;0;{total}", group(name)));
    }
}

fn queue(report: &mut Report, scraped: &Scraped, wanted: &Wanted) {
    let waiting = scraped.sum("mozpool_requests_waiting", &[]).unwrap_or_default();
    let oldest = scraped.sum("mozpool_requests_oldest_waiting_seconds", &[]).unwrap_or_default();
    let Limits { warning, critical } = wanted.wait_s;
    let count =
        if waiting == 1.0 { "1 request waits".to_owned() } else { format!("{waiting} requests wait") };
    #[expect(clippy::cast_possible_truncation, reason = "seconds that fit a year a million times")]
    let since = for_eyes(oldest as i64);
    match above(oldest, warning, critical) {
        Status::Ok if waiting > 0.0 => report.good.push(format!("{count}, the oldest for {since}")),
        Status::Ok => report.good.push("none waits".into()),
        status => report.bad.push((status, format!("{count} for a board, the oldest for {since}"))),
    }
    report.data.push(format!("waiting={waiting};;;0"));
    report.data.push(format!("oldest_wait={oldest:.0}s;{warning};{critical};0"));
}

fn disk(report: &mut Report, scraped: &Scraped, wanted: &Wanted) {
    let (Some(free), Some(size)) = (
        scraped.sum("mozpool_store_free_bytes", &[]),
        scraped.sum("mozpool_store_disk_bytes", &[]).filter(|n| *n > 0.0),
    ) else {
        return;
    };
    let Limits { warning, critical } = wanted.disk;
    let part = 100.0 * free / size;
    // The worse the less there is.
    let status = above(-part, -warning, -critical);
    if status != Status::Ok {
        report.bad.push((status, format!("{part:.1} % of the store's disk are free")));
    }
    let bytes = |part: f64| (size * part / 100.0).round();
    report.data.push(format!("store_free={free}B;{}:;{}:;0;{size}", bytes(warning), bytes(critical)));
}

fn above(value: f64, warning: f64, critical: f64) -> Status {
    if value > critical {
        Status::Critical
    } else if value > warning {
        Status::Warning
    } else {
        Status::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        failed: Limits { warning: Limit::Percent(5.0), critical: Limit::Count(4.0) },
        wait_s: Limits { warning: 60.0, critical: 600.0 },
        disk: Limits { warning: 10.0, critical: 3.0 },
        timeout: Duration::from_secs(1),
    };

    fn said(failed: u32, free: u32, oldest: u32, disk: u32) -> (Status, String) {
        let text = format!(
            "mozpool_devices{{group=\"failed\",environment=\"a\"}} {failed}\nmozpool_devices{{group=\"free\",environment=\"a\"}} {free}\n\
             mozpool_requests_waiting {}\nmozpool_requests_oldest_waiting_seconds {oldest}\nmozpool_service_up{{service=\"tftp\"}} 1\n\
             mozpool_store_free_bytes {disk}\nmozpool_store_disk_bytes 1000\n",
            u32::from(oldest > 0)
        );
        let mut report = Report::default();
        judge(&mut report, &Scraped::parse(&text), &WANTED);
        report.line()
    }

    #[test]
    fn the_worst_counts_and_comes_first() {
        for ((failed, free, oldest, disk), want) in [
            ((1, 19, 0, 500), "OK - 1 of 20 boards have failed; none waits"),
            ((2, 18, 0, 500), "WARNING - 2 of 20 boards have failed; none waits"),
            ((5, 15, 30, 500), "CRITICAL - 5 of 20 boards have failed; 1 request waits, the oldest for 30s"),
            ((0, 20, 61, 500), "WARNING - 1 request waits for a board, the oldest for 1m"),
            ((2, 18, 601, 20), "CRITICAL - 1 request waits for a board, the oldest for 10m"),
        ] {
            let (_, line) = said(failed, free, oldest, disk);
            assert!(line.starts_with(want), "{line}");
        }
        let (status, line) = said(0, 20, 0, 20);
        assert!(status == Status::Critical && line.contains("2.0 % of the store's disk are free"), "{line}");
        assert!(line.contains("| failed=0;1;4;0;20 free=20;;;0;20"), "{line}");
        assert!(line.contains(" store_free=20B;100:;30:;0;1000 store_failures=0c"), "{line}");
    }

    #[test]
    fn a_part_that_has_ended_and_a_store_that_cannot_be_read_are_critical() {
        let text = "mozpool_service_up{service=\"tftp\"} 0\nmozpool_store_readable 0\n";
        let mut report = Report::default();
        judge(&mut report, &Scraped::parse(text), &WANTED);
        let (status, line) = report.line();
        assert_eq!(status, Status::Critical);
        assert!(line.starts_with("CRITICAL - tftp has ended; the devices cannot be read; "), "{line}");
    }

    #[test]
    fn what_others_say_cannot_end_the_line() {
        let report = Report { bad: vec![(Status::Unknown, "a|b\nc".into())], ..Report::default() };
        assert_eq!(report.line().1, "UNKNOWN - a b c");
    }

    #[test]
    fn limits_are_numbers_or_parts() {
        assert_eq!(Limit::parse("-", "3"), Ok(Limit::Count(3.0)));
        assert_eq!(Limit::parse("-", "2.5%"), Ok(Limit::Percent(2.5)));
        for bad in ["", "%", "x", "-1", "101%", "NaN", "inf"] {
            assert!(
                Limit::parse("--warning-failed", bad).unwrap_err().starts_with("--warning-failed is"),
                "{bad}"
            );
        }
    }
}
