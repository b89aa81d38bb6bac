//! The world: everything outside the core, one event at a time, in virtual time.
//!
//! The next event is the earliest of what is planned (messages, writes, samples, edits, faults) and the engine's own
//! deadline. Each is handed to the real `Engine`, which the real `service::pump` then drains; the oracle looks after
//! every one. Deliberately absent: what faults there are (`faults`), and real time.

use crate::disk::Disk;
use crate::hub::{BackEnd, Hub, read_notification};
use crate::net::{Fate, Net};
use crate::oracle::{Kind, Oracle, Scene, Start};
use crate::plant::{Plant, Thermometer};
use crate::presets::{DISKS, NETS, PACES, Pace, SITES, Site, ms, secs, site};
use crate::rng::Rng;
use crate::technician::Technician;
use crate::trace::Trace;
use core::time::Duration;
use std::collections::BTreeMap;
use twind::control::{Reading, SensorId};
use twind::engine::{Carry, Engine, Notice};
use twind::service::{Outbox, pump};
use twind::twin::{HubEvent, HubRequest};
use twind::units::{BootTime, UnixSeconds};

/// Mean time between two calls of direct methods.
const CALL_EVERY: Duration = secs(700);

/// What a run is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) net: &'static str,
    pub(crate) disk: &'static str,
    pub(crate) site: &'static str,
    pub(crate) pace: Pace,
}

