//! Reads a call's parameters as the type of its method, and names the parameter that is wrong.

use super::calls::Refusal;
use core::fmt;
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, MapAccess};
use serde_json::{Map, Value, map};

/// Reads the parameters of a method. Unknown ones are ignored.
///
/// # Errors
/// Which parameter is missing or not of its type.
pub(super) fn read<M: DeserializeOwned>(parameters: Map<String, Value>) -> Result<M, Refusal> {
    let entries = Entries { rest: parameters.into_iter(), value: None };
    M::deserialize(MapAccessDeserializer::new(entries))
        .map_err(|Wrong(parameter)| Refusal::InvalidParameter { parameter })
}

/// The parameter that is wrong.
#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self(field.to_owned())
    }
}

struct Entries {
    rest: map::IntoIter,
    value: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.value = self.rest.next();
        let Some((name, _)) = &self.value else { return Ok(None) };
        let name: StringDeserializer<Wrong> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.value.take().unwrap_or_default();
        seed.deserialize(value).map_err(|_| Wrong(name))
    }
}
