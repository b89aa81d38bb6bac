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
    let thread = thread::spawn(move || run(&|| Duration::ZERO, &receiver, &AtomicBool::new(false)));
    let (let_go, done) = channel();
    orders.send(Order::LetGo { number: 7, done: let_go }).unwrap();
    assert!(done.recv().is_err(), "a line that it does not have is let go");
    drop(orders);
    thread.join().unwrap();
}

/// Hangs in its first write until it is told to go on.
struct Hanging(Receiver<()>, Sender<()>);

impl Level for Hanging {
    fn set(&mut self, _high: bool) -> Result<(), PinFault> {
        let _ = self.1.send(());
        let _ = self.0.recv();
        Ok(())
    }
}

#[test]
fn if_one_line_hangs_all_that_are_dropped_take_no_longer_than_one() {
    let mut switcher = Switcher::default();
    let mut lines: Vec<_> = (0..64).map(|_| take(&mut switcher, 1000, false)).collect();
    let ((go_on, held), (tell, is_hanging)) = (channel(), channel());
    let hanging = switcher.take(Box::new(Hanging(held, tell)), 1000, false, Permille::ZERO).unwrap();
    is_hanging.recv_timeout(LONG).unwrap();
    let start = Instant::now();
    lines.drain(1..).for_each(drop);
    drop(hanging);
    // One after another would be half a minute, in which no watchdog is fed.
    assert!(start.elapsed() < END_PATIENCE * 16, "{:?}", start.elapsed());
    assert!(switcher.0.as_ref().unwrap().hangs.load(Ordering::Relaxed));

    drop(go_on);
    let (mut last, seen) = lines.remove(0);
    seen.try_iter().for_each(drop);
    last.drive(Permille::FULL).unwrap();
    assert!(next(&seen));
    assert!(!switcher.0.unwrap().hangs.load(Ordering::Relaxed), "it obeys again, and is waited for again");
}

#[test]
fn a_thread_that_has_died_is_replaced() {
    let dead = Running { orders: channel().0, lines: Arc::default(), hangs: Arc::default() };
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
