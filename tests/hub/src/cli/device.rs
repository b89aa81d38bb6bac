//! `device create|list|delete` and `connection-string`: the registry.

use super::{
    Failure, Login,
    client::{Client, segment},
    say,
};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What can be done to the registry.
#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// Registers a device with fresh keys and prints its connection string.
    Create(One),
    /// Lists devices: id, whether enabled, whether connected.
    List(List),
    /// Deletes a device and its twin.
    Delete(One),
}

/// One device.
#[derive(Args)]
pub(crate) struct One {
    /// The device.
    id: String,
    #[command(flatten)]
    login: Login,
}

/// Several devices.
#[derive(Args)]
pub(crate) struct List {
    /// How many at most.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    #[command(flatten)]
    login: Login,
}

/// Prints the connection string of a device.
#[derive(Args)]
pub(crate) struct ConnectionString {
    #[command(flatten)]
    device: One,
}

impl DeviceCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(One { id, login }) => {
                let client = login.client()?;
                let body = json!({
                    "deviceId": id, "status": "enabled",
                    "authentication": { "type": "sas", "symmetricKey": { "primaryKey": "", "secondaryKey": "" } },
                });
                let path = format!("/devices/{}", segment(&id));
                let made = client.send(Method::PUT, &path, &body, Duration::ZERO).await?;
                say(connection_string(&client, &id, &made)?);
            }
            Self::List(List { top, login }) => {
                let devices = login.client()?.get(&format!("/devices?top={top}")).await?;
                for device in devices.as_array().into_iter().flatten() {
                    let text = |field: &str| device[field].as_str().unwrap_or("?").to_owned();
                    say(format_args!(
                        "{}\t{}\t{}",
                        text("deviceId"),
                        text("status"),
                        text("connectionState")
                    ));
                }
            }
            Self::Delete(One { id, login }) => {
                login.client()?.write(Method::DELETE, &format!("/devices/{}", segment(&id)), None).await?;
                say(format_args!("deleted {id}"));
            }
        }
        Ok(())
    }
}

impl ConnectionString {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let One { id, login } = self.device;
        let client = login.client()?;
        let identity = client.get(&format!("/devices/{}", segment(&id))).await?;
        say(connection_string(&client, &id, &identity)?);
        Ok(())
    }
}

fn connection_string(client: &Client, id: &str, identity: &Value) -> Result<String, Failure> {
    let host = client.host();
    match identity["authentication"]["symmetricKey"]["primaryKey"].as_str() {
        Some(key) if !key.is_empty() => Ok(format!("HostName={host};DeviceId={id};SharedAccessKey={key}")),
        _ if identity["authentication"]["type"] == "selfSigned" => {
            Ok(format!("HostName={host};DeviceId={id};x509=true"))
        }
        _ => Err(Failure::NotAuthorised(format!(
            "{host} does not show the keys of {id}: the policy may not read them"
        ))),
    }
}
