//! A hub with one device, a clock, and ways to wait.

use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use twind::hub::azure::{Account, Source};
use twind::hub::link::{HubSettings, Link, LinkEvent, LinkState};
use twind::hub::wire::Transport;
use twind::hub::{Clock, Identity, Secret};
use twind::twin::{HubEvent, Patch};
use twind::units::{BootTime, UnixSeconds};
use twinhub::{CloseReason, Event, Hub, Options, Running};

pub(crate) const DEVICE: &str = "MyTwinDevice";
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A real clock whose wall time a test can falsify.
pub(crate) struct TestClock {
    start: Instant,
    unix_override: AtomicU64,
    /// Added at every reading, so that no wait is ever long.
    leap_ms: AtomicU64,
    leapt_ms: AtomicU64,
    not_before: AtomicU64,
}

impl TestClock {
    pub(crate) fn real() -> Arc<Self> {
        Self::leaping(0)
    }

    pub(crate) fn leaping(leap_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            unix_override: AtomicU64::new(u64::MAX),
            leap_ms: AtomicU64::new(leap_ms),
            leapt_ms: AtomicU64::new(0),
            not_before: AtomicU64::new(0),
        })
    }

    pub(crate) fn stop_leaping(&self) {
        self.leap_ms.store(0, Ordering::SeqCst);
    }

    pub(crate) fn jump(&self, seconds: u64) {
        self.leapt_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn set_not_before(&self, seconds: u64) {
        self.not_before.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn set_unix(&self, seconds: Option<u64>) {
        self.unix_override.store(seconds.unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        let leapt_ms = self.leapt_ms.fetch_add(self.leap_ms.load(Ordering::SeqCst), Ordering::SeqCst);
        BootTime::from_boot(self.start.elapsed() + Duration::from_millis(leapt_ms))
    }

    fn unix(&self) -> UnixSeconds {
        match self.unix_override.load(Ordering::SeqCst) {
            // The wall clock moves by the same amount: otherwise it would look as if it had been set.
            u64::MAX => UnixSeconds(
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
                    + self.leapt_ms.load(Ordering::SeqCst) / 1000,
            ),
            wrong => UnixSeconds(wrong),
        }
    }

    fn not_before(&self) -> UnixSeconds {
        UnixSeconds(self.not_before.load(Ordering::SeqCst))
    }
}

/// A hub with one device, and what the device knows of it.
pub(crate) struct Site {
    pub(crate) hub: Running,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<TestClock>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        crate::log::record_log();
        let hub = Hub::start(Options { devices: vec![DEVICE.into()], ..options }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), hub.ca_pem()).unwrap();
        Self { hub, folder, clock: TestClock::real() }
    }

    pub(crate) fn settings(&self) -> HubSettings {
        self.settings_as(Identity::Key(Secret::new(self.key())))
    }

    pub(crate) fn settings_as(&self, identity: Identity) -> HubSettings {
        HubSettings {
            source: Source::Assigned(Account {
                host: self.hub.host().into(),
                device_id: DEVICE.into(),
                gateway: None,
                identity,
            }),
            port: self.hub.mqtt_port(),
            transport: Transport::Mqtt,
            proxy: None,
            ca_file: Some(self.folder.path().join("ca.pem")),
            keep_alive: Duration::from_secs(240),
            token_lifetime: Duration::from_secs(3600),
            model_id: None,
        }
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        use base64::Engine;
        let keys = self.hub.device_keys(DEVICE).unwrap().unwrap();
        base64::engine::general_purpose::STANDARD.decode(keys.primary).unwrap()
    }

    /// Makes the device anew, as one that authenticates with a certificate.
    pub(crate) fn register_certificate(&self) -> Identity {
        let client = twinhub::pki::self_signed_client("device").unwrap();
        self.hub.delete_device(DEVICE).unwrap();
        self.hub.create_x509_device(DEVICE, &client.thumbprint().unwrap()).unwrap();
        let [certificate_file, private_key_file] =
            ["device.pem", "device-key.pem"].map(|f| self.folder.path().join(f));
        std::fs::write(&certificate_file, &client.certificate_pem).unwrap();
        std::fs::write(&private_key_file, &client.key_pem).unwrap();
        Identity::Certificate { certificate_file, private_key_file }
    }

    pub(crate) fn link(&self) -> Link {
        self.link_with(self.settings())
    }

    pub(crate) fn link_with(&self, settings: HubSettings) -> Link {
        Link::start(settings, self.clock.clone(), 1)
    }

    pub(crate) async fn link_up(&self) -> Link {
        let mut link = self.link();
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        link
    }

    pub(crate) async fn see(&self, wanted: impl Fn(&Event) -> bool) {
        self.hub.wait_for(|entry| wanted(&entry.event), LIMIT).await.unwrap();
    }

    pub(crate) fn saw(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.hub.events().iter().filter(|entry| wanted(&entry.event)).count()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it hangs")
}

/// The next event about the twin.
pub(crate) async fn hub_event(link: &mut Link) -> HubEvent {
    loop {
        if let LinkEvent::Hub(event) = within(link.next()).await {
            return event;
        }
    }
}

/// The next failure; nothing of the twin may come before it but what `before` lists.
pub(crate) async fn failure_after(link: &mut Link, before: &[HubEvent]) -> String {
    let mut seen = Vec::new();
    loop {
        match within(link.next()).await {
            LinkEvent::Hub(event) => seen.push(event),
            LinkEvent::State(LinkState::Waiting { failure, .. }) => {
                assert_eq!(seen, before, "before: {failure}");
                return failure;
            }
            LinkEvent::State(_) | LinkEvent::Dated(_) => {}
        }
    }
}

pub(crate) fn patch(value: &Value) -> Patch {
    Patch::from_object(value.as_object().unwrap().clone())
}

pub(crate) fn is_get(event: &Event) -> bool {
    matches!(event, Event::TwinGet { .. })
}

pub(crate) fn is_disconnect(event: &Event) -> bool {
    *event == Event::Disconnected { reason: CloseReason::Disconnect }
}
