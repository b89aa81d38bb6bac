//! Listeners: they accept connections, and shake hands in separate tasks so that a slow client holds up nobody.

use crate::{
    events::Event,
    mqtt, rest,
    state::Shared,
    upgrade::{Client, Devices},
};
use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rustls::ServerConfig;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

const HANDSHAKE: Duration = Duration::from_secs(15);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);
/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The TLS configuration for new connections.
pub(crate) type Presented = Arc<Mutex<Arc<ServerConfig>>>;

/// The hub's two ports while it does not listen: connections are refused, and no other program can take the ports.
pub(crate) struct Ports {
    mqtt: TcpSocket,
    https: TcpSocket,
}

impl Ports {
    /// Takes the ports; an error names the address that cannot be bound.
    pub(crate) fn take(mqtt: SocketAddr, https: SocketAddr) -> Result<Self, (SocketAddr, io::Error)> {
        let take = |address| bind(address).map_err(|error| (address, error));
        Ok(Self { mqtt: take(mqtt)?, https: take(https)? })
    }

    /// The addresses for devices and for back ends.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.mqtt.local_addr()?, self.https.local_addr()?))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Earlier connections in TIME_WAIT must not prevent this.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The accepting tasks, from a start of listening to its stop.
pub(crate) struct Listeners {
    tasks: Vec<JoinHandle<()>>,
    /// Ends handshakes, device connections and idle back-end connections.
    done: CancellationToken,
    /// Closes when the last device connection has ended, since each holds a sender.
    devices_gone: mpsc::Receiver<()>,
}

impl Listeners {
    /// Starts accepting on both ports. Must be called within a runtime.
    pub(crate) fn start(shared: &Arc<Shared>, ports: Ports, presented: &Presented) -> io::Result<Self> {
        let done = CancellationToken::new();
        let (device_here, devices_gone) = mpsc::channel::<()>(1);
        let (hub, over) = (shared.clone(), done.clone());
        let over_websocket = Devices { done: done.clone(), here: device_here.downgrade() };
        let serve_device = move |stream: TlsStream<TcpStream>, _| {
            let certificate = certificate_of(&stream);
            let (hub, over, here) = (hub.clone(), over.clone(), device_here.clone());
            tokio::spawn(async move {
                mqtt::serve(hub, stream, certificate, over).await;
                drop(here);
            });
        };
        let (mqtt, https) = (ports.mqtt.listen(BACKLOG)?, ports.https.listen(BACKLOG)?);
        let devices = accept(shared.clone(), mqtt, presented.clone(), done.clone(), serve_device);
        let (sender, receiver) = mpsc::channel(16);
        let address = https.local_addr()?;
        let back_ends =
            accept(shared.clone(), https, presented.clone(), done.clone(), move |stream, peer| {
                // A full queue means that nobody serves any more.
                let _ = sender.try_send((stream, peer));
            });
        let router = rest::router(shared.clone(), over_websocket);
        let service = axum::serve(
            Accepted { receiver, address },
            router.into_make_service_with_connect_info::<Client>(),
        )
        .with_graceful_shutdown(done.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            let _ = service.await;
        });
        Ok(Self { tasks: vec![devices, back_ends, serving], done, devices_gone })
    }

    /// Stops accepting and ends the device connections; returns when the devices are gone. The ports are taken again at
    /// once, to listen on later; `None` if another program was quicker.
    pub(crate) async fn stop(mut self, addresses: (SocketAddr, SocketAddr)) -> Option<Ports> {
        self.done.cancel();
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks.drain(..) {
            // An aborted task ends in an error, as intended.
            let _ = task.await;
        }
        let kept = Ports::take(addresses.0, addresses.1).ok();
        // Nothing is ever sent, so this waits until the last sender is dropped. Handshakes under way hold one as well.
        let _ = self.devices_gone.recv().await;
        kept
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.done.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The client's certificate, if it presented one.
fn certificate_of(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    stream.get_ref().1.peer_certificates()?.first().map(|der| der.to_vec())
}

impl Connected<IncomingStream<'_, Accepted>> for Client {
    fn connect_info(stream: IncomingStream<'_, Accepted>) -> Self {
        Self { certificate: certificate_of(stream.io()) }
    }
}

fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    presented: Presented,
    done: CancellationToken,
    hand_over: impl Fn(TlsStream<TcpStream>, SocketAddr) + Clone + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // No descriptors are left, or the client left at once. A busy loop would help neither.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            };
            let config = presented.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (shared, hand_over, done) = (shared.clone(), hand_over.clone(), done.clone());
            tokio::spawn(async move {
                // Not essential: it only reduces latency.
                let _ = stream.set_nodelay(true);
                let handshake = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream));
                let Some(shaken) = done.run_until_cancelled(handshake).await else { return };
                match shaken {
                    Ok(Ok(stream)) => hand_over(stream, peer),
                    Ok(Err(error)) => shared.log.push("", Event::TlsFailed { error: error.to_string() }),
                    Err(_) => {
                        shared.log.push("", Event::TlsFailed { error: "handshake too slow".to_owned() });
                    }
                }
            });
        }
    })
}

/// Streams whose handshake is done, in the form that the HTTP server takes.
struct Accepted {
    receiver: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl axum::serve::Listener for Accepted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.receiver.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
