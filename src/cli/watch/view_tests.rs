//! The screen drawn into memory, and its pictures in the handbook.

use super::*;
use ratatui_core::layout::Rect;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const LOOK: Look = Look { colour: false, unicode: true };
/// Where the pictures stand: each below a line that begins so, in a block of code.
const PAGE: &str = "packaging/doc/on-site.md";

fn read(status: &Value) -> DaemonStatus {
    DaemonStatus::deserialize(status).unwrap()
}

fn status() -> Value {
    json!({
        "hub": {"desiredVersion": 41, "synced": true},
        "climates": {
            "office": {
                "regime": "in-range", "measures": "temperature", "temperature": 23.1, "value": 23.1, "min": 18, "max": 24,
                "schedule": {"waiting": false, "entry": "day", "until": "2026-11-27T21:00:00Z"},
            },
            "store": {"regime": "too-high", "measures": "humidity", "value": 63.5, "min": 40, "max": 60},
        },
        "sensors": {
            "desk": {"measures": "temperature", "value": 23.1, "state": "ok", "lastSample": "ok", "ageSeconds": 3},
            "wall": {"measures": "humidity", "value": 63.5, "state": "ok", "lastSample": "ok", "ageSeconds": 4},
        },
        "outputs": {
            "fan": {"permille": 850, "cause": "climate office", "rpm": 1320},
            "heater": {
                "permille": 0, "cause": "climate office",
                "held": {"text": "held off for 40 s by min-off: climate office wants 100 %", "seconds": 40},
            },
            "dryer": {"permille": 1000, "cause": "climate store"},
        },
        "changes": [
            {"secondsAgo": 95, "output": "dryer", "permille": 1000, "cause": "climate store"},
            {"secondsAgo": 1500, "output": "heater", "permille": 0, "cause": "climate office"},
        ],
        "identity": "contoso.azure-devices.net/pi",
        "link": {"state": "connected", "sinceSeconds": 7380, "tokenRenewsInSeconds": 1800},
        "version": "0.2.0", "pid": 611, "configuration": "/etc/twind.toml",
    })
}

/// The same without a connection, with a sensor that is gone, an override and a range that was refused.
fn not_well() -> Value {
    let mut status = status();
    status["hub"] = json!({
        "desiredVersion": 42, "synced": false, "copyAgeSeconds": 754, "reportPending": true, "refusedCount": 1,
        "refused": [{
            "property": "components.store", "value": "{\"maxHumidity\":20,\"minHumidity\":60}", "code": 400,
            "reason": "min is not below max", "version": 42,
        }],
    });
    status["link"] = json!({
        "state": "waiting", "sinceSeconds": 754, "nextAttemptInSeconds": 41,
        "reason": "no route to the hub: Network is unreachable (os error 101)",
    });
    status["alarms"] = json!({"sensor-desk": {
        "secondsAgo": 292,
        "text": "sensor desk has no valid reading: missing, read from /sys/bus/w1/devices/28-0316a2797c1f/temperature; \
                 the fail-safe row sensor-fault drives the outputs of climate office",
        "remedy": "see whether it is connected and powered; twind check --hardware reads each sensor once",
    }});
    status["sensors"]["desk"] =
        json!({"measures": "temperature", "value": null, "state": "missing", "ageSeconds": 322});
    status["climates"]["office"]["regime"] = json!("sensor-fault");
    status["climates"]["office"]["temperature"] = Value::Null;
    status["outputs"]["fan"] = json!({"permille": 1000, "cause": "fail-safe sensor-fault", "rpm": 1540});
    status["outputs"]["heater"] = json!({"permille": 0, "cause": "fail-safe sensor-fault"});
    status["outputs"]["dryer"] = json!({
        "permille": 600, "cause": "override", "override": {"percent": 60, "secondsLeft": 1560, "by": "uid 0"},
    });
    status["storedSecondsAgo"] = json!(312);
    status["changes"] = json!([
        {"secondsAgo": 240, "output": "dryer", "permille": 600, "cause": "override", "by": "uid 0"},
        {"secondsAgo": 292, "output": "fan", "permille": 1000, "cause": "fail-safe sensor-fault"},
    ]);
    status
}

/// An hour in which the office was cold, then warmed up, and the store became damp.
fn trend() -> Trend {
    let ages: Vec<u64> = (1..360).rev().map(|index| index * 10).collect();
    let list = |of: &dyn Fn(f64) -> f64| {
        ages.iter().map(|ago| Some((of(*ago as f64) * 100.0).round() / 100.0)).collect::<Vec<_>>()
    };
    let night = |ago: f64, night: f64, day: f64| if ago > 2400.0 { night } else { day };
    let warms = |ago: f64| if ago > 2400.0 { 16.5 } else { 23.1 - 6.6 * (ago / 2400.0) * (ago / 2400.0) };
    let climates = json!({
        "office": {
            "value": list(&warms),
            "min": list(&|ago| night(ago, 15.0, 18.0)),
            "max": list(&|ago| night(ago, 20.0, 24.0)),
        },
        "store": {
            "value": list(&|ago| 52.0 + 11.5 * (1.0 - ago / 3600.0)),
            "min": list(&|_| 40.0),
            "max": list(&|_| 60.0),
        },
    });
    Trend::deserialize(json!({"everySeconds": 10, "secondsAgo": ages, "climates": climates})).unwrap()
}

fn drawn_in(
    look: Look,
    status: &DaemonStatus,
    trend: Option<&Trend>,
    shown: &mut Shown,
    size: (u16, u16),
) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let picture = Picture { status: Some(status), trend: trend.map(|trend| (trend, 3)), banners: &[], look };
    picture.draw(shown, &mut buffer);
    let row = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..size.1).map(|y| row(y).trim_end().to_owned()).collect()
}

