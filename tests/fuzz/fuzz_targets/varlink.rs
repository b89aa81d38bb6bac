#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| twind_fuzz::varlink::run(bytes));
