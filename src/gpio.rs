//! Lines of GPIO chips, by the kernel's character devices (`/dev/gpiochip*`): where the chips are, and a line as an output, as a
//! counter of edges, and as an input. The only file that names gpiocdev.
//!
//! A held line belongs to the daemon alone, and the kernel takes it back when the process ends, however it ends.

use crate::control::PinFault;
use core::time::Duration;
use gpiocdev::line::{Bias, Direction, EdgeDetection, Info, Value};
use gpiocdev::{Chip, Error, Request};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

/// The consumer of a line, as `gpioinfo` shows it.
const CONSUMER: &str = "twind";
/// The kernel's labels for the chip of a Raspberry Pi's header, by model.
pub(crate) const HEADER_LABELS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];
/// The edges of one second at 15,000 turns a minute and two pulses a turn. If there are more, the kernel still numbers them.
const EDGES_KEPT: u32 = 512;

/// Why a line cannot be had or used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineFault {
    /// There is no such chip, or no such line on it.
    pub(crate) is_missing: bool,
    /// For a person.
    pub(crate) reason: String,
}

impl LineFault {
    fn missing(reason: String) -> Self {
        Self { is_missing: true, reason }
    }

    fn refused(reason: String) -> Self {
        Self { is_missing: false, reason }
    }
}

impl From<LineFault> for PinFault {
    fn from(fault: LineFault) -> Self {
        Self { reason: fault.reason }
    }
}

/// A line as an output.
pub(crate) struct OutputLine {
    line: Request,
    path: PathBuf,
    pin: u32,
}

impl OutputLine {
    /// Takes a line as an output, at once at this level, or with the level that it has. Returns its level, too.
    pub(crate) fn take(path: PathBuf, pin: u32, high: Option<bool>) -> Result<(Self, bool), LineFault> {
        let mut builder = Request::builder();
        builder.on_chip(&path).with_consumer(CONSUMER).with_line(pin);
        match high {
            Some(high) => builder.as_output(Value::from(high)),
            None => builder.as_is(),
        };
        let line = builder.request().map_err(|error| taken(&path, pin, &error))?;
        let high = match high {
            Some(high) => high,
            None => output_as_it_is(&line).map_err(|error| fault(&path, pin, &error))?,
        };
        Ok((Self { line, path, pin }, high))
    }

