//! The last assignment, on disk: a device that was assigned once connects without asking the provisioning service.
//!
//! It is a small JSON file beside the twin, replaced whole (temporary file, sync, rename, sync of the folder). It is only used if
//! it belongs to the present registration. It holds no secret. `load` and `save` block.

use super::dps::Assignment;
use super::settings::Provisioning;
use crate::files::{self, Unread};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

const FILE_BYTES_MAX: u64 = 4096;

/// The stored assignment of this registration; `None` if there is no file.
///
/// # Errors
/// What is wrong with the file, for a message.
pub(super) fn load(by: &Provisioning) -> Result<Option<Assignment>, String> {
    let Some(path) = by.assignment_file.as_deref() else { return Ok(None) };
    let bytes = match files::read(path, FILE_BYTES_MAX) {
        Ok((bytes, _)) => bytes,
        Err(Unread::System(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(unread) => return Err(format!("{} cannot be read: {unread}", path.display())),
    };
    read(by, &bytes).map_err(|Damaged| format!("{} is damaged", path.display()))
}

/// The file names no hub and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Reads an assignment; `None` if it belongs to another registration.
///
/// # Errors
/// If it is no assignment.
pub fn read(by: &Provisioning, bytes: &[u8]) -> Result<Option<Assignment>, Damaged> {
    let kept: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let assignment = kept["assignedHub"]
        .as_str()
        .zip(kept["deviceId"].as_str())
        .and_then(|(host, device)| Assignment::new(host, device))
        .ok_or(Damaged)?;
    let asked = question(by);
    let same = asked.as_object().is_some_and(|asked| asked.iter().all(|(k, v)| kept[k] == *v));
    Ok(same.then_some(assignment))
}

/// Writes an assignment for [`read`].
pub fn write(by: &Provisioning, assignment: &Assignment) -> Vec<u8> {
    let mut kept = question(by);
    kept["assignedHub"] = json!(assignment.host);
    kept["deviceId"] = json!(assignment.device_id);
    format!("{kept}\n").into_bytes()
}

/// The registration that an assignment belongs to.
fn question(by: &Provisioning) -> Value {
    json!({ "endpoint": by.endpoint, "idScope": by.id_scope, "registrationId": by.registration_id })
}

/// Stores an assignment.
pub(super) fn save(by: &Provisioning, assignment: &Assignment) -> io::Result<()> {
    let Some(path) = by.assignment_file.as_deref() else { return Ok(()) };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".tmp");
    let aside = Path::new(&aside);
    let mut file = files::create(aside, 0o600)?;
    file.write_all(&write(by, assignment))?;
    file.sync_all()?;
    fs::rename(aside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Identity, Secret};

    fn by(folder: &Path) -> Provisioning {
        Provisioning {
            endpoint: "dps.example".into(),
            id_scope: "0ne1".into(),
            registration_id: "r".into(),
            identity: Identity::Key(Secret::new(b"very-secret".to_vec())),
            assignment_file: Some(folder.join("assignment")),
        }
    }

    #[test]
    fn what_was_kept_is_found_again_and_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let by = by(folder.path());
        assert_eq!(load(&by), Ok(None));
        for host in ["one.example", "two.example"] {
            let assignment = Assignment::new(host, "d").unwrap();
            save(&by, &assignment).unwrap();
            assert_eq!(load(&by), Ok(Some(assignment)));
        }
        let text = fs::read_to_string(folder.path().join("assignment")).unwrap();
        assert!(!text.contains("very-secret") && text.contains("two.example"), "{text}");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["assignment"]);
    }

    #[test]
    fn the_answer_to_another_question_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let by = by(folder.path());
        save(&by, &Assignment::new("h", "d").unwrap()).unwrap();
        for other in [
            Provisioning { endpoint: "other.example".into(), ..by.clone() },
            Provisioning { id_scope: "0ne2".into(), ..by.clone() },
            Provisioning { registration_id: "s".into(), ..by },
        ] {
            assert_eq!(load(&other), Ok(None));
        }
    }

    #[test]
    fn what_is_no_regular_file_holds_nobody_up_and_is_replaced() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let by = by(folder.path());
        for name in ["assignment", "assignment.tmp"] {
            mknodat(CWD, folder.path().join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
        assert_eq!(
            load(&by).unwrap_err(),
            format!(
                "{} cannot be read: it is no regular file but a named pipe",
                folder.path().join("assignment").display()
            )
        );
        let assignment = Assignment::new("h", "d").unwrap();
        save(&by, &assignment).unwrap();
        assert_eq!(load(&by), Ok(Some(assignment)));
    }

    #[test]
    fn damage_is_said_and_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let by = by(folder.path());
        let path = folder.path().join("assignment");
        save(&by, &Assignment::new("h", "d").unwrap()).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() - 2 {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(load(&by).is_err(), "{cut}");
        }
        fs::write(&path, String::from_utf8(whole).unwrap().replace("\"h\"", "\"h/evil\"")).unwrap();
        assert!(load(&by).is_err());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(load(&by).is_err());
        assert!(save(&by, &Assignment::new("h", "d").unwrap()).is_err());
    }
}
