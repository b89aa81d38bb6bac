//! The one reader of all sensors: a number in an attribute, which is a small file that the kernel (or anybody) fills.
//!
//! A `Kind` knows where its attribute is, how its text says the number and what that counts; everything else is the
//! same for all.
//! A device may come back under another number, and a second one may come up that bears the same name, so each sample
//! looks anew for its attribute. Deliberately absent: belief (that is `plausible`'s) and threads.

use super::age::Stamp;
use super::{Sensor, found};
use crate::control::Fault;
use crate::files::{self, Unread};
use core::time::Duration;
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// An attribute that holds a number is far shorter.
const ATTRIBUTE_BYTES_MAX: usize = 256;

/// File systems that make their content up when it is read, so that their files' times say nothing, by the numbers of the
/// kernel's `magic.h`. Programs behind FUSE may, and some that show sensors do.
const MADE_UP: [u32; 12] = [
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x6265_6570, // configfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x7363_6673, // securityfs
    0xcafe_4a11, // bpf
    0xde5e_81e4, // efivarfs
    0x6165_676c, // pstore
    0x6573_5546, // fuse
];

/// What sets one kind of sensor apart.
pub(super) trait Kind: Send {
    /// Where the attribute is now.
    ///
    /// # Errors
    /// Its device is not there, or it cannot be told which of several is meant.
    fn find(&self) -> Result<PathBuf, Fault>;
    /// What the attribute's text says.
    ///
    /// # Errors
    /// If it says no number, or the device says that it has none.
    fn raw(&self, _place: &Path, text: &str) -> Result<f64, Fault> {
        number(text)
    }
    /// How many of what the attribute counts make one of the sensor's unit.
    fn raw_per_unit(&self, place: &Path) -> f64;
    /// What is looked for, for a person: `hwmon "cpu_thermal/temp1_input"`.
    fn wanted(&self) -> String;
    /// Where it was looked for in vain and what is there instead, for a person.
    fn elsewhere(&self) -> String;
}

/// A sensor that is an attribute.
pub(super) struct Attribute {
    kind: Box<dyn Kind>,
    scale: f64,
    offset: f64,
    /// Its files are written by a program, which may die.
    is_fed: bool,
    /// What the last sample found that is no number.
    found: Option<String>,
    stamp: Option<Stamp>,
}

impl Attribute {
    pub(super) fn new(kind: Box<dyn Kind>, scale: f64, offset: f64, is_fed: bool) -> Self {
        Self { kind, scale, offset, is_fed, found: None, stamp: None }
    }

    /// Where samples come from, or were looked for.
    pub(super) fn whereabouts(&self) -> String {
        match self.kind.find() {
            Ok(place) => format!("{} at {}", self.kind.wanted(), place.display()),
            Err(_) => format!("{}, {}", self.kind.wanted(), self.kind.elsewhere()),
        }
    }
}

impl Sensor for Attribute {
    fn sample(&mut self) -> Result<f64, Fault> {
        (self.found, self.stamp) = (None, None);
        let place = self.kind.find()?;
        let mut file = open(&place)?;
        let bytes = read(&mut file)?;
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        if self.is_fed {
            self.stamp = stamp(&place, &file, &lossy);
        }
        let raw = text(bytes).and_then(|text| self.kind.raw(&place, &text));
        if raw == Err(Fault::NotANumber) && number(&lossy).is_err() {
            self.found = Some(found::text(&lossy));
        }
        value(raw?, self.kind.raw_per_unit(&place), self.scale, self.offset)
    }

    fn found(&self) -> Option<String> {
        self.found.clone()
    }

    fn stamp(&self) -> Option<Stamp> {
        self.stamp.clone()
    }
}

/// When and as what a file was written; `None` where it was not, but is made up when it is read.
fn stamp(place: &Path, file: &File, text: &str) -> Option<Stamp> {
    if ["/sys", "/proc"].iter().any(|folder| place.starts_with(folder))
        || rustix::fs::fstatfs(file).is_ok_and(|found| MADE_UP.contains(&(found.f_type as u32)))
    {
        return None;
    }
    let metadata = file.metadata().ok()?;
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    let written = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
    let written = written.map_or(Duration::ZERO, |(seconds, nanos)| Duration::new(seconds, nanos));
    Some(Stamp { written, file: (metadata.dev(), metadata.ino()), text: text.to_owned() })
}

/// The number that a text says.
///
/// # Errors
/// If it says none, or none that is finite.
pub fn number(text: &str) -> Result<f64, Fault> {
    finite(text.trim().parse().map_err(|_| Fault::NotANumber)?)
}

/// The value that a raw number means, in the sensor's unit.
///
/// # Errors
/// If it is not finite.
pub fn value(raw: f64, raw_per_unit: f64, scale: f64, offset: f64) -> Result<f64, Fault> {
    finite(raw / raw_per_unit * scale + offset)
}

fn finite(number: f64) -> Result<f64, Fault> {
    if number.is_finite() { Ok(number) } else { Err(Fault::NotANumber) }
}

/// An attribute's text. Never waits for a writer, as a pipe would make it.
pub(super) fn read_text(path: &Path) -> Result<String, Fault> {
    text(read(&mut open(path)?)?)
}

fn open(path: &Path) -> Result<File, Fault> {
    files::open(path).map(|(file, _)| file).map_err(|unread| match unread {
        Unread::System(reason) => fault(&reason),
        Unread::NotAFile(_) | Unread::TooLarge(_) => Fault::Unreadable,
    })
}

fn read(file: &mut File) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(ATTRIBUTE_BYTES_MAX);
    file.take(ATTRIBUTE_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(|reason| fault(&reason))?;
    Ok(bytes)
}

/// An attribute's bytes as text.
///
/// # Errors
/// If they are none, or so many that there may be more.
pub fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    // What fills the room may go on beyond it, and half a number is none.
    if bytes.len() >= ATTRIBUTE_BYTES_MAX {
        return Err(Fault::NotANumber);
    }
    String::from_utf8(bytes).map_err(|_| Fault::NotANumber)
}

/// Not there, or there and not to be read: the difference between a loose cable and a broken device.
fn fault(reason: &io::Error) -> Fault {
    match Errno::from_io_error(reason) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO) => Fault::Missing,
        _ => Fault::Unreadable,
    }
}

/// What the entries of a folder are called.
pub(super) fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// "not found in FOLDER, which has a, b".
pub(super) fn instead(folder: &Path, mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    let there = if names.is_empty() { "nothing of the kind".to_owned() } else { names.join(", ") };
    format!("not found in {}, which has {there}", folder.display())
}
