//! Settings that are valid and hardly ever intended: they are refused, or `twind check` warns of them.

use super::{SITE, Site, replaced, with, with_dirs};
use std::fs;
use twind::cli::check::Outcome;
use twind::config::Environment;

const W1: &str = "driver = \"w1\"\nid = \"28-0316a2797c1f\"";

fn on_pins(outputs: &str) -> String {
    let site = replaced(SITE, "\"simulated\"", "\"rppal\"");
    replaced(&replaced(&site, "pin = 17", outputs), "driver = \"file\"\npath = \"temperature\"", W1)
}

#[test]
fn pins_and_channels_that_a_raspberry_pi_has_not_or_uses_otherwise_are_warned_of() {
    let site = Site::new();
    for (lines, told) in [
        ("pin = 99", ":12:7: pin 99: a Raspberry Pi's header has the BCM numbers 0 to 27"),
        ("pwm = { channel = 7 }", ":12:19: PWM channel 7: a Raspberry Pi has the channels 0 and 1"),
        ("pin = 18", ":12:7: pin 18 may be where PWM channel 0 of [outputs.fan] comes out"),
        ("pin = 12", "pin 12 may be where PWM channel 0 of [outputs.fan]"),
        ("pwm = { pin = 18 }", "pin 18 may be where PWM channel 0 of [outputs.fan]"),
        ("pin = 17\ntach = { pin = 18 }", ":13:16: pin 18 may be where PWM channel 0"),
        ("pin = 4", ":12:7: pin 4 is the 1-Wire bus of [sensors.cabinet]"),
    ] {
        let warning = site.warning(&with_dirs(&site, &on_pins(lines)));
        assert!(warning.contains(told), "{lines}: {warning}");
    }
    let second = on_pins("pin = 19").replace("{ channel = 0 }", "{ channel = 1 }");
    assert!(site.warning(&with_dirs(&site, &second)).contains("pin 19 may be where PWM channel 1"));
    for right in ["pin = 17", "pin = 13", "pin = 27", "pwm = { channel = 3 }"] {
        let (outcome, said) = site.check(&with_dirs(&site, &on_pins(right)));
        assert!(outcome == Outcome::Right && !said.contains("warning"), "{right}: {said}");
    }
}

#[test]
fn a_table_that_makes_an_output_by_a_slip_is_refused() {
    let site = Site::new();
    let when = |name: &str| format!("{SITE}[outputs.{name}.when]\nstart = \"on\"\n");
    let fault = site.fault(&when("fna"));
    assert!(
        fault.contains("nothing else is configured for [outputs.fna]; did you mean [outputs.fan]?"),
        "{fault}"
    );
    let fault = site.fault(
        &format!("{SITE}[outputs.haeter]\nwhen.start = \"on\"\n")
            .replace("[outputs.haeter]\nwhen", "[outputs]\nhaeter.when"),
    );
    assert!(fault.contains("did you mean [outputs.heater]?"), "{fault}");
    let warning = site.warning(&with_dirs(&site, &when("lamp")));
    assert!(warning.contains("makes it an output of its own"), "{warning}");
    // `auto` needs an output that cools or heats. A misspelt output is only reported as misspelt.
    let one = replaced(SITE, "heating = \"heater\"\n", "").replace("cooling = \"fan\"\n", "");
    let one = replaced(&one, "[outputs.heater]\npin = 17\n", "");
    let auto = "[outputs.fna.when]\nstart = \"auto\"\n";
    for board in ["\"simulated\"", "\"rppal\""] {
        let fault = site.fault(&format!("{}{auto}", replaced(&one, "\"simulated\"", board)));
        assert!(fault.contains("did you mean [outputs.fan]?"), "{board}: {fault}");
    }
    site.right(&when("fan"));
    site.right(&format!("{SITE}[outputs.fan2]\nwhen = {{ start = \"on\" }}\n"));
}

#[test]
fn a_shape_without_pwm_is_warned_of_on_a_board_that_has_neither() {
    let site = Site::new();
    let text = format!("{SITE}[outputs.pump]\nmin-duty = 20\n");
    let warning = site.warning(&with_dirs(&site, &text));
    assert!(warning.contains(":27:1: `min-duty` is for an output with `pwm`"), "{warning}");
}

