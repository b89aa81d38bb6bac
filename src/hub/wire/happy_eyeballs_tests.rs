//! The order, and the times at which attempts begin, by a clock that only moves when everything waits.

use super::*;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

fn v6(number: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number]), 8883)
}

fn v4(number: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, number]), 8883)
}

/// What an address does when it is dialled.
#[derive(Clone, Copy)]
enum Does {
    Answers(u64),
    Refuses(u64),
    Nothing,
    NoRoute,
}

/// When each attempt began, what came of them, and when.
async fn dialled(
    addresses: &[(SocketAddr, Does)],
) -> (Vec<(SocketAddr, u64)>, Result<SocketAddr, WireFault>, u64) {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let ms = move || u64::try_from(start.elapsed().as_millis()).unwrap();
    let result = connect(&addresses.iter().map(|(address, _)| *address).collect::<Vec<_>>(), |address| {
        begun.lock().unwrap().push((address, ms()));
        let does = addresses.iter().find(|(other, _)| *other == address).unwrap().1;
        async move {
            match does {
                Does::Answers(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Ok(address)
                }
                Does::Refuses(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                Does::Nothing => core::future::pending().await,
                Does::NoRoute => Err(io::ErrorKind::NetworkUnreachable.into()),
            }
        }
    })
    .await;
    let begun = begun.lock().unwrap().clone();
    (begun, result, ms())
}

#[test]
fn the_families_take_turns_beginning_with_the_resolvers_first() {
    assert_eq!(in_turn(&[v6(1), v6(2), v6(3), v4(1)]), [v6(1), v4(1), v6(2), v6(3)]);
    assert_eq!(in_turn(&[v4(1), v4(2), v6(1), v6(2), v6(3)]), [v4(1), v6(1), v4(2), v6(2), v6(3)]);
    assert_eq!(in_turn(&[v4(1)]), [v4(1)]);
    assert_eq!(in_turn(&[]), []);
    let many: Vec<_> = (0..200).map(v6).chain((0..200).map(v4)).collect();
    let tried = in_turn(&many);
    assert_eq!(
        (tried.len(), tried.iter().filter(|a| a.is_ipv4()).count()),
        (ADDRESSES_MAX, ADDRESSES_MAX / 2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_swallows_everything_costs_a_quarter_of_a_second() {
    let (begun, result, after) = dialled(&[(v6(1), Does::Nothing), (v4(1), Does::Answers(30))]).await;
    assert_eq!(begun, [(v6(1), 0), (v4(1), 250)]);
    assert_eq!((result, after), (Ok(v4(1)), 280));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_is_followed_at_once() {
    let (begun, result, after) = dialled(&[
        (v6(1), Does::Refuses(20)),
        (v4(1), Does::Refuses(20)),
        (v6(2), Does::NoRoute),
        (v4(2), Does::Answers(10)),
    ])
    .await;
    assert_eq!(begun, [(v6(1), 0), (v4(1), 20), (v6(2), 40), (v4(2), 40)]);
    assert_eq!((result, after), (Ok(v4(2)), 50));
}

#[tokio::test(start_paused = true)]
async fn the_first_that_connects_wins_and_a_slow_one_is_still_waited_for() {
    let (_, result, after) = dialled(&[(v6(1), Does::Answers(400)), (v4(1), Does::Answers(300))]).await;
    assert_eq!((result, after), (Ok(v6(1)), 400));
    let (_, result, after) = dialled(&[(v6(1), Does::Answers(9000)), (v4(1), Does::Refuses(1))]).await;
    assert_eq!((result, after), (Ok(v6(1)), 9000));
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_every_reason_with_its_addresses_or_their_number() {
    let (_, result, after) = dialled(&[
        (v6(1), Does::Nothing),
        (v4(1), Does::Refuses(1)),
        (v6(2), Does::Nothing),
        (v4(2), Does::NoRoute),
    ])
    .await;
    assert_eq!(after, 10_000 + 251);
    let Err(WireFault::Tcp(reason)) = result else { panic!("{result:?}") };
    for words in
        ["refused, address 192.0.2.1", "no answer at all", "addresses 2001:db8::1, 2001:db8::2", "192.0.2.2"]
    {
        assert!(reason.contains(words), "{reason}");
    }
    let many: Vec<_> = (1..8).map(|number| (v4(number), Does::NoRoute)).collect();
    let (_, result, _) = dialled(&many).await;
    let Err(WireFault::Unreachable { reason, addresses }) = result else { panic!("{result:?}") };
    assert!(reason.contains("192.0.2.4 and 3 more") && addresses.len() == 7, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_way_that_is_missing_for_one_family_only_is_not_a_missing_way() {
    let (_, result, _) = dialled(&[(v6(1), Does::NoRoute), (v4(1), Does::Refuses(1))]).await;
    assert!(matches!(result, Err(WireFault::Tcp(_))), "{result:?}");
}
