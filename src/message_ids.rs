//! The ids of the journal's messages: `journalctl MESSAGE_ID=…` finds all of a kind, whatever their words, and `journalctl -x`
//! explains them by the catalog that the package installs (`packaging/twind.catalog`). An id never changes its meaning.
//!
//! A log line gives its own in the field `message_id`, which goes to the journal as `MESSAGE_ID`, and nowhere else.

/// The daemon controls, from a stored twin or without one.
pub const STARTED: &str = "0ecefbd7cf0345a8b3bbc27560f5d0ee";
/// The daemon cannot start.
pub const CANNOT_START: &str = "fdd6b80e52da44788b8a3991df4e4ee9";
/// The daemon ends in order.
pub const STOPPED: &str = "43ddbb47d7ba4867a7ebb34c9877009e";
/// A changed configuration is in force.
pub const RELOADED: &str = "972c008b12bc465596b562ba25bd2041";
/// A changed configuration is refused.
pub const RELOAD_REFUSED: &str = "d70a95b86f5a4700aeef7e807fd34599";
/// There is a connection to the hub.
pub const CONNECTED: &str = "61002d28510e42b8b1bef17e0295e01d";
/// A connection to the hub ended, or was not made.
pub const NOT_CONNECTED: &str = "90c7669a663e4586b110dfeedcff35f1";
/// The twin was fetched.
pub const TWIN_FETCHED: &str = "79c6211ab28d48c38befc8d89a43e2d3";
/// The desired section changed.
pub const DESIRED_CHANGED: &str = "ee435bf36e2e4bcd9b7b9e8bf04821c8";
/// A desired value cannot be applied.
pub const DESIRED_REFUSED: &str = "2f034ef9829c4cb5b038a23e7c9aa2c5";
/// The hub does not accept what is reported.
pub const REPORT_REFUSED: &str = "ee22b771e6944601aabc3c7c715a9b4c";
/// An output has another drive, or something else decides it.
pub const OUTPUT_SET: &str = "f1b905ff177f484486a4d0dcb0a572e9";
/// An output cannot be driven.
pub const OUTPUT_FAULT: &str = "f68b00511e2345f5ada43c507db9cfec";
/// An output can be driven again.
pub const OUTPUT_MENDED: &str = "7dd69e30549f42ddbf4b2a7207f770cb";
/// A fan does not turn, or its speed is not known.
pub const SPEED_FAULT: &str = "2cb946f9d2b9432e9945a5f3ae281998";
/// The speed of a fan is as it should be again.
pub const SPEED_MENDED: &str = "510406010f5441be869c83db79411cbc";
/// An output or a climate is overridden, or its override is cleared.
pub const OVERRIDDEN: &str = "84f46f6239964b95af6cd10e7153d194";
/// An override ended by itself.
pub const OVERRIDE_ENDED: &str = "e46669a17cc042d0bf1fd1dd4d293be0";
/// The regime of a climate changed.
pub const REGIME: &str = "264725dfa5d24959a3c5c4b1fd605f66";
/// A schedule says something else.
pub const SCHEDULE: &str = "0ab57a785f584c36a9fc5d1a62b015fe";
/// A sensor has no valid reading.
pub const SENSOR_LOST: &str = "0becf0f6743744e1a08a1a8675747a16";
/// A sensor has been read well for long enough: its alarm has ended.
pub const SENSOR_BACK: &str = "d81713544c904fde83e19ce5b9d78518";
/// The twin's copy cannot be stored.
pub const STORE_FAULT: &str = "5f7b6ab6f04c460aab75637bcceb2830";
/// The twin's copy can be stored again.
pub const STORE_MENDED: &str = "d6fedd9ee510452d9636b0bb855f4cdf";
/// Telemetry cannot be kept on the disk.
pub const RING_FAULT: &str = "2e45f76c258f470cacbf89a6bb91082d";
/// Telemetry can be kept on the disk again.
pub const RING_MENDED: &str = "228cfa00f34f492aa3c2d3e2b81cdcf7";
/// Telemetry records are lost.
pub const TELEMETRY_LOST: &str = "d1505c8439c14e2b9e469c2c2714cbd7";
/// Telemetry that was kept is sent, or all of it has been.
pub const BACKLOG: &str = "118fe314abb24db9826915749f2e8e62";
