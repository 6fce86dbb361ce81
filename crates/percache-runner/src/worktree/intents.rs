//! Intents: what a build in progress is about to write, noted before it does.
//!
//! A killed build leaves outputs that no journal knows of. Were they taken for somebody's files, a later run could mistake them for
//! its own outputs. So before a command runs or files are restored, one record says which patterns the task owns and what lay there
//! that was not its own. After a kill, everything else that the patterns mean is the dead build's, if it was written while that build
//! lived: a build gives signs of life while commands run, by the time of this file. When the journal is written, the intents are dropped.
//!
//! The same file tells by what running commands can be found, see [`crate::process::orphans`].
//!
//! Each record: its length (4 bytes), its kind (1), and then of an intent (1) patterns, paths of others, paths of temporary files, and the last
//! sign of life (8 bytes; 0 while the build lives); of a command (2) its trace. A torn one at the end was never acted on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percache::codec::{DecodeError, Decoder, Encode};
use percache::files::{self, Durability};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::process::orphans::Trace;

/// One intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The output patterns of the task, relative to the workspace.
    pub patterns: Vec<String>,
    /// What they meant before and was not the task's.
    pub others: Vec<RelPath>,
    /// Files beside the outputs that are there only while these are restored from another file system. Sorted.
    pub temporaries: Vec<RelPath>,
    /// When its build gave the last sign of life, in nanoseconds since 1970 by the clock of the file system; 0 while it lives.
    pub last_sign: i64,
}

/// How often a build gives a sign of life while commands run.
pub const SIGN: Duration = Duration::from_millis(50);

/// A build that is killed may have lived this long after its last sign, in nanoseconds: a busy machine lets it wait.
const GRACE: i64 = 250_000_000;

impl Intent {
    /// The intent to write what `outputs` mean.
    pub fn new(outputs: &PatternSet, others: Vec<RelPath>) -> Intent {
        let patterns = outputs.patterns().iter().map(ToString::to_string).collect();
        Intent { patterns, others, temporaries: Vec::new(), last_sign: 0 }
    }

    /// Whether its build may have written what was changed the last time at `ctime`.
    pub fn may_have_written(&self, ctime: i64) -> bool {
        self.last_sign == 0 || ctime <= self.last_sign.saturating_add(GRACE)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        to.count(self.patterns.len());
        self.patterns.iter().for_each(|pattern| to.text(pattern));
        for paths in [&self.others, &self.temporaries] {
            to.count(paths.len());
            paths.iter().for_each(|path| to.bytes(path.as_bytes()));
        }
        to.u64(self.last_sign as u64);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Intent, DecodeError> {
        let patterns = (0..from.count(4)?).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        let paths = |from: &mut Decoder<'_>| {
            let path = |from: &mut Decoder<'_>| RelPath::new(from.bytes()?).map_err(|_| DecodeError("a path is none"));
            (0..from.count(4)?).map(|_| path(from)).collect::<Result<_, _>>()
        };
        Ok(Intent { patterns, others: paths(from)?, temporaries: paths(from)?, last_sign: from.u64()? as i64 })
    }
}

const INTENT: u8 = 1;
const COMMAND: u8 = 2;

/// What a build that did not come to its end has left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// What it meant to do.
    pub intents: Vec<Intent>,
    /// By what its commands can be found.
    pub commands: Vec<Trace>,
}

impl LeftBehind {
    /// What stands in the file at `path`, as far as that is whole. The time of the file is the last sign of life of the build that wrote it.
    pub fn read(path: &Path) -> LeftBehind {
        let Ok(bytes) = std::fs::read(path) else { return LeftBehind::default() };
        let mut left = LeftBehind::decode(&bytes).0;
        let sign = std::fs::metadata(path).map_or(0, |metadata| nanoseconds(&metadata));
        left.intents.iter_mut().filter(|intent| intent.last_sign == 0).for_each(|intent| intent.last_sign = sign);
        left
    }

    /// What stands in these bytes, and how many of them are whole records.
    pub fn decode(bytes: &[u8]) -> (LeftBehind, usize) {
        let (mut left, mut from, mut whole) = (LeftBehind::default(), Decoder::new(bytes), 0);
        while let Ok(record) = from.bytes()
            && left.add(record).is_ok()
        {
            whole = bytes.len() - from.rest().len();
        }
        (left, whole)
    }

    fn add(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        let mut from = Decoder::new(record);
        match from.u8()? {
            INTENT => {
                let intent = Intent::decode(&mut from)?;
                from.finish()?;
                self.intents.push(intent);
            }
            COMMAND => {
                let command = Trace::decode(&mut from)?;
                from.finish()?;
                self.commands.push(command);
            }
            _ => return Err(DecodeError("a record is of an unknown kind")),
        }
        Ok(())
    }

    /// The bytes that give it back.
    pub fn encode(&self) -> Vec<u8> {
        let intents = self.intents.iter().flat_map(|intent| record(INTENT, |body| intent.encode(body)));
        intents.chain(self.commands.iter().flat_map(|command| record(COMMAND, |body| command.encode(body)))).collect()
    }
}

fn record(kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = vec![kind];
    encode(&mut body);
    let mut record = Vec::with_capacity(body.len() + 4);
    record.bytes(&body);
    record
}

/// The intents of the build in progress.
pub struct Intents {
    file: Mutex<Appended>,
}

/// A file to which only its owner appends.
struct Appended {
    file: File,
    length: u64,
}

