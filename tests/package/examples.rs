//! The worked examples of the handbook. `cargo demo -- --site NAME` plays each and compares its story with the page; what needs no
//! daemon is tested here.

use super::handbook::{faults, site};
use super::read;
use super::shell::blocks;

const PAGE: &str = "packaging/doc/examples.md";

/// One worked example.
struct Example {
    name: String,
    /// The complete file, for a simulated site.
    file: String,
    /// The tables that a gateway has in place of those in the file.
    gateway: String,
    story: String,
}

fn examples() -> Vec<Example> {
    let page = read(PAGE);
    let sections = page.split("\n## ").skip(1).filter(|section| section.contains("```toml"));
    let examples = sections.map(|section| {
        let command = blocks(section, "sh")[0].trim();
        let name = command.strip_prefix("cargo demo -- --site ").unwrap_or_else(|| panic!("{command}"));
        let &[file, gateway] = blocks(section, "toml").as_slice() else { panic!("{name} has not two files") };
        let &[story] = blocks(section, "text").as_slice() else { panic!("{name} has not one story") };
        let [name, file, gateway, story] = [name, file, gateway, story].map(str::to_owned);
        Example { name, file, gateway, story }
    });
    examples.collect()
}

/// A file's tables, each with its header.
fn tables(text: &str) -> Vec<(&str, &str)> {
    let starts: Vec<usize> = text
        .match_indices('[')
        .map(|(at, _)| at)
        .filter(|at| text[..*at].ends_with('\n') || *at == 0)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let tables = starts.iter().zip(ends).map(|(start, end)| &text[*start..end]);
    tables.map(|table| (table.lines().next().unwrap(), table)).collect()
}

/// The file as it is on a gateway.
fn on_a_gateway(example: &Example) -> String {
    let theirs = tables(&example.gateway);
    let ours = tables(&example.file);
    for (header, _) in &theirs {
        assert!(ours.iter().any(|(known, _)| known == header), "{}: {header} replaces nothing", example.name);
    }
    let kept = ours.into_iter().filter(|(header, _)| *header != "[board]");
    let chosen = kept.map(|(header, table)| {
        theirs.iter().find(|(known, _)| *known == header).map_or(table, |(_, replacement)| replacement)
    });
    chosen.flat_map(|table| [table, "\n"]).collect()
}

#[test]
fn each_example_is_right_on_a_gateway_with_the_tables_that_its_page_replaces() {
    let folder = site();
    let path = folder.path().join("twind.toml");
    for example in examples() {
        let file = on_a_gateway(&example);
        assert_eq!(faults(&path, &file), "", "{}: {file}", example.name);
        for simulated in ["\"file\"", "\"simulated\"", "/run/"] {
            assert!(!file.contains(simulated), "{} still has {simulated}: {file}", example.name);
        }
    }
}

#[test]
fn the_demonstration_has_each_site_of_the_page_and_no_other() {
    let demo = read("tests/demo/words.rs");
    let (_, list) = demo.split_once("SITES: ").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let sites: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let shown: Vec<String> = examples().into_iter().map(|example| example.name).collect();
    assert_eq!(sites, shown);
    assert_eq!(sites.len(), 3);
}

#[test]
fn each_step_of_a_story_on_the_page_is_one_that_the_demonstration_plays() {
    for Example { name, story, .. } in examples() {
        let played = read(&format!("tests/demo/story/src/sites/{name}.rs"));
        let steps: Vec<&str> = story
            .lines()
            .filter_map(|line| line.strip_prefix("── ")?.split_once(". "))
            .map(|(_, step)| step)
            .collect();
        assert!((6..=10).contains(&steps.len()), "{name} has {} steps", steps.len());
        assert_eq!(played.matches("stage.scene(").count(), steps.len(), "{name}");
        for step in steps {
            assert!(played.contains(&format!("\"{step}\"")), "{name} does not play: {step}");
        }
    }
}
