//! Properties that the hub refuses for good, and the search for them.
//!
//! A refusal names no property, so the refused patch is halved until a single *leaf* (a value, or a removal) is
//! found; that leaf is set aside and everything else gets through. A leaf set aside is tried again as soon as another
//! value is wanted there. The parts that are still to be tried are *trials*; they say where to look, not what to
//! send, so that what changes meanwhile is sent as it is now. Deliberately absent: refusals that pass (429, 5xx).

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::{Patch, PropertyPath, Section};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    /// What was refused; a null stands for a removal.
    aside: BTreeMap<PropertyPath, Value>,
    /// The last is the next.
    trials: Vec<BTreeSet<PropertyPath>>,
}

impl Quarantine {
    /// What of a patch may be sent now: nothing that is set aside, and during a search only the part on trial.
    pub(super) fn sift(&self, patch: &Patch) -> Patch {
        if self.aside.is_empty() && self.trials.is_empty() {
            return patch.clone();
        }
        let free: Vec<(PropertyPath, Value)> =
            patch.leaves().into_iter().filter(|(path, value)| self.aside.get(path) != Some(value)).collect();
        let on_trial = |trial: &&BTreeSet<PropertyPath>| free.iter().any(|(path, _)| trial.contains(path));
        match self.trials.iter().rev().find(on_trial) {
            Some(trial) => Patch::from_leaves(free.iter().filter(|(path, _)| trial.contains(path)).cloned()),
            None => Patch::from_leaves(free),
        }
    }

    /// The hub took a patch.
    pub(super) fn handle_taken(&mut self, patch: &Patch) {
        self.end_trial(patch);
    }

    /// The hub refused a patch for good. Returns the property once the search has found it.
    pub(super) fn handle_refused(&mut self, patch: &Patch) -> Option<PropertyPath> {
        self.end_trial(patch);
        let mut leaves = patch.leaves();
        if leaves.len() == 1 {
            let (path, value) = leaves.swap_remove(0);
            self.aside.insert(path.clone(), value);
            return Some(path);
        }
        let later = leaves.split_off(leaves.len() / 2);
        for half in [later, leaves] {
            self.trials.push(half.into_iter().map(|(path, _)| path).collect());
        }
        None
    }

    /// What is wanted changed: a leaf that is wanted otherwise now is no longer set aside.
    pub(super) fn handle_wanted(&mut self, wanted: &Section) {
        self.aside.retain(|path, value| match wanted.get(path) {
            Some(present) => present == value,
            None => value.is_null(),
        });
    }

    /// The trials that this patch was, or that have nothing left to say.
    fn end_trial(&mut self, patch: &Patch) {
        let leaves = patch.leaves();
        while let Some(trial) = self.trials.pop() {
            if leaves.iter().any(|(path, _)| trial.contains(path)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::fixtures::{patch, path, section};
    use proptest::prelude::*;
    use serde_json::json;

    /// A hub that refuses every patch that touches one of these leaves. Returns what got through and what was found.
    fn search(wanted: &Patch, bad: &[PropertyPath]) -> (Section, Vec<PropertyPath>, usize) {
        let (mut quarantine, mut hub, mut found) = (Quarantine::default(), Section::default(), Vec::new());
        let target = {
            let mut target = Section::default();
            target.apply(wanted);
            target
        };
        for messages in 0.. {
            let next = quarantine.sift(&hub.diff_to(&target));
            if next.is_empty() {
                return (hub, found, messages);
            }
            assert!(messages < 1000, "the search does not end");
            if next.leaves().iter().any(|(path, _)| bad.contains(path)) {
                found.extend(quarantine.handle_refused(&next));
            } else {
                quarantine.handle_taken(&next);
                hub.apply(&next);
            }
        }
        unreachable!()
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
        let mut quarantine = Quarantine::default();
        let bad = patch(json!({"a": 1}));
        assert_eq!(quarantine.handle_refused(&bad), Some(path("a")));
        assert!(quarantine.sift(&bad).is_empty());
        quarantine.handle_wanted(&section(json!({"a": 1, "b": 2})));
        assert!(quarantine.sift(&bad).is_empty());
        let other = patch(json!({"a": 2}));
        assert_eq!(quarantine.sift(&other), other);
        quarantine.handle_wanted(&section(json!({"a": 2})));
        assert_eq!(quarantine.sift(&bad), bad, "it was wanted otherwise in between");
    }

    #[test]
    fn a_removal_that_is_refused_is_set_aside_until_there_is_a_value_again() {
        let mut quarantine = Quarantine::default();
        let removal = patch(json!({"a": null}));
        assert_eq!(quarantine.handle_refused(&removal), Some(path("a")));
        quarantine.handle_wanted(&section(json!({})));
        assert!(quarantine.sift(&removal).is_empty());
        quarantine.handle_wanted(&section(json!({"a": 1})));
        assert_eq!(quarantine.sift(&removal), removal);
    }

    #[test]
    fn what_is_wanted_newly_during_a_search_waits_for_its_end() {
        let mut quarantine = Quarantine::default();
        assert_eq!(quarantine.handle_refused(&patch(json!({"a": 1, "b": 2}))), None);
        let more = patch(json!({"a": 1, "b": 2, "c": 3}));
        assert_eq!(quarantine.sift(&more), patch(json!({"a": 1})));
        quarantine.handle_taken(&patch(json!({"a": 1})));
        assert_eq!(quarantine.sift(&patch(json!({"b": 2, "c": 3}))), patch(json!({"b": 2})));
        quarantine.handle_taken(&patch(json!({"b": 2})));
        assert_eq!(quarantine.sift(&patch(json!({"c": 3}))), patch(json!({"c": 3})));
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
            prop_assert_eq!(found, paths);
            prop_assert_eq!(hub, expected);
            prop_assert!(messages <= 1 + 14 * bad.len().max(1), "{} messages", messages);
        }
    }
}
