//! Finds what may be a secret in the wrong place, so that a message never shows it whole.
//!
//! A secret is recognised by its form: a value after a name such as `SharedAccessKey=`, an address with a password, and base64 or
//! hexadecimal digits as long as a key.

use super::spans::in_file_order;
use std::ops::Range;

/// The number of characters of a secret that are shown, to find it by.
const SHOWN: usize = 4;
/// Padded base64 from this length on is taken for a key.
const PADDED_MIN: usize = 20;
/// Digits of sixteen bytes.
const HEXADECIMAL_MIN: usize = 32;
/// Without the padding, which a double click leaves behind, the looks say less.
const UNPADDED_MIN: usize = 40;
/// Names whose value is a secret, as connection strings and signatures have them.
const NAMES: [&str; 5] = ["sharedaccesskey", "sharedaccesssignature", "accountkey", "primarykey", "sig"];

/// Words in the names of keys whose values are secrets. A `proxy` may have a password.
const KEY_WORDS: [&str; 9] = [
    "key",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "connection",
    "token",
    "credential",
    "sharedaccess",
];

/// Keys that people try, to write a secret into the file.
pub(super) const TRIED: [&str; 6] =
    ["connection-string", "shared-access-key", "key", "primary-key", "private-key", "password"];

/// Does this text hold what may be a secret?
pub(super) fn is_in(text: &str) -> bool {
    !secrets(text).is_empty()
}

/// Where the first one begins, in bytes.
pub(super) fn first_in(text: &str) -> Option<usize> {
    secrets(text).first().map(|range| range.start)
}

/// Does this text hold a key of the hub's, which is base64 of 32 or 64 bytes, perhaps without the padding, or what is padded
/// as one? No name that a person gives looks so.
pub(super) fn is_hub_key_in(text: &str) -> bool {
    runs(text).any(|run| {
        is_key(&text[run.clone()]) && (text[run.clone()].ends_with('=') || matches!(run.len(), 43 | 86))
    })
}

/// Does this text hold a key, by its form or by the name before it?
pub(super) fn is_key_in(text: &str) -> bool {
    named(text).next().is_some() || runs(text).any(|run| is_key(&text[run]))
}

/// The text with the start of each possible secret only.
pub(super) fn masked(text: &str) -> String {
    let (mut shown, mut from) = (String::new(), 0);
    for secret in secrets(text) {
        let length = text[secret.clone()].chars().count();
        shown.push_str(&text[from..secret.start]);
        // Of a short one that much would be too much.
        shown.extend(text[secret.clone()].chars().take(SHOWN.min(length / SHOWN)));
        shown.push_str(&format!("… ({length} characters)"));
        from = secret.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// Where they are, in order and apart.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let found = named(text)
        .chain(in_addresses(text))
        .chain(runs(text).filter(|run| is_key(&text[run.clone()])))
        .collect();
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in in_file_order(found, |range: &Range<usize>| range.clone().into()) {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// The values behind the names: up to the end of the part of a connection string, or of the word.
fn named(text: &str) -> impl Iterator<Item = Range<usize>> {
    let lower = text.to_ascii_lowercase();
    text.match_indices('=').filter_map(move |(at, _)| {
        let name = lower[..at].trim_end();
        let is_named = NAMES.iter().any(|wanted| {
            let before = name.strip_suffix(wanted);
            before.is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_alphanumeric()))
        });
        let start = at + 1;
        let length = text[start..].find([';', '&', '"', '\'', '`', ' ', '\t', '\n', '\r']);
        let end = length.map_or(text.len(), |length| start + length);
        // What a message of ours writes as a pattern is none.
        (is_named && start < end && !text[start..].starts_with('…')).then_some(start..end)
    })
}

/// User and password of an address, also of one that lacks its scheme.
fn in_addresses(text: &str) -> impl Iterator<Item = Range<usize>> {
    let with_scheme = text.match_indices("://").filter_map(|(at, _)| {
        let start = at + "://".len();
        let rest = &text[start..];
        // A password that was not encoded may hold a space.
        let rest = &rest[..rest.find(['"', '`', '\n', '\r']).unwrap_or(rest.len())];
        let rest = &rest[..rest.find("://").unwrap_or(rest.len())];
        let end = rest.rfind('@')?;
        let is_pattern = rest.starts_with("USER:PASSWORD@");
        (rest[..end].contains(':') && !is_pattern).then(|| start..start + end)
    });
    let without = words(text).filter_map(|word| {
        let end = word.start + text[word.clone()].rfind('@')?;
        let (login, host) = (&text[word.start..end], &text[end + 1..word.end]);
        // The name of a device (`iio:device1@1-0076`) has none of them behind the sign.
        let is_login = host.contains(['.', ':']) && login.contains(':') && !login.contains("://");
        is_login.then_some(word.start..end)
    });
    with_scheme.chain(without)
}

/// The text between white space and quotation marks.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_end = |c: char| c.is_whitespace() || "\"'`".contains(c);
    let mut at = 0;
    core::iter::from_fn(move || {
        let start = at + text.get(at..)?.find(|c| !is_end(c))?;
        at = text[start..].find(is_end).map_or(text.len(), |length| start + length);
        Some(start..at)
    })
}

