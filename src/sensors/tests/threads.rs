use super::super::lane::THREADS_MAX;
use super::super::{
    Delivery, Driver, Locator, Now, Pollers, Sample, Sensor, SensorSettings, Source, Urgency,
};
use super::{NOW, a_file, settings};
use crate::control::{Fault, Reading, SensorId};
use crate::units::BootTime;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::{fs, thread};

/// Only ever reached by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A sensor that does as the test says.
struct Scripted<F>(F);

impl<F: FnMut() -> Result<f64, Fault>> Sensor for Scripted<F> {
    fn sample(&mut self) -> Sample {
        (self.0)().into()
    }
}

type Job = (SensorSettings, Box<dyn Sensor + Send>);

fn job(name: &str, period: Duration, script: impl FnMut() -> Result<f64, Fault> + Send + 'static) -> Job {
    let source = a_file(PathBuf::new());
    let settings = SensorSettings { name: name.to_owned(), period, ..settings(source) };
    (settings, Box::new(Scripted(script)))
}

/// A clock of which each look is a millisecond later than the last.
fn clock() -> impl Fn() -> Now {
    let looks = AtomicU64::new(0);
    move || {
        let boot = BootTime::from_boot(Duration::from_millis(looks.fetch_add(1, Ordering::SeqCst)));
        Now { boot, ..NOW }
    }
}

fn start(jobs: Vec<Job>) -> (Pollers, Receiver<Reading>) {
    let (give, readings) = mpsc::channel();
    let deliver =
        move |reading, _, _| if give.send(reading).is_ok() { Delivery::Taken } else { Delivery::Closed };
    (Pollers::start_with(jobs, clock(), deliver).unwrap(), readings)
}

#[test]
fn readings_come_in_order_with_sensor_time_and_value() {
    let mut sample = 0.0;
    let script = move || {
        sample += 1.0;
        if sample == 3.0 { Err(Fault::Unreadable) } else { Ok(sample) }
    };
    let (_pollers, readings) = start(vec![job("a", Duration::from_millis(1), script)]);
    let readings: Vec<_> = (0..4).map(|_| readings.recv_timeout(PATIENCE).unwrap()).collect();
    let values: Vec<_> = readings.iter().map(|reading| reading.value).collect();
    assert_eq!(values, [Ok(1.0), Ok(2.0), Err(Fault::Unreadable), Ok(4.0)]);
    assert!(readings.iter().all(|reading| reading.sensor == SensorId(3)));
    assert!(readings.is_sorted_by(|a, b| a.at < b.at));
}

#[test]
fn what_is_not_plausible_is_delivered_as_a_fault() {
    let (_pollers, readings) = start(vec![job("a", HOUR, || Ok(f64::NAN))]);
    assert_eq!(readings.recv_timeout(PATIENCE).unwrap().value, Err(Fault::NotANumber));
}

#[test]
fn a_sensor_that_is_missing_at_the_start_is_a_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("value");
    let (give, readings) = mpsc::channel();
    let deliver =
        move |reading, _, _| if give.send(reading).is_ok() { Delivery::Taken } else { Delivery::Closed };
    let sensors = [settings(a_file(path.clone()))];
    let _pollers = Pollers::start(&sensors, clock(), deliver).unwrap();
    assert_eq!(readings.recv_timeout(PATIENCE).unwrap().value, Err(Fault::Missing));
    fs::write(path.with_extension("new"), "19.5").unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    loop {
        match readings.recv_timeout(PATIENCE).unwrap().value {
            Ok(value) => break assert_eq!(value, 19.5),
            Err(fault) => assert_eq!(fault, Fault::Missing),
        }
    }
}

