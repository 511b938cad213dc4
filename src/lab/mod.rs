//! A lab on paper: devices, hardware types, images, PXE configs and relay boards as one TOML file.
//!
//! Parsed and checked here; `Store::apply_lab` brings the store to it.

/// What a lab file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lab {}

/// One difference between a lab file and the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// For people: `device panda-0001: fqdn a -> b`.
    pub text: String,
}
