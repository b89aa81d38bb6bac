//! The oracle: invariants that are checked after every single event.
//!
//! 1. Once the engine has handled an input, its deadline lies in the future; and it does not wake up needlessly.
//! 2. The device's desired section at a version is the hub's own at that version.
//! 3. Once the device is settled and no message is under way, both ends have the same reported section.
//! 4. What the hub was told is durable and true, and a process that starts knows all of it.
//! 5. A version never decreases within a session.
//! 6. Every output has a drive and a cause that an independent rank table allows; an override ends when it should, also
//!    over restarts.
//! 7. At most one report is in flight; each request has a reason, and none comes too often.
//! 8. On a healthy link a change is driven, acknowledged and reported long before the next refresh.
//! 9. Nothing is logged at ERROR without a fault in the world.
//! 10. A stalled fan is driven to full in time, and then there is an alarm; a fan that turns is left alone.
//! 11. The room is within its range if the outputs can hold it there, and below `critical` while a sensor works.
//! 12. The log has every notice in order, or counts those that were dropped; a reader that hangs delays nothing else.
//! 13. The history has what decides each output, and its rows never change.
//! 14. In the end the hub has the whole report, whatever it refused for a while and whoever else wrote.
//! 15. Silence is counted from the hub's last message, also over restarts, and never too long; before a row applies, the
//!     hub is asked.
//! 16. A wall clock that was wrong and is right again is believed again.
//! 17. An alarm of a sensor or of overheating is raised, and cleared, exactly when the readings say so. In the end no alarm is raised
//!     but for a room that no output can cool, and for a stalled fan that has been at rest since.
//! 18. Writes are rate-limited; a disk fault raises an alarm, is retried, and delays no report.
//! 19. Of a schedule that entry holds which the zone's clock says, offline and after a restart, and none without a clock that
//!     can be believed.
//! 20. Each sample, each change of an output or a climate, and each beginning and end of an alarm is in one message of telemetry, in
//!     order and with its own time. The hub gets it, or it was counted as lost, or a crash took the last batch. It is never sent
//!     as new twice, and kept on the disk only if the hub did not store it in time.
//!
//! The rules are those of the handbook (`packaging/doc`): `twin.md` for desired and reported properties and for methods,
//! `fail-safe.md` for what decides an output, for silence, for stalled fans and for a disk that fails, `on-site.md` for
//! overrides and the history, `telemetry.md` for telemetry.
//!
//! A check at the end alone would find little, because the next refresh repairs most faults. Deliberately absent: random
//! numbers, so that a check never changes what happens.

mod alarms;
mod calendar;
mod clock;
mod copies;
mod durability;
mod fan;
mod history;
mod log;
mod meaning;
mod overrides;
mod rank;
mod records;
mod room;
mod scheduled;
mod shape;
mod silence;
mod telemetry;
mod traffic;

use crate::disk::Disk;
use crate::hub::{Answer, Hub};
use crate::net::Net;
use crate::plant::{Plant, Thermometer};
use crate::presets::secs;
use crate::sites::Site;
use clock::Clocks;
use copies::Copies;
use core::time::Duration;
use durability::Durability;
use history::History;
use log::LogJudge;
use overrides::Overrides;
pub(crate) use overrides::{Start, Wants, What};
use rank::{Judge, Rank, Target};
use room::RoomJudge;
use scheduled::Calendars;
use shape::Shapes;
use silence::{Silences, first_row, is_word};
use telemetry::Telemetry;
use traffic::Traffic;
use twind::control::{OutputId, PinFault, Reading, RowDrive};
use twind::engine::{Core, CoreSpec, Deadline};
use twind::report::Notice;
use twind::service::Next;
use twind::twin::{Dated, HubEvent, HubRequest};
use twind::units::{BootTime, UnixSeconds};

/// There is a control step at least this often. What changes without an input of its own takes effect at the next one.
const STEP: Duration = secs(5);

/// What happened before a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A deadline of the engine.
    Wake,
    /// A sensor's sample.
    Sample,
    /// Anything else.
    Fact,
}

/// All that a check is given.
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
    durability: Durability,
    judge: Judge,
    overrides: Overrides,
    shapes: Shapes,
    /// By climate.
    rooms: Vec<RoomJudge>,
    calendars: Calendars,
    history: History,
    traffic: Traffic,
    log: LogJudge,
    telemetry: Telemetry,
    /// After a reload, outputs may lag by a control step until then.
    lenient_until: Duration,
    silences: Silences,
    clocks: Clocks,
}

