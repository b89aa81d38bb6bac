//! The configuration file from outside: what a right file becomes, the messages about a wrong one, and that the installed
//! file is right about every key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boards;
mod certificates;
mod climates;
mod codes;
mod contacts;
mod faults;
mod installed;
mod junk;
mod limits;
mod machines;
mod messages;
mod mutations;
mod parts;
mod provisioning;
mod right;
mod roles;
mod secrets;
mod silences;
mod sirens;
mod slips;
mod starting;
mod support;
mod telemetry;
mod zones;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use twind::cli::check::{Outcome, Scope, check};
use twind::config::{self, ConfigFaults, Environment, Examination, Settings};
use twind::control::RowDrive;
use twind::hub::azure::{Account, Source};
use twind::units::{Permille, UnixSeconds};

pub(crate) const KEY: &str = "c2VjcmV0LXNlY3JldA==";
pub(crate) const SHIPPED: &str = include_str!("../../config/twind.toml");
pub(crate) const OFF: RowDrive = RowDrive::Fixed(Permille::ZERO);
pub(crate) const ON: RowDrive = RowDrive::Fixed(Permille::FULL);

/// A site with one of everything. Lines that tests replace hold one key each.
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

    /// The messages of `twind check` about a text, the verdict last.
    pub(crate) fn check(&self, text: &str) -> (Outcome, String) {
        self.write("twind.toml", text, 0o640);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let scope = Scope {
            examination: Examination { now: Some(UnixSeconds(now)) },
            hardware: false,
            hub: false,
            excerpts: true,
        };
        let outcome = check(&self.path("twind.toml"), &self.environment, scope, &mut out, &mut err);
        out.extend(err);
        (outcome, String::from_utf8(out).unwrap())
    }

    /// The one warning of a text that is right.
    pub(crate) fn warning(&self, text: &str) -> String {
        let (outcome, said) = self.check(text);
        assert_eq!(outcome, Outcome::Right, "{said}");
        let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings.len(), 1, "{said}\nof{text}");
        let verdict = format!("{} is right, with 1 warning\n", self.path("twind.toml").display());
        assert!(said.ends_with(&verdict), "{said}");
        warnings[0].to_owned()
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

/// The account that a configuration names.
pub(crate) fn account(settings: &Settings) -> &Account {
    match &settings.hub.source {
        Source::Assigned(account) => account,
        Source::Provisioned(by) => panic!("{by:?}"),
    }
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The text with a state directory and a socket in the site's own folder.
pub(crate) fn with_dirs(site: &Site, text: &str) -> String {
    let dir = site.folder.path().display();
    format!("{text}[twin]\nstate-dir = \"{dir}/state\"\n[local]\nsocket = \"{dir}/s\"\n")
}
