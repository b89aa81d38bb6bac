//! Who may know whom, read from the sources. What the core may not do at all, its manifest and `#![no_std]` see to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

#[path = "layering/planted.rs"]
mod planted;
#[path = "layering/sources.rs"]
mod sources;

/// A room may name those before its own. Those between two bars do not know each other.
const ROOMS: &str = "units text ordered|twin|control|report|telemetry|ports|engine|files gpio message_ids|hub board sensors store|config|service|cli|lib main";
/// What only files of this beginning may name. Nobody may name what has none.
const RESERVED: &str = "rumqttc=hub/wire/mqtt tokio_tungstenite=hub/wire/websocket rppal::gpio=board/rppal \
                        rppal::system=board/rppal ratatui_core=cli/watch/ gpiocdev=gpio clock_gettime=service/clock std;= crate::{=";

/// The first thing in a file that it may not name, or its room if that has no row.
fn breach<'r>(name: &'r str, code: &str) -> Option<&'r str> {
    let (room, file) = name.split_once('/').unwrap_or((name, ""));
    let reserved = RESERVED.split_whitespace().filter_map(|one| one.split_once('='));
    let reserved =
        reserved.filter(|(_, only)| only.is_empty() || !name.starts_with(only)).map(|(word, _)| word);
    let mut rows = ROOMS.split('|').skip_while(|row| row.split(' ').all(|one| one != room)).peekable();
    let unknown = rows.peek().is_none().then_some(room);
    let above = rows.flat_map(|row| row.split(' ')).filter(|above| *above != room);
    let root = "~".repeat(name.split('/').count() - usize::from(name.ends_with("/mod")));
    let mut above = above.filter(|it| {
        [format!("crate::{it}"), format!("{root}{it}::")].iter().any(|path| code.contains(path))
    });
    // In the hub only `link` knows the two others.
    let parts = ["wire", "azure", "link"].into_iter().filter(|_| room == "hub" && !file.starts_with("link"));
    let mut parts = parts.filter(|part| !file.starts_with(part) && code.contains(&format!("{part}::")));
    unknown
        .or(reserved.into_iter().find(|word| code.contains(word)))
        .or_else(|| above.next())
        .or_else(|| parts.next())
}

#[test]
fn every_room_knows_only_the_rooms_below_it_and_no_files_of_one_know_each_other_in_a_circle() {
    let (mut found, mut edges) = (Vec::new(), Vec::new());
    sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 150, "the sources were not found");
    for (name, code) in &found {
        assert_eq!(breach(name, code), None, "src/{name}");
        edges.extend(found.iter().map(|(other, _)| (name, other)).filter(|(_, other)| {
            let stem = other.rsplit('/').next().unwrap();
            let is_beside = *other != name && Path::new(other).parent() == Path::new(name).parent();
            is_beside && " ~(<&[{!".chars().any(|before| code.contains(&format!("{before}{stem}::")))
        }));
    }
    for _ in 0..found.len() {
        let before = edges.clone();
        edges.retain(|(_, to)| before.iter().any(|(from, _)| from == to));
    }
    assert_eq!(edges, [], "these lead to a circle");
}
