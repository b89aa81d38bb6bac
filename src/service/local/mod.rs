//! The local sockets, where `status`, `twin` and `override` meet the daemon: Varlink, so `varlinkctl` speaks with it too.
//!
//! There are two, because a peer's supplementary groups cannot be had: who may order is a matter of one file's mode, who may
//! look of another's.
//!
//! Each client has a task of its own, which reads, understands and writes; what only the loop can answer goes to it
//! through a bounded channel, one question per client at a time. The loop never waits for a client: one that says
//! nothing or does not read is dropped, as is one that sends what is no call. Without clients there is nothing to wake
//! for. Deliberately absent: answers (the loop's), and streams of them.

mod interface;
mod socket;
pub mod varlink;

pub use interface::INTERFACE;
pub(super) use interface::{Ask, Section, refusal};
pub use socket::remark;

use core::time::Duration;
use interface::{Understood, understand};
use socket::SocketFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, error};
use varlink::{Call, CallError, Inbox, MESSAGE_BYTES_MAX, Reply, write_reply};

/// So many clients of each socket at a time; further ones are told so.
const CLIENTS_MAX: usize = 8;
/// A client that says nothing whole for so long is dropped …
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// … as is one that does not read its answer.
const READS_WITHIN: Duration = Duration::from_secs(5);
/// Between two answers to one who may only look: any user of the machine may, and the loop has other things to do.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// When the system has no room for another client.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A question for the loop.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) ask: Ask,
    /// Who asks.
    pub(super) uid: u32,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// The sockets and their clients; or none, if they could not be made: the outputs do not depend on them.
pub(super) struct Local {
    orders: Listening,
    looks: Listening,
    queries: mpsc::Receiver<Query>,
}

/// Where the two sockets are to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paths<'p> {
    /// For owner and group: whoever may connect may order.
    pub(super) orders: Option<&'p Path>,
    /// For all users of the machine: nothing is changed by it.
    pub(super) looks: Option<&'p Path>,
}

struct Listening {
    path: Option<PathBuf>,
    open: Option<Open>,
    door: Arc<Door>,
}

/// A socket on which is listened. When it is dropped its file goes at once; the task ends when the loop comes to it.
struct Open {
    task: JoinHandle<()>,
    _file: SocketFile,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the clients' tasks of one socket share. Each has room of its own, so that who may only look keeps nobody out.
struct Door {
    to_loop: mpsc::Sender<Query>,
    room: Arc<Semaphore>,
    may_order: bool,
}

impl Local {
    /// Opens the sockets, or says why there is none. Needs a running tokio runtime.
    pub(super) fn open(paths: Paths<'_>) -> Self {
        let (to_loop, queries) = mpsc::channel(CLIENTS_MAX);
        let listening = |may_order| {
            let room = Arc::new(Semaphore::new(CLIENTS_MAX));
            let door = Arc::new(Door { to_loop: to_loop.clone(), room, may_order });
            Listening { path: None, open: None, door }
        };
        let mut local = Self { orders: listening(true), looks: listening(false), queries };
        local.reopen(paths);
        local
    }

    /// Moves the sockets, if they are to be elsewhere or are not there yet.
    pub(super) fn reopen(&mut self, paths: Paths<'_>) {
        let both = [(&mut self.orders, paths.orders), (&mut self.looks, paths.looks)];
        let mut moved: Vec<_> =
            both.into_iter().filter(|(listening, path)| !listening.is_at(*path)).collect();
        // First all places are free, since one may be the other's from now on.
        moved.iter_mut().for_each(|(listening, _)| listening.open = None);
        moved.into_iter().for_each(|(listening, path)| listening.listen(path));
    }

    /// The next question. May be cancelled at any time.
    pub(super) async fn next(&mut self) -> Query {
        match self.queries.recv().await {
            Some(query) => query,
            // Not while the doors are held here.
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
        match socket::listen(path, self.door.mode()) {
            Ok((listener, file)) => {
                debug!("listening on {}", path.display());
                let task = tokio::spawn(accept(listener, Arc::clone(&self.door)));
                self.open = Some(Open { task, _file: file });
            }
            Err(reason) => error!(
                "no local socket {}: {reason}; the outputs do not need it, but {}",
                path.display(),
                self.door.missed_by()
            ),
        }
    }
}

impl Door {
    /// Who may connect.
    fn mode(&self) -> u32 {
        if self.may_order { 0o660 } else { 0o666 }
    }

    /// Who goes without where there is no socket.
    fn missed_by(&self) -> &'static str {
        if self.may_order {
            "status and override do"
        } else {
            "status of those who may not go to the other socket does"
        }
    }
}

async fn accept(listener: UnixListener, door: Arc<Door>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&door.room).try_acquire_owned() {
                Ok(place) => {
                    let door = Arc::clone(&door);
                    tokio::spawn(async move {
                        let served = serve(stream, &door).await;
                        drop(place);
                        if let Err(reason) = served {
                            debug!("a client is dropped: {reason}");
                        }
                    });
                }
                Err(_) => turn_away(&stream),
            },
            Err(reason) => {
                debug!("no client can come in: {reason}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn turn_away(stream: &UnixStream) {
    let name = format!("{INTERFACE}.TooManyClients");
    let parameters = serde_json::json!({});
    // A new socket has room for it; if not, the client learns it by the end of the connection.
    let _ = stream.try_write(&write_reply(&Err(CallError { name, parameters })));
}

/// One client, until it leaves or is dropped.
async fn serve(mut stream: UnixStream, door: &Door) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let mut inbox = Inbox::default();
    while let Some(message) = timeout(SILENCE_MAX, receive(&mut stream, &mut inbox)).await?? {
        let (understood, oneway) = hear(message)?;
        let reply = match understood {
            Understood::Answered(reply) => reply,
            Understood::Ask(ask) if ask.is_order() && !door.may_order => {
                debug!(uid = peer.uid(), "uid {} may look here and change nothing", peer.uid());
                Err(CallError::of_service("PermissionDenied", serde_json::json!({})))
            }
            Understood::Ask(ask) => {
                let (answer, answered) = oneshot::channel();
                let query = Query { ask, uid: peer.uid(), answer };
                let gone = || io::Error::other("the daemon ends");
                door.to_loop.send(query).await.map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        };
        if !oneway {
            timeout(READS_WITHIN, stream.write_all(&write_reply(&reply))).await??;
        }
        if !door.may_order {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
    Ok(())
}

/// What is asked, and whether no answer is wanted. What a message becomes when it is read takes many times its bytes, and is
/// gone before its client waits for an answer.
fn hear(message: Vec<u8>) -> io::Result<(Understood, bool)> {
    let call = Call::read(&message).ok_or_else(|| io::Error::other("it sent what is no call"))?;
    Ok((understand(&call), call.oneway))
}

/// The next message; `None` when the client has left.
async fn receive(stream: &mut UnixStream, inbox: &mut Inbox) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = [0; 2048];
    loop {
        let next = inbox.next(MESSAGE_BYTES_MAX);
        if let Some(message) = next.map_err(|_| io::Error::other("its message is too long"))? {
            return Ok(Some(message));
        }
        match stream.read(&mut bytes).await? {
            0 => return Ok(None),
            length => inbox.push(&bytes[..length]),
        }
    }
}

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
