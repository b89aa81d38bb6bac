//! `twind status`: what the running daemon is doing, as a page for people, as the JSON that the daemon sent, or as OpenMetrics text.
//! The page begins with a verdict.

use super::ask::{AskFault, ask_status, read_status};
use super::local_time::LocalTime;
use super::page::{Layout, Page, Tone};
use super::quantity::Quantity;
use super::users::with_name;
use super::{mismatch, verdict};
use crate::config::{Bytes, LocalSettings};
use crate::report::Decided;
use crate::report::status::{
    ClimateStatus, HubStatus, OutputStatus, OverrideStatus, PutOffStatus, RangeOverrideStatus, RefusedStatus,
    ScheduleStatus, SensorStatus, SetAsideStatus, Status, TelemetryStatus,
};
use crate::service::{DaemonStatus, metrics};
use crate::text::{self, Span};
use crate::twin::json::write_pretty;
use serde_json::Value;

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
    let text = text(&page(&status, &LocalTime::now()), &status, layout);
    Ok(StatusText { text, alarms: !status.core.alarms.0.is_empty(), mismatch })
}

/// The page as text. On a terminal that it does not fit the verdict, which has scrolled away, stands at its end again.
fn text(page: &Page, status: &DaemonStatus, layout: Layout) -> String {
    let mut text = page.text(layout);
    // The shell's prompt takes a row, too.
    if layout.rows.is_some_and(|rows| text.lines().count() >= rows) {
        let mut end = Page::default();
        verdict::write_short(&mut end, status);
        text += &end.text(layout);
    }
    text
}

/// The status for people.
pub(super) fn page(status: &DaemonStatus, time: &LocalTime) -> Page {
    let core = &status.core;
    let mut page = Page::default();
    verdict::write(&mut page, status);
    link(&mut page, status);
    twin(&mut page, &core.hub);
    for (name, climate) in climates(core) {
        self::climate(&mut page, core, name, climate, time);
    }
    sensors(&mut page, core);
    for (name, output) in &core.outputs.0 {
        self::output(&mut page, name, output);
    }
    store(&mut page, core);
    telemetry(&mut page, core);
    changes(&mut page, core);
    daemon(&mut page, status);
    page
}

/// What `twind watch` has last: the page without the verdict, climates, outputs and changes.
pub(super) fn rest(page: &mut Page, status: &DaemonStatus) {
    link(page, status);
    twin(page, &status.core.hub);
    sensors(page, &status.core);
    store(page, &status.core);
    telemetry(page, &status.core);
    daemon(page, status);
}

/// The climates by their names.
pub(super) fn climates(core: &Status) -> Vec<(&str, &ClimateStatus)> {
    match &core.climate {
        // A daemon of an earlier version has it here alone.
        Some(one) if core.climates.0.is_empty() => vec![("climate", one)],
        _ => core.climates.0.iter().map(|(name, one)| (name.as_str(), one)).collect(),
    }
}

fn sensors(page: &mut Page, core: &Status) {
    for (name, sensor) in &core.sensors.0 {
        page.row("sensor", &format!("{name}: {}", self::sensor(sensor, core)));
    }
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

fn telemetry(page: &mut Page, core: &Status) {
    let Some(telemetry) = &core.telemetry else { return };
    let TelemetryStatus { waiting_messages, kept_messages, kept_bytes, lost_records, fault } = telemetry;
    let waiting = match (waiting_messages, kept_messages) {
        (0, 0) => "the hub has every message of the telemetry".to_owned(),
        (waiting, 0) => format!("telemetry waits to be sent: {} in memory", messages(*waiting)),
        (0, kept) => {
            format!("telemetry waits to be sent: {} on the disk ({})", messages(*kept), Bytes(*kept_bytes))
        }
        (waiting, kept) => format!(
            "telemetry waits to be sent: {} on the disk ({}), {waiting} in memory",
            messages(*kept),
            Bytes(*kept_bytes)
        ),
    };
    let lost = match lost_records {
        0 => String::new(),
        1 => "; 1 record was lost since the start".to_owned(),
        lost => format!("; {lost} records were lost since the start"),
    };
    let tone = if fault.is_none() && *lost_records == 0 { Tone::Faint } else { Tone::Plain };
    page.row_in(tone, "messages", &format!("{waiting}{lost}"));
    if let Some(fault) = fault {
        page.row("", &format!("telemetry cannot be kept on the disk: {fault}"));
    }
}

fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
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
        let range = match climate {
            Some((_, climate)) => Quantity::of(climate).range(change.min, change.max),
            None => format!("{} to {}", change.min, change.max),
        };
        (change.seconds_ago, format!("{}: range set to {range} by {by}", change.climate))
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
        let PutOffStatus { status, reason, since_seconds, retry_in_seconds } = put_off;
        let refusal = refusal(*status, reason, *since_seconds, *retry_in_seconds);
        page.row("", &format!("reports have been refused {refusal}"));
    } else if hub.report_pending {
        page.row("", "a report waits to be sent or accepted");
    }
    for SetAsideStatus { property, status, reason, since_seconds, retry_in_seconds } in &hub.set_aside {
        let refusal = refusal(*status, reason, *since_seconds, *retry_in_seconds);
        page.row("", &format!("reported {property} has been refused {refusal}"));
    }
    let more = hub.set_aside_count.saturating_sub(hub.set_aside.len() as u64);
    if more > 0 {
        page.row("", &format!("and {more} more reported properties have been refused"));
    }
    if !hub.not_mapped.is_empty() {
        let more = hub.not_mapped_count.saturating_sub(hub.not_mapped.len() as u64);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let names = hub.not_mapped.join(", ");
        page.row_in(Tone::Faint, "", &format!("desired, but without a meaning here: {names}{more}"));
    }
}

