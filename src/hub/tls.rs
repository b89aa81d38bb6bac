//! TLS to the hub: what we trust, that we show our certificate, and what a failed handshake means.
//!
//! A *root* is a certificate that is trusted by itself: the system's, and those of `ca-file`. A configuration lives
//! for one connection, so a renewed certificate is picked up by the next. The cryptography provider is named, never
//! taken from the process, and the time at which certificates are judged comes from [`Clock`].
//! Deliberately absent: pinning (the hub's chain changes), revocation lists, ALPN (the hub offers none on 8883).

use super::credentials;
use super::der::Certificate;
use super::{Clock, Identity};
use crate::units::{BootTime, UnixSeconds};
use core::fmt;
use core::time::Duration;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why no connection can even be tried: something on this machine is missing or broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupFault {
    /// A file cannot be used.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither the system nor `ca-file` has a root.
    NoRoots,
    /// The name to connect to is neither a host name nor an address.
    ServerName(String),
    /// The library refuses its own defaults.
    Library(String),
}

impl fmt::Display for SetupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::NoRoots => f.write_str(
                "no root certificate to trust: install the system's (ca-certificates) or name one with ca-file",
            ),
            Self::ServerName(name) => write!(f, "{name:?} is neither a host name nor an address"),
            Self::Library(reason) => write!(f, "the TLS library cannot be set up: {reason}"),
        }
    }
}

