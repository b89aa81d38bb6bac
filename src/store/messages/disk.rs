//! What the ring does to the state directory, each as one step; the power may go before any of them.

use super::super::StoreFault;
use super::super::format::checksum;
use super::segment::FILE_BYTES_MAX;
use crate::files::{self, Unread};
use core::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What was measured is nobody else's matter.
const MODE: u32 = 0o600;
/// What a card reads or fails to read at once.
const BLOCK_BYTES: usize = 4096;
const PREFIX: &str = "messages.";
const HEAD: &str = "messages.head";
const HEAD_MAGIC: &str = "twind-messages-head 1";
const HEAD_BYTES_MAX: u64 = 256;

/// Something that is done to a file or to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make a segment.
    Create,
    /// Write messages to it.
    Write,
    /// Make its bytes durable.
    SyncFile,
    /// Make the names of new segments durable. Only then is what they hold durable.
    SyncDirectory,
    /// Take the bytes of a failed write off a segment's end.
    Truncate,
    /// Remove a segment whose messages are not needed any more. That need not be durable: what comes back is sent again.
    Unlink,
    /// Rename a segment that a later twind wrote.
    SetAside,
    /// Note the first message that the hub does not have.
    Head,
}

/// Called ahead of each step. A test ends there, as a power cut would.
pub(super) type Before = Box<dyn FnMut(Step, &Path) -> io::Result<()> + Send>;

/// The segments in a state directory.
pub(super) struct Disk {
    dir: PathBuf,
    before: Before,
}

/// What a segment's file holds.
pub(super) enum Content {
    /// These bytes. Blocks that cannot be read are zeros.
    Bytes(Vec<u8>),
    /// There is no such file.
    Missing,
    /// No block of it can be read.
    Unreadable(StoreFault),
}

impl Disk {
    pub(super) fn new(dir: &Path, before: Before) -> Self {
        Self { dir: dir.to_owned(), before }
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{PREFIX}{first:08}"))
    }

