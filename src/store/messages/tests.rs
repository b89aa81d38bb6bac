//! The rules of the ring, one by one.

use super::disk::{Disk, Step};
use super::*;
use crate::telemetry::Holds;
use crate::units::{BootId, UnixSeconds};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

pub(super) const IDENTITY: &str = "hub.example/device";

/// A message with as many records as its number says, and so many bytes.
pub(super) fn message(number: u64, bytes: usize) -> Message {
    let boot = BootId(u128::from(number / 10));
    Message {
        id: format!("id-{number}"),
        records: number as u32,
        boot: Some(boot),
        booted: Some(UnixSeconds(1000 + number)),
        bytes: bytes as u32 + 2,
        body: format!("[{}]", "x".repeat(bytes)),
        ..Message::default()
    }
}

pub(super) fn carry_out(ring: &mut Ring, request: RingRequest) -> Vec<RingEvent> {
    let mut events = Vec::new();
    ring.carry_out(request, Ok(()), |event| events.push(event));
    events
}

pub(super) fn open(keep_bytes: u64) -> RingRequest {
    RingRequest::Open { identity: IDENTITY.to_owned(), keep_bytes }
}

/// What can be read, and the records that are lost.
pub(super) fn all(ring: &mut Ring) -> (Vec<(u64, Message)>, u64) {
    let (mut found, mut lost, mut after) = (Vec::new(), 0, 0);
    loop {
        let events = carry_out(ring, RingRequest::Read { after });
        let [RingEvent::Read { messages, lost: more }] = &events[..] else { panic!("{events:?}") };
        lost += more;
        let Some((last, _)) = messages.last() else { return (found, lost) };
        let bytes: usize = messages.iter().map(|(_, message)| message.encode().len()).sum();
        assert!(messages.len() <= READ_MESSAGES_MAX && (bytes <= READ_BYTES_MAX || messages.len() == 1));
        assert!(messages[0].0 > after && messages.is_sorted_by_key(|(number, _)| *number));
        after = *last;
        found.extend(messages.iter().cloned());
    }
}

struct Rig {
    dir: tempfile::TempDir,
    ring: Ring,
}

impl Rig {
    fn new(keep_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Self { ring: Ring::new(dir.path()), dir };
        assert_eq!(rig.open(keep_bytes), (Holds::default(), 0));
        rig
    }

    /// As a new process finds it.
    fn restart(&mut self) {
        self.ring = Ring::new(self.dir.path());
    }

    fn open(&mut self, keep_bytes: u64) -> (Holds, u64) {
        match &carry_out(&mut self.ring, open(keep_bytes))[..] {
            [RingEvent::Opened { holds, lost, .. }] => (*holds, *lost),
            events => panic!("{events:?}"),
        }
    }

    /// Keeps the messages of these numbers, and returns the records that gave way.
    fn keep(&mut self, numbers: impl IntoIterator<Item = u64>, bytes: usize) -> u64 {
        let messages: Vec<_> = numbers.into_iter().map(|number| message(number, bytes)).collect();
        let expected = u64::from(messages[0].records);
        match &carry_out(&mut self.ring, RingRequest::Keep(messages))[..] {
            [RingEvent::Kept { first, dropped, .. }] if *first == expected => *dropped,
            events => panic!("{events:?}"),
        }
    }

    fn refused(&mut self, request: RingRequest) -> String {
        match &carry_out(&mut self.ring, request)[..] {
            [RingEvent::Failed { reason, .. }] => reason.clone(),
            events => panic!("{events:?}"),
        }
    }

    fn forget(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            assert_eq!(carry_out(&mut self.ring, RingRequest::Forget { number }), []);
        }
    }

    fn numbers(&mut self) -> Vec<u64> {
        let (messages, lost) = all(&mut self.ring);
        assert_eq!(lost, 0);
        messages.into_iter().map(|(number, _)| number).collect()
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A disk that does not take this step from now on.
    fn fail(&mut self, failing: Step, reason: std::io::ErrorKind) {
        let before = move |step, _: &Path| if step == failing { Err(reason.into()) } else { Ok(()) };
        self.ring.disk = Disk::new(self.dir.path(), Box::new(before));
    }

    fn mend(&mut self) {
        self.ring.disk = Disk::new(self.dir.path(), Box::new(|_, _| Ok(())));
    }
}

