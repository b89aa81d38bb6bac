//! The device's certificate and private key: read, combined for TLS, and if they cannot be used, reported with the command that
//! fixes them. A message never quotes the content of a file.
//!
//! `twind check` and each connection use this code, so what the one accepts the other can use. A certificate of version 1, which
//! `openssl x509 -req -signkey` makes, is sent like any other: the hub decides.

use super::der::{self, Certificate, Kind};
use super::setup::SetupFault;
use crate::files;
use crate::hub::disk::CurrentFile;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;
use zeroize::Zeroizing;

/// More than any chain of certificates or bundle of roots has.
const BYTES_MAX: u64 = 1024 * 1024;
/// A PKCS #12 bundle can be recognised within these bytes.
const PKCS12_HEAD_BYTES: usize = 32;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BEGINS: &[u8] = b"-----BEGIN ";

/// What a file of PEM sections holds of one kind.
pub struct Sections<T> {
    /// Those that could be read.
    pub read: Vec<T>,
    /// How many of them begin, or seem to.
    pub begun: usize,
}

impl<T> Sections<T> {
    /// The message about those that begin and were not read.
    pub fn lost(&self, what: &str) -> Option<String> {
        let read = self.read.len();
        (self.begun > read).then(|| {
            format!(
                "sections with {what}: {} begin, {read} could be read; each \"-----BEGIN …-----\" and \
                 \"-----END …-----\" must stand in a line of its own, at its start",
                self.begun
            )
        })
    }
}

/// The certificates of a text.
///
/// # Errors
/// That one of them is damaged.
pub fn certificates(text: &[u8]) -> Result<Sections<CertificateDer<'static>>, pem::Error> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let read = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>()?;
    Ok(Sections { read, begun: begun(text, b"CERTIFICATE-----") })
}

/// The first private key of a text.
///
/// # Errors
/// What is wrong with it, to be read after the file's name.
pub fn private_key(text: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let path = path.display();
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if has(b"ENCRYPTED") {
            return format!(
                "holds a private key that is encrypted with a passphrase, which nobody can type when a gateway starts: \
                 `openssl pkey -in {path} -out NEW` writes it without"
            );
        }
        if has(b"BEGIN OPENSSH PRIVATE KEY-----") {
            return format!(
                "holds a private key in OpenSSH's own form: `ssh-keygen -p -m PEM -N '' -f {path}` rewrites it in its \
                 place, if it is RSA or ECDSA; no other can be rewritten so"
            );
        }
        if begun(text, b"PRIVATE KEY-----") > 0 {
            return "holds a private key whose PEM is damaged: \"-----BEGIN …-----\" and \"-----END …-----\" must \
                    stand in lines of their own, at their start, with only base64 between them"
                .to_owned();
        }
        match error {
            pem::Error::NoItemsFound if is_pkcs12(text) => format!(
                "holds no PEM but a bundle of keys and certificates (PKCS #12, .pfx or .p12): \
                 `openssl pkcs12 -in {path} -nocerts -nodes -out NEW` writes its private key"
            ),
            pem::Error::NoItemsFound if text.first() == Some(&0x30) => format!(
                "holds no PEM but DER: `openssl pkey -inform DER -in {path} -out NEW` rewrites it"
            ),
            _ => "holds no private key in PEM (\"-----BEGIN PRIVATE KEY-----\")".to_owned(),
        }
    })
}

/// Is it a bundle of keys and certificates? What it holds has the type `data` or `signedData` of PKCS #7.
pub fn is_pkcs12(bytes: &[u8]) -> bool {
    const TYPE: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const VERSION: &[u8] = b"\x02\x01\x03";
    let head = bytes.get(..PKCS12_HEAD_BYTES).unwrap_or(bytes);
    let has = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
    head.first() == Some(&0x30) && has(VERSION) && has(TYPE)
}

/// How many sections begin that end so in their first line.
fn begun(text: &[u8], end: &[u8]) -> usize {
    let starts = text.windows(BEGINS.len()).enumerate().filter(|(_, window)| *window == BEGINS);
    starts
        .filter(|(at, _)| {
            let line = text[at + BEGINS.len()..].split(|byte| matches!(byte, b'\n' | b'\r')).next();
            let name = line.unwrap_or_default();
            name.windows(end.len()).position(|window| window == end).is_some_and(|at| {
                // "BEGIN X509 CRL" and "BEGIN CERTIFICATE REQUEST" are others; so is a second one in this line.
                !name[..at].windows(2).any(|window| window == b"--")
            })
        })
        .count()
}

/// Reads a regular file. A pipe that replaced it since the configuration was read would block the link for ever.
fn read(path: &Path) -> Result<Vec<u8>, SetupFault> {
    let fault = |reason: String| SetupFault::File { path: path.to_owned(), reason };
    files::read(path, BYTES_MAX)
        .map(|(bytes, _)| bytes)
        .map_err(|unread| fault(format!("cannot be read: {unread}")))
}

/// Certificates from a file; at least one.
pub(super) fn certificates_in(path: &Path) -> Result<Sections<CertificateDer<'static>>, SetupFault> {
    let fault = |reason: &str| SetupFault::File { path: path.to_owned(), reason: reason.to_owned() };
    let found =
        certificates(&read(path)?).map_err(|_| fault("is no well-formed PEM file with a certificate"))?;
    if found.read.is_empty() { Err(fault("holds no PEM section with a certificate")) } else { Ok(found) }
}

