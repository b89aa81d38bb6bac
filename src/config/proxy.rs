//! `proxy = "http://[USER:PASSWORD@]HOST:PORT"` in `[hub]`.
//!
//! User and password are percent-encoded, as in any URL. A message never repeats what was written, since it may hold a password.

use super::connection_string::check_host;
use crate::hub::Secret;
use crate::hub::wire::Proxy;
use percent_encoding::percent_decode_str;

const FORM: &str = "must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";

/// Reads a proxy's address.
pub(super) fn parse(written: &str) -> Result<Proxy, String> {
    let wrong = |why: &str| format!("{FORM}; {why}");
    let (scheme, rest) = written.split_once("://").ok_or_else(|| wrong("http:// is missing"))?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(wrong("only http:// proxies are supported"));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (credentials, place) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((credentials, place)) => (Some(credentials), place),
    };
    let (host, port) = place.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
    let port =
        port.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("the port must be a number"))?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) if address.parse::<core::net::Ipv6Addr>().is_ok() => address.to_owned(),
        Some(_) => return Err(wrong("the address in brackets must be an IPv6 address")),
        None => check_host(host).map_err(|_| wrong("the host must be a name or an address"))?,
    };
    let credentials = match credentials {
        None => None,
        Some(text) if text.contains(':') => {
            let decoded: Vec<u8> = percent_decode_str(text).collect();
            if decoded.iter().any(u8::is_ascii_control) {
                return Err(wrong("user and password must not hold control characters"));
            }
            Some(Secret::new(decoded))
        }
        Some(_) => return Err(wrong("there is a user without a password")),
    };
    Ok(Proxy { host, port, credentials })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_a_port_and_perhaps_credentials() {
        let plain = Proxy { host: "proxy.local".into(), port: 3128, credentials: None };
        for text in ["http://proxy.local:3128", "HTTP://proxy.local:3128/"] {
            assert_eq!(parse(text), Ok(plain.clone()));
        }
        assert_eq!(parse("http://[::1]:8080").unwrap().host, "::1");
        let signed = parse("http://me:p%40ss%3Aw@ord@10.0.0.1:3128").unwrap();
        assert_eq!(
            (signed.host.as_str(), signed.credentials.unwrap().expose()),
            ("10.0.0.1", &b"me:p@ss:w@ord"[..])
        );
    }

    #[test]
    fn what_is_wrong_is_told_without_repeating_it() {
        for text in [
            "proxy.local:3128",
            "https://me:hunter2@proxy.local:3128",
            "socks5://me:hunter2@proxy.local:3128",
            "http://me:hunter2@proxy.local",
            "http://me:hunter2@proxy.local:0",
            "http://me:hunter2@proxy.local:99999",
            "http://hunter2@proxy.local:3128",
            "http://me:hunter2@pro xy:3128",
            "http://me:hunter2@[x]:3128",
            "http://me:hunter2%0d%0aX: y@proxy.local:3128",
            "http://me:hunter2@proxy.local:3128/path",
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.starts_with(FORM) && !told.contains("hunter2"), "{text}: {told}");
        }
    }
}
