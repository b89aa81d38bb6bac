use super::*;
use crate::control::Fault;
use crate::gpio::LineFault;
use crate::sensors::{Candidate, DRIVERS};
use std::path::Path;

fn nothing() -> Machine {
    Machine::look(Path::new("/nowhere"))
}

fn raspberry_pi(model: &str) -> Machine {
    Machine { model: Some(format!("Raspberry Pi {model}")), has_registers: true, ..nothing() }
}

/// A chip whose lines have these names, and those that are held.
fn chip(label: &str, names: &[&str], held: &[u32]) -> Result<ChipSeen, LineFault> {
    let line =
        |(pin, name): (u32, &&str)| LineSeen { pin, name: (*name).to_owned(), is_free: !held.contains(&pin) };
    Ok(ChipSeen { label: label.to_owned(), lines: (0..).zip(names).map(line).collect() })
}

fn header(label: &str, held: &[u32]) -> Result<ChipSeen, LineFault> {
    chip(label, &["GPIO"; 54], held)
}

fn closed() -> Result<ChipSeen, LineFault> {
    Err(LineFault { is_missing: false, reason: "/dev/gpiochip0 cannot be opened".to_owned() })
}

fn pwm(device: &str, header: &'static [&'static str]) -> PwmChip {
    PwmChip { name: "pwmchip0".to_owned(), device: device.to_owned(), channels: 2, header }
}

fn sensor(driver: &str, id: &str, measures: &str, value: Result<f64, Fault>) -> Present {
    let driver = DRIVERS.iter().find(|known| known.name == driver).unwrap();
    let is_of_the_machine = matches!(driver.name, "thermal-zone" | "hwmon");
    let candidate = Candidate {
        id: id.to_owned(),
        measures: measures.to_owned(),
        unit: "",
        label: None,
        is_of_the_machine,
    };
    Present { driver, candidate, value }
}

fn pin_of<'p>(plan: &'p Plan<'_>) -> (u32, Option<&'p str>) {
    let Wire::Pin(pin) = &plan.fan else { panic!("{:?}", plan.fan) };
    (pin.number, pin.chip.as_deref())
}

#[test]
fn a_raspberry_pi_has_its_fan_at_the_first_pin_that_is_free() {
    let mut machine = raspberry_pi("4 Model B Rev 1.4");
    machine.chips = vec![("gpiochip0".to_owned(), header("pinctrl-bcm2711", &[17, 27, 24]))];
    let plan = Plan::of(&machine);
    assert_eq!((&plan.board, pin_of(&plan)), (&Board::Registers, (22, None)));
    let more: Vec<u32> = plan.more.iter().map(|pin| pin.number).collect();
    assert_eq!(more, [23, 25, 5, 6, 16, 26]);
    assert!(plan.are_lines_seen);
}

#[test]
fn a_raspberry_pi_whose_chip_may_not_be_opened_has_the_usual_pin_and_says_what_it_did_not_see() {
    let mut machine = raspberry_pi("3 Model B Rev 1.2");
    machine.chips = vec![("gpiochip0".to_owned(), closed())];
    let plan = Plan::of(&machine);
    assert_eq!((pin_of(&plan), plan.are_lines_seen), ((17, None), false));
}

#[test]
fn a_raspberry_pi_without_registers_is_driven_by_its_chip_and_one_without_either_by_nothing() {
    let mut machine = raspberry_pi("5 Model B Rev 1.0");
    machine.has_registers = false;
    assert_eq!(Plan::of(&machine).board, Board::Simulated);
    machine.chips = vec![("gpiochip4".to_owned(), header("pinctrl-rp1", &[]))];
    let plan = Plan::of(&machine);
    assert_eq!((&plan.board, pin_of(&plan)), (&Board::Lines, (17, Some("pinctrl-rp1"))));
}

#[test]
fn a_raspberry_pi_of_which_no_pin_is_free_is_simulated() {
    let mut machine = raspberry_pi("4 Model B Rev 1.4");
    machine.chips = vec![("gpiochip0".to_owned(), header("pinctrl-bcm2711", &PINS))];
    let plan = Plan::of(&machine);
    assert_eq!((plan.board, plan.fan), (Board::Simulated, Wire::Simulated));
}

#[test]
fn pwm_that_reaches_the_header_comes_before_any_pin() {
    let mut machine = raspberry_pi("4 Model B Rev 1.4");
    machine.pwm = vec![pwm("fe20c800.pwm", &[]), pwm("fe20c000.pwm", &["GPIO 12 or 18"])];
    assert_eq!(Plan::of(&machine).fan, Wire::Channel { chip: None, at: "GPIO 12 or 18" });
    machine.has_registers = false;
    machine.chips = vec![("gpiochip0".to_owned(), closed())];
    let chip = Some("fe20c000.pwm".to_owned());
    assert_eq!(Plan::of(&machine).fan, Wire::Channel { chip, at: "GPIO 12 or 18" });
    machine.pwm.truncate(1);
    assert!(matches!(Plan::of(&machine).fan, Wire::Pin(_)), "the headphone jack is none");
}

