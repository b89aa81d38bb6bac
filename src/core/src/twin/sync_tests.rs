use super::*;
use crate::twin::fixtures::{at, patch, path, secs, section};
use serde_json::{Value, json};

#[path = "sync_model_tests.rs"]
mod model;
#[path = "sync_refusal_tests.rs"]
mod refusals;

const TIMEOUT: Duration = Duration::from_secs(30);
const REFRESH: Duration = Duration::from_secs(3600);
const POLICY: SyncPolicy = SyncPolicy { request_timeout: TIMEOUT, refresh_interval: REFRESH };

/// A state machine, and the time.
struct Rig {
    sync: TwinSync,
    now: BootTime,
}

impl Rig {
    fn offline() -> Self {
        let sync = TwinSync::new(section(json!({"a": 1})), Version(5), Section::default(), POLICY);
        Self { sync, now: at(100) }
    }

    /// Connected at version 5, desired `{"a": 1}`, nothing reported.
    fn synced() -> Self {
        let mut rig = Self::offline();
        rig.hub(HubEvent::Up);
        rig.twin(5, json!({"a": 1}), json!({}));
        rig.notices();
        rig
    }

    fn hub(&mut self, event: HubEvent) {
        self.sync.handle_hub(self.now, event);
    }

    /// Answers the fetch in flight, and sends what is wanted.
    fn twin(&mut self, version: u64, desired: Value, reported: Value) {
        let Some(HubRequest::GetTwin { rid }) = self.sync.poll_request() else { panic!("no fetch") };
        self.hub(HubEvent::Twin {
            rid,
            desired: section(desired),
            desired_version: Version(version),
            reported: section(reported),
        });
        self.sync.handle_timeout(self.now);
    }

    fn delta(&mut self, version: u64, change: Value) {
        self.hub(HubEvent::DesiredDelta { version: Version(version), patch: patch(change) });
    }

    fn want(&mut self, wanted: Value) {
        self.sync.set_reported(section(wanted));
        self.sync.report(self.now);
    }

    /// The report that was just sent.
    fn report(&mut self) -> (u64, Patch) {
        match self.sync.poll_request() {
            Some(HubRequest::PatchReported { rid, patch }) => (rid, patch),
            other => panic!("no report but {other:?}"),
        }
    }

    fn reject(&mut self, rid: u64, status: u16) {
        self.reject_for(rid, status, None);
    }

    fn reject_for(&mut self, rid: u64, status: u16, retry_after_s: Option<u64>) {
        let retry_after = retry_after_s.map(Duration::from_secs);
        self.hub(HubEvent::Rejected { rid, status, message: "no".into(), retry_after });
    }

    fn ack(&mut self, rid: u64) {
        self.hub(HubEvent::ReportedAck { rid });
    }

    /// Goes to the next deadline and does what is due.
    fn wait(&mut self) -> &'static str {
        let (due, what) = self.sync.poll_timeout().expect("no deadline");
        assert!(due >= self.now, "{what} lies in the past");
        self.now = due;
        self.sync.handle_timeout(due);
        what
    }

    fn fetches(&mut self) -> bool {
        matches!(self.sync.poll_request(), Some(HubRequest::GetTwin { .. }))
    }

    fn notices(&mut self) -> Vec<SyncNotice> {
        core::iter::from_fn(|| self.sync.poll_notice()).collect()
    }

    fn state(&self) -> (u64, Value) {
        (self.sync.desired_version().0, Value::Object(self.sync.desired().as_object().clone()))
    }
}

#[test]
fn offline_nothing_is_due_and_nothing_is_accepted() {
    let mut rig = Rig::offline();
    rig.delta(6, json!({"a": 2}));
    rig.hub(HubEvent::Garbled { reason: "?".into() });
    rig.want(json!({"x": 1}));
    assert_eq!((rig.state(), rig.sync.poll_timeout()), ((5, json!({"a": 1})), None));
    assert_eq!((rig.sync.poll_request(), rig.notices()), (None, Vec::new()));
}

#[test]
fn a_new_connection_fetches_the_twin_and_adopts_the_answer() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    assert!(rig.sync.is_online() && !rig.sync.is_synced());
    rig.twin(7, json!({"a": 3}), json!({"x": 1}));
    assert_eq!(rig.state(), (7, json!({"a": 3})));
    let change = DesiredChange { from: Version(5), to: Version(7), recreated: false };
    assert_eq!(rig.sync.poll_desired_change(), Some(change));
    assert_eq!(rig.sync.poll_desired_change(), None);
    assert!(rig.sync.poll_acknowledged_change() && !rig.sync.poll_acknowledged_change());
    assert_eq!(rig.sync.acknowledged(), &section(json!({"x": 1})));
    assert_eq!(rig.notices(), [SyncNotice::Synced { version: Version(7) }]);
    assert!(rig.sync.is_settled());
}

