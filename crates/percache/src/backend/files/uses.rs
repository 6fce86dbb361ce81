//! When the results in files were last used: small values that change often, so one file for all results of a
//! directory.
//!
//! | bytes | |
//! | --- | --- |
//! | 4 | `pcu` and the format, 1 |
//! | 20 | SHA-1 of what follows |
//! | … | for each key in order: the key (20), length of the value (4, little-endian), the value |
//!
//! Changes collect in memory and are written together. Two processes that write the same file at the same time take
//! turns; where locks do not work, one of them may lose what it had to say about uses, and nothing else. A damaged file
//! is an empty one.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::entry_file::replace;
use super::{Visit, directory, is_gone};
use crate::base::digest::{DIGEST_LEN, Digest, Hasher};
use crate::base::lock::{FileLock, this_process};

const MAGIC: [u8; 4] = *b"pcu\x01";
const HEAD: usize = MAGIC.len() + DIGEST_LEN;
/// Changes are written when there are so many.
const MANY: usize = 1 << 16;
/// How long to wait for another process that writes uses.
const PATIENCE: Duration = Duration::from_secs(1);

type Values = BTreeMap<Digest, Vec<u8>>;
/// A key, and its value or that it is removed.
type Change = (Digest, Option<Vec<u8>>);

/// The uses of all results.
#[derive(Debug)]
pub struct UseTable {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Changes that are not written yet; `None`: it is removed.
    changes: HashMap<Digest, Option<Vec<u8>>>,
    /// The file that was read last: keys come in order.
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    first: u8,
    stamp: Option<(SystemTime, u64)>,
    values: Values,
}

impl UseTable {
    /// Returns the uses of the results below `root`.
    pub fn new(root: &Path) -> UseTable {
        UseTable { root: root.to_owned(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, first: u8) -> PathBuf {
        directory(&self.root, first).join("uses")
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: &Digest) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.state();
        if let Some(change) = state.changes.get(key) {
            return Ok(change.clone());
        }
        let first = key.0[0];
        let path = self.path(first);
        let stamp = stamp(&path)?;
        match &state.loaded {
            Some(loaded) if loaded.first == first && loaded.stamp == stamp => {}
            _ => state.loaded = Some(Loaded { first, stamp, values: load(&path)? }),
        }
        Ok(state.loaded.as_ref().and_then(|loaded| loaded.values.get(key).cloned()))
    }

    /// Sets the value of `key`, or removes it.
    pub fn change(&self, key: &Digest, value: Option<&[u8]>) -> io::Result<()> {
        let mut state = self.state();
        state.changes.insert(*key, value.map(<[u8]>::to_vec));
        if state.changes.len() >= MANY { self.write_changes(&mut state) } else { Ok(()) }
    }

    /// Calls `visit` for every key.
    pub fn for_each(&self, visit: &mut Visit<'_>) -> io::Result<()> {
        let changes = self.state().changes.clone();
        for first in 0..=u8::MAX {
            let mut values = load(&self.path(first))?;
            let here = changes.iter().filter(|(key, _)| key.0[0] == first);
            here.for_each(|(key, change)| apply(&mut values, *key, change.clone()));
            if values.iter().any(|(key, value)| visit(key, value) == ControlFlow::Break(())) {
                break;
            }
        }
        Ok(())
    }

    /// Writes all changes.
    pub fn write(&self) -> io::Result<()> {
        self.write_changes(&mut self.state())
    }

    fn write_changes(&self, state: &mut State) -> io::Result<()> {
        state.loaded = None;
        if state.changes.is_empty() {
            return Ok(());
        }
        // Without a lock it is tried as well: what can get lost is when and how often something was used.
        let _turn = FileLock::acquire(&self.root.join("uses.lock"), &this_process(), PATIENCE, &mut |_| {});
        let mut waiting: BTreeMap<u8, Vec<Change>> = BTreeMap::new();
        for (key, change) in state.changes.drain() {
            waiting.entry(key.0[0]).or_default().push((key, change));
        }
        while let Some((first, changes)) = waiting.pop_first() {
            if let Err(error) = write_to(&self.path(first), &changes) {
                state.changes.extend(changes);
                state.changes.extend(waiting.into_values().flatten());
                return Err(error);
            }
        }
        Ok(())
    }
}

fn apply(values: &mut Values, key: Digest, change: Option<Vec<u8>>) {
    match change {
        Some(value) => drop(values.insert(key, value)),
        None => drop(values.remove(&key)),
    }
}

fn stamp(path: &Path) -> io::Result<Option<(SystemTime, u64)>> {
    let stamp = |metadata: Metadata| metadata.modified().map(|modified| (modified, metadata.len()));
    match fs::metadata(path).and_then(stamp) {
        Err(error) if is_gone(&error) => Ok(None),
        stamp => stamp.map(Some),
    }
}

fn load(path: &Path) -> io::Result<Values> {
    match fs::read(path) {
        Ok(bytes) => Ok(decode(&bytes).unwrap_or_default()),
        Err(error) if is_gone(&error) => Ok(Values::new()),
        Err(error) => Err(error),
    }
}

fn write_to(path: &Path, changes: &[Change]) -> io::Result<()> {
    let mut values = load(path)?;
    let before = values.len();
    changes.iter().for_each(|(key, change)| apply(&mut values, *key, change.clone()));
    if values.is_empty() {
        // Nothing was there, or nothing is left.
        return if before == 0 {
            Ok(())
        } else {
            fs::remove_file(path).or_else(|e| if is_gone(&e) { Ok(()) } else { Err(e) })
        };
    }
    replace(path, &[&encode(&values)])
}

fn encode(values: &Values) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([0; DIGEST_LEN]);
    for (key, value) in values {
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    let sum = sum(&bytes[HEAD..]);
    bytes[MAGIC.len()..HEAD].copy_from_slice(sum.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Values> {
    let (head, mut rest) = bytes.split_at_checked(HEAD)?;
    if head[..MAGIC.len()] != MAGIC || &head[MAGIC.len()..] != sum(rest).as_bytes() {
        return None;
    }
    let mut values = Values::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_at_checked(DIGEST_LEN)?;
        let (length, after) = after.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let (value, after) = after.split_at_checked(length as usize)?;
        values.insert(Digest::from_slice(key)?, value.to_vec());
        rest = after;
    }
    Some(values)
}

fn sum(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}
