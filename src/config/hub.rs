//! `[hub]`: where the twin lives, how to get there, and as whom.
//!
//! Hub and device are named by a connection string, by `host` and `device-id`, or by the provisioning service; the identity is a key
//! or a certificate.

use super::codes::{Code, Reason};
use super::connection_string::{ConnectionString, check_device_id, check_host};
use super::examine::{self, Keys};
use super::files::Places;
use super::reader::Reader;
use super::spans::At;
use super::words;
use super::{provisioning, proxy, secrets, values};
use crate::hub::azure::{Account, Source};
use crate::hub::link::HubSettings;
use crate::hub::wire::Transport;
use crate::hub::{Identity, Secret};
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(4 * 60);
/// The hub waits at most one and a half times this (IoT Hub developer guide, MQTT).
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(1177);
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);
const TOKEN_LIFETIME_MIN: Duration = Duration::from_secs(10);
const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const GAP: &str = "[hub] with connection-string-file = \"twind/connection-string\", a file (/etc/twind/connection-string) \
                   that holds the device's connection string (or host, device-id and key-file, or a table \
                   [hub.provisioning])";

/// The keys that say which device of which hub this is, and as whom; they do not go with a provisioning service.
const IDENTITY_KEYS: [&str; 7] = [
    "connection-string-file",
    "host",
    "device-id",
    "gateway",
    "key-file",
    "certificate-file",
    "private-key-file",
];

/// What the hub's table names, each part as far as it is right.
#[derive(Default)]
struct Named {
    host: Option<String>,
    device_id: Option<String>,
    gateway: Option<String>,
    key: Option<Secret>,
}

/// Reads the table; `None` if a fault was found.
pub(super) fn read(mut hub: Reader<'_>, places: &Places) -> Option<HubSettings> {
    let is_answered = hub.answer(
        Code::SecretInside,
        &secrets::TRIED,
        "does not exist: a secret does not belong in the configuration. Write it to a file that only twind can \
         read and name that in `connection-string-file` (or `key-file`)",
    );
    let string = hub.string("connection-string-file");
    let host = hub.read("host", |value| host_name(values::text(value)?));
    let device_id = hub.read("device-id", |value| {
        check_device_id(values::text(value)?).map_err(|reason| Code::WrongForm.because(reason))
    });
    let gateway = hub.read("gateway", |value| host_name(values::text(value)?));
    let port = hub.integer("port", 1..=65535).and_then(|port| u16::try_from(port.value).ok());
    let transport = hub
        .word("transport", &[("mqtt", Transport::Mqtt), ("websocket", Transport::WebSocket)])
        .map_or_else(Transport::default, |at| at.value);
    let proxy = hub.read("proxy", |value| {
        proxy::parse(values::text(value)?).map_err(|reason| Code::WrongForm.because(reason))
    });
    if let Some(proxy) = proxy.as_ref().filter(|proxy| proxy.value.credentials.is_some())
        && let Err(reason) = places.check_own_mode()
    {
        hub.findings().wrong(proxy.at, reason.after("`proxy` has a password, and "));
    }
    if hub.has("proxy") && transport == Transport::Mqtt {
        hub.wrong(
            "proxy",
            Code::Misplaced
                .because("is for transport = \"websocket\" only: proxies let nothing but port 443 through"),
        );
    }
    let ca_file = hub.read("ca-file", |value| places.trusted(values::text(value)?));
    let keep_alive = hub.duration("keep-alive", SECOND..=KEEP_ALIVE_MAX).map_or(KEEP_ALIVE, |at| at.value);
    let model_id = hub.read("model-id", model_id);
    let token_lifetime = hub
        .duration("token-lifetime", TOKEN_LIFETIME_MIN..=TOKEN_LIFETIME_MAX)
        .map_or(TOKEN_LIFETIME, |at| at.value);
    let key = hub.read("key-file", |value| places.key(values::text(value)?));
    let certificate_file = hub.read("certificate-file", |value| places.certificate(values::text(value)?));
    let private_key_file = hub.read("private-key-file", |value| places.private_key(values::text(value)?));
    let provisioning = hub.table("provisioning");
    let provisioned = provisioning.present();
    let own =
        ["certificate-file", "private-key-file"].map(|key| provisioned.then(|| provisioning.place(key)));
    let provisioning = provisioning::read(provisioning, places);

    let with_certificate = hub.has("certificate-file") || hub.has("private-key-file");
    if provisioned {
        for key in IDENTITY_KEYS.into_iter().filter(|key| hub.has(key)) {
            hub.wrong(
                key,
                Code::Conflict.because(
                    "cannot be combined with [hub.provisioning], which names hub and device: remove one",
                ),
            );
        }
    }
    let named = if provisioned {
        None
    } else if hub.has("connection-string-file") {
        for (key, instead) in [
            ("host", "HostName"),
            ("device-id", "DeviceId"),
            ("gateway", "GatewayHostName"),
            ("key-file", "SharedAccessKey"),
        ] {
            if hub.has(key) {
                let say = format!(
                    "cannot be combined with `connection-string-file`, whose {instead} already gives it: remove one"
                );
                hub.wrong(key, Code::Conflict.because(say));
            }
        }
        string.and_then(|string| from_string(&hub, &string, places, with_certificate))
    } else if ["host", "device-id", "key-file", "certificate-file", "private-key-file"]
        .iter()
        .any(|k| hub.has(k))
    {
        hub.require("host", "the hub's name, such as \"contoso.azure-devices.net\"");
        hub.require("device-id", "the device's id at the hub");
        if !hub.has("key-file") && !with_certificate && !is_answered {
            hub.require(
                "key-file",
                "the device authenticates with it; or `certificate-file` with `private-key-file`",
            );
        }
        if hub.has("key-file") && with_certificate {
            hub.wrong(
                "key-file",
                Code::Conflict
                    .because("cannot be combined with a certificate: a device has one identity, remove one"),
            );
        }
        Some(Named {
            host: host.map(|at| at.value),
            device_id: device_id.map(|at| at.value),
            gateway: gateway.map(|at| at.value),
            key: key.map(|at| at.value),
        })
    } else {
        // A misspelt key, or one that does not exist, is reported as such.
        if !is_answered
            && !IDENTITY_KEYS.iter().chain(["provisioning"].iter()).any(|key| hub.is_misspelt(key))
        {
            hub.findings().gap(hub.header(), GAP);
        }
        None
    };
    if with_certificate && !provisioned {
        hub.require("certificate-file", "the certificate that `private-key-file` belongs to");
        hub.require("private-key-file", "the private key that `certificate-file` belongs to");
    }
    let keys = Keys {
        header: hub.header(),
        certificate_file: own[0].unwrap_or(hub.place("certificate-file")),
        private_key_file: own[1].unwrap_or(hub.place("private-key-file")),
        ca_file: hub.place("ca-file"),
    };
    let findings = hub.findings();
    hub.finish();

    let source = if provisioned {
        Source::Provisioned(provisioning?)
    } else {
        let named = named?;
        let identity = if with_certificate {
            Identity::Certificate {
                certificate_file: certificate_file?.value,
                private_key_file: private_key_file?.value,
            }
        } else {
            Identity::Key(named.key?)
        };
        Source::Assigned(Account {
            host: named.host?,
            device_id: named.device_id?,
            gateway: named.gateway,
            identity,
        })
    };
    let settings = HubSettings {
        source,
        port: port.unwrap_or_else(|| transport.default_port()),
        transport,
        proxy: proxy.map(|at| at.value),
        ca_file: ca_file.map(|at| at.value),
        keep_alive,
        token_lifetime,
        model_id: model_id.map(|at| at.value),
    };
    if let Some(look) = places.examination() {
        examine::connections(&settings, &keys, findings, look);
    }
    Some(settings)
}

