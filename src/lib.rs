//! twind
