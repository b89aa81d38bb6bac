//! The whole twin: what the back end and the device may do to it, and the notification that each change causes.

use super::{MAX_PROPERTIES_SIZE, MAX_TAGS_SIZE, Section, TwinError, limits, section};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The notification when the back end resets a device's desired properties with `desired: null`. What the real hub sends
/// is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetNotice {
    /// Every former top-level key as `null`, and `$version`.
    #[default]
    NullsForKeys,
    /// Only `$version`.
    VersionOnly,
    /// No notification at all.
    Silent,
}

/// The rules on which the sources are silent or disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The notification of a reset.
    pub reset_notice: ResetNotice,
    /// Whether a change of tags alone moves the desired version and notifies the device with no keys. Default: no.
    pub tags_notify: bool,
    /// Whether a reported change moves the etag and the version of the twin. Default: no.
    pub reported_moves_etag: bool,
    /// Whether a `$version` among the desired properties sent by the back end must be the current one. Default: it
    /// is ignored.
    pub check_desired_version: bool,
    /// Whether keys, values and sizes have no limits: a service that raised them, or a hub of another kind. Default: no.
    pub raised_limits: bool,
}

impl Rules {
    fn check_values(self, section: &str, values: &Object) -> Result<(), TwinError> {
        if self.raised_limits { Ok(()) } else { limits::check_values(section, values) }
    }

    fn check_size(self, section: &'static str, values: &Object, limit: usize) -> Result<(), TwinError> {
        if self.raised_limits { Ok(()) } else { limits::check_size(section, values, limit) }
    }
}

/// The notification for the device.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The new desired version.
    pub version: u64,
    /// The patch (or the full document with nulls) and `$version` as its last key.
    pub body: Value,
}

/// The result of a write by the back end.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The desired version after it.
    pub desired_version: u64,
    /// The notification for the device, if there is one.
    pub notification: Option<Notification>,
}

/// A device twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    tags: Map<String, Value>,
    desired: Section,
    reported: Section,
    etag: u64,
    version: u64,
}

type Object = Map<String, Value>;

/// What a request of the back end asks for one section.
enum Wish {
    Untouched,
    Reset,
    Values(Object),
}

impl Twin {
    /// The twin of a newly registered device; `never` is the time stamp of what was never written.
    pub fn new(never: &str) -> Self {
        Self {
            tags: Map::new(),
            desired: Section::new(never),
            reported: Section::new(never),
            etag: 1,
            version: 2,
        }
    }

    /// The tags.
    pub fn tags(&self) -> &Object {
        &self.tags
    }

    /// The desired properties.
    pub fn desired(&self) -> &Section {
        &self.desired
    }

    /// The reported properties.
    pub fn reported(&self) -> &Section {
        &self.reported
    }

    /// Counts the writes that the etag stands for.
    pub fn etag(&self) -> u64 {
        self.etag
    }

    /// The root `version` of the document.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The answer to a device that asks for its twin.
    pub fn device_view(&self) -> Value {
        json!({ "desired": self.desired.device_view(), "reported": self.reported.device_view() })
    }

    /// `PATCH` by the back end: merges `tags` and `properties.desired`; other members of `body` are ignored.
    pub fn update(&mut self, body: &Value, rules: Rules, now: &str) -> Result<Change, TwinError> {
        let (tags, desired) = self.wishes(body, rules)?;
        let mut next = self.clone();
        let tags_written = next.apply_tags(tags)?;
        let mut told = match desired {
            Wish::Untouched => None,
            Wish::Reset => {
                let told = match rules.reset_notice {
                    ResetNotice::NullsForKeys => Some(nulls_for(next.desired.values())),
                    ResetNotice::VersionOnly => Some(Map::new()),
                    ResetNotice::Silent => None,
                };
                next.desired.replace(&Map::new(), now, true);
                told
            }
            Wish::Values(patch) => {
                rules.check_values("desired", &patch)?;
                next.desired.merge(&patch, now, true);
                rules.check_size("desired", next.desired.values(), MAX_PROPERTIES_SIZE)?;
                Some(patch)
            }
        };
        if tags_written && rules.tags_notify && next.desired.version() == self.desired.version() {
            next.desired.merge(&Map::new(), now, true);
            told = Some(Map::new());
        }
        Ok(self.commit(next, told))
    }

