//! twinhub
