//! Which bug is planted: `TWIND_PLANTED`. This file is part of the patched copy only, never of twind.

extern crate std;

use std::string::String;

use std::sync::OnceLock;

pub fn is(name: &str) -> bool {
    static PLANTED: OnceLock<Option<String>> = OnceLock::new();
    PLANTED.get_or_init(|| std::env::var("TWIND_PLANTED").ok()).as_deref() == Some(name)
}
