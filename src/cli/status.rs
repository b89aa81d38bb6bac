//! `twind status`: what the running daemon is doing, as a page for people, as the JSON that the daemon sent, or as OpenMetrics text.
//! The page begins with a verdict.

use super::ask::{AskFault, ask_status, read_status};
use super::page::{Layout, Page, Tone};
use super::users::with_name;
use super::{mismatch, verdict};
use crate::config::LocalSettings;
use crate::control::quantity::TEMPERATURE;
use crate::report::Decided;
use crate::report::status::{
    ClimateStatus, HubStatus, OutputStatus, OverrideStatus, PutOffStatus, RangeOverrideStatus,
    ScheduleStatus, SensorStatus, Status,
};
use crate::service::{DaemonStatus, metrics};
use crate::text::{self, Span};
use crate::twin::json::write_pretty;

/// Changes that the page shows, unless more are asked for.
pub(super) const CHANGES_ON_PAGE: usize = 5;

/// What the command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusText {
    /// In the form that was asked for.
    pub text: String,
    /// It is the page, and an alarm is raised.
    pub alarms: bool,
    /// The message if the daemon uses another file.
    pub mismatch: Option<String>,
}

/// Asks the daemon: the object as it sent it, whatever its version.
///
/// # Errors
/// Why there is no answer.
pub fn status_json(local: &LocalSettings, changes: Option<usize>) -> Result<StatusText, AskFault> {
    let object = ask_status(local, changes)?;
    let mismatch = mismatch::compare(&object, &local.file);
    let text = text::escape_json(&write_pretty(&object)).into_owned();
    Ok(StatusText { text, alarms: false, mismatch })
}

/// Asks the daemon: the metrics.
///
/// # Errors
/// Why there is no answer, or no metrics of it.
pub fn status_openmetrics(local: &LocalSettings) -> Result<StatusText, AskFault> {
    let object = ask_status(local, Some(0))?;
    let mismatch = mismatch::compare(&object, &local.file);
    let text = metrics::openmetrics(&read_status(local, &object)?);
    Ok(StatusText { text, alarms: false, mismatch })
}

/// Asks the daemon: the page.
///
/// # Errors
/// Why there is no answer, or no page of it.
pub fn status(local: &LocalSettings, changes: Option<usize>, layout: Layout) -> Result<StatusText, AskFault> {
    let object = ask_status(local, Some(changes.unwrap_or(CHANGES_ON_PAGE)))?;
    let mismatch = mismatch::compare(&object, &local.file);
    let status = read_status(local, &object)?;
    Ok(StatusText { text: page(&status).text(layout), alarms: !status.core.alarms.0.is_empty(), mismatch })
}

/// The status for people.
pub(super) fn page(status: &DaemonStatus) -> Page {
    let core = &status.core;
    let mut page = Page::default();
    verdict::write(&mut page, status);
    link(&mut page, status);
    twin(&mut page, &core.hub);
    for (name, climate) in &core.climates.0 {
        self::climate(&mut page, core.climate.is_none().then_some(name.as_str()), climate);
    }
    if core.climates.0.is_empty() {
        // A daemon of an earlier version names none.
        core.climate.iter().for_each(|climate| self::climate(&mut page, None, climate));
    }
    for (name, sensor) in &core.sensors.0 {
        page.row("sensor", &format!("{name}: {}", self::sensor(sensor)));
    }
    for (name, output) in &core.outputs.0 {
        self::output(&mut page, name, output);
    }
    store(&mut page, core);
    changes(&mut page, core);
    daemon(&mut page, status);
    page
}

/// What `twind watch` has last: the page without the verdict, climates, outputs and changes.
pub(super) fn rest(page: &mut Page, status: &DaemonStatus) {
    link(page, status);
    twin(page, &status.core.hub);
    for (name, sensor) in &status.core.sensors.0 {
        page.row("sensor", &format!("{name}: {}", self::sensor(sensor)));
    }
    store(page, &status.core);
    daemon(page, status);
}

