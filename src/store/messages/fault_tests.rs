//! What the ring does when the disk fails, or holds something else than was written.

use super::disk::{Disk, Step};
use super::tests::{PLENTY, Rig, all, carry_out, message, open};
use super::*;
use crate::telemetry::Holds;
use std::fs;

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
                let (holds, lost) = rig.open(PLENTY);
                assert_eq!((holds.messages, lost), (expected.len() as u64, 0), "{case}");
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

#[test]
fn a_note_that_failed_is_written_with_the_next_one() {
    let mut rig = Rig::new(PLENTY);
    rig.keep(1..=5, 100);
    rig.fail(Step::Head, std::io::ErrorKind::StorageFull);
    rig.forget([1, 2]);
    rig.mend();
    // The first message that is not done is the same.
    rig.forget([5]);
    rig.restart();
    rig.open(PLENTY);
    assert_eq!(rig.numbers(), [3, 4, 5]);
}
