//! The override in the last line of the screen: what, how much, for how long, and whether it is meant.

use crate::cli::keys::Key;
use crate::cli::overrides::{Order, percentage_or_range};
use crate::cli::quantity::Quantity;
use crate::cli::status;
use crate::report::status::Status;

/// What an answer is taken for when it is left empty.
const DURATION: &str = "30m";
/// Longer than any answer that can be right.
const LENGTH_MAX: usize = 80;

/// What can be overridden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    outputs: Vec<String>,
    climates: Vec<Climate>,
}

/// A climate, in the words of a question for its range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Climate {
    name: String,
    /// What follows an end of the range, as `twind override` takes it.
    unit: &'static str,
    /// `range in °F, such as 64..70`
    range: String,
}

impl Names {
    pub(super) fn of(core: &Status) -> Self {
        let climate = |(name, climate)| {
            let quantity = Quantity::of(climate);
            // An earlier daemon does not tell the unit: none may be promised then.
            let unit = if climate.unit.is_some() || quantity.is_in_percent() { quantity.unit() } else { "" };
            let such_as = quantity.such_as();
            let range = match unit {
                "" => format!("range of {}, such as {such_as}", quantity.measures()),
                unit => format!("range in{unit}, such as {such_as}"),
            };
            Climate { name: String::from(name), unit, range }
        };
        Self {
            outputs: core.outputs.0.iter().map(|(name, _)| name.clone()).collect(),
            climates: status::climates(core).into_iter().map(climate).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        let climates = self.climates.iter().map(|climate| climate.name.as_str());
        self.outputs.iter().map(String::as_str).chain(climates)
    }

    /// The climate of this name; an output of the same name goes before it.
    fn climate(&self, name: &str) -> Option<&Climate> {
        let is_output = self.outputs.iter().any(|output| output == name);
        self.climates.iter().filter(|_| !is_output).find(|climate| climate.name == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Asks {
    Name,
    Setting { name: String },
    Duration { name: String, setting: String },
    Confirmation { name: String, order: Order },
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    names: Names,
    asks: Asks,
    typed: String,
    /// What was wrong with the last answer.
    wrong: Option<String>,
}

/// What becomes of the form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Open,
    Left,
    Ordered { name: String, order: Order },
}

impl Form {
    pub(super) fn new(names: Names) -> Self {
        Self { names, asks: Asks::Name, typed: String::new(), wrong: None }
    }

    /// The question and what was typed, where the cursor stands behind.
    pub(super) fn prompt(&self) -> String {
        let wrong = self.wrong.as_ref().map(|wrong| format!("{wrong}. ")).unwrap_or_default();
        let question = match &self.asks {
            Asks::Name => {
                let all: Vec<&str> = self.names.all().collect();
                format!("override which of {}?", all.join(", "))
            }
            Asks::Setting { name } => match self.names.climate(name) {
                Some(climate) => format!("{name}: which {}, or clear?", climate.range),
                None => format!("{name}: on, off, a percentage such as 40%, or clear?"),
            },
            Asks::Duration { name, setting } => {
                let unit = self.unit(name);
                format!("{name} {setting}{unit}: for how long, such as 90s or 2h (Enter: {DURATION})?")
            }
            Asks::Confirmation { name, order } => {
                format!("{}. Do it (y: yes, Esc: no)?", order.describe(name, self.unit(name)))
            }
        };
        format!("{wrong}{question} {}", self.typed)
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: Key) -> Outcome {
        match (key, &self.asks) {
            (Key::Escape, _) | (Key::Char('n' | 'N'), Asks::Confirmation { .. }) => return Outcome::Left,
            (Key::Char('y' | 'Y'), Asks::Confirmation { name, order }) => {
                return Outcome::Ordered { name: name.clone(), order: *order };
            }
            (_, Asks::Confirmation { .. }) => {}
            (Key::Char(c), _) if self.typed.len() < LENGTH_MAX => self.typed.push(c),
            (Key::Backspace, _) => drop(self.typed.pop()),
            (Key::Enter, _) => {
                let typed = core::mem::take(&mut self.typed);
                self.wrong = self.answer(typed.trim()).err();
            }
            _ => {}
        }
        Outcome::Open
    }

    /// What follows the range of a climate; nothing follows the percentage of an output.
    fn unit(&self, name: &str) -> &'static str {
        self.names.climate(name).map_or("", |climate| climate.unit)
    }

    fn answer(&mut self, typed: &str) -> Result<(), String> {
        let asks = match &self.asks {
            Asks::Name => {
                if !self.names.all().any(|name| name == typed) {
                    return Err(if typed.is_empty() {
                        "a name is wanted".to_owned()
                    } else {
                        format!("there is no {typed}")
                    });
                }
                Asks::Setting { name: typed.to_owned() }
            }
            Asks::Setting { name } if typed == "clear" => {
                Asks::Confirmation { name: name.clone(), order: Order::Clear }
            }
            Asks::Setting { name } => {
                let is_range = percentage_or_range(typed)?;
                match (self.names.climate(name), is_range) {
                    (Some(climate), false) => return Err(format!("a climate takes a {}", climate.range)),
                    (None, true) => return Err("an output takes on, off or a percentage".to_owned()),
                    _ => Asks::Duration { name: name.clone(), setting: typed.to_owned() },
                }
            }
            Asks::Duration { name, setting } => {
                let lasts = if typed.is_empty() { DURATION } else { typed };
                Asks::Confirmation { name: name.clone(), order: Order::parse(setting, Some(lasts))? }
            }
            Asks::Confirmation { .. } => return Ok(()),
        };
        self.asks = asks;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    fn form() -> Form {
        form_in(json!("celsius"))
    }

    fn form_in(unit: Value) -> Form {
        let core = json!({
            "outputs": {"fan": {}},
            "climates": {"office": {"unit": unit}, "store": {"measures": "humidity"}, "hall": {"measures": "co2"}},
        });
        Form::new(Names::of(&Status::deserialize(core).unwrap()))
    }

    fn type_in(form: &mut Form, text: &str) -> Outcome {
        let keys = text.chars().map(|c| if c == '\n' { Key::Enter } else { Key::Char(c) });
        keys.map(|key| form.press(key)).last().unwrap()
    }

    #[test]
    fn it_asks_for_one_thing_after_another_and_whether_it_is_meant() {
        let mut form = form();
        assert_eq!(form.prompt(), "override which of fan, office, store, hall? ");
        type_in(&mut form, "fax");
        form.press(Key::Backspace);
        type_in(&mut form, "n\n");
        assert_eq!(form.prompt(), "fan: on, off, a percentage such as 40%, or clear? ");
        type_in(&mut form, "40%\n");
        assert!(form.prompt().contains("for how long"), "{}", form.prompt());
        assert_eq!(type_in(&mut form, "2h\n"), Outcome::Open);
        assert_eq!(form.prompt(), "fan: 40 % for 2 h. Do it (y: yes, Esc: no)? ");
        assert_eq!(type_in(&mut form, "\nx"), Outcome::Open, "only y is yes");
        let order = Order::parse("40%", Some("2h")).unwrap();
        assert_eq!(type_in(&mut form, "y"), Outcome::Ordered { name: "fan".into(), order });
    }

    #[test]
    fn a_range_is_asked_for_and_confirmed_in_the_unit_in_which_it_will_be_taken() {
        for (unit, name, asks, typed, told) in [
            (json!("fahrenheit"), "office", "which range in °F, such as 64..70", "60..70", "60 to 70 °F for"),
            (json!("celsius"), "office", "which range in °C, such as 18..21", "18..21", "18 to 21 °C for"),
            (json!("kelvin"), "office", "which range in K, such as 291..294", "290..295", "290 to 295 K for"),
            (Value::Null, "office", "which range of temperature, such as 18..21", "18..21", "18 to 21 for"),
            (Value::Null, "store", "which range in %, such as 40..60", "40..50", "40 to 50 % for"),
            (Value::Null, "hall", "which range of co2, such as 400..1000", "1..2", "1 to 2 for"),
        ] {
            let mut form = form_in(unit);
            type_in(&mut form, &format!("{name}\n"));
            assert_eq!(form.prompt(), format!("{name}: {asks}, or clear? "));
            type_in(&mut form, &format!("{typed}\n\n"));
            assert_eq!(form.prompt(), format!("{name}: {told} 30 min. Do it (y: yes, Esc: no)? "));
        }
    }

    #[test]
    fn a_range_for_a_climate_and_the_end_of_an_override() {
        let mut range = form();
        type_in(&mut range, "office\n18..21\n\n");
        let order = Order::parse("18..21", Some("30m")).unwrap();
        assert_eq!(range.press(Key::Char('y')), Outcome::Ordered { name: "office".into(), order });
        let mut clear = form();
        type_in(&mut clear, "fan\nclear\n");
        assert_eq!(clear.prompt(), "fan: no override any more. Do it (y: yes, Esc: no)? ");
        assert_eq!(clear.press(Key::Char('n')), Outcome::Left);
    }

    #[test]
    fn a_wrong_answer_is_told_and_asked_again_and_escape_leaves() {
        let mut form = form();
        for (typed, told) in [("\n", "a name is wanted. "), ("attic\n", "there is no attic. override which")]
        {
            type_in(&mut form, typed);
            assert!(form.prompt().starts_with(told), "{}", form.prompt());
        }
        for (typed, told) in [("fan\n18..21\n", "an output takes"), ("loud\n", "\"loud\" is none of")] {
            type_in(&mut form, typed);
            assert!(form.prompt().starts_with(told), "{}", form.prompt());
        }
        type_in(&mut form, "on\n9d\n");
        assert!(form.prompt().starts_with("an override lasts from"), "{}", form.prompt());
        type_in(&mut form, &"x".repeat(1000));
        assert!(form.prompt().len() < 400);
        assert_eq!(form.press(Key::Escape), Outcome::Left);
    }
}
