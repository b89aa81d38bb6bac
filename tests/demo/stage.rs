//! What a site's story is told with. Each of these waits until what it tells is so, and fails if that takes too long: nothing is
//! told that was not looked at.

use crate::daemon::{DEVICE, Daemon};
use crate::plant::{self, Model, Plant, SPEED};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};
use twinhub::Running;

/// How long something may take before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same for a connection, since twind tries less and less often.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// Nothing, or what is not as it is told.
pub(crate) type Played = Result<(), Box<dyn Error>>;

/// A site, and its story.
pub(crate) struct Site<M> {
    /// By which it is called.
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) about: &'static str,
    /// A patch of the desired half that changes something, for whoever goes on by hand.
    pub(crate) patch: &'static str,
    /// What happens there.
    pub(crate) model: fn() -> M,
    /// The story.
    pub(crate) play: fn(&mut Stage<'_, M>) -> Played,
}

/// What a value must be.
pub(crate) enum Wanted {
    /// Exactly this.
    Is(Value),
    /// A number from the first to the second.
    From(f64, f64),
    /// A text that begins with this.
    Begins(&'static str),
}

/// How an output must be driven.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    Off,
    On,
    /// At a percentage from the first to the second.
    Percent(f64, f64),
}

/// Something that can be measured at the site: `the wall is 3.1 K above the dew point`.
pub(crate) struct Gauge<M> {
    /// What stands before the number.
    pub(crate) before: &'static str,
    /// What stands after it.
    pub(crate) after: &'static str,
    /// The number.
    pub(crate) read: fn(&M) -> f64,
}

/// A story while it is told.
pub(crate) struct Stage<'a, M> {
    hub: &'a Running,
    plant: &'a Plant<M>,
    daemon: &'a Daemon,
    scenes: usize,
    told: Vec<String>,
    checks: usize,
}

impl<'a, M: Model> Stage<'a, M> {
    /// A story of which nothing is told yet.
    pub(crate) fn new(hub: &'a Running, plant: &'a Plant<M>, daemon: &'a Daemon) -> Self {
        Self { hub, plant, daemon, scenes: 0, told: Vec::new(), checks: 0 }
    }

    /// The next step of the story begins; `change` happens at the site.
    pub(crate) fn scene(&mut self, title: &str, change: impl FnOnce(&mut M)) {
        self.scenes += 1;
        if self.scenes > 1 {
            self.tell(String::new());
        }
        self.tell(format!("── {}. {title}", self.scenes));
        self.plant.with(change);
    }

    /// The back end writes into the twin, and twind acknowledges it.
    pub(crate) fn back_end(&mut self, desired: &Value) -> Played {
        self.line("back end", desired);
        let twin = self.hub.update_twin(DEVICE, &json!({ "properties": { "desired": desired } }))?;
        let version = twin["properties"]["desired"]["$version"].clone();
        self.wait("the acknowledgement", |stage| {
            let at = stage.reported()["desiredVersion"].clone();
            if at == version { Ok(()) } else { Err(format!("version {at}, not {version}")) }
        })
    }

    /// A technician types a command of twind.
    pub(crate) fn technician(&mut self, words: &[&str]) -> Played {
        self.line("technician", format!("twind {}", words.join(" ")));
        let said = self.daemon.ask(words)?;
        said.lines().for_each(|line| self.line("", line));
        Ok(())
    }

    /// What the back end reads in the reported half of the twin at `place`.
    pub(crate) fn twin(&mut self, place: &str, wanted: &[(&str, Wanted)]) -> Played {
        let found = self.wait(place, |stage| read(&stage.reported(), place, wanted))?;
        self.line("twin", format!("{place}: {found}"));
        Ok(())
    }

    /// What is no longer in the reported half of the twin.
    pub(crate) fn twin_without(&mut self, place: &str) -> Played {
        self.wait(place, |stage| match at(&stage.reported(), place) {
            Value::Null => Ok(()),
            found => Err(format!("it is still {found}")),
        })?;
        self.line("twin", format!("{place}: gone"));
        Ok(())
    }

    /// What `twind status --json` says on the gateway at `place`.
    pub(crate) fn status(&mut self, place: &str, wanted: &[(&str, Wanted)]) -> Played {
        let found = self.wait(place, |stage| read(&stage.status_now()?, place, wanted))?;
        self.line("gateway", format!("{place}: {found}"));
        Ok(())
    }

    /// How an output is driven, by its file on the board, and why.
    pub(crate) fn output(&mut self, name: &str, share: Share, cause: &str) -> Played {
        let driven = self.wait(name, |stage| {
            let output = stage.status_now()?["outputs"][name].clone();
            let driven =
                plant::drive(&stage.daemon.path("twind/board").join(name)).map(|share| share * 100.0);
            match driven.filter(|percent| share.holds(*percent)) {
                Some(percent) if output["cause"] == cause => Ok(share.text(percent)),
                _ => Err(format!(
                    "{driven:?} per cent, because of {}; not {share:?}, {cause}",
                    output["cause"]
                )),
            }
        })?;
        self.line(name, format!("{driven}, because of {cause}"));
        Ok(())
    }

