//! What both machines share: the epoch, the counters, the reasons why an event changes nothing.
//!
//! The machines themselves are `lifeguard` (one per device) and `mozpool` (one per request).

use std::collections::BTreeMap;
use std::fmt;

/// Counts state entries of one machine. Work sent out carries it, answers return it, and an answer with another epoch is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of the next state entry.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often each limited thing has gone wrong since it last went right. Keys are the enum of the machine that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters<K: Ord>(BTreeMap<K, u16>);

impl<K: Ord> Default for Counters<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Counters<K> {
    /// The count, 0 when nothing was counted.
    pub fn get(&self, key: K) -> u16 {
        self.0.get(&key).copied().unwrap_or(0)
    }

    /// Counts one more and returns the new value.
    pub fn increment(&mut self, key: K) -> u16 {
        let n = self.0.entry(key).or_insert(0);
        *n = n.saturating_add(1);
        *n
    }

    /// Back to 0; true if there was something to forget.
    pub fn clear(&mut self, key: K) -> bool {
        self.0.remove(&key).is_some()
    }

    /// All that is not 0, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (K, u16)> + '_ {
        self.0.iter().map(|(k, n)| (*k, *n))
    }

    /// Forgets all counts but those that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(K) -> bool) {
        self.0.retain(|k, _| keep(*k));
    }
}

impl<K: Ord + Copy> FromIterator<(K, u16)> for Counters<K> {
    fn from_iter<T: IntoIterator<Item = (K, u16)>>(pairs: T) -> Self {
        Self(pairs.into_iter().filter(|(_, n)| *n > 0).collect())
    }
}

/// Defines a fieldless enum whose variants have one public name each, with `ALL`, `name`, `parse` and `Display`.
macro_rules! named_enum {
    ($(#[$meta:meta])* $vis:vis enum $type:ident { $($(#[$vmeta:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $type { $($(#[$vmeta])* #[doc = concat!("`", $name, "`")] $variant),* }

        impl $type {
            /// Every variant, in the order of the definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The public name, as the API, the store and the logs write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The variant of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use named_enum;