const PLENTY: u64 = 4 << 20;

#[test]
fn what_is_kept_is_read_in_order_and_again_after_a_restart() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=3, 100);
    rig.keep(4..=9, 100);
    let expected: Vec<_> = (1..=9).map(|number| (number, message(number, 100))).collect();
    assert_eq!(all(&mut rig.ring), (expected.clone(), 0));
    rig.restart();
    let bytes = fs::metadata(rig.path("messages.00000001")).unwrap().len();
    assert_eq!(rig.open(PLENTY), (Holds { messages: 9, bytes }, 0));
    assert_eq!(all(&mut rig.ring), (expected, 0));
    rig.keep(10..=10, 100);
    assert_eq!(rig.files(), ["messages.00000001"], "an intact segment is written on");
}

#[test]
fn nothing_is_touched_before_it_is_opened() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=3, 100);
    rig.restart();
    let before = fs::read(rig.path("messages.00000001")).unwrap();
    assert_eq!(rig.refused(RingRequest::Keep(vec![message(4, 9)])), "the ring of messages is not open");
    assert_eq!(rig.refused(RingRequest::Read { after: 0 }), "the ring of messages is not open");
    rig.forget(1..=3);
    assert_eq!(
        (rig.files(), fs::read(rig.path("messages.00000001")).unwrap()),
        (vec!["messages.00000001".into()], before)
    );
}

#[test]
fn an_empty_ring_writes_nothing_and_keeping_nothing_neither() {
    let mut rig = Rig::new(PLENTY);
    assert_eq!(rig.numbers(), [0; 0]);
    let kept = carry_out(&mut rig.ring, RingRequest::Keep(Vec::new()));
    assert_eq!(kept, [RingEvent::Kept { first: 1, holds: Holds::default(), dropped: 0 }]);
    assert_eq!(rig.files(), [""; 0]);
}

#[test]
fn a_segment_that_is_full_is_followed_by_another_and_others_may_not_read_it() {
    let mut rig = Rig::new(PLENTY);
    for number in 1..=100 {
        rig.keep([number], 2000);
    }
    let files = rig.files();
    assert!((4..6).contains(&files.len()), "{files:?}");
    for file in &files {
        let found = fs::metadata(rig.path(file)).unwrap();
        assert!(found.len() <= FILE_BYTES_MAX as u64, "{file}: {}", found.len());
        assert_eq!(found.permissions().mode() & 0o077, 0);
    }
    rig.keep(101..=200, 2000);
    assert_eq!(rig.numbers(), (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_segment_goes_once_all_its_messages_are_done() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=40, 2000);
    assert_eq!(rig.files(), ["messages.00000001", "messages.00000030"]);
    rig.forget((1..=29).rev());
    assert_eq!(rig.files(), ["messages.00000030", "messages.head"]);
    rig.forget(30..=40);
    assert_eq!(rig.files(), ["messages.head"]);
    rig.keep([41], 100);
    assert_eq!(rig.numbers(), [41]);
}

#[test]
fn what_is_done_stays_done_over_a_restart_and_numbers_never_fall() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=9, 100);
    rig.forget(1..=4);
    rig.restart();
    assert_eq!(rig.open(PLENTY).0.messages, 5);
    assert_eq!(rig.numbers(), [5, 6, 7, 8, 9]);
    rig.forget(5..=9);
    rig.restart();
    assert_eq!(rig.open(PLENTY), (Holds::default(), 0));
    rig.keep([10], 100);
    // One that is forgotten twice, or was never kept.
    rig.forget([3, 10, 10, 11, u64::MAX]);
    assert_eq!(rig.files(), ["messages.head"]);
}

#[test]
fn a_note_that_is_missing_or_torn_means_from_the_first() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=5, 100);
    rig.forget(1..=2);
    let note = fs::read(rig.path("messages.head")).unwrap();
    for length in 0..note.len() {
        fs::write(rig.path("messages.head"), &note[..length]).unwrap();
        rig.restart();
        rig.open(PLENTY);
        assert_eq!(rig.numbers(), [1, 2, 3, 4, 5], "cut to {length} bytes");
        assert!(!rig.path("messages.head").exists(), "it could speak of other messages later");
    }
    rig.forget([1, 2, 3]);
    rig.restart();
    rig.open(PLENTY);
    assert_eq!(rig.numbers(), [4, 5]);
}

