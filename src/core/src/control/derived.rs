//! Sensors whose value follows from the values of other sensors: a dew point, a difference.

use super::{Fault, SensorId};
use crate::units::{Celsius, TemperatureUnit};
use serde::{Deserialize, Serialize};

/// The coefficients of the Magnus formula for saturation over water, from −45 to 60 °C (WMO-No. 8, Guide to Instruments and
/// Methods of Observation, annex 4.B; Sonntag 1990).
const MAGNUS: f64 = 17.62;
const MAGNUS_CELSIUS: f64 = 243.12;

/// How a value follows from those of other sensors, which come before it among the sensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Derived {
    /// The temperature at which the water in the air condenses, from that of the air and its relative humidity in per cent.
    DewPoint {
        /// A temperature.
        temperature: SensorId,
        /// A humidity.
        humidity: SensorId,
    },
    /// The value of one sensor less that of another; of temperatures, in kelvin.
    Difference {
        /// The sensor from whose value is subtracted.
        of: SensorId,
        /// The sensor whose value is subtracted.
        minus: SensorId,
    },
}

impl Derived {
    /// The sensors from which it follows.
    pub fn parts(self) -> [SensorId; 2] {
        match self {
            Self::DewPoint { temperature, humidity } => [temperature, humidity],
            Self::Difference { of, minus } => [of, minus],
        }
    }

    /// The value that follows from those of the parts, in this unit if it is a temperature.
    ///
    /// # Errors
    /// [`Fault::OutOfRange`] if nothing follows from them.
    pub(super) fn value(self, [first, second]: [f64; 2], unit: TemperatureUnit) -> Result<f64, Fault> {
        match self {
            Self::DewPoint { .. } => {
                let dew_point = dew_point_celsius(first, second).and_then(Celsius::new);
                dew_point.map(|celsius| unit.from_celsius(celsius)).ok_or(Fault::OutOfRange)
            }
            Self::Difference { .. } => {
                Some(first - second).filter(|n| n.is_finite()).ok_or(Fault::OutOfRange)
            }
        }
    }
}

