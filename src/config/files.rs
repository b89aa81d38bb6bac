//! Files that the configuration names: how a relative name is resolved, who else can read a secret, what PEM must hold.
//!
//! Secrets and certificates are looked up among systemd's credentials first; `LoadCredential=` of a folder names the file `NAME` in
//! it `FOLDER_NAME`. Every other relative path starts at the folder of the configuration file. A message never contains a secret.

use super::codes::{Code, Reason};
use super::faults::ConfigFaults;
use super::secrets;
use crate::files::{self, Unread};
use crate::hub::Secret;
use crate::units::UnixSeconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Larger than any key or chain of certificates.
const SIZE_MAX: u64 = 1024 * 1024;
/// Some editors put it at the start of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Read or write access of others than owner and group.
const OTHERS_READ_OR_WRITE: u32 = 0o006;

const OWNER_READS: u32 = 0o400;
const GROUP_READS: u32 = 0o040;

/// Resolves the names of files.
pub(super) struct Places {
    file: PathBuf,
    folder: PathBuf,
    /// Of the configuration file itself, if it was read from one.
    mode: Option<u32>,
    credentials: Option<PathBuf>,
    examination: Option<Examination>,
}

/// What `twind check` looks at beyond the text of the file: whether what it names can be used by the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examination {
    /// The wall clock, if it can be believed.
    pub now: Option<UnixSeconds>,
}

impl Places {
    pub(super) fn new(config_file: &Path, credentials: Option<&Path>) -> Self {
        // What is named relative to it is told, locked and looked for by its whole name, wherever a command is run.
        let file = std::path::absolute(config_file).unwrap_or_else(|_| config_file.to_owned());
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Self { file, folder, mode: None, credentials: credentials.map(Path::to_owned), examination: None }
    }

    /// The same for a file that has this mode.
    pub(super) fn with_mode(self, mode: u32) -> Self {
        Self { mode: Some(mode), ..self }
    }

    /// May the configuration file itself hold a secret?
    pub(super) fn check_own_mode(&self) -> Result<(), Reason> {
        check_mode(&self.file, self.mode.unwrap_or_default())
            .map_err(|reason| reason.after("others can read this file: "))
    }

    /// The same, with the files to be examined.
    pub(super) fn examined(self, examination: Examination) -> Self {
        Self { examination: Some(examination), ..self }
    }

    /// How the files are to be examined, if at all.
    pub(super) fn examination(&self) -> Option<Examination> {
        self.examination
    }

    /// A path as written, relative to the configuration file's folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// A secret's path: a relative name is a credential if there is one of that name, as systemd makes names of paths.
    pub(super) fn secret_path(&self, written: &str) -> PathBuf {
        let credential = match &self.credentials {
            Some(folder) if Path::new(written).is_relative() => folder.join(written.replace('/', "_")),
            _ => return self.path(written),
        };
        if credential.exists() { credential } else { self.path(written) }
    }

    /// Reads a secret that nobody else can read.
    pub(super) fn secret(&self, written: &str) -> Result<(PathBuf, Zeroizing<Vec<u8>>), Reason> {
        if secrets::is_in(written) || written.to_ascii_lowercase().contains("sharedaccess") {
            let rest = "; it looks like the secret itself, which does not belong in the configuration: write it to a \
                        file that only twind can read";
            return Err(Code::SecretInside.must_be_and("the name of a file", rest));
        }
        let path = self.secret_path(written);
        let (bytes, mode) = read(&path, true).map_err(|reason| self.with_credential(reason, written))?;
        check_mode(&path, mode).map_err(|reason| reason.after("names a secret that others can read: "))?;
        Ok((path, bytes))
    }

    /// Adds that there is no such credential either.
    fn with_credential(&self, reason: Reason, written: &str) -> Reason {
        match &self.credentials {
            Some(folder) if Path::new(written).is_relative() => {
                let credential = written.replace('/', "_");
                reason.and(format_args!(". Nor is there a credential {credential} in {}", folder.display()))
            }
            _ => reason,
        }
    }

