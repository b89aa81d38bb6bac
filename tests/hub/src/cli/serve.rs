//! `serve`: the stand-in hub as a program.

use super::{Failure, event_line, say};
use clap::Args;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use twinhub::{Answer, Hub, Options, Running, StartError, Times, clock};

/// A timeout that no wait for an event reaches.
const LONG: Duration = Duration::from_secs(86_400);

/// The size of a notification in a flood.
const FLOOD_BYTES: usize = 250_000;

/// Runs the stand-in hub.
#[derive(Args)]
pub(crate) struct Serve {
    /// Where certificates, keys and twins are kept. Default: twinhub in $XDG_STATE_HOME or ~/.local/state.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The hub's host name: clients must reach it under this name.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    host: String,
    /// The port for devices; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    mqtt_port: u16,
    /// The port for back ends; 0 takes a free one. Some stock back ends know 443 only.
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    https_port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// A device to register unless it is there; may be repeated.
    #[arg(long, value_name = "ID", default_value = "MyTwinDevice")]
    device: Vec<String>,
    /// A registration to enrol at the provisioning service, with a fresh key at each start; may be repeated. It is
    /// assigned to this hub as the device of the same id.
    #[arg(long, value_name = "ID")]
    enrol: Vec<String>,
    /// The first request for a twin is not answered; instead so many notifications of 250 KB come.
    #[arg(long, value_name = "COUNT")]
    flood: Option<u32>,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let folder = match self.folder {
            Some(folder) => folder,
            None => default_folder().ok_or_else(|| {
                Failure::Usage("there is no home to keep certificates in: pass --folder DIR".to_owned())
            })?,
        };
        let failed = |error: std::io::Error| Failure::Internal(format!("cannot wait for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let options = Options {
            host: self.host,
            bind: self.bind,
            mqtt_port: self.mqtt_port,
            https_port: self.https_port,
            folder: Some(folder.clone()),
            devices: self.device.clone(),
            ..Options::default()
        };
        let running = Hub::start(options).await.map_err(|error| start_failure(&error))?;
        introduce(&running, &folder, &self.device);
        for id in &self.enrol {
            let key = running.enrol(id, id).primary;
            say(format_args!("registration {id} in scope {}:\n  {key}", running.id_scope()));
        }
        if let Some(count) = self.flood {
            running.faults().answer_twin_get(Answer::Flooded(count, FLOOD_BYTES), Times::Next(1));
        }
        let printing = print_events(running.hub());
        tokio::select! {
            () = printing => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        say("stopping; devices, keys and twins are kept");
        Ok(())
    }
}

fn start_failure(error: &StartError) -> Failure {
    let text = match error {
        StartError::Listen(..) => format!("{error}; another port can be chosen, 0 takes a free one"),
        _ => error.to_string(),
    };
    match error {
        StartError::Listen(..) | StartError::Folder(..) => Failure::Unreachable(text),
        StartError::Device(_) => Failure::Usage(text),
        _ => Failure::Internal(text),
    }
}

fn default_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    Some(state.join("twinhub"))
}

fn introduce(running: &Running, folder: &Path, devices: &[String]) {
    let ca = folder.join("ca.pem");
    let ca = std::path::absolute(&ca).unwrap_or(ca);
    let ca = ca.display();
    let host = running.host();
    say(format_args!("twinhub: a stand-in for Azure IoT Hub"));
    say(format_args!("devices connect to {host}:{}", running.mqtt_port()));
    say(format_args!("back ends connect to https://{host}:{}", running.https_port()));
    say(format_args!("both must trust {ca}"));
    say("");
    for id in devices {
        if let Ok(string) = running.device_connection_string(id) {
            say(format_args!("device {id}:\n  {string}"));
        }
    }
    say(format_args!(
        "back end (set TWINHUB_CONNECTION_STRING to it):\n  {}",
        running.service_connection_string()
    ));
    say("");
    say(format_args!(
        "in /etc/twind.toml, with the device's line in that file:\n  [hub]\n  \
         connection-string-file = \"/etc/twind/connection-string\"\n  port = {}\n  ca-file = \"{ca}\"",
        running.mqtt_port()
    ));
    say("");
}

async fn print_events(hub: &Hub) {
    let mut seen = 0;
    loop {
        let Ok(first) = hub.wait_for_after(seen, |_| true, LONG).await else { continue };
        for entry in hub.events_after(first.sequence - 1) {
            seen = entry.sequence;
            let now = clock::now_utc();
            say(format_args!("{} {}", now.get(11..19).unwrap_or_default(), event_line::line(&entry)));
        }
    }
}
