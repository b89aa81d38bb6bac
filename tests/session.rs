//! The link against the stand-in hub: real sockets, real TLS, one process.
//!
//! No test waits for a fixed time; a limit only turns a hang into a failure.

use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing_subscriber::layer::SubscriberExt;
use twind::hub::{Clock, HubSettings, Identity, Link, LinkEvent, LinkState, Secret};
use twind::twin::{HubEvent, HubRequest, Patch, Version};
use twind::units::{BootTime, UnixSeconds};
use twinhub::{Answer, Certificate, CloseReason, Event, Hub, Options, Running, Times};

const DEVICE: &str = "MyTwinDevice";
const LIMIT: Duration = Duration::from_secs(60);

/// Real time, of which a test can put the wall clock wrong.
struct TestClock {
    start: Instant,
    unix_override: AtomicU64,
    /// Added at every look, so that no wait is ever long.
    leap_ms: u64,
    leapt_ms: AtomicU64,
}

impl TestClock {
    fn real() -> Arc<Self> {
        Self::leaping(0)
    }

    fn leaping(leap_ms: u64) -> Arc<Self> {
        let (unix_override, leapt_ms) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
        Arc::new(Self { start: Instant::now(), unix_override, leap_ms, leapt_ms })
    }

    fn set_unix(&self, seconds: Option<u64>) {
        self.unix_override.store(seconds.unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        let leapt_ms = self.leapt_ms.fetch_add(self.leap_ms, Ordering::SeqCst);
        BootTime::from_boot(self.start.elapsed() + Duration::from_millis(leapt_ms))
    }

    fn unix(&self) -> UnixSeconds {
        match self.unix_override.load(Ordering::SeqCst) {
            u64::MAX => UnixSeconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()),
            wrong => UnixSeconds(wrong),
        }
    }
}

/// A hub with one device, and what the device knows of it.
struct Site {
    hub: Running,
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
}

impl Site {
    async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    async fn start_with(options: Options) -> Self {
        record_log();
        let hub = Hub::start(Options { devices: vec![DEVICE.into()], ..options }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), hub.ca_pem()).unwrap();
        Self { hub, folder, clock: TestClock::real() }
    }

    fn settings(&self) -> HubSettings {
        self.settings_as(Identity::Key(Secret::new(self.key())))
    }

    fn settings_as(&self, identity: Identity) -> HubSettings {
        HubSettings {
            host: self.hub.host().into(),
            device_id: DEVICE.into(),
            gateway: None,
            port: self.hub.mqtt_port(),
            identity,
            ca_file: Some(self.folder.path().join("ca.pem")),
            keep_alive: Duration::from_secs(240),
            token_lifetime: Duration::from_secs(3600),
            model_id: None,
        }
    }

    fn key(&self) -> Vec<u8> {
        use base64::Engine;
        let keys = self.hub.device_keys(DEVICE).unwrap().unwrap();
        base64::engine::general_purpose::STANDARD.decode(keys.primary).unwrap()
    }

    fn link(&self) -> Link {
        self.link_with(self.settings())
    }

    fn link_with(&self, settings: HubSettings) -> Link {
        Link::start(settings, self.clock.clone(), 1)
    }

    async fn link_up(&self) -> Link {
        let mut link = self.link();
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        link
    }

    async fn see(&self, wanted: impl Fn(&Event) -> bool) {
        self.hub.wait_for(|entry| wanted(&entry.event), LIMIT).await.unwrap();
    }

    fn saw(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.hub.events().iter().filter(|entry| wanted(&entry.event)).count()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it hangs")
}

/// The next event that is the twin's.
async fn hub_event(link: &mut Link) -> HubEvent {
    loop {
        if let LinkEvent::Hub(event) = within(link.next()).await {
            return event;
        }
    }
}

/// The next failure; nothing of the twin may come before it but what `before` lists.
async fn failure_after(link: &mut Link, before: &[HubEvent]) -> String {
    let mut seen = Vec::new();
    loop {
        match within(link.next()).await {
            LinkEvent::Hub(event) => seen.push(event),
            LinkEvent::State(LinkState::Waiting { failure, .. }) => {
                assert_eq!(seen, before, "before: {failure}");
                return failure;
            }
            LinkEvent::State(_) => {}
        }
    }
}

