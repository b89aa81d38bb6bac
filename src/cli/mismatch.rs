//! Whose daemon answers: the socket is found by a file, and the daemon behind it may be another's.

use super::ask::ask_status;
use crate::config::LocalSettings;
use crate::service::DaemonStatus;
use std::path::{Path, PathBuf};

/// Asks the daemon that answers, and says what to say if it runs by another file; `None` also if none answers.
pub fn ask(local: &LocalSettings) -> Option<String> {
    compare(&ask_status(local, Some(0)).ok()?.1, &local.file)
}

/// What to say if the daemon whose status this is does not run by the file that was named; `None` if it does, or if it does
/// not say.
pub(super) fn compare(status: &DaemonStatus, file: &Path) -> Option<String> {
    let theirs = Path::new(status.configuration.as_deref()?);
    if real(theirs) == real(file) {
        return None;
    }
    Some(format!(
        "the daemon that answers (pid {}) runs by {}, not by {}",
        status.pid,
        theirs.display(),
        real(file).display()
    ))
}

fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_of_another_file_is_told_and_one_of_this_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let status = |path: &Path| DaemonStatus {
            pid: 7,
            configuration: Some(path.to_string_lossy().into_owned()),
            ..DaemonStatus::default()
        };
        assert_eq!(compare(&status(&file), &file), None);
        assert_eq!(compare(&status(&file), &link), None, "by another name");
        let told = compare(&status(Path::new("/etc/other.toml")), &file).unwrap();
        assert!(
            told.starts_with("the daemon that answers (pid 7) runs by /etc/other.toml, not by "),
            "{told}"
        );
        assert_eq!(
            compare(&DaemonStatus { pid: 7, ..DaemonStatus::default() }, &file),
            None,
            "an older daemon does not say"
        );
    }
}
