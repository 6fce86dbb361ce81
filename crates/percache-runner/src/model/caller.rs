//! The environment variables of percache's caller.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment variables of percache's caller.
pub type Caller = BTreeMap<OsString, OsString>;
