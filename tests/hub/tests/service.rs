//! The service side over real HTTPS, through a plain HTTP client that knows nothing of hubs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test that is how to fail")]

mod support;

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::{DEVICE, Device, PATIENCE, dial, far_expiry, saw, start};
use twinhub::{Behaviour, Event, Hub, Options, Running, sas};

struct Reply {
    status: u16,
    headers: hyper::HeaderMap,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The name of the error in `Message`.
    fn error(&self) -> String {
        let message = self.body["Message"].as_str().unwrap_or_default();
        assert!(self.body["ExceptionMessage"].as_str().unwrap().starts_with("Tracking ID:"));
        message.strip_prefix("ErrorCode:").unwrap().split_once(';').unwrap().0.to_owned()
    }
}

struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    policy: &'static str,
    query: String,
}

fn call(method: Method, path: &str) -> Call {
    let (policy, query) = ("iothubowner", "api-version=2021-04-12".to_owned());
    Call { method, path: path.to_owned(), headers: vec![], body: String::new(), policy, query }
}

impl Call {
    fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn policy(mut self, policy: &'static str) -> Self {
        self.policy = policy;
        self
    }

    async fn send(self, hub: &Running) -> Reply {
        let string = hub.policy_connection_string(self.policy, "localhost").unwrap();
        let key = string.split_once("SharedAccessKey=").unwrap().1;
        let token = sas::sign("localhost", key, Some(self.policy), far_expiry()).unwrap();
        self.send_with(hub, &token).await
    }

    async fn send_with(self, hub: &Running, token: &str) -> Reply {
        let stream = dial(hub, hub.https_port()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("{}?{}", self.path, self.query))
            .header("Host", "localhost")
            .header("Authorization", token);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response =
            sender.send_request(request.body(Full::new(Bytes::from(self.body))).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Reply { status, headers, body }
    }
}

fn desired(patch: &Value) -> Value {
    json!({ "properties": { "desired": patch } })
}

#[tokio::test]
async fn a_fresh_twin_reads_as_documented() {
    let hub = start().await;
    let reply = call(Method::GET, "/twins/MyTwinDevice").policy("service").send(&hub).await;
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"AAAAAAAAAAE=\"")));
    for (pointer, value) in [
        ("/deviceId", json!(DEVICE)),
        ("/etag", json!("AAAAAAAAAAE=")),
        ("/version", json!(2)),
        ("/status", json!("enabled")),
        ("/connectionState", json!("Disconnected")),
        ("/authenticationType", json!("sas")),
        ("/x509Thumbprint", json!({ "primaryThumbprint": null, "secondaryThumbprint": null })),
        ("/tags", json!({})),
        ("/properties/desired/$version", json!(1)),
        ("/properties/desired/$metadata/$lastUpdated", json!("0001-01-01T00:00:00Z")),
        ("/properties/reported/$version", json!(1)),
    ] {
        assert_eq!(reply.body.pointer(pointer), Some(&value), "{pointer}");
    }
}

#[tokio::test]
async fn a_patch_returns_the_whole_twin_and_reaches_the_device() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let body = json!({ "tags": { "site": "x" }, "properties": { "desired": { "patchId": "Init" } } });
    let patch = call(Method::PATCH, "/twins/MyTwinDevice").header("If-Match", "\"AAAAAAAAAAE=\"").json(&body);
    let reply = patch.send(&hub).await;
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"AAAAAAAAAAI=\"")));
    assert_eq!(reply.body["properties"]["desired"]["patchId"], "Init");
    assert_eq!(reply.body["tags"], json!({ "site": "x" }));
    assert_eq!(reply.body["connectionState"], "Connected");
    assert_eq!(device.next_message().await.1, json!({ "patchId": "Init", "$version": 2 }));

    let body = desired(&json!({ "other": 1 }));
    let reply = call(Method::PUT, "/twins/MyTwinDevice").header("If-Match", "*").json(&body).send(&hub).await;
    assert_eq!((reply.status, &reply.body["tags"]), (200, &json!({})));
    assert_eq!(device.next_message().await.1, json!({ "other": 1, "patchId": null, "$version": 3 }));
}

#[tokio::test]
async fn a_stale_etag_is_412_and_a_report_does_not_make_one_stale() {
    let hub = start().await;
    let mut device = Device::ready(&hub, DEVICE).await;
    let patch = |etag: &str, value: u32| {
        let body = desired(&json!({ "a": value }));
        call(Method::PATCH, "/twins/MyTwinDevice").header("If-Match", etag).json(&body)
    };
    device.report("1", &json!({ "r": 1 })).await;
    let reply = patch("\"AAAAAAAAAAE=\"", 1).send(&hub).await;
    assert_eq!(reply.status, 200);
    let reply = patch("\"AAAAAAAAAAE=\"", 2).send(&hub).await;
    assert_eq!((reply.status, reply.error().as_str()), (412, "PreconditionFailed"));
    assert_eq!(hub.desired(DEVICE).unwrap(), json!({ "a": 1, "$version": 2 }));
    assert_eq!(patch("W/\"AAAAAAAAAAI=\"", 3).send(&hub).await.status, 200);
    assert_eq!(patch("\"*\"", 4).send(&hub).await.status, 200);
}

