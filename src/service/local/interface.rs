//! What the socket understands: calls by name and type, each either answered here or asked of the loop.

use super::varlink::{Call, CallError, Reply};
use crate::engine::OverrideFault;
use crate::units::Permille;
use core::time::Duration;
use serde_json::{Map, Value, json};

/// The daemon's own interface.
pub const INTERFACE: &str = "io.twind.Daemon";
const DESCRIPTION: &str = include_str!("io.twind.Daemon.varlink");
const SERVICE: &str = "org.varlink.service";
const SERVICE_DESCRIPTION: &str = include_str!("org.varlink.service.varlink");
/// Changes that `GetStatus` tells of if it is not said how many.
const CHANGES: usize = 20;

/// Half of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Desired,
    Reported,
}

/// What only the loop can answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Status { changes: usize },
    Twin { section: Option<Section> },
    Override { output: String, order: Option<(Permille, Duration)> },
}

impl Ask {
    /// Does it change anything?
    pub(super) fn is_order(&self) -> bool {
        match self {
            Self::Status { .. } | Self::Twin { .. } => false,
            Self::Override { .. } => true,
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Understood {
    Answered(Reply),
    Ask(Ask),
}

pub(super) fn understand(call: &Call) -> Understood {
    let (interface, method) = call.method.rsplit_once('.').unwrap_or(("", &call.method));
    let parameters = Parameters(&call.parameters);
    let understood = match (interface, method) {
        (SERVICE, "GetInfo") => Ok(Understood::Answered(Ok(info()))),
        (SERVICE, "GetInterfaceDescription") => {
            parameters.text("interface").map(|interface| Understood::Answered(describe(interface)))
        }
        (INTERFACE, method) => ask(method, parameters).map(Understood::Ask),
        (SERVICE, _) => Err(unknown_method(&call.method)),
        _ => Err(CallError::of_service("InterfaceNotFound", json!({ "interface": interface }))),
    };
    understood.unwrap_or_else(|error| Understood::Answered(Err(error)))
}

fn ask(method: &str, parameters: Parameters<'_>) -> Result<Ask, CallError> {
    match method {
        "GetStatus" => {
            let changes = parameters.optional("changes", Value::as_u64)?;
            Ok(Ask::Status { changes: changes.map_or(CHANGES, |n| usize::try_from(n).unwrap_or(usize::MAX)) })
        }
        "GetTwin" => {
            let section = parameters.optional("section", |value| match value.as_str()? {
                "desired" => Some(Section::Desired),
                "reported" => Some(Section::Reported),
                _ => None,
            })?;
            Ok(Ask::Twin { section })
        }
        "SetOverride" => {
            let output = parameters.text("output")?.to_owned();
            let drive = parameters.value("percent", |value| Permille::from_percent(value.as_f64()?))?;
            let lasts = parameters.value("seconds", Value::as_u64)?;
            Ok(Ask::Override { output, order: Some((drive, Duration::from_secs(lasts))) })
        }
        "ClearOverride" => Ok(Ask::Override { output: parameters.text("output")?.to_owned(), order: None }),
        _ => Err(unknown_method(&format!("{INTERFACE}.{method}"))),
    }
}

fn unknown_method(method: &str) -> CallError {
    CallError::of_service("MethodNotFound", json!({ "method": method }))
}

fn info() -> Value {
    json!({
        "vendor": "twind",
        "product": "twind",
        "version": env!("CARGO_PKG_VERSION"),
        "url": "",
        "interfaces": [SERVICE, INTERFACE],
    })
}

fn describe(interface: &str) -> Reply {
    match interface {
        INTERFACE => Ok(json!({ "description": DESCRIPTION })),
        SERVICE => Ok(json!({ "description": SERVICE_DESCRIPTION })),
        _ => Err(CallError::of_service("InterfaceNotFound", json!({ "interface": interface }))),
    }
}

/// Why an override was not taken, as the interface says it.
pub(crate) fn refusal(output: &str, fault: &OverrideFault) -> CallError {
    match fault {
        OverrideFault::UnknownOutput { known } => CallError {
            name: format!("{INTERFACE}.UnknownOutput"),
            parameters: json!({ "output": output, "known": known }),
        },
        OverrideFault::Duration | OverrideFault::OnOff => CallError {
            name: format!("{INTERFACE}.InvalidOverride"),
            parameters: json!({ "reason": fault.to_string() }),
        },
    }
}

/// A call's parameters by name and type.
#[derive(Clone, Copy)]
struct Parameters<'c>(&'c Map<String, Value>);

impl<'c> Parameters<'c> {
    fn optional<T>(
        self,
        name: &str,
        read: impl FnOnce(&'c Value) -> Option<T>,
    ) -> Result<Option<T>, CallError> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| CallError::invalid(name)),
        }
    }

