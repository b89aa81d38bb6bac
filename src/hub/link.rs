//! The link: one session after another, for as long as somebody holds it.
//!
//! What the holder sees is a strict sequence: `Up`, events of that session, exactly one `Down`, and so on. Requests are
//! meant for the session whose `Up` the holder saw last; those for a session that is gone are dropped, because whoever
//! keeps the twin asks anew after `Up`. Both channels are bounded, so a holder who does not keep up is felt by the hub.
//! Deliberately absent: the meaning of events, threads, and any lock.

use super::dial::{self, Dialer};
use super::failure::{Cause, Failure, Peer};
use super::session::Session;
use super::tls::SetupFault;
use super::token::{self, Token};
use super::{Clock, HubSettings, Identity, tls, wire};
use crate::twin::{HubEvent, HubRequest};
use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::Level;

/// How long a polite end may take where another connection waits for it.
const RECONNECT_GRACE: Duration = Duration::from_secs(2);
/// How long it may take when the link is closed; whoever closes it has a limit of their own.
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// A clock that is set by less than this was not what the hub refused: it forgives five minutes.
const CLOCK_STEP_SECS: u64 = 60;
/// How often to look whether it was set, while that matters.
const CLOCK_LOOK: Duration = Duration::from_secs(5);
/// 2025-01-01: no clock that is right says less. A Pi without a clock of its own starts in 1970 or at its last
/// shutdown, and a token dated so would be refused as if the key were wrong.
const EARLIEST: UnixSeconds = UnixSeconds(1_735_689_600);

/// What the link tells its holder.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// A fact about the twin or the session.
    Hub(HubEvent),
    /// A fact for people.
    State(LinkState),
}

/// Where the link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Dialling.
    Connecting,
    /// A session is up.
    Connected,
    /// There is no session.
    Waiting {
        /// Why, for an operator.
        failure: String,
        /// When the next attempt is due.
        retry_at: BootTime,
    },
}

/// The handle. Dropping it ends the session too, but nobody waits for that; see [`close`](Self::close).
#[derive(Debug)]
pub struct Link {
    events: mpsc::Receiver<LinkEvent>,
    requests: mpsc::Sender<(u64, HubRequest)>,
    /// The number of `Up`s handed out.
    session: u64,
    up: bool,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts to connect. Must be called within a tokio runtime; `seed` decides the jitter of the waits.
    pub fn start(settings: HubSettings, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let (to_holder, events) = mpsc::channel(16);
        let (requests, from_holder) = mpsc::channel(16);
        let peer =
            Peer { name: settings.gateway.as_ref().unwrap_or(&settings.host).clone(), port: settings.port };
        let driver = Driver {
            settings,
            peer,
            clock,
            dialer: Dialer::new(seed),
            events: to_holder,
            requests: from_holder,
            session: 0,
            last: None,
        };
        // The driver only ever stops because the handle is gone.
        let task = tokio::spawn(async move {
            let Err(Closed) = driver.run().await;
        });
        Self { events, requests, session: 0, up: false, task }
    }

    /// Waits for the next event. May be cancelled at any time.
    pub async fn next(&mut self) -> LinkEvent {
        let Some(event) = self.events.recv().await else {
            // Only a bug can end the task under its handle; to wait is better than to spin.
            return core::future::pending().await;
        };
        match event {
            LinkEvent::Hub(HubEvent::Up) => {
                self.session += 1;
                self.up = true;
            }
            LinkEvent::Hub(HubEvent::Down) => self.up = false,
            _ => {}
        }
        event
    }

    /// Hands a request to the session whose `Up` was seen last. Never waits; without a session, or with too many
    /// requests under way, the request is dropped.
    pub fn push(&self, request: HubRequest) {
        if !self.up {
            tracing::debug!("no session: request dropped");
        } else if self.requests.try_send((self.session, request)).is_err() {
            tracing::warn!("too many requests under way: one was dropped");
        }
    }

