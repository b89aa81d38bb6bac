//! The finale: the network is pulled, the daemon is killed, the sensor breaks, and each time the enclosure is held.

use crate::enclosure::Enclosure;
use crate::stage::Share::Percent;
use crate::stage::Wanted::{Begins, From, Is};
use crate::stage::{Gauge, Played, Stage};
use serde_json::json;

/// A scene, and what happens in it.
type Part = (&'static str, fn(&mut Stage<'_, Enclosure>) -> Played);

/// All of it.
pub(crate) const SCENES: [Part; 7] = [
    ("The network is pulled, and the electronics have more to do: the fan follows, with no hub", network),
    ("twind is killed with SIGKILL: the pin stays, and the fan keeps turning", kill),
    ("systemd sees that it is gone and runs twind safe: the fan goes to its crash row", safe),
    ("twind is started again, with no network: it goes on from its record", record),
    ("The network is back: what the back end wrote meanwhile is caught up with", back),
    ("The sensor breaks: an alarm is raised, and the fan goes to its sensor-fault row", sensor),
    ("The sensor is mended: the alarm is gone, and the range decides again", mended),
];

const ENCLOSURE: Gauge<Enclosure> =
    Gauge { before: "the enclosure is at", after: "°C", read: |enclosure| enclosure.temperature };
/// What the back end wanted before the network was pulled, in degrees Celsius.
const HELD: (f64, f64) = (20.0, 33.3);
/// What it wrote while nobody heard it.
const HELD_LATER: (f64, f64) = (20.0, 30.0);

fn network(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.cut_off()?;
    stage.back_end_unheard(
        &json!({"patchId": "Nobody hears it", "components": {"climate": {"maxTemperature": "86"}}}),
    )?;
    stage.happens("the electronics give off 80 W instead of 55 W", Enclosure::work_harder);
    stage.output("fan", Percent(40.0, 100.0), "climate")?;
    stage.stays(&ENCLOSURE, HELD, 4)
}

fn kill(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.kill()?;
    let at = stage.pin("fan", (20.0, 100.0), "as it was; nobody drives it")?;
    stage.stays(&ENCLOSURE, HELD, 4)?;
    stage.pin("fan", (at, at), "as it was")?;
    Ok(())
}

fn safe(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.safe_after_kill()?;
    stage.pin("fan", (40.0, 40.0), "its crash row")?;
    stage.stays(&ENCLOSURE, HELD, 4)
}

fn record(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.start_again()?;
    stage.output("fan", Percent(20.0, 100.0), "climate")?;
    stage.status("climates.climate", &[("min", From(19.9, 20.1)), ("max", From(33.2, 33.4))])?;
    stage.status("hub", &[("online", Is(json!(false)))])?;
    stage.stays(&ENCLOSURE, HELD, 4)
}

fn back(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.put_through()?;
    stage.acknowledges_all()?;
    stage.status("climates.climate", &[("min", From(19.9, 20.1)), ("max", From(29.9, 30.1))])?;
    stage.stays(&ENCLOSURE, HELD_LATER, 4)
}

fn sensor(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.happens("the sensor breaks", |enclosure| enclosure.lose_sensor(true));
    stage.output("fan", Percent(60.0, 60.0), "fail-safe sensor-fault")?;
    stage.twin(
        "alarms.sensor-enclosure",
        &[("text", Begins("sensor enclosure has no valid reading: missing"))],
    )?;
    stage.stays(&ENCLOSURE, HELD_LATER, 4)
}

fn mended(stage: &mut Stage<'_, Enclosure>) -> Played {
    stage.happens("the sensor is mended", |enclosure| enclosure.lose_sensor(false));
    stage.output("fan", Percent(20.0, 100.0), "climate")?;
    stage.twin_without("alarms.sensor-enclosure")?;
    stage.stays(&ENCLOSURE, HELD_LATER, 2)
}
