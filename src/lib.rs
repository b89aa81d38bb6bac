//! twind keeps a copy of an Azure IoT Hub device twin on a gateway and drives fans and heaters by it.
//!
//! ```text
//!    units ◄── twin ◄── control ◄── report ◄── engine          core
//!      ▲         ▲          ▲                      ▲
//!      │      hub│ store    │ board  sensors       │           shell rooms: import core types, never each other
//!      │         │          │                      │
//!      └──────── config ────┴─────── service ──────┘           config builds each room's own settings;
//!                                       ▲                      service alone sees them all
//!                                   cli, main
//! ```
//!
//! `text`, of the core too, stands beside `units`: how foreign words are printed.
//!
//! A desired change, from the socket to the pin: `hub` (bytes to events) → `engine` → `twin` (version rule) →
//! `control` (set-points, climate, rank table) → `service::pump`: the pin is driven, the record offered to the
//! store, and when it is durable the acknowledgement goes out. A reading goes `sensors` → `engine` → the next
//! control step, and by `report` to the hub when it left its dead-band.
//!
//! # The driving contract
//!
//! After any `Engine::handle_…` the driver calls [`service::pump`], which drains every `Engine::poll_…` in one fixed
//! order (pins, disk, hub, notices) to ports that never block; then it waits until the next fact or `Engine::poll_timeout`, whichever is first. Production and simulation
//! drive the engine in the same way.
//!
//! # What is absent, so that nobody looks for it
//!
//! - The core (`units`, `text`, `twin`, `control`, `report`, `engine`) has no I/O, no clock, no chance, no threads and no logs.
//! - The core never sees `Settings`; no shell room imports another; only `service/clock.rs` reads a clock, but for
//!   the phase of PWM by software (`board/soft_pwm.rs`).
//! - Only `hub/session.rs` names the MQTT crate, only `board/rppal.rs` rppal, only `board/gpiochip.rs` gpiocdev.
//! - JSON stops at `control/intent.rs`: the climate and the rank table see typed values.
//!
//! Clippy's bans at the head of each core module and `tests/layering.rs` hold this.

pub mod board;
pub mod cli;
pub mod config;
pub mod hub;
pub mod sensors;
pub mod service;
pub mod store;
pub use twind_core::{control, engine, ports, report, text, twin, units};
