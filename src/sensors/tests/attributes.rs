use super::super::{Locator, Look, Now, SensorSettings, Source, open_under, sample_once, sample_once_under};
use super::sys::Sys;
use super::{NOW, a_file, settings, source};
use crate::control::Fault;
use crate::units::BootTime;
use core::time::Duration;
use std::fs;
use std::path::PathBuf;

fn hwmon(id: &str) -> Source {
    source("hwmon", Locator::Id(id.to_owned()), None)
}

fn zone(kind: &str) -> Source {
    source("thermal-zone", Locator::Id(kind.to_owned()), None)
}

fn file(text: impl AsRef<[u8]>) -> Result<f64, Fault> {
    let sys = Sys::new();
    let path = sys.write("value", text);
    sys.sample(a_file(path))
}

#[test]
fn a_number_in_a_file_is_its_value() {
    assert_eq!(file("21.5\n"), Ok(21.5));
    assert_eq!(file("  -3 "), Ok(-3.0));
    assert_eq!(file("1e2"), Ok(100.0));
}

#[test]
fn what_is_no_number_is_named_so() {
    for text in ["", "\n", "warm", "21,5", "21.5 C", "NaN", "inf", "1e999"] {
        assert_eq!(file(text), Err(Fault::NotANumber), "{text:?}");
    }
    assert_eq!(file([0xff, b'1']), Err(Fault::NotANumber));
}

#[test]
fn a_file_that_goes_on_too_long_is_not_read_as_half_a_number() {
    assert_eq!(file("1".repeat(300)), Err(Fault::NotANumber));
    assert_eq!(file(format!("7{}", " ".repeat(300))), Err(Fault::NotANumber));
    assert_eq!(file(format!("7{}", " ".repeat(200))), Ok(7.0));
}

#[test]
fn scale_and_offset_are_applied_after_the_kinds_own_thousandths() {
    let sys = Sys::new();
    sys.hwmon(0, "probe", "41625\n");
    let settings = SensorSettings { scale: 2.0, offset: -1.0, ..settings(hwmon("probe")) };
    assert_eq!(sample_once_under(sys.root(), &settings, NOW).value, Ok(82.25));
}

#[test]
fn a_missing_file_is_missing_and_a_directory_is_unreadable() {
    let sys = Sys::new();
    let path = sys.write("value", "1");
    assert_eq!(sys.sample(a_file(sys.path("absent"))), Err(Fault::Missing));
    assert_eq!(sys.sample(a_file(path.join("below"))), Err(Fault::Missing));
    assert_eq!(sys.sample(a_file(sys.root().to_owned())), Err(Fault::Unreadable));
}

#[test]
fn a_pipe_without_a_writer_is_unreadable_and_does_not_hold_the_thread() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let sys = Sys::new();
    let path = sys.path("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert_eq!(sys.sample(a_file(path)), Err(Fault::Unreadable));
}

#[test]
fn a_monitor_is_found_by_its_name_whatever_its_number() {
    let sys = Sys::new();
    sys.hwmon(0, "rpi_volt", "1000");
    sys.hwmon(12, "cpu_thermal", "41625\n");
    assert_eq!(sys.sample(hwmon("cpu_thermal/temp1_input")), Ok(41.625));
    assert_eq!(sys.sample(hwmon("cpu_thermal")), Ok(41.625));
    assert_eq!(sys.sample(hwmon("cpu_thermal/temp2_input")), Err(Fault::Missing));
    assert_eq!(sys.sample(hwmon("cpu/temp1_input")), Err(Fault::Missing));
}

#[test]
fn an_input_is_found_by_its_label() {
    let sys = Sys::new();
    sys.hwmon(0, "nct6775", "20000");
    for (input, label, millidegrees) in [("temp7", "AUX 1/2", "50000"), ("temp2", "CPU", "60000")] {
        sys.write(&format!("class/hwmon/hwmon0/{input}_label"), format!("{label}\n"));
        sys.write(&format!("class/hwmon/hwmon0/{input}_input"), millidegrees);
    }
    assert_eq!(sys.sample(hwmon("nct6775/CPU")), Ok(60.0));
    assert_eq!(sys.sample(hwmon("nct6775/AUX 1/2")), Ok(50.0));
    assert_eq!(sys.sample(hwmon("nct6775/cpu")), Err(Fault::Missing));
    assert_eq!(sys.sample(hwmon("nct6775/temp7")), Ok(50.0), "by its channel");
}

