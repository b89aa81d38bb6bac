//! Which samples are believed. Pure: the same samples give the same verdicts, whenever they come.
//!
//! ```text
//!   finite?  ──►  no power-on value?  ──►  in the valid range?  ──►  still moving?  ──►  a step from the last
//!      │                  │                        │                     │            belief?  ──►  believed
//!  NotANumber       PowerOnValue              OutOfRange              Frozen             │ no
//!                                                          Jump; believed once the next sample lies within a
//!                                                          step of this one
//! ```
//!
//! Frozen is a number that repeats to the last digit, sample after sample; faults in between do not reset it. A coarse sensor at
//! rest does the same, so the rule is only for sensors that have noise.
//!
//! The last believed value is kept during faults: the first good sample after a gap is compared with it, so a sensor that returns
//! with a wrong value is not believed at once. The core judges how old a value may be.

use super::Plausibility;
use crate::control::Fault;

/// How near a value must be to a power-on value to be one: far below any sensor's resolution, far above rounding.
const SAME: f64 = 1e-6;

/// What a sensor measures if its values are per cent of relative humidity.
pub const HUMIDITY: &str = "humidity";
/// What the sensors of a cabinet can measure, in degrees Celsius.
pub const VALID_CELSIUS: (f64, f64) = (-55.0, 125.0);
/// And of a humidity, in per cent.
pub const VALID_HUMIDITY: (f64, f64) = (0.0, 100.0);

/// The judge of one sensor's samples.
#[derive(Clone, Debug)]
pub struct Plausible {
    rules: Plausibility,
    /// The last value that was believed.
    believed: Option<f64>,
    /// The last sample, if it was a jump that may yet repeat.
    candidate: Option<f64>,
    /// The last number that was sampled, believed or not, and how often it was repeated since.
    shown: Option<(f64, u32)>,
}

impl Plausible {
    /// A judge who has seen nothing yet.
    pub fn new(rules: Plausibility) -> Self {
        Self { rules, believed: None, candidate: None, shown: None }
    }

    /// Judges the next sample. A fault of the sensor passes through.
    ///
    /// # Errors
    /// The sensor's own fault, or why its value is not believed.
    pub fn judge(&mut self, sample: Result<f64, Fault>) -> Result<f64, Fault> {
        let candidate = self.candidate.take();
        let value = sample?;
        let is_frozen = self.is_frozen(value);
        self.check(value)?;
        if is_frozen {
            return Err(Fault::Frozen);
        }
        if self.is_a_step_from(self.believed, value) || self.confirms(candidate, value) {
            self.believed = Some(value);
            return Ok(value);
        }
        self.candidate = Some(value);
        Err(Fault::Jump)
    }

    fn is_frozen(&mut self, value: f64) -> bool {
        let repeats = match self.shown {
            Some((shown, repeats)) if shown == value => repeats.saturating_add(1),
            _ => 0,
        };
        self.shown = Some((value, repeats));
        self.rules.frozen_repeats.is_some_and(|most| repeats >= most)
    }

    /// The rules that look at one sample alone.
    fn check(&self, value: f64) -> Result<(), Fault> {
        let (lowest, highest) = self.rules.valid;
        if !value.is_finite() {
            Err(Fault::NotANumber)
        } else if self.rules.reject.iter().any(|rejected| (value - rejected).abs() <= SAME) {
            Err(Fault::PowerOnValue)
        } else if !(lowest..=highest).contains(&value) {
            Err(Fault::OutOfRange)
        } else {
            Ok(())
        }
    }

    /// Near enough to `from`; anything is near enough to nothing.
    fn is_a_step_from(&self, from: Option<f64>, value: f64) -> bool {
        match (from, self.rules.max_step) {
            (Some(from), Some(max_step)) => (value - from).abs() <= max_step,
            _ => true,
        }
    }

