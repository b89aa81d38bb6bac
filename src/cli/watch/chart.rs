//! A climate against its range over the last hour: a column for each part of the hour, two steps in each row.

use super::look::Look;
use crate::cli::page::Tone;
use ratatui_core::style::{Color, Style};
use ratatui_core::text::{Line, Span};

/// What the chart covers, in seconds.
const HOUR: u64 = 3600;
/// The columns left of the plot: a number and a line.
const LEFT: usize = 9;
/// A plot has at least so many rows and columns.
const ROWS_MIN: usize = 3;
const COLUMNS_MIN: usize = 10;

/// A climate at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) seconds_ago: u64,
    pub(super) value: Option<f64>,
    pub(super) range: Option<(f64, f64)>,
}

/// One column of the plot.
#[derive(Clone, Copy, Default)]
struct Column {
    /// The steps from which to which there are values.
    values: Option<(usize, usize)>,
    range: Option<(f64, f64)>,
    /// Is the last value outside the range?
    outside: bool,
}

/// What is where.
struct Scale {
    low: f64,
    high: f64,
    rows: usize,
}

impl Scale {
    /// So that all points have room.
    fn of(points: &[Point], rows: usize) -> Self {
        let of =
            |point: &Point| [point.value, point.range.map(|(min, _)| min), point.range.map(|(_, max)| max)];
        let numbers = || points.iter().flat_map(of).flatten().filter(|number| number.is_finite());
        let (low, high) = (numbers().fold(f64::MAX, f64::min), numbers().fold(f64::MIN, f64::max));
        if low > high {
            return Self { low: 0.0, high: 1.0, rows };
        }
        let margin = ((high - low) * 0.1).max(0.5);
        Self { low: low - margin, high: high + margin, rows }
    }

    /// The step of a number, counted from the bottom.
    fn step(&self, number: f64) -> usize {
        let steps = self.rows * 2;
        let share = (number - self.low) / (self.high - self.low);
        ((share * steps as f64).max(0.0) as usize).min(steps - 1)
    }

    /// The row of a number, counted from the top.
    fn row(&self, number: f64) -> usize {
        self.rows - 1 - self.step(number) / 2
    }
}

/// The chart in so many columns and rows, of which the last shows the time. The last point says what is in force.
pub(super) fn chart(points: &[Point], width: usize, height: usize, look: Look) -> Vec<Line<'static>> {
    let rows = height.saturating_sub(1).max(ROWS_MIN);
    let width = width.saturating_sub(LEFT).max(COLUMNS_MIN);
    let scale = Scale::of(points, rows);
    let columns = columns(points, width, &scale);
    let labels = labels(points, &scale);
    let edge = look.either('│', '|');
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (row, label) in labels.iter().enumerate() {
        let left = format!("{label:>width$}{edge}", width = LEFT - 1);
        let mut spans = vec![Span::styled(left, look.tone(Tone::Faint))];
        for column in &columns {
            let (symbol, style) = cell(column, row, &scale, look);
            match spans.last_mut().filter(|last| last.style == style) {
                Some(last) => last.content.to_mut().push(symbol),
                None => spans.push(Span::styled(String::from(symbol), style)),
            }
        }
        lines.push(Line::from(spans));
    }
    lines.push(Line::from(Span::styled(time_axis(width), look.tone(Tone::Faint))));
    lines
}

fn columns(points: &[Point], width: usize, scale: &Scale) -> Vec<Column> {
    let mut columns = vec![Column::default(); width];
    let mut before: Option<(usize, usize)> = None;
    for point in points.iter().filter(|point| point.seconds_ago < HOUR) {
        let back = point.seconds_ago as usize * width / HOUR as usize;
        let index = width - 1 - back.min(width - 1);
        let column = &mut columns[index];
        column.range = point.range.or(column.range);
        let Some(value) = point.value else {
            before = None;
            continue;
        };
        let step = scale.step(value);
        // A jump is a line.
        let from = match before {
            Some((last, place)) if place + 1 >= index && step > last => {
                (last + usize::from(place < index)).min(step)
            }
            Some((last, place)) if place + 1 >= index && step < last => {
                (last - usize::from(place < index)).max(step)
            }
            _ => step,
        };
        let (low, high) = column.values.unwrap_or((from, from));
        column.values = Some((low.min(step).min(from), high.max(step).max(from)));
        column.outside = column.range.is_some_and(|(min, max)| value < min || value > max);
        before = Some((step, index));
    }
    columns
}

fn cell(column: &Column, row: usize, scale: &Scale, look: Look) -> (char, Style) {
    let lower = 2 * (scale.rows - 1 - row);
    let has = |step: usize| column.values.is_some_and(|(low, high)| (low..=high).contains(&step));
    let in_colour = |colour| if look.colour { Style::new().fg(colour) } else { Style::new() };
    let style = if column.outside { look.tone(Tone::Bad) } else { in_colour(Color::Cyan) };
    match (has(lower + 1), has(lower)) {
        (true, true) => (look.either('█', '*'), style),
        (true, false) => (look.either('▀', '*'), style),
        (false, true) => (look.either('▄', '*'), style),
        _ => {
            let band = column.range.map(|(min, max)| (scale.row(max)..=scale.row(min)).contains(&row));
            let symbol = if band == Some(true) { look.either('░', '.') } else { ' ' };
            (symbol, if band == Some(true) { in_colour(Color::Green) } else { Style::new() })
        }
    }
}

