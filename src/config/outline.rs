//! Finds the lines, headers and brackets of a text in one pass, so that each message about a fault need not search the file from its
//! start.

use super::spans::Span;

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// One line, without its line feed.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    /// Counted from 0.
    pub(super) index: usize,
    pub(super) start: usize,
    pub(super) text: &'t str,
}

impl Line<'_> {
    pub(super) fn span(&self) -> Span {
        Span { start: self.start, end: self.start + self.text.len() }
    }
}

/// A span as a person finds it.
pub(super) struct Place<'t> {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) shown: &'t str,
    pub(super) width: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let starts = core::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The line that a byte lies in.
    pub(super) fn at(&self, byte: usize) -> Line<'t> {
        self.line(self.starts.partition_point(|start| *start <= byte).saturating_sub(1))
    }

    fn line(&self, index: usize) -> Line<'t> {
        let start = self.starts.get(index).copied().unwrap_or(self.text.len());
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        Line { index, start, text: &self.text[start..end.max(start)] }
    }

    pub(super) fn place(&self, at: Span) -> Place<'t> {
        let start = floor(self.text, at.start);
        let end = floor(self.text, at.end).max(start);
        let line = self.at(start);
        Place {
            line: line.index + 1,
            column: self.text[line.start..start].chars().count() + 1,
            shown: line.text.trim_end_matches('\r'),
            width: self.text[start..end.min(line.span().end).max(start)].chars().count(),
        }
    }
}

/// The nearest character boundary at or before a byte.
pub(super) fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// A bracket that a value opens.
#[derive(Clone, Copy)]
pub(super) struct Bracket {
    pub(super) at: usize,
    pub(super) opens: char,
    /// Where it is closed, or where the next header or the end of the text shows that it is not.
    end: usize,
    is_closed: bool,
}

/// Lines, headers and the brackets of values, in the order of the text.
pub(super) struct Outline<'t> {
    pub(super) lines: Lines<'t>,
    headers: Vec<usize>,
    brackets: Vec<Bracket>,
    /// Those of the brackets that are never closed.
    unclosed: Vec<Bracket>,
}

impl<'t> Outline<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut pass = Pass::default();
        let lines = Lines::of(text);
        for index in 0..lines.starts.len() {
            pass.line(lines.line(index));
        }
        pass.give_up(text.len());
        let unclosed = pass.brackets.iter().filter(|bracket| !bracket.is_closed).copied().collect();
        Self { lines, headers: pass.headers, brackets: pass.brackets, unclosed }
    }

    pub(super) fn text(&self) -> &'t str {
        self.lines.text
    }

    /// The lines before this one, the first of the file first.
    pub(super) fn before(&self, line: Line<'t>) -> impl Iterator<Item = Line<'t>> {
        (0..line.index).map(|index| self.lines.line(index))
    }

    pub(super) fn is_header(&self, line: Line<'_>) -> bool {
        self.headers.binary_search(&line.index).is_ok()
    }

    /// The header in whose table a line lies; its own if it is one.
    pub(super) fn header_above(&self, line: Line<'_>) -> Option<Line<'t>> {
        let count = self.headers.partition_point(|header| *header <= line.index);
        self.headers.get(count.checked_sub(1)?).map(|header| self.lines.line(*header))
    }

    /// The last bracket before a byte that is never closed.
    pub(super) fn unclosed_before(&self, byte: usize) -> Option<Bracket> {
        before(&self.unclosed, byte).last().copied()
    }

    /// Does a byte lie between brackets?
    pub(super) fn is_bracketed(&self, byte: usize) -> bool {
        self.outermost(byte).is_some()
    }

    /// The lines from where the value that a byte lies in begins to the byte.
    pub(super) fn value_upto(&self, byte: usize) -> Span {
        let start = self.outermost(byte).map_or(byte, |bracket| bracket.at);
        Span { start: self.lines.at(start).start, end: self.lines.at(byte).span().end }
    }

    fn outermost(&self, byte: usize) -> Option<&Bracket> {
        before(&self.brackets, byte).iter().find(|bracket| byte < bracket.end)
    }
}

fn before(brackets: &[Bracket], byte: usize) -> &[Bracket] {
    &brackets[..brackets.partition_point(|bracket| bracket.at <= byte)]
}

/// What the pass over the lines carries.
#[derive(Default)]
struct Pass {
    headers: Vec<usize>,
    brackets: Vec<Bracket>,
    /// Those of the brackets that are open.
    open: Vec<usize>,
    /// What closes the text of several lines that the pass is in.
    text_ends: Option<&'static str>,
}

impl Pass {
    fn line(&mut self, line: Line<'_>) {
        let from = match self.text_ends {
            Some(end) => match line.text.find(end) {
                Some(at) => at + end.len(),
                None => return,
            },
            None if is_header(line.text, !self.open.is_empty()) => {
                self.give_up(line.start);
                return self.headers.push(line.index);
            }
            None if self.open.is_empty() => match line.text.find('=') {
                Some(at) => at,
                None => return,
            },
            None => 0,
        };
        self.text_ends = None;
        self.values(line, from);
    }

    /// The brackets of a line outside of its texts and remark.
    fn values(&mut self, line: Line<'_>, from: usize) {
        let mut at = from;
        let mut before = None;
        while let Some(c) = line.text[at..].chars().next() {
            match c {
                '#' => return,
                '"' | '\'' => match end_of_text(&line.text[at..]) {
                    Ok(length) => {
                        at += length;
                        before = Some(c);
                        continue;
                    }
                    Err(text_ends) => {
                        self.text_ends = text_ends;
                        return;
                    }
                },
                // Elsewhere it is a character of a text that lacks its quotes.
                '[' | '{' if matches!(before, None | Some('=' | '[' | '{' | ',')) => {
                    self.open.push(self.brackets.len());
                    self.brackets.push(Bracket { at: line.start + at, opens: c, end: 0, is_closed: false });
                }
                ']' => self.close('[', line.start + at),
                '}' => self.close('{', line.start + at),
                _ => {}
            }
            if !c.is_whitespace() {
                before = Some(c);
            }
            at += c.len_utf8();
        }
    }

    fn close(&mut self, opens: char, end: usize) {
        let last = self.open.last().and_then(|last| self.brackets.get_mut(*last));
        if let Some(last) = last.filter(|last| last.opens == opens) {
            (last.end, last.is_closed) = (end, true);
            self.open.pop();
        }
    }

    /// What is open here is not closed.
    fn give_up(&mut self, end: usize) {
        for open in self.open.drain(..) {
            if let Some(bracket) = self.brackets.get_mut(open) {
                bracket.end = end;
            }
        }
    }
}

/// The length of the text in quotes that this begins with; if it goes on below, what it ends with there.
fn end_of_text(text: &str) -> Result<usize, Option<&'static str>> {
    for triple in ["\"\"\"", "'''"] {
        if let Some(inner) = text.strip_prefix(triple) {
            return inner.find(triple).map(|length| length + 2 * triple.len()).ok_or(Some(triple));
        }
    }
    let is_literal = text.starts_with('\'');
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if !is_literal => is_escaped = true,
            '\'' if is_literal => return Ok(at + 1),
            '"' if !is_literal => return Ok(at + 1),
            _ => {}
        }
    }
    Err(None)
}

