//! The bytes of a segment: a line that says whose messages follow, then a line and the bytes of each.
//!
//! ```text
//! twind-messages 1 42 "contoso.azure-devices.net/MyTwinDevice" 9f86d081…(64 hex digits)\n
//!                │ │  │                                       └ SHA-256 of the line up to here
//!                │ │  └ the identity, as a JSON string
//!                │ └ the number of the first message, which is also in the file's name
//!                └ the format's number
//! message 42 12 317 60303ae2…(64 hex digits)\n<317 bytes>\n
//!         │  │  │   └ SHA-256 of the line up to here, and of the message's bytes
//!         │  │  └ how many bytes the message has
//!         │  └ how many records it holds
//!         └ its number
//! ```
//!
//! It is text so that `less` shows it. A message's bytes never begin a line with `message`, so behind a damaged frame the next one
//! is found by its line, and its checksum shows that it is one.

use super::super::format::checksum;
use crate::telemetry::Message;
use core::ops::Range;

const MAGIC: &str = "twind-messages";
/// The format that is written, and the newest that is read.
const FORMAT: u64 = 1;
const MARK: &[u8] = b"message ";
/// The most that a segment's file can hold, so that it can be read whole.
pub(super) const FILE_BYTES_MAX: usize = 64 * 1024;
/// The longest header: an identity is a host's name and a device's.
const HEADER_BYTES_MAX: usize = 2048;
/// The longest line of a frame that this format can make.
const LINE_BYTES_MAX: usize = 160;
/// The most that a message and its line take.
pub(super) const FRAME_BYTES_MAX: usize = FILE_BYTES_MAX - HEADER_BYTES_MAX;

/// More messages than fit into a segment.
const MESSAGES_MAX: u64 = FILE_BYTES_MAX as u64 / 64;

/// The first line of a segment; `None` for an identity that is too long.
pub(super) fn header(first: u64, identity: &str) -> Option<Vec<u8>> {
    let identity = serde_json::to_string(identity).ok()?;
    let promise = format!("{MAGIC} {FORMAT} {first} {identity} ");
    let line = format!("{promise}{}\n", checksum(promise.as_bytes(), b""));
    (line.len() <= HEADER_BYTES_MAX).then(|| line.into_bytes())
}

/// The bytes of one message; `None` if it is too large.
pub(super) fn frame(number: u64, message: &Message) -> Option<Vec<u8>> {
    let bytes = message.encode();
    let promise = format!("message {number} {} {} ", message.records, bytes.len());
    let sum = checksum(promise.as_bytes(), &bytes);
    let frame = [promise.as_bytes(), sum.as_bytes(), b"\n", &bytes, b"\n"].concat();
    (frame.len() <= FRAME_BYTES_MAX).then_some(frame)
}

/// Why the bytes are no segment that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A later twind wrote it.
    Newer,
    /// Its first line is not what was written.
    Damaged,
}

/// The number of the first message, the identity, and where the first frame begins.
pub(super) fn open(bytes: &[u8]) -> Result<(u64, String, usize), Unusable> {
    let line = line(bytes, HEADER_BYTES_MAX).ok_or(Unusable::Damaged)?;
    let (promise, sum) = line.rsplit_once(' ').ok_or(Unusable::Damaged)?;
    let mut words = line.splitn(4, ' ');
    if words.next() != Some(MAGIC) {
        return Err(Unusable::Damaged);
    }
    match number(words.next()) {
        Some(FORMAT) => {}
        // Its checksum is not ours to know.
        Some(format) if format > FORMAT => return Err(Unusable::Newer),
        _ => return Err(Unusable::Damaged),
    }
    let first = number(words.next());
    let identity = words.next().and_then(|rest| serde_json::from_str(rest.rsplit_once(' ')?.0).ok());
    match (first, identity) {
        (Some(first), Some(identity)) if checksum(format!("{promise} ").as_bytes(), b"") == sum => {
            Ok((first, identity, line.len() + 1))
        }
        _ => Err(Unusable::Damaged),
    }
}

/// The text before the first line end, if that comes in time.
fn line(bytes: &[u8], bytes_max: usize) -> Option<&str> {
    let length = bytes.iter().take(bytes_max).position(|byte| *byte == b'\n')?;
    core::str::from_utf8(bytes.get(..length)?).ok()
}

fn number<T: core::str::FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}

