//! What stands on the screen: at the top the verdict and the hub, at the bottom the keys, and between them, as far as there is
//! room and to be scrolled, what is not well, climates, outputs, changes and the rest of the page of `twind status`.

use super::chart::{Point, chart};
use super::look::Look;
use crate::cli::local_time::LocalTime;
use crate::cli::page::{Layout, Page, Tone, wrapped};
use crate::cli::quantity::Quantity;
use crate::cli::{status, verdict};
use crate::report::status::{ClimateStatus, OutputStatus, Status, Tidy};
use crate::report::trend::{ClimateTrend, Short, Trend};
use crate::service::DaemonStatus;
use crate::text;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Position, Rect};
use ratatui_core::text::{Line, Span};

/// A chart has at least and at most so many rows, with the time.
const CHART_MIN: usize = 6;
const CHART_MAX: usize = 16;
/// A gauge has at least and at most so many columns.
const GAUGE_MIN: usize = 10;
const GAUGE_MAX: usize = 20;
/// The least columns for what stands right of a gauge.
const DRIVE_MIN: usize = 24;
/// The part of the screen's body that notes may take, the rest of them being below.
const NOTES_PART: usize = 3;

/// The keys, and how much each matters: where there is no room for all, the last go first.
const KEYS: [(&str, u8); 5] =
    [("q end", 0), ("o override", 2), ("Tab climate", 4), ("arrows, PgUp, PgDn scroll", 3), ("? help", 1)];
const HELP: [(&str, &str); 8] = [
    ("q, Ctrl-C", "end"),
    ("Tab", "the chart of the next climate"),
    ("Shift-Tab", "the chart of the climate before"),
    ("arrows", "scroll by a line"),
    ("PgUp, PgDn", "scroll by a page"),
    ("o", "override an output or a climate; it asks before anything is done"),
    ("Esc", "leaves an override or this help"),
    ("?", "this help"),
];

/// What is shown beside the status.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// Which climate, counted from the first; what is too far comes round.
    pub(super) climate: isize,
    /// The first line that is shown.
    pub(super) top: usize,
    pub(super) help: bool,
    /// The last line: a question, or an answer.
    pub(super) prompt: Option<Prompt>,
}

/// What stands in place of the keys.
#[derive(Clone, Debug)]
pub(super) enum Prompt {
    /// With the cursor behind it.
    Question(String),
    Answer(String),
}

/// What is to be drawn.
pub(super) struct Picture<'p> {
    pub(super) status: Option<&'p DaemonStatus>,
    /// The trend, and how many seconds ago it was received.
    pub(super) trend: Option<(&'p Trend, u64)>,
    pub(super) banners: &'p [String],
    pub(super) time: &'p LocalTime,
    pub(super) look: Look,
}