#[tokio::test]
async fn if_match_can_be_made_a_duty() {
    let behaviour = Behaviour { if_match_required: true, ..Behaviour::default() };
    let options = Options { devices: vec![DEVICE.to_owned()], behaviour, ..Options::default() };
    let hub = Hub::start(options).await.unwrap();
    let reply =
        call(Method::PATCH, "/twins/MyTwinDevice").json(&desired(&json!({ "a": 1 }))).send(&hub).await;
    assert_eq!((reply.status, reply.error().as_str()), (400, "ArgumentInvalid"));
    hub.set_behaviour(|behaviour| behaviour.if_match_required = false);
    let reply =
        call(Method::PATCH, "/twins/MyTwinDevice").json(&desired(&json!({ "a": 1 }))).send(&hub).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn refusals_have_the_names_that_stock_clients_parse() {
    let hub = start().await;
    let bad_key = desired(&json!({ "a": { "b.c": 1 } }));
    for (call, status, name) in [
        (call(Method::GET, "/twins/nobody"), 404, "DeviceNotFound"),
        (call(Method::GET, "/nothing"), 404, "NotFound"),
        (call(Method::PATCH, "/twins/MyTwinDevice").json(&bad_key), 400, "ArgumentInvalid"),
        (call(Method::PATCH, "/twins/MyTwinDevice"), 400, "ArgumentInvalid"),
        (call(Method::PUT, "/devices/MyTwinDevice").json(&json!({})), 409, "DeviceAlreadyExists"),
        (call(Method::PUT, "/devices/a%2Fb").json(&json!({})), 400, "ArgumentInvalid"),
        (call(Method::DELETE, "/devices/nobody").header("If-Match", "*"), 404, "DeviceNotFound"),
        (call(Method::GET, "/twins/MyTwinDevice").policy("device"), 401, "IotHubUnauthorizedAccess"),
        (call(Method::GET, "/devices/MyTwinDevice").policy("service"), 401, "IotHubUnauthorizedAccess"),
        (
            call(Method::DELETE, "/devices/MyTwinDevice").policy("registryRead"),
            401,
            "IotHubUnauthorizedAccess",
        ),
        (
            Call { query: String::new(), ..call(Method::GET, "/twins/MyTwinDevice") },
            400,
            "InvalidProtocolVersion",
        ),
        (
            Call { query: "api-version=".to_owned(), ..call(Method::GET, "/twins/MyTwinDevice") },
            400,
            "InvalidProtocolVersion",
        ),
    ] {
        let label = format!("{} {}", call.method, call.path);
        let reply = call.send(&hub).await;
        assert_eq!((reply.status, reply.error().as_str()), (status, name), "{label}");
    }
    let reply = call(Method::PATCH, "/twins/MyTwinDevice").json(&bad_key).send(&hub).await;
    assert!(reply.body["Message"].as_str().unwrap().contains("desired.a.b.c"), "{}", reply.body);
}

#[tokio::test]
async fn tokens_are_judged_by_signature_resource_and_expiry() {
    let hub = start().await;
    let string = hub.policy_connection_string("iothubowner", "localhost").unwrap();
    let key = string.split_once("SharedAccessKey=").unwrap().1;
    let now = twinhub::clock::unix_seconds();
    let signed = |resource: &str, policy, expiry| sas::sign(resource, key, policy, expiry).unwrap();
    for (token, status) in [
        (signed("localhost", Some("iothubowner"), now - 200), 200),
        (signed("LOCALHOST:8443", Some("iothubowner"), now + 60), 200),
        (signed("localhost/twins", Some("iothubowner"), now + 60), 200),
        (signed("localhost/devices", Some("iothubowner"), now + 60), 401),
        (signed("localhost", Some("iothubowner"), now - 301), 401),
        (signed("localhost", Some("service"), now + 60), 401),
        (signed("localhost", Some("unknown"), now + 60), 401),
        (signed("localhost", None, now + 60), 401),
        (signed("elsewhere", Some("iothubowner"), now + 60), 401),
        ("Bearer x".to_owned(), 401),
    ] {
        let reply = call(Method::GET, "/twins/MyTwinDevice").send_with(&hub, &token).await;
        assert_eq!(reply.status, status, "{token}");
    }
}

#[tokio::test]
async fn devices_are_created_read_changed_listed_and_deleted() {
    let hub = start().await;
    let odd = "a-:.+%_#*?!(),=@;$'9";
    let path = "/devices/a-%3A.%2B%25_%23%2A%3F%21%28%29%2C%3D%40%3B%24%279";
    let body =
        json!({ "deviceId": odd, "authentication": { "type": "sas", "symmetricKey": { "primaryKey": "" } } });
    let made = call(Method::PUT, path).policy("registryReadWrite").json(&body).send(&hub).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.body["deviceId"], odd);
    let read = call(Method::GET, path).policy("registryRead").send(&hub).await;
    assert_eq!(read.body, made.body);

    let stale =
        call(Method::PUT, path).header("If-Match", "\"stale\"").json(&json!({ "status": "disabled" }));
    assert_eq!(stale.send(&hub).await.status, 412);
    let etag = format!("\"{}\"", made.body["etag"].as_str().unwrap());
    let changed = call(Method::PUT, path).header("If-Match", &etag).json(&json!({ "status": "disabled" }));
    let changed = changed.send(&hub).await;
    assert_eq!((changed.status, &changed.body["status"]), (200, &json!("disabled")));
    assert_eq!(changed.body["authentication"], made.body["authentication"]);
    assert_ne!(changed.body["etag"], made.body["etag"]);

    let counts = call(Method::GET, "/statistics/devices").send(&hub).await.body;
    assert_eq!(counts, json!({ "totalDeviceCount": 2, "enabledDeviceCount": 1, "disabledDeviceCount": 1 }));
    let all = call(Method::GET, "/devices").send(&hub).await.body;
    assert_eq!(all.as_array().unwrap().len(), 2);
    let one = Call { query: "api-version=1&top=1".to_owned(), ..call(Method::GET, "/devices") }
        .send(&hub)
        .await
        .body;
    assert_eq!(one.as_array().unwrap().len(), 1);

    let gone = call(Method::DELETE, path).header("If-Match", "\"*\"").send(&hub).await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));
    assert_eq!(call(Method::GET, path).send(&hub).await.status, 404);
}

