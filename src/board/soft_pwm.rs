//! Software PWM: a thread that switches lines at a low frequency, for relays, lamps and two-wire fans, which tolerate jitter.
//!
//! Both drivers of real pins use it. rppal has such threads of its own, one for each pin, but they ask for the highest real-time
//! priority, spin for up to 200 µs in each half period, pulse even at full duty, and take a period to end. This one sleeps, and
//! a line is at rest at 0 and at full. Frequencies above 1 kHz need hardware PWM.
//!
//! ```text
//!   SoftPwm ──┐ orders                        ┌──► a line, when its wave changes
//!   SoftPwm ──┼────────► the thread ──► Lines ┼──► a line
//!   SoftPwm ──┘                               └──► its own fault, back to its SoftPwm
//! ```
//!
//! All lines of a board have one thread, and the next board goes on with the thread of the lines that it adopts. A line that fails
//! disturbs no other; one that hangs in its write does.

use super::level::Level;
use super::wave::Wave;
use crate::control::PinFault;
use crate::units::Permille;
use core::convert::Infallible;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Instant;

/// How long a dropped line waits until the thread has let it go: at once, unless another line hangs.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// The thread, which is started with the first line. Clones mean the same one; it ends when the last clone and the last line are gone.
#[derive(Clone, Default)]
pub(super) struct Switcher(Option<Running>);

#[derive(Clone)]
struct Running {
    orders: Sender<Order>,
    lines: Arc<AtomicU64>,
}

/// A line that the thread switches. When it is dropped the line stays on if the share was full, else it is switched off.
pub(super) struct SoftPwm {
    number: u64,
    running: Running,
    faults: Receiver<PinFault>,
}

enum Order {
    Take {
        number: u64,
        line: Line,
    },
    Drive {
        number: u64,
        share: Permille,
    },
    /// The sender is dropped when it is done.
    LetGo {
        number: u64,
        done: Sender<Infallible>,
    },
}

impl Switcher {
    /// Has the thread switch a line, beginning with its present drive.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn take(
        &mut self,
        level: Box<dyn Level>,
        frequency_hz: u32,
        inverted: bool,
        present: Permille,
    ) -> Result<SoftPwm, PinFault> {
        let (reporter, faults) = sync_channel(1);
        let period = Duration::from_secs(1) / frequency_hz.max(1);
        let switch = Switch { level, inverted, faults: reporter };
        let mut line = Line { switch, wave: Wave::new(period, present), last: None, due: None };
        if let Some(running) = &self.0 {
            match running.take(line) {
                Ok(number) => return Ok(SoftPwm { number, running: running.clone(), faults }),
                // That thread has died.
                Err(back) => line = back,
            }
        }
        let running = Running::start()
            .map_err(|error| PinFault { reason: format!("no thread for software PWM: {error}") })?;
        let number = running.take(line).map_err(|_| ended())?;
        self.0 = Some(running.clone());
        Ok(SoftPwm { number, running, faults })
    }
}

impl Running {
    fn start() -> std::io::Result<Self> {
        let (orders, receiver) = channel();
        let started = Instant::now();
        let run = move || run(&|| started.elapsed(), &receiver);
        thread::Builder::new().name("soft-pwm".to_owned()).spawn(run)?;
        Ok(Self { orders, lines: Arc::default() })
    }

    /// The line's number, or the line itself if there is no thread.
    fn take(&self, line: Line) -> Result<u64, Line> {
        let number = self.lines.fetch_add(1, Ordering::Relaxed);
        match self.orders.send(Order::Take { number, line }) {
            Err(SendError(Order::Take { line, .. })) => Err(line),
            _ => Ok(number),
        }
    }
}

impl SoftPwm {
    /// Orders a share, from the next period on; 0 and full at once.
    ///
    /// # Errors
    /// Why the line could not be switched since the last order. It is returned once.
    pub(super) fn drive(&mut self, share: Permille) -> Result<(), PinFault> {
        if let Ok(fault) = self.faults.try_recv() {
            return Err(fault);
        }
        let order = Order::Drive { number: self.number, share };
        self.running.orders.send(order).map_err(|_| ended())
    }

