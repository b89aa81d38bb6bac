//! The socket in the file system: made so that nobody meets it half made, and given up only by its owner.
//!
//! Mode 0660: whoever may write to it may connect. What a dead daemon left is replaced, what a living one listens on is
//! not, nor anything that is no socket. Deliberately absent: clients.

use crate::store::{Life, Process};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Who may connect: owner and group.
const MODE: u32 = 0o660;

/// The file, for as long as it is ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another daemon's file at the same place is not ours.
    id: (u64, u64),
}

/// Listens at `path`.
///
/// # Errors
/// When something else is there, or the system refuses.
pub(super) fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    check_free(path)?;
    // Bound under another name and renamed, so that the name never leads to a socket that nobody may use yet. The name
    // is short, because the system allows a socket's path 107 bytes.
    let made = folder.join(format!(".{}", std::process::id()));
    drop(fs::remove_file(&made));
    let listener = UnixListener::bind(&made)?;
    let named = fs::set_permissions(&made, fs::Permissions::from_mode(MODE))
        .and_then(|()| fs::rename(&made, path))
        .and_then(|()| fs::symlink_metadata(path));
    if named.is_err() {
        drop(fs::remove_file(&made));
    }
    let id = named.map(|file| (file.dev(), file.ino()))?;
    Ok((listener, SocketFile { path: path.to_owned(), id }))
}

/// Is there nothing, or what a dead daemon left?
fn check_free(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !file.file_type().is_socket() {
        return Err(io::Error::other("something else has this name"));
    }
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(rustix::io::Errno::CONNREFUSED) => Ok(()),
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Ok(()) if is_dead(&probe) => Ok(()),
        // One that has no room in its queue lives, too.
        Ok(()) | Err(rustix::io::Errno::AGAIN) => Err(io::Error::other("another process listens on it")),
        Err(error) => Err(error.into()),
    }
}

/// A process that was killed and hangs in the kernel keeps its sockets, and never answers.
fn is_dead(connected: &OwnedFd) -> bool {
    let listener =
        socket_peercred(connected).ok().and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok());
    listener.and_then(Process::of).is_some_and(|listener| listener.life() == Life::Dead)
}

impl SocketFile {
    /// May this user put hands on outputs? Whoever could connect to a socket of mode 0660 may. If somebody opened it to
    /// all, for them to read the status, then only root, the daemon's own user and the group that it is of.
    pub(super) fn may_override(&self, uid: u32, gid: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        fs::symlink_metadata(&self.path)
            .is_ok_and(|file| may_override((uid, gid), own, (file.gid(), file.mode())))
    }
}

fn may_override((uid, gid): (u32, u32), own: u32, (group, mode): (u32, u32)) -> bool {
    mode & 0o002 == 0 || uid == 0 || uid == own || gid == group
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.id) {
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn a_socket_is_for_owner_and_group_and_gone_when_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/deep/s");
        let (_listener, file) = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_dead_daemon_left_is_replaced_and_what_lives_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err(), "a file without a listener");
        let (_listener, _file) = listen(&path).unwrap();
        let refused = listen(&path).unwrap_err().to_string();
        assert!(refused.contains("another process"), "{refused}");
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(&path, "important").unwrap();
        assert!(listen(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "important");
    }

    #[tokio::test]
    async fn a_file_that_became_anothers_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (_listener, file) = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn a_socket_open_to_all_is_not_for_all_to_override_by() {
        let (own, group) = (500, 600);
        for (user, mode, may) in [
            ((1000, 1000), 0o660, true),
            ((1000, 1000), 0o666, false),
            ((1000, group), 0o666, true),
            ((own, 1000), 0o666, true),
            ((0, 0), 0o666, true),
        ] {
            assert_eq!(may_override(user, own, (group, mode)), may, "{user:?} {mode:o}");
        }
    }
}
