//! Who calls: the token that a server asks for, and where it is found.
//!
//! In this order: `--token-file`, `$MOZPOOL_TOKEN`, `$MOZPOOL_TOKEN_FILE`, `token_file` of the client configuration, and
//! `~/.config/mozpool/token`. There is no option that takes the token itself: every user of a machine can read command lines.

use super::RemoteError;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Holds the token itself.
pub(super) const TOKEN_VARIABLE: &str = "MOZPOOL_TOKEN";
/// Names the file that holds it.
const FILE_VARIABLE: &str = "MOZPOOL_TOKEN_FILE";
/// Ours have 47 characters; what a proxy asks for may be longer.
const TOKEN_MAX: u64 = 4096;
/// Reading and writing for those who are neither the owner nor of the group.
const OTHERS: u32 = 0o006;

/// A token, and who said it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    text: String,
    /// A variable or a file.
    pub(super) named_by: String,
}

/// Without the secret, for it would be in every panic's message.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token from {}", self.named_by)
    }
}

impl Token {
    /// The token that is meant, if any. `given` is what `--token-file` says; `configured` what the client configuration does;
    /// `usual` is the file that is looked for when nothing is said, and need not be there.
    ///
    /// # Errors
    /// A file that is named cannot be read, others may read it, or what is found is no token.
    pub(super) fn find(
        given: Option<&Path>,
        configured: Option<&Path>,
        usual: Option<PathBuf>,
    ) -> Result<Option<Self>, RemoteError> {
        if let Some(path) = given {
            return Self::read(path).map(Some);
        }
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(text) = variable(TOKEN_VARIABLE) {
            return Self::new(&text.to_string_lossy(), format!("${TOKEN_VARIABLE}")).map(Some);
        }
        if let Some(path) = variable(FILE_VARIABLE) {
            return Self::read(Path::new(&path)).map(Some);
        }
        if let Some(path) = configured {
            return Self::read(path).map(Some);
        }
        match usual {
            Some(path) if path.exists() => Self::read(&path).map(Some),
            _ => Ok(None),
        }
    }

    fn read(path: &Path) -> Result<Self, RemoteError> {
        let failed = |source| RemoteError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        // A pipe of a shell has no such rights, and is gone after us.
        if about.is_file() && about.permissions().mode() & OTHERS != 0 {
            let path = path.display();
            let why =
                format!("{path} holds a token, and every user may read it or change it: chmod 600 {path}");
            return Err(RemoteError::Usage { why });
        }
        let mut text = String::new();
        file.take(TOKEN_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        Self::new(&text, path.display().to_string())
    }

    fn new(text: &str, named_by: String) -> Result<Self, RemoteError> {
        let text = text.trim();
        // RFC 6750 2.1 has fewer characters; what no header may have is refused here.
        let good =
            !text.is_empty() && text.len() as u64 <= TOKEN_MAX && text.bytes().all(|b| b.is_ascii_graphic());
        if !good {
            let why =
                format!("{named_by} holds no token: that is one word, which `mozpool token create` prints");
            return Err(RemoteError::Usage { why });
        }
        Ok(Self { text: text.to_owned(), named_by })
    }

    /// The value of the `Authorization` header (RFC 6750 2.1).
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        let new = |text: &str| Token::new(text, "$X".into()).map(|t| t.authorization());
        assert_eq!(new(" mzp_abc\n").unwrap(), "Bearer mzp_abc");
        for bad in ["", " \n", "a b", "a\r\nHost: b", "ä", &"x".repeat(4097)] {
            let why = new(bad).unwrap_err().to_string();
            assert!(why.starts_with("$X holds no token"), "{why}");
            assert!(bad.trim().is_empty() || !why.contains(bad), "a secret does not belong there");
        }
    }

    #[test]
    fn what_is_printed_of_a_token_is_not_the_token() {
        let token = Token::new("mzp_secret", "$X".into()).unwrap();
        assert_eq!(format!("{token:?}"), "Token from $X");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "mzp_abc\n").unwrap();
        let with = |mode: u32| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path).map(|t| t.authorization()).map_err(|e| e.to_string())
        };
        for mode in [0o600, 0o400, 0o640, 0o660] {
            assert_eq!(with(mode).unwrap(), "Bearer mzp_abc", "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o602] {
            assert!(with(mode).unwrap_err().contains("chmod 600"), "{mode:o}");
        }
    }
}
