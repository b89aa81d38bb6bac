//! `[sensors.NAME]`: where readings come from and which are believed.
//!
//! Every temperature in such a table is in the table's `unit`, which is the unit of its readings.

use super::board::Board;
use super::codes::{Code, Reason};
use super::contact::{self, CONTACT};
use super::derived::{self, FORMULAS, Formula, Others, Parts};
use super::files::Places;
use super::outputs::check_name;
use super::reader::Reader;
use super::sensor::{Sensor, measures, unit};
use super::spans::At;
use super::values;
use super::words;
use crate::control::quantity::TEMPERATURE;
use crate::control::{SensorId, SensorSpec};
use crate::sensors::{
    BadId, Channel, ContactLine, DRIVERS, Driver, HUMIDITY, Locator, PERIOD, Plausibility, SensorSettings,
    Source, VALID_CELSIUS, VALID_HUMIDITY,
};
use crate::units::{Celsius, TemperatureUnit};
use core::time::Duration;

/// More than the buses of one gateway carry.
const SENSORS_MAX: usize = 128;

const PERIOD_MIN: Duration = Duration::from_millis(10);
const PERIOD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const STALE_AFTER_PERIODS: u32 = 6;
/// A program that feeds a file writes it more often.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);
/// Times of files are not finer everywhere.
const AGE_MIN: Duration = Duration::from_secs(1);
const STALE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// No deadband, hysteresis or range of a site is as fine as this, in any unit of temperature.
const SMALL_CHANGE_DEGREES: f64 = 0.05;
const SMALL_CHANGE_HUMIDITY: f64 = 0.2;

