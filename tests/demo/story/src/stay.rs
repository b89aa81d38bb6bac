//! `--stay`: everything stays up, and the commands to try on it are printed, each to be typed as it stands.

use crate::daemon::{DEVICE, Daemon, program};
use crate::teller::Teller;
use std::error::Error;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use twinhub::Running;

/// Keeps everything up until somebody ends it. `patch` is what a back end may write, and `output` one to override.
pub(crate) fn up(
    teller: &Teller,
    hub: &Running,
    daemon: &Daemon,
    (patch, output): (&str, &str),
) -> Result<(), Box<dyn Error>> {
    let (twind, config) = (quoted(&program("twind")?), quoted(&daemon.path("twind.toml")));
    let (twinhub, ca) = (quoted(&program("twinhub")?), quoted(&daemon.path("ca.pem")));
    let service = hub.service_connection_string();
    let lines = [
        String::new(),
        "Everything stays up until Enter or Ctrl-C. In another terminal, each line as it stands here:"
            .to_owned(),
        String::new(),
        format!("  {twind} status --config {config}"),
        format!("  {twind} watch --config {config}"),
        format!("  {twind} override {output} 80% --for 10m --config {config}"),
        format!("  {twind} override {output} clear --config {config}"),
        format!(
            "  TWINHUB_CONNECTION_STRING='{service}' {twinhub} twin update {DEVICE} --ca {ca} --desired '{patch}'"
        ),
        String::new(),
        "For a device or a back end of your own:".to_owned(),
        String::new(),
        format!("  device   {}", hub.device_connection_string(DEVICE)?),
        format!("  service  {service}"),
        format!("  CA       {}", daemon.path("ca.pem").display()),
        format!("  log      {}", daemon.path("log").display()),
    ];
    lines.iter().for_each(|line| teller.line(line));
    if std::io::stdin().read_line(&mut String::new())? == 0 {
        // Nobody can press Enter.
        loop {
            sleep(Duration::from_secs(3600));
        }
    }
    Ok(())
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if is_plain { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted(Path::new("/tmp/twind-demo-7/a.b")), "/tmp/twind-demo-7/a.b");
        assert_eq!(quoted(Path::new("/my files/it's")), "'/my files/it'\\''s'");
    }
}
