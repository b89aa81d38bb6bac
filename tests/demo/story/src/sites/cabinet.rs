//! An outdoor cabinet: a fan cools its electronics, and a heater at its wall keeps the wall above the dew point.
//!
//! Two heat capacities, the air and the wall, and the water in the air. The fan exchanges the air with that outside.

use super::air::{dew_point_c, humidity_percent};
use crate::plant::Model;
use crate::stage::Share::{Off, Percent};
use crate::stage::Wanted::{Begins, From, Is};
use crate::stage::{Gauge, Played, Site, Stage};
use serde_json::json;

const AIR_J_PER_K: f64 = 1000.0;
const WALL_J_PER_K: f64 = 1200.0;
const AIR_TO_WALL_W_PER_K: f64 = 6.0;
const WALL_TO_OUTSIDE_W_PER_K: f64 = 5.0;
const FAN_W_PER_K: f64 = 10.0;
const HEATER_W: f64 = 60.0;
/// How much of the air is exchanged in a second: by leaks, and by the fan at full.
const LEAK_PER_S: f64 = 1.0 / 120.0;
const FAN_PER_S: f64 = 1.0 / 30.0;

/// The site.
pub(crate) const SITE: Site<Cabinet> = Site {
    name: "cabinet",
    about: "an outdoor cabinet with a fan, and a heater against condensation",
    patch: r#"{"components":{"cooling":{"maxTemperature":40}}}"#,
    output: "fan",
    model: Cabinet::new,
    play,
};

const AIR: Gauge<Cabinet> = Gauge { before: "the air is at", after: "°C", read: |cabinet| cabinet.air_c };
const MARGIN: Gauge<Cabinet> =
    Gauge { before: "the wall is", after: "K above the dew point of the air", read: Cabinet::margin };

/// What happens in the cabinet.
pub(crate) struct Cabinet {
    air_c: f64,
    wall_c: f64,
    vapour_hpa: f64,
    outside_c: f64,
    outside_hpa: f64,
    electronics_w: f64,
    humidity_is_lost: bool,
}

impl Cabinet {
    fn new() -> Self {
        Self {
            air_c: 28.0,
            wall_c: 25.0,
            vapour_hpa: 12.0,
            outside_c: 18.0,
            outside_hpa: 12.0,
            electronics_w: 90.0,
            humidity_is_lost: false,
        }
    }

    fn margin(&self) -> f64 {
        self.wall_c - dew_point_c(self.vapour_hpa)
    }
}

impl Model for Cabinet {
    fn step(&mut self, seconds: f64, drive: &dyn Fn(&str) -> f64) {
        let (fan, heater) = (drive("fan"), drive("heater"));
        let to_wall_w = AIR_TO_WALL_W_PER_K * (self.air_c - self.wall_c);
        let out_w = FAN_W_PER_K * fan * (self.air_c - self.outside_c);
        let through_wall_w = WALL_TO_OUTSIDE_W_PER_K * (self.wall_c - self.outside_c);
        self.air_c += (self.electronics_w - to_wall_w - out_w) / AIR_J_PER_K * seconds;
        self.wall_c += (to_wall_w + HEATER_W * heater - through_wall_w) / WALL_J_PER_K * seconds;
        self.vapour_hpa += (LEAK_PER_S + FAN_PER_S * fan) * (self.outside_hpa - self.vapour_hpa) * seconds;
    }

    fn readings(&self) -> Vec<(&'static str, Option<f64>)> {
        let humidity = humidity_percent(self.vapour_hpa, self.air_c);
        vec![
            ("air", Some(self.air_c)),
            ("wall", Some(self.wall_c)),
            ("moist", (!self.humidity_is_lost).then_some(humidity)),
        ]
    }
}

fn play(stage: &mut Stage<'_, Cabinet>) -> Played {
    day(stage)?;
    night(stage)?;
    slip(stage)?;
    lost_sensor(stage)
}