impl Oracle {
    pub(crate) fn new(site: &Site) -> Self {
        let spec = &site.spec;
        Self {
            copies: Copies::new(spec),
            durability: Durability::default(),
            judge: Judge::new(spec),
            overrides: Overrides::default(),
            shapes: Shapes::new(&spec.outputs, &site.tachs),
            rooms: RoomJudge::of_site(site),
            calendars: Calendars::new(spec),
            history: History::default(),
            traffic: Traffic::new(spec),
            log: LogJudge::default(),
            telemetry: Telemetry::new(spec),
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
        self.durability.restart(start.at, disk);
        let known = start.record.map_or(UnixSeconds(0), |record| record.known_time);
        self.clocks.start(known, believed)?;
        self.copies.handle_start(start.record, hub)?;
        self.judge.restart(now);
        self.shapes.restart(start.at, drives, start.is_same_boot && start.handed.is_none());
        if let Some(handed) = &start.handed {
            self.judge.hand_over(handed);
            self.shapes.hand_over(start.at, handed);
        }
        self.rooms.iter_mut().for_each(RoomJudge::restart);
        self.calendars.tell(start.at, believed);
        self.log.restart();
        self.history.restart();
        self.traffic.handle_start(start.at);
        self.telemetry.handle_start(start.at, start.boot, disk);
        Ok(())
    }

    /// The process has started from its record.
    pub(crate) fn check_start(
        &mut self,
        start: &Start<'_>,
        now: BootTime,
        engine: &Core,
    ) -> Result<(), String> {
        self.silences.check_start(start, now, &self.spec, engine)?;
        self.overrides.check_start(start, engine)
    }

    pub(crate) fn handle_override(&mut self, at: Duration, what: What, order: Option<(Wants, Duration)>) {
        self.overrides.give(at, what, order);
    }

    /// The process ended without a chance to save anything.
    pub(crate) fn handle_end(&mut self, at: Duration, disk: &Disk) {
        self.overrides.end(at, disk, false);
        self.clocks.end(at, disk);
        self.silences.end(at, disk);
    }

    pub(crate) fn handle_reload(&mut self, at: Duration, now: BootTime, spec: &CoreSpec, online: bool) {
        self.spec = spec.clone();
        self.judge.reload(now, spec, &self.shapes.running());
        self.traffic.handle_reload(at, spec, online);
        self.lenient_until = at + STEP;
    }

    pub(crate) fn handle_wake(&mut self, now: Duration, why: &str) -> Result<(), String> {
        self.traffic.handle_wake(now, why)
    }

    pub(crate) fn handle_up(&mut self, now: Duration, generation: usize) {
        self.copies.handle_up(generation);
        self.telemetry.handle_up(now);
        self.traffic.handle_up(now);
    }

    pub(crate) fn handle_down(&mut self, now: Duration) {
        self.traffic.handle_down(now);
        self.telemetry.handle_down(now);
    }

    /// The device does not believe the wall clock. `is_right`: the clock is right.
    pub(crate) fn handle_doubt(&mut self, now: Duration, is_right: bool) -> Result<(), String> {
        self.clocks.doubt(now, is_right)
    }

    /// The device signs a token at this wall-clock time.
    pub(crate) fn handle_token(&self, wall: UnixSeconds) -> Result<(), String> {
        Clocks::token(wall)
    }

    /// The hub accepted a token. `is_right`: it was signed by a clock that was right.
    pub(crate) fn handle_taken(&mut self, is_right: bool) {
        self.clocks.take(is_right);
    }

    /// From now on the device takes this for the time.
    pub(crate) fn handle_dated(&mut self, at: Duration, dated: Dated) {
        self.clocks.date(dated);
        self.calendars.tell(at, Some(dated));
    }

    /// The device reads its clock again, and believes it or not.
    pub(crate) fn handle_clock(&mut self, at: Duration, believed: Option<Dated>) {
        self.calendars.tell(at, believed);
    }

    pub(crate) fn handle_edit(&mut self, now: Duration) {
        self.traffic.handle_edit(now);
    }

    pub(crate) fn handle_reading(&mut self, reading: Reading) {
        self.judge.hear(reading);
    }

    /// The device is given an output's speed.
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
        self.telemetry.handle_delivery(now, event);
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
        self.telemetry.handle_request(now, request, disk)?;
        self.traffic.handle_request(now, request, asks, net, disk)
    }