/// A frame that is what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The message's number.
    pub(super) number: u64,
    /// How many records it holds.
    pub(super) records: u64,
    /// The message's bytes.
    pub(super) bytes: &'a [u8],
    /// Where the next one begins.
    pub(super) end: usize,
    /// The records of the messages that are damaged between the frame before and this one. One whose line is damaged, too, counts
    /// as one record.
    pub(super) lost: u64,
}

/// The frames of a segment in the order of their numbers. What is damaged is skipped.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The numbers that can come.
    numbers: Range<u64>,
    /// The records of the messages behind the last frame that are all there and damaged.
    lost_at_end: u64,
}

impl<'a> Frames<'a> {
    /// The frames from this place on, where that of the first of these numbers stands. Others belong to a write that failed.
    pub(super) fn new(bytes: &'a [u8], at: usize, numbers: Range<u64>) -> Self {
        let end = numbers.end.min(numbers.start.saturating_add(MESSAGES_MAX));
        Self { bytes, at, numbers: numbers.start..end, lost_at_end: 0 }
    }

    /// After the last frame: the records that are known to be lost behind it, and whether nothing at all is behind it.
    pub(super) fn rest(&self) -> (u64, bool) {
        (self.lost_at_end, self.at >= self.bytes.len())
    }

    /// The frame at this place.
    fn whole(&self, at: usize) -> Option<Frame<'a>> {
        let (promise, sum, start) = self.promise(at)?;
        let [number, records, length] = numbers(promise)?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        let bytes = self.bytes.get(start..end)?;
        let is_whole = self.numbers.contains(&number)
            && self.bytes.get(end) == Some(&b'\n')
            && checksum(promise.as_bytes(), bytes) == sum;
        is_whole.then_some(Frame { number, records, bytes, end: end + 1, lost: 0 })
    }

    /// What a line promises, its checksum, and where the message begins.
    fn promise(&self, at: usize) -> Option<(&'a str, &'a str, usize)> {
        let line = line(self.bytes.get(at..)?, LINE_BYTES_MAX)?;
        let (promise, sum) = line.split_at_checked(line.rfind(' ')? + 1)?;
        Some((promise, sum, at + line.len() + 1))
    }

    /// Where lines begin behind this place that could be a frame's.
    fn marks(&self, from: usize, to: usize) -> impl Iterator<Item = usize> + use<'a> {
        let bytes = self.bytes;
        let lines = (from..to).filter(move |at| *at == 0 || bytes.get(at - 1) == Some(&b'\n'));
        lines.filter(move |at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(MARK)))
    }

    /// The records of the messages before `number` that stand damaged between two places; `None`: up to the end.
    fn lost(&self, to: usize, number: Option<u64>) -> u64 {
        let (mut lost, mut next) = (0_u64, self.numbers.start);
        for at in self.marks(self.at, to) {
            let Some((promise, _, start)) = self.promise(at) else { continue };
            let Some([one, records, length]) = numbers(promise) else { continue };
            let is_next = match number {
                Some(number) => (next..number).contains(&one),
                None => one == next && one < self.numbers.end,
            };
            // A line that promises more is damaged itself, or of a write that the power cut.
            let is_there = length <= (self.bytes.len() - start.min(self.bytes.len())) as u64;
            if is_next && is_there && records <= length {
                lost = lost.saturating_add(records).saturating_add(one - next);
                next = one + 1;
            }
        }
        lost.saturating_add(number.map_or(0, |number| number - next))
    }
}

/// A frame's number, records and bytes, by its line.
fn numbers(promise: &str) -> Option<[u64; 3]> {
    let mut words = promise.as_bytes().starts_with(MARK).then(|| promise.split(' '))?.skip(1);
    let numbers = [number(words.next())?, number(words.next())?, number(words.next())?];
    (words.next() == Some("") && words.next().is_none()).then_some(numbers)
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let found = self.whole(self.at).or_else(|| {
            let (at, frame) = self.marks(self.at + 1, self.bytes.len()).find_map(|at| Some((at, self.whole(at)?)))?;
            Some(Frame { lost: self.lost(at, Some(frame.number)), ..frame })
        });
        match found {
            Some(frame) => {
                self.at = frame.end;
                self.numbers.start = frame.number + 1;
                Some(frame)
            }
            None => {
                self.lost_at_end = self.lost(self.bytes.len(), None);
                None
            }
        }
    }
}
