//! The model of a site in DTDL, version 2: what it reports in the style `pnp`, and what it reads of the desired section.
//!
//! Plug and Play knows properties at the top of the twin, and properties of components at the top. What stands in the folder
//! `components` is described as if it stood at the top, as it does once the configuration says so. What Plug and Play cannot know
//! (a deeper place, a name that it does not take) is left out, and named.
//! Deliberately absent: direct methods and telemetry, which are no part of the twin.

use super::COMPONENTS;
use super::names::{is_interface_id, is_name, plug_and_play_name};
use super::pnp::folder;
use super::state::{SCHEDULE_REFUSED, SCHEDULED_RANGE};
use crate::control::climate::Regime;
use crate::control::intent::{FAN_ON, Meaning, SCHEDULE};
use crate::control::quantity::Quantity;
use crate::control::{ClimateSpec, OutputKind, OutputSpec, SensorId, SensorSpec};
use crate::twin::PropertyPath;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value, json};

/// The longest text of a name for people.
const DISPLAY_CHARS_MAX: usize = 64;

/// What every site reports at the top of the twin.
pub const TOP_PROPERTIES: [&str; 5] =
    ["firmwareVersion", "lastPatchReceivedId", "desiredVersion", "storeFault", "alarms"];

/// The model of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The interface, with those of its components in it.
    pub interface: Value,
    /// What is left out: each place in the twin, and why.
    pub left_out: Vec<String>,
}

/// The model of a site by this identifier. `sensors` are all of them.
pub fn model(id: &str, meaning: Meaning<'_>, sensors: &[SensorSpec]) -> Model {
    let mut draft = Draft::default();
    draft.site();
    let components = folder(meaning.climates);
    for climate in meaning.climates {
        draft.climate(climate);
    }
    let place = |name: &str| {
        let name = plug_and_play_name(name);
        components.as_ref().map_or_else(|| PropertyPath::top(&name), |folder| folder.child(&name))
    };
    for output in meaning.outputs {
        draft.output(&place(&output.name), output);
    }
    for (index, sensor) in sensors.iter().enumerate() {
        let is_inside = meaning.climates.iter().any(|climate| climate.sensors.contains(&SensorId(index)));
        if !is_inside {
            draft.sensor(&place(&sensor.name), sensor);
        }
    }
    draft.values(meaning);
    draft.finish(id)
}

/// An interface that is being described.
struct Interface {
    name: String,
    display: String,
    contents: Vec<Map<String, Value>>,
}

#[derive(Default)]
struct Draft {
    top: Vec<Map<String, Value>>,
    components: Vec<Interface>,
    left_out: Vec<String>,
}

/// A property: its schema, and for a person what it means.
struct Property<'a> {
    schema: Value,
    writable: bool,
    says: &'a str,
}

fn reported<'a>(schema: impl Into<Value>, says: &'a str) -> Property<'a> {
    Property { schema: schema.into(), writable: false, says }
}

fn asked<'a>(schema: impl Into<Value>, says: &'a str) -> Property<'a> {
    Property { writable: true, ..reported(schema, says) }
}

/// The keys of a path without the folder that Plug and Play does not have.
fn keys(path: &PropertyPath) -> &[String] {
    match path.keys() {
        [folder, rest @ ..] if folder == COMPONENTS && !rest.is_empty() => rest,
        keys => keys,
    }
}

impl Draft {
    /// What every site reports.
    fn site(&mut self) {
        let [firmware, patch, version, store, alarms_at] = TOP_PROPERTIES.map(PropertyPath::top);
        self.put(&firmware, reported("string", ""));
        self.put(&patch, reported("string", "The identifier of the last desired patch."));
        self.put(&version, reported("long", "The desired version that is in force and durable."));
        let says = "Why the gateway cannot keep its copy of the twin; absent while it can.";
        self.put(&store, reported("string", says));
        let fields = [("since", "dateTime"), ("text", "string")];
        let fields = fields.map(|(name, schema)| json!({ "name": name, "schema": schema }));
        let alarms = json!({
            "@type": "Map",
            "mapKey": { "name": "alarm", "schema": "string" },
            "mapValue": { "name": "state", "schema": { "@type": "Object", "fields": fields } },
        });
        let says = "What is wrong for as long as it lasts, by KIND-THING, such as sensor-roof; absent while nothing is.";
        self.put(&alarms_at, reported(alarms, says));
    }