/// Where the value begins of the first key in a line of the file that names a secret, however it is joined to it.
pub(super) fn key_in(line: &str) -> Option<usize> {
    let is_in_key = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut from = 0;
    while let Some(start) = line[from..].find(is_in_key).map(|at| from + at) {
        let length = line[start..].find(|c| !is_in_key(c)).unwrap_or(line.len() - start);
        from = start + length;
        let before = line[..start].trim_end_matches([' ', '\t', '"', '\'']);
        let begins = before.is_empty() || before.ends_with(['{', ',', '#']);
        if begins && names_a_secret(&line[start..from]) {
            let rest = line[from..].trim_start_matches(['"', '\'']).trim_start();
            return Some(line.len() - rest.strip_prefix(['=', ':']).unwrap_or(rest).len());
        }
    }
    None
}

/// Is a secret written behind this key, or may one be? A file's name is none.
pub(super) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_proxy = |word: &str| word.len() > 3 && strsim::osa_distance(word, "proxy") <= 2;
    let has = |words: &[&str]| words.iter().any(|word| key.contains(word));
    (has(&KEY_WORDS) || key.split(['.', '-', '_']).any(is_proxy)) && !has(&["file", "lifetime"])
}

/// The longest stretches of the characters that base64 has.
fn runs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let bytes = text.as_bytes();
    let mut at = 0;
    core::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(|byte| is_digit(*byte))?;
        let count = |from: usize, is_wanted: &dyn Fn(u8) -> bool| {
            bytes[from..].iter().take_while(|byte| is_wanted(**byte)).count()
        };
        let end = start + count(start, &is_digit);
        at = end + count(end, &|byte| byte == b'=').min(2);
        Some(start..at)
    })
}

fn is_key(run: &str) -> bool {
    let digits = run.trim_end_matches('=');
    let count = |is_wanted: fn(&u8) -> bool| digits.bytes().filter(is_wanted).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let decimal = count(u8::is_ascii_digit);
    let kinds = [upper, lower, decimal].into_iter().filter(|count| *count > 0).count();
    if digits.len() < run.len() {
        // After a path the length means nothing. A long name before an equals sign has at most two kinds of characters.
        let is_long = run.len() >= PADDED_MIN;
        return is_long && (kinds == 3 || kinds == 2 && decimal > 0 && run.len().is_multiple_of(4));
    }
    let is_hexadecimal = digits.len() >= HEXADECIMAL_MIN && digits.bytes().all(|b| b.is_ascii_hexdigit());
    // Of a key's digits one in 64 is a slash. One before it may be no part of it.
    let slashes = digits.trim_start_matches('/').bytes().filter(|byte| *byte == b'/').count();
    let is_path = slashes * 12 > digits.len();
    let is_mixed = upper >= 4 && lower >= 4 && decimal >= 2;
    is_hexadecimal || digits.len() >= UNPADDED_MIN && is_mixed && !is_path
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_shown_by_its_start_and_its_length() {
        for (text, shown) in [
            ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "MDEy… (44 characters)"),
            (
                "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0;GatewayHostName=e",
                "HostName=h;DeviceId=d;SharedAccessKey=c2… (8 characters);GatewayHostName=e",
            ),
            ("\"http://me:hunter22@proxy\"", "\"http://me… (11 characters)@proxy\""),
            ("0123456789abcdef0123456789abcdef", "0123… (32 characters)"),
            // With the slash before it, every twelfth digit is one.
            ("/AK+/AAC/AAC/AAAAAAAAAAC0AAAAAAAA/AAACz0APbcAHaAA", "/AK+… (49 characters)"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn what_is_no_secret_stays_whole() {
        for text in [
            "",
            "connection-string-file=\"twind/connection-string\"",
            "/var/lib/twind/connection-string",
            "contoso.azure-devices.net",
            "dtmi:com:example:Cabinet;1",
            "HostName=…;DeviceId=…;SharedAccessKey=…[;GatewayHostName=…]",
            "must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; the port is missing",
            "2f6c1d3e-5b7a-4c9d-8e0f-112233445566",
            "/sys/bus/iio/devices/iio:device0/in_humidityrelative_input",
            "has no SharedAccessKey; copy it again",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_key_is_shown_whole_wherever_it_stands(
            bytes in prop::collection::vec(any::<u8>(), 32..=64),
            before in "/?[ a-z.\"=]{0,12}",
        ) {
            let key = BASE64.encode(&bytes);
            // As good as certain for the keys of a hub, which are drawn at random.
            prop_assume!(is_key(key.trim_end_matches('=')));
            let told = masked(&format!("{before}{key}\""));
            prop_assert!(!told.contains(&key[8..]), "{told}");
        }
    }
}
