//! The ring: messages that the hub does not have yet, on the disk, in numbered *segments* (`messages.00000042`).
//!
//! A segment is written at its end until it is full, and removed when all its messages are done; when the ring is full the oldest
//! segments give way. `messages.head` holds the number of the first message that the hub does not have, so that a restart does not
//! send again what is done in a segment that is still needed.
//!
//! Messages count as kept once their bytes and the name of their segment are durable. What a power cut can cost:
//!
//! - messages that were not kept yet, and of these perhaps only the last ones;
//! - nothing that was kept and not done;
//! - the knowledge that a message is done, if it is no older than the system takes to write back (half a minute, usually): neither
//!   the note nor the removal of a segment is made durable, which spares the card. Such a message is sent again with the same id.
//!
//! Nothing is kept in memory but a number for each message. A segment is small enough to be read whole.

mod books;
mod disk;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod power_tests;
mod segment;
mod survey;
#[cfg(test)]
mod tests;

use super::StoreFault;
use crate::telemetry::{Message, RingEvent, RingFailed, RingRequest};
use books::{Books, Segment};
use core::num::NonZeroU32;
use disk::{Content, Disk};
use segment::{FILE_BYTES_MAX, FRAME_BYTES_MAX, Frames};
use std::path::Path;

/// The most messages that are read at once, and their bytes unless the first one alone has more.
const READ_MESSAGES_MAX: usize = 4;
const READ_BYTES_MAX: usize = 16 * 1024;
/// What a full ring loses at once, as a part of it; but a segment is never smaller than this.
const SEGMENTS: u64 = 16;
const SEGMENT_BYTES_MIN: u64 = 4096;

/// Whose messages are kept, and how many bytes of them.
#[derive(Clone)]
struct Terms {
    identity: String,
    keep_bytes: u64,
}

/// The ring of messages in a state directory whose lock the caller holds.
pub(super) struct Ring {
    disk: Disk,
    terms: Option<Terms>,
    /// It was opened, and nothing unknown was found since.
    is_open: bool,
    books: Books,
    /// The number of the next message.
    next: u64,
    /// The number that the head file holds.
    head: u64,
    /// The records that gave way and were not told.
    dropped: u64,
    /// Segments that a failed write may have left. They go before anything is kept, since their numbers are used again.
    leftovers: Vec<u64>,
    /// A removal must be durable before anything is kept.
    is_directory_dirty: bool,
    /// Where reading goes on: the segment, the message's number and its place.
    mark: Option<(u64, u64, usize)>,
}

/// A message as it is written, and its records.
type Framed = (Vec<u8>, Option<NonZeroU32>);

/// A write to one segment.
struct Piece {
    first: u64,
    bytes: Vec<u8>,
    records: Vec<Option<NonZeroU32>>,
    /// Where in the last segment; `None` for a new one.
    at: Option<u64>,
}

impl Ring {
    pub(super) fn new(dir: &Path) -> Self {
        Self::on(Disk::new(dir, Box::new(|_, _| Ok(()))))
    }

    fn on(disk: Disk) -> Self {
        Self {
            disk,
            terms: None,
            is_open: false,
            books: Books::default(),
            next: 1,
            head: 1,
            dropped: 0,
            leftovers: Vec::new(),
            is_directory_dirty: false,
            mark: None,
        }
    }

    /// Carries out a request, and tells what became of it. `claimed`: may the directory be written to?
    pub(super) fn carry_out(
        &mut self,
        request: RingRequest,
        claimed: Result<(), StoreFault>,
        mut tell: impl FnMut(RingEvent),
    ) {
        let (kind, outcome) = match request {
            RingRequest::Open { identity, keep_bytes } => {
                self.settle(Terms { identity, keep_bytes });
                (RingFailed::Open, claimed.and_then(|()| self.open()))
            }
            RingRequest::Keep(messages) => {
                let opened = claimed.and_then(|()| self.open_again()).map(|opened| opened.map(&mut tell));
                (RingFailed::Keep, opened.and_then(|_| self.keep(&messages)))
            }
            RingRequest::Read { after } => (RingFailed::Read, self.read(after)),
            RingRequest::Forget { number } => return self.forget(number),
        };
        tell(outcome.unwrap_or_else(|fault| RingEvent::Failed { request: kind, reason: fault.reason }));
    }