/// When a file was modified, in nanoseconds since 1970.
fn nanoseconds(metadata: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

impl Intents {
    /// Begins to note, after those that are there: `left_behind`, which are kept with the time of the last sign of life of their build. What a kill
    /// has torn is cut off: it would hide what comes after it.
    pub fn open(path: &Path, left_behind: &LeftBehind) -> io::Result<Intents> {
        if *left_behind != LeftBehind::default() {
            files::replace(path, &left_behind.encode(), Durability::Volatile)?;
        }
        let file = files::private().create(true).append(true).open(path)?;
        let mut length = file.metadata()?.len();
        if length > 0 {
            let whole = LeftBehind::decode(&std::fs::read(path)?).1 as u64;
            if whole < length {
                file.set_len(whole)?;
            }
            length = whole;
        }
        Ok(Intents { file: Mutex::new(Appended { file, length }) })
    }

    /// Notes one. It is known to a later build as soon as this returns, whatever happens to this one.
    pub fn note(&self, intent: &Intent) -> io::Result<()> {
        self.append(&record(INTENT, |body| intent.encode(body)))
    }

    /// Gives a sign of life.
    pub fn give_sign(&self) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let intents = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Without it, what is written after a kill counts as the build's.
        let _ = futimens(&intents.file, &Timestamps { last_access: now, last_modification: now });
    }

    /// Notes by what a command can be found.
    pub fn note_command(&self, trace: &Trace) -> io::Result<()> {
        self.append(&record(COMMAND, |body| trace.encode(body)))
    }

    fn append(&self, record: &[u8]) -> io::Result<()> {
        let mut intents = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Appended { file, length } = &mut *intents;
        // A half of one, left behind by a full disk, would hide those that are noted later.
        file.write_all(record).inspect_err(|_| drop(file.set_len(*length)))?;
        *length += record.len() as u64;
        Ok(())
    }

    /// Drops all but these: the journal knows the others now.
    pub fn keep(self, path: &Path, unfinished: &LeftBehind) -> io::Result<()> {
        if *unfinished == LeftBehind::default() {
            return self.file.into_inner().unwrap_or_else(PoisonError::into_inner).file.set_len(0);
        }
        files::replace(path, &unfinished.encode(), Durability::Volatile)
    }

    /// Whether a build came to its end: nothing was left behind.
    pub fn is_empty(path: &Path) -> bool {
        match File::open(path).and_then(|file| file.metadata()) {
            Ok(metadata) => metadata.len() == 0,
            Err(e) => e.kind() == io::ErrorKind::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::orphans::Leader;
    use percache::Digest;

    fn intents(path: &Path) -> Vec<Intent> {
        let mut intents = LeftBehind::read(path).intents;
        intents.iter_mut().for_each(|intent| intent.last_sign = 0);
        intents
    }

    #[test]
    fn what_was_noted_is_left_behind_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intents");
        assert_eq!(LeftBehind::read(&path), LeftBehind::default());
        let outputs = PatternSet::parse(&RelPath::root(), &["build/", "!build/keep"]).unwrap();
        let intent = Intent::new(&outputs, vec![RelPath::new("build/other").unwrap()]);
        let noted = Intents::open(&path, &LeftBehind::default()).unwrap();
        noted.note(&intent).unwrap();
        Intents::open(&path, &LeftBehind::default()).unwrap().note(&intent).unwrap();
        assert_eq!(intents(&path), [intent.clone(), intent.clone()]);
        let patterns = PatternSet::parse(&RelPath::root(), &intent.patterns).unwrap();
        assert!(patterns.matches(&RelPath::new("build/x").unwrap()));
        assert!(!patterns.matches(&RelPath::new("build/keep").unwrap()));
        noted.keep(&path, &LeftBehind { intents: vec![intent.clone()], commands: vec![] }).unwrap();
        assert_eq!(intents(&path), std::slice::from_ref(&intent));
        Intents::open(&path, &LeftBehind::default()).unwrap().keep(&path, &LeftBehind::default()).unwrap();
        assert_eq!(intents(&path), []);
    }

    fn example() -> LeftBehind {
        let path = |text: &str| RelPath::new(text).unwrap();
        let intent = Intent {
            patterns: vec!["out".into()],
            others: vec![path("a/b")],
            temporaries: vec![path("t"), path("u")],
            last_sign: 7,
        };
        let leader = Some(Leader { id: 7, began: (1 << 40, 1 << 41) });
        let system = Digest::of(b"boot");
        let commands = vec![Trace { system, leader, pipes: vec![] }, Trace { system, leader: None, pipes: vec![3, 4] }];
        LeftBehind { intents: vec![intent], commands }
    }

    #[test]
    fn a_torn_record_is_ignored_and_hides_none_that_is_noted_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intents");
        let example = example();
        let whole = example.encode();
        assert_eq!(LeftBehind::decode(&whole), (example.clone(), whole.len()));
        let torn = [&whole[..], &record(COMMAND, |body| example.commands[0].encode(body))].concat();
        for end in whole.len()..torn.len() {
            std::fs::write(&path, &torn[..end]).unwrap();
            assert_eq!(LeftBehind::read(&path), example);
            Intents::open(&path, &LeftBehind::default()).unwrap().note(&example.intents[0]).unwrap();
            let twice = [&example.intents[..], &example.intents[..]].concat();
            assert_eq!(LeftBehind::read(&path), LeftBehind { intents: twice, ..example.clone() });
        }
    }

    #[test]
    fn no_damage_panics() {
        let whole = example().encode();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            assert!(LeftBehind::decode(&damaged).1 <= whole.len());
        }
    }
}
