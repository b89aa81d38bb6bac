//! Software PWM: a thread that switches a line at a low frequency, for relays, lamps and two-wire fans, which tolerate jitter.
//!
//! Both drivers of real pins use it. rppal has such a thread of its own, but that one asks for the highest real-time priority,
//! spins for up to 200 µs in each half period, pulses even at full duty, and takes a period to end. This one sleeps, and is at
//! rest at 0 and at full.
//!
//! A period ends with the share that it began with, and the next begins with the last share ordered, so orders that are more
//! frequent than periods do not distort the duty. 0 and full act at once, since they may be fail-safe. They do not begin a
//! period, so they cannot distort the duty either: a share that follows continues within the present period. In each period the
//! line is on for at least the least share in force in it, and at most the greatest. Frequencies above 1 kHz need hardware PWM.

use super::level::Level;
use crate::control::PinFault;
use crate::units::Permille;
use core::time::Duration;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A line that a thread switches. When it is dropped the line stays on if the share was full, else it is switched off.
pub(super) struct SoftPwm {
    /// `None` only while dropping.
    orders: Option<Sender<Permille>>,
    faults: Receiver<PinFault>,
    thread: Option<JoinHandle<()>>,
}

impl SoftPwm {
    /// Starts with the line's present drive.
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
        let started = Instant::now();
        let run = move || run(switch, Wave::new(period, present), &|| started.elapsed(), &receiver);
        let thread = thread::Builder::new()
            .name("soft-pwm".to_owned())
            .spawn(run)
            .map_err(|error| PinFault { reason: format!("no thread for software PWM: {error}") })?;
        Ok(Self { orders: Some(orders), faults, thread: Some(thread) })
    }

    /// Orders a share, from the next period on; 0 and full at once.
    ///
    /// # Errors
    /// Why the line could not be switched since the last order. It is returned once.
    pub(super) fn drive(&mut self, drive: Permille) -> Result<(), PinFault> {
        if let Ok(fault) = self.faults.try_recv() {
            return Err(fault);
        }
        let sent = self.orders.as_ref().map(|orders| orders.send(drive));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(PinFault { reason: "the thread for software PWM has ended".to_owned() }),
        }
    }
}

impl Drop for SoftPwm {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // The thread sleeps on the channel, so it ends at once.
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
            // If a fault waits already, this one adds nothing.
            let _ = self.faults.try_send(fault);
        }
    }
}

/// Computes when the line is on. The time is passed in.
struct Wave {
    period: Duration,
    /// The share in force.
    share: Permille,
    /// The share from the next period on.
    next: Permille,
    /// When the present period began.
    began: Duration,
    /// Since when the line is at rest; `None` if it has been since the start.
    rests_since: Option<Duration>,
}

impl Wave {
    fn new(period: Duration, present: Permille) -> Self {
        Self { period, share: present, next: present, began: Duration::ZERO, rests_since: None }
    }

    fn order(&mut self, now: Duration, share: Permille) {
        self.turn_over(now);
        let (rested, rests) = (is_rest(self.share), is_rest(share));
        self.next = share;
        if rests && share != self.share {
            self.rests_since = Some(now);
        }
        if rested && !rests && self.rests_since.is_none_or(|since| now - since >= self.period) {
            // The previous period is over, so a new one can begin.
            self.began = now;
        }
        if rested || rests {
            self.share = share;
        }
    }

    /// Is the line on, and until when if nothing is ordered? `None`: it rests.
    fn level(&mut self, now: Duration) -> (bool, Option<Duration>) {
        self.turn_over(now);
        if is_rest(self.share) {
            return (!self.share.is_zero(), None);
        }
        let falls = self.began + self.period * u32::from(self.share.get()) / 1000;
        if now < falls { (true, Some(falls)) } else { (false, Some(self.began + self.period)) }
    }

    /// Begins the period that contains this moment. Missed periods are skipped.
    fn turn_over(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.began);
        if passed >= self.period {
            let into_ns = passed.as_nanos() % self.period.as_nanos().max(1);
            self.began = now.saturating_sub(Duration::from_nanos(u64::try_from(into_ns).unwrap_or_default()));
            self.share = self.next;
        }
    }
}

fn is_rest(share: Permille) -> bool {
    share.is_zero() || share == Permille::FULL
}

