use super::*;
use crate::twin::fixtures::{at, patch, path, secs, section};
use proptest::prelude::*;
use serde_json::json;

fn reason() -> HubReason {
    HubReason { status: 400, message: "no".into() }
}

fn found(quarantine: &mut Quarantine) -> Vec<PropertyPath> {
    core::iter::from_fn(|| quarantine.poll_news())
        .filter_map(|news| match news {
            News::SetAside(path, ..) => Some(path),
            _ => None,
        })
        .collect()
}

/// A hub that refuses every patch with one of these leaves. Returns what was accepted, what was set aside, and the number of
/// messages.
fn search(wanted: &Patch, bad: &[PropertyPath]) -> (Section, Vec<PropertyPath>, usize) {
    let (mut quarantine, mut hub) = (Quarantine::default(), Section::default());
    let target = {
        let mut target = Section::default();
        target.apply(wanted);
        target
    };
    for messages in 0.. {
        let next = quarantine.sift(&hub.diff_to(&target)).patch;
        if next.is_empty() {
            return (hub, found(&mut quarantine), messages);
        }
        assert!(messages < 1000, "the search does not end");
        if next.leaves().iter().any(|(path, _)| bad.contains(path)) {
            quarantine.handle_refused(at(1), &next, reason());
        } else {
            quarantine.handle_taken(at(1), &next);
            hub.apply(&next);
        }
    }
    unreachable!()
}

/// A quarantine with `a` set aside, for a hub that has `b`.
fn with_a_aside(value: Value) -> Quarantine {
    let mut quarantine = Quarantine::default();
    let both = Patch::from_leaves([(path("a"), value.clone()), (path("b"), json!(1))]);
    assert!(!quarantine.handle_refused(at(100), &both, reason()));
    assert!(!quarantine.handle_refused(at(100), &Patch::from_leaves([(path("a"), value)]), reason()));
    quarantine.handle_taken(at(100), &patch(json!({"b": 1})));
    assert_eq!(found(&mut quarantine), [path("a")]);
    quarantine
}

#[test]
fn one_bad_property_is_found_and_the_rest_gets_through() {
    let wanted = patch(json!({"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": [4], "g": 5}));
    let (hub, found, messages) = search(&wanted, &[path("b.d.e")]);
    assert_eq!(found, [path("b.d.e")]);
    assert_eq!(hub, section(json!({"a": 1, "b": {"c": 2}, "f": [4], "g": 5})));
    assert!(messages <= 8, "{messages}");
}

#[test]
fn a_property_set_aside_is_tried_again_when_another_value_is_wanted() {
    let mut quarantine = with_a_aside(json!(1));
    let bad = patch(json!({"a": 1}));
    assert!(quarantine.sift(&bad).patch.is_empty());
    quarantine.handle_wanted(&section(json!({"a": 1, "b": 2})));
    assert!(quarantine.sift(&bad).patch.is_empty());
    let other = patch(json!({"a": 2}));
    assert_eq!(quarantine.sift(&other).patch, other);
    quarantine.handle_wanted(&section(json!({"a": 2})));
    assert_eq!(quarantine.sift(&bad).patch, bad, "it was wanted otherwise in between");
}

#[test]
fn a_removal_that_is_refused_is_set_aside_until_there_is_a_value_again() {
    let mut quarantine = with_a_aside(Value::Null);
    let removal = patch(json!({"a": null}));
    quarantine.handle_wanted(&section(json!({})));
    assert!(quarantine.sift(&removal).patch.is_empty());
    quarantine.handle_wanted(&section(json!({"a": 1})));
    assert_eq!(quarantine.sift(&removal).patch, removal);
}

