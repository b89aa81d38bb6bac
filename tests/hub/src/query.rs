//! The two queries that matter for a handful of devices, and the paging of their results.
//!
//! Deliberately absent: the rest of the query language, which is refused.

use crate::service_side::ServiceError;
use serde_json::Value;

const MAX_PAGE: usize = 100;

/// Which twins are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    All,
    Device(String),
}

impl Query {
    pub(crate) fn matches(&self, device_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Device(id) => id == device_id,
        }
    }
}

/// Reads `SELECT * FROM devices [WHERE deviceId = '...']`; keywords in any case.
pub(crate) fn parse(text: &str) -> Result<Query, ServiceError> {
    let refused = || ServiceError::BadRequest(format!("this hub does not understand the query {text:?}"));
    let (words, literal) = match text.split_once(['\'', '"']) {
        None => (text, None),
        Some((words, rest)) => {
            let (literal, tail) = rest.rsplit_once(['\'', '"']).ok_or_else(refused)?;
            if !tail.trim().is_empty() {
                return Err(refused());
            }
            (words, Some(literal.replace("''", "'")))
        }
    };
    let words = words.replace('=', " = ").to_ascii_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    match (words.as_slice(), literal) {
        (["select", "*", "from", "devices"], None) => Ok(Query::All),
        (["select", "*", "from", "devices", "where", "deviceid", "="], Some(id)) => Ok(Query::Device(id)),
        _ => Err(refused()),
    }
}

/// A page of a list of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    start: usize,
    size: usize,
}

impl Page {
    pub(crate) fn from_headers(
        count: Option<&str>,
        continuation: Option<&str>,
    ) -> Result<Self, ServiceError> {
        let number = |text: &str, what: &str| {
            text.trim()
                .parse::<usize>()
                .map_err(|_| ServiceError::BadRequest(format!("{what} must be a number")))
        };
        let size = count.map_or(Ok(MAX_PAGE), |text| number(text, "x-ms-max-item-count"))?;
        let start = match continuation.filter(|text| !text.is_empty()) {
            Some(text) => number(text, "x-ms-continuation")?,
            None => 0,
        };
        Ok(Self { start, size: size.clamp(1, MAX_PAGE) })
    }

    /// The items of this page, and the continuation token of the next one.
    pub(crate) fn cut(self, all: impl Iterator<Item = Value>) -> (Vec<Value>, Option<String>) {
        let mut rest = all.skip(self.start);
        let part: Vec<Value> = rest.by_ref().take(self.size).collect();
        let next = rest.next().map(|_| (self.start + self.size).to_string());
        (part, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_two_queries_are_read_in_any_case_and_others_refused() {
        assert_eq!(parse("select *  FROM Devices").unwrap(), Query::All);
        for text in [
            "SELECT * FROM devices WHERE deviceId = 'a=b c'",
            "SELECT * FROM devices where deviceId='a=b c' ",
        ] {
            assert_eq!(parse(text).unwrap(), Query::Device("a=b c".to_owned()));
        }
        assert_eq!(
            parse("SELECT * FROM devices WHERE deviceId='it''s'").unwrap(),
            Query::Device("it's".to_owned())
        );
        for text in [
            "",
            "SELECT * FROM jobs",
            "SELECT * FROM devices WHERE tags.x = '1'",
            "SELECT * FROM devices 'x'",
            "SELECT * FROM devices WHERE deviceId = 'a' OR 1 = 1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all = || [1, 2, 3].into_iter().map(|n| json!(n));
        let (part, next) = Page::from_headers(Some("2"), None).unwrap().cut(all());
        assert_eq!((part, next.as_deref()), (vec![json!(1), json!(2)], Some("2")));
        let (part, next) = Page::from_headers(Some("2"), next.as_deref()).unwrap().cut(all());
        assert_eq!((part, next), (vec![json!(3)], None));
        assert!(Page::from_headers(Some("many"), None).is_err());
    }
}
