//! What the back end writes about climates with names and about schedules: ranges, switches and entries, right and wrong.
//!
//! Entries begin and end near the present hour, so that a short run sees them change. Deliberately absent: what they mean (the
//! oracle's).

use crate::rng::Rng;
use serde_json::{Map, Value, json};
use twind::engine::CoreSpec;

const ENTRIES: [&str; 4] = ["day", "night", "noon", "weekend"];
const DAY_MINUTES: u64 = 24 * 60;

/// The climates of a site, as the back end knows them.
pub(crate) struct Wishes {
    rng: Rng,
    climates: Vec<Target>,
    /// How many of a thousand writes come with something of this.
    permille: u32,
}

struct Target {
    /// The component and its two ends.
    name: String,
    ends: [String; 2],
    /// The site's own range.
    own: (f64, f64),
    /// The top of the section has the range of one without a name, which the back end writes elsewhere.
    is_named: bool,
}

impl Wishes {
    pub(crate) fn new(mut rng: Rng, spec: &CoreSpec) -> Self {
        let target = |climate: &twind::control::ClimateSpec| Target {
            name: climate.property.keys().last().cloned().unwrap_or_default(),
            ends: climate.quantity.ends(),
            own: (climate.range.min(), climate.range.max()),
            is_named: climate.name.is_some(),
        };
        let climates: Vec<Target> = spec.climates.iter().map(target).collect();
        let has_names = climates.iter().any(|climate| climate.is_named);
        let permille = if has_names { *rng.pick(&[300, 600, 900]) } else { *rng.pick(&[0, 60, 200]) };
        Self { rng, climates, permille }
    }

    /// A desired section, at this wall-clock time.
    pub(crate) fn some(&mut self, wall: u64) -> Option<Value> {
        if self.climates.is_empty() || !self.rng.chance(self.permille) {
            return None;
        }
        let which = self.rng.below(self.climates.len() as u64) as usize;
        let kind = self.rng.below(12);
        let is_named = self.climates[which].is_named;
        let component = match kind {
            0..=2 if is_named => Value::Object(self.range(which)),
            3 if is_named => json!({ "fanOn": self.switch() }),
            4 if is_named => return Some(json!({ "components": { (&self.climates[which].name): null } })),
            5 => json!({ "schedule": *self.rng.pick(&[Value::Null, Value::Null, json!(7), json!({})]) }),
            6 | 7 => json!({ "schedule": { (*self.rng.pick(&ENTRIES)): null } }),
            _ => json!({ "schedule": { (*self.rng.pick(&ENTRIES)): self.entry(which, wall) } }),
        };
        Some(json!({ "components": { (&self.climates[which].name): component } }))
    }

    /// The last write of a run: every range valid, schedules as they are.
    pub(crate) fn last(&self) -> Value {
        let named = self.climates.iter().filter(|climate| climate.is_named);
        let components: Map<String, Value> = named
            .map(|Target { name, ends: [low, high], own: (min, max), .. }| {
                (name.clone(), json!({ (low): min, (high): max, "fanOn": null }))
            })
            .collect();
        json!({ "components": components })
    }

    fn switch(&mut self) -> Value {
        self.rng.pick(&[json!(true), json!(false), json!("true"), Value::Null, Value::Null, json!(3)]).clone()
    }

    fn range(&mut self, which: usize) -> Map<String, Value> {
        let Target { ends: [low, high], own, .. } = &self.climates[which];
        let (low, high, (min, max)) = (low.clone(), high.clone(), *own);
        let step = (max - min) / 4.0;
        let min = min + step * (self.rng.below(7) as f64 - 3.0);
        let max = min + step * self.rng.below(9) as f64;
        let (min, max) = match self.rng.below(8) {
            0 => (Some(json!(min)), None),
            1 => (None, Some(json!(max))),
            2 => (Some(json!(min.to_string())), Some(json!(max.to_string()))),
            3 => (Some(json!("much")), Some(json!(max))),
            _ => (Some(json!(min)), Some(json!(max))),
        };
        [min.map(|min| (low, min)), max.map(|max| (high, max))].into_iter().flatten().collect()
    }

    fn entry(&mut self, which: usize, wall: u64) -> Value {
        if self.rng.chance(40) {
            return json!([1]);
        }
        let mut entry = self.range(which);
        let local = wall / 60 + self.rng.below(3) * 60;
        let from = local + DAY_MINUTES + self.rng.below(80) - 40;
        let to = from + *self.rng.pick(&[5, 20, 60, 480, DAY_MINUTES - 60, DAY_MINUTES]);
        let time = |minute: u64| {
            let minute = minute % DAY_MINUTES;
            format!("{:02}:{:02}", minute / 60, minute % 60)
        };
        let (from, to) = match self.rng.below(12) {
            0 => ("02:30".to_owned(), "03:15".to_owned()),
            1 => ("00:00".to_owned(), "24:00".to_owned()),
            2 => ("25:10".to_owned(), time(to)),
            3 => ("22:00".to_owned(), "02:45".to_owned()),
            _ => (time(from), time(to)),
        };
        let days = self.rng.pick(&[
            None,
            None,
            None,
            Some("mon-fri"),
            Some("sat,sun"),
            Some("sun"),
            Some("someday"),
        ]);
        entry.insert("from".into(), json!(from));
        entry.insert("to".into(), json!(to));
        entry.extend(days.map(|days| ("days".to_owned(), json!(days))));
        Value::Object(entry)
    }
}
