//! A thread for each sensor, because a read may take long: a 1-Wire conversion most of a second, a broken bus for ever. Each thread
//! samples at once and then at every beat of its period, judges, and delivers.
//!
//! ```text
//!   beat ──► sample ──► stop asked? ──► judge ──► deliver ──► sleep until the next beat that has not passed
//!                           └──► end                 └ nobody takes it any more ──► end
//! ```
//!
//! A read that never returns keeps its thread. Later threads for the same source wait for it, so that there is only one however
//! often the configuration is read again. The sensor's last value grows old, and the core reports it as stale.
//!
//! *Beats* are counted from the first sample, so they do not drift; beats missed during a slow read are skipped. A reading is *news*
//! if it differs from the last news; other readings wake nobody. The time is passed in, and a thread never waits for the receiver.

use super::{Judge, Now, Sensor, SensorSettings, Source};
use crate::control::{Fault, Reading};
use crate::units::BootTime;
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Reading a small file needs little.
const STACK_BYTES: usize = 128 * 1024;
/// How long a dropped [`Pollers`] waits for threads that are in the middle of a read.
const PATIENCE_AT_DROP: Duration = Duration::from_millis(500);
/// A period of nothing would be a busy loop.
const PERIOD_MIN: Duration = Duration::from_millis(1);
/// A small change sooner than this after the last news is not news yet: at one sample a second every second sample may be.
const SMALL_CHANGE_WAIT: Duration = Duration::from_millis(1500);

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Taken,
    /// The receiver is gone; the thread ends.
    Closed,
}

/// Takes a reading, and what was found instead of a value.
type Deliver = dyn Fn(Reading, Option<String>, Urgency) -> Delivery;

/// Whether a reading is worth waking somebody for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It says something new.
    News,
    /// It is much the same as the last news, only newer.
    Same,
}

/// The threads that sample. Dropping this ends them, and waits briefly for those that are in a read.
pub struct Pollers {
    shared: Arc<Shared>,
    team: u64,
}

impl Pollers {
    /// Starts a thread for each sensor. `now` tells the time, `deliver` takes a reading without waiting.
    ///
    /// # Errors
    /// A thread could not be started; those already started end.
    pub fn start(
        sensors: &[SensorSettings],
        now: impl Fn() -> Now + Send + Sync + 'static,
        deliver: impl Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_with(opened(sensors), now, deliver)
    }

    /// As [`Pollers::start`], with sensors of the caller's choice.
    ///
    /// # Errors
    /// As [`Pollers::start`].
    pub fn start_with(
        sensors: impl IntoIterator<Item = (SensorSettings, Box<dyn Sensor + Send>)>,
        now: impl Fn() -> Now + Send + Sync + 'static,
        deliver: impl Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_team(Arc::default(), sensors, now, deliver)
    }

    /// As [`Pollers::start`], for the successors of these threads. A source is sampled once the earlier threads for it have ended, so
    /// these must be stopped soon.
    ///
    /// # Errors
    /// As [`Pollers::start`]; these go on.
    pub fn start_next(
        &self,
        sensors: &[SensorSettings],
        now: impl Fn() -> Now + Send + Sync + 'static,
        deliver: impl Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync + 'static,
    ) -> io::Result<Self> {
        self.start_next_with(opened(sensors), now, deliver)
    }

    /// As [`Pollers::start_next`], with sensors of the caller's choice.
    ///
    /// # Errors
    /// As [`Pollers::start_next`].
    pub fn start_next_with(
        &self,
        sensors: impl IntoIterator<Item = (SensorSettings, Box<dyn Sensor + Send>)>,
        now: impl Fn() -> Now + Send + Sync + 'static,
        deliver: impl Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_team(Arc::clone(&self.shared), sensors, now, deliver)
    }

    fn start_team(
        shared: Arc<Shared>,
        sensors: impl IntoIterator<Item = (SensorSettings, Box<dyn Sensor + Send>)>,
        now: impl Fn() -> Now + Send + Sync + 'static,
        deliver: impl Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let team = shared.new_team();
        let pollers = Self { shared, team };
        let (now, deliver) = (Arc::new(now), Arc::new(deliver));
        for (settings, sensor) in sensors {
            let (now, deliver) = (Arc::clone(&now), Arc::clone(&deliver));
            // A thread's name must not contain a zero byte.
            let name = format!("sensor-{}", settings.name.replace('\0', "?"));
            let presence = Presence::enter(&pollers.shared, team, &settings);
            let poller = Poller { settings, sensor, presence };
            let thread = thread::Builder::new().name(name).stack_size(STACK_BYTES);
            thread.spawn(move || poller.run(&*now, &*deliver))?;
        }
        Ok(pollers)
    }