impl Setup {
    /// The presets that a seed draws, but for those that are named (`NET`, `DISK`, `SITE` or `PACE`, joined with `+`).
    pub(crate) fn of(seed: u64, named: &str) -> Result<Self, String> {
        let mut rng = Rng::of(seed, "presets");
        let mut setup = Self {
            seed,
            net: rng.pick(NETS).name,
            disk: rng.pick(DISKS).name,
            site: *rng.pick::<&'static str>(SITES),
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
    /// We try to connect.
    Dial,
    /// This connection breaks.
    Cut(u64),
    /// This connection's end is noticed.
    Down(u64),
    /// This write ends.
    Written(u64),
    /// This sensor is due; of this life of the process.
    Sample(usize, u64),
    /// Somebody calls a direct method.
    Call,
    /// The back end writes.
    Edit,
    /// It writes more often than a fetch can hold.
    Burst,
    /// Something goes wrong.
    Fault(usize),
    /// Something is put right again.
    Mend(usize),
    /// The technician does something.
    Hand,
    /// The process starts.
    Start,
}

/// Takes the engine's requests until the wire does.
#[derive(Default)]
pub(crate) struct Requests(Vec<HubRequest>);

impl Outbox for Requests {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}

pub(crate) struct World {
    pub(crate) now: Duration,
    /// When the machine last booted: its boot time is counted from there.
    pub(crate) booted: Duration,
    /// Counts the boots.
    pub(crate) boots: u128,
    /// The wall clock tells the time; a machine without a clock of its own does not until somebody sets it.
    pub(crate) has_wall: bool,
    /// By how much the wall clock is wrong.
    pub(crate) wall_off_secs: i64,
    planned: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    pub(crate) site: Site,
    pub(crate) engine: Option<Engine>,
    /// Counts the lives of the process.
    pub(crate) life: u64,
    pub(crate) disk: Disk,
    pub(crate) plant: Plant,
    pub(crate) sensors: Vec<Thermometer>,
    pub(crate) net: Net,
    pub(crate) hub: Hub,
    pub(crate) back_end: BackEnd,
    pub(crate) technician: Option<Technician>,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    pub(crate) chance: Rng,
    sampling: Rng,
    pub(crate) rates: Vec<Option<Duration>>,
    pub(crate) edit_every: Duration,
    call_every: Duration,
    calls: u64,
    pub(crate) calm: bool,
    requests: Requests,
    pub(crate) steps: u64,
}

impl World {
    pub(crate) fn new(setup: &Setup, traced: bool) -> Self {
        let seed = setup.seed;
        let rarer = setup.pace.rarer;
        let mut net = NETS.iter().find(|net| net.name == setup.net).copied().unwrap_or(NETS[0]);
        net.cut_every *= rarer;
        // Edits are rarer, but it is the lost ones that matter.
        net.lose_notification = (net.lose_notification * rarer).min(300);
        let disk = DISKS.iter().find(|disk| disk.name == setup.disk).copied().unwrap_or(DISKS[0]);
        let site = site(setup.site, net.policy);
        let outputs = |ids: &[twind::control::OutputId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
        let climate = site.spec.climate.as_ref();
        let (cooling, heating) = climate
            .map_or((vec![], vec![]), |climate| (outputs(&climate.cooling), outputs(&climate.heating)));
        let hub = Hub::new(net.temper, Rng::of(seed, "hub"));
        let mut chance = Rng::of(seed, "faults");
        let edit_every = rarer * secs(*chance.pick(&[40, 200, 900]));
        let mut world = Self {
            now: Duration::ZERO,
            booted: Duration::ZERO,
            boots: 1,
            has_wall: true,
            wall_off_secs: 0,
            planned: BTreeMap::new(),
            sequence: 0,
            engine: None,
            life: 0,
            disk: Disk::new(disk, Rng::of(seed, "disk")),
            plant: Plant::new(site.room, site.spec.outputs.len(), cooling, heating),
            sensors: site.probes.iter().cloned().map(Thermometer::new).collect(),
            net: Net::new(net, Rng::of(seed, "wire")),
            hub,
            back_end: BackEnd::new(Rng::of(seed, "back end")),
            technician: Technician::new(Rng::of(seed, "technician"), rarer),
            oracle: Oracle::new(&site.spec),
            trace: Trace::new(traced),
            sampling: Rng::of(seed, "samples"),
            rates: Vec::new(),
            edit_every,
            call_every: rarer * CALL_EVERY,
            calls: 0,
            chance,
            calm: false,
            requests: Requests::default(),
            steps: 0,
            site,
        };
        world.plan(Duration::ZERO, Event::Start);
        let first_edit = world.chance.wait(edit_every);
        world.plan(first_edit, Event::Edit);
        let first_call = world.sampling.wait(world.call_every);
        world.plan(first_call, Event::Call);
        world.plan_faults(disk.spell_every, rarer);
        world.plan_hand();
        world
    }

    /// The machine's own clock.
    pub(crate) fn boot(&self) -> BootTime {
        BootTime::from_boot(self.now.saturating_sub(self.booted))
    }

    /// What the machine's wall clock shows, which is anything.
    pub(crate) fn wall(&self) -> UnixSeconds {
        UnixSeconds((self.now.as_secs() + 1_800_000_000).saturating_add_signed(self.wall_off_secs))
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        self.trace.say(self.now, line);
    }

    pub(crate) fn plan(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.planned.insert((at.max(self.now), self.sequence), event);
    }

    /// The next event, and what must hold after it.
    pub(crate) fn step(&mut self, until: Duration) -> Result<bool, String> {
        let planned = self.planned.first_key_value().map(|(key, _)| *key);
        let deadline = self.engine.as_ref().map(|engine| {
            let (at, why) = engine.poll_timeout(self.boot());
            (self.booted + at.since_boot(), why)
        });
        let next = [planned.map(|(at, _)| at), deadline.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= until) else { return Ok(false) };
        self.steps += 1;
        self.now = self.now.max(next);
        let mut kind = Kind::Fact;
        match (planned, deadline) {
            // What was planned for the same moment comes first, as a fact that arrived while the loop slept.
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
                let now = self.boot();
                self.with_engine(|engine, _| engine.handle_timeout(now))?;
            }
            _ => {}
        }
        self.look(kind)?;
        Ok(true)
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::ToHub(connection, request) => return self.reach_hub(connection, &request),
            Event::Answer(connection, event) => self.answer(connection, event),
            Event::ToDevice(connection, event) => return self.reach_device(connection, event),
            Event::Dial => return self.dial(),
            Event::Cut(connection) => return self.cut(connection),
            Event::Down(connection) => return self.notice_end(connection),
            Event::Written(id) => {
                if self.disk.end(self.now, id) {
                    self.say(|| format!("disk: write {id} ended"));
                    return self.with_engine(|_, _| ());
                }
            }
            Event::Sample(sensor, life) => return self.sample(sensor, life),
            Event::Call => return self.call(),
            Event::Edit => self.edit(),
            Event::Burst => {
                self.back_end.burst().iter().for_each(|edit| self.write_desired(&edit.body, edit.whole));
            }
            Event::Fault(fault) => return self.fail(fault),
            Event::Mend(fault) => return self.mend(fault),
            Event::Hand => return self.hand(),
            Event::Start => return self.start(),
        }
        Ok(())
    }

    /// Has the engine do something, and drains it.
    pub(crate) fn with_engine(&mut self, act: impl FnOnce(&mut Engine, &mut Oracle)) -> Result<(), String> {
        let now = self.boot();
        self.plant.advance(self.now);
        let Some(engine) = &mut self.engine else { return Ok(()) };
        act(engine, &mut self.oracle);
        pump(engine, now, &mut self.disk, &mut self.plant, &mut self.requests);
        while let Some(notice) = engine.poll_notice() {
            let errs = matches!(notice, Notice::StoreFault { .. } | Notice::PinFault { .. });
            self.trace.say(self.now, || format!("{} {notice}", if errs { "ERROR" } else { "notice" }));
            self.oracle.handle_notice(self.now, &notice, &self.disk, &self.plant)?;
        }
        if let Some((id, ends)) = self.disk.begin(self.now) {
            self.plan(ends, Event::Written(id));
        }
        for request in core::mem::take(&mut self.requests.0) {
            self.send(request)?;
        }
        Ok(())
    }

    fn send(&mut self, request: HubRequest) -> Result<(), String> {
        self.say(|| format!("device → {request:?}"));
        self.oracle.handle_request(self.now, &request, &self.net, &self.disk)?;
        if let HubRequest::Reconnect { .. } = request {
            if self.net.up && !self.net.closing {
                // Requests sent before the farewell may still take effect; what comes down is not read any more.
                self.net.closing = true;
                let (grace, connection) = (self.chance.between((ms(1), ms(900))), self.net.connection);
                self.plan(self.now + grace, Event::Down(connection));
            }
            return Ok(());
        }
        if !self.net.up || self.net.closing {
            return Ok(());
        }
        match self.net.send_up(self.now) {
            Fate::Arrives(at) | Fate::Late(at) => self.plan(at, Event::ToHub(self.net.connection, request)),
            Fate::Lost => {
                self.say(|| "wire: the request is lost".into());
                self.oracle.handle_lost_exchange(self.now, &self.net);
            }
        }
        Ok(())
    }

    fn reach_hub(&mut self, connection: u64, request: &HubRequest) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up {
            return Ok(());
        }
        self.net.under_way.0 -= 1;
        if self.net.half_open {
            return Ok(());
        }
        let Some(answer) = self.hub.answer(request) else { return Ok(()) };
        self.say(|| format!("hub answers {}", answer.status));
        self.oracle.handle_answered(self.now, request, &answer, &self.hub, &self.disk)?;
        // What the hub is about to say is under way already.
        self.net.under_way.1 += 1;
        let ready = self.now + self.hub.time_to_answer();
        if ready > self.now && self.back_end.is_in_a_hurry() && !self.calm {
            self.plan(self.now, Event::Burst);
        }
        self.plan(ready, Event::Answer(connection, answer.event));
        Ok(())
    }

