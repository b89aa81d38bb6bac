//! A device's connection string.

use super::assert_fit_for_a_log;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twind::config::connection_string::ConnectionString;

/// A text that occurs in none of our messages.
const MARK: &str = "Zq7Xj9";

/// See the module.
pub fn run(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    match ConnectionString::parse(text) {
        Ok(read) => assert_comes_again(&read),
        Err(told) => assert_fit_for_a_log(&told),
    }
    // Each value is marked, and no mark may show in the message.
    if let Err(told) = ConnectionString::parse(&text.replace('=', &format!("={MARK}"))) {
        assert!(!told.contains(MARK), "{told}");
    }
}

fn assert_comes_again(read: &ConnectionString) {
    let name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !";/\\".contains(c));
    assert!(
        name(&read.host) && name(&read.device_id) && read.gateway.as_deref().is_none_or(name),
        "{read:?}"
    );
    let mut text = format!("HostName={};DeviceId={}", read.host, read.device_id);
    match &read.key {
        Some(key) => {
            assert!(!key.expose().is_empty());
            text += &format!(";SharedAccessKey={}", STANDARD.encode(key.expose()));
        }
        None => text += ";x509=true",
    }
    if let Some(gateway) = &read.gateway {
        text += &format!(";GatewayHostName={gateway}");
    }
    assert_eq!(ConnectionString::parse(&text).as_ref(), Ok(read), "written and read again");
}
