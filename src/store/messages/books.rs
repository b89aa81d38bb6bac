//! What each segment holds that the hub does not have, in memory: a number for each message, and none of their bytes.

use crate::telemetry::{Holds, Message};
use core::num::NonZeroU32;
use core::ops::Range;
use std::collections::VecDeque;

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The number of its first message.
    pub(super) first: u64,
    /// The records of each message, or `None` for one that is done: the hub has it, or it is damaged.
    pub(super) left: Vec<Option<NonZeroU32>>,
    /// The length of the file.
    pub(super) bytes: u64,
    /// More may be written to it.
    pub(super) is_open: bool,
}

impl Segment {
    /// The number after its last message.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.left.len() as u64)
    }

    pub(super) fn is_done(&self) -> bool {
        self.left.iter().all(Option::is_none)
    }

    /// Notes that a message is done, and returns its records if it was not.
    pub(super) fn finish(&mut self, number: u64) -> Option<NonZeroU32> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.left.get_mut(index)?.take()
    }

    /// Notes that these messages are done, and returns the records of those that were not.
    pub(super) fn finish_all(&mut self, numbers: Range<u64>) -> u64 {
        numbers.filter_map(|number| self.finish(number)).map(|records| u64::from(records.get())).sum()
    }

    pub(super) fn is_undone(&self, number: u64) -> bool {
        self.undone(number).next().is_some_and(|(one, _)| one == number)
    }

    /// The numbers of the messages that are not done, from this one on, and their records.
    pub(super) fn undone(&self, from: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
        let numbered = (self.first..).zip(&self.left).filter(move |(number, _)| *number >= from);
        numbered.filter_map(|(number, records)| Some((number, (*records)?.get())))
    }

    pub(super) fn records(&self) -> u64 {
        self.undone(0).map(|(_, records)| u64::from(records)).sum()
    }
}

/// A message has at least one record.
pub(super) fn records(message: &Message) -> Option<NonZeroU32> {
    Some(NonZeroU32::new(message.records).unwrap_or(NonZeroU32::MIN))
}

/// The segments in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Books(pub(super) VecDeque<Segment>);

impl Books {
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn holds(&self) -> Holds {
        let messages = self.0.iter().map(|segment| segment.undone(0).count() as u64).sum();
        Holds { messages, bytes: self.bytes() }
    }

    /// The first message that is not done.
    pub(super) fn first_undone(&self) -> Option<u64> {
        self.0.iter().find_map(|segment| segment.undone(0).next()).map(|(number, _)| number)
    }

    pub(super) fn with(&mut self, number: u64) -> Option<&mut Segment> {
        self.0.iter_mut().find(|segment| (segment.first..segment.end()).contains(&number))
    }

    /// Notes as done what other books say is done of the same segments.
    pub(super) fn learn(&mut self, other: &Self) {
        for segment in &mut self.0 {
            let Some(known) = other.0.iter().find(|one| one.first == segment.first) else { continue };
            for (left, known) in segment.left.iter_mut().zip(&known.left) {
                *left = left.and(*known);
            }
        }
    }
}
