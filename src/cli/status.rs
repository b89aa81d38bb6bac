//! `twind status`: what the running daemon is doing, as a page for people or as the JSON that it is made of.

use super::ask::{Fault, look};
use super::whose;
use crate::config::LocalSettings;
use crate::text;
use crate::twin::json::write_pretty;
use serde_json::{Value, json};

/// Changes that the page shows, unless more are asked for.
const CHANGES_ON_PAGE: usize = 5;

/// What the daemon is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The page, or the object.
    pub text: String,
    /// It is the page, and an alarm is raised.
    pub alarms: bool,
    /// What to say if the daemon is not the named file's.
    pub stranger: Option<String>,
}

/// Asks the daemon: the page, or with `json` the object.
///
/// # Errors
/// Why there is no answer.
pub fn status(local: &LocalSettings, json: bool, changes: Option<usize>) -> Result<Told, Fault> {
    let changes = if json { changes } else { Some(changes.unwrap_or(CHANGES_ON_PAGE)) };
    let parameters = changes.map_or_else(|| json!({}), |changes| json!({ "changes": changes }));
    let status = look(local, "GetStatus", &parameters)?["status"].take();
    let stranger = whose::compare(&status, &local.file);
    Ok(if json {
        Told { text: text::escape_json(&write_pretty(&status)).into_owned(), alarms: false, stranger }
    } else {
        let alarms = entries(&status["alarms"]).next().is_some();
        Told { text: page(&status), alarms, stranger }
    })
}

/// The object as lines for people.
fn page(status: &Value) -> String {
    let mut page = Page::default();
    hub(&mut page, status);
    for (name, alarm) in entries(&status["alarms"]) {
        let (ago, what) = (seconds(&alarm["secondsAgo"]), word(&alarm["text"]));
        page.line("ALARM", &format!("{name} for {ago}: {what}"));
    }
    climate(&mut page, &status["climate"]);
    for (name, sensor) in entries(&status["sensors"]) {
        page.line("sensor", &format!("{name}: {}", self::sensor(sensor)));
    }
    for (name, output) in entries(&status["outputs"]) {
        outputs(&mut page, name, output);
    }
    if let Some(fault) = status["storeFault"].as_str() {
        page.line("store", &format!("the twin's copy cannot be kept: {fault}"));
    }
    for change in status["changes"].as_array().into_iter().flatten() {
        let what = format!(
            "{} ago: {} to {} by {}",
            seconds(&change["secondsAgo"]),
            word(&change["output"]),
            percent(&change["permille"]),
            author(word(&change["cause"]), &change["by"])
        );
        page.line("change", &what);
    }
    if let Some(file) = status["configuration"].as_str() {
        let (version, pid) = (word(&status["version"]), &status["pid"]);
        page.line("daemon", &format!("twind {version}, pid {pid}, by {file}"));
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, kind: &str, what: &str) {
        // Whoever wrote these words has one line for them.
        self.0.push_str(&format!("{kind:<9}{}\n", text::escape(what)));
    }
}

