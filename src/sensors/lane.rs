//! A lane: the sensors of one kind in the order in which they are due, and the few threads that read them. What is decided here
//! starts no thread, wakes none and reads no clock.
//!
//! ```text
//!   queue ──► a thread takes what is due ──► reads ──► puts it back, and takes the next
//!                 └ sees to it that another one watches: it takes over if a read becomes long
//! ```
//!
//! The *watch* is a waiting thread that wakes when the first sensor is due. As long as reads are short one thread does them all, and
//! a second one only waits. If a read takes longer than [`LONG`], or a sensor is late by that, the watch goes on with the others, and
//! needs a watch itself. So a lane has two threads (one for a single sensor) and one more for each long read, and [`THREADS_MAX`] at
//! most. If as many reads are long, the lane's other sensors wait for the first that ends.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

/// The most threads of one lane.
pub(super) const THREADS_MAX: usize = 8;
/// A read, or the turn of a sensor that is due, is waited for no longer than this.
pub(super) const LONG: Duration = Duration::from_millis(50);
/// The watch, and one that relieves it.
const WAITING_MAX: usize = 2;

/// See the module. `J` is a sensor with all that belongs to it, `H` wakes a thread.
pub(super) struct Lane<J, H> {
    /// By when they are due, and their numbers.
    queue: BTreeMap<(Instant, u64), J>,
    /// When each thread that reads began to.
    reads: BTreeMap<u64, Instant>,
    waiting: BTreeMap<u64, Waiting<H>>,
}

struct Waiting<H> {
    /// When it wakes by itself.
    wakes: Instant,
    /// `None` until it has begun to wait; it does so unasked.
    handle: Option<H>,
}

/// What a thread is to do.
#[derive(Debug, PartialEq)]
pub(super) enum Next<J> {
    /// To read this sensor.
    Read(J),
    /// To ask again at this moment, or when it is woken.
    Wait(Instant),
    /// To end.
    End,
}

/// What must be done for the lane to be watched.
#[derive(Debug, PartialEq)]
pub(super) enum Watch<H> {
    /// Nothing.
    Kept,
    /// To wake a thread.
    Wake(H),
    /// To start a thread with this number, which the lane already counts.
    Start(u64),
}

impl<J, H> Default for Lane<J, H> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), reads: BTreeMap::new(), waiting: BTreeMap::new() }
    }
}

impl<J, H: Clone> Lane<J, H> {
    /// Puts a sensor into the queue.
    pub(super) fn put(&mut self, due: Instant, number: u64, job: J) {
        self.queue.insert((due, number), job);
    }

    /// Removes those sensors from the queue.
    pub(super) fn remove(&mut self, is_meant: impl Fn(&J) -> bool) -> Vec<J> {
        let meant: Vec<_> = self.queue.iter().filter(|(_, job)| is_meant(job)).map(|(key, _)| *key).collect();
        meant.iter().filter_map(|key| self.queue.remove(key)).collect()
    }

    /// Makes a sensor of the queue due, at the moment that `due` says; `false` if it is not there.
    pub(super) fn hasten(&mut self, number: u64, due: impl FnOnce(&mut J) -> Instant) -> bool {
        let key = self.queue.keys().find(|(_, queued)| *queued == number).copied();
        let Some(mut job) = key.and_then(|key| self.queue.remove(&key)) else { return false };
        let due = due(&mut job);
        self.queue.insert((due, number), job);
        true
    }

    /// What this thread does next. A thread asks when it has been started or woken, and when its read is over.
    pub(super) fn next(&mut self, thread: u64, handle: H, now: Instant) -> Next<J> {
        let has_read = self.reads.remove(&thread).is_some();
        self.waiting.remove(&thread);
        let Some(first) = self.due(0) else { return Next::End };
        let watched_at = self.watched_at(first);
        if first <= now
            && (has_read || watched_at <= now)
            && let Some((_, job)) = self.queue.pop_first()
        {
            self.reads.insert(thread, now);
            return Next::Read(job);
        }
        let wakes = match self.due(1) {
            _ if !self.is_watched(watched_at) => watched_at,
            // It relieves the watch when that reads the first sensor.
            Some(second) if self.waiting.len() < WAITING_MAX => second + LONG,
            _ => return Next::End,
        };
        self.waiting.insert(thread, Waiting { wakes, handle: Some(handle) });
        Next::Wait(wakes)
    }