#[test]
fn a_share_below_the_least_duty_is_warned_of() {
    let site = Site::new();
    let text = with(SITE, "outputs.fan", "min-duty = 20\nwhen = { start = \"20%\", stop = \"5%\" }");
    let warning = site.warning(&with_dirs(&site, &text));
    assert!(
        warning.contains("`stop` is 5%, below `min-duty`: the output is driven to 20% then"),
        "{warning}"
    );
    let text = with(SITE, "outputs.fan", "min-duty = 20\nwhen = { start = \"10%\" }");
    assert!(site.warning(&with_dirs(&site, &text)).contains("`start` is 10%, below `min-duty`"));
}

#[test]
fn a_row_that_never_applies_is_warned_of() {
    let site = Site::new();
    let text = with(SITE, "outputs.fan", "when = { overheat = \"on\" }");
    assert!(
        site.warning(&with_dirs(&site, &text))
            .contains("`overheat` never applies: [climate] sets no `critical`")
    );
    let (_, said) = site.check(&with_dirs(&site, &with(&text, "climate", "critical = 60.0")));
    assert!(!said.contains("warning"), "{said}");
    let none = text.split("[climate]").next().unwrap().replace("overheat", "sensor-fault");
    assert!(
        site.warning(&with_dirs(&site, &none))
            .contains("`sensor-fault` never applies: there is no [climate]")
    );
}

#[test]
fn a_valid_that_leaves_out_what_the_climate_needs_is_warned_of() {
    let site = Site::new();
    let told = |sensor: &str, climate: &str| {
        let text = with(&with(SITE, "sensors.cabinet", sensor), "climate", climate);
        let (outcome, said) = site.check(&with_dirs(&site, &text));
        assert_eq!(outcome, Outcome::Right, "{said}");
        said.lines().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>().join("\n")
    };
    const CABINET: &str = "`valid` of [sensors.cabinet] is ";
    for (sensor, climate, wanted) in [
        ("valid = [0, 10]", "", &[":15:1: ", CABINET, "0 to 10, and the range of [climate] is 20 to 28"][..]),
        ("valid = [0, 27.9]", "", &[CABINET]),
        ("valid = [20.1, 60]", "", &[CABINET]),
        (
            "unit = \"fahrenheit\"\nvalid = [0, 50]",
            "",
            &["is 0 to 50, and the range of [climate] is 68 to 82.4"],
        ),
        // What a sensor of a cabinet measures, unless the file says otherwise.
        (
            "",
            "range = { min = 150, max = 200 }",
            &[":14:1: ", CABINET, "-55 to 125, and the range of [climate] is 150"],
        ),
        (
            "valid = [0, 50]",
            "critical = 60",
            &["`critical` of [climate]", "`critical` of [climate], 60, is never exceeded", "above 50"],
        ),
        ("valid = [0, 60]", "critical = 60", &["is never exceeded"]),
        ("", "critical = 125", &["is never exceeded: a reading above 125"]),
        (
            "valid = [0, 50]",
            "unit = \"fahrenheit\"\nrange = { min = 60, max = 80 }\ncritical = 122",
            &["122, is never", "above 122"],
        ),
    ] {
        let said = told(sensor, climate);
        assert!(
            said.lines().count() == 1 && wanted.iter().all(|part| said.contains(part)),
            "{sensor}, {climate}: {said}"
        );
    }
    for (sensor, climate) in [
        ("valid = [20, 28]", ""),
        ("unit = \"fahrenheit\"\nvalid = [68, 82.4]", ""),
        ("unit = \"kelvin\"\nvalid = [293.15, 301.15]", ""),
        ("valid = [0, 60.1]", "critical = 60"),
        ("", "critical = 60"),
    ] {
        assert_eq!(told(sensor, climate), "", "{sensor}, {climate}");
    }
    // One sensor that can show it is enough.
    let second = "valid = [0, 50]\n[sensors.roof]\ndriver = \"file\"\npath = \"roof\"";
    let [one, both] = ["sensors = [\"cabinet\"]", "sensors = [\"cabinet\", \"roof\"]"]
        .map(|sensors| format!("{sensors}\ncritical = 60"));
    let first = |climate: &str| {
        let sensors = replaced(SITE, "path = \"temperature\"", &format!("path = \"temperature\"\n{second}"));
        site.check(&with_dirs(&site, &with(&sensors, "climate", climate))).1
    };
    assert!(first(&one).contains("is never exceeded"), "{}", first(&one));
    assert!(!first(&both).contains("warning"), "{}", first(&both));
}

