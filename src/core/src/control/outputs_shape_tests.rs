//! Shaping: how a drive reaches its goal.

use super::*;
use proptest::prelude::*;

#[test]
fn a_drive_below_min_duty_is_raised_to_it() {
    let mut rig = Rig::new(OutputSpec { min_duty: Some(permille(200)), ..pwm() });
    rig.wants(50);
    assert_eq!(rig.driven(at(0)), 200);
    rig.wants(0);
    assert_eq!(rig.driven(at(1)), 0);
}

#[test]
fn a_start_from_rest_gets_a_kick_and_a_running_output_none() {
    let mut rig = Rig::new(OutputSpec { kick: Some(ms(500)), ..pwm() });
    rig.wants(300);
    assert_eq!(rig.driven(at(0)), 1000);
    assert_eq!(rig.wakes(at(0)), Some(at_ms(500)));
    assert_eq!(rig.driven(at_ms(499)), 1000);
    assert_eq!(rig.driven(at_ms(500)), 300);
    assert_eq!(rig.wakes(at_ms(500)), None);
    rig.wants(600);
    assert_eq!(rig.driven(at(2)), 600);
    rig.wants(0);
    assert_eq!(rig.driven(at(3)), 0);
    rig.wants(300);
    assert_eq!(rig.driven(at(4)), 1000);
}

#[test]
fn a_kick_ends_when_the_output_is_to_rest() {
    let mut rig = Rig::new(OutputSpec { kick: Some(ms(500)), ..pwm() });
    rig.wants(300);
    rig.step(at(0));
    rig.wants(0);
    assert_eq!(rig.driven(at_ms(100)), 0);
    assert_eq!(rig.wakes(at_ms(100)), None);
}

#[test]
fn a_slewing_output_changes_no_faster_than_its_rate_up_and_down() {
    let mut rig = Rig::new(OutputSpec { slew_permille_per_s: Some(250.0), ..pwm() });
    rig.wants(1000);
    assert_eq!(rig.driven(at(0)), 0);
    let mut now = at(0);
    let mut steps = 0;
    while rig.drive() != 1000 {
        let next = rig.wakes(now).unwrap();
        let before = rig.drive();
        assert!(f64::from(rig.driven(next) - before) <= 251.0 * next.since(now).as_secs_f64());
        now = next;
        steps += 1;
        assert!(steps <= 40);
    }
    assert_eq!(now, at(4));
    rig.wants(500);
    assert_eq!(rig.driven(now), 1000);
    assert_eq!(rig.driven(now + secs(1)), 750);
    assert_eq!(rig.driven(now + secs(9)), 500);
    assert_eq!(rig.wakes(now + secs(9)), None);
}

#[test]
fn the_time_that_an_output_stood_at_its_goal_is_not_made_up_for_at_once() {
    let mut rig = Rig::new(OutputSpec { slew_permille_per_s: Some(100.0), ..pwm() });
    rig.wants(400);
    rig.step(at(0));
    assert_eq!(rig.driven(at(4)), 400);
    // The next step comes seconds later and wants more.
    rig.wants(900);
    assert_eq!(rig.driven(at(9)), 400);
    assert_eq!(rig.wakes(at(9)), Some(at_ms(9_100)));
    assert_eq!(rig.driven(at_ms(9_100)), 410);
}

#[test]
fn an_output_within_half_a_permille_of_its_goal_has_reached_it() {
    let mut rig = Rig::new(OutputSpec { slew_permille_per_s: Some(100.0), ..pwm() });
    rig.wants(400);
    rig.step(at(0));
    assert_eq!(rig.driven(at_ms(3_997)), 400);
    rig.wants(900);
    assert_eq!(rig.driven(at(9)), 400);
}

#[test]
fn a_very_slow_slew_progresses_too() {
    // 0.1 % a second: less than half a permille from one step to the next.
    let mut rig = Rig::new(OutputSpec { slew_permille_per_s: Some(1.0), ..pwm() });
    rig.step(at(0));
    rig.wants(20);
    rig.step(at(1));
    let mut now = at(1);
    while let Some(next) = rig.wakes(now).filter(|next| *next <= at(60)) {
        rig.step(next);
        now = next;
    }
    assert_eq!(rig.drive(), 20);
    assert!((19..=21).contains(&now.since(at(1)).as_secs()), "{now}");
    rig.wants(0);
    rig.step(now);
    while let Some(next) = rig.wakes(now).filter(|next| *next <= at(90)) {
        rig.step(next);
        now = next;
    }
    assert_eq!(rig.drive(), 0);
}

#[test]
fn a_slew_with_a_min_duty_begins_there_and_ends_there() {
    let spec = OutputSpec { slew_permille_per_s: Some(100.0), min_duty: Some(permille(200)), ..pwm() };
    let mut rig = Rig::new(spec);
    rig.wants(400);
    assert_eq!(rig.driven(at(0)), 200);
    assert_eq!(rig.driven(at(1)), 300);
    assert_eq!(rig.driven(at(5)), 400);
    rig.wants(0);
    assert_eq!(rig.driven(at(5)), 400);
    assert_eq!(rig.driven(at(6)), 300);
    assert_eq!(rig.driven(at(7)), 200);
    assert_eq!(rig.driven(at_ms(7_100)), 0);
}