impl std::error::Error for SetupFault {}

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
    /// The hub's certificate is of a kind that cannot be used.
    Unusable(String),
    /// The other end refused our certificate.
    ClientCertificate(String),
    /// The other end broke off and said why.
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
            Self::Unusable(reason) => write!(
                f,
                "its certificate cannot be used ({reason}): whoever runs what answers there must have it issued anew, \
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
                presented: super::codec::shorten(&presented.join(", ")),
            },
            // A bad signature is what an authority made anew under its old name looks like.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotValidYet,
            other => Self::Unusable(in_words(&format!("{other:?}"))),
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
) -> Result<ClientConfig, SetupFault> {
    // Soon after boot the system may still be gathering randomness. This thread, which nobody waits for, waits for it; in
    // the handshake the outputs would.
    let _ = SystemRandom::new().fill(&mut [0]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(CertificateTime(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupFault::Library(error.to_string()))?
        .with_root_certificates(roots(ca_file)?);
    let mut config = match identity {
        Identity::Key(_) => builder.with_no_client_auth(),
        // Not by the library's own way, which refuses certificates of version 1.
        Identity::Certificate { certificate_file, private_key_file } => {
            let own = credentials::certified(certificate_file, private_key_file, &provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
        }
    };
    // The configuration goes with the connection, so a ticket could never be used.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, SetupFault> {
    let mut roots = RootCertStore::empty();
    // System stores in the field hold certificates that do not parse; one of those must not take the rest with it.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let (added, _) = roots.add_parsable_certificates(credentials::certificates_in(path)?.read);
        if added == 0 {
            let reason = "holds no certificate that can be a root".to_owned();
            return Err(SetupFault::File { path: path.to_owned(), reason });
        }
    }
    if roots.is_empty() { Err(SetupFault::NoRoots) } else { Ok(roots) }
}

/// What `twind check` tells of how connections will be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The file that it is about; `None` if it is about none.
    pub path: Option<PathBuf>,
    /// What is wrong with it.
    pub reason: String,
    /// No connection can be made with it. If not, it should be looked at.
    pub is_fault: bool,
}

/// Makes the configuration of a connection, makes none, and says what is wrong with it. `now` is the time if the clock
/// can be believed.
pub fn rehearse(identity: &Identity, ca_file: Option<&Path>, now: Option<UnixSeconds>) -> Vec<Rehearsed> {
    let mut told = Vec::new();
    // A time is only looked at in a handshake.
    if let Err(fault) = configure(identity, ca_file, Arc::new(Never)) {
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
    let days = |seconds: u64| match seconds / (24 * 60 * 60) {
        1 => "1 day".to_owned(),
        many => format!("{many} days"),
    };
    if now > certificate.not_after {
        let ago = days(now.0 - certificate.not_after.0);
        return Some(format!("expired {ago} ago by this machine's clock: have it issued anew"));
    }
    (now < certificate.not_before).then(|| {
        let ahead = days(certificate.not_before.0 - now.0);
        format!("is not valid for another {ahead} by this machine's clock: check the clock first")
    })
}

/// The clock of who connects to nobody.
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
pub(super) mod tests {
    use super::*;
    use rustls::InvalidMessage;
    use rustls::pki_types::ServerName;

    /// A configuration whose handshakes never succeed.
    pub(in super::super) fn trusting_nobody() -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    }

    fn kind(error: Error) -> TlsFault {
        TlsFault::in_io(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap()
    }

    #[test]
    fn a_certificate_for_another_name_is_said_with_both_names() {
        let fault = kind(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("hub.example").unwrap(),
            presented: vec!["other.example".into(), "third.example".into()],
        }));
        let text = fault.to_string();
        assert!(text.contains("hub.example") && text.contains("other.example, third.example"), "{text}");
    }

    #[test]
    fn each_certificate_fault_has_its_own_advice() {
        let advice = |error| kind(Error::InvalidCertificate(error)).to_string();
        assert!(advice(CertificateError::UnknownIssuer).contains("ca-file"));
        assert!(advice(CertificateError::BadSignature).contains("another key"));
        assert!(advice(CertificateError::Expired).contains("clock"));
        assert!(advice(CertificateError::NotValidYet).contains("clock"));
    }

    #[test]
    fn alerts_about_our_certificate_differ_from_others() {
        let alert = |alert| kind(Error::AlertReceived(alert));
        assert!(matches!(alert(AlertDescription::CertificateRequired), TlsFault::ClientCertificate(_)));
        assert!(matches!(alert(AlertDescription::HandshakeFailure), TlsFault::Alert(_)));
    }

    #[test]
    fn no_name_of_a_type_reaches_a_person() {
        for (name, words) in [
            ("Other(OtherError(UnsupportedCertVersion))", "unsupported cert version"),
            (
                "peer is incompatible: NoCipherSuitesInCommon",
                "peer is incompatible: no cipher suites in common",
            ),
            ("UnknownCA", "unknown CA"),
            ("HandshakeFailure", "handshake failure"),
            ("received fatal alert: ProtocolVersion", "received fatal alert: protocol version"),
            ("the peer hung up", "the peer hung up"),
        ] {
            assert_eq!(in_words(name), words);
        }
        let told = kind(Error::InvalidCertificate(CertificateError::BadEncoding)).to_string();
        assert!(told.contains("(bad encoding): whoever runs what answers there"), "{told}");
    }

    #[test]
    fn an_answer_in_clear_text_is_said_to_be_no_tls() {
        assert_eq!(kind(Error::InvalidMessage(InvalidMessage::InvalidContentType)), TlsFault::NotTls);
    }

    #[test]
    fn a_broken_connection_is_no_fault_of_tls() {
        assert_eq!(TlsFault::in_io(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
        assert_eq!(TlsFault::in_io(&io::Error::other("words")), None);
    }

    #[test]
    fn a_ca_file_that_is_missing_or_holds_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let missing = roots(Some(&path)).unwrap_err().to_string();
        assert!(missing.contains("ca.pem") && missing.contains("cannot be read"), "{missing}");

        std::fs::write(&path, "no certificate here").unwrap();
        let empty = roots(Some(&path)).unwrap_err().to_string();
        assert!(empty.contains("ca.pem") && empty.contains("holds no PEM section"), "{empty}");

        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let useless = roots(Some(&path)).unwrap_err().to_string();
        assert!(useless.contains("ca.pem") && useless.contains("can be a root"), "{useless}");
        let folder = roots(Some(folder.path())).unwrap_err().to_string();
        assert!(folder.contains("it is no regular file"), "{folder}");

        let pipe = path.with_extension("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let waits = roots(Some(&pipe)).unwrap_err().to_string();
        assert!(waits.contains("ca.pipe: cannot be read: it is no regular file"), "{waits}");
    }
}
