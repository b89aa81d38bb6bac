//! `twind watch` on a terminal: a pseudo-terminal, and what an emulator shows of what is sent there.

use super::{call_of, say};
use crate::rig::{Rig, eventually};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A terminal with the command on it.
struct Terminal {
    ours: File,
    child: Child,
    heard: Arc<Mutex<Heard>>,
    before: Termios,
}

/// What the command sent.
struct Heard {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
}

const UNICODE: [(&str, &str); 2] = [("LC_ALL", "C.UTF-8"), ("TERM", "xterm")];

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    /// `twind watch` on a terminal of this size; one of 0×0 has 24×80.
    fn of(rig: &Rig, size: (u16, u16), environment: &[(&str, &str)]) -> Self {
        Self::with(rig, "watch", size, environment)
    }

    /// This command on such a terminal.
    fn with(rig: &Rig, command: &str, (rows, columns): (u16, u16), environment: &[(&str, &str)]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        tcsetwinsize(&ours, size(rows, columns)).unwrap();
        let (ours, theirs) =
            (File::from(ours), OpenOptions::new().read(true).write(true).open(path).unwrap());
        let before = tcgetattr(&ours).unwrap();
        let mut command = rig.command(&[command]);
        for name in ["LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR", "TERM"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        let child = command.stdin(theirs.try_clone().unwrap()).stdout(theirs).spawn().unwrap();
        let real = if rows == 0 { (24, 80) } else { (rows, columns) };
        let heard = Heard { emulator: vt100::Parser::new(real.0, real.1, 0), bytes: Vec::new() };
        let heard = Arc::new(Mutex::new(heard));
        let (mut reader, hears) = (ours.try_clone().unwrap(), Arc::clone(&heard));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails when the command has ended.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                let mut heard = hears.lock().unwrap();
                heard.emulator.process(&bytes[..length]);
                heard.bytes.extend(&bytes[..length]);
            }
        });
        Self { ours, child, heard, before }
    }

    fn look<T>(&self, at: impl Fn(&vt100::Screen) -> T) -> T {
        at(self.heard.lock().unwrap().emulator.screen())
    }

    fn text(&self) -> String {
        self.look(|screen| screen.contents())
    }

    fn bytes(&self) -> Vec<u8> {
        self.heard.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen has this, and returns its rows.
    fn wait(&self, part: &str) -> Vec<String> {
        let find = || Some(self.text()).filter(|text| text.contains(part));
        let text = eventually(part, find, || self.text());
        text.lines().map(str::to_owned).collect()
    }

    fn wait_gone(&self, part: &str) {
        eventually(part, || (!self.text().contains(part)).then_some(()), || self.text());
    }

    fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    fn takes_keys(&self) -> bool {
        let modes = tcgetattr(&self.ours).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ECHO)
    }

    fn wait_end(&mut self) -> Option<i32> {
        eventually("its end", || self.child.try_wait().unwrap(), String::new).code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn on_a_terminal_each_page_takes_the_place_of_the_one_before_and_fits() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    for (rows, columns) in [(24, 80), (40, 120), (0, 0)] {
        let terminal = Terminal::of(&rig, (rows, columns), &UNICODE);
        let text = terminal.wait("50 % by climate");
        assert!(text[0].starts_with("twind: all is well") && text[0].contains("hub connected"), "{text:#?}");
        assert_eq!(text.len(), if rows == 0 { 24 } else { usize::from(rows) }, "{text:#?}");
        assert!(text.last().unwrap().starts_with("q end"), "{text:#?}");
        for part in [
            "    28.0│",
            "    20.0│",
            "░",
            "1 h ago",
            "30 min",
            "now",
            "██████████░░░░░░░░░░",
            "24 °C, in-range",
        ] {
            assert!(text.iter().any(|line| line.contains(part)), "{part} is missing in {text:#?}");
        }
    }
    let terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    terminal.wait("░  50 % by climate");
    rig.set_temperature("26.0");
    terminal.wait("75 % by climate");
    terminal.wait_gone("░  50 % by climate");
}

#[test]
fn a_terminal_that_is_too_small_shows_what_has_room_and_the_rest_by_scrolling() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    let mut terminal = Terminal::of(&rig, (6, 30), &UNICODE);
    let text = terminal.wait("climate  24 °C");
    assert!(text[0].starts_with("twind: all is well"), "{text:#?}");
    for _ in 0..100 {
        terminal.press("\x1b[6~");
    }
    terminal.wait("daemon   twind");
    terminal.press("\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~\x1b[5~");
    terminal.wait("climate  24 °C");
    for (rows, columns) in [(1, 1), (2, 200), (200, 2), (3, 3)] {
        tcsetwinsize(&terminal.ours, size(rows, columns)).unwrap();
        thread::sleep(Duration::from_millis(150));
    }
    terminal.press("q");
    assert_eq!(terminal.wait_end(), Some(0), "it did not panic");
}

