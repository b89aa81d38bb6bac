//! A second client with the daemon's identity, as on a cloned card. The hub keeps the client that connected last.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The credentials.
#[derive(Clone)]
pub(crate) struct Rival {
    pub(crate) hub_port: u16,
    pub(crate) ca_pem: String,
    pub(crate) host: String,
    pub(crate) device: String,
    pub(crate) key: String,
}

impl Rival {
    /// Connects, stays for this long, and closes without DISCONNECT.
    ///
    /// # Errors
    /// It cannot connect, for instance because the hub is down.
    pub(crate) async fn intrude(&self, stay: Duration) -> io::Result<()> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).map_err(io::Error::other)?;
        roots.add(ca).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.hub_port)).await?;
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        tls.write_all(&self.connect_packet()).await?;
        let mut answer = [0; 4];
        tls.read_exact(&mut answer).await?;
        if answer[3] != 0 {
            return Err(io::Error::other(format!("the rival was refused with {}", answer[3])));
        }
        tokio::time::sleep(stay).await;
        Ok(())
    }

    /// MQTT 3.1.1, section 3.1: CONNECT with a clean session, user name and password.
    fn connect_packet(&self) -> Vec<u8> {
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + 3600;
        let resource = format!("{}/devices/{}", self.host, self.device);
        let token = twinhub::sas::sign(&resource, &self.key, None, expiry).unwrap_or_default();
        let user = format!("{}/{}/?api-version=2021-04-12", self.host, self.device);
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0b1100_0010, 0, 60];
        for text in [&self.device, &user, &token] {
            body.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            body.extend(text.as_bytes());
        }
        let mut packet = vec![0x10];
        let mut left = body.len();
        loop {
            let digit = (left % 128) as u8;
            left /= 128;
            packet.push(if left > 0 { digit | 0x80 } else { digit });
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        packet
    }
}