    /// The numbers in the names of the segments, in order. What is no file is none.
    pub(super) fn list(&self) -> Result<Vec<u64>, StoreFault> {
        let fault = |reason| StoreFault::new("read", &self.dir, &reason);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            let number = number.filter(|number| self.path(*number).file_name() == Some(&name));
            let is_file = entry.file_type().map_err(fault)?.is_file();
            found.extend(number.filter(|_| is_file));
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn length(&self, first: u64) -> Option<u64> {
        fs::metadata(self.path(first)).ok().map(|found| found.len())
    }

    /// Reads a segment, but no more than one can hold.
    pub(super) fn read(&self, first: u64) -> Result<Content, StoreFault> {
        let path = self.path(first);
        let (file, found) = match files::open(&path) {
            Ok(opened) => opened,
            Err(Unread::System(reason)) if reason.kind() == io::ErrorKind::NotFound => {
                return Ok(Content::Missing);
            }
            Err(odd) => return Err(unread("read", &path, odd)),
        };
        let length = usize::try_from(found.len()).unwrap_or(usize::MAX).min(FILE_BYTES_MAX);
        let mut bytes = vec![0; length];
        let (mut fault, mut at, mut is_readable) = (None, 0, length == 0);
        for block in bytes.chunks_mut(BLOCK_BYTES) {
            match file.read_exact_at(block, at) {
                Ok(()) => is_readable = true,
                Err(reason) => {
                    block.fill(0);
                    fault = Some(StoreFault::new("read", &path, &reason));
                }
            }
            at += BLOCK_BYTES as u64;
        }
        Ok(match fault {
            Some(fault) if !is_readable => Content::Unreadable(fault),
            _ => Content::Bytes(bytes),
        })
    }

    /// Makes an empty segment, and never in place of something.
    pub(super) fn make(&mut self, first: u64) -> Result<File, StoreFault> {
        let path = self.path(first);
        let made = (self.before)(Step::Create, &path)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path));
        made.map_err(|reason| match reason.kind() {
            io::ErrorKind::AlreadyExists => {
                StoreFault::with("make", &path, &reason, " (what is in its place is no segment: remove it)")
            }
            _ => StoreFault::new("make", &path, &reason),
        })
    }

    /// Writes the bytes of a new segment. They are durable once the directory is, too.
    pub(super) fn fill(&mut self, first: u64, mut file: &File, bytes: &[u8]) -> Result<(), StoreFault> {
        let path = self.path(first);
        let written = (self.before)(Step::Write, &path).and_then(|()| file.write_all(bytes));
        written.map_err(|reason| StoreFault::new("write", &path, &reason))?;
        self.sync(&path, file)
    }

    /// Writes messages behind what a segment holds; they are durable when it returns without a fault.
    pub(super) fn append(&mut self, first: u64, at: u64, bytes: &[u8]) -> Result<(), StoreFault> {
        let path = self.path(first);
        let file = files::edit(&path, None).map_err(|odd| unread("write", &path, odd))?;
        let written = (self.before)(Step::Write, &path).and_then(|()| file.write_all_at(bytes, at));
        written.map_err(|reason| StoreFault::new("write", &path, &reason))?;
        self.sync(&path, &file)
    }

    fn sync(&mut self, path: &Path, file: &File) -> Result<(), StoreFault> {
        let synced = (self.before)(Step::SyncFile, path).and_then(|()| file.sync_data());
        synced.map_err(|reason| StoreFault::new("make durable", path, &reason))
    }

    /// Makes a segment durable that another process wrote.
    pub(super) fn sync_segment(&mut self, first: u64) -> Result<(), StoreFault> {
        let path = self.path(first);
        let (file, _) = files::open(&path).map_err(|odd| unread("read", &path, odd))?;
        self.sync(&path, &file)
    }

    pub(super) fn sync_directory(&mut self) -> Result<(), StoreFault> {
        let synced =
            (self.before)(Step::SyncDirectory, &self.dir).and_then(|()| File::open(&self.dir)?.sync_all());
        synced.map_err(|reason| StoreFault::new("make durable", &self.dir, &reason))
    }

    pub(super) fn truncate(&mut self, first: u64, length: u64) -> Result<(), StoreFault> {
        let path = self.path(first);
        let file = files::edit(&path, None).map_err(|odd| unread("write", &path, odd))?;
        let cut = (self.before)(Step::Truncate, &path).and_then(|()| file.set_len(length));
        cut.map_err(|reason| StoreFault::new("shorten", &path, &reason))
    }

    /// Removes a segment, which need not be there.
    pub(super) fn unlink(&mut self, first: u64) -> Result<(), StoreFault> {
        let path = self.path(first);
        remove(&mut self.before, &path)
    }

    pub(super) fn set_aside(&mut self, first: u64) -> Result<(), StoreFault> {
        let path = self.path(first);
        let aside = path.with_file_name(format!("{PREFIX}{first:08}.newer"));
        let renamed = (self.before)(Step::SetAside, &path).and_then(|()| fs::rename(&path, aside));
        renamed.map_err(|reason| StoreFault::new("rename", &path, &reason))
    }

    /// The first message that the hub does not have, as [`write_head`](Self::write_head) noted it. A note that is damaged goes, or it
    /// could speak later of other messages with these numbers.
    pub(super) fn read_head(&mut self) -> Result<Option<u64>, StoreFault> {
        let path = self.dir.join(HEAD);
        let bytes = match files::read(&path, HEAD_BYTES_MAX) {
            Ok((bytes, _)) => bytes,
            Err(Unread::System(reason)) if reason.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(Unread::TooLarge(_)) => Vec::new(),
            Err(odd) => return Err(unread("read", &path, odd)),
        };
        let number = noted(&bytes);
        if number.is_none() {
            remove(&mut self.before, &path)?;
        }
        Ok(number)
    }

    /// Notes the first message that the hub does not have, in place and not durably. A failure is ignored: some messages are sent
    /// again after a restart.
    pub(super) fn write_head(&mut self, number: u64) {
        let path = self.dir.join(HEAD);
        if (self.before)(Step::Head, &path).is_err() {
            return;
        }
        if let Ok(file) = files::edit(&path, Some(MODE)) {
            drop(file.write_all_at(head(number).as_bytes(), 0));
        }
    }
}

/// The same number of bytes for each number, so that one replaces another whole.
fn head(number: u64) -> String {
    let promise = format!("{HEAD_MAGIC} {number:020} ");
    format!("{promise}{}\n", checksum(promise.as_bytes(), b""))
}

fn noted(bytes: &[u8]) -> Option<u64> {
    let number =
        core::str::from_utf8(bytes).ok()?.strip_prefix(HEAD_MAGIC)?.split(' ').nth(1)?.parse().ok()?;
    (head(number).as_bytes() == bytes).then_some(number)
}

fn remove(before: &mut Before, path: &Path) -> Result<(), StoreFault> {
    match before(Step::Unlink, path).and_then(|()| fs::remove_file(path)) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
            Err(StoreFault::new("remove", path, &reason))
        }
        _ => Ok(()),
    }
}

fn unread(operation: &str, path: &Path, odd: Unread) -> StoreFault {
    let told = |odd: &dyn Display| format!("cannot {operation} {}: {odd} (remove it)", path.display());
    match odd {
        Unread::System(reason) => StoreFault::new(operation, path, &reason),
        odd => StoreFault { reason: told(&odd) },
    }
}
