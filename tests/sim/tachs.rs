//! The tachometers of fans: what the daemon's thread measures, and when the loop is told.
//!
//! As in the product, the loop wakes up only if a fan begins to turn, stops, or its speed cannot be measured any more. A
//! speed that merely differs is delivered with the next reading. Deliberately absent: whether a fan turns (`plant`).

use crate::presets::{ms, secs};
use crate::world::{Event, World};
use twind::control::{OutputId, PinFault};
use twind::engine::Input;

/// The last news of one fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Turns,
    Stands,
    Unknown,
}

/// The outputs with a tachometer.
pub(crate) struct Tachs(Vec<Tach>);

struct Tach {
    output: usize,
    heard: Option<Heard>,
    is_counting: bool,
}

impl Tachs {
    pub(crate) fn new(outputs: &[usize]) -> Self {
        Self(outputs.iter().map(|output| Tach { output: *output, heard: None, is_counting: false }).collect())
    }
}

fn heard(speed: &Result<f64, PinFault>) -> Heard {
    match speed {
        Ok(rpm) if *rpm > 0.0 => Heard::Turns,
        Ok(_) => Heard::Stands,
        Err(_) => Heard::Unknown,
    }
}

impl World {
    /// A process that starts has its first speeds after it has counted for a second.
    pub(crate) fn start_tachs(&mut self) {
        for index in 0..self.tachs.0.len() {
            let tach = &mut self.tachs.0[index];
            (tach.heard, tach.is_counting) = (None, true);
            let output = tach.output;
            self.plan(self.now + secs(1), Event::Turns(output, self.life));
        }
    }

    /// Delivers news within a second.
    pub(crate) fn watch_turns(&mut self) {
        for index in 0..self.tachs.0.len() {
            let Tach { output, heard: last, is_counting } = self.tachs.0[index];
            if is_counting || last == Some(heard(&self.plant.speed(output))) {
                continue;
            }
            self.tachs.0[index].is_counting = true;
            let wait = self.sampling.between((ms(1), secs(1)));
            self.plan(self.now + wait, Event::Turns(output, self.life));
        }
    }

    pub(crate) fn count_turns(&mut self, output: usize, life: u64) -> Result<(), String> {
        if life != self.life || self.engine.is_none() {
            return Ok(());
        }
        let speed = self.plant.speed(output);
        let Some(tach) = self.tachs.0.iter_mut().find(|tach| tach.output == output) else { return Ok(()) };
        tach.is_counting = false;
        if tach.heard == Some(heard(&speed)) {
            return Ok(());
        }
        tach.heard = Some(heard(&speed));
        self.say(|| format!("output {output} turns: {speed:?}"));
        self.deliver(output, speed)
    }

    /// Delivers the other speeds along with the readings.
    pub(crate) fn deliver_speeds(&mut self) -> Result<(), String> {
        for index in 0..self.tachs.0.len() {
            let Tach { output, heard: last, .. } = self.tachs.0[index];
            let speed = self.plant.speed(output);
            if last == Some(heard(&speed)) {
                self.deliver(output, speed)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, output: usize, speed: Result<f64, PinFault>) -> Result<(), String> {
        if self.engine.is_some() {
            self.oracle.handle_speed(output, &speed);
        }
        self.input(Input::Speed { output: OutputId(output), rpm: speed })
    }
}
