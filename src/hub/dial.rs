//! When to connect next, and when to replace a token: a machine without clock or socket.
//!
//! A *streak* is a row of failures of one pace without a stable connection in between; the wait grows with it and is
//! drawn at random between a floor and a ceiling (exponential back-off with full jitter), so that a fleet that lost its
//! hub at one moment does not return at one moment. A connection is *stable* once it has lasted [`STABLE`]; one that is
//! dropped sooner, as a hub over its daily quota or a second device of the same id make it, does not shorten the wait.
//! Deliberately absent: randomness of its own; the caller seeds it.

use super::failure::{Cause, Pace};
use crate::units::BootTime;
use core::time::Duration;

/// A connection that lasted this long ends the streaks.
pub const STABLE: Duration = Duration::from_secs(120);

/// The waits of one pace.
struct Schedule {
    /// First wait: at most this, possibly at once.
    first: Range,
    floor: Duration,
    /// The second wait's ceiling; it doubles from then on.
    step: Duration,
    cap: Duration,
}

struct Range {
    from: Duration,
    to: Duration,
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const CUT: Schedule =
    Schedule { first: Range { from: secs(0), to: secs(1) }, floor: secs(1), step: secs(4), cap: secs(120) };
/// Ten minutes at most: a key that was just put right should not wait for the next day.
const REFUSED: Schedule =
    Schedule { first: Range { from: secs(5), to: secs(10) }, floor: secs(5), step: secs(20), cap: secs(600) };
const LOCAL: Schedule =
    Schedule { first: Range { from: secs(2), to: secs(5) }, floor: secs(2), step: secs(5), cap: secs(5) };

/// Decides when to connect next.
#[derive(Clone, Debug)]
pub struct Dialer {
    random: SplitMix64,
    next: BootTime,
    connected_since: Option<BootTime>,
    cut_streak: u32,
    refused_streak: u32,
}

impl Dialer {
    /// Ready to connect at once. `seed` decides the jitter: take a different one on every machine and start.
    pub fn new(seed: u64) -> Self {
        let random = SplitMix64(seed);
        Self { random, next: BootTime::ZERO, connected_since: None, cut_streak: 0, refused_streak: 0 }
    }

    /// A session came up.
    pub fn handle_connected(&mut self, now: BootTime) {
        self.connected_since = Some(now);
    }

    /// A session, or an attempt at one, failed.
    pub fn handle_failed(&mut self, now: BootTime, cause: &Cause) {
        self.settle(now);
        let (schedule, streak) = match cause.pace() {
            Pace::Cut => (CUT, Some(&mut self.cut_streak)),
            Pace::Refused => (REFUSED, Some(&mut self.refused_streak)),
            Pace::Local => (LOCAL, None),
        };
        let range = match streak {
            Some(streak) => {
                *streak = streak.saturating_add(1);
                schedule.range(*streak - 1)
            }
            None => schedule.range(0),
        };
        self.next = now + self.random.between(&range);
    }

    /// We ended a session ourselves and want the next one at once.
    pub fn handle_planned(&mut self, now: BootTime) {
        self.settle(now);
        self.next = now;
    }

    /// When to connect next.
    pub fn next_attempt(&self) -> BootTime {
        self.next
    }

    fn settle(&mut self, now: BootTime) {
        if self.connected_since.take().is_some_and(|since| now.since(since) >= STABLE) {
            self.cut_streak = 0;
            self.refused_streak = 0;
        }
    }
}

impl Schedule {
    fn range(&self, streak: u32) -> Range {
        match streak.checked_sub(1) {
            None => Range { from: self.first.from, to: self.first.to },
            // The shift is bounded so that it cannot overflow; the cap is reached long before.
            Some(doublings) => {
                let ceiling = self.step.saturating_mul(1 << doublings.min(20));
                Range { from: self.floor, to: ceiling.min(self.cap) }
            }
        }
    }
}

/// When a token of this lifetime is replaced: at 80 %, as the stock C client does. A token cannot be exchanged on a
/// live connection, so this is when the session is closed and a new one opened.
pub fn renewal(minted: BootTime, lifetime: Duration) -> BootTime {
    minted + lifetime.mul_f64(0.8)
}

/// Steele, Lea and Flood's SplitMix64: enough to spread a fleet, and free of any state but its seed.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, range: &Range) -> Duration {
        // 32 bits are a share in [0, 1): exact in a float, and finer than any timer.
        let share = (self.next() >> 32) as f64 / 4_294_967_296.0;
        range.from + range.to.saturating_sub(range.from).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::UnixSeconds;
    use proptest::prelude::*;

    const DENIED: Cause = Cause::Refused { code: 5, at: UnixSeconds(0) };

