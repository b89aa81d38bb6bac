//! The text of a sensor's attribute: each line is one sample, and the whole is also read as a 1-Wire thermometer's.

use twind::control::Fault;
use twind::sensors::sysfs::{number, text};
use twind::sensors::w1;
use twind::sensors::{Plausibility, Plausible, scaled};

const VALID: (f64, f64) = (-40.0, 125.0);
const MAX_STEP: f64 = 15.0;

/// See the module.
pub fn run(bytes: &[u8]) {
    samples(bytes);
    if let Ok(text) = text(bytes.to_vec())
        && let Ok(value) = w1::thousandths(&text)
    {
        let checked = text.contains("YES") && text.contains("t=");
        assert!(checked || number(&text) == Ok(value), "{value} from {text:?}");
    }
}

fn samples(bytes: &[u8]) {
    let rules =
        Plausibility { valid: VALID, max_step: Some(MAX_STEP), reject: vec![85.0], frozen_repeats: Some(3) };
    let mut judge = Plausible::new(rules);
    for line in bytes.split(|byte| *byte == b'\n') {
        let read = text(line.to_vec());
        if let Ok(text) = &read {
            assert!(text.len() < 256, "half a number could be read");
            for (scale, offset) in [(1e-3, 0.0), (1e300, 0.0), (1.0, f64::MAX)] {
                let finite =
                    number(text).and_then(|raw| scaled(raw, scale, offset)).map_or(true, f64::is_finite);
                assert!(finite, "{text:?} times {scale} plus {offset}");
            }
            assert!(number(text).is_ok() || !is_plain_number(text), "{text:?} is a number");
        }
        let sample = read.and_then(|text| number(&text)).and_then(|raw| scaled(raw / 1000.0, 1.0, 0.0));
        match (sample, judge.judge(sample)) {
            (Ok(sample), Ok(believed)) => {
                assert_eq!(sample.to_bits(), believed.to_bits(), "a value that was not sampled");
                assert!(
                    (VALID.0..=VALID.1).contains(&believed) && (believed - 85.0).abs() > 1e-6,
                    "{believed}"
                );
            }
            (Err(fault), judged) => assert_eq!(judged, Err(fault)),
            (Ok(_), Err(fault)) => {
                assert!(!matches!(fault, Fault::Missing | Fault::Unreadable | Fault::Stale));
            }
        }
    }
}

/// Only digits, and few enough for any unit.
fn is_plain_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit())
}
