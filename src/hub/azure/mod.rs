//! Azure IoT Hub: what is said to it, and what its answers mean.
//!
//! It knows the hub's topics and payloads, tokens and user names, the codes of a refusal, and the provisioning service
//! that says which hub a device belongs to. A *request id* (`$rid`) pairs an answer with its question within one session.
//!
//! ```text
//!   topic, codec ◄── exchange      a request becomes a message, a message an event
//!   token ◄── topic                which characters of a value are percent-encoded
//!   words ◄── codec, dps           the few fields of a body; the provisioning service's topics and bodies
//!   assignment ◄── account         what that service said, on disk; whether it still holds
//!   token, refusal                 who we are at CONNECT, and what it means when that is refused
//! ```
//!
//! It opens no socket, knows neither `wire` nor `link`, and reads no clock. It waits for nothing but the disk that stores the
//! assignment.
//!
//! # Another kind of hub
//!
//! Another kind of hub would replace this folder, and offer what `link` uses: where to connect and as whom ([`Source`],
//! [`Account`], `Accounts`, [`mint`], [`user_name`], `websocket_path`), what to subscribe to ([`FILTERS`]), how requests and events
//! of the core become messages and back (`Exchange`, `answer_call`), and what a refused CONNECT means (`Refusal`, `Evidence`).
//! Besides, these would have to change:
//!
//! - `link/provisioning.rs` talks to the provisioning service, since it waits between questions. A hub without such a service would
//!   delete it, with its two causes in `link/failure.rs` and `provision` in `link/driver.rs`.
//! - Some messages name IoT Hub outside this room: a refused subscription (`link/failure.rs`), a WebSocket that is not there
//!   (`wire/websocket.rs`), a session that ends without a reason (`wire/mqtt.rs`, `link/churn.rs`).
//! - Some figures are IoT Hub's: the longest keep-alive (`wire/mqtt.rs`), the largest payload (`hub/mod.rs`), the paces of
//!   `link/backoff.rs`, and when a token is replaced.
//! - `config` reads IoT Hub's connection strings, and the core's events are those of a twin with versions.
//! - It must speak MQTT 3.1.1 over TLS.

mod account;
pub mod assignment;
pub mod codec;
pub mod dps;
mod exchange;
mod refusal;
mod settings;
pub mod token;
pub mod topic;
mod words;

pub(in crate::hub) use account::{Accounts, Evidence};
pub use dps::{Assignment, ProvisioningFault};
pub(in crate::hub) use exchange::{Asked, Exchange, answer_call};
pub(in crate::hub) use refusal::Refusal;
pub use settings::{Account, Provisioning, Source};
pub use token::{Token, derive_key, mint, user_name};
pub(in crate::hub) use token::{mint_registration, registration_user_name};
pub use topic::FILTERS;

/// The path of the WebSocket of IoT Hub and the provisioning service. A device without a certificate says so in the query, because
/// the service would otherwise ask for one.
pub(in crate::hub) fn websocket_path(with_certificate: bool) -> &'static str {
    if with_certificate { "/$iothub/websocket" } else { "/$iothub/websocket?iothub-no-client-cert=true" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_path_of_the_websocket_says_when_there_is_no_certificate() {
        assert_eq!(super::websocket_path(true), "/$iothub/websocket");
        assert_eq!(super::websocket_path(false), "/$iothub/websocket?iothub-no-client-cert=true");
    }
}
