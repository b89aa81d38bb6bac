//! The message and the level of each failure.

use super::*;
use crate::hub::wire::Stage;

const NOON: UnixSeconds = UnixSeconds(1_767_268_800);

fn say(cause: Cause) -> String {
    Failure { peer: Peer { name: "hub.example".into(), port: 8883 }, via: None, cause }.to_string()
}

#[test]
fn refused_credentials_name_the_clock_and_what_it_says() {
    let text = say(Cause::Wire(Wire::Refused { code: 5, at: NOON }));
    assert!(text.contains("clock") && text.contains("2026-01-01T12:00:00Z"), "{text}");
}

#[test]
fn a_disabled_device_is_told_from_refused_credentials() {
    let text = say(Cause::Wire(Wire::Refused { code: 3, at: NOON }));
    assert!(text.contains("disabled") && !text.contains("credentials"), "{text}");
}

#[test]
fn every_cause_names_the_peer() {
    for cause in [
        Cause::Wire(Wire::Dns("x".into())),
        Cause::Wire(Wire::Tcp("x".into())),
        Cause::Wire(Wire::Unreachable { reason: "x".into(), addresses: Vec::new() }),
        Cause::Wire(Wire::Timeout(Stage::Tls)),
        Cause::Wire(Wire::Setup(SetupFault::NoRoots)),
        Cause::Wire(Wire::Tls(TlsFault::NotTls)),
        Cause::Wire(Wire::WebSocket(WebSocketFault::Text)),
        Cause::Wire(Wire::Proxy { proxy: Peer { name: "p".into(), port: 1 }, fault: ProxyFault::Closed }),
        Cause::Provisioning(ProvisioningFault::Disabled),
        Cause::RegistrationTimeout,
        Cause::Clock { at: NOON, floor: NOON },
        Cause::Wire(Wire::Refused { code: 77, at: NOON }),
        Cause::Wire(Wire::Subscription("f")),
        Cause::Wire(Wire::Oversized { bytes: 1 }),
        Cause::Wire(Wire::Protocol("x".into())),
        Cause::Wire(Wire::Closed("x".into())),
        Cause::Wire(Wire::Cut("x".into())),
        Cause::Wire(Wire::Silent),
        Cause::Asked("x"),
    ] {
        let text = say(cause);
        assert!(text.contains("hub.example"), "{text}");
    }
}

#[test]
fn what_a_proxy_may_have_done_names_the_proxy() {
    let proxy = Peer { name: "10.0.0.1".into(), port: 3128 };
    for cause in [
        Cause::Wire(Wire::Tls(TlsFault::NotTls)),
        Cause::Wire(Wire::Timeout(Stage::Tls)),
        Cause::Wire(Wire::WebSocket(WebSocketFault::Text)),
        Cause::Wire(Wire::Protocol("x".into())),
        Cause::Wire(Wire::Closed("x".into())),
        Cause::Wire(Wire::Cut("x".into())),
        Cause::Wire(Wire::Silent),
    ] {
        let peer = Peer { name: "hub.example".into(), port: 443 };
        let text = Failure { peer, via: Some(proxy.clone()), cause }.to_string();
        assert!(text.contains("hub.example:443 through the proxy 10.0.0.1:3128"), "{text}");
    }
}

#[test]
fn a_busy_front_end_is_no_fault_of_the_set_up_and_its_wish_counts() {
    let hour = Duration::from_secs(3600);
    let proxy = Peer { name: "p".into(), port: 1 };
    for cause in [
        Cause::Wire(Wire::WebSocket(WebSocketFault::Status(503, hour))),
        Cause::Wire(Wire::WebSocket(WebSocketFault::Status(429, hour))),
        Cause::Wire(Wire::Proxy { proxy: proxy.clone(), fault: ProxyFault::Status(503, hour) }),
        Cause::Wire(Wire::Proxy { proxy, fault: ProxyFault::Status(429, hour) }),
    ] {
        assert_eq!((cause.pace(), cause.asks_to_wait()), (Pace::Busy, hour), "{cause:?}");
        assert!(cause.level() > Level::ERROR && cause.may_be_the_network().is_none(), "{cause:?}");
    }
}

#[test]
fn an_address_of_version_six_is_bracketed() {
    assert_eq!(Peer { name: "::1".into(), port: 8883 }.to_string(), "[::1]:8883");
}

#[test]
fn a_clock_gone_mad_is_still_printed() {
    assert_eq!(WallTime(UnixSeconds(u64::MAX)).to_string(), format!("{} s after 1970", u64::MAX));
    assert_eq!(WallTime(UnixSeconds(253_402_300_799)).to_string(), "9999-12-31T23:59:59Z");
}

#[test]
fn the_same_refusal_at_another_time_is_the_same_trouble() {
    let five = Cause::Wire(Wire::Refused { code: 5, at: NOON });
    assert!(five.is_like(&Cause::Wire(Wire::Refused { code: 5, at: UnixSeconds(0) })));
    assert!(!five.is_like(&Cause::Wire(Wire::Refused { code: 3, at: NOON })));
    assert!(Cause::Wire(Wire::Cut("a".into())).is_like(&Cause::Wire(Wire::Cut("b".into()))));
    assert!(
        !Cause::Wire(Wire::Tls(TlsFault::Expired)).is_like(&Cause::Wire(Wire::Tls(TlsFault::UnknownIssuer)))
    );
}

#[test]
fn only_what_a_person_must_mend_is_an_error() {
    assert_eq!(Cause::Wire(Wire::Refused { code: 5, at: NOON }).level(), Level::ERROR);
    assert_eq!(Cause::Wire(Wire::Tls(TlsFault::UnknownIssuer)).level(), Level::ERROR);
    assert_eq!(Cause::Wire(Wire::Cut("x".into())).level(), Level::INFO);
    assert_eq!(Cause::Wire(Wire::Tcp("x".into())).level(), Level::INFO);
}

#[test]
fn only_what_the_hub_has_a_part_in_says_anything_of_the_assignment() {
    let refused = |code| Cause::Wire(Wire::Refused { code, at: NOON });
    let name = Cause::Wire(Wire::Setup(SetupFault::ServerName("a..b".into())));
    for cause in [refused(2), refused(4), refused(5), name] {
        assert_eq!(cause.evidence(), Evidence::Disproof, "{cause:?}");
    }
    let cut = Cause::Wire(Wire::Cut("x".into()));
    for cause in [refused(1), refused(3), refused(77), cut, Cause::RegistrationTimeout] {
        assert_eq!(cause.evidence(), Evidence::Absence, "{cause:?}");
    }
    let file = SetupFault::File { path: "ca.pem".into(), reason: "cannot be read".to_owned() };
    for cause in [
        Cause::Wire(Wire::Setup(file)),
        Cause::Provisioning(ProvisioningFault::Disabled),
        Cause::Clock { at: NOON, floor: NOON },
        Cause::Asked("x"),
    ] {
        assert_eq!(cause.evidence(), Evidence::None, "{cause:?}");
    }
}

#[test]
fn a_registration_that_is_not_answered_is_the_networks_trouble_until_more_is_known() {
    let silence = Cause::RegistrationTimeout;
    assert_eq!((silence.pace(), silence.level()), (Pace::Cut, Level::INFO));
    assert!(silence.may_be_the_network().is_some_and(<[IpAddr]>::is_empty));
    assert!(
        silence.is_like(&Cause::RegistrationTimeout)
            && !silence.is_like(&Cause::Wire(Wire::Timeout(Stage::Connect)))
    );
    let told = "cannot connect to hub.example:8883: it did not answer the registration in time";
    assert_eq!(say(silence), told);
}
