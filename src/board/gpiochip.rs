//! Lines of any Linux board, by the kernel's GPIO character devices (`/dev/gpiochip*`). The only file that names
//! gpiocdev.
//!
//! A held line belongs to the daemon alone, and the kernel takes it back when the process ends, however it ends. What the wire
//! does after that is not defined: by the kernel's documentation a released line may revert to its default state, by libgpiod's
//! the output is not guaranteed after the process exits. Mainline kernels make a Raspberry Pi's pin an input at once; Raspberry
//! Pi's own kernels and much other hardware leave it as it was driven. So `twind safe` takes the lines again and drives them, and
//! the same holds when it ends: a relay that must drop out needs a resistor that pulls its line, not only a row in a table.
//!
//! Hardware PWM is in `sysfs_pwm`.

use super::level::Level;
use super::tach::{Turns, turns_a_minute};
use super::wires::{self, Hardware, Take, Wired};
use super::{Driver, SYSFS, TachSettings, Wiring, sysfs_pwm};
use crate::control::PinFault;
use core::time::Duration;
use gpiocdev::line::{Bias, Direction, EdgeDetection, Info, Value};
use gpiocdev::{Chip, Error, Request};
use std::path::{Path, PathBuf};

/// The consumer of a line, as `gpioinfo` shows it.
const CONSUMER: &str = "twind";
/// The edges of one second at 15,000 turns a minute and two pulses a turn. If there are more, the kernel still numbers them.
const EDGES_KEPT: u32 = 512;

/// See the module.
pub(super) static DRIVER: Driver = Driver {
    name: "gpiochip",
    about: "any Linux board, by the kernel's character devices",
    wiring: Wiring::Lines,
    // Lines are taken when they are first driven, so nothing can fail here.
    open: |settings| Ok(Box::new(Wired::new(Box::new(GpioChip::new()), &settings.outputs))),
    look: |settings| Ok(wires::look_at_all(&GpioChip::new(), &settings.outputs)),
    turns: |_, _, tach| {
        let (chip, pin) = (tach.chip.clone(), tach.pin);
        Box::new(Pulses::new(tach, move || Edges::open(&chip_path(chip.as_deref())?, pin)))
    },
};

struct GpioChip {
    /// `/sys`.
    sys: PathBuf,
}

impl GpioChip {
    fn new() -> Self {
        Self { sys: PathBuf::from(SYSFS) }
    }
}

impl Hardware for GpioChip {
    fn line(&self, chip: Option<&str>, pin: u32, take: Take) -> Result<(Box<dyn Level>, bool), PinFault> {
        let path = chip_path(chip)?;
        let mut builder = Request::builder();
        builder.on_chip(&path).with_consumer(CONSUMER).with_line(pin);
        match take {
            Take::High(high) => builder.as_output(Value::from(high)),
            Take::AsItIs => builder.as_is(),
        };
        let line = builder.request().map_err(|error| taken(&path, pin, &error))?;
        let high = match take {
            Take::High(high) => high,
            Take::AsItIs => output_as_it_is(&line).map_err(|error| fault(&path, pin, &error))?,
        };
        Ok((Box::new(HeldLine { line, path, pin }), high))
    }

    fn pwm_chip(&self, chip: Option<&str>, _channel: u32) -> Result<PathBuf, PinFault> {
        sysfs_pwm::chip_named(&self.sys, chip)
    }

    fn look(&self, chip: Option<&str>, pin: u32) -> Result<String, PinFault> {
        look(&chip_path(chip)?, pin)
    }
}

struct HeldLine {
    line: Request,
    path: PathBuf,
    pin: u32,
}

impl Level for HeldLine {
    fn set(&mut self, high: bool) -> Result<(), PinFault> {
        self.line.set_lone_value(Value::from(high)).map_err(|error| fault(&self.path, self.pin, &error))
    }
}

/// Makes a line that was requested as it is an output with its present level.
fn output_as_it_is(line: &Request) -> Result<bool, Error> {
    let value = line.lone_value()?;
    let mut config = line.config();
    config.as_output(value);
    line.reconfigure(&config)?;
    Ok(value == Value::Active)
}

