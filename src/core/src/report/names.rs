//! Names as IoT Plug and Play takes them: letters, digits and `_`, with a letter first and no `_` last, at most 64 of them.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::String;

const LENGTH_MAX: usize = 64;

/// Does Plug and Play take it as it is?
pub(super) fn is_name(name: &str) -> bool {
    let is_whole = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_whole
        && name.len() <= LENGTH_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('_')
}

/// The name under which Plug and Play knows an output, a sensor or what it measures: as it is, or in camel case, as the twin's own
/// names are: `office-fan` is `officeFan`. One that does not begin with a letter gets an `x` before it.
pub fn plug_and_play_name(name: &str) -> Cow<'_, str> {
    if is_name(name) {
        return Cow::Borrowed(name);
    }
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut camel = String::new();
    for word in words {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !camel.is_empty() => camel.push(first.to_ascii_uppercase()),
            first => camel.extend(first),
        }
        camel.push_str(letters.as_str());
    }
    if !camel.starts_with(|c: char| c.is_ascii_alphabetic()) {
        camel.insert(0, 'x');
    }
    camel.truncate(LENGTH_MAX);
    Cow::Owned(camel.as_str().to_owned())
}

/// Is it an identifier that an interface may have: `dtmi:com:example:Cabinet;1`, with at most 128 characters?
pub fn is_interface_id(id: &str) -> bool {
    let parts = id.strip_prefix("dtmi:").and_then(|rest| rest.split_once(';'));
    let Some((path, version)) = parts else { return false };
    let is_version = (1..=9).contains(&version.len())
        && !version.starts_with('0')
        && version.bytes().all(|digit| digit.is_ascii_digit());
    let is_free = !["dtdl:", "standard:"].iter().any(|taken| path.starts_with(taken));
    id.len() <= 128 && is_version && is_free && path.split(':').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_stays_as_it_is_or_becomes_camel_case() {
        for (name, known_as) in [
            ("fan", "fan"),
            ("front_fan", "front_fan"),
            ("office-fan", "officeFan"),
            ("cold-store-2", "coldStore2"),
            ("2nd-fan", "x2ndFan"),
            ("pm2_5", "pm2_5"),
            ("_fan_", "fan"),
            ("--", "x"),
        ] {
            assert_eq!(plug_and_play_name(name), known_as, "{name}");
        }
    }

    #[test]
    fn an_interface_has_an_identifier_of_names_and_a_version() {
        for id in ["dtmi:com:example:Cabinet;1", "dtmi:x;999999999", "dtmi:twind:Site;1"] {
            assert!(is_interface_id(id), "{id}");
        }
        let long = alloc::format!("dtmi:{};1", "x".repeat(122));
        for id in
            ["dtmi:x", "dtmi:x;0", "dtmi:x;1.2", "dtmi:x:;1", "dtmi:2x;1", "dtmi:dtdl:x;1", "x;1", &long]
        {
            assert!(!is_interface_id(id), "{id}");
        }
    }

    proptest! {
        #[test]
        fn what_a_name_becomes_is_a_name(name in "\\PC{1,80}") {
            prop_assert!(is_name(&plug_and_play_name(&name)), "{}", name);
        }
    }
}
