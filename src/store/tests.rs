//! The store as the core uses it: offers in, outcomes out, and what is stored after a restart.

use super::{Damage, FileStore, Holder, Loaded, OpenFault, Opening, StoreFault, format, holder, read};
use crate::ports::Store as _;
use crate::twin::{Author, TwinRecord, Version};
use core::time::Duration;
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};

/// Only ever reached by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[allow(clippy::needless_update, reason = "whatever else a record has is none of the store's business")]
pub(super) fn record(sequence: u64) -> TwinRecord {
    TwinRecord { sequence, ..TwinRecord::default() }
}

pub(super) fn sequence(loaded: &Loaded) -> Option<u64> {
    loaded.record.as_ref().map(|record| record.sequence)
}

/// A store whose outcomes can be waited for.
struct Opened {
    store: FileStore,
    loaded: Loaded,
    woken: Receiver<()>,
}

fn start(dir: &Path) -> (FileStore, Opening, Receiver<()>) {
    let (wake, woken) = mpsc::channel();
    let store = FileStore::start(dir, Box::new(move || wake.send(()).unwrap_or_default())).unwrap();
    let opening = store.wait_opened(PATIENCE).unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    (store, opening, woken)
}

fn open(dir: &Path) -> Opened {
    let (store, Opening { loaded, fault }, woken) = start(dir);
    assert_eq!(fault, None);
    Opened { store, loaded, woken }
}

impl Opened {
    fn keep(&mut self, sequence: u64) -> Result<u64, StoreFault> {
        self.store.offer(record(sequence));
        self.woken.recv_timeout(PATIENCE).unwrap();
        self.store.poll_saved().unwrap()
    }
}

/// A store whose writer waits after each outcome until the test lets it go on.
fn open_held(dir: &Path) -> (FileStore, Receiver<()>, Sender<()>) {
    let (wake, woken) = mpsc::channel();
    let (go_on, gate) = mpsc::channel();
    let waker = move || {
        wake.send(()).unwrap_or_default();
        gate.recv().unwrap_or_default();
    };
    let store = FileStore::start(dir, Box::new(waker)).unwrap();
    assert!(store.wait_opened(PATIENCE).unwrap().fault.is_none());
    woken.recv_timeout(PATIENCE).unwrap();
    go_on.send(()).unwrap();
    (store, woken, go_on)
}

#[test]
fn the_first_run_finds_nothing_and_makes_a_private_directory() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("lib/twind");
    assert_eq!(open(&dir).loaded, Loaded::default());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for sequence_now in 1..=5 {
        let mut opened = open(dir.path());
        assert_eq!(sequence(&opened.loaded), (sequence_now > 1).then(|| sequence_now - 1));
        assert_eq!(opened.loaded.notes, []);
        assert_eq!(opened.keep(sequence_now), Ok(sequence_now));
        assert_eq!(sequence(&read(dir.path()).unwrap()), Some(sequence_now), "beside the running daemon");
    }
}

/// A generation that the first release wrote, byte for byte. One of each later format is stored beside it.
const OF_THE_FIRST_RELEASE: &[u8] = include_bytes!("released/0.1.0-twin.b");

#[test]
fn what_the_first_release_kept_is_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("twin.b"), OF_THE_FIRST_RELEASE).unwrap();
    let Loaded { record, notes } = open(dir.path()).loaded;
    let record = record.unwrap();
    assert_eq!(notes, []);
    assert_eq!((record.sequence, record.desired_version), (4, Version(2)));
    assert_eq!(record.identity, "localhost/MyTwinDevice");
    assert_eq!(record.accepted.as_object()["fanOn"], "true");
    assert_eq!(record.reported.as_object()["components"]["fan"]["dutyPercent"], 30);
    assert!(record.moment.boot.is_some() && record.moment.wall.is_some());
    let [(output, hand)] = &record.overrides[..] else { panic!("{:?}", record.overrides) };
    assert_eq!((output.as_str(), hand.value.get(), hand.by), ("lamp", 1000, Author::User(0)));
}

