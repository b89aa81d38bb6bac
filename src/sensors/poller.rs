//! Samples every sensor at once and then at every beat of its period, judges, and delivers.
//!
//! ```text
//!   beat ──► sample ──► stop asked? ──► judge ──► deliver ──► back into its lane until the next beat that has not passed
//!                           └──► over               └ nobody takes it any more ──► over
//! ```
//!
//! A read may take long: a 1-Wire conversion most of a second, a broken bus for ever. Each kind of sensor has a lane of its own, with
//! threads of its own ([`super::lane`]): so a read that takes long delays no sensor of another kind, and those of its own kind only
//! when all threads that the lane may have are in such reads. Their number does not grow with the number of sensors.
//!
//! A sensor may be worth sampling before its beat ([`super::Early`]): a contact at its edge, without waiting, but never sooner than
//! [`PAUSE`] after its last sample. That moves no beat.
//!
//! A read that never returns keeps its thread. Later teams wait for it with the same source, so that there is only one however often
//! the configuration is read again. The sensor's last value grows old, and the core reports it as stale.
//!
//! The time is passed in, and a thread never waits for the receiver.

use super::beats::Beats;
use super::lane::{LONG, Lane, Next, Watch};
use super::news::{News, Urgency};
use super::readable::Readable;
use super::{Judge, Now, Sensor, SensorSettings, Source};
use crate::control::Reading;
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

/// Reading a small file needs little.
const STACK_BYTES: usize = 128 * 1024;
/// How long a dropped [`Pollers`] waits for sensors that are being read.
const PATIENCE_AT_DROP: Duration = Duration::from_millis(500);
/// Between a sample and the next one before a beat: a line that never rests may not keep the daemon busy.
const PAUSE: Duration = Duration::from_millis(10);
/// More than any period.
const FAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Taken,
    /// The receiver is gone; the sensor is sampled no more.
    Closed,
}

/// Takes a reading, and what was found instead of a value.
type Deliver = dyn Fn(Reading, Option<String>, Urgency) -> Delivery + Send + Sync;

/// The sensors that are sampled. Dropping this ends that, and waits briefly for those that are being read.
pub struct Pollers {
    shared: Arc<Shared>,
    team: u64,
}

impl Pollers {
    /// Starts sampling. `now` gives the time, `deliver` takes a reading without waiting.
    ///
    /// # Errors
    /// A thread could not be started; no sensor is sampled.
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

    /// As [`Pollers::start`], for the successors of these sensors. A source is sampled once the earlier sampling of it has ended, so
    /// this must be stopped soon.
    ///
    /// # Errors
    /// As [`Pollers::start`]; this goes on.
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
        let manner = Arc::new(Manner { now: Box::new(now), deliver: Box::new(deliver) });
        let sensors = sensors.into_iter().collect();
        pollers.shared.enter(team, &manner, sensors)?;
        Ok(pollers)
    }

    /// Ends the sampling: of a sensor that is being read when that returns, of others at once. Waits no longer than `patience`, and
    /// returns the names of the sensors that are still being read; nothing more of them will be delivered.
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

/// How a team's readings are dated and delivered.
struct Manner {
    now: Box<dyn Fn() -> Now + Send + Sync>,
    deliver: Box<Deliver>,
}

/// A sensor, and what must be remembered from one sample to the next.
struct Job {
    number: u64,
    settings: SensorSettings,
    sensor: Box<dyn Sensor + Send>,
    manner: Arc<Manner>,
    judge: Judge,
    news: News,
    /// `None` before the first sample.
    beats: Option<Beats>,
    /// It is sampled before its beat.
    is_early: bool,
    /// When it was sampled last; at first, when it was opened.
    sampled: Instant,
}

impl Job {
    /// Samples and delivers; how long it is until the next sample, or `None` if that was the last.
    fn sample(&mut self, is_stopping: impl FnOnce() -> bool) -> Option<Duration> {
        let now = &*self.manner.now;
        let beats = self.beats.get_or_insert_with(|| Beats::new(now().boot, self.settings.period));
        let (at, (value, found)) = self.judge.sample(&mut *self.sensor, now);
        if is_stopping() {
            return None;
        }
        let reading = Reading { sensor: self.settings.id, at, value };
        let delivery = (self.manner.deliver)(reading, found, self.news.judge(&reading));
        if delivery == Delivery::Closed {
            return None;
        }
        let beat = if self.is_early { beats.next_after_early(at) } else { beats.next(at) };
        let (rest, after) = (beat.since(at).min(FAR), self.sensor.early().after);
        self.sampled = Instant::now();
        self.is_early = after.is_some_and(|after| after < rest);
        Some(after.map_or(rest, |after| rest.min(after.max(PAUSE))))
    }

