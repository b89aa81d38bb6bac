//! `twind watch`: pages that follow what happens, and a daemon that goes and comes back. On a terminal it is a screen: see there.

mod screen;

use super::rig::Rig;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// There is a page each second and one with each change. No test waits for this many.
const PAGES_MAX: usize = 120;

pub(crate) struct Watch {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Watch {
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads pages until one has this, and returns that one.
    pub(crate) fn wait(&mut self, part: &str) -> String {
        self.wait_for(part, |page| page.contains(part).then(|| page.to_owned()))
    }

    /// Reads pages until one satisfies `good`.
    fn wait_for<T>(&mut self, what: &str, good: impl Fn(&str) -> Option<T>) -> T {
        let mut last = String::new();
        for _ in 0..PAGES_MAX {
            last = self.page();
            if let Some(found) = good(&last) {
                return found;
            }
        }
        panic!("{what:?} never came; the last page: {last}");
    }

    /// Reads no more. Returns its exit status.
    pub(crate) fn end(self) -> Option<i32> {
        let Self { mut child, out } = self;
        drop(out);
        child.wait().unwrap().code()
    }

    fn page(&mut self) -> String {
        let mut page = String::new();
        while !page.ends_with("\n\n") {
            assert_ne!(self.out.read_line(&mut page).unwrap(), 0, "it ended after {page:?}");
        }
        page
    }
}

#[test]
fn pages_wait_for_the_daemon_and_follow_it_through_its_end_and_next_start_until_nobody_reads_them() {
    let rig = Rig::new();
    let mut watch = Watch::of(&mut rig.command(&["watch", "--changes", "1"]));
    watch.wait("twind: no daemon listens");
    rig.set_temperature("24.0");
    let daemon = rig.start_synced();
    watch.wait("output   fan: 50 % by climate");
    rig.set_temperature("26.0");
    watch.wait("output   fan: 75 % by climate");
    assert_eq!(watch.page().matches("change   ").count(), 1);
    assert!(daemon.stop().success());
    watch.wait("twind: no daemon listens");
    let _daemon = rig.start_synced();
    watch.wait("output   fan: 75 % by climate");
    assert_eq!(watch.end(), Some(0));
}

/// A daemon of another version: takes a client, and tells what it asks.
fn call_of(listener: &UnixListener) -> (UnixStream, Value) {
    let (client, _) = listener.accept().unwrap();
    let call = call_on(&client);
    (client, call)
}

/// The next call of a client.
fn call_on(mut client: &UnixStream) -> Value {
    let (mut message, mut byte) = (Vec::new(), [0]);
    while client.read_exact(&mut byte).is_ok() && byte[0] != 0 {
        message.push(byte[0]);
    }
    serde_json::from_slice(&message).unwrap()
}

fn say(client: &mut UnixStream, message: &Value) {
    client.write_all((message.to_string() + "\0").as_bytes()).unwrap();
}

/// After five seconds without a message the command asks again, and is right to.
const SILENT_MIN: Duration = Duration::from_secs(4);

/// A daemon of another version that tells changes, to whoever asks for them.
struct Teller {
    message: Value,
    /// The last one who asked.
    client: Option<UnixStream>,
    said: Instant,
    /// Calls though there was a message just before.
    needless: usize,
    ended: bool,
}

impl Teller {
    fn say(&mut self, message: Value) {
        self.message = message;
        if let Some(client) = &mut self.client {
            // One that no longer listens calls again, and is told then.
            let _ = client.write_all((self.message.to_string() + "\0").as_bytes());
        }
        self.said = Instant::now();
    }

    /// Answers each call with the last message, until it has ended.
    fn answer(teller: &Mutex<Self>, listener: &UnixListener, expected: &Value) {
        listener.set_nonblocking(true).unwrap();
        while !teller.lock().unwrap().ended {
            let Ok((client, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            client.set_nonblocking(false).unwrap();
            let call = call_on(&client);
            let mut teller = teller.lock().unwrap();
            assert_eq!(call, *expected);
            teller.needless += usize::from(teller.client.is_some() && teller.said.elapsed() < SILENT_MIN);
            teller.client = Some(client);
            let message = teller.message.clone();
            teller.say(message);
        }
    }
}

#[test]
fn one_call_is_all_that_it_takes_to_be_told_of_changes_and_between_them_time_goes_on() {
    let rig = Rig::new();
    let message = |state: &str| {
        json!({"parameters": {"skipped": 0, "status": {
            "identity": "hub/pi", "link": {"state": state, "sinceSeconds": 3599},
        }}, "continues": true})
    };
    let lasts = |page: &str, state: &str| {
        let (_, rest) = page.split_once(&format!("hub/pi, {state} for "))?;
        humantime::parse_duration(rest.lines().next()?).ok()
    };
    let listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    let (message_now, said) = (message("connected"), Instant::now());
    let teller =
        Arc::new(Mutex::new(Teller { message: message_now, client: None, said, needless: 0, ended: false }));
    let mut watch = Watch::of(&mut rig.command(&["watch"]));
    let expected = json!({"method": "io.twind.Daemon.Monitor", "parameters": {"changes": 5}, "more": true});
    let answering = thread::spawn({
        let teller = Arc::clone(&teller);
        move || Teller::answer(&teller, &listener, &expected)
    });
    let first = watch.wait_for("how long it is connected", |page| lasts(page, "connected"));
    assert!(first >= Duration::from_secs(3598), "{first:?}");
    watch.wait_for("a second more", |page| lasts(page, "connected").filter(|later| *later > first));
    teller.lock().unwrap().say(message("connecting"));
    watch.wait_for("the change", |page| lasts(page, "connecting, without a connection"));
    // The daemon ends, and with it the stream.
    teller.lock().unwrap().ended = true;
    answering.join().unwrap();
    std::fs::remove_file(rig.path("twind.sock")).unwrap();
    let ended = teller.lock().unwrap().client.take();
    drop(ended);
    watch.wait("twind: no daemon listens");
    assert_eq!(teller.lock().unwrap().needless, 0, "it asked a second time");
}

#[test]
fn a_daemon_that_hangs_is_said_to_be_waited_for_above_the_last_page_that_it_sent() {
    let rig = Rig::new();
    let listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    let mut watch = Watch::of(&mut rig.command(&["watch"]));
    let (mut client, _) = call_of(&listener);
    watch.wait("twind: the daemon at ");
    say(
        &mut client,
        &json!({"parameters": {"skipped": 0, "status": {"identity": "hub/pi"}}, "continues": true}),
    );
    watch.wait("hub/pi");
    // It is asked again, and whoever takes the call is stuck.
    let last = watch.wait(" has not answered for ");
    assert!(last.contains("waiting for it") && last.contains("hub/pi"), "{last}");
    watch.wait("does not answer: timed out");
}

#[test]
fn a_daemon_that_tells_no_changes_yet_is_asked_again_and_again() {
    let rig = Rig::new();
    let listener = UnixListener::bind(rig.path("twind.sock")).unwrap();
    let mut watch = Watch::of(&mut rig.command(&["watch"]));
    for version in 1..4 {
        let (mut client, call) = call_of(&listener);
        let unknown =
            json!({"error": "org.varlink.service.MethodNotFound", "parameters": {"method": call["method"]}});
        say(&mut client, &unknown);
        let (mut client, call) = call_of(&listener);
        assert_eq!(call, json!({"method": "io.twind.Daemon.GetStatus", "parameters": {"changes": 5}}));
        say(&mut client, &json!({"parameters": {"status": {"hub": {"desiredVersion": version}}}}));
        watch.wait(&format!("desired version {version}"));
    }
}
