//! Is all well? What of the status needs a person, and what is not as it should be, each with what to do: the first rows of
//! the page.

use super::page::{Layout, Page, Tone};
use crate::report::alarms::AlarmKind;
use crate::report::status::{AlarmStatus, RefusedStatus};
use crate::service::DaemonStatus;
use crate::text::Span;

/// The verdict names at most so many overrides; each stands below at its output or climate, too.
const NAMED_MAX: usize = 3;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Alarm,
    /// A person must act, though it raises no alarm.
    Act,
    /// Not as it should be.
    Note,
}

impl Kind {
    fn label(self) -> (&'static str, Tone) {
        match self {
            Self::Alarm => ("ALARM", Tone::Bad),
            Self::Act => ("ACT", Tone::Bad),
            Self::Note => ("NOTE", Tone::Degraded),
        }
    }
}

/// Something that is not well.
struct Trouble {
    kind: Kind,
    what: String,
    /// What a person can do, or what twind does.
    remedy: String,
}

impl Trouble {
    fn note(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind: Kind::Note, what: what.into(), remedy: remedy.into() }
    }
}

/// Writes the verdict and the reasons for it, the worst first.
pub(super) fn write(page: &mut Page, status: &DaemonStatus) {
    write_short(page, status);
    write_all(page, &all(status));
}

/// Writes the verdict alone.
pub(super) fn write_short(page: &mut Page, status: &DaemonStatus) {
    let (tone, verdict) = of(status);
    page.row_in(tone, "twind", &verdict);
}

/// The verdict alone.
pub(super) fn of(status: &DaemonStatus) -> (Tone, String) {
    let all = all(status);
    let count = |kind| all.iter().filter(|trouble| trouble.kind == kind).count();
    let (alarms, acts, notes) = (count(Kind::Alarm), count(Kind::Act), count(Kind::Note));
    let tone = match (alarms + acts, notes) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Degraded,
        _ => Tone::Bad,
    };
    let told = [
        (alarms, counted(alarms, "alarm")),
        (acts, format!("{} {} a person", counted(acts, "thing"), if acts == 1 { "needs" } else { "need" })),
        (notes, lesser_trouble(notes)),
    ];
    let mut told: Vec<String> =
        told.into_iter().filter(|(count, _)| *count > 0).map(|(_, told)| told).collect();
    let last = told.pop();
    let verdict = match last {
        None => "all is well".to_owned(),
        Some(last) if told.is_empty() => last,
        Some(last) => format!("{}, and {last}", told.join(", ")),
    };
    let no_alarm = if alarms == 0 && acts + notes > 0 { "no alarm, but " } else { "" };
    (tone, format!("{no_alarm}{verdict}{}", overridden(status)))
}

/// For a screen: what needs a person, and of what is merely not as it should be as much as has room in so many rows. The second
/// page has the rest.
pub(super) fn parted(status: &DaemonStatus, layout: Layout, rows: usize) -> [Page; 2] {
    let (mut notes, mut first): (Vec<_>, Vec<_>) =
        all(status).into_iter().partition(|trouble| trouble.kind == Kind::Note);
    let length = |troubles: &[Trouble]| {
        let mut page = Page::default();
        write_all(&mut page, troubles);
        page.lines(layout).len()
    };
    // The line that says how many are left out takes one, too.
    let fits = |count: usize| length(&notes[..count]) + usize::from(count < notes.len()) <= rows;
    let count = (0..=notes.len()).rev().find(|count| fits(*count)).unwrap_or_default();
    let left_out = notes.split_off(count);
    first.extend(notes);
    let (mut top, mut below) = (Page::default(), Page::default());
    write_all(&mut top, &first);
    if !left_out.is_empty() {
        let (label, tone) = Kind::Note.label();
        let more = match (count, left_out.len()) {
            (0, left) => lesser_trouble(left),
            (_, left) => format!("and {left} more"),
        };
        top.row_in(tone, label, &format!("{more}, see below"));
    }
    write_all(&mut below, &left_out);
    [top, below]
}

/// Writes what is not well. Several in a row with one remedy have it once.
fn write_all(page: &mut Page, troubles: &[Trouble]) {
    for (index, trouble) in troubles.iter().enumerate() {
        let (label, tone) = trouble.kind.label();
        page.row_in(tone, label, &trouble.what);
        let is_said_next = troubles.get(index + 1).is_some_and(|next| next.remedy == trouble.remedy);
        if !trouble.remedy.is_empty() && !is_said_next {
            page.row("", &format!("→ {}", trouble.remedy));
        }
    }
}

