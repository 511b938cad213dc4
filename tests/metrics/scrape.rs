//! A scrape, read as strictly as the format is written: what a monitor would refuse fails here, with the line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What was scraped.
pub(crate) struct Scrape {
    /// As it came.
    pub(crate) text: String,
    /// `Content-Type`.
    pub(crate) content_type: String,
    /// Type by family.
    pub(crate) types: BTreeMap<String, String>,
    /// Value by series, as it is written.
    series: BTreeMap<String, f64>,
}

/// `GET /metrics` with this `Accept`.
pub(crate) fn fetch(http: SocketAddr, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(crate::support::LIMIT)).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    let content_type = head.lines().find_map(|l| l.strip_prefix("Content-Type: ")).unwrap();
    (content_type.to_owned(), body.to_owned())
}

/// Scrapes and checks the text.
pub(crate) fn scrape(http: SocketAddr) -> Scrape {
    let (content_type, text) = fetch(http, "text/plain;version=0.0.4");
    let mut scrape =
        Scrape { content_type, types: BTreeMap::new(), series: BTreeMap::new(), text: String::new() };
    let mut family = String::new();
    let mut named = BTreeSet::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(named.insert(name.to_owned()) && !help.is_empty(), "{line}");
            name.clone_into(&mut family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name == family && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            scrape.types.insert(name.to_owned(), kind.to_owned());
        } else {
            let (series, value) = sample(line);
            let name = series.split('{').next().unwrap();
            let of_it = match scrape.types[&family].as_str() {
                "histogram" => {
                    ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{family}{end}"))
                }
                _ => name == family,
            };
            assert!(of_it, "{line} stands below {family}");
            assert!(scrape.series.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    scrape.text = text;
    scrape
}

/// A line's series and value; every escape in its labels is one.
fn sample(line: &str) -> (&str, f64) {
    let name = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line:?}"));
    assert!(
        line[..name].bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
        "{line}"
    );
    let mut at = name;
    if line[at..].starts_with('{') {
        at += 1;
        loop {
            let label = line[at..].find("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(
                label > 0 && line[at..at + label].bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{line}"
            );
            at += label + 2;
            let mut escaped = false;
            let end = line[at..].find(|c: char| {
                assert!(!escaped || ['\\', '"', 'n'].contains(&c), "{line}");
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            at += end.unwrap_or_else(|| panic!("{line}")) + 1;
            match line[at..].chars().next() {
                Some(',') => at += 1,
                Some('}') => break at += 1,
                _ => panic!("{line}"),
            }
        }
    }
    let value = line[at..].strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    (&line[..at], value.parse().unwrap_or_else(|_| panic!("{line}")))
}

impl Scrape {
    /// The value of a series; 0 for one that is not there.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// All series of a name, with what stands in their braces.
    pub(crate) fn of(&self, name: &str) -> Vec<(&str, f64)> {
        let of_it =
            |(series, value): (&'_ String, &f64)| (series.split('{').next() == Some(name)).then_some(*value);
        self.series.iter().filter_map(|(s, v)| Some((s.as_str(), of_it((s, v))?))).collect()
    }

    /// The sum of all series of a name that have these words in their labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |series: &str| labels.iter().all(|label| series.contains(label));
        self.of(name).into_iter().filter(|(series, _)| fits(series)).map(|(_, value)| value).sum()
    }

    /// The names of all series, without what a histogram adds.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.types.keys().cloned().collect()
    }
}
