//! Messages about TLS faults, and the files for a connection.

use super::*;
use rustls::InvalidMessage;
use rustls::client::danger::ServerCertVerifier as _;
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

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_hand_out_a_certificate_is_given_up_on() {
    let disk = Disk::default();
    let _stuck = disk.hang().await;
    disk.reading().begin("/etc/own.pem");
    let identity = Identity::Key(crate::hub::Secret::new(b"k".to_vec()));
    let fault = configure_within(&disk, &identity, None, Arc::new(Never)).await.unwrap_err();
    assert!(
        fault.to_string().starts_with("/etc/own.pem: not read within 10 s, the disk does not answer"),
        "{fault}"
    );
}

#[test]
fn an_authoritys_own_certificate_on_a_server_is_told_as_such() {
    let authority = twinhub::pki::Pki::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, authority.ca_pem()).unwrap();
    let own = credentials::certificates_in(&path).unwrap().read.remove(0);
    let mut roots = RootCertStore::empty();
    roots.add(own.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let name = ServerName::try_from("hub.example").unwrap();
    let error = verifier.verify_server_cert(&own, &[], &name, &[], UnixTime::now()).unwrap_err();
    let told = kind(error).to_string();
    assert!(told.contains("an authority's own") && told.contains("CA:FALSE"), "{told}");
    assert!(!told.contains("signature of today"), "{told}");
}

#[test]
fn a_certificate_for_something_else_is_told_with_what_is_needed() {
    let told = kind(Error::InvalidCertificate(CertificateError::InvalidPurpose)).to_string();
    assert!(told.contains("serverAuth"), "{told}");
}

#[test]
fn how_long_ago_a_certificate_expired_is_told_in_a_unit_of_which_there_is_one() {
    let certificate =
        Certificate { not_before: UnixSeconds(1000), not_after: UnixSeconds(1_000_000), public_key: &[] };
    for (seconds, ago) in [
        (1, "less than a minute"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
    ] {
        let told = invalid(UnixSeconds(1_000_000 + seconds), certificate).unwrap();
        assert!(told.starts_with(&format!("expired {ago} ago")), "{told}");
    }
    let told = invalid(UnixSeconds(400), certificate).unwrap();
    assert!(told.starts_with("is not valid for another 10 minutes"), "{told}");
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
        ("peer is incompatible: NoCipherSuitesInCommon", "peer is incompatible: no cipher suites in common"),
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
    let missing = roots(Some(&path), &CurrentFile::default()).unwrap_err().to_string();
    assert!(missing.contains("ca.pem") && missing.contains("cannot be read"), "{missing}");

    fs::write(&path, "no certificate here").unwrap();
    let empty = roots(Some(&path), &CurrentFile::default()).unwrap_err().to_string();
    assert!(empty.contains("ca.pem") && empty.contains("holds no PEM section"), "{empty}");

    fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let useless = roots(Some(&path), &CurrentFile::default()).unwrap_err().to_string();
    assert!(useless.contains("ca.pem") && useless.contains("can be a root"), "{useless}");
    let folder = roots(Some(folder.path()), &CurrentFile::default()).unwrap_err().to_string();
    assert!(folder.contains("it is no regular file"), "{folder}");

    let pipe = path.with_extension("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let waits = roots(Some(&pipe), &CurrentFile::default()).unwrap_err().to_string();
    assert!(waits.contains("ca.pipe: cannot be read: it is no regular file"), "{waits}");
}

#[test]
fn a_root_that_stands_in_several_files_is_trusted_once_and_what_is_none_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let authorities = [(); 2].map(|()| twinhub::pki::Pki::new().unwrap());
    let [one, two] = authorities.each_ref().map(|authority| authority.ca_pem());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files = vec![
        file("bundle.pem", &format!("{one}{junk}{two}")),
        folder.path().to_owned(),
        file("two.pem", two),
        file("words", "no certificate"),
        folder.path().join("gone.pem"),
    ];
    let mut roots = RootCertStore::empty();
    add_each(&mut roots, files);
    assert_eq!(roots.len(), 2);
}
