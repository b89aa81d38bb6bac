use super::*;
use crate::control::fixtures::{
    climate_spec, fan, output, patch, path, permille, properties, range as range_of, section,
};
use crate::control::{OutputKind, PropertyMap};

#[path = "intent_climates_tests.rs"]
mod climates;

const CLIMATE: ClimateId = ClimateId(0);

/// A site, and the desired section as the back end patches it.
struct Site {
    properties: PropertyMap,
    outputs: Vec<OutputSpec>,
    climates: Vec<ClimateSpec>,
    desired: Section,
    version: Version,
    read: Understanding,
}

impl Site {
    fn new() -> Self {
        Self::with(vec![fan(OutputKind::OnOff)], Some(climate_spec()))
    }

    fn with(outputs: Vec<OutputSpec>, climates: impl IntoIterator<Item = ClimateSpec>) -> Self {
        Self {
            properties: properties(),
            outputs,
            climates: climates.into_iter().collect(),
            desired: Section::default(),
            version: Version(1),
            read: Understanding::default(),
        }
    }

    fn limited() -> Self {
        let limits = Some(range_of(5.0, 45.0));
        Self::with(vec![fan(OutputKind::OnOff)], Some(ClimateSpec { limits, ..climate_spec() }))
    }

    fn meaning(&self) -> Meaning<'_> {
        Meaning { properties: &self.properties, outputs: &self.outputs, climates: &self.climates }
    }

    /// The next patch of the back end.
    fn patch(&mut self, change: Value) -> &Understanding {
        self.desired.apply(&patch(change));
        self.version = self.version.next();
        self.read = self.meaning().read(&self.desired, self.version, &self.read);
        &self.read
    }

    /// The daemon restarts from its record.
    fn restart(&mut self) -> &Understanding {
        let before = self.meaning().recall(&self.read.accepted, self.version);
        self.read = self.meaning().read(&self.desired, self.version, &before);
        &self.read
    }
}

fn climate(min: impl Into<Value>, max: impl Into<Value>) -> Value {
    let ends = [("minTemperature", min.into()), ("maxTemperature", max.into())];
    let ends: BTreeMap<&str, Value> = ends.into_iter().collect();
    json!({"components": {"climate": ends}})
}

fn range_in(read: &Understanding) -> Option<(f64, f64)> {
    let degrees = |t: f64| (t * 1e6).round() / 1e6;
    read.intent.range(CLIMATE).map(|set| (degrees(set.value.min()), degrees(set.value.max())))
}

fn fan_in(read: &Understanding) -> Option<bool> {
    read.intent.fan_on.map(|set| set.value)
}

#[track_caller]
fn refused_with(read: &Understanding, property: &str, reason: &str) {
    let [refusal] = read.refusals.as_slice() else { panic!("{:?}", read.refusals) };
    assert_eq!((refusal.property.to_string(), refusal.code), (property.to_owned(), 400));
    assert!(refusal.reason.contains(reason), "{}", refusal.reason);
}

#[test]
fn fan_on_is_understood_as_json_type_and_as_string() {
    for (raw, wanted) in
        [(json!(true), true), (json!("true"), true), (json!(false), false), (json!(" False "), false)]
    {
        assert_eq!(fan_in(Site::new().patch(json!({ "fanOn": raw }))), Some(wanted), "{raw}");
    }
}

#[test]
fn an_absent_or_removed_fan_on_means_automatic() {
    let mut site = Site::new();
    assert_eq!(fan_in(site.patch(json!({"other": 1}))), None);
    site.patch(json!({"fanOn": true}));
    let read = site.patch(json!({"fanOn": null}));
    assert_eq!((fan_in(read), read.accepted.is_empty()), (None, true));
}

#[test]
fn a_fan_on_that_is_no_boolean_is_refused_and_the_last_good_one_stays() {
    let mut site = Site::new();
    site.patch(json!({"fanOn": true}));
    for wrong in [json!("maybe"), json!(1), json!([true]), json!({"on": true}), json!("")] {
        let read = site.patch(json!({ "fanOn": wrong }));
        assert_eq!(fan_in(read), Some(true));
        assert_eq!(read.accepted, section(json!({"fanOn": true})));
        refused_with(read, "fanOn", "neither true nor false");
        assert_eq!(read.refusals[0].value.as_ref(), Some(&wrong));
    }
}

