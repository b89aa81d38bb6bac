//! A hub that listens: how it starts, stops and resumes, and the certificate it presents.

use crate::{
    behaviour::Behaviour,
    hub::Hub,
    identity::built_in_policies,
    listen::{Listeners, Ports, Presented},
    pki::{Certified, Pki, PkiError, Validity},
    service_side::ServiceError,
    state::{Shared, State},
    store, tls,
};
use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    runtime::{Handle, Runtime},
    task::JoinHandle,
};

/// How to start a hub.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hub's name in connection strings, tokens and its certificate. Default: `localhost`.
    pub host: String,
    /// Where to listen. Default: 127.0.0.1.
    pub bind: IpAddr,
    /// The port for devices; 0 for a free one. Default: 0.
    pub mqtt_port: u16,
    /// The port for back ends; 0 for a free one. Default: 0.
    pub https_port: u16,
    /// Where certificates and state are kept; `None` keeps nothing. Default: `None`.
    pub folder: Option<PathBuf>,
    /// Devices to register unless they are there. Default: none.
    pub devices: Vec<String>,
    /// How the hub behaves where the real hub's behaviour is not known.
    pub behaviour: Behaviour,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtt_port: 0,
            https_port: 0,
            folder: None,
            devices: Vec::new(),
            behaviour: Behaviour::default(),
        }
    }
}

/// Why a hub cannot start or resume.
#[derive(Debug)]
pub enum StartError {
    /// A port cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The folder, or the state in it, cannot be used.
    Folder(PathBuf, io::Error),
    /// The certificates cannot be made or read.
    Pki(PkiError),
    /// The TLS library does not accept the certificate.
    Tls(rustls::Error),
    /// A device to register has an invalid id.
    Device(ServiceError),
    /// The runtime cannot be started.
    Runtime(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Folder(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Pki(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "the server certificate is not usable: {error}"),
            Self::Device(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "cannot start threads: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

fn unheard((address, error): (SocketAddr, io::Error)) -> StartError {
    StartError::Listen(address, error)
}

impl From<PkiError> for StartError {
    fn from(error: PkiError) -> Self {
        Self::Pki(error)
    }
}

/// The certificate that the hub presents to new connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// The right one.
    Own,
    /// One from the right authority for another name.
    ForName(String),
    /// An expired one for the right name.
    Expired,
    /// One for the right name from an authority that nobody trusts.
    UnknownAuthority,
}

/// A hub that listens until this is dropped. Dereferences to its [`Hub`].
pub struct Running {
    hub: Hub,
    pki: Pki,
    own: Certified,
    names: Vec<String>,
    shown: Mutex<Certified>,
    presented: Presented,
    addresses: (SocketAddr, SocketAddr),
    folder: Option<PathBuf>,
    listeners: Mutex<Option<Listeners>>,
    /// The ports while the hub does not listen.
    resting: Mutex<Option<Ports>>,
    saver: Option<JoinHandle<()>>,
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Hub {
    /// Starts a hub on the current runtime.
    #[expect(clippy::unused_async, reason = "must run within a runtime, which an async function is sure to")]
    pub async fn start(options: Options) -> Result<Running, StartError> {
        Running::launch(options, Handle::current())
    }
}

impl Running {
    /// Starts a hub with a runtime of its own, for callers that have none. [`Running::block_on`] runs asynchronous calls.
    pub fn start_blocking(options: Options) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("twinhub")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let mut running = Self::launch(options, runtime.handle().clone())?;
        running.runtime = Some(runtime);
        Ok(running)
    }

    fn launch(options: Options, handle: Handle) -> Result<Self, StartError> {
        let Options { host, bind, mqtt_port, https_port, folder, devices, behaviour } = options;
        let mut names = vec![host.clone()];
        for name in ["localhost".to_owned(), "127.0.0.1".to_owned(), bind.to_string()] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let fresh = || State { policies: built_in_policies(), devices: BTreeMap::new(), counter: 0 };
        let (pki, own, state) = match &folder {
            None => {
                let pki = Pki::new()?;
                let own = pki.issue(&names, Validity::Current)?;
                (pki, own, fresh())
            }
            Some(folder) => {
                let failed = |error| StartError::Folder(folder.clone(), error);
                fs::create_dir_all(folder).map_err(failed)?;
                let pki = Pki::in_folder(folder)?;
                let own = pki.server_in_folder(folder, &names)?;
                let unreadable = |error| StartError::Folder(folder.join(store::FILE), error);
                let state = store::load(folder).map_err(unreadable)?.unwrap_or_else(fresh);
                (pki, own, state)
            }
        };
        let tls13 = behaviour.tls13;
        let hub = Hub { shared: Arc::new(Shared::new(host, state, behaviour)) };
        for id in &devices {
            hub.ensure_device(id).map_err(StartError::Device)?;
        }
        let asked = (SocketAddr::new(bind, mqtt_port), SocketAddr::new(bind, https_port));
        let ports = Ports::take(asked.0, asked.1).map_err(unheard)?;
        let addresses = ports.addresses().map_err(|error| StartError::Listen(asked.0, error))?;
        let configuration = tls::configuration(&own, tls13).map_err(StartError::Tls)?;
        let presented: Presented = Arc::new(Mutex::new(Arc::new(configuration)));
        let entered = handle.enter();
        let listeners = Listeners::start(&hub.shared, ports, &presented)
            .map_err(|error| StartError::Listen(addresses.0, error))?;
        let saver = folder.clone().map(|folder| tokio::spawn(keep_saving(hub.shared.clone(), folder)));
        drop(entered);
        let running = Self {
            hub,
            pki,
            shown: Mutex::new(own.clone()),
            own,
            names,
            presented,
            addresses,
            folder,
            listeners: Mutex::new(Some(listeners)),
            resting: Mutex::new(None),
            saver,
            handle,
            runtime: None,
        };
        running
            .save()
            .map_err(|error| StartError::Folder(running.folder.clone().unwrap_or_default(), error))?;
        Ok(running)
    }

    /// The hub itself, to be cloned and kept.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Where devices connect.
    pub fn mqtt_port(&self) -> u16 {
        self.addresses.0.port()
    }

    /// Where back ends connect.
    pub fn https_port(&self) -> u16 {
        self.addresses.1.port()
    }

    /// The certificate of the authority, for clients to trust.
    pub fn ca_pem(&self) -> &str {
        self.pki.ca_pem()
    }

    /// The connection string of the owner policy for the REST side; its host includes the port unless that is 443.
    pub fn service_connection_string(&self) -> String {
        let host = match self.https_port() {
            443 => self.host().to_owned(),
            port => format!("{}:{port}", self.host()),
        };
        self.policy_connection_string("iothubowner", &host).unwrap_or_default()
    }

    /// Runs a future from a plain thread. Panics within a runtime, as the runtime's own method does.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    /// Refuses new connections and closes those of devices; all are closed when this returns.
    pub async fn stop_listening(&self) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listeners) = listeners {
            let ports = listeners.stop(self.addresses).await;
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = ports;
        }
    }

    /// Listens again on the same ports. Does nothing if it listens already.
    pub fn resume_listening(&self) -> Result<(), StartError> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.is_none() {
            let kept = self.resting.lock().unwrap_or_else(PoisonError::into_inner).take();
            let ports =
                kept.map_or_else(|| Ports::take(self.addresses.0, self.addresses.1), Ok).map_err(unheard)?;
            let _entered = self.handle.enter();
            let started = Listeners::start(&self.hub.shared, ports, &self.presented);
            *listeners = Some(started.map_err(|error| StartError::Listen(self.addresses.0, error))?);
        }
        Ok(())
    }

