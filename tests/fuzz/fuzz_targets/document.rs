#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| twind_fuzz::document::run(bytes));
