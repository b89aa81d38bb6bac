//! Outputs on the boards that have pins.

use super::{Site, seconds};
use twind::board::{DRIVERS, Line, PinSettings, TachSettings};
use twind::control::RowDrive;
use twind::units::Permille;

const HUB: &str = "[hub]\nconnection-string-file = \"cs\"\n";

fn on(driver: &str, outputs: &str) -> String {
    format!("{HUB}[board]\ndriver = \"{driver}\"\n{outputs}\n")
}

fn pins(text: &str) -> Vec<PinSettings> {
    Site::new().right(text).board.outputs
}

#[test]
fn a_raspberry_pi_is_the_board_that_needs_no_naming() {
    let settings = Site::new().right(&format!("{HUB}[outputs.fan]\npin = 17\n"));
    assert_eq!(settings.board.driver.name, "rppal");
    assert_eq!(settings.board.outputs[0].line, Some(Line::Pin { pin: 17, chip: None }));
    assert_eq!(settings.engine.climates, []);
}

#[test]
fn every_driver_stands_in_the_installed_file_the_man_page_and_the_handbook() {
    let quoted = |paper: &str, quote: &str, name: &str| paper.contains(&format!("{quote}{name}{quote}"));
    let man = include_str!("../../packaging/man/twind.toml.5").replace("\\-", "-");
    let handbook = include_str!("../../packaging/doc/configuration.md");
    let sensors = twind::sensors::DRIVERS.iter().map(|driver| driver.name);
    for name in DRIVERS.iter().map(|driver| driver.name).chain(sensors) {
        assert!(quoted(super::SHIPPED, "\"", name), "{name} in config/twind.toml");
        assert!(quoted(&man, "\"", name), "{name} in twind.toml(5)");
        assert!(quoted(handbook, "`", name) || quoted(handbook, "\"", name), "{name} in the handbook");
    }
}

#[test]
fn a_line_of_a_gpiochip_says_its_chip_by_name_path_or_label() {
    for chip in ["gpiochip0", "/dev/gpiochip-header", "pinctrl-rp1", "raspberrypi-exp-gpio", "6000000.gpio:1"]
    {
        let pins =
            pins(&on("gpiochip", &format!("[outputs.fan]\npin = 17\nchip = \"{chip}\"\nactive-low = true")));
        assert_eq!(pins[0].line, Some(Line::Pin { pin: 17, chip: Some(chip.into()) }));
        assert!(pins[0].active_low);
    }
}

#[test]
fn pwm_says_its_chip_in_its_braces() {
    let outputs = "[outputs.a]\npwm = { chip = \"pwmchip2\", channel = 1 }\n\
                   [outputs.b]\npwm = { chip = \"gpiochip0\", pin = 4, inverted = true }\n\
                   [outputs.c]\npwm = { channel = 1 }";
    let lines: Vec<_> = pins(&on("gpiochip", outputs)).into_iter().filter_map(|pin| pin.line).collect();
    let channel = |chip| Line::PwmChannel { channel: 1, chip, frequency_hz: 25_000, inverted: false };
    let soft = Line::SoftPwm { pin: 4, chip: Some("gpiochip0".into()), frequency_hz: 100, inverted: true };
    assert_eq!(lines, [channel(Some("pwmchip2".into())), soft, channel(None)]);
}

#[test]
fn a_tach_is_on_the_chip_of_its_output_unless_it_says_another() {
    let tach = |text: &str| pins(text)[0].tach.clone();
    let at = |chip: Option<&str>, pulses_per_turn| {
        Some(TachSettings { chip: chip.map(str::to_owned), pin: 24, pulses_per_turn })
    };
    let own = "[outputs.fan]\npin = 17\nchip = \"gpiochip1\"\ntach = { pin = 24 }";
    assert_eq!(tach(&on("gpiochip", own)), at(Some("gpiochip1"), 2));
    let other = own.replace("{ pin", "{ chip = \"gpiochip0\", pulses-per-turn = 1, pin");
    assert_eq!(tach(&on("gpiochip", &other)), at(Some("gpiochip0"), 1));
    assert_eq!(tach(&on("rppal", "[outputs.fan]\npin = 17\ntach = { pin = 24 }")), at(None, 2));
    assert_eq!(tach(&on("rppal", "[outputs.fan]\npin = 17")), None);
    let simulated = on("simulated", "[outputs.fan]\ntach = {}");
    assert_eq!(tach(&simulated), Some(TachSettings { chip: None, pin: 0, pulses_per_turn: 2 }));
}