    /// The thread that switches it, for other lines.
    pub(super) fn switcher(&self) -> Switcher {
        Switcher(Some(self.running.clone()))
    }
}

impl Drop for SoftPwm {
    fn drop(&mut self) {
        let (done, is_done) = channel();
        if self.running.orders.send(Order::LetGo { number: self.number, done }).is_ok() {
            let _ = is_done.recv_timeout(END_PATIENCE);
        }
    }
}

fn ended() -> PinFault {
    PinFault { reason: "the thread for software PWM has ended".to_owned() }
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

/// A line as the thread knows it.
struct Line {
    switch: Switch,
    wave: Wave,
    /// What it was set to last.
    last: Option<bool>,
    /// When it must be looked at; `None` at rest.
    due: Option<Duration>,
}

impl Line {
    /// Sets the line to what the wave is now.
    fn follow(&mut self, now: Duration) {
        let (on, until) = self.wave.level(now);
        // At rest each order sets the line, in case something else has.
        if until.is_none() || self.last != Some(on) {
            self.switch.set(on);
            self.last = Some(on);
        }
        self.due = until;
    }

    fn let_go(mut self, now: Duration) {
        let (_, until) = self.wave.level(now);
        if until.is_some() {
            self.switch.set(false);
        }
    }
}

/// The lines, and which is due when. The time is passed in.
#[derive(Default)]
struct Lines {
    lines: BTreeMap<u64, Line>,
    due: BTreeSet<(Duration, u64)>,
}

impl Lines {
    fn obey(&mut self, now: Duration, order: Order) {
        match order {
            Order::Take { number, line } => {
                self.lines.insert(number, line);
                self.due.insert((now, number));
            }
            Order::Drive { number, share } => {
                let Some(line) = self.lines.get_mut(&number) else { return };
                line.wave.order(now, share);
                if let Some(due) = line.due.take() {
                    self.due.remove(&(due, number));
                }
                self.due.insert((now, number));
            }
            Order::LetGo { number, done } => {
                let line = self.lines.remove(&number);
                self.due.retain(|(_, due)| *due != number);
                if let Some(line) = line {
                    line.let_go(now);
                }
                drop(done);
            }
        }
    }

    /// Switches the lines that are due; when the next one is. `None`: all rest.
    fn switch(&mut self, now: Duration) -> Option<Duration> {
        while let Some((at, number)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, number));
            let Some(line) = self.lines.get_mut(&number) else { continue };
            line.follow(now);
            self.due.extend(line.due.map(|due| (due, number)));
        }
        self.due.first().map(|(at, _)| *at)
    }
}