    fn value<T>(self, name: &str, read: impl FnOnce(&'c Value) -> Option<T>) -> Result<T, CallError> {
        self.optional(name, read)?.ok_or_else(|| CallError::invalid(name))
    }

    fn text(self, name: &str) -> Result<&'c str, CallError> {
        self.value(name, Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, parameters: Value) -> Understood {
        let parameters = parameters.as_object().unwrap().clone();
        understand(&Call { method: method.into(), parameters, oneway: false })
    }

    fn error(understood: Understood) -> String {
        match understood {
            Understood::Answered(Err(error)) => error.name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_service_tells_of_itself() {
        let Understood::Answered(Ok(info)) = call("org.varlink.service.GetInfo", json!({})) else { panic!() };
        for interface in info["interfaces"].as_array().unwrap() {
            let asked = call("org.varlink.service.GetInterfaceDescription", json!({"interface": interface}));
            let Understood::Answered(Ok(told)) = asked else { panic!("{interface}") };
            let declared = format!("\ninterface {}\n", interface.as_str().unwrap());
            assert!(told["description"].as_str().unwrap().contains(&declared), "{told}");
        }
        let unknown = call("org.varlink.service.GetInterfaceDescription", json!({"interface": "a.b"}));
        assert_eq!(error(unknown), "org.varlink.service.InterfaceNotFound");
    }

    #[test]
    fn every_method_that_is_described_is_understood() {
        let declared = DESCRIPTION.lines().filter_map(|line| line.strip_prefix("method "));
        let methods: Vec<&str> = declared.filter_map(|line| line.split('(').next()).collect();
        assert_eq!(methods, ["GetStatus", "GetTwin", "SetOverride", "ClearOverride"]);
        let all = json!({"changes": 5, "section": "desired", "output": "fan", "percent": 40, "seconds": 60});
        for method in methods {
            let understood = call(&format!("{INTERFACE}.{method}"), all.clone());
            assert!(matches!(understood, Understood::Ask(_)), "{method}: {understood:?}");
        }
    }

    #[test]
    fn an_override_is_read_by_type() {
        let set = |parameters| call("io.twind.Daemon.SetOverride", parameters);
        let order = Some((Permille::from_percent(40.5).unwrap(), Duration::from_secs(60)));
        let wanted = Understood::Ask(Ask::Override { output: "fan".into(), order });
        assert_eq!(set(json!({"output": "fan", "percent": 40.5, "seconds": 60})), wanted);
        for wrong in [
            json!({"output": "fan", "percent": 40.5}),
            json!({"output": "fan", "percent": 101, "seconds": 60}),
            json!({"output": "fan", "percent": "on", "seconds": 60}),
            json!({"output": "fan", "percent": 1, "seconds": -60}),
            json!({"output": 7, "percent": 1, "seconds": 60}),
        ] {
            assert_eq!(error(set(wrong)), "org.varlink.service.InvalidParameter");
        }
    }

    #[test]
    fn what_is_unknown_is_told_by_what_it_is() {
        assert_eq!(error(call("io.twind.Daemon.Reboot", json!({}))), "org.varlink.service.MethodNotFound");
        assert_eq!(error(call("org.varlink.service.X", json!({}))), "org.varlink.service.MethodNotFound");
        assert_eq!(error(call("io.example.X", json!({}))), "org.varlink.service.InterfaceNotFound");
        assert_eq!(error(call("", json!({}))), "org.varlink.service.InterfaceNotFound");
    }
}
