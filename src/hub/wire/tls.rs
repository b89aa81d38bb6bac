//! TLS to the hub: what is trusted, the device's certificate, and what a failed handshake means.
//!
//! A *root* is a certificate that is trusted by itself: the system's, and those of `ca-file`. A configuration is used for one
//! connection, so a renewed certificate is used by the next. The cryptography provider is named, never taken from the process, and
//! the time at which certificates are checked comes from [`Clock`]. Deliberately absent: pinning (the hub's chain changes),
//! revocation lists, ALPN (the hub offers none on 8883).

use super::credentials;
use super::der::Certificate;
use super::setup::SetupFault;
use crate::hub::disk::{CurrentFile, Disk, Undone};
use crate::hub::foreign::shorten;
use crate::hub::{Clock, Identity};
use crate::units::{BootTime, UnixSeconds};
use core::fmt;
use core::time::Duration;
use openssl_probe::ProbeResult;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const AN_AUTHORITYS: &str = "its certificate is an authority's own (CA:TRUE), which no server may show: whoever runs what \
                             answers there must have one issued by it for the server (CA:FALSE); ca-file names the \
                             authority's as before";
const NO_AUTHORITYS: &str = "its certificate is issued by one that is no authority's (CA:FALSE): whoever runs what answers \
                             there must have it issued by an authority's (CA:TRUE), which ca-file names";
const NOT_A_SERVERS: &str = "its certificate is not one for servers: whoever runs what answers there must have one issued \
                             with the purpose serverAuth";

/// How a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The hub's certificate is for other names.
    WrongName {
        /// The name that was asked for.
        asked: String,
        /// The names that it is for.
        presented: String,
    },
    /// No root vouches for the hub's certificate.
    UnknownIssuer,
    /// The hub's certificate is no longer valid by this machine's clock.
    Expired,
    /// The hub's certificate is not valid yet by this machine's clock.
    NotValidYet,
    /// The hub's certificate is made for another purpose; what to do.
    Unfit(&'static str),
    /// The hub's certificate is of a kind that cannot be used.
    Unusable(String),
    /// The other end refused our certificate.
    ClientCertificate(String),
    /// The other end ended the handshake with this alert.
    Alert(String),
    /// What answers does not speak TLS.
    NotTls,
    /// Anything else, in the library's words.
    Other(String),
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongName { asked, presented } => write!(
                f,
                "its certificate is not for the name {asked} but for {presented}: connect by a name that it is for, \
                 or have one issued for {asked}"
            ),
            Self::UnknownIssuer => f.write_str(
                "its certificate comes from an issuer that this machine does not know, or knows by another key: name \
                 the issuer's present certificate with ca-file, or suspect that someone stands in between",
            ),
            Self::Expired => {
                f.write_str("its certificate has expired by this machine's clock: check the clock first")
            }
            Self::NotValidYet => {
                f.write_str("its certificate is not valid yet by this machine's clock: check the clock first")
            }
            Self::Unfit(advice) => f.write_str(advice),
            Self::Unusable(reason) => write!(
                f,
                "its certificate cannot be used ({reason}): whoever runs what answers there must have it reissued, \
                 as version 3 with a key and a signature of today"
            ),
            Self::ClientCertificate(alert) => write!(
                f,
                "it refused our certificate ({alert}): check certificate-file and what is registered for the device"
            ),
            Self::Alert(alert) => write!(f, "it broke off the handshake ({alert})"),
            Self::NotTls => f.write_str("what answers there does not speak TLS: check host and port"),
            Self::Other(reason) => write!(f, "the handshake failed: {reason}"),
        }
    }
}

impl TlsFault {
    /// Finds the fault in what a TLS stream returned; `None` if the bytes below failed, not TLS.
    pub(super) fn in_io(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::of)
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(in_words(&other.to_string())),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                asked: expected.to_str().into_owned(),
                // The names are foreign text, and there may be hundreds.
                presented: shorten(&presented.join(", ")),
            },
            // A bad signature is what a new authority with the name of an old one looks like.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotValidYet,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Unfit(NOT_A_SERVERS)
            }
            other => match format!("{other:?}") {
                // The type with names for these belongs to a library that twind does not depend on directly.
                name if name.contains("CaUsedAsEndEntity") => Self::Unfit(AN_AUTHORITYS),
                name if name.contains("EndEntityUsedAsCa") => Self::Unfit(NO_AUTHORITYS),
                name => Self::Unusable(in_words(&name)),
            },
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription as A;
        let name = in_words(&format!("{alert:?}"));
        match alert {
            A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::CertificateRequired => Self::ClientCertificate(name),
            _ => Self::Alert(name),
        }
    }
}

