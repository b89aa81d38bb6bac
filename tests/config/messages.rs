//! Mistakes that people make, and the messages that help.

use super::{SITE, SMALL, Site, replaced, with};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use twind::config;

#[test]
fn a_time_without_a_unit_is_offered_what_it_can_mean() {
    let site = Site::new();
    let cases = [
        ("outputs.fan", "kick = 500", "found the number 500: write \"500ms\""),
        ("outputs.fan", "kick = \"500\"", "found \"500\": write \"500ms\""),
        ("outputs.fan", "kick = 0.5", "found the number 0.5: write \"500ms\" or \"30s\""),
        ("outputs.fan", "kick = 2", ": write \"2s\" or \"2ms\""),
        ("outputs.fan", "kick = 99999999", "; it must be from 1ms to 1m"),
        ("outputs.fan", "min-on = 10", ": write \"10s\" or \"10m\" or \"10h\""),
        ("hub", "keep-alive = 5", ": write \"5s\" or \"5m\""),
        ("hub", "keep-alive = 20000", ": write \"20000ms\""),
        ("sensors.cabinet", "period = \"0,5s\"", ": write \"500ms\""),
        ("outputs.heater", "min-on = \"5M\"", "; did you mean \"5m\"?"),
    ];
    for (header, line, told) in cases {
        let fault = site.fault(&with(SITE, header, line));
        assert!(fault.contains(told), "{line}: {fault}");
    }
}

#[test]
fn the_later_of_two_on_one_wire_is_at_fault_and_both_are_named() {
    let site = Site::new();
    let rppal = replaced(SITE, "\"simulated\"", "\"rppal\"");
    let cases = [
        (
            "pin = 17",
            "pin = 17\ntach = { pin = 17 }",
            ":13:16: pin 17 drives [outputs.heater] already, in line 12",
        ),
        (
            "pin = 17",
            "tach = { pin = 17 }\npin = 17",
            ":13:7: pin 17 is the tach of [outputs.heater] already, in line 12",
        ),
        (
            "pin = 17",
            "pwm = { channel = 0 }",
            ":12:19: PWM channel 0 drives [outputs.fan] already, in line 9",
        ),
    ];
    for (line, lines, told) in cases {
        let fault = site.fault(&replaced(&rppal, line, lines));
        assert!(fault.contains(told), "{lines}: {fault}");
    }
}

#[test]
fn one_slip_of_the_syntax_is_told_once_and_as_what_it_is() {
    let site = Site::new();
    let comma = "a number has a decimal point, not a comma: write ";
    let quotes = "text must be in quotes";
    let cases = [
        (
            with(SITE, "climate", "range = { min = 22,5, max = 30 }"),
            format!(":24:17: not valid TOML: {comma}22.5"),
        ),
        (with(SITE, "climate", "critical = -60,25"), format!("{comma}-60.25")),
        (SITE.replace('\n', "\r"), ":1:1: not valid TOML: lines must end with a line feed".to_owned()),
        (with(SITE, "climate", "unit = “celsius”"), "“ (U+201C) is a typographic quotation mark".to_owned()),
        (replaced(SITE, "\"fan\"", "„fan“"), "„ (U+201E) is a typographic quotation mark".to_owned()),
        (
            with(SITE, "climate", "unit\u{a0}= \"kelvin\""),
            "U+00A0 is a space character that TOML does not accept".to_owned(),
        ),
        (with(SITE, "climate", "critical = –5"), "– (U+2013) is a dash: write a minus".to_owned()),
        (
            replaced(SITE, "{ channel = 0 }", "{ channel = 0"),
            ":9:7: not valid TOML: the { that opens".to_owned(),
        ),
        (with(SITE, "sensors.cabinet", "valid = [1, 2"), "the [ that opens here is not closed".to_owned()),
        (replaced(SITE, "pin = 17", "pin ="), "a value is missing after the =".to_owned()),
        (with(SITE, "climate", "combine = max"), quotes.to_owned()),
        (replaced(SITE, "\"temperature\"", "temperature"), quotes.to_owned()),
        (with(SITE, "climate", "range = { min: 1, max: 2 }"), "joined by =, not by a colon".to_owned()),
        (with(SITE, "climate", "critical"), "a key without a value".to_owned()),
    ];
    for (text, told) in cases {
        let fault = site.fault(&text);
        assert!(fault.contains(&told), "wanted {told}\n{fault}");
    }
    let two = with(&replaced(SITE, "pin = 17", "pin ="), "climate", "critical = 60,5");
    assert_eq!(site.parse(&two).unwrap_err().faults.len(), 2, "two slips are two");
    let list = site.fault(&with(SITE, "sensors.cabinet", "valid = [-40,5, 125,0]"));
    assert!(list.contains("found 4 (a number has a decimal point"), "{list}");
}

