//! The local sockets, where the commands call the daemon. They speak Varlink, so `varlinkctl` can call it, too.
//!
//! There are two sockets, because a peer's supplementary groups cannot be read: the mode of one file decides who may give orders,
//! the mode of the other who may look.
//!
//! Each client has a task of its own, which reads calls and writes replies. What only the loop can answer goes to it through a
//! bounded channel, one request per client at a time. The loop never waits for a client, and nothing is queued for one. Without
//! clients nothing wakes the loop, and without one that monitors no states are compared.

pub mod calls;
mod client;
mod interface;
mod parameters;
mod socket;
pub mod varlink;
mod watchers;

pub use socket::remark;
pub(super) use watchers::Snapshot;

use crate::config::Settings;
use crate::engine::Setting;
use calls::{
    Description, JournalReply, MonitorReply, OverrideReply, RangeOverrideReply, Refusal, ServiceInfo,
    StatusReply, TrendReply, TwinHalf, TwinReply,
};
use client::Client;
use core::time::Duration;
use serde::Serialize;
use socket::SocketFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};
use varlink::write_reply;
use watchers::Watchers;

/// The most clients of each socket at a time; further ones are refused.
const CLIENTS_MAX: usize = 8;
/// Between two answers of the socket for looking, to whichever clients: they come and go as they like, and are kept from
/// the loop for as long as eight that stay would be.
const LOOKS_APART: Duration = Duration::from_micros(12_500);
/// Between two attempts when the system cannot accept a client.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What only the loop can answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    Ping,
    Status {
        changes: usize,
    },
    Twin {
        half: Option<TwinHalf>,
    },
    Trend,
    Journal,
    /// Of an output or a climate; `None` clears the override.
    Override {
        name: String,
        order: Option<(Setting, Duration)>,
    },
    Reload,
}

impl Request {
    /// Is it refused at the socket for looking, because it changes something or discloses more than every user may know?
    fn is_reserved(&self) -> bool {
        match self {
            Self::Ping | Self::Status { .. } | Self::Trend | Self::Twin { .. } => false,
            Self::Override { .. } | Self::Reload | Self::Journal => true,
        }
    }
}

/// The parameters of a reply.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Nothing {},
    Status(Box<StatusReply>),
    Monitor(Box<MonitorReply>),
    Trend(TrendReply),
    Twin(TwinReply),
    Journal(JournalReply),
    Override(OverrideReply),
    RangeOverride(RangeOverrideReply),
    Info(ServiceInfo),
    Description(Description),
}

/// What is answered.
pub(super) type Reply<T> = Result<T, Refusal>;

/// The loop's answer.
#[derive(Debug)]
pub(super) struct Answered {
    reply: Reply<Answer>,
    /// The number of changes that were counted before it.
    at: u64,
}

/// Where an answer goes.
pub(super) type AnswerTo = oneshot::Sender<Answered>;

/// A request on its way to the loop.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) request: Request,
    /// Who asks.
    pub(super) uid: u32,
    pub(super) answer: AnswerTo,
}

/// The sockets and their clients; none if the sockets could not be made, since the outputs do not depend on them.
pub(super) struct Local {
    orders: Listening,
    looks: Listening,
    queries: mpsc::Receiver<Query>,
    watchers: Watchers,
}

/// The paths of the two sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paths<'p> {
    /// For owner and group: whoever may connect may give orders.
    pub(super) orders: Option<&'p Path>,
    /// For all users of the machine, who can only look.
    pub(super) looks: Option<&'p Path>,
}

impl<'p> Paths<'p> {
    /// Those that a configuration names.
    pub(super) fn of(settings: &'p Settings) -> Self {
        Self { orders: settings.socket.as_deref(), looks: settings.look_socket.as_deref() }
    }
}

struct Listening {
    path: Option<PathBuf>,
    open: Option<Open>,
    endpoint: Arc<Endpoint>,
}

/// An open socket. When it is dropped its file is removed at once; the task ends when the runtime comes to it.
struct Open {
    task: JoinHandle<()>,
    _file: SocketFile,
    /// Streams end when it is dropped.
    _is_open: watch::Sender<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the clients' tasks of one socket share. Each socket has its own room, so that clients who only look cannot keep others
/// out.
struct Endpoint {
    to_loop: mpsc::Sender<Query>,
    changes: watch::Sender<u64>,
    room: Arc<Semaphore>,
    /// When the socket for looking answers next.
    next_turn: Mutex<Instant>,
    may_order: bool,
}

impl Local {
    /// Opens the sockets, or logs why it cannot. Needs a running tokio runtime.
    pub(super) fn open(paths: Paths<'_>) -> Self {
        let (to_loop, queries) = mpsc::channel(CLIENTS_MAX);
        let changes = watch::Sender::new(0);
        let listening = |may_order| {
            let room = Arc::new(Semaphore::new(CLIENTS_MAX));
            let (to_loop, changes) = (to_loop.clone(), changes.clone());
            let endpoint = Arc::new(Endpoint {
                to_loop,
                changes,
                room,
                next_turn: Mutex::new(Instant::now()),
                may_order,
            });
            Listening { path: None, open: None, endpoint }
        };
        let (orders, looks) = (listening(true), listening(false));
        let mut local = Self { orders, looks, queries, watchers: Watchers::new(changes) };
        local.reopen(paths);
        local
    }

