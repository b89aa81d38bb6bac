//! Damaged files: any text is read without a panic, and the faults lie within the text.

use super::{SHIPPED, SITE, SMALL};
use proptest::prelude::*;
use std::path::Path;
use twind::config::{self, Environment};

fn mutated() -> impl Strategy<Value = String> {
    let whole =
        SHIPPED.lines().map(|line| line.trim_start_matches(['#', '?', ' '])).collect::<Vec<_>>().join("\n");
    let sources = vec![SITE.to_owned(), SMALL.to_owned(), whole];
    let noise = prop_oneof![
        "[\\[\\]{}=\"'#\\n.,0-9a-z%ä€ \\\\-]{0,6}",
        Just("[outputs.fan]\n".to_owned()),
        Just("9".repeat(30)),
        Just("\u{1}\t\r\n".to_owned()),
        Just("[".repeat(200)),
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..12, noise);
    (prop::sample::select(sources), prop::collection::vec(edit, 1..5)).prop_map(|(source, edits)| {
        let mut text: Vec<char> = source.chars().collect();
        for (at, removed, noise) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, noise.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_fault_lies_within_the_file(text in mutated()) {
        let environment = Environment::default();
        if let Err(faults) = config::parse(&text, Path::new("/nowhere/twind.toml"), &environment) {
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!(!faults.faults.is_empty());
            for fault in &faults.faults {
                prop_assert!((1..=lines.len()).contains(&fault.line), "{fault}");
                let width = lines[fault.line - 1].chars().count();
                prop_assert!((1..=width + 1).contains(&fault.column), "{fault}");
            }
            let mut places: Vec<_> = faults.faults.iter().map(|fault| (fault.line, fault.column)).collect();
            let found = places.clone();
            places.sort_unstable();
            prop_assert_eq!(found, places);
            prop_assert!(!faults.to_string().chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