impl Picture<'_> {
    /// Draws it, and corrects what is scrolled too far. Returns where the cursor stands, if there is one.
    pub(super) fn draw(&self, shown: &mut Shown, buffer: &mut Buffer) -> Option<Position> {
        let area = buffer.area;
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let head = self.head(width);
        let (mut foot, cursor) = self.foot(shown, width, height);
        let head_rows = head.len().min(height.saturating_sub(1));
        let foot_rows = foot.len().min(height - head_rows);
        let room = height - head_rows - foot_rows;
        let body = if shown.help { self.help() } else { self.body(shown, width, room) };
        shown.top = shown.top.min(body.len().saturating_sub(room));
        let rest = body.len().saturating_sub(shown.top + room);
        put(buffer, area, 0, &head[..head_rows]);
        let visible = &body[shown.top..body.len().min(shown.top + room)];
        put(buffer, area, head_rows, visible);
        let foot_at = height - foot_rows;
        let mut more_width = 0;
        if shown.prompt.is_none() && foot_rows > 0 && (shown.top > 0 || rest > 0) {
            let more = self.look.either("↑", "^").repeat(usize::from(shown.top > 0))
                + &self.look.either("↓", "v").repeat(usize::from(rest > 0));
            let more = format!(" {more} {}-{}/{}", shown.top + 1, body.len() - rest, body.len());
            more_width = more.chars().count();
            let at = width.saturating_sub(more_width);
            let line = Line::from(Span::styled(more, self.look.tone(Tone::Faint)));
            put(buffer, Rect { x: area.x + at as u16, width: (width - at) as u16, ..area }, foot_at, &[line]);
        }
        if shown.prompt.is_none() {
            foot = vec![self.line(Tone::Faint, &keys(width.saturating_sub(more_width)))];
        }
        // A question is read from its end.
        let foot_area = Rect { width: area.width - more_width.min(width) as u16, ..area };
        put(buffer, foot_area, foot_at, &foot[foot.len() - foot_rows..]);
        cursor.map(|column| Position {
            x: column.min(width.saturating_sub(1)) as u16,
            y: area.height.saturating_sub(1),
        })
    }

    fn line(&self, tone: Tone, text: &str) -> Line<'static> {
        Line::from(Span::styled(self.look.text(text).into_owned(), self.look.tone(tone)))
    }

    /// Rows as `twind status` has them.
    fn rows(&self, page: &Page, width: usize) -> Vec<Line<'static>> {
        let lines = page.toned_lines(Layout::plain(width));
        lines.iter().map(|(tone, line)| self.line(*tone, line)).collect()
    }

    fn head(&self, width: usize) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        if let Some(status) = self.status {
            let (tone, verdict) = verdict::of(status);
            let hub = hub(status);
            let verdict = format!("twind: {}", text::escape(&verdict));
            let used = verdict.chars().count() + hub.chars().count();
            if used + 2 <= width {
                let mut line = self.line(tone, &verdict);
                line.push_span(Span::raw(" ".repeat(width - used)));
                line.push_span(Span::raw(self.look.text(&hub).into_owned()));
                lines.push(line);
            } else {
                lines.extend(wrapped(&verdict, width.max(1)).iter().map(|line| self.line(tone, line)));
                lines.push(self.line(Tone::Plain, &hub));
            }
        }
        let room = width.max(1);
        let banners = self.banners.iter().flat_map(|banner| wrapped(banner, room));
        lines.extend(banners.map(|banner| self.line(Tone::Degraded, &banner)));
        lines
    }

    /// The last lines, and in which column of the very last the cursor stands.
    fn foot(&self, shown: &Shown, width: usize, height: usize) -> (Vec<Line<'static>>, Option<usize>) {
        let lines = |prompt: &str| {
            let shown = text::escape(prompt);
            let pieces = wrapped(&self.look.text(&shown), width.max(1));
            pieces[pieces.len().saturating_sub((height / 2).max(1))..].to_vec()
        };
        let told = |lines: &[String]| lines.iter().map(|line| self.line(Tone::Plain, line)).collect();
        match &shown.prompt {
            // Which keys have room is not known yet.
            None => (vec![Line::default()], None),
            Some(Prompt::Answer(answer)) => {
                (answer.lines().flat_map(lines).map(|line| self.line(Tone::Plain, &line)).collect(), None)
            }
            Some(Prompt::Question(question)) => {
                let lines = lines(question);
                let column = lines.last().map_or(0, |line| line.chars().count());
                (told(&lines), Some(column))
            }
        }
    }

    fn help(&self) -> Vec<Line<'static>> {
        let keys = HELP.iter().map(|(key, does)| self.line(Tone::Plain, &format!("{key:<12}{does}")));
        let more = [
            "",
            "A chart shows a climate over the last hour, on the band of its range.",
            "twind status shows all of this at once; man twind explains it.",
        ];
        keys.chain(more.map(|line| self.line(Tone::Faint, line))).collect()
    }

    fn body(&self, shown: &Shown, width: usize, room: usize) -> Vec<Line<'static>> {
        let Some(status) = self.status else { return Vec::new() };
        let core = &status.core;
        let page = |write: &dyn Fn(&mut Page)| {
            let mut page = Page::default();
            write(&mut page);
            self.rows(&page, width)
        };
        let [troubles, more] = verdict::parted(status, Layout::plain(width), room / NOTES_PART);
        let [troubles, more] = [troubles, more].map(|page| self.rows(&page, width));
        let changes = page(&|page| status::changes(page, core));
        let rest = page(&|page| status::rest(page, status));
        let climates = status::climates(core);
        let heads: Vec<_> = climates
            .iter()
            .map(|(name, one)| page(&|page| status::climate(page, core, name, one, self.time)))
            .collect();
        let gauge = Gauge::of(core, width);
        let outputs: Vec<Line<'static>> = core
            .outputs
            .0
            .iter()
            .flat_map(|(name, output)| {
                let notes = page(&|page| status::output_notes(page, output));
                self.output(name, output, gauge, width).into_iter().chain(notes)
            })
            .collect();
        let used = troubles.len() + heads.iter().map(Vec::len).sum::<usize>() + outputs.len() + changes.len();
        let free = room.saturating_sub(used);
        let (count, all) = (climates.len(), free / climates.len().max(1));
        let selected = shown.climate.rem_euclid(count.max(1) as isize) as usize;
        let fits = all >= CHART_MIN;
        let mut lines = troubles;
        for (index, ((name, climate), head)) in climates.iter().zip(heads).enumerate() {
            let is_selected = index == selected;
            lines.extend(head);
            if fits || is_selected {
                let height = if fits { all } else { free }.clamp(CHART_MIN, CHART_MAX);
                lines.extend(chart(&self.points(name, climate), width, height, self.look));
            }
        }
        lines.extend(outputs);
        lines.extend(changes);
        lines.extend(more);
        lines.extend(rest);
        lines
    }

    /// What is known of a climate, up to now, in the unit in which it is shown.
    fn points(&self, name: &str, climate: &ClimateStatus) -> Vec<Point> {
        let mut points = Vec::new();
        let trend = self.trend.and_then(|(trend, told)| {
            let (_, of_climate) = trend.climates.0.iter().find(|(known, _)| known == name)?;
            Some((trend, of_climate, told))
        });
        let quantity = Quantity::of(climate);
        let shown = |number: f64| quantity.number(Tidy(number));
        if let Some((trend, ClimateTrend { value, min, max }, told)) = trend {
            let number =
                |list: &[Option<Short>], index: usize| Some(shown(f64::from((*list.get(index)?)?.0)));
            points.extend(trend.seconds_ago.iter().enumerate().map(|(index, ago)| Point {
                seconds_ago: ago + told,
                value: number(value, index),
                range: number(min, index).zip(number(max, index)),
            }));
        }
        let value = climate.value.or(climate.temperature).map(|value| shown(value.0));
        let range = Some((shown(climate.min.0), shown(climate.max.0)));
        points.push(Point { seconds_ago: 0, value, range });
        points
    }

    /// An output with its drive as a bar. Where there is no room for one, as `twind status` has it.
    fn output(
        &self,
        name: &str,
        output: &OutputStatus,
        gauge: Option<Gauge>,
        width: usize,
    ) -> Vec<Line<'static>> {
        let drive = status::drive(output);
        let Some(Gauge { names, columns }) = gauge else {
            let mut page = Page::default();
            page.row("output", &format!("{name}: {drive}"));
            return self.rows(&page, width);
        };
        let label = format!("output   {:<names$}  ", text::escape(name));
        let left = label.chars().count() + columns + 2;
        let permille = usize::from(output.permille.unwrap_or_default()).min(1000);
        let filled = (permille * columns).div_ceil(1000);
        let bar =
            self.look.either("█", "#").repeat(filled) + &self.look.either("░", "-").repeat(columns - filled);
        let tone = match (&output.fault, &output.speed_fault) {
            (None, None) => Tone::Good,
            _ => Tone::Bad,
        };
        let told = wrapped(&text::escape(&drive), width.saturating_sub(left).max(1));
        let mut lines: Vec<Line<'static>> =
            told.iter().map(|piece| self.line(Tone::Plain, &format!("{:left$}{piece}", ""))).collect();
        if let (Some(line), Some(piece)) = (lines.first_mut(), told.first()) {
            *line = self.line(Tone::Plain, &label);
            line.push_span(Span::styled(bar, self.look.tone(tone)));
            line.push_span(Span::raw(self.look.text(&format!("  {piece}")).into_owned()));
        }
        lines
    }
}

