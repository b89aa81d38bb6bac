//! What may be lost: the checks after every event, at the end of a process, and at the end of a run.

use super::{Fate, LOSS_TOLD_WITHIN, Made, PATIENCE, Telemetry};
use crate::disk::Disk;
use crate::presets::{ms, secs};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use twind::engine::Core;
use twind::telemetry::TelemetrySpec;
use twind::units::BootTime;

/// Records that were lost, and how many of them somebody was told of.
#[derive(Default)]
pub(super) struct Tally {
    told: u64,
    all: u64,
    /// When there were so many.
    waiting: VecDeque<(Duration, u64)>,
}

impl Tally {
    pub(super) fn lose(&mut self, at: Duration, all: u64) {
        if all > self.all {
            self.all = all;
            self.waiting.push_back((at, all));
        }
    }

    pub(super) fn tell(&mut self, count: u64) -> Result<(), String> {
        self.told += count;
        while self.waiting.front().is_some_and(|(_, all)| *all <= self.told) {
            self.waiting.pop_front();
        }
        if self.told <= self.all {
            Ok(())
        } else {
            Err(format!("a loss of {} records is told, {} are lost", self.told, self.all))
        }
    }

    fn check(&self, before: Duration) -> Result<(), String> {
        match self.waiting.front() {
            Some((since, _)) if *since < before => {
                Err(format!("{} records are lost since {since:?}, {} were told", self.all, self.told))
            }
            _ => Ok(()),
        }
    }
}

/// What is measured is sent or on the disk after this, if nothing is wrong.
fn batch_within(spec: &TelemetrySpec, disk: &Disk) -> Duration {
    // While there is a connection a message waits for the hub before it is kept.
    spec.send_every + spec.send_every.max(PATIENCE) + disk.patience() * 8 + secs(60)
}

impl Telemetry {
    /// After every event.
    pub(crate) fn look(
        &mut self,
        at: Duration,
        now: BootTime,
        engine: &Core,
        disk: &Disk,
    ) -> Result<(), String> {
        self.is_dated = engine.wall(now).is_some();
        if disk.full || disk.failed_at == Some(at) || engine.telemetry().fault().is_some() {
            self.trouble_at = Some(at);
        }
        let Some(spec) = &self.spec else {
            return match engine.telemetry().is_on() {
                true => Err("telemetry is on though nobody asked for it".into()),
                false => Ok(()),
            };
        };
        match self.samples.last() {
            Some(last) if *last + spec.interval + ms(1) < now => {
                return Err(format!("the last sample was taken at {last}"));
            }
            None if self.started_at + self.starts_within < at => {
                return Err("there is no first sample".into());
            }
            _ => {}
        }
        self.check_counts(engine, disk)?;
        let within = batch_within(spec, disk);
        let has_trouble = self.trouble_at.is_some_and(|trouble| at < trouble + within);
        if has_trouble {
            return Ok(());
        }
        // The batch that is open when records are lost is sent before that is told.
        self.told_hub.check(at.saturating_sub((within + spec.interval) * 2))?;
        self.told_log.check(at.saturating_sub(LOSS_TOLD_WITHIN))?;
        self.check_told(at.saturating_sub(within))?;
        if let Some((alarm, since)) = self.records.waiting_alarm(at.saturating_sub(within - spec.send_every))
        {
            return Err(format!("the alarm {alarm} of {since:?} is neither sent nor kept"));
        }
        self.check_forgotten(at.saturating_sub(disk.patience() * 8 + secs(60)), disk)
    }

    /// What is said to be lost, and on the disk, is.
    fn check_counts(&self, engine: &Core, disk: &Disk) -> Result<(), String> {
        let (dropped, by_ring) = (self.dropped, self.dropped_by_ring);
        let had_trouble = self.had_trouble(disk);
        if dropped < by_ring || dropped > by_ring && !had_trouble {
            return Err(format!("{dropped} records are said to be lost, {by_ring} gave way in the ring"));
        }
        let said = engine.telemetry().waiting().ring.messages;
        let there = disk.ring.len() as u64;
        // What gives way while it is under way is known to be gone when the ring has been read to its end.
        if disk.ring.is_settled() && said != there && by_ring == 0 && !had_trouble {
            return Err(format!("{said} messages are said to be on the disk, there are {there}"));
        }
        Ok(())
    }

