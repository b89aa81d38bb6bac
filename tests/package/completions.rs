//! The shells' completions are made from the command line itself and kept in `packaging/completions`, so that neither the
//! daemon nor the package's build needs the generator.

use super::project;
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use twind::cli::arguments::Arguments;

/// Each shell, and its file's name in `packaging/completions`.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "twind.bash"), (Shell::Zsh, "_twind"), (Shell::Fish, "twind.fish")];

#[test]
fn the_kept_completions_are_those_of_the_command_line() {
    for (shell, name) in SHELLS {
        let path = project("packaging/completions").join(name);
        let mut made = Vec::new();
        generate(shell, &mut Arguments::command(), "twind", &mut made);
        if std::env::var_os("TWIND_WRITE_COMPLETIONS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is out of date: TWIND_WRITE_COMPLETIONS=1 cargo test --test package writes it anew",
            path.display()
        );
    }
}
