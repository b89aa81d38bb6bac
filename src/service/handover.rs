//! The hand-over of an upgrade: one daemon ends, the next goes on, and no output moves in between.
//!
//! Whoever replaces the daemon makes the folder `handover` where its sockets are and has it restarted. While it is there
//! an orderly end leaves the outputs as they are, and so does `twind safe` after it; the next start removes it and takes
//! the outputs over. After any other end it counts for nothing. Deliberately absent: making it, and handing over what
//! ends with the process (PWM by software, lines that the kernel takes back).

use crate::config::Environment;
use std::fs;
use std::path::PathBuf;

fn place(environment: &Environment) -> Option<PathBuf> {
    environment.runtime_directory.as_ref().map(|folder| folder.join("handover"))
}

/// Is the next daemon to go on with the outputs?
pub fn is_due(environment: &Environment) -> bool {
    place(environment).is_some_and(|place| place.is_dir())
}

/// Was it due? From now on it is not.
pub fn take(environment: &Environment) -> bool {
    place(environment).is_some_and(|place| fs::remove_dir(place).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_is_due_until_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let environment =
            Environment { runtime_directory: Some(dir.path().to_owned()), ..Environment::default() };
        assert!(!is_due(&environment) && !take(&environment));
        fs::create_dir(dir.path().join("handover")).unwrap();
        assert!(is_due(&environment) && take(&environment));
        assert!(!is_due(&environment) && !take(&environment));
        assert!(!is_due(&Environment::default()) && !take(&Environment::default()));
    }
}
