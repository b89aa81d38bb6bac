//! Where the log goes: the journal with structured fields when the journal is there, else standard error.
//! `RUST_LOG` filters both. And at which level each of the engine's notices speaks.

use super::Fatal;
use crate::control::climate::Regime;
use crate::engine::Notice;
use crate::twin::SyncNotice;
use tracing::{debug, error, info, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging, once in a process. Says on standard error if `RUST_LOG` cannot be read.
pub fn start() {
    let (filter, complaint) = match std::env::var("RUST_LOG").map(|text| text.parse::<Targets>()) {
        Ok(Ok(filter)) => (filter, None),
        Ok(Err(error)) => (default_filter(), Some(error)),
        Err(_) => (default_filter(), None),
    };
    let registry = tracing_subscriber::registry().with(filter);
    // Set by systemd when standard error is the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => {
            // The crate's own mapping makes INFO a NOTICE.
            let priorities = PriorityMappings { info: Priority::Informational, ..PriorityMappings::new() };
            registry
                .with(journal.with_field_prefix(Some("TWIND".into())).with_priority_mappings(priorities))
                .init();
        }
        None => {
            let stderr = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_target(false)
                .with_writer(std::io::stderr);
            registry.with(stderr).init();
        }
    }
    if let Some(error) = complaint {
        warn!(%error, "RUST_LOG cannot be read; it is taken as \"info\"");
    }
}

/// Writes why the daemon cannot start. Standard error has no fields, and a terminal wants the text as it is.
pub fn fatal(fatal: &Fatal) {
    for line in fatal.to_string().lines() {
        error!("{line}");
    }
}

fn default_filter() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

/// Writes one of the engine's notices at the level it deserves: ERROR when a person must act, WARN when something
/// is degraded and handled, INFO when a state changed.
pub(super) fn notice(notice: &Notice) {
    let text = notice.to_string();
    match notice {
        Notice::PinFault { output, .. } => error!(output = output.as_str(), "{text}"),
        Notice::TachFault { output, .. } => error!(output = output.as_str(), "{text}"),
        Notice::TachMended { output } => info!(output = output.as_str(), "{text}"),
        Notice::StoreFault { .. } => error!("{text}"),
        Notice::Refused { property, .. } => warn!(property = property.as_str(), "{text}"),
        Notice::ReportCut(_) => warn!("{text}"),
        Notice::Sync(SyncNotice::Synced { .. }) => info!("{text}"),
        Notice::Sync(_) => warn!("{text}"),
        Notice::Desired(change) => info!(desired_version = change.to.0, "{text}"),
        Notice::PinMended { output } => info!(output = output.as_str(), "{text}"),
        Notice::StoreMended => info!("{text}"),
        Notice::Driven { output, permille, cause, by, turned } => {
            let (output, cause, by) = (output.as_str(), cause.as_str(), by.map(tracing::field::display));
            if *turned {
                info!(output, permille, cause, by, "{text}");
            } else {
                debug!(output, permille, cause, by, "{text}");
            }
        }
        Notice::Overridden { output, order, by } => {
            let permille = order.map(|(drive, _)| drive.get());
            let seconds = order.map(|(_, lasts)| lasts.as_secs());
            info!(output = output.as_str(), permille, seconds, by = %by, "{text}");
        }
        Notice::SensorLost { sensor, .. } => warn!(sensor = sensor.as_str(), "{text}"),
        Notice::SensorBack { sensor } => info!(sensor = sensor.as_str(), "{text}"),
        Notice::OverrideEnded { output } => info!(output = output.as_str(), "{text}"),
        Notice::Regime { before, regime, .. } => match (before, regime) {
            (_, Regime::SensorFault | Regime::Overheat) => warn!("{text}"),
            (Regime::SensorFault | Regime::Overheat | Regime::Starting, _) => info!("{text}"),
            _ => debug!("{text}"),
        },
    }
}
