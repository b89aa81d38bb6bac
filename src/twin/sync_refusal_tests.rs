//! What the hub refuses, for now or for good.

use super::*;

#[test]
fn a_fetch_that_is_refused_is_tried_again_after_pauses_that_grow_to_a_bound() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    let mut pauses = Vec::new();
    for _ in 0..11 {
        let Some(HubRequest::GetTwin { rid }) = rig.sync.poll_request() else { panic!() };
        rig.reject(rid, 503);
        let from = rig.now;
        assert_eq!(rig.wait(), "fetching the twin again");
        pauses.push(rig.now.since(from).as_secs());
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn a_report_refused_for_good_is_set_aside_until_another_is_wanted() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": "bad"}));
    let (rid, _) = rig.report();
    rig.reject(rid, 400);
    let refused = SyncNotice::ReportRefused { property: "x".into(), status: 400, message: "no".into() };
    assert_eq!(rig.notices(), [refused]);
    rig.want(json!({"x": "bad"}));
    assert_eq!((rig.sync.poll_request(), rig.sync.is_settled()), (None, true));
    assert_eq!(rig.sync.poll_timeout().unwrap().1, "refreshing the twin");
    rig.want(json!({"x": "good"}));
    assert_eq!(rig.report().1, patch(json!({"x": "good"})));
}

#[test]
fn a_refusal_sets_aside_what_was_sent_and_not_what_is_wanted_since() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": "bad"}));
    let (rid, _) = rig.report();
    rig.want(json!({"x": "good"}));
    rig.reject(rid, 400);
    assert_eq!(rig.report().1, patch(json!({"x": "good"})));
}

#[test]
fn one_bad_property_is_found_by_halving_and_does_not_block_the_rest() {
    let mut rig = Rig::synced();
    rig.want(json!({"a": 1, "b": {"bad": 2}, "c": 3, "d": 4}));
    let mut told = Section::default();
    for _ in 0..10 {
        let Some(HubRequest::PatchReported { rid, patch }) = rig.sync.poll_request() else { break };
        if patch.leaves().iter().any(|(leaf, _)| *leaf == path("b.bad")) {
            rig.reject(rid, 400);
        } else {
            told.apply(&patch);
            rig.ack(rid);
        }
    }
    assert_eq!(told, section(json!({"a": 1, "c": 3, "d": 4})));
    assert!(rig.sync.is_settled());
    assert_eq!(rig.notices().len(), 1, "said once, for the property");
}

#[test]
fn values_to_send_again_are_not_lost_in_a_search() {
    let mut rig = Rig::synced();
    rig.want(json!({"n": 1, "m": 1}));
    let (rid, _) = rig.report();
    rig.ack(rid);
    rig.sync.touch(vec![path("n"), path("m")]);
    rig.want(json!({"n": 1, "m": 1, "bad": 1}));
    let (rid, _) = rig.report();
    rig.reject(rid, 400);
    let mut again = Vec::new();
    while let Some(HubRequest::PatchReported { rid, patch }) = rig.sync.poll_request() {
        let leaves = patch.leaves();
        if leaves.iter().any(|(leaf, _)| *leaf == path("bad")) {
            rig.reject(rid, 400);
        } else {
            again.extend(leaves.into_iter().map(|(leaf, _)| leaf));
            rig.ack(rid);
        }
    }
    again.sort();
    assert_eq!(again, [path("m"), path("n")]);
}
