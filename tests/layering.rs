//! Who may know whom, read from the sources. What the core may not do at all, its manifest and `#![no_std]` see to.

use std::path::Path;
use std::{fs, io};

/// A room may name those of the lines above its own. Those of one line do not know each other.
const LAYERS: &[&[&str]] = &[
    &["units", "text"],
    &["twin"],
    &["control"],
    &["report"],
    &["ports"],
    &["engine"],
    &["files"],
    &["hub", "board", "sensors", "store"],
    &["config"],
    &["service"],
    &["cli"],
];

/// What only one file may name, so that it alone changes with it.
const RESERVED: &[(&str, &str)] = &[
    ("rumqttc", "hub/wire/mqtt.rs"),
    ("tokio_tungstenite", "hub/wire/websocket.rs"),
    ("rppal::gpio", "board/rppal.rs"),
    ("gpiocdev", "board/gpiochip.rs"),
    ("clock_gettime", "service/clock.rs"),
];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = shipped.lines().map(|line| line.split("//").next().unwrap_or_default());
            let name = path.to_string_lossy().replace(concat!(env!("CARGO_MANIFEST_DIR"), "/src/"), "");
            let name = name.replace("core/src/", "");
            found.push((name, code.collect::<Vec<_>>().join("\n")));
        }
    }
    Ok(())
}

#[test]
fn every_room_knows_only_the_rooms_below_it() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found).unwrap();
    assert!(found.len() > 150, "the sources were not found");
    for (name, code) in found.iter().filter(|(name, _)| !name.ends_with("tests.rs")) {
        let reserved = RESERVED.iter().find(|(word, only)| name != only && code.contains(word));
        assert_eq!(reserved, None, "src/{name}");
        let room = name.split(['/', '.']).next().unwrap();
        let layer = LAYERS.iter().position(|rooms| rooms.contains(&room)).unwrap_or(LAYERS.len());
        let above = LAYERS.iter().skip(layer).flat_map(|rooms| rooms.iter()).filter(|above| **above != room);
        let named: Vec<_> = above.filter(|above| code.contains(&format!("crate::{above}"))).collect();
        assert!(named.is_empty() && !code.contains("crate::{"), "src/{name} must not know {named:?}");
    }
}
