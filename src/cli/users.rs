//! Names of users. The daemon names a user by number, which no editing of accounts changes.

use crate::files;
use std::path::Path;
use std::sync::OnceLock;

/// How an author who is a user begins.
const UID: &str = "uid ";
const PASSWD: &str = "/etc/passwd";
/// More users than a gateway has.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// The author of an override for people: `uid 1000, anna`, if this machine's own file of users has a name for the number.
pub(super) fn with_name(by: &str) -> String {
    // A page has many authors, and `watch` many pages.
    static USERS: OnceLock<String> = OnceLock::new();
    if !by.starts_with(UID) {
        return by.to_owned();
    }
    // Without it the number stands alone.
    let read =
        || files::read(Path::new(PASSWD), PASSWD_BYTES_MAX).map(|(users, _)| users).unwrap_or_default();
    named(by, USERS.get_or_init(|| String::from_utf8_lossy(&read()).into_owned()))
}

fn named(by: &str, users: &str) -> String {
    let name = by.strip_prefix(UID).and_then(|uid| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid && !name.is_empty()).then_some(name)
        })
    });
    name.map_or_else(|| by.to_owned(), |name| format!("{by}, {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_if_the_machine_knows_it() {
        let users =
            "root:x:0:0::/root:/bin/sh\nbroken\n:x:7:\nanna:x:1000:1000:Anna,,,:/home/anna:/bin/bash\n";
        assert_eq!(named("uid 1000", users), "uid 1000, anna");
        for unknown in ["uid 100", "uid 7", "hub", "uid "] {
            assert_eq!(named(unknown, users), unknown);
        }
    }
}
