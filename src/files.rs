//! Reads and writes regular files and nothing else: opening a pipe would block until somebody is at its other end, and opening a
//! device can have effects. A disk that hangs is the caller's matter.

use core::fmt;
use rustix::fs::OFlags;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The system refused.
    System(io::Error),
    /// It is no regular file but this.
    NotAFile(Kind),
    /// It has more bytes than these.
    TooLarge(u64),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(reason) => reason.fmt(f),
            Self::NotAFile(kind) => write!(f, "it is no regular file but {kind}"),
            Self::TooLarge(bytes) => write!(f, "it is larger than {}", Size(*bytes)),
        }
    }
}

/// A kind of file that is not regular.
#[derive(Debug)]
pub(crate) struct Kind(FileType);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            kind if kind.is_dir() => "a directory",
            kind if kind.is_fifo() => "a named pipe",
            kind if kind.is_socket() => "a socket",
            kind if kind.is_symlink() => "a symbolic link",
            kind if kind.is_char_device() || kind.is_block_device() => "a device",
            _ => "something else",
        })
    }
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes.is_multiple_of(1 << 20) => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), Unread> {
    // Before opening, since opening a device can have effects and a socket cannot be opened.
    check(&fs::metadata(path).map_err(Unread::System)?)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(Unread::System)?;
    // And after it, because the file may have been replaced.
    let found = file.metadata().map_err(Unread::System)?;
    check(&found)?;
    Ok((file, found))
}

/// Is it a regular file?
pub(crate) fn check(found: &Metadata) -> Result<(), Unread> {
    if found.is_file() { Ok(()) } else { Err(Unread::NotAFile(Kind(found.file_type()))) }
}

/// Reads a regular file of at most so many bytes. A longer one is refused, since half of it may mean something else.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<(Vec<u8>, Metadata), Unread> {
    let (file, found) = open(path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(Unread::System)?;
    if bytes.len() as u64 > bytes_max { Err(Unread::TooLarge(bytes_max)) } else { Ok((bytes, found)) }
}

/// Makes an empty file, in place of anything but a folder.
///
/// # Errors
/// The system's.
pub(crate) fn create(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().write(true).create_new(true).mode(mode).open(path),
    }
}

/// Opens a regular file to write at its end, and makes it if there is none.
pub(crate) fn append(path: &Path) -> Result<File, Unread> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).custom_flags(flags).open(path);
    let file = file.map_err(|reason| match fs::metadata(path) {
        // The system names only what it cannot do with it.
        Ok(found) if !found.is_file() => Unread::NotAFile(Kind(found.file_type())),
        _ => Unread::System(reason),
    })?;
    check(&file.metadata().map_err(Unread::System)?)?;
    Ok(file)
}

/// Opens a regular file to write anywhere in it. `make`: the mode of a new one if there is none.
pub(crate) fn edit(path: &Path, make: Option<u32>) -> Result<File, Unread> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.write(true).create(make.is_some()).truncate(false).mode(make.unwrap_or(0)).custom_flags(flags);
    let file = options.open(path).map_err(|reason| match fs::metadata(path) {
        // The system names only what it cannot do with it.
        Ok(found) if !found.is_file() => Unread::NotAFile(Kind(found.file_type())),
        _ => Unread::System(reason),
    })?;
    check(&file.metadata().map_err(Unread::System)?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mknodat};
    use std::io::Write as _;

    fn told(path: &Path) -> String {
        read(path, 4096).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("value");
        for (length, fits) in [(0, true), (63, true), (64, true), (65, false)] {
            fs::write(&path, vec![b'x'; length]).unwrap();
            assert_eq!(read(&path, 64).ok().map(|(bytes, _)| bytes.len()), fits.then_some(length));
        }
        assert_eq!(read(&path, 64).unwrap_err().to_string(), "it is larger than 64 bytes");
        fs::write(&path, vec![b'x'; 5000]).unwrap();
        assert_eq!(told(&path), "it is larger than 4 KiB");
        assert_eq!(Size(1 << 20).to_string(), "1 MiB");
    }

    #[test]
    fn what_is_written_replaces_a_pipe_and_is_never_added_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let refused = |path: &Path| append(path).unwrap_err().to_string();
        assert_eq!(refused(&pipe), "it is no regular file but a named pipe");
        // With somebody at its other end the system would let it be opened.
        let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        assert_eq!(refused(&pipe), "it is no regular file but a named pipe");
        assert_eq!(refused(dir.path()), "it is no regular file but a directory");
        for text in ["a", "b"] {
            create(&pipe, 0o600).unwrap().write_all(text.as_bytes()).unwrap();
            append(&pipe).unwrap().write_all(b"+").unwrap();
            assert_eq!(fs::read_to_string(&pipe).unwrap(), format!("{text}+"));
        }
        assert!(create(dir.path(), 0o600).is_err());
    }

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(told(dir.path()), "it is no regular file but a directory");
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(told(&pipe), "it is no regular file but a named pipe");
        assert_eq!(told(Path::new("/dev/zero")), "it is no regular file but a device");
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(told(&socket), "it is no regular file but a socket");
        assert!(matches!(open(&dir.path().join("absent")), Err(Unread::System(_))));
    }
}
