//! Any sequence of requests, restarts, failing steps and power cuts, against what the ring promises.

use super::power_tests::Machine;
use super::tests::{all, carry_out, message, open};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Event {
    Keep {
        sizes: Vec<usize>,
        cut: Option<(usize, Vec<usize>)>,
        fails: Option<usize>,
    },
    /// The message at this place among those that are not done.
    Forget(usize),
    /// As many of the first ones.
    ForgetFirst(usize),
    Read,
    Restart,
    LosePower(Vec<usize>),
    Open(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let sizes = || proptest::collection::vec(prop_oneof![4 => 0..300_usize, 1 => 1000..9000_usize], 1..8);
    let choices = || proptest::collection::vec(0..10_000_usize, 16);
    let event = prop_oneof![
        6 => sizes().prop_map(|sizes| Event::Keep { sizes, cut: None, fails: None }),
        2 => (sizes(), 0..12_usize, choices()).prop_map(|(sizes, cut, choices)| Event::Keep { sizes, cut: Some((cut, choices)), fails: None }),
        2 => (sizes(), 0..9_usize).prop_map(|(sizes, fails)| Event::Keep { sizes, cut: None, fails: Some(fails) }),
        3 => (0..50_usize).prop_map(Event::Forget),
        3 => (0..12_usize).prop_map(Event::ForgetFirst),
        1 => Just(Event::Read),
        1 => Just(Event::Restart),
        2 => choices().prop_map(Event::LosePower),
        1 => (20_000..60_000_u64).prop_map(Event::Open),
    ];
    proptest::collection::vec(event, 1..40)
}

/// What the ring has promised.
struct Model {
    machine: Machine,
    ring: Ring,
    keep_bytes: u64,
    /// What is kept and not done.
    live: BTreeMap<u64, Message>,
    /// What is done or was never kept, which a power cut may bring back.
    gone: BTreeSet<String>,
    /// The number above all that were seen since the last power cut.
    next: u64,
    /// How many messages were made.
    made: u64,
}

impl Model {
    fn new() -> Self {
        let machine = Machine::new();
        let mut ring = machine.ring();
        carry_out(&mut ring, open(40_000));
        let (live, gone) = (BTreeMap::new(), BTreeSet::new());
        Self { machine, ring, keep_bytes: 40_000, live, gone, next: 1, made: 0 }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Keep { sizes, cut, fails } => self.keep(&sizes, cut, fails),
            Event::Forget(index) => {
                let number = self.live.keys().nth(index % self.live.len().max(1)).copied();
                number.into_iter().for_each(|number| self.forget(number));
            }
            Event::ForgetFirst(count) => {
                let first: Vec<_> = self.live.keys().take(count).copied().collect();
                first.into_iter().for_each(|number| self.forget(number));
            }
            Event::Read => {
                let (found, lost) = all(&mut self.ring);
                assert_eq!((found, lost), (self.live.clone().into_iter().collect(), 0));
            }
            Event::Restart => self.restart(false, &BTreeSet::new()),
            Event::LosePower(choices) => self.lose_power(&choices, BTreeSet::new()),
            Event::Open(keep_bytes) => {
                self.keep_bytes = keep_bytes;
                let events = carry_out(&mut self.ring, open(keep_bytes));
                let [RingEvent::Opened { lost, .. }] = &events[..] else { panic!("{events:?}") };
                self.give_way(*lost);
            }
        }
        let holds = self.ring.books.holds();
        let names = std::fs::read_dir(self.machine.dir.path()).unwrap().map(|entry| entry.unwrap());
        let files = names.filter(|entry| entry.file_name() != "messages.head");
        let bytes: u64 = files.map(|entry| entry.metadata().unwrap().len()).sum();
        assert!(holds.bytes <= self.keep_bytes, "{holds:?}");
        assert_eq!((holds.messages, holds.bytes), (self.live.len() as u64, bytes));
    }

    fn forget(&mut self, number: u64) {
        assert_eq!(carry_out(&mut self.ring, RingRequest::Forget { number }), []);
        self.gone.extend(self.live.remove(&number).map(|message| message.id));
    }

    fn keep(&mut self, sizes: &[usize], cut: Option<(usize, Vec<usize>)>, fails: Option<usize>) {
        let made = self.made + 1;
        let messages: Vec<_> = (made..).zip(sizes).map(|(number, bytes)| message(number, *bytes)).collect();
        self.made += sizes.len() as u64;
        self.machine.plan(cut.as_ref().map(|(cut, _)| *cut), fails);
        let events = carry_out(&mut self.ring, RingRequest::Keep(messages.clone()));
        self.machine.plan(None, None);
        let outcome = match &events[..] {
            [outcome] | [RingEvent::Opened { .. }, outcome] => outcome,
            _ => panic!("{events:?}"),
        };
        match outcome {
            RingEvent::Kept { first, dropped, .. } => {
                assert!(*first >= self.next, "{first} after {}", self.next);
                self.live.extend((*first..).zip(messages));
                self.next = first + sizes.len() as u64;
                self.give_way(*dropped);
            }
            RingEvent::Failed { request: RingFailed::Keep, .. } => {
                self.gone.extend(messages.into_iter().map(|message| message.id));
                if cut.is_none() {
                    // What gave way before is told with the next one.
                    let dropped = self.ring.dropped;
                    self.ring.dropped = 0;
                    self.give_way(dropped);
                }
            }
            event => panic!("{event:?}"),
        }
        if let Some((_, choices)) = cut {
            // What gave way for messages that may not be kept.
            let left: BTreeSet<_> =
                self.ring.books.0.iter().flat_map(|one| one.undone(0)).map(|(number, _)| number).collect();
            let given_up = self.live.keys().copied().filter(|number| !left.contains(number)).collect();
            self.lose_power(&choices, given_up);
        }
    }

    /// So many records gave way: those of the oldest messages.
    fn give_way(&mut self, records: u64) {
        let found: BTreeSet<_> = all(&mut self.ring).0.into_iter().map(|(number, _)| number).collect();
        let lost: Vec<_> = self.live.keys().copied().filter(|number| !found.contains(number)).collect();
        let oldest: Vec<_> = self.live.keys().copied().take(lost.len()).collect();
        assert_eq!(lost, oldest, "the oldest go first");
        let mut sum = 0;
        for number in lost {
            let message = self.live.remove(&number).unwrap();
            sum += u64::from(message.records);
            self.gone.insert(message.id);
        }
        assert_eq!(sum, records);
    }

    fn lose_power(&mut self, choices: &[usize], given_up: BTreeSet<u64>) {
        let mut choices = choices.iter().cycle();
        self.machine.lose_power(|of| choices.next().unwrap() % of);
        self.next = 1;
        self.restart(true, &given_up);
    }

    /// `given_up`: what may be missing and is not told.
    fn restart(&mut self, after_power_cut: bool, given_up: &BTreeSet<u64>) {
        self.ring = self.machine.ring();
        let events = carry_out(&mut self.ring, open(self.keep_bytes));
        let [RingEvent::Opened { lost, .. }] = &events[..] else { panic!("{events:?}") };
        let (found, lost_later) = all(&mut self.ring);
        assert_eq!(lost_later, 0);
        let found: BTreeMap<_, _> = found.into_iter().collect();
        let first = self.live.keys().next().copied().unwrap_or(u64::MAX);
        for (number, message) in &found {
            match self.live.get(number) {
                Some(known) => assert_eq!(message, known),
                None => {
                    assert!(self.gone.contains(&message.id), "{number} was never made");
                    assert!(after_power_cut || *number > first, "{number} was done before a restart");
                }
            }
        }
        let missing: Vec<_> =
            self.live.keys().copied().filter(|number| !found.contains_key(number)).collect();
        // What comes back after a power cut may make the oldest give way, and that is told.
        let told: Vec<_> = missing.iter().filter(|number| !given_up.contains(number)).collect();
        let records: u64 = told.iter().map(|number| u64::from(self.live[number].records)).sum();
        assert!(told.last() < found.keys().next().as_ref() || told.is_empty(), "{told:?} are not the oldest");
        assert!(records <= *lost, "{missing:?} are lost, and {lost} told");
        assert!(after_power_cut || *lost == 0, "{lost} told as lost");
        self.gone.extend(missing.iter().map(|number| self.live[number].id.clone()));
        self.live = found;
        self.next = self.next.max(self.live.keys().last().map_or(1, |last| last + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_kept_is_lost_and_what_gives_way_is_counted(events in events()) {
        let mut model = Model::new();
        for event in events {
            model.apply(event);
        }
        model.apply(Event::Restart);
        model.apply(Event::Read);
    }
}
