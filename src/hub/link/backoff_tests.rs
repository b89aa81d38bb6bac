//! The waits, over many seeds.

use super::*;
use crate::hub::wire::WireFault;
use crate::units::UnixSeconds;
use proptest::prelude::*;

const DENIED: Cause = Cause::Wire(WireFault::Refused { code: 5, at: UnixSeconds(0) });
const BUSY_HUB: Cause = Cause::Wire(WireFault::Refused { code: 3, at: UnixSeconds(0) });

fn cut() -> Cause {
    Cause::Wire(WireFault::Cut("x".into()))
}

fn closed() -> Cause {
    Cause::Wire(WireFault::Closed("x".into()))
}

fn away() -> Cause {
    Cause::Wire(WireFault::Unreachable { reason: "x".into(), addresses: Vec::new() })
}

fn at(seconds: u64) -> BootTime {
    BootTime::from_boot(secs(seconds))
}

/// The waits of a row of equal failures.
fn waits(seed: u64, cause: &Cause, count: usize) -> Vec<Duration> {
    let mut backoff = Backoff::new(seed);
    let mut now = at(1000);
    (0..count)
        .map(|_| {
            backoff.handle_failed(now, cause);
            let wait = backoff.next_attempt().since(now);
            now = backoff.next_attempt();
            wait
        })
        .collect()
}

#[test]
fn the_first_attempt_is_due_at_once() {
    assert_eq!(Backoff::new(1).next_attempt(), BootTime::ZERO);
}

#[test]
fn a_token_is_renewed_after_four_fifths_of_its_life() {
    assert_eq!(renewal(at(100), secs(3600)), at(100 + 2880));
}

#[test]
fn a_planned_end_is_followed_at_once() {
    let mut backoff = Backoff::new(1);
    backoff.handle_connected(at(10));
    backoff.handle_planned(at(20));
    assert_eq!(backoff.next_attempt(), at(20));
}

#[test]
fn a_stable_connection_ends_the_streak_and_a_short_one_does_not() {
    for seed in 0..50 {
        let mut backoff = Backoff::new(seed);
        for _ in 0..8 {
            backoff.handle_failed(at(0), &cut());
        }
        backoff.handle_connected(at(1000));
        let mut flapping = backoff.clone();
        flapping.handle_failed(at(1005), &cut());
        assert!(flapping.next_attempt() >= at(1005) + CUT.floor, "seed {seed}");

        let stable = at(1000) + STABLE;
        backoff.handle_failed(stable, &cut());
        assert!(backoff.next_attempt() <= stable + CUT.first.to, "seed {seed}");
    }
}

#[test]
fn one_short_connection_counts_once() {
    let mut backoff = Backoff::new(3);
    for _ in 0..8 {
        backoff.handle_failed(at(0), &cut());
    }
    backoff.handle_connected(at(0));
    backoff.handle_failed(at(1), &cut());
    // Had the connection not been forgotten, it would look stable by now.
    backoff.handle_failed(at(1000), &cut());
    assert!(backoff.next_attempt() >= at(1000) + CUT.floor);
}

#[test]
fn a_refusal_waits_longer_than_a_cut_and_neither_hurries_the_other() {
    let mut backoff = Backoff::new(9);
    for _ in 0..6 {
        backoff.handle_failed(at(0), &DENIED);
    }
    backoff.handle_failed(at(100), &cut());
    assert!(backoff.next_attempt() <= at(101));
    backoff.handle_failed(at(200), &DENIED);
    assert!(backoff.next_attempt() >= at(205));
    assert_eq!(backoff.refused_streak, 7);
}

