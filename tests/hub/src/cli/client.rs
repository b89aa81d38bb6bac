//! The REST client: one connection, one request, one response, and an error message for each kind of failure.

use super::{Failure, connection::ServiceConnection};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use twinhub::{clock, sas};

const API_VERSION: &str = "2021-04-12";
const TOKEN_SECONDS: u64 = 600;
const CONNECT_WAIT: Duration = Duration::from_secs(15);
/// The wait for a response, beyond the time that the request itself may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
const PATH_ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Escapes a device id for use as a path segment.
pub(crate) fn segment(id: &str) -> String {
    utf8_percent_encode(id, PATH_ESCAPED).to_string()
}

/// A client of one hub.
pub(crate) struct Client {
    hub: ServiceConnection,
    tls: TlsConnector,
}

impl Client {
    pub(crate) fn new(hub: ServiceConnection, ca: Option<&Path>) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        // Some of the system's roots may be unreadable; only the hub's root matters.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = ca {
            let unusable = |why: String| Failure::Usage(format!("--ca {}: {why}", file.display()));
            let found = CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
            let found: Vec<_> =
                found.collect::<Result<_, _>>().map_err(|error| unusable(error.to_string()))?;
            if found.is_empty() {
                return Err(unusable("there is no certificate in it".to_owned()));
            }
            for certificate in found {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Internal(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { hub, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The hub's name, as in device connection strings.
    pub(crate) fn host(&self) -> &str {
        &self.hub.host
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None, false, Duration::ZERO).await
    }

    /// As [`Client::get`]; `extra` is the additional time that the hub may take.
    pub(crate) async fn get_within(&self, path: &str, extra: Duration) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None, false, extra).await
    }

    /// Sends a write that succeeds whatever the current etag is.
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.ask(method, path, body, true, Duration::ZERO).await
    }

    /// Sends a request without a condition; `extra` is the additional time that the hub may take.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        extra: Duration,
    ) -> Result<Value, Failure> {
        self.ask(method, path, Some(body), false, extra).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        match_any: bool,
        extra: Duration,
    ) -> Result<Value, Failure> {
        let ServiceConnection { host, port, policy, key } = &self.hub;
        let expiry = clock::unix_seconds() + TOKEN_SECONDS;
        let token = sas::sign(host, key, Some(policy), expiry).ok_or_else(|| {
            Failure::Usage("SharedAccessKey in the connection string is no base64".to_owned())
        })?;
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}{joint}api-version={API_VERSION}"))
            .header(header::HOST, if *port == 443 { host.clone() } else { format!("{host}:{port}") })
            .header(header::AUTHORIZATION, token)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header(header::USER_AGENT, concat!("twinhub/", env!("CARGO_PKG_VERSION")));
        if match_any {
            request = request.header(header::IF_MATCH, "\"*\"");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Internal(format!("cannot build the request: {error}")))?;

        let lost = |error: hyper::Error| Failure::Unreachable(format!("{host}:{port} hung up: {error}"));
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        tokio::spawn(connection);
        let exchange = async {
            let response = sender.send_request(request).await.map_err(lost)?;
            let status = response.status();
            let bytes = response.into_body().collect().await.map_err(lost)?.to_bytes();
            Ok((status, bytes))
        };
        let (status, bytes) = timeout(ANSWER_WAIT + extra, exchange)
            .await
            .map_err(|_| Failure::Unreachable(format!("{host}:{port} does not answer; is it the hub?")))??;
        if status.is_success() {
            if bytes.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Internal(format!("{host} answered something that is no JSON: {error}"))
            });
        }
        Err(turned_down(host, status, &bytes))
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, Failure> {
        let ServiceConnection { host, port, .. } = &self.hub;
        let name = ServerName::try_from(host.clone())
            .map_err(|_| Failure::Usage(format!("HostName {host:?} is no host name")))?;
        let dial = async {
            let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| {
                Failure::Unreachable(format!(
                    "cannot connect to {host}:{port}: {error}; is the hub running there?"
                ))
            })?;
            self.tls.connect(name, tcp).await.map_err(|error| {
                Failure::Unreachable(format!(
                    "{host}:{port} is not trusted: {error}; for a hub with its own authority pass --ca FILE"
                ))
            })
        };
        timeout(CONNECT_WAIT, dial).await.map_err(|_| {
            Failure::Unreachable(format!("{host}:{port} does not answer within {CONNECT_WAIT:?}"))
        })?
    }
}

fn turned_down(host: &str, status: StatusCode, body: &[u8]) -> Failure {
    let (text, code) = explanation(body);
    let text = if text.is_empty() { format!("status {status}") } else { text };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::NotAuthorised(format!(
            "{host} does not take these credentials: {text}; check the policy, its key and the clock of this machine"
        )),
        // The device is not online: it cannot be reached, but the request is right.
        _ if code == Some(404_103) => {
            Failure::Unreachable(format!("the device is not connected, or takes no methods: {text}"))
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Failure::Unreachable(format!("{host} is throttling: {text}; try again later"))
        }
        _ if status.is_server_error() => {
            Failure::Unreachable(format!("{host} could not do it ({status}): {text}"))
        }
        StatusCode::BAD_REQUEST => {
            Failure::Senseless(format!("{host} turned the request down ({status}): {text}"))
        }
        _ => Failure::TurnedDown(format!("{host} turned the request down ({status}): {text}")),
    }
}

/// The message of an error body, and its numeric code if it has one.
fn explanation(body: &[u8]) -> (String, Option<u64>) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return (String::from_utf8_lossy(body).trim().to_owned(), None);
    };
    let message = body["Message"].as_str().unwrap_or_default();
    if let Ok(inner) = serde_json::from_str::<Value>(message)
        && let Some(text) = inner["message"].as_str()
    {
        return (text.to_owned(), inner["errorCode"].as_u64());
    }
    let text = message.split_once(';').map_or(message, |(_, text)| text);
    (text.trim().to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_error_bodies_are_explained() {
        let named = br#"{"Message":"ErrorCode:DeviceNotFound;device d is unknown","ExceptionMessage":"x"}"#;
        assert_eq!(explanation(named), ("device d is unknown".to_owned(), None));
        let coded =
            br#"{"Message":"{\"errorCode\":404103,\"message\":\"not online\"}","ExceptionMessage":""}"#;
        assert_eq!(explanation(coded), ("not online".to_owned(), Some(404_103)));
        assert_eq!(explanation(b"<html>proxy</html>"), ("<html>proxy</html>".to_owned(), None));
    }

    #[test]
    fn device_ids_are_escaped_in_paths() {
        assert_eq!(segment("a:b+c%(1)#?"), "a%3Ab%2Bc%25%281%29%23%3F");
    }
}
