//! Guesses which variables of the caller a failed command has missed: those that its log or its text names, and those
//! that programs are known to miss when they say certain things.
//!
//! Knows nothing of values.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::model::Caller;
use crate::model::TaskCommand;
use crate::process::MARK;

/// No more than these are named.
const NAMED: usize = 5;
/// Variables that shells set for themselves.
const PRIVATE: &[&str] = &["PWD", "OLDPWD", "SHLVL", "_", "PS1", "IFS", "LINES", "COLUMNS", MARK];

/// What programs say when they miss variables, and which; a `*` at the end of a name stands for the rest of it.
const SAYINGS: &[(&[&str], &[&str])] = &[
    (&["rustup could not", "no default toolchain", "no default is configured", "rustup:"], &["RUSTUP_*", "CARGO_HOME"]),
    (&["failed to get successful HTTP response", "failed to load source for dependency"], &["CARGO_*"]),
    (&["error while loading shared libraries", "cannot open shared object file"], &["LD_LIBRARY_PATH"]),
    (&["Library not loaded", "image not found"], &["DYLD_*"]),
    (&["was not found in the pkg-config search path", "pkg-config"], &["PKG_CONFIG_*"]),
    (&["cannot find -l", "library not found for -l"], &["LIBRARY_PATH", "LDFLAGS"]),
    (&["fatal error: "], &["CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "CPPFLAGS"]),
    (&["No module named", "ModuleNotFoundError"], &["PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX"]),
    (&["Cannot find module", "MODULE_NOT_FOUND"], &["NODE_PATH", "NODE_OPTIONS"]),
    (&["heap out of memory"], &["NODE_OPTIONS"]),
    (&["Java Runtime", "UnsupportedClassVersionError", "JAVA_HOME"], &["JAVA_HOME"]),
    (
        &["terminal prompts disabled", "unrecognized import path", "410 Gone"],
        &["GOPROXY", "GOPRIVATE", "GOFLAGS", "GONOSUMDB"],
    ),
    (
        &["certificate", "CERTIFICATE_VERIFY_FAILED"],
        &["SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"],
    ),
    (&["(publickey", "Could not read from remote repository"], &["SSH_AUTH_SOCK", "GIT_SSH*"]),
    (
        &["could not read Username", "ENEEDAUTH", "E401", "401 Unauthorized"],
        &["NPM_TOKEN", "NODE_AUTH_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"],
    ),
    (&["open display", "connect to display", "DISPLAY"], &["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"]),
    (&["Docker daemon", "docker daemon"], &["DOCKER_*"]),
    (&["locate credentials", "default credentials"], &["AWS_*", "GOOGLE_APPLICATION_CREDENTIALS"]),
    (&["localhost:8080 was refused"], &["KUBECONFIG"]),
    (&["D-Bus", "session bus"], &["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"]),
];

/// Returns the names of variables that a failed command may have missed, sorted. `log` is what it wrote.
pub fn unseen(command: &TaskCommand, log: &[u8], caller: &Caller, seen: &BTreeMap<OsString, OsString>) -> Vec<String> {
    let log = String::from_utf8_lossy(log);
    let script = match command {
        TaskCommand::Shell(text) => text.clone(),
        TaskCommand::Argv(words) => words.join(" "),
    };
    let sayings: Vec<&[&str]> = SAYINGS
        .iter()
        .filter(|(said, _)| said.iter().any(|said| log.contains(said)))
        .map(|(_, variables)| *variables)
        .collect();
    let known_to_be_missed = |name: &str| sayings.iter().any(|names| names.iter().any(|known| is_meant(known, name)));
    let names = caller.keys().filter(|name| !seen.contains_key(*name)).filter_map(|name| name.to_str());
    let missed = names
        .filter(|name| !PRIVATE.contains(name))
        .filter(|name| is_named(name, &log) || is_expanded(name, &script) || known_to_be_missed(name));
    missed.take(NAMED).map(str::to_owned).collect()
}

fn is_meant(known: &str, name: &str) -> bool {
    known.strip_suffix('*').map_or(known == name, |beginning| name.starts_with(beginning))
}

/// Tells whether a text has the name as a word. A short name, or one in small letters, counts only where variables
/// stand: it may be an ordinary word.
fn is_named(name: &str, text: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    let ordinary =
        name.len() < 4 || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    text.match_indices(name).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        let is_word = !before.ends_with(is_part) && !behind.starts_with(is_part);
        let is_value = before.ends_with('$') || before.ends_with("env.") || behind.starts_with('=');
        is_word && (!ordinary || is_value)
    })
}

/// Tells whether a script asks for the value: `$NAME`, `${NAME…}`.
fn is_expanded(name: &str, script: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    script.match_indices(name).any(|(at, _)| {
        let before = &script[..at];
        (before.ends_with('$') || before.ends_with("${")) && !script[at + name.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(command: &str, log: &str, caller: &[&str], seen: &[&str]) -> Vec<String> {
        let variables =
            |names: &[&str]| names.iter().map(|name| (OsString::from(name), OsString::from("x"))).collect::<Caller>();
        unseen(&TaskCommand::Shell(command.to_owned()), log.as_bytes(), &variables(caller), &variables(seen))
    }

    #[test]
    fn what_the_log_or_the_command_names_is_missed_if_the_caller_has_it() {
        let caller = ["API_KEY", "CI", "HOME", "PWD"];
        assert_eq!(missed("x", "KeyError: 'API_KEY'", &caller, &["HOME"]), ["API_KEY"]);
        assert_eq!(missed("x", "set API_KEY first", &["OTHER"], &[]), [""; 0]);
        assert_eq!(missed("x", "set API_KEY first", &caller, &["API_KEY"]), [""; 0]);
        assert_eq!(missed("x", "MY_API_KEYS", &caller, &[]), [""; 0]);
        assert_eq!(missed("[ -n \"$CI\" ]; echo ${API_KEY:-}", "", &caller, &[]), ["API_KEY", "CI"]);
        assert_eq!(missed("echo $CITY", "in CI, PWD", &caller, &[]), [""; 0]);
        assert_eq!(missed("x", "needs CI=true", &caller, &[]), ["CI"]);
    }

    #[test]
    fn what_programs_say_when_they_miss_something_is_known() {
        let caller = ["CARGO_HOME", "LD_LIBRARY_PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
        let toolchain = "error: rustup could not choose a version of cargo to run";
        assert_eq!(missed("cargo build", toolchain, &caller, &[]), ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"]);
        let library = "./app: error while loading shared libraries: libfoo.so";
        assert_eq!(missed("./app", library, &caller, &[]), ["LD_LIBRARY_PATH"]);
        assert_eq!(missed("./app", "assertion failed", &caller, &[]), [""; 0]);
    }
}