/// What is not well, the worst first.
fn all(status: &DaemonStatus) -> Vec<Trouble> {
    let mut all = alarms(status);
    all.extend(lesser(status));
    // The order among those of one kind stays.
    all.sort_by_key(|trouble| trouble.kind as u8);
    all
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
    let mut names: Vec<&str> =
        outputs.map(|(name, _)| name.as_str()).chain(climates.map(|(name, _)| name.as_str())).collect();
    let more = match names.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(NAMED_MAX);
    if names.is_empty() { String::new() } else { format!("; overridden: {}{more}", names.join(", ")) }
}

fn alarms(status: &DaemonStatus) -> Vec<Trouble> {
    let mut alarms: Vec<&(String, AlarmStatus)> = status.core.alarms.0.iter().collect();
    let rank = |name: &str| AlarmKind::of(name).map_or(AlarmKind::ALL.len(), |kind| kind as usize);
    alarms.sort_by_key(|(name, _)| rank(name));
    let trouble = |(name, alarm): &(String, AlarmStatus)| Trouble {
        kind: Kind::Alarm,
        what: format!("{name} for {}: {}", Span(alarm.seconds_ago), alarm.text),
        remedy: alarm.remedy.clone(),
    };
    alarms.into_iter().map(trouble).collect()
}

/// What is not as it should be, but raises no alarm.
fn lesser(status: &DaemonStatus) -> Vec<Trouble> {
    let mut found: Vec<Trouble> = configuration(status).into_iter().collect();
    found.extend(refused(status));
    found.extend(hub(status));
    let core = &status.core;
    for (name, output) in &core.outputs.0 {
        let stall = AlarmKind::Stall.alarm_of(name);
        let has_alarm = core.alarms.0.iter().any(|(alarm, _)| *alarm == stall);
        let fault = output.speed_fault.as_ref().filter(|_| !has_alarm);
        found.extend(fault.map(|fault| {
            Trouble::note(format!("output {name}: {fault}"), "see whether the wire of its tachometer is off")
        }));
    }
    let waiting = core
        .climates
        .0
        .iter()
        .filter(|(_, climate)| climate.schedule.as_ref().is_some_and(|schedule| schedule.waiting));
    found.extend(waiting.map(|(name, _)| {
        let what = format!("the schedule of the climate {name} is suspended until the clock can be trusted");
        Trouble::note(what, "a time server or a connection to the hub sets that right")
    }));
    found
}

/// The file would surprise whoever restarts the daemon.
fn configuration(status: &DaemonStatus) -> Option<Trouble> {
    let refused = status.configuration_refused.as_ref()?;
    let (ago, fault) = (Span(refused.seconds_ago), &refused.fault);
    let more = match refused.fault_count.saturating_sub(1) {
        0 => String::new(),
        1 => " (and another fault)".to_owned(),
        more => format!(" (and {more} more faults)"),
    };
    let starts = if refused.start_would_fail { ", and twind would not start with it" } else { "" };
    let what = format!(
        "the configuration file was refused {ago} ago{starts}; the one before is in force: {fault}{more}"
    );
    Some(Trouble { kind: Kind::Act, what, remedy: refused.remedy.clone() })
}

fn refused(status: &DaemonStatus) -> Vec<Trouble> {
    let hub = &status.core.hub;
    let trouble = |RefusedStatus { property, value, reason, version, .. }: &RefusedStatus| {
        let value = value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
        let what = format!("desired {property}{value} is refused since version {version}: {reason}");
        Trouble::note(what, "set another value in the twin; the last good one stays")
    };
    let mut found: Vec<Trouble> = hub.refused.iter().map(trouble).collect();
    let more = hub.refused_count.saturating_sub(hub.refused.len() as u64);
    if more > 0 {
        let what = format!("{more} more desired values are refused");
        found.push(Trouble::note(what, "twind twin shows them under reported, rejected"));
    }
    found
}

fn hub(status: &DaemonStatus) -> Option<Trouble> {
    let (hub, link) = (&status.core.hub, &status.link);
    if link.state == "connected" {
        let is_refused = hub.set_aside_count > 0 || hub.report_put_off.is_some();
        let what = "the hub does not accept everything that is reported, see below";
        return is_refused.then(|| Trouble::note(what, ""));
    }
    let since = link.since_seconds.map_or_else(String::new, |since| format!(" for {}", Span(since)));
    let (what, goes_on) = match hub.desired_version {
        0 => ("no twin was ever fetched".to_owned(), "outputs follow the configuration alone until one is"),
        _ => (format!("no connection to the hub{since}"), "outputs go on by the local copy of the twin"),
    };
    Some(match &link.remedy {
        Some(remedy) => {
            Trouble { kind: Kind::Act, what: format!("{what}, see below; {goes_on}"), remedy: remedy.clone() }
        }
        None => Trouble::note(format!("{what}, see below"), goes_on),
    })
}