proptest! {
    #[test]
    fn every_wait_lies_between_floor_and_cap(seed: u64) {
        for (cause, schedule) in
            [(cut(), CUT), (away(), AWAY), (BUSY_HUB, BUSY), (DENIED, REFUSED), (Cause::Clock { at: UnixSeconds(0), floor: UnixSeconds(0) }, LOCAL)]
        {
            let waits = waits(seed, &cause, 80);
            prop_assert!(waits[0] >= schedule.first.from && waits[0] <= schedule.first.to);
            for wait in &waits[1..] {
                prop_assert!(*wait >= schedule.floor && *wait <= schedule.cap, "{wait:?}");
            }
        }
    }

    #[test]
    fn an_attempt_is_never_due_in_the_past(seed: u64, steps in prop::collection::vec((0u64..400, 0u8..9), 1..60)) {
        let mut backoff = Backoff::new(seed);
        let mut now = BootTime::ZERO;
        for (later, what) in steps {
            now = now + secs(later);
            match what {
                0 => prop_assert!(backoff.handle_connected(now) >= now),
                1 => backoff.handle_planned(now),
                2 => drop(backoff.handle_failed(now, &DENIED)),
                3 => drop(backoff.handle_failed(now, &closed())),
                4 => drop(backoff.handle_failed(now, &BUSY_HUB)),
                5 => drop(backoff.handle_failed(now, &away())),
                6 => backoff.handle_network_back(now),
                _ => drop(backoff.handle_failed(now, &cut())),
            }
            prop_assert!(matches!(what, 0 | 6) || backoff.next_attempt() >= now);
        }
    }
}

#[test]
fn waits_grow_with_the_streak_and_differ_between_seeds() {
    let mean = |n: usize| (0..200).map(|seed| waits(seed, &cut(), 12)[n].as_secs_f64()).sum::<f64>() / 200.0;
    assert!(mean(0) < mean(1) && mean(1) < mean(3) && mean(3) < mean(6));
    let tenth: Vec<_> = (0..200).map(|seed| waits(seed, &cut(), 10)[9]).collect();
    let early = tenth.iter().filter(|wait| **wait < CUT.cap / 2).count();
    assert!((50..150).contains(&early), "{early} of 200 in the first half");
}

/// Sessions that the hub ends `after` so long, each dialled as soon as it may be; the patterns as they are told, and
/// the moment at which the next attempt is due.
fn sessions(
    backoff: &mut Backoff,
    from: BootTime,
    count: usize,
    after: Duration,
    served: bool,
) -> Vec<Option<Pattern>> {
    let mut now = from;
    (0..count)
        .map(|_| {
            backoff.handle_connected(now);
            if served {
                backoff.handle_served();
            }
            now = now + after;
            let told = backoff.handle_failed(now, &closed());
            now = backoff.next_attempt();
            told
        })
        .collect()
}

#[test]
fn a_rival_is_suspected_then_told_once_and_backed_off_from() {
    for seed in 0..50 {
        let mut backoff = Backoff::new(seed);
        let told = sessions(&mut backoff, at(1000), 7, secs(4), true);
        let (suspected, rival) = (Some(Pattern::Suspected), Some(Pattern::Rival));
        assert_eq!(told, [None, None, suspected, None, None, rival, None], "seed {seed}");
        backoff.handle_connected(at(100_000));
        backoff.handle_served();
        backoff.handle_failed(at(100_004), &closed());
        assert!(backoff.next_attempt() >= at(100_004) + SLOW.floor, "seed {seed}");
    }
}

#[test]
fn connections_that_die_unserved_are_a_quota_and_backed_off_from() {
    let mut backoff = Backoff::new(5);
    let told = sessions(&mut backoff, at(0), 4, secs(1), false);
    assert_eq!(told, [None, None, Some(Pattern::Throttled), None]);
    // The pattern changes, and then becomes surer; each is reported.
    let told = sessions(&mut backoff, at(10_000), 7, secs(1), true);
    assert_eq!(told, [Some(Pattern::Suspected), None, None, None, None, Some(Pattern::Rival), None]);
}

#[test]
fn a_rival_is_not_told_anew_because_the_network_failed_meanwhile() {
    let mut backoff = Backoff::new(5);
    assert_eq!(sessions(&mut backoff, at(0), 6, secs(1), true)[5], Some(Pattern::Rival));
    assert_eq!(backoff.handle_failed(at(1000), &cut()), None);
    assert_eq!(sessions(&mut backoff, at(2000), 7, secs(1), true), [None; 7]);
    assert_eq!(backoff.pattern(), Some(Pattern::Rival));
}