fn patch(value: &Value) -> Patch {
    Patch::from_object(value.as_object().unwrap().clone()).unwrap()
}

fn is_get(event: &Event) -> bool {
    matches!(event, Event::TwinGet { .. })
}

fn is_disconnect(event: &Event) -> bool {
    *event == Event::Disconnected { reason: CloseReason::Disconnect }
}

#[tokio::test]
async fn a_session_is_subscribed_when_it_is_up_and_then_fetches_and_reports() {
    let site = Site::start().await;
    site.hub.update_desired(DEVICE, &json!({"fanOn": "true"})).unwrap();
    let mut link = site.link_up().await;
    let mut filters = site.hub.subscriptions(DEVICE);
    filters.sort();
    assert_eq!(filters, ["$iothub/twin/PATCH/properties/desired/#", "$iothub/twin/res/#"]);

    link.push(HubRequest::GetTwin { rid: 1 });
    let HubEvent::Twin { rid: 1, desired, desired_version, reported } = hub_event(&mut link).await else {
        panic!("no twin")
    };
    assert_eq!(desired.as_object().get("fanOn"), Some(&json!("true")));
    assert_eq!(desired_version, Version(2));
    assert!(reported.is_empty());

    link.push(HubRequest::PatchReported { rid: 2, patch: patch(&json!({"fan": {"on": true}})) });
    assert_eq!(hub_event(&mut link).await, HubEvent::ReportedAck { rid: 2 });
    assert_eq!(site.hub.reported(DEVICE).unwrap()["fan"], json!({"on": true}));
}

#[tokio::test]
async fn tls_of_either_version_will_do() {
    let site = Site::start().await;
    for tls13 in [false, true] {
        site.hub.offer_tls13(tls13).unwrap();
        let link = site.link_up().await;
        within(link.close(LIMIT)).await;
    }
}

#[tokio::test]
async fn a_change_by_the_back_end_arrives_with_its_version() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let version = site.hub.update_desired(DEVICE, &json!({"a": {"b": 1}, "c": null})).unwrap();
    let expected = HubEvent::DesiredDelta {
        version: Version(version),
        patch: patch(&json!({"a": {"b": 1}, "c": null})),
    };
    assert_eq!(hub_event(&mut link).await, expected);
}

#[tokio::test]
async fn nothing_is_lost_or_reordered_when_the_holder_is_slow() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let versions: Vec<_> =
        (0..300).map(|n| Version(site.hub.update_desired(DEVICE, &json!({"n": n})).unwrap())).collect();
    let last = versions.last().unwrap().0;
    site.see(|event| *event == Event::DesiredSent { version: last }).await;
    for expected in versions {
        let HubEvent::DesiredDelta { version, .. } = hub_event(&mut link).await else { panic!("no change") };
        assert_eq!(version, expected);
    }
}

#[tokio::test]
async fn a_refused_request_comes_back_with_status_and_words() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.hub.faults().answer_twin_get(Answer::Status(429), Times::Next(1));
    link.push(HubRequest::GetTwin { rid: 1 });
    let event = hub_event(&mut link).await;
    assert!(
        matches!(&event, HubEvent::Rejected { rid: 1, status: 429, message } if message.starts_with("429")),
        "{event:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_garbled_and_the_session_goes_on() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let desired = "$iothub/twin/PATCH/properties/desired/?$version=7";
    for (topic, payload) in [(desired, &b"\xff{"[..]), ("$iothub/twin/res/200/?$rid=x", b"{}")] {
        assert!(site.hub.publish_raw(DEVICE, topic, payload));
        let event = hub_event(&mut link).await;
        assert!(matches!(event, HubEvent::Garbled { .. }), "{event:?}");
    }
    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 1, .. }));
}

#[tokio::test]
async fn a_gateway_is_dialled_but_the_hub_is_named() {
    let host = "contoso.azure-devices.net".to_owned();
    let site = Site::start_with(Options { host, ..Options::default() }).await;
    let mut link = site.link_with(HubSettings { gateway: Some("localhost".into()), ..site.settings() });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_wrong_key_is_named_and_so_is_the_clock() {
    let site = Site::start().await;
    let identity = Identity::Key(Secret::new(b"some other key".to_vec()));
    let mut link = site.link_with(site.settings_as(identity));
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("wrong key") && failure.contains("this machine says"), "{failure}");
}

