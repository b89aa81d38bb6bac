//! What `twind check` examines beyond the text: whether connections can be made with the files that `[hub]` names, and whether the
//! state directory and the sockets can be made. The daemon finds out by trying, and controls meanwhile.

use super::codes::Code;
use super::faults::Findings;
use super::files::Examination;
use super::spans::Span;
use crate::files;
use crate::hub::Identity;
use crate::hub::azure::Source;
use crate::hub::link::HubSettings;
use crate::hub::wire::rehearse;
use rustix::fs::{Access, access};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The longest path of a socket in Linux, without the final zero byte.
const SOCKET_PATH_MAX: usize = 107;

/// The user that `systemd/twind.sysusers` makes.
const DAEMONS_USER: &str = "twind";
/// More users than a gateway has.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

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
        let reason = Code::Credentials.because(say);
        if told.is_fault { findings.wrong(at, reason) } else { findings.warn(at, reason) }
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
            Code::Place.because(format!(
                "[twin] state-dir: {shown} is not a directory, so the twin cannot be stored there: set another"
            )),
        ),
        Err(error) if is_missing(&error) => {
            if let Some(why) = cannot_make(path) {
                let say = format!(
                    "[twin] state-dir: the state directory {shown} is not there, and {why}: name one of this user's \
                     own with [twin] state-dir (the installed service has its own made by systemd)"
                );
                findings.warn(at, Code::Place.because(say));
            }
        }
        Ok(found) => {
            let user = rustix::process::geteuid().as_raw();
            let refused = refused(path);
            if refused == Some(rustix::io::Errno::ROFS) {
                let say = format!(
                    "[twin] state-dir: {shown} is on a file system that is mounted read-only, so the twin cannot be stored \
                     there: remount it writable, or name another with [twin] state-dir"
                );
                findings.warn(at, Code::Place.because(say));
            }
            let is_denied = || refused == Some(rustix::io::Errno::ACCESS);
            if is_nobodys_here(&found, user, daemons_user) && is_denied() {
                let say = format!(
                    "[twin] state-dir: the state directory {shown} belongs to uid {}, and this user (uid {user}) may not \
                     write there: if twind is to run as this user, `chown -R {user} {shown}`, or name another with \
                     [twin] state-dir",
                    found.uid()
                );
                findings.warn(at, Code::Place.because(say));
            }
        }
        // This user may not look there, but the daemon's user may.
        Err(_) => {}
    }
}

/// Is this a directory that only its owner may write, who is neither this user nor the service's?
fn is_nobodys_here(dir: &Metadata, user: u32, daemons_user: impl Fn() -> Option<u32>) -> bool {
    // A group that may write there may be that of the daemon.
    let may_others_write = dir.mode() & 0o022 != 0;
    !may_others_write && dir.uid() != user && daemons_user() != Some(dir.uid())
}

/// The user that the installed service runs as, if the system has it.
fn daemons_user() -> Option<u32> {
    let (users, _) = files::read(Path::new("/etc/passwd"), PASSWD_BYTES_MAX).ok()?;
    uid_of(DAEMONS_USER, &String::from_utf8_lossy(&users))
}

/// The number of a user, by a list as `passwd(5)` has it.
fn uid_of(name: &str, users: &str) -> Option<u32> {
    let line = users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name));
    line?.nth(2)?.parse().ok()
}

/// Can the simulated board drive files there?
pub(super) fn board_folder(path: &Path, at: Span, findings: &Findings) {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        let say = format!(
            "[board] folder: {} is not a directory, so no output can be driven: name another",
            path.display()
        );
        findings.warn(at, Code::Place.because(say));
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
        return findings.warn(at, Code::Place.because(say));
    }
    let is_there = std::fs::symlink_metadata(path);
    if let Some(why) = is_there.err().filter(is_missing).and_then(|_| cannot_make(path)) {
        let say = format!(
            "[local] {key}: {} cannot be created, since {why}: set another with [local] {key} (the installed service has \
             its folder made by systemd)",
            path.display()
        );
        findings.warn(at, Code::Place.because(say));
    }
}

/// Can the daemon write the metrics there, where node_exporter reads them? The service judges what is there already.
/// `runtime` is the folder that the daemon makes itself.
pub(super) fn metrics_file(path: &Path, runtime: &Path, at: Span, findings: &Findings) {
    let (shown, folder) = (path.display(), path.parent().unwrap_or(path));
    if path.extension() != Some("prom".as_ref()) {
        let say = format!(
            "[local] metrics-file: node_exporter reads only files whose names end in .prom, found {shown}"
        );
        findings.warn(at, Code::NoEffect.because(say));
    }
    let folder_shown = folder.display();
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            let say = format!(
                "[local] metrics-file: {shown} cannot be written, since {folder_shown} is not a directory: name another path"
            );
            findings.warn(at, Code::Place.because(say));
        }
        Ok(_) if refused(folder) == Some(rustix::io::Errno::ROFS) => {
            let say = format!(
                "[local] metrics-file: {folder_shown} is on a file system that is mounted read-only: name a file in {}",
                runtime.display()
            );
            findings.warn(at, Code::Place.because(say));
        }
        Ok(found) => {
            if let Some(user) = who_may_not_write(folder, &found) {
                let say = format!(
                    "[local] metrics-file: the directory {folder_shown} belongs to uid {}, and the daemon as uid {user} may not \
                     write there: let that user make files in it, or name a file in {}",
                    found.uid(),
                    runtime.display()
                );
                findings.warn(at, Code::Place.because(say));
            }
        }
        Err(error) if is_missing(&error) && folder != runtime => {
            let say = format!(
                "[local] metrics-file: the directory {folder_shown} is not there, and the daemon does not make it: \
                 `mkdir -p {folder_shown}`, or name another path"
            );
            findings.warn(at, Code::Place.because(say));
        }
        // Made at the start, or this user may not look there.
        Err(_) => {}
    }
}

/// The user of the daemon, if it may not write to a directory: who runs this, or for root the service's user.
fn who_may_not_write(dir: &Path, found: &Metadata) -> Option<u32> {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return daemons_user().filter(|daemon| is_nobodys_here(found, *daemon, || None));
    }
    let user = user.as_raw();
    let is_denied = || refused(dir) == Some(rustix::io::Errno::ACCESS);
    (is_nobodys_here(found, user, daemons_user) && is_denied()).then_some(user)
}

/// Why this user may not make files in a directory.
fn refused(dir: &Path) -> Option<rustix::io::Errno> {
    access(dir, Access::WRITE_OK | Access::EXEC_OK).err()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\ntwinder:x:7:7:::\ntwind:x:995:990:daemon:/:/x\nodd\n\n";
        assert_eq!(uid_of("twind", users), Some(995));
        assert_eq!(uid_of("root", users), Some(0));
        assert_eq!(uid_of("wind", users), None);
        assert_eq!(uid_of("odd", users), None);
    }

    #[test]
    fn a_directory_of_the_daemons_user_or_of_a_group_is_not_remarked_on() {
        let dir = tempfile::tempdir().unwrap();
        let found = |mode| {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            fs::metadata(dir.path()).unwrap()
        };
        let owner = found(0o700).uid();
        for (mode, user, daemons, wanted) in [
            (0o755, owner + 1, None, true),
            (0o755, owner + 1, Some(owner + 2), true),
            (0o700, owner, None, false),
            (0o755, owner + 1, Some(owner), false),
            (0o770, owner + 1, None, false),
        ] {
            assert_eq!(
                is_nobodys_here(&found(mode), user, || daemons),
                wanted,
                "{mode:o} {user} {daemons:?}"
            );
        }
    }
}