#[test]
fn without_a_fan_fan_on_has_no_meaning() {
    let mut site = Site::with(vec![output("lamp", OutputKind::OnOff)], None);
    let read = site.patch(json!({"fanOn": "nonsense"}));
    assert_eq!((fan_in(read), read.refusals.len()), (None, 0));
    assert_eq!(site.meaning().mapped(), [path("patchId")]);
}

#[test]
fn the_fan_is_the_output_bound_to_it_else_what_cools() {
    let bound = OutputSpec { property: Some(path("fanOn")), ..output("vent", OutputKind::OnOff) };
    let site = Site::with(vec![fan(OutputKind::OnOff), bound], Some(climate_spec()));
    assert_eq!(site.meaning().fans(), [OutputId(1)]);
    assert_eq!(Site::new().meaning().fans(), [OutputId(0)]);
}

#[test]
fn temperatures_are_understood_as_numbers_and_as_strings() {
    for (min, max) in [
        (json!(21), json!(25)),
        (json!(21.0), json!("25")),
        (json!("21"), json!("25.0")),
        (json!(" 21 "), json!(25)),
    ] {
        assert_eq!(range_in(Site::new().patch(climate(min, max))), Some((21.0, 25.0)));
    }
}

#[test]
fn the_tutorials_range_is_in_its_own_spelling_of_fahrenheit() {
    let mut site = Site::new();
    let read = site.patch(json!({"components": {
        "system": {"id": "17", "units": "farenheit"},
        "climate": {"minTemperature": "68", "maxTemperature": "77"},
    }}));
    assert_eq!(range_in(read), Some((20.0, 25.0)));
    let kept = json!({"components": {
        "system": {"units": "farenheit"},
        "climate": {"minTemperature": "68", "maxTemperature": "77"},
    }});
    assert_eq!(read.accepted, section(kept));
}

#[test]
fn each_unit_is_understood() {
    for (unit, min, max) in [("celsius", 20.0, 25.0), ("Fahrenheit", 68.0, 77.0), ("kelvin", 293.15, 298.15)]
    {
        let mut site = Site::new();
        site.patch(json!({"components": {"system": {"units": unit}}}));
        assert_eq!(range_in(site.patch(climate(json!(min), json!(max)))), Some((20.0, 25.0)), "{unit}");
    }
}

#[test]
fn one_end_alone_takes_the_other_from_the_local_twin() {
    let mut site = Site::new();
    site.patch(climate(json!(21), json!(25)));
    let read = site.patch(json!({"components": {"climate": {"maxTemperature": 27}}}));
    assert_eq!(range_in(read), Some((21.0, 27.0)));
    let read = site.patch(json!({"components": {"climate": {"minTemperature": 22}}}));
    assert_eq!(range_in(read), Some((22.0, 27.0)));
}

#[test]
fn an_end_that_the_twin_never_had_is_the_configured_one() {
    assert_eq!(
        range_in(Site::new().patch(json!({"components": {"climate": {"maxTemperature": "24"}}}))),
        Some((20.0, 24.0))
    );
    // The configured end is a temperature, whatever the unit of the other.
    let fahrenheit =
        json!({"components": {"system": {"units": "fahrenheit"}, "climate": {"minTemperature": 77}}});
    assert_eq!(range_in(Site::new().patch(fahrenheit)), Some((25.0, 28.0)));
}

