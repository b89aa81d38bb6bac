//! What support may see: the configuration with what it says about the site, and without what may be a secret.

use super::{KEY, SHIPPED, SITE, SMALL, replaced, with};
use proptest::prelude::*;
use twind::config::support::{configuration_text, holds_key, json};

const SECRET: &str = "hunter2";

/// All that a site of every kind says, none of it a secret.
const WHOLE: &str = r#"[hub]
host = "contoso.azure-devices.net"
device-id = "MyTwinDevice"
gateway = "edge.local"
key-file = "twind/key"
port = 443
transport = "websocket"
proxy = "http://proxy.local:3128"
keep-alive = "4m"
model-id = "dtmi:com:example:Cabinet;1"
[hub.provisioning]
endpoint = "global.azure-devices-provisioning.net"
id-scope = "0ne00000000"
registration-id = "cabinet-7"
[twin]
state-dir = "/var/lib/twind"
[report]
deadband = { temperature = 0.5, humidity = 2.0 }
style = "pnp"
[outputs.fan]
pwm = { channel = 0, frequency-hz = 25000 }
[outputs.fan.when]
sensor-fault = "on"
hub-silent = { after = "24h", drive = "auto" }
[outputs.lamp]
pin = 22
when.stop = "off"
[sensors.cabinet]
driver = "w1"
id = "28-0316a2797c1f"
valid = [
  -40.0,
  125.0,
]
[climates.office]
sensors = ["cabinet", "roof"]
range = { min = 20.0, max = 28.0 }
time-zone = "Europe/Berlin"
[telemetry]
interval = "1m"
keep = "4 MiB"
alarms = false
"#;

#[test]
fn what_the_site_is_made_of_is_shown_as_it_is_written() {
    assert_eq!(configuration_text(WHOLE), WHOLE);
    for text in [SITE, SMALL] {
        assert_eq!(configuration_text(text), text);
    }
    let dotted = "hub.port = 8883\nhub.host = \"h\"\noutputs.fan.pin = 17\r\n";
    assert_eq!(configuration_text(dotted), dotted);
}

#[test]
fn comments_are_left_out_and_every_line_stays_in_its_place() {
    let text = "# the password is hunter2\n[hub] # hunter2\nport = 8883 # hunter2\n\n  # hunter2\n[board]\n";
    let shown = "# …\n[hub] # …\nport = 8883 # …\n\n  # …\n[board]\n";
    assert_eq!(configuration_text(text), shown);
    let shown = configuration_text(SHIPPED);
    assert_eq!(shown.lines().count(), SHIPPED.lines().count());
    assert!(shown.lines().all(|line| line.is_empty() || line == "# …"), "{shown}");
}

/// Each is a line somewhere in the file.
const PLACES: [&str; 44] = [
    "connection-string = \"HostName=h;DeviceId=d;SharedAccessKey=SECRET\"",
    "connection-string-file = \"HostName=h;DeviceId=d;SharedAccessKey=SECRET\"",
    "key = \"SECRET\"",
    "password = 'SECRET'",
    "password = \"\"\"\nSECRET\n\"\"\"",
    "password = SECRET",
    "password: SECRET",
    "password SECRET",
    "\"pass word\" = \"SECRET\"",
    "passwords = [\"a\", \"SECRET\"]",
    "login = { user = \"a\", password = \"SECRET\", port = 1 }",
    "login = { user = \"a#b\", password = \"SECRET\" }",
    "proxy = \"http://me:SECRET@proxy.local:3128\"",
    "proxy = \"http://SECRET@proxy.local:3128\"",
    "proxy = \"http://me:SECRET word@proxy.local:3128\"",
    "proxy = \"me:SECRET@proxy.local:3128\"",
    "proxy = \"http://me:SECRET@proxy.local",
    "proxy = http://me:SECRET@proxy.local:3128",
    "\"proxy\" = \"SECRET\"",
    "proxy = [\"http://me:SECRET@proxy.local:3128\"]",
    "proxi = \"http://me:SECRET@proxy.local:3128\"",
    "gateway = \"me:SECRET@proxy.local:3128\"",
    "host = \"SECRET@x\"",
    "port = \"SECRET\"",
    "port = SECRET",
    "port = 8883 SECRET",
    "port = 8883 # SECRET",
    "transport = \"SECRET\"",
    "keep-alive = \"SECRET\"",
    "model-id = \"SECRET\"",
    "id-scope = \"SECRET x\"",
    "unknown = \"SECRET\"",
    "unknown = 'SECRET' # and SECRET",
    "unknown.inner = \"SECRET\"",
    "\"SECRET x\" = 1",
    "SECRET = 1",
    "SECRET",
    "#SECRET",
    "# password = \"SECRET\"",
    "[SECRET]",
    "[SECRET.x]\nport = 1",
    "[[SECRET]]",
    "[hub.SECRET]",
    "x = [1, SECRET",
];

