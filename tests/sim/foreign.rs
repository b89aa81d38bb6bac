//! What writers other than twind put into a twin: legal under the limits of some hub, and nothing that twind would write.
//!
//! Numbers that a JSON tree cannot hold exactly are in the form that `twind::twin::json` gives them, at the hub too: there
//! they are a text, which becomes the number again on the wire. Deliberately absent: when such things are written.

use crate::rng::Rng;
use serde_json::{Map, Value, json};
use twind::twin::json::read;

/// Names of properties that mean nothing at any site.
pub(crate) const NAMES: [&str; 8] =
    ["build#", "no\u{a0}break", "wide\u{3000}space", "$since", "a.b", "list", "deep", "count"];

/// Some properties, or their removal.
pub(crate) fn some(rng: &mut Rng) -> Value {
    let mut properties = Map::new();
    for name in NAMES {
        if rng.chance(400) {
            let value = if rng.chance(300) { Value::Null } else { value(rng) };
            properties.insert(name.to_owned(), value);
        }
    }
    Value::Object(properties)
}

fn value(rng: &mut Rng) -> Value {
    match rng.below(8) {
        0 => json!("z".repeat(5_000 + rng.below(200) as usize)),
        1 => json!([1, null, { "gone": null }]),
        2 => json!(1_u64 << 60),
        3 => as_text("1180591620717411303424"),
        4 => as_text("1e400"),
        5 => (0..11).fold(json!(rng.below(9)), |inner, _| json!({ "k": inner })),
        6 => as_read(&format!("{}{}{}", "[".repeat(80), rng.below(9), "]".repeat(80))),
        _ => json!({ "rev#": rng.below(9), "of": { "a b": as_text("0.1000000000000000000000000001") } }),
    }
}

/// A number in the form that the device must keep.
fn as_text(number: &str) -> Value {
    json!(format!("\0r{number}"))
}

/// As it is read at the top of a section.
fn as_read(text: &str) -> Value {
    let mut read = read(format!("{{\"n\":{text}}}").as_bytes(), 0).unwrap_or_default();
    read.shift_remove("n").unwrap_or_default()
}
