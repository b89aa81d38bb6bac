//! The shells' completions are made from the command line itself and kept in `packaging/completions`, so that neither the
//! daemon nor the package's build needs the generator. What the generator cannot know, such as names of outputs, is in
//! `tests/package/completions` and added to it.

use super::{project, read};
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use std::fs;
use std::path::Path;
use std::process::Command;
use twind::cli::arguments::Arguments;

/// Each shell, and its file's name in `packaging/completions`.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "twind.bash"), (Shell::Zsh, "_twind"), (Shell::Fish, "twind.fish")];
/// Where the generated function for zsh ends and is called.
const ZSH_END: &str = "if [ \"$funcstack[1]\" = \"_twind\" ]; then";
/// In zsh, what completes the arguments of `override`: the end of each argument's line, and what follows there.
const ZSH_ARGUMENTS: [(&str, &str); 3] = [
    ("at most 7 days]:DURATION:'", "(10m 30m 1h 2h 8h 1day)"),
    ("`climate` is the one without a name:'", "_twind_names"),
    ("in the configuration; or `clear`:'", "(on off clear 25% 50% 75%)"),
];

fn made(shell: Shell, name: &str) -> String {
    let mut made = Vec::new();
    generate(shell, &mut Arguments::command(), "twind", &mut made);
    let mut made = String::from_utf8(made).unwrap();
    let own = read(&format!("tests/package/completions/{name}"));
    if shell != Shell::Zsh {
        return made + &own;
    }
    for (end, completes) in ZSH_ARGUMENTS {
        assert_eq!(made.matches(end).count(), 1, "{end}");
        made = made.replace(end, &format!("{}{completes}'", end.trim_end_matches('\'')));
    }
    assert_eq!(made.matches(ZSH_END).count(), 1);
    made.replace(ZSH_END, &format!("{own}{ZSH_END}"))
}

#[test]
fn the_kept_completions_are_those_of_the_command_line() {
    for (shell, name) in SHELLS {
        let path = project("packaging/completions").join(name);
        let made = made(shell, name);
        if std::env::var_os("TWIND_WRITE_COMPLETIONS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is out of date: TWIND_WRITE_COMPLETIONS=1 cargo test --test package writes it anew",
            path.display()
        );
    }
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let script = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _twind_override twind "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" && printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let kept = project("packaging/completions/twind.bash");
    lines(Command::new("bash").args(["-c", script, "bash"]).arg(kept).args(words))
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A configuration with names.
fn configuration(dir: &Path) -> String {
    let file = dir.join("twind.toml");
    fs::write(&file, "[outputs.fan]\n[outputs.fan.when]\n [outputs.heater]  # warm\n#[outputs.off]\n[climates.lab]\n[climate]\n").unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn fish_offers_them_wherever_options_stand_and_no_files_in_their_place() {
    if Command::new("fish").arg("--version").output().is_err() {
        eprintln!("skipped: there is no fish");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let kept = project("packaging/completions/twind.fish");
    let offered = |line: &str| {
        // Its status is 1 where nothing is explained.
        let script = "source $argv[1]; complete -C $argv[2] | string replace -r '\t.*' ''; true";
        // It has a history and settings in the home directory.
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", script]).arg(&kept).arg(line);
        lines(fish.current_dir(dir.path()).env("HOME", dir.path()))
    };
    let (names, settings) =
        (["climate", "fan", "heater", "lab"], ["25%", "50%", "75%", "clear", "off", "on"]);
    let durations = ["10m", "1day", "1h", "2h", "30m", "8h"];
    for (line, wanted) in [
        (format!("twind override --config {config} "), &names[..]),
        (format!("twind --config {config} override "), &names),
        (format!("twind --config={config} override --for 5m "), &names),
        (format!("twind override --for 5m fan --config {config} "), &settings),
        ("twind override fan ".to_owned(), &settings),
        ("twind override fan on --for ".to_owned(), &durations),
    ] {
        let mut found = offered(&line);
        found.sort();
        assert_eq!(found, wanted, "{line}");
    }
    assert_eq!(offered("twind override --config "), ["twind.toml"]);
    assert!(offered("twind stat").contains(&"status".to_owned()));
}

#[test]
fn bash_offers_names_settings_and_durations() {
    let dir = tempfile::tempdir().unwrap();
    let config = &configuration(dir.path());
    let all = ["climate", "fan", "heater", "lab"];
    assert_eq!(offered(&["twind", "--config", config, "override", ""]), all);
    assert_eq!(offered(&["twind", "override", "--config", config, "f"]), ["fan"]);
    assert_eq!(offered(&["twind", "override", "fan", "o"]), ["on", "off"]);
    assert_eq!(offered(&["twind", "override", "fan", "on", "--for", "1"]), ["10m", "1h", "1day"]);
    assert!(offered(&["twind", "override", "fan", "on", "--f"]).contains(&"--for".to_owned()));
    assert!(offered(&["twind", "stat"]).contains(&"status".to_owned()));
}
