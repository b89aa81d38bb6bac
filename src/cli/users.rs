//! Names of users. The daemon names a user by number, which no editing of accounts changes.

use std::fs::File;
use std::io::Read as _;

const PASSWD: &str = "/etc/passwd";
/// More is not read.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// The author of an override for people: `uid 1000, anna`, if this machine's own file of users has a name for the number.
pub(super) fn with_name(by: &str) -> String {
    let mut users = String::new();
    let is_user = by.starts_with("uid ");
    if is_user && let Ok(file) = File::open(PASSWD) {
        // Without it the number stands alone.
        let _ = file.take(PASSWD_BYTES_MAX).read_to_string(&mut users);
    }
    named(by, &users)
}

fn named(by: &str, users: &str) -> String {
    let name = by.strip_prefix("uid ").and_then(|uid| {
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
