//! Checks whether the keys of a task make sense together.
//!
//! Knows nothing of other tasks and of placeholders.

use super::keys::{RawCommand, RawTask, TASK};
use super::report::Report;
use crate::syntax::suggest::nearest;

/// Reports keys that contradict each other, and a task that does nothing. If the file is `broken`, the command may be in
/// the part that could not be parsed.
pub(super) fn check_sense(report: &mut Report, task: &RawTask, broken: bool) {
    check_never_stored(report, task);
    check_server(report, task);
    check_not_kept(report, task);
    check_shell(report, task);
    if !broken {
        check_has_something_to_do(report, task);
    }
}

fn check_never_stored(report: &mut Report, task: &RawTask) {
    let name = &task.name.value;
    let interactive = task.keys.interactive.as_ref().is_some_and(|at| at.value);
    let cache = task.keys.cache.as_ref();
    if let Some(at) = cache.filter(|cache| cache.value && interactive) {
        let title = format!("task `{name}` is interactive and cannot be cached");
        let hint = "leave `cache` out".to_owned();
        report.error(title, at.at.clone(), "an interactive task is never stored").hint(hint);
    }
    let persistent = is_server(task);
    if let Some(at) = cache.filter(|cache| cache.value && persistent) {
        let title = format!("task `{name}` is persistent and cannot be cached");
        let hint = "leave `cache` out; what depends on it is cached".to_owned();
        report.error(title, at.at.clone(), "a server is never stored").hint(hint);
    }
    let stored = !interactive && !persistent && cache.is_none_or(|at| at.value);
    if let Some(at) = task.place("valid_for").filter(|_| !stored) {
        let title = format!("task `{name}` is never stored, so `valid_for` has no effect");
        report.error(title, at.clone(), "speaks of stored results").hint("leave it out".to_owned());
    }
}

fn is_server(task: &RawTask) -> bool {
    task.keys.persistent.as_ref().is_some_and(|at| at.value)
}

/// The keys that contradict `persistent` wherever they are stated: the label of the error, and its hint.
const NOT_OF_SERVERS: [(&str, &str, &str); 3] = [
    (
        "interactive",
        "owns the terminal",
        "leave one of the two out: a server prints, and reads nothing from the terminal",
    ),
    ("outputs", "are taken when a command has ended", "let another task make them, and name it in `deps`"),
    ("depfile", "is read when a command has ended", "declare `inputs`"),
];

/// The same for keys that a template may state for other tasks.
const NOT_IN_SERVERS: [(&str, &str, &str); 4] = [
    ("timeout", "ends a command that takes too long", "a server has `ready = { …, timeout = \"1m\" }`"),
    ("retries", "runs a command again that failed", "leave it out: a server that ends by itself has failed"),
    ("uses", "is given back when a command has ended", "leave it out: a server takes nothing of pools"),
    ("pool", "has room for commands that end", "leave it out: a server takes no place of `-j` and of pools"),
];

/// Reports what contradicts a server, and `ready` in a task that is none.
fn check_server(report: &mut Report, task: &RawTask) {
    let name = &task.name.value;
    if !is_server(task) {
        if let Some(at) = task.place("ready") {
            let title = format!("task `{name}` has `ready` but is not `persistent`");
            let hint = "add `persistent = true`; a task that ends is ready when it has ended".to_owned();
            report.error(title, at.clone(), "speaks of servers").hint(hint);
        }
        return;
    }
    let is_interactive = task.keys.interactive.as_ref().is_some_and(|at| at.value);
    let everywhere = NOT_OF_SERVERS.iter().map(|it| (task.place(it.0), it));
    let here = NOT_IN_SERVERS.iter().map(|it| (task.written.place(it.0), it));
    for (place, (key, label, hint)) in everywhere.chain(here) {
        let Some(at) = place.filter(|_| *key != "interactive" || is_interactive) else { continue };
        let title = format!("task `{name}` is persistent and cannot have `{key}`");
        report.error(title, at.clone(), *label).hint((*hint).to_owned());
    }
}

fn check_not_kept(report: &mut Report, task: &RawTask) {
    let (name, keys) = (&task.name.value, &task.keys);
    let Some(store) = keys.store.as_ref().filter(|store| !store.value) else { return };
    let never_stored =
        keys.cache.as_ref().is_some_and(|at| !at.value) || keys.interactive.as_ref().is_some_and(|at| at.value);
    let (title, label) = if never_stored {
        (format!("task `{name}` is never stored, so `store` has no effect"), "speaks of the contents of stored results")
    } else if keys.outputs.as_ref().is_none_or(Vec::is_empty) && task.written.place("store").is_some() {
        (format!("task `{name}` has no outputs, so `store` has no effect"), "speaks of the contents of outputs")
    } else {
        return;
    };
    report.error(title, store.at.clone(), label).hint("leave it out".to_owned());
}

fn check_shell(report: &mut Report, task: &RawTask) {
    // A template or `[workspace]` may state it for other tasks.
    let Some(at) = task.written.place("shell") else { return };
    if matches!(task.keys.command, Some(RawCommand::Argv(_))) {
        let title = format!("the command of task `{}` is an array, so `shell` has no effect", task.name.value);
        let hint = "write the command as a string, or leave `shell` out".to_owned();
        report.error(title, at.clone(), "runs commands that are strings").hint(hint);
    }
}

fn check_has_something_to_do(report: &mut Report, task: &RawTask) {
    let name = &task.name;
    // A key that resembles one of the two is reported as unknown.
    let resembles = |key: &String| nearest(key, ["command", "deps"]).is_some();
    let mut unknown = task.written.unknown.iter().chain(&task.inherited.unknown);
    if task.keys.command.is_some() || task.place("command").is_some() || unknown.any(resembles) {
        return;
    }
    let mut idle = task.place("deps").is_none();
    let needs_command = |key: &str| TASK.key(key).is_some_and(|key| key.traits.needs_command);
    let known = task.written.known.iter().chain(&task.inherited.known);
    for key in known.filter(|key| needs_command(key.value)) {
        let title = format!("task `{}` has `{}` but no `command`", name.value, key.value);
        let hint = "only a task that runs something has it; a task without `command` is a group of `deps`".to_owned();
        report.error(title, key.at.clone(), "means nothing without a command").hint(hint);
        idle = false;
    }
    if idle {
        let title = format!("task `{}` has nothing to do", name.value);
        let hint = "give it a `command`, or `deps` to make it a group".to_owned();
        report.error(title, name.at.clone(), "has neither `command` nor `deps`").hint(hint);
    }
}
