//! Contacts: sensors on a line of a GPIO chip.

use super::{SITE, SMALL, Site, replaced, seconds, with_dirs};
use core::time::Duration;
use twind::sensors::{ContactLine, Pull, SensorSettings};

/// A site on that board, whose only output is on pin 17, with a contact.
fn site_on(board: &str, contact: &str) -> String {
    let chip = if board == "gpiochip" { "\nchip = \"gpiochip0\"" } else { "" };
    let output = format!("[outputs.fan]\npin = 17{chip}\n");
    let site = replaced(SMALL, "\"simulated\"", &format!("\"{board}\""));
    let site = replaced(&site, "[outputs.fan]\n", &output);
    format!("{site}sensor = \"cabinet\"\n[sensors.door]\ndriver = \"gpio\"\n{contact}\n")
}

fn door(site: &Site, text: &str) -> SensorSettings {
    site.right(text).sensors.pop().unwrap()
}

#[test]
fn a_contact_needs_its_pin_alone_on_a_raspberry_pi() {
    let site = Site::new();
    for board in ["rppal", "simulated"] {
        let text = site_on(board, "pin = 23");
        let door = door(&site, &text);
        let line = ContactLine {
            chip: None,
            pin: 23,
            active_low: false,
            bias: Pull::Up,
            debounce: Duration::from_millis(50),
        };
        assert_eq!((door.source.line, door.period, door.max_age), (Some(line), seconds(5), None));
        assert_eq!(door.plausible.valid, (f64::NEG_INFINITY, f64::INFINITY));
        let spec = site.right(&text).engine.sensors.pop().unwrap();
        assert_eq!((spec.measures.as_str(), spec.source.as_str()), ("contact", "gpio \"pin 23\""));
    }
}

#[test]
fn a_contact_says_how_it_is_read() {
    let site = Site::new();
    let keys = "pin = 5\nchip = \"mcp23017\"\nactive-low = true\nbias = \"none\"\ndebounce = \"1s\"\n\
                measures = \"level\"";
    for board in ["rppal", "gpiochip", "simulated"] {
        let text = site_on(board, keys);
        let line = ContactLine {
            chip: Some("mcp23017".into()),
            pin: 5,
            active_low: true,
            bias: Pull::Off,
            debounce: seconds(1),
        };
        assert_eq!(door(&site, &text).source.line, Some(line));
        let spec = site.right(&text).engine.sensors.pop().unwrap();
        assert_eq!(spec.source, "gpio \"pin 5 of mcp23017, active low\"");
        assert_eq!(spec.measures, "level");
    }
    for (bias, debounce) in [("pull-up", "0s"), ("pull-down", "10s")] {
        let keys = format!("pin = 5\nbias = \"{bias}\"\ndebounce = \"{debounce}\"");
        site.right(&site_on("rppal", &keys));
    }
}

#[test]
fn what_no_contact_can_have_is_refused() {
    let site = Site::new();
    let cases = [
        ("rppal", "", "`pin` is missing in [sensors.door]: the BCM number that the contact is wired to"),
        ("gpiochip", "pin = 5", "`chip` is missing in [sensors.door]"),
        ("rppal", "pin = 2000", "`pin` must be a whole number from 0 to 1023"),
        (
            "rppal",
            "pin = 5\nbias = \"up\"",
            "must be one of \"pull-up\", \"pull-down\", \"none\", found \"up\"; did you mean \"pull-up\"?",
        ),
        ("rppal", "pin = 5\ndebounce = \"11s\"", "`debounce` must be"),
        (
            "rppal",
            "pin = 5\nid = \"x\"",
            "`id` is not for driver = \"gpio\", which reads the line that `pin` names",
        ),
        ("rppal", "pin = 5\npath = \"x\"", "`path` is not for driver = \"gpio\""),
        ("rppal", "pin = 5\nmax-age = \"1m\"", "`max-age` is for driver = \"file\""),
        ("rppal", "pin = 5\nunit = \"kelvin\"", "this sensor measures contact"),
        ("rppal", "pin = 5\nactive-lo = true", "did you mean `active-low`?"),
    ];
    for (board, keys, told) in cases {
        let fault = site.fault(&site_on(board, keys));
        assert!(fault.contains(told), "{keys}: told was {fault}");
    }
    for key in
        ["pin = 5", "chip = \"gpiochip0\"", "active-low = true", "bias = \"none\"", "debounce = \"1s\""]
    {
        let fault = site.fault(&replaced(SITE, "path = \"temperature\"", &format!("path = \"t\"\n{key}")));
        assert!(fault.contains("is for driver = \"gpio\", not for \"file\": remove it"), "{key}: {fault}");
    }
    let slip = site_on("rppal", "pin = 5").replace("\"gpio\"", "\"reed\"");
    assert!(site.parse(&slip).unwrap_err().to_string().contains("did you mean \"gpio\"?"));
}

#[test]
fn a_wire_is_an_output_or_a_tach_or_a_contact() {
    let site = Site::new();
    let taken = "drives [outputs.fan] already, in line 7; here it is read by [sensors.door]: it can only do one of them";
    let header = "pin = 17\nchip = \"pinctrl-bcm2711\"";
    for (board, keys, told) in [
        ("rppal", "pin = 17", format!("pin 17 {taken}")),
        ("rppal", header, format!("pin 17 {taken}")),
        ("gpiochip", "pin = 17\nchip = \"gpiochip0\"", format!("pin 17 of gpiochip0 {taken}")),
    ] {
        let fault = site.fault(&site_on(board, keys));
        assert!(fault.contains(&told), "{keys}: told was {fault}");
    }
    let tach = replaced(&site_on("rppal", "pin = 24"), "pin = 17\n", "pin = 17\ntach = { pin = 24 }\n");
    assert!(site.fault(&tach).contains("pin 24 is the tach of [outputs.fan] already"));
    let second = "pin = 5\n[sensors.float]\ndriver = \"gpio\"\npin = 5";
    for board in ["rppal", "simulated"] {
        assert!(site.fault(&site_on(board, second)).contains("pin 5 is read by [sensors.door] already"));
    }
    // Other wires: of another chip; and a simulated output has none.
    site.right(&site_on("rppal", "pin = 17\nchip = \"mcp23017\""));
    site.right(&site_on("gpiochip", "pin = 17\nchip = \"gpiochip1\""));
    site.right(&site_on("simulated", "pin = 17"));
}

#[test]
fn a_contact_on_a_pin_that_a_raspberry_pi_has_not_or_uses_otherwise_is_warned_of() {
    let site = Site::new();
    let w1 = "driver = \"w1\"\nid = \"28-0316a2797c1f\"";
    for (keys, told) in
        [("pin = 99", "pin 99: a Raspberry Pi's header"), ("pin = 4", "pin 4 is the 1-Wire bus")]
    {
        let text = replaced(&site_on("rppal", keys), "driver = \"file\"\npath = \"/run/t\"", w1);
        let warning = site.warning(&with_dirs(&site, &text));
        assert!(warning.contains(told), "{keys}: {warning}");
    }
}