#[test]
fn pwm_by_software_on_a_real_pin_may_rest_at_the_end_and_nothing_else() {
    let site = Site::new();
    for (driver, chip) in [("rppal", ""), ("gpiochip", ", chip = \"gpiochip0\"")] {
        let text = |rows: &str| {
            on(driver, &format!("[outputs.fan]\npwm = {{ pin = 18{chip} }}\nwhen = {{ {rows} }}"))
        };
        let right = site.right(&text(
            "start = \"40%\", stop = \"on\", crash = \"100%\", hub-silent = { after = \"9s\", drive = \"keep\" }",
        ));
        assert_eq!(right.engine.outputs[0].when.hub_silent.map(|(after, _)| after), Some(seconds(9)));
        for rows in ["stop = \"40%\"", "crash = \"40%\"", "stop = \"keep\""] {
            let fault = site.fault(&text(rows));
            assert!(fault.contains("must be \"on\" or \"off\" with software PWM"), "{fault}");
        }
    }
}

#[test]
fn what_a_simulated_pin_or_a_channel_was_last_driven_to_stays() {
    let ends = "when = { stop = \"keep\", crash = \"40%\" }";
    for (driver, pwm) in [("simulated", "pin = 18"), ("simulated", "channel = 0"), ("rppal", "channel = 0")] {
        let text = on(driver, &format!("[outputs.fan]\npwm = {{ {pwm} }}\n{ends}"));
        let when = Site::new().right(&text).engine.outputs[0].when;
        let share = RowDrive::Fixed(Permille::new(400).unwrap());
        assert_eq!((when.stop, when.crash), (RowDrive::Keep, share), "{driver}, {pwm}");
    }
}

#[test]
fn what_does_not_go_with_the_driver_is_told() {
    let site = Site::new();
    let cases = [
        ("rppal", "pin = 17\nchip = \"gpiochip0\"", "is for [board] driver = \"gpiochip\" only: remove it"),
        ("rppal", "pwm = { channel = 0, chip = \"pwmchip0\" }", "is for [board] driver = \"gpiochip\" only"),
        (
            "rppal",
            "pin = 17\ntach = { chip = \"gpiochip0\", pin = 24 }",
            "is for [board] driver = \"gpiochip\" only",
        ),
        ("rppal", "", "`pin` is missing in [outputs.fan]: the BCM number"),
        ("rppal", "pin = 17\ntach = {}", "`pin` is missing in [outputs.fan.tach]"),
        ("rppal", "pin = 17\ntach = { pin = 17 }", "pin 17 drives [outputs.fan] already"),
        ("rppal", "pin = 1024", "`pin` must be a whole number from 0 to 1023"),
        ("rppal", "pin = 17\n[outputs.lamp]\npwm = { pin = 17 }", "pin 17 drives [outputs.fan] already"),
        (
            "rppal",
            "pin = 17\ntach = { pin = 24 }\n[outputs.lamp]\npin = 24",
            "pin 24 is the tach of [outputs.fan] already",
        ),
        ("gpiochip", "pin = 17", "`chip` is missing in [outputs.fan]: the chip that the line is on"),
        ("gpiochip", "pwm = { pin = 17 }", "`chip` is missing in [outputs.fan.pwm]"),
        ("gpiochip", "pwm = { channel = 0 }\ntach = { pin = 24 }", "`chip` is missing in [outputs.fan.tach]"),
        ("gpiochip", "chip = \"gpiochip0\"\npwm = { channel = 0 }", "for `pwm` write it inside its braces"),
        ("gpiochip", "pwm = { channel = 16 }", "`channel` must be a whole number from 0 to 15"),
    ];
    for (driver, lines, told) in cases {
        let fault = site.fault(&on(driver, &format!("[outputs.fan]\n{lines}")));
        assert!(fault.contains(told), "{driver}: {lines}: told was {fault}");
    }
}

#[test]
fn the_same_number_on_two_chips_is_two_lines() {
    let outputs = "[outputs.a]\npin = 1\nchip = \"gpiochip0\"\n[outputs.b]\npin = 1\nchip = \"gpiochip1\"";
    assert_eq!(pins(&on("gpiochip", outputs)).len(), 2);
}
