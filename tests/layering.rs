//! Who may know whom, read from the sources. What the core may not do at all, its manifest and `#![no_std]` see to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path};

/// A room may name those before its own. Those between two bars do not know each other.
const ROOMS: &str =
    "units text|twin|control|report|ports|engine|files gpio|hub board sensors store|config|service|cli";

/// What only one file may name, so that it alone changes with it.
const RESERVED: &str = "rumqttc=hub/wire/mqtt tokio_tungstenite=hub/wire/websocket rppal::gpio=board/rppal \
                        gpiocdev=gpio clock_gettime=service/clock";

/// The path of each file without its ending, and its code without tests and comments; `~` stands for `super::` there.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.to_str().unwrap().replace(concat!(env!("CARGO_MANIFEST_DIR"), "/src/"), "");
        if path.is_dir() {
            sources(&path, found);
        } else if let Some(name) = name.strip_suffix(".rs").filter(|name| !name.ends_with("tests")) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.split("#[cfg(test)]\nmod ").next().unwrap().lines();
            let code: Vec<_> = lines.map(|line| line.split("//").next().unwrap()).collect();
            found.push((name.replace("core/src/", ""), code.join("\n").replace("super::", "~")));
        }
    }
}

#[test]
fn every_room_knows_only_the_rooms_below_it_and_no_files_of_one_know_each_other_in_a_circle() {
    let (mut found, mut edges) = (Vec::new(), Vec::new());
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 150, "the sources were not found");
    for (name, code) in &found {
        let (room, file) = name.split_once('/').unwrap_or((name, ""));
        let has = |word: String| code.contains(&word);
        let mut reserved = RESERVED.split_whitespace().filter_map(|one| one.split_once('='));
        let reserved = reserved.find(|(word, only)| name != only && code.contains(word));
        let above = ROOMS.split('|').skip_while(|row| !row.contains(room)).flat_map(str::split_whitespace);
        let above = above.filter(|above| *above != room).find(|above| has(format!("crate::{above}")));
        // In the hub only `link` knows the two others.
        let mut apart = ["wire", "azure", "link"].iter().filter(|part| !file.starts_with(**part));
        let apart = room == "hub" && !file.starts_with("link") && apart.any(|part| has(format!("{part}::")));
        assert_eq!((reserved, above, apart, code.find("crate::{")), (None, None, false, None), "src/{name}");
        edges.extend(found.iter().map(|(other, _)| (name, other)).filter(|(_, other)| {
            let stem = other.rsplit('/').next().unwrap();
            let is_beside = *other != name && Path::new(other).parent() == Path::new(name).parent();
            is_beside && " ~(<&[{!".chars().any(|before| has(format!("{before}{stem}::")))
        }));
    }
    for _ in 0..found.len() {
        let before = edges.clone();
        edges.retain(|(_, to)| before.iter().any(|(from, _)| from == to));
    }
    assert_eq!(edges, [], "these lead to a circle");
}
