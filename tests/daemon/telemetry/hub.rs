//! A hub that does not acknowledge, or not soon: the twin goes on, and messages arrive in the end.

use super::{
    BRISK, THINGS, duplicates, got, ids_on_disk, lives, mark, reload, site, wait_count, wait_got, wait_mark,
    wait_sent,
};
use serde_json::json;
use std::time::Duration;
use twinhub::{Event, Throttle, Times};

/// Each sample is a message of its own.
const BUSY: &str = "\n[telemetry]\ninterval = \"1s\"\nsend-every = \"1s\"\n";

#[test]
fn while_the_hub_acknowledges_no_message_the_twin_goes_on_and_later_all_of_them_arrive() {
    let rig = site(BUSY);
    let daemon = rig.start_synced();
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    rig.hub.hub().faults().drop_pubacks(Times::UntilCleared);
    let after = rig.hub.hub().last_sequence();
    let withheld = got(&rig).len();
    // No more than these are under way.
    wait_got(&rig, "what may be under way", |messages| messages.len() >= withheld + 4);
    let version = rig.desire(json!({"patchId": "meanwhile"}));
    rig.wait_reported("its acknowledgement", |told| told["desiredVersion"] == version);
    wait_count(&rig, "keptMessages", |kept| kept > 4);
    // A link that acknowledges nothing for a minute is given up, and the twin is there again on the next one.
    super::eventually_within(
        super::PATIENCE,
        "a new link",
        || (rig.count_events(after, |event| matches!(event, Event::Connected { .. })) > 0).then_some(()),
        || daemon.log(),
    );
    let version = rig.desire(json!({"patchId": "on the next link"}));
    rig.wait_reported("its acknowledgement", |told| told["desiredVersion"] == version);
    rig.hub.hub().faults().clear();
    reload(&rig, super::CALM);
    mark(&rig, 35);
    wait_mark(&rig, 35);
    wait_sent(&rig);
    let messages = got(&rig);
    let lives = lives(&messages);
    assert_eq!(lives.len(), 1);
    lives[0].assert_whole();
    assert!(lives[0].samples(&THINGS).len() > 10);
    assert!(duplicates(&messages) >= 4, "those that were under way");
    assert_eq!(rig.status()["telemetry"]["lostRecords"], 0);
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_hub_that_acknowledges_after_messages_were_kept_has_each_of_them_once() {
    let rig = site(BUSY);
    let daemon = rig.start_synced();
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    // Longer than a message waits before it is kept.
    rig.hub.hub().faults().delay_pubacks(Duration::from_secs(12));
    let kept = wait_count(&rig, "keptMessages", |kept| kept > 8);
    assert!(!ids_on_disk(&rig).is_empty());
    let version = rig.desire(json!({"patchId": "meanwhile"}));
    rig.wait_reported("its acknowledgement", |told| told["desiredVersion"] == version);
    // A reload that opens the ring again does not have those under way sent twice.
    reload(&rig, &format!("{BUSY}keep = \"5 MiB\"\n"));
    wait_got(&rig, "some of those kept", |messages| messages.len() as u64 > kept);
    rig.hub.hub().faults().delay_pubacks(Duration::ZERO);
    mark(&rig, 35);
    wait_mark(&rig, 35);
    wait_sent(&rig);
    let messages = got(&rig);
    lives(&messages)[0].assert_whole();
    assert_eq!(rig.count_events(0, |event| matches!(event, Event::Connected { .. })), 1, "{}", daemon.log());
    assert_eq!(duplicates(&messages), 0);
}

#[test]
fn a_hub_that_ends_connections_for_too_many_messages_gets_them_all_in_the_end_and_the_twin_goes_on() {
    let rig = site(BRISK);
    let _daemon = rig.start_synced();
    wait_got(&rig, "a message", |messages| !messages.is_empty());
    rig.hub.hub().faults().throttle_telemetry(Some(Throttle { delay: Duration::ZERO, admitted: 0 }));
    let after = rig.hub.hub().last_sequence();
    let refused = |event: &Event| matches!(event, Event::Disconnected { .. });
    super::eventually_within(
        super::PATIENCE,
        "two refusals",
        || (rig.count_events(after, refused) > 1).then_some(()),
        || format!("{:#}", rig.status()),
    );
    // Messages wait from now on, and the connection stands.
    wait_count(&rig, "keptMessages", |kept| kept > 0);
    let version = rig.desire(json!({"patchId": "meanwhile"}));
    rig.wait_reported("its acknowledgement", |told| told["desiredVersion"] == version);
    rig.hub.hub().faults().clear();
    mark(&rig, 35);
    wait_mark(&rig, 35);
    wait_sent(&rig);
    let messages = got(&rig);
    lives(&messages)[0].assert_whole();
    assert_eq!(duplicates(&messages), 0, "the hub took none of those that it refused");
}
