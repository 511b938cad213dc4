//! What callers may do to devices.

use super::Ctx;
use super::reply::Result;
use crate::store::DeviceView;

impl Ctx<'_> {
    /// Whether the caller is known, and may work with this device: never because the server is open to all.
    pub(super) fn may_operate(&self, _device: &DeviceView) -> bool {
        false
    }

    /// Whether the caller may ask something of this device.
    ///
    /// # Errors
    /// Why not.
    #[expect(clippy::unnecessary_wraps, reason = "everybody may, as long as nobody is asked who calls")]
    pub(super) fn check_may_ask(&self, _device: &DeviceView) -> Result<()> {
        Ok(())
    }

    /// Whether the caller may read all that there is.
    pub(super) fn may_read(&self) -> bool {
        true
    }
}
