//! Parses the descriptions of the interfaces, and checks what the types write against them.

use super::calls::{
    ClearOverride, Description, GetInterfaceDescription, GetJournal, GetStatus, GetTrend, GetTwin, INTERFACE,
    JournalReply, Method, Monitor, MonitorReply, Nothing, OverrideReply, Percent, Ping, RangeOverrideReply,
    Refusal, Reload, ServiceInfo, SetOverride, SetRangeOverride, StatusReply, TrendReply, TwinHalf,
    TwinReply,
};
use super::interface::INTERFACES;
use crate::report::status::{Named, TwinCopy};
use crate::report::trend::{ClimateTrend, OutputTrend, Short, Trend};
use crate::service::DaemonStatus;
use crate::units::Permille;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A type of Varlink's.
#[derive(Clone, Debug)]
enum Type {
    Plain(String),
    Named(String),
    Maybe(Box<Self>),
    List(Box<Self>),
    Map(Box<Self>),
    Struct(Vec<(String, Self)>),
    Enum(Vec<String>),
}

/// What an interface declares, by its names.
#[derive(Debug, Default)]
struct Interface {
    types: BTreeMap<String, Type>,
    methods: BTreeMap<String, (Type, Type)>,
    errors: BTreeMap<String, Type>,
}

struct Parser {
    words: Vec<String>,
    at: usize,
}

impl Parser {
    fn of(text: &str) -> Self {
        let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let code = code.collect::<Vec<_>>().join("\n");
        let mut words = vec![String::new()];
        for c in code.chars() {
            if c.is_ascii_alphanumeric() || ".->_".contains(c) {
                words.last_mut().unwrap().push(c);
            } else {
                let mark = if c.is_whitespace() { String::new() } else { c.to_string() };
                words.extend([mark, String::new()]);
            }
        }
        words.retain(|word| !word.is_empty());
        Self { words, at: 0 }
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.words[self.at - 1].clone()
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn type_of(&mut self) -> Type {
        if self.takes("?") {
            return Type::Maybe(Box::new(self.type_of()));
        }
        if self.takes("[") {
            let is_map = self.takes("string");
            assert!(self.takes("]"));
            let inner = Box::new(self.type_of());
            return if is_map { Type::Map(inner) } else { Type::List(inner) };
        }
        if self.takes("(") {
            return self.fields();
        }
        let name = self.next();
        match name.as_str() {
            "bool" | "int" | "float" | "string" | "object" => Type::Plain(name),
            _ => Type::Named(name),
        }
    }

    fn fields(&mut self) -> Type {
        let (mut fields, mut values) = (Vec::new(), Vec::new());
        while !self.takes(")") {
            let name = self.next();
            if self.takes(":") {
                fields.push((name, self.type_of()));
            } else {
                values.push(name);
            }
            self.takes(",");
        }
        assert!(fields.is_empty() || values.is_empty(), "{fields:?} {values:?}");
        if values.is_empty() { Type::Struct(fields) } else { Type::Enum(values) }
    }

    fn interface(mut self) -> Interface {
        assert!(self.takes("interface"));
        let own = self.next();
        let mut interface = Interface::default();
        while self.at < self.words.len() {
            let (kind, name) = (self.next(), self.next());
            let declared = self.type_of();
            match kind.as_str() {
                "type" => drop(interface.types.insert(name, declared)),
                "error" => drop(interface.errors.insert(format!("{own}.{name}"), declared)),
                "method" => {
                    assert!(self.takes("->"));
                    interface.methods.insert(format!("{own}.{name}"), (declared, self.type_of()));
                }
                other => panic!("{other} {name}"),
            }
        }
        interface
    }
}

impl Interface {
    /// Checks a value against a type, and notes its fields, so that a field that is never written is noticed.
    fn hold(&self, place: &str, value: &Value, declared: &Type, seen: &mut BTreeSet<String>) {
        match declared {
            Type::Maybe(_) if value.is_null() => {}
            Type::Maybe(inner) => self.hold(place, value, inner, seen),
            Type::Named(name) => self.hold(name, value, &self.types[name], seen),
            Type::Plain(name) => {
                let is_so = match name.as_str() {
                    "bool" => value.is_boolean(),
                    "int" => value.is_i64() || value.is_u64(),
                    "float" => value.is_number(),
                    "string" => value.is_string(),
                    _ => value.is_object(),
                };
                assert!(is_so, "{place} is no {name}: {value}");
            }
            Type::List(inner) => {
                let values = value.as_array().unwrap_or_else(|| panic!("{place} is no list: {value}"));
                values.iter().for_each(|value| self.hold(place, value, inner, seen));
            }
            Type::Map(inner) => {
                let values = value.as_object().unwrap_or_else(|| panic!("{place} is no map: {value}"));
                values.values().for_each(|value| self.hold(place, value, inner, seen));
            }
            Type::Enum(values) => {
                let word = value.as_str().unwrap_or_default();
                assert!(values.iter().any(|known| known == word), "{place}: {value}");
            }
            Type::Struct(fields) => {
                let object = value.as_object().unwrap_or_else(|| panic!("{place} is no object: {value}"));
                for name in object.keys() {
                    assert!(fields.iter().any(|(known, _)| known == name), "{place}.{name} is not described");
                }
                for (name, declared) in fields {
                    let place = format!("{place}.{name}");
                    match object.get(name) {
                        None => assert!(matches!(declared, Type::Maybe(_)), "{place} is missing"),
                        Some(value) => {
                            self.hold(&place, value, declared, seen);
                            seen.insert(place);
                        }
                    }
                }
            }
        }
    }

