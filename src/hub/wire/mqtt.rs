//! One MQTT session over one established wire. The only module that names the MQTT library.
//!
//! The library gets a new event loop for every connection, because an old one drops, repeats or delays what it held; a task that
//! does nothing but poll it, because a cancelled poll may lose what it had read; and a queue of two. Its errors become
//! [`WireFault`]s; if it only reports a broken connection, the connection's own error explains it. The options hold the password
//! and are never printed.

use super::bridge::Bridge;
use super::fault::WireFault;
use super::peer::Stage;
use super::under_way::UnderWay;
use crate::hub::foreign::shorten;
use crate::hub::{Clock, Message, PAYLOAD_BYTES_MAX};
use bytes::Bytes;
use core::time::Duration;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, Publish,
    QoS, StateError, SubAck, SubscribeFilter, SubscribeReasonCode, Transport,
};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The stock C client waits as long for its CONNACK.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A payload and its topic.
const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 1024;
/// One request and one DISCONNECT.
const QUEUE: usize = 2;
/// How long the other end may take to close after we did.
const LINGER: Duration = Duration::from_secs(2);
/// The library's own time-out covers writing too; twind's and the kernel's are shorter.
const LIBRARY_TIMEOUT_SECS: u64 = 120;
/// The packet ids that the library gives to what is to be acknowledged, in turn from 1. As soon as the next one is still in use, or
/// all are, it sends no message of any kind until that changes, and in the first case it ends the session at its second PINGREQ.
/// [`UnderWay`] sees to it that neither happens.
const PACKET_IDS: u16 = 8;
/// What the library can put into CONNECT, and what the hub honours (1177 s).
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(1177));

/// What the polling task reports.
enum Fact {
    Accepted,
    Subscribed(SubAck),
    Published(Publish),
    /// A message left the library's queue, with this packet id; 0 if it is not acknowledged.
    Sent(u16),
    /// The message of this packet id is acknowledged.
    Acknowledged(u16),
    Ended(WireFault),
}

/// What CONNECT contains.
pub(in crate::hub) struct Login<'a> {
    /// The library panics on an empty one, so that is refused here.
    pub(in crate::hub) client_id: &'a str,
    pub(in crate::hub) user_name: String,
    /// `None` with a certificate.
    pub(in crate::hub) password: Option<&'a str>,
    pub(in crate::hub) keep_alive: Duration,
    /// Start without the state of a former session.
    pub(in crate::hub) clean: bool,
}

/// What a session receives.
pub(in crate::hub) enum Heard {
    /// A message.
    Published { topic: String, payload: Bytes },
    /// There is room for another message of ours.
    Sent,
    /// The other end has the message that was published as [`Delivery::Acknowledged`] with this number.
    Acknowledged(u64),
}

/// The quality of service of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Delivery {
    /// QoS 0: never repeated.
    Once,
    /// QoS 1, for [`Heard::Acknowledged`] with this number. Not repeated either: if the session ends before, it may have arrived.
    Acknowledged(u64),
}

/// A session that is up. Dropped, it ends at once; [`close`](Self::close) ends it politely.
pub(in crate::hub) struct Session {
    client: AsyncClient,
    facts: mpsc::Receiver<Fact>,
    task: Task,
    under_way: UnderWay,
}

