//! twind
pub mod board;
pub mod cli;
pub mod config;
pub mod control;
pub mod engine;
pub mod hub;
pub mod report;
pub mod sensors;
pub mod store;
pub mod twin;
pub mod units;
