//! A board of files, for laptops, tests and demonstrations: each output is a file that holds its drive in permille, and a trace
//! has a line for every change and what decided it.
//!
//! A *change* is a drive that differs from the last one, or the first drive after opening, when the state is not known. Files
//! show the logical drive, so polarity does not apply. Nothing is synced to disk: pins do not survive a power cut either.

use super::tach::File;
use super::{Board, Driver, Looked, PinSettings, Wiring};
use crate::control::{Actuation, OutputId, PinFault};
use crate::files;
use crate::ports::Pins;
use crate::units::Permille;
use core::fmt;
use serde_json::json;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const TRACE: &str = "trace.jsonl";
/// The trace before the present one; there is never a third.
const OLD_TRACE: &str = "trace.jsonl.1";
/// A trace of this size is rotated: 16 MiB are about 200,000 changes.
const TRACE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// More than a drive takes in a file.
const DRIVE_BYTES_MAX: u64 = 64;

/// See the module.
pub(super) static DRIVER: Driver = Driver {
    name: "simulated",
    about: "files in a folder",
    wiring: Wiring::Files,
    open: |settings| Ok(Box::new(Simulated::open(&settings.folder, &settings.outputs)?)),
    look: |settings| look(&settings.folder, &settings.outputs),
    turns: |settings, output, _| Box::new(File(speed(&settings.folder, output))),
};

/// Where a fan's speed is.
fn speed(folder: &Path, output: &PinSettings) -> PathBuf {
    folder.join(format!("{}.rpm", output.name))
}

/// Looks at each output's file without making it.
fn look(folder: &Path, outputs: &[PinSettings]) -> Result<Vec<Looked>, PinFault> {
    if folder.exists() && !folder.is_dir() {
        let reason = format!("{} is no folder: remove it, or set another `folder`", folder.display());
        return Err(PinFault { reason });
    }
    let look_at = |output: &PinSettings| {
        let file = format!("the file {}", folder.join(&output.name).display());
        if output.tach.is_none() {
            return Ok(file);
        }
        let tach = speed(folder, output);
        match fs::metadata(&tach) {
            Ok(_) => Ok(format!("{file}; tach: {}", tach.display())),
            Err(error) => {
                Err(PinFault { reason: format!("{file}; but its tach: {}: {error}", tach.display()) })
            }
        }
    };
    Ok(outputs.iter().map(look_at).collect())
}

/// The folder and what was last written to it.
pub(super) struct Simulated {
    folder: PathBuf,
    outputs: Vec<OutputFile>,
    trace_bytes_max: u64,
}

struct OutputFile {
    name: String,
    /// What its file holds; `None` while that is not known.
    last: Option<Permille>,
}

impl Simulated {
    /// Makes the folder and nothing in it.
    pub(super) fn open(folder: &Path, outputs: &[PinSettings]) -> Result<Self, PinFault> {
        if let Some(output) = outputs.iter().find(|output| !can_be_a_file(&output.name)) {
            let reason =
                format!("output {:?} needs another name: on a simulated board it is a file", output.name);
            return Err(PinFault { reason });
        }
        let made = DirBuilder::new().recursive(true).create(folder);
        made.map_err(|reason| fault("make the folder", folder, &reason))?;
        let outputs =
            outputs.iter().map(|output| OutputFile { name: output.name.clone(), last: None }).collect();
        Ok(Self { folder: folder.to_owned(), outputs, trace_bytes_max: TRACE_BYTES_MAX })
    }
}

impl Pins for Simulated {
    fn drive(&mut self, actuation: &Actuation, cause: &str) -> Result<(), PinFault> {
        let Some(output) = self.outputs.get_mut(actuation.output.0) else {
            return Err(PinFault {
                reason: format!("the board has no output number {}", actuation.output.0),
            });
        };
        if output.last == Some(actuation.drive) {
            return Ok(());
        }
        output.last = None;
        let name = output.name.clone();
        self.replace(&name, actuation.drive)?;
        self.trace(&name, actuation, cause)?;
        if let Some(output) = self.outputs.get_mut(actuation.output.0) {
            output.last = Some(actuation.drive);
        }
        Ok(())
    }
}

