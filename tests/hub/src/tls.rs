//! The hub's TLS: its certificate, and the client certificates that it requests but does not check.
//!
//! Whether a device needs a client certificate, and which, is only known at CONNECT.

use crate::pki::Certified;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::{TLS12, TLS13},
};
use std::sync::Arc;

/// The TLS configuration for one certificate. Both ports use it, since devices may use both.
pub(crate) fn configuration(certified: &Certified, tls13: bool) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = if tls13 { [&TLS12, &TLS13].to_vec() } else { vec![&TLS12] };
    let no_pem = || Error::General("the server certificate is no PEM".to_owned());
    let certificate = certified.certificate().ok_or_else(no_pem)?;
    ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)?
        .with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
        .with_single_cert(vec![certificate], certified.key().ok_or_else(no_pem)?)
}

/// Accepts any certificate whose key the client proves to hold.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl AnyCertificate {
    /// Checks a signature by a version 1 certificate, which the real hub accepts but the library does not read.
    fn by_version_1(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Option<HandshakeSignatureValid> {
        let key = version_1_key(certificate)?;
        let mut schemes = self.0.signature_verification_algorithms.mapping.iter();
        let (_, algorithms) = schemes.find(|(scheme, _)| *scheme == signature.scheme)?;
        algorithms
            .iter()
            .any(|algorithm| algorithm.verify_signature(key, message, signature.signature()).is_ok())
            .then(HandshakeSignatureValid::assertion)
    }
}

/// The bits of the public key of a certificate without a version field, which is version 1.
fn version_1_key(certificate: &[u8]) -> Option<&[u8]> {
    let (0x30, certificate, _) = der(certificate)? else { return None };
    let (0x30, mut fields, _) = der(certificate)? else { return None };
    // Serial number, signature, issuer, validity, subject; a version field would come before them.
    for tag in [0x02, 0x30, 0x30, 0x30, 0x30] {
        let (found, _, rest) = der(fields)?;
        fields = (found == tag).then_some(rest)?;
    }
    let (0x30, info, _) = der(fields)? else { return None };
    let (0x30, _, info) = der(info)? else { return None };
    let (0x03, bits, _) = der(info)? else { return None };
    bits.strip_prefix(&[0])
}

/// Parses the first DER value: its tag, its content, and the bytes after it.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
            .or_else(|error| self.by_version_1(message, certificate, signature).ok_or(error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
            .or_else(|error| self.by_version_1(message, certificate, signature).ok_or(error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
