//! Certificates and keys as people make them: `twind check` builds the TLS configuration of the connection, and says what
//! is wrong with which file. They are made here by `openssl`; where it is not installed these tests say so and end.

use super::{SMALL, Site, replaced, with_dirs};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use twind::cli::check::Outcome;

/// A site whose device uses `cert.pem` and `cert.key`.
struct Maker {
    site: Site,
    text: String,
}

impl Maker {
    fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            let _ = writeln!(std::io::stderr(), "openssl is not installed: certificates are not tried");
            return None;
        }
        let site = Site::new();
        let identity = "\"x509\"\ncertificate-file = \"cert.pem\"\nprivate-key-file = \"cert.key\"";
        let text = with_dirs(&site, &replaced(SMALL, "\"cs\"", identity));
        Some(Self { site, text })
    }

    /// Runs openssl in the site's folder.
    fn openssl(&self, words: &str) {
        let mut command = Command::new("openssl");
        command.args(words.split(' ')).current_dir(self.site.folder.path()).stdin(Stdio::null());
        let done = command.output().unwrap();
        assert!(done.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&done.stderr));
        for entry in fs::read_dir(self.site.folder.path()).unwrap() {
            fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// A self-signed certificate of version 3.
    fn certify(&self, key: &str, certificate: &str) {
        self.openssl(&format!("req -new -x509 -key {key} -subj /CN=cabinet-7 -days 30 -out {certificate}"));
    }

    fn ec(&self, key: &str) {
        self.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {key}"));
    }

    fn right(&self) {
        let (outcome, said) = self.site.check(&self.text);
        assert!(outcome == Outcome::Right && !said.contains("warning"), "{said}");
    }

    /// The message about `certificate-file` or `private-key-file`, which is the only fault.
    fn fault(&self, key: &str) -> String {
        let (outcome, said) = self.site.check(&self.text);
        assert_eq!(outcome, Outcome::Wrong, "{said}");
        assert!(said.ends_with("is wrong: 1 fault\n"), "{said}");
        let line = 1 + self.text.lines().position(|line| line.starts_with(key)).unwrap();
        assert!(said.contains(&format!("twind.toml:{line}:")), "{key}: {said}");
        said.lines().next().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.site.path(name).display().to_string()
    }
}

#[test]
fn a_self_signed_certificate_of_version_1_is_right_because_the_hub_takes_it() {
    let Some(maker) = Maker::new() else { return };
    maker.openssl("genrsa -out cert.key 2048");
    maker.openssl("req -new -key cert.key -subj /CN=cabinet-7 -out request");
    maker.openssl("x509 -req -in request -signkey cert.key -days 30 -out cert.pem");
    maker.right();
}

#[test]
fn every_kind_of_key_that_can_be_used_is_right() {
    let Some(maker) = Maker::new() else { return };
    for words in [
        "ecparam -name prime256v1 -genkey -out cert.key",
        "ecparam -name secp384r1 -genkey -noout -out cert.key",
        "genpkey -algorithm ED25519 -out cert.key",
        "genrsa -out cert.key 2048",
        "genrsa -traditional -out cert.key 3072",
    ] {
        maker.openssl(words);
        maker.certify("cert.key", "cert.pem");
        maker.right();
    }
}

#[test]
fn a_key_that_lacks_its_public_part_or_spells_its_curve_is_mended_by_the_command_that_is_told() {
    let Some(maker) = Maker::new() else { return };
    maker.ec("whole.key");
    maker.certify("whole.key", "cert.pem");
    maker.openssl("ec -in whole.key -no_public -out bare.key");
    maker.openssl("pkcs8 -topk8 -nocrypt -in bare.key -out bare8.key");
    maker.openssl("ec -in whole.key -param_enc explicit -out spelt.key");
    maker.openssl("pkcs8 -topk8 -nocrypt -in spelt.key -out spelt8.key");
    let key = maker.path("cert.key");
    for (made, told) in [
        ("bare.key", "it lacks its public part"),
        ("bare8.key", "it lacks its public part"),
        ("spelt.key", "its elliptic curve is written down number by number"),
        ("spelt8.key", "its elliptic curve is written down number by number"),
    ] {
        fs::copy(maker.site.path(made), maker.site.path("cert.key")).unwrap();
        let fault = maker.fault("private-key-file");
        assert!(fault.contains(told) && fault.contains(&format!("names {key}: ")), "{made}: {fault}");
        let command = fault.split('`').find(|words| words.starts_with("openssl ")).unwrap();
        maker.openssl(&command.replacen("openssl ", "", 1).replace("NEW", "mended"));
        fs::rename(maker.site.path("mended"), maker.site.path("cert.key")).unwrap();
        maker.right();
    }
}

