//! The network between the daemon and the hub, as bad as it is told to be.
//!
//! Every connection is carried by one task that obeys one shared *weather*. Bytes are never changed, dropped or
//! reordered within a connection that lives: TCP does not do that either. A *buried* connection is one whose bytes go
//! nowhere for ever, as behind a router that forgot it.

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
    /// Each portion waits.
    Delay(Duration),
    /// So many bytes in each hundredth of a second.
    Throttle(usize),
    /// Nothing travels; what came waits.
    Hole,
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
struct Weather {
    pace: Pace,
    /// Connections with a lower number are buried.
    buried_below: u64,
    /// Connections with a lower number are cut so.
    cut: (u64, Cut),
    listening: bool,
    /// The number of the next connection.
    next: u64,
}

/// Listens on a port of its own until it is dropped with its runtime.
pub(crate) struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    pub(crate) fn start(runtime: &Handle, hub_port: u16) -> Self {
        let first =
            Weather { pace: Pace::Clear, buried_below: 0, cut: (0, Cut::Close), listening: true, next: 0 };
        let weather = watch::Sender::new(first);
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(listen(listener, port, hub_port, weather.clone()));
        Self { port, weather }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        self.weather.send_modify(|weather| weather.pace = pace);
    }

    /// Ends all connections that there are.
    pub(crate) fn cut(&self, cut: Cut) {
        self.weather.send_modify(|weather| weather.cut = (weather.next, cut));
    }

    /// All connections that there are stay open and dead.
    pub(crate) fn bury(&self) {
        self.weather.send_modify(|weather| weather.buried_below = weather.next);
    }

    /// Refuses new connections, or takes them again. Those that there are go on.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.weather.send_modify(|weather| weather.listening = listening);
    }

    /// The weather clears up. What is buried stays so.
    pub(crate) fn heal(&self) {
        self.weather.send_modify(|weather| {
            weather.pace = Pace::Clear;
            weather.listening = true;
        });
    }
}

async fn listen(first: TcpListener, port: u16, hub_port: u16, weather: watch::Sender<Weather>) {
    let mut changes = weather.subscribe();
    let mut listener = Some(first);
    loop {
        let listening = changes.borrow_and_update().listening;
        match &listener {
            Some(_) if !listening => listener = None,
            // A socket of the time before may still hold the port for a moment.
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
                let number = weather.borrow().next;
                weather.send_modify(|weather| weather.next += 1);
                tokio::spawn(connect(device, hub_port, number, weather.subscribe()));
            },
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

async fn connect(device: TcpStream, hub_port: u16, number: u64, weather: watch::Receiver<Weather>) {
    if let Ok(hub) = TcpStream::connect((Ipv4Addr::LOCALHOST, hub_port)).await {
        carry(device, hub, number, weather).await;
    }
}

async fn carry(mut device: TcpStream, mut hub: TcpStream, number: u64, weather: watch::Receiver<Weather>) {
    let ending = {
        let (from_device, to_device) = device.split();
        let (from_hub, to_hub) = hub.split();
        let up = pump(from_device, to_hub, number, weather.clone(), Cut::HalfToHub);
        let down = pump(from_hub, to_device, number, weather.clone(), Cut::HalfToDevice);
        tokio::select! {
            (up, down) = async { tokio::join!(up, down) } => up.and(down).err().map(|_| Cut::Close),
            cut = until_cut(number, weather, |cut| matches!(cut, Cut::Close | Cut::Reset)) => Some(cut),
        }
    };
    if ending == Some(Cut::Reset) {
        // Without this, dropping them would end them politely.
        let _ = (device.set_zero_linger(), hub.set_zero_linger());
    }
}

async fn until_cut(number: u64, mut weather: watch::Receiver<Weather>, fits: impl Fn(Cut) -> bool) -> Cut {
    match weather.wait_for(|weather| number < weather.cut.0 && fits(weather.cut.1)).await {
        Ok(weather) => weather.cut.1,
        Err(_) => Cut::Close,
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u64,
    mut weather: watch::Receiver<Weather>,
    half: Cut,
) -> io::Result<()> {
    let mut buffer = [0; 2048];
    let mut shut = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            _ = until_cut(number, weather.clone(), |cut| cut == half), if !shut => {
                to.shutdown().await?;
                shut = true;
                continue;
            }
        };
        if read == 0 {
            return if shut { Ok(()) } else { to.shutdown().await };
        }
        // After its end was sent, what still comes is read and goes nowhere.
        if shut {
            continue;
        }
        let open = |weather: &Weather| weather.pace != Pace::Hole && number >= weather.buried_below;
        let pace = weather.wait_for(open).await.map_err(io::Error::other)?.pace;
        match pace {
            Pace::Clear | Pace::Hole => to.write_all(&buffer[..read]).await?,
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