    /// Ends the session with a DISCONNECT and returns once it is closed, at the latest after `deadline`.
    pub async fn close(self, deadline: Duration) {
        let Self { events, requests, mut task, .. } = self;
        drop((events, requests));
        if timeout(deadline, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// The handle is gone.
struct Closed;

/// Why a session that was up is over.
enum Over {
    Failed(Cause),
    /// Whoever holds the link wants another.
    Asked(&'static str),
    /// The token is about to expire.
    Renewal,
}

struct Driver {
    settings: HubSettings,
    peer: Peer,
    clock: Arc<dyn Clock>,
    dialer: Dialer,
    events: mpsc::Sender<LinkEvent>,
    requests: mpsc::Receiver<(u64, HubRequest)>,
    /// The number of `Up`s emitted.
    session: u64,
    /// The failure that was logged last, since the last session.
    last: Option<Cause>,
}

impl Driver {
    async fn run(mut self) -> Result<core::convert::Infallible, Closed> {
        loop {
            self.wait().await?;
            self.emit(LinkEvent::State(LinkState::Connecting)).await?;
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = self.events.closed() => return Err(Closed),
            };
            match connected {
                Ok((session, renew_at)) => self.serve(session, renew_at).await?,
                Err(cause) => self.fail(cause).await?,
            }
        }
    }

    async fn emit(&self, event: LinkEvent) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }

    /// Waits until the next attempt is due, or the clock that may have foiled the last one has been set.
    async fn wait(&self) -> Result<(), Closed> {
        let may_be_the_clock = self.last.as_ref().is_some_and(Cause::may_be_the_clock);
        tokio::select! {
            () = until(&*self.clock, self.dialer.next_attempt()) => Ok(()),
            () = until_set(&*self.clock), if may_be_the_clock => Ok(()),
            () = self.events.closed() => Err(Closed),
        }
    }

    /// Dials and opens a session. The moment is when its token must be replaced.
    async fn connect(&self) -> Result<(Session, Option<BootTime>), Cause> {
        let (token, renew_at) = self.token()?.unzip();
        let (settings, clock) = (self.settings.clone(), Arc::clone(&self.clock));
        // Some hundred small files on a slow disk: not on the thread that everything else runs on.
        let config = spawn_blocking(move || tls::configure(&settings, clock))
            .await
            .map_err(|error| Cause::Setup(SetupFault::Library(error.to_string())))?
            .map_err(Cause::Setup)?;
        let wire = wire::dial(&self.peer, config).await?;
        let session = Session::open(&self.settings, token.as_ref(), wire, Arc::clone(&self.clock)).await?;
        Ok((session, renew_at))
    }

    fn token(&self) -> Result<Option<(Token, BootTime)>, Cause> {
        let Identity::Key(key) = &self.settings.identity else { return Ok(None) };
        let (now, unix) = (self.clock.boot(), self.clock.unix());
        if unix < EARLIEST {
            return Err(Cause::Clock(unix));
        }
        let lifetime = self.settings.token_lifetime;
        // The hub counts whole seconds; a fraction must not cost the token its last one.
        let expiry = UnixSeconds(unix.0.saturating_add(lifetime.as_secs().max(1)));
        let token = token::mint(&self.settings.host, &self.settings.device_id, key, expiry);
        Ok(Some((token, dial::renewal(now, lifetime))))
    }

    /// Runs a session from its `Up` to its `Down`.
    async fn serve(&mut self, mut session: Session, renew_at: Option<BootTime>) -> Result<(), Closed> {
        self.session += 1;
        self.last = None;
        self.dialer.handle_connected(self.clock.boot());
        let (host, device) = (&self.settings.host, &self.settings.device_id);
        tracing::info!(%host, %device, peer = %self.peer, "connected");

        let over = match self.serve_until_over(&mut session, renew_at).await {
            Ok(over) => over,
            Err(Closed) => {
                session.close(CLOSE_GRACE).await;
                return Err(Closed);
            }
        };
        match over {
            Over::Failed(cause) => {
                drop(session);
                self.emit(LinkEvent::Hub(HubEvent::Down)).await?;
                self.fail(cause).await
            }
            Over::Asked(reason) => {
                session.close(RECONNECT_GRACE).await;
                self.emit(LinkEvent::Hub(HubEvent::Down)).await?;
                self.fail(Cause::Asked(reason)).await
            }
            Over::Renewal => {
                session.close(RECONNECT_GRACE).await;
                let (host, device) = (&self.settings.host, &self.settings.device_id);
                tracing::info!(%host, %device, "disconnected to renew the token");
                self.dialer.handle_planned(self.clock.boot());
                self.emit(LinkEvent::Hub(HubEvent::Down)).await
            }
        }
    }

    async fn serve_until_over(
        &mut self,
        session: &mut Session,
        renew_at: Option<BootTime>,
    ) -> Result<Over, Closed> {
        self.emit(LinkEvent::State(LinkState::Connected)).await?;
        self.emit(LinkEvent::Hub(HubEvent::Up)).await?;
        let clock = Arc::clone(&self.clock);
        loop {
            tokio::select! {
                () = self.events.closed() => return Err(Closed),
                event = session.next() => match event {
                    Ok(event) => self.emit(LinkEvent::Hub(event)).await?,
                    Err(cause) => return Ok(Over::Failed(cause)),
                },
                Some((meant_for, request)) = self.requests.recv() => {
                    if meant_for != self.session {
                        continue;
                    }
                    if let HubRequest::Reconnect { reason } = request {
                        return Ok(Over::Asked(reason));
                    }
                    if let Some(answer) = session.send(&request) {
                        self.emit(LinkEvent::Hub(answer)).await?;
                    }
                }
                () = until_some(&*clock, renew_at) => return Ok(Over::Renewal),
            }
        }
    }

    async fn fail(&mut self, cause: Cause) -> Result<(), Closed> {
        self.dialer.handle_failed(self.clock.boot(), &cause);
        let retry_at = self.dialer.next_attempt();
        let failure = Failure { peer: self.peer.clone(), cause };
        self.log(&failure, retry_at.since(self.clock.boot()));
        let text = failure.to_string();
        self.last = Some(failure.cause);
        self.emit(LinkEvent::State(LinkState::Waiting { failure: text, retry_at })).await
    }

    /// Says a trouble once, as loud as it deserves, and its repetitions quietly.
    fn log(&self, failure: &Failure, wait: Duration) {
        let (host, device) = (&self.settings.host, &self.settings.device_id);
        let wait = wait.as_secs_f32();
        let repeated = self.last.as_ref().is_some_and(|last| last.is_like(&failure.cause));
        match failure.cause.level() {
            _ if repeated => tracing::debug!(%host, %device, "still: {failure}; next attempt in {wait:.1} s"),
            Level::ERROR => tracing::error!(%host, %device, "{failure}; next attempt in {wait:.1} s"),
            Level::WARN => tracing::warn!(%host, %device, "{failure}; next attempt in {wait:.1} s"),
            _ => tracing::info!(%host, %device, "{failure}; next attempt in {wait:.1} s"),
        }
    }
}

/// Waits for a moment of boot time. The runtime's timers stand still while the machine sleeps, so the clock decides.
async fn until(clock: &dyn Clock, moment: BootTime) {
    loop {
        let left = moment.since(clock.boot());
        if left.is_zero() {
            return;
        }
        sleep(left).await;
    }
}

/// Waits until the wall clock has been set: it moved by more than time did.
async fn until_set(clock: &dyn Clock) {
    let lead = || {
        let boot_s = i64::try_from(clock.boot().since_boot().as_secs()).unwrap_or(i64::MAX);
        i64::try_from(clock.unix().0).unwrap_or(i64::MAX).saturating_sub(boot_s)
    };
    let before = lead();
    while lead().abs_diff(before) < CLOCK_STEP_SECS {
        sleep(CLOCK_LOOK).await;
    }
}

async fn until_some(clock: &dyn Clock, moment: Option<BootTime>) {
    match moment {
        Some(moment) => until(clock, moment).await,
        None => core::future::pending().await,
    }
}
