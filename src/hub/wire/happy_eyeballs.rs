//! Several addresses of one name, tried in parallel ("Happy Eyeballs", RFC 8305).
//!
//! The address families alternate, in the resolver's order; a new attempt begins every 250 ms, or as soon as one has failed. The
//! first that connects is used, and the others are dropped. So a broken IPv6 costs a quarter of a second and not a whole time-out.

use super::fault::WireFault;
use core::time::Duration;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The RFC's Connection Attempt Delay.
const DELAY: Duration = Duration::from_millis(250);
/// The time-out of one attempt.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The most addresses that are tried, since each costs a socket.
pub(super) const ADDRESSES_MAX: usize = 16;
/// The most addresses in a message.
const NAMED_MAX: usize = 4;

/// An attempt that failed; without an error if nobody answered in time.
type Failed = (SocketAddr, Option<io::Error>);

/// The order in which to try: the families in turn, beginning with the first address's.
pub(super) fn in_turn(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first =
        |address: &SocketAddr| Some(address.is_ipv6()) == addresses.first().map(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(is_first);
    let longer = first.len().max(second.len());
    let turns = (0..longer).flat_map(|turn| [first.get(turn), second.get(turn)]);
    turns.flatten().copied().take(ADDRESSES_MAX).collect()
}

/// Connects to the first of these that can be had.
pub(super) async fn connect<T, A>(
    addresses: &[SocketAddr],
    attempt: impl Fn(SocketAddr) -> A,
) -> Result<T, WireFault>
where
    T: Send + 'static,
    A: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.iter().copied();
    let mut under_way = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        match waiting.next() {
            Some(address) => {
                let connecting = timeout(ATTEMPT, attempt(address));
                under_way.spawn(async move { (address, connecting.await) });
            }
            None if under_way.is_empty() => return Err(fault(&failed)),
            None => {}
        }
        tokio::select! {
            biased;
            Some(ended) = under_way.join_next() => match ended {
                Ok((_, Ok(Ok(connection)))) => return Ok(connection),
                Ok((address, Ok(Err(error)))) => failed.push((address, Some(error))),
                Ok((address, Err(_))) => failed.push((address, None)),
                // Nothing in an attempt panics, and none is aborted before the end.
                Err(_) => {}
            },
            () = sleep(DELAY), if waiting.len() > 0 => {}
        }
    }
}

/// What became of all of them: each reason once, with its addresses.
fn fault(failed: &[Failed]) -> WireFault {
    let mut reasons: Vec<(String, Vec<IpAddr>)> = Vec::new();
    for (address, error) in failed {
        let reason = match error {
            Some(error) => error.to_string(),
            None => "no answer at all (a firewall that drops this port looks like this)".to_owned(),
        };
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, addresses)) => addresses.push(address.ip()),
            None => reasons.push((reason, vec![address.ip()])),
        }
    }
    let reasons: Vec<_> =
        reasons.iter().map(|(reason, addresses)| format!("{reason}, {}", named(addresses))).collect();
    let reason = reasons.join("; ");
    let no_way = |(_, error): &Failed| {
        let kind = error.as_ref().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable))
    };
    if failed.iter().all(no_way) {
        WireFault::Unreachable { reason, addresses: failed.iter().map(|(address, _)| address.ip()).collect() }
    } else {
        WireFault::Tcp(reason)
    }
}

fn named(addresses: &[IpAddr]) -> String {
    let (shown, rest) = addresses.split_at(addresses.len().min(NAMED_MAX));
    let shown: Vec<_> = shown.iter().map(IpAddr::to_string).collect();
    let word = if addresses.len() == 1 { "address" } else { "addresses" };
    match rest.len() {
        0 => format!("{word} {}", shown.join(", ")),
        more => format!("{word} {} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
#[path = "happy_eyeballs_tests.rs"]
mod tests;
