//! Tasks of a worktree that a check found to be unstable: with the same inputs, their commands gave different outputs.
//!
//! One file per worktree, with one JSON object a line, replaced as a whole. A task is listed until a check finds it
//! stable. gc does not touch the file. Knows nothing of how checks are done.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use percache::base::clock::Time;
use percache::base::files::{self, Durability};
use serde::{Deserialize, Serialize};

use crate::worktree::Worktree;

/// A task that was found to be unstable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstable {
    /// Its name.
    pub task: String,
    /// When it was found.
    pub found: Time,
    /// The outputs that differed; empty if the command failed where it had succeeded.
    pub outputs: Vec<String>,
}

/// The outcome of a build's checks.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Tasks that are unstable.
    pub unstable: Vec<Unstable>,
    /// Names of tasks that gave the same outputs again.
    pub stable: Vec<String>,
}

/// Updates the file at `path`.
pub fn note(path: &Path, news: &News) -> io::Result<()> {
    if news.unstable.is_empty() && news.stable.is_empty() {
        return Ok(());
    }
    let before = read(path)?;
    let mut after: BTreeMap<&str, &Unstable> = before.iter().map(|entry| (entry.task.as_str(), entry)).collect();
    after.retain(|name, _| !news.stable.iter().any(|stable| stable == name));
    after.extend(news.unstable.iter().map(|entry| (entry.task.as_str(), entry)));
    if after.values().copied().eq(&before) {
        return Ok(());
    }
    let mut text = String::new();
    for entry in after.values() {
        text += &serde_json::to_string(entry)?;
        text.push('\n');
    }
    files::replace(path, text.as_bytes(), Durability::Volatile)
}

/// Returns the unstable tasks of all worktrees of a store, by name; if several list a task, the latest entry.
pub fn all(store: &Path) -> io::Result<Vec<Unstable>> {
    let mut all: BTreeMap<String, Unstable> = BTreeMap::new();
    for worktree in Worktree::all(store)? {
        for entry in read(&worktree.unstable())? {
            let known = all.entry(entry.task.clone()).or_insert_with(|| entry.clone());
            if known.found < entry.found {
                *known = entry;
            }
        }
    }
    Ok(all.into_values().collect())
}

/// Reads a file, ignoring lines that cannot be parsed.
fn read(path: &Path) -> io::Result<Vec<Unstable>> {
    match fs::read(path) {
        Ok(bytes) => {
            Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(task: &str, found: u64) -> Unstable {
        let found = Time::from_millis(found);
        Unstable { task: task.to_owned(), found, outputs: vec!["out/x\n".to_owned()] }
    }

    #[test]
    fn a_task_stands_there_until_it_is_found_stable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("unstable");
        note(&path, &News { unstable: vec![], stable: vec!["a".to_owned()] }).unwrap();
        assert!(!path.exists());
        note(&path, &News { unstable: vec![entry("b", 1), entry("a", 1)], stable: vec![] }).unwrap();
        assert_eq!(read(&path).unwrap(), [entry("a", 1), entry("b", 1)]);
        note(&path, &News { unstable: vec![entry("b", 2)], stable: vec!["a".to_owned()] }).unwrap();
        assert_eq!(read(&path).unwrap(), [entry("b", 2)]);
    }

    #[test]
    fn a_damaged_line_hides_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("unstable");
        note(&path, &News { unstable: vec![entry("a", 1), entry("b", 1)], stable: vec![] }).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] = 0xff;
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path).unwrap(), [entry("b", 1)]);
    }
}
