//! The starting file of `twind init`, for machines made of files: `twind check` has nothing against it but the missing secret.

use super::machines::Machine;
use super::{Site, with_dirs};
use twind::cli::check::Outcome;
use twind::cli::init::{self, init};

const STRING: &str = "HostName=hub.example.net;DeviceId=cabinet-7;SharedAccessKey=c2VjcmV0\n";

/// The file for this machine, and what is said beside it.
fn begun(machine: &Machine) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(init(machine.root(), None, &mut out, &mut err), init::Outcome::Done);
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn with_secret() -> Site {
    let site = Site::new();
    std::fs::create_dir(site.path("twind")).unwrap();
    site.write("twind/connection-string", STRING, 0o600);
    site
}

/// The file with every choice taken that leaves no other in force.
fn with_all_choices(text: &str) -> String {
    let taken = text.lines().map(|line| match line.strip_prefix("#? ") {
        // Its data need not be on the machine of the test.
        Some(choice) if choice.starts_with("time-zone") || choice.contains("instead of") => "",
        Some(choice) => choice,
        None => line,
    });
    taken.flat_map(|line| [line, "\n"]).collect()
}

fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        let is_there = text.lines().any(|one| one == *line || one.starts_with(&format!("{line} ")));
        assert!(is_there, "{line} is missing in:\n{text}");
    }
}

#[test]
fn the_starting_file_of_any_machine_lacks_the_secret_alone() {
    for machine in [Machine::raspberry_pi_4(), Machine::pc(), Machine::bare()] {
        let (text, _) = begun(&machine);
        let site = Site::new();
        let faults = site.parse(&text).unwrap_err();
        assert_eq!(faults.faults.len(), 1, "{faults}\nof\n{text}");
        let told = &faults.faults[0].message;
        let secret = site.path("twind/connection-string").display().to_string();
        assert!(told.starts_with("`connection-string-file` names ") && told.contains(&secret), "{told}");

        let site = with_secret();
        for text in [text.clone(), with_all_choices(&text)] {
            let (outcome, said) = site.check(&with_dirs(&site, &text));
            assert_eq!(outcome, Outcome::Right, "{said}\nof\n{text}");
            assert!(!said.contains("warning"), "{said}\nof\n{text}");
        }
    }
}

#[test]
fn a_raspberry_pi_gets_its_pwm_its_sensors_with_their_values_and_a_climate_by_a_room() {
    let (text, said) = begun(&Machine::raspberry_pi_4());
    assert_has(
        &text,
        &[
            "#   Raspberry Pi 4 Model B Rev 1.4",
            "driver = \"rppal\"",
            "# PWM: pwmchip0 (fe20c000.pwm): channel 0 is GPIO 12 or 18, channel 1 is GPIO 13 or 19, as the overlay says.",
            "pwm = { channel = 0 }                   # hardware PWM at GPIO 12 or 18, 25 kHz, for a four-wire fan",
            "#? [outputs.heater]",
            "[sensors.w1-7c1f]                       # reads 21.687 °C now",
            "[sensors.bme280-humidity]               # reads 41.015 % now",
            "measures = \"humidity\"",
            "[sensors.cpu-thermal]                   # reads 48.212 °C now",
            "#   w1 \"28-3c01d607a1b2\": bad-checksum: its answer was damaged on the way; check cable, connectors and pull-up",
            "sensor = \"w1-7c1f\"",
            "#? sensors = [\"w1-7c1f\", \"bme280-temperature\"]",
            "range = { min = 20.0, max = 28.0 }",
            "#? time-zone = \"UTC\"",
        ],
    );
    assert!(text.contains("Which lines are free could not be seen: "), "{text}");
    assert!(!text.contains("dtoverlay"), "nothing is switched off: {text}");
    assert!(text.contains("/etc/twind/connection-string is missing: `sudo install -D -m 600 "), "{text}");
    let first = "twind: a starting file for Raspberry Pi 4 Model B Rev 1.4: a fan by PWM at GPIO 12 or 18, 4 sensors, and a \
                 climate by w1-7c1f (21.687 °C now)\n";
    assert!(said.starts_with(first), "{said}");
    for step in ["sudo twind init --output FILE", "check --hardware\n", "systemctl enable --now twind\n"] {
        assert!(said.contains(step), "{step} is missing in:\n{said}");
    }
}

