//! What was hashed for the servers of a worktree, so that `why` can say how a server differs from what it was: there
//! are no results of servers, and so the store has nothing of them.
//!
//! One file per worktree, limited in size. A build adds the servers that are other ones than in the build before; no
//! build depends on the file, and losing it makes explanations less detailed.
//!
//! ```text
//! "percache servers 1\n", then of each, the oldest first: action(20) length(4) record, see crate::key::fingerprint
//! ```

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::base::files::{self, Durability};
use percache::store::id::ActionKey;

use crate::key::fingerprint::{Discovered, Parts};

const MAGIC: &[u8] = b"percache servers 1\n";
/// The size that a file is kept below.
const KEPT: usize = 1 << 20;

/// Returns the action key of a server: it discovers no inputs.
pub fn action_key(parts: &Parts) -> ActionKey {
    Discovered::default().action(&parts.fingerprint())
}

/// The servers of a worktree, read when the first is asked for.
pub struct ServerParts {
    path: PathBuf,
    read: OnceLock<HashMap<ActionKey, Parts>>,
    now: HashMap<ActionKey, Parts>,
}

impl ServerParts {
    /// Refers to the servers in the file at `path`, and to those that are known `now`.
    pub fn new<'p>(path: PathBuf, now: impl Iterator<Item = &'p Parts>) -> ServerParts {
        let now = now.map(|parts| (action_key(parts), parts.clone())).collect();
        ServerParts { path, read: OnceLock::new(), now }
    }

    /// Returns what was hashed for the server with this action key.
    pub fn get(&self, key: &ActionKey) -> Option<&Parts> {
        let read = || {
            let bytes = fs::read(&self.path).unwrap_or_default();
            let all = records(&bytes).unwrap_or_default();
            all.into_iter().filter_map(|(key, record)| Some((key, Parts::decode(record).ok()?))).collect()
        };
        // A power cut may have mixed up the bytes, so the key is checked.
        self.now.get(key).or_else(|| self.read.get_or_init(read).get(key)).filter(|parts| action_key(parts) == *key)
    }
}

/// Adds servers to the file at `path`, and drops the oldest ones if it grows too large.
pub fn keep<'p>(path: &Path, servers: impl Iterator<Item = &'p Parts>) -> io::Result<()> {
    let new: Vec<_> = servers.map(|parts| (action_key(parts), parts.record(&Discovered::default()))).collect();
    if new.is_empty() {
        return Ok(());
    }
    let before = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    let old = records(&before).unwrap_or_default();
    let old = old.into_iter().filter(|(key, _)| new.iter().all(|(other, _)| other != key));
    let all: Vec<_> = old.chain(new.iter().map(|(key, record)| (*key, record.as_slice()))).collect();
    let mut room = KEPT;
    let fits = |(_, record): &&(ActionKey, &[u8])| {
        let size = record.len() + 24;
        let fits = size <= room;
        room = if fits { room - size } else { 0 };
        fits
    };
    let mut newest: Vec<_> = all.iter().rev().take_while(fits).collect();
    newest.reverse();
    let mut bytes = MAGIC.to_vec();
    for (key, record) in newest {
        bytes.digest(key.digest());
        bytes.bytes(record);
    }
    files::replace(path, &bytes, Durability::Volatile)
}

/// Returns the records of a file, the oldest first.
fn records(bytes: &[u8]) -> Result<Vec<(ActionKey, &[u8])>, DecodeError> {
    let Some(bytes) = bytes.strip_prefix(MAGIC) else { return Ok(Vec::new()) };
    let mut from = Decoder::new(bytes);
    let mut all = Vec::new();
    while !from.rest().is_empty() {
        all.push((ActionKey::new(from.digest()?), from.bytes()?));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::fingerprint::{Kind, Part, Value};

    fn server(command: &str, inputs: usize) -> Parts {
        let inputs = (0..inputs).map(|i| Part::new(Kind::Env, format!("{i:05}"), Value::Unset));
        Parts::new(inputs.chain([Part::new(Kind::Command, "", Value::Text(command.into()))]).collect())
    }

    #[test]
    fn the_newest_servers_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("servers");
        let (one, two, large) = (server("one", 0), server("two", 3), server("large", 69_895));
        let known = |parts: &Parts| {
            ServerParts::new(path.clone(), std::iter::empty()).get(&action_key(parts)).is_some_and(|own| own == parts)
        };
        keep(&path, [&one].into_iter()).unwrap();
        let hex: String = fs::read(&path).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN, "a change of the format needs a new version");
        keep(&path, [&two, &one].into_iter()).unwrap();
        assert!(known(&one) && known(&two));
        assert_eq!(records(&fs::read(&path).unwrap()).unwrap().len(), 2, "each is there once");
        keep(&path, [&large].into_iter()).unwrap();
        assert!(known(&large) && known(&one) && !known(&two));
        assert!(ServerParts::new(path.clone(), [&two].into_iter()).get(&action_key(&two)).is_some());
        // A damaged file is none.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(!known(&large));
        keep(&path, [&two].into_iter()).unwrap();
        assert!(known(&two) && !known(&large));
    }

    const GOLDEN: &str = "7065726361636865207365727665727320310ad9bc6aeaf45976423e50466926b093e6d3074cf5\
                          1500000001000000010000000001030000006f6e6500000000";
}
