//! A page for people: rows with a label, laid out in so many columns, in colour if the terminal shows colours.

use crate::text;
use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;

/// The columns of the labels.
const LABEL: usize = 9;
/// The columns and rows of a terminal that does not know its size, as on a serial line.
const COLUMNS: usize = 80;
const ROWS: usize = 24;
/// In fewer columns nothing can be read; lines are longer then.
const COLUMNS_MIN: usize = 40;
/// What stays on the line of the number before it.
const UNITS: [&str; 13] = ["%", "°C", "°F", "C", "F", "K", "d", "h", "min", "s", "rpm", "KiB", "MiB"];

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
    /// The rows of the terminal, if it is for one.
    pub rows: Option<usize>,
    /// Are there colours?
    pub colour: bool,
    /// Is there more than ASCII?
    pub unicode: bool,
}

impl Layout {
    /// Without colour and with each row on one line: for a pipe or a file, where other programs look for it.
    pub fn unlimited() -> Self {
        Self::plain(usize::MAX)
    }

    /// Without colour, in so many columns; 0 if a terminal does not know.
    pub fn plain(columns: usize) -> Self {
        let columns = if columns == 0 { COLUMNS } else { columns };
        Self { columns, rows: None, colour: false, unicode: true }
    }

    /// For `out`: as large as the terminal that it is, in colour there unless `NO_COLOR` is set (<https://no-color.org>) or the
    /// terminal knows none, and in ASCII unless the locale is one of UTF-8, as a serial console's is not.
    pub fn of(out: &(impl IsTerminal + rustix::fd::AsFd)) -> Self {
        if !out.is_terminal() {
            return Self::unlimited();
        }
        let size = rustix::termios::tcgetwinsize(out).ok();
        let (columns, rows) = size.map_or((0, 0), |size| (size.ws_col.into(), size.ws_row.into()));
        let named = |name| env::var_os(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(named);
        Self {
            rows: Some(if rows == 0 { ROWS } else { rows }),
            colour: named("NO_COLOR").is_none() && named("TERM").is_some() && !is_dumb(),
            unicode: locale.is_some_and(|one| is_utf8(&one.to_string_lossy())),
            ..Self::plain(columns)
        }
    }

    fn shown(self, text: &str) -> Cow<'_, str> {
        if self.unicode { Cow::Borrowed(text) } else { in_ascii(text) }
    }
}

/// Does the terminal say that it can neither show colours nor move its cursor?
pub(super) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// The text for a terminal that has ASCII alone.
pub(super) fn in_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let shown = |c| match c {
        '°' => None,
        '→' => Some('>'),
        c if char::is_ascii(&c) => Some(c),
        _ => Some('?'),
    };
    Cow::Owned(text.chars().filter_map(shown).collect())
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
        let pieces = wrapped(&layout.shown(&self.text), room);
        let colour = if layout.colour { self.tone.colour() } else { "" };
        let end = if colour.is_empty() { "" } else { "\x1b[0m" };
        let label = self.label;
        pieces.into_iter().enumerate().map(move |(index, piece)| {
            let label = if index == 0 { label } else { "" };
            format!("{colour}{label:<LABEL$}{piece}{end}")
        })
    }
}

/// The text in pieces of at most so many characters, parted between words where that is possible. A number keeps its unit.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for word in words(text) {
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

/// What is not parted: a word, or a number with its unit.
fn words(text: &str) -> Vec<Cow<'_, str>> {
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    for word in text.split(' ') {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', ';', ':', '.', ')']));
        match words.last_mut().filter(|before| is_unit && before.ends_with(|c: char| c.is_ascii_digit())) {
            Some(before) => {
                let before = before.to_mut();
                before.push(' ');
                before.push_str(word);
            }
            None => words.push(Cow::Borrowed(word)),
        }
    }
    words
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
        assert_eq!(page.text(Layout { colour: true, ..Layout::plain(80) }), told);
        assert_eq!(page.text(Layout::plain(0)), "ALARM    disk\\u{1b}[2J\nsensor   roof\n");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        let text = "the fan has 100 % for 5 min 22 s, at 24 °C";
        for room in 8..50 {
            let pieces = wrapped(text, room);
            assert_eq!(pieces.join(" "), text);
            let begins = |piece: &String| UNITS.iter().any(|unit| piece.starts_with(&format!("{unit} ")));
            assert!(!pieces.iter().any(|piece| begins(piece) || piece.starts_with("s,")), "{pieces:#?}");
        }
    }

    #[test]
    fn without_unicode_there_is_ascii_alone() {
        assert_eq!(in_ascii("→ 24 °C in Köln"), "> 24 C in K?ln");
        let mut page = Page::default();
        page.row("sensor", "roof: 24 °C");
        assert_eq!(page.text(Layout { unicode: false, ..Layout::plain(80) }), "sensor   roof: 24 C\n");
    }

    #[test]
    fn a_locale_says_whether_there_is_unicode() {
        for (locale, is) in [("en_GB.UTF-8", true), ("C.utf8", true), ("C", false), ("de_DE@euro", false)] {
            assert_eq!(is_utf8(locale), is, "{locale}");
        }
    }
}
