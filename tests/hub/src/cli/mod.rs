//! The command line: its commands, and the message and exit code for each outcome.

mod client;
mod connection;
mod device;
mod event_line;
mod events;
mod input;
mod method;
mod serve;
mod twin;

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use client::Client;
use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// A stand-in for Azure IoT Hub, and a small back end for it and for the real one.
#[derive(Parser)]
#[command(
    name = "twinhub",
    version,
    after_help = "Exit status: 0 done, 1 the hub turned it down, 64 wrong usage, 69 nobody answers, 70 an internal fault, 77 not permitted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the stand-in hub until Ctrl-C or SIGTERM.
    Serve(serve::Serve),
    /// Creates, lists and deletes devices.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Prints the connection string of a device.
    ConnectionString(device::ConnectionString),
    /// Shows and changes device twins.
    #[command(subcommand)]
    Twin(twin::TwinCommand),
    /// Calls a direct method of a device and prints its answer.
    Method(method::Method),
    /// Prints the messages that devices sent to a stand-in hub, as JSON lines
    ///
    /// A line has the message's number ("sequence"), its device, its properties, what the hub
    /// stamped, and its body: "body" if content type and encoding say that it is JSON in UTF-8 and
    /// it is, otherwise "bodyBase64". A line with "lost" says how many messages of all devices the
    /// hub dropped before they were read here. It holds the newest 10,000 at most, and none from
    /// before its start.
    ///
    /// This reads GET /twinhub/messages, a request of twinhub's own. The real hub has no such
    /// request: its messages are read over AMQP, as with "az iot hub monitor-events".
    #[command(verbatim_doc_comment)]
    Events(events::Events),
}

/// Which hub a back end speaks to, and as whom.
#[derive(Args)]
struct Login {
    /// The hub's service connection string; otherwise TWINHUB_CONNECTION_STRING is read.
    #[arg(long, value_name = "CONNSTR")]
    login: Option<String>,
    /// A PEM file of authorities to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

const LOGIN_VARIABLE: &str = "TWINHUB_CONNECTION_STRING";

impl Login {
    fn client(&self) -> Result<Client, Failure> {
        let text = match &self.login {
            Some(text) => text.clone(),
            None => std::env::var(LOGIN_VARIABLE).map_err(|_| {
                Failure::Usage(format!("no hub named: pass --login CONNSTR or set {LOGIN_VARIABLE}"))
            })?,
        };
        Client::new(connection::ServiceConnection::parse(&text)?, self.ca.as_deref())
    }
}

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// The command makes no sense as given.
    Usage(String),
    /// The request makes no sense to the hub.
    Senseless(String),
    /// The hub understood the request and turned it down, such as for a device that does not exist or exists already.
    TurnedDown(String),
    /// The hub or the device does not answer in time, or cannot serve the request now.
    Unreachable(String),
    /// The hub does not accept the credentials.
    NotAuthorised(String),
    /// An error in this program.
    Internal(String),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::TurnedDown(_) => 1,
            Self::Usage(_) | Self::Senseless(_) => 64,
            Self::Unreachable(_) => 69,
            Self::Internal(_) => 70,
            Self::NotAuthorised(_) => 77,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text)
        | Self::Senseless(text)
        | Self::TurnedDown(text)
        | Self::Unreachable(text)
        | Self::NotAuthorised(text)
        | Self::Internal(text)) = self;
        f.write_str(text)
    }
}

/// Parses the command line, runs the command, and reports the outcome.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is not an error.
            let _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked_for { 0 } else { 64 });
        }
    };
    match start(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "twinhub: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn start(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Internal(format!("cannot start threads: {error}")))?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run().await,
            Command::Device(command) => command.run().await,
            Command::ConnectionString(command) => command.run().await,
            Command::Twin(command) => command.run().await,
            Command::Method(method) => method.run().await,
            Command::Events(events) => events.run().await,
        }
    });
    // Tasks that still run have nothing left to report.
    runtime.shutdown_background();
    done
}

/// Prints a line; a reader that has gone away is not an error.
fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
