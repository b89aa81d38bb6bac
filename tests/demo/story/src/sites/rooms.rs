//! Three rooms with one boiler. Each has a radiator with a valve of its own, and the office has a fan.
//!
//! One heat capacity for each room.

use crate::plant::Model;
use crate::stage::Share::{Off, On, Percent};
use crate::stage::Wanted::{Begins, From, Is};
use crate::stage::{Gauge, Played, Site, Stage};
use serde_json::json;

const CAPACITY_J_PER_K: f64 = 40_000.0;
const WALLS_W_PER_K: f64 = 20.0;
const WINDOW_W_PER_K: f64 = 120.0;
const FAN_W_PER_K: f64 = 150.0;
const RADIATOR_W: f64 = 2000.0;
const LAMPS_AND_PEOPLE_W: f64 = 200.0;
const OUTSIDE_C: f64 = 2.0;
/// Below what a valve is set to it opens, and at this much below it is open.
const VALVE_K: f64 = 2.0;

/// The site.
pub(crate) const SITE: Site<Rooms> = Site {
    name: "rooms",
    about: "three rooms with one boiler, and a fan for the office",
    patch: r#"{"components":{"lab":{"schedule":null}}}"#,
    output: "office-fan",
    model: Rooms::new,
    play,
};

const OFFICE: Gauge<Rooms> =
    Gauge { before: "the office is at", after: "°C", read: |rooms| rooms.office.air_c };
const LAB: Gauge<Rooms> = Gauge { before: "the lab is at", after: "°C", read: |rooms| rooms.lab.air_c };
const ARCHIVE: Gauge<Rooms> =
    Gauge { before: "the archive is at", after: "°C", read: |rooms| rooms.archive.air_c };

struct Room {
    air_c: f64,
    valve_c: f64,
    sun_w: f64,
    window_is_open: bool,
}

impl Room {
    fn new(air_c: f64, valve_c: f64) -> Self {
        Self { air_c, valve_c, sun_w: 0.0, window_is_open: false }
    }

    fn step(&mut self, seconds: f64, boiler: f64, fan: f64) {
        let valve = ((self.valve_c - self.air_c) / VALVE_K).clamp(0.0, 1.0);
        let window = if self.window_is_open { WINDOW_W_PER_K } else { 0.0 };
        let out_w = (WALLS_W_PER_K + window + FAN_W_PER_K * fan) * (self.air_c - OUTSIDE_C);
        let in_w = LAMPS_AND_PEOPLE_W + self.sun_w + RADIATOR_W * boiler * valve;
        self.air_c += (in_w - out_w) / CAPACITY_J_PER_K * seconds;
    }
}

/// What happens in the rooms.
pub(crate) struct Rooms {
    office: Room,
    lab: Room,
    archive: Room,
    archive_sensor_is_lost: bool,
}

impl Rooms {
    fn new() -> Self {
        Self {
            office: Room::new(15.0, 25.0),
            lab: Room::new(16.0, 22.0),
            archive: Room::new(12.0, 19.0),
            archive_sensor_is_lost: false,
        }
    }
}

impl Model for Rooms {
    fn step(&mut self, seconds: f64, drive: &dyn Fn(&str) -> f64) {
        let boiler = drive("boiler");
        self.office.step(seconds, boiler, drive("office-fan"));
        self.lab.step(seconds, boiler, 0.0);
        self.archive.step(seconds, boiler, 0.0);
    }

    fn readings(&self) -> Vec<(&'static str, Option<f64>)> {
        vec![
            ("office", Some(self.office.air_c)),
            ("lab", Some(self.lab.air_c)),
            ("archive", (!self.archive_sensor_is_lost).then_some(self.archive.air_c)),
        ]
    }
}

fn play(stage: &mut Stage<'_, Rooms>) -> Played {
    morning(stage)?;
    afternoon(stage)?;
    archive(stage)?;
    technician(stage)
}

