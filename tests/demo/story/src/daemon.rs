//! The real daemon as a process, on a folder of its own.

use crate::cleanup::CleanUp;
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use twinhub::Running;

/// The tutorial's device.
pub(crate) const DEVICE: &str = "MyTwinDevice";

/// `twind run` on a folder of its own; killed when dropped.
pub(crate) struct Daemon {
    child: Mutex<Option<Child>>,
    cleanup: CleanUp,
}

impl Daemon {
    /// Writes the daemon's files and starts it with this configuration.
    pub(crate) fn start(cleanup: &CleanUp, hub: &Running, config: &str) -> Result<Self, Box<dyn Error>> {
        let folder = cleanup.folder();
        fs::create_dir_all(folder.join("twind"))?;
        let secret = folder.join("twind/connection-string");
        fs::write(&secret, hub.device_connection_string(DEVICE)?)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        fs::write(folder.join("ca.pem"), hub.ca_pem())?;
        fs::write(folder.join("twind.toml"), config)?;
        let daemon = Self { child: Mutex::new(None), cleanup: cleanup.clone() };
        daemon.start_again()?;
        Ok(daemon)
    }

    /// Starts it on the files that are there.
    pub(crate) fn start_again(&self) -> Result<(), Box<dyn Error>> {
        let log = fs::File::options().create(true).append(true).open(self.path("log"))?;
        let mut run = self.command(&["run"])?;
        *self.child() = Some(self.cleanup.start(run.stdin(Stdio::null()).stderr(log))?);
        Ok(())
    }

    /// Kills it with SIGKILL, of which it gets to know nothing.
    pub(crate) fn kill(&self) -> io::Result<()> {
        if let Some(mut child) = self.child().take() {
            child.kill()?;
            child.wait()?;
            self.cleanup.daemon_ended();
        }
        Ok(())
    }

    /// Runs another command of twind, as a technician does. Returns what it printed.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, Box<dyn Error>> {
        said(&mut self.command(words)?, words)
    }

    /// Runs what systemd runs when the daemon has been killed. Returns what it printed.
    pub(crate) fn safe_after_kill(&self) -> Result<String, Box<dyn Error>> {
        let words = ["safe"];
        said(self.command(&words)?.env("SERVICE_RESULT", "signal"), &words)
    }

    /// A file in the daemon's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.cleanup.folder().join(name)
    }

    /// The lines of the board's trace.
    pub(crate) fn trace(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path("twind/board/trace.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What the daemon logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The errors that the daemon logged. What the story breaks is degraded and handled, so there should be none.
    pub(crate) fn errors(&self) -> usize {
        self.log().lines().filter(|line| line.contains("ERROR")).count()
    }

    /// Ends the daemon in order.
    pub(crate) fn stop(&self) -> Result<(), Box<dyn Error>> {
        let mut running = self.child();
        let Some(child) = running.as_mut() else { return Ok(()) };
        Command::new("kill").arg(child.id().to_string()).status()?;
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            match child.try_wait()? {
                Some(status) => {
                    *running = None;
                    self.cleanup.daemon_ended();
                    return match status.success() {
                        true => Ok(()),
                        false => Err(format!("twind ended with {status}").into()),
                    };
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(io::Error::other("twind did not end when asked").into())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command of twind on the daemon's configuration.
    fn command(&self, words: &[&str]) -> io::Result<Command> {
        let mut command = Command::new(program("twind")?);
        command.args(words).arg("--config").arg(self.path("twind.toml"));
        for name in ["JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "SERVICE_RESULT"] {
            command.env_remove(name);
        }
        // The folder of its socket, and of the copy that `twind safe` drives by.
        command.env("RUNTIME_DIRECTORY", self.cleanup.folder());
        Ok(command)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn said(command: &mut Command, words: &[&str]) -> Result<String, Box<dyn Error>> {
    let said = command.stdin(Stdio::null()).output()?;
    if said.status.success() {
        return Ok(String::from_utf8(said.stdout)?);
    }
    let told = String::from_utf8_lossy(&said.stderr);
    Err(format!("twind {} ended with {}: {told}", words.join(" "), said.status).into())
}

/// A program that was compiled with this one, and stands beside it.
pub(crate) fn program(name: &str) -> io::Result<PathBuf> {
    let us = std::env::current_exe()?;
    let path = us.parent().map(|folder| folder.join(name)).filter(|path| path.exists());
    path.ok_or_else(|| {
        io::Error::other(format!("there is no {name} beside {}; cargo demo compiles it", us.display()))
    })
}

/// The configuration of the tutorial's enclosure.
pub(crate) fn tutorial(folder: &Path, hub: &Running) -> String {
    CONFIG.replace("DIR", &folder.display().to_string()).replace("PORT", &hub.mqtt_port().to_string())
}

const CONFIG: &str = r#"
[hub]
connection-string-file = "twind/connection-string"
port = PORT
ca-file = "DIR/ca.pem"

[twin]
state-dir = "DIR/state"

[report]
min-interval = "1s"

[board]
driver = "simulated"
folder = "DIR/twind/board"

[outputs.fan]
pwm = { channel = 0 }
min-duty = 20
when = { crash = "40%", sensor-fault = "60%" }

[sensors.enclosure]
driver = "file"
path = "DIR/temperature"
period = "200ms"

[climate]
sensor = "enclosure"
cooling = "fan"
range = { min = 20.0, max = 28.0 }
critical = 60.0

[local]
socket = "DIR/twind.sock"
"#;
