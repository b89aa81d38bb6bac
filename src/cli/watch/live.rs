//! The screen: what is drawn when, and what keys do.

use super::form::{Form, Names, Outcome};
use super::look::Look;
use super::terminal::{Ansi, Screen, size};
use super::view::{Picture, Prompt, Shown};
use super::{Known, News, PERIOD, STEP, ask_for_trend, channel, listen};
use crate::cli::ask::AskFault;
use crate::cli::keys::{Key, Keys};
use crate::cli::local_time::LocalTime;
use crate::cli::overrides;
use crate::config::LocalSettings;
use crate::report::trend::Trend;
use crate::text;
use ratatui_core::terminal::Terminal;
use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Instant;

pub(super) fn watch(local: &LocalSettings, changes: usize) -> Result<(), AskFault> {
    let mut keys = Keys::of_screen();
    let (sender, news) = channel();
    listen(local, changes, sender.clone())?;
    ask_for_trend(local, sender.clone())?;
    let (Ok(_screen), Ok(mut terminal)) = (Screen::enter(), Terminal::new(Ansi::default())) else {
        return Ok(());
    };
    let mut live = Live {
        known: Known::nothing(local),
        trend: None,
        shown: Shown::default(),
        form: None,
        look: Look::of_terminal(),
        sender,
    };
    let (mut drawn, mut drawn_size, mut is_due): (Option<Instant>, _, _) = (None, size(), true);
    loop {
        for news in news.try_iter() {
            is_due |= live.take(news)?;
        }
        is_due |= size() != drawn_size || drawn.is_none_or(|drawn| drawn.elapsed() >= PERIOD);
        let soon = drawn.map_or(STEP, |drawn| STEP.saturating_sub(drawn.elapsed()));
        if is_due && drawn.is_none_or(|drawn| drawn.elapsed() >= STEP) {
            (drawn_size, is_due) = (size(), false);
            if live.draw(&mut terminal).is_err() {
                return Ok(());
            }
            drawn = Some(Instant::now());
        }
        match keys.next_within(if is_due { soon } else { STEP }) {
            Some(key) if live.press(key) => return Ok(()),
            Some(_) => is_due = true,
            None => {}
        }
    }
}

struct Live<'l> {
    known: Known<'l>,
    trend: Option<(Box<Trend>, Instant)>,
    shown: Shown,
    form: Option<Form>,
    look: Look,
    sender: SyncSender<News>,
}

impl Live<'_> {
    /// Takes what was reported. Is it to be drawn?
    fn take(&mut self, news: News) -> Result<bool, AskFault> {
        match news {
            News::Trend(trend) => self.trend = Some((trend, Instant::now())),
            News::Ordered(answer) => self.shown.prompt = Some(Prompt::Answer(answer)),
            news => return self.known.take(news),
        }
        Ok(true)
    }

    fn draw(&mut self, terminal: &mut Terminal<Ansi>) -> io::Result<()> {
        let (status, banners) = (self.known.status(), self.known.banners());
        let picture = Picture {
            status: status.as_ref(),
            trend: self.trend.as_ref().map(|(trend, since)| (&**trend, since.elapsed().as_secs())),
            banners: &banners,
            time: &LocalTime::now(),
            look: self.look,
        };
        if let Some(form) = &self.form {
            self.shown.prompt = Some(Prompt::Question(form.prompt()));
        }
        terminal.draw(|frame| {
            let cursor = picture.draw(&mut self.shown, frame.buffer_mut());
            cursor.into_iter().for_each(|cursor| frame.set_cursor_position(cursor));
        })?;
        Ok(())
    }

    /// Does what a key means. Is it the end?
    fn press(&mut self, key: Key) -> bool {
        if key == Key::End {
            return true;
        }
        if let Some(form) = &mut self.form {
            match form.press(key) {
                Outcome::Open => {}
                Outcome::Left => (self.form, self.shown.prompt) = (None, None),
                Outcome::Ordered { name, order } => {
                    self.form = None;
                    self.shown.prompt = Some(Prompt::Answer(format!("{name}: waiting for the daemon")));
                    self.order(name, order);
                }
            }
            return false;
        }
        // An answer stays until the next key.
        self.shown.prompt = None;
        let page = usize::from(size().height).saturating_sub(3).max(1);
        let Shown { climate, top, help, .. } = &mut self.shown;
        match key {
            Key::Char('q' | 'Q') => return true,
            Key::Char('?') => (*help, *top) = (!*help, 0),
            Key::Escape => *help = false,
            Key::Char('o' | 'O') => self.ask(),
            Key::Tab => *climate = climate.wrapping_add(1),
            Key::BackTab => *climate = climate.wrapping_sub(1),
            Key::Up | Key::Char('k') => *top = top.saturating_sub(1),
            Key::Down | Key::Char('j') => *top += 1,
            Key::PageUp => *top = top.saturating_sub(page),
            Key::PageDown | Key::Char(' ') => *top += page,
            _ => {}
        }
        false
    }

    /// Begins to ask for an override.
    fn ask(&mut self) {
        self.shown.help = false;
        let Some((status, _)) = &self.known.status else {
            self.shown.prompt = Some(Prompt::Answer("no daemon to override anything".to_owned()));
            return;
        };
        self.form = Some(Form::new(Names::of(&status.core)));
    }

    /// Has another thread give the order, since the daemon may take its time.
    fn order(&self, name: String, order: overrides::Order) {
        let (socket, sender) = (self.known.local.socket.clone(), self.sender.clone());
        let run = move || {
            let answer = overrides::send(&socket, &name, order).unwrap_or_else(|fault| {
                let told = overrides::usage(&fault).unwrap_or_else(|| fault.to_string());
                format!("not overridden: {}", text::escape(&told))
            });
            // Nobody waits for it if the screen is left.
            let _ = sender.send(News::Ordered(answer));
        };
        if thread::Builder::new().name("override".to_owned()).spawn(run).is_err() {
            let _ =
                self.sender.try_send(News::Ordered("not overridden: no thread could be started".to_owned()));
        }
    }
}
