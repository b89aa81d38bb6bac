//! The text of a configuration. An accepted one also starts an engine; each fault of a refused one lies within the text.

use super::site;
use core::time::Duration;
use twind::config::{self, ConfigFaults, Environment, Settings};
use twind::control::{Actuation, PinFault};
use twind::engine::{Core, Deadline, Input, Start};
use twind::ports::{Outbox, Pins, Ports, Store};
use twind::telemetry::RingRequest;
use twind::twin::{HubRequest, Machine, TwinRecord};
use twind::units::BootTime;

/// See the module.
pub fn run(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let (file, environment) = (site::config_file(), Environment::default());
    let whole = config::parse(text, &file, &environment);
    let outputs = config::parse_outputs(text, &file, &environment);
    let local = config::parse_local(text, &file, &environment);
    for faults in [whole.as_ref().err(), outputs.as_ref().err(), local.as_ref().err()].into_iter().flatten() {
        assert_lie_within(faults, text);
    }
    let Ok(settings) = whole else { return };
    // Where `run` accepts a file, so do `twind safe`, `status` and `twin`, and they read the same site from it.
    let outputs =
        outputs.unwrap_or_else(|faults| unreachable!("right for the daemon, wrong for `safe`: {faults}"));
    assert_eq!(outputs.board, settings.board);
    let names = |outputs: &[twind::control::OutputSpec]| -> Vec<_> {
        outputs
            .iter()
            .map(|output| (output.name.clone(), output.kind, output.when.stop, output.when.crash))
            .collect()
    };
    assert_eq!(names(&outputs.outputs), names(&settings.engine.outputs));
    let local =
        local.unwrap_or_else(|faults| unreachable!("right for the daemon, wrong for others: {faults}"));
    assert_eq!((&local.state_dir, Some(&local.socket)), (&settings.state_dir, settings.socket.as_ref()));
    assert_eq!(local.look_socket, settings.look_socket);
    assert_eq!(local.identity, Some(settings.hub.identity()));
    assert_starts(settings);
}

fn assert_lie_within(faults: &ConfigFaults, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(!faults.faults.is_empty());
    for fault in &faults.faults {
        assert!((1..=lines.len()).contains(&fault.line), "{fault}");
        let width = lines[fault.line - 1].chars().count();
        assert!((1..=width + 1).contains(&fault.column), "{fault}");
        assert!(!fault.message.is_empty());
    }
    let places: Vec<_> = faults.faults.iter().map(|fault| (fault.line, fault.column)).collect();
    assert!(places.is_sorted(), "not in the order of the file: {places:?}");
    let told = faults.to_string();
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
}

/// The settings are consistent: the core runs with them through its first deadlines.
fn assert_starts(settings: Settings) {
    let specs = settings.engine.outputs.clone();
    let sampled = settings.engine.sensors.iter().filter(|spec| spec.derived.is_none());
    assert_eq!(sampled.count(), settings.sensors.len());
    assert_eq!(specs.len(), settings.board.outputs.len());
    let mut now = BootTime::from_boot(Duration::from_secs(100));
    let start = Start {
        spec: settings.engine,
        record: None,
        machine: Machine::default(),
        found: Vec::new(),
        handed_over: false,
        step_interval_max: Duration::MAX,
    };
    let ports = &mut Ports {
        pins: &mut Outputs(specs.len()),
        store: &mut Nowhere,
        outbox: &mut Nowhere,
        notices: &mut Vec::new(),
    };
    let mut core = Core::start(now, start, ports);
    for _ in 0..8 {
        let Deadline { at, why } = core.handle(now, Input::Timeout, ports);
        assert!(at > now, "{why} is due at {at} again and again");
        now = at;
    }
    core.handle(now, Input::Stop, ports);
}

/// The number of outputs; no other may be driven.
struct Outputs(usize);

impl Pins for Outputs {
    fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
        assert!(actuation.output.0 < self.0);
        Ok(())
    }
}

/// Discards records and requests.
struct Nowhere;

impl Store for Nowhere {
    fn offer(&mut self, _: TwinRecord) {}

    fn ring(&mut self, _: RingRequest) {}
}

impl Outbox for Nowhere {
    fn push(&mut self, _: HubRequest) {}
}
