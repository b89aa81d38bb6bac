//! The daemon: builds the rooms and owns the loop. Rooms that do not know each other meet here, and in `cli`, which looks at the
//! same things for a person.
//!
//! One thread owns the state. Slow work (sensors, fsync, the log, metrics, reading a configuration, waiting for udev) has threads of
//! its own, which speak through bounded channels. The loop waits for the next fact or the next deadline and gives it to the core,
//! which has done all that follows when it returns. Clients of the local socket are tasks beside the loop, which answers one
//! request at a time. Nothing here polls, and every decision is the core's.
//!
//! Once it runs the loop waits for nobody, but for a thread that hangs when a line of its own is to be released: 0.2 s for that of
//! the tachometers, 0.5 s for that of software PWM, however many lines it has. A start waits up to 2 s for the stored twin and up
//! to 1 s for udev. The loop itself drives pins and writes the runtime directory (the copy for `twind safe`, the sockets), which is
//! in memory. If a `simulated` board or a socket is on a file system that hangs, so does the loop, and the watchdog ends it.

mod answers;
mod backlog;
mod clock;
mod config_read;
mod daemon_status;
mod disk;
mod fatal;
pub mod handover;
pub mod last_resort;
mod local;
mod log;
pub mod metrics;
mod readings;
mod relay;
mod service_manager;
mod signals;
mod spanless;
mod speeds;
mod takeover;
mod timer;

pub use backlog::{Backlog, Next};
pub use clock::SystemClock;
pub use daemon_status::{DaemonStatus, FailureReport, LinkReport};
pub use fatal::Fatal;
pub use local::{calls, remark as socket_remark, varlink};
pub use log::{Log, start as start_log};

use crate::board::{self, Board, BoardSettings, Tachs};
use crate::config::{self, Environment, Settings};
use crate::control::OutputSpec;
use crate::control::climate::Climate;
use crate::engine::{Core, Input, Reload, Start};
use crate::hub::link::{Link, LinkEvent, LinkState};
use crate::message_ids as ids;
use crate::ports::{Outbox, Ports};
use crate::sensors::{Pollers, SensorSettings};
use crate::store::{FileStore, Unsaved};
use crate::twin::{HubRequest, Version};
use crate::units::{BootTime, UnixSeconds};
use config_read::{ConfigRead, Fresh, Refused};
use core::time::Duration;
use last_resort::{Driven, LastResort};
use local::{Local, Paths, Query};
use log::ToLog;
use metrics::MetricsFile;
use readings::{Readings, readings};
use service_manager::ServiceManager;
use signals::{Signal, SignalQueue};
use speeds::{Speeds, speeds};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use takeover::{keeps, same_pin, take_over};
use timer::BootTimer;
use tracing::{error, info, warn};