#[test]
fn a_range_that_cannot_be_held_is_refused_whole_and_the_last_good_one_stays() {
    let wrong = [
        (climate(json!(25), json!(25)), "is not below"),
        (climate(json!(30), json!(20)), "is not below"),
        (climate(json!("warm"), json!(25)), "minTemperature is not a temperature"),
        (climate(json!(21), json!("NaN")), "maxTemperature is not a temperature"),
        (climate(json!(21), json!("inf")), "maxTemperature is not a temperature"),
        (climate(json!(true), json!(25)), "minTemperature is not a temperature"),
        (climate(json!(-300), json!(25)), "minTemperature is not a temperature"),
        (climate(json!(""), json!(25)), "minTemperature is not a temperature"),
        (climate(json!({"a": 1}), json!(25)), "minTemperature is not a temperature"),
        (climate(json!(4.9), json!(25)), "outside this site's limits, 5 to 45 °C"),
        (climate(json!(21), json!(45.1)), "outside this site's limits, 5 to 45 °C"),
        (json!({"components": {"climate": "warm"}}), "not an object"),
        (json!({"components": {"system": {"units": "rankine"}}}), "unknown unit"),
        (json!({"components": {"system": {"units": 7}}}), "unknown unit"),
    ];
    for (change, reason) in wrong {
        let mut site = Site::limited();
        let good = site.patch(climate(json!("21"), json!("26"))).clone();
        let read = site.patch(change);
        assert_eq!(read.intent.range(CLIMATE), good.intent.range(CLIMATE), "{reason}");
        assert_eq!(read.accepted, good.accepted, "{reason}");
        refused_with(read, "components.climate", reason);
        assert_eq!(read.refusals[0].version, Version(3));
    }
}

#[test]
fn a_range_exactly_at_the_limits_is_accepted() {
    let read = Site::limited().patch(climate(json!(5), json!(45))).clone();
    assert_eq!((range_in(&read), read.refusals.len()), (Some((5.0, 45.0)), 0));
    let mut site = Site::limited();
    site.patch(json!({"components": {"system": {"units": "fahrenheit"}}}));
    assert_eq!(range_in(site.patch(climate(json!(41), json!(113)))), Some((5.0, 45.0)));
}

#[test]
fn limits_are_named_in_the_unit_of_the_desired_range() {
    let mut site = Site::limited();
    site.patch(json!({"components": {"system": {"units": "fahrenheit"}}}));
    refused_with(site.patch(climate(json!(68), json!(140))), "components.climate", "41 to 113 °F");
}

#[test]
fn a_refusal_is_gone_once_the_value_is_corrected() {
    let mut site = Site::new();
    assert_eq!(site.patch(climate(json!(30), json!(20))).refusals.len(), 1);
    let read = site.patch(json!({"components": {"climate": {"maxTemperature": 40}}}));
    assert_eq!((range_in(read), read.refusals.len()), (Some((30.0, 40.0)), 0));
}

#[test]
fn a_refusal_keeps_its_first_version_while_it_is_the_same() {
    let mut site = Site::new();
    let first = site.patch(climate(json!(30), json!(20))).refusals[0].version;
    assert_eq!(site.patch(json!({"other": 1})).refusals[0].version, first);
    let second = site.patch(climate(json!(31), json!(20))).refusals[0].version;
    assert_eq!(second, first.next().next());
}

#[test]
fn a_refusal_reports_the_desired_ends_and_nothing_else() {
    let mut site = Site::new();
    let mut asked = climate(json!("30"), json!("20"));
    asked["components"]["climate"]["note"] = json!("x");
    let value = site.patch(asked).refusals[0].value.clone();
    assert_eq!(value, Some(json!({"minTemperature": "30", "maxTemperature": "20"})));
}

#[test]
fn a_refused_value_that_is_too_long_is_not_reported_back() {
    let mut site = Site::new();
    assert_eq!(site.patch(json!({"fanOn": "x".repeat(300)})).refusals[0].value, None);
}

#[test]
fn a_restart_keeps_the_last_good_values() {
    let mut site = Site::limited();
    site.patch(json!({"components": {"system": {"units": "farenheit"}}}));
    site.patch(climate(json!("68"), json!("77")));
    site.patch(json!({"fanOn": "true"}));
    let before = site.patch(json!({
        "fanOn": "perhaps",
        "components": {"climate": {"maxTemperature": "50"}},
    }));
    assert_eq!(before.refusals.len(), 2);
    let (accepted, intended) = (before.accepted.clone(), range_in(before));
    let read = site.restart();
    assert_eq!((range_in(read), fan_in(read)), (intended, Some(true)));
    assert_eq!((read.accepted.clone(), read.refusals.len()), (accepted, 2));
}

