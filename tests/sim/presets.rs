//! The world's settings by name, each with the reason for its numbers: networks, disks, paces. `sites` has the sites.
//!
//! A run is one of each. Deliberately absent: what may happen at all (the world's), and what must hold (the
//! oracle's).

use crate::disk::DiskPreset;
use crate::hub::Behaviour;
use core::time::Duration;
use twind::twin::SyncPolicy;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn mins(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// How a network and the hub behind it behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetPreset {
    pub(crate) name: &'static str,
    /// One way.
    pub(crate) latency: (Duration, Duration),
    /// Mean time between two cuts of a connection, and how long there is no other.
    pub(crate) cut_every: Duration,
    pub(crate) outage: (Duration, Duration),
    /// Of a thousand requests, answers, notifications.
    pub(crate) lose_request: u32,
    pub(crate) lose_answer: u32,
    pub(crate) late_answer: u32,
    pub(crate) lose_notification: u32,
    pub(crate) duplicate: u32,
    /// Of a thousand cuts, those that nobody notices before the keep-alive does.
    pub(crate) half_open: u32,
    pub(crate) behaviour: Behaviour,
    pub(crate) policy: SyncPolicy,
}

const POLICY: SyncPolicy = SyncPolicy { request_timeout: secs(30), refresh_interval: mins(12 * 60) };
/// So short that a run sees several, for networks that lose notifications.
const SHORT_REFRESH: SyncPolicy = SyncPolicy { request_timeout: secs(30), refresh_interval: mins(10) };

pub(crate) const NETS: &[NetPreset] = &[
    // An industrial router on LTE: the operator ends its address translation after minutes, a cell change takes some
    // seconds, answers take as long as radio scheduling lets them.
    NetPreset {
        name: "site_lte",
        latency: (ms(40), ms(900)),
        cut_every: mins(9),
        outage: (secs(1), secs(90)),
        lose_request: 4,
        lose_answer: 4,
        late_answer: 2,
        lose_notification: 10,
        duplicate: 10,
        half_open: 300,
        behaviour: Behaviour { throttle_permille: 2, error_permille: 2, slow_permille: 30 },
        policy: SHORT_REFRESH,
    },
    // Wireless on a factory floor: it disconnects every minute or two for a moment, the worst case for reconnection.
    NetPreset {
        name: "flaky_wifi",
        latency: (ms(3), ms(250)),
        cut_every: secs(80),
        outage: (ms(100), secs(20)),
        lose_request: 15,
        lose_answer: 15,
        late_answer: 10,
        lose_notification: 40,
        duplicate: 30,
        half_open: 150,
        behaviour: Behaviour { throttle_permille: 0, error_permille: 0, slow_permille: 30 },
        policy: SHORT_REFRESH,
    },
    // A hub that shares its quota with a fleet: 429 for minutes and now and then, 5xx while it is upgraded.
    NetPreset {
        name: "hub_throttled",
        latency: (ms(20), ms(400)),
        cut_every: mins(20),
        outage: (secs(1), secs(30)),
        lose_request: 0,
        lose_answer: 0,
        late_answer: 0,
        lose_notification: 0,
        duplicate: 5,
        half_open: 0,
        behaviour: Behaviour { throttle_permille: 150, error_permille: 60, slow_permille: 300 },
        policy: POLICY,
    },
    // A wired office: nothing happens for hours, and then nothing must have been forgotten.
    NetPreset {
        name: "quiet_office",
        latency: (ms(8), ms(60)),
        cut_every: mins(120),
        outage: (secs(1), secs(10)),
        lose_request: 0,
        lose_answer: 0,
        late_answer: 0,
        lose_notification: 0,
        duplicate: 0,
        half_open: 0,
        behaviour: Behaviour { throttle_permille: 0, error_permille: 0, slow_permille: 100 },
        policy: POLICY,
    },
    // A geostationary link with a queue in front of it: half a second at best, and answers that now and then take
    // longer than the request may, so that what was given up takes effect all the same.
    NetPreset {
        name: "slow_satellite",
        latency: (ms(550), ms(4_000)),
        cut_every: mins(15),
        outage: (secs(2), secs(180)),
        lose_request: 3,
        lose_answer: 3,
        late_answer: 60,
        lose_notification: 10,
        duplicate: 5,
        half_open: 200,
        behaviour: Behaviour { throttle_permille: 5, error_permille: 5, slow_permille: 20 },
        policy: SyncPolicy { request_timeout: secs(10), refresh_interval: mins(15) },
    },
];

const NEVER: (Duration, Duration) = (Duration::ZERO, Duration::ZERO);

pub(crate) const DISKS: &[DiskPreset] = &[
    // Flash in its best years.
    DiskPreset {
        name: "good_disk",
        latency: (ms(2), ms(40)),
        fail_permille: 0,
        spell_every: Duration::ZERO,
        closed_for: NEVER,
    },
    // A worn card: some writes take seconds, and some fail.
    DiskPreset {
        name: "sd_card_worn",
        latency: (ms(20), ms(9_000)),
        fail_permille: 15,
        spell_every: Duration::ZERO,
        closed_for: NEVER,
    },
    // Something else fills the disk, and somebody clears it again after minutes.
    DiskPreset {
        name: "full_disk_spells",
        latency: (ms(5), ms(400)),
        fail_permille: 0,
        spell_every: mins(25),
        closed_for: NEVER,
    },
    // A file system that came up read-only, after a power cut, until somebody remounts it.
    DiskPreset {
        name: "read_only_at_first",
        latency: (ms(2), ms(40)),
        fail_permille: 0,
        spell_every: Duration::ZERO,
        closed_for: (mins(2), mins(25)),
    },
];

/// How fast things happen, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) name: &'static str,
    pub(crate) trouble: Duration,
    /// Longer than any pause that a fault can cause (a quarter of an hour for a clock that was wrong).
    pub(crate) calm: Duration,
    /// Disconnects, faults and edits are this many times rarer.
    pub(crate) rarer: u32,
}

pub(crate) const PACES: &[Pace] = &[
    // An hour with every kind of fault.
    Pace { name: "busy_hour", trouble: mins(60), calm: mins(22), rarer: 1 },
    // Most of a day, so that what comes once in twelve hours comes, and what builds up has the time to.
    Pace { name: "long_day", trouble: mins(14 * 60), calm: mins(22), rarer: 14 },
    // An ordinary week, in which nothing needless must happen.
    Pace { name: "quiet_week", trouble: mins(7 * 24 * 60), calm: mins(22), rarer: 100 },
];
