//! `twind init`: looks at the machine and writes a starting file for it. It asks nothing, takes nothing, drives nothing, and never
//! overwrites.

mod machine;
mod page;
mod plan;
mod saved;
mod secret;

use super::arguments::CONFIG;
use crate::text::Line;
use machine::Machine;
use plan::{Board, Plan, Wire};
use secret::Secret;
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf, absolute};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The starting file is written.
    Done,
    /// There is a file already, or no folder for it.
    Usage,
    /// This user may not write there.
    Denied,
    /// The system refused.
    Failed,
}

/// Writes a starting file for the machine whose files are below `root` (`/`), to `output` or else to `out`. What to do next goes to
/// `out`, or to `err` beside a file in `out`.
pub fn init(root: &Path, output: Option<&Path>, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    // Before the machine is looked at, which takes a second for each 1-Wire sensor.
    if let Some(path) = output
        && let Some(fault) = hindrance(path)
    {
        return refused(path, &fault.into(), err);
    }
    let file = output.unwrap_or(Path::new(CONFIG));
    let file = absolute(file).unwrap_or_else(|_| file.to_owned());
    let root_of_the_file = if output.is_some() { Path::new("/") } else { root };
    let secret = Secret::beside(file.parent().unwrap_or(Path::new("/")), root_of_the_file);
    let machine = Machine::look(root);
    let plan = Plan::of(&machine);
    let text = page::text(&machine, &plan, &secret);
    let Some(path) = output else {
        return match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {
                next(&machine, &plan, &secret, None, err);
                Outcome::Done
            }
            // A reader that went away, such as `head`, is no failure.
            Err(fault) if fault.kind() == ErrorKind::BrokenPipe => Outcome::Done,
            Err(fault) => {
                complain(err, &format!("the file could not be written to standard output: {fault}"));
                Outcome::Failed
            }
        };
    };
    match saved::save(path, &text) {
        Ok(()) => {
            next(&machine, &plan, &secret, Some(&file), out);
            Outcome::Done
        }
        Err(fault) => refused(path, &fault, err),
    }
}

/// Why a file of this name cannot be made, as far as can be seen before.
fn hindrance(path: &Path) -> Option<ErrorKind> {
    let is_folder = path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/");
    let is_taken = path.symlink_metadata().is_ok();
    let folder = folder(path).metadata().err().map(|fault| fault.kind());
    is_folder.then_some(ErrorKind::IsADirectory).or(is_taken.then_some(ErrorKind::AlreadyExists)).or(folder)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn complain(err: &mut dyn Write, text: &str) {
    drop(writeln!(err, "twind: {}", Line(text)));
}

fn refused(path: &Path, fault: &io::Error, err: &mut dyn Write) -> Outcome {
    let shown = path.display();
    let folder = folder(path).display();
    let (outcome, say) = match fault.kind() {
        ErrorKind::AlreadyExists => {
            let other = other(path);
            let other = other.display();
            let say = format!(
                "{shown} is there already, and init overwrites nothing: write another file (--output {other}), compare the two \
                 (diff {shown} {other}), then put it in place (mv {other} {shown})"
            );
            (Outcome::Usage, say)
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => (
            Outcome::Usage,
            format!("{shown} cannot be made, since there is no folder {folder}: make it first"),
        ),
        ErrorKind::IsADirectory => (Outcome::Usage, format!("{shown} is the name of a folder: name a file")),
        ErrorKind::PermissionDenied => {
            let say = format!(
                "{shown} cannot be made, since this user may not write in {folder}: run this as root (sudo)"
            );
            (Outcome::Denied, say)
        }
        _ => (Outcome::Failed, format!("{shown} could not be written: {fault}; nothing of it is left")),
    };
    complain(err, &say);
    outcome
}

/// A name beside one that is taken: `twind.new.toml`.
fn other(path: &Path) -> PathBuf {
    match path.extension().and_then(|end| end.to_str()) {
        Some(end) => path.with_extension(format!("new.{end}")),
        None => path.with_extension("new"),
    }
}

/// What was found, and what to do next. `file` is where it was written, if not to standard output.
fn next(machine: &Machine, plan: &Plan<'_>, secret: &Secret, file: Option<&Path>, to: &mut dyn Write) {
    let shown = file.unwrap_or(Path::new(CONFIG)).display();
    let is_elsewhere = file.is_some_and(|file| file != Path::new(CONFIG));
    let mut steps = vec![match file {
        Some(_) => format!("read {shown}, and write what is wired otherwise"),
        None => format!("put it into a file (sudo twind init --output FILE), and that at {CONFIG}"),
    }];
    if secret.is_there != Some(true) {
        steps.push(format!(
            "put the device's connection string into its file, for root alone: {}",
            secret.command()
        ));
    }
    let config = if is_elsewhere { format!(" --config {shown}") } else { String::new() };
    steps.push(format!("see what is still wrong: sudo twind check --hardware{config}"));
    if let Some(group) = file.and_then(saved::wanted_group) {
        steps.push(format!("let the service read it: sudo chgrp {group} {shown}"));
    }
    if is_elsewhere {
        steps.push(format!("put it where the service reads it: sudo mv {shown} {CONFIG}"));
    }
    steps.push("start the service: sudo systemctl enable --now twind".to_owned());
    let what = if file.is_some() { format!("{shown} is written") } else { "a starting file".to_owned() };
    let model = machine.model.as_deref().unwrap_or("this machine");
    drop(writeln!(to, "{}", Line(format!("twind: {what} for {model}: {}", found(plan)))));
    for (number, step) in (1..).zip(steps) {
        drop(writeln!(to, "  {number}. {}", Line(step)));
    }
}

fn found(plan: &Plan<'_>) -> String {
    let fan = match (&plan.fan, &plan.board) {
        (_, Board::Simulated) | (Wire::Simulated, _) => "a simulated fan".to_owned(),
        (Wire::Channel { at, .. }, _) => format!("a fan by PWM at {at}"),
        (Wire::Pin(pin), _) => format!("a fan at {}", pin.name),
    };
    let active = plan.sensors.iter().filter(|sensor| sensor.is_active).count();
    let sensors = match active {
        0 => "no sensor that has a reading".to_owned(),
        1 => "1 sensor".to_owned(),
        many => format!("{many} sensors"),
    };
    match plan.climate.and_then(|index| plan.sensors.get(index)) {
        Some(one) => {
            format!(
                "{fan}, {sensors}, and a climate by {} ({} now)",
                one.name,
                page::shown(one.value, one.present)
            )
        }
        None => format!("{fan}, {sensors}"),
    }
}
