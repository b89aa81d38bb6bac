//! One process of the daemon, from its start to its end, and the resources that it uses.

use crate::rig::Rig;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far more than a start or an end takes. Whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much memory may grow between the first and the last third of a process's time.
const GROWTH_KIB: u64 = 1024;
/// A process that ran for a shorter time says nothing about growth.
const TELLING_LIFE: Duration = Duration::from_secs(60);

/// The service manager's socket, which is read all the time, as the real one is.
pub(crate) struct Manager {
    heard: mpsc::Receiver<String>,
}

impl Manager {
    pub(crate) fn listen(rig: &Rig) -> Self {
        let socket = UnixDatagram::bind(rig.path("notify.sock")).unwrap();
        let (tell, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { heard }
    }
}

#[derive(Clone, Copy)]
struct Sample {
    age: Duration,
    rss_kib: u64,
}

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    since: Instant,
    samples: Vec<Sample>,
    /// Threads and open files when it was first synchronised.
    usual: Option<(u64, usize)>,
    /// The disk has failed, so the log may say so.
    pub(crate) disk_failed: bool,
}

impl Process {
    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(rig: &Rig, manager: &Manager, number: u32, disk_failed: bool) -> Self {
        let log = rig.path(&format!("log.{number}"));
        while manager.heard.try_recv().is_ok() {}
        let mut command = rig.command(&["run"]);
        command.env("NOTIFY_SOCKET", rig.path("notify.sock")).stderr(fs::File::create(&log).unwrap());
        let child = command.spawn().unwrap();
        let mut process =
            Self { child, log, since: Instant::now(), samples: Vec::new(), usual: None, disk_failed };
        let end = Instant::now() + PATIENCE;
        loop {
            match manager.heard.recv_timeout(Duration::from_millis(100)) {
                Ok(text) if text.contains("READY=1") => return process,
                _ => process.assert_alive(),
            }
            assert!(Instant::now() < end, "the daemon never said that it is ready");
        }
    }

    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the daemon ended on its own: {status}");
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> usize {
        self.judge_memory();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.judge_log()
    }

    /// SIGTERM, after which it must end in order. Returns how many lines the log had.
    pub(crate) fn stop(mut self) -> usize {
        self.judge_memory();
        self.signal("TERM");
        let status = self.wait_end();
        assert_eq!(status.code(), Some(0), "SIGTERM did not end it in order");
        self.judge_log()
    }

    fn wait_end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "SIGTERM did not end the daemon");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Notes the resources that the process uses, and that it runs.
    pub(crate) fn observe(&mut self) {
        self.assert_alive();
        let status = self.status();
        self.samples.push(Sample { age: self.since.elapsed(), rss_kib: status["VmRSS"] });
    }

    /// Idle, the process must have as many threads and open files as when it was first idle. Waits until it has, because a
    /// connection may take a moment to close.
    pub(crate) fn judge_rest(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = (self.status()["Threads"], self.open_files());
            let usual = *self.usual.get_or_insert(now);
            if now.0 == usual.0 && now.1 <= usual.1 {
                return;
            }
            // When it was first seen idle, a helper thread or a socket may still have been open.
            if now.0 < usual.0 {
                self.usual = Some((now.0, usual.1.min(now.1)));
                return;
            }
            assert!(
                Instant::now() < end,
                "at rest it has {} threads and {} open files, at first it had {} and {}: {:#?}",
                now.0,
                now.1,
                usual.0,
                usual.1,
                self.open_names()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn judge_log(&self) -> usize {
        let log = self.log();
        assert!(!log.contains("panicked"), "the daemon panicked");
        for line in log.lines().filter(|line| line.contains(" ERROR ")) {
            let of_the_disk =
                line.contains("the local copy of the twin cannot be stored") && self.disk_failed;
            assert!(of_the_disk, "an ERROR that nothing called for: {line}");
        }
        log.lines().count()
    }

    fn judge_memory(&self) {
        let age = self.since.elapsed();
        if age < TELLING_LIFE {
            return;
        }
        let most = |from: u32, to: u32| {
            let within = |sample: &&Sample| sample.age >= age * from / 3 && sample.age <= age * to / 3;
            self.samples.iter().filter(within).map(|sample| sample.rss_kib).max()
        };
        if let (Some(first), Some(last)) = (most(0, 1), most(2, 3)) {
            println!(
                "  a process of {} s: {first} KiB resident in its first third, {last} in its last",
                age.as_secs()
            );
            assert!(last <= first + GROWTH_KIB, "memory grew from {first} KiB to {last} KiB in {age:?}");
        }
    }

    fn status(&self) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let number = |rest: &str| rest.split_whitespace().next().and_then(|word| word.parse().ok());
        let line = |line: &str| {
            let (name, rest) = line.split_once(':')?;
            Some((name.to_owned(), number(rest)?))
        };
        text.lines().filter_map(line).collect()
    }

    fn open_names(&self) -> Vec<String> {
        let dir = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let names = dir.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        names.map(|name| name.display().to_string()).collect()
    }

    fn open_files(&self) -> usize {
        self.open_names().len()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
