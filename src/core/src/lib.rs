//! The core.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod control;
pub mod engine;
pub mod ports;
pub mod report;
pub mod text;
pub mod twin;
pub mod units;