#[test]
fn opening_again_in_the_same_process_forgets_nothing_that_it_knew() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=5, 100);
    rig.forget([2, 4]);
    rig.open(PLENTY);
    assert_eq!(rig.numbers(), [1, 3, 5]);
}

#[test]
fn the_oldest_segments_give_way_and_their_records_are_counted() {
    let keep_bytes = 100_000;
    let mut rig = Rig::new(keep_bytes);
    let (mut dropped, mut number) = (0, 0);
    while dropped == 0 {
        number += 1;
        dropped = rig.keep([number], 1000);
        let segments = rig.files().into_iter().filter(|file| file != "messages.head");
        let bytes: u64 = segments.map(|file| fs::metadata(rig.path(&file)).unwrap().len()).sum();
        assert!(bytes <= keep_bytes && rig.ring.books.holds().bytes == bytes, "{bytes}");
    }
    let left = rig.numbers();
    assert_eq!(dropped, (1..left[0]).sum::<u64>());
    assert_eq!(left, (left[0]..=number).collect::<Vec<_>>());
    assert!(left.len() > 70, "a sixteenth goes at once: {}", left.len());
}

#[test]
fn what_is_done_is_not_counted_when_it_gives_way() {
    let mut rig = Rig::new(20_000);
    rig.keep(1..=3, 1000);
    rig.forget([1, 3]);
    let dropped: u64 = (4..=20).map(|number| rig.keep([number], 1000)).sum();
    let left = rig.numbers();
    assert_eq!(dropped, 2 + (4..left[0]).sum::<u64>());
}

#[test]
fn messages_larger_than_the_ring_are_refused_and_leave_the_others() {
    let mut rig = Rig::new(20_000);
    rig.keep(1..=3, 1000);
    let many = (4..=30).map(|number| message(number, 1000)).collect();
    let told = rig.refused(RingRequest::Keep(many));
    assert!(told.starts_with("27 messages have ") && told.ends_with("keep is 20000 (raise it)"), "{told}");
    let told = rig.refused(RingRequest::Keep(vec![message(4, 70_000)]));
    assert_eq!(told, "a message has more than 63488 bytes");
    assert_eq!(rig.numbers(), [1, 2, 3]);
}

#[test]
fn a_smaller_ring_is_trimmed_when_it_is_opened() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=100, 2000);
    let (holds, lost) = rig.open(150_000);
    assert!(holds.bytes <= 150_000);
    let left = rig.numbers();
    assert_eq!(lost, (1..left[0]).sum::<u64>());
    assert_eq!((left.len() as u64, left.last()), (holds.messages, Some(&100)));
}

#[test]
fn what_another_identity_left_is_removed_and_counted() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=4, 100);
    rig.forget([1]);
    let other = RingRequest::Open { identity: "hub.example/another".into(), keep_bytes: PLENTY };
    let events = carry_out(&mut rig.ring, other);
    let [RingEvent::Opened { holds, boots, lost }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*holds, boots.len(), *lost), (Holds::default(), 0, 2 + 3 + 4));
    assert_eq!(rig.files(), ["messages.head"]);
    rig.keep([5], 100);
    assert_eq!(rig.numbers(), [5]);
}

#[test]
fn the_latest_boots_are_told_one_beginning_for_each() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=1000, 100);
    rig.restart();
    let events = carry_out(&mut rig.ring, open(PLENTY));
    let [RingEvent::Opened { boots, .. }] = &events[..] else { panic!("{events:?}") };
    let of = |boot: u64| (BootId(boot.into()), UnixSeconds(1000 + (boot * 10 + 9).min(1000)));
    assert_eq!(boots, &(37..=100).map(of).collect::<Vec<_>>());
}

#[test]
fn a_segment_of_a_later_twind_is_set_aside() {
    let mut rig = Rig::new(PLENTY);
    fs::write(rig.path("messages.00000007"), "twind-messages 2 whatever comes\n").unwrap();
    assert_eq!(rig.open(PLENTY), (Holds::default(), 0));
    assert_eq!(rig.files(), ["messages.00000007.newer"]);
    rig.open(PLENTY);
    rig.keep([8], 100);
    assert_eq!(rig.numbers(), [8]);
}