    /// Reads a secret text.
    pub(super) fn secret_text(&self, written: &str) -> Result<(PathBuf, Zeroizing<String>), Reason> {
        let (path, bytes) = self.secret(written)?;
        match core::str::from_utf8(&bytes) {
            Ok(text) => {
                let text = Zeroizing::new(text.trim_start_matches(BYTE_ORDER_MARK).trim().to_owned());
                Ok((path, text))
            }
            Err(_) if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
                Err(Code::Credentials.because(format!(
                    "names a file in UTF-16: `iconv -f UTF-16 -t UTF-8 {} -o NEW` rewrites it as UTF-8",
                    path.display()
                )))
            }
            Err(_) => {
                let say = format!("names a file that is not text: {}", path.display());
                Err(Code::Credentials.because(say))
            }
        }
    }

    /// A key in base64.
    pub(super) fn key(&self, written: &str) -> Result<Secret, Reason> {
        let (path, text) = self.secret_text(written)?;
        let named = format!("names {}, whose key ", path.display());
        decode_key(&text).map_err(|reason| Code::Credentials.because(reason).after(named))
    }

    /// The private key of a certificate.
    pub(super) fn private_key(&self, written: &str) -> Result<PathBuf, Reason> {
        let (path, bytes) = self.secret(written)?;
        match crate::hub::wire::private_key(&bytes, &path) {
            Ok(_) => Ok(path),
            Err(reason) => {
                Err(Code::Credentials.because(format!("names {}, which {reason}", path.display())))
            }
        }
    }

    /// A certificate of one's own: it may lie among the credentials beside its key.
    pub(super) fn certificate(&self, written: &str) -> Result<PathBuf, Reason> {
        certificates(self.secret_path(written))
    }

    /// Certificates to trust.
    pub(super) fn trusted(&self, written: &str) -> Result<PathBuf, Reason> {
        certificates(self.secret_path(written))
    }
}

fn certificates(path: PathBuf) -> Result<PathBuf, Reason> {
    let (bytes, _) = read(&path, false)?;
    let shown = path.display();
    let found = crate::hub::wire::certificates(&bytes).map_err(|_| {
        Code::Credentials.because(format!(
            "names {shown}, whose PEM is damaged: copy it again completely; \"-----BEGIN …-----\" and \"-----END …-----\" must \
             stand in lines of their own, with only base64 between them"
        ))
    })?;
    if !found.read.is_empty() {
        return Ok(path);
    }
    let say = match found.lost("a certificate") {
        Some(lost) => format!("names {shown}, which holds no certificate that can be read: {lost}"),
        None if crate::hub::wire::is_pkcs12(&bytes) => format!(
            "names {shown}, which holds no certificate in PEM but a bundle (PKCS #12, .pfx or .p12): \
             `openssl pkcs12 -in {shown} -nokeys -out NEW` writes its certificates"
        ),
        None if bytes.first() == Some(&0x30) => format!(
            "names {shown}, which holds no certificate in PEM but DER: `openssl x509 -inform DER -in {shown} -out NEW` \
             rewrites it"
        ),
        None => format!("names {shown}, which holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")"),
    };
    Err(Code::Credentials.because(say))
}

/// Is a secret in a file of this mode out of others' reach?
fn check_mode(path: &Path, mode: u32) -> Result<(), Reason> {
    if mode & OTHERS_READ_OR_WRITE == 0 {
        return Ok(());
    }
    let path = path.display();
    let mode = mode & 0o7777;
    Err(Code::SecretExposed.because(format!("{path} has mode {mode:04o}; run `chmod o-rwx {path}`")))
}

/// A file's bytes and mode.
fn read(path: &Path, is_secret: bool) -> Result<(Zeroizing<Vec<u8>>, u32), Reason> {
    let say = match files::read(path, SIZE_MAX) {
        Ok((bytes, file)) => return Ok((Zeroizing::new(bytes), file.permissions().mode())),
        Err(Unread::System(reason)) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let advice = advice(&path, is_secret, reason.kind());
            format!("names {}, which cannot be read: {reason}{advice}", path.display())
        }
        Err(Unread::NotAFile(kind)) => format!(
            "names {}, which is not a file but {kind}; put a regular file in its place, or name another",
            path.display()
        ),
        Err(Unread::TooLarge(_)) => format!("names {}, which is larger than 1 MiB", path.display()),
    };
    Err(Code::File.because(say))
}

