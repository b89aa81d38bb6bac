//! Refusals of the hub.

use super::*;

#[test]
fn a_refused_fetch_is_retried_with_bounded_backoff() {
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

/// After a refusal that asks for a pause of `asked` seconds: the pause, and the notice.
fn pause_after(earlier: u32, asked: Option<u64>) -> (u64, String) {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    for turn in 0..=earlier {
        let Some(HubRequest::GetTwin { rid }) = rig.sync.poll_request() else { panic!() };
        rig.reject_for(rid, 429, asked.filter(|_| turn == earlier));
        if turn < earlier {
            rig.wait();
        }
    }
    let from = rig.now;
    rig.wait();
    assert!(rig.fetches());
    (rig.now.since(from).as_secs(), rig.notices().pop().unwrap().to_string())
}

#[test]
fn the_hub_may_ask_to_wait_before_the_next_fetch() {
    let (pause, notice) = pause_after(0, Some(30));
    assert_eq!(pause, 30);
    assert!(notice.ends_with("requested again in 30 s, as the hub asked"), "{notice}");
    let (pause, notice) = pause_after(0, None);
    assert_eq!(pause, 2);
    assert!(notice.ends_with("requested again in 2 s"), "{notice}");
}

#[test]
fn a_pause_that_the_hub_asks_for_is_bounded_at_both_ends() {
    assert_eq!(pause_after(0, Some(0)).0, 2);
    assert_eq!(pause_after(5, Some(10)).0, 64, "not sooner than without it");
    assert_eq!(pause_after(20, Some(900)).0, 900, "longer than any pause of ours");
    assert_eq!(pause_after(0, Some(u64::MAX)).0, 3600);
}

#[test]
fn the_hub_may_ask_to_wait_before_the_next_report() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": 1}));
    let (rid, _) = rig.report();
    rig.reject_for(rid, 429, Some(45));
    let from = rig.now;
    rig.want(json!({"x": 2}));
    assert_eq!(rig.sync.poll_request(), None);
    assert_eq!(rig.wait(), "sending a report again");
    assert_eq!(rig.now.since(from).as_secs(), 45);
    assert_eq!(rig.report().1, patch(json!({"x": 2})));
    let deferred = SyncNotice::ReportDeferred {
        status: 429,
        message: "no".into(),
        retry_after: Duration::from_secs(45),
        by_the_hub: true,
    };
    assert_eq!(rig.notices(), [deferred]);
}

#[test]
fn a_value_that_is_refused_where_others_are_accepted_is_set_aside_until_another_is_wanted_or_a_retry_is_due()
{
    let mut rig = Rig::synced();
    rig.want(json!({"x": "bad", "y": 1}));
    let (rid, _) = rig.report();
    rig.reject(rid, 400);
    let (rid, first) = rig.report();
    assert_eq!(first, patch(json!({"x": "bad"})));
    rig.reject(rid, 400);
    let (rid, _) = rig.report();
    rig.ack(rid);
    let retry_after = secs(60);
    let refused =
        SyncNotice::ReportRefused { property: "x".into(), status: 400, message: "no".into(), retry_after };
    assert_eq!(rig.notices(), [refused]);
    rig.want(json!({"x": "bad", "y": 1}));
    assert_eq!((rig.sync.poll_request(), rig.sync.is_settled()), (None, true));
    assert_eq!(rig.sync.set_aside().count(), 1);
    let from = rig.now;
    assert_eq!(rig.wait(), "sending a report again");
    assert_eq!(rig.now.since(from), retry_after);
    let (rid, again) = rig.report();
    assert_eq!(again, patch(json!({"x": "bad"})));
    rig.reject(rid, 400);
    rig.want(json!({"x": "good", "y": 1}));
    assert_eq!(rig.report().1, patch(json!({"x": "good"})));
}

#[test]
fn what_is_set_aside_is_retried_on_a_new_connection_and_announced_when_it_is_accepted() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": 1, "y": 1}));
    for verdict in [400, 400, 204] {
        let (rid, _) = rig.report();
        if verdict == 204 { rig.ack(rid) } else { rig.reject(rid, verdict) }
    }
    rig.notices();
    rig.hub(HubEvent::Down);
    rig.hub(HubEvent::Up);
    rig.twin(5, json!({"a": 1}), json!({"y": 1}));
    let (rid, again) = rig.report();
    assert_eq!(again, patch(json!({"x": 1})));
    rig.ack(rid);
    assert!(rig.notices().contains(&SyncNotice::ReportTaken { property: "x".into() }));
    assert_eq!((rig.sync.set_aside().count(), rig.sync.is_settled()), (0, true));
}

#[test]
fn after_a_time_in_which_every_report_is_refused_all_of_it_is_reported() {
    for status in [400, 401, 403, 404, 413, 429, 500] {
        let mut rig = Rig::synced();
        let wanted =
            json!({"firmwareVersion": "1", "minTemperature": 20, "maxTemperature": 28, "unit": "celsius"});
        let mut reported = Section::default();
        rig.want(wanted.clone());
        let well_at = at(100) + secs(60);
        let mut messages = 0;
        while !rig.sync.is_settled() {
            assert!(rig.now < well_at + secs(70), "{status}: never told");
            while let Some(HubRequest::PatchReported { rid, patch }) = rig.sync.poll_request() {
                messages += 1;
                if rig.now < well_at {
                    rig.reject(rid, status);
                    assert!(!rig.sync.is_settled() && rig.sync.set_aside().count() == 0, "{status}");
                } else {
                    reported.apply(&patch);
                    rig.ack(rid);
                }
            }
            if !rig.sync.is_settled() {
                rig.wait();
            }
        }
        assert_eq!(reported, section(wanted), "{status}");
        assert!(rig.sync.deferral().is_none(), "{status}");
        assert!(messages < 20, "{status}: {messages} messages");
    }
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
    let mut reported = Section::default();
    for _ in 0..10 {
        let Some(HubRequest::PatchReported { rid, patch }) = rig.sync.poll_request() else { break };
        if patch.leaves().iter().any(|(leaf, _)| *leaf == path("b.bad")) {
            rig.reject(rid, 400);
        } else {
            reported.apply(&patch);
            rig.ack(rid);
        }
    }
    assert_eq!(reported, section(json!({"a": 1, "c": 3, "d": 4})));
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