#[test]
fn a_segment_with_no_header_goes_and_what_can_be_counted_of_it_is() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=40, 2000);
    let path = rig.path("messages.00000001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] = 0;
    fs::write(&path, bytes).unwrap();
    rig.restart();
    let (holds, lost) = rig.open(PLENTY);
    assert_eq!((holds.messages, lost), (11, (1..=29).sum()));
    fs::write(rig.path("messages.00000030"), "rubbish").unwrap();
    rig.restart();
    assert_eq!(rig.open(PLENTY), (Holds::default(), 0));
    assert_eq!(rig.files(), [""; 0]);
}

#[test]
fn a_damaged_message_is_skipped_and_counted_once() {
    for is_read in [true, false] {
        let mut rig = Rig::new(PLENTY);
        rig.keep(1..=9, 100);
        let path = rig.path("messages.00000001");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(5).position(|found| found == b"id-5\"").unwrap();
        bytes[at + 1] = b'D';
        fs::write(&path, bytes).unwrap();
        if !is_read {
            rig.restart();
            assert_eq!(rig.open(PLENTY).1, 5);
        }
        let (messages, lost) = all(&mut rig.ring);
        assert_eq!(messages.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(lost, if is_read { 5 } else { 0 });
        assert_eq!(rig.numbers().len(), 8, "it is counted once");
        rig.forget([1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(rig.files(), ["messages.head"]);
    }
}

#[test]
fn segments_that_somebody_removed_are_counted_and_nothing_waits_for_them() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=40, 2000);
    rig.forget([1]);
    fs::remove_file(rig.path("messages.00000001")).unwrap();
    let (messages, lost) = all(&mut rig.ring);
    assert_eq!((messages.len(), messages[0].0, lost), (11, 30, (2..=29).sum()));
    fs::remove_file(rig.path("messages.00000030")).unwrap();
    rig.keep([41], 100);
    let (messages, lost) = all(&mut rig.ring);
    assert_eq!((messages.len(), lost), (1, (30..=40).sum()));
}

#[test]
fn nothing_is_written_behind_what_is_no_message() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=3, 100);
    let path = rig.path("messages.00000001");
    for rubbish in [&b"message 4 "[..], b"\0\0\0\0", b"\n"] {
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(rubbish);
        fs::write(&path, &bytes).unwrap();
        rig.restart();
        assert_eq!(rig.open(PLENTY).0.messages, 3);
    }
    rig.keep([4], 100);
    assert_eq!(rig.files(), ["messages.00000001", "messages.00000004"]);
    assert_eq!(rig.numbers(), [1, 2, 3, 4]);
}

#[test]
fn a_failed_write_leaves_none_of_its_messages_and_the_next_one_works() {
    use std::io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
    for failing in [Step::Create, Step::Write, Step::SyncFile, Step::SyncDirectory] {
        for undo in [None, Some(Step::Truncate), Some(Step::Unlink)] {
            for (before, bytes) in [(0, 100), (3, 100), (3, 30_000)] {
                let mut rig = Rig::new(PLENTY);
                if before > 0 {
                    rig.keep(1..=before, 100);
                }
                let fails = move |step, _: &Path| match step {
                    _ if step == failing => Err(StorageFull.into()),
                    _ if Some(step) == undo => Err(ReadOnlyFilesystem.into()),
                    _ => Ok(()),
                };
                rig.ring.disk = Disk::new(rig.dir.path(), Box::new(fails));
                let messages: Vec<_> =
                    (before + 1..=before + 4).map(|number| message(number, bytes)).collect();
                let outcome = carry_out(&mut rig.ring, RingRequest::Keep(messages));
                let case = format!("{failing:?}, {undo:?}, {before} before, {bytes} bytes");
                let expected: Vec<_> = match &outcome[..] {
                    [RingEvent::Failed { request: RingFailed::Keep, reason }] => {
                        assert!(reason.ends_with("(make room: df -h shows bytes, df -i inodes)"), "{reason}");
                        (1..=before).collect()
                    }
                    _ => (1..=before + 4).collect(),
                };
                assert_eq!(rig.numbers(), expected, "{case}");
                rig.mend();
                let next = expected.len() as u64 + 1;
                rig.keep([next], 100);
                rig.keep(next + 1..=next + 20, 100);
                let expected: Vec<_> = (1..=next + 20).collect();
                assert_eq!(rig.numbers(), expected, "{case}");
                rig.restart();
                assert_eq!(rig.open(PLENTY).1, 0, "{case}");
                assert_eq!(rig.numbers(), expected, "{case}");
            }
        }
    }
}