/// `None` outside the range of the formula, and in air without any water.
fn dew_point_celsius(celsius: f64, humidity_percent: f64) -> Option<f64> {
    // A sensor in fog may show a little more than everything.
    let humidity = humidity_percent.min(100.0) / 100.0;
    if !(-45.0..=60.0).contains(&celsius) || humidity <= 0.0 {
        return None;
    }
    let gamma = libm::log(humidity) + MAGNUS * celsius / (MAGNUS_CELSIUS + celsius);
    Some(MAGNUS_CELSIUS * gamma / (MAGNUS - gamma))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::{at, thermometer};
    use crate::control::sensors::Sensors;
    use crate::control::{Reading, SensorSpec};
    use proptest::prelude::*;

    const AIR: SensorId = SensorId(0);
    const MOIST: SensorId = SensorId(1);
    const WALL: SensorId = SensorId(2);
    const DEW: SensorId = SensorId(3);
    const ABOVE: SensorId = SensorId(4);

    /// The air, its humidity, a wall that is read in Fahrenheit, the dew point, and how far the wall is above it.
    fn sensors() -> Sensors {
        let derived = |name: &str, measures: &str, derived| SensorSpec {
            measures: measures.into(),
            derived: Some(derived),
            ..thermometer(name)
        };
        Sensors::new(
            at(0),
            vec![
                thermometer("air"),
                SensorSpec { measures: "humidity".into(), ..thermometer("moist") },
                SensorSpec { unit: TemperatureUnit::Fahrenheit, ..thermometer("wall") },
                derived("dew", "temperature", Derived::DewPoint { temperature: AIR, humidity: MOIST }),
                derived("above", "difference", Derived::Difference { of: WALL, minus: DEW }),
            ],
        )
    }

    fn observe(sensors: &mut Sensors, sensor: SensorId, seconds: u64, value: Result<f64, Fault>) {
        sensors.observe(Reading { sensor, at: at(seconds), value });
    }

    #[test]
    fn the_dew_point_is_that_of_published_tables() {
        // WMO-No. 8 and the usual psychrometric tables, to a tenth of a degree.
        for (celsius, humidity, wanted) in
            [(20.0, 50.0, 9.3), (25.0, 60.0, 16.7), (10.0, 80.0, 6.7), (0.0, 90.0, -1.4), (35.0, 20.0, 8.7)]
        {
            let found = dew_point_celsius(celsius, humidity).unwrap();
            assert!((found - wanted).abs() < 0.06, "{celsius} and {humidity}: {found}, not {wanted}");
        }
        assert_eq!(dew_point_celsius(20.0, 0.0), None);
        assert_eq!(dew_point_celsius(80.0, 50.0), None);
    }

    #[test]
    fn a_difference_may_be_that_of_a_derived_sensor_in_kelvin() {
        let mut sensors = sensors();
        observe(&mut sensors, AIR, 1, Ok(20.0));
        observe(&mut sensors, MOIST, 1, Ok(50.0));
        observe(&mut sensors, WALL, 1, Ok(53.6));
        let (dew, above) = (sensors.value(at(2), DEW).unwrap(), sensors.value(at(2), ABOVE).unwrap());
        assert!((dew - 9.255).abs() < 0.001 && (above - 2.745).abs() < 0.01, "{dew}, {above}");
    }

    #[test]
    fn it_has_the_fault_of_its_part_and_is_as_old_as_the_oldest() {
        let mut sensors = sensors();
        assert_eq!(sensors.fault(at(1), DEW), None, "its parts have the time to give a value");
        observe(&mut sensors, AIR, 1, Ok(20.0));
        observe(&mut sensors, MOIST, 10, Ok(50.0));
        assert!(sensors.value(at(30), DEW).is_ok());
        assert_eq!(sensors.value(at(31), DEW), Err(Fault::Stale));
        observe(&mut sensors, AIR, 32, Err(Fault::BadChecksum));
        assert_eq!(sensors.fault(at(32), DEW), Some(Fault::BadChecksum));
        observe(&mut sensors, AIR, 33, Ok(20.0));
        observe(&mut sensors, MOIST, 33, Ok(0.0));
        assert_eq!(sensors.value(at(33), DEW), Err(Fault::OutOfRange));
    }

    #[test]
    fn where_nothing_follows_from_its_parts_their_values_are_what_was_found() {
        let mut sensors = sensors();
        let told = |sensors: &Sensors, index| {
            let found = sensors.found(at(2), index).map(alloc::borrow::Cow::into_owned);
            (sensors.last_fault(at(2), index), found)
        };
        assert_eq!(told(&sensors, DEW), (None, None));
        observe(&mut sensors, AIR, 1, Ok(80.0625));
        observe(&mut sensors, MOIST, 1, Ok(50.0));
        observe(&mut sensors, WALL, 1, Ok(50.0));
        assert_eq!(told(&sensors, DEW), (Some(Fault::OutOfRange), Some("air 80.063, moist 50".into())));
        assert_eq!(told(&sensors, ABOVE), (Some(Fault::OutOfRange), None), "its part tells it");
        observe(&mut sensors, AIR, 2, Ok(20.0));
        assert_eq!(told(&sensors, DEW), (None, None));
        observe(&mut sensors, AIR, 2, Err(Fault::Missing));
        assert_eq!(told(&sensors, DEW), (Some(Fault::Missing), None));
    }

    #[test]
    fn a_sensor_that_follows_from_itself_or_a_later_one_has_no_value() {
        let spec = SensorSpec {
            derived: Some(Derived::Difference { of: SensorId(0), minus: SensorId(0) }),
            ..thermometer("itself")
        };
        assert_eq!(Sensors::new(at(0), vec![spec]).value(at(1), SensorId(0)), Err(Fault::Missing));
    }

    proptest! {
        #[test]
        fn a_dew_point_is_never_above_the_air_and_rises_with_either(
            celsius in -40.0f64..60.0,
            humidity in 1.0f64..100.0,
        ) {
            let here = dew_point_celsius(celsius, humidity).unwrap();
            prop_assert!(here <= celsius + 1e-9);
            prop_assert!(dew_point_celsius(celsius, (humidity + 1.0).min(100.0)).unwrap() >= here);
            prop_assert!((dew_point_celsius(celsius, 100.0).unwrap() - celsius).abs() < 1e-9);
        }
    }
}
