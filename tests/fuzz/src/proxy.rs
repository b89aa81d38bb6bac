//! A proxy's answer to CONNECT.

use super::assert_fit_for_a_log;
use twind::hub::wire::ProxyFault;
use twind::hub::wire::proxy::judge;

/// See the module.
pub fn run(bytes: &[u8]) {
    let (plain, signed) = (judge(bytes, false), judge(bytes, true));
    match (&plain, &signed) {
        (Err(ProxyFault::WantsCredentials), Err(ProxyFault::WrongCredentials)) => {}
        _ => assert_eq!(plain, signed),
    }
    for fault in [plain.clone().err(), signed.err()].into_iter().flatten() {
        assert_fit_for_a_log(&fault.to_string());
    }
    // Empty lines before an answer are ignored (RFC 9112, section 2.2).
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let answer = &bytes[begin..];
    let is_http = answer.starts_with(b"HTTP/1.0 ") || answer.starts_with(b"HTTP/1.1 ");
    match plain {
        Ok(()) => assert!(is_http && answer[9] == b'2', "a connection by {bytes:?}"),
        Err(ProxyFault::Status(status, wait)) => {
            assert!((100..=999).contains(&status) && !(200..=299).contains(&status), "{status}");
            assert!(is_http && wait.as_secs() <= 3600, "{wait:?} by {bytes:?}");
        }
        Err(_) => {}
    }
}
