//! The sites of the handbook's worked examples, and how their stories are played.

mod air;
mod cabinet;
mod greenhouse;
mod rooms;

use crate::daemon::{DEVICE, Daemon};
use crate::plant::{Model, Plant};
use crate::stage::{Played, Site, Stage};
use crate::{interrupted, page, stay_up};
use std::fs;
use std::path::Path;
use twinhub::{Options, Running};

/// Plays a story; the site stays up afterwards if that is asked for.
type Show = fn(bool) -> Played;

/// Each site by its name.
pub(crate) const SITES: [(&str, Show); 3] = [
    ("cabinet", |stay| show(&cabinet::SITE, stay)),
    ("greenhouse", |stay| show(&greenhouse::SITE, stay)),
    ("rooms", |stay| show(&rooms::SITE, stay)),
];

fn show<M: Model>(site: &Site<M>, stay: bool) -> Played {
    let example =
        page::example(site.name).ok_or_else(|| format!("{} has no site {}", page::PATH, site.name))?;
    let folder = tempfile::tempdir()?;
    let interrupted = interrupted::CleanUp::watch(folder.path())?;
    let hub = Running::start_blocking(Options { devices: vec![DEVICE.into()], ..Options::default() })?;
    println!("{}: {}.", site.name, site.about);
    println!("Its configuration is in {}. (One second here is a minute there.)\n", page::PATH);
    let plant = start(site, folder.path())?;
    let configuration = page::adapted(example.configuration, folder.path(), &hub);
    let daemon = Daemon::start(folder.path(), &hub, &configuration)?;
    interrupted.also_end(daemon.id());
    let mut stage = Stage::new(&hub, &plant, &daemon);
    let played = (site.play)(&mut stage).and_then(|()| judge(stage, &daemon, example.story));
    if played.is_err() {
        println!("\nWhat twind logged:\n{}", daemon.log());
        println!("What the hub has:\n{:#}", hub.reported(DEVICE).unwrap_or_default());
    }
    if stay {
        stay_up(&hub, &daemon, site.patch)?;
    }
    daemon.stop()?;
    played
}

fn start<M: Model>(site: &Site<M>, folder: &Path) -> Result<Plant<M>, std::io::Error> {
    let sensors = folder.join(site.name);
    fs::create_dir(&sensors)?;
    Ok(Plant::start(folder.join("twind/board"), sensors, (site.model)()))
}

/// The last checks: the log, and the story on the page.
fn judge<M: Model>(stage: Stage<'_, M>, daemon: &Daemon, shown: &str) -> Played {
    let (told, checks) = stage.finish();
    if daemon.log().contains("ERROR") {
        return Err("twind logged an error".into());
    }
    if let Some(difference) = page::difference(&told, shown) {
        return Err(format!("{} shows another story\n{difference}", page::PATH).into());
    }
    println!("\nEach line was looked at before it was told: {checks} checks, none failed.");
    Ok(())
}
