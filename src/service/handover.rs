//! The hand-over of an upgrade: one daemon ends, the next takes over, and no output moves in between.
//!
//! The package's upgrade makes the folder `handover` in the runtime directory and restarts the daemon. While the folder is there
//! an orderly end leaves the outputs as they are, and so does `twind safe` after it. The next start removes the folder and takes
//! the outputs over. After any other end the folder is ignored. Software PWM, and lines that the kernel takes back, end with
//! the process and cannot be handed over.

use crate::config::Environment;
use std::fs;
use std::path::PathBuf;

fn place(environment: &Environment) -> Option<PathBuf> {
    environment.runtime_directory.as_ref().map(|folder| folder.join("handover"))
}

/// Is the next daemon to take the outputs over?
pub fn is_due(environment: &Environment) -> bool {
    place(environment).is_some_and(|place| place.is_dir())
}

/// Ends the hand-over. Was one due?
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
