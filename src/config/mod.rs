//! The configuration file: read, checked whole, and turned into each room's own settings.
