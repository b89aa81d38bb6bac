//! A bridge: a Unix socket from this process to itself, which connects the MQTT library to a connection that twind made.
//!
//! The library can connect to a Unix socket by name, but takes no connection from outside. So the bridge has an abstract name,
//! which leaves no file, is drawn at random and is used for one connection. Connections from other processes are refused.

use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt::Write as _;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{UnixListener, UnixStream};

/// Bytes under way in each direction. Twins are small; this is held for as long as the session lasts.
const BUFFER_BYTES: usize = 4096;

/// A bridge that waits for its one connection.
pub(super) struct Bridge {
    listener: UnixListener,
    address: String,
}

impl Bridge {
    /// Takes a name.
    pub(super) fn bind() -> io::Result<Self> {
        let mut nonce = [0; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_| io::Error::other("no random numbers"))?;
        // The leading NUL makes the name an abstract one (unix(7)); both ends of tokio know it.
        let mut address = String::from("\0twind-");
        for byte in nonce {
            let _ = write!(address, "{byte:02x}");
        }
        Ok(Self { listener: UnixListener::bind(&address)?, address })
    }

    /// The name to connect to.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Accepts the one connection, gives up the name, and copies bytes both ways until both ends are done or one fails.
    pub(super) async fn carry<W>(self, mut wire: W) -> io::Result<()>
    where
        W: AsyncRead + AsyncWrite + Unpin,
    {
        let mut own = self.accept_own().await?;
        drop(self);
        copy_bidirectional_with_sizes(&mut own, &mut wire, BUFFER_BYTES, BUFFER_BYTES).await.map(|_| ())
    }

    async fn accept_own(&self) -> io::Result<UnixStream> {
        let own = i32::try_from(std::process::id()).ok();
        loop {
            let (stream, _) = self.listener.accept().await?;
            let pid = stream.peer_cred()?.pid();
            if pid.is_some() && pid == own {
                return Ok(stream);
            }
            tracing::warn!(
                ?pid,
                "another process connected to the internal socket of the hub's connection and was refused"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn bytes_cross_both_ways_and_an_end_crosses_too() {
        let bridge = Bridge::bind().unwrap();
        let address = bridge.address().to_owned();
        let (wire, mut far) = duplex(64);
        let carried = tokio::spawn(bridge.carry(wire));
        let mut near = UnixStream::connect(&address).await.unwrap();

        near.write_all(b"ping").await.unwrap();
        let mut seen = [0; 4];
        far.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"ping");

        far.write_all(b"pong").await.unwrap();
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"pong");
        drop(near);
        carried.await.unwrap().unwrap();
    }

    const STRANGER_NAME: &str = "TWIND_TEST_BRIDGE";

    #[test]
    #[ignore = "the other process of the test below, which starts it"]
    fn stranger() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixStream};
        let name = std::env::var(STRANGER_NAME).unwrap();
        let mut stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        // Turned away is an end or a reset, and no byte before it.
        let heard = io::Read::read(&mut stream, &mut [0; 1]).unwrap_or(0);
        assert_eq!(heard, 0);
    }

    #[tokio::test]
    async fn another_process_is_turned_away_and_the_own_still_served() {
        let bridge = Bridge::bind().unwrap();
        let address = bridge.address().to_owned();
        let (wire, mut far) = duplex(64);
        // Whoever is served hears this.
        far.write_all(b"x").await.unwrap();
        let carried = tokio::spawn(bridge.carry(wire));
        let mut stranger = std::process::Command::new(std::env::current_exe().unwrap());
        stranger.args(["hub::wire::bridge::tests::stranger", "--exact", "--ignored"]);
        stranger.env(STRANGER_NAME, address.trim_start_matches('\0'));
        let output = tokio::task::spawn_blocking(move || stranger.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");

        let mut near = UnixStream::connect(&address).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'x');
        carried.abort();
    }

    #[tokio::test]
    async fn the_name_is_given_up_after_one_connection_and_never_repeats() {
        let (one, two) = (Bridge::bind().unwrap(), Bridge::bind().unwrap());
        assert_ne!(one.address(), two.address());

        let address = one.address().to_owned();
        let (wire, _far) = duplex(64);
        let carried = tokio::spawn(one.carry(wire));
        let mut near = UnixStream::connect(&address).await.unwrap();
        // Bytes that arrive show that the connection was taken.
        near.write_all(b"x").await.unwrap();
        let mut far = _far;
        far.read_u8().await.unwrap();
        let error = UnixStream::connect(&address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        carried.abort();
    }
}
