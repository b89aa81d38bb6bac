//! How commands ask the running daemon: one call over its local socket, and each way to fail by its name.

use crate::config::LocalSettings;
use crate::service::INTERFACE;
use crate::service::varlink::{Call, CallError, Inbox, read_reply};
use core::fmt;
use core::time::Duration;
use serde_json::Value;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Answers take milliseconds; a daemon that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read: the largest twin takes half of it.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// Nobody listens there.
    NoDaemon(PathBuf),
    /// This user may not speak to the daemon, or not ask this of it.
    Denied(PathBuf),
    /// The daemon has as many clients as it bears.
    Busy,
    /// The daemon does not take it: its error, with what it tells.
    Refused(CallError),
    /// Somebody listens, but does not answer as a daemon should.
    Silent(PathBuf, io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDaemon(socket) => write!(
                f,
                "no daemon listens on {}: start it (systemctl start twind), or name its configuration with --config",
                socket.display()
            ),
            Self::Denied(socket) => write!(
                f,
                "you may not do this at {}; ask as root or as a member of the socket's group (`sudo adduser USER twind`, then \
                 log in anew)",
                socket.display()
            ),
            Self::Busy => f.write_str("the daemon has too many clients just now; try again"),
            Self::Refused(CallError { name, parameters }) => write!(f, "the daemon says {name} {parameters}"),
            Self::Silent(socket, reason) => write!(
                f,
                "the daemon at {} does not answer: {reason}; systemctl status twind tells how it is",
                socket.display()
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// Calls a method of the daemon that changes nothing: where orders are given, or, for whoever may not go in there, where all
/// may look.
///
/// # Errors
/// Why there is no answer.
pub fn look(local: &LocalSettings, method: &str, parameters: &Value) -> Result<Value, Fault> {
    match (ask(&local.socket, method, parameters), &local.look_socket) {
        (Err(denied @ Fault::Denied(_)), Some(socket)) => match ask(socket, method, parameters) {
            Err(Fault::NoDaemon(_)) => Err(denied),
            answer => answer,
        },
        (answer, _) => answer,
    }
}

/// Calls a method of the daemon.
///
/// # Errors
/// Why there is no answer.
pub fn ask(socket: &Path, method: &str, parameters: &Value) -> Result<Value, Fault> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Fault::Denied(socket.to_owned()),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Fault::NoDaemon(socket.to_owned()),
        _ => Fault::Silent(socket.to_owned(), error),
    })?;
    let message = Call::write(&format!("{INTERFACE}.{method}"), parameters);
    let answer = exchange(&mut stream, &message).map_err(|error| Fault::Silent(socket.to_owned(), error))?;
    let odd = || Fault::Silent(socket.to_owned(), io::Error::other("its answer cannot be read"));
    match read_reply(&answer).ok_or_else(odd)? {
        Ok(parameters) => Ok(parameters),
        Err(error) if error.name == "org.varlink.service.PermissionDenied" => {
            Err(Fault::Denied(socket.to_owned()))
        }
        Err(error) if error.name.ends_with(".TooManyClients") => Err(Fault::Busy),
        Err(error) => Err(Fault::Refused(error)),
    }
}

fn exchange(stream: &mut UnixStream, message: &[u8]) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // One that has no room for us says so and hangs up, perhaps before it read anything.
    let written = stream.write_all(message);
    let (mut inbox, mut bytes) = (Inbox::default(), [0; 4096]);
    loop {
        let read = stream.read(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::other("nothing came within ten seconds"),
            _ => error,
        });
        let length = match read? {
            0 => return Err(written.err().unwrap_or_else(|| io::Error::other("it hung up"))),
            length => length,
        };
        inbox.push(&bytes[..length]);
        let answer = inbox.next(ANSWER_BYTES_MAX).map_err(|_| io::Error::other("its answer is too long"))?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}
