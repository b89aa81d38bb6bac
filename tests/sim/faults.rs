//! Faults outside the network, and how each ends: process, power, hub, identity, sensors, pins, fans, disk, wall clock.
//!
//! Each kind of fault has its own rate. A seed leaves some kinds out and has others often (*swarm testing*), because a
//! world in which everything fails at once hides what a single fault would show. Deliberately absent: the network's
//! faults (`net`).

use crate::foreign;
use crate::oracle::Kind as Look;
use crate::plant::{Condition, FanFault};
use crate::presets::{ms, secs};
use crate::rng::Rng;
use crate::world::{Event, World};
use core::time::Duration;
use twind::control::outputs::last_row;
use twind::engine::{Input, Reload};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    PowerCut,
    Kill,
    Restart,
    Upgrade,
    Reload,
    HubRestart,
    Recreation,
    Throttling,
    Refusal,
    Mute,
    Cutting,
    Sensor,
    Pin,
    Fan,
    Disk,
    Clock,
    Firmware,
    Spell,
}

/// Each kind and the mean time between two faults of it.
const KINDS: &[(Kind, Duration)] = &[
    (Kind::PowerCut, secs(1500)),
    (Kind::Kill, secs(1300)),
    (Kind::Restart, secs(2400)),
    (Kind::Upgrade, secs(3000)),
    (Kind::Reload, secs(1500)),
    (Kind::HubRestart, secs(2400)),
    (Kind::Recreation, secs(2700)),
    (Kind::Throttling, secs(2400)),
    (Kind::Refusal, secs(2400)),
    (Kind::Mute, secs(3000)),
    (Kind::Cutting, secs(4000)),
    (Kind::Sensor, secs(500)),
    (Kind::Pin, secs(1800)),
    (Kind::Fan, secs(1200)),
    (Kind::Disk, secs(0)),
    (Kind::Clock, secs(900)),
    (Kind::Firmware, secs(2700)),
    (Kind::Spell, secs(2400)),
];

/// These kinds were added later and draw from a generator of their own, so that seeds from before still give the same run.
fn draws_from_later_rng(kind: Kind) -> bool {
    matches!(kind, Kind::Firmware | Kind::Spell)
}

impl World {
    pub(crate) fn plan_faults(&mut self, disk_spells: Duration, rarer: u32) {
        for (fault, (kind, every)) in KINDS.iter().enumerate() {
            let every = rarer * if *kind == Kind::Disk { disk_spells } else { *every };
            // A third of the kinds is left out, a third is at its usual rate, a third comes often.
            let rate = match self.rng_of(*kind).below(3) {
                _ if every.is_zero() => None,
                0 if *kind != Kind::Disk => None,
                1 => Some(every),
                _ => Some(every / 3),
            };
            self.rates.push(rate);
            self.plan_fault(fault);
        }
    }

    fn rng_of(&mut self, kind: Kind) -> &mut Rng {
        if draws_from_later_rng(kind) { &mut self.later_rng } else { &mut self.rng }
    }

    fn plan_fault(&mut self, fault: usize) {
        if let Some(every) = self.rates[fault] {
            let wait = self.rng_of(KINDS[fault].0).wait(every);
            self.plan(self.now + wait, Event::Fault(fault));
        }
    }

    /// A disk that is read-only at first becomes writable after a while.
    pub(crate) fn plan_opening_of_the_disk(&mut self) {
        let mends = KINDS.iter().position(|(kind, _)| *kind == Kind::Disk);
        if let Some((closed, mends)) = self.disk.closed_for().zip(mends) {
            self.plan(self.now + closed, Event::Mend(mends));
        }
    }

    /// The core is told as the service tells it when the state directory cannot be used.
    pub(crate) fn tell_closed_disk(&mut self) -> Result<(), String> {
        if !self.disk.full {
            return Ok(());
        }
        self.disk.failed_at = Some(self.now);
        self.input(Input::Saved(Err("read-only file system".into())))
    }