#[test]
fn a_twin_that_is_fetched_again_on_the_same_connection_is_not_announced() {
    let mut rig = Rig::synced();
    rig.notices();
    rig.sync.handle_resync(rig.now);
    rig.twin(5, json!({"a": 1}), json!({}));
    assert_eq!(rig.notices(), []);
    rig.hub(HubEvent::Up);
    rig.twin(5, json!({"a": 1}), json!({}));
    assert_eq!(rig.notices(), [SyncNotice::Synced { version: Version(5) }]);
}

#[test]
fn an_answer_without_news_changes_nothing() {
    let mut rig = Rig::synced();
    assert_eq!(rig.sync.poll_desired_change(), None);
    assert!(!rig.sync.poll_acknowledged_change());
}

#[test]
fn the_next_version_is_applied_and_a_repeated_or_older_one_dropped() {
    let mut rig = Rig::synced();
    rig.delta(6, json!({"b": 2}));
    assert_eq!(rig.state(), (6, json!({"a": 1, "b": 2})));
    rig.delta(6, json!({"b": 9}));
    rig.delta(4, json!({"b": null}));
    assert_eq!(rig.state(), (6, json!({"a": 1, "b": 2})));
    assert_eq!(rig.sync.poll_request(), None);
}

#[test]
fn a_gap_fetches_the_twin() {
    let mut rig = Rig::synced();
    rig.delta(8, json!({"b": 2}));
    assert_eq!(rig.state(), (5, json!({"a": 1})));
    assert_eq!(rig.notices(), [SyncNotice::Gap { at: Version(5), came: Version(8) }]);
    rig.twin(8, json!({"b": 2}), json!({}));
    assert_eq!(rig.state(), (8, json!({"b": 2})));
}

#[test]
fn an_empty_notification_fetches_the_twin() {
    // A hub may notify `desired: null` by a version alone.
    let mut rig = Rig::synced();
    rig.delta(6, json!({}));
    rig.twin(6, json!({}), json!({}));
    assert_eq!(rig.state(), (6, json!({})));
}

#[test]
fn a_lower_version_from_a_fetch_is_a_recreated_identity_and_is_adopted() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    rig.twin(1, json!({}), json!({}));
    assert_eq!(rig.state(), (1, json!({})));
    let change = rig.sync.poll_desired_change().unwrap();
    assert_eq!(change, DesiredChange { from: Version(5), to: Version(1), recreated: true });
}

#[test]
fn another_document_at_our_version_is_that_of_a_recreated_identity() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    rig.twin(5, json!({"another": true}), json!({}));
    assert_eq!(rig.state(), (5, json!({"another": true})));
    let change = rig.sync.poll_desired_change().unwrap();
    assert_eq!(change, DesiredChange { from: Version(5), to: Version(5), recreated: true });
}

#[test]
fn changes_that_were_not_polled_are_combined_into_one() {
    let mut rig = Rig::synced();
    rig.delta(6, json!({"b": 1}));
    rig.delta(7, json!({"b": 2}));
    let change = rig.sync.poll_desired_change().unwrap();
    assert_eq!(change, DesiredChange { from: Version(5), to: Version(7), recreated: false });
}

#[test]
fn an_answer_with_the_version_notified_meanwhile_suffices() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    rig.delta(6, json!({"b": 6}));
    rig.delta(7, json!({"b": 7}));
    assert_eq!(rig.state(), (5, json!({"a": 1})));
    rig.twin(7, json!({"a": 1, "b": 7}), json!({}));
    assert_eq!(rig.state(), (7, json!({"a": 1, "b": 7})));
    assert!(rig.sync.is_synced());
}

#[test]
fn an_answer_below_the_version_notified_meanwhile_is_adopted_and_causes_another_fetch() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    rig.delta(10, json!({"c": 10}));
    rig.delta(9, json!({"b": 9}));
    rig.twin(7, json!({}), json!({}));
    assert_eq!(rig.state(), (7, json!({})));
    assert!(!rig.sync.is_synced());
    // A hub that forgot it is not asked again and again.
    rig.twin(9, json!({"b": 9}), json!({}));
    assert_eq!(rig.state(), (9, json!({"b": 9})));
    assert!(rig.sync.is_synced());
}

