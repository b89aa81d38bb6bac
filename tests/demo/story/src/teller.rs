//! Where a story goes: to lines that follow each other, or to the live screen.

use crate::cleanup::CleanUp;
use crate::live::{Live, Mark};
use std::io::{Write as _, stdout};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// On the screen a scene stays for so long when it is over, so that it can be read.
const READ: Duration = Duration::from_millis(2500);

/// See the module.
#[derive(Clone)]
pub(crate) struct Teller {
    screen: Option<Arc<Live>>,
    cleanup: CleanUp,
}

impl Teller {
    /// A teller on this screen, or in lines.
    pub(crate) fn new(screen: Option<Arc<Live>>, cleanup: &CleanUp) -> Self {
        Self { screen, cleanup: cleanup.clone() }
    }

    /// Is it a screen?
    pub(crate) fn is_screen(&self) -> bool {
        self.screen.is_some()
    }

    /// Another scene begins.
    pub(crate) fn scene(&self, number: usize, title: &str, line: &str) {
        let Some(screen) = &self.screen else { return self.line(line) };
        if number > 1 {
            sleep(READ);
        }
        screen.scene(number, title);
    }

    /// The last scene stays for a while.
    pub(crate) fn rest(&self) {
        if self.screen.is_some() {
            sleep(READ);
        }
    }

    /// Something is told.
    pub(crate) fn tell(&self, mark: Mark, line: &str) {
        if mark == Mark::Bad {
            self.cleanup.wait_if_told_to_end();
        }
        match &self.screen {
            Some(screen) => screen.tell(mark, line.trim().to_owned()),
            None => self.line(line),
        }
    }

    /// Something that only the screen tells.
    pub(crate) fn mark(&self, mark: Mark, text: &str) {
        if let Some(screen) = &self.screen {
            screen.tell(mark, text.to_owned());
        }
    }

    /// The back end writes this.
    pub(crate) fn written(&self, text: &str, line: &str) {
        match &self.screen {
            Some(screen) => screen.written(text.to_owned()),
            None => self.line(line),
        }
    }

    /// Something is waited for.
    pub(crate) fn wait(&self, what: &str) {
        self.screen.iter().for_each(|screen| screen.wait(what));
    }

    /// What the screen shows in another way.
    pub(crate) fn aside(&self, line: &str) {
        if self.screen.is_none() {
            self.line(line);
        }
    }

    /// A line, which is read after the end, too.
    pub(crate) fn line(&self, line: &str) {
        if writeln!(stdout(), "{line}").is_err() {
            self.cleanup.nobody_reads();
        }
    }
}
