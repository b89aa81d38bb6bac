//! What the file gives a name or a property: the words and the places that the twin, a command or a formula has for itself.

use super::{SITE, SMALL, Site, replaced, with, with_dirs};
use twind::report::{ENTRY_KEYS, TOP_PROPERTIES};

/// A site with one named climate, and an output that drives nothing in it.
const ROOM: &str = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"
[outputs.fan]
pwm = { channel = 0 }
[outputs.heater]
pin = 17
[outputs.lamp]
pin = 22
[sensors.room]
driver = "file"
path = "room"
[climates.warm]
sensor = "room"
cooling = "fan"
heating = "heater"
"#;

#[test]
fn an_output_cannot_be_driven_by_what_a_climate_reads() {
    let site = Site::new();
    for end in ["minTemperature", "fanOn", "schedule", "schedule.night", "units"] {
        let property = format!("components.warm.{end}");
        let fault = site.fault(&with(ROOM, "outputs.lamp", &format!("property = \"{property}\"")));
        let top = property.trim_end_matches(".night");
        let told = format!("`property` \"{property}\" and \"{top}\", which [climates.warm] reads, overlap");
        assert!(fault.contains(&told), "{fault}");
    }
    let only = with(SITE, "outputs.heater", "property = \"components.climate.schedule\"");
    assert!(site.fault(&only).contains("which `climate` of [twin] reads"));
    site.right(&with(ROOM, "outputs.lamp", "property = \"components.warm.lamp\""));
}

#[test]
fn nothing_is_measured_by_a_name_that_is_reported_beside_the_value() {
    let site = Site::new();
    let measured = |name: &str| {
        let sensor = format!("[sensors.x]\ndriver = \"file\"\npath = \"x\"\nmeasures = \"{name}\"\n");
        format!("{}{sensor}", with(SITE, "climate", "sensor = \"cabinet\""))
    };
    for name in ENTRY_KEYS.into_iter().chain(["fan-on", "schedule-until", "_unit_"]) {
        let fault = site.fault(&measured(name));
        let told = format!("which are reported beside the value, found \"{name}\"");
        assert!(
            fault.contains("`measures` must be none of \"sensor\", \"unit\",") && fault.contains(&told),
            "{fault}"
        );
    }
    for name in ["units", "value", "sensors", "fan", "on"] {
        site.right(&measured(name));
    }
}

#[test]
fn the_manual_names_what_nothing_is_measured_by() {
    let manual = include_str!("../../packaging/man/twind.toml.5");
    let (_, said) = manual.split_once("\\fBmeasures = \"temperature\"\\fR\n").unwrap();
    let handbook = include_str!("../../packaging/doc/configuration.md");
    for name in ENTRY_KEYS {
        assert!(said.split(".TP").next().unwrap().contains(&format!("\"{name}\"")), "{name}");
        assert!(handbook.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn where_a_drive_begins_is_warned_of_without_an_output_that_has_one() {
    let site = Site::new();
    let check = |lines: &str| with_dirs(&site, &with(ROOM, "climates.warm", lines));
    let warning = site.warning(&check("raising-from = \"10%\""));
    assert!(
        warning.contains(":16:1: `raising-from` has no effect: nothing with `pwm` raises [climates.warm]"),
        "{warning}"
    );
    let (_, said) = site.check(&check("lowering-from = \"10%\""));
    assert!(!said.contains("warning"), "{said}");
    let on_off = replaced(&check("lowering-from = \"10%\""), "pwm = { channel = 0 }", "pin = 4");
    assert!(site.warning(&on_off).contains("`lowering-from` has no effect: nothing with `pwm` lowers"));
    let only = with_dirs(&site, &with(SMALL, "climate", "lowering-from = \"10%\""));
    assert!(site.warning(&only).contains("nothing with `pwm` lowers [climate]"));
}

#[test]
fn nothing_of_plug_and_play_is_what_the_device_reports_itself() {
    let site = Site::new();
    let pnp = |text: &str| format!("{text}[report]\nstyle = \"pnp\"\n");
    for key in TOP_PROPERTIES {
        let told = format!("be \"{key}\" with style = \"pnp\", where that is a property of the device");
        for property in [key.to_owned(), format!("components.{key}"), format!("{key}.x")] {
            let climate = with(ROOM, "climates.warm", &format!("property = \"{property}\""));
            let fault = site.fault(&pnp(&climate));
            assert!(fault.contains(&format!("[climates.warm] cannot {told}")), "{fault}");
            let output = with(ROOM, "outputs.lamp", &format!("property = \"{property}\""));
            let fault = site.fault(&pnp(&output));
            assert!(fault.contains(&format!("`property` of [outputs.lamp] cannot {told}")), "{fault}");
            site.right(&climate);
            site.right(&output);
        }
        let climate = pnp(&ROOM.replace("climates.warm", &format!("climates.{key}")));
        assert!(site.fault(&climate).contains(&told));
        site.right(&pnp(&with(ROOM, "climates.warm", &format!("property = \"rooms.{key}\""))));
    }
    let only = pnp(&format!("{SMALL}[twin]\nclimate = \"alarms\"\n"));
    assert!(site.fault(&only).contains("[climate] cannot be \"alarms\""));
}

#[test]
fn a_name_is_no_option_of_a_command_and_no_marker() {
    let site = Site::new();
    let named = |name: &str| {
        [
            format!("{SITE}[outputs.{name}]\npin = 4\n"),
            format!("{SITE}[sensors.{name}]\ndriver = \"file\"\npath = \"x\"\nmeasures = \"x\"\n"),
            ROOM.replace("climates.warm", &format!("climates.{name}")),
        ]
    };
    for (name, told) in [
        (
            "-fan",
            "cannot begin with \"-\", which commands take for an option: begin it with a letter or digit",
        ),
        ("--for", "cannot begin with \"-\""),
        ("__t", "cannot be \"__t\", which marks components of Plug and Play"),
    ] {
        for text in named(name) {
            let fault = site.fault(&text);
            assert!(fault.contains("the name of a") && fault.contains(told), "{fault}");
        }
    }
    for text in ["fan-", "_fan", "2nd", "__x", "t"].into_iter().flat_map(named) {
        site.right(&text);
    }
}

#[test]
fn a_sensor_less_itself_is_no_difference() {
    let text =
        format!("{SITE}[sensors.zero]\ndriver = \"difference\"\nof = \"cabinet\"\nminus = \"cabinet\"\n");
    let fault = Site::new().fault(&text);
    assert!(fault.contains(":29:1: `minus` names the same sensor as `of`"), "{fault}");
}
