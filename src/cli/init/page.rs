//! The starting file itself. What is found is written so that it is in force, what is a choice as `#? key = value`, as in the
//! installed file.

use super::machine::Machine;
use super::plan::{Board, FAN, HEATER, Named, Pin, Plan, Wire};
use super::secret::Secret;
use crate::board::PwmChip;
use crate::control::quantity::TEMPERATURE;
use crate::sensors::{HUMIDITY, Present};
use crate::text::{Line, is_unseen};
use core::fmt::Write as _;

/// Where the note beside a key begins.
const NOTE_COLUMN: usize = 40;
/// Comments are wrapped here.
const WIDTH: usize = 116;
/// Begins a choice.
const CHOICE: &str = "#? ";
/// More sensors without a reading, and more lines, are counted only.
const SILENT_MAX: usize = 12;
const LINES_MAX: usize = 24;
/// So many are proposed to be combined.
const COMBINED_MAX: usize = 4;

/// A text that grows line by line.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// A key or a header.
    fn put(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// A key or a header with a note beside it.
    fn noted(&mut self, line: &str, note: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.0,
            "{line:<width$}# {}",
            Line(note),
            width = NOTE_COLUMN.max(line.chars().count() + 2)
        );
    }

    /// A choice, with a note if there is one.
    fn choice(&mut self, line: &str, note: &str) {
        let line = format!("{CHOICE}{line}");
        if note.is_empty() { self.put(&line) } else { self.noted(&line, note) }
    }

    /// A comment, wrapped.
    fn say(&mut self, text: &str) {
        let text = Line(text).to_string();
        let mut line = String::from("#");
        for word in text.split(' ').filter(|_| !text.is_empty()) {
            if line.len() > 1 && line.chars().count() + word.chars().count() >= WIDTH {
                self.put(&line);
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.put(&line);
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_unseen(c) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A value as it is shown: no sensor knows more digits.
pub(super) fn shown(value: f64, present: &Present) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    format!("{rounded} {}", present.candidate.unit).trim_end().to_owned()
}

/// The file for this machine, by this plan.
pub(super) fn text(machine: &Machine, plan: &Plan<'_>, secret: &Secret) -> String {
    let mut page = Page::default();
    head(&mut page, machine);
    hub(&mut page, secret);
    board(&mut page, machine, plan);
    fan(&mut page, machine, plan);
    heater(&mut page, plan);
    sensors(&mut page, machine, plan);
    climate(&mut page, machine, plan);
    page.0
}

fn head(page: &mut Page, machine: &Machine) {
    page.say("The configuration of twind, begun by `twind init` on this machine:");
    page.say(&format!("  {}", machine.model.as_deref().unwrap_or("a machine that gives no name")));
    page.say("");
    page.say("What was found is in force: compare it with what is wired. What is a choice is commented out:");
    page.say("  #? key = value   remove \"#? \" to choose it");
    page.say("man twind.toml has every key, /usr/share/doc/twind/configuration.md is ordered by task.");
    page.say("`twind check` reads this file as the daemon would; with --hardware it looks at lines and sensors, too.");
    page.gap();
}

fn hub(page: &mut Page, secret: &Secret) {
    page.noted("[hub]", "where the twin lives");
    page.say(
        "The device's connection string (HostName=…;DeviceId=…;SharedAccessKey=…) has a file of its own, which others may \
         not read.",
    );
    page.say(&secret.state());
    page.put(&format!("connection-string-file = {}", quoted(Secret::NAME)));
    page.gap();
}

fn board(page: &mut Page, machine: &Machine, plan: &Plan<'_>) {
    page.put("[board]");
    match plan.board {
        Board::Registers => page.noted("driver = \"rppal\"", "a Raspberry Pi, by its registers"),
        Board::Lines => page.noted("driver = \"gpiochip\"", "lines of a chip, by the kernel"),
        Board::Simulated => {
            let why = if machine.chips.is_empty() {
                "files instead of pins: this machine shows no GPIO lines"
            } else {
                "files instead of pins, until you say which lines may be driven"
            };
            page.noted("driver = \"simulated\"", why);
            page.noted("folder = \"/run/twind/board\"", "each output's drive is here, in thousandths");
        }
    }
    match plan.board {
        Board::Simulated => chips(page, machine),
        _ => lines(page, machine, plan),
    }
    channels(page, machine);
    page.gap();
}

/// Which lines are free.
fn lines(page: &mut Page, machine: &Machine, plan: &Plan<'_>) {
    if plan.are_lines_seen {
        let free: Vec<&str> = plan.more.iter().map(|pin| pin.name.as_str()).collect();
        if !free.is_empty() {
            page.say(&format!("Further free lines: {}.", list(&free, LINES_MAX)));
        }
        return;
    }
    let closed = machine.chips.iter().find_map(|(_, seen)| seen.as_ref().err());
    let why = closed.map_or("the kernel shows no chip of the header", |fault| fault.reason.as_str());
    page.say(&format!("Which lines are free could not be seen: {why}."));
}

/// Chips of which no line is known to lead to a connector.
fn chips(page: &mut Page, machine: &Machine) {
    for (name, seen) in &machine.chips {
        match seen {
            Ok(chip) => {
                let free = chip.lines.iter().filter(|line| line.is_free).count();
                let of = chip.lines.len();
                page.say(&format!("{name} (\"{}\") has {of} lines, {free} of them free.", chip.label));
            }
            Err(fault) => page.say(&format!("{}.", fault.reason)),
        }
    }
    if !machine.chips.is_empty() {
        page.say(
            "To drive one, write driver = \"gpiochip\" here, and its `pin` and `chip` in the output's table (gpioinfo lists \
             the lines).",
        );
    }
}

/// What is known about hardware PWM.
fn channels(page: &mut Page, machine: &Machine) {
    for PwmChip { name, device, channels, header } in &machine.pwm {
        let pins = header.iter().enumerate().map(|(channel, pin)| format!("channel {channel} is {pin}"));
        let pins: Vec<String> = pins.collect();
        let what = match pins.as_slice() {
            [] => format!("{channels} channels, which lead to something on the board"),
            pins => format!("{}, as the overlay says", pins.join(", ")),
        };
        page.say(&format!("PWM: {name} ({device}): {what}."));
    }
    if machine.is_raspberry_pi() && machine.pwm.iter().all(|chip| chip.header.is_empty()) {
        let file = machine.overlays;
        page.say(&format!(
            "Hardware PWM, which a four-wire fan needs, is off. This line in {file} switches it on at the next start of the \
             machine, with channel 0 at GPIO 12 and channel 1 at GPIO 13:"
        ));
        page.say("  dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4");
    }
}

fn fan(page: &mut Page, machine: &Machine, plan: &Plan<'_>) {
    page.noted(&format!("[outputs.{FAN}]"), "its name at the hub");
    match &plan.fan {
        Wire::Channel { chip, at } => {
            let key = format!("pwm = {{ {}channel = 0 }}", inner(chip.as_deref()));
            page.noted(&key, &format!("hardware PWM at {at}, 25 kHz, for a four-wire fan"));
            pwm_choices(page);
        }
        Wire::Pin(pin) => {
            let note = format!("{}: write the pin that the fan is wired to", free(pin, plan));
            page.noted(&format!("pin = {}", pin.number), &note);
            if let Some(chip) = &pin.chip {
                page.put(&format!("chip = {}", quoted(chip)));
            }
            page.choice("active-low = true", "for a relay board that is on when the line is low");
            if let (false, Some(chip)) = (machine.is_raspberry_pi(), machine.pwm.first()) {
                page.choice(
                    &format!("pwm = {{ {}channel = 0 }}", inner(Some(&chip.device))),
                    "instead of pin",
                );
            }
        }
        Wire::Simulated => {
            page.put("pwm = { channel = 0 }");
            pwm_choices(page);
        }
    }
    if let (Some(pin), false) = (plan.more.last(), plan.fan == Wire::Simulated) {
        let key = format!("tach = {{ {}pin = {} }}", inner(pin.chip.as_deref()), pin.number);
        page.choice(&key, "the line of the fan's tachometer");
    }
    let rows = "Unless [outputs.fan.when] says otherwise it is off until something decides, at a stop and after a crash";
    if plan.climate.is_some() {
        page.say(&format!("{rows}, and on without a valid reading."));
    } else {
        page.noted("property = \"fanOn\"", "the desired property that drives it");
        page.say(&format!("{rows}."));
    }
    page.gap();
}

/// A chip within braces.
fn inner(chip: Option<&str>) -> String {
    chip.map(|chip| format!("chip = {}, ", quoted(chip))).unwrap_or_default()
}

fn free(pin: &Pin, plan: &Plan<'_>) -> String {
    let state = if plan.are_lines_seen { "free now" } else { "if it is free" };
    format!("{}, {state}", Line(&pin.name))
}

fn pwm_choices(page: &mut Page) {
    page.choice("min-duty = 20", "percent; below it the fan would stall");
    page.choice("kick = \"500ms\"", "full duty for this long when it starts from rest");
}

fn heater(page: &mut Page, plan: &Plan<'_>) {
    page.choice(&format!("[outputs.{HEATER}]"), "or any other name");
    match plan.more.first() {
        _ if plan.board == Board::Simulated => page.choice("pwm = { channel = 1 }", ""),
        Some(pin) => {
            page.choice(&format!("pin = {}", pin.number), &free(pin, plan));
            if let Some(chip) = &pin.chip {
                page.choice(&format!("chip = {}", quoted(chip)), "");
            }
        }
        None => page.choice("pin = 27", "no other line is known to be free"),
    }
    page.choice("min-on = \"30s\"", "once on, on for at least this long");
    page.gap();
}

fn sensors(page: &mut Page, machine: &Machine, plan: &Plan<'_>) {
    if machine.is_raspberry_pi() && !machine.has_1_wire {
        let file = machine.overlays;
        page.say(&format!(
            "1-Wire (DS18B20) is off: the line dtoverlay=w1-gpio in {file} switches it on, at GPIO 4."
        ));
    }
    if plan.sensors.is_empty() {
        page.say("No sensor of this machine has a reading. A number that some program writes to a file is one, too:");
        page.choice("[sensors.cabinet]", "");
        page.choice("driver = \"file\"", "");
        page.choice("path = \"/run/cabinet/temperature\"", "");
        page.gap();
    }
    if plan.sensors.iter().any(|sensor| !sensor.is_active) {
        page.say(
            "Each sensor that is in force is reported to the hub. What the machine tells of its own supply and fans is a \
             choice, and so is what comes after many.",
        );
    }
    for sensor in &plan.sensors {
        one(page, sensor);
    }
    if plan.silent.is_empty() {
        return;
    }
    page.say("These are there and gave no reading:");
    for Present { driver, candidate, value } in plan.silent.iter().take(SILENT_MAX) {
        let why = value
            .as_ref()
            .err()
            .map_or(String::new(), |fault| format!("{}: {}", fault.name(), fault.advice()));
        page.say(&format!("  {} {}: {why}", driver.name, quoted(&candidate.id)));
    }
    if let Some(more) = plan.silent.len().checked_sub(SILENT_MAX).filter(|more| *more > 0) {
        page.say(&format!("  and {more} more"));
    }
    page.gap();
}

fn one(page: &mut Page, sensor: &Named<'_>) {
    let Named { name, present, value, is_active } = sensor;
    let candidate = &present.candidate;
    let begins = if *is_active { "" } else { CHOICE };
    let label =
        candidate.label.as_ref().map(|label| format!(", \"{label}\" by its label")).unwrap_or_default();
    page.noted(&format!("{begins}[sensors.{name}]"), &format!("reads {} now{label}", shown(*value, present)));
    page.put(&format!("{begins}driver = {}", quoted(present.driver.name)));
    page.put(&format!("{begins}id = {}", quoted(&candidate.id)));
    if candidate.measures != TEMPERATURE {
        page.put(&format!("{begins}measures = {}", quoted(&candidate.measures)));
    }
    page.gap();
}

fn climate(page: &mut Page, machine: &Machine, plan: &Plan<'_>) {
    let Some(sensor) = plan.climate.and_then(|index| plan.sensors.get(index)) else {
        page.say("Without a sensor nothing is held in range. With one:");
        page.choice("[climate]", "");
        page.choice("sensor = \"cabinet\"", "");
        page.choice(&format!("cooling = {}", quoted(FAN)), "");
        return;
    };
    let candidate = &sensor.present.candidate;
    // Processors are warmer than rooms.
    let (min, max, lowest, highest, critical) = if candidate.is_of_the_machine {
        (45.0, 65.0, 30.0, 80.0, 85.0)
    } else {
        (20.0, 28.0, 5.0, 45.0, 60.0)
    };
    page.noted("[climate]", "what is held in range");
    page.put(&format!("sensor = {}", quoted(&sensor.name)));
    let is_alike = |other: &&Named<'_>| {
        let of = &other.present.candidate;
        other.is_active
            && (&of.measures, of.is_of_the_machine) == (&candidate.measures, candidate.is_of_the_machine)
    };
    let alike = plan.sensors.iter().filter(is_alike).take(COMBINED_MAX);
    let names: Vec<String> = alike.map(|other| quoted(&other.name)).collect();
    if names.len() > 1 {
        page.choice(
            &format!("sensors = [{}]", names.join(", ")),
            "instead of sensor: by the warmest of several",
        );
    }
    page.put(&format!("cooling = {}", quoted(FAN)));
    page.choice(&format!("heating = {}", quoted(HEATER)), "with the table of that name");
    page.noted(&format!("range = {{ min = {min:.1}, max = {max:.1} }}"), "°C, until the twin says otherwise");
    page.choice(
        &format!("limits = {{ min = {lowest:.1}, max = {highest:.1} }}"),
        "a desired range outside is refused",
    );
    page.choice(&format!("critical = {critical:.1}"), "above it the fan is on, whatever the twin says");
    match &machine.zone {
        Some(zone) => {
            page.choice(&format!("time-zone = {}", quoted(zone)), "of its schedule; this is the system's");
        }
        None => page.choice("time-zone = \"Europe/Berlin\"", "of its schedule; the system has none, so UTC"),
    }
    let has_humidity =
        plan.sensors.iter().any(|one| one.is_active && one.present.candidate.measures == HUMIDITY);
    if has_humidity {
        page.say("A second climate, such as of a humidity, needs names for both: [climates.NAME] in man twind.toml.");
    }
}

/// The first of many.
fn list(names: &[&str], most: usize) -> String {
    let first: Vec<&str> = names.iter().take(most).copied().collect();
    match names.len().saturating_sub(most) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_name_is_told_as_one() {
        let mut page = Page::default();
        head(&mut page, &Machine::look(std::path::Path::new("/nowhere")));
        assert!(page.0.contains("on this machine:\n#   a machine that gives no name\n"), "{}", page.0);
    }

    #[test]
    fn foreign_text_is_quoted_so_that_a_file_reads_it_back_and_no_terminal_obeys_it() {
        for text in ["28-0316a2797c1f", "a\"b\\c", "\u{1b}[2J\n\t", "\u{202e}é温", ""] {
            let line = format!("id = {}", quoted(text));
            assert!(!line.contains(is_unseen), "{line}");
            let table = toml::de::DeTable::parse(&line).unwrap();
            assert_eq!(table.get_ref()["id"].get_ref().as_str(), Some(text));
        }
    }

    #[test]
    fn a_comment_stays_one_whatever_it_says_and_is_wrapped() {
        let mut page = Page::default();
        page.say(&format!("label \n[hub]\r {}", "word ".repeat(60).trim_end()));
        page.noted("[a]", "a\n[b]");
        page.choice("c = 1", "");
        page.say("");
        let lines: Vec<&str> = page.0.lines().collect();
        assert!(lines[0].starts_with("# label \\n[hub]\\r word"), "{}", lines[0]);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{}", page.0);
        assert_eq!(page.0.matches("word").count(), 60);
        let notes = &lines[lines.len() - 3..];
        assert_eq!(notes, ["[a]                                     # a\\n[b]", "#? c = 1", "#"]);
    }
}
