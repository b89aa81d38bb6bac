//! The driver: dials, serves and waits, in turn, until the link's handle is gone.
//!
//! A session is *told* by its `Up`, which may come later than the session itself: see `dial` on spreading.
//! Deliberately absent: when (`dial`), how (`wire`, `session`), and what it means (`twin`).

use super::dial::{self, Dialer};
use super::failure::{Cause, Failure, Peer};
use super::link::{LinkEvent, LinkState, LinkStatus, PastFailure, TokenTimes};
use super::lives::Pattern;
use super::moments::{Lead, until, until_set, until_some};
use super::session::Session;
use super::tls::SetupFault;
use super::token::{self, Token};
use super::wall::Wall;
use super::{Clock, HubSettings, Identity, tls, wire};
use crate::twin::{HubEvent, HubRequest};
use crate::units::{BootTime, UnixSeconds};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tracing::Level;

/// How long a polite end may take where another connection waits for it.
const RECONNECT_GRACE: Duration = Duration::from_secs(2);
/// How long it may take when the link is closed; whoever closes it has a limit of their own.
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// How often to look whether the clock was set, where that matters.
const CLOCK_LOOK: Duration = Duration::from_secs(5);

/// The handle is gone.
pub(super) struct Closed;

/// Why a session is over.
enum Over {
    Failed(Cause),
    /// Whoever holds the link wants another.
    Asked(&'static str),
    /// The token is to be replaced, for this reason.
    Renewal(&'static str),
}

pub(super) struct Driver {
    settings: HubSettings,
    peer: Peer,
    clock: Arc<dyn Clock>,
    wall: Wall,
    dialer: Dialer,
    events: mpsc::Sender<LinkEvent>,
    requests: mpsc::Receiver<(u64, HubRequest)>,
    status: watch::Sender<LinkStatus>,
    /// The number of `Up`s emitted.
    session: u64,
    /// The present session has been told.
    told: bool,
    /// The failure that was logged last, since the last session.
    last: Option<Cause>,
}

impl Driver {
    pub(super) fn new(
        settings: HubSettings,
        clock: Arc<dyn Clock>,
        seed: u64,
        (events, requests): (mpsc::Sender<LinkEvent>, mpsc::Receiver<(u64, HubRequest)>),
        status: watch::Sender<LinkStatus>,
    ) -> Self {
        let peer =
            Peer { name: settings.gateway.as_ref().unwrap_or(&settings.host).clone(), port: settings.port };
        Self {
            settings,
            peer,
            clock,
            wall: Wall::default(),
            dialer: Dialer::new(seed),
            events,
            requests,
            status,
            session: 0,
            told: false,
            last: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<core::convert::Infallible, Closed> {
        loop {
            self.wait().await?;
            self.emit(LinkEvent::State(LinkState::Connecting)).await?;
            let events = self.events.clone();
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = events.closed() => return Err(Closed),
            };
            match connected {
                Ok((session, token)) => self.serve(session, token).await?,
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
        let lead = Lead::of(&*self.clock);
        tokio::select! {
            () = until(&*self.clock, self.dialer.next_attempt()) => Ok(()),
            () = until_set(&*self.clock, lead, CLOCK_LOOK), if may_be_the_clock => Ok(()),
            () = self.events.closed() => Err(Closed),
        }
    }

    /// Dials and opens a session.
    async fn connect(&mut self) -> Result<(Session, Option<TokenTimes>), Cause> {
        let (token, times) = self.token()?.unzip();
        let (settings, clock) = (self.settings.clone(), Arc::clone(&self.clock));
        // Some hundred small files on a slow disk: not on the thread that everything else runs on.
        let config = spawn_blocking(move || tls::configure(&settings, clock))
            .await
            .map_err(|error| Cause::Setup(SetupFault::Library(error.to_string())))?
            .map_err(Cause::Setup)?;
        let wire = wire::dial(&self.peer, config).await?;
        let session = Session::open(&self.settings, token.as_ref(), wire, Arc::clone(&self.clock)).await?;
        Ok((session, times))
    }

    fn token(&mut self) -> Result<Option<(Token, TokenTimes)>, Cause> {
        let Identity::Key(key) = &self.settings.identity else { return Ok(None) };
        let (now, unix) = (self.clock.boot(), self.clock.unix());
        self.wall.judge(now, unix, self.clock.not_before())?;
        let lifetime = self.settings.token_lifetime;
        // The hub counts whole seconds; a fraction must not cost the token its last one.
        let expires = UnixSeconds(unix.0.saturating_add(lifetime.as_secs().max(1)));
        let token = token::mint(&self.settings.host, &self.settings.device_id, key, expires);
        Ok(Some((token, TokenTimes { expires, renews: dial::renewal(now, lifetime) })))
    }

    /// Runs a session to its end, from its `Up` to its `Down` if it gets that far.
    async fn serve(&mut self, mut session: Session, token: Option<TokenTimes>) -> Result<(), Closed> {
        self.last = None;
        self.told = false;
        let now = self.clock.boot();
        let tell_at = self.dialer.handle_connected(now);
        self.status.send_modify(|status| {
            status.connected_since = Some(now);
            status.token = token;
            status.next_attempt = None;
        });
        let (host, device) = (&self.settings.host, &self.settings.device_id);
        let pause = tell_at.since(now);
        if pause.is_zero() {
            tracing::info!(%host, %device, peer = %self.peer, "connected");
        } else {
            let pause = pause.as_secs_f32();
            tracing::info!(
                %host, %device, peer = %self.peer,
                "connected; in use in {pause:.1} s, so that devices cut off together do not ask together"
            );
        }

        let over = match self.serve_until_over(&mut session, tell_at, token).await {
            Ok(over) => over,
            Err(Closed) => {
                session.close(CLOSE_GRACE).await;
                return Err(Closed);
            }
        };
        self.status.send_modify(|status| {
            status.connected_since = None;
            status.token = None;
        });
        let cause = match over {
            Over::Failed(cause) => {
                drop(session);
                Some(cause)
            }
            Over::Asked(reason) => {
                session.close(RECONNECT_GRACE).await;
                Some(Cause::Asked(reason))
            }
            Over::Renewal(reason) => {
                session.close(RECONNECT_GRACE).await;
                let (host, device) = (&self.settings.host, &self.settings.device_id);
                tracing::info!(%host, %device, "disconnected to renew the token: {reason}");
                self.dialer.handle_planned(self.clock.boot());
                None
            }
        };
        if self.told {
            self.emit(LinkEvent::Hub(HubEvent::Down)).await?;
        }
        match cause {
            Some(cause) => self.fail(cause).await,
            None => Ok(()),
        }
    }

    async fn serve_until_over(
        &mut self,
        session: &mut Session,
        tell_at: BootTime,
        token: Option<TokenTimes>,
    ) -> Result<Over, Closed> {
        let clock = Arc::clone(&self.clock);
        let lead = Lead::of(&*clock);
        let told = until(&*clock, tell_at);
        tokio::pin!(told);
        while !self.told {
            tokio::select! {
                () = self.events.closed() => return Err(Closed),
                // What is notified now is in the twin that is fetched then.
                event = session.next() => if let Err(cause) = event {
                    return Ok(Over::Failed(cause));
                },
                () = &mut told => self.told = true,
            }
        }
        self.session += 1;
        self.emit(LinkEvent::State(LinkState::Connected)).await?;
        self.emit(LinkEvent::Hub(HubEvent::Up)).await?;
        let renewal = until_some(&*clock, token.map(|token| token.renews));
        // The hub counts by the right time: a clock that was behind has made a token that ends sooner than it seems.
        let set = until_set(&*clock, lead, CLOCK_LOOK);
        tokio::pin!(renewal, set);
        loop {
            tokio::select! {
                () = self.events.closed() => return Err(Closed),
                event = session.next() => match event {
                    Ok(event) => {
                        if !matches!(event, HubEvent::Rejected { .. } | HubEvent::Garbled { .. }) {
                            self.dialer.handle_served();
                        }
                        self.emit(LinkEvent::Hub(event)).await?;
                    }
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
                () = &mut renewal => return Ok(Over::Renewal("it is about to expire")),
                () = &mut set, if token.is_some() => return Ok(Over::Renewal("the clock was set")),
            }
        }
    }

    async fn fail(&mut self, cause: Cause) -> Result<(), Closed> {
        let now = self.clock.boot();
        let pattern = self.dialer.handle_failed(now, &cause);
        let retry_at = self.dialer.next_attempt();
        let failure = Failure { peer: self.peer.clone(), cause };
        self.log(&failure, pattern, retry_at.since(now));
        let text = match self.dialer.pattern() {
            Some(pattern) if failure.cause.without_a_word() => {
                pattern.advice(&self.settings.device_id).to_string()
            }
            _ => failure.to_string(),
        };
        self.status.send_modify(|status| {
            status.last_failure = Some(PastFailure { text: text.clone(), at: now });
            status.next_attempt = Some(retry_at);
        });
        self.last = Some(failure.cause);
        self.emit(LinkEvent::State(LinkState::Waiting { failure: text, retry_at })).await
    }

    /// Says a trouble once, as loud as it deserves, and its repetitions quietly.
    fn log(&self, failure: &Failure, pattern: Option<Pattern>, wait: Duration) {
        let (host, device) = (&self.settings.host, &self.settings.device_id);
        let wait = wait.as_secs_f32();
        let repeated = self.last.as_ref().is_some_and(|last| last.is_like(&failure.cause));
        match failure.cause.level() {
            _ if repeated => tracing::debug!(%host, %device, "still: {failure}; next attempt in {wait:.1} s"),
            Level::ERROR => tracing::error!(%host, %device, "{failure}; next attempt in {wait:.1} s"),
            Level::WARN => tracing::warn!(%host, %device, "{failure}; next attempt in {wait:.1} s"),
            _ => tracing::info!(%host, %device, "{failure}; next attempt in {wait:.1} s"),
        }
        if let Some(pattern) = pattern {
            tracing::warn!(%host, %device, "{}", pattern.advice(device));
        }
    }
}
