//! A journal's socket in a mount namespace of the daemon's own, and the entries that come there.

use crate::rig::Rig;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

/// More than an entry takes.
const ENTRY_BYTES: usize = 65536;

/// The fields of an entry.
pub(crate) type Entry = BTreeMap<String, String>;

/// The socket.
pub(crate) struct Journal(UnixDatagram);

impl Journal {
    /// The socket, and the command of a daemon that takes it for the system's; `None` where that is not permitted.
    #[expect(clippy::print_stdout, reason = "who looks wants to know that it was not tried")]
    pub(crate) fn of(rig: &Rig) -> Option<(Self, Command)> {
        let allowed = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
        if !allowed.is_ok_and(|status| status.success()) {
            println!("skipped: a mount namespace takes root");
            return None;
        }
        fs::create_dir(rig.path("journal")).unwrap();
        let socket = UnixDatagram::bind(rig.path("journal/socket")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        const MOUNTED: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && \
                               mount --bind \"$0\" /run/systemd/journal && exec \"$@\"";
        let run = rig.command(&["run"]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", MOUNTED]).arg(rig.path("journal"));
        command.arg(run.get_program()).args(run.get_args());
        for (name, value) in run.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("JOURNAL_STREAM", "1:2").stdin(Stdio::null());
        Some((Self(socket), command))
    }

    /// The next entry with such a field.
    pub(crate) fn entry_with(&self, field: &str, is_right: impl Fn(&str) -> bool) -> Entry {
        let mut bytes = vec![0; ENTRY_BYTES];
        loop {
            let length = self.0.recv(&mut bytes).unwrap();
            let entry = parse(&bytes[..length]);
            if entry.get(field).is_some_and(|value| is_right(value)) {
                return entry;
            }
        }
    }
}

/// Reads an entry of the journal's native protocol: `NAME=value`, or the name, eight bytes of length and the value.
fn parse(mut bytes: &[u8]) -> Entry {
    let mut entry = Entry::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            entry.insert(name.to_owned(), value.to_owned());
        } else if let Some((length, rest)) = bytes.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            entry.insert(line, String::from_utf8_lossy(&rest[..length]).into_owned());
            bytes = &rest[length + 1..];
        }
    }
    entry
}
