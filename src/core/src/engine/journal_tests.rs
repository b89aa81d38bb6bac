//! The journal and its replay.

use super::*;
use crate::control::PinFault;
use crate::engine::journal::{Digest, FORMAT, MAGIC};
use crate::ports::{Outbox, Pins, Ports, Store};
use crate::telemetry::RingRequest;

/// A board that fails every other time, a disk that writes at once, and a connection to a hub.
#[derive(Default)]
pub(super) struct World {
    seconds: u64,
    drives: usize,
    offered: Option<u64>,
    pub(super) requests: Vec<HubRequest>,
    notices: Vec<Notice>,
}

struct Board<'a>(&'a mut usize);
struct Offer<'a>(&'a mut Option<u64>);
struct Line<'a>(&'a mut Vec<HubRequest>);

impl Pins for Board<'_> {
    fn drive(&mut self, _: &Actuation, _: &str) -> Result<(), PinFault> {
        *self.0 += 1;
        if self.0.is_multiple_of(2) { Err(PinFault { reason: "no such line".into() }) } else { Ok(()) }
    }
}

impl Store for Offer<'_> {
    fn offer(&mut self, record: TwinRecord) {
        *self.0 = Some(record.sequence);
    }

    fn ring(&mut self, _: RingRequest) {}
}

impl Outbox for Line<'_> {
    fn push(&mut self, request: HubRequest) {
        self.0.push(request);
    }
}

impl World {
    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut Ports<'_>) -> T) -> T {
        let Self { drives, offered, requests, notices, .. } = self;
        let (mut pins, mut store, mut outbox) = (Board(drives), Offer(offered), Line(requests));
        act(&mut Ports { pins: &mut pins, store: &mut store, outbox: &mut outbox, notices })
    }

    fn start(&mut self) -> Core {
        self.start_from(json!({ "fanOn": true }))
    }

    /// Starts with a record of this desired section.
    fn start_from(&mut self, desired: Value) -> Core {
        let start = Start {
            spec: spec(),
            record: Some(record(desired, 4)),
            machine: Machine::default(),
            found: Vec::new(),
            handed_over: false,
            step_interval_max: Duration::MAX,
        };
        self.with(|ports| Core::start(at(100), start, ports))
    }

    /// A room that warms up and cools down for a number of readings, and a back end that changes its desired values.
    fn live(&mut self, core: &mut Core, readings: u64) {
        let began = self.seconds;
        self.with(|ports| core.handle(at(101 + began), Input::Hub(HubEvent::Up), ports));
        self.seconds += readings;
        for second in began..self.seconds {
            let now = at(102 + second);
            let value = Ok(20.0 + (second % 40) as f64 / 2.0);
            let reading = Reading { sensor: SensorId(0), at: now, value };
            let mut inputs = vec![Input::Readings(vec![(reading, None)]), Input::Timeout];
            inputs.extend(self.offered.take().map(|sequence| Input::Saved(Ok(sequence))));
            inputs.extend(self.requests.drain(..).filter_map(answer).map(Input::Hub));
            if second % 100 == 50 {
                let version = Version(10 + second);
                inputs.push(Input::Hub(HubEvent::DesiredDelta {
                    version,
                    patch: patch(json!({ "fanOn": second % 200 == 50 })),
                }));
            }
            for input in inputs {
                let _ = self.with(|ports| core.handle(now, input, ports));
            }
        }
    }
}

fn answer(request: HubRequest) -> Option<HubEvent> {
    match request {
        HubRequest::GetTwin { rid } => Some(HubEvent::Twin {
            rid,
            desired: section(json!({ "fanOn": false })),
            desired_version: Version(5),
            reported: Section::default(),
        }),
        HubRequest::PatchReported { rid, .. } => Some(HubEvent::ReportedAck { rid }),
        HubRequest::AnswerMethod { .. } | HubRequest::SendMessage { .. } | HubRequest::Reconnect { .. } => {
            None
        }
    }
}

/// Replays a journal. Returns the number of its inputs, and of those with the same effects.
fn play(bytes: &[u8]) -> (usize, usize, Replay) {
    let mut replay = Replay::read(bytes).unwrap();
    let (mut inputs, mut same) = (0, 0);
    while let Some(step) = replay.step().unwrap() {
        inputs += 1;
        same += usize::from(step.is_same);
    }
    (inputs, same, replay)
}

#[test]
fn a_replay_reaches_the_same_state_including_faults_of_the_board() {
    let mut world = World::default();
    let mut core = world.start();
    world.live(&mut core, 130);
    let (inputs, same, replay) = play(&core.journal());
    assert!(inputs > 260 && world.drives > 1, "{inputs} inputs, {} drives", world.drives);
    assert_eq!(same, inputs);
    assert!(replay.has_reached(&core));
    assert_eq!(replay.core().steps(), core.steps());
}

