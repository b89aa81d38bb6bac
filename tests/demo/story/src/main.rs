//! The story of `cargo demo`: the stand-in hub, a simulated site and the real daemon. Without `--site` it is a warming enclosure and
//! the tutorial's seven patches in order, and then all that may go wrong; with it one of the worked examples of the handbook. It
//! shows what the outputs did and why. With `--stay` everything stays up afterwards for a back end of one's own.
//!
//! On a terminal it is a live screen, else lines. Exits with 0 when everything went as it should; otherwise says what did not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

mod cleanup;
mod daemon;
mod enclosure;
mod finale;
mod live;
mod page;
mod plant;
mod sites;
mod stage;
mod stay;
mod story;
mod teller;
#[path = "../../words.rs"]
mod words;

use cleanup::CleanUp;
use daemon::{DEVICE, Daemon};
use enclosure::Enclosure;
use live::{Live, Look, Sources};
use plant::{Model, Plant};
use stage::{Played, Stage};
use std::process::ExitCode;
use story::Story;
use teller::Teller;
use twinhub::{Options, Running};
use words::{Asked, HELP, USAGE, Wanted};

fn main() -> ExitCode {
    let asked = match words::read(std::env::args().skip(1)) {
        Ok(Wanted::Story(asked)) => asked,
        Ok(Wanted::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(fault) => {
            eprintln!("cargo demo: {fault}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    let cleanup = match CleanUp::watch() {
        Ok(cleanup) => cleanup,
        Err(error) => {
            eprintln!("cargo demo: no folder can be made in {}: {error}", std::env::temp_dir().display());
            return ExitCode::FAILURE;
        }
    };
    let played = play(&asked, &cleanup);
    cleanup.end();
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nThe demonstration failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(asked: &Asked, cleanup: &CleanUp) -> Played {
    let hub = Running::start_blocking(Options { devices: vec![DEVICE.into()], ..Options::default() })?;
    match &asked.site {
        Some(name) => sites::show(name, asked, cleanup, &hub),
        None => tutorial(asked, cleanup, &hub),
    }
}

/// A teller for a story: on the live screen if that is wanted and can be, else in lines that begin with `about`.
fn teller<M: Model>(
    asked: &Asked,
    cleanup: &CleanUp,
    (hub, plant): (&Running, &Plant<M>),
    (name, about, scenes): (&str, &str, usize),
    enclosure: fn(&M) -> Option<f64>,
) -> Result<Teller, std::io::Error> {
    let look = Look::of_terminal().filter(|_| !asked.plain);
    let screen = look.map(|look| {
        let sources = Sources {
            board: cleanup.folder().join("twind/board"),
            socket: cleanup.folder().join("twind.sock"),
            hub: hub.hub().clone(),
            device: DEVICE,
            enclosure: Box::new(plant.looks(enclosure)),
        };
        Live::start(look, name, scenes, sources)
    });
    let screen = screen.transpose()?;
    screen.iter().for_each(|screen| cleanup.show(screen.clone()));
    let teller = Teller::new(screen, cleanup);
    teller.aside(about);
    Ok(teller)
}

fn tutorial(asked: &Asked, cleanup: &CleanUp, hub: &Running) -> Played {
    let folder = cleanup.folder();
    let about = format!(
        "A hub listens for {DEVICE} on port {} (MQTT over TLS),\n\
         an enclosure with 55 W of electronics and one fan warms up, and twind looks after it.\n\
         (One second here is a minute there.)\n",
        hub.mqtt_port()
    );
    let plant = Plant::start(folder.join("twind/board"), folder.to_owned(), Enclosure::new());
    let scene = ("the tutorial's enclosure", about.as_str(), story::count());
    let teller = teller(asked, cleanup, (hub, &plant), scene, |enclosure| Some(enclosure.temperature))?;
    let daemon = Daemon::start(cleanup, hub, &daemon::tutorial(folder, hub))?;
    let mut story = Story::new(Stage::new(hub, &plant, &daemon, teller.clone()), &daemon);
    story.play();
    cleanup.wait_if_told_to_end();
    cleanup.leave_screen();
    let failures = story.summary();
    if asked.stay {
        stay::up(&teller, hub, &daemon, ("{\"fanOn\":true}", "fan"))?;
    }
    daemon.stop()?;
    if failures > 0 { Err(format!("{failures} checks").into()) } else { Ok(()) }
}
