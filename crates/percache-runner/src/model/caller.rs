//! The variables of whoever calls percache.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The variables of the caller.
pub type Caller = BTreeMap<OsString, OsString>;
