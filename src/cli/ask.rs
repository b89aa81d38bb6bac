//! How commands call the running daemon over its local socket: one call, answered once or as a stream. Each way to fail has
//! its name.

use crate::config::LocalSettings;
use crate::service::DaemonStatus;
use crate::service::calls::{GetStatus, Method, Refusal};
use crate::service::varlink::{Call, CallError, Inbox, Reply, read_reply};
use core::fmt;
use core::ops::ControlFlow;
use core::time::Duration;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Answers take milliseconds; a daemon that takes longer than this hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A stream may be silent for long. After this it is called again, which shows whether the daemon hangs.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read: the largest twin takes half of it.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskFault {
    /// No process listens there.
    NoDaemon(PathBuf),
    /// This user may not speak to the daemon, or not ask this of it.
    Denied(PathBuf),
    /// The daemon has as many clients as it takes.
    Busy,
    /// The daemon refused the call, with this error.
    Refused(CallError),
    /// Somebody listens, but does not answer.
    Silent(PathBuf, io::Error),
    /// The answer cannot be read here; the daemon may be of another version.
    Unreadable(PathBuf, serde_json::Error),
}

impl fmt::Display for AskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDaemon(socket) => write!(
                f,
                "no daemon listens on {}: start it (systemctl start twind), or name its configuration with --config",
                socket.display()
            ),
            Self::Denied(socket) => write!(
                f,
                "you may not do this at {}; run it as root or as a member of the socket's group (`sudo adduser USER twind`, then \
                 log in again)",
                socket.display()
            ),
            Self::Busy => f.write_str("the daemon has too many clients just now; try again"),
            Self::Refused(CallError { name, parameters }) => {
                write!(f, "the daemon refused the call: {name} {parameters}")
            }
            Self::Silent(socket, reason) => write!(
                f,
                "the daemon at {} does not answer: {reason}; see `systemctl status twind`",
                socket.display()
            ),
            Self::Unreadable(socket, reason) => write!(
                f,
                "the answer of the daemon at {} cannot be read: {reason}; it may be of another version than this command: \
                 restart it (systemctl restart twind), or use status --json",
                socket.display()
            ),
        }
    }
}

impl std::error::Error for AskFault {}

/// Asks for the daemon's status, as it came: a daemon of another version may send what is not known here.
///
/// # Errors
/// Why there is no answer.
pub(super) fn ask_status(local: &LocalSettings, changes: Option<usize>) -> Result<Value, AskFault> {
    Ok(look(local, &GetStatus { changes: changes.map(|changes| changes as u64) })?.status)
}

/// Reads the status that a daemon sent.
///
/// # Errors
/// A part of it is not what this version knows.
pub(super) fn read_status(local: &LocalSettings, status: &Value) -> Result<DaemonStatus, AskFault> {
    DaemonStatus::deserialize(status).map_err(|reason| AskFault::Unreadable(local.socket.clone(), reason))
}

/// Calls a method of the daemon that changes nothing. A user who may not connect to the socket for orders is answered at the
/// one for looking, if there is one.
///
/// # Errors
/// Why there is no answer.
pub fn look<M: Method>(local: &LocalSettings, call: &M) -> Result<M::Reply, AskFault> {
    look_by(local, |socket| ask(socket, call))
}

fn look_by<T>(
    local: &LocalSettings,
    mut ask: impl FnMut(&Path) -> Result<T, AskFault>,
) -> Result<T, AskFault> {
    match (ask(&local.socket), &local.look_socket) {
        (Err(denied @ AskFault::Denied(_)), Some(socket)) => match ask(socket) {
            Err(AskFault::NoDaemon(_)) => Err(denied),
            answer => answer,
        },
        (answer, _) => answer,
    }
}

/// Calls a method of the daemon.
///
/// # Errors
/// Why there is no answer.
pub fn ask<M: Method>(socket: &Path, call: &M) -> Result<M::Reply, AskFault> {
    let mut connection = Connection::call(socket, &Call::new(M::NAME, call))?;
    connection.next().and_then(|(answer, _)| connection.read(&answer))
}

