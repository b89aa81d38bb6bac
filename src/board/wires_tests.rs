use super::*;
use crate::board::TachSettings;
use crate::control::Cause;
use crate::units::BootTime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, ThreadId};

/// What happened to a line, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Taken(u32, Take),
    Set(u32, bool),
    LetGo(u32),
}

struct Probe {
    pin: u32,
    events: Sender<Event>,
    breaks: bool,
    switched_by: Option<Sender<ThreadId>>,
}

impl Level for Probe {
    fn set(&mut self, high: bool) -> Result<(), PinFault> {
        let _ = self.events.send(Event::Set(self.pin, high));
        let _ = self.switched_by.as_ref().map(|by| by.send(thread::current().id()));
        if self.breaks { Err(PinFault { reason: "the line broke".into() }) } else { Ok(()) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.events.send(Event::LetGo(self.pin));
    }
}

/// A board in memory: lines by number, each high or low, of which some break at their first use.
struct Desk {
    levels: Rc<RefCell<BTreeMap<u32, bool>>>,
    events: Sender<Event>,
    breaking: Option<u32>,
    /// Which threads switch lines.
    switched_by: Option<Sender<ThreadId>>,
    /// A chip of channels for PWM.
    chip: Option<PathBuf>,
}

impl Hardware for Desk {
    fn line(&self, _: Option<&str>, pin: u32, take: Take) -> Result<(Box<dyn Level>, bool), PinFault> {
        let Some(level) = self.levels.borrow().get(&pin).copied() else {
            return Err(PinFault { reason: format!("no line {pin}") });
        };
        let _ = self.events.send(Event::Taken(pin, take));
        let high = if let Take::High(high) = take { high } else { level };
        let (events, switched_by) = (self.events.clone(), self.switched_by.clone());
        let probe = Probe { pin, events, breaks: self.breaking == Some(pin), switched_by };
        Ok((Box::new(probe), high))
    }

    fn pwm_chip(&self, _: Option<&str>, channel: u32) -> Result<PathBuf, PinFault> {
        self.chip.clone().ok_or_else(|| PinFault { reason: format!("no channel {channel}") })
    }

