//! Commands that need only a part of the file, or report on it.

use super::{OFF, SITE, Site, with_dirs};
use std::path::Path;
use twind::cli::check::Outcome;
use twind::config;

#[test]
fn outputs_can_be_read_though_the_rest_is_wrong() {
    let site = Site::new();
    let write = |text: &str| site.write("twind.toml", text, 0o644);
    let load = || config::load_outputs(&site.path("twind.toml"), &site.environment);
    let wrong_elsewhere =
        SITE.replace("\"cs\"", "\"gone\"").replace("\"fan\"", "\"nobody\"") + "[nonsense]\nx = 1\n";
    write(&wrong_elsewhere);
    let outputs = load().unwrap();
    assert_eq!(outputs.outputs.len(), 2);
    assert_eq!(outputs.board.outputs.len(), 2);
    assert_eq!(outputs.outputs[0].when.stop, OFF);

    write(&SITE.replace("\"cs\"", "cs"));
    assert_eq!(load().unwrap().outputs.len(), 2);
    write(&SITE.replace("pin = 17", "pin ="));
    assert!(load().unwrap_err().to_string().contains("not valid TOML"));
    write(&SITE.replace("pin = 17", "pin = \"x\""));
    assert!(load().unwrap_err().to_string().contains("`pin` must be"));
    // It is the daemon that complains of a file without outputs.
    write("[hub]\n");
    assert_eq!(load().unwrap().outputs, []);
}

#[test]
fn the_local_ends_can_be_read_though_the_rest_is_wrong() {
    let site = Site::new();
    let load = |text: &str| {
        site.write("twind.toml", text, 0o644);
        config::load_local(&site.path("twind.toml"), &site.environment)
    };
    let whole = load(&format!("{SITE}[twin]\nstate-dir = \"/s\"\n[local]\nsocket = \"/x\"\n")).unwrap();
    assert_eq!((whole.state_dir.as_path(), whole.socket.as_path()), (Path::new("/s"), Path::new("/x")));
    assert_eq!(whole.identity.as_deref(), Some("hub.example.net/cabinet-7"));

    let secret_gone =
        load("[hub]\nconnection-string-file = \"gone\"\n[outputs]\nx = 1\n[local]\nsocket = 1\n").unwrap();
    assert_eq!(secret_gone.identity, None);
    assert_eq!(secret_gone.state_dir, Path::new("/var/lib/twind"));
    assert_eq!(secret_gone.socket, config::default_socket(&site.environment));

    let wrong = load("[twin]\nstate-dir = 1\n").unwrap_err();
    assert!(wrong.to_string().contains("`state-dir` must be a text"));
}

#[test]
fn check_sums_up_a_right_file_and_tells_the_faults_of_a_wrong_one() {
    let site = Site::new();
    let (outcome, out) = site.check(&with_dirs(&site, SITE));
    assert_eq!(outcome, Outcome::Right, "{out}");
    let verdict = format!("{} is right\n", site.path("twind.toml").display());
    assert!(out.ends_with(&verdict), "the verdict stands last: {out}");
    for told in [
        "hub.example.net, port 8883",
        "cabinet-7, with a device key",
        "fan, PWM, cools",
        "heater, on/off, heats",
        "start off, stop off, crash off, sensor-fault on, overheat on",
        "door, humidity, every 5s, stale after 30s",
        "20 to 28 °C, by cabinet",
    ] {
        assert!(out.contains(told), "wanted {told} in\n{out}");
    }
    let (outcome, said) = site.check("[hub]\nport = 0");
    assert_eq!(outcome, Outcome::Wrong);
    assert!(said.contains(":2:8: `port`") && said.contains("one [outputs.NAME]"), "{said}");
    let verdict = format!("{} is wrong: 2 faults\n", site.path("twind.toml").display());
    assert!(said.ends_with(&verdict), "{said}");
}