    /// Sees to it that somebody wakes for the first sensor, at most `late` after it is due. `number` is for a new thread.
    pub(super) fn watch(&mut self, number: u64, now: Instant, late: Duration) -> Watch<H> {
        let Some(first) = self.due(0) else { return Watch::Kept };
        if self.is_watched(self.watched_at(first) + late) {
            return Watch::Kept;
        }
        if let Some(waiting) = self.waiting.values_mut().next() {
            waiting.wakes = now;
            return waiting.handle.clone().map_or(Watch::Kept, Watch::Wake);
        }
        if self.reads.len() >= THREADS_MAX {
            return Watch::Kept;
        }
        self.waiting.insert(number, Waiting { wakes: now, handle: None });
        Watch::Start(number)
    }

    /// This thread is no more, or could not be started.
    pub(super) fn lose(&mut self, thread: u64) {
        self.reads.remove(&thread);
        self.waiting.remove(&thread);
    }

    /// The threads to wake because there is nothing to wait for any more.
    pub(super) fn idle(&self) -> impl Iterator<Item = &H> {
        let idle = self.waiting.values().filter(|_| self.queue.is_empty());
        idle.filter_map(|waiting| waiting.handle.as_ref())
    }

    /// When the sensor with this place in the queue is due.
    fn due(&self, place: usize) -> Option<Instant> {
        self.queue.keys().nth(place).map(|(due, _)| *due)
    }

    /// When the watch reads the first sensor: a read that has only begun is waited for, since its thread may take that one, too.
    fn watched_at(&self, first: Instant) -> Instant {
        let began = self.reads.values().max().copied();
        began.map_or(first, |began| (began + LONG).clamp(first, first + LONG))
    }

