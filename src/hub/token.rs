//! Who we are at CONNECT: the user name, and the token that proves it.
//!
//! A *token* is IoT Hub's shared access signature: the resource it opens, its expiry, and an HMAC over both. Grammar,
//! string to sign and key handling are those of "Control access to IoT Hub with shared access signatures"; the user
//! name's those of "Use MQTT to communicate with IoT Hub". Device id and host are percent-encoded in a token but raw
//! in the user name, where only values of parameters are encoded.
//! Deliberately absent: when to mint a new one (`dial`), and service tokens with a policy name.

use super::{HubSettings, Secret};
use crate::units::UnixSeconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use zeroize::Zeroizing;

/// The version of the device protocol; a CONNECT without one is answered oddly.
const API_VERSION: &str = "2021-04-12";

/// Everything but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A shared access signature: never printed, wiped when dropped.
pub struct Token(Zeroizing<String>);

impl Token {
    /// The text that goes into CONNECT's password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Signs a token that lets `device_id` connect to `host` until `expiry`. The hub forgives a clock that is up to five
/// minutes off.
pub fn mint(host: &str, device_id: &str, key: &Secret, expiry: UnixSeconds) -> Token {
    let resource = format!("{host}/devices/{device_id}");
    let resource = utf8_percent_encode(&resource, ENCODED);
    let expiry = expiry.0;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
    let signature = Zeroizing::new(STANDARD.encode(signature));
    let signature = utf8_percent_encode(&signature, ENCODED);
    Token(Zeroizing::new(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")))
}

/// The user name at CONNECT. It names the hub even where a gateway is dialled.
pub fn user_name(settings: &HubSettings) -> String {
    let HubSettings { host, device_id, .. } = settings;
    let mut name = format!("{host}/{device_id}/?api-version={API_VERSION}");
    name.push_str("&DeviceClientType=");
    name.extend(utf8_percent_encode(concat!("twind/", env!("CARGO_PKG_VERSION")), ENCODED));
    if let Some(model) = &settings.model_id {
        name.push_str("&model-id=");
        name.extend(utf8_percent_encode(model, ENCODED));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::Identity;
    use super::*;
    use core::time::Duration;

    const EXPIRY: UnixSeconds = UnixSeconds(1_735_689_600);

    fn key() -> Secret {
        Secret::new(STANDARD.decode("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap())
    }

    #[test]
    fn a_token_is_the_one_that_the_stock_libraries_sign() {
        let token = mint("contoso.azure-devices.net", "MyTwinDevice", &key(), EXPIRY);
        assert_eq!(
            token.expose(),
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyTwinDevice\
             &sig=THWxjBY55MZz7dHyk4WiOm0UEiJanxNkT74jvn85Xig%3D&se=1735689600"
        );
    }

    #[test]
    fn an_id_with_odd_characters_is_encoded_before_it_is_signed() {
        let token = mint("contoso.azure-devices.net", "a:b+c(1)", &key(), EXPIRY);
        assert_eq!(
            token.expose(),
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fa%3Ab%2Bc%281%29\
             &sig=2zY%2FEaimxpwKtKbPWHZxg8B10V%2FciHGvnS0kreZmixo%3D&se=1735689600"
        );
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = mint("h", "d", &key(), EXPIRY);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_user_name_carries_raw_ids_and_encoded_values() {
        let settings = HubSettings {
            host: "contoso.azure-devices.net".into(),
            device_id: "a:b+c(1)".into(),
            gateway: Some("edge.local".into()),
            port: 8883,
            identity: Identity::Key(key()),
            ca_file: None,
            keep_alive: Duration::from_secs(240),
            token_lifetime: Duration::from_secs(3600),
            model_id: Some("dtmi:com:example:Fan;1".into()),
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            user_name(&settings),
            format!(
                "contoso.azure-devices.net/a:b+c(1)/?api-version=2021-04-12\
                 &DeviceClientType=twind%2F{version}&model-id=dtmi%3Acom%3Aexample%3AFan%3B1"
            )
        );
    }
}