#[test]
fn elsewhere_only_a_line_that_is_named_like_a_pin_is_driven() {
    let mut machine = Machine { model: Some("TI AM335x BeagleBone Black".to_owned()), ..nothing() };
    let board = |machine: &Machine| Plan::of(machine).board;
    machine.chips = vec![
        ("gpiochip0".to_owned(), chip("INT34C5:00", &["", "", "PWR_LED", "[mmc1_dat0]"], &[])),
        ("gpiochip1".to_owned(), closed()),
    ];
    assert_eq!(board(&machine), Board::Simulated);
    machine.chips.push(("gpiochip2".to_owned(), chip("gpio-32-63", &["P9_11", "P9_12", "P9_13"], &[0])));
    let plan = Plan::of(&machine);
    assert_eq!((&plan.board, pin_of(&plan)), (&Board::Lines, (1, Some("gpio-32-63"))));
    machine.chips.push(("gpiochip3".to_owned(), chip("gpio-32-63", &[], &[])));
    assert_eq!(pin_of(&Plan::of(&machine)), (1, Some("gpiochip2")), "two have the label");
    machine.chips[2].1 = chip("a label", &["P1_1"], &[]);
    assert_eq!(pin_of(&Plan::of(&machine)), (0, Some("gpiochip2")), "a file takes no white space");
}

#[test]
fn the_climate_goes_by_a_room_before_it_goes_by_the_processor() {
    let all = [
        sensor("hwmon", "nvme/temp1", TEMPERATURE, Ok(38.0)),
        sensor("thermal-zone", "acpitz", TEMPERATURE, Ok(27.0)),
        sensor("thermal-zone", "cpu-thermal", TEMPERATURE, Ok(48.0)),
        sensor("iio", "bme280", HUMIDITY, Ok(41.0)),
        sensor("iio", "bme280", TEMPERATURE, Ok(23.0)),
        sensor("w1", "28-0316a2797c1f", TEMPERATURE, Ok(21.5)),
    ];
    let mut machine = nothing();
    let mut wanted = ["w1-7c1f", "bme280-temperature", "cpu-thermal", "nvme-temp1"].into_iter();
    // The best one is taken away, again and again.
    for kept in [&all[..], &all[..5], &all[..3], &all[..1]] {
        machine.sensors = kept.to_vec();
        let plan = Plan::of(&machine);
        assert_eq!(Some(plan.sensors[plan.climate.unwrap()].name.as_str()), wanted.next());
    }
    machine.sensors = vec![sensor("iio", "bme280", HUMIDITY, Ok(41.0))];
    assert_eq!(Plan::of(&machine).climate, None);
}

#[test]
fn what_a_machine_tells_of_its_own_supply_is_a_choice_and_so_is_what_comes_after_many() {
    let mut machine = nothing();
    machine.sensors = vec![
        sensor("hwmon", "nct6775/in0", "voltage", Ok(0.9)),
        sensor("hwmon", "nct6775/fan2", "rpm", Ok(900.0)),
        sensor("hwmon", "nct6775/temp9", TEMPERATURE, Err(Fault::OutOfRange)),
        sensor("iio", "bme280:in_pressure", "pressure", Ok(101.3)),
    ];
    let cores = (1..=40).map(|core| sensor("hwmon", &format!("coretemp/temp{core}"), TEMPERATURE, Ok(40.0)));
    machine.sensors.extend(cores);
    let plan = Plan::of(&machine);
    let active: Vec<&str> =
        plan.sensors.iter().filter(|one| one.is_active).map(|one| one.name.as_str()).collect();
    assert_eq!(active.len(), ACTIVE_MAX);
    assert_eq!(active[..2], ["bme280-in_pressure", "coretemp-temp1"]);
    assert_eq!(plan.sensors.len(), 43);
    assert_eq!(plan.silent, [&machine.sensors[2]]);
}

#[test]
fn every_name_is_one_that_a_file_takes_and_that_nothing_else_has() {
    let ids = [
        "fan",
        "fan",
        "lm75@1-0048/temp1",
        "a  b",
        "--",
        "__t",
        "ü",
        "climate",
        "é/1",
        "Core 0",
        "28-0316a2797c1f",
    ];
    let long = "x".repeat(100);
    let mut taken: BTreeSet<String> = TAKEN.map(str::to_owned).into();
    let names: Vec<String> = ids
        .iter()
        .chain([&long.as_str(), &long.as_str()])
        .map(|id| name(&sensor("hwmon", id, TEMPERATURE, Ok(1.0)), &mut taken))
        .collect();
    let wanted =
        ["fan-2", "fan-3", "lm75-1-0048-temp1", "a-b", "sensor", "t", "sensor-2", "climate-2", "1", "Core-0"];
    assert_eq!(names[..10], wanted);
    assert_eq!(names[10], "28-0316a2797c1f");
    assert_eq!(names[11..], ["x".repeat(48), format!("{}-2", "x".repeat(48))]);
}
