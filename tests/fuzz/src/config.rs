//! A configuration's text. What is accepted also starts an engine; what is not is told with a place inside the text.

use super::site;
use core::time::Duration;
use twind::config::{self, ConfigFaults, Environment, Settings};
use twind::engine::{Carry, Engine};
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
    // `twind safe`, `status` and `twin` work wherever `run` does, and mean the same site.
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

/// The settings hold together: an engine runs by them, through its first deadlines.
fn assert_starts(settings: Settings) {
    let specs = settings.engine.outputs.clone();
    assert_eq!(settings.engine.sensors.len(), settings.sensors.len());
    assert_eq!(specs.len(), settings.board.outputs.len());
    let mut now = BootTime::from_boot(Duration::from_secs(100));
    let mut engine = Engine::new(now, settings.engine, None, Carry::default());
    for _ in 0..8 {
        engine.handle_timeout(now);
        while let Some(actuation) = engine.poll_actuation() {
            assert!(actuation.output.0 < specs.len());
            engine.handle_driven(actuation, Ok(()));
        }
        let (due, what) = engine.poll_timeout(now);
        assert!(due > now, "{what} is due at {due} again and again");
        now = due;
    }
    engine.handle_stop(now);
}
