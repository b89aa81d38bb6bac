//! The fail-safe table, row by row: what is driven, and what is reported.

use super::*;
use crate::control::fixtures::permille;
use crate::control::outputs::last_row;

fn row(share: u16) -> RowDrive {
    RowDrive::Fixed(permille(share))
}

/// A fan with a different drive for each row.
fn site() -> CoreSpec {
    let when = When {
        start: row(110),
        stop: row(210),
        crash: row(310),
        sensor_fault: Some(row(410)),
        overheat: Some(row(510)),
        hub_silent: Some((secs(60), row(610))),
    };
    let climate = ClimateSpec { critical: Some(60.0), ..climate_spec() };
    CoreSpec { outputs: vec![OutputSpec { when, ..fan(OutputKind::Pwm) }], climates: vec![climate], ..spec() }
}

impl Rig {
    fn last(&self) -> Option<(u16, Cause)> {
        self.drives.last().map(|order| (order.drive.get(), order.cause))
    }

    /// This drive and its cause were reported.
    fn is_told(&self, percent: u16, cause: &str) {
        let said = |key: &str| self.reported_value(&format!("components.fan.{key}")).cloned();
        assert_eq!((said("dutyPercent"), said("cause")), (Some(json!(percent)), Some(json!(cause))));
    }
}

#[test]
fn each_row_is_driven_when_its_case_occurs_and_reported_to_the_hub() {
    let mut rig = Rig::from(site(), None);
    rig.tick();
    assert_eq!(rig.last(), Some((110, Cause::Start)));
    rig.hub(HubEvent::Up);
    rig.is_told(11, "fail-safe start");

    rig.sample(Ok(24.0));
    assert_eq!(rig.last(), Some((500, Cause::Climate(ClimateId(0)))));
    rig.desire(json!({"fanOn": false}));
    assert_eq!(rig.last(), Some((0, Cause::Desired(Version(2)))));

    rig.sample(Ok(70.0));
    assert_eq!(rig.last(), Some((510, Cause::Overheat)));
    rig.pass(secs(20), |_| 70.0);
    rig.is_told(51, "fail-safe overheat");
    rig.sample(Ok(24.0));
    assert_eq!(rig.last(), Some((0, Cause::Desired(Version(2)))));

    // A value is valid for thirty seconds.
    rig.sample(Err(Fault::Unreadable));
    for second in 0..60 {
        rig.now = rig.now + secs(1);
        rig.tick();
        assert_eq!(rig.last().map(|(_, cause)| cause == Cause::SensorFault), Some(second >= 29));
    }
    assert_eq!(rig.last(), Some((410, Cause::SensorFault)));
    rig.is_told(41, "fail-safe sensor-fault");
    assert_eq!(rig.reported_value("components.climate.sensor"), Some(&json!("unreadable")));
    rig.sample(Ok(24.0));

    rig.hub(HubEvent::Down);
    rig.pass(secs(59), |_| 24.0);
    assert_eq!(rig.last(), Some((0, Cause::Desired(Version(2)))));
    rig.pass(secs(1), |_| 24.0);
    assert_eq!(rig.last(), Some((610, Cause::HubSilent)));
    rig.hub(HubEvent::Up);
    assert_eq!(rig.last(), Some((0, Cause::Desired(Version(2)))));

    rig.engine.handle_stop(rig.now);
    rig.drain();
    assert_eq!(rig.last(), Some((210, Cause::Stop)));
    // After a crash there is no core: `twind safe` uses the same table.
    assert_eq!(last_row(&site().outputs[0], true), Some((permille(310), Cause::Crash)));
}

#[test]
fn rows_for_overheat_outrank_those_for_sensor_faults_and_those_outrank_the_hubs() {
    let mut site = site();
    site.sensors.push(thermometer("door"));
    site.climates[0].sensors.push(SensorId(1));
    let mut rig = Rig::from(site, None);
    rig.now = rig.now + secs(200);
    rig.tick();
    assert_eq!(rig.last(), Some((410, Cause::SensorFault)), "silent sensors and a silent hub");
    // One of the two is enough to overheat.
    rig.sample(Ok(70.0));
    assert_eq!(rig.last(), Some((510, Cause::Overheat)));
    rig.sample(Ok(24.0));
    assert_eq!(rig.last(), Some((610, Cause::HubSilent)));
}