    /// Makes it worth sampling before its beat; says when.
    fn hasten(&mut self) -> Instant {
        self.is_early = true;
        Instant::now().max(self.sampled + PAUSE)
    }
}

/// What successive teams share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A sensor is sampled no more.
    over: Condvar,
    /// `None` as long as no sensor has a descriptor.
    readable: Mutex<Option<Readable>>,
}

#[derive(Default)]
struct State {
    teams: u64,
    jobs: u64,
    threads: u64,
    /// The sensors that are sampled, or still being read.
    present: BTreeMap<u64, Present>,
    /// By the name of the kind.
    lanes: BTreeMap<&'static str, Lane<Job, Thread>>,
    /// Those whose source an earlier team still samples.
    held: Vec<Job>,
}

struct Present {
    team: u64,
    name: String,
    source: Source,
    stopping: bool,
    /// It became worth sampling while it was being read.
    hastened: bool,
}

impl State {
    fn of_team(&mut self, team: u64) -> impl Iterator<Item = &mut Present> {
        self.present.values_mut().filter(move |present| present.team == team)
    }

    /// Does an earlier team still sample the same source?
    fn is_taken(&self, job: &Job) -> bool {
        let Some(own) = self.present.get(&job.number) else { return false };
        self.present.values().any(|other| other.team < own.team && other.source.is_same_device(&own.source))
    }

    fn lane(&mut self, kind: &'static str) -> &mut Lane<Job, Thread> {
        self.lanes.entry(kind).or_default()
    }

