//! How figures are written: numbers with their thousands set apart, and tables between two markers of a document.

use std::io;
use std::path::Path;

/// Puts `text` between the lines `begin` and `end` of the document at `path`.
///
/// # Errors
/// It cannot be read or written, or has no such lines.
pub(crate) fn rewrite(path: &Path, begin: &str, end: &str, text: &str) -> io::Result<()> {
    let old = std::fs::read_to_string(path)?;
    let parts = old.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts
        .ok_or_else(|| io::Error::other(format!("{} lacks the line {begin} or {end}", path.display())))?;
    std::fs::write(path, format!("{before}{begin}\n{text}{end}{after}"))
}

/// A number with its thousands set apart.
pub(crate) fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(w, r)| (w, format!(".{r}")));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(c);
    }
    out + &rest
}
