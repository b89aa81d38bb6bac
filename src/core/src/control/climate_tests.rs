use super::*;
use crate::control::fixtures::{
    at, at_ms, climate_spec, fan, ms, output, permille, range, secs, thermometer,
};
use crate::control::{Reading, SensorId, SensorSpec};
use crate::units::TemperatureUnit;
use proptest::prelude::*;

const FAN: OutputId = OutputId(0);
const HEATER: OutputId = OutputId(1);

/// A climate with its sensors and outputs, stepped by hand.
struct Rig {
    climate: Climate,
    sensors: Sensors,
    outputs: Vec<OutputSpec>,
    now: BootTime,
}

impl Rig {
    fn new(spec: ClimateSpec, outputs: Vec<OutputSpec>) -> Self {
        let sensors = (0..spec.sensors.len()).map(|n| thermometer(&format!("s{n}"))).collect();
        Self::with_sensors(spec, outputs, sensors)
    }

    fn with_sensors(spec: ClimateSpec, outputs: Vec<OutputSpec>, sensors: Vec<SensorSpec>) -> Self {
        let sensors = Sensors::new(at(0), sensors);
        Self { climate: Climate::new(spec), sensors, outputs, now: at(0) }
    }

    fn switched() -> Self {
        Self::new(climate_spec(), vec![fan(OutputKind::OnOff)])
    }

    fn modulated() -> Self {
        Self::new(climate_spec(), vec![fan(OutputKind::Pwm)])
    }

    /// Cools by the first output, heats by the second.
    fn both(kind: OutputKind) -> Self {
        let spec = ClimateSpec { raising: vec![HEATER], ..climate_spec() };
        Self::new(spec, vec![fan(kind), output("heater", kind)])
    }

    fn step(&mut self) -> Regime {
        self.climate.step(self.now, &self.sensors, &self.outputs, None);
        self.climate.regime()
    }

    fn step_at(&mut self, now: BootTime) -> Regime {
        self.now = now;
        self.step()
    }

    fn observe(&mut self, sensor: usize, value: Result<f64, Fault>) {
        self.sensors.observe(Reading { sensor: SensorId(sensor), at: self.now, value });
    }

    /// A valid sample of the first sensor, and a step.
    fn at_degrees(&mut self, degrees: f64) -> Regime {
        self.observe(0, Ok(degrees));
        self.step()
    }

    fn drive(&self, output: OutputId) -> Option<u16> {
        self.climate.demand(output).map(Permille::get)
    }

    fn drives(&mut self, degrees: &[f64]) -> Vec<u16> {
        let of = |degrees: &f64| {
            self.at_degrees(*degrees);
            self.drive(FAN).unwrap()
        };
        degrees.iter().map(of).collect()
    }
}

#[test]
fn pwm_cooling_rises_from_off_at_min_to_full_at_max() {
    let mut rig = Rig::modulated();
    let drives = rig.drives(&[10.0, 20.0, 20.8, 24.0, 26.0, 27.992, 28.0, 35.0]);
    assert_eq!(drives, [0, 0, 100, 500, 750, 999, 1000, 1000]);
}

#[test]
fn the_law_is_the_same_in_each_unit_of_the_sensor() {
    for (unit, reading) in [
        (TemperatureUnit::Celsius, 26.0),
        (TemperatureUnit::Fahrenheit, 78.8),
        (TemperatureUnit::Kelvin, 299.15),
    ] {
        let sensor = SensorSpec { unit, ..thermometer("s") };
        let mut rig = Rig::with_sensors(climate_spec(), vec![fan(OutputKind::Pwm)], vec![sensor]);
        rig.at_degrees(reading);
        assert_eq!(rig.drive(FAN), Some(750), "{unit:?}");
    }
}

#[test]
fn the_desired_range_replaces_the_configured_one() {
    let mut rig = Rig::modulated();
    rig.observe(0, Ok(26.0));
    rig.climate.step(at(0), &rig.sensors, &rig.outputs, Some(range(25.0, 27.0)));
    assert_eq!((rig.drive(FAN), rig.climate.range()), (Some(500), range(25.0, 27.0)));
    rig.step();
    assert_eq!((rig.drive(FAN), rig.climate.range()), (Some(750), range(20.0, 28.0)));
}