#[test]
fn a_file_that_is_old_between_two_readings_is_warned_of() {
    let site = Site::new();
    let with_times = |lines: &str| with_dirs(&site, &with(SITE, "sensors.cabinet", lines));
    for (lines, told) in [
        (
            "max-age = \"1s\"",
            ":15:1: `max-age` is 1s, shorter than `period`, 5s: a file that is written as often",
        ),
        ("period = \"1h\"", ":14:1: `max-age`, which is left out, is 15m, shorter than `period`, 1h"),
    ] {
        let warning = site.warning(&with_times(lines));
        assert!(warning.contains(told), "{lines}: {warning}");
    }
    for right in
        ["max-age = \"5s\"", "period = \"1h\"\nmax-age = \"2h\"", "period = \"1h\"\nmax-age = \"off\""]
    {
        let (outcome, said) = site.check(&with_times(right));
        assert!(outcome == Outcome::Right && !said.contains("warning"), "{right}: {said}");
    }
}

#[test]
fn a_file_of_the_simulated_board_that_is_something_else_too_is_warned_of() {
    let site = Site::new();
    let dir = site.folder.path().display().to_string();
    fs::write(site.path("file"), "").unwrap();
    let on =
        |folder: &str, text: &str| with(&with_dirs(&site, text), "board", &format!("folder = {folder:?}"));
    let reads_drive = |path: &str| replaced(SITE, "\"temperature\"", &format!("\"{path}\""));
    for (folder, text, told) in [
        (
            "state",
            SITE.to_owned(),
            format!(":6:10: [board] folder and [twin] state-dir are both {dir}/state, where"),
        ),
        (
            "board",
            reads_drive("board/heater"),
            format!(":17:1: `path` of [sensors.cabinet] is {dir}/board/heater, the file of [outputs.heater]"),
        ),
        (
            "file",
            SITE.to_owned(),
            format!(":6:10: [board] folder: {dir}/file is not a directory, so no output can be driven"),
        ),
    ] {
        let warning = site.warning(&on(folder, &text));
        assert!(warning.contains(&told), "{folder}: {warning}");
    }
    let by_default = replaced(&with_dirs(&site, SITE), &format!("{dir}/state"), "/run/twind/board");
    let (_, said) = site.check(&by_default);
    assert!(said.contains(":27:1: [board] folder and [twin] state-dir are both /run/twind/board"), "{said}");
    for (folder, path) in [("board", "board/temperature"), ("board", "heater"), (&dir, "temperature")] {
        let (outcome, said) = site.check(&on(folder, &reads_drive(path)));
        assert!(outcome == Outcome::Right && !said.contains("warning"), "{folder}, {path}: {said}");
    }
}

#[test]
fn a_silence_that_makes_twind_ask_all_the_time_is_warned_of() {
    let site = Site::new();
    let after = |time: &str| {
        let row = format!("when = {{ hub-silent = {{ after = \"{time}\", drive = \"on\" }} }}");
        with_dirs(&site, &with(SITE, "outputs.fan", &row))
    };
    for (time, pace) in [
        ("1s", "a quarter of it, 250ms, which is up to 345600 requests a day; write at least \"10m\""),
        ("9m", "a quarter of it, 2m 15s, which is up to 640 requests a day"),
    ] {
        let warning = site.warning(&after(time));
        assert!(
            warning.contains(&format!(":9:33: `after` of `hub-silent` is {time}: twind asks")),
            "{warning}"
        );
        assert!(warning.contains(pace), "{warning}");
    }
    for right in ["10m", "24h"] {
        let (outcome, said) = site.check(&after(right));
        assert!(outcome == Outcome::Right && !said.contains("warning"), "{right}: {said}");
    }
}

