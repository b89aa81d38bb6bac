//! The tutorial's story: each patch, what the fan did and why, the temperature and its range, the report; then the finale, and at the
//! end a summary of the checks.

use crate::daemon::Daemon;
use crate::enclosure::Enclosure;
use crate::finale;
use crate::live::Mark;
use crate::stage::{Played, Stage};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

/// One thing that the back end does.
struct Scene {
    title: &'static str,
    desired: Value,
    stays_s: u64,
    /// Whether the reported section is as it must become.
    expected: fn(&Value) -> bool,
    /// Whether the fan's drive, in per cent, is as it must become.
    fan: fn(f64) -> bool,
}

/// The demonstration, and what failed in it.
pub(crate) struct Story<'a> {
    stage: Stage<'a, Enclosure>,
    daemon: &'a Daemon,
    shown_changes: usize,
    checks: Vec<(String, bool)>,
}

/// How many scenes there are.
pub(crate) fn count() -> usize {
    patches().len() + 1 + finale::SCENES.len()
}

impl<'a> Story<'a> {
    /// A demonstration of which nothing is played yet.
    pub(crate) fn new(stage: Stage<'a, Enclosure>, daemon: &'a Daemon) -> Self {
        Self { stage, daemon, shown_changes: 0, checks: Vec::new() }
    }

    /// Plays everything.
    pub(crate) fn play(&mut self) {
        for scene in &patches() {
            self.play_patch(scene);
        }
        self.play_range();
        for (title, part) in finale::SCENES {
            self.stage.scene(title, |_| {});
            let played = part(&mut self.stage);
            self.check(title, played);
        }
        self.stage.teller().rest();
    }

    fn play_patch(&mut self, scene: &Scene) {
        self.stage.scene(scene.title, |_| {});
        if let Err(error) = self.stage.back_end(&scene.desired) {
            return self.check(scene.title, Err(error));
        }
        self.watch(scene.stays_s);
        let right = self.stage.comes_true("the report", |stage| (scene.expected)(&stage.reported()));
        self.stage.teller().mark(mark(right), "the report says so");
        let moved = self.stage.comes_true("the fan", |stage| stage.driven("fan").is_some_and(scene.fan));
        let percent = self.stage.driven("fan").unwrap_or_default();
        self.stage.teller().mark(mark(moved), &format!("the fan does so: {percent:.0} %"));
        self.show_reported();
        self.check(scene.title, if right && moved { Ok(()) } else { Err("see above".into()) });
    }

    fn play_range(&mut self) {
        let title = "The range alone decides: 20 to 33.3 °C is held for eight minutes of theirs";
        self.stage.scene(title, |_| {});
        self.stage.teller().wait("20 to 33.3 °C for eight minutes");
        self.stage.site(Enclosure::take_hottest);
        let mut held = true;
        for _ in 0..4 {
            self.watch(2);
            held &= (20.0..=33.4).contains(&self.temperature());
        }
        let hottest = self.stage.site(Enclosure::take_hottest);
        held &= hottest <= 33.4;
        self.stage.teller().mark(mark(held), &format!("at most {hottest:.1} °C"));
        self.check(title, if held { Ok(()) } else { Err("it was not".into()) });
    }

    /// Shows the enclosure once a second, and each change of the fan as it happens.
    fn watch(&mut self, seconds: u64) {
        for _ in 0..seconds {
            sleep(Duration::from_secs(1));
            self.show_changes();
            let range = range_celsius(&self.stage.reported());
            let gauge = gauge(self.temperature(), range, self.stage.driven("fan"));
            self.stage.teller().aside(&format!("   enclosure  {gauge}"));
        }
    }

    /// Shows when the fan starts, stops, or has another cause; not every per cent of a drive that follows the temperature.
    fn show_changes(&mut self) {
        let trace = self.daemon.trace();
        let mut before = self.shown_changes.checked_sub(1).and_then(|last| trace.get(last)).cloned();
        for change in &trace[self.shown_changes.min(trace.len())..] {
            let turned = before.as_ref().is_none_or(|before| {
                before["cause"] != change["cause"] || (before["permille"] == 0) != (change["permille"] == 0)
            });
            if turned {
                let percent = change["permille"].as_f64().unwrap_or_default() / 10.0;
                let cause = change["cause"].as_str().unwrap_or_default();
                let line = format!("   fan        {percent:.0} %, because of: {cause}");
                self.stage.teller().tell(Mark::Note, &line);
            }
            before = Some(change.clone());
        }
        self.shown_changes = trace.len();
    }

    fn show_reported(&self) {
        let reported = self.stage.reported();
        let of = |name: &str| reported.get(name).map_or("-".to_owned(), ToString::to_string);
        self.stage.teller().aside(&format!(
            "   came back  patch {}, fanOn {}, range {} to {}, version {}",
            of("lastPatchReceivedId"),
            of("fanOn"),
            of("minTemperature"),
            of("maxTemperature"),
            of("desiredVersion")
        ));
        self.stage.teller().aside(&format!("              components {}", reported["components"]));
    }

    fn temperature(&self) -> f64 {
        self.stage.site(|enclosure| enclosure.temperature)
    }

