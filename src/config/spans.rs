//! Places in the file: a span, and a value with its span.

/// A range of the file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// The start of the file: the place of what has no place.
    pub(super) const FILE: Self = Self { start: 0, end: 0 };
}

/// Brings things into the order in which they stand in the file. Only their places are sorted, since a sort is compiled anew for each
/// type, at 3 KiB.
pub(super) fn in_file_order<T>(things: Vec<T>, at: impl Fn(&T) -> Span) -> Vec<T> {
    let mut order: Vec<(Span, usize)> =
        things.iter().enumerate().map(|(index, thing)| (at(thing), index)).collect();
    order.sort_unstable();
    let mut things: Vec<Option<T>> = things.into_iter().map(Some).collect();
    order.into_iter().filter_map(|(_, index)| things.get_mut(index)?.take()).collect()
}

impl From<core::ops::Range<usize>> for Span {
    fn from(range: core::ops::Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Span,
}
