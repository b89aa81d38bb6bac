//! `twin show|update|replace`, and `--watch` for the device's reports.

use super::{
    Failure, Login,
    client::{Client, segment},
    input, say,
};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The interval at which `--watch` polls.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What can be done to a twin.
#[derive(Subcommand)]
pub(crate) enum TwinCommand {
    /// Prints the twin.
    Show(Show),
    /// Merges into desired properties and tags; null deletes.
    Update(Write),
    /// Replaces desired properties and tags; what is not given becomes empty.
    Replace(Write),
}

/// Prints the twin.
#[derive(Args)]
pub(crate) struct Show {
    /// The device.
    id: String,
    /// Print $metadata, too: when each property was last written.
    #[arg(long)]
    metadata: bool,
    /// Keep printing what the device reports, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    login: Login,
}

/// Changes the twin and prints it.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["desired", "tags"]))]
pub(crate) struct Write {
    /// The device.
    id: String,
    /// Desired properties: a JSON object (or null), or @FILE.
    #[arg(long, value_name = "JSON|@FILE")]
    desired: Option<String>,
    /// Tags: a JSON object (or null), or @FILE.
    #[arg(long, value_name = "JSON|@FILE")]
    tags: Option<String>,
    /// Print $metadata, too: when each property was last written.
    #[arg(long)]
    metadata: bool,
    /// Keep printing what the device reports, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    login: Login,
}

impl TwinCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (metadata, (client, id, watch, twin)) = match self {
            Self::Show(Show { id, metadata, watch, login }) => {
                let client = login.client()?;
                let twin = client.get(&path(&id)).await?;
                (metadata, (client, id, watch, twin))
            }
            Self::Update(write) => (write.metadata, write.run(Method::PATCH).await?),
            Self::Replace(write) => (write.metadata, write.run(Method::PUT).await?),
        };
        let shown = if metadata { twin.clone() } else { without_metadata(&twin) };
        say(format_args!("{shown:#}"));
        if watch { watch_reports(&client, &id, &twin).await } else { Ok(()) }
    }
}

impl Write {
    async fn run(self, method: Method) -> Result<(Client, String, bool, Value), Failure> {
        let Self { id, desired, tags, metadata: _, watch, login } = self;
        let mut body = Map::new();
        if let Some(tags) = tags {
            body.insert("tags".to_owned(), input::json("--tags", &tags)?);
        }
        if let Some(desired) = desired {
            body.insert("properties".to_owned(), json!({ "desired": input::json("--desired", &desired)? }));
        }
        let client = login.client()?;
        let twin = client.write(method, &path(&id), Some(&Value::Object(body))).await?;
        Ok((client, id, watch, twin))
    }
}

async fn watch_reports(client: &Client, id: &str, twin: &Value) -> Result<(), Failure> {
    let mut known = reported(twin);
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let now = reported(&client.get(&path(id)).await?);
        if now["$version"] != known["$version"] {
            say(format_args!("reported version {}: {}", now["$version"], difference(&known, &now)));
        }
        known = now;
    }
}

fn path(id: &str) -> String {
    format!("/twins/{}", segment(id))
}

fn reported(twin: &Value) -> Value {
    without_metadata(twin)["properties"]["reported"].clone()
}

/// The twin without `$metadata`, which is most of it.
fn without_metadata(twin: &Value) -> Value {
    let mut twin = twin.clone();
    for section in ["desired", "reported"] {
        if let Some(section) = twin["properties"][section].as_object_mut() {
            section.shift_remove("$metadata");
        }
    }
    twin
}

/// The changes as a patch: new and changed values, and null for what is gone; versions are left out.
fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for (key, value) in new.iter().filter(|(key, _)| *key != "$version") {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => {
                patch.insert(key.clone(), difference(before, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_holds_what_is_new_changed_or_gone() {
        let old = json!({ "same": 1, "a": { "x": 1, "y": 2 }, "gone": 1, "$version": 1 });
        let new = json!({ "same": 1, "a": { "x": 1, "y": 3 }, "new": [1], "$version": 2 });
        assert_eq!(difference(&old, &new).to_string(), r#"{"a":{"y":3},"new":[1],"gone":null}"#);
    }

    #[test]
    fn metadata_is_left_out_of_what_is_watched() {
        let twin = json!({ "properties": { "reported": { "a": 1, "$metadata": {}, "$version": 4 } } });
        assert_eq!(reported(&twin), json!({ "a": 1, "$version": 4 }));
    }
}