    fn cut() -> Cause {
        Cause::Cut("x".into())
    }

    fn at(seconds: u64) -> BootTime {
        BootTime::from_boot(secs(seconds))
    }

    /// The waits of a row of equal failures.
    fn waits(seed: u64, cause: &Cause, count: usize) -> Vec<Duration> {
        let mut dialer = Dialer::new(seed);
        let mut now = at(1000);
        (0..count)
            .map(|_| {
                dialer.handle_failed(now, cause);
                let wait = dialer.next_attempt().since(now);
                now = dialer.next_attempt();
                wait
            })
            .collect()
    }

    #[test]
    fn the_first_attempt_is_due_at_once() {
        assert_eq!(Dialer::new(1).next_attempt(), BootTime::ZERO);
    }

    #[test]
    fn a_token_is_renewed_after_four_fifths_of_its_life() {
        assert_eq!(renewal(at(100), secs(3600)), at(100 + 2880));
    }

    #[test]
    fn a_planned_end_is_followed_at_once() {
        let mut dialer = Dialer::new(1);
        dialer.handle_connected(at(10));
        dialer.handle_planned(at(20));
        assert_eq!(dialer.next_attempt(), at(20));
    }

    #[test]
    fn a_stable_connection_ends_the_streak_and_a_short_one_does_not() {
        for seed in 0..50 {
            let mut dialer = Dialer::new(seed);
            for _ in 0..8 {
                dialer.handle_failed(at(0), &cut());
            }
            dialer.handle_connected(at(1000));
            let mut flapping = dialer.clone();
            flapping.handle_failed(at(1005), &cut());
            assert!(flapping.next_attempt() >= at(1005) + CUT.floor, "seed {seed}");

            let stable = at(1000) + STABLE;
            dialer.handle_failed(stable, &cut());
            assert!(dialer.next_attempt() <= stable + CUT.first.to, "seed {seed}");
        }
    }

    #[test]
    fn one_short_connection_counts_once() {
        let mut dialer = Dialer::new(3);
        for _ in 0..8 {
            dialer.handle_failed(at(0), &cut());
        }
        dialer.handle_connected(at(0));
        dialer.handle_failed(at(1), &cut());
        // Had the connection not been forgotten, it would look stable by now.
        dialer.handle_failed(at(1000), &cut());
        assert!(dialer.next_attempt() >= at(1000) + CUT.floor);
    }

    #[test]
    fn a_refusal_waits_longer_than_a_cut_and_neither_hurries_the_other() {
        let mut dialer = Dialer::new(9);
        for _ in 0..6 {
            dialer.handle_failed(at(0), &DENIED);
        }
        dialer.handle_failed(at(100), &cut());
        assert!(dialer.next_attempt() <= at(101));
        dialer.handle_failed(at(200), &DENIED);
        assert!(dialer.next_attempt() >= at(205));
        assert_eq!(dialer.refused_streak, 7);
    }

    proptest! {
        #[test]
        fn every_wait_lies_between_floor_and_cap(seed: u64) {
            for (cause, schedule) in [(cut(), CUT), (DENIED, REFUSED), (Cause::Clock(UnixSeconds(0)), LOCAL)] {
                let waits = waits(seed, &cause, 80);
                prop_assert!(waits[0] >= schedule.first.from && waits[0] <= schedule.first.to);
                for wait in &waits[1..] {
                    prop_assert!(*wait >= schedule.floor && *wait <= schedule.cap, "{wait:?}");
                }
            }
        }

        #[test]
        fn an_attempt_is_never_due_in_the_past(seed: u64, steps in prop::collection::vec((0u64..400, 0u8..5), 1..60)) {
            let mut dialer = Dialer::new(seed);
            let mut now = BootTime::ZERO;
            for (later, what) in steps {
                now = now + secs(later);
                match what {
                    0 => dialer.handle_connected(now),
                    1 => dialer.handle_planned(now),
                    2 => dialer.handle_failed(now, &DENIED),
                    _ => dialer.handle_failed(now, &cut()),
                }
                prop_assert!(what == 0 || dialer.next_attempt() >= now);
            }
        }
    }

    #[test]
    fn waits_grow_with_the_streak_and_differ_between_seeds() {
        let mean =
            |n: usize| (0..200).map(|seed| waits(seed, &cut(), 12)[n].as_secs_f64()).sum::<f64>() / 200.0;
        assert!(mean(0) < mean(1) && mean(1) < mean(3) && mean(3) < mean(6));
        let tenth: Vec<_> = (0..200).map(|seed| waits(seed, &cut(), 10)[9]).collect();
        let early = tenth.iter().filter(|wait| **wait < CUT.cap / 2).count();
        assert!((50..150).contains(&early), "{early} of 200 in the first half");
    }
}