#[test]
fn a_last_good_range_in_another_unit_stays_in_force_over_a_restart() {
    let mut site = Site::limited();
    site.patch(json!({"components": {"system": {"units": "fahrenheit"}}}));
    site.patch(climate(json!(68), json!(77)));
    // In degrees Celsius the same numbers are outside the limits.
    assert_eq!(range_in(site.patch(json!({"components": {"system": null}}))), Some((20.0, 25.0)));
    assert_eq!(range_in(site.restart()), Some((20.0, 25.0)));
}

#[test]
fn a_removed_range_is_the_configured_one_again() {
    for removal in [
        json!({"components": {"climate": null}}),
        json!({"components": null}),
        json!({"components": {"climate": {"minTemperature": null, "maxTemperature": null}}}),
        json!({"components": 5}),
    ] {
        let mut site = Site::new();
        site.patch(climate(json!(30), json!(40)));
        let read = site.patch(removal);
        assert_eq!((range_in(read), read.refusals.len()), (None, 0));
    }
}

#[test]
fn a_refusal_is_gone_when_the_climate_is() {
    let mut site = Site::new();
    site.patch(climate(json!(30), json!(20)));
    assert!(site.patch(json!({"components": {"climate": null}})).refusals.is_empty());
}

#[test]
fn a_unit_alone_has_no_effect_and_an_unknown_one_leaves_the_last_good_one() {
    let mut site = Site::new();
    let read = site.patch(json!({"components": {"system": {"units": "fahrenheit"}}}));
    assert_eq!((range_in(read), read.refusals.len()), (None, 0));
    let read = site.patch(json!({"components": {"system": {"units": "rankine"}}}));
    refused_with(read, "components.system.units", "unknown unit");
    assert_eq!(read.accepted, section(json!({"components": {"system": {"units": "fahrenheit"}}})));
}

#[test]
fn without_a_climate_its_properties_have_no_meaning() {
    let mut site = Site::with(vec![output("lamp", OutputKind::OnOff)], None);
    let read = site.patch(climate(json!(30), json!(20)));
    assert_eq!((range_in(read), read.refusals.len()), (None, 0));
}

fn lamp() -> Site {
    let lamp = OutputSpec { property: Some(path("components.lamp.on")), ..output("lamp", OutputKind::OnOff) };
    Site::with(vec![fan(OutputKind::OnOff), lamp], Some(climate_spec()))
}

#[test]
fn a_bound_output_takes_booleans_and_percentages() {
    for (raw, wanted) in [
        (json!(true), 1000),
        (json!("false"), 0),
        (json!(40), 400),
        (json!(12.5), 125),
        (json!("40%"), 400),
        (json!(" 40 % "), 400),
        (json!("40"), 400),
        (json!(0), 0),
        (json!(100), 1000),
    ] {
        let mut site = lamp();
        let read = site.patch(json!({"components": {"lamp": {"on": raw}}}));
        let drive = read.intent.drives.get(&OutputId(1)).map(|drive| drive.value);
        assert_eq!(drive, Some(permille(wanted)), "{raw}");
    }
}

#[test]
fn a_bound_output_refuses_the_rest_and_keeps_its_last_good_value() {
    for wrong in [
        json!(101),
        json!(-1),
        json!("bright"),
        json!("%"),
        json!("40%%"),
        json!([40]),
        json!("NaN%"),
        json!("true%"),
    ] {
        let mut site = lamp();
        site.patch(json!({"components": {"lamp": {"on": "40%"}}}));
        let read = site.patch(json!({"components": {"lamp": {"on": wrong}}}));
        assert_eq!(read.intent.drives[&OutputId(1)].value, permille(400), "{wrong}");
        refused_with(read, "components.lamp.on", "percentage");
    }
    let mut site = lamp();
    site.patch(json!({"components": {"lamp": {"on": true}}}));
    assert!(site.patch(json!({"components": {"lamp": null}})).intent.drives.is_empty());
}

