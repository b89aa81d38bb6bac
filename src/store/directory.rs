//! Reads the state directory: chooses a generation, reports what is wrong with the other, and cleans up, which only the
//! directory's owner may do.
//!
//! The newest intact generation is used. A damaged one is renamed, at most one for each generation, so that the next write does
//! not destroy what might explain the damage.

use super::StoreFault;
use super::format::{self, Damage};
use crate::files::{self, Unread};
use crate::twin::{RecordFault, TwinRecord};
use core::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// One of the two files that are written in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    A,
    B,
}

impl Generation {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(super) fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::A => "twin.a",
            Self::B => "twin.b",
        })
    }

    /// The temporary file of a write. Its name is fixed, since the directory has one writer.
    pub(super) fn temporary(self, dir: &Path) -> PathBuf {
        extended(&self.path(dir), ".tmp")
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

fn extended(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(extension);
    PathBuf::from(name)
}

/// What the state directory held.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Loaded {
    /// The newest intact record; `None` at the first run, or if none is intact.
    pub record: Option<TwinRecord>,
    /// The generations that could not be used, each worth a warning.
    pub notes: Vec<LoadNote>,
}

/// A generation that could not be used. Its `Display` is a message for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadNote {
    /// Which file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
    /// Its new name; `None` if it was left in place.
    pub kept_as: Option<PathBuf>,
}

impl fmt::Display for LoadNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored twin {} {}; not used", self.file.display(), self.damage)?;
        match &self.kept_as {
            Some(path) => write!(f, ", kept as {}", path.display()),
            None => Ok(()),
        }
    }
}

/// What was found in the directory, and where the next write goes.
pub(super) struct Survey {
    pub(super) loaded: Loaded,
    /// The write number of the newest intact generation; 0 if there is none.
    pub(super) number: u64,
    /// The generation that may be replaced: never the one that was loaded.
    pub(super) next: Generation,
}

/// Reads both generations and changes nothing.
pub(super) fn survey(dir: &Path) -> Result<Survey, StoreFault> {
    let mut notes = Vec::new();
    let mut newest: Option<(u64, Generation, TwinRecord)> = None;
    for generation in Generation::BOTH {
        let file = generation.path(dir);
        match load(&file)? {
            None => {}
            Some(Err(damage)) => notes.push(LoadNote { file, damage, kept_as: None }),
            Some(Ok((number, _))) if newest.as_ref().is_some_and(|(best, ..)| number <= *best) => {}
            Some(Ok((number, record))) => newest = Some((number, generation, record)),
        }
    }
    Ok(match newest {
        Some((number, generation, record)) => {
            Survey { loaded: Loaded { record: Some(record), notes }, number, next: generation.other() }
        }
        None => Survey { loaded: Loaded { record: None, notes }, number: 0, next: Generation::A },
    })
}

/// Reads the stored twin without owning the directory: nothing is locked, made or renamed. This is safe while a daemon runs, since
/// it replaces one file at a time and whole. A directory that does not exist holds nothing.
///
/// # Errors
/// This user may not read the directory. (A damaged file is a note, not an error.)
pub fn read(dir: &Path) -> Result<Loaded, StoreFault> {
    Ok(survey(dir)?.loaded)
}

type Content = Result<(u64, TwinRecord), Damage>;

/// `None` if there is no such file. A file that this user may not read is a fault and no damage: it may be intact, and a start
/// without it would be wrong.
fn load(file: &Path) -> Result<Option<Content>, StoreFault> {
    let bytes = match read_bounded(file) {
        Ok(bytes) => bytes,
        Err(Unread::System(reason)) => {
            return match reason.kind() {
                io::ErrorKind::NotFound => Ok(None),
                io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                    Err(StoreFault::new("read", file, &reason))
                }
                _ => Ok(Some(Err(Damage::Unreadable(reason.to_string())))),
            };
        }
        Err(odd) => return Ok(Some(Err(Damage::Unreadable(odd.to_string())))),
    };
    Ok(Some(format::unseal(&bytes).and_then(|(number, record)| match TwinRecord::decode(record) {
        Ok(record) => Ok((number, record)),
        Err(RecordFault::Newer { format }) => Err(Damage::NewerFormat { format }),
        Err(fault) => Err(Damage::Record(fault)),
    })))
}