/// What stands left of each row: the ends of the range, and of the scale where there is room.
fn labels(points: &[Point], scale: &Scale) -> Vec<String> {
    let mut labels = vec![String::new(); scale.rows];
    let ends = points.last().and_then(|point| point.range);
    let wanted = ends.into_iter().flat_map(|(min, max)| [max, min]).map(|end| (scale.row(end), end));
    let of_scale = [(0, scale.high), (scale.rows - 1, scale.low)];
    for (row, number) in wanted.chain(of_scale) {
        let taken =
            |row: Option<usize>| row.and_then(|row| labels.get(row)).is_some_and(|label| !label.is_empty());
        if !taken(Some(row)) && !taken(row.checked_sub(1)) && !taken(Some(row + 1)) {
            labels[row] = short(number);
        }
    }
    labels
}

fn short(number: f64) -> String {
    match number.abs() {
        size if size < 1000.0 => format!("{number:.1}"),
        size if size < 1e6 => format!("{number:.0}"),
        _ => format!("{number:.1e}"),
    }
}

fn time_axis(width: usize) -> String {
    let mut axis = vec![' '; LEFT + width];
    let all = [(3600, "1 h ago"), (2700, "45 min"), (1800, "30 min"), (900, "15 min"), (0, "now")];
    let ticks = all.iter().filter(|(ago, _)| width >= 50 || [0, 3600].contains(ago));
    for (ago, text) in ticks {
        let place = LEFT + width - width * ago / 3600;
        let begin = match ago {
            3600 => LEFT,
            0 => place - text.len(),
            _ => place - text.len() / 2,
        };
        axis[begin..].iter_mut().zip(text.chars()).for_each(|(cell, c)| *cell = c);
    }
    axis.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(points: &[Point], width: usize, height: usize, unicode: bool) -> Vec<String> {
        let look = Look { colour: false, unicode };
        chart(points, width, height, look).iter().map(|line| line.to_string()).collect()
    }

    fn point(seconds_ago: u64, value: f64) -> Point {
        Point { seconds_ago, value: Some(value), range: Some((20.0, 28.0)) }
    }

    #[test]
    fn a_value_is_drawn_over_the_band_of_its_range_with_the_time_below() {
        let points: Vec<Point> = (0..360).rev().map(|index| point(index * 10, 24.0)).collect();
        let drawn = text(&points, 29, 6, true);
        let wanted = [
            "        │                    ",
            "    28.0│░░░░░░░░░░░░░░░░░░░░",
            "        │▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄",
            "    20.0│░░░░░░░░░░░░░░░░░░░░",
            "        │                    ",
            "         1 h ago          now",
        ];
        for (row, line) in drawn.iter().enumerate() {
            assert_eq!(line.chars().count(), 29, "{row}: {drawn:#?}");
        }
        assert_eq!(drawn.last().map(String::as_str), wanted.last().copied());
        assert!(drawn.iter().any(|line| line.starts_with("    28.0│░░░░")), "{drawn:#?}");
        assert!(drawn.iter().any(|line| line.starts_with("    20.0│░░░░")), "{drawn:#?}");
        assert_eq!(drawn.iter().filter(|line| line.contains(['▀', '▄'])).count(), 1, "{drawn:#?}");
    }

    #[test]
    fn in_ascii_there_are_stars_over_dots() {
        let points: Vec<Point> =
            (0..360).rev().map(|index| point(index * 10, 20.0 + index as f64 / 50.0)).collect();
        let drawn = text(&points, 71, 11, false);
        assert!(drawn.iter().all(|line| line.is_ascii()), "{drawn:#?}");
        let stars = |line: &String| line.matches('*').count();
        assert!(drawn.iter().map(stars).sum::<usize>() >= 62, "in each column: {drawn:#?}");
        assert!(drawn.iter().filter(|line| line.contains('*')).count() >= 6, "it falls: {drawn:#?}");
        assert!(drawn.last().unwrap().contains("30 min"));
    }

    #[test]
    fn what_is_outside_is_marked_a_gap_is_empty_and_nothing_is_no_fault() {
        let colour = Look { colour: true, unicode: true };
        let hot = chart(&[point(0, 35.0)], 40, 8, colour);
        assert!(hot.iter().flatten().any(|span| span.style == colour.tone(Tone::Bad)));
        let fine = chart(&[point(0, 25.0)], 40, 8, colour);
        assert!(!fine.iter().flatten().any(|span| span.style == colour.tone(Tone::Bad)));
        let gap = [point(3000, 24.0), Point { value: None, ..point(1500, 0.0) }, point(0, 24.0)];
        let drawn = text(&gap, 40, 8, false);
        assert_eq!(drawn.iter().map(|line| line.matches('*').count()).sum::<usize>(), 2, "{drawn:#?}");
        assert_eq!(text(&[], 0, 0, true).len(), ROWS_MIN + 1);
        let odd = Point { seconds_ago: u64::MAX, value: Some(f64::NAN), range: None };
        assert_eq!(text(&[odd], 20, 5, true).len(), 5);
    }
}