/// The bars of the outputs, all of one length, so that they can be compared.
#[derive(Clone, Copy)]
struct Gauge {
    /// The columns of the longest name.
    names: usize,
    columns: usize,
}

impl Gauge {
    /// As long as leaves room for what stands right of each, if there is room at all.
    fn of(core: &Status, width: usize) -> Option<Self> {
        let longest = |length: &dyn Fn(&(String, OutputStatus)) -> usize| {
            core.outputs.0.iter().map(length).max().unwrap_or_default()
        };
        let names = longest(&|(name, _)| text::escape(name).chars().count());
        let drives = longest(&|(_, output)| text::escape(&status::drive(output)).chars().count());
        let free = width.checked_sub("output   ".len() + names + 2 + 2)?;
        (free >= GAUGE_MIN + drives.min(DRIVE_MIN))
            .then(|| Self { names, columns: free.saturating_sub(drives).clamp(GAUGE_MIN, GAUGE_MAX) })
    }
}

/// As many of the keys as have room.
fn keys(width: usize) -> String {
    let line = |most: u8| {
        let keys: Vec<&str> = KEYS.iter().filter(|(_, rank)| *rank <= most).map(|(key, _)| *key).collect();
        keys.join("  ")
    };
    let fits = |line: &String| line.len() <= width;
    (0..KEYS.len() as u8).rev().map(line).find(fits).unwrap_or_else(|| line(0))
}

/// The hub in a few words.
fn hub(status: &DaemonStatus) -> String {
    let link = &status.link;
    let since = link.since_seconds.map_or_else(String::new, |since| format!(" for {}", text::Span(since)));
    match link.state.as_str() {
        "connected" => format!("hub connected{since}"),
        "connecting" => "hub: connecting".to_owned(),
        _ => format!("hub not connected{since}"),
    }
}

/// Puts lines into the area, from this row of it on.
fn put(buffer: &mut Buffer, area: Rect, row: usize, lines: &[Line<'_>]) {
    let rows = usize::from(area.height).saturating_sub(row);
    for (index, line) in lines.iter().take(rows).enumerate() {
        buffer.set_line(area.x, area.y + (row + index) as u16, line, area.width);
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
