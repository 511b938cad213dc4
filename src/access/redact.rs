//! Taking secrets out of what is written down: tokens and tickets that stand where they should not, or must.

use std::borrow::Cow;

/// What is written in place of a secret.
const HIDDEN: &str = "(left out)";
/// What a secret stands behind.
const MARKS: [&str; 3] = ["mzp_", "ticket=", "mozpool_session="];

/// The text without tokens, tickets and cookies of sessions.
pub fn redacted(text: &str) -> Cow<'_, str> {
    if !MARKS.iter().any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, mark)) = MARKS.iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min() {
        let (before, secret) = rest.split_at(at + mark.len());
        out.push_str(before);
        let end = secret.find(|c: char| !(c.is_ascii_alphanumeric() || "-_~.@+%".contains(c)));
        let (secret, after) = secret.split_at(end.unwrap_or(secret.len()));
        if !secret.is_empty() {
            out.push_str(HIDDEN);
        }
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (text, want) in [
            ("/api/device/list?x=1", "/api/device/list?x=1"),
            ("DELETE /api/token/mzp_ab-_9 401", "DELETE /api/token/mzp_(left out) 401"),
            ("/a?x=1&ticket=1~ann@lab~00ff&y=2", "/a?x=1&ticket=(left out)&y=2"),
            ("Cookie: mozpool_session=abc; b=c", "Cookie: mozpool_session=(left out); b=c"),
            ("ticket=mzp_a mzp_ mzp_b", "ticket=(left out) mzp_ mzp_(left out)"),
        ] {
            assert_eq!(redacted(text), want);
        }
    }
}