#[test]
fn a_value_without_quotes_is_told_as_what_it_was_to_be() {
    let site = Site::new();
    let pwm = |table: &str| replaced(SITE, "{ channel = 0 }", table);
    let fan = |line: &str| with(SITE, "outputs.fan", line);
    let cases = [
        (
            with(SITE, "climate", "range = { min = 20.0 max = 28.0 }"),
            ":24:17:",
            "a comma is missing after 20.0",
        ),
        (with(SITE, "sensors.cabinet", "valid = [1 2]"), ":15:10:", "a comma is missing after 1"),
        (with(SITE, "sensors.cabinet", "valid = [\n  1 2\n]"), ":16:3:", "a comma is missing after 1"),
        (pwm("{ channel = 0 frequency-hz = 100 }"), ":9:19:", "a comma is missing after 0"),
        (pwm("{ channel = 0; frequency-hz = 100 }"), ":9:19:", "are separated by commas, not by ;"),
        (with(SITE, "climate", "sensors = [\"a\" \"b\"]"), ":24:16:", "a comma is missing before this"),
        (fan("min-duty = 20%"), ":9:12:", "a percentage is written as a number: write 20"),
        (fan("when = { stop = 40% }"), ":9:17:", "a percentage is written in quotes here: write \"40%\""),
        (fan("when.stop = 40%"), ":9:13:", "a percentage is written in quotes here: write \"40%\""),
        (fan("slew = 25 // a remark"), ":9:8:", "a comment begins with #"),
        (fan("active-low = true // x"), ":9:14:", "a comment begins with #"),
        (fan("slew = 25; # x"), ":9:8:", "a comment begins with #"),
        (fan("active-low = True"), ":9:14:", "write true, in lower case and without quotes"),
        (
            with(SITE, "climate", "critical = 60 °C"),
            ":24:12:",
            "a number is written without its unit: write 60",
        ),
        (fan("min-on = \"5s\" // x"), ":9:15:", "a comment begins with #"),
        (fan("min-on = \"5s\" x"), ":9:15:", "only a comment, which begins with #, may follow a value"),
        (fan("min-on = \"5s\", # x"), ":9:14:", "only a comment, which begins with #, may follow a value"),
        (fan("min-duty = .5"), ":9:12:", "a number has digits before and after its point"),
        (fan("min-duty = 5."), ":9:14:", "a number has digits before and after its point"),
        (fan("min-duty = 020"), ":9:12:", "a number does not begin with 0: write 20"),
        (with(SITE, "hub", "gateway = 10.0.0.1"), ":3:15:", "text must be in quotes"),
        (fan("min-on = 5 minutes"), ":9:10:", "text must be in quotes"),
        (fan("min-on = 5s"), ":9:10:", "text must be in quotes"),
    ];
    for (text, place, told) in cases {
        let fault = site.fault(&text);
        assert!(fault.contains(place) && fault.contains(told), "wanted {place} {told}\n{fault}\nof{text}");
    }
}

#[test]
fn a_list_over_several_lines_is_not_taken_for_one_that_is_not_closed() {
    let site = Site::new();
    let list = with(SITE, "sensors.cabinet", "valid = [\n  -40.0,\n  125.0,\n]");
    let missing = site.fault(&with(&list, "climate", "sensors = [\"a\" \"b\"]"));
    assert!(missing.contains(":28:16: not valid TOML: a comma is missing before this"), "{missing}");
    let inside = site.fault(&replaced(&list, "-40.0,", "-40.0"));
    assert!(inside.contains(":17:3: not valid TOML: a comma is missing before this"), "{inside}");
    // An unclosed one below it is still found, and one that a later line closes is not reported.
    let open = site.fault(&with(&list, "climate", "sensors = [\"a\",\n\"b\""));
    assert!(open.contains(":28:11: not valid TOML: the [ that opens here is not closed"), "{open}");
    let swallowed = site.fault(&with(&list, "hub", "proxy = ["));
    assert!(swallowed.contains(":3:9: not valid TOML: the [ that opens here is not closed"), "{swallowed}");
    let wrong_one = site.fault(&with(SITE, "sensors.cabinet", "valid = [1, 2}"));
    assert!(wrong_one.contains(":15:9: not valid TOML: the [ that opens here is not closed"), "{wrong_one}");
}

