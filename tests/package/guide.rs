//! The gateway guide: what it quotes is what the program says, and what it has one write the program takes.

use super::{project, read};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const GUIDE: &str = "packaging/gateway.md";

/// All of the program's text but comments and tests, with texts that go on in the next line in one.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() && name != "tests" {
            sources(&path, text);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let file = fs::read_to_string(&path).unwrap();
            let program = file.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let spoken = program.lines().filter(|line| !line.trim_start().starts_with("//"));
            let file: String = spoken.flat_map(|line| [line, "\n"]).collect();
            let mut parts = file.split("\\\n");
            text.push_str(parts.next().unwrap());
            parts.for_each(|part| text.push_str(part.trim_start()));
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_message_of_the_guide_is_one_of_the_programs() {
    let mut program = String::new();
    sources(&project("src"), &mut program);
    let guide = read(GUIDE);
    let (_, table) = guide.split_once("| message | do |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut count = 0;
    for row in rows {
        let message = row.split('|').nth(1).unwrap();
        for part in quoted(message) {
            assert!(program.contains(part), "nobody says \"{part}\"");
            count += 1;
        }
    }
    assert!(count > 15, "only {count} were found");
}

#[test]
fn each_state_of_a_sensor_that_the_guide_names_is_one() {
    let guide = read(GUIDE);
    let (_, states) = guide.split_once("has the name of its fault in `twind status`:").unwrap();
    let named: Vec<&str> = quoted(states).filter(|word| !word.contains('@')).collect();
    let program = read("src/core/src/control/mod.rs");
    let (_, names) = program.split_once("pub fn name(self)").unwrap();
    let (names, _) = names.split_once("\n    }\n").unwrap();
    for state in &named {
        assert!(names.contains(&format!("\"{state}\"")), "{state}");
    }
    assert!(named.len() >= 9, "{named:?}");
}

#[test]
fn the_files_of_the_guide_are_right() {
    let guide = read(GUIDE);
    let blocks: Vec<&str> =
        guide.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    let [whole, provisioning] = blocks.as_slice() else { panic!("{blocks:?}") };
    let (_, rest) = whole.split_once("\n\n").unwrap();
    for file in [(*whole).to_owned(), format!("{provisioning}\n{rest}")] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("twind")).unwrap();
        let secrets = [
            ("connection-string", "HostName=contoso.azure-devices.net;DeviceId=d;SharedAccessKey=c2VjcmV0"),
            ("group-key", "c2VjcmV0"),
        ];
        for (name, secret) in secrets {
            let path = folder.path().join("twind").join(name);
            fs::write(&path, secret).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let path = folder.path().join("twind.toml");
        fs::write(&path, &file).unwrap();
        let twind = env!("CARGO_BIN_EXE_twind");
        let said = Command::new(twind).args(["check", "--config"]).arg(&path).output().unwrap();
        assert!(said.status.success(), "{}{file}", String::from_utf8_lossy(&said.stderr));
    }
}
