//! What survives a restart.
/// placeholder
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TwinRecord {
    /// Counts the records of this state directory; each is one higher than the last.
    pub sequence: u64,
}
impl TwinRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.sequence.to_string().into_bytes()
    }
    /// A record from its bytes.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordFault> {
        let text = core::str::from_utf8(bytes).map_err(|_| RecordFault::Malformed(String::new()))?;
        Ok(Self { sequence: text.parse().map_err(|_| RecordFault::Malformed(String::new()))? })
    }
}
/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// Not what `encode` writes.
    Malformed(String),
    /// Written by a later twind.
    Newer {
        /// The record's format.
        format: u64,
    },
}
impl core::fmt::Display for RecordFault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?}")
    }
}
impl std::error::Error for RecordFault {}
