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

pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) ring: Ring,
}

impl Rig {
    pub(super) fn new(keep_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Self { ring: Ring::new(dir.path()), dir };
        assert_eq!(rig.open(keep_bytes), (Holds::default(), 0));
        rig
    }

    /// As a new process finds it.
    pub(super) fn restart(&mut self) {
        self.ring = Ring::new(self.dir.path());
    }

    pub(super) fn open(&mut self, keep_bytes: u64) -> (Holds, u64) {
        match &carry_out(&mut self.ring, open(keep_bytes))[..] {
            [RingEvent::Opened { holds, lost, .. }] => (*holds, *lost),
            events => panic!("{events:?}"),
        }
    }

    /// Keeps the messages of these numbers, and returns the records that gave way.
    pub(super) fn keep(&mut self, numbers: impl IntoIterator<Item = u64>, bytes: usize) -> u64 {
        let messages: Vec<_> = numbers.into_iter().map(|number| message(number, bytes)).collect();
        let expected = u64::from(messages[0].records);
        match &carry_out(&mut self.ring, RingRequest::Keep(messages))[..] {
            [RingEvent::Kept { first, dropped, .. }] if *first == expected => *dropped,
            events => panic!("{events:?}"),
        }
    }

    pub(super) fn refused(&mut self, request: RingRequest) -> String {
        match &carry_out(&mut self.ring, request)[..] {
            [RingEvent::Failed { reason, .. }] => reason.clone(),
            events => panic!("{events:?}"),
        }
    }

    pub(super) fn forget(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            assert_eq!(carry_out(&mut self.ring, RingRequest::Forget { number }), []);
        }
    }

    pub(super) fn numbers(&mut self) -> Vec<u64> {
        let (messages, lost) = all(&mut self.ring);
        assert_eq!(lost, 0);
        messages.into_iter().map(|(number, _)| number).collect()
    }

    pub(super) fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A disk that does not take this step from now on.
    pub(super) fn fail(&mut self, failing: Step, reason: std::io::ErrorKind) {
        let before = move |step, _: &Path| if step == failing { Err(reason.into()) } else { Ok(()) };
        self.ring.disk = Disk::new(self.dir.path(), Box::new(before));
    }

    pub(super) fn mend(&mut self) {
        self.ring.disk = Disk::new(self.dir.path(), Box::new(|_, _| Ok(())));
    }
}

pub(super) const PLENTY: u64 = 4 << 20;

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
        assert!(number < 200, "nothing gave way");
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
fn one_message_that_is_larger_than_what_is_read_at_once_is_read_alone() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=2, 100);
    rig.keep(3..=3, 60_000);
    rig.keep(4..=4, 100);
    assert_eq!(rig.numbers(), [1, 2, 3, 4]);
}

#[test]
fn a_number_is_not_used_again_when_the_newest_messages_are_done_first() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=40, 2000);
    rig.forget(30..=40);
    assert_eq!(rig.files(), ["messages.00000001", "messages.00000030"]);
    rig.restart();
    rig.open(PLENTY);
    rig.keep([41], 100);
}