    /// High or low.
    pub(crate) fn set(&mut self, high: bool) -> Result<(), LineFault> {
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
pub(crate) struct Edges {
    line: Request,
    path: PathBuf,
    pin: u32,
    last: u32,
    buffer: Vec<u64>,
}

impl Edges {
    /// Takes a line as an input, pulled up: a tachometer only ever pulls it down.
    pub(crate) fn open(path: &Path, pin: u32) -> Result<Self, LineFault> {
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
    pub(crate) fn drain(&mut self) -> Result<u32, LineFault> {
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

/// The resistor of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// To the supply: an open contact is high.
    Up,
    /// To ground: an open contact is low.
    Down,
    /// There is none, or one outside.
    Off,
}

/// What is wanted of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Low is active.
    pub(crate) active_low: bool,
    pub(crate) pull: Pull,
    /// A level counts once it has been there for so long; 0: at once.
    pub(crate) debounce: Duration,
}

/// What an input is taken with if it cannot have all that is wanted, in this order: its resistor, its debounce by the kernel, edges.
const LESS: [(bool, bool, bool); 5] = [
    (false, true, true),
    (true, false, true),
    (false, false, true),
    (true, false, false),
    (false, false, false),
];
/// The kernel keeps as many of a line, unless it is asked for more.
const EVENTS_AT_ONCE: usize = 16;

/// A line as an input.
pub(crate) struct Input {
    line: Request,
    path: PathBuf,
    pin: u32,
    buffer: Vec<u64>,
    has_edges: bool,
    is_pulled: bool,
    is_debounced: bool,
}

impl Input {
    /// Takes a line as an input. The hardware may have no resistors or report no edges, and the kernel may refuse to debounce; then
    /// the line is taken without them.
    pub(crate) fn open(path: &Path, pin: u32, wanted: &Wanted) -> Result<Self, LineFault> {
        let debounce = Some(wanted.debounce).filter(|debounce| !debounce.is_zero());
        let with = |(is_pulled, is_debounced, has_edges)| {
            let debounce = debounce.filter(|_| is_debounced);
            let line = request(path, pin, wanted, (is_pulled, debounce, has_edges))?;
            let buffer = vec![0; line.edge_event_u64_size() * EVENTS_AT_ONCE];
            Ok(Self { line, path: path.to_owned(), pin, buffer, has_edges, is_pulled, is_debounced })
        };
        let line = with((true, true, true))
            .or_else(|refusal| LESS.into_iter().find_map(|less| with(less).ok()).ok_or(refusal));
        line.map_err(|error: Error| taken(path, pin, &error))
    }

    /// Is it active, and was there an edge since the last look? With a debounce by the kernel these are of what it lets through.
    pub(crate) fn look(&mut self) -> Result<(bool, bool), LineFault> {
        self.look_at().map_err(|error| fault(&self.path, self.pin, &error))
    }

    fn look_at(&mut self) -> Result<(bool, bool), Error> {
        let mut has_moved = false;
        while self.has_edges && self.line.has_edge_event()? {
            self.line.read_edge_events_into_slice(&mut self.buffer)?;
            has_moved = true;
        }
        Ok((self.line.lone_value()? == Value::Active, has_moved))
    }

    /// What is readable when there was an edge; `None` if the hardware reports no edges.
    pub(crate) fn edges(&self) -> Option<BorrowedFd<'_>> {
        self.has_edges.then(|| self.line.as_fd())
    }

    /// Does the kernel debounce it as wanted?
    pub(crate) fn is_debounced(&self) -> bool {
        self.is_debounced
    }

    /// Was it given the resistor that was wanted?
    pub(crate) fn is_pulled(&self) -> bool {
        self.is_pulled
    }
}

/// Requests an input with a resistor or as it is, with a debounce, and with edges or without.
fn request(
    path: &Path,
    pin: u32,
    wanted: &Wanted,
    (is_pulled, debounce, has_edges): (bool, Option<Duration>, bool),
) -> Result<Request, Error> {
    let bias = match wanted.pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::Off => Bias::Disabled,
    };
    let mut builder = Request::builder();
    builder.on_chip(path).with_consumer(CONSUMER).with_line(pin).as_input();
    builder.with_bias(is_pulled.then_some(bias));
    if wanted.active_low {
        builder.as_active_low();
    }
    if let Some(period) = debounce {
        builder.with_debounce_period(period);
    }
    builder.with_edge_detection(has_edges.then_some(EdgeDetection::BothEdges));
    builder.request()
}

/// A chip by its number (`gpiochip0`), its path, or its label (`pinctrl-bcm2835`), which stays when numbers change.
pub(crate) fn chip_path(chip: Option<&str>) -> Result<PathBuf, LineFault> {
    let Some(name) = chip else {
        return Err(LineFault::missing("no `chip` is named".to_owned()));
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
    there.ok_or_else(|| LineFault::missing(format!("there is no GPIO chip \"{name}\": {}", instead())))
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

/// The chip of a Raspberry Pi's header.
pub(crate) fn header_chip() -> Option<PathBuf> {
    HEADER_LABELS.iter().find_map(|label| labelled(label))
}

/// There is no such chip.
pub(crate) fn no_header() -> LineFault {
    let reason =
        format!("there is no GPIO chip of a Raspberry Pi's header: name the line's `chip`; {}", instead());
    LineFault::missing(reason)
}

/// A chip as the kernel shows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChipSeen {
    /// By its driver.
    pub(crate) label: String,
    pub(crate) lines: Vec<LineSeen>,
}

/// A line of a chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineSeen {
    pub(crate) pin: u32,
    /// What the board calls it; often empty.
    pub(crate) name: String,
    /// Nobody holds it, or a running daemon does.
    pub(crate) is_free: bool,
}

/// Every chip that the kernel shows below `root` (`/`), by its name (`gpiochip0`) in the order of their numbers, or why it cannot be
/// opened.
pub(crate) fn survey(root: &Path) -> Vec<(String, Result<ChipSeen, LineFault>)> {
    let entries = std::fs::read_dir(root.join("sys/bus/gpio/devices")).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("gpiochip")?.parse::<u32>().ok();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut chips: Vec<(u32, String)> = names.filter_map(|name| Some((number(&name)?, name))).collect();
    chips.sort();
    let seen = |name: String| {
        let path = root.join("dev").join(&name);
        let seen = seen(&path).map_err(|error| {
            let fix = if is_denied(&error) { ": run this as root (sudo) to see more" } else { "" };
            let reason = format!("{} cannot be opened: {error}{fix}", path.display());
            LineFault { is_missing: !path.exists(), reason }
        });
        (name, seen)
    };
    chips.into_iter().map(|(_, name)| seen(name)).collect()
}

fn seen(path: &Path) -> Result<ChipSeen, Error> {
    let chip = Chip::from_path(path)?;
    let info = chip.info()?;
    let line = |pin| {
        let line = chip.line_info(pin)?;
        Ok(LineSeen { pin, name: line.name, is_free: !line.used || line.consumer == CONSUMER })
    };
    let lines: Result<_, Error> = (0..info.num_lines).map(line).collect();
    Ok(ChipSeen { label: info.label, lines: lines? })
}

/// The state of a line in words; a fault if another program holds it. A line of a running daemon counts as free.
pub(crate) fn look(path: &Path, pin: u32) -> Result<String, LineFault> {
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

/// The state of a line in words if a running daemon holds it, so that nobody else can.
pub(crate) fn held(path: &Path, pin: u32) -> Option<String> {
    let (_, line) = info(path, pin).ok()?;
    (line.used && line.consumer == CONSUMER).then(|| look(path, pin).ok()).flatten()
}

/// The chip's label, and what it says of the line.
fn info(path: &Path, pin: u32) -> Result<(String, Info), LineFault> {
    let fault = |error: Error| fault(path, pin, &error);
    let chip = Chip::from_path(path).map_err(fault)?;
    let info = chip.info().map_err(fault)?;
    if pin >= info.num_lines {
        return Err(out_of_range(path, pin, info.num_lines));
    }
    Ok((info.label, chip.line_info(pin).map_err(fault)?))
}

/// Why a line could not be taken: the chip's information says more than the error.
fn taken(path: &Path, pin: u32, error: &Error) -> LineFault {
    match info(path, pin) {
        Ok((_, line)) if line.used => in_use(path, pin, &line.consumer),
        Ok(_) => fault(path, pin, error),
        Err(fault) => fault,
    }
}

fn in_use(path: &Path, pin: u32, consumer: &str) -> LineFault {
    let who = match consumer {
        "" => "a program that gives no name".to_owned(),
        CONSUMER => "\"twind\": a running daemon, or something else in this file".to_owned(),
        other => format!("\"{}\"", other.escape_debug()),
    };
    let reason = format!(
        "line {pin} of {} is in use by {who}: stop that program, or remove the overlay in \
         /boot/firmware/config.txt that claims the line",
        path.display()
    );
    LineFault::refused(reason)
}

fn out_of_range(path: &Path, pin: u32, count: u32) -> LineFault {
    let last = count.saturating_sub(1);
    LineFault::missing(format!("{} has lines 0 to {last}, not {pin}: change `pin`", path.display()))
}

fn fault(path: &Path, pin: u32, error: &Error) -> LineFault {
    LineFault::refused(format!("line {pin} of {}: {error}{}", path.display(), fix(error)))
}

fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Os(errno) if errno.0 == rustix::io::Errno::ACCESS.raw_os_error())
}

/// What to do about an error, where that is known.
fn fix(error: &Error) -> &'static str {
    let not_permitted =
        matches!(error, Error::Os(errno) if errno.0 == rustix::io::Errno::PERM.raw_os_error());
    if is_denied(error) {
        "; add the daemon's user to the chip's group: adduser twind gpio"
    } else if not_permitted {
        "; the service's sandbox must allow it: DeviceAllow=char-gpiochip rw"
    } else {
        ""
    }
}

#[cfg(test)]
#[path = "gpio_tests.rs"]
mod tests;
