//! The sites of the handbook's worked examples, and how their stories are played.

mod air;
mod cabinet;
mod greenhouse;
mod rooms;

use crate::cleanup::CleanUp;
use crate::daemon::{DEVICE, Daemon};
use crate::plant::{Model, Plant};
use crate::stage::{Played, Site, Stage};
use crate::teller::Teller;
use crate::words::Asked;
use crate::{page, stay, teller};
use std::fs;
use std::path::Path;
use twinhub::Running;

/// Plays the story of a site, which is one of [`crate::words::SITES`].
pub(crate) fn show(name: &str, asked: &Asked, cleanup: &CleanUp, hub: &Running) -> Played {
    match name {
        "cabinet" => play(&cabinet::SITE, asked, cleanup, hub),
        "greenhouse" => play(&greenhouse::SITE, asked, cleanup, hub),
        "rooms" => play(&rooms::SITE, asked, cleanup, hub),
        _ => Err(format!("there is no site {name}").into()),
    }
}

fn play<M: Model>(site: &Site<M>, asked: &Asked, cleanup: &CleanUp, hub: &Running) -> Played {
    let example =
        page::example(site.name).ok_or_else(|| format!("{} has no site {}", page::PATH, site.name))?;
    let about = format!(
        "{}: {}.\nIts configuration is in {}. (One second here is a minute there.)\n",
        site.name,
        site.about,
        page::PATH
    );
    let plant = start(site, cleanup.folder())?;
    let scenes = example.story.matches("── ").count();
    let teller = teller(asked, cleanup, (hub, &plant), (site.about, &about, scenes), |_| None)?;
    let configuration = page::adapted(example.configuration, cleanup.folder(), hub);
    let daemon = Daemon::start(cleanup, hub, &configuration)?;
    let mut stage = Stage::new(hub, &plant, &daemon, teller.clone());
    let played = (site.play)(&mut stage);
    teller.rest();
    cleanup.wait_if_told_to_end();
    cleanup.leave_screen();
    let played = played.and_then(|()| judge(stage, &teller, &daemon, example.story));
    if played.is_err() {
        teller.line(&format!("\nWhat twind logged:\n{}", daemon.log()));
        teller.line(&format!("What the hub has:\n{:#}", hub.reported(DEVICE).unwrap_or_default()));
    }
    if asked.stay {
        stay::up(&teller, hub, &daemon, (site.patch, site.output))?;
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
fn judge<M: Model>(stage: Stage<'_, M>, teller: &Teller, daemon: &Daemon, shown: &str) -> Played {
    let (told, checks) = stage.finish();
    if daemon.errors() > 0 {
        return Err("twind logged an error, and not about the sensor that was broken".into());
    }
    if let Some(difference) = page::difference(&told, shown) {
        return Err(format!("{} shows another story\n{difference}", page::PATH).into());
    }
    if teller.is_screen() {
        teller.line("\nSummary");
        let scenes = told.iter().filter(|line| line.starts_with("── "));
        scenes.for_each(|scene| teller.line(&format!("  ok      {}", scene.trim_start_matches("── "))));
    }
    teller.line(&format!("\nEach line was looked at before it was told: {checks} checks, none failed."));
    Ok(())
}
