//! The demonstration: the stand-in hub, a simulated site and the real daemon. Without `--site` it is a warming enclosure and the
//! tutorial's seven patches in order; with it one of the worked examples of the handbook. It shows what the outputs did and why.
//! With `--stay` everything stays up afterwards for a back end of one's own.
//!
//! Started by `cargo demo`. Exits with 0 when everything went as it should; otherwise says what did not.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod daemon;
mod enclosure;
mod interrupted;
mod page;
mod plant;
mod sites;
mod stage;
mod story;

use daemon::{DEVICE, Daemon};
use enclosure::Enclosure;
use plant::Plant;
use sites::SITES;
use std::error::Error;
use std::process::ExitCode;
use story::Story;
use twinhub::{Options, Running};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let played = match words.as_slice() {
        [] => play(false),
        ["--stay"] => play(true),
        ["--site", name] | ["--site", name, "--stay"] => {
            match SITES.iter().find(|(known, _)| known == name) {
                Some((_, show)) => show(words.len() == 3),
                None => return unknown(name),
            }
        }
        _ => {
            println!("usage: cargo demo [-- [--site NAME] [--stay]]");
            return ExitCode::from(64);
        }
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nThe demonstration failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn unknown(name: &str) -> ExitCode {
    let known = SITES.map(|(known, _)| known).join(", ");
    println!("there is no site {name:?}: name one of {known}");
    ExitCode::from(64)
}

fn play(stay: bool) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let interrupted = interrupted::CleanUp::watch(folder.path())?;
    let hub = Running::start_blocking(Options { devices: vec![DEVICE.into()], ..Options::default() })?;
    println!("A hub listens for {DEVICE} on port {} (MQTT over TLS),", hub.mqtt_port());
    println!("an enclosure with 55 W of electronics and one fan warms up, and twind looks after it.");
    println!("(One second here is a minute there.)\n");
    let plant = Plant::start(folder.path().join("board"), folder.path().to_owned(), Enclosure::new());
    let daemon = Daemon::start(folder.path(), &hub, &daemon::tutorial(folder.path(), &hub))?;
    interrupted.also_end(daemon.id());
    let mut story = Story::new(&hub, &plant, &daemon);
    story.play();
    let failures = story.summary();
    if stay {
        stay_up(&hub, &daemon, "{\"fanOn\":true}")?;
    }
    daemon.stop()?;
    if failures > 0 { Err(format!("{failures} checks").into()) } else { Ok(()) }
}

/// Keeps everything up until somebody ends it; `patch` is an example of what a back end may write.
fn stay_up(hub: &Running, daemon: &Daemon, patch: &str) -> Result<(), Box<dyn Error>> {
    println!("\nEverything stays up until Enter or Ctrl-C. For a back end of your own:\n");
    println!("  device   {}", hub.device_connection_string(DEVICE)?);
    println!("  service  {}", hub.service_connection_string());
    println!("  CA       {}", daemon.path("ca.pem").display());
    println!("  log      {}\n", daemon.path("log").display());
    println!("To watch it, in another terminal:\n");
    println!("  {} watch --config {}\n", env!("CARGO_BIN_EXE_twind"), daemon.path("twind.toml").display());
    println!("For example, in another terminal:\n");
    println!("  export TWINHUB_CONNECTION_STRING='{}'", hub.service_connection_string());
    let ca = daemon.path("ca.pem");
    println!("  cargo run -p twinhub -- twin update {DEVICE} --ca {} --desired '{patch}'", ca.display());
    println!("  cargo run -p twinhub -- twin show {DEVICE} --ca {}\n", ca.display());
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