#[tokio::test]
async fn queries_find_all_twins_or_one_page_by_page() {
    let hub = start().await;
    hub.create_device("another").unwrap();
    let ask = |text: &str| call(Method::POST, "/devices/query").json(&json!({ "query": text }));
    let ids = |reply: &Reply| -> Vec<Value> {
        reply.body.as_array().unwrap().iter().map(|twin| twin["deviceId"].clone()).collect()
    };
    let first = ask("SELECT * FROM devices").header("x-ms-max-item-count", "1").send(&hub).await;
    assert_eq!((ids(&first), first.header("x-ms-item-type")), (vec![json!(DEVICE)], Some("Twin")));
    let next = first.header("x-ms-continuation").unwrap().to_owned();
    let second = ask("SELECT * FROM devices").header("x-ms-continuation", &next).send(&hub).await;
    assert_eq!((ids(&second), second.header("x-ms-continuation")), (vec![json!("another")], None));
    let one = ask("SELECT * FROM devices WHERE deviceId = 'another'").send(&hub).await;
    assert_eq!(ids(&one), [json!("another")]);
    assert_eq!(ask("SELECT reported FROM devices").send(&hub).await.status, 400);
}

#[tokio::test]
async fn a_method_is_called_and_its_answer_returned() {
    let hub = start().await;
    let path = "/twins/MyTwinDevice/methods";
    let ask = |body: Value| call(Method::POST, path).policy("service").json(&body);
    let plain = json!({ "methodName": "reboot", "responseTimeoutInSeconds": 30, "payload": { "delay": 1 } });

    for body in [
        json!({}),
        json!({ "methodName": "a/b" }),
        json!({ "methodName": "m", "responseTimeoutInSeconds": 4 }),
        json!({ "methodName": "m", "responseTimeoutInSeconds": 301 }),
    ] {
        assert_eq!(ask(body.clone()).send(&hub).await.status, 400, "{body}");
    }
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    let reply = ask(plain.clone()).send(&hub).await;
    let inner: Value = serde_json::from_str(reply.body["Message"].as_str().unwrap()).unwrap();
    assert_eq!((reply.status, &inner["errorCode"]), (404, &json!(404_103)));

    device.subscribe(&["$iothub/methods/POST/#"]).await;
    let answering = async {
        let (topic, body) = device.next_message().await;
        assert_eq!(body, json!({ "delay": 1 }));
        let rid = topic.strip_prefix("$iothub/methods/POST/reboot/?$rid=").unwrap().to_owned();
        device.publish(&format!("$iothub/methods/res/-7/?$rid={rid}"), "{\"ok\":true}").await;
    };
    let (reply, ()) = tokio::join!(ask(plain).send(&hub), answering);
    assert_eq!((reply.status, reply.body), (200, json!({ "status": -7, "payload": { "ok": true } })));
    saw(&hub, |event| matches!(event, Event::MethodAnswered { status: -7, .. })).await;
}

