//! A fleet after its hub restarted: ten thousand devices, one hub that takes a hundred connections a second, virtual time.
//!
//! The back-off is the daemon's own; the hub and the comparison are small models. `cargo test --test fleet -- --nocapture`
//! prints the table that `packaging/doc/fleets.md` shows, and holds the two together. Deliberately absent: sockets.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and prints its table"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use twind::hub::link::Cause;
use twind::hub::link::backoff::Backoff;
use twind::hub::wire::WireFault;
use twind::units::{BootTime, UnixSeconds};

const FLEET: usize = 10_000;
/// IoT Hub's lowest limit of new connections, per second and hub.
const HUB_LIMIT: u32 = 100;
const OUTAGE: Duration = Duration::from_secs(30);
const START: Duration = Duration::from_secs(3600);

/// When a device connects next, given how its last attempt or session ended.
trait Device {
    fn handle_failed(&mut self, now: BootTime, cause: &Cause) -> BootTime;
    /// When the first request goes out.
    fn handle_connected(&mut self, now: BootTime) -> BootTime;
}

impl Device for Backoff {
    fn handle_failed(&mut self, now: BootTime, cause: &Cause) -> BootTime {
        Self::handle_failed(self, now, cause);
        self.next_attempt().max(now)
    }

    fn handle_connected(&mut self, now: BootTime) -> BootTime {
        Self::handle_connected(self, now)
    }
}

/// What a stock SDK does: it tries again after ten seconds, whatever happened.
struct EveryTenSeconds;

impl Device for EveryTenSeconds {
    fn handle_failed(&mut self, now: BootTime, _: &Cause) -> BootTime {
        now + Duration::from_secs(10)
    }

    fn handle_connected(&mut self, now: BootTime) -> BootTime {
        now
    }
}

#[derive(Debug)]
struct Outcome {
    /// In the busiest second after the hub came back.
    attempts_peak: u32,
    /// In the busiest second.
    requests_peak: u32,
    attempts: u64,
    /// From the hub's return until so many of a thousand are connected.
    back_s: [(u32, u64); 2],
}

fn restart<D: Device>(mut fleet: Vec<D>) -> Outcome {
    let down = BootTime::from_boot(START);
    let up = down + OUTAGE;
    let mut due = BinaryHeap::new();
    for (number, device) in fleet.iter_mut().enumerate() {
        device.handle_connected(BootTime::ZERO);
        due.push(Reverse((device.handle_failed(down, &WireFault::Closed("restart".into()).into()), number)));
    }
    let (mut attempts, mut requests) = (Vec::new(), Vec::new());
    let (mut taken_in_second, mut back) = ((0, 0), Vec::new());
    while let Some(Reverse((now, number))) = due.pop() {
        let second = now.since(up).as_secs();
        if now < up {
            let next = fleet[number].handle_failed(now, &WireFault::Tcp("refused".into()).into());
            due.push(Reverse((next, number)));
            continue;
        }
        count(&mut attempts, second);
        if taken_in_second.0 != second {
            taken_in_second = (second, 0);
        }
        if taken_in_second.1 < HUB_LIMIT {
            taken_in_second.1 += 1;
            back.push(second);
            count(&mut requests, fleet[number].handle_connected(now).since(up).as_secs());
        } else {
            let busy = Cause::Wire(WireFault::Refused { code: 3, at: UnixSeconds(0) });
            let next = fleet[number].handle_failed(now, &busy);
            due.push(Reverse((next, number)));
        }
        assert!(attempts.len() < 100_000, "the fleet does not come back");
    }
    Outcome {
        attempts_peak: *attempts.iter().max().unwrap(),
        requests_peak: *requests.iter().max().unwrap(),
        attempts: attempts.iter().map(|count| u64::from(*count)).sum(),
        back_s: [500, 990].map(|permille| (permille, back[FLEET * permille as usize / 1000 - 1])),
    }
}

fn count(seconds: &mut Vec<u32>, second: u64) {
    let second = usize::try_from(second).unwrap();
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    seconds[second] += 1;
}

/// Prints a row of the table, which stands in the handbook.
fn tell(row: &str) {
    println!("{row}");
    let handbook = include_str!("../packaging/doc/fleets.md");
    assert!(handbook.contains(&format!("\n{row}\n")), "packaging/doc/fleets.md has no row {row}");
}

#[test]
fn ten_thousand_daemons_come_back_without_a_stampede() {
    let twind = restart((0..FLEET).map(|number| Backoff::new(number as u64)).collect());
    let fixed = restart((0..FLEET).map(|_| EveryTenSeconds).collect());
    tell(&format!(
        "| after a restart of {} s, {FLEET} devices, hub limit {HUB_LIMIT}/s | twind | every 10 s |",
        OUTAGE.as_secs()
    ));
    tell("| --- | --- | --- |");
    let row = |what: &str, of: &dyn Fn(&Outcome) -> u64| {
        tell(&format!("| {what} | {} | {} |", of(&twind), of(&fixed)));
    };
    row("connection attempts in the busiest second", &|o| o.attempts_peak.into());
    row("twin requests in the busiest second", &|o| o.requests_peak.into());
    row("connection attempts in all", &|o| o.attempts);
    row("half of the fleet back after, s", &|o| o.back_s[0].1);
    row("99 % of the fleet back after, s", &|o| o.back_s[1].1);
    assert!(twind.attempts_peak < fixed.attempts_peak / 4, "{twind:?} against {fixed:?}");
    assert!(twind.requests_peak <= 2 * HUB_LIMIT, "{twind:?}");
    assert!(twind.attempts < fixed.attempts / 4, "{twind:?} against {fixed:?}");
}