/// Calls a method whose answer may take as long as this.
///
/// # Errors
/// Why there is no answer.
pub(super) fn ask_at_length<M: Method>(
    socket: &Path,
    call: &M,
    patience: Duration,
) -> Result<M::Reply, AskFault> {
    let mut connection = Connection::call(socket, &Call::new(M::NAME, call))?;
    connection.wait_at_most(patience)?;
    connection.next().and_then(|(answer, _)| connection.read(&answer))
}

/// Calls a method that answers as a stream, and passes each answer to `each`, until the stream ends, is silent for
/// `STREAM_TIMEOUT`, or `each` breaks. In each case it can be called again.
///
/// # Errors
/// Why there is no first answer.
pub fn follow<M: Method>(
    local: &LocalSettings,
    call: &M,
    mut each: impl FnMut(M::Reply) -> ControlFlow<()>,
) -> Result<(), AskFault> {
    look_by(local, |socket| {
        let mut connection = Connection::call(socket, &Call { more: true, ..Call::new(M::NAME, call) })?;
        let (first, mut continues) = connection.next()?;
        let mut answer = connection.read(&first)?;
        connection.wait_at_most(STREAM_TIMEOUT)?;
        while each(answer).is_continue() && continues {
            let Ok((next, another)) = connection.next() else { break };
            let Ok(next) = connection.read(&next) else { break };
            (answer, continues) = (next, another);
        }
        Ok(())
    })
}

/// A call under way.
struct Connection<'s> {
    socket: &'s Path,
    stream: UnixStream,
    /// Why the call could not be sent. A daemon that has no room answers and hangs up, perhaps before it read anything.
    unwritten: Option<io::Error>,
    inbox: Inbox,
}

impl<'s> Connection<'s> {
    fn call(socket: &'s Path, call: &Call) -> Result<Self, AskFault> {
        let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => AskFault::Denied(socket.to_owned()),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                AskFault::NoDaemon(socket.to_owned())
            }
            _ => AskFault::Silent(socket.to_owned(), error),
        })?;
        let set =
            stream.set_read_timeout(Some(ANSWER_TIMEOUT)).and(stream.set_write_timeout(Some(ANSWER_TIMEOUT)));
        set.map_err(|error| AskFault::Silent(socket.to_owned(), error))?;
        let unwritten = stream.write_all(&call.write()).err();
        Ok(Self { socket, stream, unwritten, inbox: Inbox::default() })
    }

    fn wait_at_most(&self, time: Duration) -> Result<(), AskFault> {
        let set = self.stream.set_read_timeout(Some(time));
        set.map_err(|error| AskFault::Silent(self.socket.to_owned(), error))
    }

    /// The next answer, and whether another one follows.
    fn next(&mut self) -> Result<(Value, bool), AskFault> {
        let silent = |reason| AskFault::Silent(self.socket.to_owned(), reason);
        let odd = || silent(io::Error::other("its answer cannot be read"));
        let message = self.receive().map_err(|reason| AskFault::Silent(self.socket.to_owned(), reason))?;
        let Reply { says, continues } = read_reply(&message).ok_or_else(odd)?;
        Ok((says.map_err(|error| self.refusal(error))?, continues))
    }

    /// Reads an answer as what the method answers.
    fn read<R: DeserializeOwned>(&self, answer: &Value) -> Result<R, AskFault> {
        R::deserialize(answer).map_err(|reason| AskFault::Unreadable(self.socket.to_owned(), reason))
    }

    fn refusal(&self, error: CallError) -> AskFault {
        match Refusal::of(&error) {
            Some(Refusal::PermissionDenied {}) => AskFault::Denied(self.socket.to_owned()),
            Some(Refusal::TooManyClients {}) => AskFault::Busy,
            _ => AskFault::Refused(error),
        }
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = [0; 4096];
        loop {
            let answer = self.inbox.next(ANSWER_BYTES_MAX);
            if let Some(answer) = answer.map_err(|_| io::Error::other("its answer is too long"))? {
                return Ok(answer);
            }
            let read = match self.stream.read(&mut bytes) {
                // A read with a time limit ends so when the process was stopped and goes on.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::other("timed out")),
                read => read,
            };
            match read? {
                0 => {
                    return Err(self
                        .unwritten
                        .take()
                        .unwrap_or_else(|| io::Error::other("it closed the connection")));
                }
                length => self.inbox.push(&bytes[..length]),
            }
        }
    }
}
