//! twinhub
fn main() {}