    fn answer(&mut self, connection: u64, event: HubEvent) {
        if connection != self.net.connection || !self.net.up {
            return;
        }
        self.net.under_way.1 -= 1;
        match self.net.answer(self.now) {
            Fate::Arrives(at) => {
                if self.net.is_too_late(self.now, at) {
                    self.oracle.handle_lost_exchange(self.now, &self.net);
                }
                self.plan(at, Event::ToDevice(connection, event));
            }
            Fate::Late(at) => {
                self.oracle.handle_lost_exchange(self.now, &self.net);
                self.plan(at, Event::ToDevice(connection, event));
            }
            Fate::Lost => {
                self.say(|| "wire: the answer is lost".into());
                self.oracle.handle_lost_exchange(self.now, &self.net);
            }
        }
    }

    fn reach_device(&mut self, connection: u64, event: HubEvent) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up {
            return Ok(());
        }
        self.net.under_way.1 -= 1;
        if self.net.half_open || self.net.closing {
            return Ok(());
        }
        self.say(|| format!("device ← {event:?}"));
        let (now, at, wall) = (self.boot(), self.now, self.wall());
        self.with_engine(|engine, oracle| {
            if matches!(event, HubEvent::Twin { .. } | HubEvent::ReportedAck { .. }) {
                oracle.handle_contact(wall);
                engine.handle_contact(now, wall);
            }
            oracle.handle_delivery(at, &event, engine);
            engine.handle_hub(now, event);
        })
    }

    fn dial(&mut self) -> Result<(), String> {
        if self.engine.is_none() || self.net.up {
            return Ok(());
        }
        if self.now < self.hub.closed_until && !self.calm {
            let wait = self.net.next_dial(true);
            self.plan(self.now + wait, Event::Dial);
            return Ok(());
        }
        self.net.connect();
        let (connection, cut) = (self.net.connection, self.net.until_cut());
        self.say(|| format!("connection {connection} is up"));
        self.plan(self.now + cut, Event::Cut(connection));
        self.oracle.handle_up(self.now, self.hub.generation());
        let now = self.boot();
        self.with_engine(|engine, _| engine.handle_hub(now, HubEvent::Up))
    }

    fn cut(&mut self, connection: u64) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up || self.calm {
            return Ok(());
        }
        if !self.net.half_open && self.net.is_noticed_late() {
            self.say(|| format!("connection {connection} is half open"));
            self.net.half_open = true;
            let noticed = self.now + self.chance.between((secs(2), secs(240)));
            self.plan(noticed, Event::Cut(connection));
            return Ok(());
        }
        let outage = self.net.outage();
        self.hub.closed_until = self.hub.closed_until.max(self.now + outage);
        self.disconnect()
    }

    /// The connection breaks: of the requests under way, some take effect, and no answer comes.
    pub(crate) fn disconnect(&mut self) -> Result<(), String> {
        if !self.net.up {
            return Ok(());
        }
        let connection = self.net.connection;
        let survivors = if self.net.half_open { 0 } else { self.net.survivors() };
        self.drain_up(connection, survivors)?;
        self.notice_end(connection)
    }

    fn drain_up(&mut self, connection: u64, survivors: usize) -> Result<(), String> {
        let of_this = |event: &Event| matches!(event, Event::ToHub(id, _) if *id == connection);
        let keys: Vec<_> =
            self.planned.iter().filter(|(_, event)| of_this(event)).map(|(key, _)| *key).collect();
        for key in keys.into_iter().take(survivors) {
            if let Some(Event::ToHub(_, request)) = self.planned.remove(&key) {
                let Some(answer) = self.hub.answer(&request) else { continue };
                let status = answer.status;
                self.say(|| format!("hub takes a last request ({status}), and nobody hears it: {request:?}"));
                self.oracle.handle_answered(self.now, &request, &answer, &self.hub, &self.disk)?;
            }
        }
        Ok(())
    }

    fn notice_end(&mut self, connection: u64) -> Result<(), String> {
        if connection != self.net.connection || !self.net.up {
            return Ok(());
        }
        if self.net.closing && !self.net.half_open {
            self.drain_up(connection, usize::MAX)?;
        }
        self.net.disconnect();
        self.say(|| format!("connection {connection} is down"));
        self.oracle.handle_down(self.now);
        let wait = self.net.next_dial(false);
        self.plan(self.now + wait, Event::Dial);
        let now = self.boot();
        self.with_engine(|engine, _| engine.handle_hub(now, HubEvent::Down))
    }

    fn sample(&mut self, sensor: usize, life: u64) -> Result<(), String> {
        if life != self.life || self.engine.is_none() {
            return Ok(());
        }
        let temperature = self.plant.advance(self.now);
        let period = self.sensors[sensor].probe.period;
        // A conversion takes its time, a bad bus more of it.
        let latest = if self.sampling.chance(20) { secs(4) } else { ms(30) };
        let late = self.sampling.between((Duration::ZERO, latest));
        self.plan(self.now + period + late, Event::Sample(sensor, life));
        let value = self.sensors[sensor].sample(temperature, &mut self.sampling)?;
        let Some(value) = value else { return Ok(()) };
        let now = self.boot();
        let reading = Reading { sensor: SensorId(sensor), at: now, value };
        self.say(|| format!("sensor {sensor} reads {value:?}"));
        self.with_engine(|engine, oracle| {
            oracle.handle_reading(reading);
            engine.handle_reading(now, reading);
        })
    }

    fn edit(&mut self) {
        let wait = self.chance.wait(self.edit_every);
        self.plan(self.now + wait, Event::Edit);
        if self.calm {
            return;
        }
        for edit in self.back_end.edits() {
            self.write_desired(&edit.body, edit.whole);
        }
    }

    /// A direct method reaches the device, if it is there.
    fn call(&mut self) -> Result<(), String> {
        self.calls += 1;
        let wait = self.sampling.wait(self.call_every);
        self.plan(self.now + wait, Event::Call);
        let name = *self.sampling.pick(&["resync", "status", "reboot"]);
        if !self.net.up || self.net.closing || self.net.half_open {
            return Ok(());
        }
        let (now, rid) = (self.boot(), self.calls.to_string());
        self.say(|| format!("method {rid}: {name}"));
        self.with_engine(|engine, oracle| {
            oracle.handle_call(&rid, name);
            engine.handle_hub(
                now,
                HubEvent::Method { rid: rid.clone(), name: name.into(), argument: serde_json::Value::Null },
            );
        })
    }

    /// The back end writes, and the hub tells whoever is connected.
    pub(crate) fn write_desired(&mut self, body: &serde_json::Value, whole: bool) {
        let before = self.hub.twin.desired().version();
        let (notification, unsaid) = self.hub.update(body, whole);
        let version = self.hub.twin.desired().version();
        self.say(|| format!("back end {}: version {version}: {body}", if whole { "PUT" } else { "PATCH" }));
        if version != before {
            self.oracle.handle_edit(self.now);
        }
        if !self.net.up || self.net.closing {
            return;
        }
        if unsaid {
            self.oracle.handle_lost_notification(self.now, &self.net);
        }
        let Some(notification) = notification else { return };
        let (fate, again) = self.net.notify(self.now);
        let connection = self.net.connection;
        match fate {
            Fate::Arrives(at) | Fate::Late(at) => {
                self.plan(at, Event::ToDevice(connection, read_notification(&notification)));
            }
            Fate::Lost => {
                self.say(|| "wire: the notification is lost".into());
                self.oracle.handle_lost_notification(self.now, &self.net);
            }
        }
        if let Some(at) = again {
            self.plan(at, Event::ToDevice(connection, read_notification(&notification)));
        }
    }

    /// The process starts from what the disk has.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        if self.engine.is_some() {
            return Ok(());
        }
        self.life += 1;
        let record = self.disk.durable().cloned();
        let version = record.as_ref().map_or(0, |record| record.desired_version.0);
        self.say(|| format!("the process starts from desired version {version}"));
        let now = self.boot();
        let machine = self.machine(record.as_ref());
        let start = Start {
            at: self.now,
            booted: self.booted,
            record: record.as_ref(),
            is_same_boot: record.as_ref().is_some_and(|record| record.moment.boot == machine.boot),
            wall: machine.wall.map(|(wall, _)| wall),
        };
        self.oracle.handle_start(now, &start, &self.hub, &self.plant.drives)?;
        let engine = Engine::new(now, self.site.spec.clone(), record.clone(), Carry::at_start(machine));
        self.oracle.check_start(&start, &engine)?;
        self.engine = Some(engine);
        self.with_engine(|engine, _| engine.handle_timeout(now))?;
        for sensor in 0..self.sensors.len() {
            self.sensors[sensor].restart();
            let first = self.now + self.sampling.between((ms(1), ms(800)));
            self.plan(first, Event::Sample(sensor, self.life));
        }
        let wait = self.net.next_dial(false);
        self.plan(self.now + wait, Event::Dial);
        Ok(())
    }

    /// Has the oracle look.
    pub(crate) fn look(&mut self, kind: Kind) -> Result<(), String> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let now = BootTime::from_boot(self.now.saturating_sub(self.booted));
        let (hub, net, disk) = (&self.hub, &self.net, &self.disk);
        let scene = Scene { at: self.now, now, kind, engine, hub, net, disk };
        self.oracle.look(&scene, &mut self.plant)
    }
}