    fn is_watched(&self, at: Instant) -> bool {
        self.waiting.values().any(|waiting| waiting.wakes <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A sensor that is read every `period`, and whose reads take `lasts`; `None` for ever.
    #[derive(Clone, Copy, Debug)]
    struct Probe {
        period: Duration,
        lasts: Option<Duration>,
    }

    /// A lane's threads by a simulated clock.
    struct Threads {
        lane: Lane<usize, u64>,
        probes: Vec<Probe>,
        start: Instant,
        now: Duration,
        /// When each thread acts next, and which probe it reads.
        acts: BTreeMap<u64, (Duration, Option<usize>)>,
        started: u64,
        /// The most that there were at one time.
        most: usize,
        /// What was read, when, and by how much later than it was due.
        reads: Vec<(usize, Duration, Duration)>,
        due: Vec<Duration>,
    }

    impl Threads {
        fn new(probes: &[Probe]) -> Self {
            let start = Instant::now();
            let mut lane = Lane::default();
            (0..probes.len()).for_each(|probe| lane.put(start, probe as u64, probe));
            let mut threads = Self {
                lane,
                probes: probes.to_vec(),
                start,
                now: Duration::ZERO,
                acts: BTreeMap::new(),
                started: 0,
                most: 0,
                reads: vec![],
                due: vec![Duration::ZERO; probes.len()],
            };
            threads.watch(Duration::ZERO);
            threads
        }

        fn watch(&mut self, late: Duration) {
            match self.lane.watch(self.started + 1, self.start + self.now, late) {
                Watch::Kept => {}
                Watch::Wake(thread) => {
                    self.acts.insert(thread, (self.now, None));
                }
                Watch::Start(thread) => {
                    self.started = thread;
                    self.acts.insert(thread, (self.now, None));
                    self.most = self.most.max(self.acts.len());
                }
            }
        }

        fn run_until(&mut self, end: Duration) {
            while let Some((at, thread)) = self.acts.iter().map(|(thread, (at, _))| (*at, *thread)).min()
                && at <= end
            {
                self.now = at;
                if let Some((_, Some(probe))) = self.acts.remove(&thread) {
                    self.due[probe] = at + self.probes[probe].period;
                    self.lane.put(self.start + self.due[probe], probe as u64, probe);
                }
                match self.lane.next(thread, thread, self.start + at) {
                    Next::Read(probe) => {
                        self.reads.push((probe, at, at - self.due[probe]));
                        let ends = self.probes[probe].lasts.map_or(Duration::MAX, |lasts| at + lasts);
                        self.acts.insert(thread, (ends, Some(probe)));
                        self.watch(LONG);
                    }
                    Next::Wait(until) => {
                        let wakes = until - self.start;
                        assert!(wakes > at, "it would spin at {at:?}");
                        self.acts.insert(thread, (wakes, None));
                    }
                    Next::End => {}
                }
            }
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn quick(period: Duration) -> Probe {
        Probe { period, lasts: Some(Duration::from_micros(20)) }
    }

    #[test]
    fn as_long_as_reads_are_short_one_thread_reads_and_one_watches() {
        let mut threads = Threads::new(&[quick(SECOND); 128]);
        threads.run_until(SECOND * 20);
        assert_eq!((threads.most, threads.reads.len()), (2, 128 * 20));
    }

    #[test]
    fn a_single_sensor_needs_a_single_thread_which_wakes_once_for_each_read() {
        let mut threads = Threads::new(&[quick(SECOND)]);
        threads.run_until(SECOND * 20);
        assert_eq!((threads.most, threads.reads.len()), (1, 20));
    }

    #[test]
    fn long_reads_have_a_thread_each_up_to_the_most_and_the_threads_end_again() {
        let mut threads = Threads::new(&[Probe { period: SECOND * 10, lasts: Some(ms(750)) }; 20]);
        threads.run_until(SECOND * 9);
        assert_eq!((threads.most, threads.reads.len()), (THREADS_MAX, 20));
        assert_eq!(threads.acts.len(), WAITING_MAX, "the others have ended");
    }

    #[test]
    fn stuck_reads_leave_the_rest_of_the_lane_alone_until_there_are_as_many_as_threads() {
        let stuck = Probe { period: SECOND, lasts: None };
        let with = |count: usize| {
            let mut probes = vec![stuck; count];
            probes.extend([quick(SECOND); 30]);
            let mut threads = Threads::new(&probes);
            threads.run_until(SECOND * 20);
            threads.reads.iter().filter(|(probe, ..)| *probe >= count).count()
        };
        // The first of them are read after the stuck ones have become long, so the last may be beyond the end.
        assert_eq!([1, THREADS_MAX - 1].map(|count| with(count) >= 19 * 30), [true; 2]);
        assert_eq!(with(THREADS_MAX), 0);
    }

    #[test]
    fn a_sensor_that_is_hastened_wakes_the_watch() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        lane.put(now + SECOND, 7, "seven");
        lane.put(now + SECOND * 2, 8, "eight");
        assert_eq!(lane.next(1, 1, now), Next::Wait(now + SECOND));
        assert!(lane.hasten(8, |_| now + ms(10)));
        assert!(!lane.hasten(9, |_| now));
        assert_eq!(lane.watch(2, now, Duration::ZERO), Watch::Wake(1));
        assert_eq!(lane.next(1, 1, now), Next::Wait(now + ms(10)));
        assert_eq!(lane.next(1, 1, now + ms(10)), Next::Read("eight"));
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_tried_for_again() {
        let (mut lane, now) = (Lane::<_, ()>::default(), Instant::now());
        lane.put(now, 1, ());
        assert_eq!(lane.watch(1, now, Duration::ZERO), Watch::Start(1));
        assert_eq!(lane.watch(2, now, Duration::ZERO), Watch::Kept, "it is on its way");
        lane.lose(1);
        assert_eq!(lane.watch(2, now, Duration::ZERO), Watch::Start(2));
    }

    #[test]
    fn who_waits_for_nothing_is_woken_and_ends() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        lane.put(now + SECOND, 7, 7);
        assert_eq!(lane.next(1, (), now), Next::Wait(now + SECOND));
        assert_eq!(lane.idle().count(), 0);
        assert_eq!(lane.remove(|job| *job == 7), [7]);
        assert_eq!(lane.idle().count(), 1);
        assert_eq!(lane.next(1, (), now), Next::End);
    }

    fn probes() -> impl Strategy<Value = Vec<Probe>> {
        let lasts =
            prop_oneof![5 => (0u64..10).prop_map(Some), 1 => (10u64..900).prop_map(Some), 1 => Just(None)];
        let probe = (10u64..3000, lasts)
            .prop_map(|(period, lasts)| Probe { period: ms(period), lasts: lasts.map(ms) });
        prop::collection::vec(probe, 1..30)
    }

    proptest! {
        #[test]
        fn no_sensor_is_late_while_a_thread_is_free_and_there_are_never_too_many(probes in probes()) {
            let mut threads = Threads::new(&probes);
            let is_long = |probe: &&Probe| probe.lasts.is_none_or(|lasts| lasts > ms(10));
            let long = probes.iter().filter(is_long).count();
            threads.run_until(SECOND * 10);
            prop_assert!(threads.most <= THREADS_MAX);
            if long < THREADS_MAX - 2 {
                for (probe, at, late) in &threads.reads {
                    // A sensor waits for the watch once for each read that becomes long just before it, and for the short ones.
                    let most = LONG * (long as u32 + 2) + ms(10) * probes.len() as u32;
                    prop_assert!(*late <= most, "{probe} at {at:?} late by {late:?}");
                }
            }
        }
    }
}
