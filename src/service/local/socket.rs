//! The socket in the file system: it appears whole, and only its owner removes it.
//!
//! Its mode alone decides who may connect. The socket of a dead daemon is replaced; one that a process listens on, or a file that
//! is no socket, is not.

use crate::store::{Liveness, Process};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Any access of those who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

/// The socket's file, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another daemon's file at the same place is not ours.
    id: (u64, u64),
}

/// Listens at `path`, which gets this mode.
///
/// # Errors
/// When something else is there, or the system refuses.
pub(super) fn listen(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    check_free(path)?;
    // Bound under another name and renamed, so that it appears under its path with the right mode. The other name is short,
    // because the system allows a socket's path 107 bytes.
    let made = folder.join(format!(".{}", std::process::id()));
    drop(fs::remove_file(&made));
    let listener = UnixListener::bind(&made)?;
    let named = fs::set_permissions(&made, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&made, path))
        .and_then(|()| fs::symlink_metadata(path));
    if named.is_err() {
        drop(fs::remove_file(&made));
    }
    let id = named.map(|file| (file.dev(), file.ino()))?;
    Ok((listener, SocketFile { path: path.to_owned(), id }))
}

/// Checks that there is nothing, or the socket of a dead daemon.
fn check_free(path: &Path) -> io::Result<()> {
    if let Some(reason) = obstacle(path)? {
        return Err(io::Error::other(reason));
    }
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(rustix::io::Errno::CONNREFUSED) => Ok(()),
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Ok(()) if is_dead(&probe) => Ok(()),
        // A full queue means that somebody listens, too.
        Ok(()) | Err(rustix::io::Errno::AGAIN) => {
            Err(io::Error::other("another process listens on it; stop that one, or name another path"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Was the listener killed? A killed process that hangs in the kernel keeps its sockets and never answers.
fn is_dead(connected: &OwnedFd) -> bool {
    let listener =
        socket_peercred(connected).ok().and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok());
    listener.and_then(Process::of).is_some_and(|listener| listener.liveness() == Liveness::Dead)
}

/// What is at the path that is no socket.
fn obstacle(path: &Path) -> io::Result<Option<String>> {
    let kind = match fs::symlink_metadata(path) {
        Ok(file) => file.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let what = match kind {
        kind if kind.is_socket() => return Ok(None),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_file() => "a file",
        _ => "something other than a socket",
    };
    Ok(Some(format!("{what} has this name; remove it, or name another path")))
}

/// A warning about a socket's path, as far as can be seen without connecting: something else is there, or the socket for orders is
/// open to all users.
pub fn remark(path: &Path, is_for_orders: bool) -> Option<String> {
    // No warning if it cannot be seen: the folder may not exist yet, or belong to another user.
    if let Some(reason) = obstacle(path).ok()? {
        return Some(format!("no daemon can listen on {}: {reason}", path.display()));
    }
    let mode = fs::symlink_metadata(path).ok()?.mode() & 0o777;
    (is_for_orders && mode & OTHERS != 0).then(|| {
        let path = path.display();
        format!(
            "{path} has mode {mode:04o}: every user of this machine may override outputs by it; run `chmod o= {path}`, and set \
             `look-socket` in [local] for users who only read"
        )
    })
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
    async fn a_socket_has_its_mode_and_is_gone_when_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/deep/s");
        let (_listener, file) = listen(&path, 0o660).unwrap();
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
        let (_listener, _file) = listen(&path, 0o660).unwrap();
        let refused = listen(&path, 0o660).unwrap_err().to_string();
        assert!(refused.contains("another process"), "{refused}");
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_became_anothers_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (_listener, file) = listen(&path, 0o660).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_is_in_the_way_or_open_to_all_is_remarked_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert_eq!(remark(&path, true), None);
        let (_listener, file) = listen(&path, 0o660).unwrap();
        assert_eq!(remark(&path, true), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let told = remark(&path, true).unwrap();
        assert!(told.contains("mode 0666") && told.contains("chmod o= "), "{told}");
        assert_eq!(remark(&path, false), None, "that is what a socket to look at is for");
        drop(file);
        fs::create_dir(&path).unwrap();
        assert!(remark(&path, false).unwrap().contains("a directory has this name"));
    }

    #[tokio::test]
    async fn what_is_no_socket_is_named_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "important").unwrap();
        fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("link")).unwrap();
        for (name, what) in [("file", "a file"), ("folder", "a directory"), ("link", "a symbolic link")] {
            let refused = listen(&path(name), 0o660).unwrap_err().to_string();
            assert!(refused.starts_with(what) && refused.contains("remove it"), "{refused}");
            assert!(fs::symlink_metadata(path(name)).is_ok());
        }
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "important");
    }
}
