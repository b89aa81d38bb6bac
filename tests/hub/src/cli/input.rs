//! JSON given on the command line: as it stands, or `@FILE` for the content of a file.

use super::Failure;
use serde_json::Value;

/// Reads JSON of an option called `option`.
pub(crate) fn json(option: &str, text: &str) -> Result<Value, Failure> {
    let content = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("{option}: cannot read {file}: {error}")))?,
        None => text.to_owned(),
    };
    serde_json::from_str(&content).map_err(|error| Failure::Usage(format!("{option} is no JSON: {error}")))
}