fn hub(page: &mut Page, status: &Value) {
    let (link, hub) = (&status["link"], &status["hub"]);
    let since = match &link["sinceSeconds"] {
        Value::Null => String::new(),
        since => format!(" for {}", seconds(since)),
    };
    let state = match word(&link["state"]) {
        "connected" => format!("connected{since}"),
        "connecting" => format!("connecting, without a connection{since}"),
        _ => format!("not connected{since}: {}", word(&link["reason"])),
    };
    page.line("hub", &format!("{}, {state}", word(&status["identity"])));
    if !link["nextAttemptInSeconds"].is_null() {
        page.line("", &format!("next attempt in {}", seconds(&link["nextAttemptInSeconds"])));
    }
    if !link["tokenRenewsInSeconds"].is_null() {
        page.line("", &format!("token is renewed in {}", seconds(&link["tokenRenewsInSeconds"])));
    }
    if let (true, Some(failure)) = (word(&link["state"]) == "connected", link["lastFailure"].as_object()) {
        page.line(
            "",
            &format!("last failure {} ago: {}", seconds(&failure["secondsAgo"]), word(&failure["text"])),
        );
    }
    if hub["desiredVersion"] == 0 {
        return page.line("twin", "none was ever fetched");
    }
    let whole = hub["setAsideCount"].as_u64().unwrap_or_default() == 0 && hub["reportPutOff"].is_null();
    let age = match (hub["synced"].as_bool(), &hub["copyAgeSeconds"]) {
        (Some(true), _) if whole => "as the hub has it".to_owned(),
        (Some(true), _) => "the hub's own, but it does not take all that is reported".to_owned(),
        (_, Value::Null) => "age unknown".to_owned(),
        (_, age) => format!("{} old", seconds(age)),
    };
    page.line("twin", &format!("desired version {}, {age}", hub["desiredVersion"]));
    let refusal = |entry: &Value| {
        let (since, retry) = (seconds(&entry["sinceSeconds"]), seconds(&entry["retryInSeconds"]));
        let reason = [&entry["status"].to_string(), word(&entry["reason"])].join(" ");
        format!("for {since} (status {}), tried again in {retry}", reason.trim_end())
    };
    if !hub["reportPutOff"].is_null() {
        page.line("", &format!("no report is taken {}", refusal(&hub["reportPutOff"])));
    } else if hub["reportPending"] == true {
        page.line("", "a report waits to be sent or taken");
    }
    let aside = hub["setAside"].as_array().map_or(&[][..], Vec::as_slice);
    for entry in aside {
        page.line("", &format!("reported {} is refused {}", word(&entry["property"]), refusal(entry)));
    }
    let more = hub["setAsideCount"].as_u64().unwrap_or_default().saturating_sub(aside.len() as u64);
    if more > 0 {
        page.line("", &format!("and {more} more reported properties are refused"));
    }
}

fn climate(page: &mut Page, climate: &Value) {
    if climate.is_null() {
        return;
    }
    let temperature = match &climate["temperature"] {
        Value::Null => "no temperature".to_owned(),
        temperature => format!("{temperature} °C"),
    };
    let (min, max) = (&climate["min"], &climate["max"]);
    page.line("climate", &format!("{temperature}, {}, to hold {min} to {max} °C", word(&climate["regime"])));
}

fn sensor(sensor: &Value) -> String {
    let age = match &sensor["ageSeconds"] {
        Value::Null => "never a valid value".to_owned(),
        age => format!("{} ago", seconds(age)),
    };
    match &sensor["value"] {
        Value::Null => format!("{}; the last valid value: {age}", word(&sensor["state"])),
        value => {
            let last = match word(&sensor["lastSample"]) {
                "ok" => String::new(),
                fault => format!("; since then {fault}"),
            };
            format!("{value}, {}, {age}{last}", word(&sensor["measures"]))
        }
    }
}

fn outputs(page: &mut Page, name: &str, output: &Value) {
    let over = &output["override"];
    let by = author(
        word(&output["cause"]),
        if output["cause"] == "override" { &over["by"] } else { &Value::Null },
    );
    let drive = match &output["permille"] {
        Value::Null => "not driven".to_owned(),
        permille => percent(permille),
    };
    let kicked = if output["kicked"] == true { ", kicked to full for a moment" } else { "" };
    let turns = output["rpm"].as_f64().map(|rpm| format!(", {rpm} turns a minute")).unwrap_or_default();
    page.line("output", &format!("{name}: {drive} by {by}{kicked}{turns}"));
    if let Some(held) = output["held"]["text"].as_str() {
        page.line("", held);
    }
    if !over.is_null() {
        let (by, left) = (word(&over["by"]), seconds(&over["secondsLeft"]));
        page.line("", &format!("overridden to {}% by {by} for another {left}", over["percent"]));
    }
    if let Some(fault) = output["fault"].as_str() {
        page.line("", &format!("cannot be driven: {fault}"));
    }
    if let Some(fault) = output["speedFault"].as_str() {
        page.line("", fault);
    }
}

fn author(cause: &str, by: &Value) -> String {
    by.as_str().map_or_else(|| cause.to_owned(), |by| format!("{cause} of {by}"))
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, entry)| (name.as_str(), entry))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn percent(permille: &Value) -> String {
    permille.as_f64().map_or_else(|| "?".to_owned(), |permille| format!("{}%", permille / 10.0))
}

