//! Secrets that somebody carries: how they are made, written, and what is kept of them.
//!
//! A secret is 256 bits of the system's random numbers, so a plain SHA-256 is enough to keep: nobody guesses it, and nothing is
//! gained by making guesses slow. The text has a beginning that tools which look for leaked secrets can find.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// What every token begins with.
const PREFIX: &str = "mzp_";
/// Random bytes of a secret.
const BYTES: usize = 32;
/// Characters that they take in base64url without padding (RFC 4648 section 5).
const TEXT: usize = 43;
/// Characters of a token's name at most.
pub const NAME_MAX: usize = 80;

/// Whether a token may have this name: it stands in logs, paths and command lines, and may be that of a person at a proxy.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
    (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        // What the API lists them under.
        && name != "list"
}

/// A secret as its carrier has it. It has no way into a log: its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Of random bytes.
    pub fn of(bytes: [u8; BYTES]) -> Self {
        Self(base64url(&bytes))
    }

    /// A new one, of the system's random numbers.
    ///
    /// # Errors
    /// The system's; it has none only while it boots.
    pub fn new() -> std::io::Result<Self> {
        let mut bytes = [0; BYTES];
        let mut filled = 0;
        while filled < BYTES {
            filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(Self::of(bytes))
    }

    /// Reads a token's text.
    pub fn read_token(text: &str) -> Option<Self> {
        Self::read(text.strip_prefix(PREFIX)?)
    }

    /// Reads the text of a session's cookie.
    pub fn read(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == TEXT && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// As a token is written.
    pub fn token_text(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// As a cookie has it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// What a page that has this as its session must say with each call that changes something. Whoever knows the session's
    /// cookie can tell it, and it does not tell the cookie; so it needs no place in the store.
    pub fn csrf(&self) -> String {
        csrf_of(&self.0)
    }
}

/// The same for something that is no secret, where it is enough that a page can send such a header at all: those of others cannot.
pub(super) fn csrf_of(text: &str) -> String {
    base64url(&Sha256::new().chain_update(b"csrf\n").chain_update(text).finalize())
}

/// SHA-256 of a secret, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// In hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        // Three bytes are four letters; what is left of the last ones is two or three.
        for n in 0..=three.len() {
            let letter = bits >> (18 - 6 * n) & 0x3f;
            text.push(char::from(LETTERS[letter as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (bytes, want) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(base64url(bytes.as_bytes()), want);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_never_shown() {
        let secret = Secret::of([7; 32]);
        let text = secret.token_text();
        assert_eq!(text, "mzp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        assert_eq!(Secret::read_token(&text), Some(secret.clone()));
        for wrong in
            ["", "mzp_", &text[1..], &text[..46], &format!("{text}A"), &text.replace('B', "="), &text[4..]]
        {
            assert_eq!(Secret::read_token(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_ne!(Secret::new().unwrap(), Secret::new().unwrap());
        // sha256sum(1) of the text behind the prefix.
        assert_eq!(
            secret.digest().as_str(),
            "dc4bf80c77473d130fa0de86ba4018fe98bb214005e6a5891d12ba91446f9e81"
        );
        assert!(!secret.csrf().contains(secret.text()) && secret.csrf().len() == 43);
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["ci", "ann@example.com", "a", "ci-runner_2.lab+x", &"a".repeat(80)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "list", "-x", ".x", "a b", "a/b", "(open)", "é", "a\n", &"a".repeat(81)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
