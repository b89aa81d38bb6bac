//! Networks in namespaces: addresses that drop everything, and a route that goes and comes back. Each test runs itself
//! again in a network and with a `/etc/hosts` of its own. Where that is not permitted, it says so and tests nothing.

use crate::rig::{DEVICE, Rig, eventually};
use std::process::Command;

/// Set in the process that runs inside.
const INSIDE: &str = "TWIND_TEST_NETWORK";

/// Runs the test of this name within a network of its own; true if this process is the one inside.
#[expect(clippy::print_stdout, reason = "whoever runs the tests is told what they did not show")]
fn is_inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ways: [&[&str]; 2] = [&["--net", "--mount"], &["--map-root-user", "--net", "--mount"]];
    let works = |way: &&&[&str]| {
        let mut trial = Command::new("unshare");
        let trial =
            trial.args(**way).args(["ip", "link", "add", "here", "type", "veth", "peer", "name", "there"]);
        trial.output().is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        println!(
            "skipped: {name} (no network of its own to be had: unshare, ip, or the right to use them is missing)"
        );
        return false;
    };
    let program = std::env::current_exe().unwrap();
    let mut inside = Command::new("unshare");
    inside.args(*way).arg(program).args(["--exact", &format!("network::{name}"), "--nocapture"]);
    let output = inside.env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn addresses_that_swallow_everything_do_not_hold_up_the_one_that_answers() {
    if !is_inside("addresses_that_swallow_everything_do_not_hold_up_the_one_that_answers") {
        return;
    }
    sh("ip link set lo up
        ip link add hole type veth peer name far
        ip link set hole up
        ip link set far up
        ip -6 addr add 2001:db8::1/64 dev hole nodad");
    let rig = Rig::new();
    // The resolver puts version 6 first. With ten seconds for each of them the last would never be tried.
    let mut hosts = String::new();
    for number in 2..8 {
        hosts += &format!("2001:db8::{number} localhost\n");
        // A known neighbour is sent packets, and nothing there answers.
        sh(&format!(
            "ip -6 neigh add 2001:db8::{number} lladdr 02:00:00:00:00:0{number} dev hole nud permanent"
        ));
    }
    hosts += "127.0.0.1 localhost\n";
    std::fs::write(rig.path("hosts"), hosts).unwrap();
    sh(&format!("mount --bind {} /etc/hosts", rig.path("hosts").display()));
    let daemon = rig.start_synced();
    assert!(!daemon.log().contains("cannot connect"), "{}", daemon.log());
}

#[test]
fn a_network_that_comes_back_is_used_at_once() {
    if !is_inside("a_network_that_comes_back_is_used_at_once") {
        return;
    }
    sh("ip link set lo up");
    let rig = Rig::new();
    // Without its address the kernel removes the routes, as when a lease ends or a network manager sees no link.
    sh("ip addr del 127.0.0.1/8 dev lo");
    let daemon = rig.start();
    daemon.wait_log("there is no route to it");
    // A moment at which the next attempt is some seconds away.
    let wait = |line: &str| line.split("next attempt in ").nth(1)?.split(' ').next()?.parse::<f32>().ok();
    let is_far = || daemon.log().lines().filter_map(wait).next_back().is_some_and(|seconds| seconds > 5.0);
    eventually("a long wait", || is_far().then_some(()), || daemon.log());
    sh("ip addr add 127.0.0.1/8 dev lo");
    daemon.wait_log("this machine has a route again");
    rig.wait_status("contact", |status| status["hub"]["synced"] == true);
}

#[test]
fn a_name_server_that_never_answers_holds_up_neither_control_nor_the_end() {
    if !is_inside("a_name_server_that_never_answers_holds_up_neither_control_nor_the_end") {
        return;
    }
    sh("ip link set lo up
        ip link add hole type veth peer name far
        ip link set hole up
        ip link set far up
        ip addr add 192.0.2.1/24 dev hole
        ip neigh add 192.0.2.53 lladdr 02:00:00:00:00:53 dev hole nud permanent");
    let rig = Rig::new();
    // Longer than the daemon has to end, and than it waits for a name.
    std::fs::write(rig.path("resolv.conf"), "nameserver 192.0.2.53\noptions timeout:30 attempts:5\n")
        .unwrap();
    std::fs::write(rig.path("nsswitch.conf"), "hosts: dns\n").unwrap();
    for name in ["resolv.conf", "nsswitch.conf"] {
        sh(&format!("mount --bind {} $(realpath /etc/{name})", rig.path(name).display()));
    }
    rig.set_temperature("15.0");
    let secret = rig.hub.hub().device_connection_string(DEVICE).unwrap();
    rig.write_secret("connection-string", &secret.replace("localhost", "hub.example"));
    let daemon = rig.start();
    daemon.wait_log("hub.example");
    rig.set_temperature("35.0");
    rig.wait_drive("fan", |now| now == 1000);
    daemon.wait_log("did not answer");
    assert!(daemon.stop().success());
}