    /// `PUT` by the back end: tags and desired properties become what `body` says; an absent one becomes empty.
    pub fn replace(&mut self, body: &Value, rules: Rules, now: &str) -> Result<Change, TwinError> {
        let (tags, desired) = self.wishes(body, rules)?;
        let or_empty = |wish| if let Wish::Values(values) = wish { values } else { Map::new() };
        let (tags, desired) = (or_empty(tags), or_empty(desired));
        rules.check_values("desired", &desired)?;
        let mut next = self.clone();
        next.tags = Map::new();
        next.apply_tags(Wish::Values(tags))?;
        next.desired.replace(&desired, now, true);
        rules.check_size("desired", next.desired.values(), MAX_PROPERTIES_SIZE)?;
        let told = with_nulls(self.desired.values(), next.desired.values());
        Ok(self.commit(next, Some(told)))
    }

    /// Applies a reported patch by the device, if `base` is absent or the current version. Returns the new version.
    pub fn report(
        &mut self,
        patch: &Value,
        base: Option<u64>,
        rules: Rules,
        now: &str,
    ) -> Result<u64, TwinError> {
        let patch =
            patch.as_object().ok_or_else(|| TwinError::NotAnObject { what: "reported".to_owned() })?;
        rules.check_values("reported", patch)?;
        let current = self.reported.version();
        if let Some(given) = base.filter(|given| *given != current) {
            return Err(TwinError::VersionMismatch { given, current });
        }
        let mut next = self.reported.clone();
        next.merge(patch, now, false);
        rules.check_size("reported", next.values(), MAX_PROPERTIES_SIZE)?;
        self.reported = next;
        if rules.reported_moves_etag {
            self.move_etag();
        }
        Ok(self.reported.version())
    }

    fn wishes(&self, body: &Value, rules: Rules) -> Result<(Wish, Wish), TwinError> {
        let object = |value: &Value, what: &str| {
            value.as_object().cloned().ok_or_else(|| TwinError::NotAnObject { what: what.to_owned() })
        };
        let wish = |slot: Option<&Value>, what: &str| match slot {
            None => Ok(Wish::Untouched),
            Some(Value::Null) => Ok(Wish::Reset),
            Some(value) => Ok(Wish::Values(object(value, what)?)),
        };
        let body = object(body, "the body")?;
        let tags = wish(body.get("tags"), "tags")?;
        let properties = match body.get("properties") {
            None | Some(Value::Null) => Map::new(),
            Some(value) => object(value, "properties")?,
        };
        let mut desired = wish(properties.get("desired"), "properties.desired")?;
        if let Wish::Values(values) = &mut desired {
            // Tools send back a whole twin, including what the hub added to it.
            values.shift_remove("$metadata");
            let given = values.shift_remove("$version").and_then(|version| version.as_u64());
            let current = self.desired.version();
            if let Some(given) = given.filter(|given| rules.check_desired_version && *given != current) {
                return Err(TwinError::VersionMismatch { given, current });
            }
        }
        Ok((tags, desired))
    }

    fn apply_tags(&mut self, wish: Wish) -> Result<bool, TwinError> {
        match wish {
            Wish::Untouched => return Ok(false),
            Wish::Reset => self.tags = Map::new(),
            Wish::Values(patch) => {
                limits::check_values("tags", &patch)?;
                section::merge_values(&mut self.tags, &patch);
                limits::check_size("tags", &self.tags, MAX_TAGS_SIZE)?;
            }
        }
        Ok(true)
    }

    fn commit(&mut self, next: Self, told: Option<Object>) -> Change {
        *self = next;
        self.move_etag();
        let version = self.desired.version();
        let notification = told.map(|mut body| {
            body.insert("$version".to_owned(), version.into());
            Notification { version, body: Value::Object(body) }
        });
        Change { desired_version: version, notification }
    }

    fn move_etag(&mut self) {
        self.etag += 1;
        self.version += 1;
    }
}

fn nulls_for(values: &Object) -> Object {
    values.keys().map(|key| (key.clone(), Value::Null)).collect()
}

/// The new document, plus `null` for every key of the old one that it lacks, at every level.
fn with_nulls(old: &Object, new: &Object) -> Object {
    let mut told = new.clone();
    for (key, before) in old {
        match (before, new.get(key)) {
            (_, None) => {
                told.insert(key.clone(), Value::Null);
            }
            (Value::Object(before), Some(Value::Object(after))) => {
                told.insert(key.clone(), Value::Object(with_nulls(before, after)));
            }
            _ => {}
        }
    }
    told
}
