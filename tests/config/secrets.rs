//! Secrets: where they are looked up, who may read them, and that they are never shown.

use super::{KEY, SMALL, Site, account, replaced, with};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use twind::config::{self, Examination};

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let site = Site::new();
    site.write("cs", "HostName=h;DeviceId=d;SharedAccessKey=c2Vj", 0o644);
    let fault = site.fault(SMALL);
    let path = site.path("cs");
    assert!(fault.contains(&format!("run `chmod o-rwx {}`", path.display())), "{fault}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    site.right(SMALL);
}

#[test]
fn a_configuration_with_a_proxys_password_that_others_can_read_is_refused_like_any_secret() {
    let site = Site::new();
    let proxy = |login: &str| {
        let lines = format!("[hub]\ntransport = \"websocket\"\nproxy = \"http://{login}proxy.local:3128\"");
        replaced(SMALL, "[hub]", &lines)
    };
    let path = site.path("twind.toml");
    let examination = Examination { now: None };
    let both = || {
        [
            config::load(&path, &site.environment).map(drop),
            config::review(&path, &site.environment, examination).map(drop),
        ]
    };
    for mode in [0o644, 0o604, 0o646, 0o602] {
        site.write("twind.toml", &proxy("me:hunter2@"), mode);
        for read in both() {
            let faults = read.unwrap_err();
            assert_eq!(faults.faults.len(), 1, "{faults}");
            let told = format!(
                "twind.toml:4:9: `proxy` has a password, and others can read this file: {path} has mode {mode:04o}; run \
                 `chmod o-rwx {path}`",
                path = path.display()
            );
            assert!(faults.to_string().contains(&told), "{faults}");
            assert!(!faults.to_string().contains("hunter2"), "{faults}");
        }
    }
    for (login, mode) in [("me:hunter2@", 0o640), ("me:hunter2@", 0o600), ("", 0o644)] {
        site.write("twind.toml", &proxy(login), mode);
        for read in both() {
            assert_eq!(read, Ok(()), "{login} {mode:o}");
        }
    }
}

#[test]
fn a_secret_that_is_not_there_is_told_with_its_path_and_reason() {
    let site = Site::new();
    fs::remove_file(site.path("cs")).unwrap();
    let fault = site.fault(SMALL);
    assert!(
        fault.contains(&format!("{}, which cannot be read: No such file", site.path("cs").display())),
        "{fault}"
    );
    let folder = replaced(SMALL, "\"cs\"", "\"/\"");
    assert!(site.fault(&folder).contains("/, which is not a file but a directory; put a regular file"));
}