#[test]
fn a_terminal_that_changes_its_size_gets_the_whole_screen_anew() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    let terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    assert_eq!(terminal.wait("q end").len(), 24);
    terminal.heard.lock().unwrap().emulator.screen_mut().set_size(40, 120);
    tcsetwinsize(&terminal.ours, size(40, 120)).unwrap();
    let find = || {
        let text = terminal.text();
        let lines: Vec<&str> = text.lines().collect();
        (lines.len() == 40 && lines[39].starts_with("q end") && lines[0].starts_with("twind:")).then_some(())
    };
    eventually("the larger screen", find, || terminal.text());
}

#[test]
fn without_unicode_ascii_alone_is_sent_and_without_colours_no_colour() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    // Each sequence that sets a style has a number and an m.
    let has_style = |sent: &str| {
        let codes = sent.split("\x1b[").filter_map(|piece| Some(piece.split_once('m')?.0));
        codes.filter(|code| code.bytes().all(|digit| digit.is_ascii_digit())).any(|code| code != "0")
    };
    for (environment, unicode, colour) in [
        (&[("LANG", "C"), ("NO_COLOR", "1"), ("TERM", "xterm")][..], false, false),
        (&[("LANG", "C.UTF-8"), ("NO_COLOR", "1"), ("TERM", "xterm")][..], true, false),
        (&[("LC_ALL", "C"), ("LANG", "C.UTF-8"), ("TERM", "linux")][..], false, true),
        (&UNICODE[..], true, true),
    ] {
        let terminal = Terminal::of(&rig, (24, 80), environment);
        terminal.wait(if unicode { "24 °C, in-range" } else { "24 C, in-range" });
        terminal.wait(if unicode { "██████████░" } else { "##########-" });
        let bytes = terminal.bytes();
        let sent = String::from_utf8_lossy(&bytes);
        assert_eq!(sent.is_ascii(), !unicode, "{environment:?}: {}", sent.escape_debug());
        assert_eq!(has_style(&sent), colour, "{environment:?}: {}", sent.escape_debug());
    }
}

#[test]
fn an_override_is_asked_for_step_by_step_and_given_only_when_confirmed() {
    let rig = Rig::new();
    let _daemon = rig.start_synced();
    let mut terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    terminal.wait("by climate");
    let overridden = || rig.status()["outputs"]["fan"]["override"]["percent"].as_f64();
    terminal.press("o");
    terminal.wait("override which of fan, climate?");
    terminal.press("fan\r60%\r2h\r");
    terminal.wait("fan: 60 % for 2 h. Do it");
    assert_eq!(overridden(), None);
    terminal.press("\x1b");
    terminal.wait("q end");
    assert_eq!(overridden(), None, "it was left");
    terminal.press("ofan\r60%\r2h\ry");
    terminal.wait("fan: 60 % for 2 h");
    terminal.wait("60 % by override");
    assert_eq!(overridden(), Some(60.0));
    terminal.press("x");
    terminal.wait("q end");
    terminal.press("oclimate\r500..60000\r\ry");
    terminal.wait("not overridden: ");
    terminal.press("xofan\rclear\ry");
    terminal.wait("fan: no override");
    assert_eq!(overridden(), None);
}

#[test]
fn on_a_terminal_that_cannot_move_its_cursor_pages_follow_each_other() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    let mut terminal = Terminal::of(&rig, (100, 80), &[("LC_ALL", "C"), ("TERM", "dumb")]);
    terminal.wait("climate  24 C, in-range");
    terminal.wait("daemon   twind");
    let bytes = terminal.bytes();
    assert!(bytes.is_ascii() && !bytes.contains(&0x1b), "{}", terminal.text());
    terminal.press("q");
    assert_eq!(terminal.wait_end(), Some(0));
}

#[test]
fn the_page_of_the_status_is_as_the_terminal_can_show_it_and_ends_with_the_verdict_if_it_is_too_long() {
    let rig = Rig::new();
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    let status = |size, environment: &[(&str, &str)]| {
        let mut terminal = Terminal::with(&rig, "status", size, environment);
        assert_eq!(terminal.wait_end(), Some(0));
        terminal.wait("daemon   twind");
        (terminal.text(), terminal.bytes())
    };
    let (text, bytes) = status((100, 80), &[("LC_ALL", "C"), ("TERM", "xterm")]);
    assert!(text.contains("climate  24 C, in-range") && bytes.is_ascii(), "{text}");
    assert!(text.starts_with("twind    all is well") && bytes.contains(&0x1b), "{text}");
    assert_eq!(text.matches("all is well").count(), 1, "{text}");
    let (text, _) = status((100, 80), &UNICODE);
    assert!(text.contains("climate  24 °C, in-range"), "{text}");
    let (text, bytes) = status((6, 80), &UNICODE);
    assert!(text.trim_end().ends_with("twind    all is well"), "{text}");
    assert_eq!(String::from_utf8_lossy(&bytes).matches("all is well").count(), 2, "{text}");
}