    /// Ends the threads: those that sleep at once, those in a read when it returns. Waits no longer than `patience`, and returns the
    /// names of the sensors that are still being read; their threads will deliver nothing more.
    pub fn stop(self, patience: Duration) -> Vec<String> {
        self.shared.stop(self.team, patience)
    }
}

impl Drop for Pollers {
    fn drop(&mut self) {
        self.shared.stop(self.team, PATIENCE_AT_DROP);
    }
}

fn opened(sensors: &[SensorSettings]) -> impl Iterator<Item = (SensorSettings, Box<dyn Sensor + Send>)> {
    sensors.iter().map(|settings| (settings.clone(), super::open(settings)))
}

/// What successive teams of threads share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    teams: u64,
    threads: u64,
    /// The threads that have not ended.
    present: BTreeMap<u64, Present>,
}

struct Present {
    team: u64,
    name: String,
    source: Source,
    stopping: bool,
}

impl State {
    fn is_stopping(&self, thread: u64) -> bool {
        self.present.get(&thread).is_none_or(|present| present.stopping)
    }

    fn of_team(&mut self, team: u64) -> impl Iterator<Item = &mut Present> {
        self.present.values_mut().filter(move |present| present.team == team)
    }

    /// Is a thread of an earlier team still sampling the same source?
    fn is_taken(&self, thread: u64) -> bool {
        let Some(own) = self.present.get(&thread) else { return false };
        self.present.values().any(|other| other.team < own.team && other.source == own.source)
    }
}

impl Shared {
    /// Every change of the state is a single step, so the state of a poisoned lock is consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_team(&self) -> u64 {
        let mut state = self.state();
        state.teams += 1;
        state.teams
    }

    fn stop(&self, team: u64, patience: Duration) -> Vec<String> {
        let names = |state: &mut State| state.of_team(team).map(|present| present.name.clone()).collect();
        let mut state = self.state();
        if state.of_team(team).all(|present| present.stopping) {
            return names(&mut state);
        }
        state.of_team(team).for_each(|present| present.stopping = true);
        self.changed.notify_all();
        let is_there = |state: &mut State| state.of_team(team).next().is_some();
        let waited = self.changed.wait_timeout_while(state, patience, is_there);
        names(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// A thread's entry in [`State::present`], removed however the thread ends.
struct Presence {
    shared: Arc<Shared>,
    thread: u64,
}

impl Presence {
    fn enter(shared: &Arc<Shared>, team: u64, settings: &SensorSettings) -> Self {
        let mut state = shared.state();
        state.threads += 1;
        let thread = state.threads;
        let (name, source) = (settings.name.clone(), settings.source.clone());
        state.present.insert(thread, Present { team, name, source, stopping: false });
        Self { shared: Arc::clone(shared), thread }
    }

    fn is_stopping(&self) -> bool {
        self.shared.state().is_stopping(self.thread)
    }

    /// Waits for earlier threads of the same source. `false` if the thread is to end.
    fn take_over(&self) -> bool {
        let waits = |state: &mut State| !state.is_stopping(self.thread) && state.is_taken(self.thread);
        let waited = self.shared.changed.wait_while(self.shared.state(), waits);
        !waited.unwrap_or_else(PoisonError::into_inner).is_stopping(self.thread)
    }

    /// Sleeps; returns `false` at once if the thread is to end.
    fn sleep(&self, duration: Duration) -> bool {
        let sleeps = |state: &mut State| !state.is_stopping(self.thread);
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), duration, sleeps);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_stopping(self.thread)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.shared.state().present.remove(&self.thread);
        self.shared.changed.notify_all();
    }
}

struct Poller {
    settings: SensorSettings,
    sensor: Box<dyn Sensor + Send>,
    presence: Presence,
}

impl Poller {
    fn run(mut self, now: &dyn Fn() -> Now, deliver: &Deliver) {
        if !self.presence.take_over() {
            return;
        }
        let mut judge = Judge::new(&self.settings);
        let mut beats = Beats::new(now().boot, self.settings.period);
        let mut news = News::new(self.settings.small_change);
        loop {
            let (at, (value, found)) = judge.sample(&mut *self.sensor, now);
            if self.presence.is_stopping() {
                return;
            }
            let reading = Reading { sensor: self.settings.id, at, value };
            if deliver(reading, found, news.judge(&reading)) == Delivery::Closed {
                return;
            }
            if !self.presence.sleep(beats.next(at).since(at)) {
                return;
            }
        }
    }
}

/// Judges what is news from one sensor.
struct News {
    small_change: f64,
    last: Option<(BootTime, Result<f64, Fault>)>,
}

impl News {
    fn new(small_change: f64) -> Self {
        Self { small_change, last: None }
    }

