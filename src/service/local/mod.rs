//! The local socket, where `status`, `twin` and `override` meet the daemon: Varlink, so `varlinkctl` speaks with it too.
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
use tracing::{debug, error, info};
use varlink::{Call, CallError, Inbox, MESSAGE_BYTES_MAX, Reply, write_reply};

/// So many clients at a time; further ones are told so.
const CLIENTS_MAX: usize = 8;
/// A client that says nothing whole for so long is dropped …
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// … as is one that does not read its answer.
const READS_WITHIN: Duration = Duration::from_secs(5);
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

/// The socket and its clients; or neither, if it could not be made: the outputs do not depend on it.
pub(super) struct Local {
    path: Option<PathBuf>,
    listening: Option<JoinHandle<()>>,
    queries: mpsc::Receiver<Query>,
    door: Arc<Door>,
}

/// What the clients' tasks share.
struct Door {
    to_loop: mpsc::Sender<Query>,
    room: Arc<Semaphore>,
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
    }
}

impl Local {
    /// Opens the socket, or says why there is none. Needs a running tokio runtime.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let (to_loop, queries) = mpsc::channel(CLIENTS_MAX);
        let door = Door { to_loop, room: Arc::new(Semaphore::new(CLIENTS_MAX)) };
        let mut local = Self { path: None, listening: None, queries, door: Arc::new(door) };
        local.reopen(path);
        local
    }

    /// Moves the socket, if it is to be elsewhere or is not there yet.
    pub(super) fn reopen(&mut self, path: Option<&Path>) {
        if self.listening.is_some() && self.path.as_deref() == path {
            return;
        }
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
        self.path = path.map(Path::to_owned);
        let Some(path) = path else { return };
        match socket::listen(path) {
            Ok((listener, file)) => {
                debug!("listening on {}", path.display());
                let door = Arc::clone(&self.door);
                self.listening = Some(tokio::spawn(accept(listener, Arc::new(file), door)));
            }
            Err(reason) => error!(
                "no local socket {}: {reason}; the outputs do not need it, but status and override do",
                path.display()
            ),
        }
    }

    /// The next question. May be cancelled at any time.
    pub(super) async fn next(&mut self) -> Query {
        match self.queries.recv().await {
            Some(query) => query,
            // Not while the door is held here.
            None => core::future::pending().await,
        }
    }
}

async fn accept(listener: UnixListener, file: Arc<SocketFile>, door: Arc<Door>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&door.room).try_acquire_owned() {
                Ok(place) => {
                    let (file, door) = (Arc::clone(&file), Arc::clone(&door));
                    tokio::spawn(async move {
                        let served = serve(stream, &file, &door).await;
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
async fn serve(mut stream: UnixStream, file: &SocketFile, door: &Door) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let mut inbox = Inbox::default();
    while let Some(message) = timeout(SILENCE_MAX, receive(&mut stream, &mut inbox)).await?? {
        let call = Call::read(&message).ok_or_else(|| io::Error::other("it sent what is no call"))?;
        let reply = match understand(&call) {
            Understood::Answered(reply) => reply,
            Understood::Ask(Ask::Override { output, .. }) if !file.may_override(peer.uid(), peer.gid()) => {
                info!(uid = peer.uid(), output, "uid {} may not override {output}", peer.uid());
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
        if !call.oneway {
            timeout(READS_WITHIN, stream.write_all(&write_reply(&reply))).await??;
        }
    }
    Ok(())
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