#[test]
fn a_long_run_leaves_its_last_inputs_which_start_from_a_checkpoint() {
    let mut world = World::default();
    let mut core = world.start();
    let mut most = 0;
    for _ in 0..6 {
        world.live(&mut core, 1000);
        most = most.max(core.journal().len());
    }
    assert!((32 * 1024..80 * 1024).contains(&most), "{most} bytes");
    let (inputs, same, replay) = play(&core.journal());
    assert!((1000..11_000).contains(&inputs), "{inputs} inputs");
    assert_eq!(same, inputs);
    assert!(replay.has_reached(&core));
}

#[test]
fn an_input_with_other_effects_than_before_is_reported() {
    let mut world = World::default();
    let mut core = world.start();
    world.live(&mut core, 20);
    *core.journal.newer.entries.last_mut().unwrap() ^= 1;
    let (inputs, same, _) = play(&core.journal());
    assert_eq!(same, inputs - 1);
}

#[test]
fn a_state_that_differs_from_a_checkpoint_is_reported() {
    let mut world = World::default();
    let mut core = world.start();
    let older = core.checkpoint(at(100));
    world.live(&mut core, 20);
    core.journal.begin_part(older);
    world.live(&mut core, 1);
    let (inputs, same, _) = play(&core.journal());
    assert!(same < inputs, "{same} of {inputs}");
}

#[test]
fn bytes_that_are_no_journal_or_truncated_or_from_another_version_are_refused_as_such() {
    let mut world = World::default();
    let mut core = world.start();
    world.live(&mut core, 20);
    let journal = core.journal();
    assert_eq!(Replay::read(b"[hub]").unwrap_err(), ReplayFault::Foreign);
    for cut in MAGIC.len()..journal.len() {
        assert_eq!(Replay::read(&journal[..cut]).unwrap_err(), ReplayFault::Damaged, "{cut}");
    }
    let mut other = journal.clone();
    other[MAGIC.len()] = FORMAT + 1;
    let fault = Replay::read(&other).unwrap_err();
    let says = format!("it has format {}, this is {FORMAT}: play it with", FORMAT + 1);
    assert!(fault.to_string().starts_with(&says), "{fault}");
    for place in MAGIC.len() + 1..journal.len() {
        let mut other = journal.clone();
        other[place] ^= 0x40;
        assert_eq!(Replay::read(&other).unwrap_err(), ReplayFault::Damaged, "{place}");
    }
}

/// A whole journal of a version that has what this one does not know.
fn of_a_later_version(checkpoint: Vec<u8>, entries: Vec<u8>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(postcard::to_allocvec(&(FORMAT, "9.8.7")).unwrap());
    bytes.extend(postcard::to_allocvec(&vec![(checkpoint, entries)]).unwrap());
    let digest = Digest::of(&bytes);
    bytes.extend(digest.to_le_bytes());
    bytes
}

#[test]
fn a_whole_journal_that_cannot_be_read_is_said_to_be_of_another_version() {
    let mut world = World::default();
    let core = world.start();
    let unknown = ReplayFault::Unknown { version: "9.8.7".into() };
    assert!(unknown.to_string().contains("another version"), "{unknown}");
    let state = Replay::read(&of_a_later_version(vec![0xff; 9], Vec::new()));
    assert_eq!(state.unwrap_err(), unknown);
    let input = of_a_later_version(core.checkpoint(at(100)), vec![0, 0x7f]);
    assert_eq!(Replay::read(&input).unwrap().step().unwrap_err(), unknown);
}

#[test]
fn the_payload_of_an_unknown_method_is_not_in_the_journal() {
    let mut world = World::default();
    let mut core = world.start();
    for name in ["unlock", "override"] {
        let argument = json!({ "word": format!("told to {name}") });
        let input = Input::Hub(HubEvent::Method { rid: "1".into(), name: name.into(), argument });
        let _ = world.with(|ports| core.handle(at(200), input, ports));
    }
    let journal = core.journal();
    let holds = |text: &str| journal.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("told to override") && holds("unlock") && !holds("told to unlock"));
    let (inputs, same, _) = play(&journal);
    assert_eq!((inputs, same), (3, 3));
}

#[test]
fn a_journal_whose_newer_part_has_just_begun_is_replayed_to_its_end() {
    let mut world = World::default();
    let mut core = world.start();
    world.live(&mut core, 20);
    let checkpoint = core.checkpoint(core.journal.at);
    core.journal.begin_part(checkpoint);
    let (inputs, same, replay) = play(&core.journal());
    assert!(inputs > 20 && same == inputs, "{same} of {inputs}");
    assert!(replay.has_reached(&core));
}

#[test]
fn a_start_announces_what_it_does_not_apply_and_its_journal_plays_as_ever() {
    let mut world = World::default();
    let mut core = world.start_from(json!({"fanOn": "perhaps"}));
    let refused = world.notices.iter().filter(|notice| matches!(notice, Notice::Refused { .. }));
    assert_eq!(refused.count(), 1, "{:?}", world.notices);
    world.live(&mut core, 60);
    let (all, same, replay) = play(&core.journal());
    assert!(all > 60 && same == all && replay.has_reached(&core), "{same} of {all}");
}
