//! A token that somebody wants to be made.

use super::role::Role;
use super::token::{NAME_MAX, is_name};
use std::fmt;
use std::ops::RangeInclusive;

/// Days that a token may be good for.
pub const DAYS: RangeInclusive<i64> = 1..=3650;
/// Environments that one may be for.
pub const ENVIRONMENTS_MAX: usize = 100;
/// Characters of an environment's name at most, as for devices.
const ENVIRONMENT_MAX: usize = 1000;

/// What is to be made, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose it is, or what for.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where, in order and each once; empty for everywhere.
    pub environments: Vec<String>,
    /// Days until it is good no more; `None` for ever.
    pub days: Option<i64>,
    /// It has no secret: a reverse proxy names its holder.
    pub proxy: bool,
}

/// Why it cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadWish {
    /// No token can have this name.
    Name(String),
    /// Too many environments, or one that no device can be in.
    Environments,
    /// It would be good for too long, or not at all.
    Days(i64),
}

impl fmt::Display for BadWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                let shown: String = name.chars().take(NAME_MAX).flat_map(char::escape_debug).collect();
                write!(
                    f,
                    "a token cannot have the name `{shown}`; take letters, digits, and . _ @ + - behind the first, {NAME_MAX} at most, and \
                     not `list`"
                )
            }
            Self::Environments => write!(
                f,
                "a token is for {ENVIRONMENTS_MAX} environments at most, and none of them is called `any`; none at all is for all"
            ),
            Self::Days(days) => {
                write!(f, "a token is good for {} to {} days, not for {days}", DAYS.start(), DAYS.end())
            }
        }
    }
}

impl std::error::Error for BadWish {}

impl Wish {
    /// Checked, with its environments in order.
    ///
    /// # Errors
    /// [`BadWish`].
    pub fn checked(mut self) -> Result<Self, BadWish> {
        if !is_name(&self.name) {
            return Err(BadWish::Name(self.name));
        }
        self.environments.sort();
        self.environments.dedup();
        let fits = |name: &String| {
            let is_line = !name.contains(char::is_control) && name.chars().count() <= ENVIRONMENT_MAX;
            // For requests `any` is all of them.
            is_line && !name.is_empty() && name != "any"
        };
        if self.environments.len() > ENVIRONMENTS_MAX || !self.environments.iter().all(fits) {
            return Err(BadWish::Environments);
        }
        match self.days {
            Some(days) if !DAYS.contains(&days) => Err(BadWish::Days(days)),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_told() {
        let wish = |name: &str, environments: &[&str], days| {
            let environments = environments.iter().map(|e| (*e).to_owned()).collect();
            Wish { name: name.into(), role: Role::Viewer, environments, days, proxy: false }.checked()
        };
        assert_eq!(wish("ci", &["b", "a", "b"], Some(1)).unwrap().environments, ["a", "b"]);
        assert_eq!(wish("c i", &[], None), Err(BadWish::Name("c i".into())));
        for bad in ["", "any", "a\nb", &"x".repeat(1001)] {
            assert_eq!(wish("ci", &["a", bad], None), Err(BadWish::Environments), "{bad}");
        }
        assert_eq!(wish("ci", &[], Some(0)), Err(BadWish::Days(0)));
        assert_eq!(wish("ci", &[], Some(3651)), Err(BadWish::Days(3651)));
    }
}