fn store(page: &mut Page, core: &Status) {
    let last = core.stored_seconds_ago.map(|ago| format!("last stored {} ago", Span(ago)));
    match (&core.store_fault, last) {
        (None, None) => {}
        (None, Some(last)) => {
            page.row_in(Tone::Faint, "store", &format!("the local copy of the twin was {last}"));
        }
        (Some(fault), last) => {
            let last = last.map(|last| format!("; it was {last}")).unwrap_or_default();
            page.row("store", &format!("the local copy of the twin cannot be stored: {fault}{last}"));
        }
    }
}

fn daemon(page: &mut Page, status: &DaemonStatus) {
    if let Some(file) = &status.configuration {
        let daemon = format!("twind {}, pid {}, configuration {file}", status.version, status.pid);
        page.row_in(Tone::Faint, "daemon", &daemon);
    }
}

/// The last changes of outputs and of ranges, the latest first. An output follows its range, so that stands below it.
pub(super) fn changes(page: &mut Page, core: &Status) {
    let outputs = core.changes.iter().flatten().map(|change| {
        let by = author(&change.cause, change.by.as_deref());
        (change.seconds_ago, format!("{} set to {} by {by}", change.output, percent(change.permille)))
    });
    let ranges = core.range_changes.iter().flatten().map(|change| {
        let by = author(&change.cause, change.by.as_deref());
        let climate = core.climates.0.iter().find(|(name, _)| *name == change.climate);
        let unit =
            if climate.is_some_and(|(_, climate)| climate.measures == TEMPERATURE) { " °C" } else { "" };
        (
            change.seconds_ago,
            format!("{}: range set to {} to {}{unit} by {by}", change.climate, change.min, change.max),
        )
    });
    let mut changes: Vec<(u64, String)> = outputs.chain(ranges).collect();
    changes.sort_by_key(|(ago, _)| *ago);
    for (ago, change) in changes {
        page.row_in(Tone::Faint, "change", &format!("{} ago: {change}", Span(ago)));
    }
}

fn link(page: &mut Page, status: &DaemonStatus) {
    let link = &status.link;
    let since = link.since_seconds.map_or_else(String::new, |since| format!(" for {}", Span(since)));
    let state = match link.state.as_str() {
        "connected" => format!("connected{since}"),
        "connecting" => format!("connecting, without a connection{since}"),
        _ => format!("not connected{since}: {}", link.reason.as_deref().unwrap_or_default()),
    };
    page.row("hub", &format!("{}, {state}", status.identity));
    if let Some(next) = link.next_attempt_in_seconds {
        page.row("", &format!("next attempt in {}", Span(next)));
    }
    if let Some(renews) = link.token_renews_in_seconds {
        page.row("", &format!("token is renewed in {}", Span(renews)));
    }
    if let (true, Some(failure)) = (link.state == "connected", &link.last_failure) {
        page.row("", &format!("last failure {} ago: {}", Span(failure.seconds_ago), failure.text));
    }
}

fn twin(page: &mut Page, hub: &HubStatus) {
    if hub.desired_version == 0 {
        return page.row("twin", "none was ever fetched");
    }
    let whole = hub.set_aside_count == 0 && hub.report_put_off.is_none();
    let age = match (hub.synced, hub.copy_age_seconds) {
        (true, _) if whole => "same as at the hub".to_owned(),
        (true, _) => "same as at the hub, but the hub does not accept everything that is reported".to_owned(),
        (false, None) => "age unknown".to_owned(),
        (false, Some(age)) => format!("{} old", Span(age)),
    };
    page.row("twin", &format!("desired version {}, {age}", hub.desired_version));
    if let Some(put_off) = &hub.report_put_off {
        page.row("", &format!("reports have been refused {}", refusal(put_off)));
    } else if hub.report_pending {
        page.row("", "a report waits to be sent or accepted");
    }
    for entry in &hub.set_aside {
        page.row("", &format!("reported {} has been refused {}", entry.property, refusal(&entry.refused)));
    }
    let more = hub.set_aside_count.saturating_sub(hub.set_aside.len() as u64);
    if more > 0 {
        page.row("", &format!("and {more} more reported properties have been refused"));
    }
}

fn refusal(put_off: &PutOffStatus) -> String {
    let reason = format!("{} {}", put_off.status, put_off.reason);
    let (since, retry) = (Span(put_off.since_seconds), Span(put_off.retry_in_seconds));
    format!("for {since} (status {}), next try in {retry}", reason.trim_end())
}