/// Seconds by which the clock may drift before the core gets it anew: schedules are by the minute.
const CLOCK_TOLERANCE_S: u64 = 2;
/// How long the DISCONNECT from the hub may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long the last write may take at the end.
const LAST_WRITE: Duration = Duration::from_secs(10);
/// How long the end waits for a sensor that is stuck in a read, or for the removal of the metrics file.
const THREADS_END: Duration = Duration::from_millis(500);

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// Why it could not start. Once it controls, nothing but a signal ends it.
pub fn run(path: &Path, environment: &Environment) -> Result<(), Fatal> {
    // Some of Debian's kernels use huge pages always: one page of 2 MiB would be a third of the daemon's memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let settings = config::load(path, environment).map_err(Fatal::Config)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fatal::System)?;
    let outcome = runtime.block_on(async {
        let mut signals = SignalQueue::listen().map_err(Fatal::System)?;
        let mut daemon = Daemon::start(path, environment, settings)?;
        daemon.serve(&mut signals).await;
        daemon.end().await;
        Ok(())
    });
    // A name lookup that hangs in the C library, or a disk that hangs, must not delay the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// What the loop waits for.
enum Fact {
    Signal(Signal),
    /// A configuration was read.
    Read(Option<Fresh>),
    Link(LinkEvent),
    /// A reading, a speed or an outcome of the disk is ready.
    Ready,
    /// A request at the local socket.
    Local(Query),
    Due,
}

struct Daemon {
    path: PathBuf,
    environment: Environment,
    settings: Settings,
    config_read: ConfigRead<Fresh>,
    /// Why the last reload was refused, and since when all were; `None` once one is accepted.
    refused: Option<(BootTime, Refused)>,
    clock: SystemClock,
    core: Core,
    last_resort: LastResort,
    store: FileStore,
    saved: Arc<tokio::sync::Notify>,
    board: Box<dyn Board>,
    pollers: Pollers,
    readings: Readings,
    /// Stops counting when it is dropped.
    tachs: Option<Tachs>,
    speeds: Speeds,
    timer: BootTimer,
    link: Link,
    link_state: LinkState,
    local: Local,
    metrics: MetricsFile,
    manager: ServiceManager,
}

impl Outbox for Link {
    fn push(&mut self, request: HubRequest) {
        Self::push(self, request);
    }
}

impl Daemon {
    /// Drives the outputs from the stored twin before anything that may take time, then builds the rest.
    fn start(path: &Path, environment: &Environment, settings: Settings) -> Result<Self, Fatal> {
        let saved = Arc::new(tokio::sync::Notify::new());
        let mut last_resort = LastResort::claim(path, environment, &settings).map_err(Fatal::Occupied)?;
        let (mut store, opening) = disk::open(&settings.state_dir, Arc::clone(&saved))?;
        let loaded = opening.loaded;
        let mut board = board::open(&settings.board).map_err(Fatal::Board)?;
        let record = disk::usable(loaded.record, opening.fault.as_ref());
        let clock = SystemClock::after(record.as_ref().map_or(UnixSeconds(0), |record| record.known_time));
        let now = clock.boot();
        let fetched = record.as_ref().filter(|record| record.desired_version > Version(0));
        let kept = fetched.map(|record| (record.identity.clone(), record.desired_version));
        let handed_over = handover::take(environment);
        last_resort.take_over(&settings, !handed_over, now);
        board.wait();
        let start = Start {
            spec: settings.engine.clone(),
            record,
            machine: clock.machine(),
            found: take_over(board.as_mut(), &settings, |spec| handed_over || keeps(spec)),
            handed_over,
            step_interval_max: step_interval_max(),
        };
        let pins = board.as_mut();
        let mut ports = Ports { pins, store: &mut store, outbox: &mut Unconnected, notices: &mut ToLog };
        let mut core = Core::start(now, start, &mut ports);
        if let Some(fault) = opening.fault {
            core.handle(now, Input::Saved(Err(fault.to_string())), &mut ports);
        }
        let (pollers, readings) = start_pollers(&settings.sensors, clock.clone()).map_err(Fatal::System)?;
        let (tachs, speeds) = start_tachs(&settings.board, clock.clone()).map_err(Fatal::System)?;
        let timer = BootTimer::new().map_err(Fatal::System)?;
        let link = Link::start(settings.hub.clone(), Arc::new(clock.clone()), seed());
        let local = Local::open(Paths::of(&settings));
        let metrics = MetricsFile::at(settings.metrics_file.as_deref(), now);
        for note in &loaded.notes {
            warn!("{note}");
        }
        if handed_over {
            info!("the outputs are taken over from the previous daemon");
        }
        match kept {
            Some((identity, version)) if identity == settings.engine.identity => {
                info!(
                    message_id = ids::STARTED,
                    desired_version = version.0,
                    "started from the stored twin, desired version {version}"
                );
            }
            Some((identity, _)) => {
                warn!(
                    message_id = ids::STARTED,
                    "the stored twin belongs to {identity}, not to {}: it is not used",
                    settings.engine.identity
                );
            }
            None => info!(message_id = ids::STARTED, "started without a stored twin"),
        }
        let mut manager = ServiceManager::default();
        manager.ready();
        manager.feed(core.steps());
        let (path, environment) = (path.to_owned(), environment.clone());
        let link_state = LinkState::Connecting;
        Ok(Self {
            path,
            environment,
            settings,
            config_read: ConfigRead::none(),
            refused: None,
            clock,
            core,
            last_resort,
            store,
            saved,
            board,
            pollers,
            readings,
            tachs,
            speeds,
            timer,
            link,
            link_state,
            local,
            metrics,
            manager,
        })
    }

    /// The loop: the next fact or the next deadline, and what follows from it.
    async fn serve(&mut self, signals: &mut SignalQueue) {
        loop {
            self.tell_watchers();
            self.manager.feed(self.core.steps());
            self.manager.status(status(&self.core, &self.link_state));
            self.write_metrics();
            let step = self.core.deadline().at;
            let deadline = self.metrics.due().map_or(step, |due| due.min(step));
            let fact = tokio::select! {
                signal = signals.next() => Fact::Signal(signal),
                fresh = self.config_read.end() => Fact::Read(fresh),
                event = self.link.next() => Fact::Link(event),
                Some(()) = self.readings.news() => Fact::Ready,
                Some(()) = self.speeds.news() => Fact::Ready,
                query = self.local.next() => Fact::Local(query),
                () = self.saved.notified() => Fact::Ready,
                () = self.timer.until(deadline, deadline.since(self.clock.boot())) => Fact::Due,
            };
            // First, because nothing may be decided by an older reading than is ready.
            self.take_readings();
            self.take_outcomes();
            match fact {
                Fact::Signal(Signal::Stop) => return,
                Fact::Signal(Signal::Reload) => self.read_again(None),
                Fact::Read(fresh) => self.handle_read(fresh),
                Fact::Link(event) => self.handle_link(event),
                Fact::Local(query) => self.answer(query),
                // The metrics file alone was due.
                Fact::Due if deadline < step => {}
                Fact::Due => {
                    self.take_clock();
                    self.handle(Input::Timeout);
                }
                Fact::Ready => {}
            }
        }
    }

    /// Gives one fact to the core, which drives, stores and reports what follows from it.
    fn handle(&mut self, input: Input) {
        let pins = self.board.as_mut();
        let mut ports = Ports { pins, store: &mut self.store, outbox: &mut self.link, notices: &mut ToLog };
        self.core.handle(self.clock.boot(), input, &mut ports);
        self.clock.know(self.core.known_time());
    }

    /// Gives the core the wall clock if that does not show what the core makes it: it was set, or drifted.
    fn take_clock(&mut self) {
        let dated = self.clock.dated();
        let is_as_told = match (dated, self.core.wall(self.clock.boot())) {
            (Some((shown, _)), Some(told)) => shown.0.abs_diff(told.0) <= CLOCK_TOLERANCE_S,
            (shown, told) => shown.is_none() && told.is_none(),
        };
        if !is_as_told {
            self.handle(Input::Clock(dated));
        }
    }

    fn take_readings(&mut self) {
        let readings = self.readings.take();
        if !readings.is_empty() {
            self.handle(Input::Readings(readings));
        }
        for speed in self.speeds.take() {
            self.handle(Input::Speed { output: speed.output, rpm: speed.rpm });
        }
    }

    fn handle_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Hub(event) => self.handle(Input::Hub(event)),
            LinkEvent::Dated(dated) => self.handle(Input::Wall(dated)),
            LinkEvent::State(state) => self.link_state = state,
        }
    }

    /// Drives outputs to their stop rows, unless the next daemon takes them over; disconnects from the hub; waits for the last
    /// write.
    async fn end(mut self) {
        let hands_over = handover::is_due(&self.environment);
        let outputs = if hands_over {
            self.handle(Input::HandOver);
            "outputs stay as they are for the next daemon"
        } else {
            self.handle(Input::Stop);
            "outputs go to their stop rows"
        };
        info!("asked to stop: {outputs}");
        self.manager.stopping(outputs);
        self.pollers.stop(THREADS_END);
        self.metrics.leave(THREADS_END);
        self.link.close(FAREWELL).await;
        if let Err(Unsaved { record, messages }) = self.store.close(LAST_WRITE) {
            if let Some(fault) = record {
                warn!(
                    "the local copy of the twin could not be stored at the end: {fault}; the last changes may be lost"
                );
            }
            if let Some(fault) = messages {
                warn!(
                    "telemetry that the hub does not have could not be kept at the end: {fault}; these records are lost"
                );
            }
        }
        // The copy stays for the next daemon or `twind safe` if outputs are to be taken over or could not be driven.
        if !hands_over && !self.core.has_pin_faults() {
            self.last_resort.leave();
        }
        info!(message_id = ids::STOPPED, "stopped");
    }

    /// Puts a new configuration into force, or keeps the running one and says why. Outputs that both have stay as they are
    /// driven until the new configuration decides otherwise.
    fn reload(&mut self, fresh: Settings) -> Result<(), String> {
        if fresh.state_dir != self.settings.state_dir {
            return Err("the state directory cannot change while twind runs: restart it (systemctl restart twind); the running configuration stays".to_owned());
        }
        let board = if fresh.board == self.settings.board {
            None
        } else {
            match board::open(&fresh.board) {
                Ok(board) => Some(board),
                Err(fault) => {
                    return Err(format!(
                        "the new board cannot be opened: {}; the running configuration stays",
                        fault.reason
                    ));
                }
            }
        };
        let (pollers, readings) = match restart_pollers(&self.pollers, &fresh.sensors, self.clock.clone()) {
            Ok(started) => started,
            Err(error) => {
                return Err(format!(
                    "the sensor threads could not be started: {error}; the running configuration stays"
                ));
            }
        };
        // Before the outputs, of which one may be on a line that was a sensor's. A sensor in the middle of a read is not waited for
        // here: its successor waits for it.
        core::mem::replace(&mut self.pollers, pollers).stop(Duration::ZERO);
        self.readings = readings;
        let board_is_new = board.is_some();
        if board_is_new {
            // A new output may be on a line that was a tach's.
            self.tachs = None;
        }
        let now = self.clock.boot();
        self.last_resort.keep(&fresh, &[Driven::by(&self.settings)]);
        let stuck = self.release_outputs(now, &fresh);
        if let Some(mut board) = board {
            if fresh.board.driver == self.settings.board.driver {
                board.adopt(self.board.release());
            }
            self.board = board;
        }
        let is_new = |spec: &OutputSpec| !same_pin(&spec.name, &self.settings, &fresh);
        let found = take_over(self.board.as_mut(), &fresh, |spec| keeps(spec) && is_new(spec));
        let outputs = || fresh.board.outputs.iter();
        let same_wire = outputs().filter(|pin| same_pin(&pin.name, &self.settings, &fresh));
        let measured = outputs().filter(|pin| pin.tach.is_some());
        let reload = Reload {
            spec: fresh.engine.clone(),
            same_wire: same_wire.map(|pin| pin.name.clone()).collect(),
            measured: measured.map(|pin| pin.name.clone()).collect(),
            found,
            same_hub: fresh.hub == self.settings.hub,
        };
        self.handle(Input::Reload(Box::new(reload)));
        if board_is_new {
            self.restart_tachs(&fresh.board);
        }
        if fresh.hub != self.settings.hub {
            let link = Link::start(fresh.hub.clone(), Arc::new(self.clock.clone()), seed());
            // In a task: the outputs do not wait for the DISCONNECT.
            tokio::spawn(core::mem::replace(&mut self.link, link).close(FAREWELL));
            self.link_state = LinkState::Connecting;
        }
        self.last_resort.settle(&self.settings, &fresh, &stuck);
        self.local.reopen(Paths::of(&fresh));
        self.metrics.move_to(fresh.metrics_file.as_deref(), now);
        self.settings = fresh;
        info!(message_id = ids::RELOADED, "the new configuration is in force");
        Ok(())
    }

    /// Starts the tachometers of the new outputs.
    fn restart_tachs(&mut self, board: &BoardSettings) {
        match start_tachs(board, self.clock.clone()) {
            Ok((tachs, speeds)) => (self.tachs, self.speeds) = (tachs, speeds),
            Err(error) => {
                error!(
                    "the tachometer thread could not be started: {error}; speeds are unknown until the next reload"
                );
            }
        }
    }
}