#[test]
fn what_is_set_aside_is_retried_with_backoff_up_to_an_hour() {
    let mut quarantine = with_a_aside(json!(1));
    let bad = patch(json!({"a": 1}));
    let (mut now, mut pauses) = (at(100), Vec::new());
    for _ in 0..8 {
        let due = quarantine.poll_timeout().unwrap();
        pauses.push(due.since(now).as_secs());
        now = due;
        assert!(quarantine.sift(&bad).patch.is_empty());
        assert!(quarantine.wake(now));
        assert_eq!(quarantine.sift(&bad).patch, bad);
        assert!(quarantine.handle_refused(now, &bad, reason()));
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(quarantine.aside().next().unwrap().1.since, at(100));
    quarantine.handle_reconnect();
    assert_eq!(quarantine.sift(&bad).patch, bad, "once on every connection");
    quarantine.handle_taken(now, &bad);
    assert_eq!((quarantine.aside().count(), quarantine.poll_timeout()), (0, None));
}

#[test]
fn the_rest_is_sent_before_what_was_refused() {
    let mut quarantine = with_a_aside(json!(1));
    quarantine.wake(at(1_000));
    assert_eq!(quarantine.sift(&patch(json!({"a": 1, "c": 3}))).patch, patch(json!({"c": 3})));
}

#[test]
fn while_everything_is_refused_nothing_is_set_aside_and_one_value_at_a_time_is_tried() {
    let mut quarantine = Quarantine::default();
    let whole = patch(json!({"a": 1, "b": 2, "c": 3, "d": 4}));
    let (mut now, mut messages, mut pauses, mut tried) = (at(100), 0, Vec::new(), BTreeSet::new());
    while now < at(100) + secs(1_000) {
        let Sifted { patch: next, waits } = quarantine.sift(&whole);
        if next.is_empty() {
            assert!(waits);
            let due = quarantine.poll_timeout().unwrap();
            pauses.push(due.since(now).as_secs());
            now = due;
            quarantine.wake(now);
            continue;
        }
        if !pauses.is_empty() {
            assert_eq!(next.leaves().len(), 1);
            tried.extend(next.leaves().into_iter().map(|(path, _)| path));
        }
        messages += 1;
        quarantine.handle_refused(now, &next, reason());
    }
    assert_eq!(quarantine.aside().count(), 0);
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(tried.len(), 4, "each has its turn");
    assert!(messages <= 7 + 10, "{messages}");
    // The hub accepts reports again.
    let next = quarantine.sift(&whole).patch;
    quarantine.handle_taken(now, &next);
    let (mut hub, mut target) = (Section::default(), Section::default());
    hub.apply(&next);
    target.apply(&whole);
    let rest = quarantine.sift(&hub.diff_to(&target)).patch;
    assert_eq!(rest.leaves().len(), 3, "{rest:?}");
    quarantine.handle_taken(now, &rest);
    assert_eq!((quarantine.poll_timeout(), found(&mut quarantine)), (None, vec![]));
}

#[test]
fn what_was_not_refused_yet_does_not_wait_for_a_hub_in_doubt_and_settles_it() {
    let mut quarantine = Quarantine::default();
    let bad = patch(json!({"a": 1}));
    assert!(!quarantine.handle_refused(at(100), &bad, reason()));
    assert_eq!(quarantine.sift(&bad), Sifted { patch: Patch::default(), waits: true });
    let more = patch(json!({"a": 1, "b": 2}));
    assert_eq!(quarantine.sift(&more).patch, patch(json!({"b": 2})));
    quarantine.handle_taken(at(101), &patch(json!({"b": 2})));
    assert_eq!(quarantine.sift(&bad).patch, bad, "it is tried at once by a hub that takes reports");
    assert!(quarantine.handle_refused(at(102), &bad, reason()));
    assert_eq!(found(&mut quarantine), [path("a")]);
}

#[test]
fn what_becomes_wanted_during_a_search_waits_for_its_end() {
    let mut quarantine = Quarantine::default();
    assert!(!quarantine.handle_refused(at(1), &patch(json!({"a": 1, "b": 2})), reason()));
    let more = patch(json!({"a": 1, "b": 2, "c": 3}));
    assert_eq!(quarantine.sift(&more).patch, patch(json!({"a": 1})));
    quarantine.handle_taken(at(1), &patch(json!({"a": 1})));
    assert_eq!(quarantine.sift(&patch(json!({"b": 2, "c": 3}))).patch, patch(json!({"b": 2})));
    quarantine.handle_taken(at(1), &patch(json!({"b": 2})));
    assert_eq!(quarantine.sift(&patch(json!({"c": 3}))).patch, patch(json!({"c": 3})));
}

#[test]
fn what_the_hub_already_has_is_not_set_aside() {
    let mut quarantine = with_a_aside(json!(1));
    quarantine.handle_reported(&section(json!({"a": 2})));
    assert_eq!(quarantine.aside().count(), 1);
    quarantine.handle_reported(&section(json!({"a": 1})));
    assert_eq!(quarantine.aside().count(), 0);
}

proptest! {
    #[test]
    fn whatever_is_bad_is_found_alone_and_everything_else_arrives(
        count in 1usize..40, bad in prop::collection::btree_set(0usize..40, 0..6),
    ) {
        let leaves = |keep: &dyn Fn(usize) -> bool| {
            Patch::from_leaves((0..count).filter(|n| keep(*n)).map(|n| (path(&format!("g{}.k{n}", n % 5)), json!(n))))
        };
        let bad: Vec<usize> = bad.into_iter().filter(|n| *n < count).collect();
        let paths: Vec<PropertyPath> = bad.iter().map(|n| path(&format!("g{}.k{n}", n % 5))).collect();
        let (hub, mut found, messages) = search(&leaves(&|_| true), &paths);
        let mut expected = Section::default();
        expected.apply(&leaves(&|n| !bad.contains(&n)));
        found.sort();
        let mut paths = paths;
        paths.sort();
        // The refusals of a hub that accepts nothing are not believed.
        prop_assert_eq!(found, if bad.len() == count { vec![] } else { paths });
        prop_assert_eq!(hub, expected);
        prop_assert!(messages <= 1 + 14 * bad.len().max(1), "{} messages", messages);
    }
}

/// Other firmware can leave ten thousand properties, and a hub can refuse everything.
#[test]
fn a_search_that_finds_nothing_but_refusals_ends_in_doubt_however_much_there_is_to_search() {
    let leaves = |count: usize| (0..count).map(|n| (path(&format!("k{n}")), json!(n)));
    let wanted = Patch::from_leaves(leaves(10_000));
    let mut quarantine = Quarantine::default();
    let mut messages = 0;
    loop {
        let next = quarantine.sift(&wanted).patch;
        if next.is_empty() {
            break;
        }
        messages += 1;
        assert!(messages <= 70, "the search does not end");
        quarantine.handle_refused(at(1), &next, reason());
    }
    assert!(found(&mut quarantine).is_empty() && quarantine.aside().next().is_none());
    assert!(quarantine.wake(at(3)), "one is tried again");
    let probe = quarantine.sift(&wanted).patch;
    assert_eq!(probe.leaves().len(), 1);
    quarantine.handle_taken(at(3), &probe);
    let rest =
        quarantine.sift(&Patch::from_leaves(leaves(10_000).filter(|leaf| !probe.leaves().contains(leaf))));
    assert_eq!(rest.patch.leaves().len(), 9_999, "a hub that takes again is told all at once");
}
