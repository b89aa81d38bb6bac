//! The status as OpenMetrics text, for Prometheus and other collectors.
//!
//! The same text is right in Prometheus's older format, because node_exporter's textfile collector reads no other. So every metric
//! is a gauge: that format does not know the types `info` and `stateset`, and refuses the whole file. Nothing in the status is a
//! counter.
//!
//! What is not known has no sample. Labels are names of the configuration and words of twind's own, so what is sent by others
//! makes no series.

mod families;
mod file;

pub use families::FAMILIES;
pub(super) use file::MetricsFile;
pub use file::remark;

use super::daemon_status::DaemonStatus;
use crate::text::is_unseen;
use core::fmt::Write as _;

/// The units by which a name may end.
const UNITS: [&str; 6] = ["celsius", "ratio", "ppm", "rpm", "seconds", "bytes"];
/// How each text begins: the first family always has a sample.
const BEGINNING: &str = "# TYPE twind_";

/// A metric: its name and what it means, for any labels.
pub struct Family {
    /// Its name, which ends by its unit if it has one.
    pub name: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
    samples: fn(&DaemonStatus, Tell<'_>),
}

/// Takes the labels of a sample, in the order of their names, and its value.
type Tell<'t> = &'t mut dyn FnMut(&[&str], f64);

impl Family {
    /// Its unit, if it has one.
    pub fn unit(&self) -> Option<&'static str> {
        self.name.rsplit('_').next().filter(|last| UNITS.contains(last))
    }

    /// Appends its lines, unless it has no sample.
    fn write(&self, status: &DaemonStatus, text: &mut String) {
        let mut lines = String::new();
        (self.samples)(status, &mut |values, number| {
            // JSON has no other, but another version may have sent it.
            if number.is_finite() {
                self.write_sample(values, number, &mut lines);
            }
        });
        if lines.is_empty() {
            return;
        }
        let Self { name, help, .. } = self;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} gauge");
        if let Some(unit) = self.unit() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        text.push_str(&lines);
    }

    fn write_sample(&self, values: &[&str], number: f64, lines: &mut String) {
        lines.push_str(self.name);
        for (index, (label, value)) in self.labels.iter().zip(values).enumerate() {
            let _ = write!(lines, "{}{label}=\"", if index == 0 { '{' } else { ',' });
            escape(value, lines);
            lines.push('"');
        }
        let close = if self.labels.is_empty() { "" } else { "}" };
        let _ = writeln!(lines, "{close} {number}");
    }
}

/// The status as OpenMetrics text.
pub fn openmetrics(status: &DaemonStatus) -> String {
    let mut text = String::new();
    FAMILIES.iter().for_each(|family| family.write(status, &mut text));
    text.push_str("# EOF\n");
    text
}

/// Appends the value of a label. The format escapes three characters. Those that could control a terminal become visible, as in
/// all that is printed.
fn escape(value: &str, into: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            c if is_unseen(c) => {
                into.push('\\');
                into.extend(c.escape_default());
            }
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
