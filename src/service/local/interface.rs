//! Dispatches calls by name and type: each is answered here or becomes a request to the loop.

use super::calls::{
    ClearOverride, Description, GetInfo, GetInterfaceDescription, GetJournal, GetStatus, GetTrend, GetTwin,
    INTERFACE, Method as _, Monitor, Ping, Refusal, Reload, SERVICE, SYSTEMD, ServiceInfo, SetOverride,
    SetRangeOverride,
};
use super::parameters::read;
use super::varlink::Call;
use super::{Answer, Reply, Request};
use crate::engine::Setting;
use core::time::Duration;

/// Each interface: its name and its description.
pub(super) const INTERFACES: [(&str, &str); 3] = [
    (SERVICE, include_str!("org.varlink.service.varlink")),
    (SYSTEMD, include_str!("io.systemd.service.varlink")),
    (INTERFACE, include_str!("io.twind.Daemon.varlink")),
];
/// The number of changes if a call does not say how many.
const CHANGES: usize = 20;

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Understood {
    Answered(Reply<Answer>),
    Request(Request),
    /// To be answered again and again.
    Monitor {
        changes: usize,
    },
}

pub(super) fn understand(call: Call) -> Understood {
    understand_or_refuse(call).unwrap_or_else(|refusal| Understood::Answered(Err(refusal)))
}

fn understand_or_refuse(Call { method, parameters, more, .. }: Call) -> Result<Understood, Refusal> {
    let request = match method.as_str() {
        GetInfo::NAME => return Ok(Understood::Answered(Ok(Answer::Info(info())))),
        GetInterfaceDescription::NAME => {
            let GetInterfaceDescription { interface } = read(parameters)?;
            return describe(interface).map(|told| Understood::Answered(Ok(Answer::Description(told))));
        }
        Monitor::NAME if !more => return Err(Refusal::ExpectedMore {}),
        Monitor::NAME => {
            let Monitor { changes } = read(parameters)?;
            return Ok(Understood::Monitor { changes: count(changes) });
        }
        GetStatus::NAME => {
            let GetStatus { changes } = read(parameters)?;
            Request::Status { changes: count(changes) }
        }
        GetTwin::NAME => {
            let GetTwin { section } = read(parameters)?;
            Request::Twin { half: section }
        }
        GetTrend::NAME => Request::Trend,
        GetJournal::NAME => Request::Journal,
        SetOverride::NAME => {
            let SetOverride { output, percent, seconds } = read(parameters)?;
            let order = Some((Setting::Drive(percent.0), Duration::from_secs(seconds)));
            Request::Override { name: output, order }
        }
        SetRangeOverride::NAME => {
            let SetRangeOverride { climate, min, max, seconds } = read(parameters)?;
            let order = Some((Setting::Range { min, max }, Duration::from_secs(seconds)));
            Request::Override { name: climate, order }
        }
        ClearOverride::NAME => {
            let ClearOverride { output } = read(parameters)?;
            Request::Override { name: output, order: None }
        }
        Ping::NAME => Request::Ping,
        Reload::NAME => Request::Reload,
        _ => return Err(unknown(method)),
    };
    Ok(Understood::Request(request))
}

fn count(changes: Option<u64>) -> usize {
    changes.map_or(CHANGES, |changes| usize::try_from(changes).unwrap_or(usize::MAX))
}

fn unknown(method: String) -> Refusal {
    let interface = method.rsplit_once('.').map_or("", |(interface, _)| interface);
    if INTERFACES.iter().any(|(known, _)| *known == interface) {
        Refusal::MethodNotFound { method }
    } else {
        Refusal::InterfaceNotFound { interface: interface.to_owned() }
    }
}

fn info() -> ServiceInfo {
    ServiceInfo {
        vendor: "twind".to_owned(),
        product: "twind".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: String::new(),
        interfaces: INTERFACES.iter().map(|(name, _)| (*name).to_owned()).collect(),
    }
}

