//! A folder with the files that configurations name; without them a key would name a missing file.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const KEY: &str = "c2VjcmV0LXNlY3JldA==";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nc2VjcmV0LXNlY3JldA==\n-----END CERTIFICATE-----\n";
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END PRIVATE KEY-----\n";

thread_local! {
    /// Made once per thread, because a folder costs more than reading a configuration.
    static SITE: OnceCell<TempDir> = const { OnceCell::new() };
}

/// The path that the configuration file would have.
pub fn config_file() -> PathBuf {
    SITE.with(|site| {
        let folder = site.get_or_init(|| make().unwrap_or_else(|reason| unreachable!("no folder: {reason}")));
        folder.path().join("twind.toml")
    })
}

fn make() -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let string = format!("HostName=hub.example.net;DeviceId=cabinet-7;SharedAccessKey={KEY}\n");
    write(folder.path(), "cs", &string, 0o600)?;
    write(folder.path(), "x509", "HostName=hub.example.net;DeviceId=cabinet-7;x509=true", 0o600)?;
    write(folder.path(), "key", KEY, 0o600)?;
    write(folder.path(), "open", KEY, 0o644)?;
    write(folder.path(), "cert.pem", CERTIFICATE, 0o644)?;
    write(folder.path(), "cert.key", PRIVATE_KEY, 0o600)?;
    Ok(folder)
}

fn write(folder: &Path, name: &str, text: &str, mode: u32) -> io::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
