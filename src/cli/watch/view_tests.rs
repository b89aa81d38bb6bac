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
                "unit": "celsius", "property": "components.office",
            },
            "store": {"regime": "too-high", "measures": "humidity", "value": 63.5, "min": 40, "max": 60, "property": "components.store"},
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
    status["climates"]["office"]["value"] = Value::Null;
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

/// On the day of the pictures.
fn noon() -> LocalTime {
    LocalTime::utc("2026-11-27T12:00:00Z")
}

fn drawn_in(
    look: Look,
    status: &DaemonStatus,
    trend: Option<&Trend>,
    shown: &mut Shown,
    size: (u16, u16),
) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let trend = trend.map(|trend| (trend, 3));
    let picture = Picture { status: Some(status), trend, banners: &[], time: &noon(), look };
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
        let picture = status::page(&read(&not_well()), &noon()).text(Layout::plain(columns));
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
    let picture = Picture { status: None, trend: None, banners: &banners, time: &noon(), look: LOOK };
    let mut shown = Shown { prompt: Some(Prompt::Question("which? fan".into())), ..Shown::default() };
    assert_eq!(picture.draw(&mut shown, &mut buffer), Some(Position { x: 10, y: 23 }));
}

#[test]
fn a_site_in_fahrenheit_has_its_chart_in_fahrenheit() {
    let mut status = status();
    status["climates"]["office"]["unit"] = json!("fahrenheit");
    let lines = drawn(&status, &mut Shown::default(), 120, 40);
    for part in ["office: 73.6 °F, in-range, target 64.4 to 75.2 °F", "    75.2│", "    64.4│"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
}

#[test]
fn the_help_fits_eighty_columns() {
    let lines = drawn(&status(), &mut Shown { help: true, ..Shown::default() }, 200, 24);
    assert!(lines.iter().any(|line| line.contains("anything is done")), "{lines:#?}");
    // The first line has the verdict and, at the right, the hub.
    assert!(lines[1..].iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
}

#[test]
fn the_keys_at_the_bottom_are_whole_in_each_width() {
    for width in 24..130 {
        let last = drawn(&status(), &mut Shown { top: 3, ..Shown::default() }, width, 10).pop().unwrap();
        let (shown, more) = last.split_at(last.find(['↑', '↓']).unwrap());
        let shown: Vec<&str> = shown.trim_end().split("  ").collect();
        assert!(shown.iter().all(|key| KEYS.iter().any(|(known, _)| known == key)), "{width}: {last}");
        let position = more.rsplit_once('/').is_some_and(|(_, all)| all.parse::<usize>().is_ok());
        assert!(shown.contains(&"q end") && position, "{width}: {last}");
        assert!(width < 60 || shown.contains(&"? help") && shown.contains(&"o override"), "{width}: {last}");
    }
    assert_eq!(keys(200), "q end  o override  Tab climate  arrows, PgUp, PgDn scroll  ? help");
    assert_eq!(keys(0), "q end");
}

#[test]
fn the_first_line_is_never_cut() {
    let mut status = status();
    let one = json!({"permille": 0, "override": {"percent": 40, "secondsLeft": 60, "by": "hub"}});
    for name in ["a-fan-with-a-long-name", "another-fan-with-a-long-name", "heater", "lamp", "siren"] {
        status["outputs"][name] = one.clone();
    }
    status["alarms"] = json!({"disk": {"secondsAgo": 1, "text": "full"}});
    let lines = drawn(&status, &mut Shown::default(), 80, 30);
    let head: Vec<&str> =
        lines.iter().map(String::as_str).take_while(|line| !line.starts_with("hub")).collect();
    let told =
        "twind: 1 alarm; overridden: heater, a-fan-with-a-long-name, another-fan-with-a-long-name and 2 more";
    assert_eq!(head.join(" "), told, "{lines:#?}");
}

#[test]
fn the_bars_of_all_outputs_have_one_length() {
    let mut status = status();
    status["outputs"]["fan"]["cause"] =
        json!("override of somebody whose name takes more than one line here");
    status["outputs"]["a-pump-with-a-long-name"] = json!({"permille": 500, "cause": "climate office"});
    for width in [80, 120] {
        let lines = drawn(&status, &mut Shown::default(), width, 60);
        let bars = lines.iter().filter(|line| line.starts_with("output   ") && line.contains(['█', '░']));
        let lengths: Vec<usize> =
            bars.map(|line| line.chars().filter(|c| matches!(c, '█' | '░')).count()).collect();
        assert_eq!(lengths.len(), 4, "{lines:#?}");
        assert!(lengths.iter().all(|length| *length == lengths[0] && *length >= GAUGE_MIN), "{lines:#?}");
        assert!(lines.concat().replace(' ', "").contains("onelinehere,1320rpm"), "{width}: {lines:#?}");
    }
    let narrow = drawn(&status, &mut Shown::default(), 40, 60);
    assert!(narrow.iter().any(|line| line.starts_with("output   heater: 0 %")), "{narrow:#?}");
}

#[test]
fn notes_leave_most_of_the_screen_to_climates_and_outputs_and_the_rest_of_them_is_below() {
    let mut status = status();
    let refusal =
        |name: usize| json!({"property": format!("components.p{name}"), "reason": "no", "version": 7});
    status["hub"]["refused"] = (0..8).map(refusal).collect();
    let mut shown = Shown::default();
    let lines = drawn(&status, &mut shown, 80, 24);
    assert!(lines.iter().any(|line| line == "NOTE     and 3 more, see below"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("1 h ago")), "{lines:#?}");
    shown.top = usize::MAX;
    let below = drawn(&status, &mut shown, 80, 24);
    assert!(below.iter().any(|line| line.contains("components.p7")), "{below:#?}");
}
