//! The power goes before any step of what the ring does, and of what was not durable any part may be there afterwards.

use super::disk::{Disk, Step};
use super::tests::{all, carry_out, message, open};
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

const HEAD: &str = "messages.head";

/// A directory, and what of it is durable.
pub(super) struct Machine {
    pub(super) dir: tempfile::TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The names that are durable.
    names: BTreeSet<String>,
    /// What is durable of each file.
    bytes: BTreeMap<String, Vec<u8>>,
    /// The files that still have a durable name which another one has now.
    replaced: BTreeMap<String, Vec<u8>>,
    taken: Vec<Step>,
    /// The power goes before this step, counted from 0.
    cut: Option<usize>,
    /// This step fails, and those after it do not.
    fails: Option<usize>,
}

fn listing(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

impl State {
    fn before(&mut self, dir: &Path, step: Step, path: &Path) -> io::Result<()> {
        if self.cut.is_some_and(|cut| self.taken.len() >= cut) {
            return Err(io::Error::other("power cut"));
        }
        self.taken.push(step);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match step {
            Step::Create if self.fails != Some(self.taken.len() - 1) => {
                if let Some(bytes) = self.bytes.remove(&name).filter(|_| self.names.contains(&name)) {
                    self.replaced.entry(name).or_insert(bytes);
                }
            }
            Step::SyncFile => drop(self.bytes.insert(name, fs::read(path).unwrap())),
            Step::SyncDirectory => {
                self.names = listing(dir);
                self.replaced.clear();
            }
            _ => {}
        }
        // A sync that fails may have had its effect. A note that fails is not told, so a test could not know what to expect.
        if self.fails == Some(self.taken.len() - 1) && step != Step::Head {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        // In memory if that is possible: thousands of syncs keep a disk busy for minutes.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { dir, state: Arc::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ring(&self) -> Ring {
        let (dir, state) = (self.dir.path().to_owned(), Arc::clone(&self.state));
        let before = move |step, path: &Path| state.lock().unwrap().before(&dir, step, path);
        Ring::on(Disk::new(self.dir.path(), Box::new(before)))
    }

    /// From now on the power goes before, or the disk fails at, the step of this number.
    pub(super) fn plan(&self, cut: Option<usize>, fails: Option<usize>) {
        let mut state = self.state();
        state.taken.clear();
        (state.cut, state.fails) = (cut, fails);
    }

    pub(super) fn taken(&self) -> Vec<Step> {
        self.state().taken.clone()
    }

    /// What a power cut leaves. `choose` picks one of so many possibilities.
    pub(super) fn lose_power(&self, mut choose: impl FnMut(usize) -> usize) {
        self.plan(None, None);
        let mut state = self.state();
        let names = listing(self.dir.path());
        for name in names.union(&state.names) {
            let path = self.dir.path().join(name);
            let durable = state.bytes.get(name).cloned().unwrap_or_default();
            let before = state.replaced.get(name).cloned().unwrap_or_else(|| durable.clone());
            let is_durable = state.names.contains(name);
            let Ok(now) = fs::read(&path) else {
                // It was removed, which may not have become durable.
                if choose(2) == 1 {
                    fs::write(&path, before).unwrap();
                }
                continue;
            };
            if (!is_durable || state.replaced.contains_key(name)) && choose(2) == 1 {
                match is_durable {
                    true => fs::write(&path, before).unwrap(),
                    false => fs::remove_file(&path).unwrap(),
                }
                continue;
            }
            let kept = now.iter().zip(&durable).take_while(|(now, durable)| now == durable).count();
            // A card writes a sector or does not.
            let length =
                if name == HEAD { [0, now.len()][choose(2)] } else { kept + choose(now.len() - kept + 1) };
            let mut left = now[..length].to_vec();
            left.extend(durable.get(length..).unwrap_or_default());
            fs::write(&path, left).unwrap();
        }
        state.replaced.clear();
        state.names = listing(self.dir.path());
        let read = |name: &String| (name.clone(), fs::read(self.dir.path().join(name)).unwrap());
        state.bytes = state.names.iter().map(read).collect();
    }
}

/// Every combination of choices, one after the other.
#[derive(Default)]
struct Choices {
    /// What was chosen, of how many.
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push((0, of));
        }
        self.at += 1;
        self.made[self.at - 1].0
    }

    /// The next combination; false after the last one.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, of)) = self.made.pop() {
            if choice + 1 < of {
                self.made.push((choice + 1, of));
                return true;
            }
        }
        false
    }
}