#[test]
fn a_secret_is_not_shown_wherever_it_stands() {
    for header in ["hub", "board", "outputs.fan", "sensors.cabinet", "climate"] {
        for place in PLACES {
            // Elsewhere these are no keys, and in place of others no secrets.
            for secret in [SECRET, KEY, "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="] {
                let line = place.replace("SECRET", secret);
                let text = with(SITE, header, &line);
                let shown = configuration_text(&text);
                assert!(!shown.contains(secret.trim_end_matches('=')), "[{header}] {line}:\n{shown}");
                assert_eq!(shown.lines().count(), text.lines().count(), "[{header}] {line}:\n{shown}");
            }
        }
    }
}

#[test]
fn what_stands_beside_a_secret_is_shown() {
    let line = "port = 8883\npassword = \"hunter2\"\nproxy = \"http://me:hunter2@proxy.local:3128\"";
    let shown = configuration_text(&with(SITE, "hub", line));
    let wanted = with(SITE, "hub", "port = 8883\n… = …\nproxy = \"http://…@proxy.local:3128\"");
    assert_eq!(shown, wanted);
    let key = replaced(SITE, "\"cs\"", &format!("\"{KEY}\""));
    assert_eq!(configuration_text(&key), replaced(SITE, "\"cs\"", "\"c2Vj… (20 characters)\""));
}

#[test]
fn a_text_that_is_no_configuration_is_not_shown() {
    for text in [
        "PRIVATE KEY\nhunter2\n",
        "{\"password\": \"hunter2\"}",
        "hunter2",
        "\u{feff}hunter2",
        "x=\"\"\"hunter2",
    ] {
        assert!(!configuration_text(text).contains("hunter"), "{}", configuration_text(text));
    }
    let junk = "password hunter2\n".repeat(5000);
    assert!(!configuration_text(&junk).contains("hunter"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_lose_a_line(text in "[\\[\\]{}=\"'#\\n.,0-9a-z %ä€\\\\-]{0,80}") {
        for text in [text.clone(), format!("[hub]\n{text}"), format!("{SMALL}{text}{SMALL}")] {
            let shown = configuration_text(&text);
            prop_assert_eq!(shown.split('\n').count(), text.split('\n').count(), "{}", shown);
        }
    }
}

#[test]
fn json_is_shown_without_secrets_and_stays_json() {
    let shown = |value: serde_json::Value| -> serde_json::Value {
        serde_json::from_str(&json(&value.to_string())).unwrap()
    };
    let fine = serde_json::json!({
        "fanOn": true, "$version": 7, "components": {"climate": {"minTemperature": 20.5, "a \"b\\": [1, "x"]}},
        "tokenRenewsInSeconds": 12345678901234567890_u64,
    });
    assert_eq!(shown(fine.clone()), fine);
    let (hidden, key) = ("…", "c2Vj… (20 characters)");
    for (value, wanted) in [
        (
            serde_json::json!({"password": SECRET, "b": "c"}),
            serde_json::json!({"password": hidden, "b": "c"}),
        ),
        (
            serde_json::json!({"wifi": {"psk-key": {"value": SECRET, "ac": 200}}, "b": "c"}),
            serde_json::json!({"wifi": {"psk-key": {"value": hidden, "ac": 200}}, "b": "c"}),
        ),
        (
            serde_json::json!({"tokens": ["a", [SECRET]], "b": ["c"]}),
            serde_json::json!({"tokens": [hidden, [hidden]], "b": ["c"]}),
        ),
        (serde_json::json!({"note": KEY, KEY: 1}), serde_json::json!({"note": key, key: 1})),
        (
            serde_json::json!(["http://me:hunter2@proxy.local", "a\"b"]),
            serde_json::json!(["http://me… (10 characters)@proxy.local", "a\"b"]),
        ),
    ] {
        assert_eq!(shown(value), wanted);
    }
    assert_eq!(json("{\"a"), "{\"a", "what is cut off");
}

#[test]
fn a_key_among_other_bytes_is_noticed() {
    let bytes = |text: &str| [&[0, 200, 7][..], text.as_bytes(), &[255, 0]].concat();
    for text in [KEY, "SharedAccessKey=abc", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"] {
        assert!(holds_key(&bytes(text)), "{text}");
    }
    for text in ["components.climate", "hub.example.net/cabinet-7", "CET-1CEST,M3.5.0,M10.5.0/3"] {
        assert!(!holds_key(&bytes(text)), "{text}");
    }
}
