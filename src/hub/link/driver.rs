//! The driver: connects, serves and waits, in turn, until the link's handle is gone.
//!
//! The holder learns of a session by its `Up`, which may come later than the session itself: `backoff` spreads the devices.

use super::backoff::Backoff;
use super::connect::Connector;
use super::events::{LinkEvent, LinkState, LinkStatus, PastFailure, Room, TokenTimes, Told};
use super::failure::{Cause, Failure};
use super::moments::{ClockOffset, until, until_set, until_some};
use super::session::TwinSession;
use super::settings::HubSettings;
use crate::hub::Clock;
use crate::hub::azure::Accounts;
use crate::hub::disk::Disk;
use crate::hub::wire::{self, Peer, Proxy, WireFault};
use crate::message_ids as ids;
use crate::twin::{ClockSanity, Dated, HubEvent, HubRequest};
use crate::units::BootTime;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep};

/// How long a DISCONNECT may take if another connection follows.
const RECONNECT_GRACE: Duration = Duration::from_secs(2);
/// How long it may take when the link is closed; the caller has a limit of its own.
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// How often to look whether the clock was set, if a connection waits for it …
const CLOCK_LOOK: Duration = Duration::from_secs(5);
/// … and if only a token's end depends on it: the hub accepts minutes, and each look wakes the machine.
const CLOCK_LOOK_CONNECTED: Duration = Duration::from_secs(30);

/// The handle is gone.
pub(super) struct Closed;

