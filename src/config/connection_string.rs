//! A device's connection string: `HostName=…;DeviceId=…;SharedAccessKey=…[;GatewayHostName=…]`.
//!
//! Unknown parts are ignored; a value may contain `=`. Text around the string is removed where the string is clear: quotes, a label,
//! an env-file's `NAME=`, the JSON of `az`. Strings of services and modules are refused by name. A message never repeats a value.

use super::files::{decode_key, is_quote};
use super::secrets;
use crate::hub::Secret;
use rustls::pki_types::ServerName;

const WHERE: &str = "copy the device's \"primary connection string\" from the hub's page (Devices, then the \
                     device), or run `az iot hub device-identity connection-string show -n HUB -d DEVICE \
                     -o tsv`; it reads HostName=…;DeviceId=…;SharedAccessKey=…";
/// The names of parts. A message repeats no other name, since what precedes a `=` may be a piece of a key.
const KNOWN: [&str; 8] = [
    "HostName",
    "DeviceId",
    "SharedAccessKey",
    "SharedAccessKeyName",
    "GatewayHostName",
    "ModuleId",
    "x509",
    "SharedAccessSignature",
];

/// What a device's connection string says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionString {
    /// The hub's name.
    pub host: String,
    /// The device's id.
    pub device_id: String,
    /// The device's key; `None` if it says `x509=true`.
    pub key: Option<Secret>,
    /// Connect to this name instead.
    pub gateway: Option<String>,
}

impl ConnectionString {
    /// Reads a connection string.
    ///
    /// # Errors
    /// What is wrong with it and where to get a right one, without any of its values.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.starts_with('{') {
            return Self::parse_json(text);
        }
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        match lines.as_slice() {
            [] => Err(format!("is empty; {WHERE}")),
            [line] => Self::parse_line(line),
            lines => Self::parse_one_of(lines),
        }
    }

    /// What `az` prints without `-o tsv`.
    fn parse_json(text: &str) -> Result<Self, String> {
        /// Borrowed, so that no copy of the secret is left behind.
        #[derive(serde::Deserialize)]
        struct Shown<'t> {
            #[serde(rename = "connectionString", borrow)]
            string: Option<std::borrow::Cow<'t, str>>,
        }
        let shown: Shown<'_> = serde_json::from_str(text)
            .map_err(|_| format!("begins like JSON, and cannot be read as it; {WHERE}"))?;
        match shown.string {
            Some(string) => Self::parse_line(string.trim()),
            None => Err(format!("is JSON without a text \"connectionString\"; {WHERE}")),
        }
    }

    /// An env-file with other variables, say: the only line that holds one.
    fn parse_one_of(lines: &[&str]) -> Result<Self, String> {
        let many = || {
            format!("has more than one line; it must be the connection string alone, in one line; {WHERE}")
        };
        let mut found = lines.iter().filter(|line| find_part(line, "HostName").is_some());
        match (found.next(), found.next()) {
            (Some(line), None) if !lines.iter().any(|other| other != line && is_piece(other)) => {
                Self::parse_line(line)
            }
            _ => Err(many()),
        }
    }

    fn parse_line(text: &str) -> Result<Self, String> {
        let text = without_label(text.trim_matches(is_quote)).trim_matches(is_quote).trim();
        if text.is_empty() {
            return Err(format!("is empty; {WHERE}"));
        }
        if secrets::is_hub_key_in(text) && !text.contains(';') {
            return Err(
                "is a key alone: name the file in `key-file`, with `host` and `device-id`, or write the whole \
                 connection string to it"
                    .to_owned(),
            );
        }
        let parts = Parts::split(text)?;
        if parts.get("SharedAccessKeyName").is_some() {
            return Err(format!("is a service's connection string (it has SharedAccessKeyName); {WHERE}"));
        }
        if parts.get("ModuleId").is_some() {
            return Err(format!("is a module's connection string (it has ModuleId); {WHERE}"));
        }
        let host = parts.required("HostName")?;
        let device_id = parts.required("DeviceId")?;
        let with_certificate = parts.get("x509").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let key = match parts.get("SharedAccessKey") {
            Some(_) if with_certificate => {
                return Err("has both SharedAccessKey and x509=true; it must have one".to_owned());
            }
            Some(key) => {
                Some(decode_key(key).map_err(|reason| format!("has a SharedAccessKey that {reason}"))?)
            }
            None if with_certificate => None,
            None => return Err(format!("has no SharedAccessKey ({}); {WHERE}", parts.found())),
        };
        Ok(Self {
            host: check_host(host).map_err(|reason| format!("has a HostName that {reason}"))?,
            device_id: check_device_id(device_id)
                .map_err(|reason| format!("has a DeviceId that {reason}"))?,
            key,
            gateway: parts
                .get("GatewayHostName")
                .map(|gateway| {
                    check_host(gateway).map_err(|reason| format!("has a GatewayHostName that {reason}"))
                })
                .transpose()?,
        })
    }
}