#[test]
fn a_raspberry_pi_as_it_comes_is_told_which_lines_switch_on_what_is_off() {
    let machine = Machine::bare();
    machine.put("proc/device-tree/model", "Raspberry Pi 3 Model B Plus Rev 1.3\0");
    machine.put("dev/gpiomem", "");
    machine.put("boot/config.txt", "");
    let (text, _) = begun(&machine);
    assert_has(&text, &["pin = 17", "#   dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4"]);
    assert!(text.contains("dtoverlay=w1-gpio in /boot/config.txt"), "{text}");
    machine.put("boot/firmware/config.txt", "");
    assert!(begun(&machine).0.contains("dtoverlay=w1-gpio in /boot/firmware/config.txt"));
}

#[test]
fn a_pc_gets_a_simulated_board_and_a_range_for_its_processor_and_its_texts_do_no_harm() {
    let (text, said) = begun(&Machine::pc());
    assert_has(
        &text,
        &[
            "#   OptiPlex 7050",
            "driver = \"simulated\"",
            "[sensors.coretemp-temp1]",
            "[sensors.nvme-temp1]                    # reads 38.85 °C now, \"Composite\" by its label",
            "#? [sensors.nct6775-fan1]               # reads 1250 rpm now",
            "#? measures = \"voltage\"",
            "#   hwmon \"nct6775/temp1\": out-of-range: its value is impossible; check `scale`, `offset` and `valid`",
            "sensor = \"coretemp-temp1\"",
            "range = { min = 45.0, max = 65.0 }",
        ],
    );
    assert!(
        !text.contains('\u{1b}') && text.lines().filter(|line| line.contains("[hub]")).count() == 2,
        "{text}"
    );
    assert!(
        said.contains("a simulated fan, 2 sensors, and a climate by coretemp-temp1 (45 °C now)"),
        "{said}"
    );
}

#[test]
fn a_machine_that_shows_nothing_gets_a_fan_that_the_twin_drives() {
    let machine = Machine::bare();
    let (text, said) = begun(&machine);
    assert_has(
        &text,
        &["driver = \"simulated\"", "property = \"fanOn\"", "#? driver = \"file\"", "#? [climate]"],
    );
    assert!(text.contains("# No sensor of this machine has a reading."), "{text}");
    assert!(
        said.starts_with("twind: a starting file for this machine: a simulated fan, no sensor"),
        "{said}"
    );
    assert!(said.contains("put the device's connection string"), "{said}");
    machine.put("etc/twind/connection-string", STRING);
    let (text, said) = begun(&machine);
    assert!(text.contains("# /etc/twind/connection-string is there.\n"), "{text}");
    assert!(!said.contains("connection string"), "{said}");
}

#[test]
fn a_file_is_named_with_its_folder_and_never_replaced() {
    let (machine, site) = (Machine::raspberry_pi_4(), with_secret());
    let path = site.path("begun.toml");
    let run = || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outcome = init(machine.root(), Some(&path), &mut out, &mut err);
        (outcome, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let (outcome, said, err) = run();
    assert_eq!((outcome, err.as_str()), (init::Outcome::Done, ""));
    let file = path.display();
    assert!(said.starts_with(&format!("twind: {file} is written for Raspberry Pi 4 ")), "{said}");
    for step in [format!("check --hardware --config {file}\n"), format!("sudo mv {file} /etc/twind.toml\n")] {
        assert!(said.contains(&step), "{step} is missing in:\n{said}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let secret = site.path("twind/connection-string");
    assert!(text.contains(&format!("{} is there.", secret.display())), "{text}");
    std::fs::write(&path, "mine").unwrap();
    let (outcome, out, err) = run();
    assert_eq!((outcome, out.as_str()), (init::Outcome::Usage, ""));
    assert!(err.contains("overwrites nothing") && err.contains("begun.new.toml"), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}