/// Calls `check` for everything that a power cut may leave after these requests, with the numbers that are there.
fn lose_power_after(act: impl Fn(&Machine, &mut Ring), check: impl Fn(&[u64])) {
    let mut choices = Choices::default();
    loop {
        let machine = Machine::new();
        let mut ring = machine.ring();
        carry_out(&mut ring, open(PLENTY));
        act(&machine, &mut ring);
        drop(ring);
        machine.lose_power(|of| choices.choose(of));
        let mut ring = machine.ring();
        carry_out(&mut ring, open(PLENTY));
        let found: Vec<_> = all(&mut ring).0.into_iter().map(|(number, _)| number).collect();
        check(&found);
        if !choices.advance() {
            break;
        }
    }
}

const PLENTY: u64 = 4 << 20;

fn keep(numbers: core::ops::RangeInclusive<u64>, bytes: usize) -> RingRequest {
    RingRequest::Keep(numbers.map(|number| message(number, bytes)).collect())
}

/// Carries out `before` and then `last`, with the power going before each step of it and leaving whatever it may; what is there
/// after a restart is handed to `check`, with the number of steps that were taken and whether the last request was answered.
fn cut_everywhere(
    keep_bytes: u64,
    before: &[RingRequest],
    last: &RingRequest,
    mut check: impl FnMut(&[u64], &[Step], bool),
) {
    for cut in 0.. {
        let mut choices = Choices::default();
        let mut is_last = false;
        loop {
            let machine = Machine::new();
            let mut ring = machine.ring();
            carry_out(&mut ring, open(keep_bytes));
            before.iter().for_each(|request| drop(carry_out(&mut ring, request.clone())));
            machine.plan(Some(cut), None);
            let events = carry_out(&mut ring, last.clone());
            let taken = machine.taken();
            is_last |= taken.len() < cut;
            machine.lose_power(|of| choices.choose(of));
            let mut ring = machine.ring();
            let opened = carry_out(&mut ring, open(keep_bytes));
            let [RingEvent::Opened { lost, .. }] = opened[..] else { panic!("{opened:?}") };
            assert!(lost == 0 || keep_bytes < PLENTY, "{lost}");
            let (found, lost) = all(&mut ring);
            assert_eq!(lost, 0);
            found.iter().for_each(|(number, one)| assert_eq!(one.id, format!("id-{number}")));
            let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
            check(&numbers, &taken, matches!(events[..], [RingEvent::Kept { .. }]));
            // And it works on.
            let more = carry_out(&mut ring, keep(100..=101, 10));
            assert!(matches!(&more[..], [RingEvent::Kept { .. }]), "{more:?}");
            let (found, _) = all(&mut ring);
            let last: Vec<_> = found.iter().rev().take(2).map(|(_, message)| message.id.as_str()).collect();
            assert_eq!(last, ["id-101", "id-100"]);
            assert!(found.len() == numbers.len() + 2 || keep_bytes < PLENTY);
            if !choices.advance() {
                break;
            }
        }
        if is_last {
            break;
        }
    }
}

#[test]
fn the_first_messages_are_all_there_once_they_are_kept_and_before_it_the_first_of_them() {
    let mut longest = 0;
    cut_everywhere(PLENTY, &[], &keep(1..=2, 10), |numbers, taken, is_kept| {
        longest = longest.max(taken.len());
        assert_eq!(taken, &[Step::Create, Step::Write, Step::SyncFile, Step::SyncDirectory][..taken.len()]);
        assert_eq!(numbers, &[1, 2][..numbers.len()]);
        assert!(!is_kept || numbers.len() == 2);
    });
    assert_eq!(longest, 4);
}

