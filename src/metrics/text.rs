//! A scrape's text: Prometheus' format 0.0.4, and OpenMetrics 1.0, which differs from it in a few words.
//!
//! Values come in any order and stand family by family, in the order of the table; each family is named with what it means even
//! when it has no value yet. What a label says may be anything.

use super::histogram::Seen;
use super::table::{FAMILIES, Family, Kind, Metric};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// Characters of a label's value that are shown: an environment's name, and not a hostile kilobyte.
const VALUE_MAX: usize = 128;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, 0.0.4.
    Prometheus,
    /// OpenMetrics text, 1.0.
    OpenMetrics,
}

impl Format {
    /// What a caller with this `Accept` header takes; without a wish, the older one.
    pub fn of(accept: Option<&str>) -> Self {
        let wants = accept.unwrap_or_default().split(',').any(|media| {
            let mut parts = media.split(';').map(str::trim);
            parts.next() == Some("application/openmetrics-text")
                && !parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
        });
        if wants { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A number of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(u64),
    /// Seconds, mostly.
    Real(f64),
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        Self::Whole(n)
    }
}
impl From<usize> for Number {
    fn from(n: usize) -> Self {
        Self::Whole(n as u64)
    }
}
impl From<bool> for Number {
    fn from(yes: bool) -> Self {
        Self::Whole(yes.into())
    }
}
impl From<f64> for Number {
    fn from(n: f64) -> Self {
        Self::Real(n)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(n) => n.fmt(f),
            Self::Real(n) if n.is_finite() => n.fmt(f),
            Self::Real(n) if n.is_nan() => f.write_str("NaN"),
            Self::Real(n) => f.write_str(if *n > 0.0 { "+Inf" } else { "-Inf" }),
        }
    }
}

/// All values of one scrape.
#[derive(Debug)]
pub struct Page(Vec<String>);

impl Default for Page {
    fn default() -> Self {
        Self(vec![String::new(); FAMILIES.len()])
    }
}

impl Page {
    /// One value; `labels` are those of the metric, in their order.
    pub fn add(&mut self, metric: Metric, labels: &[&str], value: impl Into<Number>) {
        self.line(metric, "", labels, None, value.into());
    }

    /// A histogram's lines.
    pub fn add_histogram(&mut self, metric: Metric, labels: &[&str], seen: &Seen) {
        let mut count = 0;
        for (bound, n) in seen.bounds.iter().zip(&seen.counts) {
            count += n;
            // With a point in any case: both formats then say the same.
            self.line(metric, "_bucket", labels, Some(&format!("{bound:?}")), count.into());
        }
        let all = seen.count();
        self.line(metric, "_bucket", labels, Some("+Inf"), all.into());
        self.line(metric, "_sum", labels, None, seen.sum.as_secs_f64().into());
        self.line(metric, "_count", labels, None, all.into());
    }

    fn line(&mut self, metric: Metric, end: &str, labels: &[&str], le: Option<&str>, value: Number) {
        let Family { name, labels: names, .. } = metric.family();
        assert_eq!(names.len(), labels.len(), "{name} has these labels: {names:?}");
        let text = &mut self.0[metric as usize];
        text.push_str(name);
        text.push_str(end);
        let mut before = '{';
        for (name, value) in names.iter().zip(labels).chain(le.iter().map(|le| (&"le", le))) {
            text.push(before);
            text.push_str(name);
            text.push_str("=\"");
            escape(text, &shown(value));
            text.push('"');
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        // Writing to a text does not fail.
        let _ = writeln!(text, " {value}");
    }

    /// The text.
    pub fn text(&self, format: Format) -> String {
        let mut text =
            String::with_capacity(self.0.iter().map(String::len).sum::<usize>() + 200 * FAMILIES.len());
        for (Family { name, kind, help, .. }, lines) in FAMILIES.iter().zip(&self.0) {
            let name = match (format, kind) {
                (Format::OpenMetrics, Kind::Counter) => name.trim_end_matches("_total"),
                _ => name,
            };
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
            text.push_str(lines);
        }
        if format == Format::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }
}

/// A text as a label shows it: not too long, and characters that nobody can see are replaced. Whoever counts by a text that comes
/// from outside counts by this, for two series must not look alike.
pub fn shown(value: &str) -> Cow<'_, str> {
    let seen = |c: char| c == '\n' || !c.is_control();
    if value.len() <= VALUE_MAX && value.chars().all(seen) {
        return Cow::Borrowed(value);
    }
    value.chars().take(VALUE_MAX).map(|c| if seen(c) { c } else { '\u{fffd}' }).collect()
}

/// Backslash, quotation mark and the line's end are written otherwise.
fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Histogram;
    use super::*;
    use std::time::Duration;

    fn lines_of(page: &Page, name: &str) -> Vec<String> {
        let text = page.text(Format::Prometheus);
        text.lines().filter(|l| l.starts_with(name)).map(str::to_owned).collect()
    }

    #[test]
    fn whatever_a_label_says_stays_inside_of_it() {
        let mut page = Page::default();
        page.add(Metric::Devices, &["free", "a\"b\\c\nd\r{}é", ""], 3_usize);
        page.add(Metric::Devices, &["free", &"x".repeat(10_000), ""], 1_usize);
        let lines = lines_of(&page, "mozpool_devices{");
        assert_eq!(
            lines[0],
            "mozpool_devices{group=\"free\",environment=\"a\\\"b\\\\c\\nd\u{fffd}{}é\",hardware_type=\"\"} 3"
        );
        assert!(lines.len() == 2 && lines[1].len() < 200);
    }

    #[test]
    fn a_histogram_counts_upwards() {
        let histogram = Histogram::new(&[0.5, 10.0]);
        for ms in [100, 500, 501, 60_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let mut page = Page::default();
        page.add_histogram(Metric::StepSeconds, &["tftp"], &histogram.seen());
        assert_eq!(
            lines_of(&page, "mozpool_attempt_step_duration_seconds"),
            [
                "mozpool_attempt_step_duration_seconds_bucket{kind=\"tftp\",le=\"0.5\"} 2",
                "mozpool_attempt_step_duration_seconds_bucket{kind=\"tftp\",le=\"10.0\"} 3",
                "mozpool_attempt_step_duration_seconds_bucket{kind=\"tftp\",le=\"+Inf\"} 4",
                "mozpool_attempt_step_duration_seconds_sum{kind=\"tftp\"} 61.101",
                "mozpool_attempt_step_duration_seconds_count{kind=\"tftp\"} 4",
            ]
        );
    }

    #[test]
    fn the_two_formats_differ_in_the_names_of_counters_and_the_end() {
        let mut page = Page::default();
        page.add(Metric::RequestsCreated, &[], 7_u64);
        let (one, other) = (page.text(Format::Prometheus), page.text(Format::OpenMetrics));
        assert!(
            one.contains(
                "\n# TYPE mozpool_requests_created_total counter\nmozpool_requests_created_total 7\n"
            )
        );
        assert!(
            other.contains("\n# TYPE mozpool_requests_created counter\nmozpool_requests_created_total 7\n")
        );
        assert!(other.ends_with("# EOF\n") && !one.contains("EOF"));
        for (accept, want) in [
            (None, Format::Prometheus),
            (Some("text/plain, */*;q=0.1"), Format::Prometheus),
            (
                Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"),
                Format::OpenMetrics,
            ),
            (Some("text/plain, application/openmetrics-text; q=0"), Format::Prometheus),
        ] {
            assert_eq!(Format::of(accept), want, "{accept:?}");
        }
    }
}
