//! The manual pages agree with `--help` and with the installed configuration. They are written by hand, but each command,
//! option, key and default on them is compared with its source here.

use super::read;
use clap::Parser as _;
use clap::{Arg, Command, CommandFactory as _};
use twind::cli::arguments::Arguments;

/// A page's text without the formatter's markup.
fn plain(page: &str) -> String {
    page.lines().filter(|line| !line.starts_with(".\\\"")).fold(String::new(), |mut text, line| {
        let line = line.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-");
        text.push_str(&line);
        text.push('\n');
        text
    })
}

/// The lines between a header and the next one, without the headers.
fn section<'t>(text: &'t str, header: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("\n{header}\n")).unwrap_or_else(|| panic!("no {header}"));
    rest.split_once("\n.SH ").map_or(rest, |(section, _)| section)
}

/// The tags of a section: the line below each `.TP`, without its macro.
fn tags(section: &str) -> Vec<String> {
    let mut lines = section.lines();
    let mut tags = Vec::new();
    while lines.by_ref().any(|line| line == ".TP") {
        let tag = lines.next().unwrap();
        tags.push(tag.trim_start_matches(".B ").trim_start_matches(".I ").to_owned());
    }
    tags
}

fn options(command: &Command) -> Vec<String> {
    let named = |arg: &Arg| arg.get_long().map(|long| format!("--{long}"));
    command.get_arguments().filter_map(named).collect()
}

#[test]
fn the_manual_names_each_command_and_option_and_no_other() {
    let page = plain(&read("packaging/man/twind.8"));
    let mut words = Arguments::command();
    words.build();
    let commands: Vec<_> = words.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert_eq!(tags(section(&page, ".SH COMMANDS")), commands);
    let mut wanted: Vec<_> = words.get_subcommands().flat_map(options).chain(options(&words)).collect();
    wanted.sort();
    wanted.dedup();
    let mut shown: Vec<_> = tags(section(&page, ".SH OPTIONS"))
        .iter()
        .filter_map(|tag| tag.split([' ', ',']).find(|word| word.starts_with("--")).map(str::to_owned))
        .collect();
    shown.sort();
    assert_eq!(shown, wanted);
}

#[test]
fn the_synopsis_shows_each_command_with_its_options() {
    let page = plain(&read("packaging/man/twind.8"));
    let synopsis = section(&page, ".SH SYNOPSIS");
    let mut words = Arguments::command();
    words.build();
    for command in words.get_subcommands().filter(|command| command.get_name() != "help") {
        let line = format!("twind {} ", command.get_name());
        let line = synopsis.lines().find(|shown| shown.starts_with(&line));
        let line = line.unwrap_or_else(|| panic!("{} is not in the synopsis", command.get_name()));
        // What begins a configuration reads none.
        let is_without = |option: &str| command.get_name() == "init" && option == "--config";
        let shown = options(command).into_iter().filter(|option| option != "--help" && !is_without(option));
        for option in shown {
            assert!(line.contains(option.as_str()), "{option} is not in: {line}");
        }
    }
}

#[test]
fn the_manual_tells_the_exit_statuses_of_the_help() {
    let page = plain(&read("packaging/man/twind.8"));
    let help = Arguments::command().render_help().to_string();
    let (_, list) = help.split_once("Exit status: ").unwrap();
    let (list, _) = list.split_once(".\n").unwrap();
    let told: Vec<_> = list.split(", ").filter_map(|entry| entry.split_once(' ')).collect();
    assert_eq!(told.len(), 7, "{list}");
    let shown = section(&page, ".SH EXIT STATUS");
    for (status, means) in told {
        let entry = shown.split(".TP\n").find(|entry| entry.starts_with(&format!(".B {status}\n")));
        let entry = entry.unwrap_or_else(|| panic!("{status} is not told"));
        assert!(entry.to_lowercase().contains(&means.to_lowercase()), "{status}: {entry}");
    }
}

/// A key or a table, as the file and the page show it.
#[derive(Debug, PartialEq)]
enum Entry {
    Table(String),
    Default(String),
    Example(String),
}

/// The entries of the installed file, in order.
fn installed() -> Vec<Entry> {
    let file = read("config/twind.toml");
    let entries = file.lines().filter_map(|line| {
        let example = line.strip_prefix("#? ");
        let text = example.or_else(|| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))?;
        let text = text.split(" #").next()?.trim_end().to_owned();
        Some(match (text.starts_with('['), example) {
            _ if text.is_empty() => return None,
            (true, _) => Entry::Table(text),
            (false, None) => Entry::Default(text),
            (false, Some(_)) => Entry::Example(text),
        })
    });
    entries.collect()
}

#[test]
fn the_manual_of_the_configuration_shows_each_line_of_the_installed_file_in_its_order() {
    let page = read("packaging/man/twind.toml.5");
    let (_, keys) = page.split_once("\n.SH TABLES AND KEYS\n").unwrap();
    let (keys, _) = keys.split_once("\n.SH ").unwrap();
    let mut lines = keys.lines();
    let mut shown = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(table) = line.strip_prefix(".SS ") {
            shown.push(Entry::Table(plain(table).trim_end().to_owned()));
        } else if line == ".TP" {
            let tag = lines.next().unwrap();
            let text = plain(tag).trim_end().to_owned();
            shown.push(if tag.contains("\\fI") { Entry::Example(text) } else { Entry::Default(text) });
        }
    }
    let wanted = installed();
    assert!(wanted.len() > 80, "{wanted:?}");
    for (shown, wanted) in shown.iter().zip(&wanted) {
        assert_eq!(shown, wanted);
    }
    assert_eq!(shown.len(), wanted.len());
}

#[test]
fn both_pages_say_of_which_version_they_are_and_the_examples_are_commands_of_it() {
    for page in ["packaging/man/twind.8", "packaging/man/twind.toml.5"] {
        let head = read(page).lines().find(|line| line.starts_with(".TH ")).unwrap().to_owned();
        assert!(head.contains(&format!("\"twind {}\"", env!("CARGO_PKG_VERSION"))), "{page}: {head}");
    }
    let page = plain(&read("packaging/man/twind.8"));
    let examples = section(&page, ".SH EXAMPLES");
    let commands = examples.lines().filter_map(|line| line.strip_prefix("twind "));
    let mut count = 0;
    for command in commands {
        let words =
            command.split(" >").next().unwrap().split(" |").next().unwrap().split(" &&").next().unwrap();
        let words = ["twind"].into_iter().chain(words.split_whitespace());
        assert!(Arguments::try_parse_from(words).is_ok(), "{command}");
        count += 1;
    }
    assert!(count >= 5, "only {count} examples");
}