    /// Small changes add up: a reading is compared with the last news, not with the reading before it.
    fn judge(&mut self, reading: &Reading) -> Urgency {
        let is_news = match (self.last, reading.value) {
            (Some((at, Ok(last))), Ok(value))
                if last != value && (value - last).abs() < self.small_change =>
            {
                reading.at.since(at) >= SMALL_CHANGE_WAIT
            }
            (last, value) => last.map(|(_, value)| value) != Some(value),
        };
        if is_news {
            self.last = Some((reading.at, reading.value));
            return Urgency::News;
        }
        Urgency::Same
    }
}

/// The schedule of one sensor.
struct Beats {
    first: BootTime,
    period: Duration,
    /// The number of the last beat given; the first sample is beat 0.
    last: u64,
}

impl Beats {
    fn new(first: BootTime, period: Duration) -> Self {
        Self { first, period: period.max(PERIOD_MIN), last: 0 }
    }

    /// The next beat after `now`, and never an earlier one again, since a sleep may end a little early.
    fn next(&mut self, now: BootTime) -> BootTime {
        let passed = now.since(self.first).as_nanos() / self.period.as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.last = passed.max(self.last).saturating_add(1);
        let nanoseconds = self.period.as_nanos().saturating_mul(u128::from(self.last));
        self.first + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SensorId;
    use proptest::prelude::*;

    fn ms(milliseconds: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(milliseconds))
    }

    #[test]
    fn beats_do_not_drift_and_those_missed_are_skipped() {
        let mut beats = Beats::new(ms(500), Duration::from_millis(100));
        assert_eq!(beats.next(ms(507)), ms(600));
        assert_eq!(beats.next(ms(608)), ms(700));
        assert_eq!(beats.next(ms(950)), ms(1000), "800 and 900 were missed");
        assert_eq!(beats.next(ms(1000)), ms(1100));
    }

    #[test]
    fn a_sleep_that_ends_early_does_not_make_two_samples_of_one_beat() {
        let mut beats = Beats::new(ms(0), Duration::from_millis(100));
        assert_eq!(beats.next(ms(1)), ms(100));
        assert_eq!(beats.next(ms(99)), ms(200));
    }

    #[test]
    fn no_period_is_too_short_or_too_long() {
        assert_eq!(Beats::new(ms(0), Duration::ZERO).next(ms(0)), ms(1));
        assert!(Beats::new(ms(0), Duration::MAX).next(ms(0)) > ms(1_000_000_000));
    }

    /// Which of these readings are news, each with its time in milliseconds.
    fn news(readings: &[(u64, Result<f64, Fault>)]) -> Vec<u64> {
        let mut news = News::new(0.05);
        let reading = |(at, value): &(u64, _)| Reading { sensor: SensorId(0), at: ms(*at), value: *value };
        let fresh = readings.iter().filter(|told| news.judge(&reading(told)) == Urgency::News);
        fresh.map(|(at, _)| *at).collect()
    }

    #[test]
    fn what_is_said_again_is_no_news_be_it_value_or_fault() {
        let (gone, broken) = (Err(Fault::Missing), Err(Fault::Unreadable));
        let told =
            [(0, Ok(20.0)), (1, Ok(20.0)), (9_000, Ok(20.0)), (9_001, gone), (9_002, gone), (9_003, broken)];
        assert_eq!(news(&told), [0, 9_001, 9_003]);
        assert_eq!(news(&[(0, gone), (1, Ok(20.0)), (2, gone), (3, Ok(20.0))]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_small_change_waits_a_moment_and_a_large_one_does_not() {
        let told =
            [(0, Ok(20.0)), (1_000, Ok(20.01)), (2_000, Ok(20.02)), (3_000, Ok(20.1)), (3_001, Ok(19.0))];
        assert_eq!(news(&told), [0, 2_000, 3_000, 3_001]);
    }

    #[test]
    fn small_changes_add_up_to_a_large_one() {
        assert_eq!(news(&[(0, Ok(20.0)), (10, Ok(20.03)), (20, Ok(20.06)), (30, Ok(20.08))]), [0, 20]);
    }

    #[test]
    fn a_change_that_goes_back_before_it_was_news_was_none() {
        assert_eq!(news(&[(0, Ok(20.0)), (1_000, Ok(20.01)), (2_000, Ok(20.0))]), [0]);
    }

    proptest! {
        #[test]
        fn each_beat_is_later_than_the_last_and_on_the_schedule(
            period in 1u64..10_000,
            steps in prop::collection::vec(0u64..50_000, 1..40),
        ) {
            let mut beats = Beats::new(ms(77), Duration::from_millis(period));
            let (mut now, mut last) = (77, ms(77));
            for step in steps {
                now += step;
                let next = beats.next(ms(now));
                prop_assert!(next > last && next > ms(now));
                prop_assert_eq!((next.since(ms(77)).as_millis() as u64) % period, 0);
                last = next;
            }
        }
    }
}
