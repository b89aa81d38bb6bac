use super::super::{Locator, Source, open_under, sample_once_under, w1};
use super::sys::Sys;
use super::{NOW, settings, source};
use crate::control::Fault;

const DOOR: &str = "28-0316a2797c1f";
const ROOF: &str = "28-3c01d607a1b2";

const GOOD: &str = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
/// The second line repeats the last good bytes, and their temperature.
const BAD_CHECKSUM: &str = "72 01 4b 46 7f ff 0e 10 ff : crc=57 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
const POWER_ON: &str = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n";
const BELOW_ZERO: &str = "5e ff 4b 46 7f ff 02 10 a9 : crc=a9 YES\n5e ff 4b 46 7f ff 02 10 a9 t=-10125\n";
const SHORTED: &str = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n";

fn w1(id: &str) -> Source {
    source("w1", Locator::Id(id.to_owned()), None)
}

#[test]
fn the_bytes_decide_before_the_temperature_that_the_kernel_tells_beside_them() {
    let sys = Sys::new();
    sys.w1(DOOR, &[("w1_slave", BAD_CHECKSUM), ("temperature", "21687\n")]);
    sys.w1(ROOF, &[("w1_slave", SHORTED), ("temperature", "0\n")]);
    assert_eq!(sys.sample(w1(DOOR)), Err(Fault::BadChecksum));
    assert_eq!(sys.sample(w1(ROOF)), Err(Fault::Unreadable), "a bus that is shorted to ground");
    let path = sys.path("bus/w1/devices").join(ROOF).join("temperature");
    assert_eq!(sys.sample(source("w1", Locator::Path(path), None)), Err(Fault::Unreadable), "by its path");
}

#[test]
fn the_bytes_decide_of_a_thermometer_that_is_read_as_a_monitor_too() {
    let sys = Sys::new();
    let monitor = |id: &str| source("hwmon", Locator::Id(format!("w1_slave_temp@{id}")), None);
    for (number, id, bytes, shown) in [(1, DOOR, GOOD, "23125\n"), (2, ROOF, SHORTED, "0\n")] {
        sys.w1(id, &[("w1_slave", bytes), ("temperature", shown)]);
        sys.monitor(number, &format!("w1_bus_master1/{id}"), "w1_slave_temp", &[("temp1_input", shown)]);
    }
    assert_eq!(sys.sample(monitor(DOOR)), Ok(23.125));
    assert_eq!(sys.sample(monitor(ROOF)), Err(Fault::Unreadable));
}

#[test]
fn an_older_kernel_tells_the_bytes_alone() {
    let sys = Sys::new();
    sys.w1(DOOR, &[("w1_slave", GOOD)]);
    sys.w1(ROOF, &[("w1_slave", BELOW_ZERO)]);
    assert_eq!(sys.sample(w1(DOOR)), Ok(23.125));
    assert_eq!(sys.sample(w1(ROOF)), Ok(-10.125));
}

#[test]
fn a_bad_checksum_is_named_whatever_temperature_stands_below() {
    let sys = Sys::new();
    sys.w1(DOOR, &[("w1_slave", BAD_CHECKSUM)]);
    sys.w1(ROOF, &[("w1_slave", GOOD)]);
    assert_eq!(sys.sample(w1(DOOR)), Err(Fault::BadChecksum));
    assert_eq!(sys.sample(w1(ROOF)), Ok(23.125), "the other one on the bus");
}

#[test]
fn a_bus_that_is_shorted_to_ground_is_not_freezing() {
    assert_eq!(w1::thousandths(SHORTED), Err(Fault::Unreadable));
    let freezing = SHORTED.replace("00 00 00 00 00 00 00 00 00", "00 00 4b 46 7f ff 10 10 2b");
    assert_eq!(w1::thousandths(&freezing), Ok(0.0));
}

#[test]
fn an_empty_text_is_how_the_kernel_says_that_the_reading_failed() {
    let sys = Sys::new();
    sys.w1(DOOR, &[("temperature", "")]);
    sys.w1(ROOF, &[("w1_slave", "")]);
    assert_eq!(sys.sample(w1(DOOR)), Err(Fault::Unreadable));
    assert_eq!(sys.sample(w1(ROOF)), Err(Fault::Unreadable));
}

