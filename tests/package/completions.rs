//! The shells' completions are made from the command line itself and kept in `packaging/completions`, so that neither the
//! daemon nor the package's build needs the generator. What the generator cannot know, such as names of outputs, is in
//! `tests/package/completions` and added to it.

use super::{project, read};
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use std::fs;
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
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(kept).args(words).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_names_settings_and_durations() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("twind.toml");
    fs::write(&file, "[outputs.fan]\n[outputs.fan.when]\n [outputs.heater]  # warm\n#[outputs.off]\n[climates.lab]\n[climate]\n").unwrap();
    let config = file.to_str().unwrap();
    let all = ["climate", "fan", "heater", "lab"];
    assert_eq!(offered(&["twind", "--config", config, "override", ""]), all);
    assert_eq!(offered(&["twind", "override", "--config", config, "f"]), ["fan"]);
    assert_eq!(offered(&["twind", "override", "fan", "o"]), ["on", "off"]);
    assert_eq!(offered(&["twind", "override", "fan", "on", "--for", "1"]), ["10m", "1h", "1day"]);
    assert!(offered(&["twind", "override", "fan", "on", "--f"]).contains(&"--for".to_owned()));
    assert!(offered(&["twind", "stat"]).contains(&"status".to_owned()));
}
