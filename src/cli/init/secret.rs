//! The file of the connection string: where it belongs, and whether it is there. Its content is not looked at.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// See the module.
pub(super) struct Secret {
    /// For a person.
    pub(super) path: PathBuf,
    pub(super) is_there: Option<bool>,
}

impl Secret {
    /// As the configuration names it; relative, so that the service finds it among its credentials.
    pub(super) const NAME: &'static str = "twind/connection-string";

    /// Of a configuration in this folder, which is below `root`.
    pub(super) fn beside(folder: &Path, root: &Path) -> Self {
        let path = folder.join(Self::NAME);
        let looked = root.join(path.strip_prefix("/").unwrap_or(&path));
        let is_there = match fs::metadata(looked) {
            Ok(found) => Some(found.is_file()),
            Err(fault) if fault.kind() == ErrorKind::NotFound => Some(false),
            Err(_) => None,
        };
        Self { path, is_there }
    }

    /// What makes it.
    pub(super) fn command(&self) -> String {
        format!("sudo install -D -m 600 /dev/stdin {}", self.path.display())
    }

    /// For the starting file.
    pub(super) fn state(&self) -> String {
        let path = self.path.display();
        match self.is_there {
            Some(true) => format!("{path} is there."),
            Some(false) => {
                format!("{path} is missing: `{}`, paste it, then Enter and Ctrl-D.", self.command())
            }
            None => format!("Whether {path} is there this user may not see."),
        }
    }
}