fn morning(stage: &mut Stage<'_, Rooms>) -> Played {
    stage.scene(
        "A winter morning: each room is too cold, and the first in the file is named as the cause",
        |_| {},
    );
    for room in ["office", "lab", "archive"] {
        stage.twin(
            &format!("components.{room}"),
            &[("regime", Is(json!("too-cold"))), ("temperature", From(5.0, 19.0))],
        )?;
    }
    stage.output("boiler", On, "climate office")?;

    stage.scene("When the last room has enough, the boiler rests", |_| {});
    stage.until(&OFFICE, (19.0, 25.0))?;
    stage.until(&LAB, (18.0, 24.0))?;
    stage.until(&ARCHIVE, (14.0, 20.0))?;
    stage.output("boiler", Off, "climate office")?;

    stage.scene(
        "The back end wants the office warmer: the boiler is on for this room, though the lab has enough",
        |_| {},
    );
    stage.back_end(&json!({"components": {"office": {"minTemperature": 22, "maxTemperature": 26}}}))?;
    stage.output("boiler", On, "climate office")?;
    stage.twin("components.lab", &[("regime", Is(json!("in-range")))])?;
    stage.until(&OFFICE, (22.0, 26.0))?;
    stage.output("boiler", Off, "climate office")
}

fn afternoon(stage: &mut Stage<'_, Rooms>) -> Played {
    stage.scene("The sun shines into the office: its own fan starts", |rooms| rooms.office.sun_w = 1500.0);
    stage.output("office-fan", Percent(20.0, 90.0), "climate office")?;
    stage.stays(&OFFICE, (22.0, 26.0), 3)?;

    stage.scene("Nobody is in the lab today: the back end writes so into its schedule", |_| {});
    let today =
        json!({"today": {"from": "00:00", "to": "24:00", "minTemperature": 10, "maxTemperature": 16}});
    stage.back_end(&json!({"components": {"lab": {"schedule": today}}}))?;
    stage.twin("components.lab", &[("schedule", Is(json!("today"))), ("minTemperature", Is(json!(10)))])
}

fn archive(stage: &mut Stage<'_, Rooms>) -> Played {
    stage.scene(
        "Somebody opens the window of the archive: the boiler is on, for it gets the most that a room wants",
        |rooms| {
            rooms.archive.window_is_open = true;
        },
    );
    stage.output("boiler", On, "climate archive")?;
    stage.until(&ARCHIVE, (5.0, 14.5))?;

    stage.scene(
        "The window is shut, and the sensor of the archive breaks: now the boiler's sensor-fault row decides",
        |rooms| {
            rooms.archive.window_is_open = false;
            rooms.archive_sensor_is_lost = true;
        },
    );
    stage.output("boiler", On, "fail-safe sensor-fault")?;
    stage.twin(
        "components.archive",
        &[("regime", Is(json!("sensor-fault"))), ("sensor", Is(json!("missing")))],
    )?;
    stage.twin("components.office", &[("sensor", Is(json!("ok")))])?;
    stage
        .twin("alarms.sensor-archive", &[("text", Begins("sensor archive has no valid reading: missing"))])?;

    stage.scene("The sensor is mended, and no room wants heat", |rooms| rooms.archive_sensor_is_lost = false);
    stage.twin_without("alarms.sensor-archive")?;
    stage.output("boiler", Off, "climate office")
}

fn technician(stage: &mut Stage<'_, Rooms>) -> Played {
    stage.scene("A visitor in the office is too warm: a technician sets another range, for a time", |_| {});
    stage.technician(&["override", "office", "18..21", "--for", "2h"])?;
    let range = json!({"minTemperature": 18, "maxTemperature": 21});
    stage.twin("components.office", &[("override", Is(range))])?;
    stage.output("office-fan", Percent(40.0, 100.0), "climate office")?;
    stage.until(&OFFICE, (18.0, 21.0))?;

    stage.scene("It would end by itself in two hours, but the visitor leaves sooner: the back end's range holds again", |_| {});
    stage.technician(&["override", "office", "clear"])?;
    stage.twin_without("components.office.override")?;
    stage
        .twin("components.office", &[("minTemperature", Is(json!(22))), ("maxTemperature", Is(json!(26)))])?;
    stage.output("office-fan", Off, "climate office")
}