#[test]
fn on_off_cooling_switches_on_at_max_and_off_one_hysteresis_below() {
    let mut rig = Rig::switched();
    assert_eq!(
        rig.drives(&[27.999, 28.0, 27.6, 27.501, 27.5, 27.9, 28.0]),
        [0, 1000, 1000, 1000, 0, 0, 1000]
    );
}

#[test]
fn the_ends_hold_in_converted_units_too() {
    let mut spec = climate_spec();
    let fahrenheit = |degrees| TemperatureUnit::Fahrenheit.to_celsius(degrees).unwrap().degrees();
    spec.range = ClimateRange::new(fahrenheit(68.0), fahrenheit(76.0)).unwrap();
    spec.hysteresis = TemperatureUnit::Fahrenheit.difference_to_kelvin(1.0);
    let sensor = SensorSpec { unit: TemperatureUnit::Fahrenheit, ..thermometer("s") };
    let mut rig = Rig::with_sensors(spec, vec![fan(OutputKind::OnOff)], vec![sensor]);
    assert_eq!(rig.drives(&[75.9, 76.0, 75.1, 75.0]), [0, 1000, 1000, 0]);
}

#[test]
fn on_off_heating_switches_on_at_min_and_off_one_hysteresis_above() {
    let mut rig = Rig::both(OutputKind::OnOff);
    let mut heats = |degrees| {
        let regime = rig.at_degrees(degrees);
        (rig.drive(HEATER).unwrap(), regime)
    };
    assert_eq!(heats(20.001), (0, Regime::InRange));
    assert_eq!(heats(20.0), (1000, Regime::InRange));
    assert_eq!(heats(19.9), (1000, Regime::Below));
    assert_eq!(heats(20.499), (1000, Regime::InRange));
    assert_eq!(heats(20.5), (0, Regime::InRange));
    assert_eq!(heats(20.1), (0, Regime::InRange));
    assert_eq!(heats(28.1), (0, Regime::Above));
}

#[test]
fn pwm_heating_mirrors_cooling_at_min() {
    let mut rig = Rig::both(OutputKind::Pwm);
    for (degrees, heat, cool) in
        [(24.0, 0, 500), (20.0, 0, 0), (16.0, 500, 0), (12.0, 1000, 0), (5.0, 1000, 0)]
    {
        rig.at_degrees(degrees);
        assert_eq!((rig.drive(HEATER), rig.drive(FAN)), (Some(heat), Some(cool)), "{degrees}");
    }
}

#[test]
fn without_hysteresis_a_temperature_that_stays_at_an_end_of_the_range_does_not_chatter() {
    for hysteresis in [0.0, 1e-12] {
        let mut rig = Rig::new(ClimateSpec { hysteresis, ..climate_spec() }, vec![fan(OutputKind::OnOff)]);
        assert_eq!(rig.drives(&[28.0, 28.0, 28.0, 27.99, 28.0]), [1000, 1000, 1000, 0, 1000]);
    }
}

#[test]
fn a_hysteresis_wider_than_the_range_does_not_cool_and_heat_at_once() {
    let spec = ClimateSpec { raising: vec![HEATER], hysteresis: 50.0, ..climate_spec() };
    let mut rig = Rig::new(spec, vec![fan(OutputKind::OnOff), output("heater", OutputKind::OnOff)]);
    for degrees in [28.0, 24.1, 24.0, 20.0, 23.9, 24.0, 28.0] {
        rig.at_degrees(degrees);
        assert!(rig.drive(FAN) == Some(0) || rig.drive(HEATER) == Some(0), "{degrees}");
    }
}

