//! The tutorial's enclosure, drawn: warm electronics, and the fan in its wall, which turns with its drive.

use super::draw::{Canvas, drive, gauge, tone};
use super::look::Tone;
use super::view::{Climate, World};

/// From where to where its gauge goes, in degrees Celsius.
const AXIS: (f64, f64) = (10.0, 50.0);
/// The wall, with the fan in it, is so many columns from the right end.
const FAN: u16 = 13;
const ROWS: u16 = 7;
/// The blades in four of the eight positions of a round; the other four look the same.
const BLADES: [[&str; 3]; 4] = [
    ["   ┃   ", "   ●   ", "   ┃   "],
    ["    ╱  ", "   ●   ", "  ╱    "],
    ["       ", " ━━●━━ ", "       "],
    ["  ╲    ", "   ●   ", "    ╲  "],
];
/// From here on each two degrees more are another wave over the electronics.
const WARM_C: f64 = 18.0;

/// Draws it from the first column to `end`, and below it the gauge and the fan's bar.
pub(super) fn draw(canvas: &mut Canvas<'_>, world: &World, top: u16, end: u16, turn: f64) {
    let wall = end.saturating_sub(FAN).max(2);
    let inside = usize::from(wall - 2);
    for row in 0..ROWS {
        let line = match row {
            0 => format!("┌{}┐", "─".repeat(inside)),
            6 => format!("└{}┘", "─".repeat(inside)),
            _ => format!("│{}│", " ".repeat(inside)),
        };
        canvas.text(1, top + row, end, Tone::Plain, &line);
    }
    electronics(canvas, world, top, wall, turn);
    fan(canvas, world, top, wall, end, turn);
    for climate in &world.climates {
        let (min, max) = climate.range;
        let range = format!(" {min:.1} to {max:.1} {} ", climate.unit);
        let at = wall.saturating_sub(range.chars().count() as u16 + 1);
        canvas.text(at, top + ROWS - 1, wall, Tone::Plain, &range);
        let climate = &as_it_is(climate, world);
        let (least, most) = (AXIS.0.to_string(), format!("{} °C", AXIS.1));
        let at = canvas.text(1, top + ROWS, end, Tone::Faint, &least) + 1;
        let last = end.saturating_sub(most.chars().count() as u16);
        gauge(canvas, climate, AXIS, (at, top + ROWS), last.saturating_sub(1));
        canvas.text(last, top + ROWS, end, Tone::Faint, &most);
    }
    for output in &world.outputs {
        drive(canvas, output, 0, (1, top + ROWS + 1), end, turn);
    }
}

/// The climate with the true temperature, which there is without a sensor and without a daemon, too.
fn as_it_is(climate: &Climate, world: &World) -> Climate {
    Climate { value: world.enclosure, ..climate.clone() }
}

fn electronics(canvas: &mut Canvas<'_>, world: &World, top: u16, wall: u16, turn: f64) {
    for (row, line) in (1..).zip(["┌─────┐", "│▒ ▒ ▒│", "│ ▒ ▒ │", "│▒ ▒ ▒│", "└─────┘"])
    {
        canvas.text(3, top + row, wall, Tone::Plain, line);
    }
    let Some(temperature) = world.enclosure else { return };
    let colour = world.climates.first().map_or(Tone::Plain, |climate| tone(&as_it_is(climate, world)));
    let waves = ((temperature - WARM_C) / 2.0).clamp(0.0, 8.0) as u16;
    let risen = (turn as u64 / 2 % 4) as u16;
    for wave in 0..waves {
        // In two columns.
        let row = 2 + (wave / 2 + 4 - risen) % 4;
        canvas.text(12 + wave % 2 * 2, top + row, wall, colour, "≈");
    }
    let shown = format!("{temperature:.1} °C");
    let at = wall.saturating_sub(shown.chars().count() as u16 + 1);
    canvas.text(at, top + 1, wall, colour, &shown);
    let sensor = match world.climates.first() {
        None => "",
        Some(_) if world.daemon.is_none() => "unread",
        Some(climate) if climate.value.is_none() => "no sensor",
        Some(_) => "",
    };
    let at = wall.saturating_sub(sensor.chars().count() as u16 + 1);
    canvas.text(at, top + 5, wall, Tone::Bad, sensor);
}

fn fan(canvas: &mut Canvas<'_>, world: &World, top: u16, wall: u16, end: u16, turn: f64) {
    let percent = world.outputs.first().map_or(0.0, |output| output.percent);
    canvas.text(wall, top + 1, end, Tone::Plain, "├───────┐");
    canvas.text(wall, top + 5, end, Tone::Plain, "├───────┘");
    let colour = if percent > 0.0 { Tone::Cold } else { Tone::Faint };
    for (row, blades) in (2..).zip(BLADES[turn as usize % 4]) {
        canvas.text(wall, top + row, end, Tone::Plain, " ");
        canvas.text(wall + 1, top + row, end, colour, blades);
        canvas.text(wall + 8, top + row, end, Tone::Plain, "│");
    }
    let air = "→".repeat((percent / 34.0).ceil() as usize);
    canvas.text(wall + 9, top + 3, end, Tone::Cold, &air);
}
