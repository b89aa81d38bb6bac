//! One attempt to get to a session, for the driver and for `walk`: the token, the connection, and what is asked over it.
//!
//! It stores nothing and tries once. A watcher is called after each step of the wire.

use super::backoff;
use super::events::TokenTimes;
use super::failure::Cause;
use super::provisioning;
use super::session::TwinSession;
use super::settings::HubSettings;
use crate::hub::azure::{self, Account, Assignment, Provisioning, Token};
use crate::hub::disk::Disk;
use crate::hub::wire::{self, Carrier, Passed, Peer, Route, WireFault};
use crate::hub::{Clock, Identity, Secret};
use crate::twin::{ClockSanity, Dated};
use crate::units::UnixSeconds;
use std::sync::Arc;

/// Is called with each step that is passed.
pub(super) type Watcher<'w> = &'w mut (dyn FnMut(Passed) + Send);

/// What an attempt needs.
pub(super) struct Connector<'c> {
    pub(super) settings: &'c HubSettings,
    /// The disk of the certificates.
    pub(super) disk: &'c Disk,
    pub(super) clock: &'c Arc<dyn Clock>,
    pub(super) sanity: &'c mut ClockSanity,
}

impl Connector<'_> {
    /// Opens a session of this account.
    pub(super) async fn log_in(
        &mut self,
        account: &Account,
        watcher: Watcher<'_>,
    ) -> Result<(TwinSession, Option<TokenTimes>), Cause> {
        let token = |key: &_, expires| azure::mint(&account.host, &account.device_id, key, expires);
        let (token, times) = self.token(&account.identity, token)?.unzip();
        let wire = self.connect(&self.settings.peer_of(account), &account.identity, watcher).await?;
        let clock = Arc::clone(self.clock);
        let session = TwinSession::open(self.settings, account, token.as_ref(), wire, clock).await?;
        Ok((session, times))
    }

    /// Asks the provisioning service.
    pub(super) async fn ask(&mut self, by: &Provisioning, watcher: Watcher<'_>) -> Result<Assignment, Cause> {
        let token =
            |key: &_, expires| azure::mint_registration(&by.id_scope, &by.registration_id, key, expires);
        let token = self.token(&by.identity, token)?.map(|(token, _)| token);
        let wire = self.connect(&self.settings.service_of(by), &by.identity, watcher).await?;
        let manner = (self.settings.keep_alive, self.settings.model_id.as_deref());
        provisioning::ask(by, token.as_ref(), manner, wire, Arc::clone(self.clock)).await
    }

    async fn connect(
        &self,
        peer: &Peer,
        identity: &Identity,
        watcher: Watcher<'_>,
    ) -> Result<Box<dyn Carrier>, WireFault> {
        let HubSettings { transport, proxy, ca_file, .. } = self.settings;
        let (ca_file, clock) = (ca_file.as_deref(), Arc::clone(self.clock));
        let config =
            wire::configure_within(self.disk, identity, ca_file, clock).await.map_err(WireFault::Setup)?;
        let websocket_path = azure::websocket_path(matches!(identity, Identity::Certificate { .. }));
        let route = Route { peer, transport: *transport, proxy: proxy.as_ref(), websocket_path };
        wire::connect(route, config, watcher).await
    }

    /// Makes a token if one is needed and the clock can be believed.
    fn token(
        &mut self,
        identity: &Identity,
        mint: impl FnOnce(&Secret, UnixSeconds) -> Token,
    ) -> Result<Option<(Token, TokenTimes)>, Cause> {
        let Identity::Key(key) = identity else { return Ok(None) };
        let dated: Dated = (self.clock.unix(), self.clock.boot());
        let (unix, now) = dated;
        self.sanity.judge(dated).map_err(|floor| Cause::Clock { at: unix, floor })?;
        let lifetime = self.settings.token_lifetime;
        // The hub counts whole seconds, so a token lasts at least one.
        let expires = UnixSeconds(unix.0.saturating_add(lifetime.as_secs().max(1)));
        let times = TokenTimes { expires, renews: backoff::renewal(now, lifetime), dated };
        Ok(Some((mint(key, expires), times)))
    }
}
