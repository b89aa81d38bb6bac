//! Where the log goes (the journal with structured fields if it is there, else standard error, both filtered by `RUST_LOG`), and
//! the level of each of the core's notices.
//!
//! Only the end waits for a reader of the log, and not for long (`relay`).

use super::Fatal;
use super::relay::{self, Queue, Relay};
use super::spanless::Spanless;
use crate::control::alarm_kind::AlarmKind;
use crate::control::climate::Regime;
use crate::control::climate_label;
use crate::control::scheduled::Scheduled;
use crate::message_ids as ids;
use crate::ports::Notices;
use crate::report::Notice;
use crate::twin::SyncNotice;
use core::time::Duration;
use std::io;
use std::sync::Arc;
use tracing::{debug, error, info, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How long an end waits for the last lines to be written.
const END_PATIENCE: Duration = Duration::from_millis(500);
/// How long it waits if the daemon could not start: then there is no control to delay.
const FATAL_PATIENCE: Duration = Duration::from_secs(5);

/// The log, from [`start`] on.
#[derive(Debug)]
pub struct Log(Arc<Queue>);

/// Starts logging, once in a process. Says in the log if `RUST_LOG` cannot be read.
///
/// # Errors
/// When there is no thread for it.
pub fn start() -> io::Result<Log> {
    let (filter, complaint) = match std::env::var("RUST_LOG").map(|text| text.parse::<Targets>()) {
        Ok(Ok(filter)) => (filter, None),
        Ok(Err(error)) => (default_filter(), Some(error)),
        Err(_) => (default_filter(), None),
    };
    let queue = Arc::new(Queue::default());
    relay::start(Arc::clone(&queue), filter.clone(), journal)?;
    Spanless.with(filter).with(Relay(Arc::clone(&queue))).init();
    log_panics(Arc::clone(&queue));
    if let Some(error) = complaint {
        warn!(%error, "RUST_LOG cannot be read; using \"info\"");
    }
    Ok(Log(queue))
}

/// The journal for messages with this id, if systemd says that standard error is connected to it.
fn journal(message_id: Option<&str>) -> Option<tracing_journald::Layer> {
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok())?;
    // The crate's own mapping makes INFO a NOTICE.
    let priorities = PriorityMappings { info: Priority::Informational, ..PriorityMappings::new() };
    let journal = journal.with_field_prefix(Some("TWIND".into())).with_priority_mappings(priorities);
    Some(journal.with_custom_fields(message_id.map(|id| ("MESSAGE_ID", id))))
}

/// The default hook writes to standard error itself and may block there, so that a panic would hang instead of ending the process.
fn log_panics(queue: Arc<Queue>) {
    std::panic::set_hook(Box::new(move |panic| {
        error!("an internal fault: {panic}");
        queue.drain(END_PATIENCE);
    }));
}

impl Log {
    /// Writes why the daemon cannot start. Standard error has no fields, and a terminal wants the text as it is.
    pub fn fatal(&self, fatal: &Fatal) {
        errors(ids::CANNOT_START, fatal.to_string().lines());
        self.0.drain(FATAL_PATIENCE);
    }

    /// The daemon ends. Lines that nobody reads in time are lost.
    pub fn end(&self) {
        self.0.drain(END_PATIENCE);
    }
}

/// The core's notices, on their way into the log.
pub(super) struct ToLog;

impl Notices for ToLog {
    fn push(&mut self, notice: Notice) -> bool {
        self::notice(&notice);
        // The queue counts what it drops.
        true
    }
}

/// Writes the lines of one message at ERROR. The first alone has its id, so that the journal has it once.
pub(super) fn errors<'l>(id: &str, mut lines: impl Iterator<Item = &'l str>) {
    if let Some(first) = lines.next() {
        error!(message_id = id, "{first}");
    }
    lines.for_each(|line| error!("{line}"));
}

fn default_filter() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

