//! A day without a hub, in virtual time: then everything that was measured arrives, with the time at which it was measured.
//!
//! A site with two sensors and three outputs, the real core and the real state directory. The day has a power cut in the middle of
//! a write, a boot that does not know the time for three hours, and an upgrade. `cargo test --test outage -- --nocapture` prints the
//! table that `packaging/doc/telemetry.md` shows, and holds the two together. Deliberately absent: what a consumer makes of it.
#![expect(clippy::print_stdout, reason = "a test that prints its table")]

mod site;

use serde_json::Value;
use site::{Received, Sample, Site, folder, settings, wall};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use twind::report::Notice;

const LINES: &str = r#"
[outputs.fan]
pwm = { channel = 0 }
[outputs.heater]
pin = 5
[outputs.lamp]
pin = 6
property = "components.lamp.on"
[sensors.cabinet]
driver = "file"
path = "temperature"
[sensors.door]
driver = "file"
path = "door"
measures = "humidity"
[climate]
sensor = "cabinet"
cooling = "fan"
heating = "heater"
[telemetry]
"#;
const SENSORS: [(&str, &str); 2] = [("cabinet", "temperature"), ("door", "humidity")];

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

const OUTAGE: Duration = hours(2);
const CUT: Duration = hours(13);
const DARK: Duration = Duration::from_secs(11 * 60);
const CLOCK: Duration = hours(17);
const UPGRADE: Duration = hours(21);
const BACK: Duration = hours(26);
const END: Duration = hours(27);

/// It swings around the range twice a day, and no two readings are alike.
fn shows(sensor: usize, at: Duration) -> f64 {
    let turn = at.as_secs_f64() / hours(12).as_secs_f64() * core::f64::consts::TAU;
    let value = [24.0 + 7.0 * turn.sin(), 50.0 + 20.0 * turn.cos()][sensor];
    // Digits that tell the moment.
    (value * 100.0).trunc() / 100.0 + (at.as_secs() / 5 % 10) as f64 / 1000.0
}

/// What became of the samples of one sensor.
#[derive(Debug, Default, PartialEq)]
struct Fate {
    samples: usize,
    arrived: usize,
    cut: usize,
    lost: usize,
    twice: usize,
    wrong_times: usize,
    out_of_order: usize,
    first: String,
    last: String,
}

/// `cut_at`: when the power went.
fn follow(sensor: usize, samples: &[Sample], received: &[Received], cut_at: Duration) -> Fate {
    let (name, measures) = SENSORS[sensor];
    let mut fate = Fate { samples: samples.len(), ..Fate::default() };
    let mut missing: BTreeMap<u64, &Sample> =
        samples.iter().map(|sample| (wall(sample.at).0, sample)).collect();
    // By whether they are of the backlog.
    let mut last: [Option<String>; 2] = [None, None];
    let mut seen = BTreeSet::new();
    for one in received {
        let is_new = seen.insert(&one.message.id);
        let records = one.records();
        let newest = records.iter().filter_map(unix).max().unwrap_or_default();
        let is_backlog = one.at >= BACK && newest < wall(BACK).0;
        for record in records.iter().filter(|record| record["sensor"] == name) {
            let time = record["time"].as_str().unwrap_or_default().to_owned();
            let value = record[measures].as_f64();
            let sample = unix(record)
                .and_then(|time| (time.saturating_sub(1)..=time + 1).find_map(|time| missing.remove(&time)));
            match sample {
                Some(sample) if value.is_some_and(|value| (value - sample.values[sensor]).abs() < 1e-6) => {
                    fate.arrived += 1;
                }
                Some(_) => fate.wrong_times += 1,
                None => fate.twice += 1,
            }
            let before = last[usize::from(is_backlog)].replace(time.clone());
            fate.out_of_order += usize::from(before.is_some_and(|before| before >= time));
            fate.first = if fate.first.is_empty() { time.clone() } else { fate.first.min(time.clone()) };
            fate.last = fate.last.max(time);
        }
        assert!(is_new, "the message {} came twice", one.message.id);
    }
    // The open batch, and the message that was being written.
    let may_be_cut = cut_at - Duration::from_secs(2 * 6 * 60)..cut_at;
    fate.cut = missing.values().filter(|sample| may_be_cut.contains(&sample.at)).count();
    // What is measured last is still to be sent.
    let recent = |sample: &Sample| sample.at > END - Duration::from_secs(6 * 60);
    fate.samples -= missing.values().filter(|sample| recent(sample)).count();
    fate.lost = missing.values().filter(|sample| !recent(sample)).count() - fate.cut;
    fate
}

