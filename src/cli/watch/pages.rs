//! Without a terminal, or on one that cannot move its cursor: pages of `twind status` that follow each other, with each change and
//! each second.

use super::{Known, PERIOD, STEP, channel, listen};
use crate::cli::ask::AskFault;
use crate::cli::keys::{Key, Keys};
use crate::cli::local_time::LocalTime;
use crate::cli::page::Layout;
use crate::cli::status::page;
use crate::config::LocalSettings;
use std::io::{self, Write as _};
use std::time::Instant;

pub(super) fn watch(local: &LocalSettings, changes: usize) -> Result<(), AskFault> {
    let mut keys = Keys::read();
    let (sender, news) = channel();
    listen(local, changes, sender)?;
    let mut known = Known::nothing(local);
    let mut shown: Option<Instant> = None;
    loop {
        for news in news.try_iter() {
            if known.take(news)? {
                shown = None;
            }
        }
        let is_due = shown.is_none_or(|shown| shown.elapsed() >= PERIOD);
        if let Some(page) = is_due.then(|| text(&known)).flatten() {
            shown = Some(Instant::now());
            let mut out = io::stdout().lock();
            if writeln!(out, "{page}").and_then(|()| out.flush()).is_err() {
                return Ok(());
            }
        }
        if let Some(Key::End | Key::Char('q' | 'Q')) = keys.next_within(STEP) {
            return Ok(());
        }
    }
}

/// The page as it is now; `None` until there is something to say.
fn text(known: &Known<'_>) -> Option<String> {
    let mut text: String = known.banners().into_iter().map(|line| line + "\n").collect();
    match known.status() {
        Some(status) => text += &page(&status, &LocalTime::now()).text(Layout::of(&io::stdout())),
        None if text.is_empty() => return None,
        None => {}
    }
    Some(text)
}