#[test]
fn a_ring_that_cannot_be_opened_is_opened_by_the_messages_to_keep() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let mut rig = Rig { ring: Ring::new(&dir), dir: root };
    let told = rig.refused(open(PLENTY));
    assert!(told.starts_with("cannot read ") && told.contains("state: No such file"), "{told}");
    assert!(rig.refused(RingRequest::Keep(vec![message(1, 9)])).contains("state: No such file"));
    fs::create_dir(&dir).unwrap();
    let events = carry_out(&mut rig.ring, RingRequest::Keep(vec![message(1, 9)]));
    let [RingEvent::Opened { .. }, RingEvent::Kept { first: 1, .. }] = &events[..] else {
        panic!("{events:?}");
    };
}

#[test]
fn nothing_is_done_in_a_directory_that_is_not_ours() {
    let mut rig = Rig::new(PLENTY);
    rig.restart();
    for request in [open(PLENTY), RingRequest::Keep(vec![message(1, 9)])] {
        let mut events = Vec::new();
        rig.ring.carry_out(request, Err(fault("another twind is using it")), |event| events.push(event));
        assert!(
            matches!(&events[..], [RingEvent::Failed { reason, .. }] if reason == "another twind is using it")
        );
    }
    assert_eq!(rig.files(), [""; 0]);
}

#[test]
fn a_directory_in_the_place_of_a_segment_is_named_until_it_is_removed() {
    let mut rig = Rig::new(PLENTY);
    let path = rig.path("messages.00000001");
    fs::create_dir(&path).unwrap();
    let told = rig.refused(RingRequest::Keep(vec![message(1, 9)]));
    assert!(
        told.starts_with("cannot make ") && told.ends_with("(what is in its place is no segment: remove it)"),
        "{told}"
    );
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();
    let events = carry_out(&mut rig.ring, RingRequest::Keep(vec![message(1, 9)]));
    assert!(
        matches!(&events[..], [RingEvent::Opened { .. }, RingEvent::Kept { first: 1, .. }]),
        "{events:?}"
    );
}

#[test]
fn a_segment_that_appeared_is_not_written_over() {
    let mut rig = Rig::new(PLENTY);
    let mut other = Rig::new(PLENTY);
    other.keep(1..=3, 100);
    fs::copy(other.path("messages.00000001"), rig.path("messages.00000001")).unwrap();
    rig.refused(RingRequest::Keep(vec![message(4, 9)]));
    let events = carry_out(&mut rig.ring, RingRequest::Keep(vec![message(4, 9)]));
    assert!(
        matches!(&events[..], [RingEvent::Opened { .. }, RingEvent::Kept { first: 4, .. }]),
        "{events:?}"
    );
    assert_eq!(rig.numbers(), [1, 2, 3, 4]);
}

#[test]
fn odd_things_in_the_place_of_the_note_are_told_and_a_failing_note_harms_nothing() {
    let mut rig = Rig::new(PLENTY);
    fs::create_dir(rig.path("messages.head")).unwrap();
    rig.keep(1..=3, 100);
    rig.forget([1]);
    assert_eq!(rig.numbers(), [2, 3]);
    let told = rig.refused(open(PLENTY));
    assert!(told.ends_with("messages.head: it is no regular file but a directory (remove it)"), "{told}");
    fs::remove_dir(rig.path("messages.head")).unwrap();
    rig.open(PLENTY);
    rig.fail(Step::Unlink, std::io::ErrorKind::ReadOnlyFilesystem);
    rig.forget([2, 3]);
    assert_eq!(rig.files(), ["messages.00000001", "messages.head"]);
    rig.mend();
    rig.keep([4], 100);
    assert_eq!(rig.files(), ["messages.00000004", "messages.head"], "what is done is removed later");
}