#[test]
fn the_value_at_power_on_is_no_reading_in_either_attribute() {
    for attributes in [("temperature", "85000\n"), ("w1_slave", POWER_ON)] {
        let sys = Sys::new();
        sys.w1(DOOR, &[attributes]);
        let mut settings = settings(w1(DOOR));
        assert_eq!(sample_once_under(sys.root(), &settings, NOW).value, Ok(85.0));
        settings.plausible.reject = vec![85.0];
        assert_eq!(sample_once_under(sys.root(), &settings, NOW).value, Err(Fault::PowerOnValue));
    }
}

#[test]
fn bytes_without_a_whole_temperature_are_no_number() {
    let (above, _) = GOOD.split_once('\n').unwrap();
    for text in
        [above, &format!("{above}\n"), &GOOD.replace("t=23125", "t="), &GOOD.replace("t=", ""), "warm"]
    {
        assert_eq!(w1::thousandths(text), Err(Fault::NotANumber), "{text:?}");
    }
}

#[test]
fn a_verdict_that_is_not_whole_is_no_yes() {
    for verdict in ["57 YE", "57 NO", "57", "", "YES NO", "57 yes"] {
        let text = GOOD.replace("57 YES", verdict);
        assert_eq!(w1::thousandths(&text), Err(Fault::BadChecksum), "{text:?}");
    }
}

#[test]
fn either_attribute_can_be_named_by_its_path() {
    let sys = Sys::new();
    sys.w1(DOOR, &[("w1_slave", GOOD), ("temperature", "21687\n")]);
    let path = |name: &str| {
        let path = sys.path("bus/w1/devices").join(DOOR).join(name);
        sys.sample(source("w1", Locator::Path(path), None))
    };
    assert_eq!((path("w1_slave"), path("temperature")), (Ok(23.125), Ok(23.125)), "the bytes decide");
    sys.w1(ROOF, &[("temperature", "21687\n")]);
    let alone = sys.path("bus/w1/devices").join(ROOF).join("temperature");
    assert_eq!(sys.sample(source("w1", Locator::Path(alone), None)), Ok(21.687));
}

#[test]
fn a_thermometer_that_goes_and_comes_back_is_found_again_even_by_a_newer_kernel() {
    let sys = Sys::new();
    let mut sensor = open_under(sys.root(), &w1(DOOR));
    assert_eq!(sensor.sample().value, Err(Fault::Missing));
    sys.w1(DOOR, &[("w1_slave", GOOD)]);
    assert_eq!(sensor.sample().value, Ok(23.125));
    sys.unplug("bus/w1/devices");
    assert_eq!(sensor.sample().value, Err(Fault::Missing));
    sys.w1(DOOR, &[("temperature", "20500\n")]);
    assert_eq!(sensor.sample().value, Ok(20.5));
}

#[test]
fn a_person_is_told_which_thermometers_are_there() {
    let sys = Sys::new();
    let wanted = format!("1-Wire thermometer {DOOR:?}");
    let nothing = format!("{wanted}, not found in /sys/bus/w1/devices, which has nothing of the kind");
    assert_eq!(sys.look(w1(DOOR)).1, nothing);
    sys.w1(ROOF, &[("w1_slave", GOOD)]);
    let other = format!("{wanted}, not found in /sys/bus/w1/devices, which has {ROOF}");
    assert_eq!(sys.look(w1(DOOR)), (Err(Fault::Missing), other));
    let found = format!("1-Wire thermometer {ROOF:?} at /sys/bus/w1/devices/{ROOF}/w1_slave");
    assert_eq!(sys.look(w1(ROOF)).1, found);
}

#[test]
fn only_a_family_and_a_serial_number_are_an_id() {
    assert!(w1::is_id(DOOR) && w1::is_id("10-000802824e58"));
    for text in
        ["", "28", "28-0316A2797C1F", "28-0316a2797c1", "w1_bus_master1", "../28-0316a2797c1f", "28-é"]
    {
        assert!(!w1::is_id(text), "{text}");
    }
}