/// Writes one of the core's notices at its level: ERROR when a person must act, WARN when something is degraded and handled,
/// INFO when a state changed. Its text is only made if the level is not filtered out.
fn notice(notice: &Notice) {
    match notice {
        Notice::PinFault { output, .. } => {
            let alarm = AlarmKind::Output.alarm_of(output);
            error!(message_id = ids::OUTPUT_FAULT, alarm, output = output.as_str(), "{notice}");
        }
        Notice::TachFault { output, is_stalled, .. } => {
            let alarm = is_stalled.then(|| AlarmKind::Stall.alarm_of(output));
            error!(message_id = ids::SPEED_FAULT, alarm, output = output.as_str(), "{notice}");
        }
        Notice::TachMended { output } => {
            let alarm = AlarmKind::Stall.alarm_of(output);
            info!(message_id = ids::SPEED_MENDED, alarm, output = output.as_str(), "{notice}");
        }
        Notice::StoreFault { .. } => {
            error!(message_id = ids::STORE_FAULT, alarm = AlarmKind::Disk.name(), "{notice}");
        }
        Notice::Followed { version } => info!(desired_version = version.0, "{notice}"),
        Notice::Refused { property, .. } => {
            warn!(message_id = ids::DESIRED_REFUSED, property = property.as_str(), "{notice}");
        }
        Notice::ReportCut(_) => warn!("{notice}"),
        Notice::Sync(SyncNotice::Synced { .. }) => info!(message_id = ids::TWIN_FETCHED, "{notice}"),
        Notice::Sync(SyncNotice::ReportTaken { .. }) => info!("{notice}"),
        Notice::Sync(_) => warn!(message_id = ids::REPORT_REFUSED, "{notice}"),
        Notice::Desired(change) => {
            info!(message_id = ids::DESIRED_CHANGED, desired_version = change.to.0, "{notice}");
        }
        Notice::PinMended { output } => {
            let alarm = AlarmKind::Output.alarm_of(output);
            info!(message_id = ids::OUTPUT_MENDED, alarm, output = output.as_str(), "{notice}");
        }
        Notice::StoreMended => {
            info!(message_id = ids::STORE_MENDED, alarm = AlarmKind::Disk.name(), "{notice}");
        }
        Notice::RingFault { .. } => {
            error!(message_id = ids::RING_FAULT, alarm = AlarmKind::Disk.name(), "{notice}");
        }
        Notice::RingMended => {
            info!(message_id = ids::RING_MENDED, alarm = AlarmKind::Disk.name(), "{notice}");
        }
        Notice::RecordsDropped { count, .. } => warn!(message_id = ids::TELEMETRY_LOST, count, "{notice}"),
        Notice::Backlog { .. } | Notice::BacklogSent => info!(message_id = ids::BACKLOG, "{notice}"),
        Notice::Driven { output, permille, cause, by, is_entry, .. } => {
            let (output, cause, by) = (output.as_str(), cause.as_str(), by.map(tracing::field::display));
            if *is_entry {
                info!(message_id = ids::OUTPUT_SET, output, permille, cause, by, "{notice}");
            } else {
                debug!(message_id = ids::OUTPUT_SET, output, permille, cause, by, "{notice}");
            }
        }
        Notice::Overridden { output, order, by } => {
            let permille = order.map(|(drive, _)| drive.get());
            let seconds = order.map(|(_, lasts)| lasts.as_secs());
            info!(message_id = ids::OVERRIDDEN, output = output.as_str(), permille, seconds, by = %by, "{notice}");
        }
        Notice::RangeOverridden { climate, order, by, .. } => {
            let climate = climate_label(climate.as_deref());
            let (min, max) = (order.map(|(range, _)| range.min()), order.map(|(range, _)| range.max()));
            let seconds = order.map(|(_, lasts)| lasts.as_secs());
            info!(message_id = ids::OVERRIDDEN, climate, min, max, seconds, by = %by, "{notice}");
        }
        Notice::RangeOverrideEnded { climate } => {
            let climate = climate_label(climate.as_deref());
            info!(message_id = ids::OVERRIDE_ENDED, climate, "{notice}");
        }
        Notice::Scheduled { climate, scheduled, .. } => {
            let climate = climate_label(climate.as_deref());
            if *scheduled == Some(Scheduled::Waiting) {
                warn!(message_id = ids::SCHEDULE, climate, "{notice}");
            } else {
                info!(message_id = ids::SCHEDULE, climate, "{notice}");
            }
        }
        Notice::SensorLost { sensor, .. } => {
            let alarm = AlarmKind::Sensor.alarm_of(sensor);
            warn!(message_id = ids::SENSOR_LOST, alarm, sensor = sensor.as_str(), "{notice}");
        }
        Notice::SensorBack { sensor } => {
            let alarm = AlarmKind::Sensor.alarm_of(sensor);
            info!(message_id = ids::SENSOR_BACK, alarm, sensor = sensor.as_str(), "{notice}");
        }
        Notice::OverrideEnded { output } => {
            info!(message_id = ids::OVERRIDE_ENDED, output = output.as_str(), "{notice}");
        }
        Notice::Regime { climate, before, regime, .. } => {
            let climate = climate_label(climate.as_deref());
            let is_overheat = [before, regime].contains(&&Regime::Overheat);
            let alarm = is_overheat.then(|| AlarmKind::Overheat.alarm_of(climate));
            match (before, regime) {
                // The fail-safe row has handled it.
                (_, Regime::SensorFault | Regime::Overheat) => {
                    warn!(message_id = ids::REGIME, alarm, climate, "{notice}");
                }
                (Regime::SensorFault | Regime::Overheat | Regime::Starting, _) => {
                    info!(message_id = ids::REGIME, alarm, climate, "{notice}");
                }
                _ => debug!(message_id = ids::REGIME, climate, "{notice}"),
            }
        }
    }
}
