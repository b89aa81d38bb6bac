//! `cargo demo`: the door to the demonstration. It has no dependencies and is compiled within a second or two, so that it can say
//! that the rest is being compiled; cargo then shows how far that is. At last the story takes its place.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

mod words;

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use words::{Asked, HELP, USAGE, Wanted};

/// Whoever tries it first waits this long. Measured: two minutes of processor time, which two cores share.
const FIRST_TIME: &str = "the first time that takes a minute or two";
const USAGE_FAULT: u8 = 64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words::read(words.iter().cloned()) {
        Ok(Wanted::Help) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Wanted::Story(asked)) => play(&asked, &words).unwrap_or_else(|error| {
            eprintln!("cargo demo: {error}");
            ExitCode::FAILURE
        }),
        Err(fault) => {
            eprintln!("cargo demo: {fault}\n{USAGE}");
            ExitCode::from(USAGE_FAULT)
        }
    }
}

/// Compiles what the story needs and becomes the story. Returns only if that cannot be.
fn play(asked: &Asked, words: &[String]) -> io::Result<ExitCode> {
    let us = std::env::current_exe()?;
    let folder = us.parent().unwrap_or(Path::new(""));
    let story: PathBuf = folder.join("demo-story");
    if !story.exists() {
        eprintln!("twind, its stand-in hub and the demonstration are compiled now; {FIRST_TIME}.");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The name of the folder is that of the profile, but for one.
    let profile = folder.file_name().filter(|name| *name != "debug").unwrap_or("dev".as_ref());
    let mut build = Command::new(cargo);
    build.args(["build", "--package", "twind", "--package", "demo-story", "--profile"]).arg(profile);
    if asked.stay {
        // The back end of the commands that are printed then.
        build.args(["--package", "twinhub"]);
    }
    // What `cargo run` tells us of our own package would have crates compiled anew that look at it, such as ring.
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    if !build.status()?.success() {
        return Err(io::Error::other("it could not be compiled; see above"));
    }
    Err(Command::new(&story).args(words).exec())
}