#[test]
fn between_off_and_min_duty_an_output_stays_on_or_off() {
    let spec = OutputSpec { min_duty: Some(permille(200)), ..fan(OutputKind::Pwm) };
    let mut rig = Rig::new(climate_spec(), vec![spec]);
    // 21.6 degrees ask for 200 permille.
    let drives = rig.drives(&[21.5, 21.6, 21.5, 20.1, 21.5, 20.0, 20.1, 21.5, 24.0]);
    assert_eq!(drives, [0, 200, 200, 200, 200, 0, 0, 0, 500]);
}

#[test]
fn several_sensors_are_combined_into_one_temperature() {
    for (combine, wanted) in [(Combine::Max, 27.0), (Combine::Mean, 25.0), (Combine::FirstGood, 24.0)] {
        let sensors = vec![SensorId(1), SensorId(0), SensorId(2)];
        let mut rig =
            Rig::new(ClimateSpec { combine, sensors, ..climate_spec() }, vec![fan(OutputKind::OnOff)]);
        for (sensor, value) in [(0, 27.0), (1, 24.0), (2, 24.0)] {
            rig.observe(sensor, Ok(value));
        }
        rig.step();
        assert_eq!(rig.climate.value(), Some(wanted), "{combine:?}");
        // The first in the list fails.
        rig.step_at(at(30));
        assert_eq!((rig.climate.value(), rig.climate.regime()), (None, Regime::SensorFault));
        rig.observe(1, Err(Fault::Missing));
        rig.observe(0, Ok(26.0));
        rig.step();
        assert_eq!(rig.climate.value(), Some(26.0), "{combine:?}");
        assert_eq!(rig.climate.fault(rig.now, &rig.sensors), None);
    }
}

#[test]
fn with_one_of_two_sensors_frozen_the_other_decides_and_with_both_lost_the_first_is_named() {
    for (combine, both) in [(Combine::Max, 26.0), (Combine::Mean, 25.0), (Combine::FirstGood, 24.0)] {
        let spec = ClimateSpec { combine, sensors: vec![SensorId(0), SensorId(1)], ..climate_spec() };
        let mut rig = Rig::new(spec, vec![fan(OutputKind::OnOff)]);
        rig.observe(0, Ok(24.0));
        rig.observe(1, Ok(26.0));
        rig.step_at(at(10));
        rig.observe(0, Ok(24.0));
        rig.observe(1, Err(Fault::Frozen));
        assert_eq!((rig.step_at(at(29)), rig.climate.value()), (Regime::InRange, Some(both)));
        rig.step_at(at(30));
        assert_eq!(rig.climate.value(), Some(24.0), "{combine:?}: what froze is old");
        assert_eq!(rig.climate.fault(at(30), &rig.sensors), None);
        rig.observe(0, Err(Fault::Missing));
        assert_eq!(rig.step_at(at(40)), Regime::SensorFault);
        assert_eq!(rig.climate.fault(at(40), &rig.sensors), Some(Fault::Missing), "{combine:?}");
        rig.observe(1, Ok(27.0));
        rig.step();
        assert_eq!(rig.climate.value(), Some(27.0), "{combine:?}: the other is back");
    }
}

#[test]
fn a_value_is_valid_until_exactly_stale_after() {
    let mut rig = Rig::switched();
    rig.at_degrees(25.0);
    assert_eq!(rig.sensors.poll_timeout(at(0)), Some(at(30)));
    assert_eq!(rig.step_at(at_ms(29_999)), Regime::InRange);
    assert_eq!(rig.step_at(at(30)), Regime::SensorFault);
    assert_eq!(rig.climate.fault(at(30), &rig.sensors), Some(Fault::Stale));
    assert_eq!((rig.climate.value(), rig.drive(FAN)), (None, None));
    assert_eq!(rig.sensors.poll_timeout(at(30)), None);
    assert_eq!(rig.at_degrees(25.0), Regime::InRange);
}

#[test]
fn a_value_ages_from_when_it_was_sampled_and_not_from_when_it_arrived() {
    let mut rig = Rig::switched();
    rig.sensors.observe(Reading { sensor: SensorId(0), at: at(5), value: Ok(25.0) });
    assert_eq!(rig.step_at(at(34)), Regime::InRange);
    assert_eq!(rig.sensors.poll_timeout(at(34)), Some(at(35)));
    assert_eq!(rig.step_at(at(35)), Regime::SensorFault);
}

