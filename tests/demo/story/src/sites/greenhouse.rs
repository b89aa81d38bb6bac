//! A greenhouse: one vent lowers temperature and humidity, a heater and a mister raise them.
//!
//! One heat capacity, and the water in the air. Leaks and the vent exchange the air with that outside.

use super::air::{humidity_percent, saturation_hpa};
use crate::plant::Model;
use crate::stage::Share::{On, Percent};
use crate::stage::Wanted::{From, Is};
use crate::stage::{Gauge, Played, Site, Stage};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::time::{Duration, SystemTime};

const CAPACITY_J_PER_K: f64 = 50_000.0;
const LEAK_W_PER_K: f64 = 100.0;
const VENT_W_PER_K: f64 = 400.0;
const HEATER_W: f64 = 3000.0;
/// How much of the water in the air is exchanged in a second: by leaks, and by the vent when it is open.
const LEAK_PER_S: f64 = 1.0 / 600.0;
const VENT_PER_S: f64 = 1.0 / 120.0;
const MISTER_HPA_PER_S: f64 = 0.15;

/// The site.
pub(crate) const SITE: Site<Greenhouse> = Site {
    name: "greenhouse",
    about: "a greenhouse with a vent for warmth and damp, a heater and a mister",
    patch: r#"{"components":{"damp":{"maxHumidity":70}}}"#,
    output: "vent",
    model: Greenhouse::new,
    play,
};

const WARMTH: Gauge<Greenhouse> =
    Gauge { before: "the air is at", after: "°C", read: |greenhouse| greenhouse.air_c };
const DAMP: Gauge<Greenhouse> =
    Gauge { before: "the humidity is", after: "%", read: |greenhouse| greenhouse.humidity() };

/// What happens in the greenhouse.
pub(crate) struct Greenhouse {
    air_c: f64,
    vapour_hpa: f64,
    outside_c: f64,
    outside_hpa: f64,
    sun_w: f64,
    /// What plants and soil evaporate.
    plants_hpa_per_s: f64,
}

impl Greenhouse {
    fn new() -> Self {
        Self {
            air_c: 14.0,
            vapour_hpa: 10.0,
            outside_c: 8.0,
            outside_hpa: 9.0,
            sun_w: 0.0,
            plants_hpa_per_s: 0.008,
        }
    }

    fn humidity(&self) -> f64 {
        humidity_percent(self.vapour_hpa, self.air_c)
    }
}

impl Model for Greenhouse {
    fn step(&mut self, seconds: f64, drive: &dyn Fn(&str) -> f64) {
        let vent = drive("vent");
        let out_w = (LEAK_W_PER_K + VENT_W_PER_K * vent) * (self.air_c - self.outside_c);
        self.air_c += (self.sun_w + HEATER_W * drive("heater") - out_w) / CAPACITY_J_PER_K * seconds;
        let source = self.plants_hpa_per_s + MISTER_HPA_PER_S * drive("mister");
        let exchange = LEAK_PER_S + VENT_PER_S * vent;
        self.vapour_hpa += (source + exchange * (self.outside_hpa - self.vapour_hpa)) * seconds;
        self.vapour_hpa = self.vapour_hpa.min(saturation_hpa(self.air_c));
    }

    fn readings(&self) -> Vec<(&'static str, Option<f64>)> {
        vec![("air", Some(self.air_c)), ("moist", Some(self.humidity()))]
    }
}

fn play(stage: &mut Stage<'_, Greenhouse>) -> Played {
    day(stage)?;
    night(stage)
}