    /// The jobs of a team that nobody is reading.
    fn take_idle(&mut self, team: u64) -> Vec<Job> {
        let of_team: Vec<u64> =
            self.present.iter().filter(|(_, present)| present.team == team).map(|(job, _)| *job).collect();
        let is_meant = |job: &Job| of_team.contains(&job.number);
        let queued = self.lanes.values_mut().flat_map(|lane| lane.remove(is_meant));
        queued.chain(self.held.extract_if(.., |job| is_meant(job))).collect()
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

    /// Begins to sample sensors, each now or when no earlier team does.
    fn enter(
        self: &Arc<Self>,
        team: u64,
        manner: &Arc<Manner>,
        sensors: Vec<(SensorSettings, Box<dyn Sensor + Send>)>,
    ) -> io::Result<()> {
        let mut state = self.state();
        for (settings, sensor) in sensors {
            state.jobs += 1;
            let number = state.jobs;
            let (name, source) = (settings.name.clone(), settings.source.clone());
            state.present.insert(number, Present { team, name, source, stopping: false, hastened: false });
            let (judge, news) = (Judge::new(&settings), News::new(settings.small_change));
            let manner = Arc::clone(manner);
            let (beats, is_early, sampled) = (None, false, Instant::now());
            state.held.push(Job { number, settings, sensor, manner, judge, news, beats, is_early, sampled });
        }
        self.admit(&mut state)
    }

    /// Puts the sensors into their lanes whose sources nobody else samples any more.
    fn admit(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let (held, free): (Vec<_>, Vec<_>) =
            core::mem::take(&mut state.held).into_iter().partition(|job| state.is_taken(job));
        state.held = held;
        let now = Instant::now();
        let mut outcome = Ok(());
        for job in free {
            let kind = job.settings.source.driver.name;
            state.lane(kind).put(now, job.number, job);
            outcome = outcome.and(self.watch(state, kind, Duration::ZERO));
        }
        outcome
    }

    /// Sees to it that a thread wakes for the first sensor of a lane, at most `late` after it is due.
    fn watch(self: &Arc<Self>, state: &mut State, kind: &'static str, late: Duration) -> io::Result<()> {
        let number = state.threads + 1;
        match state.lane(kind).watch(number, Instant::now(), late) {
            Watch::Kept => Ok(()),
            Watch::Wake(thread) => {
                thread.unpark();
                Ok(())
            }
            Watch::Start(thread) => {
                state.threads = thread;
                let shared = Arc::clone(self);
                let builder = thread::Builder::new().name(format!("sensors-{kind}")).stack_size(STACK_BYTES);
                let started = builder.spawn(move || shared.work(kind, thread));
                started.map(drop).inspect_err(|_| state.lane(kind).lose(thread))
            }
        }
    }

    /// A thread of a lane.
    fn work(self: &Arc<Self>, kind: &'static str, thread: u64) {
        loop {
            let mut state = self.state();
            let next = state.lane(kind).next(thread, thread::current(), Instant::now());
            match next {
                Next::Read(job) => {
                    // Without a watch the others wait for this read, and the next read tries again to have one.
                    let _ = self.watch(&mut state, kind, LONG);
                    drop(state);
                    Turn { shared: self, kind, thread, job: job.number, is_over: true }.read(job);
                }
                Next::Wait(until) => {
                    drop(state);
                    thread::park_timeout(until.saturating_duration_since(Instant::now()));
                }
                Next::End => return,
            }
        }
    }

    /// Has this sensor sampled when its descriptor is readable. If that cannot be, its beats remain.
    fn arm(self: &Arc<Self>, descriptor: BorrowedFd<'_>, job: u64) -> io::Result<()> {
        let mut readable = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        let readable = match readable.take() {
            Some(started) => readable.insert(started),
            None => {
                let shared = Arc::downgrade(self);
                let tell = move |job| {
                    if let Some(shared) = shared.upgrade() {
                        shared.hasten(job);
                    }
                };
                readable.insert(Readable::start(tell)?)
            }
        };
        readable.arm(descriptor, job)
    }

    /// A sensor is worth sampling.
    fn hasten(self: &Arc<Self>, job: u64) {
        let mut state = self.state();
        let Some(present) = state.present.get_mut(&job) else { return };
        let kind = present.source.driver.name;
        present.hastened = true;
        if state.lane(kind).hasten(job, Job::hasten) {
            if let Some(present) = state.present.get_mut(&job) {
                present.hastened = false;
            }
            // Without a thread it is sampled with the next of its lane.
            let _ = self.watch(&mut state, kind, Duration::ZERO);
        }
    }

    fn is_stopping(&self, job: u64) -> bool {
        self.state().present.get(&job).is_none_or(|present| present.stopping)
    }

    /// These sensors, which are closed, are sampled no more.
    fn end(self: &Arc<Self>, jobs: &[u64]) {
        let mut state = self.state();
        state.present.retain(|job, _| !jobs.contains(job));
        // Where no thread can be started, those of the lane that are there read what is admitted.
        let _ = self.admit(&mut state);
        state.lanes.values().flat_map(Lane::idle).for_each(Thread::unpark);
        self.over.notify_all();
    }

    fn stop(self: &Arc<Self>, team: u64, patience: Duration) -> Vec<String> {
        let names = |state: &mut State| state.of_team(team).map(|present| present.name.clone()).collect();
        let mut state = self.state();
        if state.of_team(team).all(|present| present.stopping) {
            return names(&mut state);
        }
        state.of_team(team).for_each(|present| present.stopping = true);
        let idle = state.take_idle(team);
        drop(state);
        let ended: Vec<u64> = idle.iter().map(|job| job.number).collect();
        // Closed before the next team may open the same.
        drop(idle);
        self.end(&ended);
        let is_there = |state: &mut State| state.of_team(team).next().is_some();
        let waited = self.over.wait_timeout_while(self.state(), patience, is_there);
        names(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// A thread's reading of one sensor. If that does not go back into its lane, it has ended, also by a panic.
struct Turn<'s> {
    shared: &'s Arc<Shared>,
    kind: &'static str,
    thread: u64,
    job: u64,
    is_over: bool,
}

impl Turn<'_> {
    fn read(mut self, mut job: Job) {
        let rest = job.sample(|| self.shared.is_stopping(self.job));
        if let (Some(_), Some(descriptor)) = (rest, job.sensor.early().readable) {
            let _ = self.shared.arm(descriptor, self.job);
        }
        let mut state = self.shared.state();
        let Some(present) = state.present.get_mut(&self.job) else { return };
        let is_hastened = core::mem::take(&mut present.hastened);
        let stays = !present.stopping;
        if let Some(rest) = rest.filter(|_| stays) {
            let due = if is_hastened { job.hasten() } else { Instant::now() + rest };
            state.lane(self.kind).put(due, self.job, job);
            self.is_over = false;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.state().lane(self.kind).lose(self.thread);
        }
        if self.is_over {
            self.shared.end(&[self.job]);
        }
    }
}
