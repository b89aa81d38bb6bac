//! What `twind check` examines beyond the text: whether connections can be made with the files that `[hub]` names, and whether the
//! state directory and the sockets can be made. The daemon finds out by trying, and controls meanwhile.

use super::faults::Findings;
use super::files::Examination;
use super::spans::Span;
use crate::hub::Identity;
use crate::hub::azure::Source;
use crate::hub::link::HubSettings;
use crate::hub::wire::rehearse;
use rustix::fs::{Access, access};
use std::io;
use std::path::Path;

/// The longest path of a socket in Linux, without the final zero byte.
const SOCKET_PATH_MAX: usize = 107;

/// The places of the keys that name the files for connections.
pub(super) struct Keys {
    pub(super) header: Span,
    pub(super) certificate_file: Span,
    pub(super) private_key_file: Span,
    pub(super) ca_file: Span,
}

/// Makes the same TLS configuration as the daemon will.
pub(super) fn connections(hub: &HubSettings, keys: &Keys, findings: &Findings, look: Examination) {
    let identity = match &hub.source {
        Source::Assigned(account) => &account.identity,
        Source::Provisioned(by) => &by.identity,
    };
    for told in rehearse(identity, hub.ca_file.as_deref(), look.now) {
        let (at, say) = match told.path.as_deref() {
            None => (keys.header, told.reason),
            Some(path) => {
                let (key, at) = key_of(path, identity, hub, keys);
                (at, format!("`{key}` names {}: {}", path.display(), told.reason))
            }
        };
        if told.is_fault { findings.wrong(at, say) } else { findings.warn(at, say) }
    }
}

fn key_of(path: &Path, identity: &Identity, hub: &HubSettings, keys: &Keys) -> (&'static str, Span) {
    match identity {
        Identity::Certificate { private_key_file, .. } if path == private_key_file => {
            ("private-key-file", keys.private_key_file)
        }
        Identity::Certificate { certificate_file, .. } if path == certificate_file => {
            ("certificate-file", keys.certificate_file)
        }
        _ if hub.ca_file.as_deref() == Some(path) => ("ca-file", keys.ca_file),
        _ => ("certificate-file", keys.header),
    }
}

/// Can the daemon store the twin there?
pub(super) fn state_dir(path: &Path, at: Span, findings: &Findings) {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => findings.warn(
            at,
            format!(
                "[twin] state-dir: {shown} is not a directory, so the twin cannot be stored there: set another"
            ),
        ),
        Err(error) if is_missing(&error) => {
            if let Some(why) = cannot_make(path) {
                let say = format!(
                    "[twin] state-dir: the state directory {shown} is not there, and {why}: name one of this user's \
                     own with [twin] state-dir (the installed service has its own made by systemd)"
                );
                findings.warn(at, say);
            }
        }
        // This user may not look there, but the daemon's user may.
        Ok(_) | Err(_) => {}
    }
}

/// Can the daemon make a socket there, if there is nothing yet? The service judges what is there already.
pub(super) fn socket(path: &Path, at: Span, key: &str, findings: &Findings) {
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        let say = format!(
            "[local] {key}: the path is {length} bytes long, and the system allows a socket {SOCKET_PATH_MAX}: name a shorter \
             one with [local] {key}"
        );
        return findings.warn(at, say);
    }
    let is_there = std::fs::symlink_metadata(path);
    if let Some(why) = is_there.err().filter(is_missing).and_then(|_| cannot_make(path)) {
        let say = format!(
            "[local] {key}: {} cannot be created, since {why}: set another with [local] {key} (the installed service has \
             its folder made by systemd)",
            path.display()
        );
        findings.warn(at, say);
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Why this user cannot make a file or folder at a path where there is none.
fn cannot_make(path: &Path) -> Option<String> {
    let above = path.ancestors().skip(1).find(|above| above.exists())?;
    if !above.is_dir() {
        return Some(format!("{} is not a directory", above.display()));
    }
    let uid = rustix::process::geteuid().as_raw();
    access(above, Access::WRITE_OK | Access::EXEC_OK)
        .err()
        .map(|error| format!("this user (uid {uid}) cannot create it in {}: {error}", above.display()))
}