    fn climate(&mut self, climate: &ClimateSpec) {
        let (entry, quantity) = (&climate.property, &climate.quantity);
        if !self.component(entry, climate.label()) {
            return;
        }
        let ends = quantity.ends();
        for end in &ends {
            self.put(&entry.child(end), asked("double", "An end of the range to hold."));
        }
        if climate.name.is_some() && !climate.lowering.is_empty() {
            let says = "True: what lowers it is on. False: off. Absent: the range alone decides.";
            self.put(&entry.child(FAN_ON), asked("boolean", says));
        }
        let measures = plug_and_play_name(quantity.measures());
        self.put(
            &entry.child(&measures),
            reported("double", "The present value; absent without a valid reading."),
        );
        if quantity.unit().is_some() {
            self.put(&entry.child("unit"), reported("string", "The unit of what is reported here."));
        }
        self.put(&entry.child("regime"), reported(regimes(quantity), ""));
        self.put(&entry.child("sensor"), reported("string", "ok, or the name of the fault."));
        let says = "The range that replaces the desired one; absent without an override.";
        self.range_in_force(&entry.child("override"), &ends, says);
        let says = "The range of that entry, which holds in place of the desired one.";
        self.range_in_force(&entry.child(SCHEDULED_RANGE), &ends, says);
        let refused = json!({
            "@type": "Map",
            "mapKey": { "name": "entry", "schema": "string" },
            "mapValue": { "name": "reason", "schema": "string" },
        });
        let says = "Why entries of the desired schedule are refused; absent while none is.";
        self.put(&entry.child(SCHEDULE_REFUSED), reported(refused, says));
        let says = "The entry of the desired schedule that applies; absent without a schedule.";
        self.put(&entry.child(SCHEDULE), reported("string", says));
        self.put(&entry.child("scheduleUntil"), reported("dateTime", "When that changes."));
    }

    /// A range that holds in place of the desired one, whose fields have the names of its ends.
    fn range_in_force(&mut self, path: &PropertyPath, ends: &[String; 2], says: &str) {
        if let Some(wrong) = ends.iter().find(|end| !is_name(end)) {
            return self.leave_out(path, &no_name(wrong));
        }
        let fields = ends.each_ref().map(|end| json!({ "name": end, "schema": "double" }));
        let range = json!({ "@type": "Object", "fields": fields });
        self.put(path, reported(range, says));
    }

    fn output(&mut self, entry: &PropertyPath, output: &OutputSpec) {
        if !self.component(entry, &output.name) {
            return;
        }
        self.put(&entry.child("on"), reported("boolean", ""));
        self.put(&entry.child("dutyPercent"), reported("double", ""));
        self.put(&entry.child("cause"), reported("string", "What decided the present drive."));
        let says = "The percentage that an override sets; absent without an override.";
        self.put(&entry.child("override"), reported("double", says));
        self.put(
            &entry.child("rpm"),
            reported("double", "How fast it turns; absent where that is not measured."),
        );
        let says = "Why it cannot be driven, or what is wrong with its speed; absent while it is well.";
        self.put(&entry.child("fault"), reported("string", says));
    }

    fn sensor(&mut self, entry: &PropertyPath, sensor: &SensorSpec) {
        if self.component(entry, &sensor.name) {
            let measures = plug_and_play_name(&sensor.measures);
            self.put(&entry.child(&measures), reported("double", "Absent without a valid reading."));
            self.put(&entry.child("sensor"), reported("string", "ok, or the name of the fault."));
        }
    }

    /// The single desired values. One at the place of a reported one makes that writable.
    fn values(&mut self, meaning: Meaning<'_>) {
        if !meaning.fans().is_empty() {
            let says = "True: on, at least at the least duty. False: off. Absent: the range alone decides.";
            self.put(&meaning.properties.fan_on, asked("boolean", says));
        }
        if meaning.climates.iter().any(|climate| climate.quantity.unit().is_some()) {
            let units = ["celsius", "fahrenheit", "kelvin"].map(str::to_owned);
            self.put(&meaning.properties.units, asked(words(units), "The unit of desired temperatures."));
        }
        for output in meaning.outputs {
            let property = output.property.as_ref().filter(|path| **path != meaning.properties.fan_on);
            let (schema, says) = match output.kind {
                OutputKind::OnOff => ("boolean", "Drives the output."),
                OutputKind::Pwm => ("double", "Drives the output, in per cent."),
            };
            property.into_iter().for_each(|path| self.put(path, asked(schema, says)));
        }
    }