/// The library's name for a fault, as words: of `Other(OtherError(UnsupportedCertVersion))` the innermost.
fn in_words(name: &str) -> String {
    let said = name.rsplit('(').next().unwrap_or(name).trim_end_matches(')');
    // What has words already stays.
    let (head, name) = said.rsplit_once(": ").map_or(("", said), |(head, name)| (head, name));
    let is_name = name.chars().all(char::is_alphanumeric) && name.chars().any(char::is_lowercase);
    if !is_name {
        return said.to_owned();
    }
    let mut words = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.push(c);
        before = c;
    }
    let words: Vec<String> =
        words
            .split(' ')
            // An abbreviation stays one.
            .map(|word| {
                if word.chars().skip(1).any(char::is_uppercase) {
                    word.to_owned()
                } else {
                    word.to_lowercase()
                }
            })
            .collect();
    if head.is_empty() { words.join(" ") } else { format!("{head}: {}", words.join(" ")) }
}

/// Certificates are judged by the same clock that dates tokens.
struct CertificateTime(Arc<dyn Clock>);

impl fmt::Debug for CertificateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateTime")
    }
}

impl TimeProvider for CertificateTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.unix().0)))
    }
}

/// Makes the configuration of one connection.
///
/// # Errors
/// What is missing or broken on this machine.
pub(super) fn configure(
    identity: &Identity,
    ca_file: Option<&Path>,
    clock: Arc<dyn Clock>,
    reading: &CurrentFile,
) -> Result<ClientConfig, SetupFault> {
    // Soon after boot the system may still be gathering entropy. This thread, which may block, waits for it; otherwise the
    // handshake would, on the loop's thread.
    let _ = SystemRandom::new().fill(&mut [0]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(CertificateTime(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupFault::Library(error.to_string()))?
        .with_root_certificates(roots(ca_file, reading)?);
    let mut config = match identity {
        Identity::Key(_) => builder.with_no_client_auth(),
        // Not with the library's own function, which refuses certificates of version 1.
        Identity::Certificate { certificate_file, private_key_file } => {
            let own = credentials::certified(certificate_file, private_key_file, &provider, reading)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
        }
    };
    // The configuration is used for one connection, so a session ticket could never be used.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The same on a thread that may block on the disk, with a time-out.
///
/// # Errors
/// What is missing or broken on this machine, or that its disk does not answer.
pub(in crate::hub) async fn configure_within(
    disk: &Disk,
    identity: &Identity,
    ca_file: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, SetupFault> {
    let (own, ca_file, reading) = (identity.clone(), ca_file.map(Path::to_owned), disk.reading().clone());
    let configured = disk.work_within(move || configure(&own, ca_file.as_deref(), clock, &reading)).await;
    configured.unwrap_or_else(|undone| {
        Err(match undone {
            Undone::Hangs => SetupFault::Hangs(disk.reading().what()),
            Undone::Broken => SetupFault::Library("it panicked".to_owned()),
        })
    })
}

fn roots(ca_file: Option<&Path>, reading: &CurrentFile) -> Result<RootCertStore, SetupFault> {
    let mut roots = RootCertStore::empty();
    reading.begin("the system's root certificates");
    add_each(&mut roots, root_files());
    if let Some(path) = ca_file {
        reading.begin(path.display());
        let (added, _) = roots.add_parsable_certificates(credentials::certificates_in(path)?.read);
        if added == 0 {
            let reason = "holds no certificate that can be a root".to_owned();
            return Err(SetupFault::File { path: path.to_owned(), reason });
        }
    }
    if roots.is_empty() { Err(SetupFault::NoRoots) } else { Ok(roots) }
}

/// Adds certificates one by one: all at once, from the bundle and again from the directory beside it, would be the most memory that
/// twind ever takes, and not all of it is returned. System stores in the field hold certificates that do not parse; they are
/// skipped.
fn add_each(roots: &mut RootCertStore, files: Vec<PathBuf>) {
    let mut seen = BTreeSet::new();
    let files = files.into_iter().filter(|path| path.is_file());
    for der in files.filter_map(|path| CertificateDer::pem_file_iter(path).ok()).flatten().flatten() {
        let digest = digest(&SHA256, &der);
        if <[u8; SHA256_OUTPUT_LEN]>::try_from(digest.as_ref()).is_ok_and(|digest| seen.insert(digest)) {
            let _ = roots.add(der);
        }
    }
}

/// The files of the system's roots, as OpenSSL finds them: those named in the environment, or else the usual paths.
fn root_files() -> Vec<PathBuf> {
    let [file, folders] = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(std::env::var_os);
    let (file, folders) = match (file, folders) {
        (None, None) => {
            let ProbeResult { cert_file, cert_dir } = openssl_probe::probe();
            (cert_file, cert_dir)
        }
        (file, folders) => {
            let folders = folders.iter().flat_map(std::env::split_paths);
            (file.map(PathBuf::from), folders.collect())
        }
    };
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    file.into_iter().chain(entries.map(|entry| entry.path())).collect()
}

/// What `twind check` reports about the connections to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The file that it is about; `None` if it is about none.
    pub path: Option<PathBuf>,
    /// What is wrong with it.
    pub reason: String,
    /// No connection can be made with it; otherwise it is a warning.
    pub is_fault: bool,
}

/// Makes the configuration of a connection without connecting, and returns what is wrong with it. `now` is the time if the clock can
/// be believed.
pub fn rehearse(identity: &Identity, ca_file: Option<&Path>, now: Option<UnixSeconds>) -> Vec<Rehearsed> {
    let mut told = Vec::new();
    // A time is only looked at in a handshake.
    if let Err(fault) = configure(identity, ca_file, Arc::new(Never), &CurrentFile::default()) {
        let (path, reason) = match fault {
            SetupFault::File { path, reason } => (Some(path), reason),
            other => (None, other.to_string()),
        };
        told.push(Rehearsed { path, reason, is_fault: true });
    }
    let mut doubt = |path: &Path, reason: String| {
        told.push(Rehearsed { path: Some(path.to_owned()), reason, is_fault: false });
    };
    let own = match identity {
        Identity::Certificate { certificate_file, .. } => Some(certificate_file.as_path()),
        Identity::Key(_) => None,
    };
    for path in own.into_iter().chain(ca_file) {
        let Ok(found) = credentials::certificates_in(path) else { continue };
        if let Some(lost) = found.lost("a certificate") {
            doubt(path, lost);
        }
        let judge = |(index, der): (usize, &CertificateDer<'_>)| {
            let reason = invalid(now?, Certificate::read(der)?)?;
            Some(format!("certificate {} of {} {reason}", index + 1, found.read.len()))
        };
        let invalid: Vec<String> = found.read.iter().enumerate().filter_map(judge).collect();
        // A bundle of roots may hold old ones beside those that count; a chain is as good as each of its links.
        if Some(path) == own || invalid.len() == found.read.len() {
            invalid.into_iter().for_each(|reason| doubt(path, reason));
        }
    }
    told
}

/// Is a certificate not valid at this time?
fn invalid(now: UnixSeconds, certificate: Certificate<'_>) -> Option<String> {
    if now > certificate.not_after {
        let ago = span(now.0 - certificate.not_after.0);
        return Some(format!("expired {ago} ago by this machine's clock: have it reissued"));
    }
    (now < certificate.not_before).then(|| {
        let ahead = span((certificate.not_before.0 - now.0).max(60));
        format!("is not valid for another {ahead} by this machine's clock: check the clock first")
    })
}

/// A span of time in the largest unit of which there is one.
fn span(seconds: u64) -> String {
    let units = [(24 * 60 * 60, "day"), (60 * 60, "hour"), (60, "minute")];
    let told = units.into_iter().map(|(length, unit)| (seconds / length, unit)).find(|(count, _)| *count > 0);
    match told {
        Some((1, unit)) => format!("1 {unit}"),
        Some((many, unit)) => format!("{many} {unit}s"),
        None => "less than a minute".to_owned(),
    }
}

/// A clock for a configuration that is never used to connect.
struct Never;

impl Clock for Never {
    fn boot(&self) -> BootTime {
        BootTime::default()
    }

    fn unix(&self) -> UnixSeconds {
        UnixSeconds(0)
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
pub(super) mod tests;
