//! Every row of the fail-safe table, with every value that it accepts.

use super::*;

/// The rows, by their causes.
const ROWS: [Cause; 6] =
    [Cause::Start, Cause::Stop, Cause::Crash, Cause::SensorFault, Cause::Overheat, Cause::HubSilent];
/// The drive before the case occurs.
const BEFORE: u16 = 300;
/// The demand of the climate.
const BY_CLIMATE: u16 = 400;

/// A table in which every other row has a drive that would show.
fn table(row: Cause, does: RowDrive) -> When {
    let other = RowDrive::Fixed(permille(990));
    let of = |cause| if cause == row { does } else { other };
    When {
        start: of(Cause::Start),
        stop: of(Cause::Stop),
        crash: of(Cause::Crash),
        sensor_fault: Some(of(Cause::SensorFault)),
        overheat: Some(of(Cause::Overheat)),
        hub_silent: Some((secs(10), of(Cause::HubSilent))),
    }
}

/// The drive when the case occurs, though an override and its property want something else.
fn in_case(row: Cause, does: RowDrive, spec: OutputSpec) -> (u16, Cause) {
    let spec = OutputSpec { when: table(row, does), ..spec };
    if row == Cause::Crash {
        return last_row(&spec, true).map_or((BEFORE, row), |(drive, cause)| (drive.get(), cause));
    }
    let mut rig = Rig::with_climate(spec);
    rig.outputs.set_found(OutputId(0), permille(BEFORE));
    if row != Cause::Start {
        rig.wants(650);
    }
    if matches!(row, Cause::SensorFault | Cause::Overheat | Cause::HubSilent) {
        rig.override_to(850);
    }
    match row {
        Cause::SensorFault => rig.sample(at(10), Err(Fault::Missing)),
        Cause::Overheat => rig.sample(at(10), Ok(70.0)),
        Cause::HubSilent => {
            rig.sample(at(10), Ok(23.2));
            rig.silent_since = Some(at(0));
        }
        Cause::Stop => rig.outputs.stop(),
        _ => {}
    }
    (rig.driven(at(10)), rig.cause())
}

#[test]
fn each_row_accepts_each_of_its_values_whatever_else_is_wanted() {
    for row in ROWS {
        for (does, wanted) in [
            (ON, 1000),
            (OFF, 0),
            (RowDrive::Fixed(permille(400)), 400),
            (RowDrive::Fixed(permille(55)), 55),
            (RowDrive::Keep, BEFORE),
        ] {
            assert_eq!(in_case(row, does, pwm()), (wanted, row), "{does:?}");
        }
    }
}

#[test]
fn an_on_off_output_is_on_or_off_in_each_row() {
    for row in ROWS {
        for (does, wanted) in [(ON, 1000), (OFF, 0), (RowDrive::Fixed(permille(400)), 1000)] {
            assert_eq!(in_case(row, does, switch()), (wanted, row), "{does:?}");
        }
    }
}

#[test]
fn a_drive_in_a_row_is_at_least_min_duty() {
    for row in ROWS {
        let spec = OutputSpec { min_duty: Some(permille(200)), ..pwm() };
        for (share, wanted) in [(55, 200), (0, 0), (400, 400)] {
            assert_eq!(in_case(row, RowDrive::Fixed(permille(share)), spec.clone()), (wanted, row));
        }
    }
}

#[test]
fn the_rows_that_may_say_auto_follow_the_climate_or_stay_while_it_knows_nothing() {
    assert_eq!(in_case(Cause::HubSilent, RowDrive::Auto, pwm()), (BY_CLIMATE, Cause::HubSilent));
    assert_eq!(in_case(Cause::Start, RowDrive::Auto, pwm()), (BEFORE, Cause::Start));
}

#[test]
fn when_a_case_ends_the_rank_below_decides_again() {
    for row in [Cause::SensorFault, Cause::Overheat, Cause::HubSilent] {
        let spec = OutputSpec { when: table(row, OFF), ..pwm() };
        let mut rig = Rig::with_climate(spec);
        rig.wants(650);
        let cases = [Cause::SensorFault, Cause::Overheat, Cause::HubSilent].map(|case| case == row);
        let [sensor_fault, overheat, silent] = cases;
        rig.sample(
            at(0),
            if sensor_fault { Err(Fault::Missing) } else { Ok(if overheat { 70.0 } else { 24.0 }) },
        );
        rig.silent_since = silent.then_some(at(0));
        assert_eq!((rig.driven(at(10)), rig.cause()), (0, row));
        rig.sample(at(11), Ok(24.0));
        rig.silent_since = None;
        assert_eq!((rig.driven(at(11)), rig.cause()), (650, Cause::Desired(Version(7))));
    }
}