#[test]
fn a_hint_for_a_row_is_what_the_row_takes() {
    let site = Site::new();
    let soft = replaced(&replaced(SITE, "\"simulated\"", "\"rppal\""), "{ channel = 0 }", "{ pin = 18 }");
    for (text, output, row, told) in [
        (SITE, "heater", "stop = 1", "\"off\" or \"keep\", found the number 1: write \"on\""),
        (SITE, "heater", "start = 1", "\"keep\" or \"auto\", found the number 1: write \"on\""),
        (SITE, "heater", "stop = 0", "found the number 0: write \"off\""),
        (SITE, "heater", "stop = 100", "found the number 100: write \"on\""),
        (SITE, "heater", "stop = \"1\"", "found \"1\": write \"on\""),
        (SITE, "fan", "stop = 40", "found the number 40: write \"40%\""),
        (SITE, "fan", "stop = \"40\"", "found \"40\": write \"40%\""),
        (SITE, "fan", "start = \"aut\"", "did you mean \"auto\"?"),
        (&soft, "fan", "stop = 100", "must be \"on\" or \"off\", found the number 100: write \"on\""),
    ] {
        let fault = site.fault(&with(text, &format!("outputs.{output}"), &format!("when = {{ {row} }}")));
        assert!(fault.contains(told), "{output}, {row}: {fault}");
    }
    for (text, output, row) in [
        (SITE, "heater", "stop = 40"),
        (SITE, "heater", "stop = \"40\""),
        (SITE, "fan", "stop = \"aut\""),
        (SITE, "fan", "stop = 101"),
        (&soft, "fan", "stop = 40"),
        (&soft, "fan", "crash = \"kep\""),
    ] {
        let fault = site.fault(&with(text, &format!("outputs.{output}"), &format!("when = {{ {row} }}")));
        assert!(!fault.contains("write") && !fault.contains("did you mean"), "{output}, {row}: {fault}");
    }
}

#[test]
fn a_secret_under_a_name_of_its_own_is_answered_however_it_is_spelt_and_alone() {
    let site = Site::new();
    let parts = "host = \"h\"\ndevice-id = \"d\"";
    for key in ["SharedAccessKey", "shared_access_key", "primaryKey", "key"] {
        let lines = format!("{parts}\n{key} = \"c2VjcmV0\"");
        let fault = site.fault(&replaced(SMALL, "connection-string-file = \"cs\"", &lines));
        assert!(
            fault.contains(&format!(":5:1: `{key}` does not exist: a secret does not belong")),
            "{fault}"
        );
    }
    for key in ["SharedAccessKey", "primary-key"] {
        let lines =
            format!("[hub.provisioning]\nid-scope = \"0ne\"\nregistration-id = \"r\"\n{key} = \"c2VjcmV0\"");
        let fault = site.fault(&replaced(SMALL, "connection-string-file = \"cs\"", &lines));
        assert!(
            fault.contains(&format!(":6:1: `{key}` does not exist: a secret does not belong")),
            "{fault}"
        );
        assert!(fault.ends_with("name that in `key-file` (or `group-key-file`)"), "{fault}");
    }
    let alone = site.fault(&replaced(SMALL, "connection-string-file = \"cs\"", "connectionString = \"x\""));
    assert!(alone.contains("`connectionString` does not exist"), "{alone}");
    let missing = site.fault(&replaced(SMALL, "connection-string-file = \"cs\"", parts));
    let told = "`key-file` is missing in [hub]: the device authenticates with it; or `certificate-file` with";
    assert!(missing.contains(told), "{missing}");
}

#[test]
fn what_a_bracket_swallows_is_not_taken_for_a_file_without_outputs() {
    let site = Site::new();
    site.write("twind.toml", &with(SITE, "hub", "proxy = ["), 0o644);
    let faults = config::load_outputs(&site.path("twind.toml"), &site.environment).unwrap_err();
    assert!(faults.to_string().contains("is not closed"), "{faults}");
}

#[test]
fn where_a_table_must_stand_one_is_shown() {
    let site = Site::new();
    let keys = config::known_keys();
    let is_table = |key: &&String| keys.iter().any(|other| other.starts_with(&format!("{key}.")));
    let tables: Vec<&String> = keys.iter().filter(is_table).collect();
    assert!(tables.len() > 12, "{tables:?}");
    for key in tables {
        let key = key.replace('*', "x");
        let faults = site.parse(&format!("{key} = 1\n")).unwrap_err();
        let told = faults
            .faults
            .iter()
            .find(|fault| fault.message.contains(": write "))
            .unwrap_or_else(|| panic!("{key}: {faults}"));
        let name = key.rsplit('.').next().unwrap();
        let shows = [
            format!("{name} = {{"),
            format!("[{name}"),
            format!(".{name}]"),
            format!("[{}", key.replace(".x", ".NAME")),
        ];
        assert!(shows.iter().any(|shape| told.message.contains(shape)), "{key}: {told}");
    }
    for (line, told) in [
        ("range = [22, 30]", "found a list: write range = { min = 20.0, max = 28.0 }"),
        ("limits = \"off\"", "write limits = { min = 5.0, max = 45.0 }, or leave it out"),
    ] {
        let fault = site.fault(&with(SITE, "climate", line));
        assert!(fault.contains(told), "{line}: {fault}");
    }
}