    fn look(&self, _: Option<&str>, pin: u32) -> Result<String, PinFault> {
        let known = self.levels.borrow().contains_key(&pin);
        if known { Ok(format!("line {pin}")) } else { Err(PinFault { reason: format!("no line {pin}") }) }
    }
}

fn on_off(pin: u32, active_low: bool) -> PinSettings {
    let line = Some(Line::Pin { pin, chip: None });
    PinSettings { name: format!("output-{pin}"), line, active_low, tach: None }
}

fn board(outputs: &[PinSettings], breaking: Option<u32>) -> (Wired, Receiver<Event>) {
    let (events, seen) = channel();
    let levels = Rc::new(RefCell::new(BTreeMap::from([(1, false), (2, true)])));
    (Wired::new(Box::new(Desk { levels, events, breaking, switched_by: None, chip: None }), outputs), seen)
}

fn order(output: usize, permille: u16) -> Actuation {
    let drive = Permille::new(permille).unwrap();
    Actuation { output: OutputId(output), drive, cause: Cause::Start, at: BootTime::ZERO }
}

fn seen(events: &Receiver<Event>) -> Vec<Event> {
    events.try_iter().collect()
}

#[test]
fn a_line_is_taken_at_its_first_drive_at_that_level_and_opening_takes_none() {
    let (mut board, events) = board(&[on_off(1, false), on_off(2, true)], None);
    assert_eq!(seen(&events), []);
    board.drive(&order(0, 1000), "").unwrap();
    board.drive(&order(1, 1000), "").unwrap();
    let taken = |pin, high| Event::Taken(pin, Take::High(high));
    assert_eq!(
        seen(&events),
        [taken(1, true), Event::Set(1, true), taken(2, false), Event::Set(2, false)],
        "on is low where the output is active low"
    );
    board.drive(&order(0, 0), "").unwrap();
    board.drive(&order(1, 0), "").unwrap();
    assert_eq!(seen(&events), [Event::Set(1, false), Event::Set(2, true)]);
}

#[test]
fn a_line_that_is_taken_over_keeps_its_level_and_tells_the_drive_that_it_means() {
    let (mut board, events) = board(&[on_off(2, false), on_off(2, true), on_off(1, true)], None);
    let found: Vec<_> = (0..3).map(|index| board.take_over(OutputId(index)).unwrap()).collect();
    assert_eq!(found, [Some(Permille::FULL), Some(Permille::ZERO), Some(Permille::FULL)]);
    let as_it_is = |pin| Event::Taken(pin, Take::AsItIs);
    assert_eq!(seen(&events), [as_it_is(2), as_it_is(2), as_it_is(1)]);
}

#[test]
fn one_output_that_cannot_be_had_leaves_the_others_alone() {
    let channel = Line::PwmChannel { channel: 0, chip: None, frequency_hz: 25_000, inverted: false };
    let pwm = PinSettings { line: Some(channel), ..on_off(0, false) };
    let (mut board, _) = board(&[on_off(9, false), pwm, on_off(1, false)], None);
    assert_eq!(board.drive(&order(0, 0), "").unwrap_err().reason, "no line 9");
    assert_eq!(board.drive(&order(1, 0), "").unwrap_err().reason, "no channel 0");
    board.drive(&order(2, 0), "").unwrap();
    assert!(board.drive(&order(3, 0), "").is_err(), "there is none");
}

#[test]
fn a_line_that_breaks_is_let_go_and_taken_anew_with_the_next_order() {
    let (mut board, events) = board(&[on_off(1, false)], Some(1));
    assert!(board.drive(&order(0, 1000), "").is_err());
    assert!(board.drive(&order(0, 0), "").is_err());
    let taken = |high| Event::Taken(1, Take::High(high));
    let round = |high| [taken(high), Event::Set(1, high), Event::LetGo(1)];
    assert_eq!(seen(&events), [round(true), round(false)].concat());
}

#[test]
fn nothing_moves_when_a_board_is_dropped() {
    let (mut board, events) = board(&[on_off(1, false)], None);
    board.drive(&order(0, 1000), "").unwrap();
    seen(&events);
    drop(board);
    assert_eq!(seen(&events), [Event::LetGo(1)]);
}

#[test]
fn the_next_board_goes_on_with_the_wires_it_still_has_an_output_for() {
    let (mut old, old_events) = board(&[on_off(1, false), on_off(2, false)], None);
    old.drive(&order(0, 1000), "").unwrap();
    old.drive(&order(1, 1000), "").unwrap();
    seen(&old_events);
    // The other way round it is another wire: what was high for on is low for on.
    let renamed = PinSettings { name: "other".into(), ..on_off(1, false) };
    let (mut new, new_events) = board(&[on_off(2, true), renamed], None);
    new.adopt(old.release());
    assert_eq!(seen(&old_events), [Event::LetGo(2)]);
    new.drive(&order(1, 0), "").unwrap();
    assert_eq!(seen(&old_events), [Event::Set(1, false)]);
    assert_eq!(seen(&new_events), []);
    new.drive(&order(0, 0), "").unwrap();
    assert_eq!(seen(&new_events), [Event::Taken(2, Take::High(true)), Event::Set(2, true)]);
}

#[test]
fn looking_takes_nothing_and_says_of_tachs_too() {
    let tach = |pin| Some(TachSettings { chip: None, pin, pulses_per_turn: 2 });
    let soft = Line::SoftPwm { pin: 1, chip: None, frequency_hz: 100, inverted: false };
    let outputs = [
        PinSettings { tach: tach(2), ..on_off(1, false) },
        PinSettings { tach: tach(9), ..on_off(1, false) },
        PinSettings { line: Some(soft), ..on_off(0, false) },
        on_off(8, false),
    ];
    let (events, seen_events) = channel();
    let levels = Rc::new(RefCell::new(BTreeMap::from([(1, false), (2, true)])));
    let looked =
        look_at_all(&Desk { levels, events, breaking: None, switched_by: None, chip: None }, &outputs);
    let told: Vec<_> = looked
        .into_iter()
        .map(|found| found.unwrap_or_else(|fault| format!("FAULT {}", fault.reason)))
        .collect();
    assert_eq!(
        told,
        [
            "line 1; tach: line 2",
            "FAULT line 1; but its tach: no line 9",
            "line 1; software PWM at 100 Hz",
            "FAULT no line 8",
        ]
    );
    assert_eq!(seen(&seen_events), []);
}

#[test]
fn pwm_by_software_starts_from_the_level_that_the_line_was_taken_with() {
    let soft = Line::SoftPwm { pin: 2, chip: None, frequency_hz: 100, inverted: true };
    let (mut board, events) = board(&[PinSettings { line: Some(soft), ..on_off(0, false) }], None);
    assert_eq!(board.take_over(OutputId(0)).unwrap(), Some(Permille::ZERO));
    board.drive(&order(0, 1000), "").unwrap();
    drop(board);
    let events = seen(&events);
    assert_eq!(events.first(), Some(&Event::Taken(2, Take::AsItIs)));
    assert_eq!(events.iter().rev().nth(1), Some(&Event::Set(2, false)), "full stays full: {events:?}");
}

#[test]
fn lines_of_the_next_board_are_switched_by_the_thread_of_those_it_adopts() {
    let (by, switched_by) = channel();
    let soft = |pin| {
        let line = Line::SoftPwm { pin, chip: None, frequency_hz: 100, inverted: false };
        PinSettings { line: Some(line), ..on_off(pin, false) }
    };
    let board = |outputs: &[PinSettings]| {
        let levels = Rc::new(RefCell::new(BTreeMap::from([(1, false), (2, false)])));
        let switched_by = Some(by.clone());
        Wired::new(
            Box::new(Desk { levels, events: channel().0, breaking: None, switched_by, chip: None }),
            outputs,
        )
    };
    let mut old = board(&[soft(1)]);
    old.drive(&order(0, 500), "").unwrap();
    let first = switched_by.recv().unwrap();
    let mut new = board(&[soft(1), soft(2)]);
    new.adopt(old.release());
    new.drive(&order(0, 0), "").unwrap();
    new.drive(&order(1, 500), "").unwrap();
    drop((old, new, by));
    assert!(switched_by.iter().all(|thread| thread == first));
}

#[test]
fn all_channels_that_udev_has_not_handed_over_are_waited_for_together_and_the_others_go_on() {
    let (events, seen_events) = channel();
    let levels = Rc::new(RefCell::new(BTreeMap::from([(1, false)])));
    let root = crate::board::sysfs_pwm::tests::refusing_chip();
    let chip = Some(root.path().join("class/pwm/pwmchip0"));
    let line = |channel| Line::PwmChannel { channel, chip: None, frequency_hz: 25_000, inverted: false };
    let pwm = |channel| PinSettings { line: Some(line(channel)), ..on_off(channel, false) };
    let outputs = [pwm(0), pwm(1), on_off(1, false)];
    let desk = Desk { levels, events, breaking: None, switched_by: None, chip };
    let mut board = Wired::new(Box::new(desk), &outputs);
    let mut patience = Duration::from_millis(30);
    board.wait_within(&mut patience);
    assert_eq!(patience, Duration::ZERO, "nothing is left to wait for the second");
    let refused = |fault: PinFault| assert!(fault.reason.contains("Permission denied"), "{}", fault.reason);
    refused(board.drive(&order(0, 1), "").unwrap_err());
    refused(board.drive(&order(1, 1), "").unwrap_err());
    board.drive(&order(2, 1000), "").unwrap();
    assert_eq!(seen(&seen_events), [Event::Taken(1, Take::High(true)), Event::Set(1, true)]);
}