    /// Does this request need a directory that may be written to?
    pub(super) fn writes(request: &RingRequest) -> bool {
        matches!(request, RingRequest::Open { .. } | RingRequest::Keep(_))
    }

    /// What is of another identity is not read any more, even if it cannot be removed.
    fn settle(&mut self, terms: Terms) {
        if self.terms.as_ref().is_none_or(|before| before.identity != terms.identity) {
            self.books = Books::default();
        }
        self.terms = Some(terms);
    }

    fn terms(&self) -> Result<&Terms, StoreFault> {
        self.terms.as_ref().ok_or_else(|| fault("the ring of messages is not open"))
    }

    /// Opens it if it is not.
    fn open_again(&mut self) -> Result<Option<RingEvent>, StoreFault> {
        if self.is_open { Ok(None) } else { self.open().map(Some) }
    }

    fn open(&mut self) -> Result<RingEvent, StoreFault> {
        self.is_open = false;
        let Terms { identity, keep_bytes } = self.terms()?.clone();
        let mut found = survey::survey(&mut self.disk, &identity)?;
        found.books.learn(&self.books);
        self.books = found.books;
        self.next = self.next.max(found.next);
        self.head = self.head.max(found.head.unwrap_or(1));
        self.mark = None;
        self.leftovers.clear();
        if let Some(last) = self.books.0.back_mut() {
            // A process that was killed may have left them in memory only.
            self.disk.sync_segment(last.first)?;
            last.is_open &= last.end() == self.next;
        }
        if found.has_segments {
            // What was removed stays so, before its numbers are used again.
            self.disk.sync_directory()?;
            self.is_directory_dirty = false;
        }
        self.sweep();
        let mut lost = found.lost;
        while self.books.bytes() > keep_bytes {
            lost += self.drop_oldest()?.unwrap_or(0);
        }
        self.is_open = true;
        Ok(RingEvent::Opened { holds: self.books.holds(), boots: found.boots.into(), lost })
    }

    /// Removes the oldest segment, and returns the records that it held. `None`: there is none.
    fn drop_oldest(&mut self) -> Result<Option<u64>, StoreFault> {
        let Some(oldest) = self.books.0.front() else { return Ok(None) };
        self.disk.unlink(oldest.first)?;
        let records = oldest.records();
        self.books.0.pop_front();
        self.note();
        Ok(Some(records))
    }

