//! The rig of every test here: a hub, a folder, and a daemon that can be started, signalled and read.

use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use twinhub::{Entry, Event, Options, Running};

pub(crate) const DEVICE: &str = "MyTwinDevice";
/// Far more than anything here takes. Whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(40);

/// A hub with one device, and a folder with the daemon's files.
pub(crate) struct Rig {
    pub(crate) hub: Running,
    pub(crate) dir: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let hub =
            Running::start_blocking(Options { devices: vec![DEVICE.into()], ..Options::default() }).unwrap();
        let rig = Self { hub, dir: tempfile::tempdir().unwrap() };
        rig.write_secret("connection-string", &rig.hub.hub().device_connection_string(DEVICE).unwrap());
        fs::write(rig.path("ca.pem"), rig.hub.ca_pem()).unwrap();
        rig.set_temperature("22.0");
        rig.configure("");
        rig
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Replaced whole, so that a reader never sees half a number.
    pub(crate) fn set_temperature(&self, text: &str) {
        fs::write(self.path("temperature.new"), text).unwrap();
        fs::rename(self.path("temperature.new"), self.path("temperature")).unwrap();
    }

    /// The usual configuration and `more` below it.
    pub(crate) fn configure(&self, more: &str) {
        self.write_config(
            &format!("{}{FAN}{SENSOR}{CLIMATE}{more}", self.base()).replace("DIR", &self.dir_text()),
        );
    }

    pub(crate) fn base(&self) -> String {
        BASE.replace("PORT", &self.hub.mqtt_port().to_string())
    }

    pub(crate) fn dir_text(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// Replaced whole, because the daemon may be reading it after an earlier SIGHUP.
    pub(crate) fn write_config(&self, text: &str) {
        fs::write(self.path("twind.toml.new"), text.replace("DIR", &self.dir_text())).unwrap();
        fs::rename(self.path("twind.toml.new"), self.path("twind.toml")).unwrap();
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Daemon {
        let mut daemon = self.spawn();
        daemon.wait_notified("READY=1");
        daemon
    }

    /// Starts the daemon, and waits until it is ready, has the hub's twin, and has reported. After a restart there may be
    /// nothing to report.
    pub(crate) fn start_synced(&self) -> Daemon {
        let daemon = self.start();
        self.wait_synced();
        daemon
    }

    /// Waits until the daemon has the hub's twin and has reported.
    pub(crate) fn wait_synced(&self) {
        self.wait_status("contact", |status| {
            status["hub"]["synced"] == true && status["hub"]["reportPending"] == false
        });
    }

    pub(crate) fn spawn(&self) -> Daemon {
        self.spawn_as(self.command(&["run"]))
    }

    /// Spawns the daemon by this command, to which a test may have added environment variables.
    pub(crate) fn spawn_as(&self, command: Command) -> Daemon {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        self.spawn_into(command, Stdio::from(log))
    }

    /// Spawns the daemon by this command, with this as its standard error.
    pub(crate) fn spawn_into(&self, mut command: Command, stderr: Stdio) -> Daemon {
        let socket = self.path("notify.sock");
        let _ = fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = self.path("log");
        let log_begins = fs::read(&log).map_or(0, |log| log.len());
        let child = command.env("NOTIFY_SOCKET", &socket).stderr(stderr).spawn().unwrap();
        Daemon { child, notify, log, log_begins }
    }

    /// A command of the binary on this rig's configuration.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twind"));
        command.args(words).arg("--config").arg(self.path("twind.toml"));
        for name in ["JOURNAL_STREAM", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "SERVICE_RESULT"] {
            command.env_remove(name);
        }
        // The folder of its socket, unless the configuration names another.
        command.env("RUNTIME_DIRECTORY", self.dir.path());
        command.env("RUST_LOG", "debug").stdin(Stdio::null());
        command
    }

    /// What `twind status` says of the daemon that runs.
    pub(crate) fn status(&self) -> Value {
        let said = say(&mut self.command(&["status", "--json"]));
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// Waits until the running daemon's status satisfies `good`.
    pub(crate) fn wait_status(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || Some(self.status()).filter(&good), || format!("{:#}", self.status()))
    }

    pub(crate) fn desire(&self, patch: Value) -> u64 {
        self.hub.hub().update_desired(DEVICE, &patch).unwrap()
    }

    pub(crate) fn reported(&self) -> Value {
        self.hub.hub().reported(DEVICE).unwrap()
    }

    /// Waits until the hub's reported section satisfies `good`.
    pub(crate) fn wait_reported(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || Some(self.reported()).filter(&good), || format!("{:#}", self.reported()))
    }

    pub(crate) fn wait_event(&self, after: u64, good: impl Fn(&Event) -> bool) -> Entry {
        let hub = self.hub.hub();
        let find = || hub.events_after(after).into_iter().find(|entry| good(&entry.event));
        eventually("an event at the hub", find, || format!("{:#?}", hub.events_after(after)))
    }