    /// Moves the sockets if their paths changed, and opens those that are not open.
    pub(super) fn reopen(&mut self, paths: Paths<'_>) {
        let both = [(&mut self.orders, paths.orders), (&mut self.looks, paths.looks)];
        let mut moved: Vec<_> =
            both.into_iter().filter(|(listening, path)| !listening.is_at(*path)).collect();
        // All old paths are freed first, since the sockets may swap their paths.
        moved.iter_mut().for_each(|(listening, _)| listening.open = None);
        moved.into_iter().for_each(|(listening, path)| listening.listen(path));
    }

    /// Does any client monitor changes?
    pub(super) fn is_watched(&mut self) -> bool {
        self.watchers.are_there()
    }

    /// Counts a change if this state differs from the last.
    pub(super) fn note(&mut self, now: Snapshot) {
        self.watchers.note(now);
    }

    /// Answers a request. A client that left needs no answer.
    pub(super) fn answer(&self, to: AnswerTo, reply: Reply<Answer>) {
        drop(to.send(Answered { reply, at: self.watchers.count() }));
    }

    /// The next request. May be cancelled at any time.
    pub(super) async fn next(&mut self) -> Query {
        match self.queries.recv().await {
            Some(query) => query,
            // Cannot happen, since the endpoints hold senders.
            None => core::future::pending().await,
        }
    }
}

impl Listening {
    fn is_at(&self, path: Option<&Path>) -> bool {
        self.open.is_some() && self.path.as_deref() == path
    }

    fn listen(&mut self, path: Option<&Path>) {
        self.path = path.map(Path::to_owned);
        let Some(path) = path else { return };
        match socket::listen(path, self.endpoint.mode()) {
            Ok((listener, file)) => {
                debug!("listening on {}", path.display());
                let (is_open, closes) = watch::channel(());
                let task = tokio::spawn(accept(listener, Arc::clone(&self.endpoint), closes));
                self.open = Some(Open { task, _file: file, _is_open: is_open });
            }
            Err(reason) => error!(
                "cannot listen on the local socket {}: {reason}; the outputs do not need it, but {}",
                path.display(),
                self.endpoint.missed_by()
            ),
        }
    }
}

impl Endpoint {
    /// Who may connect.
    fn mode(&self) -> u32 {
        if self.may_order { 0o660 } else { 0o666 }
    }

    /// Waits until a client may be answered: at the socket for looking one after another, in the order in which they asked.
    async fn take_turn(&self) {
        if self.may_order {
            return;
        }
        let mut next = self.next_turn.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + LOOKS_APART;
    }

    /// What does not work without the socket.
    fn missed_by(&self) -> &'static str {
        if self.may_order {
            "`twind status` and `twind override` do"
        } else {
            "`twind status` of users outside the group twind does"
        }
    }
}

async fn accept(listener: UnixListener, endpoint: Arc<Endpoint>, closes: watch::Receiver<()>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&endpoint.room).try_acquire_owned() {
                Ok(place) => {
                    let (endpoint, closes) = (Arc::clone(&endpoint), closes.clone());
                    tokio::spawn(async move {
                        let served = match Client::new(stream, &endpoint, closes) {
                            Ok(client) => client.serve().await,
                            Err(reason) => Err(reason),
                        };
                        drop(place);
                        if let Err(reason) = served {
                            debug!("a client is dropped: {reason}");
                        }
                    });
                }
                Err(_) => refuse(&stream),
            },
            Err(reason) => {
                debug!("no client can connect: {reason}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn refuse(stream: &UnixStream) {
    let reply: Reply<Answer> = Err(Refusal::TooManyClients {});
    // A new socket's buffer has room for it; if not, the client sees the connection end.
    let _ = stream.try_write(&write_reply(&reply, false));
}

#[cfg(test)]
mod description_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn two_sockets_can_change_places_and_one_can_take_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let mode = |path: &Path| {
            std::os::unix::net::UnixStream::connect(path).unwrap();
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        let mut local = Local::open(Paths { orders: Some(&a), looks: Some(&b) });
        assert_eq!((mode(&a), mode(&b)), (0o660, 0o666));
        local.reopen(Paths { orders: Some(&b), looks: Some(&a) });
        assert_eq!((mode(&a), mode(&b)), (0o666, 0o660));
        local.reopen(Paths { orders: Some(&a), looks: None });
        assert_eq!((mode(&a), b.exists()), (0o660, false));
        local.reopen(Paths { orders: Some(&b), looks: Some(&a) });
        assert_eq!((mode(&a), mode(&b)), (0o666, 0o660));
        drop(local);
        assert!(!a.exists() && !b.exists());
    }
}
