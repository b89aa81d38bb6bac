//! The oracle: what must hold after every single event, whatever happened.
//!
//! 1. No deadline lies in the past once the engine was pumped, and it does not wake for nothing.
//! 2. The device's desired section at a version is the hub's own at that version.
//! 3. Settled and the wire empty, both ends have the same reported section.
//! 4. What the hub was told is durable and true; a start never knows less.
//! 5. A version does not go back within a session.
//! 6. Every output is where an independent rank table allows it to be, for that table's reason; an override ends when
//!    it should, whatever became of the process.
//! 7. One report in flight, each request for a reason, none too often.
//! 8. On a healthy link: driven, acknowledged and told within a bound far below the refresh.
//! 9. Nothing is logged at ERROR that the world did not cause.
//! 10. A fan that does not turn is helped in time, and a person is told; one that turns is left alone.
//! 11. The room is in its range where the outputs could hold it there, and below `critical` while a sensor works.
//! 12. The log tells each notice in its turn, or counts it, whatever spells its reader has; and it has no part in the rest.
//! 13. What decides each output stands in the history, and what stood there once stays as it was.
//! 14. In the end the hub has all that there is to tell, whatever it refused for a while and whoever else wrote.
//! 15. Silence counts from the hub's last word, also over restarts, and never too long; a hub that is there is asked.
//! 16. A wall clock that was wrong once is forgotten.
//! 17. An alarm of a sensor or of heat stands exactly while the readings say so; in the end none stands but that
//!     of a room too hot by itself, and of a stalled fan that has been at rest since.
//! 18. Records are rationed; a disk that cannot be used is told, tried again, and holds no report up.
//!
//! The rules are the handbook's (`packaging/doc`): `twin.md` for what is wanted, told and answered, `fail-safe.md` for what
//! decides an output, for silence, for fans that stand still and for a disk that fails, `on-site.md` for overrides and the
//! history.
//!
//! A check at the end alone would find little, because refreshes heal. Deliberately absent: luck; the oracle draws
//! none, so what it looks at does not change what happens.

mod alarms;
mod clock;
mod copies;
mod fan;
mod hands;
mod keeping;
mod log;
mod meaning;
mod rank;
mod room;
mod shape;
mod silence;
mod told;
mod traffic;

use crate::disk::Disk;
use crate::hub::{Answer, Hub};
use crate::net::Net;
use crate::plant::{Plant, Thermometer};
use crate::presets::{Site, secs};
use clock::Clocks;
use copies::Copies;
use core::time::Duration;
use hands::Hands;
pub(crate) use hands::Start;
use keeping::Keeping;
use log::LogJudge;
use rank::{Judge, Rank, Target};
use room::RoomJudge;
use shape::Shapes;
use silence::{Silences, first_row, is_word};
use told::Told;
use traffic::Traffic;
use twind::control::{OutputId, PinFault, Reading, RowDrive};
use twind::engine::{Core, CoreSpec, Deadline};
use twind::report::Notice;
use twind::service::Next;
use twind::twin::{Dated, HubEvent, HubRequest};
use twind::units::{BootTime, UnixSeconds};

/// A control step comes at least this often; only then an output follows what came without one.
const STEP: Duration = secs(5);

/// What happened before a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A deadline of the engine.
    Wake,
    /// A sensor's sample.
    Sample,
    /// Anything else.
    Fact,
}

/// All that a look takes in.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The world's time, and the machine's own.
    pub(crate) at: Duration,
    pub(crate) now: BootTime,
    pub(crate) kind: Kind,
    pub(crate) engine: &'a Core,
    pub(crate) hub: &'a Hub,
    pub(crate) net: &'a Net,
    pub(crate) disk: &'a Disk,
    pub(crate) sensors: &'a [Thermometer],
}

pub(crate) struct Oracle {
    spec: CoreSpec,
    copies: Copies,
    keeping: Keeping,
    judge: Judge,
    hands: Hands,
    shapes: Shapes,
    room: RoomJudge,
    told: Told,
    traffic: Traffic,
    log: LogJudge,
    /// The configuration was read again: outputs may lag by a step.
    lenient_until: Duration,
    silences: Silences,
    clocks: Clocks,
}

