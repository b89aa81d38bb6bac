//! An output line that can be set high or low.

use crate::control::PinFault;

/// Sets a line that is an output.
pub(super) trait Level: Send {
    /// High or low.
    ///
    /// # Errors
    /// Why not.
    fn set(&mut self, high: bool) -> Result<(), PinFault>;
}