/// Combines chain and key.
///
/// # Errors
/// What is wrong with which file, and the command that mends it.
pub(super) fn certified(
    certificate_file: &Path,
    private_key_file: &Path,
    provider: &CryptoProvider,
    reading: &CurrentFile,
) -> Result<CertifiedKey, SetupFault> {
    reading.begin(certificate_file.display());
    let chain = certificates_in(certificate_file)?.read;
    let of_key = |reason: String| SetupFault::File { path: private_key_file.to_owned(), reason };
    reading.begin(private_key_file.display());
    let text = Zeroizing::new(read(private_key_file)?);
    let key = private_key(&text, private_key_file).map_err(of_key)?;
    let kind = match &key {
        PrivateKeyDer::Pkcs1(key) => der::pkcs1(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => der::sec1(key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => der::pkcs8(key.secret_pkcs8_der()),
        _ => None,
    };
    let signing = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| of_key(unusable(kind, private_key_file, certificate_file)))?;
    let ours = signing.public_key();
    let ours = ours.as_ref().and_then(|info| der::public_key(info.as_ref()));
    fits(&chain, ours, certificate_file, private_key_file)?;
    Ok(CertifiedKey::new(chain, signing))
}

/// Is the first certificate the key's?
fn fits(
    chain: &[CertificateDer<'_>],
    key: Option<&[u8]>,
    certificate_file: &Path,
    private_key_file: &Path,
) -> Result<(), SetupFault> {
    let fault = |reason: String| SetupFault::File { path: certificate_file.to_owned(), reason };
    let is_ours = |der: &CertificateDer<'_>| {
        Certificate::read(der).map(|certificate| key.is_none_or(|key| key == certificate.public_key))
    };
    let first = chain.first().and_then(is_ours);
    match (first, chain.iter().position(|der| is_ours(der) == Some(true))) {
        (Some(true), _) => Ok(()),
        (None, _) => Err(fault(
            "its first certificate is damaged: copy it again, whole (`openssl x509 -in FILE -noout -text` must show it)"
                .to_owned(),
        )),
        (Some(false), Some(later)) => Err(fault(format!(
            "the device's own certificate must stand first, then who issued it: the one that belongs to {} is number \
             {} of {}",
            private_key_file.display(),
            later + 1,
            chain.len()
        ))),
        (Some(false), None) => Err(fault(format!(
            "it does not belong to the private key in {key}: `openssl x509 -noout -pubkey -in {certificate}` and \
             `openssl pkey -pubout -in {key}` must print the same",
            key = private_key_file.display(),
            certificate = certificate_file.display()
        ))),
    }
}

/// Why TLS cannot sign by a key, and what to do.
fn unusable(kind: Option<Kind>, key: &Path, certificate: &Path) -> String {
    let (path, certificate) = (key.display(), certificate.display());
    let anew = format!(
        "a new key does (`openssl ecparam -name prime256v1 -genkey -noout -out NEW`), with a certificate for it in \
         place of {certificate}"
    );
    match kind {
        Some(Kind::Rsa(bits)) if !(2048..=4096).contains(&bits) => {
            format!("an RSA key of {bits} bits cannot be used here, 2048 to 4096 can: {anew}")
        }
        Some(Kind::RsaPss) => format!("an RSA key for RSA-PSS alone cannot be used here: {anew}"),
        Some(Kind::ExplicitCurve) => format!(
            "its elliptic curve is written down number by number, not by name: \
             `openssl ec -in {path} -param_enc named_curve -out NEW` rewrites it"
        ),
        Some(Kind::Curve { name: Some("P-256" | "P-384"), has_public: false }) => format!(
            "it lacks its public part, which is needed here: `openssl ec -in {path} -out NEW` adds it"
        ),
        Some(Kind::Curve { name, .. }) if !matches!(name, Some("P-256" | "P-384")) => format!(
            "a key on the elliptic curve {} cannot be used here, on P-256 and P-384 it can: {anew}",
            name.unwrap_or("that it is on")
        ),
        _ => format!(
            "it cannot be used: RSA of 2048 to 4096 bits, P-256, P-384 and Ed25519 can. `openssl pkey -in {path} \
             -noout -text` shows what it is; {anew}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_key_is_told_and_not_quoted() {
        let text = b"-----BEGIN PRIVATE KEY-----\nverysecret!!\n-----END PRIVATE KEY-----\n";
        let told = private_key(text, Path::new("key.pem")).unwrap_err();
        assert!(told.contains("whose PEM is damaged") && !told.contains("verysecret"), "{told}");
    }

    #[test]
    fn a_key_in_another_form_is_told_with_what_rewrites_it() {
        let told = |text: &[u8]| private_key(text, Path::new("key.pem")).unwrap_err();
        let openssh =
            told(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n");
        assert!(openssh.contains("ssh-keygen -p -m PEM") && !openssh.contains("damaged"), "{openssh}");
        // What `openssl pkcs12 -export` writes begins so.
        let bundle =
            b"\x30\x82\x04\x5d\x02\x01\x03\x30\x82\x04\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0";
        let pfx = told(bundle);
        assert!(pfx.contains("openssl pkcs12 -in key.pem") && !pfx.contains("pkey"), "{pfx}");
        assert!(told(b"\x30\x82\x04\x5d\x02\x01\x00\x30").contains("openssl pkey -inform DER"));
    }

    #[test]
    fn sections_of_other_kinds_are_not_counted() {
        let text = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        let found = certificates(text).unwrap();
        assert_eq!((found.read.len(), found.begun, found.lost("a certificate")), (0, 0, None));
    }
}
