//! The override in the last line of the screen: what, how much, for how long, and whether it is meant.

use crate::cli::keys::Key;
use crate::cli::overrides::{Order, percentage_or_range};

/// What an answer is taken for when it is left empty.
const DURATION: &str = "30m";
/// Longer than any answer that can be right.
const LENGTH_MAX: usize = 80;

/// What can be overridden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) outputs: Vec<String>,
    pub(super) climates: Vec<String>,
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
                let all: Vec<&str> =
                    self.names.outputs.iter().chain(&self.names.climates).map(String::as_str).collect();
                format!("override which of {}?", all.join(", "))
            }
            Asks::Setting { name } if self.is_climate(name) => {
                format!("{name}: which range, such as 18..21, or clear?")
            }
            Asks::Setting { name } => format!("{name}: on, off, a percentage such as 40%, or clear?"),
            Asks::Duration { name, setting } => {
                format!("{name} {setting}: for how long, such as 90s or 2h (Enter: {DURATION})?")
            }
            Asks::Confirmation { name, order } => {
                format!("{}. Do it (y: yes, Esc: no)?", order.describe(name))
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

    fn is_climate(&self, name: &str) -> bool {
        !self.names.outputs.iter().any(|output| output == name)
    }

    fn answer(&mut self, typed: &str) -> Result<(), String> {
        let asks = match &self.asks {
            Asks::Name => {
                let known = self.names.outputs.iter().chain(&self.names.climates).any(|name| name == typed);
                if !known {
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
                match (self.is_climate(name), is_range) {
                    (true, false) => return Err("a climate takes a range such as 18..21".to_owned()),
                    (false, true) => return Err("an output takes on, off or a percentage".to_owned()),
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

    fn form() -> Form {
        Form::new(Names { outputs: vec!["fan".into()], climates: vec!["office".into()] })
    }

    fn type_in(form: &mut Form, text: &str) -> Outcome {
        let keys = text.chars().map(|c| if c == '\n' { Key::Enter } else { Key::Char(c) });
        keys.map(|key| form.press(key)).last().unwrap()
    }

    #[test]
    fn it_asks_for_one_thing_after_another_and_whether_it_is_meant() {
        let mut form = form();
        assert_eq!(form.prompt(), "override which of fan, office? ");
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