fn refusal(status: u16, reason: &str, since_seconds: u64, retry_in_seconds: u64) -> String {
    let reason = format!("{status} {reason}");
    let (since, retry) = (Span(since_seconds), Span(retry_in_seconds));
    format!("for {since} (status {}), next try in {retry}", reason.trim_end())
}

pub(super) fn climate(page: &mut Page, core: &Status, name: &str, climate: &ClimateStatus, time: &LocalTime) {
    let quantity = Quantity::of(climate);
    let value = climate.value.or(climate.temperature);
    let value = value.map_or_else(|| format!("no {}", quantity.measures()), |value| quantity.value(value));
    // The only one of a site may have no name.
    let name = if core.climate.is_none() { format!("{name}: ") } else { String::new() };
    let target = quantity.range(climate.min, climate.max);
    page.row("climate", &format!("{name}{value}, {}, target {target}", climate.regime));
    let overridden = climate.overridden.as_ref();
    if let Some(RangeOverrideStatus { min, max, seconds_left, by }) = overridden {
        let (range, by, left) = (quantity.range(*min, *max), with_name(by), Span(*seconds_left));
        page.row("", &format!("overridden to {range} by {by}, for another {left}"));
    }
    if let Some(schedule) = &climate.schedule {
        page.row("", &self::schedule(schedule, overridden.is_some(), time));
    }
    let refused = core.hub.refused.iter().filter(|refused| refused.property == climate.property);
    for refused in refused {
        page.row_in(Tone::Faint, "", &format!("desired {} is refused", desired(refused)));
    }
}

/// What is desired of a climate: `18 to 90` if that is a range.
fn desired(refused: &RefusedStatus) -> String {
    let Some(value) = &refused.value else { return "range".to_owned() };
    let read: Option<Value> = serde_json::from_str(value).ok();
    let end = |side: &str| {
        let (_, end) = read.as_ref()?.as_object()?.iter().find(|(key, _)| key.starts_with(side))?;
        Some(end.as_str().map_or_else(|| end.to_string(), str::to_owned))
    };
    match (end("min"), end("max")) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        _ => value.clone(),
    }
}

/// What a schedule says, in force or below an override.
fn schedule(schedule: &ScheduleStatus, overridden: bool, time: &LocalTime) -> String {
    let until = schedule.until.as_ref().map(|until| format!(" {}", time.until(until))).unwrap_or_default();
    match &schedule.entry {
        _ if schedule.waiting => "its schedule is suspended until the clock can be trusted".to_owned(),
        Some(entry) if overridden => format!("in place of its schedule's entry {entry}{until}"),
        Some(entry) => format!("by its schedule's entry {entry}{until}"),
        None => format!("no entry of its schedule applies{until}"),
    }
}

fn sensor(sensor: &SensorStatus, core: &Status) -> String {
    let ago = sensor.age_seconds.map(|age| format!("{} ago", Span(age)));
    match (sensor.value, ago) {
        (None, None) => format!("{}; never a valid value", sensor.state),
        (None, Some(ago)) => format!("{}; the last valid value: {ago}", sensor.state),
        (Some(value), ago) => {
            let value = Quantity::of_sensor(sensor, core).value(value);
            let last = match sensor.last_sample.as_str() {
                "ok" | "" => String::new(),
                fault => format!("; since then {fault}"),
            };
            format!("{value}, {}{last}", ago.unwrap_or_default())
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
#[path = "status_tests.rs"]
mod tests;
