//! The world: everything outside the core, one event at a time, in virtual time.
//!
//! The next event is the earliest of those planned (messages, writes, samples, edits, faults) and the engine's deadline. Each
//! is handed to the real `Core` as one input, whose effects take place in this world. The oracle checks after every event.
//! Deliberately absent: which faults there are (`faults`), what is sent (`wire`), and real time.

use crate::disk::Disk;
use crate::hub::{BackEnd, Hub};
use crate::log::Log;
use crate::net::Net;
use crate::oracle::{Kind, Oracle, Scene, Start};
use crate::plant::{Plant, Thermometer};
use crate::presets::{DISKS, NETS, PACES, Pace, ms, secs};
use crate::rng::Rng;
use crate::sites::{SITES, Site, site};
use crate::tachs::Tachs;
use crate::technician::Technician;
use crate::trace::Trace;
use crate::wishes::Wishes;
use core::time::Duration;
use std::collections::BTreeMap;
use twind::control::{OutputId, Reading, SensorId};
use twind::engine::{Core, Deadline, Input, Start as Begin};
use twind::ports::{Outbox, Ports};
use twind::report::Notice;
use twind::twin::{ClockSanity, HubEvent, HubRequest};
use twind::units::{BootTime, Permille};

/// The true wall-clock times at which a run may begin: an ordinary morning, and half an hour before each change of the clocks in
/// the zone of the sites. All are after twind was built.
const BEGINS: [u64; 3] = [1_800_000_000, 1_806_193_800, 1_824_942_600];
/// Readings of so short a time are one input.
const TOGETHER: Duration = ms(300);
/// Mean time between two calls of direct methods.
const CALL_EVERY: Duration = secs(700);

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) net: &'static str,
    pub(crate) disk: &'static str,
    pub(crate) site: &'static str,
    pub(crate) pace: Pace,
}

impl Setup {
    /// The presets are drawn by the seed, except for those that are named (`NET`, `DISK`, `SITE` or `PACE`, joined with `+`).
    pub(crate) fn of(seed: u64, named: &str) -> Result<Self, String> {
        let mut rng = Rng::of(seed, "presets");
        let mut setup = Self {
            seed,
            net: rng.pick(NETS).name,
            disk: rng.pick(DISKS).name,
            site: *rng.pick::<&'static str>(&SITES),
            pace: match rng.below(16) {
                0 => PACES[2],
                1..=4 => PACES[1],
                _ => PACES[0],
            },
        };
        for name in named.split('+').filter(|name| !name.is_empty()) {
            let net = NETS.iter().find(|net| net.name == name);
            let disk = DISKS.iter().find(|disk| disk.name == name);
            let site = SITES.iter().find(|site| **site == name);
            let pace = PACES.iter().find(|pace| pace.name == name);
            match (net, disk, site, pace) {
                (Some(net), _, _, _) => setup.net = net.name,
                (_, Some(disk), _, _) => setup.disk = disk.name,
                (_, _, Some(site), _) => setup.site = site,
                (_, _, _, Some(pace)) => setup.pace = *pace,
                _ => return Err(format!("there is no preset {name}")),
            }
        }
        Ok(setup)
    }

    pub(crate) fn presets(&self) -> String {
        format!("{}+{}+{}+{}", self.net, self.disk, self.site, self.pace.name)
    }
}

/// What may happen next.
#[derive(Debug)]
pub(crate) enum Event {
    /// A request reaches the hub.
    ToHub(u64, HubRequest),
    /// The hub has an answer ready.
    Answer(u64, HubEvent),
    /// A message reaches the device.
    ToDevice(u64, HubEvent),
    /// The device tries to connect.
    Connect,
    /// This connection breaks.
    Cut(u64),
    /// The device notices the end of this connection.
    Down(u64),
    /// This write ends.
    Written(u64),
    /// This request to the ring of messages ends.
    Ring(u64),
    /// This sensor is due, if this process still runs.
    Sample(usize, u64),
    /// This output's speed was measured, if this process still runs.
    Turns(usize, u64),
    /// A direct method is called.
    Call,
    /// The back end writes.
    Edit,
    /// It writes several times during a fetch.
    Burst,
    /// It writes this many times more, without a pause.
    Storm(u32),
    /// A fault begins.
    Fault(usize),
    /// The reader of the log hangs, or reads again.
    LogReader,
    /// A fault ends.
    Mend(usize),
    /// The technician acts.
    Technician,
    /// The process starts.
    Start,
}

/// Holds the engine's requests until they are sent.
#[derive(Default)]
pub(crate) struct Requests(Vec<HubRequest>);

impl Outbox for Requests {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}