/// A task that does not outlive its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// Sends CONNECT and SUBSCRIBE over `wire`, and returns once both are granted. `early` gets what is published before that, since
    /// a hub may have kept the subscriptions.
    pub(in crate::hub) async fn open<W>(
        login: &Login<'_>,
        filters: &[&'static str],
        wire: W,
        clock: Arc<dyn Clock>,
        mut early: impl FnMut(&str, &[u8]) + Send,
    ) -> Result<Self, WireFault>
    where
        W: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let bridge = Bridge::bind()
            .map_err(|error| WireFault::Cut(format!("no socket within this machine: {error}")))?;
        let (client, mut event_loop) = AsyncClient::new(options(login, bridge.address())?, QUEUE);
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(LIBRARY_TIMEOUT_SECS);
        event_loop.set_network_options(network);
        // Small, so that a slow reader slows the hub down and takes no memory.
        let (to_us, facts) = mpsc::channel(1);
        let task = Task(tokio::spawn(converse(event_loop, bridge, wire, to_us, clock)));
        let mut session = Self { client, facts, task, under_way: UnderWay::new(PACKET_IDS) };

        session.answer(Stage::Connect, |fact| matches!(fact, Fact::Accepted).then_some(Ok(()))).await?;
        // Subscriptions of a former session are not relied on.
        let wanted = filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtMostOnce));
        // Fails if the session has ended meanwhile; the wait for the answer then returns the cause.
        let _ = session.client.try_subscribe_many(wanted);
        session
            .answer(Stage::Subscribe, |fact| match fact {
                Fact::Subscribed(answer) => Some(granted(filters, &answer.return_codes)),
                Fact::Published(Publish { topic, payload, .. }) => {
                    early(topic, payload);
                    None
                }
                _ => None,
            })
            .await?;
        Ok(session)
    }

    async fn answer(
        &mut self,
        stage: Stage,
        mut expected: impl FnMut(&Fact) -> Option<Result<(), WireFault>>,
    ) -> Result<(), WireFault> {
        let wait = async {
            loop {
                match self.facts.recv().await {
                    Some(Fact::Ended(cause)) => return Err(cause),
                    Some(fact) => {
                        if let Some(result) = expected(&fact) {
                            return result;
                        }
                    }
                    None => return Err(gone()),
                }
            }
        };
        timeout(ANSWER_TIMEOUT, wait).await.unwrap_or(Err(WireFault::Timeout(stage)))
    }

    /// What is heard next, or why the session ended. May be cancelled at any time.
    pub(in crate::hub) async fn next(&mut self) -> Result<Heard, WireFault> {
        loop {
            match self.facts.recv().await {
                Some(Fact::Published(Publish { topic, payload, .. })) => {
                    return Ok(Heard::Published { topic, payload });
                }
                Some(Fact::Sent(packet_id)) => {
                    if packet_id != 0 {
                        self.under_way.handle_sent(packet_id);
                    }
                    return Ok(Heard::Sent);
                }
                Some(Fact::Acknowledged(packet_id)) => {
                    // One of nothing follows as the end of the session.
                    if let Some(number) = self.under_way.handle_acknowledged(packet_id) {
                        return Ok(Heard::Acknowledged(number));
                    }
                }
                Some(Fact::Ended(cause)) => return Err(cause),
                Some(Fact::Accepted | Fact::Subscribed(_)) => {}
                None => return Err(gone()),
            }
        }
    }

    /// Queues a message; `false` if there is no room until [`Heard::Sent`] or, for one to be acknowledged, [`Heard::Acknowledged`].
    pub(in crate::hub) fn publish(&mut self, message: &Message, delivery: Delivery) -> bool {
        let (quality, number) = match delivery {
            Delivery::Once => (QoS::AtMostOnce, None),
            Delivery::Acknowledged(_) if !self.under_way.has_room() => return false,
            Delivery::Acknowledged(number) => (QoS::AtLeastOnce, Some(number)),
        };
        let queued =
            self.client.try_publish(&message.topic, quality, false, message.payload.as_slice()).is_ok();
        if let Some(number) = number.filter(|_| queued) {
            self.under_way.handle_queued(number);
        }
        queued
    }

    /// Sends DISCONNECT and waits for the connection to close, but no longer than `grace`.
    pub(in crate::hub) async fn close(self, grace: Duration) {
        let Self { client, facts, mut task, .. } = self;
        // Nobody reads the facts any more, so the task must not wait for a reader.
        drop(facts);
        if client.try_disconnect().is_ok() {
            let _ = timeout(grace, &mut task.0).await;
        }
    }
}

fn gone() -> WireFault {
    WireFault::Cut("the session's task is gone".to_owned())
}

fn granted(filters: &[&'static str], codes: &[SubscribeReasonCode]) -> Result<(), WireFault> {
    if codes.len() != filters.len() {
        return Err(WireFault::Protocol(format!(
            "SUBACK answers {} of {} filters",
            codes.len(),
            filters.len()
        )));
    }
    let refused = codes.iter().position(|code| *code == SubscribeReasonCode::Failure);
    refused.and_then(|i| filters.get(i)).map_or(Ok(()), |filter| Err(WireFault::Subscription(filter)))
}

fn options(login: &Login<'_>, address: &str) -> Result<MqttOptions, WireFault> {
    if login.client_id.is_empty() {
        return Err(WireFault::Protocol("a device without an id cannot connect".to_owned()));
    }
    let mut options = MqttOptions::new(login.client_id, address, 0);
    options
        .set_transport(Transport::unix())
        // Without a password the library sends a user name alone, which is what a certificate's owner must send.
        .set_credentials(&login.user_name, login.password.unwrap_or(""))
        .set_keep_alive(login.keep_alive.clamp(KEEP_ALIVE.0, KEEP_ALIVE.1))
        .set_clean_session(login.clean)
        .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX)
        .set_inflight(PACKET_IDS);
    Ok(options)
}

