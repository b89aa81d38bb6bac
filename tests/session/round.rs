//! The alternatives to port 8883: WebSocket, and a proxy.

use crate::log::logged;
use crate::site::{DEVICE, Site, failure_after, hub_event, is_disconnect, within};
use base64::Engine as _;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use twind::hub::Secret;
use twind::hub::link::HubSettings;
use twind::hub::wire::{Proxy, Transport};
use twind::twin::{HubEvent, HubRequest};

fn by_websocket(site: &Site) -> HubSettings {
    to_websocket(site, site.settings())
}

fn to_websocket(site: &Site, settings: HubSettings) -> HubSettings {
    HubSettings { transport: Transport::WebSocket, port: site.hub.https_port(), ..settings }
}

#[tokio::test]
async fn a_session_by_websocket_is_a_session() {
    let site = Site::start().await;
    let mut link = site.link_with(by_websocket(&site));
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    // Larger than one frame, in both directions.
    let large: serde_json::Map<_, _> = (0..6).map(|n| (format!("k{n}"), "x".repeat(4000).into())).collect();
    site.hub.update_desired(DEVICE, &large.clone().into()).unwrap();
    let HubEvent::DesiredDelta { patch, .. } = hub_event(&mut link).await else { panic!("no change") };
    link.push(HubRequest::PatchReported { rid: 1, patch });
    assert_eq!(hub_event(&mut link).await, HubEvent::ReportedAck { rid: 1 });
    assert_eq!(site.hub.reported(DEVICE).unwrap()["k5"], large["k5"]);

    site.hub.kick(DEVICE);
    let failure = failure_after(&mut link, &[HubEvent::Down]).await;
    assert!(failure.contains("closed it without a reason"), "{failure}");
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    within(link.close(crate::site::LIMIT)).await;
    site.see(is_disconnect).await;
}

#[tokio::test]
async fn a_port_that_speaks_no_websocket_is_named_as_such() {
    let site = Site::start().await;
    let settings = HubSettings { transport: Transport::WebSocket, ..site.settings() };
    let failure = failure_after(&mut site.link_with(settings), &[]).await;
    // The MQTT port closes the connection on anything but CONNECT.
    assert!(failure.contains("instead of opening a WebSocket"), "{failure}");
}

/// A proxy on loopback that requires these credentials, if any, and connects to whatever it is asked for.
pub(crate) async fn proxy(wants: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(client.read_u8().await.unwrap());
            }
            let asked = String::from_utf8(asked).unwrap();
            let signed = wants.is_none_or(|wants| {
                let basic = base64::engine::general_purpose::STANDARD.encode(wants);
                asked.contains(&format!("Proxy-Authorization: Basic {basic}\r\n"))
            });
            if !signed {
                client.write_all(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                continue;
            }
            let place = asked.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
            // The proxy resolves names.
            let Ok(mut hub) =
                TcpStream::connect(place.replace("hub.only.the.proxy.knows", "127.0.0.1")).await
            else {
                client.write_all(b"HTTP/1.1 502 Gone\r\n\r\n").await.unwrap();
                continue;
            };
            tokio::spawn(async move {
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut hub).await;
            });
        }
    });
    address
}

pub(crate) fn through(settings: HubSettings, address: SocketAddr, credentials: Option<&str>) -> HubSettings {
    let credentials = credentials.map(|text| Secret::new(text.into()));
    let proxy = Some(Proxy { host: address.ip().to_string(), port: address.port(), credentials });
    HubSettings { proxy, ..settings }
}

#[tokio::test]
async fn a_proxy_leads_to_a_hub_whose_name_only_it_can_find() {
    let host = "hub.only.the.proxy.knows".to_owned();
    let site = Site::start_with(twinhub::Options { host, ..twinhub::Options::default() }).await;
    let settings = through(by_websocket(&site), proxy(Some("me:hunter2")).await, Some("me:hunter2"));
    let mut link = site.link_with(settings);
    assert_eq!(hub_event(&mut link).await, HubEvent::Up);
    link.push(HubRequest::GetTwin { rid: 1 });
    assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 1, .. }));
    let text = logged().join("\n");
    assert!(text.contains("connected") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_certificate_signs_in_by_websocket_and_through_a_proxy() {
    let site = Site::start().await;
    let direct = to_websocket(&site, site.settings_as(site.register_certificate()));
    let proxied = through(direct.clone(), proxy(Some("me:hunter2")).await, Some("me:hunter2"));
    for settings in [direct, proxied] {
        let mut link = site.link_with(settings);
        assert_eq!(hub_event(&mut link).await, HubEvent::Up);
        link.push(HubRequest::GetTwin { rid: 1 });
        assert!(matches!(hub_event(&mut link).await, HubEvent::Twin { rid: 1, .. }));
        assert_eq!(link.status().token, None);
        within(link.close(crate::site::LIMIT)).await;
    }
}

#[tokio::test]
async fn a_certificate_that_the_hub_does_not_know_is_refused_by_websocket_too() {
    let site = Site::start().await;
    let settings = to_websocket(&site, site.settings_as(site.register_certificate()));
    // From now on the hub expects another certificate; the files hold the old one.
    let other = twinhub::pki::self_signed_client("other").unwrap();
    site.hub.delete_device(DEVICE).unwrap();
    site.hub.create_x509_device(DEVICE, &other.thumbprint().unwrap()).unwrap();
    let failure = failure_after(&mut site.link_with(settings), &[]).await;
    assert!(failure.contains("certificate"), "{failure}");
}

#[tokio::test]
async fn each_failure_of_a_proxy_is_named_with_the_proxy() {
    let site = Site::start().await;
    let picky = proxy(Some("me:hunter2")).await;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let open = proxy(None).await;
    let nobody = HubSettings { port: gone.port(), ..by_websocket(&site) };
    for (settings, words) in [
        (through(by_websocket(&site), picky, None), "wants a user and a password"),
        (through(by_websocket(&site), picky, Some("me:wrong")), "does not accept the user and password"),
        (through(by_websocket(&site), gone, None), "accepts no connection"),
        (through(nobody, open, None), "cannot reach the hub itself"),
    ] {
        let at = settings.proxy.as_ref().unwrap().port.to_string();
        let failure = failure_after(&mut site.link_with(settings), &[]).await;
        assert!(failure.contains(words) && failure.contains(&at), "{failure}");
        assert!(!failure.contains("me:"), "{failure}");
    }
}
