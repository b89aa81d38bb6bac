//! A page for people: rows with a label, laid out in so many columns, in colour if the terminal shows colours.

use crate::text;
use std::io::IsTerminal;

/// The columns of the labels.
const LABEL: usize = 9;
/// The columns of a terminal that does not know its size, as on a serial line.
const COLUMNS: usize = 80;
/// In fewer columns nothing can be read; lines are longer then.
const COLUMNS_MIN: usize = 40;

/// How urgent a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Like most.
    Plain,
    /// Of less interest.
    Faint,
    /// All is well.
    Good,
    /// Not as it should be, but nobody needs to act at once.
    Degraded,
    /// A person must act.
    Bad,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Degraded => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

/// How a page is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The columns of a line.
    pub columns: usize,
    /// Are there colours?
    pub colour: bool,
}

impl Layout {
    /// Without colour and with each row on one line: for a pipe or a file, where other programs look for it.
    pub fn unlimited() -> Self {
        Self::plain(usize::MAX)
    }

    /// Without colour, for a terminal of so many columns; 0 if it does not know.
    pub fn plain(columns: usize) -> Self {
        Self { columns: if columns == 0 { COLUMNS } else { columns }, colour: false }
    }

    /// For `out`: as wide as the terminal that it is, and in colour there unless `NO_COLOR` is set (<https://no-color.org>) or the
    /// terminal knows none.
    pub fn of(out: &(impl IsTerminal + rustix::fd::AsFd)) -> Self {
        if !out.is_terminal() {
            return Self::unlimited();
        }
        let columns = rustix::termios::tcgetwinsize(out).map_or(0, |size| usize::from(size.ws_col));
        let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let knows_colours = std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty());
        Self { colour: unset("NO_COLOR") && knows_colours, ..Self::plain(columns) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    label: &'static str,
    text: String,
    tone: Tone,
}

/// Rows, from the top on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page(Vec<Row>);

impl Page {
    /// Adds a row; one without a label continues the row before.
    pub fn row(&mut self, label: &'static str, text: &str) {
        self.row_in(Tone::Plain, label, text);
    }

    /// Adds a row of this urgency.
    pub fn row_in(&mut self, tone: Tone, label: &'static str, text: &str) {
        // Foreign text is escaped and stays one row.
        self.0.push(Row { label, text: text::escape(text).into_owned(), tone });
    }

    /// The lines of the page without colours, each with the urgency of its row.
    pub(super) fn toned_lines(&self, layout: Layout) -> Vec<(Tone, String)> {
        let layout = Layout { colour: false, ..layout };
        let lines = |row: &Row| row.lines(layout).map(|line| (row.tone, line)).collect::<Vec<_>>();
        self.0.iter().flat_map(lines).collect()
    }

    /// The lines of the page.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        self.0.iter().flat_map(|row| row.lines(layout)).collect()
    }

    /// The same as text.
    pub fn text(&self, layout: Layout) -> String {
        self.lines(layout).into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
    }
}

impl Row {
    fn lines(&self, layout: Layout) -> impl Iterator<Item = String> {
        let room = layout.columns.max(COLUMNS_MIN) - LABEL;
        let pieces = wrapped(&self.text, room);
        let colour = if layout.colour { self.tone.colour() } else { "" };
        let end = if colour.is_empty() { "" } else { "\x1b[0m" };
        let label = self.label;
        pieces.into_iter().enumerate().map(move |(index, piece)| {
            let label = if index == 0 { label } else { "" };
            format!("{colour}{label:<LABEL$}{piece}{end}")
        })
    }
}

/// The text in pieces of at most so many characters, parted between words where that is possible.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let gap = usize::from(used > 0);
        if used + gap + word.len() <= room {
            if let Some(piece) = pieces.last_mut() {
                piece.extend((gap > 0).then_some(' '));
                piece.extend(&word);
            }
            used += gap + word.len();
            continue;
        }
        if used > 0 {
            pieces.push(String::new());
        }
        while word.len() > room {
            let rest = word.split_off(room);
            pieces.last_mut().into_iter().for_each(|piece| piece.extend(&word));
            pieces.push(String::new());
            word = rest;
        }
        pieces.last_mut().into_iter().for_each(|piece| piece.extend(&word));
        used = word.len();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_are_parted_between_words_and_aligned() {
        let mut page = Page::default();
        page.row("hub", "contoso.azure-devices.net/pi, not connected for 5 min: TLS: the certificate of the hub has expired");
        page.row("sensor", &"x".repeat(100));
        let lines = page.lines(Layout::plain(0));
        let wanted = [
            "hub      contoso.azure-devices.net/pi, not connected for 5 min: TLS: the",
            "         certificate of the hub has expired",
        ];
        assert_eq!(lines[..2], wanted);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        let joined: String =
            lines[2..].iter().map(|line| line.chars().skip(LABEL).collect::<String>()).collect();
        assert_eq!(joined, "x".repeat(100), "a word that is too long is parted");
        assert_eq!(page.lines(Layout::unlimited()).len(), 2);
        assert!(page.lines(Layout::plain(1)).iter().all(|line| line.chars().count() <= COLUMNS_MIN));
    }

    #[test]
    fn colours_say_how_urgent_a_row_is_and_stand_only_where_they_are_wanted() {
        let mut page = Page::default();
        page.row_in(Tone::Bad, "ALARM", "disk\u{1b}[2J");
        page.row("sensor", "roof");
        let told = "\x1b[1;31mALARM    disk\\u{1b}[2J\x1b[0m\nsensor   roof\n";
        assert_eq!(page.text(Layout { columns: 80, colour: true }), told);
        assert_eq!(page.text(Layout::plain(0)), "ALARM    disk\\u{1b}[2J\nsensor   roof\n");
    }
}
