//! The handbook's page of worked examples. It is the one source of each site's configuration, and shows the story of each, which
//! the demonstration holds against what it told.

use crate::plant::SPEED;
use std::path::Path;
use twinhub::Running;

/// Where the page is.
pub(crate) const PATH: &str = "packaging/doc/examples.md";
const PAGE: &str = include_str!("../../../../packaging/doc/examples.md");

/// What the page has of a site.
pub(crate) struct Example {
    /// The complete file.
    pub(crate) configuration: &'static str,
    /// What the demonstration tells.
    pub(crate) story: &'static str,
}

/// The example of this name; `None` if the page has none.
pub(crate) fn example(name: &str) -> Option<Example> {
    let command = format!("\ncargo demo -- --site {name}\n");
    let section =
        PAGE.split("\n## ").find(|section| section.contains(&command) && section.contains("```toml"))?;
    Some(Example { configuration: block(section, "toml")?, story: block(section, "text")? })
}

/// The first code block in this language.
fn block(section: &'static str, language: &str) -> Option<&'static str> {
    let (_, rest) = section.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("```")?.0)
}

/// The configuration as the demonstration runs it: with the stand-in hub, with its own folder for `/run`, the stored twin and
/// the socket, and as many times as fast as the model.
pub(crate) fn adapted(configuration: &str, folder: &Path, hub: &Running) -> String {
    let folder = folder.display();
    let mut text = String::new();
    for line in configuration.lines() {
        text += &hastened(&line.replace("\"/run/", &format!("\"{folder}/")));
        text.push('\n');
        if line.trim() == "[hub]" {
            text += &format!("port = {}\nca-file = \"{folder}/ca.pem\"\n", hub.mqtt_port());
        }
    }
    text + &format!("\n[twin]\nstate-dir = \"{folder}/state\"\n\n[local]\nsocket = \"{folder}/twind.sock\"\n")
}

/// The line with each of its durations divided by the speed.
fn hastened(line: &str) -> String {
    let (said, comment) = line.split_once('#').unwrap_or((line, ""));
    let parts = said.split('"').enumerate().map(|(place, part)| {
        // Every second part stands between quotes.
        let duration = if place % 2 == 1 { humantime::parse_duration(part).ok() } else { None };
        duration.map_or_else(|| part.to_owned(), |duration| format!("{}ms", (duration / SPEED).as_millis()))
    });
    let said = parts.collect::<Vec<_>>().join("\"");
    if comment.is_empty() { said } else { format!("{said}#{comment}") }
}

/// Where a story that was told is not the one on the page. What was measured, and the time of day, may differ.
pub(crate) fn difference(told: &[String], story: &str) -> Option<String> {
    let shapes =
        |lines: Vec<&str>| lines.into_iter().filter(|line| !line.is_empty()).map(shape).collect::<Vec<_>>();
    let told = shapes(told.iter().map(String::as_str).collect());
    let story = shapes(story.lines().collect());
    let at = told.iter().zip(&story).position(|(told, shown)| told != shown);
    let at = at.or_else(|| (told.len() != story.len()).then_some(told.len().min(story.len())))?;
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(the end)".to_owned());
    Some(format!("told  {}\nshown {}", line(&told), line(&story)))
}

/// A line with `~` for each number with decimals and each time of day.
fn shape(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
    let mut shape = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let is_measured = part.chars().all(is_part)
            && part.starts_with(|c: char| c.is_ascii_digit())
            && part.ends_with(|c: char| c.is_ascii_digit())
            && part.contains(['.', ':']);
        shape += if is_measured { "~" } else { part };
        rest = after;
    }
    shape
}
