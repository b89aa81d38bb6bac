//! README and handbook: the messages that they quote are the program's, their samples are accepted, and their links have
//! a target.

use super::shell::{blocks, pages};
use super::{project, read};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use twind::report::alarms::AlarmKind;
use twind::service::metrics::{FAMILIES, Family};

const HANDBOOK: &str = "packaging/doc";
const README_LINES_MAX: usize = 150;
const README_WORDS_MAX: usize = 1400;

/// Appends the program's sources to `text`, without comments and tests, and with every string on one line.
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

/// The parts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The first cells of the table with this header.
fn table<'t>(text: &'t str, header: &str) -> Vec<&'t str> {
    let (_, table) = text.split_once(header).unwrap_or_else(|| panic!("no table {header}"));
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap()).collect()
}

#[test]
fn each_message_of_the_handbook_is_one_of_the_programs() {
    let mut program = String::new();
    sources(&project("src"), &mut program);
    let page = read("packaging/doc/on-site.md");
    let messages = table(&page, "| message | do |");
    for part in messages.iter().flat_map(|message| quoted(message)) {
        assert!(program.contains(part), "nobody says \"{part}\"");
    }
    assert!(messages.len() > 15, "only {} were found", messages.len());
}

#[test]
fn the_handbook_tells_each_alarm_with_its_remedy_and_no_other() {
    let page = read("packaging/doc/twin.md");
    let (_, table) = page.split_once("| alarm | is raised | is cleared | what to do |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let told: Vec<(AlarmKind, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let names: Vec<&str> = quoted(cells[1]).collect();
            let kinds: BTreeSet<_> = names.iter().map(|name| AlarmKind::of(name).unwrap()).collect();
            assert_eq!(kinds.len(), 1, "{names:?} are of one kind");
            (kinds.into_iter().next().unwrap(), cells[4].trim().to_owned())
        })
        .collect();
    assert_eq!(told, AlarmKind::ALL.map(|kind| (kind, kind.remedy().to_owned())));
}

#[test]
fn the_handbook_tells_each_fault_of_a_sensor_and_no_other() {
    let page = read("packaging/doc/configuration.md");
    let told: BTreeSet<&str> =
        table(&page, "| fault | means | look at |").into_iter().flat_map(quoted).collect();
    let program = read("src/core/src/control/mod.rs");
    let (_, names) = program.split_once("pub fn name(self)").unwrap();
    let (names, _) = names.split_once("\n    }\n").unwrap();
    let names: BTreeSet<&str> = names.split('"').skip(1).step_by(2).collect();
    assert_eq!(told, names);
}

#[test]
fn the_handbook_tells_each_code_of_check_and_no_other() {
    let page = read("packaging/doc/configuration.md");
    let told: BTreeSet<String> =
        table(&page, "| code | means |").into_iter().flat_map(quoted).map(str::to_owned).collect();
    let program = read("src/config/codes.rs");
    let (_, codes) = program.split_once("pub enum Code {\n").unwrap();
    let (codes, _) = codes.split_once("\n}\n").unwrap();
    let names = codes.lines().filter_map(|line| line.trim().strip_suffix(','));
    let names = names.filter(|line| line.chars().all(char::is_alphanumeric));
    // As serde writes them in kebab case.
    let kebab = |name: &str| {
        let dashed: String =
            name.chars().flat_map(|c| [c.is_uppercase().then_some('-'), Some(c)]).flatten().collect();
        dashed.trim_start_matches('-').to_lowercase()
    };
    assert_eq!(told, names.map(kebab).collect());
}

#[test]
fn the_architecture_names_each_input_of_the_core_and_no_other() {
    let page = read("packaging/doc/architecture.md");
    let named: BTreeSet<&str> = table(&page, "| `Input` | from |").into_iter().flat_map(quoted).collect();
    let core = read("src/core/src/engine/input.rs");
    let (_, inputs) = core.split_once("pub enum Input {\n").unwrap();
    let (inputs, _) = inputs.split_once("\n}\n").unwrap();
    let variants = inputs.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let inputs: BTreeSet<&str> =
        variants.filter_map(|line| line.split(|c: char| !c.is_alphanumeric()).next()).collect();
    assert_eq!(named, inputs);
}

