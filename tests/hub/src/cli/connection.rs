//! The connection string of a back end: `HostName=..;SharedAccessKeyName=..;SharedAccessKey=..`.

use super::Failure;

/// A parsed service connection string.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServiceConnection {
    /// The hub's name, without a port.
    pub(crate) host: String,
    /// The port of the hub's REST side.
    pub(crate) port: u16,
    /// The shared access policy.
    pub(crate) policy: String,
    /// The policy's key, base64.
    pub(crate) key: String,
}

impl ServiceConnection {
    /// Parses a connection string.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let field = |name: &str| {
            let pairs = text.trim().split(';').filter_map(|pair| pair.split_once('='));
            let value = pairs.into_iter().find(|(n, _)| n.trim().eq_ignore_ascii_case(name))?.1.trim();
            Some(value.to_owned()).filter(|value| !value.is_empty())
        };
        let needed = |name: &str| {
            field(name).ok_or_else(|| {
                let hint = if name == "SharedAccessKeyName" && field("DeviceId").is_some() {
                    "; this is the string of a device, the one of a back end is needed"
                } else {
                    ""
                };
                Failure::Usage(format!("the connection string has no {name}{hint}"))
            })
        };
        let named = needed("HostName")?;
        let (host, port) = match named.rsplit_once(':') {
            None => (named.as_str(), 443),
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => return Err(Failure::Usage(format!("{port:?} in HostName is no port"))),
            },
        };
        let (policy, key) = (needed("SharedAccessKeyName")?, needed("SharedAccessKey")?);
        Ok(Self { host: host.to_owned(), port, policy, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_read_with_and_without_a_port() {
        let read =
            |text: &str| ServiceConnection::parse(text).ok().map(|c| (c.host, c.port, c.policy, c.key));
        let expected = |port| Some(("h.net".to_owned(), port, "owner".to_owned(), "a=b==".to_owned()));
        assert_eq!(read("HostName=h.net;SharedAccessKeyName=owner;SharedAccessKey=a=b=="), expected(443));
        assert_eq!(
            read("SharedAccessKey=a=b==; hostname=h.net:8443;SharedAccessKeyName=owner;"),
            expected(8443)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text: &str| ServiceConnection::parse(text).err().unwrap().to_string();
        assert_eq!(error("HostName=h"), "the connection string has no SharedAccessKeyName");
        assert_eq!(error("SharedAccessKeyName=o;SharedAccessKey=k"), "the connection string has no HostName");
        assert!(
            error("HostName=h;DeviceId=d;SharedAccessKey=k").ends_with("the one of a back end is needed")
        );
        assert!(error("HostName=h:https;SharedAccessKeyName=o;SharedAccessKey=k").contains("no port"));
    }
}
