//! The seal on what the servers of a pool send each other: HMAC-SHA-256 (RFC 2104) by a secret that all of them know.
//!
//! The secret itself never travels and never reaches a log. A seal does not hide what is sealed, and an old letter may come
//! again: what is in it must be harmless then.

use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Bytes that SHA-256 works on at a time.
const BLOCK: usize = 64;
/// Shorter ones can be guessed.
const LENGTH_MIN: usize = 16;
/// Longer ones are some other file.
const LENGTH_MAX: usize = 4096;

/// What all servers of a pool know.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret cannot be used.
#[derive(Debug)]
pub enum BadSecret {
    /// The file cannot be read.
    Unreadable { path: PathBuf, source: std::io::Error },
    /// Others on this machine can read it.
    Open { path: PathBuf },
    /// It has another length than a secret should have.
    Length { path: PathBuf, found: usize },
}

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => write!(
                f,
                "cannot read {} (peers.secret_file): {source}; it must be readable for the daemon's user",
                path.display()
            ),
            Self::Open { path } => write!(
                f,
                "everybody on this machine can read {} (peers.secret_file); take that right away with `chmod o-rwx`",
                path.display()
            ),
            Self::Length { path, found } => write!(
                f,
                "{} (peers.secret_file) holds {found} characters; it should hold {LENGTH_MIN} to {LENGTH_MAX}, \
                 for example what `openssl rand -hex 32` writes",
                path.display()
            ),
        }
    }
}

impl std::error::Error for BadSecret {}

impl Secret {
    /// Reads it from a file; blanks and line ends around it do not count.
    ///
    /// # Errors
    /// [`BadSecret`], with what to do.
    pub fn read(path: &Path) -> Result<Self, BadSecret> {
        let unreadable = |source| BadSecret::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.permissions().mode() & 0o007 != 0 {
            return Err(BadSecret::Open { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        file.take(LENGTH_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let secret = bytes.trim_ascii();
        match secret.len() {
            LENGTH_MIN..=LENGTH_MAX => Ok(Self(secret.to_owned())),
            found => Err(BadSecret::Length { path: path.to_owned(), found }),
        }
    }

    /// How many characters it has.
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// Where nobody writes letters: in the simulator.
    pub(crate) fn unused() -> Self {
        Self(Vec::new())
    }

    /// The seal for a text, in hex.
    pub fn seal(&self, text: &str) -> String {
        hmac(&self.0, text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether somebody who knows the secret has sealed this text. Takes as long for a seal that is nearly right as for others.
    pub fn has_sealed(&self, text: &str, seal: &str) -> bool {
        let right = self.seal(text);
        right.len() == seal.len()
            && right.bytes().zip(seal.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_examples_of_rfc_4231() {
        for (key, text, wanted) in [
            (vec![0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(&key, text.as_bytes())), wanted);
        }
    }

    #[test]
    fn only_the_same_secret_and_text_have_the_same_seal() {
        let (ours, other) = (Secret(b"0123456789abcdef".to_vec()), Secret(b"0123456789abcdeF".to_vec()));
        let seal = ours.seal("text");
        assert!(ours.has_sealed("text", &seal));
        assert!(!ours.has_sealed("texT", &seal) && !other.has_sealed("text", &seal));
        assert!(!ours.has_sealed("text", "") && !ours.has_sealed("text", &seal[1..]));
        assert_eq!(format!("{ours:?}"), "Secret(…)");
    }

    #[test]
    fn a_secret_is_long_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            Secret::read(&path).map(|s| s.0)
        };
        assert_eq!(write(" 0123456789abcdef\n", 0o640).unwrap(), b"0123456789abcdef");
        assert!(matches!(write("0123456789abcdef", 0o644), Err(BadSecret::Open { .. })));
        assert!(matches!(write("0123456789abcde\n", 0o600), Err(BadSecret::Length { found: 15, .. })));
        assert!(write(&"x".repeat(5000), 0o600).unwrap_err().to_string().contains("openssl rand"));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Secret::read(&path), Err(BadSecret::Unreadable { .. })));
    }
}
