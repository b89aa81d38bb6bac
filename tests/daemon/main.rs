//! The real binary against the stand-in hub on loopback, with a simulated board in a temporary folder: what only
//! processes, sockets, signals and files can show.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod alarm_table;
mod alarms;
mod bad_input;
mod blocked;
mod boards;
mod certificate;
mod climates;
mod commands;
mod disk;
mod files;
mod foreign;
mod freezer;
mod handover;
mod init;
mod journal;
mod last_resort;
mod lifecycle;
mod local;
#[path = "../config/machines.rs"]
mod machines;
mod memory;
mod methods;
mod metrics;
mod model;
mod monitor;
mod network;
mod outage;
mod overrides;
mod provisioned;
mod released;
mod reload;
mod report;
mod rig;
mod rows;
mod schedules;
mod settings;
mod silence;
mod telemetry;
mod threads;
mod twin;
mod walk;
mod watch;
