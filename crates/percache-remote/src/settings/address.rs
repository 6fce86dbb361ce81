//! Where a remote is: the schemes that are known, and what each has in its URL.

use std::fmt;
use std::path::Path;

use url::Url;

use super::SettingsError;

/// What kind of remote it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The Remote Execution API without encryption.
    Grpc,
    /// The Remote Execution API.
    Grpcs,
    /// A bucket of Amazon S3, or of what speaks its language.
    S3,
    /// A bucket of Google Cloud Storage.
    Gcs,
    /// A container of Azure Blob Storage.
    Azblob,
    /// A Redis server without encryption.
    Redis,
    /// A Redis server.
    Rediss,
    /// A WebDAV server without encryption.
    Webdav,
    /// A WebDAV server.
    Webdavs,
    /// A directory that is shared.
    File,
}

/// Each scheme, and the parameters that its URL may have behind a `?`.
const SCHEMES: [(&str, Scheme, &[&str]); 10] = [
    ("grpc", Scheme::Grpc, &[]),
    ("grpcs", Scheme::Grpcs, &[]),
    (
        "s3",
        Scheme::S3,
        &["region", "endpoint", "allow_anonymous", "enable_virtual_host_style", "server_side_encryption"],
    ),
    ("gcs", Scheme::Gcs, &["endpoint", "allow_anonymous"]),
    ("azblob", Scheme::Azblob, &["account_name", "endpoint"]),
    ("redis", Scheme::Redis, &[]),
    ("rediss", Scheme::Rediss, &[]),
    ("webdav", Scheme::Webdav, &[]),
    ("webdavs", Scheme::Webdavs, &[]),
    ("file", Scheme::File, &[]),
];

impl Scheme {
    /// Returns whether it is the Remote Execution API.
    pub fn is_grpc(self) -> bool {
        matches!(self, Scheme::Grpc | Scheme::Grpcs)
    }
}

/// The checked URL of a remote.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// What kind of remote it is.
    pub scheme: Scheme,
    pub(crate) url: Url,
}

impl fmt::Display for Address {
    /// Shows it without what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.url.scheme())?;
        f.write_str(self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.url.path().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl Address {
    /// Returns whether both are the same server, whatever else is in their URLs.
    pub fn is_same_server(&self, other: &Address) -> bool {
        let port = |of: &Address| of.url.port().unwrap_or(if of.scheme == Scheme::Grpcs { 443 } else { 80 });
        self.scheme == other.scheme && self.url.host_str() == other.url.host_str() && port(self) == port(other)
    }

    /// Returns whether there is an encrypted connection to it whose certificates can be chosen.
    pub(super) fn takes_certificates(&self) -> bool {
        let mut endpoints = self.url.query_pairs().filter(|(name, _)| name == "endpoint");
        match self.scheme {
            Scheme::Grpcs | Scheme::Webdavs => true,
            // Without an endpoint, it is that of the service itself.
            Scheme::S3 | Scheme::Gcs | Scheme::Azblob => {
                endpoints.all(|(_, endpoint)| endpoint.starts_with("https://"))
            }
            Scheme::Grpc | Scheme::Redis | Scheme::Rediss | Scheme::Webdav | Scheme::File => false,
        }
    }

    /// Reads an address. As it is `written` in a file, it may have no password in it.
    pub(super) fn parse(text: &str, written: Option<&str>, root: &Path) -> Result<Address, SettingsError> {
        let wrong = |message: String| SettingsError::new("url", message);
        let known = || format!("known are {}", SCHEMES.map(|(name, ..)| format!("{name}://")).join(", "));
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
        let Some((name, scheme, parameters)) = SCHEMES.into_iter().find(|(name, ..)| *name == scheme) else {
            // Not the text: it may be a secret that somebody put into the wrong variable.
            return Err(wrong(format!("no address of a remote begins with `{scheme}`; {}", known())));
        };
        // A relative directory is one of the workspace.
        let rest = text.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
        let url = match scheme {
            Scheme::File if !rest.starts_with('/') => Url::from_file_path(root.join(rest)).ok(),
            Scheme::File => Url::from_file_path(rest).ok(),
            _ => Url::parse(text).ok(),
        };
        let url = url.ok_or_else(|| wrong(format!("it is no valid `{name}://` address")))?;
        if scheme != Scheme::File && url.host_str().is_none_or(str::is_empty) {
            return Err(wrong(format!("it names no {}", if parameters.is_empty() { "host" } else { "bucket" })));
        }
        let secret = url.password().filter(|password| !password.is_empty());
        if secret.is_some_and(|secret| written.is_some_and(|written| written.contains(secret))) {
            return Err(wrong("a password does not belong in a file that is shared".into())
                .hint("name a variable in its place: `redis://:$REDIS_PASSWORD@host`"));
        }
        if let Some((unknown, _)) = url.query_pairs().find(|(key, _)| !parameters.contains(&&**key)) {
            let may = match parameters {
                [] => "there are none".to_owned(),
                known => format!("known are {}", known.join(", ")),
            };
            return Err(wrong(format!("`{name}://` has no parameter `{unknown}`; {may}")));
        }
        Ok(Address { scheme, url })
    }
}