    /// Every field that is described.
    fn fields(&self) -> BTreeSet<String> {
        let types = self.types.iter().map(|(name, declared)| (name.clone(), declared));
        let methods = self
            .methods
            .iter()
            .flat_map(|(name, (takes, gives))| [(format!("{name}()"), takes), (format!("{name}->"), gives)]);
        let errors = self.errors.iter().map(|(name, declared)| (name.clone(), declared));
        let of = |(place, declared): (String, &Type)| match declared {
            Type::Struct(fields) => fields.iter().map(|(name, _)| format!("{place}.{name}")).collect(),
            _ => Vec::new(),
        };
        types.chain(methods).chain(errors).flat_map(of).collect()
    }
}

/// A status that has something everywhere.
fn status() -> DaemonStatus {
    let put_off = json!({"sinceSeconds": 1, "retryInSeconds": 2, "status": 429, "reason": "slow"});
    let mut aside = put_off.clone();
    aside["property"] = json!("a.b");
    let status = json!({
        "hub": {
            "online": true, "desiredVersion": 3, "reportPutOff": put_off, "setAside": [aside],
            "setAsideCount": 1,
            "refused": [{"property": "a", "value": "9", "code": 400, "reason": "no", "version": 3}], "refusedCount": 1,
            "copyAgeSeconds": 4, "silentSeconds": 7, "notMapped": ["foo"], "notMappedCount": 1,
        },
        "climate": {
            "regime": "in-range", "temperature": 21.5, "min": 20, "max": 28,
            "override": {"min": 18, "max": 21.5, "secondsLeft": 9, "by": "hub"},
        },
        "climates": {"office": {
            "regime": "in-range", "measures": "temperature", "temperature": 21.5, "value": 21.5, "min": 20, "max": 28,
            "schedule": {"waiting": false, "entry": "night", "until": "2026-11-27T21:00:00Z"},
            "unit": "fahrenheit", "property": "components.office",
        }},
        "sensors": {"roof": {"measures": "temperature", "value": 21, "found": "x", "ageSeconds": 4}},
        "outputs": {"fan": {
            "permille": 412, "cause": "override", "rpm": 900, "fault": "none", "speedFault": "stalled",
            "held": {"by": "min-off", "cause": "override", "wants": 40, "seconds": 3, "text": "held"},
            "override": {"percent": 41.2, "secondsLeft": 9, "by": "hub"},
        }},
        "storeFault": "full",
        "storedSecondsAgo": 5,
        "telemetry": {"waitingMessages": 1, "keptMessages": 2, "keptBytes": 900, "lostRecords": 3, "fault": "full"},
        "alarms": {"stall-fan": {"since": "2026-11-27T14:00:00Z", "secondsAgo": 3, "text": "it does not turn", "remedy": "look"}},
        "changes": [{"secondsAgo": 3, "output": "fan", "permille": 412, "cause": "override", "by": "hub"}],
        "rangeChanges": [{"secondsAgo": 3, "climate": "office", "min": 18, "max": 21, "cause": "override", "by": "hub"}],
        "link": {
            "state": "waiting", "sinceSeconds": 8, "reason": "no route", "nextAttemptInSeconds": 2,
            "tokenRenewsInSeconds": 5, "tokenExpires": 6, "lastFailure": {"text": "no route", "secondsAgo": 8},
            "remedy": "look",
        },
        "configuration": "/etc/twind.toml",
        "configurationRefused": {
            "secondsAgo": 9, "fault": "/etc/twind.toml:3:1: no", "faultCount": 2, "startWouldFail": true, "remedy": "mend it",
        },
    });
    DaemonStatus::deserialize(status).unwrap()
}

struct Holds {
    interfaces: Vec<Interface>,
    seen: BTreeSet<String>,
    methods: BTreeSet<String>,
}

impl Holds {
    fn method<M: Method>(&mut self, takes: &M, gives: &impl Serialize) {
        let known = self.interfaces.iter().find_map(|one| Some((one, one.methods.get(M::NAME)?)));
        let (interface, (parameters, reply)) = known.unwrap_or_else(|| panic!("no {}", M::NAME));
        let (takes, gives) = (serde_json::to_value(takes).unwrap(), serde_json::to_value(gives).unwrap());
        interface.hold(&format!("{}()", M::NAME), &takes, parameters, &mut self.seen);
        interface.hold(&format!("{}->", M::NAME), &gives, reply, &mut self.seen);
        self.methods.insert(M::NAME.to_owned());
        M::Reply::deserialize(gives).map(drop).unwrap();
    }

