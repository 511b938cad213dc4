//! What a request wants: which boards will do, and what is to be on them.

use crate::logic::ids::DeviceName;
use crate::logic::lifeguard::Install;
use std::fmt;

/// One or several values of which any will do; never none, and none twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OneOf(Vec<String>);

impl OneOf {
    /// Of a list in its order; `None` when there is nothing in it, because nothing would do.
    pub fn new(values: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut once: Vec<String> = Vec::new();
        for value in values {
            if !once.contains(&value) {
                once.push(value);
            }
        }
        (!once.is_empty()).then_some(Self(once))
    }

    /// Whether `value` will do.
    pub fn accepts(&self, value: &str) -> bool {
        self.0.iter().any(|v| v == value)
    }

    /// All that will do, as they were asked for.
    pub fn values(&self) -> &[String] {
        &self.0
    }
}

impl From<&str> for OneOf {
    fn from(only: &str) -> Self {
        Self(vec![only.to_owned()])
    }
}

impl From<String> for OneOf {
    fn from(only: String) -> Self {
        Self(vec![only])
    }
}

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" or "))
    }
}

/// What a request wants. Every part that is given must match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// This board and no other; `None` is `any`.
    pub device: Option<DeviceName>,
    /// Boards of these pools; `None` is `any`.
    pub environment: Option<OneOf>,
    /// What is to be on it.
    pub install: Install,
    /// Hardware type, e.g. `panda`.
    pub hardware_type: Option<OneOf>,
    /// Hardware model.
    pub hardware_model: Option<OneOf>,
    /// Processor, e.g. `armv6` or `armv7`.
    pub processor: Option<OneOf>,
    /// Of each of these the board must have a tag.
    pub tags: Vec<OneOf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_several_will_do_and_of_nothing_nothing() {
        let text = |t: &[&str]| OneOf::new(t.iter().map(|t| (*t).to_owned()));
        assert_eq!(text(&[]), None);
        assert_eq!(text(&["a"]), Some("a".into()));
        let two = text(&["armv6", "armv7", "armv6"]).unwrap();
        assert_eq!((two.values().len(), two.to_string().as_str()), (2, "armv6 or armv7"));
        assert!(two.accepts("armv7") && !two.accepts("armv") && !two.accepts(""));
    }
}
