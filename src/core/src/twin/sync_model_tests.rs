//! The state machine against a model of a hub, with random losses, delays and patches.

use super::*;
use alloc::collections::{BTreeMap, VecDeque};

/// Random numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn hits(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A merge patch, written independently of [`Section::apply`].
fn merged(target: &Value, change: &Value) -> Value {
    let Value::Object(change) = change else { return change.clone() };
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (key, value) in change {
        let old = fields.shift_remove(key).unwrap_or(Value::Null);
        if !value.is_null() {
            fields.insert(key.clone(), merged(&old, value));
        }
    }
    Value::Object(fields)
}

/// The hub's twin, and the two directions of one connection, first in, first out.
struct Hub {
    desired: Value,
    version: u64,
    reported: Value,
    history: BTreeMap<u64, Value>,
    up: VecDeque<(BootTime, HubRequest)>,
    down: VecDeque<(BootTime, HubEvent)>,
    online: bool,
}

impl Hub {
    fn change(&mut self, now: BootTime, dice: &mut Dice, lost: bool) {
        let (key, n) = (["a", "b", "c"][dice.below(3) as usize], dice.below(4));
        let change = match dice.below(4) {
            0 => json!({ key: null }),
            1 => json!({ key: {"inner": n, "gone": null} }),
            _ => json!({ key: n }),
        };
        (self.desired, self.version) = (merged(&self.desired, &change), self.version + 1);
        self.history.insert(self.version, self.desired.clone());
        let event = HubEvent::DesiredDelta { version: Version(self.version), patch: patch(change) };
        if self.online && !lost {
            self.send(now, dice, event);
        }
    }

    fn recreate(&mut self) {
        (self.desired, self.reported, self.version) = (json!({}), json!({}), 1);
        self.history = BTreeMap::from([(1, json!({}))]);
    }

    fn send(&mut self, now: BootTime, dice: &mut Dice, event: HubEvent) {
        let due = now + Duration::from_millis(dice.below(2_000));
        let due = self.down.back().map_or(due, |(last, _)| due.max(*last));
        self.down.push_back((due, event));
    }

    fn serve(&mut self, now: BootTime, dice: &mut Dice, request: HubRequest, trouble: u64) {
        let refused =
            |rid, status| HubEvent::Rejected { rid, status, message: String::new(), retry_after: None };
        let answer = match request {
            HubRequest::GetTwin { rid } if dice.hits(trouble) => refused(rid, 503),
            HubRequest::PatchReported { rid, .. } if dice.hits(trouble) => refused(rid, 429),
            HubRequest::GetTwin { rid } => HubEvent::Twin {
                rid,
                desired: section(self.desired.clone()),
                desired_version: Version(self.version),
                reported: section(self.reported.clone()),
            },
            HubRequest::PatchReported { rid, patch } => {
                self.reported = merged(&self.reported, &Value::Object(patch.as_object().clone()));
                HubEvent::ReportedAck { rid }
            }
            HubRequest::Reconnect { .. }
            | HubRequest::AnswerMethod { .. }
            | HubRequest::SendMessage { .. } => return,
        };
        if !dice.hits(trouble) {
            self.send(now, dice, answer);
        }
    }

    fn cut(&mut self) {
        self.online = false;
        self.up.clear();
        self.down.clear();
    }
}

fn due<T>(queue: &mut VecDeque<(BootTime, T)>, now: BootTime) -> Option<T> {
    let ready = queue.front().is_some_and(|(due, _)| *due <= now);
    ready.then(|| queue.pop_front()).flatten().map(|(_, item)| item)
}

/// One run: faults for twenty minutes, then none, after which both ends must be equal.
fn live(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let policy = SyncPolicy { request_timeout: secs(10), refresh_interval: secs(60) };
    let mut sync = TwinSync::new(Section::default(), Version(0), Section::default(), policy);
    let mut hub = Hub {
        desired: json!({}),
        version: 1,
        reported: json!({}),
        history: BTreeMap::from([(0, json!({})), (1, json!({}))]),
        up: VecDeque::new(),
        down: VecDeque::new(),
        online: false,
    };
    let mut wanted = json!({});
    let calm_at = at(1_200);
    let mut settled = false;
    let mut now = at(0);
    while now < calm_at + secs(420) {
        now = now + Duration::from_millis(100 + dice.below(900));
        let trouble = if now < calm_at { 5 } else { 0 };
        if trouble > 0 && dice.hits(8) {
            let lost = dice.hits(20);
            hub.change(now, &mut dice, lost);
        }
        if hub.online && dice.hits(trouble) && dice.hits(40) {
            hub.cut();
            sync.handle_hub(now, HubEvent::Down);
            if dice.hits(10) {
                hub.recreate();
            }
        }
        if !hub.online && (trouble == 0 || dice.hits(20)) {
            hub.online = true;
            sync.handle_hub(now, HubEvent::Up);
        }
        while let Some(request) = due(&mut hub.up, now) {
            hub.serve(now, &mut dice, request, trouble);
        }
        while let Some(event) = due(&mut hub.down, now) {
            sync.handle_hub(now, event);
        }
        if trouble > 0 && dice.hits(10) {
            wanted = json!({"n": dice.below(5), "o": {"p": dice.below(3)}});
        }
        sync.set_hold(trouble > 0 && dice.hits(20));
        sync.set_reported(section(wanted.clone()));
        sync.report(now);
        if sync.poll_timeout().is_some_and(|(due, _)| due <= now) {
            sync.handle_timeout(now);
        }
        while let Some(request) = sync.poll_request() {
            if matches!(request, HubRequest::Reconnect { .. }) {
                hub.cut();
                sync.handle_hub(now, HubEvent::Down);
            } else if hub.online && !dice.hits(trouble) {
                let due = now + Duration::from_millis(dice.below(1_000));
                let due = hub.up.back().map_or(due, |(last, _)| due.max(*last));
                hub.up.push_back((due, request));
            }
        }
        check(seed, now, &sync, &hub);
        // At the very end it may be fetching once more.
        settled |= sync.is_settled() && now > calm_at + secs(360);
    }
    assert!(settled, "seed {seed}: never settled");
    assert_eq!(sync.desired_version().0, hub.version, "seed {seed}");
    assert_eq!(section(hub.desired), *sync.desired(), "seed {seed}");
    assert_eq!(section(wanted), section(hub.reported), "seed {seed}");
}

#[track_caller]
fn check(seed: u64, now: BootTime, sync: &TwinSync, hub: &Hub) {
    if let Some(desired) = hub.history.get(&sync.desired_version().0)
        && sync.is_synced()
    {
        assert_eq!(
            *sync.desired(),
            section(desired.clone()),
            "seed {seed} {now}: another section at our version"
        );
    }
    let patches = hub.up.iter().filter(|(_, request)| matches!(request, HubRequest::PatchReported { .. }));
    assert!(patches.count() <= 1, "seed {seed} {now}: two reports under way");
    if sync.is_settled() {
        let reported = section(hub.reported.clone());
        assert_eq!(*sync.acknowledged(), reported, "seed {seed} {now}: settled on another reported section");
    }
    if let Some((due, what)) = sync.poll_timeout() {
        assert!(due > now, "seed {seed} {now}: {what} lies in the past");
    }
}

#[test]
fn both_ends_become_equal_whatever_the_connection_did() {
    for seed in 1..=24 {
        live(seed);
    }
}
