//! `[remote]` as it is written. What it means is the business of whoever connects.

use serde::{Deserialize, Serialize};

/// `[remote]`: texts with variables in them, so that no secret is ever in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSettings {
    /// Where the remote is.
    pub url: Option<String>,
    /// The namespace.
    pub instance: Option<String>,
    /// Whether results are taken from it.
    pub read: Option<String>,
    /// Whether results are written to it.
    pub write: Option<String>,
    /// The keys of those whose results are used.
    pub trust: Option<Vec<String>>,
    /// The key that results are signed with, or the file that has it.
    pub sign_with: Option<String>,
    /// The headers of every call.
    pub headers: Vec<(String, String)>,
    /// The file with the certificates that are believed.
    pub ca: Option<String>,
    /// The file with the certificate that is shown.
    pub cert: Option<String>,
    /// The file with its key.
    pub key: Option<String>,
}
