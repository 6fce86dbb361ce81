//! The environment of a command: a small base, what the task asks for, and nothing else.
//!
//! Later ones win: base, `env_pass`, `env_from`, `env_file`, `env`. Of the base only LANG, LC_* and TZ are in the fingerprint, because they
//! change what programs write. Values enter it as digests. Knows nothing of how a command is run.
//! What a command is told of colours besides is [`crate::environment::colours`]'s.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use globset::{Glob, GlobMatcher};
use percache::Digest;

use crate::key::fingerprint::{Kind, Part, Value};
use crate::model::{Caller, Task};
use crate::process::MARK;

/// Passed to every command when set.
const BASE: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "COLORTERM", "LANG", "TZ"];
/// Passed to every command when set, in small letters or large: without them, nothing behind a proxy is reached.
const PROXIES: &[&str] = &["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];
/// What programs go by when they decide on colours: the caller's own for those that own the terminal.
const COLOUR: &[&str] = &["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"];

/// The environment of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Everything that the command sees.
    pub variables: BTreeMap<OsString, OsString>,
    /// What of it is in the fingerprint.
    pub parts: Vec<Part>,
}

/// What a task asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// `env_pass`.
    pub pass: &'a [String],
    /// `env_from`.
    pub from: &'a [String],
    /// `env`.
    pub set: &'a BTreeMap<String, String>,
    /// It owns the terminal.
    pub interactive: bool,
}

impl<'a> Wishes<'a> {
    /// Those of a task.
    pub fn of(task: &'a Task) -> Wishes<'a> {
        Wishes { pass: &task.env_pass, from: &task.env_from, set: &task.env, interactive: task.interactive }
    }
}

/// Makes the environment of a task. `from_files` are the variables of its `env_file`s.
pub fn resolve(wishes: Wishes<'_>, caller: &Caller, from_files: &[(String, String)]) -> Environment {
    let mut variables = Caller::new();
    let mut hashed: BTreeMap<OsString, Option<OsString>> = BTreeMap::new();
    for (name, value) in caller {
        let locale = name == "LANG" || name == "TZ" || name.as_bytes().starts_with(b"LC_");
        if locale {
            hashed.insert(name.clone(), Some(value.clone()));
        }
        let is_among = |names: &[&str]| names.iter().any(|other| name == other);
        if locale || is_among(BASE) || is_proxy(name) || (wishes.interactive && is_among(COLOUR)) {
            variables.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in chosen(caller, wishes.pass) {
        variables.insert(name.clone(), value.clone());
    }
    for name in wishes.from.iter().filter(|name| !is_glob(name)) {
        hashed.entry(name.into()).or_insert(None);
    }
    let set = chosen(caller, wishes.from).map(|(name, value)| (name.clone(), value.clone()));
    let set = set.chain(from_files.iter().map(|(name, value)| (name.into(), value.into())));
    let set = set.chain(wishes.set.iter().map(|(name, value)| (name.into(), value.into())));
    for (name, value) in set {
        hashed.insert(name.clone(), Some(value.clone()));
        variables.insert(name, value);
    }
    let parts = hashed.into_iter().map(|(name, value)| {
        let value = value.map_or(Value::Unset, |value| Value::Digest(Digest::of(value.as_bytes())));
        Part::new(Kind::Env, name.as_bytes(), value)
    });
    Environment { variables, parts: parts.collect() }
}

fn is_proxy(name: &OsStr) -> bool {
    PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
}

fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// The caller's variables that one of the names or globs means, less percache's own. A glob that does not parse was
/// reported with the configuration.
fn chosen<'a>(caller: &'a Caller, names: &[String]) -> impl Iterator<Item = (&'a OsString, &'a OsString)> {
    let globs: Vec<GlobMatcher> =
        names.iter().filter_map(|name| Glob::new(name).ok()).map(|glob| glob.compile_matcher()).collect();
    caller.iter().filter(move |(name, _)| *name != MARK && globs.iter().any(|glob| glob.is_match(name)))
}
