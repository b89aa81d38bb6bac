//! The program `twinhub`: a stand-in hub to run, and a small back end that also works against the real one.
//!
//! Exit codes: 0 done, 64 wrong use or a request the hub turned down, 69 the hub or the device cannot be reached,
//! 70 something in here went wrong, 77 not authorised.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
