//! How many climates, outputs and sensors a site may have.

use super::*;
use twind::control::OutputKind;

/// So many rooms, each with an output of its own and two sensors.
fn rooms(count: usize) -> String {
    let mut text = "[hub]\nconnection-string-file = \"cs\"\n[board]\ndriver = \"simulated\"\n".to_owned();
    for room in 0..count {
        text.push_str(&format!(
            "[outputs.heater-{room}]\npin = {room}\n\
             [sensors.wall-{room}]\ndriver = \"file\"\npath = \"wall-{room}\"\n\
             [sensors.desk-{room}]\ndriver = \"file\"\npath = \"desk-{room}\"\n\
             [climates.room-{room}]\nsensors = [\"wall-{room}\", \"desk-{room}\"]\nheating = \"heater-{room}\"\n"
        ));
    }
    text
}

#[test]
fn sixty_four_climates_with_as_many_outputs_and_two_sensors_each_are_right() {
    let engine = Site::new().right(&rooms(64)).engine;
    assert_eq!((engine.climates.len(), engine.outputs.len(), engine.sensors.len()), (64, 64, 128));
    let (outcome, said) = Site::new().check(&rooms(64));
    assert_eq!(outcome, Outcome::Right, "{said}");
}

#[test]
fn each_output_of_a_simulated_board_may_have_a_channel_of_its_own() {
    let site = Site::new();
    let mut text = rooms(64);
    for room in (0..64).rev() {
        text = text.replace(&format!("pin = {room}\n"), &format!("pwm = {{ channel = {room} }}\n"));
    }
    let outputs = site.right(&text).engine.outputs;
    assert!(outputs.len() == 64 && outputs.iter().all(|output| output.kind == OutputKind::Pwm));
    let fault = site.fault(&text.replace("channel = 63 }", "channel = 64 }"));
    assert!(fault.contains("`channel` must be a whole number from 0 to 63, found the number 64"), "{fault}");
    let fault = site.fault(&text.replace("channel = 63 }", "channel = 62 }"));
    assert!(fault.contains("PWM channel 62 drives [outputs.heater-62] already"), "{fault}");
}

#[test]
fn one_more_of_anything_is_a_fault_at_its_place() {
    let site = Site::new();
    let right = rooms(64);
    let line = right.lines().count() + 1;
    for (more, told) in [
        ("[outputs.more]\npin = 99\n", "there are more than 64 outputs"),
        ("[climates.more]\nsensor = \"wall-0\"\nheating = \"heater-0\"\n", "there are more than 64 climates"),
        ("[sensors.more]\ndriver = \"file\"\npath = \"more\"\n", "there are more than 128 sensors"),
    ] {
        let faults = site.parse(&format!("{right}{more}")).unwrap_err().faults;
        let told_of: Vec<_> = faults.iter().map(|fault| (fault.line, fault.message.as_str())).collect();
        assert_eq!(told_of, [(line, told)]);
    }
}

#[test]
fn what_twind_safe_reads_has_the_same_number_of_outputs() {
    let site = Site::new();
    let read = |text: &str| config::parse_outputs(text, &site.path("twind.toml"), &site.environment);
    assert_eq!(read(&rooms(64)).unwrap().outputs.len(), 64);
    let faults = read(&rooms(65)).unwrap_err().to_string();
    assert!(faults.contains("there are more than 64 outputs"), "{faults}");
}