fn run(mut switch: Switch, mut wave: Wave, clock: &dyn Fn() -> Duration, orders: &Receiver<Permille>) {
    let mut last = None;
    loop {
        let (on, until) = wave.level(clock());
        // At rest each order sets the line, in case something else has.
        if until.is_none() || last != Some(on) {
            switch.set(on);
            last = Some(on);
        }
        let ordered = match until {
            // At rest only an order wakes the thread.
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => orders.recv_timeout(until.saturating_sub(clock())),
        };
        match ordered {
            Ok(share) => wave.order(clock(), share),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if until.is_none() => return,
            Err(RecvTimeoutError::Disconnected) => return switch.set(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports each level that is set; fails if it is `broken`.
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
    fn full_and_zero_rest_at_their_level_and_do_not_wait_for_the_period() {
        // A period of a second: a share of a half would hold the line for half a second.
        let (mut pwm, seen) = start(1, false, false);
        assert!(!next(&seen));
        for (drive, level) in [(1000, true), (0, false), (1000, true)] {
            pwm.drive(permille(drive)).unwrap();
            assert_eq!(next(&seen), level, "{drive}");
        }
        assert!(seen.try_recv().is_err(), "and nothing is switched meanwhile");
    }

    const EVERY: Duration = Duration::from_millis(100);

    /// The share of the time in which a line is on that gets these orders in turn, one every 100 ms of a simulated clock, and how
    /// often it is switched on.
    fn duty(frequency_hz: u32, offset: Duration, orders: &[u16], lasts: Duration) -> (f64, u32) {
        let period = Duration::from_secs(1) / frequency_hz;
        let mut wave = Wave::new(period, Permille::ZERO);
        let (mut now, mut on_for, mut pulses, mut was_on) = (offset, Duration::ZERO, 0, false);
        let mut due = orders.iter().cycle();
        while now < offset + lasts {
            let next_order = now + EVERY;
            wave.order(now, permille(*due.next().unwrap()));
            while now < next_order {
                let (on, until) = wave.level(now);
                let until = until.unwrap_or(next_order).min(next_order);
                pulses += u32::from(on && !was_on);
                was_on = on;
                if on {
                    on_for += until - now;
                }
                assert!(until > now, "it would spin at {now:?}");
                now = until;
            }
        }
        (on_for.as_secs_f64() / lasts.as_secs_f64(), pulses)
    }

    #[test]
    fn an_order_every_100_ms_leaves_the_duty_what_is_asked_from_1_hz_to_1_khz() {
        let lasts = Duration::from_secs(100);
        for frequency_hz in [1, 2, 3, 5, 7, 10, 13, 50, 99, 100, 333, 1000] {
            for asked in [1, 20, 220, 440, 500, 780, 999] {
                let (duty, pulses) = duty(frequency_hz, Duration::from_millis(37), &[asked], lasts);
                let off = (duty - f64::from(asked) / 1000.0).abs();
                assert!(off < 0.005, "{asked} permille at {frequency_hz} Hz gives {duty}");
                assert!(pulses.abs_diff(frequency_hz * 100) <= 1, "{pulses} pulses at {frequency_hz} Hz");
            }
        }
    }

    #[test]
    fn no_mix_of_orders_gives_more_or_less_than_was_asked_at_any_time() {
        let lasts = Duration::from_secs(100);
        for frequency_hz in [1, 2, 3, 5, 7, 10, 13, 50, 333, 1000] {
            for (orders, least, greatest) in [
                (&[0, 220][..], 0.0, 0.22),
                (&[220, 1000], 0.22, 1.0),
                (&[220, 0, 220, 0, 440], 0.0, 0.44),
                (&[300, 310, 320, 330, 340, 350], 0.30, 0.35),
            ] {
                let (duty, _) = duty(frequency_hz, Duration::ZERO, orders, lasts);
                assert!(
                    (least - 0.005..=greatest + 0.005).contains(&duty),
                    "{orders:?} at {frequency_hz} Hz gives {duty}"
                );
            }
            // Half of the time each. If each order began a period, a period of one second would be at full all the time.
            let (half_full, _) = duty(frequency_hz, Duration::ZERO, &[220, 1000], lasts);
            assert!((0.55..0.75).contains(&half_full), "at {frequency_hz} Hz: {half_full}");
        }
    }

    #[test]
    fn zero_and_full_act_at_once_and_a_share_after_a_long_rest_does_too() {
        let second = Duration::from_secs(1);
        let mut wave = Wave::new(second, Permille::ZERO);
        let at = |ms| Duration::from_millis(ms);
        wave.order(at(2300), permille(500));
        assert_eq!(wave.level(at(2300)), (true, Some(at(2800))), "nothing is left to be finished");
        wave.order(at(2400), Permille::ZERO);
        assert_eq!(wave.level(at(2400)), (false, None));
        wave.order(at(2500), Permille::FULL);
        assert_eq!(wave.level(at(2500)), (true, None));
        wave.order(at(2900), permille(500));
        assert_eq!(wave.level(at(2900)), (false, Some(at(3300))), "the second half of the period");
        wave.order(at(3000), permille(200));
        assert_eq!(wave.level(at(3300)), (true, Some(at(3500))), "from the next period on");
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