    fn check(&mut self, what: &str, played: Played) {
        if let Err(error) = &played {
            self.stage.teller().tell(Mark::Bad, &format!("   FAILED     {error}"));
        }
        self.checks.push((what.to_owned(), played.is_ok()));
    }

    /// Tells the checks; returns how many failed.
    pub(crate) fn summary(mut self) -> usize {
        let logged = "twind logged no error";
        self.checks.push((logged.to_owned(), self.daemon.errors() == 0));
        let teller = self.stage.teller();
        teller.line("\nSummary");
        for (what, good) in &self.checks {
            teller.line(&format!("  {}  {what}", if *good { "ok    " } else { "FAILED" }));
        }
        let failures = self.checks.iter().filter(|(_, good)| !good).count();
        if failures > 0 {
            teller.line(&format!("\nWhat twind logged:\n{}", self.daemon.log()));
            teller.line(&format!("What the hub has:\n{:#}", self.stage.reported()));
        }
        failures
    }
}

fn mark(good: bool) -> Mark {
    if good { Mark::Good } else { Mark::Bad }
}

/// The tutorial's patches in its order, and two more, since its "Switch fan on" really sends "false".
fn patches() -> Vec<Scene> {
    let scene = |title, desired, stays_s, expected, fan| Scene { title, desired, stays_s, expected, fan };
    vec![
        scene(
            "Reset: everything desired is deleted, the site's own range is held",
            Value::Null,
            6,
            |r| r.get("fanOn").is_none() && r["maxTemperature"] == 28,
            |fan| fan > 0.0,
        ),
        scene(
            "Init: the fan is off, a range in Fahrenheit is set",
            json!({"patchId": "Init", "fanOn": "false", "components": {
                "system": {"id": "17", "units": "farenheit", "firmwareVersion": "9.75"},
                "climate": {"minTemperature": "68", "maxTemperature": "76"}}}),
            2,
            |r| r["fanOn"] == "false" && r["maxTemperature"] == "76",
            |fan| fan == 0.0,
        ),
        scene(
            "Switch fan on (the tutorial's own patch says \"false\": the fan stays off)",
            json!({"patchId": "Switch fan on", "fanOn": "false"}),
            2,
            |r| r["lastPatchReceivedId"] == "Switch fan on",
            |fan| fan == 0.0,
        ),
        scene(
            "Set maximum temperature: the minimum stays as it is",
            json!({"patchId": "Set maximum temperature", "components": {"climate": {"maxTemperature": "92"}}}),
            2,
            |r| r["minTemperature"] == "68" && r["maxTemperature"] == "92",
            |fan| fan == 0.0,
        ),
        scene(
            "Add WiFi component: twind has no use for it, keeps it and says so",
            json!({"patchId": "Add WiFi component", "components": {"wifi": {"channel": "6", "ssid": "my_network"}}}),
            1,
            |r| r["components"]["wifi"]["status"] == "not mapped",
            |fan| fan == 0.0,
        ),
        scene(
            "Update WiFi component",
            json!({"patchId": "Update WiFi component", "components": {"wifi": {"channel": "13", "ssid": "my_other_network"}}}),
            1,
            |r| r["lastPatchReceivedId"] == "Update WiFi component",
            |fan| fan == 0.0,
        ),
        scene(
            "Delete WiFi component",
            json!({"patchId": "Delete WiFi component", "components": {"wifi": null}}),
            1,
            |r| r["lastPatchReceivedId"] == "Delete WiFi component" && r["components"].get("wifi").is_none(),
            |fan| fan == 0.0,
        ),
        scene(
            "Not in the tutorial: the fan really on, at least at its least duty",
            json!({"patchId": "Fan on", "fanOn": true}),
            2,
            |r| r["fanOn"] == true && r["components"]["fan"]["on"] == true,
            |fan| fan >= 20.0,
        ),
        scene(
            "Not in the tutorial: back to automatic",
            json!({"patchId": "Automatic", "fanOn": null}),
            4,
            |r| r.get("fanOn").is_none() && r["components"]["fan"]["cause"] == "climate",
            |_| true,
        ),
    ]
}

/// The reported range in force, in degrees Celsius.
fn range_celsius(reported: &Value) -> Option<(f64, f64)> {
    let number = |name: &str| match &reported[name] {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    let (min, max) = (number("minTemperature")?, number("maxTemperature")?);
    let fahrenheit = reported["components"]["climate"]["unit"] == "fahrenheit";
    let celsius = |value: f64| if fahrenheit { (value - 32.0) / 1.8 } else { value };
    Some((celsius(min), celsius(max)))
}

/// A line from 10 to 50 °C: the range as `[   ]`, the temperature as `●`.
fn gauge(temperature: f64, range: Option<(f64, f64)>, fan_percent: Option<f64>) -> String {
    let place = |t: f64| ((t - 10.0).clamp(0.0, 40.0)).round() as usize;
    let mut line: Vec<char> = vec!['·'; 41];
    if let Some((min, max)) = range {
        line[place(min)] = '[';
        line[place(max)] = ']';
    }
    line[place(temperature)] = '●';
    let line: String = line.into_iter().collect();
    let range = range.map_or(String::new(), |(min, max)| format!("range {min:.1} to {max:.1} °C, "));
    format!("{line}  {temperature:4.1} °C, {range}fan {:.0} %", fan_percent.unwrap_or_default())
}
