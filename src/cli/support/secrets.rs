//! What must not leave the house, and how it is kept out of the bundle.
//!
//! Three nets, each for what the others miss: settings by their names, every secret that is known by its value, and what looks like
//! one in any text.

use crate::config::Config;
use regex_lite::Regex;
use std::path::{Path, PathBuf};

/// Stands in the place of a secret.
pub(super) const LEFT_OUT: &str = "(left out)";
/// A shorter one is no secret, and would be found in every word.
const SHORTEST: usize = 4;
/// More of a file is not looked at: passwords and tokens are lines.
const FILE_MAX: usize = 64 << 10;

/// Secrets that are known.
#[derive(Debug)]
pub(super) struct Secrets {
    known: Vec<String>,
    looks_like: Vec<(Regex, &'static str)>,
}

impl Secrets {
    /// Those of a configuration: in its text, and in the files that it names.
    pub(super) fn of(text: &str, config: Option<&Config>) -> Self {
        let mut files: Vec<PathBuf> = Vec::new();
        if let Some(config) = config {
            files.extend(config.peers.secret_file.clone());
            files.extend(config.inventory.password_file.clone());
            files.extend(config.inventory.token_file.clone());
        }
        let mut known = Vec::new();
        // Also of a configuration that this program does not understand.
        let named = Regex::new(r#"(?:password_file|token_file|secret_file)\s*=\s*"?([^"&\s]+)"#);
        files.extend(all(&named, text).into_iter().map(PathBuf::from));
        known.extend(all(&Regex::new(r#"://[^:/@\s"]*:([^@\s"]+)@"#), text));
        known.extend(lab_values(text));
        for file in files {
            known.extend(lines(&file));
        }
        known.retain(|secret| secret.len() >= SHORTEST);
        // A longer one may begin as another one does.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.dedup();
        let patterns = [
            (r#"://([^:/@\s"]*):[^@\s"]+@"#, "://${1}:(left out)@"),
            (r"(?i)\b(bearer|basic|token)\s+[a-z0-9+/_=.~-]{8,}", "${1} (left out)"),
            (
                r#"(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|credential|api_?key|access_?key|private_?key))(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s"'&,;]+)"#,
                "${1}${2}(left out)",
            ),
        ];
        let looks_like = patterns.iter().filter_map(|(p, instead)| Some((Regex::new(p).ok()?, *instead)));
        Self { looks_like: looks_like.collect(), known }
    }

    /// A text without them.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            text = text.replace(secret.as_str(), LEFT_OUT);
        }
        text = crate::access::redacted(&text).into_owned();
        for (pattern, instead) in &self.looks_like {
            text = pattern.replace_all(&text, *instead).into_owned();
        }
        text
    }
}

/// What `[pxe.values]` of a configuration's text says: the lab's own words for its boot configs, keys and passwords among them.
fn lab_values(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let values = table.get("pxe").and_then(|pxe| pxe.get("values")).and_then(toml::Value::as_table);
    values
        .into_iter()
        .flat_map(|values| values.values())
        .filter_map(|v| Some(v.as_str()?.to_owned()))
        .collect()
}

/// What the first group of a pattern finds.
fn all(pattern: &Result<Regex, regex_lite::Error>, text: &str) -> Vec<String> {
    let Ok(pattern) = pattern else { return Vec::new() };
    pattern.captures_iter(text).filter_map(|c| Some(c.get(1)?.as_str().to_owned())).collect()
}

/// The lines of a file with a secret.
fn lines(file: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(file) else { return Vec::new() };
    let text = String::from_utf8_lossy(bytes.get(..FILE_MAX).unwrap_or(&bytes)).into_owned();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// A configuration's text without comments, which may say anything, and without values that are the lab's own secrets.
pub(super) fn without_values(text: &str) -> String {
    let Ok(mut table) = text.parse::<toml::Table>() else {
        return "it is not TOML, and so not shown\n".into();
    };
    if let Some(toml::Value::Table(values)) = table.get_mut("pxe").and_then(|pxe| pxe.get_mut("values")) {
        for (_, value) in values.iter_mut() {
            *value = LEFT_OUT.into();
        }
    }
    for (_, value) in &mut table {
        leave_out(value);
    }
    toml::to_string(&table).unwrap_or_else(|e| format!("it cannot be shown: {e}\n"))
}

fn leave_out(value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                let key = key.to_ascii_lowercase();
                let is_secret = ["password", "passwd", "secret", "token", "credential", "_key"]
                    .iter()
                    .any(|w| key.contains(w));
                if is_secret && !key.ends_with("_file") {
                    *value = LEFT_OUT.into();
                } else {
                    leave_out(value);
                }
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(leave_out),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out_and_the_rest_stays() {
        let secrets = Secrets::of("", None);
        for (text, clean) in [
            ("mysql://mozpool:hunter2@db/pool", "mysql://mozpool:(left out)@db/pool"),
            ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer (left out)"),
            ("GET /x?token=abc&y=1", "GET /x?token=(left out)&y=1"),
            (r#"{"password": "p w", "name": "x"}"#, r#"{"password": (left out), "name": "x"}"#),
            ("DELETE /api/token/mzp_BwcHBwcH 401", "DELETE /api/token/mzp_(left out) 401"),
            ("GET /x?a=1&ticket=17~ann~00ff 200", "GET /x?a=1&ticket=(left out) 200"),
            ("Cookie: mozpool_session=BwcH; x=y", "Cookie: mozpool_session=(left out); x=y"),
            ("NETBOX_TOKEN=abc", "NETBOX_TOKEN=(left out)"),
            ("password_file=/etc/mozpool/p", "password_file=/etc/mozpool/p"),
            ("http://10.1.0.5:8080/api user@host", "http://10.1.0.5:8080/api user@host"),
        ] {
            assert_eq!(secrets.scrub(text), clean);
        }
    }

    #[test]
    fn a_secret_that_is_known_is_left_out_wherever_it_stands() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cr3t-of-netbox\n").expect("a file");
        let text = format!("[inventory]\ntoken_file = \"{}\"\nurl = \"http://u:pa55@x/\"\n", file.display());
        let secrets = Secrets::of(&text, None);
        assert_eq!(secrets.scrub("it said s3cr3t-of-netbox, pa55."), "it said (left out), (left out).");
        // What a boot config was made with, in the line of a log.
        let secrets = Secrets::of("[pxe.values]\nroot_hash = \"$6$ab\"\nn = \"1\"\n", None);
        assert_eq!(secrets.scrub("append root=$6$ab n=1"), "append root=(left out) n=1");
    }

    #[test]
    fn a_configuration_is_shown_without_comments_and_values_of_the_lab() {
        let shown = without_values(
            "# the password is plain1\n[pxe.values]\nwifi = \"plain2\"\n[http]\nlisten = \"0.0.0.0:80\"\n\
             [x]\nmy_password = \"plain3\"\npassword_file = \"/p\"\n",
        );
        assert!(!shown.contains("plain"), "{shown}");
        for stays in ["listen = \"0.0.0.0:80\"", "password_file = \"/p\"", "wifi = \"(left out)\""] {
            assert!(shown.contains(stays), "{shown}");
        }
    }
}
