//! Foreign text for a log: what a hub, a proxy or a library says becomes one short line. The core's `text` escapes it for a
//! terminal.

/// The most characters that are kept.
pub(super) const CHARS_MAX: usize = 200;

/// One short line of it: control characters become spaces, runs of space one, the rest is cut.
pub fn shorten(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short = String::new();
    let mut count = 0;
    for c in spaced.skip_while(|c| c.is_whitespace()) {
        if c.is_whitespace() && short.ends_with(' ') {
            continue;
        }
        if count == CHARS_MAX {
            short.push('…');
            break;
        }
        short.push(if c.is_whitespace() { ' ' } else { c });
        count += 1;
    }
    short.truncate(short.trim_end().len());
    short
}