#[test]
fn two_properties_of_which_one_lies_in_the_other_are_refused() {
    let site = Site::new();
    let outputs = |a: &str, b: &str| {
        with(
            &with(SITE, "outputs.fan", &format!("property = \"{a}\"")),
            "outputs.heater",
            &format!("property = \"{b}\""),
        )
    };
    for (a, b, told) in [
        ("a", "a.b", ":13:1: `property` \"a.b\" and \"a\" of [outputs.fan], line 9: one contains the other"),
        ("a.b", "a", "`property` \"a\" and \"a.b\" of [outputs.fan], line 9: one contains the other"),
        ("a", "patchId", "`property` \"patchId\" and \"patchId\", which `patch-id` of [twin] reads"),
        ("a", "components.climate", "which `climate` of [twin] reads"),
        ("a", "components.climate.minTemperature", "which `climate` of [twin] reads"),
        ("a", "components", "which `climate` of [twin] reads"),
        ("a", "components.system.units.x", "which `units` of [twin] reads"),
        ("a", "fanOn.x", "which `fan-on` of [twin] reads"),
    ] {
        let fault = site.fault(&outputs(a, b));
        assert!(fault.contains(told), "{a}, {b}: {fault}");
    }
    site.right(&outputs("fanOn", "fanOn"));
    site.right(&outputs("components.lamps.on", "components.lamps.on"));
    site.right(&outputs("components.climate.fan", "components.climate.heater"));
    for (twin, told) in [
        ("fan-on = \"components\"", "one contains the other"),
        ("patch-id = \"fanOn.id\"", "one contains the other"),
        ("units = \"components.climate.maxTemperature\"", "`units`"),
    ] {
        let fault = site.parse(&format!("{SITE}[twin]\n{twin}\n")).unwrap_err().to_string();
        assert!(fault.contains(told), "{twin}: {fault}");
    }
}

#[test]
fn a_name_stands_for_one_thing_at_the_hub() {
    let site = Site::new();
    let sensor = |name: &str| {
        format!(
            "{}[sensors.{name}]\ndriver = \"file\"\npath = \"x\"\nmeasures = \"rpm\"\n",
            replaced(SITE, "[climate]", "[climate]\nsensor = \"cabinet\"")
        )
    };
    for (text, told) in [
        (format!("{SITE}[outputs.system]\n"), "an output cannot be named \"system\""),
        (format!("{SITE}[outputs.climate]\n"), "an output cannot be named \"climate\""),
        (sensor("system"), "a sensor outside the climate cannot be named \"system\""),
        (sensor("climate"), "a sensor outside the climate cannot be named \"climate\""),
        (sensor("fan"), "[sensors.fan] and [outputs.fan] have one name, the first in line 8"),
    ] {
        let fault = site.fault(&text);
        assert!(fault.contains(told), "wanted {told}\n{fault}");
    }
    let pnp =
        |name: &str| format!("{SITE}[outputs.{name}]\n[outputs.front-fan]\n[report]\nstyle = \"pnp\"\n");
    for (name, told) in [
        (
            "frontFan",
            "[outputs.front-fan] and [outputs.frontFan], line 26, are both \"frontFan\" with style = \"pnp\"",
        ),
        ("alarms", "[outputs.alarms] cannot be \"alarms\" with style = \"pnp\""),
    ] {
        let fault = site.fault(&pnp(name));
        assert!(fault.contains(told), "wanted {told}\n{fault}");
        site.right(&pnp(name).replace("\"pnp\"", "\"plain\""));
    }
    site.right(&pnp("rear-fan"));
    // Within the climate a sensor is not told by its own name.
    site.right(&SITE.replace("[sensors.cabinet]", "[sensors.climate]"));
}

