//! `Retry-After` (RFC 9110, section 10.2.3): how long a server that refuses wants to be left alone.
//!
//! A date is compared with the answer's own `Date`, since this machine's clock may be wrong.

use core::time::Duration;

/// Longer times are cut to this: a mistake in a server's settings must not keep a device away for a day.
pub(super) const MAX: Duration = Duration::from_secs(3600);

/// What the header says, `date` being the answer's `Date`; no time if it is absent or cannot be read.
pub(super) fn read(header: Option<&[u8]>, date: Option<&[u8]>) -> Duration {
    let text = |bytes: Option<&[u8]>| Some(core::str::from_utf8(bytes?).ok()?.trim().to_owned());
    let Some(header) = text(header) else { return Duration::ZERO };
    let named = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time.
        Some(header.parse().map_or(MAX, Duration::from_secs))
    } else {
        let parse = |text: &str| httpdate::parse_http_date(text).ok();
        let now = text(date).and_then(|date| parse(&date));
        parse(&header).zip(now).and_then(|(then, now)| then.duration_since(now).ok())
    };
    named.unwrap_or_default().min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded_by_an_hour() {
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (header, seconds) in [
            ("120", 120),
            (" 7 ", 7),
            ("3600", 3600),
            ("86400", 3600),
            ("99999999999999999999999999", 3600),
            ("Wed, 21 Oct 2026 07:38:00 GMT", 600),
            ("Thu, 22 Oct 2026 07:28:00 GMT", 3600),
            ("Wed, 21 Oct 2026 07:18:00 GMT", 0),
            ("", 0),
            ("-1", 0),
            ("soon", 0),
        ] {
            let read = read(Some(header.as_bytes()), Some(date.as_bytes()));
            assert_eq!(read, Duration::from_secs(seconds), "{header:?}");
        }
        assert_eq!(read(Some(b"Wed, 21 Oct 2026 07:38:00 GMT"), None), Duration::ZERO);
        assert_eq!(read(None, Some(date.as_bytes())), Duration::ZERO);
        assert_eq!(read(Some(b"\xff"), None), Duration::ZERO);
    }
}