#[test]
fn each_quantity_of_a_monitor_counts_as_the_kernel_says() {
    let sys = Sys::new();
    sys.hwmon(0, "board", "0");
    let expected = [
        ("temp2_input", 1.5),
        ("humidity1_input", 1.5),
        ("in0_input", 1.5),
        ("curr1_input", 1.5),
        ("power1_input", 0.0015),
        ("fan1_input", 1500.0),
        ("pwm1", 1500.0),
    ];
    for (attribute, value) in expected {
        let path = sys.write(&format!("class/hwmon/hwmon0/{attribute}"), "1500\n");
        assert_eq!(sys.sample(hwmon(&format!("board/{attribute}"))), Ok(value), "{attribute} by name");
        assert_eq!(sys.sample(source("hwmon", Locator::Path(path), None)), Ok(value), "{attribute} by path");
    }
}

#[test]
fn a_thermal_zone_is_found_by_its_type() {
    let sys = Sys::new();
    for (number, kind, millidegrees) in [(0, "gpu-thermal", "1"), (1, "cpu-thermal", "52344\n")] {
        sys.write(&format!("class/thermal/thermal_zone{number}/type"), format!("{kind}\n"));
        sys.write(&format!("class/thermal/thermal_zone{number}/temp"), millidegrees);
    }
    assert_eq!(sys.sample(zone("cpu-thermal")), Ok(52.344));
    assert_eq!(sys.sample(zone("cpu_thermal")), Err(Fault::Missing));
    let temp = sys.path("class/thermal/thermal_zone1/temp");
    assert_eq!(sys.sample(source("thermal-zone", Locator::Path(temp), None)), Ok(52.344));
}

#[test]
fn a_device_that_comes_back_under_another_number_is_found_again() {
    let sys = Sys::new();
    let mut sensor = open_under(sys.root(), &hwmon("probe"));
    assert_eq!(sensor.sample().value, Err(Fault::Missing), "not there at the start");
    sys.hwmon(1, "probe", "20000");
    assert_eq!(sensor.sample().value, Ok(20.0));
    fs::remove_dir_all(sys.path("class/hwmon/hwmon1")).unwrap();
    assert_eq!(sensor.sample().value, Err(Fault::Missing));
    sys.hwmon(4, "probe", "21000");
    assert_eq!(sensor.sample().value, Ok(21.0));
}

#[test]
fn a_number_that_another_device_took_over_is_not_read() {
    let sys = Sys::new();
    sys.hwmon(1, "probe", "20000");
    let mut sensor = open_under(sys.root(), &hwmon("probe"));
    assert_eq!(sensor.sample().value, Ok(20.0));
    sys.hwmon(1, "cpu_thermal", "70000");
    assert_eq!(sensor.sample().value, Err(Fault::Missing));
    sys.hwmon(2, "probe", "20500");
    assert_eq!(sensor.sample().value, Ok(20.5));
}

#[test]
fn a_person_is_told_where_it_was_looked_for() {
    let sys = Sys::new();
    sys.hwmon(0, "rpi_volt", "0");
    sys.hwmon(1, "cpu_thermal", "0");
    let place = |source| sample_once_under(sys.root(), &settings(source), NOW).whereabouts;
    let root = sys.root().display();
    assert_eq!(
        place(hwmon("probe/temp1_input")),
        format!(
            "hwmon \"probe/temp1_input\", not found in {root}/class/hwmon, which has cpu_thermal, rpi_volt"
        )
    );
    assert_eq!(
        place(hwmon("rpi_volt")),
        format!("hwmon \"rpi_volt\" at {root}/class/hwmon/hwmon0/temp1_input")
    );
    let missing = place(zone("cpu-thermal"));
    assert!(missing.ends_with("class/thermal, which has nothing of the kind"), "{missing}");
    let path = PathBuf::from("/nowhere/value");
    let Look { value, whereabouts, .. } = sample_once(&settings(a_file(path)), NOW);
    assert_eq!((value, &*whereabouts), (Err(Fault::Missing), "number at /nowhere/value"));
}

