//! The program `twinhub`: a stand-in hub to run, and a small back end that also works against the real one.
//!
//! Exit codes: 0 done, 1 the hub turned the request down, 64 wrong use or a request that makes no sense to the hub, 69 the
//! hub or the device cannot be reached, 70 an error in this program, 77 not authorised.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
