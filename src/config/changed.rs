//! Which settings mean something else in another text of the configuration.
//!
//! It knows no setting: each key that is written otherwise is put into the old text alone, and what comes of that is compared.

use super::{Config, Host};
use toml::{Table, Value};

/// The settings, as `SECTION.KEY` in alphabetical order, in which `new` means something else than `old`; both are without faults.
/// A default that is written down, or a comment, changes nothing.
pub fn changed(old: &str, new: &str, host: &Host) -> Vec<String> {
    let (Ok(before), Ok(after)) = (old.parse::<Table>(), new.parse::<Table>()) else { return Vec::new() };
    let meant = Config::parse(old, host);
    let mut names: Vec<(String, String)> = keys(&before).chain(keys(&after)).collect();
    names.sort();
    names.dedup();
    let is_other = |(section, key): &(String, String)| {
        let (was, is) = (value(&before, section, key), value(&after, section, key));
        // One that has no meaning without another is told as well: both were touched.
        was != is && Config::parse(&with(&before, section, key, is), host) != meant
    };
    names.into_iter().filter(is_other).map(|(section, key)| format!("{section}.{key}")).collect()
}

fn keys(table: &Table) -> impl Iterator<Item = (String, String)> {
    let inside = |(section, value): (&String, &Value)| {
        let keys: Vec<_> = value.as_table().into_iter().flat_map(Table::keys).collect();
        keys.into_iter().map(|key| (section.clone(), key.clone())).collect::<Vec<_>>()
    };
    table.iter().flat_map(inside).collect::<Vec<_>>().into_iter()
}

fn value<'t>(table: &'t Table, section: &str, key: &str) -> Option<&'t Value> {
    table.get(section)?.as_table()?.get(key)
}

/// The text of `table` with one key as in the other.
fn with(table: &Table, section: &str, key: &str, value: Option<&Value>) -> String {
    let mut table = table.clone();
    let keys = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Some(keys) = keys.as_table_mut() {
        match value {
            Some(value) => keys.insert(key.to_owned(), value.clone()),
            None => keys.remove(key),
        };
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_has_not_changed() {
        let host = Host { name: "s1".into(), route_address: None, addresses: vec![] };
        let old = "[http]\nlisten = \"0.0.0.0:8081\"\n[syslog]\nretention_days = 7\n[pxe.values]\na = 1\n";
        let rows = [
            (old, ""),
            // A default that is written down, another order, a comment, another way to write a number.
            (
                "# x\n[tftp]\nenabled = true\n[syslog]\nretention_days = 0x7\n[http]\nlisten = \"0.0.0.0:8081\"\n[pxe]\nvalues = {a = 1}\n",
                "",
            ),
            (
                "[http]\nlisten = \"0.0.0.0:8081\"\n[syslog]\nretention_days = 7\n[pxe.values]\na = 2\n",
                "pxe.values",
            ),
            ("[log]\nfilter = \"debug\"\n", "http.listen log.filter pxe.values syslog.retention_days"),
            ("", "http.listen pxe.values syslog.retention_days"),
        ];
        for (new, want) in rows {
            assert_eq!(changed(old, new, &host).join(" "), want, "{new}");
        }
        assert_eq!(changed("", "[syslog]\nretention_days = 7\n", &host), ["syslog.retention_days"]);
    }
}