    fn keep(&mut self, messages: &[Message]) -> Result<RingEvent, StoreFault> {
        self.sweep();
        while let Some(first) = self.leftovers.last() {
            self.disk.unlink(*first)?;
            self.leftovers.pop();
        }
        let keep_bytes = self.terms()?.keep_bytes;
        let frames = self.frames(messages)?;
        let total = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes.len() as u64).sum::<u64>();
        let all = total(&self.pieces(&frames, None)?);
        if all > keep_bytes {
            return Err(fault(&format!(
                "{} messages have {all} bytes, but [telemetry] keep is {keep_bytes} (raise it)",
                messages.len()
            )));
        }
        let pieces = loop {
            // Anew each time: the segment that would be written to may give way.
            let pieces = self.pieces(&frames, self.room_at_end())?;
            if self.books.bytes().saturating_add(total(&pieces)) <= keep_bytes {
                break pieces;
            }
            match self.drop_oldest()? {
                Some(records) => self.dropped = self.dropped.saturating_add(records),
                None => break pieces,
            }
        };
        self.write(&pieces)?;
        let first = self.next;
        for piece in pieces {
            self.next = self.next.saturating_add(piece.records.len() as u64);
            let bytes = piece.bytes.len() as u64;
            match self.books.0.back_mut() {
                Some(last) if piece.at.is_some() => {
                    last.left.extend(piece.records);
                    last.bytes += bytes;
                }
                _ => {
                    let segment = Segment { first: piece.first, left: piece.records, bytes, is_open: true };
                    self.books.0.push_back(segment);
                }
            }
        }
        let dropped = core::mem::take(&mut self.dropped);
        Ok(RingEvent::Kept { first, holds: self.books.holds(), dropped })
    }

    /// The bytes and the records of each message.
    fn frames(&self, messages: &[Message]) -> Result<Vec<Framed>, StoreFault> {
        let numbered = (self.next..).zip(messages);
        let frames = numbered.map(|(number, message)| {
            let bytes = segment::frame(number, message);
            let too_large = || fault(&format!("a message has more than {FRAME_BYTES_MAX} bytes"));
            Ok((bytes.ok_or_else(too_large)?, books::records(message)))
        });
        frames.collect()
    }

    /// The length of the last segment and what fits behind it, if it may be written to.
    fn room_at_end(&self) -> Option<(u64, u64)> {
        let last = self.books.0.back().filter(|last| last.is_open && last.end() == self.next)?;
        // Somebody may have replaced it.
        let is_as_known = self.disk.length(last.first) == Some(last.bytes);
        is_as_known.then(|| (last.bytes, self.segment_bytes().saturating_sub(last.bytes)))
    }

    fn segment_bytes(&self) -> u64 {
        let keep_bytes = self.terms.as_ref().map_or(0, |terms| terms.keep_bytes);
        (keep_bytes / SEGMENTS).clamp(SEGMENT_BYTES_MIN, FILE_BYTES_MAX as u64)
    }

    /// The writes that these frames take: one to the last segment if all fit, else to new ones.
    fn pieces(&self, frames: &[Framed], room: Option<(u64, u64)>) -> Result<Vec<Piece>, StoreFault> {
        let all: u64 = frames.iter().map(|(bytes, _)| bytes.len() as u64).sum();
        let identity = &self.terms()?.identity;
        let mut at = room.filter(|(_, room)| all <= *room).map(|(length, _)| length);
        let mut pieces: Vec<Piece> = Vec::new();
        for (number, (frame, records)) in (self.next..).zip(frames) {
            let fits = |piece: &Piece| {
                piece.at.is_some() || (piece.bytes.len() + frame.len()) as u64 <= self.segment_bytes()
            };
            if !pieces.last().is_some_and(fits) {
                let at = at.take();
                let header = segment::header(number, identity).filter(|_| at.is_none());
                let bytes = match at {
                    Some(_) => Vec::new(),
                    None => header
                        .ok_or_else(|| fault("the name of the device is too long to keep messages for it"))?,
                };
                pieces.push(Piece { first: number, bytes, records: Vec::new(), at });
            }
            if let Some(piece) = pieces.last_mut() {
                piece.bytes.extend_from_slice(frame);
                piece.records.push(*records);
            }
        }
        Ok(pieces)
    }

    /// Writes all or nothing.
    fn write(&mut self, pieces: &[Piece]) -> Result<(), StoreFault> {
        let mut begun = 0;
        let mut written = Ok(());
        for piece in pieces {
            written = match (piece.at, self.books.0.back()) {
                (Some(at), Some(last)) => {
                    begun += 1;
                    self.disk.append(last.first, at, &piece.bytes)
                }
                _ => self.disk.make(piece.first).and_then(|file| {
                    begun += 1;
                    self.disk.fill(piece.first, &file, &piece.bytes)
                }),
            };
            if written.is_err() {
                break;
            }
        }
        let is_new = self.is_directory_dirty || pieces.iter().any(|piece| piece.at.is_none());
        let written = written.and_then(|()| if is_new { self.disk.sync_directory() } else { Ok(()) });
        match &written {
            Ok(()) => self.is_directory_dirty = false,
            Err(_) => {
                self.undo(pieces.get(..begun).unwrap_or(pieces));
                // A segment that is not known may be in the place of a new one: the next write looks.
                let next = pieces.get(begun).filter(|piece| piece.at.is_none());
                self.is_open &= next.is_none_or(|piece| self.disk.length(piece.first).is_none());
            }
        }
        written
    }

    /// Takes back what a failed write may have left.
    fn undo(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match (piece.at, self.books.0.back()) {
                // If that fails the length shows it, and nothing follows what remains.
                (Some(at), Some(last)) => drop(self.disk.truncate(last.first, at)),
                _ => {
                    self.is_directory_dirty = true;
                    if self.disk.unlink(piece.first).is_err() {
                        self.leftovers.push(piece.first);
                    }
                }
            }
        }
    }

    /// Reads the first messages after this number that are not done.
    fn read(&mut self, after: u64) -> Result<RingEvent, StoreFault> {
        if !self.is_open && self.books.0.is_empty() {
            return Err(fault("the ring of messages is not open"));
        }
        let (mut messages, mut lost) = (Vec::new(), 0);
        let from = after.saturating_add(1);
        while messages.is_empty() {
            let Some((number, _)) = self.books.0.iter().find_map(|segment| segment.undone(from).next())
            else {
                break;
            };
            lost += self.read_segment(number, &mut messages)?;
        }
        if lost > 0 {
            self.sweep();
            self.note();
        }
        Ok(RingEvent::Read { messages, lost })
    }

    /// Reads messages of the segment that holds this one, from it on, and returns the records that are lost.
    fn read_segment(&mut self, from: u64, messages: &mut Vec<(u64, Message)>) -> Result<u64, StoreFault> {
        let Some(segment) = self.books.with(from) else { return Ok(0) };
        let (first, end) = (segment.first, segment.end());
        let bytes = match self.disk.read(first)? {
            Content::Bytes(bytes) => bytes,
            Content::Missing => Vec::new(),
            Content::Unreadable(fault) => self.disk.unlink(first).map(|()| Vec::new()).map_err(|_| fault)?,
        };
        let (number, at) = match self.mark {
            Some((marked, number, at)) if marked == first && number <= from => (number, at),
            _ => (first, segment::open(&bytes).map_or(0, |(_, _, start)| start)),
        };
        let (mut next, mut room, mut lost) = (from, READ_BYTES_MAX, 0);
        for frame in Frames::new(&bytes, at, number..end) {
            if frame.number >= from {
                let is_full =
                    messages.len() == READ_MESSAGES_MAX || (!messages.is_empty() && frame.bytes.len() > room);
                if is_full && segment.is_undone(frame.number) {
                    return Ok(lost + segment.finish_all(next..frame.number));
                }
                lost += segment.finish_all(next..frame.number);
                next = frame.number + 1;
                if segment.is_undone(frame.number) {
                    match Message::decode(frame.bytes) {
                        Ok(message) => {
                            room = room.saturating_sub(frame.bytes.len());
                            messages.push((frame.number, message));
                        }
                        Err(_) => lost += segment.finish_all(frame.number..next),
                    }
                }
            }
            self.mark = Some((first, frame.number + 1, frame.end));
        }
        Ok(lost + segment.finish_all(next..end))
    }

    fn forget(&mut self, number: u64) {
        let was_there = self.books.with(number).and_then(|segment| segment.finish(number));
        if was_there.is_some() {
            self.sweep();
            self.note();
        }
    }

    /// Removes the segments whose messages are done, the last one after all others: it shows which numbers were used. One that cannot
    /// be removed is tried again.
    fn sweep(&mut self) {
        let is_empty = self.books.0.iter().all(Segment::is_done);
        let last = self.books.0.back().map(|last| last.first).filter(|_| !is_empty);
        let disk = &mut self.disk;
        let mut stays = |one: &Segment| Some(one.first) == last || disk.unlink(one.first).is_err();
        self.books.0.retain(|one| !one.is_done() || stays(one));
    }

    /// Notes the first message that is not done, if that is another one now.
    fn note(&mut self) {
        let first = self.books.first_undone().unwrap_or(self.next);
        if first > self.head && self.disk.write_head(first) {
            self.head = first;
        }
    }
}

fn fault(reason: &str) -> StoreFault {
    StoreFault { reason: reason.to_owned() }
}
