//! What the tables of all sensors have in common, those that are sampled and those that are derived from others.

use super::codes::{Code, Reason};
use super::reader::Reader;
use super::spans::Span;
use super::values;
use super::words::{self, quoted};
use crate::control::SensorSpec;
use crate::control::quantity::TEMPERATURE;
use crate::report::{ENTRY_KEYS, plug_and_play_name};
use crate::sensors::{ContactLine, SensorSettings};
use crate::twin::PropertyPath;
use crate::units::TemperatureUnit;
use toml::Spanned;
use toml::de::DeValue;

/// One sensor, and its place in the file.
pub(super) struct Sensor {
    pub(super) spec: SensorSpec,
    /// How it is sampled; `None` if it follows from others, or if a fault was found.
    pub(super) settings: Option<SensorSettings>,
    pub(super) is_right: bool,
    pub(super) name_at: Span,
    /// Its `pin`, if it has one.
    pub(super) line_at: Span,
    /// Its `valid` and its `path`; its header where it has none.
    pub(super) valid_at: Span,
    pub(super) path_at: Span,
}

impl Sensor {
    /// Its line, if it is a contact.
    pub(super) fn contact(&self) -> Option<&ContactLine> {
        self.settings.as_ref()?.source.line.as_ref()
    }
}

/// It becomes a key of the twin.
pub(super) fn measures(value: &Spanned<DeValue<'_>>) -> Result<String, Reason> {
    let name = values::text(value)?;
    if PropertyPath::parse(name).is_none_or(|path| path.keys().len() != 1) {
        let shown = words::shorten(name);
        let allowed = "a name without white space, dots, \"$\" and \"#\"";
        return Err(Code::WrongForm.must_be(allowed, format_args!("\"{shown}\"")));
    }
    // The style "pnp" reports it in camel case.
    if ENTRY_KEYS.contains(&name) || ENTRY_KEYS.contains(&&*plug_and_play_name(name)) {
        let taken = quoted(&ENTRY_KEYS);
        let allowed = format_args!("none of {taken}");
        let rest = format_args!(", which are reported beside the value, found \"{name}\"");
        return Err(Code::WrongName.must_be_and(allowed, rest));
    }
    Ok(name.to_owned())
}

pub(super) fn unit(table: &mut Reader<'_>, measures: &str) -> TemperatureUnit {
    let unit = table.read("unit", values::unit);
    if unit.is_some() && measures != TEMPERATURE {
        table.wrong(
            "unit",
            Code::Misplaced
                .because(format!("is for temperatures, and this sensor measures {measures}: remove it")),
        );
    }
    unit.map(|at| at.value).unwrap_or_default()
}
