//! climate