impl Board for Simulated {
    fn take_over(&mut self, output: OutputId) -> Result<Option<Permille>, PinFault> {
        let Some(output) = self.outputs.get_mut(output.0) else { return Ok(None) };
        let read = files::read(&self.folder.join(&output.name), DRIVE_BYTES_MAX);
        let text = read.ok().and_then(|(bytes, _)| String::from_utf8(bytes).ok()).unwrap_or_default();
        output.last = text.trim().parse().ok().and_then(Permille::new);
        Ok(output.last)
    }
}

impl Simulated {
    /// A reader sees the old drive or the new one, never half a number.
    fn replace(&self, name: &str, drive: Permille) -> Result<(), PinFault> {
        let temporary = self.folder.join(format!(".{name}.tmp"));
        let file = self.folder.join(name);
        files::create(&temporary, 0o666)
            .and_then(|mut made| writeln!(made, "{}", drive.get()))
            .map_err(|reason| fault("write", &temporary, &reason))?;
        fs::rename(&temporary, &file).map_err(|reason| fault("replace", &file, &reason))
    }

    /// The file is opened for each line: changes are rare, and a trace that was removed is made again.
    fn trace(&self, name: &str, actuation: &Actuation, cause: &str) -> Result<(), PinFault> {
        let path = self.folder.join(TRACE);
        let mut line = json!({
            "boottime_ns": nanoseconds(actuation),
            "output": name,
            "permille": actuation.drive.get(),
            "cause": cause,
        })
        .to_string();
        line.push('\n');
        self.make_room(&path, line.len()).map_err(|reason| fault("rotate", &path, &reason))?;
        let mut file = files::append(&path).map_err(|reason| fault("write", &path, &reason))?;
        // One write, so that a reader and a second writer (`twind safe`) meet whole lines.
        file.write_all(line.as_bytes()).map_err(|reason| fault("write", &path, &reason))
    }

    fn make_room(&self, path: &Path, line_bytes: usize) -> io::Result<()> {
        let bytes = match fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => 0,
            Err(reason) => return Err(reason),
        };
        if bytes.saturating_add(line_bytes as u64) <= self.trace_bytes_max || bytes == 0 {
            return Ok(());
        }
        fs::rename(path, self.folder.join(OLD_TRACE))
    }
}

/// 584 years fit.
fn nanoseconds(actuation: &Actuation) -> u64 {
    u64::try_from(actuation.at.since_boot().as_nanos()).unwrap_or(u64::MAX)
}

/// Not hidden, as temporary files are, and not a path or the trace.
fn can_be_a_file(name: &str) -> bool {
    let special = name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']);
    !special && name != TRACE && name != OLD_TRACE
}

