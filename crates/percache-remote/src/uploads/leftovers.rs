//! Which results were offered and are not there: a file of their local names, so that the next run offers them again.
//!
//! The file is the text of [`HEAD`] and 40 bytes for each result. A name is appended when its result is offered, and the
//! file is written anew, or removed, at the end of a run. What is torn at its end by a crash is ignored.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use percache::store::record::ResultKey;

const HEAD: &[u8] = b"percache not uploaded 1\n";
/// More are not remembered: `percache remote push` offers everything.
const MOST: usize = 100_000;

/// The results that were offered and are not there.
pub(super) struct Leftovers {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Offered in this run, or found in the file, and not there yet.
    keys: BTreeSet<ResultKey>,
    /// Those of them that were found in the file, and were not offered in this run.
    earlier: BTreeSet<ResultKey>,
    read: bool,
    /// Whether the file has something that `keys` does not have.
    stale: bool,
}

impl Leftovers {
    /// Remembers in the file `path`.
    pub fn new(path: PathBuf) -> Leftovers {
        Leftovers { path, state: Mutex::default() }
    }

    /// Returns what an earlier run has left, and this one has not offered.
    pub fn read(&self) -> Vec<ResultKey> {
        let mut state = self.state();
        self.load(&mut state);
        state.earlier.iter().copied().collect()
    }

    /// Remembers a result. What cannot be written down is remembered until the end of this run.
    pub fn add(&self, key: &ResultKey) {
        let mut state = self.state();
        self.load(&mut state);
        state.earlier.remove(key);
        if state.keys.len() < MOST && state.keys.insert(*key) {
            let appended = append(&self.path, key);
            appended.unwrap_or_else(|e| log::debug!("{}: {e}", self.path.display()));
        }
    }

    /// Forgets a result: it is there, or will never be.
    pub fn done(&self, key: &ResultKey) {
        let mut state = self.state();
        self.load(&mut state);
        state.earlier.remove(key);
        state.stale |= state.keys.remove(key);
    }

    /// Makes the file agree with what is known now.
    pub fn write(&self) {
        let mut state = self.state();
        if !std::mem::take(&mut state.stale) {
            return;
        }
        let written = match state.keys.is_empty() {
            true => fs::remove_file(&self.path),
            false => replace(&self.path, &state.keys),
        };
        written.unwrap_or_else(|e| log::debug!("{}: {e}", self.path.display()));
    }

    fn load(&self, state: &mut State) {
        if !std::mem::replace(&mut state.read, true) {
            let bytes = fs::read(&self.path).unwrap_or_default();
            let keys = bytes.strip_prefix(HEAD).unwrap_or_default().chunks_exact(ResultKey::LEN);
            state.keys.extend(keys.filter_map(ResultKey::from_bytes));
            state.earlier = state.keys.clone();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(path: &Path, key: &ResultKey) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut bytes = Vec::new();
    if file.metadata()?.len() == 0 {
        bytes.extend_from_slice(HEAD);
    }
    bytes.extend_from_slice(&key.to_bytes());
    file.write_all(&bytes)
}

fn replace(path: &Path, keys: &BTreeSet<ResultKey>) -> io::Result<()> {
    let mut bytes = HEAD.to_vec();
    keys.iter().for_each(|key| bytes.extend_from_slice(&key.to_bytes()));
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use percache::Digest;
    use percache::store::id::ActionKey;

    use super::*;

    fn key(name: &str) -> ResultKey {
        ResultKey { action: ActionKey::new(Digest::of(name.as_bytes())), place: None }
    }

    #[test]
    fn what_is_not_done_is_there_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("remote/not-uploaded");
        let first = Leftovers::new(path.clone());
        ["a", "b"].iter().for_each(|name| first.add(&key(name)));
        // As after a kill: nothing was written at the end.
        assert_eq!(Leftovers::new(path.clone()).read().len(), 2);
        first.done(&key("a"));
        first.write();
        let second = Leftovers::new(path.clone());
        assert_eq!(second.read(), [key("b")]);
        // What is offered in this run is not offered again by it.
        second.add(&key("b"));
        assert!(second.read().is_empty());
        second.done(&key("b"));
        second.write();
        assert!(!path.exists());
    }

    #[test]
    fn damage_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not-uploaded");
        fs::write(&path, b"something else").unwrap();
        assert!(Leftovers::new(path.clone()).read().is_empty());
        fs::write(&path, [HEAD, &key("a").to_bytes(), b"torn"].concat()).unwrap();
        assert_eq!(Leftovers::new(path).read(), [key("a")]);
    }
}
