//! Version, changelog and unit.

use super::read;

#[test]
fn the_changelogs_newest_entry_is_of_this_version() {
    let changelog = read("packaging/changelog");
    let first = changelog.lines().next().unwrap();
    let wanted = format!("twind ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(first.starts_with(&wanted), "{first}");
}

/// The key and value of each setting of the unit.
fn settings(unit: &str) -> Vec<(&str, &str)> {
    unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn the_unit_waits_for_no_network_and_no_clock() {
    let unit = read("systemd/twind.service");
    for (key, value) in settings(&unit) {
        let waits = ["After", "Requires", "BindsTo", "Requisite"].contains(&key);
        assert!(!waits, "{key}={value}");
        assert!(!value.contains("network"), "{key}={value}");
    }
    assert!(settings(&unit).contains(&("Wants", "time-sync.target")));
}

#[test]
fn the_unit_stays_down_after_the_statuses_that_a_restart_does_not_mend() {
    let unit = read("systemd/twind.service");
    assert!(settings(&unit).contains(&("RestartPreventExitStatus", "78 64")));
    assert!(settings(&unit).contains(&("ExecStopPost", "/usr/bin/twind safe")));
}

#[test]
fn too_many_deaths_are_followed_by_another_try_later_than_their_count_lasts() {
    let unit = read("systemd/twind.service");
    for setting in [("OnFailure", "twind-again.timer"), ("StartLimitIntervalSec", "10min")] {
        assert!(settings(&unit).contains(&setting), "{setting:?}");
    }
    let timer = read("systemd/twind-again.timer");
    assert!(settings(&timer).contains(&("OnActiveSec", "30min")));
    // systemd 254 and later start it with each restart of the unit, more often than a unit may by itself.
    assert!(settings(&timer).contains(&("StartLimitIntervalSec", "0")));
    // It stays down after the same exit statuses as the unit.
    let again = read("systemd/twind-again.service");
    assert!(
        settings(&again).iter().any(|(key, value)| *key == "ExecCondition" && value.contains("in 64 | 78)"))
    );
}

#[test]
fn each_line_of_the_sandbox_has_its_reason_above() {
    let unit = read("systemd/twind.service");
    let sandbox = unit.split_once("# --- what it may not do ---").unwrap().1;
    let sandbox = sandbox.split_once("[Install]").unwrap().0;
    let (mut reason, mut count) = (false, 0);
    for line in sandbox.lines() {
        let name = line.split_once('=').map(|(name, _)| name);
        match name.filter(|_| !line.starts_with('#')) {
            // Settings that belong together share a reason.
            Some("AmbientCapabilities" | "RestrictSUIDSGID") => {}
            Some(name) if name.starts_with("SystemCall") => {}
            Some(_) => {
                assert!(reason, "{line} has no reason above it");
                (reason, count) = (false, count + 1);
            }
            None => reason = line.starts_with("# ") && !line.starts_with("# ---"),
        }
    }
    assert!(count > 20, "only {count} lines were found");
}

#[test]
fn the_local_socket_is_named_where_programs_look_for_varlink_services_and_the_name_goes_with_the_package() {
    const REGISTRY: &str = "/run/varlink/registry";
    let link = format!("{REGISTRY}/{}", twind::service::calls::INTERFACE);
    let lines = read("systemd/twind.tmpfile");
    let line = lines.lines().find(|line| line.starts_with("L ")).unwrap();
    let [_, name, .., target] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert_eq!(name, link);
    // The link leads from the registry up to /run, and down to the default of `socket`.
    assert_eq!(target.replace("../..", "/run"), "/run/twind/twind.sock");
    assert!(read("config/twind.toml").contains("/run/twind/twind.sock"));
    assert!(read("packaging/scripts/postrm").contains(&format!("rm -f {link}\n")));
}

#[test]
fn the_journals_catalog_explains_each_id_of_a_message_and_no_other() {
    let source = read("src/message_ids.rs");
    let consts = source.lines().filter(|line| line.starts_with("pub const "));
    let ids: Vec<&str> = consts.map(|line| line.split('"').nth(1).unwrap()).collect();
    let catalog = read("packaging/twind.catalog");
    let entries: Vec<&str> = catalog.split("\n-- ").skip(1).collect();
    assert_eq!(entries.iter().map(|entry| entry.lines().next().unwrap()).collect::<Vec<_>>(), ids);
    assert!(
        ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    );
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    let log = read("src/service/log.rs") + &read("src/hub/link/driver.rs");
    for entry in entries {
        let (head, text) = entry.split_once("\n\n").unwrap();
        assert!(
            head.contains("\nSubject: ") && head.contains("\nDefined-By: twind") && !text.trim().is_empty(),
            "{entry}"
        );
        // A field that no message has would stay as it is written.
        for field in entry.split('@').skip(1).step_by(2) {
            let name = field.strip_prefix("TWIND_").unwrap().to_lowercase();
            let is_given = [format!("{name} = "), format!("%{name}"), format!(" {name},")]
                .iter()
                .any(|said| log.contains(said));
            assert!(is_given, "{field}");
        }
    }
}