#[test]
fn a_word_is_known_again_in_capitals_and_by_its_other_names() {
    let site = Site::new();
    let report = format!("{SITE}[report]\n");
    let cases = [
        (replaced(SITE, "\"simulated\"", "\"raspberry-pi\""), "rppal"),
        (replaced(SITE, "\"simulated\"", "\"GPIOchip\""), "gpiochip"),
        (replaced(SITE, "\"file\"", "\"ds18b20\""), "w1"),
        (replaced(SITE, "\"file\"", "\"BME280\""), "iio"),
        (with(&report, "report", "style = \"PnP\""), "pnp"),
        (with(SITE, "outputs.heater", "when = { start = \"On\" }"), "on"),
        (with(SITE, "outputs.heater", "when = { start = \"ON\" }"), "on"),
        (with(SITE, "outputs.heater", "when = { stop = \"hold\" }"), "keep"),
        (with(SITE, "climate", "combine = \"average\""), "mean"),
        (with(SITE, "climate", "unit = \"centigrade\""), "celsius"),
        (with(SITE, "hub", "transport = \"WS\""), "websocket"),
    ];
    for (text, word) in cases {
        let faults = site.parse(&text).unwrap_err().to_string();
        assert!(faults.contains(&format!("did you mean \"{word}\"?")), "{faults}");
    }
    let key = site.fault(&with(SITE, "outputs.fan", "minDuty = 20"));
    assert!(key.contains("did you mean `min-duty`?"), "{key}");
}

#[test]
fn what_stands_twice_is_told_with_the_place_of_the_first() {
    let site = Site::new();
    let cases = [
        (
            with(SITE, "climate", "cooling = \"fan\""),
            ":25:1:",
            "`cooling` appears twice, the first is in line 24",
        ),
        (
            format!("{SITE}[climate]\nunit = \"kelvin\"\n"),
            ":26:2:",
            "the table [climate] appears twice, the first is in line 23",
        ),
        (
            format!("{SITE}[outputs.fan.pwm]\nchannel = 1\n"),
            ":26:14:",
            "[outputs.fan.pwm] appears twice, the first is in line 9",
        ),
        (
            with(SITE, "climate", "range = { min = 1, min = 2, max = 3 }"),
            ":24:20:",
            "`min` appears twice in this line",
        ),
        (
            with(SITE, "climate", "sensors = [\"cabinet\",\n\"cabinet\"]"),
            ":25:1:",
            "\"cabinet\" is named twice, first in line 24",
        ),
        (
            replaced(SITE, "heating = \"heater\"", "heating = \"fan\""),
            ":25:11:",
            "cannot both cool and heat: it cools by line 24",
        ),
    ];
    for (text, place, told) in cases {
        let fault = site.fault(&text);
        assert!(fault.contains(place) && fault.contains(told), "wanted {place} {told}\n{fault}");
    }
}

#[test]
fn a_slip_in_a_name_is_told_alone() {
    let site = Site::new();
    let cases = [
        (
            replaced(SITE, "connection-string-file", "conection-string-file"),
            "did you mean `connection-string-file`?",
        ),
        (replaced(SITE, "[hub]", "[hubb]"), "did you mean `hub`?"),
        (SITE.replace("[outputs.", "[output."), "did you mean `outputs`?"),
        (SITE.replace("[sensors.", "[sensor."), "did you mean `sensors`?"),
        (replaced(SITE, "driver = \"file\"", "drivr = \"file\""), "did you mean `driver`?"),
        (with(SITE, "climate", "range = { mim = 20, max = 28 }"), "did you mean `min`?"),
    ];
    for (text, told) in cases {
        let fault = site.fault(&text);
        assert!(fault.contains(told), "wanted {told}\n{fault}");
    }
}

#[test]
fn it_is_said_how_several_climates_are_written() {
    let site = Site::new();
    for (header, place) in [("[climate.a]", ":23:10:"), ("[[climate]]", ":23:3:")] {
        let fault = site.fault(&replaced(SITE, "[climate]", header));
        assert!(fault.contains(place) && fault.contains("[climates.NAME]"), "{header}: {fault}");
    }
    site.right(&replaced(SITE, "[climate]", "[climates.a]"));
}