    /// Waits until something at the site is in these bounds.
    pub(crate) fn until(&mut self, gauge: &Gauge<M>, (from, to): (f64, f64)) -> Played {
        let number = self.wait(gauge.before, |stage| {
            let number = stage.measured(gauge);
            if (from..=to).contains(&number) {
                Ok(number)
            } else {
                Err(format!("{number:.2}, not {from} to {to}"))
            }
        })?;
        self.line("site", format!("{} {number:.1} {}", gauge.before, gauge.after));
        Ok(())
    }

    /// Something at the site stays in these bounds for so many minutes of the site's.
    pub(crate) fn stays(&mut self, gauge: &Gauge<M>, (from, to): (f64, f64), minutes: u32) -> Played {
        let end = Instant::now() + Duration::from_secs(60) * minutes / SPEED;
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        while Instant::now() < end {
            let number = self.measured(gauge);
            (least, most) = (least.min(number), most.max(number));
            sleep(LOOK);
        }
        if least < from || most > to {
            return Err(format!(
                "{} {least:.2} to {most:.2} {}, not {from} to {to}",
                gauge.before, gauge.after
            )
            .into());
        }
        self.checks += 1;
        self.line(
            "site",
            format!("for {minutes} minutes {} {least:.1} to {most:.1} {}", gauge.before, gauge.after),
        );
        Ok(())
    }

    /// The line to the hub is cut.
    pub(crate) fn cut_off(&mut self) -> Played {
        self.hub.block_on(self.hub.stop_listening());
        self.status("hub", &[("online", Wanted::Is(json!(false)))])
    }

    /// The line to the hub works again.
    pub(crate) fn put_through(&mut self) -> Played {
        self.hub.resume_listening()?;
        self.wait_for(PATIENCE_TO_CONNECT, "the connection", |stage| match stage.hub.is_connected(DEVICE) {
            true => Ok(()),
            false => Err("there is none".to_owned()),
        })?;
        self.status("hub", &[("online", Wanted::Is(json!(true))), ("synced", Wanted::Is(json!(true)))])
    }

    /// What was told, line by line, and how many checks it took.
    pub(crate) fn finish(self) -> (Vec<String>, usize) {
        (self.told, self.checks)
    }

    fn measured(&self, gauge: &Gauge<M>) -> f64 {
        self.plant.with(|model| (gauge.read)(model))
    }

    fn reported(&self) -> Value {
        self.hub.reported(DEVICE).unwrap_or_default()
    }

    fn status_now(&self) -> Result<Value, String> {
        let said = self.daemon.ask(&["status", "--json"]).map_err(|error| error.to_string())?;
        serde_json::from_str(&said).map_err(|error| error.to_string())
    }

    fn line(&mut self, label: &str, text: impl fmt::Display) {
        self.tell(format!("   {label:<10} {text}"));
    }

    fn tell(&mut self, line: String) {
        println!("{line}");
        self.told.push(line);
    }

    fn wait<T>(
        &mut self,
        what: &str,
        look: impl Fn(&Self) -> Result<T, String>,
    ) -> Result<T, Box<dyn Error>> {
        self.wait_for(PATIENCE, what, look)
    }

    /// Looks until it is so, and counts that as a check.
    fn wait_for<T>(
        &mut self,
        patience: Duration,
        what: &str,
        look: impl Fn(&Self) -> Result<T, String>,
    ) -> Result<T, Box<dyn Error>> {
        let end = Instant::now() + patience;
        loop {
            match look(self) {
                Ok(found) => {
                    self.checks += 1;
                    return Ok(found);
                }
                Err(why) if Instant::now() > end => {
                    return Err(
                        format!("{what} is not as told within {} s: {why}", patience.as_secs()).into()
                    );
                }
                Err(_) => sleep(LOOK),
            }
        }
    }
}

impl Share {
    fn holds(self, percent: f64) -> bool {
        match self {
            Self::Off => percent == 0.0,
            Self::On => percent == 100.0,
            Self::Percent(from, to) => (from..=to).contains(&percent),
        }
    }

    fn text(self, percent: f64) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::On => "on".to_owned(),
            Self::Percent(..) => format!("{percent:.1} %"),
        }
    }
}

impl Wanted {
    /// The text to tell of a value that is as it must be.
    fn told(&self, value: &Value) -> Option<String> {
        match self {
            Self::Is(wanted) => (value == wanted).then(|| value.to_string()),
            Self::From(from, to) => {
                let number = value.as_f64().filter(|number| (from..=to).contains(&number))?;
                Some(format!("{number:.1}"))
            }
            Self::Begins(part) => {
                let begins = value.as_str().is_some_and(|text| text.starts_with(part));
                begins.then(|| format!("\"{part}…\""))
            }
        }
    }
}

/// The value at a path such as `components.heat`; null if there is none.
fn at(document: &Value, place: &str) -> Value {
    place.split('.').fold(document.clone(), |value, key| value[key].clone())
}

/// What is told of the wanted values below `place`.
fn read(document: &Value, place: &str, wanted: &[(&str, Wanted)]) -> Result<String, String> {
    let found = at(document, place);
    let told = wanted.iter().map(|(key, wanted)| Some(format!("{key} {}", wanted.told(&found[*key])?)));
    told.collect::<Option<Vec<_>>>().map(|told| told.join(", ")).ok_or_else(|| format!("found {found}"))
}
