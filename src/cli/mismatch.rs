//! Does the daemon that answers use the file that the command was given? Several daemons may share a socket's path, one
//! after the other.

use super::ask::ask_status;
use crate::config::LocalSettings;
use crate::service::DaemonStatus;
use serde::Deserialize as _;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Asks the daemon that answers, and gives the message if it uses another file; `None` also if none answers.
pub fn ask(local: &LocalSettings) -> Option<String> {
    compare(&ask_status(local, Some(0)).ok()?, &local.file)
}

/// The message if the daemon that sent this status uses another file; `None` if it does not, or does not say.
pub(super) fn compare(status: &Value, file: &Path) -> Option<String> {
    let DaemonStatus { configuration, pid, .. } = DaemonStatus::deserialize(status).ok()?;
    report(Path::new(&configuration?), pid.into(), file)
}

/// The message if a daemon uses another file than this one.
pub(super) fn report(theirs: &Path, pid: u64, file: &Path) -> Option<String> {
    let (shown, file) = (theirs.display(), real(file));
    let is_same = real(theirs) == file;
    (!is_same).then(|| {
        format!("the daemon that answers (pid {pid}) uses the configuration {shown}, not {}", file.display())
    })
}

fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_daemon_of_another_file_is_told_and_one_of_this_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let status = |path: &Path| json!({ "pid": 7, "configuration": path });
        assert_eq!(compare(&status(&file), &file), None);
        assert_eq!(compare(&status(&file), &link), None, "by another name");
        let told = compare(&status(Path::new("/etc/other.toml")), &file).unwrap();
        assert!(
            told.starts_with("the daemon that answers (pid 7) uses the configuration /etc/other.toml, not "),
            "{told}"
        );
        assert_eq!(compare(&json!({ "pid": 7 }), &file), None, "an older daemon does not say");
    }
}
