//! twind
fn main() {}
