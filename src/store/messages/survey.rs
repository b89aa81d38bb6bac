//! Reads all segments once, and removes what is of no use: damaged ones, another identity's, and those whose messages are done.

use super::super::StoreFault;
use super::books::{Books, Segment, records};
use super::disk::{Content, Disk};
use super::segment::{self, FILE_BYTES_MAX, Frames, Unusable};
use crate::telemetry::Message;
use crate::units::{BootId, UnixSeconds};
use std::collections::VecDeque;

/// More boots than a gateway has while its hub is away, unless it starts over and over.
const BOOTS_MAX: usize = 64;

/// What was found.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) books: Books,
    /// There was at least one segment, needed or not.
    pub(super) has_segments: bool,
    /// The number of the next message: above all that was seen.
    pub(super) next: u64,
    /// When boots began, the latest last.
    pub(super) boots: VecDeque<(BootId, UnixSeconds)>,
    /// The records that were lost.
    pub(super) lost: u64,
    /// The noted first message that the hub does not have.
    pub(super) head: Option<u64>,
}

/// Reads the segments of `identity`, one after the other.
pub(super) fn survey(disk: &mut Disk, identity: &str) -> Result<Survey, StoreFault> {
    let names = disk.list()?;
    let head = disk.read_head()?;
    let mut survey = Survey { head, has_segments: !names.is_empty(), ..Survey::default() };
    survey.next = survey.head.unwrap_or(1).max(1);
    for (index, first) in names.iter().enumerate() {
        let following = names.get(index + 1).copied().unwrap_or(u64::MAX);
        survey.add(disk, identity, *first, following)?;
    }
    Ok(survey)
}

impl Survey {
    /// `following`: the first number of the next segment. A write that failed may have left messages with that number and above.
    fn add(&mut self, disk: &mut Disk, identity: &str, first: u64, following: u64) -> Result<(), StoreFault> {
        self.next = self.next.max(first.saturating_add(1));
        let head = self.head.unwrap_or(0);
        let bytes = match disk.read(first)? {
            Content::Bytes(bytes) => bytes,
            Content::Missing => return Ok(()),
            Content::Unreadable(_) => {
                // It held at least one.
                self.lost += u64::from(following > head);
                return disk.unlink(first);
            }
        };
        let (found, start, is_ours) = match segment::open(&bytes) {
            Ok((found, whose, start)) => (found, start, found == first && whose == identity),
            Err(Unusable::Newer) => return disk.set_aside(first),
            Err(Unusable::Damaged) => (first, 0, false),
        };
        let mut segment = Segment { first, left: Vec::new(), bytes: 0, is_open: false };
        let mut frames = Frames::new(&bytes, start, found..following);
        for frame in frames.by_ref() {
            let is_done = frame.number < head;
            self.next = self.next.max(frame.number + 1);
            let message = Message::decode(frame.bytes).ok().filter(|_| is_ours);
            self.lost += if is_done { 0 } else { frame.lost };
            let Some(message) = message else {
                self.lost += if is_done { 0 } else { frame.records };
                continue;
            };
            self.note_boot(&message);
            // Those between are damaged, and that is counted.
            segment.left.resize(usize::try_from(frame.number - first).unwrap_or(usize::MAX), None);
            segment.left.push(records(&message).filter(|_| !is_done));
        }
        let (lost, is_clean) = frames.rest();
        self.lost += if segment.end() < head { 0 } else { lost };
        segment.bytes = disk.length(first).unwrap_or(bytes.len() as u64);
        segment.is_open = is_clean && segment.bytes <= FILE_BYTES_MAX as u64;
        self.next = self.next.max(segment.end());
        if segment.is_done() {
            return disk.unlink(first);
        }
        self.books.0.push_back(segment);
        Ok(())
    }

    fn note_boot(&mut self, message: &Message) {
        let (Some(boot), Some(began)) = (message.boot, message.booted) else { return };
        self.boots.retain(|(known, _)| *known != boot);
        if self.boots.len() == BOOTS_MAX {
            self.boots.pop_front();
        }
        self.boots.push_back((boot, began));
    }
}