/// A span of time in its two largest units.
fn seconds(value: &Value) -> String {
    let Some(mut rest) = value.as_u64() else { return "?".to_owned() };
    let mut shown = Vec::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= length || (unit == "s" && shown.is_empty()) {
            shown.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
        if shown.len() == 2 {
            break;
        }
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_told_in_its_two_largest_units() {
        for (time, told) in [(0, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h 2m"), (90_061, "1d 1h")] {
            assert_eq!(seconds(&json!(time)), told);
        }
    }

    #[test]
    fn the_page_tells_everything_that_is_not_well() {
        let status = json!({
            "identity": "hub/pi",
            "link": {
                "state": "waiting", "sinceSeconds": 300, "reason": "TLS: the certificate has expired",
                "nextAttemptInSeconds": 12, "tokenRenewsInSeconds": null,
            },
            "hub": {"synced": false, "desiredVersion": 41, "reportPending": true, "copyAgeSeconds": 305},
            "climate": {"regime": "sensor-fault", "temperature": null, "min": 20, "max": 28},
            "sensors": {"cabinet": {"measures": "temperature", "value": null, "state": "stale", "ageSeconds": 45}},
            "outputs": {"fan": {
                "permille": 1000, "cause": "fail-safe sensor-fault", "fault": "no\nsuch \u{1b}[2Jline\u{202e}",
                "held": {"text": "override wants 40 %, waits below fail-safe sensor-fault"},
                "override": {"percent": 40, "secondsLeft": 3600, "by": "uid 1000"},
            }},
            "storeFault": "the disk is full",
            "alarms": {"sensor-roof": {"since": null, "secondsAgo": 90, "text": "sensor roof has no valid reading"}},
            "version": "1.2.3", "pid": 7, "configuration": "/etc/twind.toml",
            "changes": [{"secondsAgo": 7, "output": "fan", "permille": 1000, "cause": "override", "by": "hub"}],
        });
        let page = page(&status);
        for line in [
            "hub      hub/pi, not connected for 5m: TLS: the certificate has expired",
            "         next attempt in 12s",
            "twin     desired version 41, 5m 5s old",
            "         a report waits to be sent or taken",
            "ALARM    sensor-roof for 1m 30s: sensor roof has no valid reading",
            "climate  no temperature, sensor-fault, to hold 20 to 28 °C",
            "sensor   cabinet: stale; the last valid value: 45s ago",
            "output   fan: 100% by fail-safe sensor-fault",
            "         overridden to 40% by uid 1000 for another 1h",
            "         override wants 40 %, waits below fail-safe sensor-fault",
            "         cannot be driven: no\\nsuch \\u{1b}[2Jline\\u{202e}",
            "store    the twin's copy cannot be kept: the disk is full",
            "change   7s ago: fan to 100% by override of hub",
            "daemon   twind 1.2.3, pid 7, by /etc/twind.toml",
        ] {
            assert!(page.lines().any(|told| told == line), "{line:?} is missing in:\n{page}");
        }
    }

    #[test]
    fn a_twin_is_not_as_the_hub_has_it_while_a_value_is_refused() {
        let mut hub =
            json!({"synced": true, "desiredVersion": 41, "reportPending": false, "setAsideCount": 0});
        let told = |hub: &Value| page(&json!({ "link": {"state": "connected"}, "hub": hub }));
        assert!(told(&hub).contains("desired version 41, as the hub has it"));
        hub["setAside"] = json!([{
            "property": "minTemperature", "sinceSeconds": 300, "retryInSeconds": 120, "status": 400, "reason": "no",
        }]);
        hub["setAsideCount"] = json!(3);
        let page = told(&hub);
        assert!(!page.contains("as the hub has it"), "{page}");
        for line in [
            "reported minTemperature is refused for 5m (status 400 no), tried again in 2m",
            "and 2 more reported properties are refused",
        ] {
            assert!(page.contains(line), "{line:?} is missing in:\n{page}");
        }
        let put_off = json!({"sinceSeconds": 60, "retryInSeconds": 8, "status": 403, "reason": ""});
        let hub =
            json!({"synced": true, "desiredVersion": 41, "reportPending": true, "reportPutOff": put_off});
        let page = told(&hub);
        assert!(!page.contains("as the hub has it"), "{page}");
        assert!(page.contains("no report is taken for 1m (status 403), tried again in 8s"), "{page}");
    }

    #[test]
    fn a_page_of_something_else_is_still_a_page() {
        assert!(page(&json!({"hub": {"desiredVersion": 0}})).contains("none was ever fetched"));
        assert!(page(&json!({"sensors": {"x": 7}, "outputs": {"y": null}, "changes": [1]})).contains("x: "));
    }
}