    fn confirms(&self, candidate: Option<f64>, value: f64) -> bool {
        candidate.is_some() && self.is_a_step_from(candidate, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge() -> Plausible {
        Plausible::new(rules(None))
    }

    fn rules(frozen_repeats: Option<u32>) -> Plausibility {
        Plausibility { valid: (-40.0, 125.0), max_step: Some(15.0), reject: vec![85.0], frozen_repeats }
    }

    fn verdicts(samples: &[Result<f64, Fault>]) -> Vec<Result<f64, Fault>> {
        by(judge(), samples)
    }

    fn by(mut judge: Plausible, samples: &[Result<f64, Fault>]) -> Vec<Result<f64, Fault>> {
        samples.iter().map(|sample| judge.judge(*sample)).collect()
    }

    #[test]
    fn each_rule_has_its_fault() {
        let mut judge = judge();
        assert_eq!(judge.judge(Ok(f64::NAN)), Err(Fault::NotANumber));
        assert_eq!(judge.judge(Ok(f64::INFINITY)), Err(Fault::NotANumber));
        assert_eq!(judge.judge(Ok(85.0)), Err(Fault::PowerOnValue));
        assert_eq!(judge.judge(Ok(85.000_000_5)), Err(Fault::PowerOnValue));
        assert_eq!(judge.judge(Ok(125.1)), Err(Fault::OutOfRange));
        assert_eq!(judge.judge(Ok(-40.1)), Err(Fault::OutOfRange));
        assert_eq!(judge.judge(Err(Fault::Unreadable)), Err(Fault::Unreadable));
        assert_eq!(judge.judge(Ok(85.01)), Ok(85.01));
    }

    #[test]
    fn the_ends_of_the_valid_range_are_valid() {
        assert_eq!(judge().judge(Ok(125.0)), Ok(125.0));
        assert_eq!(judge().judge(Ok(-40.0)), Ok(-40.0));
    }

    #[test]
    fn a_jump_is_believed_when_it_repeats() {
        let jump = Err(Fault::Jump);
        assert_eq!(verdicts(&[Ok(20.0), Ok(60.0), Ok(62.0), Ok(63.0)]), [Ok(20.0), jump, Ok(62.0), Ok(63.0)]);
    }

    #[test]
    fn a_single_outlier_is_never_believed() {
        let jump = Err(Fault::Jump);
        assert_eq!(verdicts(&[Ok(20.0), Ok(60.0), Ok(20.5), Ok(60.0)]), [Ok(20.0), jump, Ok(20.5), jump]);
    }

    #[test]
    fn jumps_that_do_not_agree_are_not_believed() {
        let jump = Err(Fault::Jump);
        assert_eq!(verdicts(&[Ok(20.0), Ok(60.0), Ok(100.0), Ok(-20.0)]), [Ok(20.0), jump, jump, jump]);
    }

    #[test]
    fn after_a_fault_the_last_believed_value_still_counts() {
        let (jump, missing) = (Err(Fault::Jump), Err(Fault::Missing));
        assert_eq!(verdicts(&[Ok(20.0), missing, Ok(21.0)]), [Ok(20.0), missing, Ok(21.0)]);
        assert_eq!(verdicts(&[Ok(20.0), missing, Ok(60.0), Ok(60.0)]), [Ok(20.0), missing, jump, Ok(60.0)]);
    }

    #[test]
    fn a_fault_between_two_equal_jumps_means_that_the_jump_did_not_repeat() {
        let (jump, missing) = (Err(Fault::Jump), Err(Fault::Missing));
        assert_eq!(verdicts(&[Ok(20.0), Ok(60.0), missing, Ok(60.0)]), [Ok(20.0), jump, missing, jump]);
    }

    #[test]
    fn the_first_value_is_believed_at_once() {
        assert_eq!(verdicts(&[Err(Fault::Missing), Ok(120.0)]), [Err(Fault::Missing), Ok(120.0)]);
    }

    #[test]
    fn a_number_that_repeats_too_often_is_frozen_until_another_comes() {
        let (frozen, same) = (Err(Fault::Frozen), Ok(20.0));
        let samples = [same, same, same, same, Ok(20.0625), same, same, same];
        let verdicts = by(Plausible::new(rules(Some(2))), &samples);
        assert_eq!(verdicts, [same, same, frozen, frozen, Ok(20.0625), same, same, frozen]);
        assert_eq!(by(judge(), &[same; 8]), [same; 8], "without the rule");
    }

    #[test]
    fn faults_between_do_not_thaw_a_frozen_number() {
        let (frozen, missing, same) = (Err(Fault::Frozen), Err(Fault::Missing), Ok(20.0));
        let verdicts = by(Plausible::new(rules(Some(2))), &[same, missing, same, missing, same]);
        assert_eq!(verdicts, [same, missing, same, missing, frozen]);
    }

    #[test]
    fn another_fault_of_a_frozen_number_is_told_rather() {
        let power_on = Err(Fault::PowerOnValue);
        assert_eq!(by(Plausible::new(rules(Some(1))), &[Ok(85.0); 3]), [power_on; 3]);
    }

    #[test]
    fn a_sensor_that_thaws_far_from_the_last_belief_has_jumped() {
        let (frozen, jump) = (Err(Fault::Frozen), Err(Fault::Jump));
        let verdicts = by(Plausible::new(rules(Some(1))), &[Ok(20.0), Ok(20.0), Ok(60.0), Ok(60.5)]);
        assert_eq!(verdicts, [Ok(20.0), frozen, jump, Ok(60.5)]);
    }

    /// Mostly values, near each other or not, and sometimes faults and values that are not plausible.
    fn sample() -> impl Strategy<Value = Result<f64, Fault>> {
        prop_oneof![
            6 => (-60.0..140.0).prop_map(Ok),
            4 => (19.0..23.0).prop_map(Ok),
            1 => Just(Ok(85.0)),
            1 => any::<f64>().prop_map(Ok),
            1 => Just(Err(Fault::Missing)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_believed_was_sampled_and_obeys_the_rules(samples in prop::collection::vec(sample(), 0..60)) {
            for (sample, verdict) in samples.iter().zip(verdicts(&samples)) {
                if let Ok(value) = verdict {
                    prop_assert_eq!(*sample, Ok(value));
                    prop_assert!((-40.0..=125.0).contains(&value) && (value - 85.0).abs() > SAME);
                }
            }
        }

        #[test]
        fn what_is_believed_is_a_step_from_the_last_belief_or_from_the_sample_before(
            samples in prop::collection::vec(sample(), 0..60),
        ) {
            let verdicts = verdicts(&samples);
            let mut believed: Option<f64> = None;
            for (place, verdict) in verdicts.iter().enumerate() {
                let Ok(value) = verdict else { continue };
                let before = place.checked_sub(1).and_then(|before| samples[before].ok());
                let near = |other: Option<f64>| other.is_some_and(|other| (value - other).abs() <= 15.0);
                prop_assert!(believed.is_none() || near(believed) || near(before), "sample {}", place);
                believed = Some(*value);
            }
        }

        #[test]
        fn a_steady_sensor_is_believed_from_the_second_sample(
            samples in prop::collection::vec(sample(), 0..20),
            steady in prop::collection::vec(30.0..40.0, 2..20),
        ) {
            let all: Vec<_> = samples.iter().copied().chain(steady.iter().copied().map(Ok)).collect();
            let verdicts = verdicts(&all);
            prop_assert!(verdicts[samples.len() + 1..].iter().all(Result::is_ok));
        }

        #[test]
        fn without_rules_every_finite_value_is_believed(values in prop::collection::vec(any::<f64>(), 0..20)) {
            let valid = (f64::NEG_INFINITY, f64::INFINITY);
            let rules = Plausibility { valid, max_step: None, reject: vec![], frozen_repeats: None };
            let mut judge = Plausible::new(rules);
            for value in values {
                prop_assert_eq!(judge.judge(Ok(value)).is_ok(), value.is_finite());
            }
        }
    }
}