#[test]
fn a_relative_secret_is_looked_up_among_the_credentials_first() {
    let mut site = Site::new();
    let credentials = tempfile::tempdir().unwrap();
    site.environment.credentials_directory = Some(credentials.path().to_owned());
    site.right(SMALL);
    let path = credentials.path().join("cs");
    fs::write(&path, format!("HostName=h;DeviceId=credential;SharedAccessKey={KEY}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
    assert_eq!(account(&site.right(SMALL)).device_id, "credential");
    let absolute = replaced(SMALL, "\"cs\"", &format!("{:?}", site.path("cs")));
    assert_eq!(account(&site.right(&absolute)).device_id, "cabinet-7");
}

#[test]
fn a_file_below_a_folder_is_the_credential_that_systemd_makes_of_it() {
    let mut site = Site::new();
    let credentials = tempfile::tempdir().unwrap();
    site.environment.credentials_directory = Some(credentials.path().to_owned());
    let path = credentials.path().join("twind_cs");
    fs::write(&path, format!("HostName=h;DeviceId=credential;SharedAccessKey={KEY}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let below = replaced(SMALL, "\"cs\"", "\"twind/cs\"");
    assert_eq!(account(&site.right(&below)).device_id, "credential");
    // Without the service manager, as with `twind check`, the file itself is read.
    site.environment.credentials_directory = None;
    fs::create_dir(site.path("twind")).unwrap();
    site.write("twind/cs", &format!("HostName=h;DeviceId=file;SharedAccessKey={KEY}"), 0o600);
    assert_eq!(account(&site.right(&below)).device_id, "file");
}

#[test]
fn a_certificate_to_trust_may_lie_among_the_credentials_too() {
    let mut site = Site::new();
    let credentials = tempfile::tempdir().unwrap();
    site.environment.credentials_directory = Some(credentials.path().to_owned());
    let trusting = replaced(SMALL, "\"cs\"", "\"cs\"\nca-file = \"twind/ca.pem\"");
    assert!(site.fault(&trusting).contains("twind/ca.pem, which cannot be read"));
    let path = credentials.path().join("twind_ca.pem");
    fs::copy(site.path("cert.pem"), &path).unwrap();
    assert_eq!(site.right(&trusting).hub.ca_file, Some(path));
}

#[test]
fn a_secret_shows_neither_in_faults_nor_in_debug() {
    let site = Site::new();
    assert!(!format!("{:?}", site.right(SMALL)).contains("secret-secret"));
    let bytes = format!("{:?}", b"secret-secret".to_vec());
    assert!(!format!("{:?}", site.right(SMALL)).contains(bytes.trim_matches(['[', ']'])));
    for (line, secret) in [
        ("connection-string = \"HostName=h;SharedAccessKey=c2VjcmV0\"", "c2VjcmV0"),
        ("connection-string-file = \"HostName=h;SharedAccessKey=c2VjcmV0\"", "c2VjcmV0"),
        ("key-file = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"", "MDEyMzQ1"),
        ("shared-access-key = \"c2VjcmV0\"", "c2VjcmV0"),
        ("proxy = \"http://me:c2VjcmV0@proxy.local\"", "c2VjcmV0"),
        ("proxy = \"http://me:c2VjcmV0@proxy.local:3128\"", "c2VjcmV0"),
        ("proxy = \"me:hunter2@proxy.local:3128\"", "hunter2"),
        ("proxy = \"hunter2@proxy\"", "hunter2"),
        ("proxy = \"http://me:hun ter2@proxy.local\"", "ter2"),
        ("proxy \"me:hunter2@proxy\"", "hunter2"),
        ("proxy: me:hunter2@proxy", "hunter2"),
        ("proxy = me:hunter2@proxy", "hunter2"),
        ("\"proxy\" = [\"me:hunter2@proxy\"]", "hunter2"),
        ("x = { proxy = \"me:hunter2@proxy\" }", "hunter2"),
        ("provisioning.proxy = \"me:hunter2@proxy\"", "hunter2"),
        ("http-proxi = \"me:hunter2@proxy\"", "hunter2"),
        ("gateway = \"me:hunter2@proxy.local:3128\"", "hunter2"),
        ("gateway = \"http://me:hun ter2@proxy.local\"", "ter2"),
        ("port = \"me:hunter2@10.0.0.1\"", "hunter2"),
        ("password = hunter2", "hunter2"),
        ("sas-token = \"hunter2\"", "hunter2"),
    ] {
        let text = replaced(SMALL, "connection-string-file = \"cs\"", line);
        let faults = site.parse(&text).unwrap_err();
        assert!(!faults.to_string().contains(secret), "{faults}");
        assert!(!format!("{faults:?}").contains(secret), "{faults:?}");
    }
}

/// It must not show, wherever it was pasted.
#[test]
fn a_secret_in_a_place_of_something_else_is_not_shown_whole() {
    const LONG: &str =
        "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kA==";
    let site = Site::new();
    let string = format!("HostName=hub.example.net;DeviceId=cabinet-7;SharedAccessKey={KEY}");
    let unpadded = LONG.trim_end_matches('=');
    let (parted, provisioned) = (
        replaced(
            SMALL,
            "connection-string-file = \"cs\"",
            "device-id = \"d\"\nhost = \"h\"\nkey-file = \"key\"",
        ),
        replaced(SMALL, "connection-string-file = \"cs\"", "[hub.provisioning]\nkey-file = \"key\""),
    );
    for (text, table, key) in [
        (SMALL, "hub", "port"),
        (SMALL, "hub", "transport"),
        (SMALL, "hub", "proxy"),
        (SMALL, "hub", "ca-file"),
        (SMALL, "hub", "keep-alive"),
        (SMALL, "hub", "token-lifetime"),
        (SMALL, "hub", "model-id"),
        (SMALL, "hub", "unknown"),
        (SMALL, "hub", "gateway"),
        (&parted, "hub", "host"),
        (&parted, "hub", "device-id"),
        (&parted, "hub", "key-file"),
        (&provisioned, "hub.provisioning", "id-scope"),
        (&provisioned, "hub.provisioning", "registration-id"),
        (&provisioned, "hub.provisioning", "endpoint"),
        (SMALL, "board", "driver"),
        (SMALL, "board", "folder"),
        (SMALL, "outputs.fan", "property"),
        (SMALL, "outputs.fan", "min-on"),
        (SMALL, "sensors.cabinet", "driver"),
        (SMALL, "sensors.cabinet", "period"),
        (SMALL, "climate", "sensor"),
        (SMALL, "climate", "unit"),
    ] {
        for secret in [KEY, LONG, unpadded, &string] {
            let lines: Vec<&str> =
                text.lines().filter(|line| !line.starts_with(&format!("{key} ="))).collect();
            let text = with(&(lines.join("\n") + "\n"), table, &format!("{key} = \"{secret}\""));
            let Err(faults) = site.parse(&text) else {
                // These may be named so.
                assert!(["folder", "property"].contains(&key), "{text}");
                continue;
            };
            let told = faults.to_string();
            let core = &secret.trim_end_matches('=')[secret.len().saturating_sub(20)..secret.len() - 4];
            assert!(!told.contains(core), "{key}: {told}");
        }
    }
}

/// What does not look like a secret may be one all the same.
#[test]
fn what_is_refused_in_the_tables_about_connections_is_not_shown_whole() {
    let site = Site::new();
    let parted = "device-id = \"d\"\nhost = \"h\"\nkey-file = \"key\"";
    let provisioned = "[hub.provisioning]\nid-scope = \"s\"\nregistration-id = \"r\"\nkey-file = \"key\"";
    for (table, line, told) in [
        (
            "hub",
            "port = \"hunter2\"",
            "`port` must be a whole number from 1 to 65535, found the text \"hu… (7 characters)\"\n",
        ),
        ("hub", "port = \"c2VjcmV0\"", "found the text \"c2… (8 characters)\"\n"),
        (
            "hub",
            "transport = \"hunter2\"",
            "must be one of \"mqtt\", \"websocket\", found \"hu… (7 characters)\"\n",
        ),
        ("hub", "keep-alive = \"2 hunter2\"", "found \"2 … (9 characters)\"\n"),
        ("hub", "model-id = \"dtmi:hunter2 x\"", "found \"dt… (14 characters)\"\n"),
        ("hub", "port = [\"hunter2\"]", "found a list\n"),
        ("hub", "transport = { x = \"hunter2\" }", "found a table\n"),
        ("hub", "prt = \"hunter2\"", "unknown key `prt` in [hub]; did you mean `port`?\n"),
        (
            "hub",
            "provisioning = \"hunter2\"",
            "must be a table, found the text \"hu… (7 characters)\": write [hub.provisioning]",
        ),
        ("hub", "port = hunter2", "text must be in quotes"),
        ("hub", "port: hunter2", "not valid TOML"),
        ("hub", "gateway = \"hunter2@x.y\"", "found \"hu… (11 characters)\"\n"),
        (
            "parted",
            "host = \"hunter2@x.y\"",
            "`host` must be a host's name, such as \"contoso.azure-devices.net\"; found \"hu… (11 characters)\"\n",
        ),
        ("parted", "host = \"me:hunter2@x\"", "found \"me… (12 characters)\"\n"),
        ("parted", "device-id = \"hunter2 x\"", "`device-id` must be 1 to 128 characters"),
        ("hub.provisioning", "endpoint = \"hunter2 x\"", "found \"hu… (9 characters)\"\n"),
        ("hub.provisioning", "id-scope = \"hunter2 x\"", "found \"hu… (9 characters)\"\n"),
        ("hub.provisioning", "registration-id = \"hunter2 x\"", "found \"hu… (9 characters)\"\n"),
        ("hub.provisioning", "endpiont = \"hunter2\"", "did you mean `endpoint`?\n"),
        ("hub.provisioning", "endpoint = hunter2", "text must be in quotes"),
    ] {
        let (before, header) = match table {
            "parted" => (parted, "hub"),
            "hub.provisioning" => (provisioned, table),
            _ => ("connection-string-file = \"cs\"", table),
        };
        let key = line.split([' ', ':']).next().unwrap();
        let before: String = before
            .lines()
            .filter(|line| !line.starts_with(&format!("{key} =")))
            .map(|line| format!("{line}\n"))
            .collect();
        let text = replaced(SMALL, "connection-string-file = \"cs\"\n", &before);
        let faults = site.parse(&with(&text, header, line)).unwrap_err().to_string();
        assert!(faults.contains(told), "{line}: {faults}");
        assert!(!faults.contains("hunter2") && !faults.contains("c2VjcmV0"), "{line}: {faults}");
        assert!(faults.contains(&format!(" | {key} = …\n")) || line.contains(':'), "{line}: {faults}");
    }
    let faults = site.parse(&replaced(SMALL, "[hub]", "hub = \"hunter2\"\n[x]")).unwrap_err().to_string();
    assert!(faults.contains("hu… (7 characters)") && !faults.contains("hunter2"), "{faults}");
    // A conflict in the same line does not show it either.
    let both = with(SMALL, "hub", "host = \"hunter2@x.y\"");
    let faults = site.parse(&both).unwrap_err();
    assert_eq!(faults.faults.len(), 2, "{faults}");
    assert!(!faults.to_string().contains("hunter2"), "{faults}");
}

/// These are no secrets, and a message that hides them helps less.
#[test]
fn numbers_times_and_words_that_are_nearly_right_are_shown_in_those_tables() {
    let site = Site::new();
    for (line, told) in [
        ("port = \"8883\"", "found the text \"8883\""),
        ("port = 70000", "found the number 70000"),
        ("transport = \"wss\"", "found \"wss\"; did you mean \"websocket\"?"),
        ("transport = \"MQTT\"", "found \"MQTT\"; did you mean \"mqtt\"?"),
        ("keep-alive = \"1,5m\"", "found \"1,5m\" (invalid character at 1): write \"1m 30s\""),
        ("keep-alive = \"3h\"", "found \"3h\""),
        ("model-id = \"x\"", "found \"x\""),
    ] {
        let faults = site.parse(&with(SMALL, "hub", line)).unwrap_err().to_string();
        assert!(faults.contains(told) && faults.contains(&format!(" | {line}\n")), "{line}: {faults}");
    }
}

#[test]
fn a_secret_as_a_line_or_a_name_of_its_own_is_not_shown_whole() {
    let site = Site::new();
    for line in [
        KEY.to_owned(),
        format!("{KEY} = 1"),
        format!("\"{KEY}\" = 1"),
        format!("[outputs.\"{KEY}\"]\nx = 1"),
        format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}"),
        format!("port = {KEY}"),
    ] {
        let faults = site.parse(&with(SMALL, "hub", &line)).unwrap_err().to_string();
        assert!(!faults.contains(KEY.trim_end_matches('=')), "{line}: {faults}");
    }
}
