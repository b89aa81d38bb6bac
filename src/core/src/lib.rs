//! What twind decides and reports, without I/O, clocks, randomness, threads or logs.
//!
//! ```text
//!    units ◄── twin ◄── control ◄── report ◄── telemetry ◄── ports ◄── engine
//! ```
//!
//! A module knows those to its left, and no other. Beside `units` stand `text`, which makes foreign text printable, and `ordered`,
//! which fills small collections.
//!
//! | module | its duty |
//! | --- | --- |
//! | [`units`], [`text`] | values that cannot be wrong; foreign text, as it may be printed |
//! | [`twin`] | the document, its limits, the state machine that keeps both ends equal, and what is persisted |
//! | [`control`] | desired values and readings in; one drive and its cause per output out |
//! | [`report`] | what is reported to the hub, shown in the status, and logged for an operator |
//! | [`telemetry`] | what was measured and decided, as messages that the hub gets, late if need be |
//! | [`ports`] | what the core drives: pins, the store, the outbox, the notices |
//! | [`engine`] | [`Core`](engine::Core): one input in, every effect out before it returns |
//!
//! The crate is `#![no_std]`, and its manifest names no crate that reads clocks or does I/O, so a call of either does not
//! compile.
//!
//! # The driving contract
//!
//! The caller hands the core one [`Input`](engine::Input) after another, each with the moment at which it arrived. Before
//! [`handle`](engine::Core::handle) returns, every effect has gone to the [`Ports`](ports::Ports), in one fixed order:
//! pins, record, hub, notices. It returns the next [`Deadline`](engine::Deadline). If nothing arrives before that, the next
//! input is [`Timeout`](engine::Input::Timeout). Whether a record was stored comes back as
//! [`Saved`](engine::Input::Saved). The daemon, the simulation and the fuzzer do exactly this:
//!
//! ```
//! use core::time::Duration;
//! use twind_core::control::{Actuation, PinFault};
//! # use twind_core::control::{OutputKind, OutputSpec, PropertyMap, When};
//! use twind_core::engine::{Core, Input, Start};
//! # use twind_core::engine::CoreSpec;
//! use twind_core::ports::{Outbox, Pins, Ports, Store};
//! # use twind_core::report::{ReportSpec, ReportStyle};
//! use twind_core::telemetry::RingRequest;
//! use twind_core::twin::{HubEvent, HubRequest, Machine, TwinRecord};
//! # use twind_core::twin::{PropertyPath, SyncPolicy};
//! use twind_core::units::{BootTime, Permille};
//!
//! /// A board with one lamp, a disk that takes records at once, and a connection to the hub.
//! #[derive(Default)]
//! struct Lamp(Option<Permille>);
//! #[derive(Default)]
//! struct Disk(Option<u64>);
//! #[derive(Default)]
//! struct Line(Vec<HubRequest>);
//!
//! impl Pins for Lamp {
//!     fn drive(&mut self, actuation: &Actuation, _: &str) -> Result<(), PinFault> {
//!         self.0 = Some(actuation.drive);
//!         Ok(())
//!     }
//! }
//! impl Store for Disk {
//!     fn offer(&mut self, record: TwinRecord) {
//!         self.0 = Some(record.sequence);
//!     }
//!     fn ring(&mut self, _: RingRequest) {
//!         unreachable!("there is no telemetry");
//!     }
//! }
//! impl Outbox for Line {
//!     fn push(&mut self, request: HubRequest) {
//!         self.0.push(request);
//!     }
//! }
//!
//! # fn path(text: &str) -> PropertyPath {
//! #     PropertyPath::parse(text).unwrap()
//! # }
//! # fn spec() -> CoreSpec {
//! #     CoreSpec {
//! #         outputs: vec![OutputSpec {
//! #             name: "lamp".into(),
//! #             kind: OutputKind::OnOff,
//! #             min_duty: None,
//! #             kick: None,
//! #             slew_permille_per_s: None,
//! #             min_on: None,
//! #             min_off: None,
//! #             property: Some(path("fanOn")),
//! #             alarms: Vec::new(),
//! #             when: When::default(),
//! #         }],
//! #         sensors: Vec::new(),
//! #         climates: Vec::new(),
//! #         zones: Vec::new(),
//! #         properties: PropertyMap {
//! #             fan_on: path("fanOn"),
//! #             units: path("units"),
//! #             patch_id: path("patchId"),
//! #         },
//! #         report: ReportSpec {
//! #             heartbeat: Duration::from_secs(300),
//! #             min_interval: Duration::from_secs(10),
//! #             deadband: Default::default(),
//! #             style: ReportStyle::Plain,
//! #             firmware_version: "1.0.0".into(),
//! #         },
//! #         sync: SyncPolicy {
//! #             request_timeout: Duration::from_secs(30),
//! #             refresh_interval: Duration::from_secs(12 * 3600),
//! #         },
//! #         telemetry: None,
//! #         identity: "hub/lamp".into(),
//! #     }
//! # }
//! let (mut lamp, mut disk, mut line) = (Lamp::default(), Disk::default(), Line::default());
//! let mut notices = Vec::new();
//! let mut ports =
//!     Ports { pins: &mut lamp, store: &mut disk, outbox: &mut line, notices: &mut notices };
//! let start = Start {
//!     spec: spec(), // one lamp, which `fanOn` switches
//!     record: None,
//!     machine: Machine::default(),
//!     found: Vec::new(),
//!     handed_over: false,
//!     step_interval_max: Duration::MAX,
//! };
//! let mut now = BootTime::ZERO;
//! let mut core = Core::start(now, start, &mut ports);
//!
//! // Each is the next event, or the next deadline where none comes before it.
//! for event in [None, Some(HubEvent::Up), None] {
//!     let deadline = core.deadline();
//!     let input = match event {
//!         Some(event) => Input::Hub(event),
//!         None => {
//!             now = deadline.at;
//!             Input::Timeout
//!         }
//!     };
//!     let next = core.handle(now, input, &mut ports);
//!     assert!(next.at > now, "{} was due and is done", deadline.why);
//! }
//! assert_eq!(lamp.0, Some(Permille::ZERO), "driven before there was a hub");
//! assert!(matches!(line.0[..], [HubRequest::GetTwin { .. }]));
//! ```
//!
//! # Words
//!
//! | word | what it means here |
//! | --- | --- |
//! | twin | a JSON document in the hub, in two sections: the back end writes *desired*, the device *reported* |
//! | section | one of these two documents |
//! | version | the number that the hub gives a section; it grows by one with every change |
//! | patch | a change of a section, as a JSON merge patch: null removes |
//! | record | what is persisted: both sections, the values in force, overrides, the hub's silence, the known time |
//! | durable | on the disk, so that a power cut does not lose it |
//! | acknowledgement | what the reported section says about the desired one: its version, the values in force, the refusals |
//! | accepted | the desired values in force; where a value is refused, the last good one stays |
//! | refusal | a desired value that cannot be applied, and why |
//! | output | what twind drives, such as a fan, a heater or a lamp: on or off, or by a duty (PWM) |
//! | drive | an output's share of full, in permille |
//! | demand | the drive that a climate wants of an output |
//! | cause | what decides an output's drive: the rank that won, and for a desired property its version |
//! | rank | the precedence of causes: overheat, sensor fault, hub silent, override, desired, climate, start |
//! | row | what one output does in one case of the fail-safe table, such as `hub-silent` |
//! | override | a drive of an output, or a range of a climate, that a person or the back end sets for a limited time |
//! | constraint | what keeps an output from a drive that is wanted of it: a minimum time, `min-duty`, `slew`, a higher rank |
//! | kick | full drive for a moment, so that a fan starts from rest |
//! | climate | a quantity that is held in a range: what its sensors measure, by what lowers it and what raises it |
//! | quantity | what a climate holds: a temperature, a humidity, a number of any other name |
//! | regime | the state of a climate: starting, in range, above (too warm), below (too cold), sensor fault, overheat |
//! | schedule | entries of a climate's desired range by weekday and local time; the local time is that of its *zone* |
//! | derived sensor | one whose value follows from those of others: a dew point, a difference |
//! | reading | one sample of a sensor: a value, or the fault for which there is none |
//! | stale | a sensor without a valid reading for longer than `stale-after` |
//! | silence | the time since the hub last answered or notified on a twin topic, over restarts and power cuts |
//! | known time | the wall-clock time when the hub was last heard, by a clock that dated a token which a hub accepted |
//! | quarantine | the reported values that the hub refuses: they are set aside and tried again |
//! | sample | what all sensors, climates and outputs are at one moment |
//! | telemetry record | one sample of one thing, one change of an output or one end of an alarm, with its own time |
//! | batch | the telemetry records that wait to be sent in one message |
//! | message | what the hub stores: a batch, or one end of an alarm. Its id is the same however often it is sent |
//! | ring | the messages on the disk that the hub does not have yet; when it is full the oldest give way |
//! | backlog | the messages in the ring, when they are sent |
//! | notice | an event for an operator; the shell logs it |
//! | history | the last decisions about outputs, in memory |
//! | alarm | a condition that a person should know of for as long as it lasts |
//! | input | an event, or a command of the caller |
//! | control step | one evaluation of climates and ranks, at least every five seconds |
//! | journal | the last inputs, with the state that they start from, so that an incident can be replayed |
//! | checkpoint | the whole state of the core between two inputs |
//! | digest | a checksum of the effects of one input, by which a replay is compared |
//! | boot time | the time since the machine booted, including suspend; setting the clock does not change it |
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod control;
pub mod engine;
mod ordered;
pub mod ports;
pub mod report;
pub mod telemetry;
pub mod text;
pub mod twin;
pub mod units;