/// Why a session is over.
enum Over {
    Failed(Cause),
    /// The link's holder wants another.
    Asked(&'static str),
    /// The token is to be replaced, for this reason.
    Renewal(&'static str),
}

pub(super) struct Driver {
    settings: HubSettings,
    accounts: Accounts,
    /// The disk of the certificates.
    disk: Disk,
    clock: Arc<dyn Clock>,
    sanity: ClockSanity,
    backoff: Backoff,
    events: mpsc::Sender<Told>,
    /// See [`Room`].
    room: Arc<Semaphore>,
    requests: mpsc::Receiver<(u64, HubRequest)>,
    status: watch::Sender<LinkStatus>,
    /// The number of `Up`s emitted.
    session: u64,
    /// `Up` of the present session was emitted.
    told: bool,
    /// The last failure since the last session.
    last: Option<Cause>,
}

impl Driver {
    pub(super) fn new(
        settings: HubSettings,
        clock: Arc<dyn Clock>,
        seed: u64,
        (events, requests): (mpsc::Sender<Told>, mpsc::Receiver<(u64, HubRequest)>),
        status: watch::Sender<LinkStatus>,
    ) -> Self {
        let accounts = Accounts::new(&settings.source);
        Self {
            settings,
            accounts,
            disk: Disk::default(),
            sanity: ClockSanity::after(clock.not_before()),
            clock,
            backoff: Backoff::new(seed),
            events,
            room: Arc::new(Semaphore::new(1)),
            requests,
            status,
            session: 0,
            told: false,
            last: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<core::convert::Infallible, Closed> {
        self.accounts.recall().await;
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
                Err(failure) => self.fail(failure).await?,
            }
        }
    }

    async fn emit(&self, event: LinkEvent) -> Result<(), Closed> {
        self.events.send((event, None)).await.map_err(|_| Closed)
    }

    /// Waits until the next attempt is due, or until a possible cause of the last failure is gone: the clock has been set, or the
    /// network is back.
    async fn wait(&mut self) -> Result<(), Closed> {
        let may_be_the_clock = self.last.as_ref().is_some_and(Cause::may_be_the_clock);
        let lead = ClockOffset::of(&*self.clock);
        let missing = self.last.as_ref().and_then(Cause::may_be_the_network);
        tokio::select! {
            () = until(&*self.clock, self.backoff.next_attempt()) => return Ok(()),
            () = until_set(&*self.clock, lead, CLOCK_LOOK), if may_be_the_clock => return Ok(()),
            () = wire::until_back(missing.unwrap_or_default()), if missing.is_some() => {}
            () = self.events.closed() => return Err(Closed),
        }
        self.backoff.handle_network_back(self.clock.boot());
        tracing::info!("this machine has a route again: connecting");
        tokio::select! {
            () = until(&*self.clock, self.backoff.next_attempt()) => Ok(()),
            () = self.events.closed() => Err(Closed),
        }
    }

    /// Finds out which hub, connects, and opens a session.
    async fn connect(&mut self) -> Result<(TwinSession, Option<TokenTimes>), Failure> {
        if self.accounts.must_ask() {
            self.provision().await?;
        }
        let Some(account) = self.accounts.current().cloned() else {
            return Err(self.failure(Cause::Asked("the hub is not known yet")));
        };
        let opened = self.connector().log_in(&account, &mut |_| {}).await;
        opened.map_err(|cause| self.failure_at(self.settings.peer_of(&account), cause))
    }

    fn connector(&mut self) -> Connector<'_> {
        let Self { settings, disk, clock, sanity, .. } = self;
        Connector { settings, disk, clock, sanity }
    }

    /// Asks the provisioning service, if there is one.
    async fn provision(&mut self) -> Result<(), Failure> {
        let Some(by) = self.accounts.provisioning().cloned() else { return Ok(()) };
        match self.connector().ask(&by, &mut |_| {}).await {
            Ok(assignment) => {
                self.accounts.handle_assigned(assignment);
                Ok(())
            }
            Err(cause) => {
                self.accounts.handle_not_assigned();
                Err(self.failure_at(self.settings.service_of(&by), cause))
            }
        }
    }

    fn dated(&self) -> Dated {
        (self.clock.unix(), self.clock.boot())
    }

    /// A failure of the present account's hub, or of the service that would name it.
    fn failure(&self, cause: Cause) -> Failure {
        let name = match (self.accounts.current(), self.accounts.provisioning()) {
            (Some(account), _) => return self.failure_at(self.settings.peer_of(account), cause),
            (None, by) => by.map(|by| by.endpoint.clone()).unwrap_or_default(),
        };
        self.failure_at(Peer { name, port: self.settings.port }, cause)
    }

    fn failure_at(&self, peer: Peer, cause: Cause) -> Failure {
        let via = self.settings.proxy.as_ref().map(Proxy::peer);
        Failure { peer, via, cause }
    }

    /// Runs a session to its end, from its `Up` to its `Down` if it gets that far.
    async fn serve(&mut self, mut session: TwinSession, token: Option<TokenTimes>) -> Result<(), Closed> {
        self.last = None;
        self.told = false;
        let now = self.clock.boot();
        let tell_at = self.backoff.handle_connected(now);
        self.status.send_modify(|status| {
            status.connected_since = Some(now);
            status.token = token;
            status.next_attempt = None;
        });
        self.accounts.handle_connected();
        let (host, device) = self.accounts.names();
        let peer = self.failure(Cause::Wire(WireFault::Silent)).peer;
        let pause = tell_at.since(now);
        if pause.is_zero() {
            tracing::info!(message_id = ids::CONNECTED, %host, %device, %peer, "connected");
        } else {
            let pause = pause.as_secs_f32();
            tracing::info!(
                message_id = ids::CONNECTED, %host, %device, %peer,
                "connected; in use in {pause:.1} s, so that devices that lost the hub together do not ask together"
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
                let (host, device) = self.accounts.names();
                tracing::info!(message_id = ids::NOT_CONNECTED, %host, %device, "disconnected to renew the token: {reason}");
                self.backoff.handle_planned(self.clock.boot());
                None
            }
        };
        if self.told {
            self.emit(LinkEvent::Hub(HubEvent::Down)).await?;
        }
        match cause {
            Some(cause) => self.fail(self.failure(cause)).await,
            None => Ok(()),
        }
    }

    async fn serve_until_over(
        &mut self,
        session: &mut TwinSession,
        tell_at: BootTime,
        token: Option<TokenTimes>,
    ) -> Result<Over, Closed> {
        let clock = Arc::clone(&self.clock);
        let told = until(&*clock, tell_at);
        tokio::pin!(told);
        // The session bounds how many there are.
        let mut calls = Vec::new();
        while !self.told {
            tokio::select! {
                () = self.events.closed() => return Err(Closed),
                event = session.next() => match event {
                    Ok(call @ HubEvent::Method { .. }) => calls.push(call),
                    // The twin that is fetched after `Up` contains what is notified now.
                    Ok(_) => {}
                    Err(fault) => return Ok(Over::Failed(fault.into())),
                },
                () = &mut told => self.told = true,
            }
        }
        self.session += 1;
        let (dated, lifetime) = match token {
            Some(token) => (token.dated, Some(self.settings.token_lifetime)),
            None => (self.dated(), None),
        };
        if self.sanity.accept(dated, lifetime) {
            self.emit(LinkEvent::Dated(dated)).await?;
        }
        self.emit(LinkEvent::State(LinkState::Connected)).await?;
        self.emit(LinkEvent::Hub(HubEvent::Up)).await?;
        for call in calls {
            self.emit(LinkEvent::Hub(call)).await?;
        }
        let renewal = until_some(&*clock, token.map(|token| token.renews));
        // The hub uses the right time: if the clock was behind, the token expires sooner than this machine expected.
        let look = sleep(Duration::ZERO);
        tokio::pin!(renewal, look);
        let room = Arc::clone(&self.room);
        loop {
            tokio::select! {
                () = self.events.closed() => return Err(Closed),
                heard = hear(&room, session) => match heard {
                    Ok((event, room)) => {
                        if !matches!(event, HubEvent::Rejected { .. } | HubEvent::Garbled { .. }) {
                            self.backoff.handle_served();
                        }
                        self.events.send((LinkEvent::Hub(event), room)).await.map_err(|_| Closed)?;
                    }
                    Err(fault) => return Ok(Over::Failed(fault.into())),
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
                () = &mut renewal => {
                    if self.sanity.judge(self.dated()).is_ok() {
                        return Ok(Over::Renewal("it is about to expire"));
                    }
                    // No token can be made now. The session goes on until the hub ends it.
                    renewal.set(until_some(&*clock, Some(clock.boot() + CLOCK_LOOK_CONNECTED)));
                }
                () = &mut look, if token.is_some() => {
                    if token.is_some_and(|token| self.sanity.shortens(self.dated(), token.dated)) {
                        return Ok(Over::Renewal("the clock was set"));
                    }
                    look.as_mut().reset(Instant::now() + CLOCK_LOOK_CONNECTED);
                }
            }
        }
    }

    async fn fail(&mut self, failure: Failure) -> Result<(), Closed> {
        let now = self.clock.boot();
        let pattern = self.backoff.handle_failed(now, &failure.cause);
        self.accounts.handle_failed(failure.cause.evidence());
        let retry_at = self.backoff.next_attempt();
        let (host, device) = self.accounts.names();
        let repeated = self.last.as_ref().is_some_and(|last| last.is_like(&failure.cause));
        failure.log(host, device, repeated, retry_at.since(now));
        if let Some(pattern) = pattern {
            tracing::warn!(%host, %device, "{}", pattern.advice(device));
        }
        let text = match self.backoff.pattern() {
            Some(pattern) if failure.cause.without_a_word() => pattern.advice(device).to_string(),
            _ => failure.to_string(),
        };
        self.status.send_modify(|status| {
            let remedy = failure.cause.remedy();
            status.last_failure = Some(PastFailure { text: text.clone(), remedy, at: now });
            status.next_attempt = Some(retry_at);
        });
        self.last = Some(failure.cause);
        self.emit(LinkEvent::State(LinkState::Waiting { failure: text, retry_at })).await
    }
}

/// Reads the next event from the hub as soon as there is room for it. May be cancelled at any time.
async fn hear(room: &Arc<Semaphore>, session: &mut TwinSession) -> Result<(HubEvent, Room), WireFault> {
    // It is never closed.
    let room = Arc::clone(room).acquire_owned().await.ok();
    Ok((session.next().await?, room))
}
