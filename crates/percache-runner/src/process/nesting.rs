//! Recognises percache inside percache: the tasks within whose commands this process runs.
//!
//! percache starts each command with a variable ([`MARK`]) that names its task and the tasks within which that percache
//! itself runs, outermost first: `WORKTREE:TASK,WORKTREE:TASK`. WORKTREE is the beginning of a digest of the worktree's
//! directory in its store; in the names of tasks, `%`, `,`, spaces and control characters are percent-encoded. The
//! variable is in no fingerprint and is never passed on by `env_from` or `env_pass`.
//!
//! If the variable is lost on the way (`sudo`, `env -i`), the ancestors of this process still have it.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percache::Digest;

use crate::process::{MARK, table};

/// A task within whose command this process runs, while the percache that runs it holds the lock that this one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosing {
    /// Its name, if known. The command may be that of a tool.
    pub task: Option<String>,
    /// The percache that runs it: its process id and command.
    pub holder: String,
}

/// Returns the value of [`MARK`] for the command of `task`, run by this process in the worktree with this directory.
pub fn mark(worktree: &Path, task: &str) -> String {
    let own = std::env::var(MARK).ok().filter(|own| !own.is_empty());
    let entry = format!("{}:{}", short(worktree), escape(task));
    own.map_or(entry.clone(), |own| format!("{own},{entry}"))
}

/// Returns the task within which this process runs, if `holder`, which has the lock of a worktree, waits for that task:
/// waiting for the lock would then never end.
pub fn enclosing(worktree: &Path, holder: &str) -> Option<Enclosing> {
    let holding = process_id(holder);
    let ancestors = table::ancestors();
    let found = |task| Some(Enclosing { task, holder: holder.to_owned() });
    let above = ancestors.iter().position(|id| Some(*id) == holding);
    let below = above.map_or(&ancestors[..], |above| &ancestors[..above]);
    let own = std::env::var(MARK).ok().and_then(|mark| task(&mark, worktree));
    let inherited = |id: &u32| task(&table::variable(*id, MARK)?, worktree);
    let task = own.or_else(|| below.iter().find_map(inherited));
    if above.is_some() {
        return found(task);
    }
    // A terminal that a command has opened may have outlived it: a build in that terminal waits like any other.
    let is_another = holding.and_then(table::name).is_some_and(|name| Some(name) == table::name(std::process::id()));
    if is_another { None } else { task.map(Some).and_then(found) }
}

/// Returns whether this process runs within a command of `holder`.
pub fn is_within(holder: &str) -> bool {
    process_id(holder).is_some_and(|holder| table::ancestors().contains(&holder))
}

/// Returns whether `holder` is this process.
pub fn is_self(holder: &str) -> bool {
    process_id(holder) == Some(std::process::id())
}

/// Parses the process id in `process 4711 (percache build)`.
fn process_id(holder: &str) -> Option<u32> {
    holder.strip_prefix("process ")?.split(' ').next()?.parse().ok()
}

/// Returns the innermost task of a worktree in a value of [`MARK`].
fn task(mark: &str, worktree: &Path) -> Option<String> {
    let short = short(worktree);
    let mut entries = mark.rsplit(',').filter_map(|entry| entry.split_once(':'));
    entries.find(|(id, _)| *id == short).map(|(_, task)| unescape(task))
}

fn short(worktree: &Path) -> String {
    Digest::of(worktree.as_os_str().as_bytes()).short().to_string()
}

fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            '%' | ',' | '\0'..=' ' | '\x7f' => drop(write!(escaped, "%{:02X}", u32::from(char))),
            char => escaped.push(char),
        }
    }
    escaped
}

fn unescape(name: &str) -> String {
    let mut parts = name.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[2..]);
            }
            None => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_task_whatever_that_is_called() {
        let (here, there) = (Path::new("/store/worktrees/a"), Path::new("/store/worktrees/b"));
        for name in ["app", "objects[src/a, b.c]", "50 %", "a:b", "größe\n"] {
            let mark = mark(here, name);
            assert!(!mark.contains([' ', '\n']), "{mark}");
            assert_eq!(task(&mark, here).as_deref(), Some(name));
            assert_eq!(task(&mark, there), None);
            let deeper = format!("{mark},{}:inner", short(there));
            assert_eq!(task(&deeper, here).as_deref(), Some(name));
            assert_eq!(task(&deeper, there).as_deref(), Some("inner"));
        }
        assert_eq!(task("nonsense,%", here), None);
    }

    #[test]
    fn a_holder_is_known_by_its_process_id() {
        assert_eq!(process_id("process 4711 (percache build)"), Some(4711));
        assert_eq!(process_id("another process"), None);
        let own = format!("process {} (percache build)", std::process::id());
        assert!(!is_within(&own), "nobody runs within itself");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_parent_is_waited_for_in_vain() {
        let parent = table::process(std::process::id()).unwrap().parent;
        let holder = format!("process {parent} (percache build)");
        assert!(is_within(&holder));
        assert_eq!(enclosing(Path::new("/store"), &holder), Some(Enclosing { task: None, holder }));
        assert_eq!(enclosing(Path::new("/store"), "process 999999999 (percache build)"), None);
    }
}
