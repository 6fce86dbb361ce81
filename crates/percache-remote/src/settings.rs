//! From the `[remote]` table and the environment to what a connection needs.
//!
//! Secrets come from variables, or from files that the table names, and never from the table itself. A value that names
//! a variable which is not set counts as not written, so a fork's CI, which has no secrets, builds without a remote.

mod address;
mod execution;
mod tls;
mod variables;

use std::fmt;
use std::path::{Path, PathBuf};

pub use address::{Address, Scheme};
pub use execution::{ExecutionSettings, ExecutionTable};
pub use tls::Tls;
use variables::{Source, expand};

use crate::invocation::Invocation;
use crate::record::Notary;
use crate::trust::{PublicKey, SigningKey, Trust};

/// What stands in front of the key's name in the variable that replaces it.
pub const VARIABLES: &str = "PERCACHE_REMOTE_";

/// The `[remote]` table as it is written: every value a text, with variables in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Where the remote is.
    pub url: Option<String>,
    /// The namespace; a server's instance name.
    pub instance: Option<String>,
    /// Whether results are taken from it; without a value, yes.
    pub read: Option<String>,
    /// Whether results are written to it; without a value, no.
    pub write: Option<String>,
    /// The keys of those whose results are believed.
    pub trust: Option<Vec<String>>,
    /// The key that results are signed with, or the file that has it.
    pub sign_with: Option<String>,
    /// Which results have their outputs brought here: `all` or `wanted`; without a value, all.
    pub download: Option<String>,
    /// What is sent along with every call.
    pub headers: Vec<(String, String)>,
    /// The file with the certificates that are believed.
    pub ca: Option<String>,
    /// The file with the certificate that is shown.
    pub cert: Option<String>,
    /// The file with its key.
    pub key: Option<String>,
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` of [remote]: {message}")]
pub struct SettingsError {
    /// The key, as in the table.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl SettingsError {
    pub(crate) fn new(key: &'static str, message: impl Into<String>) -> SettingsError {
        SettingsError { key, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: &'static str) -> SettingsError {
        SettingsError { hint: Some(hint), ..self }
    }
}

/// What a connection needs.
pub struct Settings {
    /// Where the remote is.
    pub address: Address,
    /// The namespace; a server's instance name.
    pub namespace: String,
    /// Whether results are taken from it.
    pub read: bool,
    /// Whether results are written to it.
    pub write: bool,
    /// Whose results are believed.
    pub trust: Trust,
    /// What results are signed with.
    pub key: Option<SigningKey>,
    /// What is sent along with every call.
    pub headers: Vec<(String, String)>,
    /// Certificates.
    pub tls: Tls,
    /// The build that it is for.
    pub invocation: Invocation,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { namespace, read, write, trust, key, .. } = self;
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("Settings");
        shown.field("address", &self.address.to_string()).field("namespace", namespace).field("read", read);
        shown.field("write", write).field("trust", trust).field("key", key).field("headers", &headers);
        shown.finish_non_exhaustive()
    }
}

impl Settings {
    /// Returns how results are signed and whose are believed, whether or not there is a remote.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn notary(
        table: &Table,
        root: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Notary, SettingsError> {
        let source = Source { variable, infix: "" };
        let (namespace, trust) = (namespace(&source, table)?, trust(&source, table)?);
        Ok(Notary { namespace, trust, key: signing_key(&source, table, root)? })
    }

    /// Returns whether outputs stay on the remote that nothing needs, whether or not there is a remote.
    ///
    /// # Errors
    /// The value is none.
    pub fn leaves(table: &Table, variable: &dyn Fn(&str) -> Option<String>) -> Result<bool, SettingsError> {
        let source = Source { variable, infix: "" };
        let value = source.variable("DOWNLOAD").or_else(|| table.download.clone());
        match value.as_deref().map(str::trim) {
            None | Some("all") => Ok(false),
            Some("wanted") => Ok(true),
            Some(other) => Err(SettingsError::new("download", format!("`{other}` is neither `all` nor `wanted`"))
                .hint("it comes from the variable PERCACHE_REMOTE_DOWNLOAD")),
        }
    }

    /// Combines the table with the environment. `root` is the directory that paths in the table are relative to.
    /// Returns `None` if no remote is named, or it is neither read nor written.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn resolve(
        table: &Table,
        root: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Settings>, SettingsError> {
        Settings::read(&Source { variable, infix: "" }, table, root)
    }

    fn read(source: &Source<'_>, table: &Table, root: &Path) -> Result<Option<Settings>, SettingsError> {
        let Some(url) = source.text("url", "URL", table.url.as_deref())? else { return Ok(None) };
        let read = source.truth("read", "READ", table.read.as_deref(), true)?;
        let write = source.truth("write", "WRITE", table.write.as_deref(), false)?;
        if !read && !write {
            return Ok(None);
        }
        let address = Address::parse(&url.value, table.url.as_deref().filter(|_| url.from_table), root)?;
        let headers = headers(source, table)?;
        if !headers.is_empty() && !address.scheme.is_grpc() {
            return Err(SettingsError::new("headers", "only servers of the Remote Execution API take them")
                .hint("object stores take their credentials from the variables of their own tools"));
        }
        Ok(Some(Settings {
            namespace: namespace(source, table)?,
            read,
            write,
            trust: trust(source, table)?,
            key: signing_key(source, table, root)?,
            headers,
            tls: tls::tls(source, table, root, &address)?,
            invocation: Invocation::new(source.variable),
            address,
        }))
    }
}

fn namespace(source: &Source<'_>, table: &Table) -> Result<String, SettingsError> {
    let text =
        source.text("instance", "INSTANCE", table.instance.as_deref())?.map(|text| text.value).unwrap_or_default();
    let is_name = |name: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !name.is_empty() && name.chars().all(fine) && !name.starts_with('.')
    };
    // The words that names of blobs begin with would make a resource name ambiguous.
    let reserved = ["blobs", "uploads", "actions", "actionResults", "operations", "capabilities", "compressed-blobs"];
    match text.is_empty() || text.split('/').all(|name| is_name(name) && !reserved.contains(&name)) {
        true => Ok(text),
        false => Err(SettingsError::new("instance", format!("`{text}` is no name"))
            .hint("names are letters, digits, `.`, `_` and `-`, separated by `/`")),
    }
}

fn trust(source: &Source<'_>, table: &Table) -> Result<Trust, SettingsError> {
    let given = source.variable("TRUST").map(|keys| keys.split([',', ' ']).map(str::to_owned).collect());
    let texts: Vec<String> = given.or_else(|| table.trust.clone()).unwrap_or_default();
    let parse = |text: &String| {
        let wrong = |e| SettingsError::new("trust", format!("`{text}`: {e}"));
        text.trim().parse::<PublicKey>().map_err(wrong)
    };
    // Not without an error for those that cannot be read: an empty list believes everybody.
    texts.iter().filter(|text| !text.trim().is_empty()).map(parse).collect::<Result<_, _>>().map(Trust)
}

fn signing_key(source: &Source<'_>, table: &Table, root: &Path) -> Result<Option<SigningKey>, SettingsError> {
    let Some(text) = source.text("sign_with", "SIGN_WITH", table.sign_with.as_deref())? else { return Ok(None) };
    let is_key = text.value.starts_with("ed25519:");
    if is_key && text.from_table && !text.expanded {
        return Err(SettingsError::new("sign_with", "a signing key does not belong in a file that is shared")
            .hint("name a variable that has it (`$PERCACHE_SIGNING_KEY`), or a file"));
    }
    let key = match is_key {
        true => text.value,
        false => String::from_utf8_lossy(&read("sign_with", root, &text.value)?).into_owned(),
    };
    SigningKey::parse(&key).map(Some).map_err(|e| {
        SettingsError::new("sign_with", e.to_string())
            .hint("`percache remote key` makes one, and prints its public half")
    })
}

fn headers(source: &Source<'_>, table: &Table) -> Result<Vec<(String, String)>, SettingsError> {
    let mut headers = Vec::new();
    for (name, written) in &table.headers {
        let name = name.to_ascii_lowercase();
        let Some(value) = expand(written, source.variable) else { continue };
        let secret = ["authorization", "cookie", "token", "secret", "key"].iter().any(|word| name.contains(word));
        if secret && value == *written {
            let message = format!("the value of `{name}` does not belong in a file that is shared");
            return Err(SettingsError::new("headers", message).hint("name a variable: `Bearer $CACHE_TOKEN`"));
        }
        headers.push((name, value));
    }
    if let Some(more) = source.variable("HEADERS") {
        for line in more.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(|| {
                SettingsError::new("headers", "a line of PERCACHE_REMOTE_HEADERS is not `name: value`")
            })?;
            headers.retain(|(known, _)| known != &name.trim().to_ascii_lowercase());
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    Ok(headers)
}

fn read(key: &'static str, root: &Path, path: &str) -> Result<Vec<u8>, SettingsError> {
    let path: PathBuf = root.join(path);
    std::fs::read(&path).map_err(|e| SettingsError::new(key, format!("`{}` cannot be read: {e}", path.display())))
}

#[cfg(test)]
mod tests;