#[test]
fn after_its_kick_a_slewing_output_continues_from_where_it_had_slewed_to() {
    let spec = OutputSpec { slew_permille_per_s: Some(100.0), kick: Some(secs(2)), ..pwm() };
    let mut rig = Rig::new(spec);
    rig.wants(900);
    assert_eq!(rig.driven(at(0)), 1000);
    assert_eq!(rig.driven(at(2)), 200);
    assert_eq!(rig.driven(at(9)), 900);
}

#[test]
fn min_on_holds_and_then_releases_by_itself() {
    let mut rig = Rig::new(OutputSpec { min_on: Some(secs(10)), ..switch() });
    rig.wants(1000);
    rig.step(at(0));
    rig.wants(0);
    assert_eq!(rig.driven(at(3)), 1000);
    assert_eq!(rig.wakes(at(3)), Some(at(10)));
    assert_eq!(rig.driven(at_ms(9_999)), 1000);
    assert_eq!(rig.driven(at(10)), 0);
    assert_eq!(rig.wakes(at(10)), None);
}

#[test]
fn min_off_holds_and_then_releases_by_itself() {
    let mut rig = Rig::new(OutputSpec { min_off: Some(secs(10)), ..switch() });
    rig.step(at(0));
    rig.wants(1000);
    assert_eq!(rig.driven(at(3)), 0);
    assert_eq!(rig.wakes(at(3)), Some(at(10)));
    assert_eq!(rig.driven(at(10)), 1000);
}

#[test]
fn a_minimum_time_that_no_longer_matters_leaves_no_deadline() {
    let mut rig = Rig::new(OutputSpec { min_on: Some(secs(10)), ..switch() });
    rig.wants(1000);
    rig.step(at(0));
    rig.wants(0);
    rig.step(at(3));
    rig.wants(1000);
    assert_eq!(rig.driven(at(4)), 1000);
    assert_eq!(rig.wakes(at(4)), None);
}

#[test]
fn min_on_does_not_keep_a_kick_going() {
    let spec = OutputSpec { min_on: Some(secs(10)), kick: Some(ms(500)), ..pwm() };
    let mut rig = Rig::new(spec);
    rig.wants(300);
    assert_eq!(rig.driven(at(0)), 1000);
    rig.wants(0);
    assert_eq!(rig.driven(at_ms(200)), 1000);
    assert_eq!(rig.wakes(at_ms(200)), Some(at_ms(500)));
    assert_eq!(rig.driven(at_ms(500)), 300);
    assert_eq!(rig.wakes(at_ms(500)), Some(at(10)));
    assert_eq!(rig.driven(at(10)), 0);
}

#[test]
fn a_slew_that_is_slow_beside_the_kick_switches_nothing_off_after_it() {
    let slew_permille_per_s = Some(0.5);
    for min_duty in [None, Some(Permille::ZERO)] {
        let (kick, min_off) = (Some(ms(500)), Some(secs(10)));
        let mut rig = Rig::new(OutputSpec { min_duty, kick, slew_permille_per_s, min_off, ..pwm() });
        rig.wants(100);
        assert_eq!(rig.driven(at(0)), 1000);
        assert_eq!(rig.driven(at_ms(500)), 1, "the least that is not off");
        assert_eq!(rig.driven(at_ms(2_600)), 1);
        assert_eq!(rig.driven(at(20)), 10);
        assert_eq!(rig.driven(at(300)), 100);
    }
}

fn shapes() -> impl Strategy<Value = OutputSpec> {
    let time = || prop::option::of((1u64..5_000).prop_map(ms));
    let least = prop::option::of((0u16..900).prop_map(permille));
    let slew = prop::option::of(0.5f64..2_000.0);
    (prop::bool::ANY, least, slew, time(), time(), time()).prop_map(
        |(switched, min_duty, slew_permille_per_s, kick, min_on, min_off)| {
            let base = if switched { switch() } else { pwm() };
            OutputSpec { min_duty, slew_permille_per_s, kick, min_on, min_off, ..base }
        },
    )
}

proptest! {
    /// Whatever is wanted and when, deadlines lie ahead, every drive respects the constraints, and once nothing changes any
    /// more the output reaches what is wanted by its deadlines alone.
    #[test]
    fn an_output_arrives_by_its_own_deadlines(
        spec in shapes(),
        wishes in prop::collection::vec((0u16..=1000, 0u64..3_000), 1..12),
    ) {
        let mut rig = Rig::new(spec.clone());
        let mut now = at(0);
        for (share, pause) in wishes {
            rig.wants(share);
            let next = now + ms(pause);
            while let Some(due) = rig.wakes(now).filter(|due| *due <= next) {
                prop_assert!(due > now);
                now = due;
                rig.step(now);
            }
            now = next;
            rig.step(now);
            let drive = rig.drive();
            match spec.kind {
                OutputKind::OnOff => prop_assert!(drive == 0 || drive == 1000),
                OutputKind::Pwm => {
                    prop_assert!(drive == 0 || drive >= spec.min_duty.unwrap_or_default().get());
                }
            }
        }
        let mut steps = 0;
        while let Some(due) = rig.wakes(now) {
            prop_assert!(due > now);
            now = due;
            rig.step(now);
            steps += 1;
            prop_assert!(steps < 25_000, "it never arrives");
        }
        let wanted = rig.intent.drives[&FAN].value.get();
        let borne = match spec.kind {
            _ if wanted == 0 => 0,
            OutputKind::OnOff => 1000,
            OutputKind::Pwm => wanted.max(spec.min_duty.unwrap_or_default().get()),
        };
        prop_assert_eq!(rig.drive(), borne);
    }
}
