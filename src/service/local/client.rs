//! One client: its calls, one after another, each with its answer or, for `Monitor`, its stream.
//!
//! Nothing is queued for a client: at most one answer is under way, and states that a slow client missed are counted and not
//! stored. A client is dropped if it is silent (unless it monitors), does not read, or sends what is no call.

use super::calls::{MonitorReply, Refusal};
use super::interface::{Understood, understand};
use super::varlink::{Call, Inbox, MESSAGE_BYTES_MAX, write_reply};
use super::{Answer, Answered, Endpoint, Query, Request};
use core::time::Duration;
use serde::Serialize;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::debug;

/// A client that sends no whole message for so long is dropped, as is one whose request is not answered in that time, since a
/// reload may wait for a disk.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A client that does not read its answer within this is dropped.
const READS_WITHIN: Duration = Duration::from_secs(5);
/// Between two answers to one client at the socket for looking, where any user of the machine could keep the loop busy, and between
/// two answers of a stream at either socket. A client that leaves ends it.
const PAUSE: Duration = Duration::from_millis(100);

/// One client of an endpoint.
pub(super) struct Client<'d> {
    stream: UnixStream,
    inbox: Inbox,
    uid: u32,
    endpoint: &'d Endpoint,
    closes: watch::Receiver<()>,
}

impl<'d> Client<'d> {
    /// A client that has connected.
    ///
    /// # Errors
    /// When the system does not give its user id.
    pub(super) fn new(
        stream: UnixStream,
        endpoint: &'d Endpoint,
        closes: watch::Receiver<()>,
    ) -> io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        Ok(Self { stream, inbox: Inbox::default(), uid, endpoint, closes })
    }

    /// Serves the client until it leaves.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        while let Some(message) = timeout(SILENCE_MAX, self.receive()).await?? {
            self.endpoint.take_turn().await;
            let (understood, oneway) = hear(message)?;
            let reply = match understood {
                Understood::Monitor { changes } if !oneway => return self.monitor(changes).await,
                Understood::Monitor { .. } => Err(Refusal::ExpectedMore {}),
                Understood::Answered(reply) => reply,
                Understood::Request(request) if request.is_reserved() && !self.endpoint.may_order => {
                    debug!(uid = self.uid, "uid {} may read here but not change anything", self.uid);
                    Err(Refusal::PermissionDenied {})
                }
                Understood::Request(request) => self.ask(request).await?.reply,
            };
            if !oneway {
                self.say(write_reply(&reply, false)).await?;
            }
            if !self.endpoint.may_order && self.leaves_in_pause().await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Pauses for as long as the client is there. Has it left? What it sent before is answered all the same.
    async fn leaves_in_pause(&mut self) -> io::Result<bool> {
        let end = Instant::now() + PAUSE;
        // One that sends more than a message ahead of its answers is not heard in the pause.
        while self.inbox.len() <= MESSAGE_BYTES_MAX {
            let Ok(length) = timeout_at(end, self.read()).await else { return Ok(false) };
            match (length?, self.inbox.len()) {
                (0, 0) => return Ok(true),
                (0, _) => break,
                _ => {}
            }
        }
        sleep_until(end).await;
        Ok(false)
    }

    /// Sends the state, and again whenever it changes, until the client leaves or its socket is closed.
    async fn monitor(mut self, changes: usize) -> io::Result<()> {
        // Before the first answer, so that no later change is missed.
        let mut count = self.endpoint.changes.subscribe();
        let mut closes = self.closes.clone();
        let mut told = None;
        loop {
            let Answered { reply, at } = self.ask(Request::Status { changes }).await?;
            let skipped = told.map_or(0, |told| at.saturating_sub(told + 1));
            self.say(monitored(reply, skipped)).await?;
            told = Some(at);
            if let Ok(left) = timeout(PAUSE, self.leaves()).await {
                return left;
            }
            tokio::select! {
                changed = count.wait_for(|count| *count > at) => changed.map(drop).map_err(|_| ends())?,
                left = self.leaves() => return left,
                _ = closes.changed() => return Ok(()),
            }
        }
    }

    /// Has the loop answer a request.
    async fn ask(&self, request: Request) -> io::Result<Answered> {
        let (answer, answered) = oneshot::channel();
        let query = Query { request, uid: self.uid, answer };
        self.endpoint.to_loop.send(query).await.map_err(|_| ends())?;
        timeout(SILENCE_MAX, answered).await?.map_err(|_| ends())
    }

    async fn say(&mut self, message: Vec<u8>) -> io::Result<()> {
        timeout(READS_WITHIN, self.stream.write_all(&message)).await?
    }

    /// The next message; `None` when the client has left.
    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let next = self.inbox.next(MESSAGE_BYTES_MAX);
            if let Some(message) = next.map_err(|_| too_long())? {
                return Ok(Some(message));
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Waits for the client to leave. What it sends meanwhile is not answered, and is bounded. May be cancelled at any time.
    async fn leaves(&mut self) -> io::Result<()> {
        while self.read().await? > 0 {
            if self.inbox.len() > MESSAGE_BYTES_MAX {
                return Err(too_long());
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 2048];
        let length = self.stream.read(&mut bytes).await?;
        self.inbox.push(&bytes[..length]);
        Ok(length)
    }
}

/// Reads a call, and whether no answer is wanted. The parsed message takes many times its bytes, so it is freed here, before the
/// client waits for an answer.
fn hear(message: Vec<u8>) -> io::Result<(Understood, bool)> {
    let call =
        Call::read(&message).ok_or_else(|| io::Error::other("it sent something that is not a call"))?;
    let oneway = call.oneway;
    Ok((understand(call), oneway))
}

/// The next of the messages that answer `Monitor`.
fn monitored(reply: Result<Answer, impl Serialize>, skipped: u64) -> Vec<u8> {
    let reply = reply.map(|answer| match answer {
        Answer::Status(reply) => Answer::Monitor(Box::new(MonitorReply { status: reply.status, skipped })),
        other => other,
    });
    write_reply(&reply, true)
}

fn ends() -> io::Error {
    io::Error::other("the daemon is stopping")
}

fn too_long() -> io::Error {
    io::Error::other("its message is too long")
}
