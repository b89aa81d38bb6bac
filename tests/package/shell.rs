//! The commands in the `sh` blocks of README, handbook and the pages for contributors.
//!
//! The stand-in hub's own tests use this too. Deliberately absent: checks of the commands.

use std::fs;
use std::path::Path;

/// The folders of the pages, relative to the project.
const FOLDERS: [&str; 3] = ["", "packaging/doc", ".github"];

/// One command's words, and the page that it is on.
pub(crate) struct Typed {
    pub(crate) page: String,
    pub(crate) words: Vec<String>,
}

/// The path and the text of every page.
pub(crate) fn pages(project: &Path) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(project.join(folder)).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(project).unwrap().to_str().unwrap().to_owned();
                pages.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    pages.sort();
    pages
}

/// The code blocks in this language.
pub(crate) fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

/// Every command on every page, without `sudo` and the variables set for it.
pub(crate) fn commands(project: &Path) -> Vec<Typed> {
    let mut commands = Vec::new();
    for (page, text) in pages(project) {
        for line in blocks(&text, "sh").into_iter().flat_map(str::lines) {
            commands.extend(split(line).into_iter().map(|words| Typed { page: page.clone(), words }));
        }
    }
    commands
}

/// A line's commands, split as a shell would split them, but without expansion.
fn split(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            (None, ';' | '|' | '&') => {
                words.extend(word.take());
                commands.push(core::mem::take(&mut words));
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    commands.push(words);
    for words in &mut commands {
        let named = |word: &String| word != "sudo" && !word.contains('=');
        words.drain(..words.iter().position(named).unwrap_or(words.len()));
    }
    commands.retain(|words| !words.is_empty());
    commands
}