#[test]
fn a_set_point_counts_from_the_version_that_changed_it() {
    let mut site = Site::new();
    let since = site.patch(json!({"fanOn": true})).intent.fan_on.unwrap().version;
    assert_eq!(site.patch(json!({"other": 1, "fanOn": "true"})).intent.fan_on.unwrap().version, since);
    let now = site.patch(json!({"fanOn": false})).intent.fan_on.unwrap().version;
    assert_eq!(now, since.next().next());
}

#[test]
fn a_recreated_identity_does_not_keep_versions_that_the_hub_has_not_reached() {
    let mut site = Site::new();
    site.version = Version(100);
    site.patch(json!({"fanOn": true, "components": {"climate": {"maxTemperature": "warm"}}}));
    site.version = Version(1);
    let read = site.patch(json!({}));
    assert_eq!(read.intent.fan_on.unwrap().version, Version(2));
    assert_eq!(read.refusals[0].version, Version(2));
}

#[test]
fn the_configured_range_is_not_a_set_point() {
    let read = Site::new().patch(json!({"patchId": "Init"})).clone();
    assert_eq!(read.intent, Intent::default());
    assert_eq!(climate_spec().range.min(), 20.0);
}

mod ends_of_the_limits {
    use super::*;
    use proptest::prelude::*;

    fn unit() -> impl Strategy<Value = TemperatureUnit> {
        use TemperatureUnit::{Celsius, Fahrenheit, Kelvin};
        prop_oneof![Just(Celsius), Just(Fahrenheit), Just(Kelvin)]
    }

    /// A site in this unit with these limits, in tenths of its degree.
    fn site(unit: TemperatureUnit, low: i32, high: i32) -> Site {
        let end = |tenths: i32| unit.to_celsius(f64::from(tenths) / 10.0).unwrap().degrees();
        let limits = ClimateRange::new(end(low), end(high));
        let range = limits.unwrap();
        Site::with(
            vec![fan(OutputKind::OnOff)],
            Some(ClimateSpec { quantity: Quantity::Temperature(unit), limits, range, ..climate_spec() }),
        )
    }

    /// A temperature in this unit as a person writes it, with two decimals.
    fn written(unit: TemperatureUnit, end: f64) -> f64 {
        (Quantity::Temperature(unit).from_base(unit, end) * 100.0).round() / 100.0
    }

    #[test]
    fn a_limit_of_six_degrees_is_42_8_fahrenheit() {
        let mut site = site(TemperatureUnit::Celsius, 60, 450);
        let desired = json!({"components": {
            "system": {"units": "fahrenheit"}, "climate": {"minTemperature": 42.8, "maxTemperature": 113},
        }});
        let read = site.patch(desired);
        assert_eq!(read.refusals, []);
        assert_eq!(read.intent.range(CLIMATE).map(|range| range.value), Some(range_of(6.0, 45.0)));
    }

    proptest! {
        #[test]
        fn belong_to_them_in_every_unit_and_what_lies_a_tenth_beyond_does_not(
            own in unit(),
            other in unit(),
            low in 3000..3200_i32,
            span in 10..400_i32,
            beyond in any::<bool>(),
            at_low in any::<bool>(),
        ) {
            let mut site = site(own, low, low + span);
            let limits = site.climates[0].limits.unwrap();
            let (mut min, mut max) = (written(other, limits.min()), written(other, limits.max()));
            match (beyond, at_low) {
                (false, _) => {}
                (true, true) => min -= 0.1,
                (true, false) => max += 0.1,
            }
            let desired = json!({"components": {
                "system": {"units": other.name()}, "climate": {"minTemperature": min, "maxTemperature": max},
            }});
            let read = site.patch(desired);
            prop_assert_eq!(read.refusals.is_empty(), !beyond, "{:?}", read.refusals);
            if let Some(range) = read.intent.range(CLIMATE) {
                prop_assert!(limits.min() <= range.value.min() && range.value.max() <= limits.max());
            }
        }
    }
}
