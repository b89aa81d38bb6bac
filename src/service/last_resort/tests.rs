//! The copy and the lock, as a daemon leaves them and `twind safe` finds them.

use super::*;
use crate::config;
use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

struct Site {
    dir: tempfile::TempDir,
    environment: Environment,
}

const SITE: &str = "[hub]\nhost = \"h.example.net\"\ndevice-id = \"d\"\nkey-file = \"key\"\n[board]\ndriver = \"gpiochip\"\n";

fn output(name: &str, pin: u32) -> String {
    format!("[outputs.{name}]\npin = {pin}\nchip = \"gpiochip4711\"\n")
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), "c2VjcmV0").unwrap();
        fs::set_permissions(dir.path().join("key"), Permissions::from_mode(0o600)).unwrap();
        let environment =
            Environment { runtime_directory: Some(dir.path().join("run")), ..Environment::default() };
        Self { dir, environment }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn settings(&self, outputs: &[(&str, u32)]) -> Settings {
        let tables: String = outputs.iter().map(|(name, pin)| output(name, *pin)).collect();
        config::parse(&format!("{SITE}{tables}"), &self.path("twind.toml"), &self.environment).unwrap()
    }

    fn claim(&self, name: &str, settings: &Settings) -> Result<LastResort, Occupied> {
        LastResort::claim(&self.path(name), &self.environment, settings)
    }

    fn found(&self, name: &str) -> Found {
        find(&self.path(name), &self.environment)
    }

    /// What is found once the lock is free. A daemon in this process is gone with its handle, but for a moment a program
    /// that another test starts holds whatever was open here.
    fn found_dead(&self, name: &str) -> Found {
        let begun = Instant::now();
        loop {
            let found = self.found(name);
            if found.liveness == Liveness::Dead {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{found:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn copied(&self, name: &str) -> Vec<String> {
        let boards = self.found(name).copy.unwrap().unwrap_or_default();
        boards.iter().flat_map(Driven::names).map(ToOwned::to_owned).collect()
    }
}

#[test]
fn the_copy_is_there_from_the_start_to_an_orderly_end() {
    let site = Site::new();
    let settings = site.settings(&[("fan", 17)]);
    assert_eq!(site.found("twind.toml"), Found { liveness: Liveness::Dead, process: None, copy: Ok(None) });
    let mut daemon = site.claim("twind.toml", &settings).unwrap();
    daemon.take_over(&settings, true, BootTime::ZERO);
    let found = site.found("twind.toml");
    assert_eq!((found.liveness, found.process), (Liveness::Alive, Some(std::process::id())));
    assert_eq!(found.copy, Ok(Some(vec![Driven::by(&settings)])));
    let again = site.claim("twind.toml", &settings).err();
    assert_eq!(again, Some(Occupied::Configuration(Some(std::process::id()))));
    daemon.leave();
    assert_eq!(site.found("twind.toml").copy, Ok(None));
    assert_eq!(fs::read_dir(site.path("run")).unwrap().count(), 0);
}

#[test]
fn a_daemon_that_ends_otherwise_leaves_it_and_whoever_asks_learns_that_it_is_dead() {
    let site = Site::new();
    let settings = site.settings(&[("fan", 17)]);
    leave_as_if_killed(&site.path("twind.toml"), &site.environment, &settings);
    assert_eq!(site.found_dead("twind.toml").copy, Ok(Some(vec![Driven::by(&settings)])));
    // Without the lock the copy says who it was.
    fs::remove_file(Place::new(&site.path("twind.toml"), &site.environment).lock()).unwrap();
    assert_eq!(site.found("twind.toml").liveness, Liveness::Alive, "this process is the daemon of the copy");
}

#[test]
fn the_name_of_a_configuration_does_not_depend_on_the_file() {
    let site = Site::new();
    let name = |path: PathBuf| Place::new(&path, &site.environment).key;
    let before = name(site.path("sites/one/twind.toml"));
    fs::create_dir_all(site.path("sites/one")).unwrap();
    fs::write(site.path("sites/one/twind.toml"), "").unwrap();
    assert_eq!(name(site.path("sites/one/twind.toml")), before);
    std::os::unix::fs::symlink(site.path("sites"), site.path("link")).unwrap();
    assert_eq!(name(site.path("link/one/twind.toml")), before);
    assert_ne!(name(site.path("sites/one/other.toml")), before);
}

#[test]
fn what_was_driven_and_is_no_more_stays_in_the_copy_until_it_is_released() {
    let site = Site::new();
    let (before, after) = (site.settings(&[("fan", 17), ("lamp", 22)]), site.settings(&[("blower", 17)]));
    let mut daemon = site.claim("twind.toml", &before).unwrap();
    daemon.take_over(&before, true, BootTime::ZERO);
    // On the way to another configuration.
    daemon.keep(&after, &[Driven::by(&before)]);
    assert_eq!(site.copied("twind.toml"), ["lamp", "blower"]);
    // There is no such chip, so nothing can be released.
    daemon.settle(&before, &after, &["fan".into(), "lamp".into()]);
    assert_eq!(site.copied("twind.toml"), ["lamp", "blower"]);
    daemon.settle(&before, &after, &[]);
    assert_eq!(site.copied("twind.toml"), ["blower"]);
}

#[test]
fn a_start_keeps_what_it_cannot_release_of_the_daemon_before() {
    let site = Site::new();
    let (before, after) = (site.settings(&[("fan", 17), ("lamp", 22)]), site.settings(&[("fan", 17)]));
    leave_as_if_killed(&site.path("twind.toml"), &site.environment, &before);
    leave_as_if_killed(&site.path("twind.toml"), &site.environment, &after);
    assert_eq!(site.copied("twind.toml"), ["lamp", "fan"]);
}

#[test]
fn daemons_that_share_a_directory_do_not_share_outputs() {
    let site = Site::new();
    let settings = site.settings(&[("fan", 17)]);
    let mut first = site.claim("one.toml", &settings).unwrap();
    first.take_over(&settings, true, BootTime::ZERO);
    let rival = site.claim("two.toml", &site.settings(&[("blower", 17)])).err();
    assert!(matches!(rival, Some(Occupied::Output { ref output, .. }) if output == "blower"), "{rival:?}");
    assert!(site.claim("two.toml", &site.settings(&[("blower", 18)])).is_ok());
    assert_eq!(site.copied("two.toml"), Vec::<String>::new());
}

#[test]
fn a_copy_that_says_nothing_is_a_fault_and_no_silence() {
    let site = Site::new();
    leave_as_if_killed(&site.path("twind.toml"), &site.environment, &site.settings(&[("fan", 17)]));
    fs::write(Place::new(&site.path("twind.toml"), &site.environment).copy(), "{\"format\":").unwrap();
    assert!(site.found_dead("twind.toml").copy.unwrap_err().contains("cannot be read"));
}

#[test]
fn a_copy_whose_daemon_is_dead_counts_for_no_other() {
    let site = Site::new();
    let settings = site.settings(&[("fan", 17)]);
    leave_as_if_killed(&site.path("one.toml"), &site.environment, &settings);
    let place = Place::new(&site.path("one.toml"), &site.environment);
    let mut child = Command::new("true").spawn().unwrap();
    let dead = Process::of(child.id());
    child.wait().unwrap();
    let copy = OutputsFile { daemon: dead, ..read(&place.copy()).unwrap().unwrap() };
    write(&place.copy(), &copy).unwrap();
    assert!(site.claim("two.toml", &settings).is_ok());
}

#[test]
fn a_runtime_directory_that_cannot_be_used_is_no_reason_to_stay_down() {
    let mut site = Site::new();
    fs::write(site.path("run"), "").unwrap();
    site.environment.runtime_directory = Some(site.path("run"));
    let settings = site.settings(&[("fan", 17)]);
    let mut daemon = site.claim("twind.toml", &settings).unwrap();
    daemon.take_over(&settings, true, BootTime::ZERO);
    assert_eq!(site.found("twind.toml").copy, Ok(None));
    daemon.leave();
}

#[test]
fn what_could_not_be_released_is_left_to_whoever_comes_through_reloads_and_an_orderly_end() {
    let site = Site::new();
    let both = site.settings(&[("fan", 17), ("heater", 27)]);
    let mut crashed = site.claim("twind.toml", &both).unwrap();
    crashed.take_over(&both, true, BootTime::ZERO);
    drop(crashed);
    let fan = site.settings(&[("fan", 17)]);
    let mut daemon = site.claim("twind.toml", &fan).unwrap();
    // There is no such chip, so the heater cannot be released.
    daemon.take_over(&fan, true, BootTime::ZERO);
    assert_eq!(site.copied("twind.toml"), ["heater", "fan"]);
    let lamp = site.settings(&[("lamp", 22)]);
    daemon.keep(&lamp, &[Driven::by(&fan)]);
    daemon.settle(&fan, &lamp, &["fan".to_owned()]);
    assert_eq!(site.copied("twind.toml"), ["heater", "fan", "lamp"]);
    // One that is driven again is not stuck any more.
    daemon.keep(&fan, &[Driven::by(&lamp)]);
    daemon.settle(&lamp, &fan, &[]);
    assert_eq!(site.copied("twind.toml"), ["heater", "fan"]);
    daemon.leave();
    assert_eq!(site.copied("twind.toml"), ["heater", "fan"]);
}