#[test]
fn a_key_of_a_kind_that_cannot_be_used_is_told_as_what_it_is() {
    let Some(maker) = Maker::new() else { return };
    for (words, told) in [
        (
            "ecparam -name secp521r1 -genkey -noout -out cert.key",
            "a key on the elliptic curve P-521 cannot be used",
        ),
        (
            "ecparam -name secp256k1 -genkey -noout -out cert.key",
            "the elliptic curve secp256k1 cannot be used",
        ),
        ("genrsa -out cert.key 1024", "an RSA key of 1024 bits cannot be used here, 2048 to 4096 can"),
        (
            "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out cert.key",
            "an RSA key for RSA-PSS alone",
        ),
        ("genpkey -algorithm ED448 -out cert.key", "it cannot be used: RSA of 2048 to 4096 bits, P-256"),
    ] {
        maker.openssl(words);
        maker.certify("cert.key", "cert.pem");
        let fault = maker.fault("private-key-file");
        assert!(
            fault.contains(told) && fault.contains("openssl ecparam -name prime256v1"),
            "{words}: {fault}"
        );
    }
}

#[test]
fn a_certificate_and_a_key_of_two_pairs_and_a_root_before_its_leaf_are_told_apart() {
    let Some(maker) = Maker::new() else { return };
    maker.ec("cert.key");
    maker.certify("cert.key", "leaf.pem");
    maker.ec("other.key");
    maker.certify("other.key", "cert.pem");
    let fault = maker.fault("certificate-file");
    assert!(
        fault.contains("it does not belong to the private key in") && fault.contains("openssl pkey -pubout"),
        "{fault}"
    );
    let read = |name: &str| fs::read_to_string(maker.site.path(name)).unwrap();
    let (root, leaf) = (read("cert.pem"), read("leaf.pem"));
    maker.site.write("cert.pem", &format!("{root}{leaf}"), 0o644);
    let fault = maker.fault("certificate-file");
    assert!(
        fault.contains("own certificate must stand first") && fault.contains("is number 2 of 2"),
        "{fault}"
    );
    maker.site.write("cert.pem", &format!("{leaf}{root}"), 0o644);
    maker.right();
}

#[test]
fn an_encrypted_key_is_told_with_the_command_that_opens_it() {
    let Some(maker) = Maker::new() else { return };
    maker.ec("plain.key");
    maker.certify("plain.key", "cert.pem");
    for words in [
        "pkcs8 -topk8 -passout pass:open -in plain.key -out cert.key",
        "ec -aes128 -passout pass:open -in plain.key -out cert.key",
    ] {
        maker.openssl(words);
        let fault = maker.fault("private-key-file");
        let command = format!("`openssl pkey -in {} -out NEW`", maker.path("cert.key"));
        assert!(
            fault.contains("encrypted with a passphrase") && fault.contains(&command),
            "{words}: {fault}"
        );
    }
    maker.openssl("pkey -in plain.key -outform DER -out cert.key");
    assert!(maker.fault("private-key-file").contains("openssl pkey -inform DER"));
    maker.openssl("pkey -in plain.key -out cert.key");
    maker.openssl("x509 -in cert.pem -outform DER -out other.pem");
    fs::rename(maker.site.path("other.pem"), maker.site.path("cert.pem")).unwrap();
    assert!(maker.fault("certificate-file").contains("openssl x509 -inform DER"));
}

