//! `[remote]` as it is written, and what tasks say about it. What the settings mean is the business of whoever connects.

use serde::{Deserialize, Serialize};

/// The variable that replaces the key `download`. It decides whether a build has anything to do, so it is known here.
pub const DOWNLOAD: &str = "PERCACHE_REMOTE_DOWNLOAD";

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
    /// Which results have their outputs brought here.
    pub download: Option<String>,
    /// The headers of every call.
    pub headers: Vec<(String, String)>,
    /// The file with the certificates that are believed.
    pub ca: Option<String>,
    /// The file with the certificate that is shown.
    pub cert: Option<String>,
    /// The file with its key.
    pub key: Option<String>,
    /// `[remote.execution]`.
    pub execution: ExecutionSettings,
}

/// `[remote.execution]`: texts with variables in them, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionSettings {
    /// Where the server is.
    pub url: Option<String>,
    /// Its instance.
    pub instance: Option<String>,
    /// The properties that workers must have.
    pub platform: Vec<(String, String)>,
    /// How many commands may be executed at a time.
    pub jobs: Option<u32>,
    /// The headers of every call.
    pub headers: Vec<(String, String)>,
    /// The file with the certificates that are believed.
    pub ca: Option<String>,
    /// The file with the certificate that is shown.
    pub cert: Option<String>,
    /// The file with its key.
    pub key: Option<String>,
}

/// What a task has to do with a remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// Nothing is said: its results are shared, and its command is executed remotely if its results are stored.
    #[default]
    Usual,
    /// Its command is executed remotely, whether results are stored or not.
    Execute,
    /// Its results are shared, and its command runs here.
    Cache,
    /// Nothing: its results stay here, and its command runs here.
    No,
}

impl Sharing {
    /// Returns whether results are shared.
    pub fn shares(self) -> bool {
        self != Sharing::No
    }

    /// Returns whether the command is executed remotely, if that is possible. `cache`: whether results are stored.
    pub fn executes(self, cache: bool) -> bool {
        self == Sharing::Execute || (self == Sharing::Usual && cache)
    }
}
