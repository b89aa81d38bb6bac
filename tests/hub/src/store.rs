//! The stored state, which survives a restart of the program: keys, devices, twins and subscriptions, as one JSON file.

use crate::state::State;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The name of the file in the folder.
pub(crate) const FILE: &str = "state.json";

/// Reads the state stored in `folder`, if there is one.
pub(crate) fn load(folder: &Path) -> io::Result<Option<State>> {
    match fs::read(folder.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores the state in `folder`.
pub(crate) fn save(folder: &Path, state_json: &[u8]) -> io::Result<()> {
    write_atomically(&folder.join(FILE), state_json, 0o600)
}

/// Replaces a file as a whole: after a crash too, a reader finds the old content or the new.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = folder.join(name);
    // A leftover file may have other permissions, which opening it would keep.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}
