//! `[telemetry]`, and about what it costs at a site.

use super::codes::Code;
use super::faults::Findings;
use super::reader::Reader;
use super::sizes::{self, Bytes};
use super::spans::Span;
use super::values;
use crate::control::{ClimateSpec, OutputSpec, SensorSpec};
use crate::engine::CoreSpec;
use crate::telemetry::TelemetrySpec;
use crate::text::Span as TimeSpan;
use core::ops::RangeInclusive;
use core::time::Duration;
use serde::Serialize;

const INTERVAL: Duration = Duration::from_secs(60);
const SEND_EVERY: Duration = Duration::from_secs(5 * 60);
/// Of both: more often a sensor is hardly read, and less often a day is not told of.
const TIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEEP: u64 = 4 << 20;
const KEEPS: RangeInclusive<u64> = 64 << 10..=1 << 30;

/// The messages of a day that IoT Hub's free tier takes of all devices together.
const FREE_MESSAGES: u64 = 8_000;
/// What the free tier counts as one message.
const FREE_PIECE_BYTES: u64 = 512;
/// The bytes of records in a full message. The core closes one at 3,800 bytes, before the record that would not fit.
const FULL_BYTES: u64 = 3_750;
/// The properties of a message, which the hub counts with it.
const PROPERTIES_BYTES: u64 = 80;
/// What the disk has for each message besides its records.
const KEPT_WITH_BYTES: u64 = 230;

/// What `[telemetry]` says.
pub(super) struct Telemetry {
    pub(super) spec: TelemetrySpec,
    interval_at: Span,
    send_every_at: Span,
    keep_at: Span,
}

/// `None` if the table does not stand in the file.
pub(super) fn read(mut table: Reader<'_>) -> Option<Telemetry> {
    let interval = table.duration("interval", TIMES).map_or(INTERVAL, |at| at.value);
    let send_every = table.duration("send-every", TIMES).map_or(SEND_EVERY, |at| at.value);
    let keep = table.read("keep", |value| sizes::size(value, &KEEPS)).map_or(KEEP, |at| at.value);
    let alarms = table.bool("alarms").is_none_or(|at| at.value);
    let switches = ["enabled", "enable", "disabled", "active", "on", "off"];
    let say = "is not needed: telemetry is on while [telemetry] stands in the file; to turn it off comment out the whole table";
    table.answer(Code::UnknownKey, &switches, say);
    let read = table.present().then(|| Telemetry {
        spec: TelemetrySpec { interval, send_every, keep_bytes: keep, alarms },
        interval_at: table.place("interval"),
        send_every_at: table.place("send-every"),
        keep_at: table.place("keep"),
    });
    table.finish();
    read
}

/// What the telemetry of a site costs on a quiet day, on which nothing changes and no alarm is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TelemetryCost {
    /// The records of one sample: exact.
    pub records_per_sample: u64,
    /// The messages of a day, each of at most 4 KB.
    pub messages_per_day: u64,
    /// What the free tier counts for them.
    pub free_tier_messages_per_day: u64,
    /// The bytes of the disk that a day without a link takes.
    pub disk_bytes_per_day: u64,
    /// How long a day of them can be kept.
    pub keep_seconds: u64,
}

impl TelemetryCost {
    /// Of a site; `None` without telemetry.
    pub fn of(engine: &CoreSpec) -> Option<Self> {
        let CoreSpec { outputs, sensors, climates, .. } = engine;
        engine.telemetry.as_ref().map(|spec| Self::at(spec, outputs, sensors, climates))
    }

    fn at(
        spec: &TelemetrySpec,
        outputs: &[OutputSpec],
        sensors: &[SensorSpec],
        climates: &[ClimateSpec],
    ) -> Self {
        let records = (outputs.len() + sensors.len() + climates.len()) as u64;
        let length = outputs.iter().map(of_output).sum::<usize>()
            + sensors.iter().map(of_sensor).sum::<usize>()
            + climates.iter().map(of_climate).sum::<usize>();
        let samples = per_day(spec.interval);
        let bytes = samples * length as u64;
        let by_time = per_day(message_every(spec));
        let messages = by_time.max(bytes.div_ceil(FULL_BYTES));
        let message_bytes = bytes / messages.max(1) + PROPERTIES_BYTES;
        let disk_bytes = bytes + messages * KEPT_WITH_BYTES;
        Self {
            records_per_sample: records,
            messages_per_day: messages,
            free_tier_messages_per_day: messages * message_bytes.div_ceil(FREE_PIECE_BYTES),
            disk_bytes_per_day: disk_bytes,
            keep_seconds: spec.keep_bytes.saturating_mul(DAY.as_secs()) / disk_bytes.max(1),
        }
    }
}

fn per_day(every: Duration) -> u64 {
    (DAY.as_secs_f64() / every.as_secs_f64()).round() as u64
}

/// The time between two messages that do not become full: the sample that is due when one is sent is still in it.
fn message_every(spec: &TelemetrySpec) -> Duration {
    let more = spec.send_every.as_nanos() / spec.interval.as_nanos().max(1);
    spec.interval.saturating_mul(u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1))
}

/// The bytes of a record, with the comma behind it, but for the names of its thing and of what is measured.
fn of_sensor(sensor: &SensorSpec) -> usize {
    const REST: usize = r#"{"time":"2026-11-27T14:00:00Z","sensor":"","":21.53},"#.len();
    REST + sensor.name.len() + sensor.measures.len()
}

fn of_climate(climate: &ClimateSpec) -> usize {
    const REST: usize =
        r#"{"time":"2026-11-27T14:00:00Z","climate":"","":21.53,"min":20,"max":28,"regime":"in-range"},"#
            .len();
    REST + climate.label().len() + 3 * climate.quantity.measures().len()
}

fn of_output(output: &OutputSpec) -> usize {
    const REST: usize =
        r#"{"time":"2026-11-27T14:00:00Z","output":"","dutyPercent":41.2,"cause":"climate office"},"#.len();
    REST + output.name.len()
}

/// Warns of what is hardly ever meant.
pub(super) fn pitfalls(
    telemetry: &Telemetry,
    outputs: &[OutputSpec],
    sensors: &[SensorSpec],
    climates: &[ClimateSpec],
    findings: &Findings,
) {
    let Telemetry { spec, interval_at, send_every_at, keep_at } = telemetry;
    let cost = TelemetryCost::at(spec, outputs, sensors, climates);
    if cost.messages_per_day > FREE_MESSAGES {
        let is_by_time =
            cost.messages_per_day == per_day(message_every(spec)) && spec.send_every >= spec.interval;
        let (at, longer) = if is_by_time { (send_every_at, "send-every") } else { (interval_at, "interval") };
        let say = format!(
            "[telemetry] makes about {} messages a day here; of all its devices together a hub of the free tier takes {FREE_MESSAGES} \
             a day, and one of S1 400000: write a longer `{longer}`",
            cost.messages_per_day
        );
        findings.warn(*at, Code::Unlikely.because(say));
    }
    if cost.keep_seconds < DAY.as_secs() {
        let say = format!(
            "[telemetry] makes about {} a day here, so `keep` ({}) is full after {} without a connection, and then the oldest is \
             lost: write a larger one, or a longer `interval` (now {})",
            Bytes(cost.disk_bytes_per_day),
            Bytes(spec.keep_bytes),
            TimeSpan(cost.keep_seconds),
            values::time_name(spec.interval)
        );
        findings.warn(*keep_at, Code::Unlikely.because(say));
    }
}