/// What to do about a file that cannot be read.
fn advice(path: &Path, is_secret: bool, kind: io::ErrorKind) -> String {
    let shown = path.display();
    match kind {
        io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.exists());
            let missing = folder.map(|folder| format!("; its folder {} is missing, too", folder.display()));
            let (whose, mode) = if is_secret { ("for its owner alone ", "600") } else { ("", "644") };
            format!(
                "{}: put it there {whose}(`sudo install -D -m {mode} FILE {shown}`), or name where it is",
                missing.unwrap_or_default()
            )
        }
        io::ErrorKind::PermissionDenied => {
            let who = fs::metadata(path).map_or_else(
                |_| "who may enter its folder".to_owned(),
                |file| readers(file.mode(), file.uid(), file.gid()),
            );
            let own = rustix::process::geteuid().as_raw();
            format!(
                ": this user is uid {own}, and {who} may read it. Run this as root (sudo); or, if twind is to run as this \
                 user, `sudo chown {own} {shown}`"
            )
        }
        _ => String::new(),
    }
}

/// Who may read a file by its mode.
fn readers(mode: u32, uid: u32, gid: u32) -> String {
    let who = match (mode & OWNER_READS != 0, mode & GROUP_READS != 0) {
        (true, true) => format!("uid {uid} and perhaps gid {gid}"),
        (true, false) => format!("uid {uid}"),
        (false, true) => format!("perhaps gid {gid}"),
        (false, false) => "root alone".to_owned(),
    };
    format!("by its mode {:04o} {who}", mode & 0o7777)
}

/// The text of the configuration file itself, and its mode.
pub(super) fn config_text(path: &Path) -> Result<(String, u32), ConfigFaults> {
    let unreadable = |reason: &str| ConfigFaults::unreadable(path, reason);
    let (bytes, file) = files::read(path, SIZE_MAX).map_err(|reason| match reason {
        Unread::System(reason) if reason.kind() == io::ErrorKind::PermissionDenied => {
            ConfigFaults::denied(path)
        }
        Unread::System(reason) => unreadable(&reason.to_string()),
        Unread::NotAFile(kind) => unreadable(&format!(
            "it is not a file but {kind}; put a regular file in its place, or name another with --config"
        )),
        Unread::TooLarge(_) => unreadable("it is larger than 1 MiB"),
    })?;
    let mode = file.permissions().mode();
    String::from_utf8(bytes).map(|text| (text, mode)).map_err(|fault| {
        let good = fault.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(fault.as_bytes()).into_owned();
        ConfigFaults::not_text(&text, path, good)
    })
}

/// A key as the hub's pages show it: base64, perhaps in quotes.
pub(super) fn decode_key(base64: &str) -> Result<Secret, &'static str> {
    let base64 = base64.trim_matches(is_quote).trim();
    if base64.is_empty() {
        return Err("is empty");
    }
    match BASE64.decode(base64) {
        Ok(bytes) => Ok(Secret::new(bytes)),
        Err(_) if base64.to_ascii_lowercase().contains("hostname=") => Err(
            "is a connection string: name the file in `connection-string-file`, without host and device-id",
        ),
        Err(_) => Err("is not base64; copy the device's primary key again completely"),
    }
}

/// Quotation marks around a copied text, straight or typographic.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '“' | '”' | '„' | '‟' | '‘' | '’' | '‚' | '«' | '»' | '‹' | '›')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_whole_also_where_that_of_the_configuration_is_not() {
        let here = std::env::current_dir().unwrap();
        for (config, board) in [
            ("twind.toml", here.join("board")),
            ("site/twind.toml", here.join("site/board")),
            ("/a/b", "/a/board".into()),
        ] {
            assert_eq!(Places::new(Path::new(config), None).path("board"), board);
        }
    }

    #[test]
    fn only_those_are_named_who_may_read_by_the_mode() {
        assert_eq!(readers(0o100_600, 0, 7), "by its mode 0600 uid 0");
        assert_eq!(readers(0o100_640, 0, 7), "by its mode 0640 uid 0 and perhaps gid 7");
        assert_eq!(readers(0o100_620, 0, 7), "by its mode 0620 uid 0");
        assert_eq!(readers(0o100_240, 0, 7), "by its mode 0240 perhaps gid 7");
        assert_eq!(readers(0o100_000, 5, 7), "by its mode 0000 root alone");
    }
}