/// Does a line begin a table? Within brackets a list may stand in a line of its own, too.
fn is_header(line: &str, is_bracketed: bool) -> bool {
    let Some(rest) = line.trim().strip_prefix('[') else { return false };
    if !is_bracketed {
        return true;
    }
    let name = rest.strip_prefix('[').unwrap_or(rest);
    let Some((name, rest)) = name.split_once(']') else { return false };
    let rest = rest.strip_prefix(']').unwrap_or(rest).trim_start();
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.\"' ".contains(c))
        && (rest.is_empty() || rest.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unclosed(text: &str) -> Vec<&str> {
        let outline = Outline::of(text);
        outline.unclosed.iter().map(|bracket| outline.lines.at(bracket.at).text).collect()
    }

    #[test]
    fn what_closes_a_bracket_may_stand_in_a_later_line() {
        for right in [
            "a = [\n 1,\n 2,\n]\n[b]\n",
            "a = [\n [1, 2],\n [\"x\"],\n]\n",
            "a = \"[\" # {\nb = '{'\nc = \"\"\"\n[\n\"\"\"\nd = \"\\\"[\"\n",
            "a = x[1\n",
            "[a]\n\"b[\" = { c = [1] }\n",
        ] {
            assert!(unclosed(right).is_empty(), "{right}: {:?}", unclosed(right));
        }
        for (wrong, line) in [
            ("a = [1, 2\n[b]\nc = [1]\n", "a = [1, 2"),
            ("a = [1, 2\nb = [1]\n", "a = [1, 2"),
            ("a = { b = [1]\nc = 1\n", "a = { b = [1]"),
            ("a = [1, 2}\n", "a = [1, 2}"),
            ("x = [\n1]\na = [\n[b.\"c d\"] # d\n", "a = ["),
        ] {
            assert_eq!(unclosed(wrong), [line], "{wrong}");
        }
    }

    #[test]
    fn a_line_lies_below_the_last_header() {
        let outline = Outline::of("a = 1\n[b]\nc = [\n[1],\n]\n[d]\ne = 1");
        let above = |byte| outline.header_above(outline.lines.at(byte)).map(|header| header.text);
        let text = outline.text();
        assert_eq!(above(0), None);
        assert_eq!(above(text.find("[1]").unwrap()), Some("[b]"));
        assert_eq!(above(text.len()), Some("[d]"));
    }
}
