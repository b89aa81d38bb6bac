//! The screen drawn into memory, and its pictures in the handbook.

use super::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const LOOK: Look = Look { colour: false, unicode: true };
/// Where the pictures stand: each below a line that begins so, in a block of code.
const PAGE: &str = "packaging/doc/examples.md";

fn status() -> Value {
    json!({
        "hub": {"online": false}, "pid": 4711, "alarms": {},
        "climates": {"climate": {"measures": "temperature", "value": 26.1, "min": 20.0, "max": 33.33}},
        "outputs": {"fan": {"permille": 458, "cause": "climate"}},
    })
}

/// The enclosure after the network was pulled.
fn view() -> View {
    let told = |mark, text: &str| Told { mark, text: text.to_owned() };
    let reported = json!({
        "desiredVersion": 10, "lastPatchReceivedId": "Automatic", "minTemperature": "68", "maxTemperature": "92",
        "components": {
            "climate": {"temperature": 76.1, "unit": "fahrenheit"}, "fan": {"dutyPercent": 33.0},
        },
    });
    let mut world = World { enclosure: Some(26.1), reported: view::summary(&reported), ..World::default() };
    world.take(&status());
    View {
        site: "the tutorial's enclosure".to_owned(),
        scene: 11,
        scenes: 17,
        title: "The network is pulled, and the electronics have more to do: the fan follows, with no hub"
            .to_owned(),
        earlier: [
            (7, "Delete WiFi component"),
            (8, "Not in the tutorial: the fan really on, at least at its least duty"),
            (9, "Not in the tutorial: back to automatic"),
            (10, "The range alone decides: 20 to 33.3 °C is held for eight minutes of theirs"),
        ]
        .map(|(scene, title)| Earlier { scene, title: title.to_owned(), good: true })
        .into(),
        told: vec![
            told(Mark::Note, "the network is pulled"),
            told(Mark::Good, "gateway    hub: online false"),
            told(Mark::Note, "site       the electronics give off 80 W instead of 55 W"),
            told(Mark::Good, "fan        45.8 %, because of climate"),
        ],
        waiting: Some("for 4 minutes the enclosure is at 20 to 33.3 °C".to_owned()),
        written: r#"{"patchId":"Nobody hears it","components":{"climate":{"maxTemperature":"86"}}}"#
            .to_owned(),
        world,
    }
}

/// One of the sites.
fn rooms() -> View {
    let mut world = World::default();
    world.take(&json!({
        "hub": {"online": true}, "pid": 7, "alarms": {"sensor-archive": {}},
        "climates": {
            "office": {"measures": "temperature", "value": 22.4, "min": 22, "max": 26},
            "lab": {"measures": "temperature", "value": 17.0, "min": 18, "max": 24},
            "archive": {"measures": "temperature", "value": null, "min": 14, "max": 20},
        },
        "outputs": {
            "boiler": {"permille": 1000, "cause": "fail-safe sensor-fault"},
            "office-fan": {"permille": 0, "cause": "climate office"},
        },
    }));
    View { site: "three rooms".to_owned(), scene: 7, world, ..View::default() }
}

fn drawn(view: &View, look: Look, (width, height): (u16, u16)) -> Vec<String> {
    let buffer = picture(view, 1.0, look, Rect::new(0, 0, width, height));
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned()).collect()
}

#[test]
fn the_pictures_in_the_handbook_are_what_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(PAGE);
    let before = fs::read_to_string(&path).unwrap();
    let mut page = before.clone();
    for (width, height) in [(80, 24), (120, 40)] {
        let begin = format!("At {width}×{height}:\n\n```text\n");
        let at = page.find(&begin).unwrap_or_else(|| panic!("{PAGE} has no {begin:?}")) + begin.len();
        let end = at + page[at..].find("```\n").unwrap();
        let picture = drawn(&view(), LOOK, (width, height)).join("\n") + "\n";
        page.replace_range(at..end, &picture);
    }
    if std::env::var_os("TWIND_WRITE_PICTURES").is_some() {
        fs::write(&path, &page).unwrap();
        return;
    }
    let told = "TWIND_WRITE_PICTURES=1 cargo test -p demo-story pictures writes them anew";
    assert!(page == before, "the pictures in {PAGE} are out of date: {told}");
}