impl Oracle {
    pub(crate) fn new(site: &Site) -> Self {
        let spec = &site.spec;
        let off = site.probes.iter().map(|probe| probe.offset.abs() + probe.noise).fold(0.0, f64::max);
        Self {
            copies: Copies::new(spec),
            keeping: Keeping::default(),
            judge: Judge::new(spec),
            hands: Hands::default(),
            shapes: Shapes::new(&spec.outputs, &site.tachs),
            room: RoomJudge::new(spec, off),
            told: Told::default(),
            traffic: Traffic::new(spec),
            log: LogJudge::default(),
            lenient_until: Duration::ZERO,
            silences: Silences::default(),
            clocks: Clocks::default(),
            spec: spec.clone(),
        }
    }

    pub(crate) fn handle_start(
        &mut self,
        now: BootTime,
        start: &Start<'_>,
        believed: Option<Dated>,
        hub: &Hub,
        disk: &Disk,
        drives: &[u16],
    ) -> Result<(), String> {
        self.keeping.restart(start.at, disk);
        let known = start.record.map_or(UnixSeconds(0), |record| record.known_time);
        self.clocks.start(known, believed)?;
        self.copies.handle_start(start.record, hub)?;
        self.judge.restart(now);
        self.shapes.restart(start.at, drives, start.is_same_boot && start.handed.is_none());
        if let Some(handed) = &start.handed {
            self.judge.hand_over(handed);
            self.shapes.hand_over(start.at, handed);
        }
        self.room.restart();
        self.log.restart();
        self.told.restart();
        self.traffic.handle_start(start.at);
        Ok(())
    }

    /// The process was made from its record.
    pub(crate) fn check_start(
        &mut self,
        start: &Start<'_>,
        now: BootTime,
        engine: &Core,
    ) -> Result<(), String> {
        self.silences.check_start(start, now, &self.spec, engine)?;
        self.hands.check_start(start, engine)
    }

    pub(crate) fn handle_override(&mut self, at: Duration, output: usize, order: Option<(u16, Duration)>) {
        self.hands.give(at, output, order);
    }

    /// The process is gone without a word.
    pub(crate) fn handle_end(&mut self, at: Duration, disk: &Disk) {
        self.hands.end(at, disk, false);
        self.clocks.end(at, disk);
        self.silences.end(at, disk);
    }

    pub(crate) fn handle_reload(&mut self, at: Duration, now: BootTime, spec: &CoreSpec, online: bool) {
        self.spec = spec.clone();
        self.judge.reload(now, spec, self.shapes.running());
        self.traffic.handle_reload(at, spec, online);
        self.lenient_until = at + STEP;
    }

    pub(crate) fn handle_wake(&mut self, now: Duration, why: &str) -> Result<(), String> {
        self.traffic.handle_wake(now, why)
    }

    pub(crate) fn handle_up(&mut self, now: Duration, generation: usize) {
        self.copies.handle_up(generation);
        self.traffic.handle_up(now);
    }

    pub(crate) fn handle_down(&mut self, now: Duration) {
        self.traffic.handle_down(now);
    }

    /// The wall clock is not believed, rightly or not.
    pub(crate) fn handle_doubt(&mut self, now: Duration, is_right: bool) -> Result<(), String> {
        self.clocks.doubt(now, is_right)
    }

    /// A token is dated so.
    pub(crate) fn handle_token(&self, wall: UnixSeconds) -> Result<(), String> {
        Clocks::token(wall)
    }

    /// The hub took a token that the right clock dated, or a wrong one.
    pub(crate) fn handle_taken(&mut self, is_right: bool) {
        self.clocks.take(is_right);
    }

    /// From now on the device goes by this time.
    pub(crate) fn handle_dated(&mut self, dated: Dated) {
        self.clocks.date(dated);
    }

    pub(crate) fn handle_edit(&mut self, now: Duration) {
        self.traffic.handle_edit(now);
    }

