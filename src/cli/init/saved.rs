//! A new file that is there whole or not at all, and never in the place of another.

use crate::files;
use rustix::fs::{AtFlags, CWD, Gid, RenameFlags, chownat, renameat_with};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// As the package installs `/etc/twind.toml`.
const MODE: u32 = 0o640;
/// The group of the service's user, which reads it.
const GROUP: &str = "twind";
const GROUPS: &str = "/etc/group";
/// More than any machine has.
const GROUPS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Writes a new file; it is durable when this returns. Its group is the service's, if there is one and this user may set that.
///
/// # Errors
/// The system's. Nothing is left behind.
pub(super) fn save(path: &Path, text: &str) -> io::Result<()> {
    let temporary = temporary(path)?;
    let result = write(&temporary, text).and_then(|()| place(&temporary, path));
    if result.is_err() {
        drop(fs::remove_file(&temporary));
    }
    result
}

/// The group of the service's user, if there is one and the file does not have it.
pub(super) fn wanted_group(path: &Path) -> Option<&'static str> {
    let group = group()?;
    let has_it = fs::metadata(path).is_ok_and(|file| file.gid() == group.as_raw());
    (!has_it).then_some(GROUP)
}

/// A hidden name beside the file.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(hidden))
}

fn write(temporary: &Path, text: &str) -> io::Result<()> {
    let mut file = files::create(temporary, MODE)?;
    if let Some(group) = group() {
        // A user who may not set it gets a message.
        let _ = chownat(CWD, temporary, None, Some(group), AtFlags::SYMLINK_NOFOLLOW);
    }
    // Whatever the umask takes away.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Gives the file its name, unless something has it.
fn place(temporary: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; a second name does not replace either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(temporary, path)?;
            fs::remove_file(temporary)?;
        }
        renamed => renamed?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn group() -> Option<Gid> {
    let (bytes, _) = files::read(Path::new(GROUPS), GROUPS_BYTES_MAX).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let entry = text.lines().find_map(|line| line.strip_prefix(GROUP)?.strip_prefix(':'))?;
    entry.split(':').nth(1)?.parse().ok().map(Gid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_whole_and_for_its_owner_and_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("twind.toml");
        save(&path, "text\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "text\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(folder.path()), ["twind.toml"]);
    }

    #[test]
    fn nothing_is_replaced_and_nothing_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, inner] = ["file", "link", "folder"].map(|name| folder.path().join(name));
        fs::write(&file, "mine").unwrap();
        symlink("/nowhere", &link).unwrap();
        fs::create_dir(&inner).unwrap();
        for path in [&file, &link, &inner] {
            let fault = save(path, "text").unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::AlreadyExists, "{path:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(names(folder.path()), ["file", "folder", "link"]);
        let nowhere = save(&folder.path().join("no/file"), "text").unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
    }
}
