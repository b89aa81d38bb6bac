//! From HTTPS to MQTT: a device's request for a WebSocket, and the MQTT connection that it starts.

use crate::{errors::service_error_body, mqtt, state::Shared, websocket};
use axum::{
    body::Body,
    extract::Request,
    http::{Method, Response, StatusCode, header},
};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The buffer size between a WebSocket and the MQTT side.
const PIPE_BYTES: usize = 64 * 1024;

/// The client that sends a request.
#[derive(Clone)]
pub(crate) struct Client {
    /// Its certificate, if it presented one.
    pub(crate) certificate: Option<Vec<u8>>,
}

/// The query parameter by which a device declines the use of its certificate.
const NO_CERTIFICATE: &str = "iothub-no-client-cert=true";

/// Ends device connections, and waits for their end.
#[derive(Clone)]
pub(crate) struct Devices {
    pub(crate) done: CancellationToken,
    /// Each connection holds a sender; there is none to hold once the hub is stopping.
    pub(crate) here: mpsc::WeakSender<()>,
}

/// Turns a device's request into an MQTT connection.
pub(crate) fn to_mqtt(
    shared: Arc<Shared>,
    devices: &Devices,
    client: Client,
    mut request: Request,
) -> Response<Body> {
    let refused = |status, text: &str| {
        let mut response = Response::new(Body::from(service_error_body("ArgumentInvalid", text)));
        *response.status_mut() = status;
        response
    };
    let bad = |text: &str| refused(StatusCode::BAD_REQUEST, text);
    let has = |name: header::HeaderName, wanted: &str| {
        let values = request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let asked = has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    if !asked || request.method() != Method::GET {
        return bad("this resource is for WebSocket");
    }
    if !has(header::SEC_WEBSOCKET_PROTOCOL, websocket::SUBPROTOCOL) {
        return bad("the subprotocol must be mqtt");
    }
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let Some(accept) = key.and_then(|key| websocket::accept_key(key).parse().ok()) else {
        return bad("Sec-WebSocket-Key is missing");
    };
    let Some(here) = devices.here.upgrade() else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping");
    };
    let declined = request.uri().query().is_some_and(|query| query.split('&').any(|p| p == NO_CERTIFICATE));
    let certificate = client.certificate.filter(|_| !declined);
    let (upgraded, done) = (hyper::upgrade::on(&mut request), devices.done.clone());
    tokio::spawn(async move {
        if let Some(Ok(upgraded)) = done.run_until_cancelled(upgraded).await {
            let (inner, outer) = tokio::io::duplex(PIPE_BYTES);
            let carrying = websocket::carry(TokioIo::new(upgraded), outer);
            tokio::join!(mqtt::serve(shared, inner, certificate, done), carrying);
        }
        drop(here);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, header::HeaderValue::from_static(websocket::SUBPROTOCOL));
    response
}
