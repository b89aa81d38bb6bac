//! Numbers of climates and sensors as the people of a site read them: a temperature in the unit of its climate's configuration,
//! in which `twind override` takes it, too. The status has all of them in degrees Celsius.

use crate::control::quantity::TEMPERATURE;
use crate::report::status::{ClimateStatus, SensorStatus, Status, Tidy};
use crate::units::{Celsius, TemperatureUnit};

/// What is measured without a unit of its own, in per cent.
const HUMIDITY: &str = "humidity";

/// What is measured, and in which unit it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantity<'q> {
    measures: &'q str,
    /// Of a temperature.
    unit: Option<TemperatureUnit>,
}

impl<'q> Quantity<'q> {
    /// What a climate holds in range. A daemon of an earlier version names neither what it holds nor the unit.
    pub(super) fn of(climate: &'q ClimateStatus) -> Self {
        let unit = climate.unit.as_deref().and_then(TemperatureUnit::parse);
        Self::measured(&climate.measures, unit.unwrap_or_default())
    }

    /// What a sensor measures: a temperature in the unit of the site, if its climates agree on one.
    pub(super) fn of_sensor(sensor: &'q SensorStatus, site: &Status) -> Self {
        let mut units = site.climates.0.iter().filter_map(|(_, one)| one.unit.as_deref());
        let first = units.next();
        let unit = first.filter(|first| units.all(|other| other == *first)).and_then(TemperatureUnit::parse);
        Self::measured(&sensor.measures, unit.unwrap_or_default())
    }

    fn measured(measures: &'q str, unit: TemperatureUnit) -> Self {
        let measures = if measures.is_empty() { TEMPERATURE } else { measures };
        Self { measures, unit: (measures == TEMPERATURE).then_some(unit) }
    }

    /// What is measured.
    pub(super) fn measures(self) -> &'q str {
        self.measures
    }

    /// A number of the status as it is shown.
    pub(super) fn number(self, base: Tidy) -> f64 {
        match self.unit {
            None | Some(TemperatureUnit::Celsius) => base.0,
            // The status has hundredths of a degree Celsius, which are not quite as many of another unit.
            Some(TemperatureUnit::Fahrenheit) => round(in_unit(TemperatureUnit::Fahrenheit, base.0), 10.0),
            Some(TemperatureUnit::Kelvin) => round(in_unit(TemperatureUnit::Kelvin, base.0), 100.0),
        }
    }

    /// What follows a number.
    pub(super) fn unit(self) -> &'static str {
        match self.unit {
            Some(TemperatureUnit::Celsius) => " °C",
            Some(TemperatureUnit::Fahrenheit) => " °F",
            Some(TemperatureUnit::Kelvin) => " K",
            None if self.is_in_percent() => " %",
            None => "",
        }
    }

    /// Is it a share?
    pub(super) fn is_in_percent(self) -> bool {
        self.unit.is_none() && self.measures == HUMIDITY
    }

    /// A range that somebody may want.
    pub(super) fn such_as(self) -> &'static str {
        match self.unit {
            Some(TemperatureUnit::Celsius) => "18..21",
            Some(TemperatureUnit::Fahrenheit) => "64..70",
            Some(TemperatureUnit::Kelvin) => "291..294",
            None if self.is_in_percent() => "40..60",
            None => "400..1000",
        }
    }

    /// A value: `21.4 °C`, `45 % humidity`, `800 co2`.
    pub(super) fn value(self, base: Tidy) -> String {
        let number = format!("{}{}", Tidy(self.number(base)), self.unit());
        if self.unit.is_some() { number } else { format!("{number} {}", self.measures) }
    }

    /// A range: `18 to 24 °C`.
    pub(super) fn range(self, min: Tidy, max: Tidy) -> String {
        let [min, max] = [min, max].map(|end| Tidy(self.number(end)));
        format!("{min} to {max}{}", self.unit())
    }
}

fn in_unit(unit: TemperatureUnit, base: f64) -> f64 {
    Celsius::new(base).map_or(base, |celsius| unit.from_celsius(celsius))
}

fn round(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climate(measures: &str, unit: Option<&str>) -> ClimateStatus {
        ClimateStatus { measures: measures.into(), unit: unit.map(Into::into), ..ClimateStatus::default() }
    }

    #[test]
    fn a_number_is_told_in_the_unit_in_which_it_was_written() {
        for (measures, unit, base, value, range) in [
            ("temperature", Some("celsius"), (15.56, 21.11), "15.56 °C", "15.56 to 21.11 °C"),
            ("temperature", Some("fahrenheit"), (15.56, 21.11), "60 °F", "60 to 70 °F"),
            ("temperature", Some("kelvin"), (15.85, 21.0), "289 K", "289 to 294.15 K"),
            ("", None, (18.0, 24.0), "18 °C", "18 to 24 °C"),
            ("humidity", None, (40.0, 60.0), "40 % humidity", "40 to 60 %"),
            ("co2", None, (400.0, 1000.0), "400 co2", "400 to 1000"),
        ] {
            let climate = climate(measures, unit);
            let quantity = Quantity::of(&climate);
            let told = (quantity.value(Tidy(base.0)), quantity.range(Tidy(base.0), Tidy(base.1)));
            assert_eq!((told.0.as_str(), told.1.as_str()), (value, range));
        }
    }

    #[test]
    fn a_sensor_has_the_unit_on_which_all_climates_agree() {
        let sensor = SensorStatus { measures: "temperature".into(), ..SensorStatus::default() };
        let told = |units: &[Option<&str>]| {
            let mut site = Status::default();
            site.climates.0 = units.iter().map(|unit| (String::new(), climate("x", *unit))).collect();
            Quantity::of_sensor(&sensor, &site).value(Tidy(20.0))
        };
        assert_eq!(told(&[]), "20 °C");
        assert_eq!(told(&[Some("fahrenheit"), None, Some("fahrenheit")]), "68 °F");
        assert_eq!(told(&[Some("fahrenheit"), Some("celsius")]), "20 °C");
    }
}