#[tokio::test]
async fn a_method_that_is_not_answered_ends_in_504_and_one_that_is_no_json_in_502() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    let call = call(Method::POST, "/twins/MyTwinDevice/methods").json(&json!({ "methodName": "m" }));
    let cut_off = async {
        device.next_publish().await;
        hub.kick(DEVICE);
    };
    let (reply, ()) = tokio::join!(call.send(&hub), cut_off);
    assert_eq!(reply.status, 504);

    let (mut device, present) = Device::connect(&hub, DEVICE).await;
    assert!(present);
    let babbling = async {
        let topic = device.next_publish().await.topic;
        let rid = topic.split_once("$rid=").unwrap().1.to_owned();
        device.publish(&format!("$iothub/methods/res/200/?$rid={rid}"), "{oops").await;
    };
    let payload = json!(null);
    let calling = hub.call_method(DEVICE, "m", &payload, PATIENCE);
    let (reply, ()) = tokio::join!(calling, babbling);
    assert_eq!(reply, Err(twinhub::ServiceError::BadReply));
}

#[tokio::test]
async fn a_method_call_waits_for_the_device_as_long_as_it_is_told_to() {
    let hub = start().await;
    let body = json!({ "methodName": "m", "connectTimeoutInSeconds": 60 });
    let calling = call(Method::POST, "/twins/MyTwinDevice/methods").json(&body).send(&hub);
    let arriving = async {
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        device.subscribe(&["$iothub/methods/POST/#"]).await;
        let topic = device.next_publish().await.topic;
        let rid = topic.split_once("$rid=").unwrap().1.to_owned();
        device.publish(&format!("$iothub/methods/res/200/?$rid={rid}"), "").await;
        device
    };
    let (reply, _device) = tokio::join!(calling, arriving);
    assert_eq!(reply.body, json!({ "status": 200, "payload": null }));
}

/// Asks for messages with these parameters.
fn messages(parameters: &str) -> Call {
    let query = format!("api-version=2021-04-12&{parameters}");
    Call { query, ..call(Method::GET, "/twinhub/messages") }.policy("service")
}

#[tokio::test]
async fn messages_are_read_in_pages_by_whoever_may_read_twins() {
    let hub = start().await;
    let (mut device, _) = Device::connect(&hub, DEVICE).await;
    for body in ["1", "2"] {
        device.publish("devices/MyTwinDevice/messages/events/", body).await;
    }
    device.expect_nothing_before_ping().await;
    for (parameters, numbers, lost, next) in [
        ("", vec![1, 2], 0, 3),
        ("from=held", vec![1, 2], 0, 3),
        ("from=0", vec![1, 2], 0, 3),
        ("from=2&device=MyTwinDevice", vec![2], 0, 3),
        ("from=1&device=nobody", vec![], 0, 3),
        ("from=now", vec![], 0, 3),
    ] {
        let reply = messages(parameters).send(&hub).await;
        let found: Vec<_> =
            reply.body["messages"].as_array().unwrap().iter().map(|message| &message["sequence"]).collect();
        assert_eq!(
            (reply.status, found),
            (200, numbers.iter().map(|n| json!(n)).collect::<Vec<_>>().iter().collect())
        );
        assert_eq!((&reply.body["lost"], &reply.body["next"]), (&json!(lost), &json!(next)), "{parameters}");
    }
    for parameters in ["from=4", "from=-1", "from=then", "wait=61", "wait=x"] {
        let reply = messages(parameters).send(&hub).await;
        assert_eq!((reply.status, reply.error().as_str()), (400, "ArgumentInvalid"), "{parameters}");
    }
    for policy in ["device", "registryRead"] {
        assert_eq!(messages("").policy(policy).send(&hub).await.status, 401, "{policy}");
    }
}

#[tokio::test]
async fn a_request_for_messages_waits_for_one_that_is_wanted() {
    let hub = start().await;
    hub.create_device("other").unwrap();
    let waiting = messages("from=now&wait=60&device=MyTwinDevice").send(&hub);
    let sending = async {
        // Sent again until it is answered, since nothing shows that the request is waiting.
        let (mut other, _) = Device::connect(&hub, "other").await;
        let (mut device, _) = Device::connect(&hub, DEVICE).await;
        loop {
            other.publish("devices/other/messages/events/", "unwanted").await;
            device.publish("devices/MyTwinDevice/messages/events/", "1").await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let reply = tokio::select! { reply = waiting => reply, () = sending => unreachable!() };
    let found = reply.body["messages"].as_array().unwrap();
    assert!(!found.is_empty() && found.iter().all(|message| message["device"] == DEVICE), "{found:?}");
}
