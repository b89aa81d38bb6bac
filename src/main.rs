//! The program: parses the command line, runs the command, and gives each failure its exit status.
#![expect(clippy::print_stderr, reason = "commands print")]

use clap::Parser as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use twind::cli::arguments::{self, Arguments, Command};
use twind::cli::ask::AskFault;
use twind::cli::exit::{ALARM, CONFIG, INTERNAL, NO_DAEMON, NOT_PERMITTED, USAGE};
use twind::cli::page::Layout;
use twind::cli::printed::Printed;
use twind::cli::report::{self, ReportFault};
use twind::cli::{check, help, init, mismatch, model, overrides, reload, safe, status, twin, watch};
use twind::config::{self, ConfigFaults, Environment, Examination, LocalSettings};
use twind::service::{self, Fatal, SystemClock};
use twind::text::{self, Line};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // The parser calls help and version errors, too.
            let code = if error.use_stderr() { USAGE } else { 0 };
            print_parsed(&error);
            if let Some(hint) = arguments::hint(&error) {
                eprintln!("twind: {hint}");
            }
            return ExitCode::from(code);
        }
    };
    let environment = Environment::from_process();
    let path = arguments.config.as_path();
    ExitCode::from(match arguments.command {
        Command::Run => run(path, &environment),
        Command::Init { .. } if path != Path::new(arguments::CONFIG) => wrong_usage(
            "init reads no configuration, so --config is not for it: --output names the file to write",
        ),
        Command::Init { output } => init(output.as_deref()),
        Command::Check { hardware, hub, json } => check(path, &environment, (hardware, hub), json),
        Command::Status { json, openmetrics, changes } => {
            to_look(path, &environment, |local| status(local, json, openmetrics, changes))
        }
        Command::Watch { changes } => to_look(path, &environment, |local| watch(local, changes)),
        Command::Override { name, setting, lasts } => {
            match overrides::Order::parse(&setting, lasts.as_deref()) {
                Ok(order) => with_local(path, &environment, |local| override_one(local, &name, order)),
                Err(fault) => wrong_usage(&fault),
            }
        }
        Command::Reload => with_local(path, &environment, |local| reload(local, &environment)),
        Command::Report { output } => report(path, &environment, output.as_deref()),
        Command::Twin { half } => to_look(path, &environment, |local| twin(local, half)),
        Command::Model => model(path, &environment),
        Command::Safe => safe(path, &environment),
    })
}

/// Prints what the parser says: help, the version, or what is wrong.
fn print_parsed(error: &clap::Error) {
    // A reader that went away, such as `head`, is no failure.
    let _ = match help::text(error) {
        Some(help) if error.use_stderr() => write!(io::stderr(), "{help}"),
        Some(help) => write!(io::stdout(), "{help}"),
        None => error.print(),
    };
}

fn run(path: &Path, environment: &Environment) -> u8 {
    let log = match service::start_log() {
        Ok(log) => log,
        Err(error) => {
            eprintln!("twind: twind cannot start: the log thread could not be started: {error}");
            return INTERNAL;
        }
    };
    match service::run(path, environment) {
        Ok(()) => {
            log.end();
            0
        }
        Err(fatal) => {
            log.fatal(&fatal);
            match fatal {
                Fatal::Config(_) => CONFIG,
                Fatal::Occupied(_) | Fatal::Store(_) | Fatal::Board(_) | Fatal::System(_) => INTERNAL,
            }
        }
    }
}

fn init(output: Option<&Path>) -> u8 {
    let (out, err) = (&mut Printed(io::stdout().lock()), &mut Printed(io::stderr().lock()));
    match init::init(Path::new("/"), output, out, err) {
        init::Outcome::Done => 0,
        init::Outcome::Usage => USAGE,
        init::Outcome::Denied => NOT_PERMITTED,
        init::Outcome::Failed => INTERNAL,
    }
}

fn check(path: &Path, environment: &Environment, (hardware, hub): (bool, bool), json: bool) -> u8 {
    let now = SystemClock::default().machine().wall.map(|(wall, _)| wall);
    let scope = check::Scope { examination: Examination { now }, hardware, hub, excerpts: true };
    if json {
        let (outcome, text) = check::check_json(path, environment, scope);
        // A reader that went away, such as `head`, is no failure.
        let _ = writeln!(io::stdout(), "{text}");
        return outcome.status();
    }
    let (out, err) = (&mut Printed(io::stdout().lock()), &mut Printed(io::stderr().lock()));
    check::check(path, environment, scope, out, err).status()
}

/// Runs a command that looks at the daemon or its record.
fn to_look(path: &Path, environment: &Environment, command: impl FnOnce(&LocalSettings) -> u8) -> u8 {
    config::load_local_to_look(path, environment)
        .map_or_else(|faults| wrong(&faults), |local| command(&local))
}

/// Runs a command that gives the daemon an order.
fn with_local(path: &Path, environment: &Environment, command: impl FnOnce(&LocalSettings) -> u8) -> u8 {
    config::load_local(path, environment).map_or_else(|faults| wrong(&faults), |local| command(&local))
}

/// Warns that the daemon that answers uses another file.
fn warn_of(mismatch: Option<String>) {
    if let Some(message) = mismatch {
        eprintln!("twind: {}", Line(message));
    }
}

