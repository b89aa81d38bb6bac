//! Each metric: its name, its labels, what it means, and its samples. The handbook has the same table (`monitoring.md`).
//!
//! Names follow Prometheus's conventions: base units at the end of the name, shares as a ratio from 0 to 1, and a metric of its own
//! for each unit. What climates and sensors measure has a unit only where there is one that everybody means (`UnitOf`).

use super::super::daemon_status::DaemonStatus;
use super::{Family, Tell};
use crate::control::quantity::TEMPERATURE;
use crate::report::status::{ClimateStatus, OutputStatus, SensorStatus, TelemetryStatus, Tidy};

const CLIMATE: &[&str] = &["climate"];
const SENSOR: &[&str] = &["sensor"];
const OUTPUT: &[&str] = &["output"];
/// The name that the only climate of a site has where it has none.
const ONLY_CLIMATE: &str = "climate";

/// All of them, in the order in which they are written.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "twind_build_info",
        labels: &["version"],
        help: "Always 1: the version of the running daemon.",
        samples: |status, tell| tell(&[&status.version], 1.0),
    },
    Family {
        name: "twind_device_info",
        labels: &["identity"],
        help: "Always 1: whose twin this is, as HUB/DEVICE.",
        samples: |status, tell| {
            if !status.identity.is_empty() {
                tell(&[&status.identity], 1.0);
            }
        },
    },
    Family {
        name: "twind_alarms",
        labels: &[],
        help: "How many alarms are active.",
        samples: |status, tell| tell(&[], status.core.alarms.0.len() as f64),
    },
    Family {
        name: "twind_alarm",
        labels: &["alarm", "kind"],
        help: "1 while this alarm is active, and no sample otherwise. The kind is the first word of its name.",
        samples: |status, tell| {
            for (name, _) in &status.core.alarms.0 {
                tell(&[name, name.split('-').next().unwrap_or_default()], 1.0);
            }
        },
    },
    Family {
        name: "twind_configuration_refused",
        labels: &[],
        help: "1 while the configuration file is one that the last reload refused, else 0.",
        samples: |status, tell| tell(&[], truth(status.configuration_refused.is_some())),
    },
    Family {
        name: "twind_hub_connected",
        labels: &[],
        help: "1 while there is a connection to the hub, else 0.",
        samples: |status, tell| tell(&[], truth(status.link.state == "connected")),
    },
    Family {
        name: "twind_hub_synced",
        labels: &[],
        help: "1 while the copy of the twin is the same as at the hub, else 0.",
        samples: |status, tell| tell(&[], truth(status.core.hub.synced)),
    },
    Family {
        name: "twind_hub_silence_seconds",
        labels: &[],
        help: "How long the hub has said nothing about the twin, as hub-silent counts it.",
        samples: |status, tell| tell(&[], status.core.hub.silent_seconds as f64),
    },
    Family {
        name: "twind_hub_token_expiry_timestamp_seconds",
        labels: &[],
        help: "When the token for the hub expires, in seconds since 1970; no sample without one.",
        samples: |status, tell| tell_known(&[], status.link.token_expires, tell),
    },
    Family {
        name: "twind_desired_version",
        labels: &[],
        help: "The version of the desired section that is followed; 0 if none was ever fetched.",
        samples: |status, tell| tell(&[], status.core.hub.desired_version as f64),
    },
    Family {
        name: "twind_desired_refused_values",
        labels: &[],
        help: "How many desired values twind refuses.",
        samples: |status, tell| tell(&[], status.core.hub.refused_count as f64),
    },
    Family {
        name: "twind_copy_age_seconds",
        labels: &[],
        help: "How long ago the copy of the twin was known to be the hub's.",
        samples: |status, tell| tell_known(&[], status.core.hub.copy_age_seconds, tell),
    },
    Family {
        name: "twind_report_pending",
        labels: &[],
        help: "1 while the hub has not accepted all that is to be reported, else 0.",
        samples: |status, tell| tell(&[], truth(status.core.hub.report_pending)),
    },
    Family {
        name: "twind_report_put_off",
        labels: &[],
        help: "1 while the hub refuses reports for now, else 0.",
        samples: |status, tell| tell(&[], truth(status.core.hub.report_put_off.is_some())),
    },
    Family {
        name: "twind_report_refused_properties",
        labels: &[],
        help: "How many reported properties the hub refuses.",
        samples: |status, tell| tell(&[], status.core.hub.set_aside_count as f64),
    },
    Family {
        name: "twind_store_ok",
        labels: &[],
        help: "1 while the copy of the twin can be stored, else 0.",
        samples: |status, tell| tell(&[], truth(status.core.store_fault.is_none())),
    },
    Family {
        name: "twind_telemetry_ok",
        labels: &[],
        help: "1 while telemetry can be kept on the disk, else 0; no sample without telemetry.",
        samples: |status, tell| of_telemetry(status, |one| u64::from(one.fault.is_none()), tell),
    },
    Family {
        name: "twind_telemetry_waiting_messages",
        labels: &[],
        help: "How many messages of the telemetry wait in memory alone.",
        samples: |status, tell| of_telemetry(status, |one| one.waiting_messages, tell),
    },
    Family {
        name: "twind_telemetry_kept_messages",
        labels: &[],
        help: "How many messages are on the disk that the hub does not have.",
        samples: |status, tell| of_telemetry(status, |one| one.kept_messages, tell),
    },
    Family {
        name: "twind_telemetry_kept_bytes",
        labels: &[],
        help: "The bytes of the disk that these messages take.",
        samples: |status, tell| of_telemetry(status, |one| one.kept_bytes, tell),
    },
    Family {
        name: "twind_telemetry_lost_records",
        labels: &[],
        help: "How many records of the telemetry were lost since the daemon started.",
        samples: |status, tell| of_telemetry(status, |one| one.lost_records, tell),
    },
    Family {
        name: "twind_temperature_celsius",
        labels: CLIMATE,
        help: "The temperature of a climate that holds one.",
        samples: |status, tell| of_climates(status, UnitOf::Celsius, value, tell),
    },
    Family {
        name: "twind_temperature_min_celsius",
        labels: CLIMATE,
        help: "The lower end of the range of temperature in force.",
        samples: |status, tell| of_climates(status, UnitOf::Celsius, min, tell),
    },
    Family {
        name: "twind_temperature_max_celsius",
        labels: CLIMATE,
        help: "The upper end of the range of temperature in force.",
        samples: |status, tell| of_climates(status, UnitOf::Celsius, max, tell),
    },
    Family {
        name: "twind_humidity_ratio",
        labels: CLIMATE,
        help: "The humidity of a climate that holds one, from 0 to 1.",
        samples: |status, tell| of_climates(status, UnitOf::Ratio, value, tell),
    },
    Family {
        name: "twind_humidity_min_ratio",
        labels: CLIMATE,
        help: "The lower end of the range of humidity in force, from 0 to 1.",
        samples: |status, tell| of_climates(status, UnitOf::Ratio, min, tell),
    },
    Family {
        name: "twind_humidity_max_ratio",
        labels: CLIMATE,
        help: "The upper end of the range of humidity in force, from 0 to 1.",
        samples: |status, tell| of_climates(status, UnitOf::Ratio, max, tell),
    },
    Family {
        name: "twind_co2_ppm",
        labels: CLIMATE,
        help: "The carbon dioxide of a climate that holds it, in parts per million.",
        samples: |status, tell| of_climates(status, UnitOf::Ppm, value, tell),
    },
    Family {
        name: "twind_co2_min_ppm",
        labels: CLIMATE,
        help: "The lower end of the range of carbon dioxide in force.",
        samples: |status, tell| of_climates(status, UnitOf::Ppm, min, tell),
    },
    Family {
        name: "twind_co2_max_ppm",
        labels: CLIMATE,
        help: "The upper end of the range of carbon dioxide in force.",
        samples: |status, tell| of_climates(status, UnitOf::Ppm, max, tell),
    },
    Family {
        name: "twind_climate_value",
        labels: &["climate", "measures"],
        help: "The value of a climate that holds anything else, in the unit of its sensors.",
        samples: |status, tell| of_climates(status, UnitOf::Unknown, value, tell),
    },
    Family {
        name: "twind_climate_value_min",
        labels: &["climate", "measures"],
        help: "The lower end of the range of anything else in force.",
        samples: |status, tell| of_climates(status, UnitOf::Unknown, min, tell),
    },
    Family {
        name: "twind_climate_value_max",
        labels: &["climate", "measures"],
        help: "The upper end of the range of anything else in force.",
        samples: |status, tell| of_climates(status, UnitOf::Unknown, max, tell),
    },
    Family {
        name: "twind_climate_regime",
        labels: &["climate", "regime"],
        help: "1 for the present regime of a climate, such as in-range or sensor-fault.",
        samples: |status, tell| {
            for (name, climate) in climates(status).filter(|(_, climate)| !climate.regime.is_empty()) {
                tell(&[name, &climate.regime], 1.0);
            }
        },
    },
    Family {
        name: "twind_climate_schedule_waiting",
        labels: CLIMATE,
        help: "1 while the schedule of a climate waits for a clock that can be believed, else 0.",
        samples: |status, tell| {
            for (name, climate) in climates(status) {
                let waiting = climate.schedule.as_ref().map(|schedule| schedule.waiting);
                waiting.into_iter().for_each(|waiting| tell(&[name], truth(waiting)));
            }
        },
    },
    Family {
        name: "twind_climate_override_left_seconds",
        labels: CLIMATE,
        help: "How long the override of a climate lasts; no sample without one.",
        samples: |status, tell| {
            for (name, climate) in climates(status) {
                tell_known(&[name], climate.overridden.as_ref().map(|one| one.seconds_left), tell);
            }
        },
    },
    Family {
        name: "twind_sensor_temperature_celsius",
        labels: SENSOR,
        help: "The temperature that a sensor measures.",
        samples: |status, tell| of_sensors(status, UnitOf::Celsius, tell),
    },
    Family {
        name: "twind_sensor_humidity_ratio",
        labels: SENSOR,
        help: "The humidity that a sensor measures, from 0 to 1.",
        samples: |status, tell| of_sensors(status, UnitOf::Ratio, tell),
    },
    Family {
        name: "twind_sensor_co2_ppm",
        labels: SENSOR,
        help: "The carbon dioxide that a sensor measures, in parts per million.",
        samples: |status, tell| of_sensors(status, UnitOf::Ppm, tell),
    },
    Family {
        name: "twind_sensor_value",
        labels: &["sensor", "measures"],
        help: "What a sensor for anything else measures, in its own unit.",
        samples: |status, tell| of_sensors(status, UnitOf::Unknown, tell),
    },
    Family {
        name: "twind_sensor_ok",
        labels: SENSOR,
        help: "1 while a sensor has a valid reading, else 0.",
        samples: |status, tell| {
            for (name, sensor) in sensors(status).filter(|(_, sensor)| !sensor.state.is_empty()) {
                tell(&[name], truth(sensor.state == "ok"));
            }
        },
    },
    Family {
        name: "twind_sensor_fault",
        labels: &["sensor", "fault"],
        help: "1 for the fault of a sensor without a valid reading, such as stale.",
        samples: |status, tell| {
            for (name, sensor) in sensors(status).filter(|(_, one)| !["ok", ""].contains(&one.state.as_str()))
            {
                tell(&[name, &sensor.state], 1.0);
            }
        },
    },
    Family {
        name: "twind_sensor_age_seconds",
        labels: SENSOR,
        help: "The age of the last valid reading of a sensor; no sample if it never had one.",
        samples: |status, tell| {
            sensors(status).for_each(|(name, sensor)| tell_known(&[name], sensor.age_seconds, tell));
        },
    },
    Family {
        name: "twind_output_drive_ratio",
        labels: OUTPUT,
        help: "The drive of an output, from 0 to 1.",
        samples: |status, tell| {
            for (name, output) in outputs(status) {
                output.permille.iter().for_each(|permille| tell(&[name], f64::from(*permille) / 1000.0));
            }
        },
    },
    Family {
        name: "twind_output_rpm",
        labels: OUTPUT,
        help: "The turns per minute of an output with a tachometer.",
        samples: |status, tell| {
            for (name, output) in outputs(status) {
                output.rpm.iter().for_each(|rpm| tell(&[name], rpm.0));
            }
        },
    },
    Family {
        name: "twind_output_ok",
        labels: OUTPUT,
        help: "1 while an output can be driven and nothing is wrong with its speed, else 0.",
        samples: |status, tell| {
            for (name, output) in outputs(status) {
                tell(&[name], truth(output.fault.is_none() && output.speed_fault.is_none()));
            }
        },
    },
    Family {
        name: "twind_output_fail_safe",
        labels: OUTPUT,
        help: "1 while a fail-safe row decides an output, else 0.",
        samples: |status, tell| {
            for (name, output) in outputs(status).filter(|(_, output)| !output.cause.is_empty()) {
                tell(&[name], truth(output.cause.starts_with("fail-safe ")));
            }
        },
    },
    Family {
        name: "twind_output_held",
        labels: OUTPUT,
        help: "1 while something keeps an output from what is wanted of it, such as min-off, else 0.",
        samples: |status, tell| {
            outputs(status).for_each(|(name, output)| tell(&[name], truth(output.held.is_some())));
        },
    },
    Family {
        name: "twind_output_override_left_seconds",
        labels: OUTPUT,
        help: "How long the override of an output lasts; no sample without one.",
        samples: |status, tell| {
            for (name, output) in outputs(status) {
                tell_known(&[name], output.overridden.as_ref().map(|one| one.seconds_left), tell);
            }
        },
    },
];

