//! Contacts on a line of a GPIO chip: a door, a float switch. 1 if it is active, else 0.
//!
//! An edge makes it worth sampling before its beat, so a change is delivered at once. It is debounced by the kernel, or here where
//! the kernel does not. The daemon holds its line alone, and takes it again if it was lost.

use super::debounce::Debouncer;
use super::{Driver, Early, PERIOD, Sample, Sensor, Source};
use crate::control::Fault;
use crate::gpio::{self, Input, LineFault, Pull, Wanted};
use core::fmt;
use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

/// It is known by its line.
pub(super) static DRIVER: Driver = Driver {
    name: "gpio",
    id_is: None,
    is_line: true,
    period: PERIOD,
    power_on: None,
    is_fed: false,
    check_id: |_, _| Ok(()),
    open: |_, source| Box::new(Contact::of(source)),
    whereabouts: |_, source| whereabouts(source.line.as_ref()),
    // What a line is wired to is not seen.
    there: |_| Vec::new(),
};

/// The line of a contact, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactLine {
    /// The chip by name, path or label; `None`: that of a Raspberry Pi's header.
    pub chip: Option<String>,
    /// BCM number, or the line's offset.
    pub pin: u32,
    /// Low is 1.
    pub active_low: bool,
    /// Its resistor.
    pub bias: Pull,
    /// A level counts once it has been there for so long; 0: at once.
    pub debounce: Duration,
}

/// For messages, and equal for lines that are read the same.
impl fmt::Display for ContactLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pin {}", self.pin)?;
        if let Some(chip) = &self.chip {
            write!(f, " of {chip}")?;
        }
        if self.active_low { f.write_str(", active low") } else { Ok(()) }
    }
}

impl ContactLine {
    fn chip(&self) -> Result<PathBuf, LineFault> {
        match &self.chip {
            Some(_) => gpio::chip_path(self.chip.as_deref()),
            None => gpio::header_chip().ok_or_else(gpio::no_header),
        }
    }

    fn open(&self) -> Result<Input, LineFault> {
        let Self { active_low, bias: pull, debounce, .. } = *self;
        Input::open(&self.chip()?, self.pin, &Wanted { active_low, pull, debounce })
    }

    /// The line in words if a running daemon holds it.
    pub(super) fn held(&self) -> Option<String> {
        gpio::held(&self.chip().ok()?, self.pin)
    }
}

/// Is this chip, by its label, that of a Raspberry Pi's header?
pub fn is_header(chip: &str) -> bool {
    gpio::HEADER_LABELS.contains(&chip)
}

fn whereabouts(line: Option<&ContactLine>) -> String {
    let Some(line) = line else { return "no line".to_owned() };
    let found = line.chip().and_then(|chip| gpio::look(&chip, line.pin));
    let found = found.map_or_else(|_| format!("contact on {line}"), |found| format!("contact on {found}"));
    let is_refused = line.bias != Pull::Off && line.open().is_ok_and(|input| !input.is_pulled());
    if is_refused {
        format!("{found}; the chip has no resistor for `bias`, so one must be outside")
    } else {
        found
    }
}

/// See the module.
struct Contact {
    line: Option<ContactLine>,
    held: Option<Held>,
    /// In how long to look again, edge or not.
    again: Option<Duration>,
    started: Instant,
}

struct Held {
    input: Input,
    /// `None` if the kernel does it.
    debouncer: Option<Debouncer>,
}

impl Contact {
    fn of(source: &Source) -> Self {
        Self { line: source.line.clone(), held: None, again: None, started: Instant::now() }
    }

    fn look(&mut self) -> Result<bool, LineFault> {
        let Some(line) = &self.line else { return Err(gpio::no_header()) };
        let held = match self.held.take() {
            Some(held) => held,
            None => Held::take(line)?,
        };
        let held = self.held.insert(held);
        let (level, has_moved) = held.input.look()?;
        let Some(debouncer) = &mut held.debouncer else { return Ok(level) };
        let (counts, again) = debouncer.look(self.started.elapsed(), level, has_moved);
        self.again = again;
        Ok(counts)
    }
}

impl Held {
    fn take(line: &ContactLine) -> Result<Self, LineFault> {
        let mut input = line.open()?;
        let debouncer = if input.is_debounced() {
            None
        } else {
            let (level, _) = input.look()?;
            Some(Debouncer::new(line.debounce, level))
        };
        Ok(Self { input, debouncer })
    }
}

impl Sensor for Contact {
    fn sample(&mut self) -> Sample {
        self.again = None;
        match self.look() {
            Ok(is_active) => Ok(f64::from(u8::from(is_active))).into(),
            Err(LineFault { is_missing, reason }) => {
                self.held = None;
                let fault = if is_missing { Fault::Missing } else { Fault::Unreadable };
                Sample { found: Some(reason), ..Err(fault).into() }
            }
        }
    }

    fn early(&self) -> Early<'_> {
        let readable = self.held.as_ref().and_then(|held| held.input.edges());
        Early { readable, after: self.again }
    }
}
