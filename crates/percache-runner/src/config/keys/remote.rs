//! The keys of `[remote]`, and the types of values that only they have.
//!
//! What values mean, and which go together, is checked by whoever connects: most of them name variables, which are
//! filled in when a remote is needed.

use serde_json::{Value, json};
use toml::de::DeValue;

use super::sections::Subtable;
use super::table::{SETTING, keys};
use super::types::{TaskType, Text, Texts, Type};
use crate::config::keys::table::Traits;
use crate::config::reader::Fields;
use crate::config::report::At;
use crate::model::remote;

keys! {
    /// `[remote]`.
    RemoteKeys, REMOTE:
    url: Text, SETTING,
        "Where results are shared: `s3://bucket/prefix`, `gcs://`, `azblob://`, `redis://`, `webdavs://`, `file://`, or a \
         server of the Remote Execution API, `grpcs://host`. `$NAME` stands for a variable; no remote is used if it is \
         not set.";
    instance: Text, SETTING,
        "The namespace of the results; the instance name of a server.";
    read: Switch, SETTING.default("true"),
        "Whether results are taken from the remote: `true`, `false`, or a variable that says so. Default: `true`.";
    write: Switch, SETTING.default("false"),
        "Whether results are written to the remote: `true`, `false`, or a variable that CI sets, like \
         `\"$PERCACHE_REMOTE_WRITE\"`. Default: `false`.";
    trust: Texts, SETTING,
        "The keys of those whose results are used, as `ed25519:` and 64 hex digits. Default: the results of whoever may \
         write to the remote are used.";
    sign_with: Text, SETTING,
        "A variable, as `$NAME`, that has the key which results are signed with; or a file that has it.";
    download: Download, SETTING.default("\"all\""),
        "Which results have their outputs brought here: `\"all\"`, or `\"wanted\"`: those of the tasks that one names, and \
         those that a command needs which runs. Default: `\"all\"`.";
    headers: Headers, SETTING,
        "Headers sent to a server with every call. A secret is named as a variable: `\"Bearer $CACHE_TOKEN\"`.";
    tls: Subtable<TlsKeys>, SETTING,
        "Certificates for encrypted connections, in PEM: `ca` instead of the system's, `cert` and `key` to show one's own.";
    execution: Subtable<ExecutionKeys>, SETTING,
        "A server of the Remote Execution API whose workers execute commands.";
}

keys! {
    /// `execution` of `[remote]`.
    ExecutionKeys, EXECUTION:
    url: Text, SETTING,
        "Where the server is: `grpcs://host`, or `grpc://host` without encryption. `$NAME` stands for a variable; \
         commands run here if it is not set.";
    instance: Text, SETTING,
        "The instance name of the server. Default: that of `[remote]`, if it is the same server.";
    platform: Headers, SETTING,
        "The properties that workers must have, like `OSFamily = \"linux\"`. Servers say which they know.";
    jobs: PlainCount, SETTING.default("100"),
        "How many commands may be executed remotely at a time, apart from `-j`. Default: 100.";
    headers: Headers, SETTING,
        "Headers sent with every call. Default: those of `[remote]`, if it is the same server.";
    tls: Subtable<TlsKeys>, SETTING,
        "Certificates for `grpcs://`, as in `[remote]`. Default: those of `[remote]`, if it is the same server.";
}

keys! {
    /// `tls` of `[remote]`.
    TlsKeys, TLS:
    ca: Text, SETTING,
        "The file with the certificates that are believed.";
    cert: Text, SETTING,
        "The file with the certificate that is shown.";
    key: Text, SETTING,
        "The file with the key of that certificate.";
}

/// Reads a value that `accept` makes a text of; `wanted` is what such a value is.
fn text(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    wanted: &str,
    accept: &dyn Fn(&DeValue<'_>) -> Option<String>,
) -> Option<At<String>> {
    let value = fields.take(key)?;
    let at = fields.place(&value.span());
    let text = accept(value.get_ref());
    if text.is_none() {
        fields.wrong_type(key, value.span(), wanted, value.get_ref());
    }
    text.map(|value| At { value, at })
}

/// A truth value, or a text with a variable that has one.
pub(in crate::config) struct Switch;

impl Type for Switch {
    type Value = At<String>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<String>> {
        text(fields, key, "`true`, `false` or a variable (`\"$NAME\"`)", &|value| match value {
            DeValue::Boolean(value) => Some(value.to_string()),
            DeValue::String(text) => text.contains('$').then(|| text.to_string()),
            _ => None,
        })
    }

    fn schema() -> Value {
        json!({ "type": ["boolean", "string"], "pattern": r"\$" })
    }
}

/// Which results have their outputs brought here. No variable, because a build with nothing to do asks for none.
pub(in crate::config) struct Download;

impl Type for Download {
    type Value = At<String>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<String>> {
        text(fields, key, "`\"all\"` or `\"wanted\"`", &|value| match value {
            DeValue::String(text) => matches!(&**text, "all" | "wanted").then(|| text.to_string()),
            _ => None,
        })
    }

    fn schema() -> Value {
        json!({ "enum": ["all", "wanted"] })
    }
}

/// An integer from 1.
pub(in crate::config) struct PlainCount;

impl Type for PlainCount {
    type Value = u32;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<u32> {
        fields.count(key, 1).map(|count| count.value)
    }

    fn schema() -> Value {
        json!({ "type": "integer", "format": "uint32", "minimum": 1 })
    }
}

/// A table of texts by the names of headers, or of other things that the server knows.
pub(in crate::config) struct Headers;

impl Type for Headers {
    type Value = Vec<(At<String>, At<String>)>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        fields.string_table(key)
    }

    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

/// What a task has to do with the remote.
pub(in crate::config) struct Sharing;

impl TaskType for Sharing {
    type Of<T> = remote::Sharing;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<remote::Sharing> {
        let value = fields.take(key)?;
        let span = value.span();
        match value.get_ref() {
            DeValue::Boolean(false) => Some(remote::Sharing::No),
            DeValue::String(text) if text == "cache" => Some(remote::Sharing::Cache),
            DeValue::String(text) if text == "execute" => Some(remote::Sharing::Execute),
            other => {
                fields.wrong_type(key, span, "`\"cache\"`, `\"execute\"` or `false`", other);
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "type": ["boolean", "string"], "enum": ["cache", "execute", false] })
    }

    fn map<T, U>(value: remote::Sharing, _: Traits, _: &mut impl FnMut(Traits, T) -> U) -> remote::Sharing {
        value
    }
}
