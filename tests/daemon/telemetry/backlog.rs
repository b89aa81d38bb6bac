//! While the hub is away messages are on the disk, and all of them arrive, whatever becomes of the processes meanwhile.

use super::{
    BRISK, CALM, Life, PATIENCE, THINGS, configure, duplicates, got, ids_on_disk, is_mark, lives, lose_hub,
    mark, records, ring_files, site, wait_got, wait_mark, wait_sent,
};
use crate::rig::{DEVICE, Rig, eventually_within, say};
use std::sync::Arc;
use twinhub::{Event, Message, Times};

/// Waits until at least so many messages are on the disk.
fn wait_on_disk(rig: &Rig, least: usize) -> Vec<String> {
    let find = || Some(ids_on_disk(rig)).filter(|ids| ids.len() >= least);
    eventually_within(PATIENCE, "messages on the disk", find, || format!("{:#}", rig.status()))
}

/// The ids in the order in which they came first.
fn first_arrivals(messages: &[Arc<Message>]) -> Vec<&str> {
    let mut ids = Vec::new();
    for id in messages.iter().map(|message| message.id().unwrap()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// Each process's messages are all there, each sample is whole, and each message was made after its last record.
fn assert_complete(lives: &[Life]) {
    for life in lives {
        life.assert_whole();
        assert!(!life.samples(&THINGS).is_empty());
        for message in life.messages.values() {
            let created = message.creation_time().unwrap();
            assert!(
                records(message).iter().all(|record| record["time"].as_str().unwrap() <= created),
                "{message:?}"
            );
        }
    }
}

#[test]
fn what_was_measured_while_the_hub_was_away_arrives_whole_and_the_oldest_first_though_the_daemon_is_killed() {
    let rig = site(BRISK);
    let first = rig.start_synced();
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    lose_hub(&rig);
    let kept_first = wait_on_disk(&rig, 3);
    let page = say(&mut rig.command(&["status"])).out;
    assert!(page.contains("telemetry waits to be sent: ") && page.contains(" on the disk "), "{page}");
    first.kill();

    let second = rig.start();
    let kept = wait_on_disk(&rig, kept_first.len() + 3);
    // The mark is in the last batch, unless the hub is back before.
    mark(&rig, 35);
    let before = got(&rig).len();
    rig.hub.resume_listening().unwrap();
    wait_got(&rig, "some of it", |messages| messages.len() > before + 1);
    second.kill();

    let third = rig.start();
    third.wait_log("telemetry messages that were kept are being sent, the oldest first");
    wait_sent(&rig);
    third.wait_log("all telemetry that was kept has been sent");
    mark(&rig, 45);
    wait_mark(&rig, 45);
    let messages = got(&rig);
    let lives = lives(&messages);
    assert_eq!(lives.len(), 3);
    assert_complete(&lives);
    let arrived = first_arrivals(&messages[before..]);
    let on_disk: Vec<&str> = kept.iter().map(String::as_str).filter(|id| arrived.contains(id)).collect();
    let in_order: Vec<&str> = arrived.iter().copied().filter(|id| on_disk.contains(id)).collect();
    assert_eq!(in_order, on_disk, "the oldest first");
    let all: Vec<_> = messages.iter().map(|message| message.id().unwrap()).collect();
    for id in kept_first.iter().chain(&kept) {
        assert!(all.contains(&id.as_str()), "{id} is missing");
    }
    // Both processes went on measuring without a hub.
    assert!(kept.iter().any(|id| id.starts_with(&lives[0].prefix)), "{kept:?}");
    assert!(kept.iter().any(|id| id.starts_with(&lives[1].prefix)), "{kept:?}");
    drop(third);
}

#[test]
fn a_message_that_was_stored_but_not_acknowledged_comes_again_with_its_id_and_its_body() {
    let rig = site(BRISK);
    let daemon = rig.start_synced();
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    rig.hub.hub().faults().close_after_telemetry(Times::Next(1));
    let after = rig.hub.hub().last_sequence();
    rig.wait_event(after, |event| matches!(event, Event::Disconnected { .. }));
    let cut = wait_got(&rig, "the stored message again", |messages| duplicates(messages) > 0).len();
    // What follows is new.
    mark(&rig, 35);
    wait_mark(&rig, 35);
    wait_got(&rig, "more", |messages| messages.len() > cut + 1);
    let messages = got(&rig);
    assert_eq!(duplicates(&messages), 1);
    let lives = lives(&messages);
    assert_eq!(lives.len(), 1);
    assert_complete(&lives);
    // It never touched the disk.
    assert_eq!(ids_on_disk(&rig), [""; 0]);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_message_that_was_stored_before_the_daemon_was_killed_comes_again_from_the_disk_with_its_id_and_its_body()
{
    let rig = site(BRISK);
    let first = rig.start_synced();
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    rig.hub.hub().faults().drop_pubacks(Times::UntilCleared);
    // Those that are not acknowledged in time are kept.
    wait_on_disk(&rig, 2);
    first.kill();
    let kept = ids_on_disk(&rig);
    let stored: Vec<String> = got(&rig).iter().map(|message| message.id().unwrap().to_owned()).collect();
    let both = kept.iter().filter(|id| stored.contains(id)).count();
    assert!(both > 0, "{kept:?}, {stored:?}");
    rig.hub.hub().faults().clear();
    let _second = rig.start_synced();
    wait_sent(&rig);
    let messages = got(&rig);
    let lives = lives(&messages);
    assert_complete(&lives[1..]);
    assert!(lives[0].samples(&THINGS).len() > 1);
    // Kept, and so sent, are all that was unacknowledged, and none twice but these.
    for id in &kept {
        let times = messages.iter().filter(|message| message.id() == Some(id)).count();
        assert_eq!(times, if stored.contains(id) { 2 } else { 1 }, "{id}");
    }
    assert_eq!(duplicates(&messages), both);
}

#[test]
fn an_orderly_restart_without_a_hub_loses_nothing_and_numbers_go_on() {
    let rig = site(BRISK);
    lose_hub(&rig);
    for percent in [35, 0, 45] {
        let daemon = rig.start();
        let before = ids_on_disk(&rig).len();
        wait_on_disk(&rig, before + 1);
        mark(&rig, percent);
        assert!(daemon.stop().success());
    }
    let kept = ids_on_disk(&rig);
    assert!(ring_files(&rig).contains(&"messages.00000001".to_owned()), "{:?}", ring_files(&rig));
    configure(&rig, CALM);
    rig.hub.resume_listening().unwrap();
    let _daemon = rig.start_synced();
    wait_sent(&rig);
    let messages = got(&rig);
    let lives = lives(&messages);
    assert_complete(&lives[..3]);
    assert_eq!(duplicates(&messages), 0);
    for (life, percent) in lives.iter().zip([35, 0, 45]) {
        assert!(life.records().iter().any(|record| is_mark(record, percent)), "{percent}");
    }
    let arrived = first_arrivals(&messages);
    let backlog: Vec<_> = arrived.into_iter().filter(|id| kept.iter().any(|kept| kept == id)).collect();
    assert_eq!(backlog, kept);
    assert!(rig.hub.hub().is_connected(DEVICE));
}