    pub(crate) fn fail(&mut self, fault: usize) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        self.plan_fault(fault);
        let kind = KINDS[fault].0;
        let mut lasts = self.rng_of(kind).between((secs(5), secs(400)));
        match kind {
            Kind::PowerCut => return self.cut_power(),
            Kind::Kill => return self.kill(),
            Kind::Restart => return self.restart(),
            Kind::Upgrade => return self.upgrade(),
            Kind::Reload => return self.reload(),
            Kind::HubRestart => {
                self.say(|| "the hub restarts".into());
                self.hub.closed_until = self.now + self.rng.between((ms(300), secs(60)));
                return self.disconnect();
            }
            Kind::Recreation => {
                self.disconnect()?;
                self.hub.recreate();
                self.hub.closed_until = self.now + self.rng.between((ms(300), secs(30)));
                self.say(|| "the identity is deleted and made again".into());
                self.oracle.handle_edit(self.now);
            }
            Kind::Throttling => self.hub.throttling = true,
            Kind::Refusal => {
                let key = *self.rng.pick(&["components", "desiredVersion", "rejected", "minTemperature"]);
                self.hub.refuses = Some(key.to_owned());
                // Long enough for the device to retry several times.
                lasts *= 4;
            }
            Kind::Mute | Kind::Cutting => {
                (self.hub.mute, self.hub.cuts) = (true, kind == Kind::Cutting);
                // Long enough for `hub-silent` rows to take effect.
                lasts *= 3;
                if self.hub.cuts {
                    self.disconnect()?;
                }
            }
            Kind::Sensor => self.break_sensor(),
            Kind::Pin => self.plant.broken = Some(self.rng.below(self.plant.drives.len() as u64) as usize),
            Kind::Fan => self.break_fan(),
            Kind::Disk => self.disk.full = true,
            Kind::Clock => {
                let (days, back) = (self.rng.below(4000) as i64, self.rng.chance(500));
                self.wall_off_secs = if back { -days } else { days } * 86_400;
            }
            Kind::Firmware => return self.run_other_firmware(),
            Kind::Spell => {
                let status = *self.later_rng.pick(&[400, 400, 401, 403, 404]);
                self.say(|| format!("every report is answered with {status}"));
                self.hub.refuses_all = Some(status);
            }
        }
        if kind != Kind::Recreation {
            self.say(|| format!("fault: {kind:?} for {lasts:?}"));
            self.plan(self.now + lasts, Event::Mend(fault));
        }
        Ok(())
    }

    pub(crate) fn mend(&mut self, fault: usize) -> Result<(), String> {
        let kind = KINDS[fault].0;
        match kind {
            Kind::Throttling => self.hub.throttling = false,
            Kind::Refusal => self.hub.refuses = None,
            Kind::Mute | Kind::Cutting => (self.hub.mute, self.hub.cuts) = (false, false),
            Kind::Sensor => self.sensors.iter_mut().for_each(|sensor| sensor.condition = Condition::Healthy),
            Kind::Pin => self.plant.broken = None,
            Kind::Fan => self.plant.fan_faults.clear(),
            Kind::Disk => self.disk.full = false,
            Kind::Clock => self.wall_off_secs = 0,
            Kind::Spell => self.hub.refuses_all = None,
            _ => {}
        }
        self.say(|| format!("ended: {kind:?}"));
        Ok(())
    }

    /// Faults stop. From now on everything must settle.
    pub(crate) fn calm_down(&mut self) -> Result<(), String> {
        self.calm = true;
        self.net.calm = true;
        self.hub.calm = true;
        self.disk.calm = true;
        (0..KINDS.len()).try_for_each(|fault| self.mend(fault))?;
        self.say(|| "no more faults from here on".into());
        if self.net.half_open {
            self.disconnect()?;
        }
        self.back_end.last().iter().for_each(|edit| self.write_desired(&edit.body, edit.whole));
        self.look(Look::Fact)
    }

    fn break_sensor(&mut self) {
        let sensor = self.rng.below(self.sensors.len() as u64) as usize;
        let lie = -20.0 + self.rng.below(120) as f64;
        let conditions = [
            Condition::Stuck,
            Condition::PowerOn,
            Condition::FarOff(lie),
            Condition::FarOff(70.0),
            Condition::Garbage,
            Condition::Missing,
            Condition::Hangs,
            Condition::Missing,
        ];
        let condition = *self.rng.pick(&conditions);
        self.sensors[sensor].condition = condition;
        if self.rng.chance(400) {
            self.sensors.iter_mut().for_each(|sensor| sensor.condition = condition);
        }
        self.say(|| format!("sensor {sensor}: {condition:?}"));
    }

    /// Only fans with a tachometer: with others it would be no more than a room that is not cooled.
    fn break_fan(&mut self) {
        if self.site.tachs.is_empty() {
            return;
        }
        let fan = *self.rng.pick(&self.site.tachs);
        let fault = *self.rng.pick(&[FanFault::Sticks, FanFault::Blocked, FanFault::Blocked, FanFault::Mute]);
        self.plant.fan_faults.insert(fan, fault);
        self.say(|| format!("fan {fan}: {fault:?}"));
    }

    /// Other firmware ran on the device for a moment and left properties in the reported section.
    fn run_other_firmware(&mut self) -> Result<(), String> {
        self.disconnect()?;
        let left = foreign::some(&mut self.later_rng);
        self.say(|| format!("other firmware reports {left}"));
        self.hub.report_as_another(&left);
        self.hub.closed_until = self.now + self.later_rng.between((ms(300), secs(30)));
        Ok(())
    }

    fn cut_power(&mut self) -> Result<(), String> {
        if self.engine.take().is_none() {
            return Ok(());
        }
        self.plant.advance(self.now);
        self.oracle.handle_end(self.now, &self.disk);
        let disk = self.disk.crash();
        self.disk.ring.lose_power();
        self.oracle.handle_gone(&core::mem::take(&mut self.disk.ring.gone));
        self.oracle.check_ended(self.now, &self.disk, false)?;
        self.say(|| format!("power cut: {disk}"));
        self.plant.lose_power();
        self.disconnect()?;
        let back = self.now + self.rng.between((secs(3), secs(120)));
        self.booted = back;
        self.boots += 1;
        self.has_wall = self.boots.is_multiple_of(2);
        self.plan(back, Event::Start);
        Ok(())
    }

    /// The process dies; the service manager has `twind safe` drive the `crash` rows and starts it again.
    fn kill(&mut self) -> Result<(), String> {
        if self.engine.take().is_none() {
            return Ok(());
        }
        self.plant.advance(self.now);
        for (output, spec) in self.site.spec.outputs.iter().enumerate() {
            if let Some((drive, _)) = last_row(spec, true) {
                self.plant.drives[output] = drive.get();
            }
        }
        self.oracle.handle_end(self.now, &self.disk);
        let disk = self.disk.crash();
        self.oracle.handle_gone(&core::mem::take(&mut self.disk.ring.gone));
        self.oracle.check_ended(self.now, &self.disk, false)?;
        self.say(|| format!("killed: {disk}"));
        self.disconnect()?;
        let back = self.now + self.rng.between((ms(100), secs(5)));
        self.plan(back, Event::Start);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        if self.engine.is_none() {
            return Ok(());
        }
        self.say(|| "asked to stop".into());
        self.oracle.handle_ending();
        self.input(Input::Stop)?;
        self.engine = None;
        self.oracle.check_stopped(self.now, &self.disk, &mut self.plant)?;
        self.disk.flush();
        self.oracle.handle_gone(&core::mem::take(&mut self.disk.ring.gone));
        self.oracle.check_ended(self.now, &self.disk, true)?;
        self.disconnect()?;
        let back = self.now + self.rng.between((ms(100), secs(10)));
        self.plan(back, Event::Start);
        Ok(())
    }

    /// The daemon is replaced by a new process, which takes over the outputs as they are.
    fn upgrade(&mut self) -> Result<(), String> {
        if self.engine.is_none() {
            return Ok(());
        }
        self.say(|| "asked to hand over".into());
        self.oracle.handle_ending();
        self.input(Input::HandOver)?;
        self.engine = None;
        self.oracle.check_handed_over(self.now, &self.disk, &self.plant)?;
        self.disk.flush();
        self.oracle.handle_gone(&core::mem::take(&mut self.disk.ring.gone));
        self.oracle.check_ended(self.now, &self.disk, true)?;
        self.disconnect()?;
        self.hands_over = true;
        let back = self.now + self.rng.between((ms(100), secs(10)));
        self.plan(back, Event::Start);
        Ok(())
    }

    /// Reloads as `service::Daemon::reload` does, with a configuration that differs where it may.
    fn reload(&mut self) -> Result<(), String> {
        let now = self.boot();
        let Some(engine) = &self.engine else { return Ok(()) };
        let was_online = engine.sync().is_online();
        let report = &mut self.site.spec.report;
        report.min_interval = secs(*self.rng.pick(&[5, 10, 10, 20]));
        self.oracle.handle_reload(self.now, now, &self.site.spec, self.net.up && was_online);
        self.say(|| "the configuration is read again".into());
        self.sensors.iter_mut().for_each(crate::plant::Thermometer::restart);
        let spec = self.site.spec.clone();
        let names = || spec.outputs.iter().map(|output| output.name.clone()).collect();
        let (same_wire, measured) = (names(), names());
        let reload = Reload { spec, same_wire, measured, found: Vec::new(), same_hub: true };
        self.input(Input::Reload(Box::new(reload)))
    }
}