struct Parts<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Result<Self, String> {
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                let found = Self(parts).found();
                return Err(format!("has a part without \"=\" ({found}); {WHERE}"));
            };
            let (name, value) = (name.trim(), value.trim());
            if parts.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                let which = known(name).unwrap_or("one of its parts");
                return Err(format!("has {which} twice; {WHERE}"));
            }
            parts.push((name, value));
        }
        Ok(Self(parts))
    }

    fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// What is there, by the names that are safe to repeat.
    fn found(&self) -> String {
        let names: Vec<&str> = self.0.iter().filter_map(|(name, _)| known(name)).collect();
        match (names.as_slice(), self.0.len() - names.len()) {
            ([], _) => "none of its parts was found".to_owned(),
            (names, 0) => format!("found {}", names.join(", ")),
            (names, 1) => format!("found {} and something else", names.join(", ")),
            (names, others) => format!("found {} and {others} others", names.join(", ")),
        }
    }

    fn required(&self, name: &str) -> Result<&'t str, String> {
        match self.get(name) {
            None => Err(format!("has no {name} ({}); {WHERE}", self.found())),
            Some("") => Err(format!("has an empty {name}; {WHERE}")),
            Some(value) => Ok(value),
        }
    }
}

/// The name of a part as it is written here.
fn known(name: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// Where a part of this name begins, at the text's start or behind what is no letter of a name.
fn find_part(text: &str, name: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let wanted = format!("{}=", name.to_ascii_lowercase());
    lower
        .match_indices(&wanted)
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Does a line look like the rest of a connection string that was broken in two?
fn is_piece(line: &str) -> bool {
    // The end of a key in base64 has a sign for padding; a variable has a value.
    let is_variable = line.split_once('=').is_some_and(|(_, value)| !matches!(value.trim(), "" | "="));
    let is_base64 = line.chars().all(|c| c.is_ascii_alphanumeric() || "+/=;".contains(c));
    KNOWN.iter().any(|part| find_part(line, part).is_some()) || is_base64 && !is_variable
}

/// The text without a label (`Primary connection string:`) or a variable's name (`export NAME=`) before its first part.
fn without_label(text: &str) -> &str {
    let Some(first) = KNOWN.iter().filter_map(|name| find_part(text, name)).min() else { return text };
    let label = text[..first].trim_end_matches(is_quote).trim_end();
    let is_label = label.ends_with(['=', ':']) && !label.contains(';');
    if is_label { &text[first..] } else { text }
}

/// A host's name without scheme, port and path.
pub(super) fn check_host(host: &str) -> Result<String, String> {
    if let Some((name, port)) = host.rsplit_once(':')
        && !name.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err("must be a name without a port: write the port as `port = …` in [hub]".to_owned());
    }
    if secrets::is_in(host) {
        return Err(
            "looks like a secret; it must be a host's name, such as \"contoso.azure-devices.net\"".to_owned()
        );
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // TLS could not connect to another name.
    if !host.chars().all(legal) || ServerName::try_from(host).is_err() {
        return Err("must be a host's name, such as \"contoso.azure-devices.net\"".to_owned());
    }
    Ok(host.to_owned())
}

/// A device's id by the hub's rules.
pub(super) fn check_device_id(id: &str) -> Result<String, String> {
    // Many keys are valid ids, and would then be shown in every log.
    if secrets::is_hub_key_in(id) {
        return Err("looks like a key; it must be the name of the device at the hub".to_owned());
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "-.+%_#*?!(),:=@$'".contains(c);
    if id.is_empty() || id.len() > 128 || !id.chars().all(legal) {
        return Err(
            "must be 1 to 128 characters: letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '".to_owned()
        );
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "c2VjcmV0LXNlY3JldA==";

    fn reason(text: &str) -> String {
        ConnectionString::parse(text).unwrap_err()
    }

    #[test]
    fn a_string_as_the_hub_shows_it_is_read_whole() {
        let text = format!(
            "HostName=contoso.azure-devices.net;DeviceId=a=b;SharedAccessKey={KEY};GatewayHostName=edge.local\n"
        );
        let read = ConnectionString::parse(&text).unwrap();
        assert_eq!(read.host, "contoso.azure-devices.net");
        assert_eq!(read.device_id, "a=b");
        assert_eq!(read.key.unwrap().expose(), b"secret-secret");
        assert_eq!(read.gateway.as_deref(), Some("edge.local"));
    }

    #[test]
    fn unknown_parts_and_quotes_around_it_do_no_harm() {
        let text = format!("\"Flavour=x;hostname=h;DeviceId=d;SharedAccessKey={KEY};Other=;\"");
        let read = ConnectionString::parse(&text).unwrap();
        assert_eq!((read.host.as_str(), read.device_id.as_str(), read.gateway), ("h", "d", None));
    }

    #[test]
    fn what_stands_around_it_is_taken_off_where_it_is_clear() {
        let string = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
        for text in [
            format!("\u{feff}{string}"),
            format!("“{string}”"),
            format!("„{string}“"),
            format!("'{string}'\n"),
            format!("IOTHUB_DEVICE_CONNECTION_STRING={string}"),
            format!("export CS=\"{string}\""),
            format!("Primary connection string: {string}"),
            format!("connection-string = “{string}”"),
            format!("# the cabinet's\n\n{string}\n"),
            format!("HUB=contoso\nCS='{string}'\nDEVICE=d\n"),
            format!("{{\n  \"connectionString\": \"{string}\"\n}}\n"),
            format!("\u{feff}{{\"connectionString\":\"{string}\"}}"),
        ] {
            let read = ConnectionString::parse(&text).unwrap_or_else(|told| panic!("{text}: {told}"));
            assert_eq!((read.host.as_str(), read.device_id.as_str()), ("h", "d"), "{text}");
            assert_eq!(read.key.unwrap().expose(), b"secret-secret", "{text}");
        }
    }

    #[test]
    fn what_is_not_clear_is_told_by_what_was_found_and_without_the_secret() {
        let long = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        for (text, told) in [
            (
                format!("DeviceId=d;SharedAccessKey={KEY}"),
                "has no HostName (found DeviceId, SharedAccessKey)",
            ),
            (
                format!("HostName=h;DeviceId=d;{KEY}"),
                "has no SharedAccessKey (found HostName, DeviceId and something else)",
            ),
            (long.to_owned(), "is a key alone: name the file in `key-file`"),
            ("{\"value\": 1}".to_owned(), "is JSON without a text \"connectionString\""),
            (format!("{{\"connectionString\": \"{KEY}"), "begins like JSON, and cannot be read"),
            (format!("HostName=h;DeviceId=d;\nSharedAccessKey={KEY}"), "has more than one line"),
            (format!("HostName=h;DeviceId=d;SharedAccessKey={KEY};DeviceId=e"), "has DeviceId twice"),
            ("it is in the safe".to_owned(), "none of its parts was found"),
        ] {
            let said = reason(&text);
            assert!(said.contains(told) && !said.contains(KEY) && !said.contains(long), "{text}: {said}");
        }
        assert!(reason("HostName=h").contains("-o tsv"));
    }

    #[test]
    fn the_one_string_among_variables_is_told_by_what_is_wrong_with_it() {
        let owner = format!("HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
        for (text, told) in [
            (format!("HUB=contoso\nCS='{owner}'\nexport DEVICE=d\n"), "is a service's connection string"),
            ("A=1\nHostName=h;DeviceId=d\n".to_owned(), "has no SharedAccessKey"),
            ("The string:\nHostName=h;DeviceId=d\n".to_owned(), "has no SharedAccessKey"),
            // Pieces of one string are no variables.
            (format!("HostName=h;DeviceId=d;\nSharedAccessKey={KEY}"), "has more than one line"),
            (
                "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0\nLXNlY3JldA==".to_owned(),
                "has more than one line",
            ),
            (
                "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0L\nXNlY3JldA==".to_owned(),
                "has more than one line",
            ),
            (format!("HostName=h;DeviceId=d;\nexport SharedAccessKey={KEY}"), "has more than one line"),
            (format!("{owner}\n{owner}"), "has more than one line"),
        ] {
            let said = reason(&text);
            assert!(said.contains(told) && !said.contains(KEY), "{text}: {said}");
        }
    }

    #[test]
    fn a_string_for_a_certificate_has_no_key() {
        let read = ConnectionString::parse("HostName=h;DeviceId=d;x509=true").unwrap();
        assert_eq!(read.key, None);
        assert!(reason(&format!("HostName=h;DeviceId=d;x509=true;SharedAccessKey={KEY}")).contains("both"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(reason(" \n").contains("is empty"));
        assert!(reason(&format!("DeviceId=d;SharedAccessKey={KEY}")).contains("no HostName"));
        assert!(reason(&format!("HostName=h;SharedAccessKey={KEY}")).contains("no DeviceId"));
        assert!(reason("HostName=h;DeviceId=d").contains("no SharedAccessKey"));
        assert!(reason("HostName=h;DeviceId=d;SharedAccessKey=").contains("SharedAccessKey that is empty"));
        assert!(reason("HostName=;DeviceId=d;SharedAccessKey=").contains("empty HostName"));
    }

    #[test]
    fn strings_that_are_not_a_devices_are_refused_by_name() {
        let service = format!("HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
        assert!(reason(&service).contains("service's"));
        let module = format!("HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey={KEY}");
        assert!(reason(&module).contains("module's"));
    }

    #[test]
    fn a_port_in_the_host_is_shown_its_key() {
        let text = format!("HostName=localhost:8443;DeviceId=d;SharedAccessKey={KEY}");
        assert!(reason(&text).contains("`port = …`"));
    }

    #[test]
    fn a_damaged_key_is_told_and_not_repeated() {
        let told = reason("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0!LXNl");
        assert!(told.contains("not base64") && !told.contains("c2Vj"), "{told}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_repeat_a_value(tail in "[ -~]{0,40}") {
            if let Err(told) = ConnectionString::parse(&format!("HostName=h;SharedAccessKey=TOPSECRET{tail}")) {
                prop_assert!(!told.contains("TOPSECRET"));
            }
        }
    }
}
