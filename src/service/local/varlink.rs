//! Varlink's wire (varlink.org): JSON objects, each ended by a NUL byte.
//!
//! Own code, because the protocol is no longer than this page and a library for it would bring sixty crates. The daemon and the
//! commands both use it.

use crate::twin::json;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// How many objects enclose a half of the twin in the answer to `GetTwin`.
const TWIN_ABOVE: usize = 3;
/// How many objects enclose the parameters of a call.
const PARAMETERS_ABOVE: usize = 1;

/// The longest message that the daemon reads.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Splits received bytes into messages.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How many of them are known to hold no NUL byte.
    searched: usize,
}

/// A message is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Inbox {
    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes are not taken yet.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next whole message, without its NUL byte.
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

/// A call of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Interface and method, joined by a dot.
    pub method: String,
    /// Its parameters.
    #[serde(default, deserialize_with = "or_default")]
    pub parameters: Map<String, Value>,
    /// The caller wants no reply.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_not")]
    pub oneway: bool,
    /// The caller accepts any number of replies.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_not")]
    pub more: bool,
}

/// All but the method may be absent or null.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_not(flag: &bool) -> bool {
    !flag
}

impl Call {
    /// A call that is answered once. Parameters that are no object are left out.
    pub fn new(method: &str, parameters: &impl Serialize) -> Self {
        let parameters = match serde_json::to_value(parameters) {
            Ok(Value::Object(parameters)) => parameters,
            _ => Map::new(),
        };
        Self { method: method.to_owned(), parameters, oneway: false, more: false }
    }

    /// Reads a message; `None` if it is no call.
    pub fn read(message: &[u8]) -> Option<Self> {
        Self::deserialize(Value::Object(json::read(message, PARAMETERS_ABOVE).ok()?)).ok()
    }

    /// The message.
    pub fn write(&self) -> Vec<u8> {
        end(self)
    }
}

/// An error: its full name and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallError {
    /// Interface and error, joined by a dot.
    #[serde(rename = "error")]
    pub name: String,
    /// Its parameters.
    pub parameters: Value,
}

/// The message that answers a call. If it `continues`, another one follows; after an error none does.
pub fn write_reply(reply: &Result<impl Serialize, impl Serialize>, continues: bool) -> Vec<u8> {
    match reply {
        Ok(parameters) => end(&Parameters { parameters, continues }),
        Err(error) => end(error),
    }
}

#[derive(Serialize)]
struct Parameters<'p, P> {
    parameters: &'p P,
    #[serde(skip_serializing_if = "is_not")]
    continues: bool,
}

/// A message that answers a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its parameters, or the error.
    pub says: Result<Value, CallError>,
    /// Another one follows.
    pub continues: bool,
}

/// Reads the answer to a call; `None` if it is none.
pub fn read_reply(message: &[u8]) -> Option<Reply> {
    #[derive(Deserialize)]
    struct Answer {
        error: Option<String>,
        parameters: Option<Value>,
        #[serde(default, deserialize_with = "or_default")]
        continues: bool,
    }
    let fields = json::read(message, TWIN_ABOVE).ok()?;
    let Answer { error, parameters, continues } = Answer::deserialize(Value::Object(fields)).ok()?;
    let parameters = parameters.unwrap_or_else(|| Value::Object(Map::new()));
    Some(match error {
        None => Reply { says: Ok(parameters), continues },
        Some(name) => Reply { says: Err(CallError { name, parameters }), continues: false },
    })
}

fn end(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = json::write(message).into_bytes();
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn ended(message: &[u8]) -> &[u8] {
        message.strip_suffix(b"\0").unwrap()
    }

    fn refused(method: &str) -> Result<Value, CallError> {
        Err(CallError {
            name: "org.varlink.service.MethodNotFound".into(),
            parameters: json!({ "method": method }),
        })
    }

    #[test]
    fn a_thousand_changes_come_as_a_list() {
        let row = json!({ "secondsAgo": 1, "output": "fan", "permille": 5, "cause": "climate", "by": null });
        let says = Ok(json!({ "status": { "changes": vec![row; 1000] } }));
        let message = write_reply(&says, false);
        assert_eq!(read_reply(ended(&message)), Some(Reply { says, continues: false }));
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
        let call = Call { more: true, ..Call::new("a.b.C", &json!({"x": 1})) };
        let message = call.write();
        assert_eq!(ended(&message), br#"{"method":"a.b.C","parameters":{"x":1},"more":true}"#);
        assert_eq!(Call::read(ended(&message)), Some(call));
        assert!(Call::read(br#"{"method":"a.b.C","oneway":true}"#).unwrap().oneway);
        let null = Call::read(br#"{"method":"a.b.C","parameters":null,"oneway":null,"more":null}"#);
        assert_eq!(null, Some(Call::new("a.b.C", &json!({}))));
        for other in ["", "{}", "[]", r#"{"method":7}"#, r#"{"method":"a.b.C","parameters":[]}"#] {
            assert_eq!(Call::read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_method_that_is_not_there_cannot_write_into_its_answer() {
        let call = Call::read(br#"{"method":"a.b.\u0000r{\"x\":1","parameters":{"\u0000s":60}}"#).unwrap();
        let message = write_reply(&refused(&call.method), false);
        assert!(serde_json::from_slice::<Value>(ended(&message)).is_ok());
        assert_eq!(Call::read(ended(&call.write())), Some(call));
    }

    #[test]
    fn a_method_whose_name_is_an_escape_is_answered_by_its_name() {
        let call = Call::read(br#"{"method":"\u0000r{}"}"#).unwrap();
        let message = write_reply(&refused(&call.method), false);
        let read: Value = serde_json::from_slice(ended(&message)).unwrap();
        assert_eq!(read["parameters"]["method"], "\0r{}");
    }

    #[test]
    fn a_reply_comes_back_from_its_message_and_none_follows_an_error() {
        for says in [Ok(json!({"x": [1]})), refused("x")] {
            for continues in [false, true] {
                let message = write_reply(&says, continues);
                let continues = continues && says.is_ok();
                let text = String::from_utf8_lossy(&message);
                assert_eq!(text.contains("continues"), continues, "{text}");
                assert_eq!(read_reply(ended(&message)), Some(Reply { says: says.clone(), continues }));
            }
        }
        assert_eq!(read_reply(b"{}"), Some(Reply { says: Ok(json!({})), continues: false }));
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
