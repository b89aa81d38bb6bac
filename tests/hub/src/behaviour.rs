//! Points on which the sources about the real hub are silent or disagree, as switches.
//!
//! With the defaults the stock clients work, and the hub is no more lenient than the real one is known to be. A client
//! should be tested with the other settings too.

use crate::twin::Rules;
use std::time::Duration;

/// When a device gets the answer to a twin request for which it holds no `$iothub/twin/res/#` subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TwinAnswers {
    /// Once it has subscribed. Some stock clients publish the request first.
    #[default]
    HeldUntilSubscribed,
    /// At once.
    AlwaysDelivered,
    /// Never: the answer is lost.
    LostUnlessSubscribed,
}

/// How the hub behaves where the real hub's behaviour is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Notifications, versions and etags of twins.
    pub twin: Rules,
    /// Whether twins and notifications reach devices with their keys in alphabetical order, rather than in the order in
    /// which they were written. Default: no.
    pub sorted_keys: bool,
    /// Whether an oversized reported section is answered with 413 rather than 400. Default: 400.
    pub oversize_is_413: bool,
    /// The status of a reported patch whose base version is not current. Default: 412.
    pub version_mismatch_status: u16,
    /// CONNACK code for a user name that cannot be read or names another host. Default: 5.
    pub bad_username_code: u8,
    /// CONNACK code for a missing or blank api-version. Default: 5.
    pub no_api_version_code: u8,
    /// CONNACK code for a client id that is not the device id. Default: 5.
    pub bad_client_id_code: u8,
    /// CONNACK code for an unknown device. Default: 5.
    pub unknown_device_code: u8,
    /// CONNACK code for a device that is disabled. Default: 3.
    pub disabled_device_code: u8,
    /// CONNACK code for a protocol other than MQTT 3.1.1. Default: 1.
    pub bad_protocol_code: u8,
    /// What becomes of an answer to a device that has not subscribed to answers.
    pub twin_answers: TwinAnswers,
    /// How long past its expiry a token keeps its connection. Default: 10 minutes; reports go from 5 to 10.
    pub token_grace: Duration,
    /// How long the subscriptions of a device outlive its connection; `None` is for ever. Default: for ever.
    pub session_lifetime: Option<Duration>,
    /// How long a client may take to send CONNECT. Default: 1 minute.
    pub connect_wait: Duration,
    /// Subscriptions a device may hold. Default: 5.
    pub max_subscriptions: usize,
    /// Filters accepted besides the documented ones. Default: none.
    pub extra_filters: Vec<String>,
    /// The messages that are held for readers, the oldest of which are dropped. Default: 10,000; the real hub holds them
    /// for days.
    pub held_messages: usize,
    /// The bytes of memory that they may take. Default: 64 MiB.
    pub held_message_bytes: usize,
    /// Whether the back end's PATCH and PUT of a twin must carry `If-Match`. Default: no.
    pub if_match_required: bool,
    /// Whether TLS 1.3 is offered; takes effect for new connections. Default: no, 1.2 alone.
    pub tls13: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            twin: Rules::default(),
            sorted_keys: false,
            oversize_is_413: false,
            version_mismatch_status: 412,
            bad_username_code: 5,
            no_api_version_code: 5,
            bad_client_id_code: 5,
            unknown_device_code: 5,
            disabled_device_code: 3,
            bad_protocol_code: 1,
            twin_answers: TwinAnswers::default(),
            token_grace: Duration::from_secs(600),
            session_lifetime: None,
            connect_wait: Duration::from_secs(60),
            max_subscriptions: 5,
            extra_filters: Vec::new(),
            held_messages: 10_000,
            held_message_bytes: 64 * 1024 * 1024,
            if_match_required: false,
            tls13: false,
        }
    }
}
