//! The demonstration: the stand-in hub, a warming enclosure and the real daemon. It plays the tutorial's seven patches in
//! order, and shows what the fan did and why. With `--stay` everything stays up afterwards for a back end of one's own.
//!
//! Started by `cargo demo`. Exits with 0 when everything went as it should; otherwise says what did not.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod daemon;
mod interrupted;
mod plant;
mod story;

use daemon::{DEVICE, Daemon};
use plant::Plant;
use std::error::Error;
use std::process::ExitCode;
use story::Story;
use twinhub::{Options, Running};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--").collect();
    let stay = match words.as_slice() {
        [] => false,
        [word] if word == "--stay" => true,
        _ => {
            println!("usage: cargo demo [-- --stay]");
            return ExitCode::from(64);
        }
    };
    match play(stay) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("\nThe demonstration could not go on: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(stay: bool) -> Result<usize, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let interrupted = interrupted::CleanUp::watch(folder.path())?;
    let hub = Running::start_blocking(Options { devices: vec![DEVICE.into()], ..Options::default() })?;
    println!("A hub listens for {DEVICE} on port {} (MQTT over TLS),", hub.mqtt_port());
    println!("an enclosure with 55 W of electronics and one fan warms up, and twind looks after it.");
    println!("(One second here is a minute there.)\n");
    let plant = Plant::start(folder.path());
    let daemon = Daemon::start(folder.path(), &hub)?;
    interrupted.also_end(daemon.id());
    let mut story = Story::new(&hub, &plant, &daemon);
    story.play();
    let failures = story.summary();
    if stay {
        stay_up(&hub, &daemon)?;
    }
    daemon.stop()?;
    Ok(failures)
}

fn stay_up(hub: &Running, daemon: &Daemon) -> Result<(), Box<dyn Error>> {
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
    println!(
        "  cargo run -p twinhub -- twin update {DEVICE} --ca {} --desired '{{\"fanOn\":true}}'",
        ca.display()
    );
    println!("  cargo run -p twinhub -- twin show {DEVICE} --ca {}\n", ca.display());
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
