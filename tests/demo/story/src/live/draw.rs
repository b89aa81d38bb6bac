//! The picture: at the top the scene, below it the site with its fan beside what the back end and twind say, then what is told of
//! the scene. Right at 80×24; a larger terminal has room for more.

use super::enclosure;
use super::look::{Look, Tone};
use super::view::{Climate, Earlier, Mark, Output, View, World};
use ratatui_core::buffer::Buffer;

/// The rows of the site's picture.
const SITE_ROWS: u16 = 9;
/// The least and the most columns of an output's bar.
const BAR_MIN: usize = 4;
const BAR_MAX: usize = 10;

/// Where text is put, and how it looks.
pub(super) struct Canvas<'b> {
    pub(super) buffer: &'b mut Buffer,
    pub(super) look: Look,
}

impl Canvas<'_> {
    /// Puts text there, as far as it is left of the column `end` and within the screen. Returns the column after it.
    pub(super) fn text(&mut self, x: u16, y: u16, end: u16, tone: Tone, text: &str) -> u16 {
        let end = end.min(self.buffer.area.width);
        if x >= end || y >= self.buffer.area.height {
            return x;
        }
        let room = usize::from(end - x);
        self.buffer.set_stringn(x, y, text, room, self.look.style(tone)).0
    }
}

/// Draws all of it. `turn` is how far the fan has turned, in eighths of a round.
pub(super) fn draw(view: &View, turn: f64, look: Look, buffer: &mut Buffer) {
    let (width, height) = (buffer.area.width, buffer.area.height);
    let mut canvas = Canvas { buffer, look };
    let mut y = head(&mut canvas, view, width);
    let left = (width * 48 / 100).min(56);
    if view.world.enclosure.is_some() {
        enclosure::draw(&mut canvas, &view.world, y, left.saturating_sub(1), turn);
    } else {
        site(&mut canvas, view, y, left.saturating_sub(1), turn);
    }
    says(&mut canvas, view, y, left + 1, width);
    y += SITE_ROWS;
    canvas.text(0, y, width, Tone::Faint, &"─".repeat(width.into()));
    let end = height.saturating_sub(1);
    told(&mut canvas, view, y + 1, end, width);
    let foot = "one second is a minute there";
    let at = width.saturating_sub(foot.chars().count() as u16 + 1);
    canvas.text(1, end, at, Tone::Faint, "Ctrl-C ends it and leaves nothing behind");
    canvas.text(at, end, width, Tone::Faint, foot);
}

/// The scene, and how the daemon and its hub are. Returns the row below.
fn head(canvas: &mut Canvas<'_>, view: &View, width: u16) -> u16 {
    let (daemon, hub) = match view.world.daemon {
        Some((pid, online)) => {
            let hub = if online { ("connected", Tone::Good) } else { ("cut off", Tone::Bad) };
            ((format!("twind {pid}"), Tone::Good), hub)
        }
        None => (("twind is gone".to_owned(), Tone::Bad), ("-", Tone::Faint)),
    };
    let states = format!("{}   hub {}", daemon.0, hub.0);
    let at = width.saturating_sub(states.chars().count() as u16 + 1);
    let count = if view.scenes == 0 { String::new() } else { format!(" of {}", view.scenes) };
    let scene = match view.scene {
        0 => view.site.clone(),
        scene => format!("{}, scene {scene}{count}", view.site),
    };
    canvas.text(1, 0, at.saturating_sub(1), Tone::Faint, &scene);
    let x = canvas.text(at, 0, width, daemon.1, &daemon.0);
    let x = canvas.text(x + 3, 0, width, Tone::Plain, "hub ");
    canvas.text(x, 0, width, hub.1, hub.0);
    for (row, line) in (1..).zip(wrapped(&view.title, usize::from(width).saturating_sub(2)).iter().take(2)) {
        canvas.text(1, row, width, Tone::Strong, line);
    }
    3
}

/// A site with several climates or outputs: a line and a gauge for each climate, a line for each output.
fn site(canvas: &mut Canvas<'_>, view: &View, top: u16, end: u16, turn: f64) {
    let World { climates, outputs, .. } = &view.world;
    let mut y = top;
    for climate in climates {
        let x = canvas.text(1, y, end, Tone::Plain, &format!("{}  ", climate.name));
        canvas.text(x, y, end, tone(climate), &reading(climate));
        let (min, max) = climate.range;
        gauge(canvas, climate, (min - (max - min), max + (max - min)), (1, y + 1), end);
        y += 2;
    }
    let names = outputs.iter().map(|output| output.name.chars().count()).max().unwrap_or(0);
    for output in outputs {
        drive(canvas, output, names, (1, y), end, turn);
        y += 1;
    }
}

fn reading(climate: &Climate) -> String {
    let (min, max) = climate.range;
    let unit = climate.unit;
    let range = format!("in {min:.1} to {max:.1} {unit}");
    climate.value.map_or_else(|| format!("no reading, {range}"), |value| format!("{value:.1} {range}"))
}

/// Cold below the range, bad above it.
pub(super) fn tone(climate: &Climate) -> Tone {
    match climate.value {
        None => Tone::Bad,
        Some(value) if value < climate.range.0 => Tone::Cold,
        Some(value) if value > climate.range.1 => Tone::Warning,
        Some(_) => Tone::Good,
    }
}