    fn error(&mut self, refusal: &Refusal) {
        let value = serde_json::to_value(refusal).unwrap();
        let name = value["error"].as_str().unwrap();
        let known = self.interfaces.iter().find_map(|one| Some((one, one.errors.get(name)?)));
        let (interface, declared) = known.unwrap_or_else(|| panic!("no {name}"));
        interface.hold(name, &value["parameters"], declared, &mut self.seen);
        self.methods.insert(name.to_owned());
    }
}

fn refusals() -> [Refusal; 9] {
    let text = || "x".to_owned();
    [
        Refusal::UnknownOutput { output: text(), known: vec![text()] },
        Refusal::InvalidOverride { reason: text() },
        Refusal::ReloadRefused { faults: vec![text()] },
        Refusal::TooManyClients {},
        Refusal::InterfaceNotFound { interface: text() },
        Refusal::MethodNotFound { method: text() },
        Refusal::InvalidParameter { parameter: text() },
        Refusal::PermissionDenied {},
        Refusal::ExpectedMore {},
    ]
}

#[test]
fn what_is_said_is_what_is_described_and_nothing_is_described_that_nobody_says() {
    let interfaces = INTERFACES.iter().map(|(_, text)| Parser::of(text).interface()).collect();
    let mut holds = Holds { interfaces, seen: BTreeSet::new(), methods: BTreeSet::new() };
    let (output, changes) = ("fan".to_owned(), Some(3));
    let held = status().core.outputs.0.remove(0).1.held;
    let twin = TwinCopy::default();
    let values = || vec![Some(Short(21.5)), None];
    let trend = Trend {
        every_seconds: 10,
        seconds_ago: vec![10, 0],
        climates: Named(vec![(
            "climate".into(),
            ClimateTrend { value: values(), min: values(), max: values() },
        )]),
        outputs: Named(vec![(
            "fan".into(),
            OutputTrend { permille: vec![Some(1), None], rpm: vec![None, Some(900)] },
        )]),
    };
    holds.method(&GetStatus { changes }, &StatusReply { status: status() });
    holds.method(&Monitor { changes }, &MonitorReply { status: status(), skipped: 1 });
    holds.method(&GetTrend {}, &TrendReply { trend });
    holds.method(&GetTwin { section: Some(TwinHalf::Desired) }, &TwinReply { twin });
    holds.method(&GetJournal {}, &JournalReply { journal: String::new() });
    let percent = Percent(Permille::FULL);
    holds.method(&SetOverride { output: output.clone(), percent, seconds: 1 }, &OverrideReply { held });
    let range = SetRangeOverride { climate: "office".into(), min: 64.0, max: 70.5, seconds: 1 };
    holds.method(&range, &RangeOverrideReply { unit: Some("fahrenheit".into()) });
    holds.method(&ClearOverride { output }, &OverrideReply::default());
    holds.method(&Ping {}, &Nothing {});
    holds.method(&Reload {}, &Nothing {});
    let info = ServiceInfo {
        vendor: String::new(),
        product: String::new(),
        version: String::new(),
        url: String::new(),
        interfaces: vec![INTERFACE.to_owned()],
    };
    holds.method(&super::calls::GetInfo {}, &info);
    let interface = INTERFACE.to_owned();
    holds.method(&GetInterfaceDescription { interface }, &Description { description: String::new() });
    refusals().iter().for_each(|refusal| holds.error(refusal));

    let described: BTreeSet<String> = holds.interfaces.iter().flat_map(Interface::fields).collect();
    assert!(described.len() > 80, "{described:?}");
    assert_eq!(
        described.difference(&holds.seen).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "nobody writes these"
    );
    let declared = |one: &Interface| one.methods.keys().chain(one.errors.keys()).cloned().collect::<Vec<_>>();
    let declared: BTreeSet<String> = holds.interfaces.iter().flat_map(declared).collect();
    assert_eq!(declared, holds.methods);
}

#[test]
fn an_error_is_read_as_it_is_written() {
    for refusal in refusals() {
        let message = super::varlink::write_reply(&Err::<Nothing, _>(&refusal), false);
        let read = super::varlink::read_reply(message.strip_suffix(b"\0").unwrap()).unwrap();
        assert_eq!(Refusal::of(&read.says.unwrap_err()), Some(refusal));
    }
}

#[test]
fn what_an_older_daemon_does_not_say_is_read_all_the_same() {
    assert_eq!(serde_json::from_str::<OverrideReply>("{}").unwrap(), OverrideReply::default());
    let status = json!({"status": {"hub": {"desiredVersion": 4}}});
    let read: StatusReply = serde_json::from_value(status).unwrap();
    assert_eq!((read.status.core.hub.desired_version, read.status.configuration), (4, None));
}

/// The numbers of seconds that pass by themselves, with their keys.
fn seconds_within(value: &Value, found: &mut Vec<(String, u64)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let passes =
                ["seconds", "Seconds", "secondsAgo", "secondsLeft"].iter().any(|end| key.ends_with(end));
            match value.as_u64().filter(|_| passes) {
                Some(seconds) => found.push((key.clone(), seconds)),
                None => seconds_within(value, found),
            }
        }),
        Value::Array(items) => items.iter().for_each(|item| seconds_within(item, found)),
        _ => {}
    }
}

#[test]
fn a_status_without_time_has_zero_for_each_time_that_passes() {
    let within = |status: &DaemonStatus| {
        let mut found = Vec::new();
        seconds_within(&serde_json::to_value(status).unwrap(), &mut found);
        found
    };
    assert!(within(&status()).iter().all(|(_, seconds)| *seconds > 0), "the sample has them all");
    let left: Vec<_> =
        within(&status().without_time()).into_iter().filter(|(_, seconds)| *seconds > 0).collect();
    assert_eq!(left, [], "`retime` does not know these");
}
