//! What there is to install and on what: images, hardware types and the PXE config of each pair.
//!
//! Plain facts for the machines, loaded from the store; no row numbers but the hardware type's.

use super::check::Check;
use super::ids::{HardwareId, ImageName, PxeConfigName};
use super::lifeguard::state::State;
use std::collections::{BTreeMap, HashMap};

/// Time limits in seconds that replace a state's own.
pub type TimeLimits = BTreeMap<State, u32>;

/// How long a board must answer ping without a gap before it counts as booted, unless its hardware type says otherwise.
/// Firmware stages answer ping too; none of those measured did so for this long.
pub const PING_STEADY_S: u32 = 10;

/// What the machines need to know of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// How a board that runs it proves that it works.
    pub check: Check,
    /// A board that already runs it with the same boot config need only be power-cycled.
    pub can_reuse: bool,
    /// Time limits of this image; they win over the hardware type's.
    pub limits: TimeLimits,
}

/// What the machines need to know of a hardware type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardwareFacts {
    /// Time limits of this hardware.
    pub limits: TimeLimits,
    /// Seconds of unbroken ping that mean "booted"; see [`PING_STEADY_S`].
    pub ping_steady_s: u32,
}

impl Default for HardwareFacts {
    fn default() -> Self {
        Self { limits: TimeLimits::new(), ping_steady_s: PING_STEADY_S }
    }
}

/// All images, hardware types, and the matrix between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// By name.
    pub images: HashMap<ImageName, ImageFacts>,
    /// By row number.
    pub hardware: HashMap<HardwareId, HardwareFacts>,
    /// Which PXE config boots the live system that installs an image on a hardware type.
    pub matrix: HashMap<(ImageName, HardwareId), PxeConfigName>,
}

impl Catalog {
    /// The PXE config for `image` on `hardware`, if the pair has one.
    pub fn pxe_config(&self, image: &str, hardware: Option<HardwareId>) -> Option<&PxeConfigName> {
        self.matrix.get(&(ImageName::from(image), hardware?))
    }
}
