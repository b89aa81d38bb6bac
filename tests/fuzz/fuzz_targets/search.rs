//! The fuzzer's program for all targets; `TWIND_FUZZ_TARGET` names the one that is searched. One program is built in a fraction
//! of the time that one for each target takes.
#![no_main]

use std::sync::OnceLock;
use twind_fuzz::{Body, TARGETS};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chosen()(bytes));

fn chosen() -> Body {
    static CHOSEN: OnceLock<Body> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("TWIND_FUZZ_TARGET").unwrap_or_default();
        let target = TARGETS.iter().find(|(known, _)| *known == name);
        target.unwrap_or_else(|| panic!("TWIND_FUZZ_TARGET names no target: {name:?}")).1
    })
}
