//! The wire: carries MQTT's bytes between this machine and any peer.
//!
//! It knows names, addresses, sockets, proxies, TLS with its files, WebSockets, and MQTT's packets; topics and payloads are text and
//! bytes here. It makes one connection and opens one MQTT session over it. Whatever ends them is a [`WireFault`].
//!
//! ```text
//!   network             is there a route?
//!   happy_eyeballs      several addresses of one name ─┐
//!   proxy               through an HTTP proxy ─────────┼─► connect     a connection that carries MQTT
//!   tls ◄ credentials ◄ der     trust, and identity ───┤
//!   websocket           where port 8883 is closed ─────┘
//!   bridge ─► mqtt      one session over one connection; alone names the MQTT library
//!   under_way ─┘        which message the other end has acknowledged
//! ```
//!
//! Topics, tokens and the meaning of codes belong to `azure`. It tries once; `link` decides when to try again.

mod bridge;
mod connect;
mod credentials;
mod der;
mod fault;
mod happy_eyeballs;
mod mqtt;
mod network;
mod peer;
pub mod proxy;
mod setup;
mod tls;
mod under_way;
mod websocket;

pub use connect::Transport;
pub(in crate::hub) use connect::{Carrier, Passed, Route, connect};
pub use credentials::{Sections, certificates, is_pkcs12, private_key};
pub use fault::WireFault;
pub(in crate::hub) use mqtt::{Delivery, Heard, Login, Session};
pub(in crate::hub) use network::until_back;
pub use peer::{Peer, Stage};
pub use proxy::{Proxy, ProxyFault};
pub use setup::SetupFault;
pub(in crate::hub) use tls::configure_within;
pub use tls::{Rehearsed, TlsFault, rehearse};
pub use websocket::WebSocketFault;
