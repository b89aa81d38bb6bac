//! The network: one connection at a time, an ordered queue in each direction, latency and loss.
//!
//! A lost message is never repeated, as with MQTT at quality of service 0. A late one delays those behind it, as on any TCP
//! connection. A *half-open* connection loses everything until an end notices. Deliberately absent: deciding when to
//! connect (the world's), and the content of messages (the hub's).

use crate::presets::{NetPreset, ms, secs};
use crate::rng::Rng;
use core::time::Duration;

/// The fate of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Arrives(Duration),
    Late(Duration),
    Lost,
}

pub(crate) struct Net {
    pub(crate) preset: NetPreset,
    rng: Rng,
    /// Counts connections; messages of another one than this are dropped.
    pub(crate) connection: u64,
    pub(crate) up: bool,
    pub(crate) half_open: bool,
    /// The device has closed the connection and waits for `Down`.
    pub(crate) closing: bool,
    up_free_at: Duration,
    down_free_at: Duration,
    /// Messages on the wire, up and down.
    pub(crate) under_way: (usize, usize),
    pub(crate) calm: bool,
    failures: u32,
}

impl Net {
    pub(crate) fn new(preset: NetPreset, rng: Rng) -> Self {
        Self {
            preset,
            rng,
            connection: 0,
            up: false,
            half_open: false,
            closing: false,
            up_free_at: Duration::ZERO,
            down_free_at: Duration::ZERO,
            under_way: (0, 0),
            calm: false,
            failures: 0,
        }
    }

    pub(crate) fn connect(&mut self) {
        self.connection += 1;
        self.up = true;
        self.half_open = false;
        self.closing = false;
        self.under_way = (0, 0);
        self.up_free_at = Duration::ZERO;
        self.down_free_at = Duration::ZERO;
        self.failures = 0;
    }

    pub(crate) fn disconnect(&mut self) {
        self.up = false;
        self.half_open = false;
        self.closing = false;
        self.under_way = (0, 0);
    }

    /// The device sends a request.
    pub(crate) fn send_up(&mut self, now: Duration) -> Fate {
        let (lost, latency) = (self.rng.chance(self.preset.lose_request), self.latency());
        if self.half_open || lost && !self.calm {
            return Fate::Lost;
        }
        self.up_free_at = self.up_free_at.max(now + latency);
        self.under_way.0 += 1;
        Fate::Arrives(self.up_free_at)
    }

    /// The device sends a message, which is lost only with its connection.
    pub(crate) fn send_message(&mut self, now: Duration) -> Fate {
        let latency = self.latency();
        if self.half_open {
            return Fate::Lost;
        }
        self.up_free_at = self.up_free_at.max(now + latency);
        self.under_way.0 += 1;
        Fate::Arrives(self.up_free_at)
    }

    /// The hub acknowledges a message. That, too, is lost only with the connection.
    pub(crate) fn acknowledge(&mut self, now: Duration) -> Fate {
        let latency = self.latency();
        if self.half_open {
            return Fate::Lost;
        }
        self.under_way.1 += 1;
        self.down_free_at = self.down_free_at.max(now + latency);
        Fate::Arrives(self.down_free_at)
    }

    /// The hub sends an answer.
    pub(crate) fn answer(&mut self, now: Duration) -> Fate {
        let (lost, late) =
            (self.rng.chance(self.preset.lose_answer), self.rng.chance(self.preset.late_answer));
        let (latency, extra) = (self.latency(), self.rng.share());
        if self.half_open || lost && !self.calm {
            return Fate::Lost;
        }
        self.under_way.1 += 1;
        if late && !self.calm {
            // From just before the time-out to long after it.
            let extra = self.preset.policy.request_timeout.mul_f64(0.7 + 1.5 * extra);
            self.down_free_at = self.down_free_at.max(now + latency + extra);
            return Fate::Late(self.down_free_at);
        }
        self.down_free_at = self.down_free_at.max(now + latency);
        Fate::Arrives(self.down_free_at)
    }

    /// The hub sends a notification. Returns its fate, and when a second copy arrives, if there is one.
    pub(crate) fn notify(&mut self, now: Duration) -> (Fate, Option<Duration>) {
        let (lost, twice) =
            (self.rng.chance(self.preset.lose_notification), self.rng.chance(self.preset.duplicate));
        let (latency, again) = (self.latency(), self.latency());
        if self.half_open || lost && !self.calm {
            return (Fate::Lost, None);
        }
        self.down_free_at = self.down_free_at.max(now + latency);
        let first = self.down_free_at;
        self.under_way.1 += 1;
        let second = (twice && !self.calm).then(|| {
            self.under_way.1 += 1;
            self.down_free_at = self.down_free_at.max(first + again);
            self.down_free_at
        });
        (Fate::Arrives(first), second)
    }

    /// How long until the next attempt to connect.
    pub(crate) fn next_attempt(&mut self, failed: bool) -> Duration {
        if failed {
            self.failures += 1;
        }
        let ceiling = secs(1 << self.failures.min(6));
        self.rng.between((ms(50), ceiling)).min(if self.calm { secs(5) } else { secs(60) })
    }

    pub(crate) fn until_cut(&mut self) -> Duration {
        self.rng.wait(self.preset.cut_every)
    }

    pub(crate) fn outage(&mut self) -> Duration {
        self.rng.between(self.preset.outage)
    }

    pub(crate) fn is_noticed_late(&mut self) -> bool {
        self.rng.chance(self.preset.half_open)
    }

    /// Of the requests under way at a cut, how many still take effect.
    pub(crate) fn survivors(&mut self) -> usize {
        self.rng.below(self.under_way.0 as u64 + 1) as usize
    }

    fn latency(&mut self) -> Duration {
        self.rng.between(self.preset.latency)
    }

    /// May an answer that arrives then be too late, because of the messages before it?
    pub(crate) fn is_too_late(&self, now: Duration, arrives: Duration) -> bool {
        arrives + self.round_trip() > now + self.preset.policy.request_timeout
    }

    /// The longest round trip without faults of the network, but with a slow hub.
    pub(crate) fn round_trip(&self) -> Duration {
        let slow = if self.preset.behaviour.slow_permille > 0 { secs(3) } else { Duration::ZERO };
        self.preset.latency.1 * 2 + slow
    }
}
