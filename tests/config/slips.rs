//! Typing errors and `twind safe`: a good configuration with one typing error at any place, and what `twind safe` does then,
//! after a daemon was killed, and where none ever ran. `cargo test --test config slips -- --nocapture` prints the counts.
//!
//! A *slip* is a character that is left out, typed twice, exchanged with the next one, or another one.

use super::{Site, seconds};
use std::collections::BTreeMap;
use std::fs;
use twind::cli::safe::{End, Verdict, safe};
use twind::service::last_resort;
use twind::units::BootTime;

const GOOD: &str = r#"
[hub]
connection-string-file = "cs"
ca-file = "ca.pem"
keep-alive = "4m"

[twin]
state-dir = "state"
fan-on = "fanOn"

[report]
heartbeat = "5m"
min-interval = "10s"
deadband = { temperature = 0.5, humidity = 2.0 }

[board]
driver = "simulated"
folder = "board"

[outputs.fan]
pwm = { channel = 0, frequency-hz = 25000 }
min-duty = 20
when = { crash = "on", stop = "40%" }

[outputs.heater]
pin = 17
when = { crash = "off", stop = "off" }

[sensors.cabinet]
driver = "file"
path = "temperature"
period = "5s"
stale-after = "30s"
valid = [-40.0, 125.0]

[climate]
sensor = "cabinet"
cooling = "fan"
heating = "heater"
range = { min = 20.0, max = 28.0 }
critical = 60.0
hysteresis = 0.5
limits = { min = 5.0, max = 45.0 }

[telemetry]
interval = "1m"
send-every = "5m"
keep = "4 MiB"
alarms = true

[local]
socket = "twind.sock"
"#;

/// What each output's file holds before, a value that no row has.
const BEFORE: &str = "333\n";
/// The crash rows.
const ROWS: [(&str, &str); 2] = [("fan", "1000\n"), ("heater", "0\n")];

fn slips() -> Vec<String> {
    let good: Vec<char> = GOOD.chars().collect();
    let edited = |at: usize, removed: usize, put: &[char]| {
        let mut text = good.clone();
        text.splice(at..at + removed, put.iter().copied());
        text.into_iter().collect::<String>()
    };
    let mut slips = Vec::new();
    for at in 0..good.len() {
        let other = if good[at] == 'x' { 'y' } else { 'x' };
        slips.extend([edited(at, 1, &[]), edited(at, 0, &[good[at]]), edited(at, 1, &[other])]);
        if good.get(at + 1).is_some_and(|next| *next != good[at]) {
            slips.push(edited(at, 2, &[good[at + 1], good[at]]));
        }
    }
    slips
}

struct Cabinet(Site);

impl Cabinet {
    fn new() -> Self {
        let mut site = Site::new();
        site.environment.runtime_directory = Some(site.path("run"));
        site.write("ca.pem", &fs::read_to_string(site.path("cert.pem")).unwrap(), 0o644);
        fs::create_dir(site.path("board")).unwrap();
        Self(site)
    }

    /// The messages, and what each output came to, with the file as it is now.
    fn safe(&self, text: &str) -> (Verdict, String, Vec<bool>) {
        let board = self.0.path("board");
        ROWS.iter().for_each(|(output, _)| fs::write(board.join(output), BEFORE).unwrap());
        self.0.write("twind.toml", text, 0o644);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (config, environment) = (self.0.path("twind.toml"), &self.0.environment);
        let verdict = safe(&config, environment, End(Some("signal")), BootTime::ZERO, &mut out, &mut err);
        let driven = ROWS.map(|(output, row)| fs::read_to_string(board.join(output)).unwrap() == row);
        let said = [out, err].map(|said| String::from_utf8(said).unwrap()).concat();
        (verdict, said, driven.to_vec())
    }
}

#[test]
fn after_a_kill_no_slip_keeps_an_output_from_its_row() {
    let cabinet = Cabinet::new();
    let settings = cabinet.0.right(GOOD);
    assert_eq!(settings.sensors[0].period, seconds(5));
    last_resort::leave_as_if_killed(&cabinet.0.path("twind.toml"), &cabinet.0.environment, &settings);
    let (slips, mut driven) = (slips(), 0);
    for text in &slips {
        let (verdict, said, rows) = cabinet.safe(text);
        assert!(verdict == Verdict::Done && rows.iter().all(|row| *row), "{verdict:?}: {said}\nof {text}");
        driven += 1;
    }
    println!("after a kill: {} slips, {driven} driven, 0 with 78, 0 silent", slips.len());
    assert!(slips.len() >= 3200, "{}", slips.len());
}

#[test]
fn where_no_daemon_ran_a_slip_is_driven_by_or_told_and_never_passed_over() {
    let cabinet = Cabinet::new();
    let slips = slips();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in &slips {
        let (verdict, said, rows) = cabinet.safe(text);
        let driven = said.lines().filter(|line| line.ends_with("fail-safe crash")).count();
        let kind = match verdict {
            Verdict::Done if rows.iter().all(|row| *row) => "driven",
            Verdict::Done if driven > 0 => "driven as the file now says",
            Verdict::Done if said.contains("configures no output") => "told that no output is named",
            Verdict::Done => "silent",
            Verdict::Wrong => "78",
            Verdict::Failed if said.contains("output ") => "70 by name",
            Verdict::Failed | Verdict::Refused => "without a reason",
        };
        assert!(!said.is_empty(), "{verdict:?} of {text}");
        *counts.entry(kind).or_default() += 1;
    }
    println!("without a copy: {} slips: {counts:?}", slips.len());
    assert!(!counts.contains_key("silent") && !counts.contains_key("without a reason"), "{counts:?}");
}