/// Requests before the link exists are dropped.
struct Unconnected;

impl Outbox for Unconnected {
    fn push(&mut self, _request: HubRequest) {}
}

fn start_pollers(settings: &[SensorSettings], clock: SystemClock) -> io::Result<(Pollers, Readings)> {
    let (deliver, readings) = readings();
    Ok((Pollers::start(settings, move || clock.both(), deliver)?, readings))
}

fn restart_pollers(
    before: &Pollers,
    settings: &[SensorSettings],
    clock: SystemClock,
) -> io::Result<(Pollers, Readings)> {
    let (deliver, readings) = readings();
    Ok((before.start_next(settings, move || clock.both(), deliver)?, readings))
}

fn start_tachs(settings: &BoardSettings, clock: SystemClock) -> io::Result<(Option<Tachs>, Speeds)> {
    let (deliver, speeds) = speeds();
    Ok((Tachs::start(settings, move || clock.boot(), deliver)?, speeds))
}

/// A third of the watchdog's interval, so that one late step does not end the daemon.
fn step_interval_max() -> Duration {
    ServiceManager::watchdog_interval().map_or(Duration::MAX, |interval| interval / 3)
}

/// The seed of the standard library's hash tables. Unlike the usual source it never blocks soon after boot, when the system
/// may not have gathered entropy yet.
fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

fn status(core: &Core, link: &LinkState) -> String {
    let version = core.sync().desired_version();
    let regime = |climate: &Climate| {
        let name = climate.spec().name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
        format!("{name}{}", climate.regime().name(&climate.spec().quantity))
    };
    let climates: Vec<String> = core.climates().iter().map(|(_, climate)| regime(climate)).collect();
    let climate = if climates.is_empty() { "none".to_owned() } else { climates.join(", ") };
    let hub = match link {
        LinkState::Connecting => "connecting",
        LinkState::Connected => "connected",
        LinkState::Waiting { failure, .. } => failure,
    };
    format!("hub: {hub}; desired version {version}; climate: {climate}")
}