fn read_bounded(file: &Path) -> Result<Vec<u8>, Unread> {
    let (file, _) = files::open(file)?;
    let mut bytes = Vec::new();
    // One byte more than the maximum, so that a longer file is noticed.
    file.take(format::FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(Unread::System)?;
    Ok(bytes)
}

/// Renames generations that cannot be used, so that the next write does not replace them. If that fails the file stays and is
/// replaced later: storing the twin matters more than keeping the evidence.
pub(super) fn set_aside(notes: &mut [LoadNote]) {
    for note in notes {
        let aside = match note.damage {
            Damage::NewerFormat { .. } => extended(&note.file, ".newer"),
            _ => extended(&note.file, ".corrupt"),
        };
        if fs::rename(&note.file, &aside).is_ok() {
            note.kept_as = Some(aside);
        }
    }
}

/// Removes the temporary files of interrupted writes. A failure is ignored: the next write truncates the file or reports what is
/// wrong.
pub(super) fn sweep(dir: &Path) {
    for generation in Generation::BOTH {
        drop(fs::remove_file(generation.temporary(dir)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{record, sequence};
    use super::super::write::replace;
    use super::*;

    fn keep(dir: &Path, generation: Generation, number: u64, sequence: u64) {
        let bytes = format::seal(number, &record(sequence).encode()).unwrap();
        replace(dir, generation, &bytes).unwrap();
    }

    /// The older record in `twin.a`, the newer in `twin.b`.
    fn two_generations() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), Generation::A, 1, 11);
        keep(dir.path(), Generation::B, 2, 12);
        dir
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Ok(Loaded::default()));
        assert_eq!(read(&dir.path().join("absent")), Ok(Loaded::default()));
    }

    #[test]
    fn the_newer_generation_wins_and_the_older_is_next() {
        let dir = two_generations();
        let survey = survey(dir.path()).unwrap();
        assert_eq!(sequence(&survey.loaded), Some(12));
        assert_eq!((survey.number, survey.next), (2, Generation::A));
        assert_eq!(survey.loaded.notes, []);
    }

    #[test]
    fn a_record_that_counts_anew_still_wins_by_its_write() {
        let dir = two_generations();
        keep(dir.path(), Generation::A, 3, 1);
        assert_eq!(sequence(&read(dir.path()).unwrap()), Some(1));
    }

    #[test]
    fn a_newest_generation_cut_at_any_byte_falls_back_to_the_other() {
        let dir = two_generations();
        let newest = Generation::B.path(dir.path());
        let whole = fs::read(&newest).unwrap();
        for length in 0..whole.len() {
            fs::write(&newest, &whole[..length]).unwrap();
            let survey = survey(dir.path()).unwrap();
            assert_eq!(sequence(&survey.loaded), Some(11), "cut to {length} bytes");
            assert_eq!(survey.next, Generation::B, "cut to {length} bytes");
            assert_eq!(survey.loaded.notes.len(), 1, "cut to {length} bytes");
        }
    }

    #[test]
    fn a_newest_generation_with_any_bit_flipped_falls_back_to_the_other() {
        let dir = two_generations();
        let newest = Generation::B.path(dir.path());
        let whole = fs::read(&newest).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&newest, &flipped).unwrap();
            assert_eq!(sequence(&read(dir.path()).unwrap()), Some(11), "bit {bit} flipped");
        }
    }

    #[test]
    fn a_damaged_older_generation_harms_nothing() {
        let dir = two_generations();
        fs::write(Generation::A.path(dir.path()), b"").unwrap();
        let survey = survey(dir.path()).unwrap();
        assert_eq!((sequence(&survey.loaded), survey.next), (Some(12), Generation::A));
    }

    #[test]
    fn two_damaged_generations_give_no_record_and_a_note_each() {
        let dir = two_generations();
        let sealed = format::seal(3, b"intact, but no record").unwrap();
        fs::write(Generation::A.path(dir.path()), sealed).unwrap();
        fs::remove_file(Generation::B.path(dir.path())).unwrap();
        fs::create_dir(Generation::B.path(dir.path())).unwrap();
        let loaded = read(dir.path()).unwrap();
        assert_eq!(loaded.record, None);
        assert!(matches!(loaded.notes[0].damage, Damage::Record(_)), "{}", loaded.notes[0]);
        assert!(matches!(loaded.notes[1].damage, Damage::Unreadable(_)), "{}", loaded.notes[1]);
    }

    #[test]
    fn what_is_set_aside_keeps_its_bytes_and_only_the_latest() {
        let dir = two_generations();
        let newest = Generation::B.path(dir.path());
        for damage in ["first", "second"] {
            fs::write(&newest, damage).unwrap();
            let mut loaded = read(dir.path()).unwrap();
            set_aside(&mut loaded.notes);
            let kept = dir.path().join("twin.b.corrupt");
            assert_eq!(fs::read_to_string(&kept).unwrap(), damage);
            assert_eq!(loaded.notes[0].kept_as, Some(kept));
            assert!(!newest.exists());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "twin.a and one kept aside");
    }

    #[test]
    fn a_later_twinds_record_is_set_aside_as_such() {
        let dir = two_generations();
        fs::write(Generation::B.path(dir.path()), "twind-record 2 whatever comes\n").unwrap();
        let mut loaded = read(dir.path()).unwrap();
        set_aside(&mut loaded.notes);
        assert_eq!(loaded.notes[0].damage, Damage::NewerFormat { format: 2 });
        assert!(dir.path().join("twin.b.newer").exists());
        assert_eq!(sequence(&loaded), Some(11));
    }

    #[test]
    fn a_path_that_is_no_directory_is_a_fault() {
        let dir = two_generations();
        let fault = read(&Generation::A.path(dir.path())).unwrap_err();
        assert!(fault.reason.contains("twin.a/twin.a"), "{fault}");
    }
}