fn status(local: &LocalSettings, json: bool, openmetrics: bool, changes: Option<usize>) -> u8 {
    let answer = match (json, openmetrics) {
        (true, _) => status::status_json(local, changes),
        (_, true) => status::status_openmetrics(local),
        _ => status::status(local, changes, Layout::of(&io::stdout())),
    };
    match answer {
        Ok(status) => {
            warn_of(status.mismatch);
            // Foreign text in it is escaped. A reader that went away, such as `head`, is no failure.
            let _ = writeln!(io::stdout(), "{}", status.text.trim_end());
            if status.alarms { ALARM } else { 0 }
        }
        Err(fault) => unanswered(&fault),
    }
}

fn watch(local: &LocalSettings, changes: Option<usize>) -> u8 {
    watch::watch(local, changes).map_or_else(|fault| unanswered(&fault), |()| 0)
}

fn override_one(local: &LocalSettings, name: &str, order: overrides::Order) -> u8 {
    warn_of(mismatch::ask(local));
    match overrides::send(&local.socket, name, order) {
        Ok(line) => {
            let _ = writeln!(Printed(io::stdout()), "{line}");
            0
        }
        Err(fault) => {
            overrides::usage(&fault).map_or_else(|| unanswered(&fault), |usage| wrong_usage(&usage))
        }
    }
}

fn reload(local: &LocalSettings, environment: &Environment) -> u8 {
    warn_of(mismatch::ask(local));
    match reload::reload(local, environment) {
        Ok(()) => {
            if !reload::is_in_the_journal() {
                let _ = writeln!(Printed(io::stdout()), "the configuration is in force");
            }
            0
        }
        Err(fault) => match reload::refused(&fault) {
            Some(_) if reload::is_in_the_journal() => CONFIG,
            Some(lines) => {
                lines.iter().for_each(|line| eprintln!("{}", Line(line)));
                CONFIG
            }
            None => unanswered(&fault),
        },
    }
}

fn report(path: &Path, environment: &Environment, output: Option<&Path>) -> u8 {
    match report::report(path, environment, output) {
        Ok(report) => {
            let _ = writeln!(Printed(io::stdout()), "{}", report.text);
            0
        }
        Err(fault) => {
            eprintln!("twind: {}", Line(&fault));
            match fault {
                ReportFault::Exists(_) => USAGE,
                ReportFault::Unwritten(_, reason) if reason.kind() == io::ErrorKind::PermissionDenied => {
                    NOT_PERMITTED
                }
                ReportFault::Unwritten(..) => INTERNAL,
            }
        }
    }
}

fn unanswered(fault: &AskFault) -> u8 {
    eprintln!("twind: {}", Line(fault));
    match fault {
        AskFault::NoDaemon(_) | AskFault::Silent(..) | AskFault::Unreadable(..) | AskFault::Busy => NO_DAEMON,
        AskFault::Denied(_) => NOT_PERMITTED,
        AskFault::Refused(_) => INTERNAL,
    }
}

fn wrong_usage(fault: &str) -> u8 {
    eprintln!("twind: {}", Line(fault));
    USAGE
}

fn model(path: &Path, environment: &Environment) -> u8 {
    match config::load(path, environment) {
        Ok(settings) => {
            let model = model::print(&settings);
            model.notes.iter().for_each(|note| eprintln!("twind: {}", Line(note)));
            // A reader that went away, such as `head`, is no failure.
            let _ = writeln!(io::stdout(), "{}", model.text.trim_end());
            0
        }
        Err(faults) => wrong(&faults),
    }
}

fn twin(local: &LocalSettings, half: Option<twin::Half>) -> u8 {
    warn_of(mismatch::ask(local));
    match twin::read(local, half) {
        Ok(copy) => {
            copy.notes.iter().for_each(|note| eprintln!("twind: {}", Line(note)));
            // A reader that went away, such as `head`, is no failure.
            let _ = writeln!(io::stdout(), "{}", copy.json);
            0
        }
        Err(twin::TwinFault::Denied) => {
            let dir = local.state_dir.display();
            eprintln!(
                "twind: you may not read {dir}; run this as root or, while the daemon runs, as a member of the group twind"
            );
            NOT_PERMITTED
        }
        Err(twin::TwinFault::Store(fault)) => {
            eprintln!("twind: the local copy cannot be read: {}", Line(fault));
            INTERNAL
        }
    }
}

fn safe(path: &Path, environment: &Environment) -> u8 {
    let result = std::env::var("SERVICE_RESULT").ok();
    let (out, err) = (&mut io::stdout().lock(), &mut io::stderr().lock());
    let now = SystemClock::default().boot();
    match safe::safe(path, environment, safe::End(result.as_deref()), now, out, err) {
        safe::Verdict::Done => 0,
        safe::Verdict::Failed => INTERNAL,
        safe::Verdict::Refused => NOT_PERMITTED,
        safe::Verdict::Wrong => CONFIG,
    }
}

fn wrong(faults: &ConfigFaults) -> u8 {
    eprintln!("{}", text::escape_lines(&faults.to_string()));
    if faults.is_denied { NOT_PERMITTED } else { CONFIG }
}