fn drawn(status: &Value, shown: &mut Shown, width: u16, height: u16) -> Vec<String> {
    drawn_in(LOOK, &read(status), Some(&trend()), shown, (width, height))
}

fn put_below(line: &str, picture: &str, page: &mut String) {
    let begin = format!("{line}\n\n```text\n");
    let at = page.find(&begin).unwrap_or_else(|| panic!("{PAGE} has no {begin:?}")) + begin.len();
    let end = at + page[at..].find("```\n").unwrap();
    page.replace_range(at..end, picture);
}

#[test]
fn the_pictures_in_the_handbook_are_what_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let before = fs::read_to_string(&path).unwrap();
    let mut page = before.clone();
    for (width, height) in [(80, 24), (120, 40)] {
        let picture = drawn(&status(), &mut Shown::default(), width, height).join("\n") + "\n";
        put_below(&format!("At {width}×{height}:"), &picture, &mut page);
    }
    for columns in [80, 120] {
        let picture = status::page(&read(&not_well())).text(Layout::plain(columns));
        put_below(&format!("In {columns} columns:"), &picture, &mut page);
    }
    if std::env::var_os("TWIND_WRITE_PICTURES").is_some() {
        fs::write(&path, &page).unwrap();
        return;
    }
    let told = "TWIND_WRITE_PICTURES=1 cargo test -p twind --lib pictures writes them anew";
    assert!(page == before, "the pictures in {PAGE} are out of date: {told}");
}

#[test]
fn all_charts_are_drawn_where_there_is_room_and_else_the_chosen_one() {
    let charts = |lines: &[String]| lines.iter().filter(|line| line.contains("30 min")).count();
    let large = drawn(&status(), &mut Shown::default(), 120, 40);
    assert_eq!(charts(&large), 2, "{large:#?}");
    let small = drawn(&status(), &mut Shown::default(), 80, 18);
    assert_eq!(charts(&small), 1, "{small:#?}");
    assert!(small.iter().any(|line| line.trim_start().starts_with("24.0│")), "{small:#?}");
    for climate in [1, -1, 3, 101] {
        let next = drawn(&status(), &mut Shown { climate, ..Shown::default() }, 80, 18);
        assert!(next.iter().any(|line| line.trim_start().starts_with("60.0│")), "{next:#?}");
    }
}

#[test]
fn everything_can_be_reached_by_scrolling_and_nothing_is_beyond_the_end() {
    let mut shown = Shown::default();
    let first = drawn(&status(), &mut shown, 60, 10);
    assert!(first[9].ends_with(|c: char| c.is_ascii_digit()) && first[9].contains("↓ 1-"), "{first:#?}");
    shown.top = usize::MAX;
    let last = drawn(&status(), &mut shown, 60, 10);
    assert!(last[8].contains("/etc/twind.toml") || last[7].contains("/etc/twind.toml"), "{last:#?}");
    assert!(shown.top < 100, "one step up is seen at once");
    let mut seen = String::new();
    for top in 0..=shown.top {
        seen += &drawn(&status(), &mut Shown { top, ..Shown::default() }, 60, 10).join("\n");
    }
    for part in
        ["office: 23.1 °C", "store: 63.5", "held off for 40 s", "1320 rpm", "dryer set to 100 %", "pid 611"]
    {
        assert!(seen.contains(part), "{part}");
    }
}

#[test]
fn what_is_not_well_stands_first_and_the_hub_above_all() {
    let mut status = status();
    status["alarms"] = json!({"overheat-office": {"secondsAgo": 90, "text": "it is hot", "remedy": "look"}});
    status["link"] = json!({"state": "waiting", "sinceSeconds": 300, "reason": "no route"});
    let lines = drawn(&status, &mut Shown::default(), 80, 24);
    assert!(lines[0].starts_with("twind: 1 alarm"), "{lines:#?}");
    assert!(lines[..2].iter().any(|line| line.ends_with("hub not connected for 5 min")), "{lines:#?}");
    let alarm = lines.iter().position(|line| line.starts_with("ALARM    overheat-office")).unwrap();
    assert!(alarm <= 2, "{lines:#?}");
}

#[test]
fn no_size_and_no_status_is_a_fault() {
    let ascii = Look { colour: true, unicode: false };
    let odd =
        [json!({}), json!({"climates": {"a": {}}, "outputs": {"ü\u{1b}[2J": {"permille": 65535}}}), status()];
    for (width, height) in [(1, 1), (2, 3), (9, 2), (30, 6), (300, 3), (3, 300), (80, 24)] {
        for status in odd.iter().map(read) {
            for prompt in
                [None, Some(Prompt::Question("x ".repeat(200))), Some(Prompt::Answer("a\nb".into()))]
            {
                for help in [false, true] {
                    let mut shown = Shown { top: 7, help, prompt: prompt.clone(), ..Shown::default() };
                    let lines = drawn_in(ascii, &status, None, &mut shown, (width, height));
                    assert!(lines.iter().all(|line| line.is_ascii()), "{lines:#?}");
                }
            }
        }
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    let banners = ["twind: no daemon listens on /run/twind/twind.sock".to_owned()];
    let picture = Picture { status: None, trend: None, banners: &banners, look: LOOK };
    let mut shown = Shown { prompt: Some(Prompt::Question("which? fan".into())), ..Shown::default() };
    assert_eq!(picture.draw(&mut shown, &mut buffer), Some(Position { x: 10, y: 23 }));
}
