//! The Device Provisioning Service as devices see it: enrolments, and their assignment to this hub.
//!
//! An *enrolment* admits one registration (by a key or a certificate's thumbprint), or any number of them (a *group*, from
//! whose key each device's own is derived). A registration also creates the device at the hub, with the same credentials.
//! A test can script the answers, one for each request, and name another hub in the assignment.
//! Deliberately absent: attestation by TPM, groups by certificate authority, allocation policies, and keeping any of it
//! over a restart of the program.

mod wire;

pub(crate) use wire::{Registrant, serve};

use crate::{
    clock,
    hub::Hub,
    identity::{Keys, has_thumbprint},
    sas::Token,
    service_side::ServiceError,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// The ID scope of the only service instance.
pub const ID_SCOPE: &str = "0ne0TW1NHUB";

/// The answer to one request of a registration, instead of the proper one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationAnswer {
    /// Still under way; ask again after this many seconds.
    Assigning(u32),
    /// The registration failed.
    Failed {
        /// Its `errorCode`.
        code: u32,
        /// Its `errorMessage`.
        message: String,
    },
    /// The enrolment is disabled.
    Disabled,
    /// No hub was found for it.
    Unassigned,
    /// A bare status, with `retry-after` in seconds if there is one.
    Status(u16, Option<u32>),
    /// Exactly this body with status 200.
    Raw(Vec<u8>),
    /// No answer at all.
    Ignored,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    Keys(Keys),
    Thumbprint(String),
}

#[derive(Clone, Debug)]
struct Enrolment {
    device_id: String,
    proof: Proof,
    enabled: bool,
}

/// What the service knows.
#[derive(Default)]
pub(crate) struct Registry {
    individual: BTreeMap<String, Enrolment>,
    groups: Vec<Keys>,
    script: VecDeque<RegistrationAnswer>,
    assigned_host: Option<String>,
    /// Whether refusals come in an answer rather than at CONNECT.
    polite: bool,
}

/// The key of one device of a group: the group's key signs the registration id.
pub fn derive_key(group_key_base64: &str, registration_id: &str) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(group_key_base64).ok()?);
    Some(STANDARD.encode(hmac::sign(&key, registration_id.as_bytes())))
}

impl Registry {
    /// Checked at each registration, because the enrolment may have been disabled after the connection was made.
    fn is_disabled(&self, id: &str) -> bool {
        self.individual.get(id).is_some_and(|enrolment| !enrolment.enabled)
    }

    /// The enrolment of a registration whose credentials are right.
    fn admit(&self, id: &str, password: &str, certificate: Option<&[u8]>) -> Result<Enrolment, Denied> {
        if let Some(enrolment) = self.individual.get(id) {
            let proved = match &enrolment.proof {
                Proof::Keys(keys) => signed_with(keys, id, password),
                Proof::Thumbprint(known) => certificate.is_some_and(|der| has_thumbprint(der, known)),
            };
            return if proved { Ok(enrolment.clone()) } else { Err(Denied::Credentials) };
        }
        for group in &self.groups {
            let [primary, secondary] = group.both().map(|key| derive_key(key, id).unwrap_or_default());
            let keys = Keys { primary, secondary };
            if signed_with(&keys, id, password) {
                return Ok(Enrolment { device_id: id.to_owned(), proof: Proof::Keys(keys), enabled: true });
            }
        }
        Err(if self.groups.is_empty() { Denied::Unknown } else { Denied::Credentials })
    }
}

fn signed_with(keys: &Keys, id: &str, password: &str) -> bool {
    Token::parse(password).is_ok_and(|token| {
        let resource = ["registrations", id];
        // The documentation requires `skn`, but the stock Python client leaves it out.
        token.policy.as_deref().is_none_or(|policy| policy == "registration")
            && token.check(keys.both(), ID_SCOPE, &resource, false, clock::unix_seconds()).is_ok()
    })
}

/// Why a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denied {
    Unknown,
    Credentials,
}