fn day(stage: &mut Stage<'_, Cabinet>) -> Played {
    stage.scene("A warm day: the electronics heat the air, and the wall is far too warm for dew", |_| {});
    stage.twin(
        "components.cooling",
        &[("minTemperature", Is(json!(25))), ("maxTemperature", Is(json!(45)))],
    )?;
    stage.output("fan", Percent(20.0, 60.0), "climate cooling")?;
    stage.stays(&AIR, (25.0, 45.0), 2)?;
    stage.twin("components.dry-wall", &[("regime", Is(json!("too-high")))])?;
    stage.output("heater", Off, "climate dry-wall")?;

    stage.scene("The back end wants it cooler: the fan does more", |_| {});
    stage.back_end(&json!({"components": {"cooling": {"minTemperature": 20, "maxTemperature": 28}}}))?;
    stage.output("fan", Percent(65.0, 100.0), "climate cooling")?;
    stage.until(&AIR, (20.0, 28.0))
}

fn night(stage: &mut Stage<'_, Cabinet>) -> Played {
    stage.scene(
        "A cold and damp night, and the electronics rest: before the wall is wet, it is heated",
        |cabinet| {
            (cabinet.outside_c, cabinet.outside_hpa, cabinet.electronics_w) = (8.0, 12.0, 10.0);
        },
    );
    stage.stays(&MARGIN, (1.0, 25.0), 5)?;
    stage.output("heater", Percent(5.0, 60.0), "climate dry-wall")?;
    stage.output("fan", Off, "climate cooling")?;

    stage.scene(
        "The wall stays in its range, 2 to 4 K above the dew point: the heater does as much as that takes",
        |_| {},
    );
    stage.stays(&MARGIN, (2.0, 4.0), 4)?;
    stage
        .twin("components.dry-wall", &[("regime", Is(json!("in-range"))), ("difference", From(2.0, 4.0))])?;

    stage.scene("The back end wants a wider margin: a difference is held like any other quantity", |_| {});
    stage.back_end(&json!({"components": {"dry-wall": {"minDifference": 5, "maxDifference": 7}}}))?;
    stage.until(&MARGIN, (5.0, 7.0))?;
    stage.output("heater", Percent(30.0, 80.0), "climate dry-wall")
}

fn slip(stage: &mut Stage<'_, Cabinet>) -> Played {
    stage.scene(
        "A slip of the back end, a minimum above the maximum, is refused, and the last good range stays",
        |_| {},
    );
    stage.back_end(&json!({"components": {"dry-wall": {"minDifference": 9}}}))?;
    let refused =
        [("code", Is(json!(400))), ("reason", Is(json!("minDifference is not below maxDifference")))];
    stage.twin("rejected.components.dry-wall", &refused)?;
    stage.twin("components.dry-wall", &[("minDifference", Is(json!(5))), ("maxDifference", Is(json!(7)))])?;
    stage.back_end(&json!({"components": {"dry-wall": {"minDifference": 5}}}))?;
    stage.twin_without("rejected")
}

fn lost_sensor(stage: &mut Stage<'_, Cabinet>) -> Played {
    stage.scene(
        "The humidity sensor breaks: no dew point, no margin, and by its own row the heater is on a little",
        |cabinet| {
            cabinet.humidity_is_lost = true;
        },
    );
    stage.output("heater", Percent(40.0, 40.0), "fail-safe sensor-fault")?;
    stage.twin(
        "components.dry-wall",
        &[("regime", Is(json!("sensor-fault"))), ("sensor", Is(json!("missing")))],
    )?;
    stage.twin("components.dew", &[("sensor", Is(json!("missing")))])?;
    stage.twin("alarms.sensor-moist", &[("text", Begins("sensor moist has no valid reading: missing"))])?;

    stage.scene("The sensor is back, the morning is dry, and the heater rests", |cabinet| {
        cabinet.humidity_is_lost = false;
        (cabinet.outside_c, cabinet.outside_hpa, cabinet.electronics_w) = (15.0, 8.0, 60.0);
    });
    stage.twin_without("alarms.sensor-moist")?;
    stage.until(&MARGIN, (7.0, 30.0))?;
    stage.output("heater", Off, "climate dry-wall")
}
