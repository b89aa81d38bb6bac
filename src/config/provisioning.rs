//! `[hub.provisioning]`: the service that names hub and device, and how the device proves who it is to it.
//!
//! The key of an enrolment group is only used to derive the device's key, and does not leave this module.

use super::codes::{Code, Reason};
use super::connection_string::check_host;
use super::files::Places;
use super::reader::Reader;
use super::words;
use super::{secrets, values};
use crate::hub::Identity;
use crate::hub::azure::{Provisioning, derive_key};

const ENDPOINT: &str = "global.azure-devices-provisioning.net";
const IDENTITIES: &str = "the device authenticates with it; or `group-key-file`, or `certificate-file` with \
                          `private-key-file`";

/// Reads the table; `None` if it is not there or a fault was found. Where the assignment is kept is not known here.
pub(super) fn read(mut table: Reader<'_>, places: &Places) -> Option<Provisioning> {
    let is_answered = table.answer(
        Code::SecretInside,
        &secrets::TRIED,
        "does not exist: a secret does not belong in the configuration. Write it to a file that only twind can \
         read and name that in `key-file` (or `group-key-file`)",
    );
    let endpoint = table.read("endpoint", |value| {
        let written = values::text(value)?;
        check_host(written).map_err(|reason| {
            Code::WrongForm.because(format!("{reason}; found \"{}\"", words::shorten(written)))
        })
    });
    let id_scope = table.read("id-scope", |value| id_scope(values::text(value)?));
    let registration_id = table.read("registration-id", |value| registration_id(values::text(value)?));
    let key = table.read("key-file", |value| places.key(values::text(value)?));
    let group_key = table.read("group-key-file", |value| places.key(values::text(value)?));
    let certificate_file = table.read("certificate-file", |value| places.certificate(values::text(value)?));
    let private_key_file = table.read("private-key-file", |value| places.private_key(values::text(value)?));

    table.require(
        "id-scope",
        "it is shown on the overview page of the provisioning service, such as \"0ne00000000\"",
    );
    table.require("registration-id", "the device's name in the enrolment");
    let with_certificate = table.has("certificate-file") || table.has("private-key-file");
    let (with_key, with_group_key) = (table.has("key-file"), table.has("group-key-file"));
    if !with_key && !with_group_key && !with_certificate && !is_answered {
        table.require("key-file", IDENTITIES);
    }
    if with_key && with_group_key {
        table.wrong(
            "key-file",
            Code::Conflict
                .because("cannot be combined with `group-key-file`: a device has one identity, remove one"),
        );
    }
    if with_certificate {
        for other in ["key-file", "group-key-file"].into_iter().filter(|key| table.has(key)) {
            table.wrong(
                other,
                Code::Conflict
                    .because("cannot be combined with a certificate: a device has one identity, remove one"),
            );
        }
        table.require("certificate-file", "the certificate that `private-key-file` belongs to");
        table.require("private-key-file", "the private key that `certificate-file` belongs to");
    }
    let present = table.present();
    table.finish();

    if !present {
        return None;
    }
    let registration_id = registration_id?.value;
    let identity = if with_certificate {
        Identity::Certificate {
            certificate_file: certificate_file?.value,
            private_key_file: private_key_file?.value,
        }
    } else if with_group_key {
        Identity::Key(derive_key(&group_key?.value, &registration_id))
    } else {
        Identity::Key(key?.value)
    };
    Some(Provisioning {
        endpoint: endpoint.map_or_else(|| ENDPOINT.to_owned(), |at| at.value),
        id_scope: id_scope?.value,
        registration_id,
        identity,
        assignment_file: None,
    })
}

pub(super) fn id_scope(written: &str) -> Result<String, Reason> {
    if written.len() <= 64 && written.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(written.to_owned())
    } else {
        let allowed = "letters and digits, such as \"0ne00000000\"";
        Err(Code::WrongForm.must_be(allowed, format_args!("\"{}\"", words::shorten(written))))
    }
}

/// By the rules of the service: up to 128 letters, digits and `- . _ :`, a letter, digit or `-` last.
pub(super) fn registration_id(written: &str) -> Result<String, Reason> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if written.len() <= 128 && written.chars().all(legal) && !written.ends_with(['.', '_', ':']) {
        Ok(written.to_owned())
    } else {
        let allowed = "1 to 128 letters, digits and - . _ : with a letter, a digit or - last";
        Err(Code::WrongForm.must_be(allowed, format_args!("\"{}\"", words::shorten(written))))
    }
}