    pub(crate) fn handle_reading(&mut self, reading: Reading) {
        self.judge.hear(reading);
    }

    /// The device hears how fast an output turns.
    pub(crate) fn handle_speed(&mut self, output: usize, speed: &Result<f64, PinFault>) {
        self.shapes.hear(output, speed);
    }

    /// Somebody calls a direct method.
    pub(crate) fn handle_call(&mut self, rid: &str, name: &'static str) {
        self.traffic.handle_call(rid, name);
    }

    pub(crate) fn handle_delivery(&mut self, now: Duration, boot: BootTime, event: &HubEvent, engine: &Core) {
        if is_word(event) {
            self.silences.hear(now, &self.spec);
            self.clocks.hear(now, boot);
        }
        self.traffic.handle_delivery(now, event, engine);
    }

    pub(crate) fn handle_lost_exchange(&mut self, now: Duration, net: &Net) {
        self.traffic.handle_lost_exchange(now, net);
    }

    pub(crate) fn handle_lost_notification(&mut self, now: Duration, net: &Net) {
        self.traffic.handle_lost_notification(now, net);
    }

    pub(crate) fn handle_request(
        &mut self,
        now: Duration,
        request: &HubRequest,
        net: &Net,
        disk: &Disk,
    ) -> Result<(), String> {
        let asks = first_row(&self.spec).is_some_and(|row| self.silences.lasts(now) >= row / 4);
        self.traffic.handle_request(now, request, asks, net, disk)
    }

