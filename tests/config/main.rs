//! The configuration file from outside: what a right one becomes, what is told of a wrong one, and that the file
//! which is installed says the truth about every key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boards;
mod faults;
mod installed;
mod mutations;
mod parts;
mod provisioning;
mod right;
mod secrets;
mod slips;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use twind::config::{self, ConfigFaults, Environment, Settings};
use twind::control::RowDrive;
use twind::hub::{Account, Source};
use twind::units::Permille;

pub(crate) const KEY: &str = "c2VjcmV0LXNlY3JldA==";
pub(crate) const SHIPPED: &str = include_str!("../../config/twind.toml");
pub(crate) const OFF: RowDrive = RowDrive::Fixed(Permille::ZERO);
pub(crate) const ON: RowDrive = RowDrive::Fixed(Permille::FULL);

/// A site that has one of everything; the lines that tests replace stand alone.
pub(crate) const SITE: &str = r#"
[hub]
connection-string-file = "cs"

[board]
driver = "simulated"

[outputs.fan]
pwm = { channel = 0 }

[outputs.heater]
pin = 17

[sensors.cabinet]
driver = "file"
path = "temperature"

[sensors.door]
driver = "hwmon"
id = "sht3x/humidity1_input"
measures = "humidity"

[climate]
cooling = "fan"
heating = "heater"
"#;

pub(crate) const SMALL: &str = r#"
[hub]
connection-string-file = "cs"
[board]
driver = "simulated"
[outputs.fan]
[sensors.cabinet]
driver = "file"
path = "/run/t"
[climate]
"#;

/// A folder with the files that the configurations name.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) environment: Environment,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), environment: Environment::default() };
        site.write(
            "cs",
            &format!("HostName=hub.example.net;DeviceId=cabinet-7;SharedAccessKey={KEY}\n"),
            0o600,
        );
        site.write("key", &format!("{KEY}\n"), 0o640);
        site.write("x509", "HostName=hub.example.net;DeviceId=cabinet-7;x509=true", 0o600);
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\n{KEY}\n-----END {kind}-----\n");
        site.write("cert.pem", &pem("CERTIFICATE"), 0o644);
        site.write("cert.key", &pem("PRIVATE KEY"), 0o600);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Settings, ConfigFaults> {
        config::parse(text, &self.path("twind.toml"), &self.environment)
    }

    pub(crate) fn right(&self, text: &str) -> Settings {
        self.parse(text).unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// The one fault of a text.
    pub(crate) fn fault(&self, text: &str) -> String {
        let faults = self.parse(text).unwrap_err();
        assert_eq!(faults.faults.len(), 1, "{faults}\nof{text}");
        faults.to_string().lines().next().unwrap().to_owned()
    }
}

/// The text with lines added below a header.
pub(crate) fn with(text: &str, header: &str, lines: &str) -> String {
    let header = format!("[{header}]\n");
    assert!(text.contains(&header), "{header}");
    text.replacen(&header, &format!("{header}{lines}\n"), 1)
}

/// The text with one line replaced.
pub(crate) fn replaced(text: &str, line: &str, by: &str) -> String {
    assert!(text.contains(line), "{line}");
    text.replacen(line, by, 1)
}

/// The account of a configuration that names one.
pub(crate) fn account(settings: &Settings) -> &Account {
    match &settings.hub.source {
        Source::Assigned(account) => account,
        Source::Provisioned(by) => panic!("{by:?}"),
    }
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
