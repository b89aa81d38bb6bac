//! Is all well? What of the status needs a person, and what is not as it should be, each with what to do: the first rows of
//! the page.

use super::page::{Page, Tone};
use crate::report::alarms::AlarmKind;
use crate::report::status::{AlarmStatus, RefusedStatus};
use crate::service::DaemonStatus;
use crate::text::Span;

/// Something that is not well.
struct Trouble {
    what: String,
    /// What a person can do, or what twind does.
    remedy: String,
}

/// Writes the verdict and the reasons for it, the worst first.
pub(super) fn write(page: &mut Page, status: &DaemonStatus) {
    let (tone, verdict) = of(status);
    page.row_in(tone, "twind", &verdict);
    troubles(page, status);
}

/// The verdict alone.
pub(super) fn of(status: &DaemonStatus) -> (Tone, String) {
    let (alarms, lesser) = (alarms(status), lesser(status));
    let (tone, verdict) = match (alarms.len(), lesser.len()) {
        (0, 0) => (Tone::Good, "all is well".to_owned()),
        (0, lesser) => (Tone::Degraded, format!("no alarm, but {}", lesser_trouble(lesser))),
        (alarms, 0) => (Tone::Bad, counted(alarms, "alarm")),
        (alarms, lesser) => {
            (Tone::Bad, format!("{}, and {}", counted(alarms, "alarm"), lesser_trouble(lesser)))
        }
    };
    (tone, verdict + &overridden(status))
}

