//! The service side over HTTPS: paths, permissions, headers and bodies. `service_side` does what is asked.
//!
//! Deliberately absent: jobs, configurations, modules, bulk registry calls, file uploads and cloud-to-device messages.

use crate::{
    clock,
    errors::{service_code_body, service_error_body},
    feed,
    identity::Permission,
    if_match,
    query::{self, Page},
    sas::{SasError, Token},
    service_side::{Precondition, ServiceError, Write},
    state::Shared,
    twin::TwinError,
    upgrade::{self, Client, Devices},
    views::{identity_view, twin_view},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
    routing::any,
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The most devices in one list.
const MAX_LISTED: usize = 1000;
const METHOD_TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 5..=300;
const DEFAULT_METHOD_TIMEOUT_SECONDS: u64 = 30;
/// Largest payload of a method call, in bytes.
const MAX_METHOD_BYTES: usize = 128 * 1024;

/// The HTTP service of a hub.
pub(crate) fn router(shared: Arc<Shared>, devices: Devices) -> Router {
    let service = Service { shared, done: devices.done.clone() };
    let websocket =
        move |State(service): State<Service>, ConnectInfo(client): ConnectInfo<Client>, request| async move {
            upgrade::to_mqtt(service.shared, &devices, client, request)
        };
    Router::new().route("/$iothub/websocket", any(websocket)).fallback(dispatch).with_state(service)
}

/// What requests are served from.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    /// Ends requests that wait for something.
    pub(crate) done: CancellationToken,
}

pub(crate) enum Refusal {
    Unauthorized(SasError),
    NoApiVersion,
    NoRoute,
    Service(ServiceError),
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<SasError> for Refusal {
    fn from(error: SasError) -> Self {
        Self::Unauthorized(error)
    }
}

pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    path: &'a [String],
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

async fn dispatch(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let segments: Option<Vec<String>> = uri
        .path()
        .trim_start_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8().ok().map(Into::into))
        .collect();
    let path = segments.unwrap_or_default();
    let call = Call { service: &service, path: &path, uri: &uri, headers: &headers, body: &body };
    route(&method, &call).await.unwrap_or_else(refuse)
}

async fn route(method: &Method, call: &Call<'_>) -> Answer {
    use Permission::{RegistryRead, RegistryWrite, ServiceConnect};
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (method, path.as_slice()) {
        (&Method::GET, ["twins", id]) => {
            call.allow(ServiceConnect)?;
            call.service
                .shared
                .with_device(id, |device| Ok(twin_view(device)))
                .map(|twin| twin_answer(&twin))
                .map_err(Into::into)
        }
        (&Method::PATCH, ["twins", id]) => call.write_twin(id, Write::Patch),
        (&Method::PUT, ["twins", id]) => call.write_twin(id, Write::Replace),
        (&Method::POST, ["twins", id, "methods"]) => call.method(id).await,
        (&Method::POST, ["devices", "query"]) => call.query(),
        (&Method::GET, ["devices"]) => {
            call.allow(RegistryRead)?;
            let top = call.parameter("top").and_then(|text| text.parse().ok()).unwrap_or(MAX_LISTED);
            let state = call.service.shared.state();
            let devices: Vec<Value> =
                state.devices.values().take(top.clamp(1, MAX_LISTED)).map(identity_view).collect();
            Ok(json_answer(StatusCode::OK, &json!(devices)))
        }
        (&Method::GET, ["devices", id]) => {
            call.allow(RegistryRead)?;
            let view = call.service.shared.with_device(id, |device| Ok(identity_view(device)))?;
            Ok(with_etag(json_answer(StatusCode::OK, &view), view["etag"].as_str()))
        }
        (&Method::PUT, ["devices", id]) => {
            call.allow(RegistryWrite)?;
            let view = call.service.shared.put_device(id, &call.json()?, &call.precondition())?;
            Ok(with_etag(json_answer(StatusCode::OK, &view), view["etag"].as_str()))
        }
        (&Method::DELETE, ["devices", id]) => {
            call.allow(RegistryWrite)?;
            call.service.shared.remove_device(id, &call.precondition())?;
            Ok(answer(StatusCode::NO_CONTENT, String::new()))
        }
        (&Method::GET, ["twinhub", "messages"]) => feed::messages(call).await,
        (&Method::GET, ["statistics", "devices"]) => {
            call.allow(RegistryRead)?;
            let state = call.service.shared.state();
            let (total, enabled) = (
                state.devices.len(),
                state.devices.values().filter(|device| device.identity.enabled).count(),
            );
            let counts = json!({
                "totalDeviceCount": total, "enabledDeviceCount": enabled, "disabledDeviceCount": total - enabled,
            });
            Ok(json_answer(StatusCode::OK, &counts))
        }
        (&Method::GET, ["statistics", "service"]) => {
            call.allow(ServiceConnect)?;
            let connected =
                call.service.shared.state().devices.values().filter(|device| device.link.is_some()).count();
            Ok(json_answer(StatusCode::OK, &json!({ "connectedDeviceCount": connected })))
        }
        _ => Err(Refusal::NoRoute),
    }
}

