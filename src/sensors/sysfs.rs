//! Reads all sensors in files: a number in an attribute, a small file that the kernel or a program writes.
//!
//! A `Kind` knows where its attribute is, how its text gives the number, and in which unit; everything else is common. A device may
//! return under another number, and a second device of the same name may appear, so each sample looks for its attribute again.

use super::age::Stamp;
use super::{Sample, Sensor, Source, found};
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

/// File systems that generate their content when it is read, so that their files' times mean nothing, by the numbers of the kernel's
/// `magic.h`. FUSE is among them, since some programs show sensors through it.
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

/// A kind of attribute.
pub(super) trait Kind: Send {
    /// Where the attribute is now.
    ///
    /// # Errors
    /// Its device is not there, or nothing says which of several is meant.
    fn find(&self) -> Result<PathBuf, Fault>;
    /// What the attribute's text says.
    ///
    /// # Errors
    /// If it says no number, or the device says that it has none.
    fn raw(&self, _place: &Path, text: &str) -> Result<f64, Fault> {
        number(text)
    }
    /// How many of the attribute's units make one of the sensor's.
    fn raw_per_unit(&self, place: &Path) -> f64;
    /// What is looked for, for a message: `hwmon "cpu_thermal/temp1_input"`.
    fn wanted(&self) -> String;
    /// Where it was not found and what is there instead, for a message.
    fn elsewhere(&self) -> String;
}

/// Where an attribute is, or was not found.
pub(super) fn whereabouts(kind: &dyn Kind) -> String {
    match kind.find() {
        Ok(place) => format!("{} at {}", kind.wanted(), place.display()),
        Err(_) => format!("{}, {}", kind.wanted(), kind.elsewhere()),
    }
}

/// A sensor that is an attribute.
pub(super) struct Attribute {
    kind: Box<dyn Kind>,
    /// Its files are written by a program, which may die.
    is_fed: bool,
}

impl Attribute {
    pub(super) fn new(kind: impl Kind + 'static, source: &Source) -> Self {
        Self { kind: Box::new(kind), is_fed: source.driver.is_fed }
    }

    fn read(&self) -> Result<(PathBuf, File, Vec<u8>), Fault> {
        let place = self.kind.find()?;
        let mut file = open(&place)?;
        let bytes = read(&mut file)?;
        Ok((place, file, bytes))
    }
}

impl Sensor for Attribute {
    fn sample(&mut self) -> Sample {
        let (place, file, bytes) = match self.read() {
            Ok(read) => read,
            Err(fault) => return Err(fault).into(),
        };
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        let stamp = self.is_fed.then(|| stamp(&place, &file, &lossy)).flatten();
        let raw = text(bytes).and_then(|text| self.kind.raw(&place, &text));
        let is_no_number = raw == Err(Fault::NotANumber) && number(&lossy).is_err();
        let found = is_no_number.then(|| found::text(&lossy));
        let value = raw.map(|raw| raw / self.kind.raw_per_unit(&place));
        Sample { value, found, stamp }
    }
}

/// The state of a file; `None` if its content is generated when it is read.
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
    let number: f64 = text.trim().parse().map_err(|_| Fault::NotANumber)?;
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
    // A text that fills the buffer may go on beyond it, and half a number is none.
    if bytes.len() >= ATTRIBUTE_BYTES_MAX {
        return Err(Fault::NotANumber);
    }
    String::from_utf8(bytes).map_err(|_| Fault::NotANumber)
}

/// Tells missing from unreadable: a loose cable from a broken device.
fn fault(reason: &io::Error) -> Fault {
    match Errno::from_io_error(reason) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO) => Fault::Missing,
        _ => Fault::Unreadable,
    }
}

/// The names of a folder's entries.
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