#[test]
fn the_connection_may_end_in_every_phase() {
    let synced = || Rig::synced();
    let fetching = || {
        let mut rig = Rig::offline();
        rig.hub(HubEvent::Up);
        rig
    };
    let resting = || {
        let mut rig = fetching();
        rig.sync.poll_request();
        rig.reject(1, 503);
        rig
    };
    let in_flight = || {
        let mut rig = Rig::synced();
        rig.want(json!({"x": 1}));
        rig
    };
    let phases: [&dyn Fn() -> Rig; 5] = [&Rig::offline, &fetching, &resting, &synced, &in_flight];
    for phase in phases {
        let mut rig = phase();
        rig.hub(HubEvent::Down);
        assert!(!rig.sync.is_online());
        assert_eq!((rig.sync.poll_timeout(), rig.sync.poll_request()), (None, None));
        rig.hub(HubEvent::Up);
        rig.twin(6, json!({"a": 2}), json!({}));
        assert_eq!(rig.state(), (6, json!({"a": 2})));
    }
}

#[test]
fn reports_are_differences_and_one_is_in_flight_at_a_time() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": 1, "y": {"z": 1}}));
    let (first, change) = rig.report();
    assert_eq!(change, patch(json!({"x": 1, "y": {"z": 1}})));
    rig.want(json!({"x": 2}));
    rig.want(json!({"x": 3}));
    assert_eq!(rig.sync.poll_request(), None);
    rig.ack(first);
    assert!(rig.sync.poll_acknowledged_change());
    let (second, change) = rig.report();
    assert_eq!(change, patch(json!({"y": null, "x": 3})));
    rig.ack(second);
    assert!(rig.sync.is_settled());
    rig.want(json!({"x": 3}));
    assert_eq!(rig.sync.poll_request(), None);
}

#[test]
fn answers_to_requests_that_are_no_longer_open_are_ignored() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": 1}));
    let (old, _) = rig.report();
    rig.hub(HubEvent::Down);
    rig.hub(HubEvent::Up);
    rig.twin(5, json!({"a": 1}), json!({}));
    let (new, _) = rig.report();
    assert_ne!(old, new);
    rig.ack(old);
    rig.reject(old, 400);
    rig.hub(HubEvent::Twin {
        rid: old,
        desired: section(json!({})),
        desired_version: Version(99),
        reported: section(json!({})),
    });
    assert!(!rig.sync.is_settled());
    assert_eq!(rig.state(), (5, json!({"a": 1})));
    rig.ack(new);
    assert!(rig.sync.is_settled());
}

#[test]
fn a_fetch_without_an_answer_reconnects() {
    let mut rig = Rig::offline();
    rig.hub(HubEvent::Up);
    rig.sync.poll_request();
    assert_eq!(rig.wait(), "answer to the twin's fetch");
    assert_eq!(rig.now, at(130));
    assert_eq!(rig.sync.poll_request(), Some(HubRequest::Reconnect { reason: "the twin" }));
    assert_eq!((rig.sync.is_online(), rig.sync.poll_timeout()), (false, None));
    assert_eq!(rig.notices(), [SyncNotice::Unanswered("the twin")]);
}

#[test]
fn a_report_without_an_answer_reconnects() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": 1}));
    rig.report();
    assert_eq!(rig.wait(), "answer to a report");
    assert!(matches!(rig.sync.poll_request(), Some(HubRequest::Reconnect { .. })));
    rig.hub(HubEvent::Down);
    rig.hub(HubEvent::Up);
    rig.twin(5, json!({"a": 1}), json!({}));
    assert_eq!(rig.report().1, patch(json!({"x": 1})));
}

