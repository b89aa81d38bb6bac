//! What a climate holds in range: a temperature, or any other quantity that its sensors measure.
//!
//! Inside, each number of a climate is in the *base unit* of its quantity: degrees Celsius for a temperature, and for anything
//! else the unit of its sensors. Only temperatures are converted.

use crate::units::{Celsius, TemperatureUnit};
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What a sensor measures if its values are degrees of its unit.
pub const TEMPERATURE: &str = "temperature";
/// A tolerance in the base unit: far below the resolution of any sensor, and far above the rounding of unit conversions.
pub const ROUNDING: f64 = 1e-9;

/// The highest temperature that is held, in degrees Celsius. The lowest is absolute zero.
pub const CELSIUS_MAX: f64 = 1000.0;
/// The greatest number of anything else that is held; negative ones are no further from zero.
pub const NUMBER_MAX: f64 = 1e12;

/// What a climate holds in range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quantity {
    /// A temperature, written in this unit in the configuration.
    Temperature(TemperatureUnit),
    /// What its sensors measure, such as `humidity` or `co2`.
    Other(String),
}

impl Quantity {
    /// What a sensor must measure to measure it.
    pub fn measures(&self) -> &str {
        match self {
            Self::Temperature(_) => TEMPERATURE,
            Self::Other(measures) => measures,
        }
    }

    /// The unit in which it is written in the configuration; `None` for what has no choice of units.
    pub fn unit(&self) -> Option<TemperatureUnit> {
        match self {
            Self::Temperature(unit) => Some(*unit),
            Self::Other(_) => None,
        }
    }

    /// A number, which for a temperature is in this unit, in the base unit; `None` if it is not one that the quantity can have.
    pub fn to_base(&self, unit: TemperatureUnit, value: f64) -> Option<f64> {
        match self {
            Self::Temperature(_) => unit.to_celsius(value).map(Celsius::degrees),
            Self::Other(_) => value.is_finite().then_some(value),
        }
    }

    /// Can an end of a range be this number in the base unit?
    pub fn has(&self, base: f64) -> bool {
        match self {
            Self::Temperature(_) => base <= CELSIUS_MAX,
            Self::Other(_) => base.abs() <= NUMBER_MAX,
        }
    }

    /// A number in the base unit as one in this unit, if it is a temperature.
    pub fn from_base(&self, unit: TemperatureUnit, base: f64) -> f64 {
        match self {
            Self::Temperature(_) => Celsius::new(base).map_or(base, |celsius| unit.from_celsius(celsius)),
            Self::Other(_) => base,
        }
    }

    /// The names of the ends of its range in the twin, the lower one first.
    pub fn ends(&self) -> [String; 2] {
        [self.min_property(), self.max_property()]
    }

    /// The name of the lower end of its range in the twin: `minTemperature`, `minHumidity`, `minWallTemperature`.
    pub fn min_property(&self) -> String {
        property("min", self.measures())
    }

    /// The name of the upper end.
    pub fn max_property(&self) -> String {
        property("max", self.measures())
    }
}

/// A prefix and the words of a name in camel case.
fn property(prefix: &str, measures: &str) -> String {
    measures.split(['-', '_']).fold(prefix.into(), |name: String, word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        format!("{name}{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_range_are_named_after_what_is_measured() {
        for (measures, min) in [
            ("humidity", "minHumidity"),
            ("co2", "minCo2"),
            ("water-level", "minWaterLevel"),
            ("pm2_5", "minPm25"),
        ] {
            assert_eq!(Quantity::Other(measures.into()).min_property(), min);
        }
        let temperature = Quantity::Temperature(TemperatureUnit::Kelvin);
        assert_eq!(
            (temperature.min_property().as_str(), temperature.max_property().as_str()),
            ("minTemperature", "maxTemperature")
        );
    }

    #[test]
    fn only_temperatures_are_converted() {
        let temperature = Quantity::Temperature(TemperatureUnit::Celsius);
        assert_eq!(temperature.to_base(TemperatureUnit::Fahrenheit, 212.0), Some(100.0));
        assert_eq!(temperature.from_base(TemperatureUnit::Kelvin, 0.0), 273.15);
        assert_eq!(temperature.to_base(TemperatureUnit::Kelvin, -1.0), None);
        let humidity = Quantity::Other("humidity".into());
        assert_eq!(humidity.to_base(TemperatureUnit::Fahrenheit, 55.0), Some(55.0));
        assert_eq!(humidity.from_base(TemperatureUnit::Fahrenheit, 55.0), 55.0);
        assert_eq!(humidity.to_base(TemperatureUnit::Celsius, f64::NAN), None);
    }
}
