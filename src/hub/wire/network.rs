//! Whether this machine has a route, by its own routing table.
//!
//! Connecting a datagram socket asks the kernel for a route and sends nothing. Netlink would report changes sooner, but the sandbox
//! would have to allow another family of sockets, and looking every two seconds while there is no session costs next to nothing.

use core::time::Duration;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::net::{IpAddr, SocketAddr};
use tokio::time::sleep;

/// How often to look.
const LOOK: Duration = Duration::from_secs(2);
/// Addresses to which only a default route leads: those of documentation (RFC 5737, RFC 3849).
const ANYWHERE: [IpAddr; 2] = [
    IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(core::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Waits until a new route to one of these addresses appears, or to anywhere if the list is empty.
pub(in crate::hub) async fn until_back(addresses: &[IpAddr]) {
    let addresses = if addresses.is_empty() { &ANYWHERE } else { addresses };
    until_rises(|| addresses.iter().any(|address| has_route(*address))).await;
}

async fn until_rises(mut look: impl FnMut() -> bool) {
    let mut before = look();
    loop {
        sleep(LOOK).await;
        let now = look();
        if now && !before {
            return;
        }
        before = now;
    }
}

fn has_route(address: IpAddr) -> bool {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // Any port but 0: nothing is sent to it.
    let there = SocketAddr::new(address, 9);
    socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
        .and_then(|socket| connect(&socket, &there))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[test]
    fn a_machine_has_a_way_to_itself_and_none_to_everybody_at_once() {
        assert!(has_route(IpAddr::from([127, 0, 0, 1])));
        // The kernel refuses broadcast addresses to sockets that did not ask for them.
        assert!(!has_route(IpAddr::from([255, 255, 255, 255])));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_way_that_was_missing_can_come_back() {
        for (seen, looks) in [(&[false, true][..], 1), (&[true, true, false, false, true], 4)] {
            let (start, mut next) = (Instant::now(), seen.iter());
            until_rises(|| *next.next().unwrap()).await;
            assert_eq!(start.elapsed(), LOOK * looks, "{seen:?}");
        }
    }
}
