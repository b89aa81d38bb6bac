//! twind keeps a copy of an Azure IoT Hub device twin on a gateway and drives outputs such as fans and heaters accordingly.
//!
//! ```text
//!    units ◄── twin ◄── control ◄── report ◄── ports ◄── engine      crate twind-core: no I/O, no clock, no randomness
//!      ▲         ▲          ▲                    ▲
//!      │      hub│ store    │ board  sensors     │              shell rooms: implement a port or feed an input,
//!      │         │          │                    │              and never import each other
//!      │         │  files   │ gpio │ message_ids │              below those: a file that may be a pipe; lines of chips; ids of log lines
//!      └──────── config ────┴─────── service ────┘              config builds each room's own settings;
//!                                       ▲                       service runs the rooms
//!                                   cli, main
//! ```
//!
//! A desired change, from the socket to the pin: [`hub`] (bytes to events) → [`engine`] → [`twin`] (version rule) →
//! [`control`] (set-points, climates, rank table) → the pin is driven, the record offered to the store, and when it is
//! durable the acknowledgement goes out. A reading goes `sensors` → [`engine`] → the next control step, and by [`report`]
//! to the hub when it left its deadband. The core's front page ([`twind_core`]) has the driving contract and a glossary.
//!
//! # Who may use what
//!
//! - The core never sees `Settings`; `hub`, `store`, `board` and `sensors` do not import each other; `service` and `cli` use them.
//! - Only `service/clock.rs` reads the date and the time since boot, which the core gets. Elsewhere `Instant` measures how long
//!   something takes or lasts: the pauses and time limits of threads and sessions, the phase of software PWM, how long a contact
//!   rests, the age of what a screen shows.
//! - In `hub`, `wire` (bytes) and `azure` (their meaning) do not use each other, and `link` uses both.
//! - Only `hub/wire/mqtt.rs` names the MQTT crate, only `board/rppal.rs` rppal, only `gpio.rs` gpiocdev.
//! - No files of one folder import each other in a circle.
//!
//! The core is a crate of its own, so the compiler keeps it from `Settings`. `tests/layering.rs` checks the rest by names; of
//! clocks it knows `clock_gettime` alone, so another way to read one is for the reviewer to see.

pub mod board;
pub mod cli;
pub mod config;
mod files;
mod gpio;
pub mod hub;
pub mod message_ids;
pub mod sensors;
pub mod service;
pub mod store;
pub use twind_core::{control, engine, ports, report, telemetry, text, twin, units};