#[test]
fn the_page_on_monitoring_has_each_metric_as_the_program_has_it() {
    let page = read("packaging/doc/monitoring.md");
    let (_, table) = page.split_once("| metric | labels | means |\n| --- | --- | --- |\n").unwrap();
    let told: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let row = |family: &Family| {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} |", family.name, labels.join(", "), family.help)
    };
    assert_eq!(told, FAMILIES.iter().map(row).collect::<Vec<_>>());
    assert!(page.contains("every 15 seconds"));
}

#[test]
fn the_rules_for_alerts_and_their_test_use_metrics_and_labels_that_there_are() {
    let page = read("packaging/doc/monitoring.md");
    let [rules] = blocks(&page, "yaml")[..] else { panic!("one block of rules") };
    let test = read("tests/daemon/alerts.yml");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for text in [rules, test.as_str()] {
        let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("twind_"));
        let mut count = 0;
        for word in words {
            assert!(FAMILIES.iter().any(|family| family.name == word), "there is no {word}");
            count += 1;
        }
        assert!(count > 8, "only {count} were found");
    }
    let labels: BTreeSet<&str> = FAMILIES.iter().flat_map(|family| family.labels).copied().collect();
    for label in rules.split("$labels.").skip(1).filter_map(|rest| rest.split(|c| !is_part(c)).next()) {
        assert!(label == "instance" || labels.contains(label), "there is no label {label}");
    }
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(test.contains(&format!("alertname: {alert}\n")), "{alert} is never seen to fire");
    }
}

/// A page's text without its code blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The fault of a link on a page, if it has one.
fn wrong(page: &str, link: &str) -> Option<&'static str> {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let page = Path::new(page);
    if page.starts_with(HANDBOOK) && file.contains('/') {
        return Some("leads out of the handbook, which is installed alone");
    }
    let to = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    let Ok(text) = fs::read_to_string(project(to.to_str().unwrap())) else {
        return Some("leads to no file");
    };
    let headings: BTreeSet<String> = prose(&text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect();
    heading.filter(|heading| !headings.contains(*heading)).map(|_| "leads to no heading")
}

#[test]
fn each_link_leads_to_a_file_and_heading_that_exist() {
    let mut count = 0;
    for (page, text) in pages(&project("")) {
        for link in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("https://") {
                assert_eq!(wrong(&page, link), None, "{page}: {link}");
                count += 1;
            }
        }
    }
    assert!(count > 30, "only {count} links were found");
    assert!(wrong("README.md", "packaging/doc/no.md").is_some());
    assert!(wrong("README.md", "packaging/doc/twin.md#no").is_some());
}

