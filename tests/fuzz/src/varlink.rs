//! What a client sends to the local socket, and a daemon sends back. The first byte is the size of the pieces.

use twind::service::varlink::{Call, Inbox, read_reply, write_reply};

const MESSAGE_BYTES_MAX: usize = 512;

/// See the module.
pub fn run(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first() else { return };
    let (whole, pieces) =
        (messages(rest.chunks(usize::MAX)), messages(rest.chunks(usize::from(*size).max(1))));
    // In pieces an overlong message is noticed sooner, and then nothing more is read.
    assert!(whole == pieces || pieces.is_none(), "in pieces of {size} other messages");
    for message in pieces.into_iter().flatten() {
        if let Some(call) = Call::read(&message) {
            let again = call.write();
            assert_eq!(again.iter().filter(|byte| **byte == 0).count(), 1, "one end");
            let again = Call::read(again.strip_suffix(b"\0").unwrap_or_default());
            assert_eq!(again, Some(call), "written and read again");
        }
        if let Some(reply) = read_reply(&message) {
            assert!(reply.says.is_ok() || !reply.continues, "nothing follows an error");
            let again = write_reply(&reply.says, reply.continues);
            assert_eq!(again.iter().filter(|byte| **byte == 0).count(), 1, "one end");
            assert_eq!(read_reply(again.strip_suffix(b"\0").unwrap_or_default()), Some(reply));
        }
    }
}

/// The complete messages; `None` if one was too long.
fn messages<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Option<Vec<Vec<u8>>> {
    let (mut inbox, mut found) = (Inbox::default(), Vec::new());
    for piece in pieces {
        inbox.push(piece);
        while let Some(message) = inbox.next(MESSAGE_BYTES_MAX).ok()? {
            assert!(message.len() <= MESSAGE_BYTES_MAX && !message.contains(&0));
            found.push(message);
        }
    }
    Some(found)
}