#[test]
fn a_good_value_outlives_faults_until_it_is_stale_and_then_the_fault_is_named() {
    let mut rig = Rig::switched();
    rig.at_degrees(25.0);
    rig.now = at(10);
    rig.observe(0, Err(Fault::Unreadable));
    assert_eq!(rig.step(), Regime::InRange);
    assert_eq!(rig.step_at(at(30)), Regime::SensorFault);
    assert_eq!(rig.climate.fault(at(30), &rig.sensors), Some(Fault::Unreadable));
}

#[test]
fn until_the_first_sample_it_is_starting_and_later_a_stale_sensor_is_a_fault() {
    let mut rig = Rig::switched();
    assert_eq!((rig.step(), rig.drive(FAN)), (Regime::Starting, None));
    assert_eq!(rig.step_at(at_ms(29_999)), Regime::Starting);
    assert_eq!(rig.sensors.poll_timeout(at_ms(29_999)), Some(at(30)));
    assert_eq!(rig.step_at(at(30)), Regime::SensorFault);
    assert_eq!(rig.climate.fault(at(30), &rig.sensors), Some(Fault::Stale));
}

#[test]
fn a_first_sample_that_is_a_fault_is_a_fault_at_once() {
    let mut rig = Rig::switched();
    rig.observe(0, Err(Fault::PowerOnValue));
    assert_eq!(rig.step(), Regime::SensorFault);
    assert_eq!(rig.climate.fault(at(0), &rig.sensors), Some(Fault::PowerOnValue));
}

#[test]
fn while_one_sensor_has_no_sample_yet_a_fault_of_another_waits() {
    let spec = ClimateSpec { sensors: vec![SensorId(0), SensorId(1)], ..climate_spec() };
    let mut rig = Rig::new(spec, vec![fan(OutputKind::OnOff)]);
    rig.observe(0, Err(Fault::Missing));
    assert_eq!(rig.step(), Regime::Starting);
    rig.observe(1, Ok(25.0));
    assert_eq!(rig.step(), Regime::InRange);
}

#[test]
fn a_value_that_is_not_finite_is_a_fault() {
    let mut rig = Rig::switched();
    assert_eq!(rig.at_degrees(f64::NAN), Regime::SensorFault);
    assert_eq!(rig.climate.fault(at(0), &rig.sensors), Some(Fault::NotANumber));
}

#[test]
fn a_number_below_absolute_zero_is_a_named_fault() {
    let mut rig = Rig::switched();
    assert_eq!(rig.at_degrees(-300.0), Regime::SensorFault);
    assert_eq!(rig.climate.fault(at(0), &rig.sensors), Some(Fault::OutOfRange));
}

#[test]
fn readings_of_unknown_sensors_are_ignored() {
    let mut rig = Rig::switched();
    rig.observe(7, Ok(99.0));
    assert_eq!(rig.step(), Regime::Starting);
}

#[test]
fn the_warmest_sensor_overheats_whatever_the_combination() {
    let spec = ClimateSpec {
        sensors: vec![SensorId(0), SensorId(1)],
        combine: Combine::FirstGood,
        critical: Some(60.0),
        ..climate_spec()
    };
    let mut rig = Rig::new(spec, vec![fan(OutputKind::OnOff)]);
    rig.observe(1, Ok(60.1));
    assert_eq!(rig.at_degrees(25.0), Regime::Overheat);
    assert_eq!(rig.climate.value(), Some(25.0));
}

#[test]
fn overheat_begins_above_critical_and_ends_the_hysteresis_below() {
    let spec = ClimateSpec { critical: Some(60.0), ..climate_spec() };
    let mut rig = Rig::new(spec, vec![fan(OutputKind::OnOff)]);
    let regimes = [60.0, 60.01, 59.6, 59.5, 60.0, 61.0].map(|degrees| rig.at_degrees(degrees));
    use Regime::{Above, Overheat};
    assert_eq!(regimes, [Above, Overheat, Overheat, Above, Above, Overheat]);
}

