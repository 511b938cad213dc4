//! A TOML file as sections of keys, each read once by name, with its default beside it.
//!
//! It knows no setting. What is never asked for is a typing error and reported with what there is; a value of the wrong kind is
//! reported with its line (TOML 1.0 spans) and stands in as its default until all faults are known.

use super::error::Fault;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use toml::de::{DeTable, DeValue};

/// Says all that a number's limits leave to say.
const WITHIN: &str = "one within these limits";
const NO_SECTION: &str = "is not a section";
/// Longest piece of a value that an error repeats.
const SHOWN: usize = 60;

/// A setting as the program knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section that it stands in.
    pub section: &'static str,
    /// Its name there; that of a section below it where the admin invents the keys.
    pub key: &'static str,
    /// What its value must be, as errors say it: "a whole number from 1 to 64".
    pub must_be: String,
    /// How to write it, as errors say it: "for example …". Empty where `must_be` says all.
    pub write: String,
}

/// A parsed file and what was found wrong so far.
pub(super) struct Document<'t> {
    text: &'t str,
    sections: BTreeMap<String, Section<'t>>,
    /// Every setting that was asked for, in order: what the program knows.
    asked: Vec<Setting>,
    faults: Vec<Fault>,
}

struct Section<'t> {
    span: Range<usize>,
    keys: BTreeMap<String, Entry<'t>>,
}

/// A value and where it stands.
pub(super) struct Entry<'t> {
    /// `SECTION.KEY`.
    name: String,
    /// Of the key, for the line.
    key: Range<usize>,
    span: Range<usize>,
    value: DeValue<'t>,
}

impl<'t> Document<'t> {
    /// Reads the text.
    ///
    /// # Errors
    /// The first fault of its syntax.
    pub(super) fn parse(text: &'t str) -> Result<Self, Fault> {
        let root = DeTable::parse(text).map_err(|e| Fault {
            line: line_of(text, e.span().unwrap_or_default().start),
            problem: format!("not TOML: {}", e.message().trim()),
            remedy: "write KEY = VALUE below a [SECTION], texts in double quotes".into(),
        })?;
        let mut document = Self { text, sections: BTreeMap::new(), asked: Vec::new(), faults: Vec::new() };
        for (name, value) in root.into_inner() {
            let (key, span) = (name.span(), value.span());
            let name = name.into_inner().into_owned();
            match value.into_inner() {
                DeValue::Table(table) => {
                    let keys = entries(&name, table);
                    document.sections.insert(name, Section { span: key, keys });
                }
                _ => document.fault(
                    &span,
                    format!("{name} stands outside of every section"),
                    "move it below its [SECTION] line".into(),
                ),
            }
        }
        Ok(document)
    }

    /// A value; `is_not` and `write` complete the error "KEY = VALUE `is_not`; write `write`".
    pub(super) fn value<T>(
        &mut self,
        (section, key): (&'static str, &'static str),
        default: T,
        is_not: &str,
        write: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<T>,
    ) -> T {
        let Some(entry) = self.take(section, key, is_not, write) else { return default };
        match read(&entry.value) {
            Some(value) => value,
            None => {
                self.wrong(&entry, is_not, write);
                default
            }
        }
    }

    /// A text that may hold a password, so it is not shown when it is wrong: `read` says what is then, or nothing where the usual
    /// words will do.
    pub(super) fn private(
        &mut self,
        (section, key): (&'static str, &'static str),
        default: &str,
        is_not: &str,
        write: &str,
        read: impl FnOnce(&str) -> Result<String, Option<String>>,
    ) -> String {
        let Some(entry) = self.take(section, key, is_not, write) else { return default.to_owned() };
        match entry.value.as_str().ok_or(None).and_then(read) {
            Ok(value) => return value,
            Err(None) => self.wrong(&entry, is_not, write),
            Err(Some(why)) => {
                let problem = format!("{} cannot be used: {why}", entry.name);
                self.fault(&entry.span, problem, "docs/database.md has examples".into());
            }
        }
        default.to_owned()
    }