/// The unit of what is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnitOf {
    /// A temperature: twind converts all to degrees Celsius.
    Celsius,
    /// A humidity, which twind counts in per cent.
    Ratio,
    /// Carbon dioxide. The handbook says that it must be in parts per million.
    Ppm,
    /// Anything else.
    Unknown,
}

impl UnitOf {
    fn what(measures: &str) -> Self {
        match measures {
            // A daemon of an earlier version holds nothing but temperatures, and does not say so.
            TEMPERATURE | "" => Self::Celsius,
            "humidity" => Self::Ratio,
            "co2" => Self::Ppm,
            _ => Self::Unknown,
        }
    }

    fn tell(self, name: &str, measures: &str, number: Option<Tidy>, tell: Tell<'_>) {
        let Some(Tidy(number)) = number.filter(|_| Self::what(measures) == self) else { return };
        match self {
            Self::Celsius | Self::Ppm => tell(&[name], number),
            // A humidity has three decimals at most. The division would add what nobody measured.
            Self::Ratio => tell(&[name], (number * 1000.0).round() / 100_000.0),
            Self::Unknown => tell(&[name, measures], number),
        }
    }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn tell_known(labels: &[&str], number: Option<u64>, tell: Tell<'_>) {
    if let Some(number) = number {
        tell(labels, number as f64);
    }
}

fn of_telemetry(status: &DaemonStatus, number: fn(&TelemetryStatus) -> u64, tell: Tell<'_>) {
    tell_known(&[], status.core.telemetry.as_ref().map(number), tell);
}

/// The climates. A daemon of an earlier version names none.
fn climates(status: &DaemonStatus) -> impl Iterator<Item = (&str, &ClimateStatus)> {
    let named = &status.core.climates.0;
    let only = status.core.climate.as_ref().filter(|_| named.is_empty());
    let named = named.iter().map(|(name, climate)| (name.as_str(), climate));
    only.into_iter().map(|climate| (ONLY_CLIMATE, climate)).chain(named)
}

fn sensors(status: &DaemonStatus) -> impl Iterator<Item = (&str, &SensorStatus)> {
    status.core.sensors.0.iter().map(|(name, sensor)| (name.as_str(), sensor))
}

fn outputs(status: &DaemonStatus) -> impl Iterator<Item = (&str, &OutputStatus)> {
    status.core.outputs.0.iter().map(|(name, output)| (name.as_str(), output))
}

fn of_climates(
    status: &DaemonStatus,
    unit: UnitOf,
    number: fn(&ClimateStatus) -> Option<Tidy>,
    tell: Tell<'_>,
) {
    for (name, climate) in climates(status) {
        unit.tell(name, &climate.measures, number(climate), tell);
    }
}

fn of_sensors(status: &DaemonStatus, unit: UnitOf, tell: Tell<'_>) {
    for (name, sensor) in sensors(status) {
        unit.tell(name, &sensor.measures, sensor.value, tell);
    }
}

fn value(climate: &ClimateStatus) -> Option<Tidy> {
    climate.value.or(climate.temperature)
}

fn min(climate: &ClimateStatus) -> Option<Tidy> {
    Some(climate.min)
}

fn max(climate: &ClimateStatus) -> Option<Tidy> {
    Some(climate.max)
}