fn describe(interface: String) -> Result<Description, Refusal> {
    match INTERFACES.iter().find(|(name, _)| *name == interface) {
        Some((_, description)) => Ok(Description { description: (*description).to_owned() }),
        None => Err(Refusal::InterfaceNotFound { interface }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::calls::TwinHalf;
    use super::*;
    use crate::units::Permille;
    use serde_json::{Value, json};

    fn call(method: &str, parameters: Value) -> Understood {
        understand(Call::new(method, &parameters))
    }

    fn refusal(understood: Understood) -> Refusal {
        match understood {
            Understood::Answered(Err(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn asked(understood: Understood) -> Request {
        match understood {
            Understood::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn invalid(parameter: &str) -> Refusal {
        Refusal::InvalidParameter { parameter: parameter.into() }
    }

    #[test]
    fn the_service_tells_of_itself() {
        let Understood::Answered(Ok(Answer::Info(info))) = call(GetInfo::NAME, json!({})) else { panic!() };
        assert_eq!(info.interfaces, [SERVICE, SYSTEMD, INTERFACE]);
        for interface in info.interfaces {
            let asked = call(GetInterfaceDescription::NAME, json!({"interface": interface}));
            let Understood::Answered(Ok(Answer::Description(told))) = asked else { panic!("{interface}") };
            assert!(told.description.contains(&format!("\ninterface {interface}\n")), "{told:?}");
        }
        let unknown = call(GetInterfaceDescription::NAME, json!({"interface": "a.b"}));
        assert_eq!(refusal(unknown), Refusal::InterfaceNotFound { interface: "a.b".into() });
        assert_eq!(refusal(call(GetInterfaceDescription::NAME, json!({}))), invalid("interface"));
    }

    #[test]
    fn every_method_that_is_described_is_understood() {
        let all = json!({
            "changes": 5, "section": "desired", "output": "fan", "percent": 40, "seconds": 60, "interface": INTERFACE,
            "climate": "office", "min": 18, "max": 21.5,
        });
        let mut methods = Vec::new();
        for (interface, description) in INTERFACES {
            for line in description.lines().filter_map(|line| line.strip_prefix("method ")) {
                let method = format!("{interface}.{}", line.split('(').next().unwrap());
                let understood = understand(Call { more: true, ..Call::new(&method, &all) });
                assert!(!matches!(understood, Understood::Answered(Err(_))), "{method}: {understood:?}");
                methods.push(method);
            }
        }
        assert_eq!(methods.len(), 12, "{methods:?}");
    }

    #[test]
    fn what_is_asked_is_read_by_type() {
        assert_eq!(asked(call(GetStatus::NAME, json!({}))), Request::Status { changes: 20 });
        assert_eq!(asked(call(GetStatus::NAME, json!({"changes": null}))), Request::Status { changes: 20 });
        assert_eq!(
            asked(call(GetStatus::NAME, json!({"changes": 0, "x": 1}))),
            Request::Status { changes: 0 }
        );
        assert_eq!(refusal(call(GetStatus::NAME, json!({"changes": -1}))), invalid("changes"));
        let half = Some(TwinHalf::Reported);
        assert_eq!(asked(call(GetTwin::NAME, json!({"section": "reported"}))), Request::Twin { half });
        assert_eq!(refusal(call(GetTwin::NAME, json!({"section": "other"}))), invalid("section"));
        assert_eq!(asked(call(Ping::NAME, json!({}))), Request::Ping);
        assert_eq!(asked(call(GetTrend::NAME, json!({}))), Request::Trend);
        assert_eq!(asked(call(Reload::NAME, json!({}))), Request::Reload);
    }

    #[test]
    fn an_override_is_read_by_type_and_a_wrong_parameter_is_named() {
        let set = |parameters| call(SetOverride::NAME, parameters);
        let share = Setting::Drive(Permille::from_percent(40.5).unwrap());
        let wanted = Request::Override { name: "fan".into(), order: Some((share, Duration::from_secs(60))) };
        assert_eq!(asked(set(json!({"output": "fan", "percent": 40.5, "seconds": 60}))), wanted);
        for (wrong, named) in [
            (json!({"output": "fan", "percent": 40.5}), "seconds"),
            (json!({"output": "fan", "percent": 101, "seconds": 60}), "percent"),
            (json!({"output": "fan", "percent": "on", "seconds": 60}), "percent"),
            (json!({"output": "fan", "percent": 1, "seconds": -60}), "seconds"),
            (json!({"output": "fan", "percent": 1, "seconds": null}), "seconds"),
            (json!({"output": 7, "percent": 1, "seconds": 60}), "output"),
        ] {
            assert_eq!(refusal(set(wrong)), invalid(named));
        }
        let set = |parameters| call(SetRangeOverride::NAME, parameters);
        let range = Setting::Range { min: 18.0, max: 21.5 };
        let wanted =
            Request::Override { name: "office".into(), order: Some((range, Duration::from_secs(60))) };
        assert_eq!(asked(set(json!({"climate": "office", "min": 18, "max": 21.5, "seconds": 60}))), wanted);
        let wrong = json!({"climate": "office", "min": "18", "max": 21.5, "seconds": 60});
        assert_eq!(refusal(set(wrong)), invalid("min"));
    }

    #[test]
    fn what_changes_anything_or_tells_more_than_anybody_may_know_is_reserved() {
        let reserved = |method: &str| {
            let all = json!({"output": "fan", "percent": 1, "climate": "office", "min": 1, "max": 2, "seconds": 60});
            asked(call(method, all)).is_reserved()
        };
        for method in
            [SetOverride::NAME, SetRangeOverride::NAME, ClearOverride::NAME, Reload::NAME, GetJournal::NAME]
        {
            assert!(reserved(method), "{method}");
        }
        for look in [GetStatus::NAME, GetTrend::NAME, GetTwin::NAME, Ping::NAME] {
            assert!(!reserved(look), "{look}");
        }
    }

    #[test]
    fn a_stream_is_given_to_whoever_asks_for_more_and_to_nobody_else() {
        assert_eq!(refusal(call(Monitor::NAME, json!({}))), Refusal::ExpectedMore {});
        let more = |parameters| understand(Call { more: true, ..Call::new(Monitor::NAME, &parameters) });
        assert!(matches!(more(json!({"changes": 3})), Understood::Monitor { changes: 3 }));
        assert_eq!(refusal(more(json!({"changes": "all"}))), invalid("changes"));
        let once = understand(Call { more: true, ..Call::new(Ping::NAME, &json!({})) });
        assert_eq!(asked(once), Request::Ping, "what answers once does so to those who take more");
    }

    #[test]
    fn what_is_unknown_is_told_by_what_it_is() {
        for method in ["io.twind.Daemon.Reboot", "org.varlink.service.X", "io.systemd.service.SetLogLevel"] {
            assert_eq!(refusal(call(method, json!({}))), Refusal::MethodNotFound { method: method.into() });
        }
        for (method, interface) in [("io.example.X", "io.example"), ("", "")] {
            let unknown = Refusal::InterfaceNotFound { interface: interface.into() };
            assert_eq!(refusal(call(method, json!({}))), unknown);
        }
    }
}