#[test]
fn what_matters_is_whole_at_80_columns_and_at_120() {
    for size in [(80, 24), (120, 40)] {
        let lines = drawn(&view(), LOOK, size);
        let text = lines.join("\n");
        for part in [
            "scene 11 of 17",
            "twind 4711   hub cut off",
            "20.0 to 33.3 °C",
            "with no hub",
            "26.1 °C",
            "●",
            "[",
            "]",
            " 46 % climate",
            "The back end wrote",
            "maxTemperature",
            "twind reported",
            "to \"92\"",
            "✓ gateway    hub: online false",
            "… for 4 minutes",
            "Ctrl-C ends it and leaves nothing behind",
        ] {
            assert!(text.contains(part), "{part} is missing at {size:?}:\n{text}");
        }
        assert!(lines.iter().all(|line| line.chars().count() <= size.0.into()));
        assert!(lines.last().unwrap().ends_with("one second is a minute there"), "{text}");
    }
}

#[test]
fn a_site_has_a_gauge_for_each_climate_and_a_bar_for_each_output() {
    let text = drawn(&rooms(), LOOK, (80, 24)).join("\n");
    for part in [
        "three rooms, scene 7",
        "office  22.4 in 22.0 to 26.0 °C",
        "archive  no reading",
        "████ 100 % sensor-fault",
        "office-fan ░░░░   0 % climate off",
        "Alarm",
        "sensor-archive",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let gauges = text.lines().filter(|line| line.contains('[') && line.contains(']'));
    assert_eq!(gauges.count(), 3, "{text}");
}

#[test]
fn the_fan_turns_with_its_drive_and_its_signs_say_where_the_temperature_is() {
    let area = Rect::new(0, 0, 80, 24);
    let at = |turn: f64| picture(&view(), turn, LOOK, area);
    assert_ne!(at(0.0), at(1.0));
    assert_eq!(at(0.0), at(8.0), "a whole round");
    let colour = Look { colour: true, unicode: true };
    let of = |value: f64| {
        let mut hot = view();
        hot.world.enclosure = Some(value);
        let buffer = picture(&hot, 0.0, colour, area);
        let shown = format!("{value:.1}");
        let row: String = (0..80).map(|x| buffer[(x, 4)].symbol()).collect();
        let x = row.split(&shown).next().unwrap().chars().count() as u16;
        buffer[(x, 4)].fg
    };
    assert_ne!(of(25.0), of(35.0));
    assert_ne!(of(25.0), of(15.0));
}

#[test]
fn a_daemon_that_is_gone_is_said_to_be_and_without_unicode_ascii_alone_is_drawn() {
    let mut gone = view();
    gone.world.daemon = None;
    let text = drawn(&gone, LOOK, (80, 24)).join("\n");
    assert!(text.contains("twind is gone   hub -") && text.contains("unread"), "{text}");
    let ascii = Look { colour: false, unicode: false };
    for view in [gone, view(), rooms()] {
        let lines = drawn(&view, ascii, (80, 24));
        assert!(lines.iter().all(|line| line.is_ascii() && !line.contains('?')), "{lines:#?}");
    }
}

#[test]
fn no_size_is_a_fault() {
    for size in [(1, 1), (2, 3), (9, 2), (30, 6), (300, 3), (3, 300), (40, 12)] {
        for view in [View::default(), view(), rooms()] {
            assert_eq!(drawn(&view, LOOK, size).len(), usize::from(size.1));
        }
    }
}

#[test]
fn a_long_text_is_broken_after_a_comma_or_a_space_and_else_where_the_line_ends() {
    assert_eq!(draw::wrapped("{\"a\":1,\"b\":22,\"c\":3}", 8), ["{\"a\":1,", "\"b\":22,", "\"c\":3}"]);
    assert_eq!(draw::wrapped("one two three", 8), ["one two", "three"]);
    assert_eq!(draw::wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert_eq!(draw::wrapped("", 0), [""; 0]);
}
