//! The real daemon as a process, on a folder of its own.

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use twinhub::Running;

/// The tutorial's device.
pub(crate) const DEVICE: &str = "MyTwinDevice";

/// A running `twind run`; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    /// Writes the daemon's files and starts it with this configuration.
    pub(crate) fn start(folder: &Path, hub: &Running, config: &str) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(folder.join("twind"))?;
        let secret = folder.join("twind/connection-string");
        fs::write(&secret, hub.device_connection_string(DEVICE)?)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        fs::write(folder.join("ca.pem"), hub.ca_pem())?;
        fs::write(folder.join("twind.toml"), config)?;
        let child = command(folder, &["run"])
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()?;
        Ok(Self { child, folder: folder.to_owned() })
    }

    /// Runs another command of twind, as a technician does. Returns what it printed.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, Box<dyn Error>> {
        let said = command(&self.folder, words).output()?;
        if said.status.success() {
            return Ok(String::from_utf8(said.stdout)?);
        }
        let told = String::from_utf8_lossy(&said.stderr);
        Err(format!("twind {} ended with {}: {told}", words.join(" "), said.status).into())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A file in the daemon's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The lines of the board's trace.
    pub(crate) fn trace(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path("board/trace.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What the daemon logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends the daemon in order.
    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("twind ended with {status}").into()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err(io::Error::other("twind did not end when asked").into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of twind on the daemon's configuration.
fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twind"));
    command.args(words).arg("--config").arg(folder.join("twind.toml"));
    for name in ["JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    // The folder of its socket.
    command.env("RUNTIME_DIRECTORY", folder);
    command
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
folder = "DIR/board"

[outputs.fan]
pwm = { channel = 0 }
min-duty = 20

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
