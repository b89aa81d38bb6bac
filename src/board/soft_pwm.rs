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
//! disturbs no other; one that hangs in its write does. A line that is dropped is waited for, since what takes it next must not
//! meet this thread on it. If the thread hangs, the first line that is dropped finds out, and the others are not waited for.

use super::level::Level;
use super::wave::Wave;
use crate::control::PinFault;
use crate::units::Permille;
use core::convert::Infallible;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Instant;

/// How long a dropped line waits until the thread has let it go: it does so at once, unless a line hangs.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// The thread, which is started with the first line. Clones mean the same one; it ends when the last clone and the last line are gone.
#[derive(Clone, Default)]
pub(super) struct Switcher(Option<Running>);

#[derive(Clone)]
struct Running {
    orders: Sender<Order>,
    lines: Arc<AtomicU64>,
    /// It did not let a line go in time, and has obeyed no order since.
    hangs: Arc<AtomicBool>,
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
        let hangs = Arc::<AtomicBool>::default();
        let hung = Arc::clone(&hangs);
        let run = move || run(&|| started.elapsed(), &receiver, &hung);
        thread::Builder::new().name("soft-pwm".to_owned()).spawn(run)?;
        Ok(Self { orders, lines: Arc::default(), hangs })
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
        if self.running.orders.send(Order::LetGo { number: self.number, done }).is_err() {
            return;
        }
        let hangs = &self.running.hangs;
        if !hangs.load(Ordering::Relaxed)
            && is_done.recv_timeout(END_PATIENCE) == Err(RecvTimeoutError::Timeout)
        {
            hangs.store(true, Ordering::Relaxed);
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

fn run(clock: &dyn Fn() -> Duration, orders: &Receiver<Order>, hangs: &AtomicBool) {
    let mut lines = Lines::default();
    loop {
        let order = match lines.switch(clock()) {
            // If all rest, only an order wakes the thread.
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => orders.recv_timeout(at.saturating_sub(clock())),
        };
        match order {
            Ok(order) => {
                lines.obey(clock(), order);
                hangs.store(false, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Each line has been let go before.
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
#[path = "soft_pwm_tests.rs"]
mod tests;
