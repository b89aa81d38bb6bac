//! `method`: calls a direct method.

use super::{Failure, Login, client::segment, input, say};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Calls a direct method of a device and prints its answer.
#[derive(Args)]
pub(crate) struct Method {
    /// The device.
    id: String,
    /// The method.
    name: String,
    /// What to send along: JSON, or @FILE.
    #[arg(long, default_value = "null")]
    payload: String,
    /// How long the device may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..=300))]
    timeout: u16,
    #[command(flatten)]
    login: Login,
}

impl Method {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let body = json!({
            "methodName": self.name,
            "responseTimeoutInSeconds": self.timeout,
            "payload": input::json("--payload", &self.payload)?,
        });
        let path = format!("/twins/{}/methods", segment(&self.id));
        let extra = Duration::from_secs(self.timeout.into());
        let answer = self.login.client()?.send(hyper::Method::POST, &path, &body, extra).await?;
        say(format_args!("{answer:#}"));
        Ok(())
    }
}