    /// The hub took a request, or refused it.
    pub(crate) fn handle_answered(
        &mut self,
        now: Duration,
        request: &HubRequest,
        answer: &Answer,
        hub: &Hub,
        disk: &Disk,
    ) -> Result<(), String> {
        self.traffic.handle_answered(now, answer, request);
        match request {
            HubRequest::PatchReported { .. } if answer.status < 400 && !self.traffic.set_aside => {
                self.copies.check_told(hub, disk)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn handle_notice(
        &mut self,
        now: Duration,
        notice: &Notice,
        disk: &Disk,
        plant: &Plant,
    ) -> Result<(), String> {
        self.keeping.handle_notice(now, notice);
        self.log.hear(notice);
        let caused = match notice {
            Notice::StoreFault { .. } => disk.failed_at.is_some_and(|at| at == now),
            Notice::PinFault { .. } => plant.broken.is_some(),
            Notice::TachFault { output, .. } => {
                self.shapes.fan(output).is_some_and(|fan| fan.may_be_told(now))
            }
            Notice::TachMended { output } => self.shapes.fan(output).is_some_and(|fan| !fan.is_mute),
            Notice::ReportCut(_) => false,
            _ => true,
        };
        if caused { Ok(()) } else { Err(format!("complains without cause: {notice}")) }
    }

    /// The disk begins to write a record.
    pub(crate) fn handle_write(&mut self, now: Duration) -> Result<(), String> {
        self.keeping.handle_write(now)
    }

    /// The reader of the log got this.
    pub(crate) fn handle_read(&mut self, next: Next<Notice>) -> Result<(), String> {
        self.log.read(next)
    }

    /// What waits for the reader of the log is what it may be.
    pub(crate) fn check_log(&self, hangs: bool, waiting: usize) -> Result<(), String> {
        self.log.check(hangs, waiting)
    }

    /// After an orderly stop every output is where its `stop` row wants it.
    pub(crate) fn check_stopped(
        &mut self,
        now: Duration,
        disk: &Disk,
        plant: &mut Plant,
    ) -> Result<(), String> {
        self.end_in_order(now, disk);
        self.shapes.take(now, plant)?;
        for (output, spec) in self.spec.outputs.iter().enumerate() {
            let RowDrive::Fixed(wanted) = spec.when.stop else { continue };
            let drive = plant.drives[output];
            if drive != wanted.get() && plant.broken != Some(output) && !self.shapes.is_excused(now, output) {
                return Err(format!("{} is at {drive} after the stop, its row says {wanted:?}", spec.name));
            }
        }
        Ok(())
    }

    fn end_in_order(&mut self, now: Duration, disk: &Disk) {
        self.copies.keep(disk);
        self.hands.keep(now, disk);
        self.hands.end(now, disk, true);
        self.silences.keep(now, disk);
        self.silences.end(now, disk);
        self.clocks.end(now, disk);
    }

    /// After a hand-over every output is as it was.
    pub(crate) fn check_handed_over(
        &mut self,
        now: Duration,
        disk: &Disk,
        plant: &Plant,
    ) -> Result<(), String> {
        self.end_in_order(now, disk);
        match plant.driven.first() {
            Some(driven) => Err(format!("an output moved at the hand-over: {driven:?}")),
            None => Ok(()),
        }
    }

    /// In the end, whatever was refused meanwhile, the hub has all that there is to tell, and nothing else.
    pub(crate) fn check_whole(&self, hub: &Hub) -> Result<(), String> {
        self.copies.check_whole(hub)
    }

    /// A stalled fan is mended when it turns, and one at rest need not turn. Did it rest so until `since` or later?
    pub(crate) fn rests_stalled(&mut self, output: &str, since: Duration) -> bool {
        self.shapes.fan(output).is_some_and(|fan| fan.rests_stalled(since))
    }

    /// Was a part of a report refused since the engine was made?
    pub(crate) fn is_part_refused(&self) -> bool {
        self.traffic.set_aside
    }

    /// How long the room was seen to be held in its range.
    pub(crate) fn held(&self) -> Duration {
        self.room.held
    }

    pub(crate) fn settled_looks(&self) -> u64 {
        self.traffic.settled_looks
    }

    /// All of it, after an event.
    pub(crate) fn look(&mut self, scene: &Scene<'_>, plant: &mut Plant) -> Result<(), String> {
        let Scene { at, now, kind, engine, .. } = *scene;
        let Deadline { at: deadline, why } = engine.deadline();
        if deadline <= now {
            // Something was due at this very moment and is done next; after a wake-up nothing may be left.
            let left = (kind == Kind::Wake)
                .then(|| format!("a deadline in the past: {why} at {deadline}, now is {now}"));
            return left.map_or(Ok(()), Err);
        }
        if deadline.since(now) > STEP {
            return Err(format!("the next control step is {:?} away", deadline.since(now)));
        }
        self.copies.look(scene)?;
        self.hands.keep(at, scene.disk);
        self.silences.keep(at, scene.disk);
        self.shapes.take(at, plant)?;
        let silence = self.silences.lasts(at);
        let verdicts = self.judge.verdicts(silence, now, &self.copies.meaning, self.hands.at(at));
        let lenient = at <= self.lenient_until;
        self.shapes.check(at, &verdicts, lenient)?;
        self.check_causes(at, engine, &verdicts, lenient)?;
        self.told.look(now, engine)?;
        self.shapes.check_fans(at, engine)?;
        self.judge.check_alarms(now, engine)?;
        if kind == Kind::Sample {
            self.room.look(scene, plant, &self.copies.meaning, &verdicts)?;
        }
        let has_temperature = self.spec.climate.is_some() && self.judge.has_temperature(now);
        self.keeping.look(at, scene.disk)?;
        self.traffic.look(scene, has_temperature, silence, &self.keeping)
    }

    fn check_causes(
        &mut self,
        at: Duration,
        engine: &Core,
        verdicts: &[(Rank, Target)],
        lenient: bool,
    ) -> Result<(), String> {
        for ((OutputId(output), spec, state), (rank, target)) in engine.outputs().iter().zip(verdicts) {
            if state.drive.is_some_and(|drive| drive.get() != self.shapes.pins()[output]) {
                return Err(format!("{} is not driven as the engine believes", spec.name));
            }
            let excused = lenient && !rank.is_at_once() || self.shapes.is_excused(at, output);
            if !rank.is(state.cause) && !excused {
                let cause = state.cause;
                return Err(format!(
                    "{} is driven by {cause}, it should be by {rank:?} to {target:?}",
                    spec.name
                ));
            }
        }
        Ok(())
    }
}
