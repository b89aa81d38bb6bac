//! The MQTT user name: `{hub host}/{device id}/?api-version={version}[&...]`.
//!
//! The leading `?` may be missing. Parameters come in any order, the first of two with the same name counts, and unknown
//! ones are ignored. Deliberately absent: module identities (a third segment).

use percent_encoding::percent_decode_str;

/// Why a user name is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameError {
    /// Not three segments, or an empty host or device id.
    Malformed,
    /// No `api-version`, or a blank one.
    NoApiVersion,
}

/// A parsed user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username<'a> {
    /// The hub's host, possibly with a port.
    pub host: &'a str,
    /// The device id as sent, since device ids are not escaped here.
    pub device_id: &'a str,
    /// Any non-empty text.
    pub api_version: String,
    /// The Plug and Play model, if announced.
    pub model_id: Option<String>,
}

impl<'a> Username<'a> {
    /// Parses a user name.
    pub fn parse(text: &'a str) -> Result<Self, UsernameError> {
        let mut segments = text.split('/');
        let (Some(host), Some(device_id), Some(query), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(UsernameError::Malformed);
        };
        let (host, device_id) = (host.trim(), device_id.trim());
        if host.is_empty() || device_id.is_empty() {
            return Err(UsernameError::Malformed);
        }
        let query = query.strip_prefix('?').unwrap_or(query);
        let parameter = |name: &str| {
            let raw = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name)?.1;
            let value = percent_decode_str(raw).decode_utf8().ok()?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let api_version = parameter("api-version").ok_or(UsernameError::NoApiVersion)?;
        Ok(Self { host, device_id, api_version, model_id: parameter("model-id") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_and_its_variants_are_taken() {
        for text in [
            "h.net/dev/?api-version=2021-04-12",
            "h.net/dev/api-version=2021-04-12",
            " h.net / dev /?api-version=2021-04-12&DeviceClientType=x%2F1",
            "h.net/dev/?DeviceClientType=x&api-version=2021-04-12&api-version=",
        ] {
            let name = Username::parse(text).unwrap();
            assert_eq!(
                (name.host, name.device_id, name.api_version.as_str()),
                ("h.net", "dev", "2021-04-12")
            );
        }
    }

    #[test]
    fn a_device_id_keeps_its_odd_characters() {
        let name = Username::parse("h:8883/a%2Bb?c#+;$='*/?api-version=1").unwrap();
        assert_eq!((name.host, name.device_id), ("h:8883", "a%2Bb?c#+;$='*"));
    }

    #[test]
    fn a_model_id_is_decoded() {
        let name = Username::parse("h/d/?api-version=1&model-id=dtmi%3Acom%3Aexample%3Bx").unwrap();
        assert_eq!(name.model_id.as_deref(), Some("dtmi:com:example;x"));
    }

    #[test]
    fn incomplete_names_are_refused_for_their_reason() {
        for text in ["", "h", "h/d", "h//?api-version=1", "/d/?api-version=1", "h/d/m/?api-version=1"] {
            assert_eq!(Username::parse(text), Err(UsernameError::Malformed), "{text:?}");
        }
        for text in ["h/d/", "h/d/?", "h/d/?api-version", "h/d/?api-version=", "h/d/?api-version=%20&x=1"] {
            assert_eq!(Username::parse(text), Err(UsernameError::NoApiVersion), "{text:?}");
        }
    }
}
