//! The disk below the state directory: it fills up, becomes read-only and comes back.
//!
//! Where mounting is permitted it is a small file system of its own, in a mount namespace that ends with this process, so
//! that nothing is ever left mounted. Where it is not, a file takes the directory's place for a while, which is another
//! fault with the same effect.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const INSIDE: &str = "TWIND_CHAOS_INSIDE";

/// Starts this program again in a mount namespace of its own, if that is permitted.
pub(crate) fn enter_namespace() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    for options in [&["--mount"][..], &["--map-root-user", "--mount"]] {
        let works = Command::new("unshare").args(options).arg("true").stderr(Stdio::null()).status();
        if works.is_ok_and(|status| status.success()) {
            let program = std::env::current_exe().unwrap();
            // It returns only if it failed.
            let _ = Command::new("unshare").args(options).arg(program).args(&words).env(INSIDE, "1").exec();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    Full,
    ReadOnly,
}

pub(crate) struct Disk {
    dir: PathBuf,
    mounted: bool,
    trouble: Option<Trouble>,
}

impl Disk {
    /// Makes the state directory.
    pub(crate) fn new(dir: PathBuf) -> Self {
        fs::create_dir(&dir).unwrap();
        let inside = std::env::var_os(INSIDE).is_some();
        let mounted = inside && mount(&["-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs"], &dir);
        Self { dir, mounted, trouble: None }
    }

    pub(crate) fn is_mounted(&self) -> bool {
        self.mounted
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// May a daemon be started now? A read-only mount hides its state.
    pub(crate) fn can_start(&self) -> bool {
        self.trouble.is_none() || (self.mounted && self.trouble == Some(Trouble::Full))
    }

    pub(crate) fn break_down(&mut self, trouble: Trouble) {
        if self.trouble.is_some() {
            return;
        }
        self.trouble = Some(trouble);
        match trouble {
            _ if !self.mounted => {
                fs::rename(&self.dir, self.away()).unwrap();
                fs::write(&self.dir, "").unwrap();
            }
            Trouble::Full => {
                let mut filler = fs::File::create(self.filler()).unwrap();
                for portion in [4096, 1] {
                    while filler.write_all(&vec![b'x'; portion]).is_ok() {}
                }
            }
            // A remount would fail, because the daemon has its lock open for writing.
            Trouble::ReadOnly => {
                assert!(
                    mount(&["-t", "tmpfs", "-o", "ro,size=64k", "tmpfs"], &self.dir),
                    "it was permitted before"
                );
            }
        }
    }

    pub(crate) fn mend(&mut self) {
        match self.trouble.take() {
            None => {}
            Some(_) if !self.mounted => {
                fs::remove_file(&self.dir).unwrap();
                fs::rename(self.away(), &self.dir).unwrap();
            }
            Some(Trouble::Full) => fs::remove_file(self.filler()).unwrap(),
            // A lazy unmount, because the daemon may be using it.
            Some(Trouble::ReadOnly) => {
                assert!(Command::new("umount").arg("--lazy").arg(&self.dir).status().unwrap().success());
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }

    fn away(&self) -> PathBuf {
        self.dir.with_extension("away")
    }
}

fn mount(words: &[&str], dir: &std::path::Path) -> bool {
    let status = Command::new("mount").args(words).arg(dir).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.mend();
        if self.mounted {
            let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
        }
    }
}