pub(super) fn climate(page: &mut Page, name: Option<&str>, climate: &ClimateStatus) {
    let ClimateStatus { regime, measures, min, max, .. } = climate;
    let is_temperature = measures.is_empty() || measures == TEMPERATURE;
    let (value, unit) = if is_temperature { (climate.temperature, " °C") } else { (climate.value, "") };
    let measures = if is_temperature { TEMPERATURE } else { measures };
    let value = value.map_or_else(|| format!("no {measures}"), |value| format!("{value}{unit}"));
    let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
    page.row("climate", &format!("{name}{value}, {regime}, target {min} to {max}{unit}"));
    let overridden = climate.overridden.as_ref();
    if let Some(RangeOverrideStatus { min, max, seconds_left, by }) = overridden {
        let left = Span(*seconds_left);
        page.row("", &format!("overridden to {min} to {max}{unit} by {}, for another {left}", with_name(by)));
    }
    if let Some(schedule) = &climate.schedule {
        page.row("", &self::schedule(schedule, overridden.is_some()));
    }
}

/// What a schedule says, in force or below an override.
fn schedule(schedule: &ScheduleStatus, overridden: bool) -> String {
    let until = schedule.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
    match &schedule.entry {
        _ if schedule.waiting => "its schedule is suspended until the clock can be trusted".to_owned(),
        Some(entry) if overridden => format!("in place of its schedule's entry {entry}{until}"),
        Some(entry) => format!("by its schedule's entry {entry}{until}"),
        None => format!("no entry of its schedule applies{until}"),
    }
}

fn sensor(sensor: &SensorStatus) -> String {
    let age = sensor
        .age_seconds
        .map_or_else(|| "never a valid value".to_owned(), |age| format!("{} ago", Span(age)));
    match sensor.value {
        None => format!("{}; the last valid value: {age}", sensor.state),
        Some(value) => {
            let last = match sensor.last_sample.as_str() {
                "ok" | "" => String::new(),
                fault => format!("; since then {fault}"),
            };
            format!("{value}, {}, {age}{last}", sensor.measures)
        }
    }
}

fn output(page: &mut Page, name: &str, output: &OutputStatus) {
    page.row("output", &format!("{name}: {}", drive(output)));
    output_notes(page, output);
}

/// What an output does and why.
pub(super) fn drive(output: &OutputStatus) -> String {
    let overridden = output.overridden.as_ref();
    let by =
        author(&output.cause, overridden.filter(|_| output.cause == "override").map(|one| one.by.as_str()));
    let drive = output.permille.map_or_else(|| "not driven".to_owned(), percent);
    let kicked = if output.kicked { ", at full for a moment to start" } else { "" };
    let turns = output.rpm.map(|rpm| format!(", {rpm} rpm")).unwrap_or_default();
    format!("{drive} by {by}{kicked}{turns}")
}

/// What holds an output back, what overrides it, and what is wrong with it.
pub(super) fn output_notes(page: &mut Page, output: &OutputStatus) {
    if let Some(held) = &output.held {
        page.row("", &held.text);
    }
    if let Some(OverrideStatus { percent, seconds_left, by }) = &output.overridden {
        let (by, left) = (with_name(by), Span(*seconds_left));
        page.row("", &format!("overridden to {percent} % by {by}, for another {left}"));
    }
    if let Some(fault) = &output.fault {
        page.row("", &format!("cannot be driven: {fault}"));
    }
    if let Some(fault) = &output.speed_fault {
        page.row("", fault);
    }
}

fn author(cause: &str, by: Option<&str>) -> String {
    let by = by.map(with_name);
    Decided { cause, by: by.as_deref() }.to_string()
}

