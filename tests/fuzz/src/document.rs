//! Twin documents: two sections and a patch, one JSON object per line.

use super::{assert_fit_for_a_log, merge};
use serde_json::{Map, Value};
use twind::twin::json;
use twind::twin::{Limit, LimitFault, Patch, Section};

/// See the module.
pub fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut object = || json::read(lines.next().unwrap_or_default(), 0).ok();
    let (from, to, change) = (object(), object(), object());
    let section = |object: Option<Map<String, Value>>| match object.map(Section::from_object) {
        Some(Ok(section)) => {
            assert_eq!(Section::from_object(section.as_object().clone()).as_ref(), Ok(&section));
            let written = json::write(section.as_object());
            let read = json::read(written.as_bytes(), 0);
            assert_eq!(read.as_ref(), Ok(section.as_object()), "written and read again: {written}");
            match Section::within_limits(section.as_object().clone()) {
                Ok(same) => assert!(same == section && section.size() <= 32 * 1024),
                Err(fault) => {
                    assert_says_why::<()>(&fault);
                }
            }
            Some(section)
        }
        Some(Err(fault)) => assert_says_why(&fault),
        None => None,
    };
    let (from, to) = (section(from).unwrap_or_default(), section(to).unwrap_or_default());
    for (from, to) in [(&from, &to), (&to, &from), (&from, &from)] {
        assert_leads_to(from, to);
    }
    if let Some(patch) = change.map(Patch::from_object).filter(|patch| from.takes(patch)) {
        assert_applies(&from, &patch);
    }
}

/// The law that reports depend on: a difference leads from one section to the other.
fn assert_leads_to(from: &Section, to: &Section) {
    let difference = from.diff_to(to);
    let mut moved = from.clone();
    moved.apply(&difference);
    assert_eq!(moved, *to, "{difference:?} does not lead there");
    assert_eq!(difference.is_empty(), from == to);
    let sent = Patch::from_object(difference.as_object().clone());
    assert_eq!(sent, difference);
    assert_eq!(Patch::from_leaves(difference.leaves()), difference, "its leaves are another patch");
    // The search for a refused property sends a patch in two parts, which must lead to the same section.
    let mut leaves = difference.leaves();
    let later = leaves.split_off(leaves.len() / 2);
    let mut in_parts = from.clone();
    for part in [leaves, later] {
        in_parts.apply(&Patch::from_leaves(part));
    }
    assert_eq!(in_parts, *to, "{difference:?} in two parts does not lead there");
    for (path, value) in difference.leaves() {
        match to.get(&path) {
            Some(present) => assert_eq!(*present, value, "{path}"),
            None => assert!(value.is_null(), "{path}"),
        }
    }
}

fn assert_applies(from: &Section, patch: &Patch) {
    let mut moved = from.clone();
    moved.apply(patch);
    assert_eq!(
        *moved.as_object(),
        merge::merged(from.as_object(), patch.as_object()),
        "not as RFC 7396 has it"
    );
    let mut twice = moved.clone();
    twice.apply(patch);
    assert_eq!(twice, moved, "applied twice it is another");
    match Section::from_object(moved.as_object().clone()) {
        Ok(same) => assert_eq!(same, moved),
        Err(fault) => assert_eq!(fault.limit, Limit::Ceiling, "{fault}"),
    }
}

fn assert_says_why<T>(fault: &LimitFault) -> Option<T> {
    assert_fit_for_a_log(&fault.to_string());
    None
}
