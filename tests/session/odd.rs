//! Peers with unusual behaviour, allowed or not: proxies, and a provisioning service.

use crate::log::logged;
use crate::round::through;
use crate::site::{Site, hub_event, within};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use twind::hub::Clock;
use twind::hub::link::{HubSettings, Link, LinkEvent, LinkState};
use twind::hub::wire::Transport;
use twind::twin::HubEvent;

fn by_websocket(site: &Site) -> HubSettings {
    HubSettings { transport: Transport::WebSocket, port: site.hub.https_port(), ..site.settings() }
}

/// A proxy that answers with these bytes whatever it is asked, and then leads to the site's hub.
async fn proxy(site: &Site, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, hub) = (listener.local_addr().unwrap(), site.hub.https_port());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(client.read_u8().await.unwrap());
                }
                client.write_all(answer.as_bytes()).await.unwrap();
                let mut hub = TcpStream::connect(("127.0.0.1", hub)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut hub).await;
            });
        }
    });
    address
}

/// The next failure, and for how long the link waits.
async fn failure(site: &Site, link: &mut Link) -> (String, Duration) {
    loop {
        if let LinkEvent::State(LinkState::Waiting { failure, retry_at }) = within(link.next()).await {
            return (failure, retry_at.since(site.clock.boot()));
        }
    }
}

#[tokio::test]
async fn a_proxy_may_say_that_it_goes_on_and_may_end_its_lines_as_it_likes() {
    let site = Site::start().await;
    for answer in [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\nVia: box\n\n",
    ] {
        let mut link = site.link_with(through(by_websocket(&site), proxy(&site, answer).await, None));
        assert_eq!(hub_event(&mut link).await, HubEvent::Up, "{answer:?}");
        within(link.close(crate::site::LIMIT)).await;
    }
}

#[tokio::test]
async fn what_a_proxy_sends_in_the_hubs_place_is_said_with_the_proxys_name() {
    let site = Site::start().await;
    let address =
        proxy(&site, "HTTP/1.1 200 OK\r\n\r\n<html>Please sign in to the guest network.</html>\r\n").await;
    let mut link = site.link_with(through(by_websocket(&site), address, None));
    let (text, _) = failure(&site, &mut link).await;
    assert!(
        text.contains("does not speak TLS") && text.contains(&format!("through the proxy {address}")),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_that_asks_for_an_hour_gets_it_and_no_more() {
    let site = Site::start().await;
    for answer in
        ["HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\n\r\n", "HTTP/1.1 429 Slow\r\nRetry-After: 86400\r\n\r\n"]
    {
        let mut link = site.link_with(through(by_websocket(&site), proxy(&site, answer).await, None));
        let (text, wait) = failure(&site, &mut link).await;
        let hour = Duration::from_secs(3600);
        // Those who are asked to wait must not come back together.
        assert!(wait > hour - Duration::from_secs(60) && wait <= hour * 5 / 4, "{text}: {wait:?}");
    }
    assert!(!logged().iter().any(|line| line.contains("ERROR")), "{:#?}", logged());
}