#[test]
fn a_report_refused_for_now_is_retried_with_bounded_backoff() {
    let mut rig = Rig::synced();
    rig.want(json!({"x": 1}));
    let mut pauses = Vec::new();
    for status in [429, 503, 500, 408, 412, 429, 429, 429, 429, 429, 429, 429] {
        let (rid, change) = rig.report();
        assert_eq!(change, patch(json!({"x": 1})));
        rig.reject(rid, status);
        assert_eq!(rig.sync.poll_request(), None, "{status}");
        let from = rig.now;
        rig.wait();
        pauses.push(rig.now.since(from).as_secs());
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
    let (rid, _) = rig.report();
    rig.ack(rid);
    rig.want(json!({"x": 2}));
    let (rid, _) = rig.report();
    rig.reject(rid, 429);
    let from = rig.now;
    rig.wait();
    assert_eq!(rig.now.since(from), secs(2), "what was taken ends the row of refusals");
}

#[test]
fn an_unreadable_message_fetches_the_twin() {
    let mut rig = Rig::synced();
    rig.hub(HubEvent::Garbled { reason: "not JSON".into() });
    assert_eq!(rig.notices(), [SyncNotice::Garbled("not JSON".into())]);
    assert!(rig.fetches());
    // If the answer cannot be read, there is a pause.
    rig.hub(HubEvent::Garbled { reason: "not JSON".into() });
    assert_eq!(rig.sync.poll_request(), None);
    rig.wait();
    rig.twin(6, json!({}), json!({}));
    assert_eq!(rig.state(), (6, json!({})));
}

#[test]
fn repeated_unreadable_messages_do_not_postpone_the_next_fetch() {
    let mut rig = Rig::synced();
    rig.hub(HubEvent::Garbled { reason: "?".into() });
    rig.sync.poll_request();
    rig.hub(HubEvent::Garbled { reason: "?".into() });
    let due = rig.sync.poll_timeout().unwrap().0;
    for _ in 0..100 {
        rig.hub(HubEvent::Garbled { reason: "?".into() });
    }
    assert_eq!(rig.sync.poll_timeout().unwrap().0, due);
}

#[test]
fn the_twin_is_refreshed_now_and_then_but_not_during_a_report() {
    let mut rig = Rig::synced();
    assert_eq!(rig.wait(), "refreshing the twin");
    assert_eq!(rig.now, at(100) + REFRESH);
    rig.twin(5, json!({"a": 1}), json!({}));
    rig.now = rig.now + (REFRESH - TIMEOUT / 2);
    rig.want(json!({"x": 1}));
    let (rid, _) = rig.report();
    rig.now = rig.now + TIMEOUT / 2;
    rig.sync.handle_timeout(rig.now);
    assert!(!rig.fetches());
    rig.ack(rid);
    assert_eq!(rig.wait(), "refreshing the twin");
    assert!(rig.fetches());
    rig.want(json!({"x": 2}));
    assert_eq!(rig.sync.poll_request(), None);
}

#[test]
fn values_to_send_again_go_with_the_next_report() {
    let mut rig = Rig::synced();
    let number = path("x.n");
    rig.want(json!({"x": {"n": 1, "m": 1}}));
    let (rid, _) = rig.report();
    rig.ack(rid);
    rig.sync.touch(vec![number.clone(), path("gone")]);
    rig.want(json!({"x": {"n": 1, "m": 2}}));
    let (rid, change) = rig.report();
    assert_eq!(change, patch(json!({"x": {"m": 2, "n": 1}})));
    rig.ack(rid);
    assert!(rig.sync.is_settled());
    rig.sync.touch(vec![number]);
    rig.want(json!({"x": {"n": 1, "m": 2}}));
    assert_eq!(rig.report().1, patch(json!({"x": {"n": 1}})));
}

#[test]
fn values_to_send_again_survive_a_temporary_refusal_and_a_lost_connection() {
    let mut rig = Rig::synced();
    rig.want(json!({"n": 1}));
    let (rid, _) = rig.report();
    rig.ack(rid);
    rig.sync.touch(vec![path("n")]);
    rig.want(json!({"n": 1}));
    let (rid, _) = rig.report();
    rig.reject(rid, 429);
    rig.wait();
    assert_eq!(rig.report().1, patch(json!({"n": 1})));
    rig.hub(HubEvent::Down);
    rig.hub(HubEvent::Up);
    rig.twin(5, json!({"a": 1}), json!({"n": 1}));
    assert_eq!(rig.report().1, patch(json!({"n": 1})));
}

#[test]
fn an_equal_value_that_is_sent_again_needs_no_record() {
    let mut rig = Rig::synced();
    rig.want(json!({"n": 1}));
    let (rid, _) = rig.report();
    rig.ack(rid);
    assert!(rig.sync.poll_acknowledged_change());
    rig.sync.touch(vec![path("n")]);
    rig.want(json!({"n": 1}));
    let (rid, _) = rig.report();
    rig.ack(rid);
    assert!(!rig.sync.poll_acknowledged_change());
}

#[test]
fn while_held_no_report_is_sent_and_then_one_with_all_of_it() {
    let mut rig = Rig::synced();
    rig.sync.set_hold(true);
    rig.want(json!({"x": 1}));
    assert_eq!(rig.sync.poll_request(), None);
    assert_eq!(rig.sync.poll_timeout().unwrap().1, "refreshing the twin");
    rig.sync.set_hold(false);
    rig.want(json!({"x": 1, "y": 2}));
    assert_eq!(rig.report().1, patch(json!({"x": 1, "y": 2})));
}

#[test]
fn request_ids_go_on_from_those_of_another() {
    let mut rig = Rig::offline();
    rig.sync = TwinSync::new(Section::default(), Version(0), Section::default(), POLICY).after_rid(41);
    rig.hub(HubEvent::Up);
    assert_eq!(rig.sync.poll_request(), Some(HubRequest::GetTwin { rid: 42 }));
    assert_eq!(rig.sync.last_rid(), 42);
}
