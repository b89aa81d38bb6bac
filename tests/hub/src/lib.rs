//! A stand-in for Azure IoT Hub: device twins over MQTT and REST, for developers and tests.
//!
//! It speaks the protocols of stock clients: MQTT 3.1.1 over TLS with devices, HTTPS with back ends, shared access
//! signatures on both sides. It aims to be as strict as the real hub and never more lenient. Where the sources about the
//! real hub are silent, [`Behaviour`] has a switch. A test can inject [`Faults`] while it runs.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use twinhub::{Hub, Options};
//! let hub = Hub::start(Options { devices: vec!["MyTwinDevice".into()], ..Options::default() }).await?;
//! let _connect_with = (hub.mqtt_port(), hub.device_connection_string("MyTwinDevice")?, hub.ca_pem());
//! hub.update_desired("MyTwinDevice", &serde_json::json!({ "fanOn": "true" }))?;
//! # Ok(())
//! # }
//! ```
//!
//! The modules, from pure rules to sockets:
//!
//! - [`twin`]: the rules of a twin; [`identity`], [`sas`] and [`username`]: who may do what; [`topic`]: the valid topics.
//! - `state`: the hub's state. `admission`, `device_side` and `service_side`: the operations on it.
//! - [`bag`]: the properties of a message; `telemetry`: how the hub takes one; [`messages`]: those that it took.
//! - `mqtt` (bare or in a `websocket`) and `rest`: the protocols. `listen`, [`running`], [`pki`]: sockets, certificates,
//!   start and stop.
//! - [`provisioning`]: the service that assigns devices to the hub. It shares the hub's port and is chosen by the user name.
//! - [`behaviour`], [`faults`], [`events`]: a test's settings, faults and log; [`hub`]: the handle to all of it.

mod admission;
pub mod bag;
pub mod behaviour;
pub mod clock;
mod device_side;
mod errors;
pub mod events;
pub mod faults;
mod feed;
pub mod hub;
pub mod identity;
mod if_match;
mod listen;
pub mod messages;
mod mqtt;
pub mod pki;
pub mod provisioning;
mod query;
mod rest;
pub mod running;
pub mod sas;
mod service_side;
mod state;
mod store;
mod telemetry;
mod tls;
pub mod topic;
pub mod twin;
mod upgrade;
pub mod username;
mod views;
mod websocket;

pub use behaviour::{Behaviour, TwinAnswers};
pub use events::{CloseReason, Entry, Event, RefuseReason, WaitError};
pub use faults::{Answer, Faults, Throttle, Times};
pub use hub::Hub;
pub use identity::Keys;
pub use messages::{Message, Metered};
pub use provisioning::RegistrationAnswer;
pub use running::{Certificate, Options, Running, StartError};
pub use service_side::ServiceError;
pub use state::MethodReply;