/// Whether it can, tests/package sees. This is the early warning: a field of a name or shape that it does not know.
#[test]
fn the_first_release_finds_each_of_its_fields_in_what_is_written_now() {
    let fields = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes).unwrap();
    let (number, kept) = format::unseal(OF_THE_FIRST_RELEASE).unwrap();
    let encoded = TwinRecord::decode(kept).unwrap().encode();
    let (before, now) = (fields(kept), fields(&encoded));
    for (name, value) in &before {
        assert_eq!(now.get(name), Some(value), "{name}");
    }
    let header =
        |bytes: &[u8]| bytes.split(|byte| *byte == b' ').take(3).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(header(&format::seal(number, &encoded).unwrap()), header(OF_THE_FIRST_RELEASE));
}

#[test]
fn the_generations_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    for sequence in 1..=4 {
        opened.keep(sequence).unwrap();
    }
    let text = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(text("twin.a").starts_with("twind-record 1 3 "));
    assert!(text("twin.b").starts_with("twind-record 1 4 "));
}

#[test]
fn a_restart_never_writes_over_the_newest_generation() {
    let dir = tempfile::tempdir().unwrap();
    for sequence in 1..=6 {
        let newest = read(dir.path()).unwrap();
        open(dir.path()).keep(sequence).unwrap();
        // As if the power had gone during this write: what was newest before it is still there.
        let written = if sequence % 2 == 1 { "twin.a" } else { "twin.b" };
        let aside = dir.path().join("aside");
        fs::rename(dir.path().join(written), &aside).unwrap();
        assert_eq!(read(dir.path()).unwrap().record, newest.record);
        fs::rename(&aside, dir.path().join(written)).unwrap();
    }
}

#[test]
fn only_the_latest_of_many_waiting_records_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken, go_on) = open_held(dir.path());
    store.offer(record(1));
    woken.recv_timeout(PATIENCE).unwrap();
    for sequence in 2..=1000 {
        store.offer(record(sequence));
    }
    go_on.send(()).unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(store.poll_saved(), Some(Ok(1)));
    assert_eq!(store.poll_saved(), Some(Ok(1000)));
    assert_eq!(store.poll_saved(), None);
    drop(go_on);
}

#[test]
fn outcomes_that_nobody_polls_stay_few_and_end_with_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    for sequence in 1..=100 {
        opened.store.offer(record(sequence));
        opened.woken.recv_timeout(PATIENCE).unwrap();
    }
    let outcomes: Vec<_> = core::iter::from_fn(|| opened.store.poll_saved()).collect();
    assert!(outcomes.len() < 100, "{} outcomes were kept", outcomes.len());
    assert_eq!(outcomes.last(), Some(&Ok(100)));
    assert!(outcomes.is_sorted_by_key(|outcome| outcome.clone().unwrap()));
}

#[test]
fn a_failing_directory_gives_faults_and_keeping_works_again_once_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    opened.keep(1).unwrap();
    let obstacle = dir.path().join("twin.b.tmp");
    fs::create_dir(&obstacle).unwrap();
    for sequence in 2..=4 {
        let fault = opened.keep(sequence).unwrap_err();
        assert!(fault.reason.contains("twin.b.tmp"), "{fault}");
        assert_eq!(self::sequence(&read(dir.path()).unwrap()), Some(1), "the old record is untouched");
    }
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(opened.keep(5), Ok(5));
    assert_eq!(sequence(&read(dir.path()).unwrap()), Some(5));
}

#[test]
fn a_removed_directory_gives_faults_until_it_is_back() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let mut opened = open(&dir);
    opened.keep(1).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    assert!(opened.keep(2).is_err());
    fs::create_dir(&dir).unwrap();
    assert_eq!(opened.keep(3), Ok(3));
}

#[test]
fn a_second_daemon_is_refused_and_told_who_is_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let lives = Holder::Alive(Some(std::process::id()));
    assert_eq!(holder(dir.path()), lives);
    let (second, opening, _) = start(dir.path());
    let fault = opening.fault.unwrap();
    assert_eq!(fault, OpenFault::InUse { dir: dir.path().to_owned(), holder: Some(std::process::id()) });
    assert!(fault.to_string().contains("set another state-dir"), "{fault}");
    drop(second);
    drop(first);
    assert_eq!(holder(dir.path()), Holder::Nobody);
    open(dir.path());
}

