//! Backoff: when to connect next, when to use a session that is up, and when to replace a token. A state machine without clock or
//! socket; the caller seeds its randomness.
//!
//! A *streak* is a row of failures of one pace without a stable connection in between. The wait grows with it and is drawn at
//! random between a floor and a ceiling (exponential backoff with full jitter), so that a fleet that lost its hub at one moment
//! does not return at one moment. A connection is *stable* once it has lasted [`STABLE`]. A connection that ends sooner does not
//! shorten the wait; a row of those is interpreted by `churn`. A network that returns ends the streaks that its absence explains.

use super::churn::{Churn, Pattern, SHORT};
use super::failure::{Cause, Pace};
use crate::units::BootTime;
use core::time::Duration;

/// A connection that lasted this long ends the streaks.
pub const STABLE: Duration = Duration::from_secs(120);
/// A hub that ended established sessions ended those of its whole fleet: each device asks for its twin at a moment
/// of its own within this span.
pub const SPREAD: Duration = Duration::from_secs(5);

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
/// The stock Node client, throttled, starts at ten seconds and stops at sixty; a disabled device is refused alike and
/// for longer.
const BUSY: Schedule =
    Schedule { first: Range { from: secs(1), to: secs(10) }, floor: secs(2), step: secs(20), cap: secs(300) };
/// Ten minutes at most, so that a corrected key is soon tried.
const REFUSED: Schedule =
    Schedule { first: Range { from: secs(5), to: secs(10) }, floor: secs(5), step: secs(20), cap: secs(600) };
/// No route, as this machine or a router says: an attempt costs the hub nothing, and people who repair a network are watching. A
/// fleet behind one router is still spread.
const AWAY: Schedule =
    Schedule { first: Range { from: secs(0), to: secs(1) }, floor: secs(1), step: secs(4), cap: secs(15) };
/// For a row of short sessions: each connection uses up a quota or disconnects another client. Two minutes at most, since the cause
/// is a guess.
const SLOW: Schedule = Schedule {
    first: Range { from: secs(30), to: secs(60) },
    floor: secs(30),
    step: secs(120),
    cap: secs(120),
};
const LOCAL: Schedule =
    Schedule { first: Range { from: secs(2), to: secs(5) }, floor: secs(2), step: secs(5), cap: secs(5) };

/// Decides when to connect next.
#[derive(Clone, Debug)]
pub struct Backoff {
    random: SplitMix64,
    next: BootTime,
    session: Option<Session>,
    cut_streak: u32,
    away_streak: u32,
    busy_streak: u32,
    refused_streak: u32,
    churn: Churn,
    /// The pattern that was reported; reset with `churn`.
    told: Option<Pattern>,
    /// The hub probably ended the last session for many devices at once.
    spread: bool,
}

/// The session that is up.
#[derive(Clone, Copy, Debug)]
struct Session {
    since: BootTime,
    /// The hub answered a request in it, or notified.
    served: bool,
}

impl Backoff {
    /// Ready to connect at once. `seed` decides the jitter: take a different one on every machine and start.
    pub fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64(seed),
            next: BootTime::ZERO,
            session: None,
            cut_streak: 0,
            away_streak: 0,
            busy_streak: 0,
            refused_streak: 0,
            churn: Churn::default(),
            told: None,
            spread: false,
        }
    }

    /// A session came up. Returns from when it may be used.
    pub fn handle_connected(&mut self, now: BootTime) -> BootTime {
        self.session = Some(Session { since: now, served: false });
        if core::mem::take(&mut self.spread) {
            now + self.random.between(&Range { from: Duration::ZERO, to: SPREAD })
        } else {
            now
        }
    }

    /// The hub answered a request of this session, or notified.
    pub fn handle_served(&mut self) {
        if let Some(session) = &mut self.session {
            session.served = true;
        }
    }

    /// A session, or an attempt at one, failed. Returns the pattern that this completes, once, and once more if it
    /// becomes surer.
    pub fn handle_failed(&mut self, now: BootTime, cause: &Cause) -> Option<Pattern> {
        match self.settle(now) {
            None => self.churn.handle_attempt_failed(),
            Some((lasted, served)) => {
                self.spread = cause.by_the_hub() && lasted >= SHORT;
                self.churn.handle_ended(lasted, served, cause.without_a_word());
            }
        }
        let (schedule, streak) = match (self.churn.beyond(), cause.pace()) {
            (Some(streak), Pace::Cut) => (SLOW, streak),
            (_, Pace::Cut) => (CUT, grow(&mut self.cut_streak)),
            (_, Pace::Away) => (AWAY, grow(&mut self.away_streak)),
            (_, Pace::Busy) => (BUSY, grow(&mut self.busy_streak)),
            (_, Pace::Refused) => (REFUSED, grow(&mut self.refused_streak)),
            (_, Pace::Local) => (LOCAL, 0),
        };
        let wait = self.random.between(&schedule.range(streak));
        // A server that asks for a pause asks many devices, which must not return together.
        let asked = cause.asks_to_wait();
        let asked = self.random.between(&Range { from: asked, to: asked + asked / 4 });
        self.next = now + wait.max(asked);
        let pattern = self.churn.pattern();
        let news = pattern.filter(|pattern| self.told < Some(*pattern));
        self.told = pattern.and(self.told.max(pattern));
        news
    }

    /// We ended a session ourselves and want the next one at once.
    pub fn handle_planned(&mut self, now: BootTime) {
        self.settle(now);
        self.next = now;
    }

    /// This machine has a route again, which explains the earlier failures. Machines whose network came back together still connect
    /// at different moments.
    pub fn handle_network_back(&mut self, now: BootTime) {
        (self.cut_streak, self.away_streak) = (0, 0);
        self.churn = Churn::default();
        self.next = self.next.min(now + self.random.between(&CUT.first));
    }

    /// When to connect next.
    pub fn next_attempt(&self) -> BootTime {
        self.next
    }

    /// What the last sessions have in common, if anything.
    pub fn pattern(&self) -> Option<Pattern> {
        self.churn.pattern()
    }

    /// Ends the session, and returns how long it lasted and whether it served.
    fn settle(&mut self, now: BootTime) -> Option<(Duration, bool)> {
        let Session { since, served } = self.session.take()?;
        let lasted = now.since(since);
        if lasted >= STABLE {
            self.cut_streak = 0;
            self.away_streak = 0;
            self.busy_streak = 0;
            self.refused_streak = 0;
            self.churn = Churn::default();
        }
        Some((lasted, served))
    }
}

/// Counts one more, and returns how many there were before.
fn grow(streak: &mut u32) -> u32 {
    let before = *streak;
    *streak = streak.saturating_add(1);
    before
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
#[path = "backoff_tests.rs"]
mod tests;
