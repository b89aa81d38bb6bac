//! What a site's story is told with. Each of these waits until what it tells is so, and fails if that takes too long: nothing is
//! told that was not looked at.

use crate::daemon::{DEVICE, Daemon};
use crate::live::Mark;
use crate::plant::{self, Model, Plant, SPEED};
use crate::teller::Teller;
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
    /// An output to override by hand.
    pub(crate) output: &'static str,
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
    teller: Teller,
    scenes: usize,
    told: Vec<String>,
    checks: usize,
}

impl<'a, M: Model> Stage<'a, M> {
    /// A story of which nothing is told yet.
    pub(crate) fn new(hub: &'a Running, plant: &'a Plant<M>, daemon: &'a Daemon, teller: Teller) -> Self {
        Self { hub, plant, daemon, teller, scenes: 0, told: Vec::new(), checks: 0 }
    }

    /// The next step of the story begins; `change` happens at the site.
    pub(crate) fn scene(&mut self, title: &str, change: impl FnOnce(&mut M)) {
        self.scenes += 1;
        if self.scenes > 1 {
            self.teller.aside("");
            self.told.push(String::new());
        }
        let line = format!("── {}. {title}", self.scenes);
        self.teller.scene(self.scenes, title, &line);
        self.told.push(line);
        self.plant.with(change);
    }

    /// The back end writes into the twin, and twind acknowledges it.
    pub(crate) fn back_end(&mut self, desired: &Value) -> Played {
        self.written(desired);
        let twin = self.hub.update_twin(DEVICE, &json!({ "properties": { "desired": desired } }))?;
        let version = twin["properties"]["desired"]["$version"].clone();
        self.wait_acknowledged(&version)?;
        self.teller.mark(Mark::Good, &format!("acknowledged: version {version}"));
        Ok(())
    }

    /// The back end writes into the twin while the line is cut.
    pub(crate) fn back_end_unheard(&mut self, desired: &Value) -> Played {
        self.written(desired);
        self.hub.update_twin(DEVICE, &json!({ "properties": { "desired": desired } }))?;
        Ok(())
    }

    /// twind has acknowledged all that the back end wrote.
    pub(crate) fn acknowledges_all(&mut self) -> Played {
        let version = self.hub.desired(DEVICE)?["$version"].clone();
        self.wait_acknowledged(&version)?;
        self.line("twin", format!("desiredVersion: {version}"));
        Ok(())
    }

    fn wait_acknowledged(&mut self, version: &Value) -> Played {
        self.wait("the acknowledgement", |stage| {
            let at = stage.reported()["desiredVersion"].clone();
            if at == *version { Ok(()) } else { Err(format!("version {at}, not {version}")) }
        })
    }

    /// Something happens at the site.
    pub(crate) fn happens(&mut self, what: &str, change: impl FnOnce(&mut M)) {
        self.note("site", what);
        self.plant.with(change);
    }

    fn written(&mut self, desired: &Value) {
        let line = labelled("back end", desired);
        self.teller.written(&desired.to_string(), &line);
        self.told.push(line);
    }

    /// A technician types a command of twind.
    pub(crate) fn technician(&mut self, words: &[&str]) -> Played {
        self.note("technician", format!("twind {}", words.join(" ")));
        let said = self.daemon.ask(words)?;
        said.lines().for_each(|line| self.line("", line));
        Ok(())
    }

    /// The daemon is killed.
    pub(crate) fn kill(&mut self) -> Played {
        self.note("kill", "SIGKILL to twind");
        self.daemon.kill()?;
        match self.daemon.ask(&["status"]) {
            Ok(status) => Err(format!("somebody still answers: {status}").into()),
            Err(_) => {
                self.checks += 1;
                self.line("gateway", "no daemon answers");
                Ok(())
            }
        }
    }

    /// What systemd does then.
    pub(crate) fn safe_after_kill(&mut self) -> Played {
        self.note("systemd", "twind safe, as ExecStopPost= of its unit says");
        let said = self.daemon.safe_after_kill()?;
        said.lines().for_each(|line| self.line("", line));
        Ok(())
    }

    /// And then.
    pub(crate) fn start_again(&mut self) -> Played {
        self.note("systemd", "twind run, as Restart= of its unit says");
        self.daemon.start_again()
    }

    /// How an output is driven, by its file on the board, when no daemon can say why.
    pub(crate) fn pin(
        &mut self,
        name: &str,
        (from, to): (f64, f64),
        why: &str,
    ) -> Result<f64, Box<dyn Error>> {
        let percent = self.wait(name, |stage| {
            let driven = stage.driven(name);
            driven
                .filter(|percent| (from..=to).contains(percent))
                .ok_or_else(|| format!("it is at {driven:?} per cent"))
        })?;
        self.line(name, format!("{percent:.1} %, {why}"));
        Ok(percent)
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
            let driven = stage.driven(name);
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
        self.teller.wait(&format!("for {minutes} minutes {} {from} to {to} {}", gauge.before, gauge.after));
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
        self.teller.mark(Mark::Note, "the network is pulled");
        self.hub.block_on(self.hub.stop_listening());
        self.status("hub", &[("online", Wanted::Is(json!(false)))])
    }

    /// The line to the hub works again.
    pub(crate) fn put_through(&mut self) -> Played {
        self.teller.mark(Mark::Note, "the network is back");
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

    /// What says how it goes on.
    pub(crate) fn teller(&self) -> &Teller {
        &self.teller
    }

    /// The drive of an output in per cent, by its file on the board.
    pub(crate) fn driven(&self, name: &str) -> Option<f64> {
        plant::drive(&self.daemon.path("twind/board").join(name)).map(|share| share * 100.0)
    }

    fn measured(&self, gauge: &Gauge<M>) -> f64 {
        self.site(|model| (gauge.read)(model))
    }

    /// Looks at the site.
    pub(crate) fn site<T>(&self, look: impl FnOnce(&mut M) -> T) -> T {
        self.plant.with(look)
    }

    /// Looks until it is so. Returns whether it came to be.
    pub(crate) fn comes_true(&mut self, what: &str, good: impl Fn(&Self) -> bool) -> bool {
        self.wait(what, |stage| if good(stage) { Ok(()) } else { Err("it is not".to_owned()) }).is_ok()
    }

    /// The reported half of the twin.
    pub(crate) fn reported(&self) -> Value {
        self.hub.reported(DEVICE).unwrap_or_default()
    }

    fn status_now(&self) -> Result<Value, String> {
        let said = self.daemon.ask(&["status", "--json"]).map_err(|error| error.to_string())?;
        serde_json::from_str(&said).map_err(|error| error.to_string())
    }

    /// Tells what is so.
    fn line(&mut self, label: &str, text: impl fmt::Display) {
        let line = labelled(label, text);
        self.teller.tell(Mark::Good, &line);
        self.told.push(line);
    }

    /// Tells what happens.
    fn note(&mut self, label: &str, text: impl fmt::Display) {
        let line = labelled(label, text);
        self.teller.tell(Mark::Note, &line);
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
        self.teller.wait(what);
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

fn labelled(label: &str, text: impl fmt::Display) -> String {
    format!("   {label:<10} {text}")
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