    pub(crate) fn count_events(&self, after: u64, good: impl Fn(&Event) -> bool) -> usize {
        self.hub.hub().events_after(after).iter().filter(|entry| good(&entry.event)).count()
    }

    /// The drive of an output on the simulated board.
    pub(crate) fn drive(&self, output: &str) -> Option<u16> {
        fs::read_to_string(self.path("board").join(output)).ok()?.trim().parse().ok()
    }

    /// Waits until the board has such a drive, and then until it is in the trace, which is written second.
    pub(crate) fn wait_drive(&self, output: &str, good: impl Fn(u16) -> bool) -> u16 {
        let is_traced = |drive: &u16| {
            let last = self.trace().into_iter().rfind(|change| change["output"] == output);
            last.is_some_and(|change| change["permille"] == *drive)
        };
        let find = || self.drive(output).filter(|drive| good(*drive)).filter(is_traced);
        eventually(&format!("a drive of {output}"), find, || format!("{:?}", self.trace()))
    }

    /// The trace of the board: every change.
    pub(crate) fn trace(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("board/trace.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    notify: UnixDatagram,
    log: PathBuf,
    /// Where this daemon's part of the log begins, after that of earlier daemons.
    log_begins: usize,
}

impl Daemon {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on the service manager's socket.
    pub(crate) fn wait_notified(&mut self, wanted: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.notify.recv(&mut buffer).unwrap_or_else(|error| {
                panic!(
                    "{wanted} was never told ({error}); {:?}; the log:\n{}",
                    self.child.try_wait(),
                    self.log()
                )
            });
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains(wanted) {
                return text;
            }
        }
    }

    /// Does anything come on the service manager's socket before this time is over?
    pub(crate) fn is_notified_within(&mut self, time: Duration) -> bool {
        self.notify.set_read_timeout(Some(time)).unwrap();
        let told = self.notify.recv(&mut [0; 4096]).is_ok();
        self.notify.set_read_timeout(Some(PATIENCE)).unwrap();
        told
    }

    /// This daemon's log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default().split_off(self.log_begins)
    }

    pub(crate) fn wait_log(&self, wanted: &str) {
        eventually(wanted, || self.log().contains(wanted).then_some(()), || self.log());
    }

    /// Waits for the first line at ERROR.
    pub(crate) fn wait_error(&self) -> String {
        let find = || self.log().lines().find(|line| line.contains("ERROR")).map(str::to_owned);
        eventually("an error", find, || self.log())
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.wait_end()
    }

    pub(crate) fn wait_end(mut self) -> ExitStatus {
        let log = self.log.clone();
        let find = || self.child.try_wait().unwrap();
        eventually("the daemon's end", find, || fs::read_to_string(&log).unwrap_or_default())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command printed, and its exit status.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn say(command: &mut Command) -> Said {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Said { code: child.wait().unwrap().code().unwrap_or(-1), out, err }
}

/// Looks until there is something, or fails and shows what was there instead.
pub(crate) fn eventually<T>(
    what: &str,
    find: impl FnMut() -> Option<T>,
    otherwise: impl Fn() -> String,
) -> T {
    eventually_within(PATIENCE, what, find, otherwise)
}

/// The same for what takes longer than most.
pub(crate) fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut find: impl FnMut() -> Option<T>,
    otherwise: impl Fn() -> String,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < end, "never came: {what}; instead:\n{}", otherwise());
        sleep(Duration::from_millis(10));
    }
}

/// Copies the program for users who may not reach the build's folder. Another process writes it: a file that this one writes may
/// still be open in a child of another test when it is to be run, and such a program is busy.
pub(crate) fn copy_program(to: &Path) {
    let status = Command::new("cp").arg(env!("CARGO_BIN_EXE_twind")).arg(to).status().unwrap();
    assert!(status.success());
}

/// In which line of a file, as a person counts them, is the first that begins so?
pub(crate) fn line_of(text: &str, begins: &str) -> usize {
    text.lines().position(|line| line.starts_with(begins)).unwrap() + 1
}

/// The state files of a state directory.
pub(crate) fn state_files(dir: &Path) -> Vec<PathBuf> {
    let names = ["twin.a", "twin.b"];
    names.iter().map(|name| dir.join(name)).filter(|path| path.exists()).collect()
}

const BASE: &str = r#"
[hub]
connection-string-file = "connection-string"
port = PORT
ca-file = "ca.pem"

[twin]
state-dir = "DIR/state"

[report]
min-interval = "1s"
deadband = { temperature = 0.1 }

[board]
driver = "simulated"
folder = "DIR/board"
"#;

pub(crate) const FAN: &str = r#"
[outputs.fan]
pwm = { channel = 0 }
min-duty = 20
"#;

pub(crate) const SENSOR: &str = r#"
[sensors.cabinet]
driver = "file"
path = "DIR/temperature"
period = "100ms"
stale-after = "1s"
"#;

pub(crate) const CLIMATE: &str = r#"
[climate]
sensor = "cabinet"
cooling = "fan"
range = { min = 20.0, max = 28.0 }
"#;