    fn had_trouble(&self, disk: &Disk) -> bool {
        disk.full || self.trouble_at.is_some_and(|trouble| trouble >= self.started_at)
    }

    /// What was measured or decided before this moment is in a message.
    fn check_told(&self, before: Duration) -> Result<(), String> {
        match self.records.oldest() {
            Some((thing, moment)) if moment.at < before => {
                Err(format!("of {thing:?} nothing is sent or kept since {moment:?}"))
            }
            _ => Ok(()),
        }
    }

    /// What was acknowledged before this moment has left the ring.
    fn check_forgotten(&mut self, before: Duration, disk: &Disk) -> Result<(), String> {
        while self.acknowledged.front().is_some_and(|(since, _)| *since < before) {
            let Some((_, id)) = self.acknowledged.pop_front() else { break };
            if disk.ring.kept().any(|(_, kept)| kept == id) {
                return Err(format!("the hub has the message {id}, and it is still on the disk"));
            }
        }
        Ok(())
    }

    /// The process ended: in order, or by a crash.
    pub(crate) fn handle_end(&mut self, at: Duration, disk: &Disk, in_order: bool) -> Result<(), String> {
        let Some(spec) = self.spec.clone() else { return Ok(()) };
        let durable: BTreeSet<&str> = disk.ring.kept().map(|(_, id)| id).collect();
        let had_trouble = self.had_trouble(disk);
        let within = batch_within(&spec, disk);
        let owed = |made: &Made| made.fate == Fate::Owed && made.arrived == 0;
        for (id, made) in self.made.iter_mut().filter(|(_, made)| owed(made)) {
            if durable.contains(id.as_str()) {
                continue;
            }
            made.fate = Fate::Taken;
            if made.life != self.life && !had_trouble {
                return Err(format!("the message {id} of an earlier process is lost"));
            }
            if (in_order || made.at + within < at) && !had_trouble {
                let made_at = made.at;
                return Err(format!(
                    "the message {id}, made at {made_at:?}, is lost at the end of the process"
                ));
            }
        }
        let known = self
            .made
            .iter()
            .find(|(id, made)| made.acknowledged_in == Some(self.life) && durable.contains(id.as_str()));
        if let Some((id, _)) = known.filter(|_| in_order) {
            return Err(format!("the hub has the message {id}, and it is on the disk after an orderly end"));
        }
        self.shed += self.dropped.saturating_sub(self.dropped_by_ring);
        if had_trouble {
            return Ok(());
        }
        if in_order {
            self.told_hub.check(Duration::MAX)?;
        }
        self.check_told(if in_order { Duration::MAX } else { at.saturating_sub(within) })
    }

    /// In the end the hub has all of it.
    pub(crate) fn check_end(&self, at: Duration) -> Result<(), String> {
        if self.spec.is_none() {
            return Ok(());
        }
        let recent = at.saturating_sub(secs(30));
        let missing = |made: &Made| made.fate == Fate::Owed && made.arrived == 0 && made.at < recent;
        let lost: Vec<_> = self.made.iter().filter(|(_, made)| missing(made)).collect();
        let records: u64 = lost.iter().map(|(_, made)| made.records.len() as u64).sum();
        let shed = self.shed + self.dropped.saturating_sub(self.dropped_by_ring);
        if records > shed {
            let (id, made) = lost[0];
            let (count, made) = (lost.len(), made.at);
            return Err(format!("in the end the hub lacks {count} messages, first {id}, made at {made:?}"));
        }
        match self.made.values().all(|made| made.arrived == 0) {
            true => Err("in the end no message has arrived".into()),
            false => Ok(()),
        }
    }
}