/// The temperature as `●` on a line, its range as `[   ]`.
pub(super) fn gauge(
    canvas: &mut Canvas<'_>,
    climate: &Climate,
    axis: (f64, f64),
    (x, y): (u16, u16),
    end: u16,
) {
    let last = f64::from(end.saturating_sub(x + 1));
    let place =
        |value: f64| x + ((value - axis.0) / (axis.1 - axis.0) * last).clamp(0.0, last).round() as u16;
    let (min, max) = (place(climate.range.0), place(climate.range.1));
    for column in x..end {
        let (sign, tone) = match column {
            column if column == min => ("[", Tone::Plain),
            column if column == max => ("]", Tone::Plain),
            column if column > min && column < max => ("░", Tone::Faint),
            _ => ("·", Tone::Faint),
        };
        canvas.text(column, y, end, tone, sign);
    }
    if let Some(value) = climate.value {
        canvas.text(place(value), y, end, tone(climate), "●");
    }
}

/// An output: something that turns with it, its bar, and what decides it.
pub(super) fn drive(
    canvas: &mut Canvas<'_>,
    output: &Output,
    names: usize,
    (x, y): (u16, u16),
    end: u16,
    turn: f64,
) {
    let sign = if output.percent > 0.0 { ["│", "╱", "─", "╲"][turn as usize % 4] } else { "·" };
    let x = canvas.text(x, y, end, Tone::Cold, sign);
    let x = canvas.text(x + 1, y, end, Tone::Plain, &format!("{:<names$} ", output.name));
    let cause = output.cause.trim_start_matches("fail-safe ");
    let told = format!(" {:3.0} % ", output.percent);
    let room = usize::from(end.saturating_sub(x));
    let bar = room.saturating_sub(told.len() + cause.chars().count()).clamp(BAR_MIN, BAR_MAX);
    let full = ((output.percent / 100.0 * bar as f64).ceil() as usize).min(bar);
    let x = canvas.text(x, y, end, Tone::Good, &"█".repeat(full));
    let x = canvas.text(x, y, end, Tone::Faint, &"░".repeat(bar - full));
    let x = canvas.text(x, y, end, Tone::Plain, &told);
    canvas.text(x, y, end, Tone::Faint, cause);
}

/// What the back end and twind say.
fn says(canvas: &mut Canvas<'_>, view: &View, top: u16, x: u16, width: u16) {
    let room = usize::from(width.saturating_sub(x + 1));
    let rows = if view.world.alarms.is_empty() { 3 } else { 2 };
    let mut y = top;
    let mut say = |canvas: &mut Canvas<'_>, label: &str, tone, text: &str, rows: usize| {
        canvas.text(x, y, width, Tone::Faint, label);
        let mut lines = wrapped(text, room);
        if lines.len() > rows {
            lines.truncate(rows);
            lines[rows - 1] = shortened(format!("{}…", lines[rows - 1]), room);
        }
        for line in lines {
            y += 1;
            canvas.text(x, y, width, tone, &line);
        }
        y += 1;
    };
    let or_nothing = |text: &str| if text.is_empty() { "nothing yet".to_owned() } else { text.to_owned() };
    say(canvas, "The back end wrote", Tone::Plain, &or_nothing(&view.written), rows);
    say(canvas, "twind reported", Tone::Plain, &or_nothing(&view.world.reported), rows + 1);
    if !view.world.alarms.is_empty() {
        say(canvas, "Alarm", Tone::Bad, &view.world.alarms.join(", "), 1);
    }
}

/// The scenes before as far as there is room, the lines of this one, and what is waited for.
fn told(canvas: &mut Canvas<'_>, view: &View, top: u16, end: u16, width: u16) {
    let room = usize::from(width).saturating_sub(5);
    let mut rows: Vec<(Tone, &str, String)> = Vec::new();
    for Earlier { scene, title, good } in &view.earlier {
        let (tone, sign) = if *good { (Tone::Faint, "✓") } else { (Tone::Bad, "✗") };
        rows.push((tone, sign, shortened(format!("scene {scene}: {title}"), room)));
    }
    for told in &view.told {
        let (tone, sign) = match told.mark {
            Mark::Note => (Tone::Plain, " "),
            Mark::Good => (Tone::Good, "✓"),
            Mark::Bad => (Tone::Bad, "✗"),
        };
        for (index, line) in wrapped(&told.text, room).into_iter().enumerate() {
            rows.push((tone, if index == 0 { sign } else { " " }, line));
        }
    }
    rows.extend(view.waiting.as_ref().map(|what| (Tone::Faint, "…", what.clone())));
    let visible = usize::from(end.saturating_sub(top));
    let skipped = rows.len().saturating_sub(visible);
    for (y, (tone, sign, line)) in (top..end).zip(rows.iter().skip(skipped)) {
        canvas.text(1, y, width, *tone, sign);
        let tone = if *tone == Tone::Good { Tone::Plain } else { *tone };
        canvas.text(3, y, width, tone, line);
    }
}

/// At most so many characters of the text.
fn shortened(text: String, width: usize) -> String {
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text in lines of at most so many characters, broken after a space, a comma or a brace where there is one.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut count = 0;
    for piece in text.split_inclusive([' ', ',', '{']) {
        let length = piece.trim_end().chars().count();
        if count > 0 && count + length > width {
            lines.push(String::new());
            count = 0;
        }
        for c in piece.chars() {
            if count == width {
                if c == ' ' {
                    continue;
                }
                lines.push(String::new());
                count = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
                count += 1;
            }
        }
    }
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
    lines.retain(|line| !line.is_empty());
    lines
}