fn host_name(written: &str) -> Result<String, Reason> {
    let found = || format!("; found \"{}\"", words::shorten(written));
    check_host(written).map_err(|reason| Code::WrongForm.because(reason).and(found()))
}

fn from_string(
    hub: &Reader<'_>,
    file: &At<String>,
    places: &Places,
    with_certificate: bool,
) -> Option<Named> {
    let read = places.secret_text(&file.value).and_then(|(path, text)| {
        ConnectionString::parse(&text).map_err(|reason| {
            let say = format!("names {}, whose connection string {reason}", path.display());
            Code::Credentials.because(say)
        })
    });
    let string = match read {
        Ok(string) => string,
        Err(reason) => {
            hub.findings().wrong(file.at, reason.after("`connection-string-file` "));
            return None;
        }
    };
    match (&string.key, with_certificate) {
        (Some(_), true) => hub.findings().wrong(
            file.at,
            Code::Conflict.because("`connection-string-file` names a connection string with a key, and there is a certificate too: a \
             device has one identity, remove one"),
        ),
        (None, false) => hub.findings().wrong(
            file.at,
            Code::Conflict.because("`connection-string-file` names a connection string that says x509=true: add `certificate-file` and \
             `private-key-file`"),
        ),
        _ => {}
    }
    Some(Named {
        host: Some(string.host),
        device_id: Some(string.device_id),
        gateway: string.gateway,
        key: string.key,
    })
}

fn model_id(value: &toml::Spanned<toml::de::DeValue<'_>>) -> Result<String, Reason> {
    let id = values::text(value)?;
    if id.starts_with("dtmi:") && id.len() <= 2048 && id.chars().all(|c| c.is_ascii_graphic()) {
        Ok(id.to_owned())
    } else {
        let allowed = "a model's id, such as \"dtmi:com:example:Cabinet;1\"";
        Err(Code::WrongForm.must_be(allowed, format_args!("\"{}\"", words::shorten(id))))
    }
}
