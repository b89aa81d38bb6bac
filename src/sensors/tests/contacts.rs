//! Contacts without a chip, and sensors that are worth sampling before their beat.

use super::super::{
    ContactLine, Delivery, Early, Locator, Pollers, Pull, Sample, Sensor, SensorSettings, sample_once,
};
use super::{NOW, a_file, settings, source};
use crate::control::Fault;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

/// Only ever reached by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn contact(chip: Option<&str>) -> SensorSettings {
    let line = ContactLine {
        chip: chip.map(str::to_owned),
        pin: 23,
        active_low: true,
        bias: Pull::Up,
        debounce: Duration::from_millis(50),
    };
    let mut source = source("gpio", Locator::Id(line.to_string()), None);
    source.line = Some(line);
    settings(source)
}

#[test]
fn a_contact_on_a_chip_that_is_not_there_is_missing_and_tried_again() {
    let (give, readings) = mpsc::channel();
    let deliver = move |reading, found: Option<String>, _| match give.send((reading, found)) {
        Ok(()) => Delivery::Taken,
        Err(_) => Delivery::Closed,
    };
    let _pollers = Pollers::start(&[contact(Some("gpiochip4711"))], || NOW, deliver).unwrap();
    for _ in 0..3 {
        let (reading, found) = readings.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reading.value, Err(Fault::Missing));
        let found = found.unwrap();
        assert!(found.contains("there is no GPIO chip \"gpiochip4711\""), "{found}");
    }
}

#[test]
fn a_contact_says_what_is_wrong_and_where_it_was_looked_for() {
    let look = sample_once(&contact(Some("gpiochip4711")), NOW);
    assert_eq!(look.value, Err(Fault::Missing));
    assert_eq!(look.whereabouts, "contact on pin 23 of gpiochip4711, active low");
    let look = sample_once(&contact(Some("/dev/null")), NOW);
    assert_eq!(look.value, Err(Fault::Unreadable));
    assert!(look.found.as_deref().unwrap().contains("is not a GPIO character device"), "{look:?}");
    assert_eq!(contact(None).source.to_string(), "gpio \"pin 23, active low\"");
}

#[test]
fn a_line_is_the_same_device_however_it_is_read() {
    let (mut other, here) = (contact(Some("gpiochip0")).source, contact(Some("gpiochip0")).source);
    other.line.as_mut().unwrap().bias = Pull::Off;
    assert!(here != other && here.is_same_device(&other));
    other.line.as_mut().unwrap().pin = 24;
    assert!(!here.is_same_device(&other));
    assert!(!here.is_same_device(&contact(None).source));
}

/// The number of bytes that came in so far.
struct Bytes {
    stream: UnixStream,
    count: u32,
}

impl Sensor for Bytes {
    fn sample(&mut self) -> Sample {
        let mut byte = [0];
        while self.stream.read(&mut byte).is_ok_and(|read| read == 1) {
            self.count += 1;
        }
        Ok(f64::from(self.count)).into()
    }

    fn early(&self) -> Early<'_> {
        Early { readable: Some(self.stream.as_fd()), after: None }
    }
}

/// Asks to be sampled again soon until it has been three times.
struct Thrice(u32);

impl Sensor for Thrice {
    fn sample(&mut self) -> Sample {
        self.0 += 1;
        Ok(f64::from(self.0)).into()
    }

    fn early(&self) -> Early<'_> {
        Early { readable: None, after: (self.0 < 3).then_some(Duration::from_millis(1)) }
    }
}

fn start(sensor: impl Sensor + Send + 'static, period: Duration) -> (Pollers, Receiver<f64>) {
    let settings = SensorSettings { period, ..settings(a_file(PathBuf::new())) };
    let (give, values) = mpsc::channel();
    let deliver = move |reading: crate::control::Reading, _, _| {
        if give.send(reading.value.unwrap()).is_ok() { Delivery::Taken } else { Delivery::Closed }
    };
    let job: (_, Box<dyn Sensor + Send>) = (settings, Box::new(sensor));
    (Pollers::start_with([job], || NOW, deliver).unwrap(), values)
}

#[test]
fn a_sensor_whose_descriptor_is_readable_is_sampled_at_once() {
    let (mut there, stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    let (pollers, values) = start(Bytes { stream, count: 0 }, HOUR);
    assert_eq!(values.recv_timeout(PATIENCE), Ok(0.0));
    for wanted in 1..=20 {
        there.write_all(b"x").unwrap();
        assert_eq!(values.recv_timeout(PATIENCE), Ok(f64::from(wanted)));
    }
    assert_eq!(pollers.stop(PATIENCE), Vec::<String>::new());
    assert!(there.write_all(b"x").is_err(), "its end is closed");
}

#[test]
fn a_sensor_that_asks_for_it_is_sampled_before_its_beat() {
    let (_pollers, values) = start(Thrice(0), HOUR);
    assert_eq!([(); 3].map(|()| values.recv_timeout(PATIENCE)), [Ok(1.0), Ok(2.0), Ok(3.0)]);
}
