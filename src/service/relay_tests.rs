use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};
use tracing::info;
use tracing::level_filters::LevelFilter;

const LONG: Duration = Duration::from_secs(60);

/// A standard error whose every write is allowed by the test, or fails.
struct Gate {
    may: Receiver<bool>,
    written: Sender<String>,
}

impl Write for &Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.may.recv().unwrap_or(true) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let _ = self.written.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log as the daemon has it, but for where it goes: each write waits until the test says how it ends.
struct Rig {
    queue: Arc<Queue>,
    may: Sender<bool>,
    written: Receiver<String>,
}

impl Rig {
    fn new() -> Self {
        let (may, allowed) = channel();
        let (writes, written) = channel();
        let queue = Arc::new(Queue::default());
        let gate = Arc::new(Mutex::new(Gate { may: allowed, written: writes }));
        let thread = Arc::clone(&queue);
        thread::spawn(move || {
            write_to(&thread, Targets::new().with_default(LevelFilter::INFO), move || {
                Held(Arc::clone(&gate))
            });
        });
        Self { queue, may, written }
    }

    fn say(&self, act: impl FnOnce()) {
        let relay = Relay(Arc::clone(&self.queue));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(relay), act);
    }

    fn next(&self) -> String {
        self.may.send(true).unwrap();
        self.written.recv_timeout(LONG).unwrap()
    }
}

struct Held(Arc<Mutex<Gate>>);

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0.lock().unwrap()).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_has_the_time_the_level_and_the_fields_with_which_it_was_said() {
    let rig = Rig::new();
    rig.say(|| info!(message_id = "0ecefbd7", output = "fan", permille = 7_u16, off = -1, share = 0.5, on = true, by = %"climate", "turned {}", 1));
    let said_by = wall_time();
    thread::sleep(Duration::from_millis(5));
    let line = rig.next();
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(humantime::parse_rfc3339(time).unwrap() <= said_by, "{line}");
    assert_eq!(rest, " INFO turned 1 output=\"fan\" permille=7 off=-1 share=0.5 on=true by=climate\n");
}

#[test]
fn a_reader_who_hangs_holds_up_nobody_and_hears_how_much_was_dropped() {
    let rig = Rig::new();
    rig.say(|| info!("line 0"));
    while !rig.queue.state().is_writing {
        thread::yield_now();
    }
    // The first is in the writer's hands, so exactly as many as there is room for wait behind it.
    rig.say(|| (1..=LINES_MAX + 100).for_each(|number| info!("line {number}")));
    rig.queue.drain(Duration::from_millis(1));
    for number in 0..=LINES_MAX {
        let line = rig.next();
        assert!(line.ends_with(&format!("line {number}\n")), "{line}");
    }
    let dropped = rig.next();
    assert!(dropped.contains(" WARN 100 log lines were dropped because nobody read them"), "{dropped}");
    rig.say(|| info!("the last"));
    assert!(rig.next().ends_with("the last\n"));
    rig.queue.drain(LONG);
    assert!(rig.queue.state().backlog.is_empty());
}

#[test]
fn a_line_that_comes_late_to_the_journal_says_when_it_was_said() {
    let queue = Arc::new(Queue::default());
    let relay = Relay(Arc::clone(&queue));
    let subscriber = tracing_subscriber::registry().with(relay);
    tracing::subscriber::with_default(subscriber, || info!(output = "fan", "turned"));
    let Next::Kept(mut line) = queue.next() else { panic!("it is dropped") };
    line.date();
    let told = format!("{:?}", line.fields);
    assert!(told.contains(&format!("turned (at {})", humantime::format_rfc3339_micros(line.at))), "{told}");
}

#[test]
fn many_long_lines_do_not_fill_the_memory() {
    let queue = Queue::default();
    let queue = Arc::new(queue);
    let relay = Relay(Arc::clone(&queue));
    let text = "x".repeat(10_000);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(relay), || {
        (0..LINES_MAX).for_each(|_| info!("{text}"));
    });
    assert!(queue.state().backlog.len() * text.len() <= BYTES_MAX);
}

#[test]
fn lines_that_cannot_be_written_are_counted_until_one_can() {
    let rig = Rig::new();
    rig.say(|| (0..3).for_each(|number| info!("line {number}")));
    // Each of the last two is preceded by an attempt to tell of those before it.
    (0..5).for_each(|_| rig.may.send(false).unwrap());
    rig.queue.drain(LONG);
    rig.say(|| info!("the disk has room again"));
    let told = rig.next();
    assert!(
        told.contains("WARN 3 log lines were dropped because standard error could not be written"),
        "{told}"
    );
    assert!(rig.next().ends_with("the disk has room again\n"));
}

#[test]
fn words_from_outside_make_no_line_and_do_not_speak_to_the_terminal() {
    const WORDS: &str = "x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{9b}2J\u{202e}\u{2028}";
    let rig = Rig::new();
    rig.say(|| info!(text = WORDS, shown = %WORDS, "sensor {WORDS}"));
    let line = rig.next();
    let line = line.strip_suffix('\n').unwrap();
    assert!(!line.contains(text::is_unseen), "{line:?}");
    assert_eq!(line.matches("ERROR forged").count(), 3, "{line}");
}
