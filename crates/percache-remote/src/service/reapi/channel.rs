//! From an address to a connection, and from a status to a fault.

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use super::calls::Calls;
use crate::fault::{self, Fault, FaultKind};
use crate::reapi::bytestream::byte_stream_client::ByteStreamClient;
use crate::reapi::longrunning::operations_client::OperationsClient;
use crate::reapi::v2::action_cache_client::ActionCacheClient;
use crate::reapi::v2::capabilities_client::CapabilitiesClient;
use crate::reapi::v2::content_addressable_storage_client::ContentAddressableStorageClient;
use crate::reapi::v2::execution_client::ExecutionClient;
use crate::settings::{Scheme, Settings};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a connection without traffic is tried, so that a dead one is noticed.
const ALIVE: Duration = Duration::from_secs(10);
/// The largest message that is taken: the usual limit, and what a server may be off by.
const MESSAGE: usize = 8 << 20;

/// Makes the clients of all services of one server.
#[derive(Clone)]
pub(super) struct Client(Calls);

impl Client {
    /// Connects when the first call is made.
    pub fn new(settings: &Settings) -> Result<Client, Fault> {
        let wrong = |message: String| Fault::new(FaultKind::Unreachable, message);
        let endpoint = endpoint(settings).map_err(|e| match fault::root(&e) {
            Some(cause) => wrong(format!("{}: {cause}", settings.address)),
            None => wrong(format!("{}: {e}", settings.address)),
        })?;
        Calls::new(endpoint.connect_lazy(), settings).map(Client).map_err(wrong)
    }

    /// Returns how far the server's clock is ahead of this machine's, in seconds, if it tells its time.
    pub fn ahead(&self) -> Option<f64> {
        self.0.ahead()
    }

    pub fn capabilities(&self) -> CapabilitiesClient<Calls> {
        CapabilitiesClient::new(self.0.clone())
    }

    pub fn actions(&self) -> ActionCacheClient<Calls> {
        ActionCacheClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }

    pub fn contents(&self) -> ContentAddressableStorageClient<Calls> {
        ContentAddressableStorageClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }

    pub fn executions(&self) -> ExecutionClient<Calls> {
        ExecutionClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }

    pub fn operations(&self) -> OperationsClient<Calls> {
        OperationsClient::new(self.0.clone())
    }

    pub fn streams(&self) -> ByteStreamClient<Calls> {
        ByteStreamClient::new(self.0.clone()).max_decoding_message_size(MESSAGE)
    }
}

fn endpoint(settings: &Settings) -> Result<Endpoint, tonic::transport::Error> {
    let url = &settings.address.url;
    let (scheme, port) = match settings.address.scheme {
        Scheme::Grpcs => ("https", 443),
        _ => ("http", 80),
    };
    let address = format!("{scheme}://{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(port));
    let mut endpoint = Endpoint::from_shared(address)?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(ALIVE)
        .keep_alive_timeout(CONNECT)
        .tcp_nodelay(true)
        .user_agent(concat!("percache/", env!("CARGO_PKG_VERSION")))?;
    if settings.address.scheme == Scheme::Grpcs {
        let mut tls = ClientTlsConfig::new();
        tls = match &settings.tls.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_native_roots(),
        };
        if let Some((cert, key)) = &settings.tls.identity {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(endpoint)
}

/// Returns what a status means.
pub(super) fn fault(what: &str, status: &Status) -> Fault {
    if let Some(why) = fault::tls(status) {
        return Fault::new(FaultKind::Tls, why);
    }
    let kind = match status.code() {
        Code::NotFound => FaultKind::Missing,
        Code::Unauthenticated | Code::PermissionDenied => FaultKind::Denied,
        Code::Unimplemented => FaultKind::Unsupported,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::DataLoss => FaultKind::Damaged,
        Code::DeadlineExceeded => FaultKind::Slow,
        _ => FaultKind::Transient,
    };
    let mut message = format!("{what}: {}", status.message());
    // tonic says what happened one level further down.
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    Fault::new(kind, message)
}
