//! The file: what is written, what is left alone, and what is said.

use super::*;
use crate::text::escape;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::time::Instant;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn refused(&self, name: &str) -> String {
        replace(&self.path(name), None, "# TYPE twind_new").err().unwrap().to_string()
    }

    fn put_a_pipe(&self, name: &str) {
        mknodat(CWD, self.path(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never came: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn status(version: &str) -> DaemonStatus {
    DaemonStatus { version: version.to_owned(), ..DaemonStatus::default() }
}

fn holds(path: &Path, version: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("version=\"{version}\"")))
}

#[test]
fn the_file_is_replaced_whole_and_all_may_read_it() {
    let site = Site::new();
    let path = site.path("twind.prom");
    let first = replace(&path, None, "# TYPE twind_1").ok();
    let mut reader = fs::File::open(&path).unwrap();
    assert!(replace(&path, first, "# TYPE twind_2").is_ok());
    let mut old = String::new();
    reader.read_to_string(&mut old).unwrap();
    assert_eq!(
        (old.as_str(), fs::read_to_string(&path).unwrap().as_str()),
        ("# TYPE twind_1", "# TYPE twind_2")
    );
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    assert_eq!(site.names(), ["twind.prom"], "nothing else is left there");
}

#[test]
fn what_twind_wrote_before_is_replaced_and_what_it_did_not_write_is_left_alone() {
    let site = Site::new();
    for old in ["", "# TYPE twind_build_info gauge\n"] {
        fs::write(site.path("old"), old).unwrap();
        assert!(replace(&site.path("old"), None, "# TYPE twind_new").is_ok(), "{old:?}");
    }
    for foreign in ["0", "# TYPE twin", "# TYPE node_load1 gauge\nnode_load1 1\n"] {
        fs::write(site.path("foreign"), foreign).unwrap();
        assert!(
            site.refused("foreign").starts_with("a file that twind did not write has this name: remove it")
        );
        assert_eq!(fs::read_to_string(site.path("foreign")).unwrap(), foreign);
        assert!(remark(&site.path("foreign")).unwrap().contains("that twind did not write"));
    }
    assert_eq!(remark(&site.path("old")), None);
    assert_eq!(remark(&site.path("absent")), None);
}

#[test]
fn what_is_no_file_is_named_and_neither_waited_for_nor_replaced() {
    let site = Site::new();
    site.put_a_pipe("pipe");
    fs::create_dir(site.path("folder")).unwrap();
    std::os::unix::fs::symlink(site.path("elsewhere"), site.path("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    for (name, what) in [
        ("pipe", "a named pipe"),
        ("folder", "a directory"),
        ("link", "a symbolic link"),
        ("socket", "a socket"),
    ] {
        let refused = site.refused(name);
        assert!(
            refused.starts_with(&format!("it is no regular file but {what}: remove it, or name")),
            "{refused}"
        );
        assert!(!fs::symlink_metadata(site.path(name)).unwrap().is_file());
        assert!(remark(&site.path(name)).unwrap().ends_with(&refused));
    }
    assert!(!site.path("elsewhere").exists());
    let device = replace(Path::new("/dev/null"), None, "").err().unwrap().to_string();
    assert!(device.starts_with("it is no regular file but a device"), "{device}");
}

#[test]
fn a_pipe_in_the_place_of_the_temporary_file_is_replaced() {
    let site = Site::new();
    site.put_a_pipe("twind.prom.tmp");
    assert!(replace(&site.path("twind.prom"), None, "# TYPE twind_1").is_ok());
    assert_eq!(site.names(), ["twind.prom"]);
}

#[test]
fn each_trouble_is_told_with_what_mends_it() {
    let site = Site::new();
    fs::write(site.path("file"), "").unwrap();
    for (name, told) in [
        (
            "absent/twind.prom",
            "No such file or directory (os error 2) (make its directory, or name another path",
        ),
        ("file/twind.prom", "Not a directory (os error 20) (make its directory, or name another path"),
    ] {
        assert!(site.refused(name).starts_with(told), "{}", site.refused(name));
    }
    let denied = Unwritten::System(io::ErrorKind::PermissionDenied.into()).to_string();
    assert!(denied.contains("let the daemon's user make files in its directory"), "{denied}");
    let sandboxed = Unwritten::System(io::ErrorKind::ReadOnlyFilesystem.into()).to_string();
    assert!(sandboxed.contains("ReadWritePaths=") && sandboxed.contains("/run/twind"), "{sandboxed}");
    assert_eq!(escape(&sandboxed), sandboxed, "on one line");
    // What could not be finished leaves nothing behind.
    fs::create_dir(site.path("twind.prom.tmp")).unwrap();
    assert!(site.refused("twind.prom").contains("Is a directory"));
}

#[test]
fn each_trouble_is_logged_once_and_so_is_its_end() {
    let writer = || Writer {
        path: PathBuf::from("/run/twind.prom"),
        shared: Arc::new(Shared::default()),
        written: None,
        told: Vec::new(),
    };
    let again = Some(Ok("the metrics file /run/twind.prom is written again".to_owned()));
    let mut one = writer();
    let foreign = || Err(Unwritten::Foreign);
    let missing = || Err(Unwritten::System(io::ErrorKind::NotFound.into()));
    assert_eq!(one.news(Ok(Id(0, 1))), None, "nothing was wrong");
    for _ in 0..2 {
        let told = one.news(foreign()).unwrap().unwrap_err();
        let begins = "the metrics file /run/twind.prom cannot be written: a file that twind did not write has this name";
        assert!(told.starts_with(begins) && told.ends_with("it is tried again every 15 s"), "{told}");
        assert!(one.news(missing()).unwrap().is_err(), "another trouble");
        assert!([foreign(), missing(), foreign()].into_iter().all(|known| one.news(known).is_none()));
        assert_eq!(one.news(Ok(Id(0, 1))), again);
        assert_eq!(one.news(Ok(Id(0, 2))), None);
    }
    assert!(one.news(foreign()).is_some());
    one.shared.state().is_late = true;
    assert_eq!((one.news(Ok(Id(0, 3))), one.news(Ok(Id(0, 4)))), (again, None), "the disk hung");
}

#[test]
fn it_is_written_two_seconds_after_the_start_and_then_every_fifteen_and_removed_at_the_end() {
    let site = Site::new();
    let path = site.path("twind.prom");
    let now = BootTime::ZERO;
    let mut file = MetricsFile::at(Some(&path), now);
    assert_eq!(file.due(), Some(now + Duration::from_secs(2)));
    file.offer(now, status("1"));
    assert_eq!(file.due(), Some(now + Duration::from_secs(15)));
    eventually("the first", || holds(&path, "1"));
    file.offer(now + EVERY, status("2"));
    eventually("the second", || holds(&path, "2"));
    file.leave(PATIENCE);
    assert_eq!((site.names().len(), file.due()), (0, None));
}

#[test]
fn a_reload_moves_the_file_and_removes_the_old_one() {
    let site = Site::new();
    let (a, b, now) = (site.path("a.prom"), site.path("b.prom"), BootTime::ZERO);
    let mut file = MetricsFile::at(None, now);
    assert_eq!(file.due(), None);
    file.offer(now, status("0"));
    file.move_to(Some(&a), now);
    file.offer(now, status("1"));
    eventually("a", || holds(&a, "1"));
    let later = now + Duration::from_secs(5);
    file.move_to(Some(&a), later);
    assert_eq!(file.due(), Some(now + EVERY), "the same file is not begun again");
    file.move_to(Some(&b), later);
    assert_eq!(file.due(), Some(later + FIRST_AFTER));
    file.offer(later, status("2"));
    eventually("b alone", || holds(&b, "2") && !a.exists());
    file.move_to(None, later);
    eventually("none", || !b.exists());
    assert_eq!(file.due(), None);
}

#[test]
fn a_file_that_became_anothers_is_not_removed() {
    let site = Site::new();
    let path = site.path("twind.prom");
    let mut file = MetricsFile::at(Some(&path), BootTime::ZERO);
    file.offer(BootTime::ZERO, status("1"));
    eventually("the file", || holds(&path, "1"));
    fs::write(site.path("other"), "# TYPE twind_other").unwrap();
    fs::rename(site.path("other"), &path).unwrap();
    file.leave(PATIENCE);
    assert_eq!(fs::read_to_string(&path).unwrap(), "# TYPE twind_other");
}

#[test]
fn a_write_that_hangs_holds_up_neither_the_loop_nor_the_end() {
    let shared = Arc::new(Shared::default());
    let open = Open { path: PathBuf::from("/hung"), shared: Arc::clone(&shared), due: BootTime::ZERO };
    let mut file = MetricsFile { open: Some(open) };
    file.offer(BootTime::ZERO, status("1"));
    // As the thread does before a write that never returns.
    assert!(shared.take().is_some());
    file.offer(BootTime::ZERO + EVERY, status("2"));
    assert!(shared.state().is_late);
    file.offer(BootTime::ZERO + EVERY * 2, status("3"));
    assert_eq!(shared.state().waiting.as_ref().unwrap().version, "3", "only the latest waits");
    file.leave(Duration::from_millis(1));
    assert!(shared.state().is_ending && shared.take().is_none(), "nothing is written after the end");
}
