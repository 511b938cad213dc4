//! A scrape of a server as its client reads it: as much of Prometheus' text format as our servers write.
//!
//! A line that cannot be read is passed over: what is needed and missing shows where it is needed.

/// The series of a scrape.
#[derive(Debug, Default)]
pub(super) struct Scraped(Vec<Series>);

#[derive(Debug)]
struct Series {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Scraped {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(series).collect())
    }

    /// The sum of the series of this name with these labels; nothing when there is none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |s: &&Series| {
            s.name == name
                && labels.iter().all(|(k, v)| s.labels.iter().any(|(key, value)| key == k && value == v))
        };
        self.0.iter().filter(fits).map(|s| s.value).reduce(|sum, value| sum + value)
    }

    /// The values of a label in the series of this name whose value is as wanted.
    pub(super) fn labels_where(&self, name: &str, label: &str, wanted: impl Fn(f64) -> bool) -> Vec<&str> {
        let of_it = self.0.iter().filter(|s| s.name == name && wanted(s.value));
        of_it.filter_map(|s| s.labels.iter().find(|(key, _)| key == label).map(|(_, v)| v.as_str())).collect()
    }
}

fn series(line: &str) -> Option<Series> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while let Some((key, value)) = rest.split_once("=\"") {
            let (value, after) = quoted(value)?;
            labels.push((key.to_owned(), value));
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after;
                    break;
                }
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    Some(Series { name: name.to_owned(), labels, value: rest.trim().parse().ok()? })
}

/// A value up to its quotation mark, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_writes_is_read_again() {
        use crate::metrics::{Format, Metric, Page};
        let odd = "a\"b\\c\nd,e=\"f\"}";
        let mut page = Page::default();
        page.add(Metric::Devices, &["free", odd, "x"], 3_u64);
        page.add(Metric::Devices, &["free", "other", "x"], 4_u64);
        page.add(Metric::OldestWaiting, &[], 1.5);
        let scraped = Scraped::parse(&page.text(Format::Prometheus));
        assert_eq!(scraped.sum("mozpool_devices", &[("group", "free")]), Some(7.0));
        assert_eq!(scraped.sum("mozpool_devices", &[("environment", odd)]), Some(3.0));
        assert_eq!(scraped.sum("mozpool_requests_oldest_waiting_seconds", &[]), Some(1.5));
        assert_eq!(scraped.sum("mozpool_devices", &[("group", "used")]), None);
        assert_eq!(scraped.labels_where("mozpool_devices", "environment", |n| n > 3.0), ["other"]);
        for broken in ["", "{", "x", "x{", "x{a=\"", "x{a=\"b\\", "x{a=\"b\"} ", "x{a=\"b\" 1", "x y"] {
            assert!(Scraped::parse(broken).0.is_empty(), "{broken}");
        }
    }
}
