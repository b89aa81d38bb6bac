//! The device's identity at CONNECT: the user name, and the token that proves it.
//!
//! A *token* is IoT Hub's shared access signature: the resource it opens, its expiry, and an HMAC over both. Grammar,
//! string to sign and key handling are those of "Control access to IoT Hub with shared access signatures"; the user
//! name is that of "Use MQTT to communicate with IoT Hub". Device id and host are percent-encoded in a token but raw
//! in the user name, where only values of parameters are encoded.
//! `link/backoff` decides when to mint a new one.

use super::settings::Account;
use crate::hub::Secret;
use crate::units::UnixSeconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use zeroize::Zeroizing;

/// The client's name.
const CLIENT: &str = concat!("twind/", env!("CARGO_PKG_VERSION"));
/// The version of the provisioning protocol.
const REGISTRATION_API_VERSION: &str = "2019-03-31";
/// The version of the device protocol; a CONNECT without one is answered oddly.
const API_VERSION: &str = "2021-04-12";

/// Everything but what RFC 3986 calls unreserved.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

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

/// Signs a token that lets `device_id` connect to `host` until `expiry`. The hub accepts a clock that is up to five minutes off.
pub fn mint(host: &str, device_id: &str, key: &Secret, expiry: UnixSeconds) -> Token {
    sign(&format!("{host}/devices/{device_id}"), "", key, expiry)
}

/// Signs a token that lets a registration ask the provisioning service until `expiry` ("Communicate with your DPS
/// using MQTT"): the scope takes the place of a hub's name, and the policy is always `registration`.
pub(in crate::hub) fn mint_registration(
    id_scope: &str,
    registration_id: &str,
    key: &Secret,
    expiry: UnixSeconds,
) -> Token {
    sign(&format!("{id_scope}/registrations/{registration_id}"), "&skn=registration", key, expiry)
}

fn sign(resource: &str, policy: &str, key: &Secret, expiry: UnixSeconds) -> Token {
    let resource = utf8_percent_encode(resource, ENCODED);
    let expiry = expiry.0;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
    let signature = Zeroizing::new(STANDARD.encode(signature));
    let signature = utf8_percent_encode(&signature, ENCODED);
    Token(Zeroizing::new(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{policy}")))
}

/// The key of one device of an enrolment group: the group's key signs the registration id ("Symmetric key
/// attestation").
pub fn derive_key(group: &Secret, registration_id: &str) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, group.expose());
    Secret::new(hmac::sign(&key, registration_id.as_bytes()).as_ref().to_vec())
}

/// The user name at CONNECT. It names the hub even where the connection goes to a gateway.
pub fn user_name(account: &Account, model_id: Option<&str>) -> String {
    let Account { host, device_id, .. } = account;
    let mut name = format!("{host}/{device_id}/?api-version={API_VERSION}");
    name.push_str("&DeviceClientType=");
    name.extend(utf8_percent_encode(CLIENT, ENCODED));
    if let Some(model) = model_id {
        name.push_str("&model-id=");
        name.extend(utf8_percent_encode(model, ENCODED));
    }
    name
}

/// The user name at the provisioning service's CONNECT. There is no `?` in it.
pub(in crate::hub) fn registration_user_name(id_scope: &str, registration_id: &str) -> String {
    let client = utf8_percent_encode(CLIENT, ENCODED);
    format!(
        "{id_scope}/registrations/{registration_id}/api-version={REGISTRATION_API_VERSION}&ClientVersion={client}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Identity;

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
        let account = Account {
            host: "contoso.azure-devices.net".into(),
            device_id: "a:b+c(1)".into(),
            gateway: Some("edge.local".into()),
            identity: Identity::Key(key()),
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            user_name(&account, Some("dtmi:com:example:Fan;1")),
            format!(
                "contoso.azure-devices.net/a:b+c(1)/?api-version=2021-04-12\
                 &DeviceClientType=twind%2F{version}&model-id=dtmi%3Acom%3Aexample%3AFan%3B1"
            )
        );
    }

    #[test]
    fn a_group_key_makes_the_device_key_of_the_documentation() {
        let decode = |text| Secret::new(STANDARD.decode(text).unwrap());
        let group = decode(
            "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==",
        );
        let device = decode("Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=");
        assert!(derive_key(&group, "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6") == device);
    }

    #[test]
    fn a_registration_is_named_and_signed_by_its_scope() {
        let token = mint_registration("0ne00000000", "cabinet-7", &key(), EXPIRY);
        let text = token.expose();
        assert!(
            text.starts_with("SharedAccessSignature sr=0ne00000000%2Fregistrations%2Fcabinet-7&sig="),
            "{text}"
        );
        assert!(text.ends_with("&se=1735689600&skn=registration"), "{text}");
        assert_eq!(
            registration_user_name("0ne00000000", "cabinet-7"),
            concat!(
                "0ne00000000/registrations/cabinet-7/api-version=2019-03-31&ClientVersion=twind%2F",
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}
