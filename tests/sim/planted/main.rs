//! Do the simulation's checkers bite? Bugs are planted in a copy of the sources, and each must be caught by the seeds
//! that `cargo sim` always runs.
//!
//! `cargo planted` makes the copy below the target directory, changes it at every place at once (each change asks at
//! run time whether its bug is the one in force, so one build serves all), builds the simulation from it and runs it
//! bug by bug; `cargo planted -- NAME…` only those named. `cargo test --test planted` only looks whether each bug still
//! has its place in the sources. Nothing of this is ever part of twind. Deliberately absent: judging (the simulation
//! does).
#![expect(clippy::print_stdout, reason = "a program that talks to a person")]

mod bugs;
mod pattern;
mod planting;
mod sources;

use serde_json::Value;
use sources::Sources;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const SOURCES: &str = env!("CARGO_MANIFEST_DIR");
/// What of the sources the simulation is built from.
const COPIED: &[&str] = &["Cargo.toml", "Cargo.lock", "src", "config", "tests"];
/// The crates in which bugs are planted, and their roots.
const CRATES: &[(&str, &str)] = &[("twind_core", "src/core/src/lib.rs"), ("twind", "src/lib.rs")];
const PLANTED_RS: &str = include_str!("planted.rs");

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).filter(|word| word != "--");
    let outcome = match words.next().as_deref() {
        None => planted().map(|files| {
            println!("planted bugs: all {} have their place, in {} files", bugs::all().count(), files.len());
        }),
        Some("--run") => run(&words.collect::<Vec<_>>()),
        Some(_) => Err("usage: cargo planted [-- NAME …]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("planted bugs: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// The changed files, each with every bug in it.
fn planted() -> Result<BTreeMap<PathBuf, String>, String> {
    let mut sources = Sources::default();
    let read = |file: &Path| fs::read_to_string(Path::new(SOURCES).join(file)).ok();
    for (name, root) in CRATES {
        sources.add_crate(name, Path::new(root), &read)?;
    }
    planting::plant(&sources, bugs::all())
}

fn run(names: &[String]) -> Result<(), String> {
    let unknown = names.iter().find(|name| bugs::all().all(|bug| bug.name != name.as_str()));
    if let Some(unknown) = unknown {
        return Err(format!("there is no bug {unknown}"));
    }
    let simulation = build(&copy().map_err(|error| format!("copying the sources: {error}"))?)?;
    // `cargo sim` runs all of them without a bug.
    if let Some(violation) = simulate(&simulation, "none", &["--runs", "200"])? {
        return Err(format!("without any bug in force: {violation}"));
    }
    let chosen = bugs::all().filter(|bug| names.is_empty() || names.iter().any(|name| name == bug.name));
    let (mut caught, mut missed) = (0, Vec::new());
    for bug in chosen {
        match simulate(&simulation, bug.name, &[])? {
            Some(violation) => {
                caught += 1;
                println!("{:26} {}\n{:26} caught: {violation}", bug.name, bug.says, "");
            }
            None => {
                println!("{:26} {}\n{:26} MISSED", bug.name, bug.says, "");
                missed.push(bug.name);
            }
        }
    }
    println!("planted bugs: {caught} caught, {} missed", missed.len());
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join(", "))) }
}

/// A copy of the sources with the bugs in it.
fn copy() -> io::Result<PathBuf> {
    let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    fs::create_dir_all(&tree)?;
    for entry in COPIED {
        copy_into(&Path::new(SOURCES).join(entry), &tree.join(entry))?;
    }
    for (file, text) in planted().map_err(io::Error::other)? {
        fs::write(tree.join(file), text)?;
    }
    rename_version(&tree)?;
    fs::write(tree.join("src/core/src/planted.rs"), PLANTED_RS)?;
    append(&tree.join("src/core/src/lib.rs"), "\n/// Planted bugs.\npub mod planted;\n")?;
    append(&tree.join("src/lib.rs"), "\npub use twind_core::planted;\n")?;
    Ok(tree)
}

/// The copy's own crates get another version, so that they never pass for the project's in the directory that both share.
fn rename_version(tree: &Path) -> io::Result<()> {
    let version = |version: &str| format!("version = \"{version}\"\n");
    let (ours, theirs) =
        (version(env!("CARGO_PKG_VERSION")), version(concat!(env!("CARGO_PKG_VERSION"), "-planted")));
    let manifest = tree.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let package = "[workspace.package]\n";
    fs::write(manifest, text.replace(&format!("{package}{ours}"), &format!("{package}{theirs}")))?;
    let lock = tree.join("Cargo.lock");
    let mut text = fs::read_to_string(&lock)?;
    for member in ["twind", "twind-core", "twinhub", "demo", "demo-story"] {
        let name = format!("name = \"{member}\"\n");
        text = text.replace(&format!("{name}{ours}"), &format!("{name}{theirs}"));
    }
    fs::write(lock, text)
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    fs::write(file, fs::read_to_string(file)? + text)
}

fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != "target" && name != "node_modules" {
            copy_into(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}

/// Builds the simulation from the copy. What both have in common is not built twice: it shares the target directory.
fn build(tree: &Path) -> Result<PathBuf, String> {
    println!("planted bugs: building the simulation with {} of them", bugs::all().count());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(tree);
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--profile", "sim", "--package", "twind", "--test", "sim", "--no-run"])
        .args(["--locked", "--message-format", "json"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("the copy does not build:\n{}", complaints(&output.stdout)));
    }
    let messages = messages(&output.stdout);
    let built = messages.iter().filter(|message| message["target"]["name"] == "sim");
    let executable = built.filter_map(|message| message["executable"].as_str()).next_back();
    executable.map(PathBuf::from).ok_or_else(|| "cargo names no executable".to_owned())
}

fn messages(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn complaints(stdout: &[u8]) -> String {
    let messages = messages(stdout);
    let rendered = messages.iter().filter(|message| message["message"]["level"] == "error");
    rendered.filter_map(|message| message["message"]["rendered"].as_str()).collect()
}

/// Runs the fixed seeds until the first violation: what it was, if there was one.
fn simulate(simulation: &Path, bug: &str, besides: &[&str]) -> Result<Option<String>, String> {
    let output = Command::new(simulation)
        .args(["--fixed", "--fail-fast"])
        .args(besides)
        .env("TWIND_PLANTED", bug)
        .output()
        .map_err(|error| format!("{}: {error}", simulation.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let violation = text.lines().find(|line| line.starts_with("VIOLATION"));
    match (output.status.success(), violation) {
        (true, None) => Ok(None),
        (false, Some(violation)) => Ok(Some(violation.chars().take(200).collect())),
        _ => Err(format!("the simulation ended with {} and said: {}", output.status, text.trim())),
    }
}