/// Writes what is not well, the worst first.
pub(super) fn troubles(page: &mut Page, status: &DaemonStatus) {
    let both = [("ALARM", Tone::Bad, alarms(status)), ("NOTE", Tone::Degraded, lesser(status))];
    for (label, tone, troubles) in both {
        for trouble in troubles {
            page.row_in(tone, label, &trouble.what);
            if !trouble.remedy.is_empty() {
                page.row("", &format!("→ {}", trouble.remedy));
            }
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn lesser_trouble(count: usize) -> String {
    let are = if count == 1 { "is not as it should be" } else { "are not as they should be" };
    format!("{} {are}", counted(count, "thing"))
}

/// An override is no trouble, but whoever looks should know that the twin does not decide everything.
fn overridden(status: &DaemonStatus) -> String {
    let core = &status.core;
    let outputs = core.outputs.0.iter().filter(|(_, output)| output.overridden.is_some());
    let climates = core.climates.0.iter().filter(|(_, climate)| climate.overridden.is_some());
    let names: Vec<&str> =
        outputs.map(|(name, _)| name.as_str()).chain(climates.map(|(name, _)| name.as_str())).collect();
    if names.is_empty() { String::new() } else { format!("; overridden: {}", names.join(", ")) }
}

fn alarms(status: &DaemonStatus) -> Vec<Trouble> {
    let mut alarms: Vec<&(String, AlarmStatus)> = status.core.alarms.0.iter().collect();
    let rank = |name: &str| AlarmKind::of(name).map_or(AlarmKind::ALL.len(), |kind| kind as usize);
    alarms.sort_by_key(|(name, _)| rank(name));
    let trouble = |(name, alarm): &(String, AlarmStatus)| Trouble {
        what: format!("{name} for {}: {}", Span(alarm.seconds_ago), alarm.text),
        remedy: alarm.remedy.clone(),
    };
    alarms.into_iter().map(trouble).collect()
}

/// What is not as it should be, but raises no alarm.
fn lesser(status: &DaemonStatus) -> Vec<Trouble> {
    let mut found = refused(status);
    found.extend(hub(status));
    let core = &status.core;
    for (name, output) in &core.outputs.0 {
        let stall = AlarmKind::Stall.alarm_of(name);
        let has_alarm = core.alarms.0.iter().any(|(alarm, _)| *alarm == stall);
        found.extend(output.speed_fault.as_ref().filter(|_| !has_alarm).map(|fault| Trouble {
            what: format!("output {name}: {fault}"),
            remedy: "see whether the wire of its tachometer is off".to_owned(),
        }));
    }
    let waiting = core
        .climates
        .0
        .iter()
        .filter(|(_, climate)| climate.schedule.as_ref().is_some_and(|schedule| schedule.waiting));
    found.extend(waiting.map(|(name, _)| Trouble {
        what: format!("the schedule of the climate {name} is suspended until the clock can be trusted"),
        remedy: "a time server or a connection to the hub sets that right".to_owned(),
    }));
    found
}

fn refused(status: &DaemonStatus) -> Vec<Trouble> {
    let hub = &status.core.hub;
    let trouble = |RefusedStatus { property, value, reason, version, .. }: &RefusedStatus| Trouble {
        what: format!(
            "desired {property}{} is refused since version {version}: {reason}",
            value.as_ref().map(|value| format!(" {value}")).unwrap_or_default()
        ),
        remedy: "set another value in the twin; what was in force before stays in force".to_owned(),
    };
    let mut found: Vec<Trouble> = hub.refused.iter().map(trouble).collect();
    let more = hub.refused_count.saturating_sub(hub.refused.len() as u64);
    if more > 0 {
        let what = format!("{more} more desired values are refused");
        found.push(Trouble { what, remedy: "twind twin shows them under reported, rejected".to_owned() });
    }
    found
}

fn hub(status: &DaemonStatus) -> Option<Trouble> {
    let (hub, link) = (&status.core.hub, &status.link);
    let trouble =
        |what: &str, remedy: &str| Some(Trouble { what: what.to_owned(), remedy: remedy.to_owned() });
    let goes_on = "outputs go on by the local copy of the twin";
    match link.state.as_str() {
        "connected" if hub.set_aside_count > 0 || hub.report_put_off.is_some() => {
            trouble("the hub does not accept everything that is reported, see below", "")
        }
        "connected" => None,
        _ if hub.desired_version == 0 => trouble(
            "the hub was never reached, see below",
            "outputs follow the configuration alone until it is",
        ),
        _ => {
            let since = link.since_seconds.map_or_else(String::new, |since| format!(" for {}", Span(since)));
            trouble(&format!("no connection to the hub{since}, see below"), goes_on)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Layout;
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    fn told(status: &Value) -> String {
        let mut page = Page::default();
        write(&mut page, &DaemonStatus::deserialize(status).unwrap());
        page.text(Layout::plain(200))
    }

    fn well() -> Value {
        json!({"link": {"state": "connected"}, "hub": {"synced": true, "desiredVersion": 4}})
    }

    #[test]
    fn where_nothing_is_wrong_all_is_well_and_an_override_is_named() {
        assert_eq!(told(&well()), "twind    all is well\n");
        let mut status = well();
        status["outputs"] = json!({"fan": {"override": {"percent": 40, "secondsLeft": 60, "by": "hub"}}});
        assert_eq!(told(&status), "twind    all is well; overridden: fan\n");
    }

    #[test]
    fn the_worst_stands_first_and_each_says_what_to_do() {
        let mut status = well();
        let alarm = |text: &str, remedy: &str| json!({"secondsAgo": 90, "text": text, "remedy": remedy});
        status["alarms"] = json!({
            "disk": alarm("it is full", "make room"),
            "overheat-office": alarm("it is hot", "look"),
            "siren": alarm("of a later version", ""),
        });
        let refusal = json!({
            "property": "components.office", "value": "{\"minTemperature\":9}", "code": 400, "reason": "outside limits", "version": 7,
        });
        status["hub"]["refused"] = json!([refusal]);
        status["hub"]["refusedCount"] = json!(3);
        let wanted = "\
twind    3 alarms, and 2 things are not as they should be
ALARM    overheat-office for 1 min 30 s: it is hot
         → look
ALARM    disk for 1 min 30 s: it is full
         → make room
ALARM    siren for 1 min 30 s: of a later version
NOTE     desired components.office {\"minTemperature\":9} is refused since version 7: outside limits
         → set another value in the twin; what was in force before stays in force
NOTE     2 more desired values are refused
         → twind twin shows them under reported, rejected
";
        assert_eq!(told(&status), wanted);
    }

    #[test]
    fn a_hub_that_is_not_there_or_refuses_reports_is_no_alarm_but_not_well_either() {
        let mut status = well();
        status["link"] = json!({"state": "waiting", "sinceSeconds": 300, "reason": "no route"});
        let told_of = told(&status);
        assert!(told_of.starts_with("twind    no alarm, but 1 thing is not as it should be\n"), "{told_of}");
        assert!(told_of.contains("NOTE     no connection to the hub for 5 min, see below\n"), "{told_of}");
        status["hub"]["desiredVersion"] = json!(0);
        assert!(told(&status).contains("NOTE     the hub was never reached"), "{}", told(&status));
        let mut status = well();
        status["hub"]["setAsideCount"] = json!(1);
        assert!(told(&status).contains("does not accept everything"), "{}", told(&status));
    }

    #[test]
    fn a_schedule_without_a_clock_and_a_speed_that_is_not_known_are_told() {
        let mut status = well();
        status["climates"] = json!({"office": {"schedule": {"waiting": true}}});
        status["outputs"] = json!({"fan": {"speedFault": "its speed is not known"}});
        let both = told(&status);
        assert!(both.contains("NOTE     output fan: its speed is not known\n"), "{both}");
        assert!(both.contains("NOTE     the schedule of the climate office is suspended"), "{both}");
        status["alarms"] = json!({"stall-fan": {"secondsAgo": 1, "text": "it stands"}});
        assert!(!told(&status).contains("NOTE     output fan"), "its alarm says it");
    }
}