    /// The hub accepted a request, or refused it.
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
                self.copies.check_told(hub, disk, &self.overrides.by_hand(now))
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
        self.durability.handle_notice(now, notice);
        self.log.hear(notice);
        self.telemetry.handle_notice(notice)?;
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
        if caused { Ok(()) } else { Err(format!("a fault is logged that there is not: {notice}")) }
    }

    /// The disk begins to write a record.
    pub(crate) fn handle_write(&mut self, now: Duration) -> Result<(), String> {
        self.durability.handle_write(now)
    }

    /// The reader of the log was given this.
    pub(crate) fn handle_read(&mut self, next: Next<Notice>) -> Result<(), String> {
        self.log.read(next)
    }

    /// Checks what waits for the reader of the log.
    pub(crate) fn check_log(&self, hangs: bool, waiting: usize) -> Result<(), String> {
        self.log.check(hangs, waiting)
    }

    /// After an orderly stop every output has the drive of its `stop` row.
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
        self.overrides.keep(now, disk);
        self.overrides.end(now, disk, true);
        self.silences.keep(now, disk);
        self.silences.end(now, disk);
        self.clocks.end(now, disk);
    }

    /// During a hand-over no output moves.
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

    /// In the end, whatever was refused meanwhile, the hub has the whole report and nothing else.
    pub(crate) fn check_whole(&self, at: Duration, hub: &Hub) -> Result<(), String> {
        self.copies.check_whole(hub, &self.overrides.by_hand(at))?;
        self.calendars.check_told(&self.copies.meaning, hub)
    }

    /// The alarm of a stalled fan ends when the fan turns, which it need not do at rest. Was this fan stalled, and then at
    /// rest until `since` or later?
    pub(crate) fn rests_stalled(&mut self, output: &str, since: Duration) -> bool {
        self.shapes.fan(output).is_some_and(|fan| fan.rests_stalled(since))
    }

    /// Was a part of a report refused since the process started?
    pub(crate) fn is_part_refused(&self) -> bool {
        self.traffic.set_aside
    }

    /// For how long rooms were checked against both ends of their ranges.
    pub(crate) fn held(&self) -> Duration {
        self.rooms.iter().map(|room| room.held).sum()
    }

    pub(crate) fn settled_looks(&self) -> u64 {
        self.traffic.settled_looks
    }

    /// All checks, after an event.
    pub(crate) fn look(&mut self, scene: &Scene<'_>, plant: &mut Plant) -> Result<(), String> {
        let Scene { at, now, kind, engine, .. } = *scene;
        let Deadline { at: deadline, why } = engine.deadline();
        self.judge.follow_alarms(now, engine, deadline <= now);
        if deadline <= now {
            // What became due at this very moment is done next. After a wake-up nothing may be left to do.
            let left = (kind == Kind::Wake)
                .then(|| format!("a deadline in the past: {why} at {deadline}, now is {now}"));
            return left.map_or(Ok(()), Err);
        }
        if deadline.since(now) > STEP {
            return Err(format!("the next control step is {:?} away", deadline.since(now)));
        }
        self.copies.look(scene)?;
        self.overrides.keep(at, scene.disk);
        self.silences.keep(at, scene.disk);
        self.shapes.take(at, plant)?;
        let silence = self.silences.lasts(at);
        let meaning = &self.copies.meaning;
        let overrides = self.overrides.at(at);
        let mut ranges = self.calendars.look((at, now), meaning, engine)?;
        for (index, range) in ranges.iter_mut().enumerate() {
            let by_hand = overrides.get(&What::Climate(index)).and_then(|(wants, _)| wants.range());
            *range = by_hand.unwrap_or(*range);
        }
        let verdicts = self.judge.verdicts(silence, now, (meaning, &ranges), overrides);
        let lenient = at <= self.lenient_until;
        self.shapes.check(at, &verdicts, lenient)?;
        self.check_causes(at, engine, &verdicts, lenient)?;
        self.history.look(now, engine)?;
        self.shapes.check_fans(at, engine)?;
        self.judge.check_alarms(engine)?;
        if kind == Kind::Sample {
            for (room, range) in self.rooms.iter_mut().zip(&ranges) {
                room.look(scene, plant, *range, &verdicts)?;
            }
        }
        let has_temperature = !self.spec.climates.is_empty() && self.judge.has_temperature(now);
        self.durability.look(at, scene.disk)?;
        self.telemetry.look(at, now, engine, scene.disk)?;
        self.traffic.look(scene, has_temperature, silence, &self.durability)
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
                    "{} is driven by {cause:?}, it should be by {rank:?} to {target:?}",
                    spec.name
                ));
            }
        }
        Ok(())
    }
}
