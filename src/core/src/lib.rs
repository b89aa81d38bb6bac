//! What twind decides and what it tells, without I/O, clocks, randomness, threads and logs.
//!
//! ```text
//!    units ◄── twin ◄── control ◄── report ◄── ports ◄── engine
//! ```
//!
//! A room knows those to its left, and no other. `text`, which prints foreign words, stands beside `units`.
//!
//! | room | its duty |
//! | --- | --- |
//! | [`units`], [`text`] | values that cannot be wrong; words from outside, as they may be printed |
//! | [`twin`] | the document, its limits, the state machine that keeps both ends equal, and what is persisted |
//! | [`control`] | desired values and readings in; one drive and its cause per output out |
//! | [`report`] | what is worth telling: to the hub, in the status, to an operator |
//! | [`ports`] | what the core drives: pins, the store, the outbox, the notices |
//! | [`engine`] | [`Core`](engine::Core): one input in, every effect out before it returns |
//!
//! The crate is `#![no_std]`, and its manifest names no crate that reads clocks or does I/O. A call of such a thing does not
//! compile.
//!
//! # The driving contract
//!
//! Whoever runs the core hands it one [`Input`](engine::Input) after the other, with the moment at which it came. Before
//! [`handle`](engine::Core::handle) returns, everything that follows has gone out to the [`Ports`](ports::Ports), in one
//! fixed order: pins, record, hub, notices. It returns the next [`Deadline`](engine::Deadline); if nothing comes before
//! that, the next input is [`Timeout`](engine::Input::Timeout). What became of a record comes back as
//! [`Saved`](engine::Input::Saved). Production, simulation and fuzzing do exactly this:
//!
//! ```
//! use core::time::Duration;
//! use twind_core::control::{Actuation, PinFault};
//! # use twind_core::control::{OutputKind, OutputSpec, PropertyMap, When};
//! use twind_core::engine::{Core, Input, Start};
//! # use twind_core::engine::CoreSpec;
//! use twind_core::ports::{Outbox, Pins, Ports, Store};
//! # use twind_core::report::{ReportSpec, ReportStyle};
//! use twind_core::twin::{HubEvent, HubRequest, Machine, TwinRecord};
//! # use twind_core::twin::{PropertyPath, SyncPolicy};
//! use twind_core::units::{BootTime, Permille};
//!
//! /// A board of one lamp, a disk that is done at once, and a line to the hub.
//! #[derive(Default)]
//! struct Lamp(Option<Permille>);
//! #[derive(Default)]
//! struct Disk(Option<u64>);
//! #[derive(Default)]
//! struct Line(Vec<HubRequest>);
//!
//! impl Pins for Lamp {
//!     fn drive(&mut self, actuation: &Actuation) -> Result<(), PinFault> {
//!         self.0 = Some(actuation.drive);
//!         Ok(())
//!     }
//! }
//! impl Store for Disk {
//!     fn offer(&mut self, record: TwinRecord) {
//!         self.0 = Some(record.sequence);
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
//! #             when: When::default(),
//! #         }],
//! #         sensors: Vec::new(),
//! #         climate: None,
//! #         properties: PropertyMap {
//! #             fan_on: path("fanOn"),
//! #             climate: path("components.climate"),
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
//! // The next fact or the next deadline, whichever comes first.
//! for fact in [None, Some(HubEvent::Up), None] {
//!     let deadline = core.deadline();
//!     let input = match fact {
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
//! | twin | a JSON document in the hub; the back end writes its *desired* half, the device its *reported* half |
//! | section | one half of a twin |
//! | version | the number of a section's state; the hub counts it up with every change |
//! | patch | a change of a section, by JSON merge patch: null removes |
//! | record | what the disk has: both sections, overrides, the hub's silence, the known time |
//! | durable | on the disk, so that a power cut does not lose it |
//! | acknowledgement | what the reported section says of the desired one: its version, and what was made of it |
//! | output | a fan, a heater, a lamp: on or off, or by a share of full (PWM) |
//! | drive | that share, in permille; a reader of messages sees per cent |
//! | cause | what decides an output's drive |
//! | rank | the order in which causes win: overheat, sensor fault, hub silent, override, desired, climate, start |
//! | row | what one output does at one rank, such as `hub-silent` |
//! | override | a person's order for an output, for a time |
//! | regime | what the climate is about: starting, in range, too warm, too cold, sensor fault, overheat |
//! | reading | one value of a sensor, or why there is none |
//! | stale | a sensor without a valid reading for longer than `stale-after` |
//! | silence | the time since the hub's last word, over restarts and power cuts |
//! | known time | a wall-clock time that a hub confirmed by taking a token that it dated |
//! | quarantine | reported values that the hub refuses, set aside and tried again |
//! | notice | something an operator may want to know of; the shell logs it |
//! | alarm | something that a person should know of for as long as it lasts |
//! | input | a fact, or a wish of whoever runs the core |
//! | journal | the last inputs, with the state that they start from, so that an incident can be played again |
//! | boot time | the time since the machine booted, sleep included; no clock step moves it |
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod control;
pub mod engine;
pub mod ports;
pub mod report;
pub mod text;
pub mod twin;
pub mod units;