#[test]
fn the_regime_follows_the_temperature_whatever_the_outputs_do() {
    let mut rig = Rig::both(OutputKind::OnOff);
    let regimes = [24.0, 28.0, 28.1, 27.9, 19.9].map(|degrees| rig.at_degrees(degrees));
    use Regime::{Above, Below, InRange};
    assert_eq!(regimes, [InRange, InRange, Above, InRange, Below]);
}

#[test]
fn hysteresis_continues_from_the_demand_before_a_reload() {
    let mut rig = Rig::switched();
    rig.climate.adopt(FAN, Some(Permille::FULL));
    rig.at_degrees(27.8);
    assert_eq!(rig.drive(FAN), Some(1000));
}

proptest! {
    /// A sweep from well below to well above and back, with noise within the hysteresis, crosses each switching
    /// point once: so the fan may turn on once and off once, and the heater likewise.
    #[test]
    fn a_noisy_sweep_turns_a_switched_output_no_more_often_than_the_room_does(
        noise in prop::collection::vec(-0.24f64..0.24, 200..=200),
        kind_of_law in prop::bool::ANY,
    ) {
        let mut rig = Rig::both(OutputKind::OnOff);
        let output = if kind_of_law { FAN } else { HEATER };
        let sweep = (0..200).map(|n| if n < 100 { 14.0 + 0.2 * f64::from(n) } else { 34.0 - 0.2 * f64::from(n - 100) });
        let mut turns = 0;
        let mut before = None;
        for (n, (degrees, noise)) in sweep.zip(noise).enumerate() {
            rig.now = BootTime::ZERO + ms(1000 * n as u64);
            rig.at_degrees(degrees + noise);
            let on = rig.drive(output) != Some(0);
            turns += u32::from(before.is_some_and(|before| before != on));
            before = Some(on);
        }
        prop_assert_eq!(turns, 2);
    }

    #[test]
    fn modulated_demand_never_falls_as_it_gets_warmer(a in -50.0f64..90.0, b in -50.0f64..90.0, min in -20.0f64..40.0, span in 0.1f64..40.0) {
        let spec = ClimateSpec { range: range(min, min + span), raising: vec![HEATER], ..climate_spec() };
        let mut rig = Rig::new(spec, vec![fan(OutputKind::Pwm), output("heater", OutputKind::Pwm)]);
        rig.at_degrees(a.min(b));
        let (cool, heat) = (rig.drive(FAN), rig.drive(HEATER));
        rig.at_degrees(a.max(b));
        prop_assert!(rig.drive(FAN) >= cool && rig.drive(HEATER) <= heat);
    }

    #[test]
    fn a_least_duty_is_never_undercut(temperatures in prop::collection::vec(10.0f64..40.0, 1..50), least in 1u16..1000) {
        let spec = OutputSpec { min_duty: Some(permille(least)), ..fan(OutputKind::Pwm) };
        let mut rig = Rig::new(climate_spec(), vec![spec]);
        for drive in rig.drives(&temperatures) {
            prop_assert!(drive == 0 || drive >= least);
        }
    }
}

#[test]
fn the_next_deadline_of_sensors_is_the_earliest_one() {
    let spec = ClimateSpec { sensors: vec![SensorId(0), SensorId(1)], ..climate_spec() };
    let quick = SensorSpec { stale_after: secs(3), ..thermometer("quick") };
    let mut rig = Rig::with_sensors(spec, vec![fan(OutputKind::OnOff)], vec![thermometer("slow"), quick]);
    rig.now = at(1);
    rig.observe(0, Ok(20.0));
    assert_eq!(rig.sensors.poll_timeout(at(1)), Some(at(3)));
    rig.observe(1, Ok(20.0));
    assert_eq!(rig.sensors.poll_timeout(at(1)), Some(at(4)));
    assert_eq!(rig.sensors.poll_timeout(at(4)), Some(at(31)));
}
