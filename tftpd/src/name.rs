//! File names as clients send them, made fit to be looked up: `//boot/./x` is `boot/x`.
//! It refuses to know any file system; whoever opens the name must still keep it beneath a root.
//! GRUB begins names with `/`, curl with `//`, PXELINUX puts the boot file's directory in front.

use std::fmt;

/// Why a name is not one that this server could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// Nothing is left of it.
    Empty,
    /// It climbs with `..`.
    Climbs,
    /// It holds a backslash or a control character.
    BadCharacter,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::Climbs => "the name contains \"..\"",
            Self::BadCharacter => "the name contains a backslash or a control character",
        })
    }
}

impl std::error::Error for NameError {}

/// The name relative to the root: no leading, doubled or trailing `/`, no `.`, no `..`.
///
/// # Errors
/// See [`NameError`].
pub fn normalize(path: &str) -> Result<String, NameError> {
    if path.chars().any(|c| c == '\\' || c.is_control()) {
        return Err(NameError::BadCharacter);
    }
    let mut name = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Err(NameError::Climbs);
        }
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(part);
    }
    if name.is_empty() { Err(NameError::Empty) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_does_not_matter_and_are_refused_for_what_does() {
        let rows: &[(&str, Result<&str, NameError>)] = &[
            ("a", Ok("a")),
            ("/a", Ok("a")),
            ("//pxe//./pxelinux.cfg/01-aa", Ok("pxe/pxelinux.cfg/01-aa")),
            ("a/...", Ok("a/...")),
            ("a/..b/c..", Ok("a/..b/c..")),
            ("bôot img", Ok("bôot img")),
            ("", Err(NameError::Empty)),
            ("/", Err(NameError::Empty)),
            ("/./", Err(NameError::Empty)),
            ("..", Err(NameError::Climbs)),
            ("/../etc/passwd", Err(NameError::Climbs)),
            ("a/../b", Err(NameError::Climbs)),
            ("a/..", Err(NameError::Climbs)),
            ("..\\boot.ini", Err(NameError::BadCharacter)),
            ("a\nb", Err(NameError::BadCharacter)),
            ("a\0b", Err(NameError::BadCharacter)),
            ("a\u{7f}", Err(NameError::BadCharacter)),
            ("a\u{85}", Err(NameError::BadCharacter)),
        ];
        for (path, want) in rows {
            assert_eq!(normalize(path), want.map(str::to_owned), "{path:?}");
        }
    }
}
