//! The package's other files agree with the program: manual pages, completions, README and handbook, changelog, unit.
//! `tests/package/nspawn.sh` tests whether the package installs.
#![allow(clippy::unwrap_used, clippy::panic)]

mod commands;
mod completions;
mod examples;
mod files;
mod handbook;
mod manual;
mod shell;

use std::path::{Path, PathBuf};

/// A file of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
