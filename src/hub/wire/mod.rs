//! The wire: what carries MQTT's bytes between this machine and a peer, whoever that is.
//!
//! It knows names, addresses, sockets, proxies, TLS with the files that it needs, WebSockets, and MQTT's packets: topics
//! and payloads are text and bytes here. One connection is made, one MQTT session is opened over it, and whatever ends them
//! has a [`WireFault`].
//!
//! ```text
//!   network             is there a way out?
//!   happy_eyeballs      several addresses of one name ─┐
//!   proxy               through an HTTP proxy ─────────┼─► connect     a connection that carries MQTT
//!   tls ◄ credentials ◄ der     what is trusted, shown ┤
//!   websocket           through a closed port 8883 ────┘
//!   bridge ─► mqtt      one session over one connection; alone names the MQTT library
//! ```
//!
//! It is not a hub: topics, tokens and the meaning of codes are `azure`'s. It tries once: when to try again is `link`'s.

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
mod websocket;

pub use connect::Transport;
pub(in crate::hub) use connect::{Carrier, Route, connect};
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