/// Counts falling edges. The kernel numbers them, so the process need not wake for each.
pub(super) struct Edges {
    line: Request,
    path: PathBuf,
    pin: u32,
    last: u32,
    buffer: Vec<u64>,
}

impl Edges {
    /// Takes a line as an input, pulled up: a tachometer only ever pulls it down.
    pub(super) fn open(path: &Path, pin: u32) -> Result<Self, PinFault> {
        let request = |bias: Option<Bias>| {
            let mut builder = Request::builder();
            builder
                .on_chip(path)
                .with_consumer(CONSUMER)
                .with_line(pin)
                .as_input()
                .with_bias(bias)
                .with_edge_detection(EdgeDetection::FallingEdge)
                .with_kernel_event_buffer_size(EDGES_KEPT)
                .request()
        };
        // Hardware without pull resistors refuses the bias; there may be a resistor outside.
        let line = request(Some(Bias::PullUp)).or_else(|_| request(None));
        let line = line.map_err(|error| taken(path, pin, &error))?;
        let buffer = vec![0; line.edge_event_u64_size() * 64];
        Ok(Self { line, path: path.to_owned(), pin, last: 0, buffer })
    }

    /// The edges since the last call.
    pub(super) fn drain(&mut self) -> Result<u32, PinFault> {
        let before = self.last;
        let edges = self.read_all().map_err(|error| fault(&self.path, self.pin, &error));
        edges.map(|()| self.last.wrapping_sub(before))
    }

    fn read_all(&mut self) -> Result<(), Error> {
        let size = self.line.edge_event_size();
        while self.line.has_edge_event()? {
            let bytes = self.line.read_edge_events_into_slice(&mut self.buffer)?;
            let Some(last) = (bytes / size.max(1)).checked_sub(1) else { return Ok(()) };
            let words = self.line.edge_event_u64_size();
            let event = self.buffer.get(last * words..).unwrap_or_default();
            self.last = self.line.edge_event_from_slice(event)?.line_seqno;
        }
        Ok(())
    }
}

/// A fan's speed from the edges on a line.
pub(super) struct Pulses<O> {
    open: O,
    pulses_per_turn: u32,
    held: Option<Edges>,
}

impl<O: Fn() -> Result<Edges, PinFault> + Send> Pulses<O> {
    /// `open` takes the line, now and whenever it was lost.
    pub(super) fn new(tach: &TachSettings, open: O) -> Self {
        Self { open, pulses_per_turn: tach.pulses_per_turn, held: None }
    }
}

impl<O: Fn() -> Result<Edges, PinFault> + Send> Turns for Pulses<O> {
    fn look(&mut self, elapsed: Option<Duration>) -> Result<Option<f64>, PinFault> {
        let Some(edges) = &mut self.held else {
            self.held = Some((self.open)()?);
            return Ok(None);
        };
        match edges.drain() {
            Ok(count) => Ok(elapsed.map(|elapsed| turns_a_minute(count, elapsed, self.pulses_per_turn))),
            Err(fault) => {
                self.held = None;
                Err(fault)
            }
        }
    }
}

/// A chip by its number (`gpiochip0`), its path, or its label (`pinctrl-bcm2835`), which stays when numbers change.
pub(super) fn chip_path(chip: Option<&str>) -> Result<PathBuf, PinFault> {
    let Some(name) = chip else {
        return Err(PinFault { reason: "no `chip` is named".to_owned() });
    };
    let number = name.strip_prefix("gpiochip").unwrap_or_default();
    let path = if name.starts_with('/') {
        Some(PathBuf::from(name))
    } else if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(Path::new("/dev").join(name))
    } else {
        labelled(name)
    };
    let there = path.filter(|path| path.exists());
    there.ok_or_else(|| PinFault { reason: format!("there is no GPIO chip \"{name}\": {}", instead()) })
}

/// The chips that there are instead, or why none can be seen.
fn instead() -> String {
    let chips = all_chips();
    if !chips.is_empty() {
        return format!("there are {}", chips.join(", "));
    }
    let paths = gpiocdev::chip::chips().unwrap_or_default();
    let closed = paths.iter().find_map(|path| Some((path, Chip::from_path(path).err()?)));
    match closed {
        Some((path, error)) => format!("{} cannot be opened: {error}{}", path.display(), fix(&error)),
        None => "this machine shows none".to_owned(),
    }
}

