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
    headers: Headers, SETTING,
        "Headers sent to a server with every call. A secret is named as a variable: `\"Bearer $CACHE_TOKEN\"`.";
    tls: Subtable<TlsKeys>, SETTING,
        "Certificates for `grpcs://`, in PEM: `ca` instead of the system's, `cert` and `key` to show one's own.";
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

/// A truth value, or a text with a variable that has one.
pub(in crate::config) struct Switch;

impl Type for Switch {
    type Value = At<String>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<String>> {
        let value = fields.take(key)?;
        let span = value.span();
        let at = fields.place(&span);
        match value.get_ref() {
            DeValue::Boolean(value) => Some(At { value: value.to_string(), at }),
            DeValue::String(text) if text.contains('$') => Some(At { value: text.to_string(), at }),
            other => {
                fields.wrong_type(key, span, "`true`, `false` or a variable (`\"$NAME\"`)", other);
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "type": ["boolean", "string"], "pattern": r"\$" })
    }
}

/// A table of texts by the names of headers.
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

/// Whether a task's results are shared.
pub(in crate::config) struct Sharing;

impl TaskType for Sharing {
    type Of<T> = bool;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<bool> {
        let value = fields.take(key)?;
        let span = value.span();
        match value.get_ref() {
            DeValue::Boolean(false) => Some(false),
            DeValue::String(text) if text == "cache" => Some(true),
            other => {
                fields.wrong_type(key, span, "`\"cache\"` or `false`", other);
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "type": ["boolean", "string"], "enum": ["cache", false] })
    }

    fn map<T, U>(value: bool, _: Traits, _: &mut impl FnMut(Traits, T) -> U) -> bool {
        value
    }
}