#[test]
fn sensors_that_are_not_being_read_end_at_once() {
    let jobs = ["a", "b", "c"].map(|name| job(name, HOUR, || Ok(1.0)));
    let (pollers, readings) = start(jobs.into());
    for _ in 0..3 {
        readings.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(pollers.stop(PATIENCE), Vec::<String>::new());
    assert_eq!(readings.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_sensor_stuck_in_a_read_is_named_left_and_delivers_nothing_more() {
    let (stuck, release, inside) = stuck("stuck");
    let (pollers, readings) = start(vec![stuck]);
    inside.recv_timeout(PATIENCE).unwrap();
    assert_eq!(pollers.stop(Duration::ZERO), ["stuck"]);
    drop(release);
    assert_eq!(readings.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

/// A sensor whose reads return when the test lets go of the gate, and the word that one has begun.
fn stuck(name: &str) -> (Job, mpsc::Sender<()>, Receiver<()>) {
    let (release, gate) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let script = move || {
        let _ = entered.send(());
        gate.recv().unwrap_or_default();
        Ok(1.0)
    };
    (job(name, HOUR, script), release, inside)
}

#[test]
fn a_sensor_stuck_in_a_read_holds_up_no_other() {
    let (stuck, _release, inside) = stuck("stuck");
    let (_pollers, readings) = start(vec![stuck, job("well", Duration::from_millis(1), || Ok(2.0))]);
    inside.recv_timeout(PATIENCE).unwrap();
    for _ in 0..20 {
        assert_eq!(readings.recv_timeout(PATIENCE).unwrap().value, Ok(2.0));
    }
}

#[test]
fn a_read_that_never_returns_holds_one_thread_however_often_others_take_over() {
    let (stuck, release, inside) = stuck("stuck");
    let (mut pollers, _) = start(vec![stuck]);
    inside.recv_timeout(PATIENCE).unwrap();
    let (give, readings) = mpsc::channel();
    let (began, begun) = mpsc::channel();
    for round in 1..=20 {
        let (give, began) = (give.clone(), began.clone());
        let script = move || {
            began.send(round).unwrap();
            Ok(f64::from(round))
        };
        let deliver = move |reading: Reading, _, _| {
            give.send(reading.value).unwrap();
            Delivery::Taken
        };
        let next = pollers.start_next_with(vec![job("stuck", HOUR, script)], clock(), deliver).unwrap();
        let left =
            core::mem::replace(&mut pollers, next).stop(if round == 1 { Duration::ZERO } else { PATIENCE });
        let stays = if round == 1 { vec!["stuck".to_owned()] } else { vec![] };
        assert_eq!(left, stays, "the one in the read stays, who waits for it ends");
    }
    assert!(begun.try_recv().is_err(), "a second read of what is stuck");
    drop(release);
    assert_eq!(readings.recv_timeout(PATIENCE), Ok(Ok(20.0)));
    assert_eq!(begun.try_iter().collect::<Vec<_>>(), [20]);
    assert_eq!(pollers.stop(PATIENCE), Vec::<String>::new());
}

#[test]
fn two_sensors_of_one_source_do_not_wait_for_each_other() {
    let (_pollers, readings) = start(vec![job("a", HOUR, || Ok(1.0)), job("b", HOUR, || Ok(2.0))]);
    let mut values = [(); 2].map(|()| readings.recv_timeout(PATIENCE).unwrap().value.unwrap());
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 2.0]);
}

#[test]
fn dropping_the_pollers_ends_the_sampling() {
    let (pollers, readings) = start(vec![job("a", HOUR, || Ok(1.0))]);
    readings.recv_timeout(PATIENCE).unwrap();
    drop(pollers);
    assert_eq!(readings.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_sensor_whose_readings_nobody_takes_is_sampled_no_more() {
    let (give, readings) = mpsc::channel();
    let deliver = move |reading: Reading, _, _| {
        give.send(reading).unwrap();
        Delivery::Closed
    };
    let jobs = vec![job("a", Duration::from_millis(1), || Ok(1.0))];
    let _pollers = Pollers::start_with(jobs, clock(), deliver).unwrap();
    assert!(readings.recv_timeout(PATIENCE).is_ok());
    assert_eq!(readings.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn every_sample_is_delivered_and_news_is_marked() {
    let (give, readings) = mpsc::channel();
    let deliver = move |reading: Reading, _, urgency| {
        if give.send((reading.value, urgency)).is_ok() { Delivery::Taken } else { Delivery::Closed }
    };
    let mut values = [Ok(1.0), Ok(1.0), Err(Fault::Missing), Err(Fault::Missing), Ok(1.0)].into_iter();
    let jobs = vec![job("a", Duration::from_millis(1), move || values.next().unwrap_or(Ok(1.0)))];
    let _pollers = Pollers::start_with(jobs, clock(), deliver).unwrap();
    let told: Vec<_> = (0..6).map(|_| readings.recv_timeout(PATIENCE).unwrap()).collect();
    let news: Vec<_> = told.iter().map(|(_, urgency)| *urgency == Urgency::News).collect();
    assert_eq!(news, [true, false, true, false, true, false], "{told:?}");
}

#[test]
fn a_thread_bears_the_name_of_its_kind_of_sensor() {
    let (give, names) = mpsc::channel();
    let named = job("cabinet", HOUR, move || {
        give.send(thread::current().name().map(str::to_owned)).unwrap();
        Ok(1.0)
    });
    let (_pollers, _readings) = start(vec![named]);
    assert_eq!(names.recv_timeout(PATIENCE).unwrap().as_deref(), Some("sensors-file"));
}

/// Kinds of which no other test has any, so their threads can be counted.
static CROWD: Driver = kind("crowd");
static DEAD_BUS: Driver = kind("dead-bus");

const fn kind(name: &'static str) -> Driver {
    Driver {
        name,
        id_is: None,
        is_line: false,
        period: HOUR,
        power_on: None,
        is_fed: false,
        check_id: |_, _| Ok(()),
        open: |_, _| Box::new(Scripted(|| Err(Fault::Missing))),
        whereabouts: |_, _| String::new(),
        there: |_| Vec::new(),
    }
}

fn of_kind(driver: &'static Driver, (settings, sensor): Job) -> Job {
    let at = Locator::Path(PathBuf::from(&settings.name));
    let source = Source { driver, at, line: None, channel: None };
    (SensorSettings { source, ..settings }, sensor)
}

/// The threads of this process with that name.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

#[test]
fn sensors_128_that_answer_at_once_need_a_few_threads() {
    let (count, counted) = mpsc::channel();
    let crowd = (0..128).map(|number| {
        let count = count.clone();
        let script = move || {
            let _ = count.send(threads("sensors-crowd"));
            Ok(f64::from(number))
        };
        of_kind(&CROWD, job(&format!("s{number}"), Duration::from_millis(5), script))
    });
    let (pollers, readings) = start(crowd.collect());
    let mut waited_for: BTreeSet<u64> = (0..128).collect();
    while !waited_for.is_empty() {
        waited_for.remove(&(readings.recv_timeout(PATIENCE).unwrap().value.unwrap() as u64));
    }
    assert_eq!(pollers.stop(PATIENCE), Vec::<String>::new());
    // One that ends is still counted when its successor begins.
    let most = counted.try_iter().max().unwrap();
    assert!((1..=THREADS_MAX + 2).contains(&most), "{most} threads");
}

#[test]
fn a_whole_dead_bus_holds_up_no_sensor_of_another_kind_and_all_go_on_when_it_is_mended() {
    let (dead, mut held): (Vec<_>, Vec<_>) = (0..THREADS_MAX)
        .map(|number| {
            let (dead, release, inside) = stuck(&format!("dead{number}"));
            (of_kind(&DEAD_BUS, dead), (release, inside))
        })
        .unzip();
    let beside = of_kind(&DEAD_BUS, job("beside", HOUR, || Ok(3.0)));
    let well = job("well", Duration::from_millis(1), || Ok(2.0));
    let (_pollers, readings) = start(dead.into_iter().chain([beside, well]).collect());
    for (_, inside) in &held {
        inside.recv_timeout(PATIENCE).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(readings.recv_timeout(PATIENCE).unwrap().value, Ok(2.0), "of the other kind alone");
    }
    assert_eq!(threads("sensors-dead-bu"), THREADS_MAX);

    drop(held.pop());
    let next = || readings.iter().map(|reading| reading.value.unwrap()).find(|value| *value != 2.0);
    assert_eq!([next(), next()], [Some(1.0), Some(3.0)], "one is free, so the one beside them is read");
    drop(held);
    assert!((1..THREADS_MAX).all(|_| next() == Some(1.0)), "and all the others go on");
}

#[test]
fn one_sensor_that_is_stuck_holds_up_none_of_its_own_kind() {
    let (stuck, _release, inside) = stuck("stuck");
    let others = (1..=20).map(|number| job(&format!("s{number}"), HOUR, move || Ok(f64::from(number))));
    let (_pollers, readings) = start([stuck].into_iter().chain(others).collect());
    inside.recv_timeout(PATIENCE).unwrap();
    let mut values: Vec<_> =
        (0..20).map(|_| readings.recv_timeout(PATIENCE).unwrap().value.unwrap()).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, (1..=20).map(f64::from).collect::<Vec<_>>());
}

/// A sensor that tells when it is closed.
struct Closing(Arc<AtomicBool>);

impl Sensor for Closing {
    fn sample(&mut self) -> Sample {
        Ok(1.0).into()
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // Long enough for a successor that does not wait for it.
        thread::sleep(Duration::from_millis(20));
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_source_is_closed_before_the_next_team_opens_it() {
    let is_closed = Arc::new(AtomicBool::new(false));
    let (settings, _) = job("line", HOUR, || Ok(1.0));
    let (pollers, readings) = start(vec![(settings, Box::new(Closing(Arc::clone(&is_closed))))]);
    readings.recv_timeout(PATIENCE).unwrap();
    let (give, told) = mpsc::channel();
    let next = job("line", HOUR, move || {
        give.send(is_closed.load(Ordering::SeqCst)).unwrap();
        Ok(2.0)
    });
    let _next = pollers.start_next_with([next], clock(), |_, _, _| Delivery::Taken).unwrap();
    assert_eq!(pollers.stop(PATIENCE), Vec::<String>::new());
    assert_eq!(told.recv_timeout(PATIENCE), Ok(true));
}
