//! The back end: valid and invalid patches, in every order.

use crate::model::Warmth;
use crate::random::Random;
use serde_json::{Value, json};

/// The next patch of the desired section; `null` empties it.
pub(crate) fn patch(random: &mut Random, count: u64) -> Value {
    let degrees = |random: &mut Random, from, to| {
        let value = random.between(from, to);
        if random.one_in(3) { json!(value.to_string()) } else { json!(value) }
    };
    match random.below(20) {
        0..=5 => {
            let values = [json!(true), json!(false), json!("true"), json!("false")];
            json!({"fanOn": random.pick(&values), "patchId": count.to_string()})
        }
        6 => json!({"fanOn": null}),
        7 => json!({"fanOn": random.pick(&[json!("maybe"), json!(7), json!({"really": true})])}),
        8..=11 => {
            let (min, max) = (degrees(random, 5, 20), degrees(random, 21, 40));
            json!({"components": {"climate": {"minTemperature": min, "maxTemperature": max}}})
        }
        12 => json!({"components": {"climate": {"minTemperature": degrees(random, 5, 45)}}}),
        13 => json!({"components": {"climate": {"maxTemperature": degrees(random, 5, 45)}}}),
        14 => json!({"components": {"climate": {"minTemperature": "hot"}, "wifi": {"channel": 6}}}),
        15 => {
            let units =
                [json!("celsius"), json!("fahrenheit"), json!("farenheit"), json!("rankine"), json!(3)];
            json!({"components": {"system": {"units": random.pick(&units)}}})
        }
        16 => json!({"components": {"wifi": {"ssid": "x".repeat(900), "channel": random.below(14)}}}),
        17 => json!({"components": {"wifi": null, "climate": null, "system": null}}),
        18 => random.pick(&[json!({"components": null}), Value::Null]).clone(),
        _ => json!({"patchId": count.to_string(), "note": {"deeply": {"nested": [1, "two", {"three": 3}]}}}),
    }
}

/// What the sensor's file says next (`None` for no file), and what that means.
pub(crate) fn reading(random: &mut Random) -> (Option<&'static str>, Warmth) {
    *random.pick(&[
        (Some("15.0"), Warmth::Celsius(15.0)),
        (Some("22.0"), Warmth::Celsius(22.0)),
        (Some("24.5"), Warmth::Celsius(24.5)),
        (Some("27"), Warmth::Celsius(27.0)),
        (Some("45.0\n"), Warmth::Celsius(45.0)),
        (Some("-5.0"), Warmth::Celsius(-5.0)),
    ])
}

/// A sensor that fails, or jumps to an impossible value.
pub(crate) fn bad_reading(random: &mut Random) -> (Option<&'static str>, Warmth) {
    *random.pick(&[
        (Some("warm"), Warmth::Broken),
        (Some(""), Warmth::Broken),
        (Some("NaN"), Warmth::Broken),
        (Some("1e999"), Warmth::Broken),
        (Some("\u{0}\u{1}"), Warmth::Broken),
        (Some("200.0"), Warmth::Broken),
        (None, Warmth::Broken),
        (Some("75.0"), Warmth::Celsius(75.0)),
    ])
}
