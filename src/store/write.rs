//! One write, in steps; the power may go after any of them. The bytes are written to a temporary file and synced, the file is
//! renamed to the generation's name, and the directory is synced.

use super::StoreFault;
use super::directory::Generation;
use crate::files;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// The twin is nobody else's matter.
const MODE: u32 = 0o600;

/// A step of a write, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the temporary file.
    Create,
    /// Write the bytes to it.
    Write,
    /// Make the bytes durable. Before the rename, or a power cut could leave the name on an empty file.
    SyncFile,
    /// Give it the generation's name.
    Rename,
    /// Make the name durable. Only then is the record durable.
    SyncDirectory,
}

/// Replaces a generation; the bytes are durable when it returns without a fault. A fault leaves the other generation untouched and
/// removes the temporary file.
pub(super) fn replace(dir: &Path, generation: Generation, bytes: &[u8]) -> Result<(), StoreFault> {
    let result = take_steps(dir, generation, bytes, |_| Ok(()));
    if result.is_err() {
        drop(fs::remove_file(generation.temporary(dir)));
    }
    result
}

/// Can a generation be written? A full or read-only disk is reported at the start, not at the first change hours later. Nothing is
/// synced, so a card is not worn by it.
pub(super) fn probe(dir: &Path, generation: Generation) -> Result<(), StoreFault> {
    let temporary = generation.temporary(dir);
    let fault = |operation: &'static str| move |reason| (operation, reason);
    let written = files::create(&temporary, MODE)
        .map_err(fault("make"))
        .and_then(|mut file| file.write_all(&[0; 4096]).map_err(fault("write")));
    drop(fs::remove_file(&temporary));
    written.map_err(|(operation, reason)| StoreFault::new(operation, &temporary, &reason))
}

/// Takes the steps and calls `before` ahead of each; a test ends the write there as a power cut would.
fn take_steps(
    dir: &Path,
    generation: Generation,
    bytes: &[u8],
    mut before: impl FnMut(Step) -> io::Result<()>,
) -> Result<(), StoreFault> {
    let target = generation.path(dir);
    let temporary = generation.temporary(dir);
    let fault = |operation: &'static str, path| move |reason| StoreFault::new(operation, path, &reason);

    let mut file = before(Step::Create)
        .and_then(|()| files::create(&temporary, MODE))
        .map_err(fault("make", &temporary))?;
    before(Step::Write).and_then(|()| file.write_all(bytes)).map_err(fault("write", &temporary))?;
    before(Step::SyncFile).and_then(|()| file.sync_all()).map_err(fault("make durable", &temporary))?;
    drop(file);
    before(Step::Rename).and_then(|()| fs::rename(&temporary, &target)).map_err(fault("replace", &target))?;
    before(Step::SyncDirectory).and_then(|()| File::open(dir)?.sync_all()).map_err(fault("make durable", dir))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{record, sequence};
    use super::super::{format, read};
    use super::*;

    const STEPS: [Step; 5] = [Step::Create, Step::Write, Step::SyncFile, Step::Rename, Step::SyncDirectory];

    /// A write that ends before `last`, as if the power went.
    fn cut_before(dir: &Path, last: Step) -> StoreFault {
        let power = |step| if step == last { Err(io::Error::other("power cut")) } else { Ok(()) };
        take_steps(dir, Generation::A, b"new", power).unwrap_err()
    }

    #[test]
    fn the_steps_come_in_order_and_the_directory_last() {
        let dir = tempfile::tempdir().unwrap();
        let mut taken = Vec::new();
        take_steps(dir.path(), Generation::A, b"new", |step| {
            taken.push(step);
            Ok(())
        })
        .unwrap();
        assert_eq!(taken, STEPS);
    }

    #[test]
    fn a_power_cut_leaves_the_old_bytes_or_the_new_ones_under_the_name() {
        for last in STEPS {
            let dir = tempfile::tempdir().unwrap();
            replace(dir.path(), Generation::A, b"old").unwrap();
            cut_before(dir.path(), last);
            let found = fs::read(Generation::A.path(dir.path())).unwrap();
            let expected: &[u8] = if last == Step::SyncDirectory { b"new" } else { b"old" };
            assert_eq!(found, expected, "cut before {last:?}");
            // The bytes are all in place before anything is renamed.
            if last == Step::Rename {
                assert_eq!(fs::read(Generation::A.temporary(dir.path())).unwrap(), b"new");
            }
        }
    }

    #[test]
    fn whichever_step_the_power_cuts_the_newest_whole_record_is_loaded() {
        for last in STEPS {
            let dir = tempfile::tempdir().unwrap();
            let sealed = |number| format::seal(number, &record(number).encode()).unwrap();
            replace(dir.path(), Generation::A, &sealed(1)).unwrap();
            replace(dir.path(), Generation::B, &sealed(2)).unwrap();
            let power = |step| if step == last { Err(io::Error::other("power cut")) } else { Ok(()) };
            assert!(take_steps(dir.path(), Generation::A, &sealed(3), power).is_err());
            let loaded = read(dir.path()).unwrap();
            let expected = if last == Step::SyncDirectory { 3 } else { 2 };
            assert_eq!((sequence(&loaded), loaded.notes), (Some(expected), vec![]), "cut before {last:?}");
        }
    }

    #[test]
    fn what_a_power_cut_left_does_not_hinder_the_next_write() {
        for last in STEPS {
            let dir = tempfile::tempdir().unwrap();
            cut_before(dir.path(), last);
            replace(dir.path(), Generation::A, b"x").unwrap();
            assert_eq!(fs::read(Generation::A.path(dir.path())).unwrap(), b"x", "cut before {last:?}");
        }
    }

    #[test]
    fn a_fault_names_the_operation_the_file_and_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(Generation::A.temporary(dir.path())).unwrap();
        let fault = replace(dir.path(), Generation::A, b"new").unwrap_err();
        assert!(fault.reason.starts_with("cannot make /"), "{fault}");
        assert!(fault.reason.contains("twin.a.tmp: Is a directory"), "{fault}");
        assert!(!Generation::A.path(dir.path()).exists());
    }

    #[test]
    fn a_failed_rename_gives_the_temporary_files_room_back() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(Generation::A.path(dir.path())).unwrap();
        let fault = replace(dir.path(), Generation::A, b"new").unwrap_err();
        assert!(fault.reason.contains("cannot replace"), "{fault}");
        assert!(!Generation::A.temporary(dir.path()).exists());
    }

    #[test]
    fn others_may_not_read_what_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        replace(dir.path(), Generation::A, b"new").unwrap();
        let mode = fs::metadata(Generation::A.path(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