#[test]
fn a_stable_connection_ends_a_pattern_and_the_next_one_is_told_again() {
    let mut backoff = Backoff::new(5);
    sessions(&mut backoff, at(0), 8, secs(1), true);
    backoff.handle_connected(at(5000));
    let stable = at(5000) + STABLE;
    assert_eq!(backoff.handle_failed(stable, &closed()), None);
    assert_eq!(backoff.pattern(), None);
    assert!(backoff.next_attempt() <= stable + CUT.first.to);
    assert_eq!(sessions(&mut backoff, at(9000), 6, secs(1), true)[5], Some(Pattern::Rival));
}

#[test]
fn quick_cuts_of_a_link_keep_nobody_away_for_more_than_two_minutes() {
    for seed in 0..200 {
        for served in [true, false] {
            let mut backoff = Backoff::new(seed);
            let mut now = at(1000);
            for number in 0..40 {
                backoff.handle_connected(now);
                if served {
                    backoff.handle_served();
                }
                now = now + secs(3);
                backoff.handle_failed(now, &closed());
                let away = backoff.next_attempt().since(now);
                assert!(away <= secs(120), "seed {seed}: {away:?}");
                // Three ends are ordinary where a carrier resets a link; a hub that serves is not spared.
                assert!(!served || number > 2 || away <= secs(8), "seed {seed}, end {number}: {away:?}");
                now = backoff.next_attempt();
            }
        }
    }
}

#[test]
fn a_network_that_comes_back_is_tried_at_once_and_its_absence_is_held_against_nobody() {
    for seed in 0..50 {
        let mut backoff = Backoff::new(seed);
        sessions(&mut backoff, at(0), 8, secs(1), true);
        for _ in 0..8 {
            backoff.handle_failed(at(5000), &cut());
        }
        backoff.handle_network_back(at(5001));
        assert!(backoff.next_attempt() <= at(5002), "seed {seed}");
        // The name server may need a moment more than the route.
        backoff.handle_failed(at(5002), &cut());
        assert!(backoff.next_attempt() <= at(5003), "seed {seed}");
        assert_eq!(backoff.pattern(), None);
    }
}

#[test]
fn a_disabled_device_waits_longer_than_a_cut_and_less_than_a_wrong_key() {
    let mean =
        |cause: &Cause| (0..200).map(|seed| waits(seed, cause, 12)[11].as_secs_f64()).sum::<f64>() / 200.0;
    assert!(mean(&cut()) < mean(&BUSY_HUB) && mean(&BUSY_HUB) < mean(&DENIED));
}

#[test]
fn after_a_hub_restart_a_fleet_does_not_speak_at_one_moment() {
    let moments: Vec<Duration> = (0..200)
        .map(|seed| {
            let mut backoff = Backoff::new(seed);
            assert_eq!(backoff.handle_connected(at(10)), at(10), "nothing holds up the first session");
            backoff.handle_failed(at(10) + SHORT, &closed());
            let speaks = backoff.handle_connected(at(100)).since(at(100));
            assert_eq!(backoff.handle_connected(at(200)), at(200), "once is enough");
            speaks
        })
        .collect();
    assert!(moments.iter().all(|moment| *moment < SPREAD));
    let early = moments.iter().filter(|moment| **moment < SPREAD / 2).count();
    assert!((60..140).contains(&early), "{early} of 200 in the first half");
}

#[test]
fn an_end_that_is_ours_alone_is_not_spread() {
    for (lasted, cause) in [(SHORT, cut()), (secs(1), closed())] {
        let mut backoff = Backoff::new(7);
        backoff.handle_connected(at(0));
        backoff.handle_failed(at(0) + lasted, &cause);
        assert_eq!(backoff.handle_connected(at(300)), at(300), "{cause:?}");
    }
}

#[test]
fn a_pause_that_is_asked_for_is_kept_and_spread() {
    use crate::hub::azure::ProvisioningFault;
    let cause = Cause::Provisioning(ProvisioningFault::Throttled(secs(300)));
    let waits: Vec<_> = (0..100).map(|seed| waits(seed, &cause, 1)[0]).collect();
    assert!(waits.iter().all(|wait| *wait >= secs(300) && *wait <= secs(375)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > secs(330)) && waits.iter().any(|wait| *wait < secs(330)));
}