#[tokio::test]
async fn a_certificate_signs_in_without_a_password() {
    let site = Site::start().await;
    let client = twinhub::pki::self_signed_client("device").unwrap();
    site.hub.delete_device(DEVICE).unwrap();
    site.hub.create_x509_device(DEVICE, &client.thumbprint().unwrap()).unwrap();
    let [certificate_file, private_key_file] =
        ["device.pem", "device-key.pem"].map(|f| site.folder.path().join(f));
    std::fs::write(&certificate_file, &client.certificate_pem).unwrap();
    std::fs::write(&private_key_file, &client.key_pem).unwrap();
    let identity = Identity::Certificate { certificate_file, private_key_file };
    let mut link = site.link_with(site.settings_as(identity));
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_disabled_device_and_an_unheard_of_code_are_told_apart() {
    let site = Site::start().await;
    site.hub.set_enabled(DEVICE, false).unwrap();
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("disabled"), "{failure}");

    site.hub.faults().refuse_connects(77, Times::Next(1));
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("unknown code 77"), "{failure}");
}

#[tokio::test]
async fn each_fault_of_the_hubs_certificate_is_named() {
    let site = Site::start().await;
    for (certificate, words) in [
        (Certificate::ForName("other.example".into()), ["localhost", "other.example"]),
        (Certificate::UnknownAuthority, ["issuer", "ca-file"]),
        (Certificate::Expired, ["expired", "clock"]),
    ] {
        site.hub.present(&certificate).unwrap();
        let failure = failure_after(&mut site.link(), &[]).await;
        assert!(words.iter().all(|word| failure.contains(word)), "{certificate:?}: {failure}");
    }
    assert_eq!(site.saw(|event| matches!(event, Event::Connected { .. })), 0);
}

#[tokio::test]
async fn certificates_are_judged_by_the_clock_that_was_handed_in() {
    let site = Site::start().await;
    // In 2200 no certificate made today is valid.
    site.clock.set_unix(Some(7_258_118_400));
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("expired"), "{failure}");
}

#[tokio::test]
async fn nothing_is_dialled_by_an_impossible_clock_until_it_is_set() {
    let site = Site::start().await;
    site.clock.set_unix(Some(12));
    let mut link = site.link();
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("1970-01-01T00:00:12Z"), "{failure}");
    assert!(site.hub.events().iter().all(|entry| entry.event == Event::DeviceCreated));
    site.clock.set_unix(None);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_refused_subscription_is_named_and_no_session() {
    let site = Site::start().await;
    site.hub.faults().refuse_subscriptions(Times::Next(1));
    let failure = failure_after(&mut site.link(), &[]).await;
    assert!(failure.contains("subscription"), "{failure}");
}

#[tokio::test]
async fn a_cut_is_one_down_and_then_dialled_again() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    assert!(site.hub.kick(DEVICE));
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("closed it without a word"), "{failure}");
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_hub_that_stops_listening_is_found_again() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    site.hub.stop_listening().await;
    failure_after(&mut link, &[HubEvent::Down]).await;
    let failure = failure_after(&mut link, &[]).await;
    assert!(failure.contains("cannot connect to localhost"), "{failure}");
    site.hub.resume_listening().unwrap();
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
}

#[tokio::test]
async fn a_packet_beyond_all_measure_is_named_with_its_size() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    // A PUBLISH that announces a mebibyte.
    assert!(site.hub.send_bytes(DEVICE, vec![0x30, 0x80, 0x80, 0x40]));
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("1048576 bytes"), "{failure}");
}

#[tokio::test]
async fn bytes_that_are_no_mqtt_are_named_as_such() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    assert!(site.hub.send_bytes(DEVICE, vec![0xf0, 0x02, 0, 0]));
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("does not keep to MQTT"), "{failure}");
}

#[tokio::test]
async fn a_hub_gone_mute_is_noticed_by_its_missing_pings() {
    let site = Site::start().await;
    let mut link = site.link_with(HubSettings { keep_alive: Duration::from_secs(1), ..site.settings() });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    site.hub.faults().mute(true);
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("stopped answering"), "{failure}");
}