impl Call<'_> {
    /// Checks token, policy and api-version.
    pub(crate) fn allow(&self, permission: Permission) -> Result<(), Refusal> {
        let text = self.header(header::AUTHORIZATION.as_str()).ok_or(SasError::Malformed)?;
        let token = Token::parse(text)?;
        let name = token.policy.as_deref().ok_or(SasError::UnknownPolicy)?;
        let state = self.service.shared.state();
        let policy =
            state.policies.iter().find(|policy| policy.name == name).ok_or(SasError::UnknownPolicy)?;
        let resource: Vec<&str> = self.path.iter().map(String::as_str).collect();
        token.check(policy.keys.both(), &self.service.shared.host, &resource, true, clock::unix_seconds())?;
        if !policy.permissions.contains(&permission) {
            return Err(SasError::NotPermitted.into());
        }
        drop(state);
        if self.parameter("api-version").is_none_or(|version| version.trim().is_empty()) {
            return Err(Refusal::NoApiVersion);
        }
        Ok(())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn precondition(&self) -> Precondition {
        if_match::parse(self.header(header::IF_MATCH.as_str()))
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        let raw = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name)?.1;
        percent_decode_str(raw).decode_utf8().ok().map(Into::into)
    }

    fn json(&self) -> Result<Value, ServiceError> {
        serde_json::from_slice(self.body)
            .map_err(|error| ServiceError::BadRequest(format!("the body is no JSON: {error}")))
    }

    fn write_twin(&self, id: &str, write: Write) -> Answer {
        self.allow(Permission::ServiceConnect)?;
        let twin = self.service.shared.write_twin(id, &self.json()?, write, &self.precondition())?;
        Ok(twin_answer(&twin))
    }

    async fn method(&self, id: &str) -> Answer {
        self.allow(Permission::ServiceConnect)?;
        let body = self.json()?;
        let bad = |text: &str| ServiceError::BadRequest(text.to_owned());
        let name =
            body["methodName"].as_str().filter(|name| !name.is_empty() && !name.contains(['/', '+', '#']));
        let name = name.ok_or_else(|| bad("methodName is missing or holds a character it may not"))?;
        let seconds = |field: &str, default: u64| match body.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_u64().ok_or_else(|| bad(&format!("{field} must be a number of seconds"))),
        };
        let response = seconds("responseTimeoutInSeconds", DEFAULT_METHOD_TIMEOUT_SECONDS)?;
        let connect = seconds("connectTimeoutInSeconds", 0)?;
        if !METHOD_TIMEOUT_SECONDS.contains(&response) || connect > *METHOD_TIMEOUT_SECONDS.end() {
            return Err(bad(
                "responseTimeoutInSeconds lies between 5 and 300, connectTimeoutInSeconds up to 300",
            )
            .into());
        }
        let payload = body.get("payload");
        if payload.is_some_and(|payload| payload.to_string().len() > MAX_METHOD_BYTES) {
            return Err(bad("payload is larger than 128 KiB").into());
        }
        let (connect, response) = (Duration::from_secs(connect), Duration::from_secs(response));
        let reply = self.service.shared.method(id, name, payload, connect, response).await?;
        Ok(json_answer(StatusCode::OK, &json!({ "status": reply.status, "payload": reply.payload })))
    }

    fn query(&self) -> Answer {
        self.allow(Permission::ServiceConnect)?;
        let body = self.json()?;
        let page = Page::from_headers(self.header("x-ms-max-item-count"), self.header("x-ms-continuation"))?;
        let query = query::parse(body["query"].as_str().unwrap_or_default())?;
        let state = self.service.shared.state();
        let found = state.devices.values().filter(|device| query.matches(&device.identity.device_id));
        let (twins, next) = page.cut(found.map(twin_view));
        let mut response = json_answer(StatusCode::OK, &Value::Array(twins));
        response.headers_mut().insert("x-ms-item-type", header::HeaderValue::from_static("Twin"));
        if let Some(next) = next.and_then(|next| next.parse().ok()) {
            response.headers_mut().insert("x-ms-continuation", next);
        }
        Ok(response)
    }
}

fn refuse(refusal: Refusal) -> Response<Body> {
    let named = |status, name: &str, text: &str| answer(status, service_error_body(name, text));
    let error = match refusal {
        Refusal::Unauthorized(error) => {
            return named(
                StatusCode::UNAUTHORIZED,
                "IotHubUnauthorizedAccess",
                &format!("Unauthorized: {error}"),
            );
        }
        Refusal::NoApiVersion => {
            return named(StatusCode::BAD_REQUEST, "InvalidProtocolVersion", "api-version is missing");
        }
        Refusal::NoRoute => return named(StatusCode::NOT_FOUND, "NotFound", "there is no such resource"),
        Refusal::Service(error) => error,
    };
    let text = error.to_string();
    match error {
        ServiceError::NoDevice(_) => named(StatusCode::NOT_FOUND, "DeviceNotFound", &text),
        ServiceError::DeviceExists(_) => named(StatusCode::CONFLICT, "DeviceAlreadyExists", &text),
        ServiceError::EtagMismatch | ServiceError::Twin(TwinError::VersionMismatch { .. }) => named(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            &format!("Precondition failed: {text}"),
        ),
        ServiceError::Twin(_) | ServiceError::BadRequest(_) | ServiceError::IfMatchMissing => {
            named(StatusCode::BAD_REQUEST, "ArgumentInvalid", &text)
        }
        ServiceError::NotOnline(_) => answer(StatusCode::NOT_FOUND, service_code_body(404_103, &text)),
        ServiceError::Timeout => answer(StatusCode::GATEWAY_TIMEOUT, service_code_body(504_101, &text)),
        ServiceError::BadReply => answer(StatusCode::BAD_GATEWAY, service_code_body(502_001, &text)),
    }
}

fn twin_answer(twin: &Value) -> Response<Body> {
    with_etag(json_answer(StatusCode::OK, twin), twin["etag"].as_str())
}

fn with_etag(mut response: Response<Body>, etag: Option<&str>) -> Response<Body> {
    if let Some(value) = etag.and_then(|etag| format!("\"{etag}\"").parse().ok()) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

pub(crate) fn json_answer(status: StatusCode, value: &Value) -> Response<Body> {
    answer(status, value.to_string())
}

fn answer(status: StatusCode, body: String) -> Response<Body> {
    let empty = body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if !empty {
        let kind = header::HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
