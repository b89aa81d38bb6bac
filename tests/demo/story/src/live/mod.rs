//! The live screen: the site, its outputs and the story, drawn anew ten times a second in the same place. It is a thread of its own;
//! the story only says what is so.

mod draw;
mod enclosure;
mod look;
mod terminal;
mod view;

pub(crate) use look::Look;
pub(crate) use view::{Mark, Sources};

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::Duration;
use terminal::Terminal;
use view::{Earlier, Told, View, World};

const FRAME: Duration = Duration::from_millis(100);
/// The daemon is asked with each so many pictures.
const ASK_EVERY: u32 = 3;
/// How far a fan turns between two pictures at full, in eighths of a round. With more it would seem to stand or to turn back.
const TURN: f64 = 1.0;

/// A screen on which a story is shown.
pub(crate) struct Live {
    view: Mutex<View>,
    /// Nothing after its end.
    terminal: Mutex<Option<Terminal>>,
}

impl Live {
    /// Takes the terminal, and draws on it until the end.
    pub(crate) fn start(look: Look, site: &str, scenes: usize, sources: Sources) -> io::Result<Arc<Self>> {
        let view = View { site: site.to_owned(), scenes, ..View::default() };
        let live = Arc::new(Self { view: Mutex::new(view), terminal: Mutex::new(Some(Terminal::enter()?)) });
        let before = std::panic::take_hook();
        let (to_leave, of_thread) = (Arc::clone(&live), Arc::clone(&live));
        std::panic::set_hook(Box::new(move |panic| {
            to_leave.leave();
            before(panic);
        }));
        spawn(move || of_thread.run(look, &sources));
        Ok(live)
    }

    fn run(&self, look: Look, sources: &Sources) {
        let (mut world, mut turn) = (World::default(), 0.0);
        for frame in 0_u32.. {
            if frame % ASK_EVERY == 0 {
                sources.ask(&mut world);
            }
            sources.look(&mut world);
            let percent = world.outputs.iter().map(|output| output.percent).fold(0.0, f64::max);
            turn += TURN * percent / 100.0;
            let view = View { world: world.clone(), ..self.view().clone() };
            let picture = picture(&view, turn, look, terminal::area());
            match self.terminal.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                // A terminal that is gone ends the demonstration by a signal.
                Some(terminal) => drop(terminal.show(picture)),
                None => return,
            }
            sleep(FRAME);
        }
    }

    /// Leaves the terminal as it was; nothing is drawn any more.
    pub(crate) fn leave(&self) {
        let terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner).take();
        terminal.into_iter().for_each(Terminal::leave);
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another scene begins.
    pub(crate) fn scene(&self, number: usize, title: &str) {
        let mut view = self.view();
        let told = std::mem::take(&mut view.told);
        let before = std::mem::replace(&mut view.title, title.to_owned());
        if view.scene > 0 {
            let good = told.iter().all(|told| told.mark != Mark::Bad);
            let earlier = Earlier { scene: view.scene, title: before, good };
            view.earlier.push(earlier);
        }
        view.scene = number;
    }

    /// Something is told.
    pub(crate) fn tell(&self, mark: Mark, text: String) {
        let mut view = self.view();
        view.waiting = None;
        view.told.push(Told { mark, text });
    }

    /// The back end writes this.
    pub(crate) fn written(&self, text: String) {
        self.view().written = text;
    }

    /// Something is waited for.
    pub(crate) fn wait(&self, what: &str) {
        self.view().waiting = Some(what.to_owned());
    }
}

fn picture(view: &View, turn: f64, look: Look, area: Rect) -> Buffer {
    let mut buffer = Buffer::empty(area);
    draw::draw(view, turn, look, &mut buffer);
    if !look.unicode {
        look::to_ascii(&mut buffer);
    }
    buffer
}

#[cfg(test)]
mod tests;
