//! Where the lab's devices are written down, and how that is read: one small file per kind of source, all behind [`Source`].
//!
//! Sources fetch and name places, `intake` sorts out and checks. What becomes of it is `logic::inventory`'s to decide; nothing here
//! knows the store. An inventory comes whole or not at all: whatever cannot be read, in any page of it, is an error.

mod error;
mod files;
mod intake;
mod mapped;
mod mozilla;
mod netbox;
mod web;

pub use error::SourceError;
pub use intake::{Intake, Skipped, take_in};
pub use mapped::FIELDS;

use crate::config::{Inventory, InventorySource};
use crate::logic::inventory::System;
use std::time::Instant;

/// Something that knows the lab's devices.
pub trait Source {
    /// All its systems, as it tells of them.
    ///
    /// # Errors
    /// What cannot be read, and where; nothing of it is to be used then.
    fn fetch(&self) -> Result<Vec<System>, SourceError>;
}

/// Systems that an inventory may have: more is a loop, not a lab.
pub const SYSTEMS_MAX: usize = 200_000;

/// The source that the configuration names, for one run that ends by `until`; files with secrets are read now.
///
/// # Errors
/// A setting that it needs and has not, or a file that cannot be read.
pub fn open(config: &Inventory, until: Instant) -> Result<Box<dyn Source>, SourceError> {
    Ok(match config.source {
        InventorySource::None => return Err(SourceError::NotConfigured),
        InventorySource::Files => Box::new(files::Files::open(config)?),
        InventorySource::Mozilla => Box::new(mozilla::Mozilla::open(config, until)?),
        InventorySource::Http => Box::new(mapped::Mapped::open(config, until)?),
        InventorySource::Netbox => Box::new(netbox::Netbox::open(config, until)?),
    })
}
