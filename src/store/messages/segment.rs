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
//! It is text so that `less` shows it. Behind a damaged frame the next one is found by the word `message`, and its checksum shows
//! that it is one.

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

    /// The places from this one on where a line of a frame could begin. The end of the line before may be damaged.
    fn marks(&self, from: usize, to: usize) -> impl Iterator<Item = usize> + use<'a> {
        let bytes = self.bytes;
        (from..to).filter(move |at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(MARK)))
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
            let is_there = length < (self.bytes.len() - start.min(self.bytes.len())) as u64;
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
            let (at, frame) =
                self.marks(self.at + 1, self.bytes.len()).find_map(|at| Some((at, self.whole(at)?)))?;
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

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use proptest::prelude::*;

    const IDENTITY: &str = "hub.example/a device\n";

    /// A segment whose messages are 7 to 9, where each begins, and how many records each holds.
    fn three() -> (Vec<u8>, [usize; 3]) {
        let mut bytes = header(7, IDENTITY).unwrap();
        let starts = [7, 8, 9].map(|number| {
            bytes.extend(frame(number, &message(number, 10)).unwrap());
            bytes.len()
        });
        let start = open(&bytes).unwrap().2;
        (bytes, [start, starts[0], starts[1]])
    }

    /// The numbers that are found, the records that are lost, and whether there is nothing behind.
    fn found(bytes: &[u8]) -> (Vec<u64>, u64, bool) {
        let at = open(bytes).map_or(0, |(_, _, at)| at);
        let mut frames = Frames::new(bytes, at, 7..u64::MAX);
        let mut lost = 0;
        let numbers = frames.by_ref().map(|frame| {
            lost += frame.lost;
            assert_eq!(Message::decode(frame.bytes).unwrap(), message(frame.number, 10));
            frame.number
        });
        let numbers = numbers.collect();
        let (behind, is_clean) = frames.rest();
        (numbers, lost + behind, is_clean)
    }

    #[test]
    fn what_was_written_comes_back() {
        let (bytes, starts) = three();
        assert_eq!(open(&bytes).unwrap().1, IDENTITY);
        assert_eq!(open(&bytes).unwrap().0, 7);
        assert_eq!(found(&bytes), (vec![7, 8, 9], 0, true));
        let frame = String::from_utf8(bytes[starts[0]..starts[1]].to_vec()).unwrap();
        assert!(frame.starts_with("message 7 7 ") && frame.ends_with("\n[xxxxxxxxxx]\n"), "{frame}");
        assert!(bytes.starts_with(b"twind-messages 1 7 \"hub.example/a device\\n\" "));
    }

    #[test]
    fn a_segment_that_is_cut_at_any_byte_keeps_the_messages_before_it_and_counts_none_lost() {
        let (bytes, starts) = three();
        for length in starts[0]..bytes.len() {
            let (numbers, lost, is_clean) = found(&bytes[..length]);
            let whole = starts[1..].iter().filter(|start| **start <= length).count();
            assert_eq!((numbers.len(), lost), (whole, 0), "cut to {length} bytes");
            assert_eq!(is_clean, starts.contains(&length), "cut to {length} bytes");
        }
    }

    #[test]
    fn any_flipped_bit_costs_one_message_and_its_records_are_counted() {
        let (bytes, starts) = three();
        for bit in starts[0] * 8..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (numbers, lost, _) = found(&flipped);
            let hit = starts.iter().filter(|start| **start <= bit / 8).count() as u64 + 6;
            let left: Vec<_> = (7..=9).filter(|number| *number != hit).collect();
            assert_eq!(numbers, left, "bit {bit} flipped");
            let body = bytes[..=bit / 8]
                .iter()
                .rposition(|byte| *byte == b'[')
                .is_some_and(|at| at > starts[(hit - 7) as usize]);
            assert!(
                if body && bytes[bit / 8] != b'\n' { lost == hit } else { lost <= 100 },
                "bit {bit}: {lost}"
            );
        }
    }

    #[test]
    fn a_message_whose_line_is_damaged_counts_as_one_record_if_another_follows() {
        let (mut bytes, starts) = three();
        bytes[starts[1]] = b'M';
        assert_eq!(found(&bytes), (vec![7, 9], 1, true));
        bytes[starts[2]] = b'M';
        assert_eq!(found(&bytes), (vec![7], 0, false));
    }

    #[test]
    fn every_flipped_bit_of_the_header_is_noticed() {
        let (bytes, starts) = three();
        for bit in 0..starts[0] * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let told = open(&flipped).unwrap_err();
            // A higher number of the format.
            assert!(told == Unusable::Damaged || matches!(bit / 8, 15 | 16), "bit {bit} flipped: {told:?}");
            assert_eq!(found(&flipped).0, [7, 8, 9], "bit {bit} flipped");
        }
    }

    #[test]
    fn messages_of_a_write_that_failed_are_not_found() {
        let (bytes, starts) = three();
        let mut frames = Frames::new(&bytes, starts[0], 7..8);
        assert_eq!(frames.by_ref().map(|frame| frame.number).collect::<Vec<_>>(), [7]);
        assert_eq!(frames.rest(), (0, false));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(frame(1, &message(1, FRAME_BYTES_MAX - 300)).is_some());
        assert_eq!(frame(1, &message(1, FRAME_BYTES_MAX)), None);
        assert_eq!(header(1, &"x".repeat(HEADER_BYTES_MAX)), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_survived(bytes: Vec<u8>, text in "(message [0-9 ]{0,20}\n|twind-messages 1 7 |[\"\n a-f0-9])*") {
            prop_assert_eq!(Frames::new(&bytes, 0, 0..u64::MAX).count(), 0);
            prop_assert!(open(&bytes).is_err());
            let mut frames = Frames::new(text.as_bytes(), 0, 1..u64::MAX);
            prop_assert_eq!(frames.by_ref().count(), 0);
            prop_assert!(frames.rest().0 <= text.len() as u64 * 20);
        }
    }
}
