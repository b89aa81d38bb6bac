//! What is logged, and at which level. What must never be logged is tested in `secrets`.

use crate::site::{DEVICE, Site, TestClock, failure_after, hub_event};
use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use tracing_subscriber::layer::SubscriberExt;
use twind::twin::HubEvent;
use twinhub::Times;

thread_local! {
    /// What was logged on this thread, which is what was logged in this test.
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
pub(crate) fn record_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(|| ToThread);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    });
}

/// What the link logged in this test, line by line.
pub(crate) fn logged() -> Vec<String> {
    let text = LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap());
    text.lines().filter(|line| line.contains("twind::")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_trouble_is_said_once_aloud_and_then_quietly() {
    let mut site = Site::start().await;
    // Every wait between attempts is over at the next reading of the clock.
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
    assert!(count("INFO", "connected") > 0, "{lines:#?}");
}

#[tokio::test]
async fn each_end_of_a_session_is_news() {
    let site = Site::start().await;
    let mut link = site.link_up().await;
    for _ in 0..2 {
        assert!(site.hub.kick(DEVICE));
        failure_after(&mut link, &[HubEvent::Down]).await;
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    }
    let lines = logged();
    let ends = lines.iter().filter(|l| l.contains("INFO") && l.contains("without a reason")).count();
    assert_eq!(ends, 2, "{lines:#?}");
}