    /// A text that is parsed further.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        at: (&'static str, &'static str),
        default: T,
        is_not: &str,
        write: &str,
    ) -> T {
        self.value(at, default, is_not, write, |v| v.as_str()?.parse().ok())
    }

    /// A whole number within limits.
    pub(super) fn number<N: TryFrom<i64>>(
        &mut self,
        at: (&'static str, &'static str),
        limits: RangeInclusive<i64>,
        default: N,
    ) -> N {
        let (low, high) = (limits.start(), limits.end());
        let is_not = format!("is not a whole number from {low} to {high}");
        self.value(at, default, &is_not, WITHIN, |v| {
            let integer = v.as_integer()?;
            let n = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            if limits.contains(&n) { N::try_from(n).ok() } else { None }
        })
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self, at: (&'static str, &'static str), default: bool) -> bool {
        self.value(
            at,
            default,
            "is neither true nor false",
            "true or false, without quotes",
            DeValue::as_bool,
        )
    }

    /// An absolute path: a daemon's working directory is nothing to build on.
    pub(super) fn path(&mut self, at: (&'static str, &'static str), default: &str) -> PathBuf {
        let write = format!("one that begins with /, for example \"{default}\"");
        self.value(at, default.into(), "is not an absolute path", &write, |v| {
            Some(PathBuf::from(v.as_str()?)).filter(|p| p.is_absolute())
        })
    }

    /// A list of addresses with ports.
    pub(super) fn addresses(
        &mut self,
        at: (&'static str, &'static str),
        default: SocketAddr,
    ) -> Vec<SocketAddr> {
        let write = format!("for example [\"{default}\"]");
        self.value(at, vec![default], "is not a list of IP addresses with ports", &write, |v| {
            let list: Option<Vec<_>> =
                v.as_array()?.iter().map(|a| a.get_ref().as_str()?.parse().ok()).collect();
            list.filter(|l| !l.is_empty())
        })
    }

    /// The keys of a section `[SECTION.KEY]` that the admin invents, each with its entry.
    pub(super) fn invented(&mut self, section: &'static str, key: &'static str) -> Vec<(String, Entry<'t>)> {
        let write = format!("a section [{section}.{key}] with lines NAME = VALUE");
        let Some(entry) = self.take(section, key, NO_SECTION, &write) else { return Vec::new() };
        match entry.value {
            DeValue::Table(table) => entries(&entry.name, table).into_iter().collect(),
            _ => {
                self.wrong(&entry, NO_SECTION, &write);
                Vec::new()
            }
        }
    }

    /// The keys of an invented section below another, each with its entry.
    pub(super) fn inside(&mut self, entry: Entry<'t>) -> BTreeMap<String, Entry<'t>> {
        if !matches!(entry.value, DeValue::Table(_)) {
            let write = format!("a section [{}] with lines KEY = VALUE", entry.name);
            self.wrong(&entry, NO_SECTION, &write);
        }
        match entry.value {
            DeValue::Table(table) => entries(&entry.name, table),
            _ => BTreeMap::new(),
        }
    }

    /// An invented section has no such key.
    pub(super) fn unknown(&mut self, entry: &Entry<'_>, known: &str) {
        let problem = format!("{} is not a setting of this program", entry.name);
        self.fault(&entry.key, problem, format!("there are {known}"));
    }

    /// Reads an invented key's value.
    pub(super) fn read<T>(
        &mut self,
        entry: &Entry<'t>,
        is_not: &str,
        write: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let value = read(&entry.value);
        if value.is_none() {
            self.wrong(entry, is_not, write);
        }
        value
    }

    /// What is left is unknown: gives every setting that was asked for, or all faults by line.
    pub(super) fn finish(mut self) -> Result<Vec<Setting>, Vec<Fault>> {
        for (name, section) in std::mem::take(&mut self.sections) {
            let known: Vec<&str> = self.asked.iter().filter(|s| s.section == name).map(|s| s.key).collect();
            if known.is_empty() {
                let mut sections: Vec<String> =
                    self.asked.iter().map(|s| format!("[{}]", s.section)).collect();
                sections.dedup();
                let remedy = format!("there are {}", sections.join(", "));
                self.fault(&section.span, format!("[{name}] is not a section of this program"), remedy);
                continue;
            }
            for (key, entry) in section.keys {
                let remedy = format!("there are {}", known.join(", "));
                self.fault(&entry.key, format!("{name}.{key} is not a setting of this program"), remedy);
            }
        }
        if self.faults.is_empty() {
            return Ok(self.asked);
        }
        self.faults.sort();
        Err(self.faults)
    }

    fn take(
        &mut self,
        section: &'static str,
        key: &'static str,
        is_not: &str,
        write: &str,
    ) -> Option<Entry<'t>> {
        let twice = self.asked.iter().any(|s| (s.section, s.key) == (section, key));
        assert!(!twice, "{section}.{key} is read in two places");
        let must_be = match is_not.strip_prefix("is not ") {
            Some(rest) => rest.to_owned(),
            None => write.to_owned(),
        };
        let write = if [WITHIN, &must_be].contains(&write) { String::new() } else { write.to_owned() };
        self.asked.push(Setting { section, key, must_be, write });
        self.sections.get_mut(section)?.keys.remove(key)
    }

    fn wrong(&mut self, entry: &Entry<'_>, is_not: &str, write: &str) {
        // On one line, whatever the file says: a value may be a text or list of many.
        let shown: String = self.text.get(entry.span.clone()).unwrap_or_default().split_whitespace().fold(
            String::new(),
            |line, word| if line.is_empty() { word.to_owned() } else { line + " " + word },
        );
        let mut short: String = shown.chars().take(SHOWN).collect();
        if short.len() < shown.len() {
            short.push('…');
        }
        self.fault(&entry.span, format!("{} = {short} {is_not}", entry.name), format!("write {write}"));
    }

    fn fault(&mut self, at: &Range<usize>, problem: String, remedy: String) {
        self.faults.push(Fault { line: line_of(self.text, at.start), problem, remedy });
    }
}

fn entries<'t>(section: &str, table: DeTable<'t>) -> BTreeMap<String, Entry<'t>> {
    let mut entries = BTreeMap::new();
    for (name, value) in table {
        let (key, span) = (name.span(), value.span());
        let key_name = name.into_inner().into_owned();
        let name = format!("{section}.{key_name}");
        entries.insert(key_name, Entry { name, key, span, value: value.into_inner() });
    }
    entries
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|b| **b == b'\n').count()
}
