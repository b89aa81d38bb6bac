//! `twind model`: the DTDL model of the site's twin, made from the configuration alone.

use crate::config::Settings;
use crate::control::intent::Meaning;
use crate::report::{Model, ReportStyle, is_interface_id, model};
use crate::twin::PropertyPath;
use crate::twin::json::write_pretty;

/// The identifier of a site that names none.
const DEFAULT_ID: &str = "dtmi:twind:Site;1";
/// The folder in which the twin has its components unless the configuration says otherwise.
const FOLDER: &str = "components.";

/// What the command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelText {
    /// The model, as JSON.
    pub text: String,
    /// How the daemon's reports differ from it, and what to do.
    pub notes: Vec<String>,
}

/// The model of a site, and what to know about it.
pub fn print(settings: &Settings) -> ModelText {
    let core = &settings.engine;
    let meaning = Meaning { properties: &core.properties, outputs: &core.outputs, climates: &core.climates };
    let mut notes = Vec::new();
    if core.report.style != ReportStyle::PlugAndPlay {
        notes.push("the model describes reports with style = \"pnp\": set it in [report]".to_owned());
    }
    let id = identifier(settings.hub.model_id.as_deref(), &mut notes);
    notes.extend(in_the_folder(meaning));
    let Model { interface, left_out } = model(id, meaning, &core.sensors);
    notes.extend(left_out.into_iter().map(|what| format!("left out of the model: {what}")));
    ModelText { text: write_pretty(&interface), notes }
}

fn identifier<'s>(announced: Option<&'s str>, notes: &mut Vec<String>) -> &'s str {
    match announced {
        Some(id) if is_interface_id(id) => id,
        Some(id) => {
            notes.push(format!(
                "`model-id` in [hub] is \"{id}\", which DTDL does not accept as the identifier of an interface \
                 (dtmi:NAME:NAME;1, at most 128 characters): the model uses {DEFAULT_ID}"
            ));
            DEFAULT_ID
        }
        None => {
            notes.push(format!(
                "no `model-id` is set in [hub], so the model uses {DEFAULT_ID}: set one of your own, which the daemon \
                 then announces to the hub"
            ));
            DEFAULT_ID
        }
    }
}

/// Plug and Play has its components at the top of the twin: for each place in the folder, what to set.
fn in_the_folder(meaning: Meaning<'_>) -> Option<String> {
    let mut set = Vec::new();
    let mut check = |path: &PropertyPath, key: &str, table: &str| {
        if let Some(top) = path.to_string().strip_prefix(FOLDER) {
            set.push(format!("{key} = \"{top}\" in {table}"));
        }
    };
    for climate in meaning.climates {
        match &climate.name {
            None => check(&climate.property, "climate", "[twin]"),
            Some(name) => check(&climate.property, "property", &format!("[climates.{name}]")),
        }
    }
    if meaning.climates.iter().any(|climate| climate.quantity.unit().is_some()) {
        check(&meaning.properties.units, "units", "[twin]");
    }
    if !meaning.fans().is_empty() {
        check(&meaning.properties.fan_on, "fan-on", "[twin]");
    }
    for output in
        meaning.outputs.iter().filter(|output| output.property.as_ref() != Some(&meaning.properties.fan_on))
    {
        let table = format!("[outputs.{}]", output.name);
        output.property.iter().for_each(|path| check(path, "property", &table));
    }
    let set = set.join(", ");
    (!set.is_empty()).then(|| {
        format!("Plug and Play has components at the top of the twin, as the model has them: set {set}")
    })
}
