//! What the configuration can say and this version of twind cannot do yet. Each refusal stands beside the reading of
//! its key and calls this; the day the version can, that one call goes.

/// The one sentence.
pub(super) fn unsupported(what: &str) -> String {
    format!("{what} is not supported by this version of twind ({})", env!("CARGO_PKG_VERSION"))
}
