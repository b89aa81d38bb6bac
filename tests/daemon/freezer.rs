//! A disk that hangs: a file system of its own, frozen by the kernel.

use crate::rig::{Daemon, Rig};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

/// A file system of its own for the state directory, which can be frozen. Gone with this value.
pub(crate) struct Freezer {
    place: PathBuf,
    frozen: bool,
}

fn succeeds(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
}

impl Freezer {
    pub(crate) fn new(rig: &Rig, name: &str) -> Option<Self> {
        let (image, place) = (rig.path("image"), rig.path(name));
        fs::create_dir_all(&place).unwrap();
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let (image, at) = (image.to_str().unwrap().to_owned(), place.to_str().unwrap().to_owned());
        let made = succeeds("mkfs.ext4", &["-q", &image]) && succeeds("mount", &["-o", "loop", &image, &at]);
        made.then_some(Self { place, frozen: false })
    }

    pub(crate) fn freeze(&mut self) -> bool {
        self.frozen = succeeds("fsfreeze", &["-f", self.place.to_str().unwrap()]);
        self.frozen
    }

    pub(crate) fn thaw(&mut self) {
        if core::mem::take(&mut self.frozen) {
            assert!(succeeds("fsfreeze", &["-u", self.place.to_str().unwrap()]));
        }
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        let unmounts = || succeeds("umount", &[self.place.to_str().unwrap()]);
        // Processes that hang on it must end first.
        for _ in 0..100 {
            if unmounts() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}

/// Daemons on a disk that may hang. Fields are dropped in order: a process that hangs on the disk cannot end before the disk
/// is thawed.
pub(crate) struct Hanging {
    pub(crate) disk: Freezer,
    pub(crate) daemons: Vec<Daemon>,
}