fn fault(operation: &str, file: &Path, reason: &dyn fmt::Display) -> PinFault {
    PinFault { reason: format!("cannot {operation} {}: {reason}", file.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::BoardSettings;
    use crate::control::{Cause, OutputId};
    use crate::units::BootTime;
    use core::time::Duration;
    use serde_json::Value;

    fn pin(name: &str) -> PinSettings {
        PinSettings { name: name.to_owned(), line: None, active_low: true, tach: None }
    }

    fn board(folder: &Path) -> Simulated {
        Simulated::open(folder, &[pin("fan"), pin("heater")]).unwrap()
    }

    fn order(output: usize, permille: u16, cause: Cause) -> Actuation {
        Actuation {
            output: OutputId(output),
            drive: Permille::new(permille).unwrap(),
            cause,
            at: BootTime::from_boot(Duration::new(12, 345)),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    const CAUSE: &str = "climate";

    fn trace(folder: &Path) -> String {
        fs::read_to_string(folder.join(TRACE)).unwrap()
    }

    #[test]
    fn opening_makes_the_folder_and_drives_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run/board");
        let settings = BoardSettings { driver: &DRIVER, folder: folder.clone(), outputs: vec![pin("fan")] };
        assert!(crate::board::open(&settings).is_ok());
        assert_eq!(names(&folder), Vec::<String>::new());
    }

    #[test]
    fn a_drive_is_a_number_in_the_outputs_file_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(dir.path());
        for permille in [1000, 412, 0] {
            board.drive(&order(0, permille, Cause::Start), CAUSE).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("fan")).unwrap(), format!("{permille}\n"));
        }
        assert_eq!(names(dir.path()), ["fan", "trace.jsonl"]);
    }

    #[test]
    fn the_trace_has_the_line_that_the_handbook_shows() {
        let dir = tempfile::tempdir().unwrap();
        board(dir.path()).drive(&order(0, 1000, Cause::Start), "desired version 0").unwrap();
        assert_eq!(
            trace(dir.path()),
            "{\"boottime_ns\":12000000345,\"output\":\"fan\",\"permille\":1000,\"cause\":\"desired version 0\"}\n"
        );
    }

    #[test]
    fn a_name_with_quotes_still_makes_a_line_of_json() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = Simulated::open(dir.path(), &[pin("the \"big\" fan\n")]).unwrap();
        board.drive(&order(0, 5, Cause::Start), CAUSE).unwrap();
        let text = trace(dir.path());
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["output"], "the \"big\" fan\n");
    }

    #[test]
    fn only_a_change_makes_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = board(dir.path());
        for (permille, cause) in [(300, Cause::Start), (300, Cause::Start), (400, Cause::Start)] {
            first.drive(&order(0, permille, cause), CAUSE).unwrap();
        }
        first.drive(&order(1, 400, Cause::Start), CAUSE).unwrap();
        assert_eq!(trace(dir.path()).lines().count(), 3);
        drop(first);
        board(dir.path()).drive(&order(0, 400, Cause::Stop), CAUSE).unwrap();
        assert_eq!(
            trace(dir.path()).lines().count(),
            4,
            "after a restart nothing is known, and the trace goes on"
        );
    }

    #[test]
    fn a_failed_drive_says_why_and_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(dir.path());
        board.drive(&order(0, 1000, Cause::Start), CAUSE).unwrap();
        let obstacle = dir.path().join(".fan.tmp");
        fs::create_dir(&obstacle).unwrap();
        let fault = board.drive(&order(0, 0, Cause::Start), CAUSE).unwrap_err();
        assert!(fault.reason.contains(".fan.tmp: Is a directory"), "{}", fault.reason);
        fs::remove_dir(&obstacle).unwrap();
        // The state was unknown in between, so even the old drive is written anew.
        fs::remove_file(dir.path().join("fan")).unwrap();
        board.drive(&order(0, 1000, Cause::Start), CAUSE).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("fan")).unwrap(), "1000\n");
    }

    #[test]
    fn a_full_trace_is_kept_once_as_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(dir.path());
        board.drive(&order(0, 1, Cause::Start), CAUSE).unwrap();
        let line_bytes = trace(dir.path()).len() as u64;
        board.trace_bytes_max = 2 * line_bytes;
        for permille in 2..=5 {
            board.drive(&order(0, permille, Cause::Start), CAUSE).unwrap();
        }
        assert_eq!(names(dir.path()), ["fan", "trace.jsonl", "trace.jsonl.1"]);
        assert!(trace(dir.path()).contains("\"permille\":5"));
        assert_eq!(trace(dir.path()).lines().count(), 1);
        assert_eq!(fs::read_to_string(dir.path().join(OLD_TRACE)).unwrap().lines().count(), 2);
    }

    #[test]
    fn names_that_cannot_be_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", ".fan.tmp", "../fan", "a/b", "trace.jsonl", "trace.jsonl.1", "a\0b"] {
            assert!(Simulated::open(dir.path(), &[pin(name)]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_output_that_the_board_does_not_have_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        assert!(board(dir.path()).drive(&order(2, 0, Cause::Start), CAUSE).is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let Err(fault) = Simulated::open(&dir.path().join("file"), &[]) else { panic!("opened a file") };
        assert!(fault.reason.starts_with("cannot make the folder"), "{}", fault.reason);
    }
}
