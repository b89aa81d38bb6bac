//! One device connection over any byte stream: CONNECT, then packets both ways until something ends it.
//!
//! The MQTT client library's codec reads and writes the packets; other modules decide what they mean. Packets of MQTT 5,
//! and anything before CONNECT, end the connection.

use crate::{
    admission::Admitted,
    events::{CloseReason, Event},
    provisioning,
    state::{Frame, Outgoing, Shared},
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rumqttc::{Codec, Packet, mqttbytes};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{codec::Framed, sync::CancellationToken};

/// Largest packet received: the largest message and its topic.
const MAX_INCOMING_BYTES: usize = (256 + 64) * 1024;
/// Largest packet sent; more than clients accept, so that a test can try that.
const MAX_OUTGOING_BYTES: usize = 16 * 1024 * 1024;
const FAREWELL: Duration = Duration::from_secs(1);
/// The delay of a timer that is not wanted.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// Serves one connection to its end, or until the hub is `done`. `certificate` is the client's, if it presented one.
pub(crate) async fn serve<S>(
    shared: Arc<Shared>,
    stream: S,
    certificate: Option<Vec<u8>>,
    done: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let codec = Codec { max_incoming_size: MAX_INCOMING_BYTES, max_outgoing_size: MAX_OUTGOING_BYTES };
    let mut io = Framed::new(stream, codec);
    let wait = shared.behaviour().connect_wait;
    let first = done.run_until_cancelled(timeout(wait, first_packet(&mut io))).await;
    let connect = match first {
        Some(Ok(Some(Ok(Packet::Connect(connect))))) => connect,
        Some(Ok(Some(Err(mqttbytes::Error::InvalidProtocolLevel(_))))) => {
            let code = shared.behaviour().bad_protocol_code;
            shared.log.push("", Event::Refused { code, reason: crate::events::RefuseReason::BadProtocol });
            return refuse(&mut io, code).await;
        }
        _ => return farewell(&mut io).await,
    };
    if shared.faults.muted() {
        // As on a dead link, the client receives nothing, not even the end of the connection.
        let listen_on = async { while !matches!(io.next().await, None | Some(Err(_))) {} };
        done.run_until_cancelled(listen_on).await;
        return;
    }
    if let Some(who) = provisioning::Registrant::of(&connect) {
        return provisioning::serve(shared, &mut io, who, certificate.as_deref(), &done).await;
    }
    match shared.admit(connect, certificate.as_deref()) {
        Ok(mut admitted) => {
            let reason =
                Connection { io: &mut io, shared: &shared, admitted: &mut admitted, done: &done }.run().await;
            let Admitted { device_id, link_id, will, sender, .. } = admitted;
            // The device is marked as gone before the connection ends, so that a client that sees the end finds it so.
            shared.leave(&device_id, link_id, reason, will.as_ref(), &sender);
            farewell(&mut io).await;
        }
        Err(refused) => refuse(&mut io, refused.code).await,
    }
}

/// The first packet. `None` at once if its first byte is not CONNECT's, since the rest may never come.
async fn first_packet<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Framed<S, Codec>,
) -> Option<Result<Packet, mqttbytes::Error>> {
    const CONNECT: u8 = 0x10;
    let byte = io.get_mut().read_u8().await.ok().filter(|byte| *byte == CONNECT)?;
    io.read_buffer_mut().extend_from_slice(&[byte]);
    io.next().await
}

pub(crate) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(io: &mut Framed<S, Codec>, code: u8) {
    // The client may be gone already.
    let _ = timeout(FAREWELL, write_raw(io, &connack(code, false))).await;
    farewell(io).await;
}

pub(crate) async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(io: &mut Framed<S, Codec>) {
    let _ = timeout(FAREWELL, io.get_mut().shutdown()).await;
}

/// CONNACK as bytes, so that a test can send codes that do not exist.
pub(crate) fn connack(code: u8, session_present: bool) -> [u8; 4] {
    [0x20, 0x02, u8::from(session_present), code]
}