#[test]
fn a_site_in_fahrenheit_sees_and_overrides_in_fahrenheit() {
    let rig = Rig::new();
    let climate = "\n[climate]\nsensor = \"cabinet\"\ncooling = \"fan\"\nunit = \"fahrenheit\"\nrange = { min = 68, max = 82 }\n";
    rig.write_config(&format!("{}{}{}{climate}", rig.base(), crate::rig::FAN, crate::rig::SENSOR));
    rig.set_temperature("24.0");
    let _daemon = rig.start_synced();
    let mut terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    terminal.wait("climate  75.2 °F, in-range, target 68 to 82 °F");
    terminal.wait("82.0│");
    terminal.press("oclimate\r");
    terminal.wait("climate: which range in °F, such as 64..70, or clear?");
    terminal.press("60..70\r\r");
    terminal.wait("climate: 60 to 70 °F for 30 min. Do it");
    terminal.press("y");
    terminal.wait("climate: 60 to 70 °F for 30 min");
    terminal.wait("overridden to 60 to 70 °F by");
    terminal.wait("range set to 60 to 70 °F by override");
    // What programs read is in degrees Celsius, as ever.
    let told = rig.status()["climates"]["climate"].clone();
    assert_eq!(
        (&told["min"], &told["max"], &told["unit"]),
        (&json!(15.56), &json!(21.11), &json!("fahrenheit"))
    );
}

#[test]
fn a_daemon_that_is_down_is_waited_for_at_the_start_and_later_and_help_is_there_meanwhile() {
    let rig = Rig::new();
    let mut terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    terminal.wait("twind: no daemon listens");
    terminal.wait("waiting for it");
    terminal.press("?");
    terminal.wait("Shift-Tab");
    terminal.press("?o");
    terminal.wait("no daemon to override");
    let daemon = rig.start_synced();
    terminal.wait("by climate");
    terminal.wait_gone("waiting for it");
    assert!(daemon.stop().success());
    terminal.wait("waiting for it");
    let _daemon = rig.start_synced();
    terminal.wait("by climate");
}

#[test]
fn tab_shows_the_chart_of_the_next_climate() {
    let rig = Rig::new();
    let climates: String = ["office", "lab", "store", "hall"]
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let range = format!("min = {}.0, max = {}.0", index * 10 + 10, index * 10 + 15);
            format!("[climates.{name}]\nsensor = \"cabinet\"\nlowering = \"fan\"\nrange = {{ {range} }}\n")
        })
        .collect();
    rig.write_config(&format!("{}{}{}{climates}", rig.base(), crate::rig::FAN, crate::rig::SENSOR));
    let _daemon = rig.start_synced();
    let mut terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    let first = terminal.wait("hall: ");
    assert_eq!(first.iter().filter(|line| line.contains("1 h ago")).count(), 1, "{first:#?}");
    terminal.wait("15.0│");
    terminal.press("\t");
    terminal.wait("25.0│");
    terminal.press("\x1b[Z\x1b[Z");
    terminal.wait("45.0│");
}

#[test]
fn while_nothing_changes_nothing_is_sent() {
    let rig = Rig::new();
    let listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    // Without anything that counts the time.
    let status = json!({"identity": "hub/pi", "link": {"state": "waiting"}, "climate": {"regime": "in-range", "temperature": 21}});
    thread::spawn(move || {
        let mut clients = Vec::new();
        loop {
            let (mut client, call) = call_of(&listener);
            if call["method"] == "io.twind.Daemon.Monitor" {
                say(&mut client, &json!({"parameters": {"skipped": 0, "status": status}, "continues": true}));
            } else {
                say(&mut client, &json!({"parameters": {"trend": {}}}));
            }
            clients.push(client);
        }
    });
    let terminal = Terminal::of(&rig, (24, 80), &UNICODE);
    terminal.wait("21 °C, in-range");
    thread::sleep(Duration::from_millis(500));
    let before = terminal.bytes().len();
    // Three times as long as what has changed would take.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(terminal.bytes().len(), before, "{}", terminal.text());
}

#[test]
fn q_and_a_signal_end_it_and_the_terminal_is_as_it_was() {
    let rig = Rig::new();
    for by in ["key", "INT", "TERM"] {
        let mut terminal = Terminal::of(&rig, (24, 80), &UNICODE);
        eventually("keys", || terminal.takes_keys().then_some(()), String::new);
        terminal.wait("waiting for it");
        assert!(terminal.look(|screen| screen.alternate_screen() && screen.hide_cursor()));
        if by == "key" {
            terminal.press("xq");
        } else {
            let signal = Command::new("kill").args(["-s", by, &terminal.child.id().to_string()]).status();
            assert!(signal.unwrap().success());
        }
        assert_eq!(terminal.wait_end(), Some(0), "{by}");
        let after = tcgetattr(&terminal.ours).unwrap();
        assert_eq!(after.local_modes, terminal.before.local_modes);
        let is_left =
            || terminal.look(|screen| !screen.alternate_screen() && !screen.hide_cursor()).then_some(());
        eventually("the screen as it was", is_left, || terminal.text());
    }
}
