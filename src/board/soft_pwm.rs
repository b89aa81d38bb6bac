//! PWM by software: a thread that switches a line at a low frequency. For relays, lamps and two-wire fans; jitter does
//! not matter to them.
//!
//! It serves both drivers of real pins. rppal has such a thread of its own, but that one asks for the highest real-time
//! priority, spins for up to 200 µs in each half period, pulses even when the duty is full, and keeps whoever ends it
//! waiting for a period. This one sleeps, rests at 0 and at full, and takes a new duty at once. Deliberately absent:
//! frequencies above 1 kHz, which are the hardware's.

use super::wires::Level;
use crate::control::PinFault;
use crate::units::Permille;
use core::time::Duration;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

/// A line that is switched by a thread. Dropped, it rests: on if it was full, else off.
pub(super) struct SoftPwm {
    /// `None` only while dropping.
    orders: Option<Sender<Permille>>,
    faults: Receiver<PinFault>,
    thread: Option<JoinHandle<()>>,
}

impl SoftPwm {
    /// Starts with the drive that the line has.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start(
        level: Box<dyn Level>,
        frequency_hz: u32,
        inverted: bool,
        present: Permille,
    ) -> Result<Self, PinFault> {
        let (orders, receiver) = channel();
        let (reporter, faults) = sync_channel(1);
        let period = Duration::from_secs(1) / frequency_hz.max(1);
        let switch = Switch { level, inverted, faults: reporter };
        let run = move || run(switch, period, present, &receiver);
        let thread = thread::Builder::new()
            .name("soft-pwm".to_owned())
            .spawn(run)
            .map_err(|error| PinFault { reason: format!("no thread for PWM by software: {error}") })?;
        Ok(Self { orders: Some(orders), faults, thread: Some(thread) })
    }

    /// A new duty, from now on. What went wrong with the line before is told here, once.
    ///
    /// # Errors
    /// Why the line could not be switched.
    pub(super) fn drive(&mut self, drive: Permille) -> Result<(), PinFault> {
        if let Ok(fault) = self.faults.try_recv() {
            return Err(fault);
        }
        let sent = self.orders.as_ref().map(|orders| orders.send(drive));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(PinFault { reason: "PWM by software has ended".to_owned() }),
        }
    }
}

impl Drop for SoftPwm {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It sleeps in its mailbox, so it is there at once.
            let _ = thread.join();
        }
    }
}

struct Switch {
    level: Box<dyn Level>,
    inverted: bool,
    faults: SyncSender<PinFault>,
}

impl Switch {
    fn set(&mut self, on: bool) {
        if let Err(fault) = self.level.set(on != self.inverted) {
            // One that waits to be told already is as good.
            let _ = self.faults.try_send(fault);
        }
    }
}

fn run(mut switch: Switch, period: Duration, present: Permille, orders: &Receiver<Permille>) {
    let mut drive = present;
    loop {
        // At rest nobody wakes up.
        while drive.is_zero() || drive == Permille::FULL {
            switch.set(!drive.is_zero());
            match orders.recv() {
                Ok(order) => drive = order,
                Err(_) => return,
            }
        }
        let on = period * u32::from(drive.get()) / 1000;
        for (is_on, span) in [(true, on), (false, period - on)] {
            switch.set(is_on);
            match orders.recv_timeout(span) {
                Ok(order) => {
                    drive = order;
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return switch.set(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells each level that is set; fails if it is told to.
    struct Probe {
        levels: Sender<bool>,
        broken: bool,
    }

    impl Level for Probe {
        fn set(&mut self, high: bool) -> Result<(), PinFault> {
            let _ = self.levels.send(high);
            if self.broken { Err(PinFault { reason: "the chip is gone".into() }) } else { Ok(()) }
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn start(frequency_hz: u32, inverted: bool, broken: bool) -> (SoftPwm, Receiver<bool>) {
        let (levels, seen) = channel();
        let probe = Box::new(Probe { levels, broken });
        (SoftPwm::start(probe, frequency_hz, inverted, Permille::ZERO).unwrap(), seen)
    }

    fn permille(permille: u16) -> Permille {
        Permille::new(permille).unwrap()
    }

    fn next(seen: &Receiver<bool>) -> bool {
        seen.recv_timeout(LONG).unwrap()
    }

    #[test]
    fn a_share_switches_the_line_on_and_off_in_turn() {
        let (mut pwm, seen) = start(1000, false, false);
        assert!(!next(&seen), "it rests first");
        pwm.drive(permille(400)).unwrap();
        let levels: Vec<bool> = (0..6).map(|_| next(&seen)).collect();
        assert_eq!(levels, [true, false, true, false, true, false]);
    }

    #[test]
    fn full_and_zero_rest_at_their_level_and_a_new_share_does_not_wait_for_the_period() {
        // A period of a second: a share of a half would hold the line for half a second.
        let (mut pwm, seen) = start(1, false, false);
        assert!(!next(&seen));
        for (drive, level) in [(1000, true), (0, false), (1000, true)] {
            pwm.drive(permille(drive)).unwrap();
            assert_eq!(next(&seen), level, "{drive}");
        }
        assert!(seen.try_recv().is_err(), "and nothing is switched meanwhile");
    }

    #[test]
    fn dropped_it_ends_off_unless_it_was_full() {
        for (drive, inverted, last) in
            [(500, false, false), (500, true, true), (1000, false, true), (0, false, false)]
        {
            let (mut pwm, seen) = start(1000, inverted, false);
            pwm.drive(permille(drive)).unwrap();
            // It has taken the order when the line has been set for it.
            let on = drive != 0;
            if on {
                while next(&seen) == inverted {}
            }
            drop(pwm);
            let rest: Vec<bool> = seen.try_iter().collect();
            let end = rest.last().copied().unwrap_or(on != inverted);
            assert_eq!(end, last, "{drive} {inverted}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_switched_is_told_with_the_next_order() {
        let (mut pwm, seen) = start(1000, false, true);
        next(&seen);
        let mut told = pwm.drive(permille(1000));
        while told.is_ok() {
            next(&seen);
            told = pwm.drive(permille(1000));
        }
        assert_eq!(told.unwrap_err().reason, "the chip is gone");
    }
}