/// The record that is offered, and why it is not kept.
fn refused(store: &mut FileStore, woken: &Receiver<()>, sequence: u64) -> String {
    store.offer(record(sequence));
    woken.recv_timeout(PATIENCE).unwrap();
    store.poll_saved().unwrap().unwrap_err().reason
}

#[test]
fn a_state_directory_that_is_a_file_is_a_fault_until_it_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::write(&state, "").unwrap();
    let (store, opening, woken) = start(&state);
    assert_eq!(opening.loaded, Loaded::default());
    assert!(opening.fault.unwrap().to_string().contains("make the state directory"));
    let mut opened = Opened { store, loaded: opening.loaded, woken };
    assert!(opened.keep(1).unwrap_err().reason.contains("remove it, or set another state-dir"));
    assert_eq!(opened.store.poll_opening(), None, "nothing new was found");
    fs::remove_file(&state).unwrap();
    assert_eq!(opened.keep(2), Ok(2));
    assert_eq!(sequence(&read(&state).unwrap()), Some(2));
}

#[test]
fn what_cannot_be_written_is_read_and_the_fault_is_there_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).keep(7).unwrap();
    // The next write goes to the other generation.
    let obstacle = dir.path().join("twin.b.tmp");
    fs::create_dir(&obstacle).unwrap();
    let (mut store, opening, woken) = start(dir.path());
    assert_eq!(sequence(&opening.loaded), Some(7));
    assert!(opening.fault.unwrap().to_string().contains("twin.b.tmp"));
    assert!(refused(&mut store, &woken, 8).contains("twin.b.tmp"));
    fs::remove_dir(&obstacle).unwrap();
    let mut opened = Opened { store, loaded: opening.loaded, woken };
    assert_eq!(opened.keep(9), Ok(9), "there is nothing in it that was not known");
    assert_eq!(sequence(&read(dir.path()).unwrap()), Some(9));
}

#[test]
fn what_comes_late_is_told_before_anything_is_written_over_it() {
    let root = tempfile::tempdir().unwrap();
    let (state, elsewhere) = (root.path().join("state"), root.path().join("elsewhere"));
    open(&elsewhere).keep(7).unwrap();
    fs::write(&state, "").unwrap();
    let (mut store, opening, woken) = start(&state);
    assert!(opening.fault.is_some());
    fs::remove_file(&state).unwrap();
    fs::rename(&elsewhere, &state).unwrap();
    assert!(refused(&mut store, &woken, 1).contains("read first"));
    assert_eq!(sequence(&read(&state).unwrap()), Some(7));
    let late = store.poll_opening().unwrap();
    assert_eq!((sequence(&late.loaded), late.fault), (Some(7), None));
    let mut opened = Opened { store, loaded: late.loaded, woken };
    assert_eq!(opened.keep(8), Ok(8));
    assert_eq!(sequence(&read(&state).unwrap()), Some(8));
}

#[test]
fn what_is_offered_before_a_late_opening_is_read_is_not_written_over_what_it_found() {
    let root = tempfile::tempdir().unwrap();
    let (state, elsewhere) = (root.path().join("state"), root.path().join("elsewhere"));
    open(&elsewhere).keep(7).unwrap();
    fs::write(&state, "").unwrap();
    let (mut store, _, woken) = start(&state);
    fs::remove_file(&state).unwrap();
    fs::rename(&elsewhere, &state).unwrap();
    assert!(refused(&mut store, &woken, 1).contains("read first"));
    store.offer(record(2));
    assert!(store.poll_saved().unwrap().unwrap_err().reason.contains("read first"));
    let fault = store.close(PATIENCE).unwrap_err().record.unwrap();
    assert!(fault.reason.contains("read first"), "{fault}");
    assert_eq!(sequence(&read(&state).unwrap()), Some(7));
}

#[test]
fn damage_that_is_found_late_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (state, elsewhere) = (root.path().join("state"), root.path().join("elsewhere"));
    let damaged = |folder: &Path| fs::write(folder.join("twin.a"), "rubbish").unwrap();
    fs::create_dir(&elsewhere).unwrap();
    damaged(&elsewhere);
    fs::write(&state, "").unwrap();
    let (store, opening, woken) = start(&state);
    let mut opened = Opened { store, loaded: opening.loaded, woken };
    fs::remove_file(&state).unwrap();
    fs::rename(&elsewhere, &state).unwrap();
    assert_eq!(opened.keep(1), Ok(1));
    let late = opened.store.poll_opening().unwrap();
    assert_eq!((late.loaded.record, late.fault), (None, None));
    assert!(late.loaded.notes[0].to_string().contains("twin.a.corrupt"), "{}", late.loaded.notes[0]);
}