fn day(stage: &mut Stage<'_, Greenhouse>) -> Played {
    stage.scene("A cold morning: below 18 °C the heater is on", |_| {});
    stage
        .twin("components.warmth", &[("regime", Is(json!("too-cold"))), ("temperature", From(8.0, 18.0))])?;
    stage.output("heater", On, "climate warmth")?;
    stage.until(&WARMTH, (18.0, 22.0))?;

    stage.scene("The sun is out: the vent opens for the warmth", |greenhouse| {
        (greenhouse.outside_c, greenhouse.outside_hpa) = (18.0, 12.4);
        (greenhouse.sun_w, greenhouse.plants_hpa_per_s) = (3500.0, 0.065);
    });
    stage.output("vent", Percent(40.0, 90.0), "climate warmth")?;
    stage.stays(&WARMTH, (18.0, 28.0), 3)?;

    stage.scene(
        "The plants are watered: now the damp wants more of the vent, and the greater share counts",
        |greenhouse| {
            greenhouse.plants_hpa_per_s = 0.125;
        },
    );
    stage.until(&DAMP, (75.0, 85.0))?;
    stage.output("vent", Percent(60.0, 100.0), "climate damp")?;

    stage.scene("A dry wind: below 50 % the mister is on", |greenhouse| {
        (greenhouse.outside_hpa, greenhouse.plants_hpa_per_s) = (5.0, 0.03);
    });
    stage.output("mister", On, "climate damp")?;
    stage.until(&DAMP, (50.0, 65.0))?;
    stage.stays(&DAMP, (40.0, 70.0), 3)
}

fn night(stage: &mut Stage<'_, Greenhouse>) -> Played {
    let (from, to) = around_now()?;
    stage.scene(
        "Evening. The back end writes a night that holds at this hour, so that nobody has to wait for it",
        |greenhouse| {
            (greenhouse.outside_c, greenhouse.outside_hpa) = (14.0, 6.5);
            (greenhouse.sun_w, greenhouse.plants_hpa_per_s) = (0.0, 0.005);
        },
    );
    let night = json!({"night": {"from": from, "to": to, "minTemperature": 12, "maxTemperature": 18}});
    stage.back_end(&json!({"components": {"warmth": {"schedule": night}}}))?;
    stage
        .twin("components.warmth", &[("schedule", Is(json!("night"))), ("maxTemperature", Is(json!(18)))])?;
    stage.output("vent", Percent(50.0, 100.0), "climate warmth")?;
    stage.until(&WARMTH, (12.0, 18.0))?;

    stage.scene("Frost: the heater holds the night's 12 °C, not the day's 18", |greenhouse| {
        (greenhouse.outside_c, greenhouse.outside_hpa) = (-2.0, 4.0);
    });
    stage.output("heater", On, "climate warmth")?;
    stage.until(&WARMTH, (12.0, 14.0))?;

    stage.scene("The line to the hub is cut: the gateway knows the schedule, and nothing changes", |_| {});
    stage.cut_off()?;
    stage.status("climates.warmth", &[("min", Is(json!(12))), ("max", Is(json!(18)))])?;
    stage.status("climates.warmth.schedule", &[("entry", Is(json!("night")))])?;
    stage.stays(&WARMTH, (11.0, 15.0), 2)?;

    stage.scene("The line is back: the twin has the present values at once", |_| {});
    stage.put_through()?;
    stage
        .twin("components.warmth", &[("schedule", Is(json!("night"))), ("temperature", From(11.0, 15.0))])?;

    stage.scene("The back end ends the night: the range of the file holds again, 18 to 28 °C", |_| {});
    stage.back_end(&json!({"components": {"warmth": {"schedule": Value::Null}}}))?;
    stage
        .twin("components.warmth", &[("minTemperature", Is(json!(18))), ("maxTemperature", Is(json!(28)))])?;
    stage.output("heater", On, "climate warmth")?;
    stage.until(&WARMTH, (18.0, 20.0))
}

/// The local time two hours ago and in two hours. With one hour, the night in which summer time ends would be none.
fn around_now() -> Result<(String, String), Box<dyn Error>> {
    const AROUND: Duration = Duration::from_secs(2 * 3600);
    let now = SystemTime::now();
    Ok((local(now - AROUND)?, local(now + AROUND)?))
}

/// The time of day in the system's zone, which twind reads in the same place.
fn local(time: SystemTime) -> Result<String, Box<dyn Error>> {
    let data = fs::read("/etc/localtime").ok();
    let zone = data.and_then(|data| jiff::tz::TimeZone::tzif("localtime", &data).ok());
    let seconds = i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs())?;
    let time = jiff::Timestamp::from_second(seconds).map_err(|error| error.to_string())?;
    let zoned = time.to_zoned(zone.unwrap_or(jiff::tz::TimeZone::UTC));
    Ok(format!("{:02}:{:02}", zoned.hour(), zoned.minute()))
}
