//! The network between the daemon and the hub, with faults on request.
//!
//! Every connection is forwarded by one task, and all tasks obey the same *conditions*. Within an open connection bytes are
//! never changed, dropped or reordered, as in TCP. A *black-holed* connection never delivers anything again, as behind a
//! router that has forgotten it.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    Clear,
    /// Each portion is delayed.
    Delay(Duration),
    /// This many bytes in each hundredth of a second.
    Throttle(usize),
    /// Nothing is delivered for now; what came waits.
    BlackHole,
}

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    Close,
    Reset,
    HalfToHub,
    HalfToDevice,
}

#[derive(Clone, Copy)]
struct Conditions {
    pace: Pace,
    /// Connections with a lower number are black-holed.
    black_holed_below: u64,
    /// Connections with a lower number are ended in this way.
    cut: (u64, Cut),
    listening: bool,
    /// The number of the next connection.
    next: u64,
}

/// Listens on a port of its own until it is dropped with its runtime.
pub(crate) struct Proxy {
    port: u16,
    conditions: watch::Sender<Conditions>,
}

impl Proxy {
    pub(crate) fn start(runtime: &Handle, hub_port: u16) -> Self {
        let first = Conditions {
            pace: Pace::Clear,
            black_holed_below: 0,
            cut: (0, Cut::Close),
            listening: true,
            next: 0,
        };
        let conditions = watch::Sender::new(first);
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(listen(listener, port, hub_port, conditions.clone()));
        Self { port, conditions }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        self.conditions.send_modify(|conditions| conditions.pace = pace);
    }

    /// Ends all present connections.
    pub(crate) fn cut(&self, cut: Cut) {
        self.conditions.send_modify(|conditions| conditions.cut = (conditions.next, cut));
    }

    /// All present connections stay open and deliver nothing any more.
    pub(crate) fn black_hole(&self) {
        self.conditions.send_modify(|conditions| conditions.black_holed_below = conditions.next);
    }

    /// Refuses new connections, or accepts them again. Present ones go on.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.conditions.send_modify(|conditions| conditions.listening = listening);
    }

    /// Ends all faults, except that black-holed connections stay so.
    pub(crate) fn end_faults(&self) {
        self.conditions.send_modify(|conditions| {
            conditions.pace = Pace::Clear;
            conditions.listening = true;
        });
    }
}

async fn listen(first: TcpListener, port: u16, hub_port: u16, conditions: watch::Sender<Conditions>) {
    let mut changes = conditions.subscribe();
    let mut listener = Some(first);
    loop {
        let listening = changes.borrow_and_update().listening;
        match &listener {
            Some(_) if !listening => listener = None,
            // The earlier socket may still hold the port for a moment.
            None if listening => match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(bound) => listener = Some(bound),
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            _ => {}
        }
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accept => if let Ok((device, _)) = accepted {
                let number = conditions.borrow().next;
                conditions.send_modify(|conditions| conditions.next += 1);
                tokio::spawn(connect(device, hub_port, number, conditions.subscribe()));
            },
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

async fn connect(device: TcpStream, hub_port: u16, number: u64, conditions: watch::Receiver<Conditions>) {
    if let Ok(hub) = TcpStream::connect((Ipv4Addr::LOCALHOST, hub_port)).await {
        carry(device, hub, number, conditions).await;
    }
}

async fn carry(
    mut device: TcpStream,
    mut hub: TcpStream,
    number: u64,
    conditions: watch::Receiver<Conditions>,
) {
    let ending = {
        let (from_device, to_device) = device.split();
        let (from_hub, to_hub) = hub.split();
        let up = pump(from_device, to_hub, number, conditions.clone(), Cut::HalfToHub);
        let down = pump(from_hub, to_device, number, conditions.clone(), Cut::HalfToDevice);
        tokio::select! {
            (up, down) = async { tokio::join!(up, down) } => up.and(down).err().map(|_| Cut::Close),
            cut = until_cut(number, conditions, |cut| matches!(cut, Cut::Close | Cut::Reset)) => Some(cut),
        }
    };
    if ending == Some(Cut::Reset) {
        // Without this, dropping them would close them in order.
        let _ = (device.set_zero_linger(), hub.set_zero_linger());
    }
}

async fn until_cut(
    number: u64,
    mut conditions: watch::Receiver<Conditions>,
    fits: impl Fn(Cut) -> bool,
) -> Cut {
    match conditions.wait_for(|conditions| number < conditions.cut.0 && fits(conditions.cut.1)).await {
        Ok(conditions) => conditions.cut.1,
        Err(_) => Cut::Close,
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u64,
    mut conditions: watch::Receiver<Conditions>,
    half: Cut,
) -> io::Result<()> {
    let mut buffer = [0; 2048];
    let mut shut = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            _ = until_cut(number, conditions.clone(), |cut| cut == half), if !shut => {
                to.shutdown().await?;
                shut = true;
                continue;
            }
        };
        if read == 0 {
            return if shut { Ok(()) } else { to.shutdown().await };
        }
        // After its end was forwarded, what still comes is read and dropped.
        if shut {
            continue;
        }
        let open = |conditions: &Conditions| {
            conditions.pace != Pace::BlackHole && number >= conditions.black_holed_below
        };
        let pace = conditions.wait_for(open).await.map_err(io::Error::other)?.pace;
        match pace {
            Pace::Clear | Pace::BlackHole => to.write_all(&buffer[..read]).await?,
            Pace::Delay(wait) => {
                tokio::time::sleep(wait).await;
                to.write_all(&buffer[..read]).await?;
            }
            Pace::Throttle(bytes) => {
                for portion in buffer[..read].chunks(bytes) {
                    to.write_all(portion).await?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}
