//! What the screen shows, as it is read at this moment: from the model of the site, the files of the board, the hub, and the
//! daemon's own status.

use crate::plant;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use twinhub::Hub;

/// A daemon that hangs does not stop the picture for longer.
const PATIENCE: Duration = Duration::from_millis(200);

/// All that is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(super) site: String,
    pub(super) scene: usize,
    /// How many scenes there are.
    pub(super) scenes: usize,
    pub(super) title: String,
    pub(super) earlier: Vec<Earlier>,
    /// What was told of this scene.
    pub(super) told: Vec<Told>,
    /// What is being waited for.
    pub(super) waiting: Option<String>,
    /// What the back end wrote last.
    pub(super) written: String,
    pub(super) world: World,
}

/// What there is besides the story.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// The true temperature of a site that is one enclosure.
    pub(super) enclosure: Option<f64>,
    pub(super) climates: Vec<Climate>,
    pub(super) outputs: Vec<Output>,
    pub(super) reported: String,
    pub(super) alarms: Vec<String>,
    /// The daemon's process, and whether it is connected to the hub; nothing while there is none.
    pub(super) daemon: Option<(u64, bool)>,
}

/// A climate, as the daemon sees it.
#[derive(Clone, Debug)]
pub(super) struct Climate {
    pub(super) name: String,
    pub(super) value: Option<f64>,
    pub(super) unit: &'static str,
    pub(super) range: (f64, f64),
}

/// An output: what its file on the board says, and why.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) percent: f64,
    pub(super) cause: String,
}

/// A scene that is over.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    pub(super) scene: usize,
    pub(super) title: String,
    /// Was everything as it must be?
    pub(super) good: bool,
}

/// A line of the story.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) mark: Mark,
    pub(super) text: String,
}

/// What a line of the story is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Something that happens.
    Note,
    /// Something that was looked at, and is as it must be.
    Good,
    /// Something that is not.
    Bad,
}

/// Where the screen looks.
pub(crate) struct Sources {
    pub(crate) board: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) hub: Hub,
    pub(crate) device: &'static str,
    /// The true temperature of a site that is one enclosure.
    pub(crate) enclosure: Box<dyn Fn() -> Option<f64> + Send>,
}

impl Sources {
    /// Reads what changes from one picture to the next.
    pub(super) fn look(&self, world: &mut World) {
        world.enclosure = (self.enclosure)();
        for output in &mut world.outputs {
            output.percent = plant::drive(&self.board.join(&output.name)).unwrap_or(0.0) * 100.0;
        }
        world.reported = summary(&self.hub.reported(self.device).unwrap_or_default());
    }

    /// Asks the daemon. What it said last of climates and outputs stays if there is none.
    pub(super) fn ask(&self, world: &mut World) {
        let Some(status) = ask(&self.socket) else {
            world.daemon = None;
            world.alarms.clear();
            for output in &mut world.outputs {
                "by nobody now".clone_into(&mut output.cause);
            }
            for climate in &mut world.climates {
                climate.value = None;
            }
            return;
        };
        world.take(&status);
    }
}

impl World {
    /// Takes what the daemon says of itself.
    pub(super) fn take(&mut self, status: &Value) {
        self.daemon = status["pid"].as_u64().map(|pid| (pid, status["hub"]["online"] == true));
        self.alarms = entries(&status["alarms"]).map(|(name, _)| name.to_owned()).collect();
        self.climates = entries(&status["climates"]).filter_map(|(name, one)| climate(name, one)).collect();
        let outputs = entries(&status["outputs"]).map(|(name, one)| Output {
            name: name.to_owned(),
            percent: one["permille"].as_f64().unwrap_or_default() / 10.0,
            cause: one["cause"].as_str().unwrap_or_default().to_owned(),
        });
        self.outputs = outputs.collect();
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, one)| (name.as_str(), one))
}

fn climate(name: &str, status: &Value) -> Option<Climate> {
    let unit = match status["measures"].as_str()? {
        "temperature" => "°C",
        "humidity" => "%",
        _ => "K",
    };
    let range = (status["min"].as_f64()?, status["max"].as_f64()?);
    Some(Climate { name: name.to_owned(), value: status["value"].as_f64(), unit, range })
}

/// A call of the daemon's interface: JSON and a NUL in each direction.
fn ask(socket: &Path) -> Option<Value> {
    let mut daemon = UnixStream::connect(socket).ok()?;
    daemon.set_read_timeout(Some(PATIENCE)).ok()?;
    let call = json!({ "method": "io.twind.Daemon.GetStatus", "parameters": {} });
    daemon.write_all(format!("{call}\0").as_bytes()).ok()?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while answer.last() != Some(&0) {
        match daemon.read(&mut part) {
            Ok(length @ 1..) => answer.extend(&part[..length]),
            _ => return None,
        }
    }
    answer.pop();
    let answer: Value = serde_json::from_slice(&answer).ok()?;
    Some(answer["parameters"]["status"].clone())
}

/// The reported half of a twin in a few words.
pub(super) fn summary(reported: &Value) -> String {
    let mut parts = Vec::new();
    for (name, shown) in [("desiredVersion", "version"), ("lastPatchReceivedId", "patch"), ("fanOn", "fanOn")]
    {
        parts.extend(reported.get(name).map(|value| format!("{shown} {value}")));
    }
    let range = reported.get("minTemperature").zip(reported.get("maxTemperature"));
    parts.extend(range.map(|(min, max)| format!("range {min} to {max}")));
    for (name, one) in entries(&reported["components"]) {
        let unit = if one["unit"] == "fahrenheit" { "°F" } else { "°C" };
        parts.extend(one.get("temperature").map(|value| format!("{name} {value} {unit}")));
        parts.extend(one.get("dutyPercent").map(|value| format!("{name} {value} %")));
    }
    parts.extend(entries(&reported["alarms"]).map(|(name, _)| format!("alarm {name}")));
    parts.extend(entries(&reported["rejected"]).map(|(name, _)| format!("rejected {name}")));
    parts.join(", ")
}