#[test]
fn a_channel_of_which_the_driver_says_that_it_failed_or_is_off_has_no_value() {
    let sys = Sys::new();
    sys.hwmon(0, "board", "41000\n");
    sys.write("class/hwmon/hwmon0/fan1_input", "900\n");
    let read = |id: &str| sys.sample(hwmon(id));
    for (attribute, well, wrong) in
        [("temp1_fault", "0\n", "1\n"), ("temp1_enable", "1\n", "0\n"), ("temp2_fault", "1\n", "1\n")]
    {
        sys.write(&format!("class/hwmon/hwmon0/{attribute}"), well);
        assert_eq!(read("board"), Ok(41.0), "{attribute} is {well:?}");
        sys.write(&format!("class/hwmon/hwmon0/{attribute}"), wrong);
        let wanted = if attribute == "temp2_fault" { Ok(41.0) } else { Err(Fault::Unreadable) };
        assert_eq!(read("board"), wanted, "{attribute} is {wrong:?}");
        sys.write(&format!("class/hwmon/hwmon0/{attribute}"), well);
    }
    assert_eq!(read("board/fan1"), Ok(900.0));
    sys.write("class/hwmon/hwmon0/fan1_fault", "1\n");
    assert_eq!(read("board/fan1"), Err(Fault::Unreadable));
    sys.write("class/hwmon/hwmon0/pwm1", "75\n");
    sys.write("class/hwmon/hwmon0/pwm1_enable", "0\n");
    assert_eq!(read("board/pwm1"), Ok(75.0), "which only says who controls it");
}

#[test]
fn a_1_wire_thermometer_read_as_a_monitor_is_asked_once_a_sample() {
    let sys = Sys::new();
    sys.hwmon(0, "w1_slave_temp", "");
    // To read either file has the thermometer convert. Were this one read, it would be no text.
    let unread = sys.write("class/hwmon/hwmon0/temp1_input", "x".repeat(300));
    let bytes = "5b 01 4b 46 7f ff 0c 10 a6 : crc=a6 YES\n5b 01 4b 46 7f ff 0c 10 a6 t=21687\n";
    sys.write("class/hwmon/hwmon0/device/w1_slave", bytes);
    assert_eq!(sys.sample(hwmon("w1_slave_temp")), Ok(21.687));
    assert_eq!(sys.sample(source("hwmon", Locator::Path(unread), None)), Ok(21.687));
}

#[test]
fn a_zone_that_has_no_temperature_is_unreadable_and_one_that_is_left_to_others_is_read() {
    let sys = Sys::new();
    for none in ["-274000\n", "-273150\n", "-273200\n"] {
        sys.zone(0, None, "acpitz", none);
        assert_eq!(sys.sample(zone("acpitz")), Err(Fault::Unreadable), "{none:?}");
    }
    sys.zone(0, None, "acpitz", "27800\n");
    sys.write("devices/virtual/thermal/thermal_zone0/mode", "disabled\n");
    assert_eq!(sys.sample(zone("acpitz")), Ok(27.8));
}

#[test]
fn a_file_that_nobody_writes_is_stale_and_one_that_the_kernel_makes_up_is_not() {
    let sys = Sys::new();
    let path = sys.write("value", "25\n");
    let now = fs::metadata(&path).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let boot = BootTime::from_boot(Duration::from_secs(10 * 86_400));
    let look = |path: &std::path::Path, passed: u64| {
        let settings =
            SensorSettings { max_age: Some(Duration::from_secs(900)), ..settings(a_file(path.into())) };
        let now = Now { boot, wall: now + Duration::from_secs(passed), is_believed: true };
        sample_once_under(sys.root(), &settings, now)
    };
    assert_eq!(look(&path, 60).value, Ok(25.0));
    let old = look(&path, 2 * 86_400);
    assert_eq!(old.value, Err(Fault::Stale));
    assert_eq!(old.found.unwrap(), "a file that nobody has written for longer than max-age, 15m");
    let made_up = PathBuf::from("/proc/sys/kernel/pid_max");
    assert!(look(&made_up, 100 * 86_400).value.is_ok());
}

#[test]
fn what_was_found_instead_of_a_value_is_told() {
    let sys = Sys::new();
    let mut settings = settings(a_file(sys.path("value")));
    settings.plausible.valid = (-55.0, 125.0);
    let found = |text: &str| {
        sys.write("value", text);
        sample_once_under(sys.root(), &settings, NOW).found
    };
    assert_eq!(found("23,5\n").unwrap(), "\"23,5\"; a number has a decimal point here");
    assert_eq!(found("\n").unwrap(), "nothing: it is empty");
    assert!(found("23500\n").unwrap().contains("`scale = 0.001` makes 23.5 of it"));
    assert_eq!(found("23.5\n"), None);
}

#[test]
fn a_single_sample_is_judged() {
    let sys = Sys::new();
    sys.hwmon(0, "probe", "85000");
    let mut settings = settings(hwmon("probe"));
    settings.plausible.reject = vec![85.0];
    assert_eq!(sample_once_under(sys.root(), &settings, NOW).value, Err(Fault::PowerOnValue));
}
