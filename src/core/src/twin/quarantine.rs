//! Reported values that the hub refuses: the search for them, and when they are tried again.
//!
//! A refusal names no property, so a refused patch is halved until a single *leaf* (a value, or a removal) is refused. If
//! the hub accepted another part of the same patch, the fault is the leaf's: the leaf is *set aside*, and everything else
//! gets through. If the hub accepted nothing, the fault may be the hub's: it is *in doubt*. Then nothing is set aside, and
//! one refused leaf at a time is tried again, with backoff; leaves that were not refused yet are sent without waiting. A
//! search that meets nothing but refusals ends in doubt, too, however much is left to search.
//!
//! A leaf that is set aside is tried again when another value is wanted there, with backoff, and on every new connection.
//! The parts that are still to be tried are *trials*. They are paths, not values, so that what changes meanwhile is sent as
//! it is then. Refusals because of the device or the hub are not handled here (`sync`).

use super::{Patch, PropertyPath, Section, json};
use crate::ordered::{map_of, set_of};
use crate::units::BootTime;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The first pause before a value that is set aside is tried again; it doubles each time …
const RETRY_MIN: Duration = Duration::from_secs(60);
/// … up to this.
const RETRY_MAX: Duration = Duration::from_secs(60 * 60);
/// The first pause before a hub in doubt is probed; it doubles each time …
const PROBE_MIN: Duration = Duration::from_secs(2);
/// … up to this.
const PROBE_MAX: Duration = Duration::from_secs(300);

/// This many refusals in a row, with nothing accepted between them, end a search. Halving a thousand leaves down to one
/// takes ten.
const REFUSALS_MAX: u32 = 64;

/// The hub's reason for a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubReason {
    /// Its status.
    pub status: u16,
    /// Its message, shortened.
    pub message: String,
}

/// A value that the hub refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// Null stands for a removal.
    #[serde(with = "json::as_text")]
    value: Value,
    /// Since when it is set aside.
    pub since: BootTime,
    /// When it is tried again.
    pub retry_at: BootTime,
    /// The hub's last reason.
    pub reason: HubReason,
    tries: u32,
    due: bool,
}

/// What an operator reads about refused values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This property is refused by itself, and tried again after this.
    SetAside(PropertyPath, Duration, HubReason),
    /// The hub accepts it after all.
    Taken(PropertyPath),
    /// The hub accepted nothing; it is probed after this.
    Doubt(Duration, HubReason),
}

/// What may be sent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sifted {
    /// Now.
    pub(super) patch: Patch,
    /// More is wanted, but waits until the hub is no longer in doubt.
    pub(super) waits: bool,
}

