//! Varlink's wire (varlink.org): JSON objects, each ended by a NUL byte.
//!
//! Own code, because the protocol is no longer than this page and the library for it would bring sixty crates. Both
//! ends use it: the daemon, and the commands that talk to it. Deliberately absent: sockets, and what is said.

use crate::twin::json;
use serde_json::{Map, Value, json};

/// Objects around a half of the twin in the answer to `GetTwin`.
const TWIN_ABOVE: usize = 3;
/// Objects around the parameters of a call.
const PARAMETERS_ABOVE: usize = 1;

/// The longest message that the daemon reads.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes as they come, taken apart into messages.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// So many of them hold no NUL byte.
    searched: usize,
}

/// A message is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Inbox {
    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, without its end.
    ///
    /// # Errors
    /// When it is longer than `max`, whole or not.
    pub fn next(&mut self, max: usize) -> Result<Option<Vec<u8>>, TooLong> {
        let end = self.bytes.iter().skip(self.searched).position(|byte| *byte == 0);
        let Some(end) = end.map(|end| end + self.searched) else {
            self.searched = self.bytes.len();
            return if self.searched > max { Err(TooLong) } else { Ok(None) };
        };
        self.searched = 0;
        let rest = self.bytes.split_off(end + 1);
        let mut message = core::mem::replace(&mut self.bytes, rest);
        message.pop();
        if message.len() > max { Err(TooLong) } else { Ok(Some(message)) }
    }
}

/// A call, as the service reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Interface and method, joined by a dot.
    pub method: String,
    /// What is sent along.
    pub parameters: Map<String, Value>,
    /// The caller wants no reply.
    pub oneway: bool,
}

impl Call {
    /// Reads a message; `None` if it is no call.
    pub fn read(message: &[u8]) -> Option<Self> {
        let mut fields = json::read(message, PARAMETERS_ABOVE).ok()?;
        let Some(Value::String(method)) = fields.remove("method") else { return None };
        let parameters = match fields.remove("parameters") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(parameters)) => parameters,
            Some(_) => return None,
        };
        Some(Self { method, parameters, oneway: fields.get("oneway") == Some(&Value::Bool(true)) })
    }

    /// The message that calls a method.
    pub fn write(method: &str, parameters: &Value) -> Vec<u8> {
        end(&json!({ "method": method, "parameters": parameters }))
    }
}

/// An error by its full name, and what it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct CallError {
    /// Interface and error, joined by a dot.
    pub name: String,
    /// What it tells.
    pub parameters: Value,
}

impl CallError {
    /// One of the protocol's own.
    pub fn of_service(name: &str, parameters: Value) -> Self {
        Self { name: format!("org.varlink.service.{name}"), parameters }
    }

    /// A parameter is missing or no value of its type.
    pub fn invalid(parameter: &str) -> Self {
        Self::of_service("InvalidParameter", json!({ "parameter": parameter }))
    }
}

/// What a call is answered.
pub type Reply = Result<Value, CallError>;

/// The message that answers a call.
pub fn write_reply(reply: &Reply) -> Vec<u8> {
    end(&match reply {
        Ok(parameters) => json!({ "parameters": parameters }),
        Err(CallError { name, parameters }) => json!({ "error": name, "parameters": parameters }),
    })
}

/// Reads the answer to a call; `None` if it is none.
pub fn read_reply(message: &[u8]) -> Option<Reply> {
    let mut fields = json::read(message, TWIN_ABOVE).ok()?;
    let parameters = fields.remove("parameters").unwrap_or_else(|| json!({}));
    match fields.remove("error") {
        None => Some(Ok(parameters)),
        Some(Value::String(name)) => Some(Err(CallError { name, parameters })),
        Some(_) => None,
    }
}

fn end(message: &Value) -> Vec<u8> {
    let mut bytes = json::write(message).into_bytes();
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_thousand_changes_come_as_a_list() {
        let row = json!({ "secondsAgo": 1, "output": "fan", "permille": 5, "cause": "climate", "by": null });
        let status = json!({ "status": { "changes": vec![row; 1000] } });
        let read = read_reply(write_reply(&Ok(status.clone())).trim_ascii_end().strip_suffix(b"\0").unwrap());
        assert_eq!(read, Some(Ok(status)));
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream = b"one\0two\0\0three";
        for size in 1..=stream.len() {
            let (mut inbox, mut found) = (Inbox::default(), Vec::new());
            for chunk in stream.chunks(size) {
                inbox.push(chunk);
                while let Ok(Some(message)) = inbox.next(10) {
                    found.push(String::from_utf8(message).unwrap());
                }
            }
            assert_eq!(found, ["one", "two", ""], "in pieces of {size}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_waited_for() {
        let mut inbox = Inbox::default();
        inbox.push(b"123456");
        assert_eq!(inbox.next(6), Ok(None));
        inbox.push(b"7");
        assert_eq!(inbox.next(6), Err(TooLong));
        let mut inbox = Inbox::default();
        inbox.push(b"1234567\0");
        assert_eq!(inbox.next(6), Err(TooLong));
    }

    #[test]
    fn a_call_comes_back_from_its_message() {
        let message = Call::write("a.b.C", &json!({"x": 1}));
        let call = Call::read(message.strip_suffix(b"\0").unwrap()).unwrap();
        assert_eq!((call.method.as_str(), &call.parameters["x"], call.oneway), ("a.b.C", &json!(1), false));
        assert!(Call::read(br#"{"method":"a.b.C","oneway":true}"#).unwrap().oneway);
        for other in ["", "{}", "[]", r#"{"method":7}"#, r#"{"method":"a.b.C","parameters":[]}"#] {
            assert_eq!(Call::read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_method_that_is_not_there_cannot_write_into_its_answer() {
        let call = Call::read(br#"{"method":"a.b.\u0000r{\"x\":1","parameters":{"\u0000s":60}}"#).unwrap();
        let message =
            write_reply(&Err(CallError::of_service("MethodNotFound", json!({ "method": call.method }))));
        assert!(serde_json::from_slice::<Value>(message.strip_suffix(b"\0").unwrap()).is_ok());
        let message = Call::write(&call.method, &Value::Object(call.parameters.clone()));
        assert_eq!(Call::read(message.strip_suffix(b"\0").unwrap()), Some(call));
    }

    #[test]
    fn a_method_whose_name_is_an_escape_is_answered_by_its_name() {
        let call = Call::read(br#"{"method":"\u0000r{}"}"#).unwrap();
        let message =
            write_reply(&Err(CallError::of_service("MethodNotFound", json!({ "method": call.method }))));
        let read: Value = serde_json::from_slice(message.strip_suffix(b"\0").unwrap()).unwrap();
        assert_eq!(read["parameters"]["method"], "\0r{}");
    }

    #[test]
    fn a_reply_comes_back_from_its_message() {
        for reply in [Ok(json!({"x": [1]})), Err(CallError::invalid("x"))] {
            let message = write_reply(&reply);
            assert_eq!(read_reply(message.strip_suffix(b"\0").unwrap()), Some(reply));
        }
        assert_eq!(read_reply(b"{}"), Some(Ok(json!({}))));
        assert_eq!(read_reply(br#"{"error":7}"#), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut inbox = Inbox::default();
            inbox.push(&bytes);
            while let Ok(Some(message)) = inbox.next(100) {
                let _ = (Call::read(&message), read_reply(&message));
            }
        }
    }
}