/// What `driver` names.
#[derive(Clone, Copy)]
enum Kind {
    Sampled(&'static Driver),
    Derived(Formula),
}

/// Reads every sensor, in file order, but one that follows from others after those.
pub(super) fn read(file: &mut Reader<'_>, places: &Places, board: &Board) -> Vec<Sensor> {
    let mut tables = file.tables("sensors");
    if let Some((name, _)) = tables.get(SENSORS_MAX) {
        file.findings()
            .wrong(name.at, Code::TooMany.because(format!("there are more than {SENSORS_MAX} sensors")));
        tables.truncate(SENSORS_MAX);
    }
    let names: Vec<String> = tables.iter().map(|(name, _)| name.value.clone()).collect();
    let mut sensors = Vec::new();
    for (name, table) in derived::after_their_parts(tables, file.findings()) {
        let sensor = sensor(&name, table, (places, board), Others { before: &sensors, names: &names });
        sensors.push(sensor);
    }
    sensors
}

fn sensor(
    name: &At<String>,
    mut table: Reader<'_>,
    (places, board): (&Places, &Board),
    others: Others<'_>,
) -> Sensor {
    if let Err(reason) = check_name(&name.value, "a sensor") {
        table.findings().wrong(name.at, reason);
    }
    let sampled = DRIVERS.iter().map(|driver| (driver.name, Kind::Sampled(driver)));
    let derived = FORMULAS.into_iter().map(|(word, formula)| (word, Kind::Derived(formula)));
    let words: Vec<_> = sampled.chain(derived).collect();
    let driver = table.word("driver", &words);
    let known: Vec<String> = words.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    table.require("driver", &format!("one of {}", known.join(", ")));
    let parts = Parts::read(&mut table);
    let driver = match driver.map(|at| at.value) {
        Some(Kind::Derived(formula)) => return derived::read(name, table, formula, &parts, others),
        Some(Kind::Sampled(driver)) => {
            parts.refuse(&table, driver.name);
            Some(driver)
        }
        None => None,
    };
    let id = SensorId(others.before.len());
    let usual = if driver.is_some_and(|driver| driver.is_line) { CONTACT } else { TEMPERATURE };
    let measures = table.read("measures", measures).map_or_else(|| usual.to_owned(), |at| at.value);
    let [line_at, valid_at, path_at] = ["pin", "valid", "path"].map(|key| table.place(key));
    let line = contact::read(&mut table, driver, board);
    let source = source(&mut table, driver, &measures, places, line);
    let unit = unit(&mut table, &measures);
    let scale = table.number_if("scale", "a number other than 0", |number| number != 0.0);
    let scale = scale.map_or(1.0, |at| at.value);
    let offset = table.number("offset").map_or(0.0, |at| at.value);
    let (period, stale_after) = times(&mut table, driver);
    // What the sensor shows then is shown by the same scale and offset as its readings.
    let power_on = driver.and_then(|driver| driver.power_on).map(|shown| shown * scale + offset);
    let plausible = Plausibility {
        frozen_repeats: frozen_repeats(&mut table, period),
        ..plausible(&mut table, power_on, &measures, unit)
    };
    let max_age = max_age(&mut table, driver, period);
    let small_change = match measures.as_str() {
        TEMPERATURE => SMALL_CHANGE_DEGREES,
        HUMIDITY => SMALL_CHANGE_HUMIDITY,
        _ => 0.0,
    };
    table.finish();
    let settings = source.map(|source| SensorSettings {
        id,
        name: name.value.clone(),
        source,
        scale,
        offset,
        period,
        small_change,
        plausible,
        max_age,
    });
    let source = settings.as_ref().map(|settings| settings.source.to_string()).unwrap_or_default();
    let scale_offset = (scale, offset);
    let (name, name_at) = (name.value.clone(), name.at);
    let spec = SensorSpec { name, measures, unit, stale_after, source, scale_offset, derived: None };
    Sensor { spec, is_right: settings.is_some(), settings, name_at, line_at, valid_at, path_at }
}

/// `id`, `path` or a line, as the driver needs.
fn source(
    table: &mut Reader<'_>,
    driver: Option<&'static Driver>,
    measures: &str,
    places: &Places,
    line: Option<ContactLine>,
) -> Option<Source> {
    let id = table.string("id").map(|at| Locator::Id(at.value));
    let path = table.string("path").map(|at| Locator::Path(places.path(&at.value)));
    let driver = driver?;
    if driver.is_line {
        let at = Locator::Id(line.as_ref()?.to_string());
        return Some(Source { driver, at, line, channel: None });
    }
    let (has_id, has_path) = (table.has("id"), table.has("path"));
    if driver.id_is.is_none() {
        if has_id {
            let say =
                format!("is not for driver = \"{}\", which reads the file that `path` names", driver.name);
            table.wrong("id", Code::Misplaced.because(say));
        }
        table.require("path", "the file that holds the number");
    } else if has_id && has_path {
        table.wrong(
            "path",
            Code::Conflict
                .because("cannot be combined with `id`: a sensor is found by one of them, remove one"),
        );
    } else if !has_path {
        table.require("id", &id_or_path(driver));
    }
    let channel = Channel::of(measures);
    if let Some(Locator::Id(id)) = &id
        && let Err(fault) = driver.check_id(id, channel)
    {
        table.wrong("id", id_fault(driver, id, fault));
    }
    let at = if driver.id_is.is_some() { id.or(path) } else { path };
    Some(Source { driver, at: at?, line, channel })
}

fn id_fault(driver: &Driver, id: &str, fault: BadId) -> Reason {
    let shown = words::shorten(id);
    match fault {
        BadId::Malformed => {
            Code::WrongForm.must_be(id_or_path(driver), format_args!("\"{shown}\""))
        }
        BadId::Numbered => Code::WrongForm.because(format!(
            "is a number, which changes with the order in which devices are found: write what the `name` or `type` \
             beside the attribute says, found \"{shown}\""
        )),
        BadId::NoChannel => Code::WrongForm.because(format!(
            "must name the channel, such as \"{shown}:in_pressure\": only temperature and humidity are \
             found without"
        )),
    }
}

fn id_or_path(driver: &Driver) -> String {
    format!("{} (or `path`)", driver.id_is.unwrap_or("nothing"))
}

fn times(table: &mut Reader<'_>, driver: Option<&Driver>) -> (Duration, Duration) {
    let period = table.duration("period", PERIOD_MIN..=PERIOD_MAX);
    let period = period.map(|at| at.value).or(driver.map(|driver| driver.period)).unwrap_or(PERIOD);
    let six_periods = period.saturating_mul(STALE_AFTER_PERIODS);
    let stale_after =
        table.duration("stale-after", PERIOD_MIN..=STALE_MAX).map_or(six_periods, |at| at.value);
    if stale_after < period {
        let say = format!("must be at least `period`, which is {}", values::time_name(period));
        table.wrong("stale-after", Code::Inconsistent.because(say));
    }
    (period, stale_after)
}

/// Of a plain file that a program writes; `"off"` for one that is written once.
fn max_age(table: &mut Reader<'_>, driver: Option<&Driver>, period: Duration) -> Option<Duration> {
    let read = table.read("max-age", |value| values::duration_or_off(value, &(AGE_MIN..=STALE_MAX)));
    let is_fed = driver.is_some_and(|driver| driver.is_fed);
    if read.is_some() && driver.is_some() && !is_fed {
        table.wrong(
            "max-age",
            Code::Misplaced.because(
                "is for driver = \"file\": the kernel produces its values when they are read; remove it",
            ),
        );
    }
    let is_default = read.is_none();
    let most = is_fed.then(|| read.map_or(Some(MAX_AGE), |at| at.value)).flatten();
    if let Some(most) = most.filter(|most| *most < period) {
        let left_out = if is_default { ", which is left out," } else { "" };
        let (most, period) = (values::time_name(most), values::time_name(period));
        let say = format!(
            "`max-age`{left_out} is {most}, shorter than `period`, {period}: a file that is written as often as it is read would \
             often be stale; write at least the time between two writes of the file"
        );
        table.findings().warn(table.place("max-age"), Code::Unlikely.because(say));
    }
    most
}

fn plausible(
    table: &mut Reader<'_>,
    power_on: Option<f64>,
    measures: &str,
    unit: TemperatureUnit,
) -> Plausibility {
    let in_unit = |celsius: f64| Celsius::new(celsius).map_or(celsius, |celsius| unit.from_celsius(celsius));
    let default = match measures {
        TEMPERATURE => (in_unit(VALID_CELSIUS.0), in_unit(VALID_CELSIUS.1)),
        HUMIDITY => VALID_HUMIDITY,
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let valid = table.read("valid", values::interval).map_or(default, |at| at.value);
    let max_step = table.number_if("max-step", "more than 0", |number| number > 0.0).map(|at| at.value);
    let reject = table.read("reject", values::numbers);
    let reject = reject.map_or_else(|| power_on.into_iter().collect(), |at| at.value);
    Plausibility { valid, max_step, reject, frozen_repeats: None }
}

/// Counted in samples, so that a machine that slept has not seen a sensor freeze.
fn frozen_repeats(table: &mut Reader<'_>, period: Duration) -> Option<u32> {
    let after = table.duration("frozen-after", PERIOD_MIN..=STALE_MAX)?.value;
    if after < period {
        let say = format!("must be at least `period`, which is {}", values::time_name(period));
        table.wrong("frozen-after", Code::Inconsistent.because(say));
    }
    Some(u32::try_from(after.as_nanos().div_ceil(period.as_nanos())).unwrap_or(u32::MAX))
}