#[test]
fn a_pfx_is_taken_apart_by_the_commands_that_are_told() {
    let Some(mut maker) = Maker::new() else { return };
    maker.ec("made.key");
    maker.certify("made.key", "made.pem");
    maker.openssl("pkcs12 -export -inkey made.key -in made.pem -passout pass: -out device.pfx");
    maker.text = maker.text.replace("cert.pem", "device.pfx");
    maker.openssl("pkey -in made.key -out cert.key");
    let command = format!("openssl pkcs12 -in {} -nokeys -out NEW", maker.path("device.pfx"));
    let fault = maker.fault("certificate-file");
    assert!(
        fault.contains(&format!("(PKCS #12, .pfx or .p12): `{command}` writes its certificates")),
        "{fault}"
    );
    let words = command.replace("openssl ", "").replace("NEW", "new.pem -passin pass:");
    maker.openssl(&words);
    maker.text = maker.text.replace("device.pfx", "new.pem").replace("cert.key", "device.pfx");
    let command = format!("openssl pkcs12 -in {} -nocerts -nodes -out NEW", maker.path("device.pfx"));
    let fault = maker.fault("private-key-file");
    assert!(
        fault.contains(&format!("(PKCS #12, .pfx or .p12): `{command}` writes its private key")),
        "{fault}"
    );
    let words = command.replace("openssl ", "").replace("NEW", "new.key -passin pass:");
    maker.openssl(&words);
    maker.text = maker.text.replace("device.pfx", "new.key");
    maker.right();
    // Other DER files are still called that.
    maker.openssl("x509 -in made.pem -outform DER -out cert.der");
    maker.text = maker.text.replace("new.pem", "cert.der");
    assert!(maker.fault("certificate-file").contains("but DER: `openssl x509 -inform DER"));
}

#[test]
fn damaged_pem_is_told_with_what_to_do() {
    let Some(maker) = Maker::new() else { return };
    maker.ec("cert.key");
    maker.site.write("cert.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", 0o644);
    let fault = maker.fault("certificate-file");
    assert!(
        fault.contains("whose PEM is damaged: copy it again completely; \"-----BEGIN …-----\""),
        "{fault}"
    );
}

#[test]
fn a_certificate_out_of_its_time_is_warned_of() {
    let Some(maker) = Maker::new() else { return };
    maker.ec("cert.key");
    maker.openssl("req -new -key cert.key -subj /CN=cabinet-7 -out request");
    // The clock may be wrong, so no certificate is refused by it.
    maker.openssl("x509 -req -in request -signkey cert.key -days -1 -out cert.pem");
    let warning = maker.site.warning(&maker.text);
    assert!(warning.contains("certificate 1 of 1 expired 1 day ago by this machine's clock"), "{warning}");
}

#[test]
fn sections_that_begin_and_are_not_read_are_told() {
    let Some(maker) = Maker::new() else { return };
    maker.ec("cert.key");
    maker.certify("cert.key", "leaf.pem");
    let read = |name: &str| fs::read_to_string(maker.site.path(name)).unwrap();
    let (leaf, key) = (read("leaf.pem"), read("cert.key"));
    let chain = |text: String| maker.site.write("cert.pem", &text, 0o644);
    // A byte order mark, other line ends and text between sections do no harm.
    chain(format!("\u{feff}{}", leaf.replace('\n', "\r\n")));
    maker.right();
    chain(format!("subject=CN = cabinet-7\n{leaf}\nissuer=…\n{}", leaf.replace('\n', "\r")));
    maker.right();
    maker.site.write("cert.key", &format!("\u{feff}{key}"), 0o600);
    maker.right();
    maker.site.write("cert.key", &key, 0o600);
    // Joined without a line end the second is lost.
    chain(format!("{}{leaf}", leaf.trim_end()));
    let warning = maker.site.warning(&maker.text);
    assert!(warning.contains("sections with a certificate: 2 begin, 1 could be read"), "{warning}");
    chain(format!("  {}", leaf.trim_end()));
    let fault = maker.fault("certificate-file");
    assert!(
        fault.contains(
            "holds no certificate that can be read: sections with a certificate: 1 begin, 0 could be read"
        ),
        "{fault}"
    );
    chain(leaf);
    maker.site.write("cert.key", &key.replace("-----BEGIN", " -----BEGIN"), 0o600);
    let fault = maker.fault("private-key-file");
    assert!(fault.contains("a private key whose PEM is damaged"), "{fault}");
}

#[test]
fn a_ca_file_without_a_root_is_told() {
    let Some(maker) = Maker::new() else { return };
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    maker.site.write("ca.pem", garbage, 0o644);
    let text = with_dirs(&maker.site, &replaced(SMALL, "\"cs\"", "\"cs\"\nca-file = \"ca.pem\""));
    let (outcome, said) = maker.site.check(&text);
    assert_eq!(outcome, Outcome::Wrong);
    assert!(
        said.contains(":4:1: `ca-file` names") && said.contains("no certificate that can be a root"),
        "{said}"
    );
}