#[test]
fn each_path_that_the_pages_name_is_there() {
    let folders = ["src/", "tests/", "packaging/", "config/", "systemd/", ".ci/", ".github/"];
    let mut count = 0;
    for (page, text) in pages(&project("")) {
        for path in quoted(&prose(&text)).filter_map(|quoted| quoted.split(' ').next()) {
            // The reader creates the file `src/sensors/NAME.rs`.
            if folders.iter().any(|folder| path.starts_with(folder)) && !path.contains("NAME") {
                assert!(project(path).exists(), "{page}: {path}");
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} paths were found");
}

#[test]
fn the_readme_leads_to_each_chapter() {
    let readme = read("README.md");
    for (page, _) in pages(&project("")).iter().filter(|(page, _)| page.starts_with(HANDBOOK)) {
        assert!(readme.contains(&format!("]({page})")), "{page}");
    }
}

#[test]
fn the_readme_is_read_in_five_minutes() {
    let readme = read("README.md");
    let (lines, words) = (readme.lines().count(), readme.split_whitespace().count());
    assert!(lines <= README_LINES_MAX && words <= README_WORDS_MAX, "{lines} lines, {words} words");
}

/// The tables that complete a sample that shows only part of the file.
const REST: [(&str, &str); 4] = [
    ("[hub", "connection-string-file = \"twind/connection-string\""),
    ("[outputs.fan]", "pwm = { channel = 0 }"),
    ("[sensors.cabinet]", "driver = \"thermal-zone\"\nid = \"cpu-thermal\""),
    ("[climate]", "cooling = \"fan\"\nsensor = \"cabinet\""),
];

/// Whether a sample is a whole file of a site with several climates.
fn is_whole(sample: &str) -> bool {
    ["[hub]", "[outputs.", "[sensors.", "[climates."].iter().all(|table| sample.contains(table))
}

fn completed(sample: &str) -> String {
    let mut file = sample.to_owned();
    if is_whole(sample) {
        return file;
    }
    // Climates with names do not stand beside the only one of a site.
    let is_there =
        |header: &str| sample.contains(header) || header == "[climate]" && sample.contains("[climates.");
    for (header, lines) in REST.iter().filter(|(header, _)| !is_there(header)) {
        let close = if header.ends_with(']') { "" } else { "]" };
        file += &format!("\n{header}{close}\n{lines}\n");
    }
    file
}

/// A site's folder with the files that the samples name.
pub(super) fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let certified = twinhub::pki::self_signed_client("MyTwinDevice").unwrap();
    let string = "HostName=contoso.azure-devices.net;DeviceId=d;SharedAccessKey=c2VjcmV0";
    let files = [
        ("twind/connection-string", string.to_owned()),
        ("connection-string", string.to_owned()),
        ("twind/group-key", "c2VjcmV0".to_owned()),
        ("twind/device.pem", certified.certificate_pem.clone()),
        ("twind/device.key", certified.key_pem),
        ("ca.pem", certified.certificate_pem),
    ];
    fs::create_dir(folder.path().join("twind")).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// What `twind check` has against a file, written to `path`; a sample must not cause a warning either.
pub(super) fn faults(path: &Path, file: &str) -> String {
    fs::write(path, file).unwrap();
    let twind = env!("CARGO_BIN_EXE_twind");
    let said = Command::new(twind).args(["check", "--config"]).arg(path).output().unwrap();
    let faults = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.success(), faults.is_empty(), "{}: {faults}", said.status);
    let warned = String::from_utf8_lossy(&said.stdout).into_owned();
    let warnings = warned.lines().filter(|line| line.starts_with("warning:"));
    warnings.fold(faults, |faults, warning| faults + warning)
}

#[test]
fn each_sample_is_a_right_configuration_or_a_part_of_one() {
    let (folder, mut whole, mut parts) = (site(), 0, 0);
    let path = folder.path().join("twind.toml");
    for (page, text) in pages(&project("")) {
        for sample in blocks(&text, "toml") {
            let file = completed(sample).replace("/tmp/hub/", "");
            if file == sample {
                whole += 1;
            } else {
                parts += 1;
            }
            let faults = faults(&path, &file);
            assert_eq!(faults, "", "{page}: {file}");
        }
    }
    assert!(whole >= 5 && parts > 8, "{whole} whole, {parts} parts");
}

#[test]
fn the_page_on_the_twin_names_every_property_of_the_model() {
    let page = fs::read_to_string(project("packaging/doc/twin.md")).unwrap();
    let model = fs::read_to_string(project("config/twind.dtdl.json")).unwrap();
    let model: serde_json::Value = serde_json::from_str(&model).unwrap();
    for interface in model.as_array().unwrap() {
        for content in
            interface["contents"].as_array().unwrap().iter().filter(|one| one["@type"] == "Property")
        {
            let name = content["name"].as_str().unwrap();
            let is_named = ["`", ".", "\""].iter().any(|before| {
                let quoted = format!("{before}{name}");
                let ends = |at: usize| !page[at + quoted.len()..].starts_with(|c: char| c.is_alphanumeric());
                page.match_indices(&quoted).any(|(at, _)| ends(at))
            });
            assert!(is_named, "{name} of {}", interface["@id"]);
        }
    }
}

#[test]
fn the_description_of_the_json_is_installed_where_the_papers_name_it() {
    const INSTALLED: &str = "/usr/share/doc/twind/io.twind.Daemon.varlink";
    let source = "src/service/local/io.twind.Daemon.varlink";
    assert!(read(source).contains("\ntype Status (\n"));
    let (folder, _) = INSTALLED[1..].rsplit_once('/').unwrap();
    assert!(read("Cargo.toml").contains(&format!("[\"{source}\", \"{folder}/\", \"644\"]")));
    for (page, begins) in
        [("packaging/doc/on-site.md", "`--json` prints"), ("packaging/man/twind.8", ".B status\n")]
    {
        let page = read(page).replace("\\-", "-");
        let (_, told) = page.split_once(begins).unwrap_or_else(|| panic!("no {begins:?}"));
        let told = told.split("\n\n").next().unwrap().split("\n.TP\n").next().unwrap();
        assert!(told.contains(INSTALLED), "{told}");
    }
}
