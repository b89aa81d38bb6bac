//! A device made of a TLS stream and a packet codec. It does only what a test says.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test that is how to fail")]

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rumqttc::{Codec, Connect, ConnectReturnCode, Login, Packet, Publish, QoS, Subscribe, SubscribeFilter};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::codec::Framed;
use twinhub::{Event, Hub, Options, Running, sas};

/// A timeout that only a hang reaches.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const DEVICE: &str = "MyTwinDevice";

pub async fn start() -> Running {
    Hub::start(Options { devices: vec![DEVICE.to_owned()], ..Options::default() }).await.unwrap()
}

pub fn client_config(ca_pem: &str, identity: Option<&twinhub::pki::Certified>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    })
}

/// Connects to the hub and completes the TLS handshake.
pub async fn dial(hub: &Running, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    dial_as(hub, port, None).await
}

pub async fn dial_as(
    hub: &Running,
    port: u16,
    identity: Option<&twinhub::pki::Certified>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(client_config(hub.ca_pem(), identity)).connect(name, tcp).await
}

pub fn token(hub: &Hub, device: &str, expiry_unix_seconds: u64) -> String {
    let key = hub.device_keys(device).unwrap().unwrap().primary;
    sas::sign(&format!("{}/devices/{device}", hub.host()), &key, None, expiry_unix_seconds).unwrap()
}

pub fn far_expiry() -> u64 {
    twinhub::clock::unix_seconds() + 3600
}

/// A CONNECT that the hub accepts: CleanSession 0, keep-alive 60 s.
pub fn good_connect(hub: &Hub, device: &str) -> Connect {
    let mut connect = Connect::new(device);
    connect.clean_session = false;
    connect.keep_alive = 60;
    let username = format!("{}/{device}/?api-version=2021-04-12", hub.host());
    connect.login = Some(Login::new(username, token(hub, device, far_expiry())));
    connect
}

pub struct Device {
    io: Framed<TlsStream<TcpStream>, Codec>,
    next_packet_id: u16,
}

impl Device {
    /// A connection on which nothing has been sent.
    pub async fn dial(hub: &Running) -> Self {
        Self::over(dial(hub, hub.mqtt_port()).await.unwrap())
    }

    pub fn over(stream: TlsStream<TcpStream>) -> Self {
        let codec = Codec { max_incoming_size: 32 << 20, max_outgoing_size: 32 << 20 };
        Self { io: Framed::new(stream, codec), next_packet_id: 0 }
    }

    /// Connects with CleanSession 0; the flag is session-present.
    pub async fn connect(hub: &Running, id: &str) -> (Self, bool) {
        let mut device = Self::dial(hub).await;
        match device.try_connect(good_connect(hub, id)).await {
            (ConnectReturnCode::Success, present) => (device, present),
            refused => panic!("refused: {refused:?}"),
        }
    }

    /// Connects and subscribes to answers and desired notifications.
    pub async fn ready(hub: &Running, id: &str) -> Self {
        let (mut device, _) = Self::connect(hub, id).await;
        device.subscribe(&["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"]).await;
        device
    }

    pub async fn try_connect(&mut self, connect: Connect) -> (ConnectReturnCode, bool) {
        self.send(Packet::Connect(connect)).await;
        match self.next().await {
            Some(Packet::ConnAck(ack)) => (ack.code, ack.session_present),
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    pub async fn send(&mut self, packet: Packet) {
        self.io.send(packet).await.unwrap();
    }

    /// The next packet; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        match timeout(PATIENCE, self.io.next()).await.expect("the hub is silent") {
            Some(Ok(packet)) => Some(packet),
            None | Some(Err(_)) => None,
        }
    }

    pub async fn next_publish(&mut self) -> Publish {
        match self.next().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("expected PUBLISH, got {other:?}"),
        }
    }

    /// The next publish, as topic and JSON (`null` if empty).
    pub async fn next_message(&mut self) -> (String, Value) {
        let publish = self.next_publish().await;
        assert_eq!(publish.qos, QoS::AtMostOnce, "twin traffic comes at QoS 0");
        let body = if publish.payload.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&publish.payload).unwrap()
        };
        (publish.topic, body)
    }

    /// Expects the end of the connection, with nothing before it.
    pub async fn expect_end(&mut self) {
        assert_eq!(self.next().await, None, "expected the end of the connection");
    }

    /// Sends a ping, and expects its answer with nothing before it.
    pub async fn expect_nothing_before_ping(&mut self) {
        self.send(Packet::PingReq).await;
        assert_eq!(self.next().await, Some(Packet::PingResp));
    }

    pub async fn subscribe(&mut self, filters: &[&str]) -> Vec<rumqttc::SubscribeReasonCode> {
        self.send_subscribe(filters, QoS::AtMostOnce).await;
        match self.next().await {
            Some(Packet::SubAck(ack)) if ack.pkid == self.next_packet_id => ack.return_codes,
            other => panic!("expected SUBACK, got {other:?}"),
        }
    }

    pub async fn send_subscribe(&mut self, filters: &[&str], qos: QoS) {
        let filters = filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), qos));
        let mut subscribe = Subscribe::new_many(filters);
        subscribe.pkid = self.packet_id();
        self.send(Packet::Subscribe(subscribe)).await;
    }

    pub async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(Packet::Publish(Publish::new(topic, QoS::AtMostOnce, payload))).await;
    }

    pub async fn publish_at(&mut self, qos: QoS, topic: &str, payload: impl Into<Vec<u8>>) -> u16 {
        let mut publish = Publish::from_bytes(topic, qos, Bytes::from(payload.into()));
        publish.pkid = self.packet_id();
        self.send(Packet::Publish(publish)).await;
        self.next_packet_id
    }

    /// Asks for the twin; returns the answer.
    pub async fn get(&mut self, rid: &str) -> (String, Value) {
        self.publish(&format!("$iothub/twin/GET/?$rid={rid}"), " ").await;
        self.next_message().await
    }

    /// Sends a report; returns the answer.
    pub async fn report(&mut self, rid: &str, patch: &Value) -> (String, Value) {
        self.publish(&format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}"), patch.to_string()).await;
        self.next_message().await
    }

    fn packet_id(&mut self) -> u16 {
        self.next_packet_id += 1;
        self.next_packet_id
    }
}

/// Waits for the first event that fits.
pub async fn saw(hub: &Hub, fits: impl Fn(&Event) -> bool) -> Event {
    hub.wait_for(|entry| fits(&entry.event), PATIENCE).await.unwrap().event
}