#[test]
fn messages_behind_others_cost_none_of_those() {
    cut_everywhere(PLENTY, &[keep(1..=2, 10)], &keep(3..=4, 10), |numbers, taken, is_kept| {
        assert_eq!(taken, &[Step::Write, Step::SyncFile][..taken.len()]);
        assert_eq!(numbers, &[1, 2, 3, 4][..numbers.len()]);
        assert!(numbers.len() >= if is_kept { 4 } else { 2 });
    });
}

#[test]
fn a_done_message_comes_back_at_most_and_others_stay() {
    let before = [keep(1..=2, 10)];
    cut_everywhere(PLENTY, &before, &RingRequest::Forget { number: 1 }, |numbers, taken, _| {
        assert_eq!(taken, &[Step::Head][..taken.len()]);
        assert!(numbers == [2] || numbers == [1, 2], "{numbers:?}");
    });
    let before = [keep(1..=2, 10), RingRequest::Forget { number: 1 }];
    cut_everywhere(PLENTY, &before, &RingRequest::Forget { number: 2 }, |numbers, taken, _| {
        assert_eq!(taken, &[Step::Unlink, Step::Head][..taken.len()]);
        assert!([&[1, 2][..], &[2], &[]].contains(&numbers), "{numbers:?}");
    });
}

#[test]
fn a_full_ring_loses_its_oldest_segment_and_no_other() {
    // Each takes a segment of its own.
    let before = [keep(1..=1, 3900), keep(2..=2, 3900)];
    cut_everywhere(8500, &before, &keep(3..=3, 60), |numbers, taken, is_kept| {
        let steps =
            [Step::Unlink, Step::Head, Step::Create, Step::Write, Step::SyncFile, Step::SyncDirectory];
        assert_eq!(taken, &steps[..taken.len()]);
        let expected: &[&[u64]] = if is_kept { &[&[2, 3]] } else { &[&[1, 2], &[2], &[1, 2, 3], &[2, 3]] };
        assert!(expected.contains(&numbers), "{numbers:?}");
    });
}

#[test]
fn what_a_failed_write_left_does_not_come_back_in_place_of_what_is_kept_later() {
    let act = |machine: &Machine, ring: &mut Ring| {
        carry_out(ring, keep(1..=1, 10_000));
        // It needs a segment of its own, whose name may be durable although that failed.
        machine.plan(None, Some(3));
        let failed = carry_out(ring, keep(2..=3, 29_000));
        assert!(matches!(failed[..], [RingEvent::Failed { .. }]), "{failed:?}");
        assert_eq!(machine.taken()[3..], [Step::SyncDirectory, Step::Unlink]);
        machine.plan(None, None);
        let kept = carry_out(ring, keep(2..=4, 10));
        assert!(matches!(kept[..], [RingEvent::Kept { first: 2, .. }]), "{kept:?}");
    };
    lose_power_after(act, |found| assert_eq!(found, [1, 2, 3, 4]));
}

#[test]
fn what_an_opening_found_is_durable_whoever_wrote_it() {
    for cut in 2..=4 {
        let act = |machine: &Machine, ring: &mut Ring| {
            // It is killed there.
            machine.plan(Some(cut), None);
            carry_out(ring, keep(1..=2, 10));
            machine.plan(None, None);
            *ring = machine.ring();
            let opened = carry_out(ring, open(PLENTY));
            assert!(
                matches!(&opened[..], [RingEvent::Opened { holds, .. }] if holds.messages == 2),
                "{opened:?}"
            );
        };
        lose_power_after(act, |found| assert_eq!(found, [1, 2], "killed before step {cut}"));
    }
}