pub(crate) struct World {
    pub(crate) now: Duration,
    /// The true wall-clock time at which the run begins.
    pub(crate) begin: u64,
    /// When the machine last booted. Its boot time begins there.
    pub(crate) booted: Duration,
    /// Counts the boots.
    pub(crate) boots: u128,
    /// The wall clock is set. Without a battery it is not, until something sets it.
    pub(crate) has_wall: bool,
    /// By how much the wall clock is wrong.
    pub(crate) wall_off_secs: i64,
    /// What the process knows of the wall clock.
    pub(crate) sanity: ClockSanity,
    pub(crate) planned: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    pub(crate) site: Site,
    pub(crate) engine: Option<Core>,
    /// Counts the processes.
    pub(crate) life: u64,
    /// The last process hands its outputs over to the next.
    pub(crate) hands_over: bool,
    pub(crate) disk: Disk,
    pub(crate) plant: Plant,
    pub(crate) sensors: Vec<Thermometer>,
    pub(crate) tachs: Tachs,
    pub(crate) net: Net,
    pub(crate) hub: Hub,
    pub(crate) log: Log,
    pub(crate) back_end: BackEnd,
    pub(crate) technician: Option<Technician>,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    pub(crate) rng: Rng,
    /// For the kinds of faults that were added later.
    pub(crate) later_rng: Rng,
    pub(crate) sampling: Rng,
    pub(crate) rates: Vec<Option<Duration>>,
    pub(crate) edit_every: Duration,
    pub(crate) call_every: Duration,
    pub(crate) calls: u64,
    pub(crate) calm: bool,
    requests: Requests,
    /// Readings that the service has not taken yet.
    read: Vec<Reading>,
    pub(crate) steps: u64,
}

impl World {
    pub(crate) fn new(setup: &Setup, traced: bool) -> Self {
        let seed = setup.seed;
        let rarer = setup.pace.rarer;
        let mut net = NETS.iter().find(|net| net.name == setup.net).copied().unwrap_or(NETS[0]);
        net.cut_every *= rarer;
        // Where edits are rarer, more of their notifications are lost, because those matter.
        net.lose_notification = (net.lose_notification * rarer).min(300);
        let disk = DISKS.iter().find(|disk| disk.name == setup.disk).copied().unwrap_or(DISKS[0]);
        let site = site(setup.site, net.policy);
        let hub = Hub::new(net.behaviour, Rng::of(seed, "hub"), Rng::of(seed, "messages"));
        let mut rng = Rng::of(seed, "faults");
        let edit_every = rarer * secs(*rng.pick(&[40, 200, 900]));
        let mut world = Self {
            now: Duration::ZERO,
            booted: Duration::ZERO,
            boots: 1,
            has_wall: true,
            wall_off_secs: 0,
            sanity: ClockSanity::default(),
            planned: BTreeMap::new(),
            sequence: 0,
            engine: None,
            life: 0,
            hands_over: false,
            disk: Disk::new(disk, Rng::of(seed, "disk"), Rng::of(seed, "ring")),
            plant: Plant::new(&site),
            sensors: site.probes.iter().cloned().map(Thermometer::new).collect(),
            tachs: Tachs::new(&site.tachs),
            net: Net::new(net, Rng::of(seed, "wire")),
            hub,
            log: Log::new(Rng::of(seed, "log"), rarer),
            back_end: BackEnd::new(
                Rng::of(seed, "back end"),
                Rng::of(seed, "foreign"),
                Wishes::new(Rng::of(seed, "wishes"), &site.spec),
            ),
            begin: *Rng::of(seed, "calendar").pick(&BEGINS),
            technician: Technician::new(Rng::of(seed, "technician"), rarer),
            oracle: Oracle::new(&site),
            trace: Trace::new(traced),
            sampling: Rng::of(seed, "samples"),
            rates: Vec::new(),
            edit_every,
            call_every: rarer * CALL_EVERY,
            calls: 0,
            rng,
            later_rng: Rng::of(seed, "strangeness"),
            calm: false,
            requests: Requests::default(),
            read: Vec::new(),
            steps: 0,
            site,
        };
        world.plan(Duration::ZERO, Event::Start);
        let first_edit = world.rng.wait(edit_every);
        world.plan(first_edit, Event::Edit);
        let first_call = world.sampling.wait(world.call_every);
        world.plan(first_call, Event::Call);
        world.plan_faults(disk.spell_every, rarer);
        world.plan_storm(seed, setup.pace.trouble);
        world.plan_opening_of_the_disk();
        world.plan_technician();
        world.plan_log();
        world
    }

