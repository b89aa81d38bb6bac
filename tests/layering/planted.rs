//! Does the fence find what it is there for?

use super::breach;

#[test]
fn what_is_planted_is_found_however_it_is_written() {
    for (name, code, planted) in [
        ("attic/mod", "", Some("attic")),
        ("twin/sync", "use crate::control::Cause;", Some("control")),
        ("board/mod", "use ~hub::Link;", Some("hub")),
        ("board/wires", "use ~~hub::Link;", Some("hub")),
        ("board/wires", "use ~hub::Link;", None),
        ("hub/wire/tls", "use ~~link::Link;", Some("link")),
        ("hub/link/session", "use ~~wire::Wire;", None),
        ("service/mod", "use crate::{hub, cli};", Some("crate::{")),
        ("engine/silence", "extern crate std;", Some("std;")),
        ("store/mod", "rumqttc::Client", Some("rumqttc")),
        ("cli/watch", "use crate::service::calls;", None),
    ] {
        assert_eq!(breach(name, code), planted, "{name}: {code}");
    }
}