#[test]
fn damage_beside_a_record_that_is_known_is_told_late_without_the_record() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).keep(7).unwrap();
    let obstacle = dir.path().join("twin.b.tmp");
    fs::create_dir(&obstacle).unwrap();
    let (store, opening, woken) = start(dir.path());
    assert!(opening.fault.is_some());
    let mut opened = Opened { store, loaded: opening.loaded, woken };
    fs::remove_dir(&obstacle).unwrap();
    fs::write(dir.path().join("twin.b"), "rubbish").unwrap();
    assert_eq!(opened.keep(8), Ok(8));
    let late = opened.store.poll_opening().unwrap();
    assert_eq!((late.loaded.record, late.loaded.notes.len()), (None, 1));
    assert_eq!(sequence(&read(dir.path()).unwrap()), Some(8));
}

#[test]
fn a_pipe_in_the_place_of_a_generation_holds_nobody_up() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).keep(7).unwrap();
    mknodat(CWD, dir.path().join("twin.b"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let store = FileStore::start(dir.path(), Box::new(|| {})).unwrap();
    let opening = store.wait_opened(Duration::from_secs(10)).unwrap();
    assert_eq!(sequence(&opening.loaded), Some(7));
    let note = opening.loaded.notes[0].to_string();
    assert!(note.contains("twin.b") && note.contains("a named pipe"), "{note}");
}

#[test]
fn closing_writes_the_record_that_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    opened.store.offer(record(7));
    assert_eq!(opened.store.close(PATIENCE), Ok(()));
    assert_eq!(sequence(&read(dir.path()).unwrap()), Some(7));
    assert_eq!(holder(dir.path()), Holder::Nobody);
}

#[test]
fn closing_does_not_wait_longer_than_it_is_told_and_leaves_the_lock_with_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken, go_on) = open_held(dir.path());
    store.offer(record(1));
    woken.recv_timeout(PATIENCE).unwrap();
    assert!(store.close(Duration::ZERO).is_err());
    assert_eq!(holder(dir.path()), Holder::Alive(Some(std::process::id())));
    drop(go_on);
}

#[test]
fn closing_tells_that_the_last_record_was_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    fs::create_dir(dir.path().join("twin.a.tmp")).unwrap();
    opened.store.offer(record(1));
    let fault = opened.store.close(PATIENCE).unwrap_err().record.unwrap();
    assert!(fault.reason.contains("twin.a.tmp"), "{fault}");
}

#[test]
fn opening_tidies_up_after_a_power_cut_and_says_what_was_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    opened.keep(1).unwrap();
    opened.keep(2).unwrap();
    drop(opened);
    fs::write(dir.path().join("twin.b"), "twind-record 1 2 99 0\n").unwrap();
    fs::write(dir.path().join("twin.a.tmp"), "half").unwrap();

    let mut opened = open(dir.path());
    assert_eq!(sequence(&opened.loaded), Some(1));
    assert_eq!(opened.loaded.notes[0].damage, Damage::Length { expected: 99, found: 0 });
    let sentence = opened.loaded.notes[0].to_string();
    assert!(
        sentence.contains("twin.b should hold 99 bytes") && sentence.contains("twin.b.corrupt"),
        "{sentence}"
    );
    assert!(!dir.path().join("twin.a.tmp").exists());

    assert_eq!(opened.keep(2), Ok(2));
    drop(opened);
    let again = open(dir.path()).loaded;
    assert_eq!((sequence(&again), again.notes), (Some(2), vec![]));
}

#[test]
fn two_damaged_generations_mean_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("twin.a"), "").unwrap();
    fs::write(dir.path().join("twin.b"), "rubbish").unwrap();
    let mut opened = open(dir.path());
    assert_eq!((opened.loaded.record.clone(), opened.loaded.notes.len()), (None, 2));
    assert_eq!(opened.keep(1), Ok(1));
    assert_eq!(sequence(&read(dir.path()).unwrap()), Some(1));
}
