//! The command line and what `--help` says of it. `tests/package` holds the manual page and the shells' completions to it.

use super::{overrides, twin};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// Where the service has its configuration.
pub const CONFIG: &str = "/etc/twind.toml";

/// Keeps an Azure IoT Hub device twin on this machine and drives outputs such as fans and heaters accordingly.
#[derive(Parser)]
#[command(
    version,
    disable_help_subcommand = false,
    after_help = "Exit status: 0 done, 1 an alarm is active (only the page of status), 64 usage error, 69 no daemon answers, 70 internal fault, 77 not permitted, 78 the configuration is wrong.\nRUST_LOG (error, warn, info, debug, trace) filters the log."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG, value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// The daemon, in the foreground
    ///
    /// SIGTERM and SIGINT stop it in an orderly way; SIGHUP reads the configuration again.
    Run,
    /// Looks at this machine and writes a commented starting configuration for it
    ///
    /// The model, lines, PWM channels and every sensor that has a reading. It asks nothing, drives nothing and never overwrites.
    Init {
        /// Where to write it; the default is standard output
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Reads the configuration as the daemon would and prints every fault with its line
    Check {
        /// Also open the board and read each sensor once
        #[arg(long)]
        hardware: bool,
        /// Also walk the way to the hub, from its name to the twin, while the daemon is stopped
        #[arg(long)]
        hub: bool,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// What the running daemon is doing
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// As OpenMetrics text, for Prometheus
        #[arg(long, conflicts_with_all = ["json", "changes"])]
        openmetrics: bool,
        /// How many recent changes of outputs to show (5, with --json 20, at most 1000)
        #[arg(long, value_name = "NUMBER", value_hint = ValueHint::Other)]
        changes: Option<usize>,
    },
    /// The same live, with each climate over the last hour; q ends, ? shows the keys
    ///
    /// Follows each change until q or Ctrl-C; o overrides an output or a climate after a confirmation. Without a terminal the
    /// pages of status follow each other.
    Watch {
        /// How many recent changes of outputs to show (5, at most 1000)
        #[arg(long, value_name = "NUMBER", value_hint = ValueHint::Other)]
        changes: Option<usize>,
    },
    /// Overrides an output or the range of a climate for a limited time
    ///
    /// An override ranks below the fail-safe rows and above the twin, survives a restart, and ends by itself. An override of a
    /// climate replaces its desired range and schedule, within its limits.
    Override {
        /// The output or the climate, by its name in the configuration; `climate` is the one without a name
        #[arg(value_hint = ValueHint::Other)]
        name: String,
        /// Of an output `on`, `off` or a percentage such as `40%`; of a climate a range such as `18..21`, in the unit of its
        /// table in the configuration; or `clear`
        #[arg(allow_hyphen_values = true, value_hint = ValueHint::Other)]
        setting: String,
        /// For how long, such as `30m` or `1h 30m`; at most 7 days
        #[arg(long = "for", value_name = "DURATION", value_hint = ValueHint::Other)]
        lasts: Option<String>,
    },
    /// Has the running daemon read its configuration again
    ///
    /// Ends when the new configuration is in force, or with every fault when it is refused; the running one stays then.
    Reload,
    /// Writes one archive for support: status, configuration, twin, log and checks, without secrets
    ///
    /// It goes on without what cannot be had, such as a daemon, and says so.
    Report {
        /// The archive, which must not be there yet (twind-report-HOST-DATE.tar.gz in this folder)
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// The local copy of the twin, from the daemon if it runs
    Twin {
        /// Only this half
        half: Option<twin::Half>,
    },
    /// The model of this site's twin in DTDL, made from the configuration, for IoT Plug and Play
    ///
    /// It describes what the daemon reports with style = "pnp" in the table `report`. What to set for that, and what has no place in a
    /// model, is printed to standard error.
    Model,
    /// With no daemon running: drives every output to its stop row, or its crash row
    ///
    /// The crash row is used when $SERVICE_RESULT is set and is not "success". Made for ExecStopPost=.
    Safe,
}

/// What the parser's message about wrong usage leaves open.
pub fn hint(error: &clap::Error) -> Option<String> {
    let is_missing = error.kind() == ErrorKind::MissingRequiredArgument;
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return None };
    let needs_setting = is_missing && missing.iter().any(|name| name == "<SETTING>");
    needs_setting.then(|| format!("a SETTING is one of {}", overrides::SETTINGS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_out_a_setting_is_told_what_it_may_be() {
        let hint_of = |words: &[&str]| hint(&Arguments::try_parse_from(words).err().unwrap());
        for words in [
            &["twind", "override"][..],
            &["twind", "override", "fan"],
            &["twind", "override", "fan", "--for", "5m"],
        ] {
            let hint = hint_of(words).unwrap();
            assert!(hint.contains("a SETTING is one of on, off, clear, a percentage such as 40%"), "{hint}");
        }
        assert_eq!(hint_of(&["twind", "override", "fan", "on", "--fro", "5m"]), None);
        assert_eq!(hint_of(&["twind"]), None);
    }
}
