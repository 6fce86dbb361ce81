//! A directory for a remote that several clones share: which results are on it, and what happens to its objects.
//!
//! Knows nothing of tasks: a result is known by its key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::drive::Known;
use crate::sandbox::Chance;

/// A remote.
#[derive(Clone, Copy, Debug)]
pub struct Sharing {
    pub clones: u8,
    /// Whether things happen to what is on it.
    pub faulty: bool,
    /// Whether there are tasks of which one depends on the other.
    pub chained: bool,
}

/// What a build does with the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Writes,
    Reads,
    /// `--no-remote`.
    Apart,
}

/// What happens to an object of the remote.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Lost,
    CutShort,
    Flipped,
    /// It has the content of another.
    Replaced,
    /// All are lost.
    Emptied,
}

/// What else is done with a clone.
#[derive(Clone, Copy, Debug)]
pub enum Errand {
    Push,
    Pull,
    /// `build -n`, which changes nothing.
    DryRun,
    /// `export` to a file that the next clone imports.
    Export,
    /// `gc`, of everything or of what is too much.
    Collect {
        all: bool,
    },
    /// `verify`, which finds nothing.
    Verify,
    /// The clone is made anew.
    Renew,
}

/// What is on the remote, as far as that is known.
pub struct Remote {
    dir: tempfile::TempDir,
    /// How many results came from it, and how often outputs of one were left there.
    pub came: usize,
    pub left: usize,
    has: BTreeMap<String, Known>,
    /// The names of the tasks under which each result was stored, wherever that was.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Something has happened to its objects.
    is_faulty: bool,
    /// Contents were changed in place: what is written later may lead to one of them.
    is_spoilt: bool,
}

impl Remote {
    pub fn new() -> Remote {
        let dir = tempfile::Builder::new().prefix("percache-bucket-").tempdir().expect("a temporary directory");
        let (has, names) = (BTreeMap::new(), BTreeMap::new());
        Remote { dir, came: 0, left: 0, has, names, is_faulty: false, is_spoilt: false }
    }

    /// Has a command use it in this way.
    /// `wanted`: outputs that nothing needs may stay there.
    pub fn give_to(&self, command: &mut Command, way: Way, wanted: bool) {
        command.env("PERCACHE_REMOTE_URL", format!("file://{}", self.dir.path().display()));
        command.env("PERCACHE_REMOTE_WRITE", if way == Way::Writes { "true" } else { "false" });
        command.env("PERCACHE_REMOTE_DOWNLOAD", if wanted { "wanted" } else { "all" });
        if way == Way::Apart {
            command.arg("--no-remote");
        }
    }

    pub fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    pub fn has(&self, key: &str) -> Option<Known> {
        self.has.get(key).copied()
    }

    /// A result was stored under the name of a task.
    pub fn note_name(&mut self, key: &str, name: String) {
        self.names.entry(key.to_owned()).or_default().insert(name);
    }

    /// Whether a result can have been stored under no other name.
    pub fn is_named(&self, key: &str, name: &str) -> bool {
        self.names.get(key).is_some_and(|names| names.len() == 1 && names.contains(name))
    }

    /// A result was written, or may have been.
    pub fn add(&mut self, key: &str, known: Known) {
        let known = if self.is_spoilt { Known::Maybe } else { known };
        let had = self.has.entry(key.to_owned()).or_insert(known);
        if known == Known::Surely {
            *had = known;
        }
    }

    /// The results that are there.
    pub fn sure(&self) -> BTreeSet<String> {
        let sure = self.has.iter().filter(|(_, known)| **known == Known::Surely);
        sure.map(|(key, _)| key.clone()).collect()
    }

    /// Nobody knows whether these are there.
    pub fn doubt(&mut self, keys: &BTreeSet<String>) {
        self.has.iter_mut().filter(|(key, _)| keys.contains(*key)).for_each(|(_, known)| *known = Known::Maybe);
    }

    /// Something happens to one of its objects, or to all of them.
    pub fn suffer(&mut self, number: u16, fault: Fault) {
        self.is_faulty = true;
        self.is_spoilt |= !matches!(fault, Fault::Lost | Fault::Emptied);
        self.has.values_mut().for_each(|known| *known = Known::Maybe);
        spoil(self.dir.path(), number, fault);
    }

    /// Has things happen to its objects until `done`.
    pub fn suffer_until(&mut self, seed: u16) -> impl FnOnce(&AtomicBool) + Send + use<> {
        (self.is_faulty, self.is_spoilt) = (true, true);
        self.has.values_mut().for_each(|known| *known = Known::Maybe);
        let dir = self.dir.path().to_owned();
        move |done| {
            let mut chance = Chance::new(u64::from(seed));
            while !done.load(Ordering::Relaxed) {
                let faults = [Fault::Lost, Fault::CutShort, Fault::Flipped, Fault::Replaced];
                spoil(&dir, chance.below(1 << 16) as u16, faults[chance.below(4) as usize]);
                std::thread::sleep(Duration::from_millis(chance.below(4)));
            }
        }
    }

    /// All that lies on it.
    pub fn objects(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let objects = objects(self.dir.path());
        objects.into_iter().map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
    }
}

fn spoil(dir: &Path, number: u16, fault: Fault) {
    let objects = objects(dir);
    let Some(path) = objects.get(usize::from(number) % objects.len().max(1)) else { return };
    let bytes = fs::read(path).unwrap_or_default();
    let middle = bytes.len() / 2;
    let changed = match fault {
        Fault::Lost => return drop(fs::remove_file(path)),
        Fault::Emptied => return objects.iter().for_each(|path| drop(fs::remove_file(path))),
        Fault::CutShort => bytes[..middle].to_vec(),
        Fault::Flipped => bytes.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == middle)).collect(),
        Fault::Replaced => fs::read(&objects[usize::from(number) / 7 % objects.len()]).unwrap_or_default(),
    };
    // A build may be at work there, too.
    let _ = fs::write(path, changed);
}

fn objects(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.path().is_dir() { pending.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}