fn unix(record: &Value) -> Option<u64> {
    let time = humantime::parse_rfc3339(record["time"].as_str()?).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Prints the table, which stands in the handbook.
fn tell(rows: &[String]) {
    rows.iter().for_each(|row| println!("{row}"));
    let handbook = include_str!("../packaging/doc/telemetry.md");
    let stands = |row: &&String| handbook.contains(&format!("\n{row}\n"));
    assert_eq!(rows.iter().find(|row| !stands(row)), None, "packaging/doc/telemetry.md has no such row");
}

#[test]
fn after_a_day_without_a_hub_everything_arrives_in_order_with_the_time_at_which_it_was_measured() {
    let folder = folder();
    let mut site = Site::start(settings(LINES), folder.path(), shows);
    site.connect();
    site.run(OUTAGE);
    let in_touch = site.hub.received.len();
    assert!(in_touch > 15, "{in_touch} messages");
    assert_eq!(site.written, 0, "with a link nothing is written");
    site.disconnect();
    site.run(CUT);
    site.cut_power(DARK);
    let cut_at = site.now - DARK;
    site.run(CLOCK);
    site.set_clock();
    site.run(UPGRADE);
    site.upgrade();
    site.run(BACK);
    assert_eq!(site.hub.received.len(), in_touch, "there is no hub");
    let kept = site.waiting().ring;
    site.connect();
    while site.waiting().ring.messages > 0 {
        site.step(END);
    }
    let empty_after = site.now - BACK;
    site.run(END);

    let titles =
        "sensor | samples | first | last | arrived | power cut | lost | twice | wrong time | disorder";
    let mut rows = vec![format!("| {titles} |"), format!("|{}", " --- |".repeat(titles.split('|').count()))];
    for (sensor, (name, _)) in SENSORS.into_iter().enumerate() {
        let fate = follow(sensor, &site.samples, &site.hub.received, cut_at);
        let Fate { samples, first, last, arrived, cut, lost, twice, wrong_times, out_of_order } = &fate;
        rows.push(format!(
            "| `{name}` | {samples} | {first} | {last} | {arrived} | {cut} | {lost} | {twice} | {wrong_times} | {out_of_order} |"
        ));
        assert_eq!([*lost, *twice, *wrong_times, *out_of_order], [0; 4], "{fate:?}");
        assert_eq!(arrived + cut, *samples, "{fate:?}");
        assert!(*samples > 24 * 60, "{fate:?}");
        // The batch that was open, and the message of six samples that was being written.
        assert!((1..=12).contains(cut), "{fate:?}");
    }
    assert!(empty_after <= Duration::from_secs(2 * kept.messages), "{kept:?} in {empty_after:?}");
    let undated = site.hub.received.iter().filter(|one| one.message.body.contains("secondsSinceBoot"));
    assert_eq!(undated.count(), 0, "every boot got its time");
    rows.push("| kept during the outage | on the disk | all of it at the hub after |".to_owned());
    rows.push("| --- | --- | --- |".to_owned());
    let (kib, seconds) = (kept.bytes.div_ceil(1024), empty_after.as_secs());
    rows.push(format!("| {} messages | {kib} KiB | {seconds} s |", kept.messages));
    tell(&rows);
    let told = |is: fn(&Notice) -> bool| site.notices.iter().filter(|notice| is(notice)).count();
    assert_eq!(told(|notice| matches!(notice, Notice::Backlog { .. })), 1);
    assert_eq!(told(|notice| matches!(notice, Notice::BacklogSent)), 1);
    assert_eq!(told(|notice| matches!(notice, Notice::RecordsDropped { .. })), 0);
}
