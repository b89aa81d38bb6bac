//! What `--help` prints, in the columns of the smallest terminal. The parser itself breaks no line.

use clap::error::ErrorKind;

const COLUMNS: usize = 80;
/// What would begin further right than this has too little room there.
const INDENT_MAX: usize = 40;
/// What stands between a name and what it means.
const GAP: usize = 2;

/// The help that was asked for; `None` if the parser has something else to say.
pub fn text(parsed: &clap::Error) -> Option<String> {
    let is_help =
        matches!(parsed.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    is_help.then(|| in_columns(&parsed.render().to_string()))
}

/// Breaks what is too long, and begins the next line where the first began to explain.
fn in_columns(help: &str) -> String {
    let mut text = String::with_capacity(help.len() + 256);
    for line in help.lines() {
        let indent = indent(line);
        let mut used = 0;
        for (index, word) in line.split(' ').enumerate() {
            let length = width(word);
            if used > indent && used + 1 + length > COLUMNS {
                text.push('\n');
                text.extend(core::iter::repeat_n(' ', indent));
                used = indent;
            } else if index > 0 {
                text.push(' ');
                used += 1;
            }
            text.push_str(word);
            used += length;
        }
        text.push('\n');
    }
    text
}

/// The column in which a line begins to explain: behind a name and a gap, else where it begins at all.
fn indent(line: &str) -> usize {
    let (mut column, mut spaces, mut begin) = (0, 0, None);
    for c in line.chars() {
        if c == ' ' {
            spaces += 1;
        } else {
            match begin {
                None => begin = Some(column),
                Some(_) if spaces >= GAP && column <= INDENT_MAX => return column,
                Some(_) => {}
            }
            spaces = 0;
        }
        column += 1;
    }
    begin.filter(|begin| *begin <= INDENT_MAX).unwrap_or_default()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    fn parsed(words: &[&str]) -> clap::Error {
        Arguments::try_parse_from(["twind"].iter().chain(words)).err().unwrap()
    }

    #[test]
    fn no_line_of_any_help_is_longer_than_eighty_columns_and_no_word_is_lost() {
        let names: Vec<String> =
            Arguments::command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
        assert!(names.len() > 9, "{names:?}");
        let mut all: Vec<Vec<&str>> = vec![vec!["-h"], vec!["--help"], vec!["help"], vec![]];
        for name in &names {
            all.extend([vec!["help", name], vec![name, "-h"], vec![name, "--help"]]);
        }
        for words in all {
            let parsed = parsed(&words);
            let told = text(&parsed).unwrap();
            assert!(told.lines().all(|line| width(line) <= COLUMNS), "{words:?}: {told}");
            let before = parsed.render().to_string();
            assert!(told.split_whitespace().eq(before.split_whitespace()), "{words:?}: {told}");
        }
    }

    #[test]
    fn what_is_broken_goes_on_where_it_began_to_explain() {
        let told = text(&parsed(&["status", "-h"])).unwrap();
        let wanted = "      --changes <NUMBER>  How many recent changes of outputs to show (5, with\n                          --json 20, at most 1000)\n";
        assert!(told.contains(wanted), "{told}");
    }

    #[test]
    fn wrong_usage_is_no_help() {
        assert_eq!(text(&parsed(&["nothing"])), None);
    }
}
