use super::super::{Delivery, Pollers, sample_once};
use super::super::{Driver, Locator, Look, PERIOD, Plausibility, Sample, Sensor, SensorSettings, Source};
use super::{NOW, settings};
use crate::control::Fault;
use core::time::Duration;
use std::sync::mpsc;

/// Only ever reached by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sensor that is no file: the register of a device on some bus, which is busy at the first attempt.
static REGISTER: Driver = Driver {
    name: "register",
    id_is: Some("the number of the register"),
    is_line: false,
    period: PERIOD,
    power_on: None,
    is_fed: false,
    check_id: |_, _| Ok(()),
    open: |_, source| Box::new(Register { number: number(source), attempts: 0 }),
    whereabouts: |_, source| format!("register {}", number(source)),
    there: |_| Vec::new(),
};

struct Register {
    number: f64,
    attempts: u32,
}

impl Sensor for Register {
    fn sample(&mut self) -> Sample {
        self.attempts += 1;
        match self.attempts {
            1 if self.number == 0.0 => {
                Sample { found: Some("no answer".to_owned()), ..Err(Fault::Missing).into() }
            }
            _ => Ok(self.number).into(),
        }
    }
}

fn number(source: &Source) -> f64 {
    let Locator::Id(id) = &source.at else { panic!("a register has no path") };
    id.parse().unwrap()
}

fn register(id: &str) -> SensorSettings {
    let source = Source { driver: &REGISTER, at: Locator::Id(id.to_owned()), line: None, channel: None };
    let rules = Plausibility { valid: (-40.0, 125.0), max_step: None, reject: vec![], frozen_repeats: None };
    SensorSettings { scale: 0.1, offset: 1.0, plausible: rules, ..settings(source) }
}

#[test]
fn a_sensor_that_is_no_file_is_scaled_judged_and_told_like_any_other() {
    let look = |id| sample_once(&register(id), NOW);
    let whereabouts = "register 200".to_owned();
    assert_eq!(look("200"), Look { value: Ok(21.0), found: None, whereabouts });
    let hot = look("2000");
    assert_eq!(hot.value, Err(Fault::OutOfRange));
    assert_eq!(hot.found.as_deref(), Some("201, outside -40 to 125"));
    let silent = look("0");
    assert_eq!((silent.value, silent.found.as_deref()), (Err(Fault::Missing), Some("no answer")));
    assert_eq!(REGISTER.check_id("7", None), Ok(()));
}

#[test]
fn a_sensor_that_is_no_file_is_polled_like_any_other() {
    let (give, readings) = mpsc::channel();
    let deliver = move |reading, found, _| match give.send((reading, found)) {
        Ok(()) => Delivery::Taken,
        Err(_) => Delivery::Closed,
    };
    let _pollers = Pollers::start(&[register("0")], || NOW, deliver).unwrap();
    let (first, found) = readings.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.value, found.as_deref()), (Err(Fault::Missing), Some("no answer")));
    assert_eq!(readings.recv_timeout(PATIENCE).unwrap().0.value, Ok(1.0));
}
