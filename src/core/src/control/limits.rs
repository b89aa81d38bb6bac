//! Whether a climate may hold a range that somebody asks for: it must be one, and lie within the site's limits.

use super::quantity::{CELSIUS_MAX, NUMBER_MAX};
use super::{ClimateRange, ClimateSpec};
use crate::units::TemperatureUnit;
use alloc::format;
use alloc::string::String;

/// Degrees: the rounding error of two decimals.
const HALF_A_HUNDREDTH: f64 = 0.005;

impl ClimateSpec {
    /// The range between two numbers, which for a temperature are in this unit.
    ///
    /// # Errors
    /// Why the climate may not hold it.
    pub fn range_of(&self, unit: TemperatureUnit, min: f64, max: f64) -> Result<ClimateRange, String> {
        let quantity = &self.quantity;
        let end = |name: String, value| {
            let kind = if quantity.unit().is_some() { "a temperature" } else { "a number" };
            quantity.to_base(unit, value).ok_or_else(|| format!("{name} is not {kind}"))
        };
        self.admit(unit, end(quantity.min_property(), min)?, end(quantity.max_property(), max)?)
    }

    /// The same of two numbers in the base unit that were written in this unit.
    pub(super) fn admit(&self, unit: TemperatureUnit, min: f64, max: f64) -> Result<ClimateRange, String> {
        let quantity = &self.quantity;
        for (name, end) in quantity.ends().iter().zip([min, max]) {
            if !quantity.has(end) {
                let most = match quantity.unit() {
                    Some(_) => format!("{CELSIUS_MAX} degrees Celsius"),
                    None => format!("{NUMBER_MAX:e}"),
                };
                return Err(format!("{name} is beyond {most}"));
            }
        }
        let range = ClimateRange::new(min, max)
            .ok_or_else(|| format!("{} is not below {}", quantity.min_property(), quantity.max_property()))?;
        // In another unit, an end of the limits may be rounded, as our own message rounds it.
        let is_converted = quantity.unit().is_some_and(|configured| configured != unit);
        let rounded = if is_converted { unit.difference_to_kelvin(HALF_A_HUNDREDTH) } else { 0.0 };
        let Some(limits) = self.limits else { return Ok(range) };
        limits.admit(range, rounded).ok_or_else(|| {
            let in_unit = |end| (quantity.from_base(unit, end) * 100.0).round() / 100.0;
            let (low, high) = (in_unit(limits.min()), in_unit(limits.max()));
            let unit = if quantity.unit().is_some() { format!(" {}", unit.symbol()) } else { String::new() };
            format!("outside this site's limits, {low} to {high}{unit}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixtures::{climate_spec, range};
    use crate::control::quantity::Quantity;

    fn refusal(climate: &ClimateSpec, min: f64, max: f64) -> String {
        climate.range_of(climate.quantity.unit().unwrap_or_default(), min, max).unwrap_err()
    }

    #[test]
    fn a_range_is_one_within_the_limits_of_which_the_ends_belong_to_it() {
        let limits = Some(range(5.0, 45.0));
        let quantity = Quantity::Temperature(TemperatureUnit::Fahrenheit);
        let climate = ClimateSpec { limits, quantity, ..climate_spec() };
        assert_eq!(climate.range_of(TemperatureUnit::Fahrenheit, 41.0, 113.0), Ok(range(5.0, 45.0)));
        assert_eq!(refusal(&climate, 40.0, 70.0), "outside this site's limits, 41 to 113 °F");
        assert_eq!(refusal(&climate, 70.0, 70.0), "minTemperature is not below maxTemperature");
        assert_eq!(refusal(&climate, -500.0, 70.0), "minTemperature is not a temperature");
        assert_eq!(refusal(&climate, 50.0, f64::NAN), "maxTemperature is not a temperature");
    }

    #[test]
    fn what_a_file_may_not_say_the_twin_and_an_override_may_not_either() {
        let climate = climate_spec();
        assert_eq!(refusal(&climate, 0.0, 1e300), "maxTemperature is beyond 1000 degrees Celsius");
        assert_eq!(climate.range_of(TemperatureUnit::Celsius, 0.0, 1000.0), Ok(range(0.0, 1000.0)));
        let air = ClimateSpec { quantity: Quantity::Other("co2".into()), ..climate_spec() };
        assert_eq!(refusal(&air, -1e308, 1e308), "minCo2 is beyond 1e12");
        assert_eq!(refusal(&air, 0.0, 1e13), "maxCo2 is beyond 1e12");
        assert!(air.range_of(TemperatureUnit::Celsius, -1e12, 1e12).is_ok());
    }

    #[test]
    fn what_is_no_temperature_has_no_unit() {
        let quantity = Quantity::Other("humidity".into());
        let climate = ClimateSpec { limits: Some(range(30.0, 70.0)), quantity, ..climate_spec() };
        assert_eq!(refusal(&climate, 20.0, 50.0), "outside this site's limits, 30 to 70");
        assert_eq!(refusal(&climate, 40.0, f64::INFINITY), "maxHumidity is not a number");
    }
}
