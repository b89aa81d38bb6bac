//! Each command on the pages exists with its options: the program's commands, Cargo's, and scripts. The stand-in hub's own
//! tests check its commands.

use super::shell::{Typed, commands};
use super::{project, read};
use clap::{Parser as _, error::ErrorKind};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use twind::cli::arguments::Arguments;

/// The text of a program's help.
fn help(program: &str, words: &[&str]) -> Result<String, String> {
    let said = Command::new(program).args(words).output().unwrap();
    if said.status.success() {
        Ok(String::from_utf8(said.stdout).unwrap())
    } else {
        Err(String::from_utf8(said.stderr).unwrap())
    }
}

/// The options among these words.
fn options(words: &[String]) -> impl Iterator<Item = &str> {
    words
        .iter()
        .filter(|word| word.len() > 2 && word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap())
}

/// Whether a text names this option, and not only a longer one.
fn names(text: &str, option: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == option)
}

/// The text of a test target's sources; `None` if there is no such target.
fn target(name: &str) -> Option<String> {
    let manifest = read("Cargo.toml");
    let named = |line: &str| {
        line.strip_prefix("path = \"").and_then(|path| path.strip_suffix('"')).map(str::to_owned)
    };
    let declared = manifest.split("[[test]]").find(|part| part.contains(&format!("\nname = \"{name}\"\n")));
    let path = match declared {
        Some(part) => part.lines().find_map(named)?,
        None if project(&format!("tests/{name}.rs")).exists() => format!("tests/{name}.rs"),
        None => format!("tests/{name}/main.rs"),
    };
    let path = project(&path);
    let mut text = fs::read_to_string(&path).ok()?;
    if path.ends_with("main.rs") {
        for entry in fs::read_dir(path.parent()?).ok()?.flatten() {
            text += &fs::read_to_string(entry.path()).unwrap_or_default();
        }
    }
    Some(text)
}

/// The word after one of these options.
fn after<'w>(words: &'w [String], options: &[&str]) -> Option<&'w str> {
    let place = words.iter().position(|word| options.contains(&word.as_str()))?;
    words.get(place + 1).map(String::as_str)
}

/// Checks a command of Cargo, including the project's own aliases.
fn check_cargo(words: &[String]) -> Result<(), String> {
    let config = read(".cargo/config.toml");
    let alias = config.lines().filter_map(|line| line.strip_prefix(&format!("{} = [", words[1])));
    let mut all: Vec<String> =
        alias.flat_map(|words| words.split('"').skip(1).step_by(2)).map(str::to_owned).collect();
    if all.is_empty() {
        all.push(words[1].clone());
    }
    // `cargo sim -- --seed 7`: the alias already contains a `--`.
    let rest = words[2..].iter().filter(|word| !(all.contains(&"--".to_owned()) && *word == "--"));
    let rest: Vec<String> = rest.cloned().collect();
    all.extend(rest);
    let end = all.iter().position(|word| word == "--").unwrap_or(all.len());
    let (own, passed) = all.split_at(end);
    // Clippy also takes the options of `check`, but its help shows only its own.
    let command = if own[0] == "clippy" { "check" } else { &own[0] };
    let known = help(env!("CARGO"), &[command, "-h"])?;
    if let Some(option) = options(own).find(|option| !names(&known, option)) {
        return Err(format!("cargo {command} has no {option}"));
    }
    if let Some(package) = after(own, &["-p", "--package"]) {
        let folders = ["", "tests/hub/", "src/core/", "tests/demo/", "tests/demo/story/"];
        let mut manifests = folders.iter().map(|folder| read(&format!("{folder}Cargo.toml")));
        if !manifests.any(|manifest| manifest.contains(&format!("name = \"{package}\"\n"))) {
            return Err(format!("there is no package {package}"));
        }
        if package == "demo" {
            let help = read("tests/demo/words.rs");
            let unknown = options(passed).find(|option| !names(&help, option));
            return unknown.map_or(Ok(()), |option| Err(format!("the demonstration has no {option}")));
        }
    }
    let Some(test) = after(own, &["--test"]) else { return Ok(()) };
    let text = target(test).ok_or_else(|| format!("there is no test target {test}"))?;
    let own_or_the_harness =
        |option: &&str| !names(&text, option) && !["--nocapture", "--help"].contains(option);
    match options(passed).find(own_or_the_harness) {
        Some(option) => Err(format!("{test} has no {option}")),
        None => Ok(()),
    }
}

fn check_twind(words: &[String]) -> Result<(), String> {
    match Arguments::try_parse_from(words) {
        Ok(_) => Ok(()),
        Err(told) if matches!(told.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Ok(()),
        Err(told) => Err(told.to_string()),
    }
}

fn check_script(words: &[String]) -> Result<(), String> {
    let path = project(&words[0]);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", words[0]))?;
    if let Some(option) = options(words).find(|option| !names(&text, option)) {
        return Err(format!("{} has no {option}", words[0]));
    }
    if words[0] == ".ci/run" {
        let list = help(path.to_str().unwrap(), &["--list"])?;
        let known = |step: &&String| list.lines().any(|line| line.split(' ').next() == Some(step.as_str()));
        if let Some(step) = words[1..].iter().find(|word| !word.starts_with("--") && !known(word)) {
            return Err(format!("there is no step {step}"));
        }
    }
    Ok(())
}

/// The fault of a command, if any; `None` if it is not one of the project's.
fn check(words: &[String]) -> Option<Result<(), String>> {
    let is_script =
        |word: &str| ["tests/", "packaging/", ".ci/"].iter().any(|folder| word.starts_with(folder));
    match words[0].as_str() {
        "twind" => Some(check_twind(words)),
        "cargo" => Some(check_cargo(words)),
        script if is_script(script) => Some(check_script(words)),
        _ => None,
    }
}

#[test]
fn each_command_of_the_pages_is_one_with_its_options() {
    let mut counts = BTreeMap::<String, usize>::new();
    for Typed { page, words } in commands(&project("")) {
        if let Some(checked) = check(&words) {
            assert_eq!(checked, Ok(()), "{page}: {}", words.join(" "));
            *counts.entry(words[0].clone()).or_default() += 1;
        }
    }
    assert!(counts["twind"] > 8 && counts["cargo"] > 8 && counts.len() > 8, "{counts:?}");
}

#[test]
fn a_command_that_is_none_is_noticed() {
    for line in [
        "twind statsu",
        "twind status --jsn",
        "twind override fan 60% --fro 30m",
        "cargo simm",
        "cargo sim -- --sead 7",
        "cargo demo -- --sight rooms",
        "cargo test --wrkspace",
        "cargo test --test quiet_dya",
        "cargo run -p twinhbu",
        ".ci/run lint",
        "tests/pi/run.sh --instal",
        "tests/pi/rnu.sh",
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert!(matches!(check(&words), Some(Err(_))), "{line}");
    }
}
