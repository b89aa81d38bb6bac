//! Reproducible random numbers: one generator for each concern, all from one seed.
//!
//! A *concern* is a part of the world that draws random numbers (the network, the disk, the back end …). Each has a
//! generator of its own, so that a draw that is added to one does not change the others, and a seed that failed still
//! gives the same run.
//! Deliberately absent: the system's randomness.

use core::time::Duration;

/// SplitMix64 (Steele, Lea and Flood).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The generator of one concern.
    pub(crate) fn of(seed: u64, concern: &str) -> Self {
        let mut hash = Hash::default();
        hash.take(concern.as_bytes());
        let mut rng = Self(seed ^ hash.value());
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `n` − 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next() % n }
    }

    /// True `permille` times in a thousand.
    pub(crate) fn chance(&mut self, permille: u32) -> bool {
        self.below(1000) < u64::from(permille)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// From 0 up to 1, 1 excluded.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Between the two.
    pub(crate) fn between(&mut self, (from, to): (Duration, Duration)) -> Duration {
        // Whole microseconds make shorter traces, and nothing that is simulated is finer.
        let micros = to.saturating_sub(from).as_micros() as u64;
        from + Duration::from_micros(self.below(micros + 1))
    }

    /// The time to the next event of a Poisson process.
    pub(crate) fn wait(&mut self, mean: Duration) -> Duration {
        let nats = -(1.0 - self.share()).ln();
        Duration::from_micros((mean.as_micros() as f64 * nats.min(20.0)) as u64 + 1)
    }
}

/// FNV-1a, which is good enough to tell two traces apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}
