//! Checks that each drive is at its target, or on its way there within the output's constraints.
//!
//! An output with slew, minimum times or a kick lies between the lowest and the highest target of the time that it may
//! take to follow. One without is at its target at once, and so is every output under the rows for overheating and for
//! failed sensors. Deliberately absent: deciding targets (`rank`).

use super::fan::Fan;
use super::rank::{Rank, Target};
use crate::plant::{Driven, Plant};
use core::time::Duration;
use std::collections::VecDeque;
use twind::control::{OutputKind, OutputSpec, PinFault, RowDrive, When};
use twind::engine::Core;

/// One output.
struct Follower {
    spec: OutputSpec,
    /// The targets of the time that it may take to follow, each with its beginning.
    asked: VecDeque<(Duration, u16)>,
    pin: u16,
    /// It could not be driven, so its drive is unknown.
    unknown: bool,
    /// When it last went from rest to running or back, as far as the process can know.
    turned_at: Option<Duration>,
    kicked_at: Option<Duration>,
    rank: Option<Rank>,
    /// It could not be driven, so nothing is checked until then.
    excused_until: Duration,
    /// What is known of its speed, if it has a tachometer.
    fan: Option<Fan>,
}

pub(crate) struct Shapes(Vec<Follower>);

impl Shapes {
    /// `tachs`: the outputs with a tachometer.
    pub(crate) fn new(outputs: &[OutputSpec], tachs: &[usize]) -> Self {
        let follower = |(index, spec): (usize, &OutputSpec)| Follower {
            spec: spec.clone(),
            asked: VecDeque::from([(Duration::ZERO, 0)]),
            pin: 0,
            unknown: false,
            turned_at: None,
            kicked_at: None,
            rank: None,
            excused_until: Duration::ZERO,
            fan: tachs.contains(&index).then(|| Fan::new(spec)),
        };
        Self(outputs.iter().enumerate().map(follower).collect())
    }

    /// A process that starts finds the pins as they are. In the same boot it takes it that an output with minimum times was
    /// put into its `stop` and `crash` row at this moment. When other outputs turned is unknown.
    pub(crate) fn restart(&mut self, now: Duration, drives: &[u16], knows_boot: bool) {
        for (follower, drive) in self.0.iter_mut().zip(drives) {
            let left = follower.left_in().filter(|_| knows_boot);
            let pin = left.unwrap_or(*drive);
            follower.asked = VecDeque::from([(now, 0), (now, pin)]);
            follower.pin = pin;
            follower.unknown = false;
            follower.turned_at = left.map(|_| now);
            follower.kicked_at = None;
            follower.rank = None;
            follower.fan.iter_mut().for_each(Fan::restart);
        }
    }

    /// A process that starts keeps these drives. It does not know when the outputs turned, so minimum times begin now.
    pub(crate) fn hand_over(&mut self, now: Duration, handed: &[Option<u16>]) {
        for (follower, drive) in self.0.iter_mut().zip(handed) {
            if let Some(drive) = drive {
                follower.asked = VecDeque::from([(now, *drive)]);
                follower.turned_at = Some(now);
            }
        }
    }

    pub(crate) fn hear(&mut self, output: usize, speed: &Result<f64, PinFault>) {
        self.0[output].fan.iter_mut().for_each(|fan| fan.hear(speed));
    }

    /// The fan of that name, if it has a tachometer.
    pub(crate) fn fan(&mut self, name: &str) -> Option<&mut Fan> {
        self.0.iter_mut().find(|follower| follower.spec.name == name)?.fan.as_mut()
    }

    pub(crate) fn pins(&self) -> Vec<u16> {
        self.0.iter().map(|follower| follower.pin).collect()
    }

    /// The outputs that run, as far as the device can know.
    pub(crate) fn running(&self) -> Vec<bool> {
        self.0.iter().map(|follower| follower.pin > 0 && !follower.unknown).collect()
    }

    pub(crate) fn is_excused(&self, now: Duration, output: usize) -> bool {
        now <= self.0[output].excused_until
    }

    /// Takes what reached the pins since the last check.
    pub(crate) fn take(&mut self, now: Duration, plant: &mut Plant) -> Result<(), String> {
        for output in plant.refused.drain(..) {
            let follower = &mut self.0[output];
            // It is driven again at the next control step, and starts from rest then.
            follower.excused_until = now + Duration::from_secs(6);
            follower.asked.extend([(now, 0)]);
            follower.unknown = true;
            follower.turned_at = None;
        }
        for driven in core::mem::take(&mut plant.driven) {
            self.0[driven.output].follow(now, driven)?;
        }
        for Follower { fan, pin, excused_until, .. } in &mut self.0 {
            fan.iter_mut().for_each(|fan| fan.watch(now, *pin, now <= *excused_until));
        }
        Ok(())
    }

    /// Fans that stand still are driven to full and called stalled; fans that turn are not.
    pub(crate) fn check_fans(&self, now: Duration, engine: &Core) -> Result<(), String> {
        for (Follower { spec, fan, pin, .. }, (.., state)) in self.0.iter().zip(engine.outputs().iter()) {
            let (Some(fan), name) = (fan, &spec.name) else { continue };
            if fan.must_be_full(now) && *pin != 1000 {
                return Err(format!(
                    "{name} stands still and is driven to {pin} permille, which does not help it"
                ));
            }
            if fan.must_be_stalled(now) && !state.tach.is_stalled() {
                return Err(format!("{name} stands still at full, and is not called stalled"));
            }
            if fan.turns() && state.tach.is_stalled() {
                return Err(format!("{name} turns, and is called stalled"));
            }
        }
        Ok(())
    }