#[test]
fn numbers_that_cannot_be_meant_are_refused_and_not_written_out() {
    let site = Site::new();
    for (line, told) in [
        (
            "range = { min = 20, max = 1e300 }",
            "`max` must be a number of at most 1e12, found the number 1e300",
        ),
        ("critical = 1001", "must be a temperature of at most 1000, found the number 1001 (celsius)"),
        ("unit = \"kelvin\"\nrange = { min = 280, max = 300 }\ncritical = 2000", "at most 1273.15"),
        ("hysteresis = -1e300", "must be a number of at most 1e12, found the number -1e300"),
        ("critical = \"28\"", "must be a finite number, found the text \"28\": write 28 without quotes"),
    ] {
        let fault = site.fault(&with(SITE, "climate", line));
        assert!(fault.contains(told) && fault.len() < 400, "{line}: {fault}");
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_told_with_its_path_its_readers_and_what_mends_it() {
    let mut site = Site::new();
    let path = site.path("cs").display().to_string();
    fs::remove_file(site.path("cs")).unwrap();
    let missing = site.fault(SMALL);
    assert!(missing.contains(&format!("{path}, which cannot be read: No such file")), "{missing}");
    assert!(missing.contains(&format!("`sudo install -D -m 600 FILE {path}`")), "{missing}");
    let folder = site.fault(&replaced(SMALL, "\"cs\"", "\"twind/cs\""));
    assert!(
        folder.contains(&format!("its folder {} is missing, too", site.path("twind").display())),
        "{folder}"
    );
    let credentials = tempfile::tempdir().unwrap();
    site.environment.credentials_directory = Some(credentials.path().to_owned());
    let neither = site.fault(&replaced(SMALL, "\"cs\"", "\"twind/cs\""));
    let told = format!("Nor is there a credential twind_cs in {}", credentials.path().display());
    assert!(neither.contains(&told), "{neither}");

    if rustix::process::geteuid().is_root() {
        return; // Who may read everything is denied nothing.
    }
    for (mode, told) in
        [(0o200, "by its mode 0200 root alone may read it"), (0o240, "by its mode 0240 perhaps gid ")]
    {
        site.write("cs", "x", 0o600);
        fs::set_permissions(site.path("cs"), fs::Permissions::from_mode(mode)).unwrap();
        let denied = site.fault(SMALL);
        assert!(denied.contains(told) && denied.contains("perhaps gid") == (mode == 0o240), "{denied}");
    }
    site.write("cs", "x", 0o600);
    fs::set_permissions(site.path("cs"), fs::Permissions::from_mode(0o000)).unwrap();
    let denied = site.fault(SMALL);
    for told in [
        "Permission denied",
        "this user is uid",
        "by its mode 0000 root alone",
        "Run this as root (sudo)",
        "`sudo chown",
    ] {
        assert!(denied.contains(told), "{told} is missing in {denied}");
    }
}

#[test]
fn a_secret_is_read_as_editors_and_pages_hand_it_over() {
    let site = Site::new();
    let string = "HostName=hub.example.net;DeviceId=cabinet-7;SharedAccessKey=c2VjcmV0LXNlY3JldA==";
    for text in [
        format!("\u{feff}{string}\r\n"),
        format!("“{string}”\n"),
        format!("{{\n  \"connectionString\": \"{string}\"\n}}\n"),
        format!("# of the cabinet\nexport IOTHUB_DEVICE_CONNECTION_STRING='{string}'\n"),
    ] {
        site.write("cs", &text, 0o600);
        assert_eq!(super::account(&site.right(SMALL)).device_id, "cabinet-7", "{text}");
    }
    let by_key = "host = \"h\"\ndevice-id = \"d\"\nkey-file = \"key\"";
    let by_key = replaced(SMALL, "connection-string-file = \"cs\"", by_key);
    for text in ["\u{feff}c2VjcmV0LXNlY3JldA==\n", "\"c2VjcmV0LXNlY3JldA==\"", "“c2VjcmV0LXNlY3JldA==”"] {
        site.write("key", text, 0o600);
        site.right(&by_key);
    }
    site.write("key", string, 0o600);
    assert!(
        site.fault(&by_key).contains("is a connection string: name the file in `connection-string-file`")
    );
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(string.bytes().flat_map(|byte| [byte, 0])).collect();
    fs::write(site.path("cs"), utf16).unwrap();
    assert!(site.fault(SMALL).contains("names a file in UTF-16: `iconv -f UTF-16 -t UTF-8"));
}