fn labelled(label: &str) -> Option<PathBuf> {
    let paths = gpiocdev::chip::chips().unwrap_or_default();
    let has_label = |path: &PathBuf| {
        Chip::from_path(path).and_then(|chip| chip.info()).is_ok_and(|info| info.label == label)
    };
    paths.into_iter().find(has_label)
}

/// Every chip that may be opened, as the configuration can name it.
fn all_chips() -> Vec<String> {
    let info = |path: &PathBuf| Chip::from_path(path).and_then(|chip| chip.info()).ok();
    let paths = gpiocdev::chip::chips().unwrap_or_default();
    let named = paths.iter().filter_map(info);
    named.map(|info| format!("\"{}\" (\"{}\")", info.name, info.label)).collect()
}

/// The state of a line in words; a fault if another program holds it. A line of a running daemon counts as free.
pub(super) fn look(path: &Path, pin: u32) -> Result<String, PinFault> {
    let (label, line) = info(path, pin)?;
    let state = match (line.used, line.consumer.as_str()) {
        (false, _) => "free",
        (true, CONSUMER) => "held by the running twind",
        (true, consumer) => return Err(in_use(path, pin, consumer)),
    };
    let direction = match line.direction {
        Direction::Input => "an input",
        Direction::Output => "an output",
    };
    let name =
        if line.name.is_empty() { String::new() } else { format!(" \"{}\"", line.name.escape_debug()) };
    Ok(format!("{} ({label}) line {pin}{name}: {state}, {direction} now", path.display()))
}

/// The chip's label, and what it says of the line.
fn info(path: &Path, pin: u32) -> Result<(String, Info), PinFault> {
    let fault = |error: Error| fault(path, pin, &error);
    let chip = Chip::from_path(path).map_err(fault)?;
    let info = chip.info().map_err(fault)?;
    if pin >= info.num_lines {
        return Err(out_of_range(path, pin, info.num_lines));
    }
    Ok((info.label, chip.line_info(pin).map_err(fault)?))
}

/// Why a line could not be taken: the chip's information says more than the error.
fn taken(path: &Path, pin: u32, error: &Error) -> PinFault {
    match info(path, pin) {
        Ok((_, line)) if line.used => in_use(path, pin, &line.consumer),
        Ok(_) => fault(path, pin, error),
        Err(fault) => fault,
    }
}

fn in_use(path: &Path, pin: u32, consumer: &str) -> PinFault {
    let who = match consumer {
        "" => "a program that gives no name".to_owned(),
        CONSUMER => "\"twind\": a running daemon, or another output of this file".to_owned(),
        other => format!("\"{}\"", other.escape_debug()),
    };
    let reason = format!(
        "line {pin} of {} is in use by {who}: stop that program, or remove the overlay in \
         /boot/firmware/config.txt that claims the line",
        path.display()
    );
    PinFault { reason }
}

fn out_of_range(path: &Path, pin: u32, count: u32) -> PinFault {
    let last = count.saturating_sub(1);
    PinFault { reason: format!("{} has lines 0 to {last}, not {pin}: change `pin`", path.display()) }
}

fn fault(path: &Path, pin: u32, error: &Error) -> PinFault {
    PinFault { reason: format!("line {pin} of {}: {error}{}", path.display(), fix(error)) }
}

/// What to do about an error, where that is known.
fn fix(error: &Error) -> &'static str {
    let denied = matches!(error, Error::Os(errno) if errno.0 == rustix::io::Errno::ACCESS.raw_os_error());
    let not_permitted =
        matches!(error, Error::Os(errno) if errno.0 == rustix::io::Errno::PERM.raw_os_error());
    if denied {
        "; add the daemon's user to the chip's group: adduser twind gpio"
    } else if not_permitted {
        "; the service's sandbox must allow it: DeviceAllow=char-gpiochip rw"
    } else {
        ""
    }
}

#[cfg(test)]
#[path = "gpiochip_tests.rs"]
mod tests;