pub(crate) async fn write_raw<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Framed<S, Codec>,
    bytes: &[u8],
) -> std::io::Result<()> {
    let stream = io.get_mut();
    stream.write_all(bytes).await?;
    stream.flush().await
}

struct Connection<'a, S> {
    io: &'a mut Framed<S, Codec>,
    shared: &'a Shared,
    admitted: &'a mut Admitted,
    done: &'a CancellationToken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn run(&mut self) -> CloseReason {
        match self.exchange().await {
            Ok(()) => CloseReason::ConnectionLost,
            Err(reason) => reason,
        }
    }

    async fn exchange(&mut self) -> Result<(), CloseReason> {
        let hello = connack(0, self.admitted.session_present);
        self.write(Frame::Raw(Bytes::copy_from_slice(&hello))).await?;
        let mut heard = Instant::now();
        let expiry = heard + self.admitted.token_life.unwrap_or(NEVER).min(NEVER);
        let mut delayed: VecDeque<(Instant, Outgoing)> = VecDeque::new();
        loop {
            let due = delayed.front().map_or(heard + NEVER, |(due, _)| *due);
            tokio::select! {
                reason = &mut self.admitted.close => return Err(reason.unwrap_or(CloseReason::HubStopped)),
                () = self.done.cancelled() => return Err(CloseReason::HubStopped),
                packet = self.io.next() => {
                    heard = Instant::now();
                    let packet = match packet {
                        None => return Ok(()),
                        Some(Err(mqttbytes::Error::Io(_))) => return Ok(()),
                        Some(Err(error)) => return Err(CloseReason::Violation(error.to_string())),
                        Some(Ok(packet)) => packet,
                    };
                    let device = &self.admitted.device_id;
                    if self.shared.faults.muted() {
                        self.shared.log.push(device, Event::Unheard);
                    } else {
                        let handled = self.shared.on_packet(device, self.admitted.link_id, packet);
                        handled.map_err(|reason| self.admitted.close.try_recv().unwrap_or(reason))?;
                    }
                }
                Some(out) = self.admitted.outbox.recv() => {
                    if out.delay.is_zero() {
                        self.write_out(out).await?;
                    } else {
                        let due = Instant::now() + out.delay;
                        let place = delayed.partition_point(|(other, _)| *other <= due);
                        delayed.insert(place, (due, out));
                    }
                }
                () = sleep_until(due) => {
                    if let Some((_, out)) = delayed.pop_front() {
                        self.write_out(out).await?;
                    }
                }
                () = sleep_until(heard + self.admitted.max_silence) => {
                    if !self.shared.faults.muted() {
                        return Err(CloseReason::KeepAliveLapsed);
                    }
                    heard = Instant::now();
                }
                () = sleep_until(expiry), if self.admitted.token_life.is_some() => {
                    return Err(CloseReason::TokenExpired);
                }
            }
        }
    }

    async fn write_out(&mut self, out: Outgoing) -> Result<(), CloseReason> {
        if self.shared.faults.muted() {
            if let Some(Event::DesiredSent { version }) = out.event {
                self.shared.log.push(&self.admitted.device_id, Event::DesiredNotSent { version });
            }
            return Ok(());
        }
        self.write(out.frame).await?;
        if let Some(event) = out.event {
            self.shared.log.push(&self.admitted.device_id, event);
        }
        Ok(())
    }

    /// Writes a frame. An end of the connection interrupts it, so that a device that does not read cannot delay that end.
    async fn write(&mut self, frame: Frame) -> Result<(), CloseReason> {
        let io = &mut *self.io;
        let writing = async move {
            match frame {
                Frame::Packet(packet) => io.send(packet).await.is_ok(),
                Frame::Raw(bytes) => write_raw(io, &bytes).await.is_ok(),
            }
        };
        tokio::select! {
            written = writing => if written { Ok(()) } else { Err(CloseReason::ConnectionLost) },
            reason = &mut self.admitted.close => Err(reason.unwrap_or(CloseReason::HubStopped)),
            () = self.done.cancelled() => Err(CloseReason::HubStopped),
        }
    }
}