    /// Compares each output with its target.
    pub(crate) fn check(
        &mut self,
        now: Duration,
        verdicts: &[(Rank, Target)],
        lenient: bool,
    ) -> Result<(), String> {
        for (follower, (rank, target)) in self.0.iter_mut().zip(verdicts) {
            follower.check(now, *rank, *target, lenient)?;
        }
        Ok(())
    }
}

impl Follower {
    /// The drive in which the previous process left it: known if its `stop` and `crash` rows are the same share. It matters
    /// where there is a minimum time.
    fn left_in(&self) -> Option<u16> {
        let When { stop, crash, .. } = self.spec.when;
        let has_minimum = self.spec.min_on.is_some() || self.spec.min_off.is_some();
        match stop {
            RowDrive::Fixed(drive) if stop == crash && has_minimum => Some(self.bend(drive.get())),
            _ => None,
        }
    }

    /// The share that it is driven to within its constraints.
    fn bend(&self, share: u16) -> u16 {
        match (share, self.spec.kind) {
            (0, _) => 0,
            (_, OutputKind::OnOff) => 1000,
            (_, OutputKind::Pwm) => share.max(self.spec.min_duty.map_or(0, |least| least.get())),
        }
    }

    fn follow(&mut self, now: Duration, Driven { permille, cause, .. }: Driven) -> Result<(), String> {
        let name = &self.spec.name;
        let least = self.spec.min_duty.map_or(0, |least| least.get());
        if permille != 0 && permille < least || self.spec.kind == OutputKind::OnOff && permille % 1000 != 0 {
            return Err(format!(
                "{name} is driven to {permille} permille, which its constraints do not allow"
            ));
        }
        let borne = !matches!(
            cause,
            twind::control::Cause::Overheat
                | twind::control::Cause::SensorFault
                | twind::control::Cause::Stop
        );
        let turns = (self.pin == 0) != (permille == 0);
        let minimum = if permille == 0 { self.spec.min_on } else { self.spec.min_off };
        if let (true, true, Some(turned), Some(minimum)) = (turns, borne, self.turned_at, minimum)
            && now < turned + minimum
        {
            return Err(format!("{name} turns {:?} after its last turn, minimum {minimum:?}", now - turned));
        }
        if turns && permille != 0 && permille != 1000 && self.spec.kick.is_some() {
            return Err(format!("{name} starts from rest with {permille} permille and no kick"));
        }
        let kicks = self.spec.kick.zip(self.kicked_at).is_some_and(|(kick, at)| now <= at + kick);
        let helps = self.fan.as_mut().is_some_and(|fan| fan.is_help(now, permille));
        let excused = now <= self.excused_until || kicks || helps || self.turned_at.is_none();
        if let (Some(rate), true, false, false) = (self.spec.slew_permille_per_s, borne, turns, excused) {
            let jump = f64::from(self.pin.abs_diff(permille));
            if jump > (rate * 0.1).max(1.0) + 1.5 {
                return Err(format!("{name} jumps by {jump} permille at once, slew is {rate} in a second"));
            }
        }
        if turns || self.turned_at.is_none() {
            self.turned_at = Some(now);
            self.kicked_at = (permille != 0).then_some(now);
        }
        self.pin = permille;
        self.unknown = false;
        Ok(())
    }

    /// The longest time in which it follows a target.
    fn way(&self) -> Duration {
        let slew = self.spec.slew_permille_per_s.map_or(0.0, |rate| 1000.0 / rate + 0.2);
        let hold = self.spec.min_on.max(self.spec.min_off).unwrap_or_default();
        Duration::from_secs_f64(slew) + hold + self.spec.kick.unwrap_or_default()
    }

    fn check(&mut self, now: Duration, rank: Rank, target: Target, lenient: bool) -> Result<(), String> {
        let bent = match target {
            Target::Permille(share) => self.bend(share),
            Target::Keep => self.asked.back().map_or(self.pin, |(_, target)| *target),
        };
        if self.asked.back().map(|(_, target)| *target) != Some(bent) {
            self.asked.push_back((now, bent));
        }
        // Targets that ended longer ago than that no longer count.
        let way = self.way();
        while self.asked.len() > 1 && self.asked[1].0 + way < now {
            self.asked.pop_front();
        }
        if self.rank.is_some_and(Rank::is_at_once) && !rank.is_at_once() {
            // After a row that takes effect at once, the way begins there.
            self.asked.push_back((now, bent));
        }
        self.rank = Some(rank);
        if now <= self.excused_until || lenient && !rank.is_at_once() {
            return Ok(());
        }
        let kicks = self.spec.kick.zip(self.kicked_at).is_some_and(|(kick, at)| now < at + kick);
        let helped = self.fan.as_ref().is_some_and(|fan| fan.may_stay_full(now));
        if (kicks || helped) && self.pin == 1000 || target == Target::Keep {
            return Ok(());
        }
        let shaped = way > Duration::ZERO && !rank.is_at_once();
        let window = self.asked.iter().map(|(_, target)| *target);
        let (low, high) =
            if shaped { (window.clone().min(), window.max()) } else { (Some(bent), Some(bent)) };
        let range = low.unwrap_or(bent)..=high.unwrap_or(bent);
        if range.contains(&self.pin) {
            return Ok(());
        }
        let name = &self.spec.name;
        Err(format!("{name} is at {} permille, {rank:?} allows {range:?} (target {target:?})", self.pin))
    }
}