fn percent(permille: u16) -> String {
    format!("{} %", f64::from(permille) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    fn read(status: &Value) -> DaemonStatus {
        DaemonStatus::deserialize(status).unwrap()
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
                "held": {"text": "override wants 40 %, outranked by fail-safe sensor-fault"},
                "override": {"percent": 40, "secondsLeft": 3600, "by": "uid 4000000000"},
            }},
            "storeFault": "the disk is full", "storedSecondsAgo": 7200,
            "alarms": {"sensor-roof": {"since": null, "secondsAgo": 90, "text": "sensor roof has no valid reading"}},
            "version": "1.2.3", "pid": 7, "configuration": "/etc/twind.toml",
            "changes": [{"secondsAgo": 7, "output": "fan", "permille": 1000, "cause": "override", "by": "hub"}],
            "rangeChanges": [{"secondsAgo": 5, "climate": "office", "min": 18, "max": 21, "cause": "override", "by": "hub"}],
        });
        let page = page(&read(&status)).text(Layout::plain(200));
        for line in [
            "hub      hub/pi, not connected for 5 min: TLS: the certificate has expired",
            "         next attempt in 12 s",
            "twin     desired version 41, 5 min 5 s old",
            "         a report waits to be sent or accepted",
            "ALARM    sensor-roof for 1 min 30 s: sensor roof has no valid reading",
            "climate  no temperature, sensor-fault, target 20 to 28 °C",
            "sensor   cabinet: stale; the last valid value: 45 s ago",
            "output   fan: 100 % by fail-safe sensor-fault",
            "         overridden to 40 % by uid 4000000000, for another 1 h",
            "         override wants 40 %, outranked by fail-safe sensor-fault",
            "         cannot be driven: no\\nsuch \\u{1b}[2Jline\\u{202e}",
            "store    the local copy of the twin cannot be stored: the disk is full; it was last stored 2 h ago",
            "change   7 s ago: fan set to 100 % by override (hub)",
            "daemon   twind 1.2.3, pid 7, configuration /etc/twind.toml",
        ] {
            assert!(page.lines().any(|told| told == line), "{line:?} is missing in:\n{page}");
        }
    }

    #[test]
    fn each_climate_has_its_line_by_its_name_and_what_its_schedule_says() {
        let schedule = |waiting: bool, entry: Option<&str>| json!({"waiting": waiting, "entry": entry, "until": (!waiting).then_some("2026-11-27T21:00:00Z")});
        let status = json!({"climates": {
            "office": {
                "regime": "in-range", "measures": "temperature", "temperature": 21.5, "value": 21.5, "min": 18, "max": 24,
                "schedule": schedule(false, Some("night")),
            },
            "lab": {
                "regime": "in-range", "measures": "temperature", "temperature": 21.5, "value": 21.5, "min": 18, "max": 24.5,
                "schedule": schedule(false, Some("night")),
                "override": {"min": 18, "max": 24.5, "secondsLeft": 5400, "by": "hub"},
            },
            "greenhouse": {
                "regime": "too-low", "measures": "humidity", "value": 38, "min": 40, "max": 60,
                "schedule": schedule(false, None),
            },
            "store": {
                "regime": "sensor-fault", "measures": "co2", "value": null, "min": 0, "max": 1000,
                "schedule": schedule(true, None),
            },
        }});
        let page = page(&read(&status)).text(Layout::plain(200));
        for lines in [
            "climate  office: 21.5 °C, in-range, target 18 to 24 °C\n         by its schedule's entry night until 2026-11-27T21:00:00Z\n",
            "climate  lab: 21.5 °C, in-range, target 18 to 24.5 °C\n         overridden to 18 to 24.5 °C by hub, for another 1 h 30 min\n         in place of its schedule's entry night until 2026-11-27T21:00:00Z\n",
            "climate  greenhouse: 38, too-low, target 40 to 60\n         no entry of its schedule applies until 2026-11-27T21:00:00Z\n",
            "climate  store: no co2, sensor-fault, target 0 to 1000\n         its schedule is suspended until the clock can be trusted\n",
        ] {
            assert!(page.contains(lines), "{lines:?} is missing in:\n{page}");
        }
    }

    #[test]
    fn a_twin_is_not_as_the_hub_has_it_while_a_value_is_refused() {
        let mut hub =
            json!({"synced": true, "desiredVersion": 41, "reportPending": false, "setAsideCount": 0});
        let told = |hub: &Value| {
            page(&read(&json!({ "link": {"state": "connected"}, "hub": hub }))).text(Layout::plain(200))
        };
        assert!(told(&hub).contains("desired version 41, same as at the hub\n"));
        hub["setAside"] = json!([{
            "property": "minTemperature", "sinceSeconds": 300, "retryInSeconds": 120, "status": 400, "reason": "no",
        }]);
        hub["setAsideCount"] = json!(3);
        let page = told(&hub);
        assert!(!page.contains("same as at the hub\n"), "{page}");
        for line in [
            "reported minTemperature has been refused for 5 min (status 400 no), next try in 2 min",
            "and 2 more reported properties have been refused",
        ] {
            assert!(page.contains(line), "{line:?} is missing in:\n{page}");
        }
        let put_off = json!({"sinceSeconds": 60, "retryInSeconds": 8, "status": 403, "reason": ""});
        let hub =
            json!({"synced": true, "desiredVersion": 41, "reportPending": true, "reportPutOff": put_off});
        let page = told(&hub);
        assert!(!page.contains("same as at the hub\n"), "{page}");
        assert!(page.contains("reports have been refused for 1 min (status 403), next try in 8 s"), "{page}");
    }

    #[test]
    fn what_another_version_does_not_tell_is_left_out_of_the_page() {
        let status = read(&json!({"hub": {"desiredVersion": 0, "new": [1]}, "later": true}));
        let page = page(&status).text(Layout::plain(0));
        assert!(page.contains("none was ever fetched") && !page.contains("stored"), "{page}");
        assert!(DaemonStatus::deserialize(&json!({"hub": 7})).is_err());
    }

    #[test]
    fn the_daemons_status_is_read_as_it_is_written() {
        let told = json!({
            "hub": {
                "online": true, "synced": true, "desiredVersion": 3, "reportPending": false,
                "reportPutOff": {"sinceSeconds": 1, "retryInSeconds": 2, "status": 429, "reason": "slow"},
                "setAside": [{
                    "property": "a.b", "sinceSeconds": 1, "retryInSeconds": 2, "status": 400, "reason": "no",
                }],
                "setAsideCount": 1,
                "refused": [{"property": "a", "value": "9", "code": 400, "reason": "no", "version": 3}], "refusedCount": 1,
                "copyAgeSeconds": null, "silentSeconds": 7,
            },
            "climate": {
                "regime": "in-range", "temperature": 21.5, "measures": "temperature", "value": 21.5, "min": 20, "max": 28,
                "schedule": null, "override": null,
            },
            "climates": {"office": {
                "regime": "too-low", "temperature": null, "measures": "humidity", "value": 38, "min": 40, "max": 60,
                "schedule": {"waiting": false, "entry": "night", "until": "2026-11-27T21:00:00Z"},
                "override": {"min": 18, "max": 21.5, "secondsLeft": 9, "by": "hub"},
            }},
            "sensors": {"roof": {
                "measures": "temperature", "value": 21, "state": "ok", "lastSample": "missing",
                "found": null, "source": "/run/roof", "ageSeconds": 4,
            }},
            "outputs": {"fan": {
                "permille": 412, "kicked": false, "cause": "override",
                "held": {"by": "min-off", "cause": "override", "wants": 40, "seconds": null, "text": "held"},
                "override": {"percent": 41.2, "secondsLeft": 9, "by": "hub"},
                "rpm": 900, "fault": null, "speedFault": "stalled",
            }},
            "storeFault": null,
            "storedSecondsAgo": 60,
            "alarms": {"stall-fan": {"since": null, "secondsAgo": 3, "text": "it does not turn", "remedy": "look"}},
            "changes": [{"secondsAgo": 3, "output": "fan", "permille": 412, "cause": "override", "by": "hub"}],
            "identity": "hub/pi",
            "link": {
                "state": "waiting", "sinceSeconds": 8, "reason": "no route", "nextAttemptInSeconds": 2,
                "tokenRenewsInSeconds": null, "tokenExpires": null,
                "lastFailure": {"text": "no route", "secondsAgo": 8},
            },
            "version": "0.1.0", "pid": 7, "configuration": "/etc/twind.toml",
        });
        let written = serde_json::to_value(read(&told)).unwrap();
        assert_eq!(written.to_string(), told.to_string(), "in this order, too");
    }
}