fn run(clock: &dyn Fn() -> Duration, orders: &Receiver<Order>) {
    let mut lines = Lines::default();
    loop {
        let order = match lines.switch(clock()) {
            // If all rest, only an order wakes the thread.
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => orders.recv_timeout(at.saturating_sub(clock())),
        };
        match order {
            Ok(order) => lines.obey(clock(), order),
            Err(RecvTimeoutError::Timeout) => {}
            // Each line has been let go before.
            Err(RecvTimeoutError::Disconnected) => return,
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

    fn take(switcher: &mut Switcher, frequency_hz: u32, broken: bool) -> (SoftPwm, Receiver<bool>) {
        let (levels, seen) = channel();
        let probe = Box::new(Probe { levels, broken });
        (switcher.take(probe, frequency_hz, false, Permille::ZERO).unwrap(), seen)
    }

    fn start(frequency_hz: u32, inverted: bool, broken: bool) -> (SoftPwm, Receiver<bool>) {
        let (levels, seen) = channel();
        let probe = Box::new(Probe { levels, broken });
        (Switcher::default().take(probe, frequency_hz, inverted, Permille::ZERO).unwrap(), seen)
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

    #[test]
    fn a_line_that_cannot_be_switched_disturbs_no_other() {
        let mut switcher = Switcher::default();
        let (mut broken, broken_seen) = take(&mut switcher, 1000, true);
        let (mut well, seen) = take(&mut switcher, 1000, false);
        while broken.drive(permille(500)).is_ok() {
            next(&broken_seen);
        }
        well.drive(permille(500)).unwrap();
        while !next(&seen) {}
        let levels: Vec<bool> = (0..6).map(|_| next(&seen)).collect();
        assert_eq!(levels, [false, true, false, true, false, true]);
        assert_eq!(well.drive(permille(500)), Ok(()));
        drop(broken);
        assert!((0..6).all(|turn| next(&seen) == (turn % 2 == 1)), "also when the broken one is let go");
    }

    /// Tells which thread switches it.
    struct Tell(Sender<thread::ThreadId>);

    impl Level for Tell {
        fn set(&mut self, _high: bool) -> Result<(), PinFault> {
            let _ = self.0.send(thread::current().id());
            Ok(())
        }
    }

    #[test]
    fn sixty_four_lines_have_one_thread_also_those_that_a_next_board_adds() {
        let (tell, told) = channel();
        let mut switcher = Switcher::default();
        let mut lines = Vec::new();
        for number in 0..64 {
            let tell = Box::new(Tell(tell.clone()));
            lines.push(switcher.take(tell, 100, false, Permille::ZERO).unwrap());
            if number == 31 {
                switcher = lines[7].switcher();
            }
        }
        let threads: std::collections::HashSet<_> =
            lines.iter().map(|_| told.recv_timeout(LONG).unwrap()).collect();
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn the_thread_ends_when_nobody_can_order_any_more() {
        let (orders, receiver) = channel();
        let thread = thread::spawn(move || run(&|| Duration::ZERO, &receiver));
        let (let_go, done) = channel();
        orders.send(Order::LetGo { number: 7, done: let_go }).unwrap();
        assert!(done.recv().is_err(), "a line that it does not have is let go");
        drop(orders);
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_that_has_died_is_replaced() {
        let dead = Running { orders: channel().0, lines: Arc::default() };
        let mut switcher = Switcher(Some(dead));
        let (_line, seen) = take(&mut switcher, 1000, false);
        assert!(!next(&seen));
    }

    /// A line whose levels are told with the line's number.
    struct Numbered(u64, Sender<(u64, bool)>);

    impl Level for Numbered {
        fn set(&mut self, high: bool) -> Result<(), PinFault> {
            let _ = self.1.send((self.0, high));
            Ok(())
        }
    }

    #[test]
    fn by_a_simulated_clock_each_line_of_many_has_its_own_duty() {
        let (levels, seen) = channel();
        let mut lines = Lines::default();
        // Frequencies and shares of which no two go together.
        let asked = |number: u64| (7 + number as u32 * 13, permille(30 + number as u16 * 14));
        for number in 0..64 {
            let (frequency_hz, share) = asked(number);
            let level = Box::new(Numbered(number, levels.clone()));
            let switch = Switch { level, inverted: false, faults: sync_channel(1).0 };
            let period = Duration::from_secs(1) / frequency_hz;
            let line = Line { switch, wave: Wave::new(period, Permille::ZERO), last: None, due: None };
            lines.obey(Duration::ZERO, Order::Take { number, line });
            lines.obey(Duration::ZERO, Order::Drive { number, share });
        }
        let (mut now, lasts) = (Duration::ZERO, Duration::from_secs(20));
        let mut on_since: BTreeMap<u64, Duration> = BTreeMap::new();
        let mut on_for: BTreeMap<u64, Duration> = BTreeMap::new();
        while now < lasts {
            let next = lines.switch(now).unwrap();
            for (number, on) in seen.try_iter() {
                if on {
                    on_since.insert(number, now);
                } else if let Some(since) = on_since.remove(&number) {
                    *on_for.entry(number).or_default() += now - since;
                }
            }
            assert!(next > now, "it would spin at {now:?}");
            now = next;
        }
        for number in 0..64 {
            let (_, share) = asked(number);
            let duty = on_for[&number].as_secs_f64() / lasts.as_secs_f64();
            let off = (duty - f64::from(share.get()) / 1000.0).abs();
            assert!(off < 0.01, "line {number}: {share:?} gives {duty}");
        }
    }
}