    /// Begins a component, if there may be one at this place.
    fn component(&mut self, entry: &PropertyPath, display: &str) -> bool {
        let name = match keys(entry) {
            [name] if is_name(name) => name,
            [name] => {
                self.leave_out(entry, &no_name(name));
                return false;
            }
            _ => {
                self.leave_out(entry, "Plug and Play has components at the top alone");
                return false;
            }
        };
        if self.components.iter().any(|known| known.name == *name) {
            self.leave_out(entry, "something else has its name");
            return false;
        }
        self.interface(name, display);
        true
    }

    /// A component, which is begun if there is none of this name yet.
    fn interface(&mut self, name: &str, display: &str) -> Option<&mut Interface> {
        if self.components.iter().all(|known| known.name != name) {
            let display = display.chars().take(DISPLAY_CHARS_MAX).collect();
            self.components.push(Interface { name: name.to_owned(), display, contents: Vec::new() });
        }
        self.components.iter_mut().find(|known| known.name == name)
    }

    fn put(&mut self, path: &PropertyPath, property: Property<'_>) {
        if let Some(wrong) = keys(path).iter().find(|key| !is_name(key)) {
            return self.leave_out(path, &no_name(wrong));
        }
        let contents = match keys(path) {
            [_] => Some(&mut self.top),
            [component, _] => self.interface(component, component).map(|known| &mut known.contents),
            _ => return self.leave_out(path, "Plug and Play has no property within a property"),
        };
        let (Some(contents), Some(name)) = (contents, path.keys().last()) else { return };
        let known = contents.iter_mut().find(|known| known.get("name") == Some(&json!(name)));
        match known {
            Some(known) if property.writable => drop(known.insert("writable".into(), json!(true))),
            Some(_) => self.leave_out(path, "something else has its name"),
            None => contents.push(described(name, property)),
        }
    }

    fn leave_out(&mut self, path: &PropertyPath, why: &str) {
        self.left_out.push(format!("{path}: {why}"));
    }

    fn finish(mut self, id: &str) -> Model {
        let (path, version) = id.split_once(';').unwrap_or((id, "1"));
        for Interface { name, display, contents } in self.components {
            if self.top.iter().any(|known| known.get("name") == Some(&json!(name))) {
                self.left_out.push(format!("{name}: something else has its name"));
                continue;
            }
            let own = format!("{path}:{name};{version}");
            if !is_interface_id(&own) {
                self.left_out.push(format!("{name}: {own} is too long for an identifier"));
                continue;
            }
            let schema = json!({
                "@id": own, "@type": "Interface", "displayName": display, "contents": contents,
            });
            let component = json!({ "@type": "Component", "name": name, "schema": schema });
            self.top.extend(component.as_object().cloned());
        }
        let interface = json!({
            "@context": "dtmi:dtdl:context;2",
            "@id": id,
            "@type": "Interface",
            "displayName": "A gateway that twind looks after",
            "contents": self.top,
        });
        Model { interface, left_out: self.left_out }
    }
}

fn no_name(key: &str) -> String {
    format!("\"{key}\" is no name to Plug and Play")
}

fn described(name: &str, property: Property<'_>) -> Map<String, Value> {
    let mut content = Map::new();
    content.insert("@type".into(), json!("Property"));
    content.insert("name".into(), json!(name));
    if property.writable {
        content.insert("writable".into(), json!(true));
    }
    if !property.says.is_empty() {
        content.insert("description".into(), json!(property.says));
    }
    content.insert("schema".into(), property.schema);
    content
}

/// One of some words.
fn words(words: impl IntoIterator<Item = String>) -> Value {
    let value = |word: String| json!({ "name": plug_and_play_name(&word).to_string(), "enumValue": word });
    let values: Vec<Value> = words.into_iter().map(value).collect();
    json!({ "@type": "Enum", "valueSchema": "string", "enumValues": values })
}

fn regimes(quantity: &Quantity) -> Value {
    let all = [
        Regime::Starting,
        Regime::InRange,
        Regime::Above,
        Regime::Below,
        Regime::SensorFault,
        Regime::Overheat,
    ];
    words(all.map(|regime| regime.name(quantity).to_owned()))
}
