//! The ring as the core uses it: requests in, events out, by the thread that also writes the record.

use super::tests::{PATIENCE, open_held, record};
use super::{FileStore, holder, read};
use crate::ports::Store as _;
use crate::store::Holder;
use crate::telemetry::{Message, RingEvent, RingFailed, RingRequest};
use core::time::Duration;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};

fn message(id: u64) -> Message {
    Message { id: id.to_string(), records: 1, bytes: 2, body: "[]".into(), ..Message::default() }
}

fn open() -> RingRequest {
    RingRequest::Open { identity: "hub/device".into(), keep_bytes: 1 << 20 }
}

fn keep(id: u64) -> RingRequest {
    RingRequest::Keep(vec![message(id)])
}

fn start(dir: &Path) -> (FileStore, Receiver<()>) {
    let (wake, woken) = mpsc::channel();
    let store = FileStore::start(dir, Box::new(move || wake.send(()).unwrap_or_default())).unwrap();
    store.wait_opened(PATIENCE).unwrap();
    (store, woken)
}

/// The next event.
fn event(store: &mut FileStore, woken: &Receiver<()>) -> RingEvent {
    loop {
        if let Some(event) = store.poll_ring() {
            return event;
        }
        woken.recv_timeout(PATIENCE).unwrap();
    }
}

/// What a new process finds.
fn found(dir: &Path) -> Vec<String> {
    let (mut store, woken) = start(dir);
    store.ring(open());
    store.ring(RingRequest::Read { after: 0 });
    assert!(matches!(event(&mut store, &woken), RingEvent::Opened { lost: 0, .. }));
    let RingEvent::Read { messages, lost: 0 } = event(&mut store, &woken) else { panic!("not read") };
    messages.into_iter().map(|(_, message)| message.id).collect()
}

#[test]
fn what_is_kept_is_read_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken) = start(dir.path());
    store.ring(open());
    store.ring(keep(7));
    store.ring(keep(8));
    store.ring(RingRequest::Forget { number: 1 });
    store.ring(RingRequest::Read { after: 0 });
    assert!(matches!(event(&mut store, &woken), RingEvent::Opened { .. }));
    assert!(matches!(event(&mut store, &woken), RingEvent::Kept { first: 1, .. }));
    assert!(matches!(event(&mut store, &woken), RingEvent::Kept { first: 2, .. }));
    let read = RingEvent::Read { messages: vec![(2, message(8))], lost: 0 };
    assert_eq!(event(&mut store, &woken), read);
    drop(store);
    assert_eq!(found(dir.path()), ["8"]);
}

#[test]
fn closing_keeps_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken, go_on) = open_held(dir.path());
    store.ring(open());
    woken.recv_timeout(PATIENCE).unwrap();
    // The thread stands still until then.
    (1..=10).for_each(|id| store.ring(keep(id)));
    store.ring(RingRequest::Read { after: 0 });
    store.ring(RingRequest::Forget { number: 1 });
    store.offer(record(3));
    drop(go_on);
    store.close(PATIENCE).unwrap();
    assert_eq!(found(dir.path()), ["2", "3", "4", "5"]);
    assert_eq!(read(dir.path()).unwrap().record.unwrap().sequence, 3);
}

#[test]
fn closing_tells_that_messages_were_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _woken) = start(dir.path());
    fs::create_dir(dir.path().join("messages.00000001")).unwrap();
    store.ring(open());
    store.ring(keep(1));
    let unsaved = store.close(PATIENCE).unwrap_err();
    assert_eq!(unsaved.record, None);
    assert!(unsaved.messages.unwrap().reason.contains("messages.00000001"));
}

#[test]
fn a_close_that_cannot_wait_says_what_was_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken, go_on) = open_held(dir.path());
    store.ring(open());
    woken.recv_timeout(PATIENCE).unwrap();
    store.ring(keep(1));
    let unsaved = store.close(Duration::ZERO).unwrap_err();
    assert_eq!(unsaved.record, None);
    assert!(unsaved.messages.unwrap().reason.ends_with("to write the last messages"));
    drop(go_on);
}

#[test]
fn a_record_does_not_wait_behind_messages() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken, go_on) = open_held(dir.path());
    store.ring(open());
    woken.recv_timeout(PATIENCE).unwrap();
    (1..=10).for_each(|id| store.ring(keep(id)));
    store.offer(record(3));
    go_on.send(()).unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(store.poll_saved(), Some(Ok(3)));
    assert!(matches!(store.poll_ring(), Some(RingEvent::Opened { .. })));
    assert_eq!(store.poll_ring(), None);
    drop(go_on);
}

#[test]
fn requests_that_do_not_fit_are_answered_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, woken, go_on) = open_held(dir.path());
    store.ring(open());
    woken.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(store.poll_ring(), Some(RingEvent::Opened { .. })));
    (1..=64).for_each(|id| store.ring(keep(id)));
    assert_eq!(store.poll_ring(), None);
    store.ring(keep(65));
    store.ring(RingRequest::Read { after: 0 });
    for kind in [RingFailed::Keep, RingFailed::Read] {
        let Some(RingEvent::Failed { request, reason }) = store.poll_ring() else { panic!("no answer") };
        assert_eq!((request, reason.as_str()), (kind, "the disk is slow: 64 requests wait"));
    }
    drop(go_on);
    for number in 1..=64 {
        assert!(matches!(event(&mut store, &woken), RingEvent::Kept { first, .. } if first == number));
    }
}

#[test]
fn nothing_is_written_to_another_daemons_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, first_woken) = start(dir.path());
    let (mut second, woken) = start(dir.path());
    second.ring(open());
    second.ring(keep(1));
    for kind in [RingFailed::Open, RingFailed::Keep] {
        let RingEvent::Failed { request, reason } = event(&mut second, &woken) else { panic!("it is open") };
        assert_eq!(request, kind);
        assert!(reason.contains("is using the state directory"), "{reason}");
    }
    first.ring(open());
    assert!(matches!(event(&mut first, &first_woken), RingEvent::Opened { .. }));
    drop(first);
    assert_eq!(holder(dir.path()), Holder::Nobody);
    second.ring(keep(1));
    assert!(matches!(event(&mut second, &woken), RingEvent::Opened { .. }));
    assert!(matches!(event(&mut second, &woken), RingEvent::Kept { first: 1, .. }));
}

#[test]
fn a_directory_that_comes_back_late_is_opened_by_the_ring_and_its_record_is_told_and_stays() {
    let root = tempfile::tempdir().unwrap();
    let (state, elsewhere) = (root.path().join("state"), root.path().join("elsewhere"));
    let (mut store, woken) = start(&elsewhere);
    store.offer(record(7));
    woken.recv_timeout(PATIENCE).unwrap();
    drop(store);
    fs::write(&state, "").unwrap();
    let (mut store, woken) = start(&state);
    fs::remove_file(&state).unwrap();
    fs::rename(&elsewhere, &state).unwrap();
    store.ring(open());
    assert!(matches!(event(&mut store, &woken), RingEvent::Opened { .. }));
    store.offer(record(1));
    assert!(store.poll_saved().unwrap().is_err());
    assert_eq!(store.poll_opening().unwrap().loaded.record.unwrap().sequence, 7);
    assert_eq!(read(&state).unwrap().record.unwrap().sequence, 7);
}