    /// The machine's own clock.
    pub(crate) fn boot(&self) -> BootTime {
        BootTime::from_boot(self.now.saturating_sub(self.booted))
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        self.trace.say(self.now, line);
    }

    pub(crate) fn plan(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.planned.insert((at.max(self.now), self.sequence), event);
    }

    /// Lets the next event happen, and checks.
    pub(crate) fn step(&mut self, until: Duration) -> Result<bool, String> {
        let planned = self.planned.first_key_value().map(|(key, _)| *key);
        let deadline = self.engine.as_ref().map(|engine| {
            let Deadline { at, why } = engine.deadline();
            (self.booted + at.since_boot(), why)
        });
        let next = [planned.map(|(at, _)| at), deadline.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= until) else { return Ok(false) };
        self.steps += 1;
        self.now = self.now.max(next);
        let mut kind = Kind::Fact;
        match (planned, deadline) {
            // What was planned for the same moment comes first, like an input that arrived while the loop slept.
            (Some(key), deadline) if deadline.is_none_or(|(at, _)| key.0 <= at) => {
                if let Some(event) = self.planned.remove(&key) {
                    if matches!(event, Event::Sample(..)) {
                        kind = Kind::Sample;
                    }
                    self.happen(event)?;
                }
            }
            (_, Some((_, why))) => {
                kind = Kind::Wake;
                self.oracle.handle_wake(self.now, why)?;
                self.tell_clock()?;
                self.input(Input::Timeout)?;
            }
            _ => {}
        }
        self.watch_turns();
        self.look(kind)?;
        Ok(true)
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::ToHub(connection, request) => return self.reach_hub(connection, &request),
            Event::Answer(connection, event) => self.answer(connection, event),
            Event::ToDevice(connection, event) => return self.reach_device(connection, event),
            Event::Connect => return self.try_to_connect(),
            Event::Cut(connection) => return self.cut(connection),
            Event::Down(connection) => return self.notice_end(connection),
            Event::Written(id) => {
                if self.disk.end(self.now, id) {
                    self.say(|| format!("disk: write {id} ended"));
                    return self.take_outcomes();
                }
            }
            Event::Ring(id) => return self.take_ring(id),
            Event::Sample(sensor, life) => return self.sample(sensor, life),
            Event::Turns(output, life) => return self.count_turns(output, life),
            Event::Call => return self.call(),
            Event::Edit => self.edit(),
            Event::Burst => {
                self.back_end.burst().iter().for_each(|edit| self.write_desired(&edit.body, edit.whole));
            }
            Event::Storm(left) => self.storm(left),
            Event::Fault(fault) => return self.fail(fault),
            Event::LogReader => return self.stop_or_resume_log_reader(),
            Event::Mend(fault) => return self.mend(fault),
            Event::Technician => return self.technician_acts(),
            Event::Start => return self.start(),
        }
        Ok(())
    }

    /// Hands over the outcomes of writes.
    fn take_outcomes(&mut self) -> Result<(), String> {
        while let Some(outcome) = self.disk.outcomes.pop_front() {
            self.input(Input::Saved(outcome))?;
        }
        Ok(())
    }

    /// Hands the core an input, as the daemon does.
    pub(crate) fn input(&mut self, input: Input) -> Result<(), String> {
        let now = self.boot();
        self.plant.advance(self.now);
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let mut ports = Ports {
            pins: &mut self.plant,
            store: &mut self.disk,
            outbox: &mut self.requests,
            notices: &mut self.log,
        };
        engine.handle(now, input, &mut ports);
        self.follow_up()
    }

    /// Carries out the core's effects.
    pub(crate) fn follow_up(&mut self) -> Result<(), String> {
        self.look_at_telemetry()?;
        for notice in core::mem::take(&mut self.log.handed) {
            let errs = matches!(
                notice,
                Notice::StoreFault { .. } | Notice::PinFault { .. } | Notice::TachFault { .. }
            );
            self.trace.say(self.now, || format!("{} {notice}", if errs { "ERROR" } else { "notice" }));
            self.oracle.handle_notice(self.now, &notice, &self.disk, &self.plant)?;
        }
        self.read_log()?;
        if let Some((id, ends)) = self.disk.begin(self.now) {
            self.oracle.handle_write(self.now)?;
            self.plan(ends, Event::Written(id));
        }
        self.hand_to_the_ring()?;
        for request in core::mem::take(&mut self.requests.0) {
            self.send(request)?;
        }
        Ok(())
    }

    fn sample(&mut self, sensor: usize, life: u64) -> Result<(), String> {
        if life != self.life || self.engine.is_none() {
            return Ok(());
        }
        self.plant.advance(self.now);
        let shows = self.plant.shows(self.sensors[sensor].probe.place);
        let period = self.sensors[sensor].probe.period;
        // A conversion takes a moment, and longer on a bad bus.
        let latest = if self.sampling.chance(20) { secs(4) } else { ms(30) };
        let late = self.sampling.between((Duration::ZERO, latest));
        self.plan(self.now + period + late, Event::Sample(sensor, life));
        let value = self.sensors[sensor].sample(shows, &mut self.sampling)?;
        // A sensor that hangs gives nothing; what was read before is taken all the same.
        let Some(value) = value else { return self.deliver_readings() };
        let now = self.boot();
        let reading = Reading { sensor: SensorId(sensor), at: now, value };
        self.say(|| format!("sensor {sensor} reads {value:?}"));
        self.read.push(reading);
        if self.is_sampled_soon() {
            return Ok(());
        }
        self.deliver_readings()?;
        self.deliver_speeds()
    }

    /// Is the next event another sample, so soon that the service takes both readings at once?
    fn is_sampled_soon(&self) -> bool {
        let deadline = self.engine.as_ref().map(|engine| self.booted + engine.deadline().at.since_boot());
        self.planned.first_key_value().is_some_and(|((at, _), event)| {
            matches!(event, Event::Sample(_, life) if *life == self.life)
                && *at <= self.now + TOGETHER
                && deadline.is_none_or(|deadline| *at < deadline)
        })
    }

    fn deliver_readings(&mut self) -> Result<(), String> {
        let readings = core::mem::take(&mut self.read);
        readings.iter().for_each(|reading| self.oracle.handle_reading(*reading));
        match readings.is_empty() {
            true => Ok(()),
            false => {
                self.input(Input::Readings(readings.into_iter().map(|reading| (reading, None)).collect()))
            }
        }
    }

    /// The process starts from the durable record.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        if self.engine.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.read.clear();
        self.log.restart();
        let record = self.disk.durable().cloned();
        let version = record.as_ref().map_or(0, |record| record.desired_version.0);
        self.say(|| format!("the process starts from desired version {version}"));
        let now = self.boot();
        let machine = self.machine(record.as_ref());
        self.recall_time(record.as_ref());
        let start = Start {
            at: self.now,
            booted: self.booted,
            boot: self.boots,
            record: record.as_ref(),
            is_same_boot: record.as_ref().is_some_and(|record| record.moment.boot == machine.boot),
            wall: machine.wall.map(|(wall, _)| wall),
            handed: self.take_over(),
        };
        let (hub, disk, drives) = (&self.hub, &self.disk, &self.plant.drives);
        self.oracle.handle_start(now, &start, machine.wall, hub, disk, drives)?;
        let handed = start.handed.iter().flatten().enumerate();
        let found = handed
            .filter_map(|(output, drive)| Some((OutputId(output), Permille::saturating_const((*drive)?))));
        let begin = Begin {
            spec: self.site.spec.clone(),
            record: record.clone(),
            machine,
            found: found.collect(),
            handed_over: start.handed.is_some(),
            step_interval_max: Duration::MAX,
        };
        self.plant.advance(self.now);
        let mut ports = Ports {
            pins: &mut self.plant,
            store: &mut self.disk,
            outbox: &mut self.requests,
            notices: &mut self.log,
        };
        let engine = Core::start(now, begin, &mut ports);
        self.oracle.check_start(&start, now, &engine)?;
        self.engine = Some(engine);
        self.follow_up()?;
        self.tell_closed_disk()?;
        for sensor in 0..self.sensors.len() {
            self.sensors[sensor].restart();
            let first = self.now + self.sampling.between((ms(1), ms(800)));
            self.plan(first, Event::Sample(sensor, self.life));
        }
        self.start_tachs();
        let wait = self.net.next_attempt(false);
        self.plan(self.now + wait, Event::Connect);
        Ok(())
    }

    /// The drives that the previous process handed over; `None` for an output that cannot be opened.
    fn take_over(&mut self) -> Option<Vec<Option<u16>>> {
        let had = |(output, drive): (usize, &u16)| (self.plant.broken != Some(output)).then_some(*drive);
        let handed = self.plant.drives.iter().enumerate().map(had).collect();
        core::mem::take(&mut self.hands_over).then_some(handed)
    }

    /// Has the oracle check everything.
    pub(crate) fn look(&mut self, kind: Kind) -> Result<(), String> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let now = BootTime::from_boot(self.now.saturating_sub(self.booted));
        let (hub, net, disk, sensors) = (&self.hub, &self.net, &self.disk, &*self.sensors);
        let scene = Scene { at: self.now, now, kind, engine, hub, net, disk, sensors };
        self.oracle.look(&scene, &mut self.plant)
    }
}
