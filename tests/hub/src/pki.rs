//! The certificates of a hub: an authority of its own, and server certificates issued by it.
//!
//! In a folder they are `ca.pem`, `ca-key.pem`, `server.pem` and `server-key.pem`, the keys readable by their owner
//! alone. Keys are ECDSA P-256; the real hub's are RSA, which the library in use cannot make.

use crate::clock;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore,
    client::WebPkiServerVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const CA_NAME: &str = "twinhub test authority";
const SECONDS_PER_DAY: u64 = 86_400;
const CA_YEARS: i32 = 20;
/// A stored certificate with less time left than this is replaced.
const SPARE_DAYS: u64 = 30;

/// Why there are no certificates.
#[derive(Debug)]
pub enum PkiError {
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// A file's content is not what it should be.
    Content(PathBuf, String),
    /// A certificate cannot be made; most likely a name is not valid.
    Make(rcgen::Error),
}

impl fmt::Display for PkiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Content(path, why) => {
                write!(f, "{}: {why}; move the file away and a new one is made", path.display())
            }
            Self::Make(error) => write!(f, "cannot make a certificate: {error}"),
        }
    }
}

impl std::error::Error for PkiError {}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error)
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is valid from yesterday for a year.
    Current,
    /// It expired long ago.
    Expired,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl Certified {
    pub(crate) fn certificate(&self) -> Option<CertificateDer<'static>> {
        CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).ok()
    }

    pub(crate) fn key(&self) -> Option<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).ok()
    }

    /// The SHA-256 thumbprint that a device with this certificate is registered under.
    pub fn thumbprint(&self) -> Option<String> {
        let certificate = self.certificate()?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
        Some(digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect())
    }
}

/// The hub's own certificate authority.
pub struct Pki {
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// A fresh authority, in memory alone.
    pub fn new() -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let ca_pem = ca_params(&key).self_signed(&key)?.pem();
        Ok(Self { ca_pem, issuer: Issuer::new(ca_params(&key), key) })
    }

    /// The authority stored in `folder`, made there if there is none.
    pub fn in_folder(folder: &Path) -> Result<Self, PkiError> {
        let (ca_file, key_file) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        if !ca_file.exists() || !key_file.exists() {
            let fresh = Self::new()?;
            write(&key_file, &fresh.issuer.key().serialize_pem(), true)?;
            write(&ca_file, &fresh.ca_pem, false)?;
            return Ok(fresh);
        }
        let ca_pem = read(&ca_file)?;
        let key = KeyPair::from_pem(&read(&key_file)?)
            .map_err(|error| PkiError::Content(key_file.clone(), error.to_string()))?;
        Ok(Self { ca_pem, issuer: Issuer::new(ca_params(&key), key) })
    }

    /// The authority's certificate, for clients to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Issues a server certificate for these host names and addresses.
    pub fn issue(&self, names: &[String], validity: Validity) -> Result<Certified, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let name = names.first().map_or("twinhub", String::as_str);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = match validity {
            Validity::Current => {
                let yesterday = clock::unix_seconds().saturating_sub(SECONDS_PER_DAY);
                let (year, month, day) = clock::civil_date(yesterday);
                // 29 February does not exist in the next year.
                let day = day.min(28);
                (rcgen::date_time_ymd(year, month, day), rcgen::date_time_ymd(year + 1, month, day))
            }
            Validity::Expired => (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1)),
        };
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certified { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// The server certificate stored in `folder` if it is still valid for all these names, otherwise a new one.
    pub fn server_in_folder(&self, folder: &Path, names: &[String]) -> Result<Certified, PkiError> {
        let (certificate_file, key_file) = (folder.join("server.pem"), folder.join("server-key.pem"));
        if let (Ok(certificate_pem), Ok(key_pem)) = (read(&certificate_file), read(&key_file)) {
            let kept = Certified { certificate_pem, key_pem };
            if self.is_good(&kept, names) {
                return Ok(kept);
            }
        }
        let fresh = self.issue(names, Validity::Current)?;
        write(&key_file, &fresh.key_pem, true)?;
        write(&certificate_file, &fresh.certificate_pem, false)?;
        Ok(fresh)
    }

    /// Whether clients that trust this authority will accept the certificate for all these names for some time yet.
    fn is_good(&self, certified: &Certified, names: &[String]) -> bool {
        let later = Duration::from_secs(clock::unix_seconds() + SPARE_DAYS * SECONDS_PER_DAY);
        let check = || {
            let certificate = certified.certificate()?;
            let key = certified.key()?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = self.verifier(provider.clone())?;
            let signer =
                rustls::sign::CertifiedKey::from_der(vec![certificate.clone()], key, &provider).ok()?;
            signer.keys_match().ok()?;
            names.iter().try_for_each(|name| {
                let name = ServerName::try_from(name.clone()).ok()?;
                let now = UnixTime::since_unix_epoch(later);
                use rustls::client::danger::ServerCertVerifier as _;
                verifier.verify_server_cert(&certificate, &[], &name, &[], now).ok().map(drop)
            })
        };
        check().is_some()
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).ok()?).ok()?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()
    }
}

/// A certificate that a device signs for itself.
pub fn self_signed_client(common_name: &str) -> Result<Certified, PkiError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(Certified { certificate_pem: params.self_signed(&key)?.pem(), key_pem: key.serialize_pem() })
}

/// The parameters of the authority, which depend only on its key, except for the end of its validity: so its name and key
/// identify it. Two authorities of one name would make clients report a bad signature instead of an unknown issuer.
fn ca_params(key: &KeyPair) -> CertificateParams {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.public_key_raw());
    let mark: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{CA_NAME} {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (year, _, _) = clock::civil_date(clock::unix_seconds());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + CA_YEARS, 1, 1);
    params
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|error| PkiError::File(path.to_owned(), error))
}

fn write(path: &Path, text: &str, secret: bool) -> Result<(), PkiError> {
    let mode = if secret { 0o600 } else { 0o644 };
    crate::store::write_atomically(path, text.as_bytes(), mode)
        .map_err(|error| PkiError::File(path.to_owned(), error))
}
