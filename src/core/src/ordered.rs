//! Ordered collections of a few entries, put in one by one.
//!
//! `collect` sorts the entries first. That is faster for many, but the sort is compiled anew for each type, at 3 KiB.

use alloc::collections::{BTreeMap, BTreeSet};

/// A map of these entries; of two with the same key, the later.
pub(crate) fn map_of<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

/// A set of these entries.
pub(crate) fn set_of<T: Ord>(entries: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(entries);
    set
}