#[tokio::test]
async fn a_token_is_renewed_by_a_polite_new_session_without_a_wait() {
    let site = Site::start().await;
    let mut link = site.link_with(HubSettings { token_lifetime: Duration::from_secs(2), ..site.settings() });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    let mut seen = Vec::new();
    while seen.last() != Some(&LinkEvent::Hub(HubEvent::Up)) {
        seen.push(within(link.next()).await);
    }
    let state = |state| LinkEvent::State(state);
    assert_eq!(
        seen,
        [
            LinkEvent::Hub(HubEvent::Down),
            state(LinkState::Connecting),
            state(LinkState::Connected),
            LinkEvent::Hub(HubEvent::Up)
        ]
    );
    assert_eq!(site.saw(is_disconnect), 1);
}

#[tokio::test]
async fn closing_says_disconnect() {
    let site = Site::start().await;
    let link = site.link_up().await;
    within(link.close(LIMIT)).await;
    site.see(is_disconnect).await;
    assert!(!site.hub.is_connected(DEVICE));
}

#[tokio::test]
async fn closing_while_there_is_no_session_is_quick() {
    let site = Site::start().await;
    site.hub.stop_listening().await;
    let mut link = site.link();
    failure_after(&mut link, &[]).await;
    within(link.close(LIMIT)).await;
}

#[tokio::test]
async fn whoever_asks_for_a_new_session_gets_one() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    link.push(HubRequest::Reconnect { reason: "no answer in 30 s" });
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("no answer in 30 s"), "{failure}");
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    assert_eq!(site.saw(is_disconnect), 1);
}

#[tokio::test]
async fn a_request_without_a_session_goes_nowhere() {
    let site = Site::start().await;
    let mut link = site.link();
    link.push(HubRequest::GetTwin { rid: 1 });
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 2 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 2, .. }));
    assert_eq!(site.saw(is_get), 1);
}

#[tokio::test]
async fn a_request_for_a_session_that_is_gone_does_not_reach_the_next() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    let before = site.hub.last_sequence();
    site.hub.kick(DEVICE);
    let subscribed = |entry: &twinhub::Entry| matches!(entry.event, Event::Subscribed { .. });
    site.hub.wait_for_after(before, subscribed, LIMIT).await.unwrap();
    // The holder has not looked yet, and believes to speak to the first session.
    link.push(HubRequest::GetTwin { rid: 1 });
    assert_eq!(hub_event(&mut link).await, HubEvent::Down);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 2 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 2, .. }));
    assert_eq!(site.saw(is_get), 1);
}

thread_local! {
    /// What was logged on this thread, which is to say: in this test.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ToThread;

impl Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One subscriber for all threads: one of a thread's own would miss what another thread logged first.
fn record_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(|| ToThread);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    });
}

/// What the link logged in this test, line by line.
fn logged() -> Vec<String> {
    let text = LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap());
    text.lines().filter(|line| line.contains("twind::")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_trouble_is_said_once_aloud_and_then_quietly() {
    let mut site = Site::start().await;
    // Every wait between attempts is over at the next look.
    site.clock = TestClock::leaping(900_000);
    site.hub.faults().refuse_connects(5, Times::Next(3));
    let mut link = site.link();
    for _ in 0..3 {
        failure_after(&mut link, &[]).await;
    }
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    let lines = logged();
    let count = |level, words| lines.iter().filter(|l| l.contains(level) && l.contains(words)).count();
    assert_eq!((count("ERROR", "credentials"), count("DEBUG", "credentials")), (1, 2), "{lines:#?}");
    assert_eq!(count("INFO", "connected"), 1, "{lines:#?}");
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    link.push(HubRequest::GetTwin { rid: 1 });
    hub_event(&mut link).await;
    site.hub.kick(DEVICE);
    failure_after(&mut link, &[HubEvent::Down]).await;
    within(link.close(LIMIT)).await;
    site.hub.faults().refuse_connects(5, Times::Next(1));
    let mut link = site.link();
    failure_after(&mut link, &[]).await;
    let text = logged().join("\n");
    assert!(text.contains("connected") && text.contains("credentials"), "{text}");
    let primary = site.hub.device_keys(DEVICE).unwrap().unwrap().primary;
    for secret in ["SharedAccessSignature", "sig=", &primary] {
        assert!(!text.contains(secret), "{secret} in: {text}");
    }
    assert!(!format!("{:?}", site.settings()).contains(&format!("{:?}", site.key())));
}