#[cfg(test)]
mod tests {
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
         → set another value in the twin; the last good one stays
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
        assert!(
            told(&status).contains("NOTE     no twin was ever fetched, see below\n"),
            "{}",
            told(&status)
        );
        let mut status = well();
        status["hub"]["setAsideCount"] = json!(1);
        assert!(told(&status).contains("does not accept everything"), "{}", told(&status));
    }

    #[test]
    fn a_configuration_that_was_refused_needs_a_person_and_says_what_a_restart_would_do() {
        let mut status = well();
        status["configurationRefused"] = json!({
            "secondsAgo": 300, "fault": "/etc/twind.toml:3:1: unknown key", "faultCount": 3, "startWouldFail": true,
            "remedy": "twind check",
        });
        let wanted = "\
twind    no alarm, but 1 thing needs a person
ACT      the configuration file was refused 5 min ago, and twind would not start with it; the one before is in force: /etc/twind.toml:3:1: unknown key (and 2 more faults)
         → twind check
";
        assert_eq!(told(&status), wanted);
        status["configurationRefused"] = json!({"secondsAgo": 1, "fault": "no such board", "faultCount": 1});
        let other = told(&status);
        assert!(other.contains("refused 1 s ago; the one before is in force: no such board\n"), "{other}");
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

    #[test]
    fn a_link_that_a_person_must_mend_says_how_before_what_is_merely_degraded() {
        let mut status = well();
        status["link"] = json!({"state": "connecting", "sinceSeconds": 300, "remedy": "compare the key"});
        status["hub"]["refused"] = json!([{"property": "a", "reason": "no", "version": 7}]);
        let wanted = "\
twind    no alarm, but 1 thing needs a person, and 1 thing is not as it should be
ACT      no connection to the hub for 5 min, see below; outputs go on by the local copy of the twin
         → compare the key
NOTE     desired a is refused since version 7: no
         → set another value in the twin; the last good one stays
";
        assert_eq!(told(&status), wanted);
        assert_eq!(of(&DaemonStatus::deserialize(&status).unwrap()).0, Tone::Bad);
        status["alarms"] = json!({"disk": {"secondsAgo": 1, "text": "full"}});
        let three = "twind    1 alarm, 1 thing needs a person, and 1 thing is not as it should be\nALARM ";
        assert!(told(&status).starts_with(three), "{}", told(&status));
        status["hub"]["desiredVersion"] = json!(0);
        assert!(
            told(&status).contains("ACT      no twin was ever fetched, see below; "),
            "{}",
            told(&status)
        );
    }

    #[test]
    fn one_remedy_is_said_once_and_fits_one_line() {
        let mut status = well();
        let refusal = |name: &str| json!({"property": name, "reason": "no", "version": 7});
        status["hub"]["refused"] = json!([refusal("a"), refusal("b"), refusal("c")]);
        let mut page = Page::default();
        write(&mut page, &DaemonStatus::deserialize(&status).unwrap());
        assert_eq!(page.lines(Layout::plain(80)).len(), 5, "{page:?}");
    }

    #[test]
    fn only_notes_are_left_out_where_there_is_no_room_and_they_stand_below() {
        let mut status = well();
        let refusal = |name: usize| json!({"property": format!("p{name}"), "reason": "no", "version": 7});
        status["hub"]["refused"] = (0..6).map(refusal).collect();
        status["alarms"] = json!({"disk": {"secondsAgo": 1, "text": "full", "remedy": "make room"}});
        let status = DaemonStatus::deserialize(&status).unwrap();
        for (rows, above, says) in [
            (7, 6, None),
            (6, 4, Some("NOTE     and 2 more, see below")),
            (3, 1, Some("NOTE     and 5 more, see below")),
            (2, 0, Some("NOTE     6 things are not as they should be, see below")),
            (0, 0, Some("NOTE     6 things are not as they should be, see below")),
        ] {
            let [top, below] =
                parted(&status, Layout::plain(80), rows).map(|page| page.lines(Layout::plain(80)));
            let notes = |lines: &[String]| lines.iter().filter(|line| line.contains("desired p")).count();
            assert_eq!((notes(&top), notes(&below)), (above, 6 - above), "{rows}: {top:#?}");
            assert!(top[0].starts_with("ALARM") && top.len() <= 2 + rows.max(1), "{rows}: {top:#?}");
            assert_eq!(top.iter().find(|line| line.ends_with("below")).map(String::as_str), says);
        }
    }

    #[test]
    fn many_overrides_are_counted() {
        let mut status = well();
        let one = json!({"override": {"percent": 40, "secondsLeft": 60, "by": "hub"}});
        status["outputs"] = json!({"fan": one, "heater": one, "lamp": one});
        assert!(told(&status).ends_with("; overridden: fan, heater, lamp\n"), "{}", told(&status));
        status["climates"] = json!({"office": {"override": {"min": 1, "max": 2}}, "lab": {"override": {}}});
        assert!(told(&status).ends_with("; overridden: fan, heater, lamp and 2 more\n"), "{}", told(&status));
    }
}