/// The hub has accepted nothing since the suspects were refused.
#[derive(Debug, Serialize, Deserialize)]
struct Doubt {
    probes: u32,
    probe_at: BootTime,
    due: bool,
}

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Quarantine {
    aside: BTreeMap<PropertyPath, SetAside>,
    /// The last one is tried next.
    trials: Vec<BTreeSet<PropertyPath>>,
    /// The hub has accepted something since the search began.
    taken: bool,
    /// Refusals in a row.
    refusals: u32,
    /// Leaves that were refused while nothing was accepted; the first is tried again first.
    suspects: VecDeque<Suspect>,
    doubt: Option<Doubt>,
    #[serde(skip)]
    news: VecDeque<News>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Suspect {
    path: PropertyPath,
    #[serde(with = "json::as_text")]
    value: Value,
    reason: HubReason,
}

type Leaf = (PropertyPath, Value);

impl Quarantine {
    /// The part of a patch that may be sent now: nothing that is set aside; during a search only the next trial; in doubt
    /// only what was not refused yet, or one suspect when a probe is due.
    pub(super) fn sift(&self, patch: &Patch) -> Sifted {
        if self.aside.is_empty() && self.trials.is_empty() && self.doubt.is_none() {
            return Sifted { patch: patch.clone(), waits: false };
        }
        let is_aside = |(path, value): &Leaf| self.aside.get(path).filter(|aside| aside.value == *value);
        let (aside, free): (Vec<Leaf>, Vec<Leaf>) =
            patch.leaves().into_iter().partition(|leaf| is_aside(leaf).is_some());
        let due = aside.into_iter().filter(|leaf| is_aside(leaf).is_some_and(|aside| aside.due));
        let due: Vec<Leaf> = due.collect();
        if let Some(doubt) = &self.doubt {
            return self.sift_in_doubt(doubt, free);
        }
        for trial in self.trials.iter().rev() {
            let on_trial = free.iter().chain(&due).filter(|(path, _)| trial.contains(path));
            let patch = Patch::from_leaves(on_trial.cloned());
            if !patch.is_empty() {
                return Sifted { patch, waits: false };
            }
        }
        // What was refused before must not hold up the rest.
        Sifted { patch: Patch::from_leaves(if free.is_empty() { due } else { free }), waits: false }
    }

    fn sift_in_doubt(&self, doubt: &Doubt, free: Vec<Leaf>) -> Sifted {
        let waits = !free.is_empty();
        let suspects = map_of(self.suspects.iter().map(|s| (&s.path, &s.value)));
        let is_suspect = |(path, value): &Leaf| suspects.get(path) == Some(&value);
        let (suspect, fresh): (Vec<Leaf>, Vec<Leaf>) = free.into_iter().partition(is_suspect);
        if !fresh.is_empty() {
            return Sifted { patch: Patch::from_leaves(fresh), waits };
        }
        let wanted = map_of(suspect);
        let next = self.suspects.iter().find(|next| wanted.get(&next.path) == Some(&next.value));
        let next = next.filter(|_| doubt.due).map(|next| (next.path.clone(), next.value.clone()));
        Sifted { patch: Patch::from_leaves(next), waits }
    }

    /// The hub accepted a patch.
    pub(super) fn handle_taken(&mut self, now: BootTime, patch: &Patch) {
        let leaves = patch.leaves();
        self.end_trial(&leaves);
        for (path, _) in &leaves {
            if self.aside.remove(path).is_some() {
                self.news.push_back(News::Taken(path.clone()));
            }
        }
        self.clear(&leaves);
        (self.taken, self.refusals) = (true, 0);
        let suspects = core::mem::take(&mut self.suspects);
        if self.doubt.take().is_none() {
            suspects
                .into_iter()
                .for_each(|Suspect { path, value, reason }| self.set_aside(now, path, value, reason));
        } else if !suspects.is_empty() {
            // It accepts reports now, which it may not have done when it refused these.
            self.trials.push(suspects.into_iter().map(|suspect| suspect.path).collect());
        }
        self.conclude(now);
    }

    /// The hub refused a patch for its content. Is it set aside now?
    pub(super) fn handle_refused(&mut self, now: BootTime, patch: &Patch, reason: HubReason) -> bool {
        let begins = self.trials.is_empty() && self.suspects.is_empty();
        let mut leaves = patch.leaves();
        self.end_trial(&leaves);
        if let Some(Doubt { probes, due, .. }) = self.doubt {
            self.suspect(leaves, &reason);
            if due {
                self.begin_doubt(now, probes + 1, reason);
            }
            return false;
        }
        self.taken &= !begins;
        self.refusals = if begins { 1 } else { self.refusals + 1 };
        if self.refusals >= REFUSALS_MAX {
            self.suspect(leaves, &reason);
            self.trials.clear();
            self.conclude(now);
            return false;
        }
        if leaves.len() > 1 {
            let later = leaves.split_off(leaves.len() / 2);
            for half in [later, leaves] {
                self.trials.push(half.into_iter().map(|(path, _)| path).collect());
            }
            return false;
        }
        let Some((path, value)) = leaves.pop() else { return false };
        let was_aside = self.aside.get(&path).is_some_and(|aside| aside.value == value);
        let is_aside = self.taken || was_aside;
        if is_aside {
            self.set_aside(now, path, value, reason);
        } else {
            self.suspect(alloc::vec![(path, value)], &reason);
        }
        self.conclude(now);
        is_aside
    }

    /// The wanted section changed: a leaf with another wanted value is no longer set aside.
    pub(super) fn handle_wanted(&mut self, wanted: &Section) {
        self.aside.retain(|path, aside| match wanted.get(path) {
            Some(present) => *present == aside.value,
            None => aside.value.is_null(),
        });
    }

    /// The hub sent what it has: what it already has is not set aside.
    pub(super) fn handle_reported(&mut self, reported: &Section) {
        self.aside.retain(|path, aside| match reported.get(path) {
            Some(present) => *present != aside.value,
            None => !aside.value.is_null(),
        });
    }

    /// On a new connection everything is tried again once: the hub may decide differently.
    pub(super) fn handle_reconnect(&mut self) {
        self.trials.clear();
        self.suspects.clear();
        self.doubt = None;
        (self.taken, self.refusals) = (false, 0);
        self.aside.values_mut().for_each(|aside| aside.due = true);
    }

    /// Releases for another try what is due. Was there anything?
    pub(super) fn wake(&mut self, now: BootTime) -> bool {
        let flags = self.aside.values_mut().map(|aside| (&mut aside.due, aside.retry_at));
        let doubt = self.doubt.as_mut().map(|doubt| (&mut doubt.due, doubt.probe_at));
        let mut woken = false;
        for (due, at) in flags.chain(doubt) {
            woken |= !*due && at <= now;
            *due |= at <= now;
        }
        woken
    }

    /// When [`Self::wake`] has something to do next.
    pub(super) fn poll_timeout(&self) -> Option<BootTime> {
        let aside = self.aside.values().filter(|aside| !aside.due).map(|aside| aside.retry_at);
        let doubt = self.doubt.iter().filter(|doubt| !doubt.due).map(|doubt| doubt.probe_at);
        aside.chain(doubt).min()
    }

    /// What is set aside.
    pub(super) fn aside(&self) -> impl Iterator<Item = (&PropertyPath, &SetAside)> {
        self.aside.iter()
    }

    /// The next notice.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn set_aside(&mut self, now: BootTime, path: PropertyPath, value: Value, reason: HubReason) {
        let before = self.aside.get(&path).filter(|aside| aside.value == value);
        let (since, tries) = before.map_or((now, 0), |before| (before.since, before.tries + 1));
        let pause = backoff(RETRY_MIN, tries, RETRY_MAX);
        self.news.push_back(News::SetAside(path.clone(), pause, reason.clone()));
        let aside = SetAside { value, since, retry_at: now + pause, reason, tries, due: false };
        self.aside.insert(path, aside);
    }

    fn suspect(&mut self, leaves: Vec<Leaf>, reason: &HubReason) {
        self.clear(&leaves);
        let suspects =
            leaves.into_iter().map(|(path, value)| Suspect { path, value, reason: reason.clone() });
        self.suspects.extend(suspects);
    }

    /// These are no suspects any more.
    fn clear(&mut self, leaves: &[Leaf]) {
        let paths = set_of(leaves.iter().map(|(path, _)| path));
        self.suspects.retain(|suspect| !paths.contains(&suspect.path));
    }

    /// Ends a search that has nothing left to try.
    fn conclude(&mut self, now: BootTime) {
        if !self.trials.is_empty() {
            return;
        }
        if let Some(suspect) = self.suspects.back().filter(|_| !self.taken) {
            self.begin_doubt(now, 0, suspect.reason.clone());
        }
        self.taken = false;
    }

    fn begin_doubt(&mut self, now: BootTime, probes: u32, reason: HubReason) {
        let pause = backoff(PROBE_MIN, probes, PROBE_MAX);
        self.doubt = Some(Doubt { probes, probe_at: now + pause, due: false });
        self.news.push_back(News::Doubt(pause, reason));
    }

    /// Removes the trial that these leaves belong to, and those before it that match nothing any more.
    fn end_trial(&mut self, leaves: &[Leaf]) {
        while let Some(trial) = self.trials.pop() {
            if leaves.iter().any(|(path, _)| trial.contains(path)) {
                return;
            }
        }
    }
}

/// A pause that was doubled this many times.
fn backoff(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

#[cfg(test)]
#[path = "quarantine_tests.rs"]
mod tests;