/// Polls the library and copies its bytes until the session has ended, then reports why.
async fn converse<W>(
    event_loop: EventLoop,
    bridge: Bridge,
    wire: W,
    facts: mpsc::Sender<Fact>,
    clock: Arc<dyn Clock>,
) where
    W: AsyncRead + AsyncWrite + Unpin,
{
    let carry = bridge.carry(wire);
    let talk = talk(event_loop, &facts, &*clock);
    tokio::pin!(carry, talk);
    let mut carried = None;
    let end = loop {
        tokio::select! {
            end = &mut talk => break end,
            result = &mut carry, if carried.is_none() => carried = Some(result),
        }
    };
    // The event loop was dropped with `talk`, so the bridge has ended on its side and the connection is being closed.
    if carried.is_none() {
        carried = timeout(LINGER, carry).await.ok();
    }
    let cause = match end {
        End::Disconnected => return,
        End::Named(cause) => cause,
        End::Broken { accepted } => broken(carried, accepted),
    };
    // Fails if the session was dropped.
    let _ = facts.send(Fact::Ended(cause)).await;
}

/// Explains a broken bridge by what happened to the connection.
fn broken(carried: Option<io::Result<()>>, accepted: bool) -> WireFault {
    let closed = if accepted {
        "the other end closed it without a reason, as a hub does when the device connects elsewhere, the token has \
         expired, a quota is used up, or it restarts"
    } else {
        "the other end closed it instead of answering CONNECT"
    };
    match carried {
        Some(Err(error)) => WireFault::of_io(&error, closed),
        _ => WireFault::Closed(closed.to_owned()),
    }
}

/// How polling ended.
enum End {
    /// We said DISCONNECT.
    Disconnected,
    Named(WireFault),
    /// The library lost its bytes and cannot say why.
    Broken {
        accepted: bool,
    },
}

async fn talk(mut event_loop: EventLoop, facts: &mpsc::Sender<Fact>, clock: &dyn Clock) -> End {
    let mut accepted = false;
    // While the session is being closed nobody reads, and polling goes on until DISCONNECT is out.
    let tell = async |fact| {
        if let Some(fact) = fact {
            let _ = facts.send(fact).await;
        }
    };
    loop {
        match event_loop.poll().await {
            // One more poll would connect again.
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return End::Disconnected,
            Ok(event) => {
                accepted |= matches!(event, Event::Incoming(Packet::ConnAck(_)));
                tell(fact_of(event)).await;
            }
            Err(error) => {
                // The library reports the broken connection first, and would deliver earlier packets on the next connection.
                for event in core::mem::take(&mut event_loop.state.events) {
                    tell(fact_of(event)).await;
                }
                return end_of(&error, accepted, clock);
            }
        }
    }
}

fn fact_of(event: Event) -> Option<Fact> {
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Some(Fact::Accepted),
        Event::Incoming(Packet::SubAck(answer)) => Some(Fact::Subscribed(answer)),
        Event::Incoming(Packet::Publish(publish)) => Some(Fact::Published(publish)),
        Event::Incoming(Packet::PubAck(answer)) => Some(Fact::Acknowledged(answer.pkid)),
        Event::Outgoing(Outgoing::Publish(packet_id)) => Some(Fact::Sent(packet_id)),
        _ => None,
    }
}

fn end_of(error: &ConnectionError, accepted: bool, clock: &dyn Clock) -> End {
    let refused = |code| WireFault::Refused { code, at: clock.unix() };
    End::Named(match error {
        ConnectionError::ConnectionRefused(code) => refused(*code as u8),
        ConnectionError::MqttState(StateError::Deserialization(error)) => match error {
            PacketError::InvalidConnectReturnCode(code) => refused(*code),
            PacketError::PayloadSizeLimitExceeded(bytes) => WireFault::Oversized { bytes: *bytes },
            PacketError::Io(_) => return End::Broken { accepted },
            other => WireFault::Protocol(shorten(&other.to_string())),
        },
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::Io(_))
        | ConnectionError::Io(_) => {
            return End::Broken { accepted };
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => WireFault::Silent,
        ConnectionError::MqttState(other) => WireFault::Protocol(shorten(&other.to_string())),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            WireFault::Cut("the other end no longer accepts data".to_owned())
        }
        // Not printed: the packet may hold anything.
        ConnectionError::NotConnAck(_) => {
            WireFault::Protocol("it answered CONNECT with another packet".to_owned())
        }
        ConnectionError::RequestsDone => gone(),
    })
}
