//! The demonstration as people see it: on a pseudo-terminal whose content an emulator shows, in a pipe, and after Ctrl-C.
//!
//! `cargo test --workspace` has built twind and twinhub beside it. `cargo test -p demo-story` alone takes those that are there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const STORY: &str = env!("CARGO_BIN_EXE_demo-story");
/// Far more than anything here takes. Whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(240);

/// A demonstration that runs, with a folder for all that it makes.
struct Demo {
    child: Child,
    folder: PathBuf,
    heard: Arc<Mutex<Heard>>,
}

/// What it printed.
struct Heard {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
}

/// Looks until there is something, or fails and shows what was there instead.
fn eventually<T>(what: &str, find: impl Fn() -> Option<T>, otherwise: impl Fn() -> String) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < end, "never came: {what}; instead:\n{}", otherwise());
        thread::sleep(Duration::from_millis(20));
    }
}

fn size((rows, columns): (u16, u16)) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// The story with these words, which takes SIGINT whether or not a script runs this in the background.
fn command(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(STORY).args(words).env("TMPDIR", folder);
    for name in ["LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR", "TERM"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("twind-demo-test-{}-{name}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    folder
}

impl Demo {
    /// On a terminal of this size; one of 0×0 has 24×80. Returns the terminal, too.
    fn on_terminal(
        name: &str,
        words: &[&str],
        (rows, columns): (u16, u16),
        set: &[(&str, &str)],
    ) -> (Self, File, Termios) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        tcsetwinsize(&ours, size((rows, columns))).unwrap();
        let (ours, theirs) =
            (File::from(ours), OpenOptions::new().read(true).write(true).open(path).unwrap());
        let before = tcgetattr(&ours).unwrap();
        let folder = folder(name);
        let mut command = command(words, &folder);
        command.envs(set.iter().copied());
        let child = command.stdin(theirs.try_clone().unwrap()).stdout(theirs).spawn().unwrap();
        let (reader, heard) = (ours.try_clone().unwrap(), heard((rows, columns)));
        read_all(reader, &heard);
        (Self { child, folder, heard }, ours, before)
    }

    /// In a pipe.
    fn in_pipe(name: &str, words: &[&str]) -> Self {
        let folder = folder(name);
        let mut child = command(words, &folder).stdout(Stdio::piped()).spawn().unwrap();
        let heard = heard((24, 80));
        read_all(child.stdout.take().unwrap(), &heard);
        Self { child, folder, heard }
    }

    fn screen<T>(&self, look: impl Fn(&vt100::Screen) -> T) -> T {
        look(self.heard.lock().unwrap().emulator.screen())
    }

    fn text(&self) -> String {
        self.screen(vt100::Screen::contents)
    }

    /// All that it ever sent.
    fn sent(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap().bytes).into_owned()
    }

    /// Waits until the screen has this.
    fn wait(&self, part: &str) -> String {
        eventually(part, || Some(self.text()).filter(|text| text.contains(part)), || self.text())
    }

    /// Waits until this was sent.
    fn wait_sent(&self, part: &str) -> String {
        eventually(part, || Some(self.sent()).filter(|sent| sent.contains(part)), || self.sent())
    }

    /// The processes whose command line names its folder.
    fn daemons(&self) -> Vec<u32> {
        let folder = self.folder.to_str().unwrap();
        let ids = fs::read_dir("/proc").unwrap().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let names = |id: &u32| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(folder)
        };
        ids.filter(names).collect()
    }

    /// Ctrl-C.
    fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    }

    fn wait_end(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end: {}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Neither a daemon nor a file is there.
    fn assert_nothing_is_left(&self) {
        assert_eq!(self.daemons(), [0; 0]);
        let left: Vec<_> = fs::read_dir(&self.folder).unwrap().flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for daemon in self.daemons() {
            let _ = Command::new("kill").args(["-s", "KILL", &daemon.to_string()]).status();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn heard(size: (u16, u16)) -> Arc<Mutex<Heard>> {
    let (rows, columns) = if size == (0, 0) { (24, 80) } else { size };
    Arc::new(Mutex::new(Heard { emulator: vt100::Parser::new(rows, columns, 200), bytes: Vec::new() }))
}

fn read_all(mut reader: impl std::io::Read + Send + 'static, heard: &Arc<Mutex<Heard>>) {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // It fails when the terminal's last user has ended.
        while let Ok(length @ 1..) = reader.read(&mut bytes) {
            let mut heard = heard.lock().unwrap();
            heard.emulator.process(&bytes[..length]);
            heard.bytes.extend(&bytes[..length]);
        }
    });
}

const UNICODE: [(&str, &str); 2] = [("LC_ALL", "C.UTF-8"), ("TERM", "xterm")];

#[test]
fn on_a_terminal_the_enclosure_and_its_fan_are_drawn_in_place_and_ctrl_c_leaves_nothing_behind() {
    for (rows, columns) in [(24, 80), (40, 120)] {
        let (mut demo, terminal, before) =
            Demo::on_terminal(&format!("screen-{columns}"), &[], (rows, columns), &UNICODE);
        demo.wait("scene 1 of ");
        demo.wait("━━●━━");
        let text = demo.wait("✓ acknowledged: version ");
        for part in [
            "the tutorial's enclosure",
            "The back end wrote",
            "twind reported",
            "°C",
            "hub connected",
            "Ctrl-C ends it",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(
            text.lines().any(|line| line.contains('[') && line.contains('●') && line.contains(']')),
            "{text}"
        );
        assert_eq!(text.lines().count(), usize::from(rows), "{text}");
        demo.wait("scene 2 of ");
        demo.wait("\"patchId\":\"Init\"");
        if columns == 80 {
            demo.heard.lock().unwrap().emulator.screen_mut().set_size(30, 100);
            tcsetwinsize(&terminal, size((30, 100))).unwrap();
            let larger = || {
                let text = demo.text();
                let is_whole =
                    text.lines().count() == 30 && text.lines().any(|line| line.chars().count() == 100);
                is_whole.then_some(())
            };
            eventually("the larger screen", larger, || demo.text());
        }
        let is_silent = tcgetattr(&terminal).unwrap().local_modes != before.local_modes;
        assert!(is_silent && demo.screen(|screen| screen.alternate_screen() && screen.hide_cursor()));
        assert_eq!(demo.daemons().len(), 1);
        demo.interrupt();
        assert_eq!(demo.wait_end(), Some(130));
        demo.assert_nothing_is_left();
        assert_eq!(tcgetattr(&terminal).unwrap().local_modes, before.local_modes);
        let is_left =
            || demo.screen(|screen| !screen.alternate_screen() && !screen.hide_cursor()).then_some(());
        eventually("the screen as it was", is_left, || demo.text());
        assert!(!demo.sent().contains("failed"), "{}", demo.text());
    }
}

#[test]
fn colours_and_unicode_are_only_sent_to_a_terminal_that_has_them() {
    // Each sequence that sets a style has a number and an m.
    let has_style = |sent: &str| {
        let codes = sent.split("\x1b[").filter_map(|piece| Some(piece.split_once('m')?.0));
        codes.filter(|code| code.bytes().all(|c| c.is_ascii_digit() || c == b';')).any(|code| code != "0")
    };
    for (name, set, unicode, colour) in [
        ("plain", &[("LANG", "C.UTF-8"), ("NO_COLOR", "1"), ("TERM", "xterm")][..], true, false),
        ("ascii", &[("LANG", "C"), ("TERM", "linux")][..], false, true),
        ("all", &UNICODE[..], true, true),
    ] {
        let (demo, _terminal, _before) = Demo::on_terminal(name, &[], (0, 0), set);
        demo.wait(if unicode { "✓ acknowledged" } else { "+ acknowledged" });
        let sent = demo.sent();
        assert_eq!(
            (sent.is_ascii(), has_style(&sent)),
            (!unicode, colour),
            "{name}: {}",
            sent.escape_debug()
        );
    }
}

#[test]
fn a_pipe_and_a_terminal_that_cannot_be_drawn_on_get_lines() {
    let dumb = [("LC_ALL", "C.UTF-8"), ("TERM", "dumb")];
    let (on_dumb, _terminal, _before) = Demo::on_terminal("dumb", &[], (24, 80), &dumb);
    let (plain, _other, _same) = Demo::on_terminal("words", &["--plain"], (24, 80), &UNICODE);
    for demo in [Demo::in_pipe("pipe", &[]), on_dumb, plain] {
        let sent = demo.wait_sent("── 2. ");
        assert!(!sent.contains('\x1b'), "{}", sent.escape_debug());
        for part in ["A hub listens for MyTwinDevice", "── 1. Reset", "   back end   null", "   enclosure  ·"]
        {
            assert!(sent.contains(part), "{part} is missing: {sent}");
        }
    }
}

/// A worked example on the screen, to its end and beyond: the summary stays, and the printed commands do what they say.
#[test]
fn the_summary_stays_in_the_terminal_and_with_stay_each_printed_command_works_as_it_stands() {
    let (mut demo, terminal, before) =
        Demo::on_terminal("stay", &["--site", "rooms", "--stay"], (40, 120), &UNICODE);
    demo.wait("scene 2 of ");
    demo.wait("office-fan");
    let sent = demo.wait_sent("  log      ");
    assert!(demo.screen(|screen| !screen.alternate_screen()));
    let (screen, after) = sent.split_once("\x1b[?1049l").unwrap();
    assert!(!screen.contains("Summary"));
    for part in ["Summary", "  ok      1. A winter morning", "checks, none failed."] {
        assert!(after.contains(part), "{part} is missing: {after}");
    }
    assert_eq!(tcgetattr(&terminal).unwrap().local_modes, before.local_modes);
    let lines: Vec<&str> = after.lines().map(str::trim).collect();
    let told = |part: &str| {
        let line = lines.iter().find(|line| line.contains(part) && line.contains("twin"));
        let line = line.unwrap_or_else(|| panic!("no line has {part}: {lines:#?}"));
        let said =
            Command::new("sh").args(["-c", line]).current_dir("/").stdin(Stdio::null()).output().unwrap();
        let all = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{line}: {all}");
        all
    };
    assert!(told(" status --config ").starts_with("twind    all is well"));
    assert!(told(" override office-fan 80% ").contains("80 %"));
    assert!(told(" status --config ").contains("80 % by override"));
    told(" override office-fan clear ");
    assert!(told(" twin update ").contains("\"desired\""));
    let watch = lines.iter().find(|line| line.contains(" watch --config ")).unwrap();
    let page = Command::new("sh").args(["-c", &format!("{watch} | head -n 1")]).output().unwrap();
    assert!(String::from_utf8_lossy(&page.stdout).starts_with("twind    "), "{page:?}");
    assert_eq!(demo.daemons().len(), 1);
    demo.interrupt();
    assert_eq!(demo.wait_end(), Some(130));
    demo.assert_nothing_is_left();
}

#[test]
fn help_is_help_and_what_is_not_known_is_wrong_usage() {
    let said = |words: &[&str]| {
        let said = Command::new(STORY).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (said.status.code(), text(&said.stdout), text(&said.stderr))
    };
    for words in [&["--help"][..], &["--", "--help"], &["-h"]] {
        let (code, out, err) = said(words);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{words:?}");
        assert!(out.contains("usage: cargo demo") && out.contains("--stay"), "{out}");
    }
    for (words, named) in
        [(&["--quick"][..], "\"--quick\""), (&["--site", "roof"], "\"roof\""), (&["--site"], "a name")]
    {
        let (code, out, err) = said(words);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{words:?}");
        assert!(err.contains(named) && err.contains("usage: cargo demo"), "{err}");
    }
}
