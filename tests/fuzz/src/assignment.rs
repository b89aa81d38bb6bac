//! The provisioning assignment stored on disk. The bytes are the file.

use super::provisioning::assert_can_be_dialled;
use twind::hub::azure::Provisioning;
use twind::hub::azure::assignment::{read, write};
use twind::hub::{Identity, Secret};

/// See the module.
pub fn run(bytes: &[u8]) {
    let by = by("cabinet-7");
    let Ok(Some(assignment)) = read(&by, bytes) else { return };
    assert_can_be_dialled(&assignment);
    let kept = write(&by, &assignment);
    assert_eq!(read(&self::by("cabinet-8"), &kept), Ok(None), "another's assignment is believed");
    assert_eq!(read(&by, &kept), Ok(Some(assignment)), "written and read again");
}

fn by(registration_id: &str) -> Provisioning {
    Provisioning {
        endpoint: "dps.example".into(),
        id_scope: "0ne1".into(),
        registration_id: registration_id.into(),
        identity: Identity::Key(Secret::new(b"very-secret".to_vec())),
        assignment_file: None,
    }
}