    /// Presents this certificate to connections made from now on, on both ports.
    pub fn present(&self, certificate: &Certificate) -> Result<(), StartError> {
        let certified = match certificate {
            Certificate::Own => self.own.clone(),
            Certificate::ForName(name) => self.pki.issue(std::slice::from_ref(name), Validity::Current)?,
            Certificate::Expired => self.pki.issue(&self.names, Validity::Expired)?,
            Certificate::UnknownAuthority => Pki::new()?.issue(&self.names, Validity::Current)?,
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = certified;
        self.refresh_tls()
    }

    /// Offers TLS 1.3 or not, to connections made from now on.
    pub fn offer_tls13(&self, offered: bool) -> Result<(), StartError> {
        self.set_behaviour(|behaviour| behaviour.tls13 = offered);
        self.refresh_tls()
    }

    fn refresh_tls(&self) -> Result<(), StartError> {
        let certified = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = tls::configuration(&certified, self.behaviour().tls13).map_err(StartError::Tls)?;
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    fn save(&self) -> io::Result<()> {
        self.folder.as_deref().map_or(Ok(()), |folder| save(&self.hub.shared, folder, false))
    }
}

impl Deref for Running {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("mqtt", &self.addresses.0)
            .field("https", &self.addresses.1)
            .finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(saver) = self.saver.take() {
            saver.abort();
        }
        let last = self.folder.as_deref().map_or(Ok(()), |folder| save(&self.hub.shared, folder, true));
        if let Err(error) = last {
            tracing::error!(%error, "the last state was not kept");
        }
        if let Some(runtime) = self.runtime.take() {
            // Dropping it would block, which is not allowed within another runtime.
            runtime.shutdown_background();
        }
    }
}

async fn keep_saving(shared: Arc<Shared>, folder: PathBuf) {
    let mut changes = shared.changed.subscribe();
    while changes.changed().await.is_ok() {
        let (shared, folder) = (shared.clone(), folder.clone());
        let saved = tokio::task::spawn_blocking(move || save(&shared, &folder, false)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(%error, "the state was not kept");
        }
    }
}

/// Writes the state to its file. Nothing is written after the `last` call, since another hub may then use the folder.
fn save(shared: &Shared, folder: &Path, last: bool) -> io::Result<()> {
    // The state is also read under this lock, so that an older state never overwrites a newer one.
    let mut over = shared.saving.lock().unwrap_or_else(PoisonError::into_inner);
    if *over {
        return Ok(());
    }
    *over = last;
    let json = serde_json::to_vec_pretty(&*shared.state()).map_err(io::Error::other)?;
    store::save(folder, &json)
}