#[test]
fn a_state_directory_and_a_socket_that_cannot_be_are_warned_of_by_their_keys() {
    let site = Site::new();
    fs::write(site.path("file"), "").unwrap();
    let dir = site.folder.path().display().to_string();
    let at = |state: &str, socket: &str| {
        format!("{SITE}[twin]\nstate-dir = \"{dir}/{state}\"\n[local]\nsocket = \"{dir}/{socket}\"\n")
    };
    for (state, socket, told) in [
        ("file", "s", "[twin] state-dir: "),
        ("file/below", "s", "is not a directory: name one of this user's own with [twin] state-dir"),
        ("state", "", "warning: [local] socket: no daemon can listen on "),
        ("state", "", ": a directory has this name; remove it, or name another path"),
        ("state", "file", ": a file has this name; remove it, or name another path"),
        ("state", "file/s", "[local] socket: "),
    ] {
        let warning = site.warning(&at(state, socket));
        assert!(warning.contains(told), "{state}, {socket}: {warning}");
    }
    let look = at("state", "s") + &format!("look-socket = {dir:?}\n");
    let warning = site.warning(&look);
    assert!(warning.starts_with("warning: [local] look-socket: no daemon can listen on "), "{warning}");
    let long = |bytes: usize| "s".repeat(bytes - dir.len() - 1);
    for key in ["socket", "look-socket"] {
        let text = |bytes: usize| {
            let text = at("state", &long(bytes));
            if key == "socket" { text } else { text.replace("\nsocket", "\nsocket = \"s\"\nlook-socket") }
        };
        let warning = site.warning(&text(108));
        let told = format!(
            "[local] {key}: the path is 108 bytes long, and the system allows a socket 107: name a shorter"
        );
        assert!(warning.contains(&told), "{warning}");
        let (_, said) = site.check(&text(107));
        assert!(!said.contains("warning"), "{said}");
    }
    if !rustix::process::geteuid().is_root() {
        let text = replaced(&at("state", "s"), &format!("{dir}/state"), "/nowhere/twind");
        assert!(site.warning(&text).contains("cannot create it in /"));
    }
}

#[test]
fn a_metrics_file_that_nobody_would_read_or_could_write_is_warned_of() {
    let site = Site::new();
    let at = |name: &str| {
        let file = site.path(name).display().to_string();
        with_dirs(&site, SITE).replace("[local]\n", &format!("[local]\nmetrics-file = {file:?}\n"))
    };
    for right in ["twind.prom", "own.prom"] {
        site.write("own.prom", "# TYPE twind_build_info gauge\n", 0o644);
        let (outcome, said) = site.check(&at(right));
        assert!(outcome == Outcome::Right && !said.contains("warning"), "{right}: {said}");
        assert_eq!(site.right(&at(right)).metrics_file, Some(site.path(right)));
    }
    site.write("file", "", 0o644);
    site.write("other.prom", "node_load1 1\n", 0o644);
    fs::create_dir(site.path("folder.prom")).unwrap();
    std::os::unix::fs::symlink("nowhere", site.path("link.prom")).unwrap();
    for (name, told) in [
        ("twind.txt", "node_exporter reads only files whose names end in .prom, found "),
        ("absent/twind.prom", ", and the daemon does not make it: `mkdir -p "),
        ("file/twind.prom", "file is not a directory: name another path"),
        ("folder.prom", "it is no regular file but a directory: remove it, or name another path"),
        ("link.prom", "it is no regular file but a symbolic link: remove it"),
        ("other.prom", "a file that twind did not write has this name: remove it"),
    ] {
        let warning = site.warning(&at(name));
        assert!(warning.contains("[local] metrics-file: ") && warning.contains(told), "{name}: {warning}");
    }
    // The daemon's own folder is made at its start.
    let site = Site {
        environment: Environment { runtime_directory: Some(site.path("run")), ..Environment::default() },
        ..site
    };
    let file = site.path("run/twind.prom").display().to_string();
    let text = with_dirs(&site, SITE).replace("[local]\n", &format!("[local]\nmetrics-file = {file:?}\n"));
    let (outcome, said) = site.check(&text);
    assert!(outcome == Outcome::Right && !said.contains("warning"), "{said}");
}