impl Hub {
    /// The ID scope that devices register in.
    pub fn id_scope(&self) -> &'static str {
        ID_SCOPE
    }

    /// Enrols one registration by a key of its own; it becomes the device with this id.
    pub fn enrol(&self, registration_id: &str, device_id: &str) -> Keys {
        let keys = Keys::random();
        self.enrol_with(registration_id, device_id, Proof::Keys(keys.clone()));
        keys
    }

    /// Enrols one registration by the thumbprint of its certificate.
    pub fn enrol_x509(&self, registration_id: &str, device_id: &str, thumbprint: &str) {
        self.enrol_with(registration_id, device_id, Proof::Thumbprint(thumbprint.to_owned()));
    }

    fn enrol_with(&self, registration_id: &str, device_id: &str, proof: Proof) {
        let enrolment = Enrolment { device_id: device_id.to_owned(), proof, enabled: true };
        self.shared.registry().individual.insert(registration_id.to_owned(), enrolment);
    }

    /// Enrols a group. A device with a key derived from one of these keys may register under any id, which it then has.
    pub fn enrol_group(&self) -> Keys {
        let keys = Keys::random();
        self.shared.registry().groups.push(keys.clone());
        keys
    }

    /// Enables or disables an individual enrolment; does nothing if it does not exist.
    pub fn set_enrolment_enabled(&self, registration_id: &str, enabled: bool) {
        if let Some(enrolment) = self.shared.registry().individual.get_mut(registration_id) {
            enrolment.enabled = enabled;
        }
    }

    /// Scripts the answers to the next requests, one each, whichever registration asks.
    pub fn script_registrations(&self, answers: impl IntoIterator<Item = RegistrationAnswer>) {
        self.shared.registry().script.extend(answers);
    }

    /// Names another hub in assignments; `None` names this one.
    pub fn assign_elsewhere(&self, host: Option<&str>) {
        self.shared.registry().assigned_host = host.map(str::to_owned);
    }

    /// Refuses wrong credentials in an answer (401, 404) rather than at CONNECT. It is not known which of the two the real
    /// service does.
    pub fn refuse_registrations_in_answers(&self, in_answers: bool) {
        self.shared.registry().polite = in_answers;
    }

    /// Registers the enrolled device at this hub, with the same credentials.
    fn assign(&self, enrolment: &Enrolment) -> Result<(), ServiceError> {
        let id = &enrolment.device_id;
        let exists = self.devices().contains(id);
        match &enrolment.proof {
            Proof::Keys(keys) if exists => {
                if self.device_keys(id)?.as_ref() == Some(keys) {
                    return Ok(());
                }
                self.set_device_keys(id, keys)
            }
            Proof::Keys(keys) => self.create_device_with_keys(id, keys.clone()).map(drop),
            Proof::Thumbprint(_) if exists => Ok(()),
            Proof::Thumbprint(thumbprint) => self.create_x509_device(id, thumbprint),
        }
    }
}

/// The body of the answer to a completed registration.
fn assigned_body(operation: &str, registration_id: &str, host: &str, device_id: &str) -> Value {
    let now = clock::now_utc();
    json!({
        "operationId": operation,
        "status": "assigned",
        "registrationState": {
            "registrationId": registration_id,
            "createdDateTimeUtc": now,
            "assignedHub": host,
            "deviceId": device_id,
            "status": "assigned",
            "substatus": "initialAssignment",
            "lastUpdatedDateTimeUtc": now,
            "etag": "IjAxMDAwMDAwIg==",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sas;

    const GROUP: &str =
        "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
    const ID: &str = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";

    fn token(key: &str, scope: &str, id: &str, policy: Option<&str>) -> String {
        let expiry = clock::unix_seconds() + 3600;
        sas::sign(&format!("{scope}/registrations/{id}"), key, policy, expiry).unwrap()
    }

    #[test]
    fn a_group_key_makes_the_device_key_of_the_documentation() {
        assert_eq!(derive_key(GROUP, ID).as_deref(), Some("Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="));
        assert_eq!(derive_key("!", ID), None);
    }

    #[test]
    fn only_a_token_for_the_registration_itself_lets_in() {
        let keys = Keys::random();
        let mut registry = Registry::default();
        let proof = Proof::Keys(keys.clone());
        registry.individual.insert("r".into(), Enrolment { device_id: "d".into(), proof, enabled: true });
        let admitted =
            |password: &str| registry.admit("r", password, None).map(|enrolment| enrolment.device_id);
        let policy = Some("registration");
        for key in keys.both() {
            for policy in [policy, None] {
                assert_eq!(admitted(&token(key, ID_SCOPE, "r", policy)), Ok("d".to_owned()));
            }
        }
        for wrong in [
            token(&Keys::random().primary, ID_SCOPE, "r", policy),
            token(&keys.primary, ID_SCOPE, "s", policy),
            token(&keys.primary, "0neother", "r", policy),
            token(&keys.primary, ID_SCOPE, "r", Some("device")),
            String::new(),
        ] {
            assert_eq!(admitted(&wrong), Err(Denied::Credentials), "{wrong}");
        }
        assert_eq!(registry.admit("s", "", None).map(drop), Err(Denied::Unknown));
    }

    #[test]
    fn a_group_lets_in_whoever_holds_a_derived_key() {
        let keys = Keys::random();
        let registry = Registry { groups: vec![keys.clone()], ..Registry::default() };
        let derived = derive_key(&keys.secondary, ID).unwrap();
        let password = token(&derived, ID_SCOPE, ID, Some("registration"));
        assert_eq!(registry.admit(ID, &password, None).unwrap().device_id, ID);
        let whole = token(&keys.primary, ID_SCOPE, ID, Some("registration"));
        assert_eq!(registry.admit(ID, &whole, None).map(drop), Err(Denied::Credentials));
    }
}
