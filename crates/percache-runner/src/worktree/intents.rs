//! Intents: write-ahead notes of what a build in progress is about to write.
//!
//! A killed build leaves outputs that no journal knows of. If these were taken for the user's files, a later run could
//! mistake them for its own outputs. So before a command runs or files are restored, a record notes the patterns that
//! the task owns, and which files at these patterns were not its own. After a kill, everything else at the patterns
//! belongs to the killed build, if it was written while that build was alive: while commands run, a build gives signs
//! of life through the modification time of this file. When the journal is written, the intents are dropped.
//!
//! The same file records how to find running commands, see [`crate::process::orphans`].
//!
//! Each record consists of its length (4 bytes) and its kind (1 byte). An intent (1) continues with patterns, paths of
//! files that are not the task's, paths of temporary files, and the last sign of life (8 bytes; 0 while the build is
//! alive); a command (2) with its trace. Nothing was done yet on a record that is torn at the end.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::base::files::{self, Durability};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::process::orphans::Trace;

/// One intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The output patterns of the task, relative to the workspace.
    pub patterns: Vec<String>,
    /// Files that were there before and did not belong to the task.
    pub others: Vec<RelPath>,
    /// Files beside the outputs that exist only while the outputs are restored from another file system. Sorted.
    pub temporaries: Vec<RelPath>,
    /// When its build gave the last sign of life, in nanoseconds since 1970 by the clock of the file system; 0 while it
    /// is alive.
    pub last_sign: i64,
}

/// The interval between signs of life while commands run.
pub const SIGN: Duration = Duration::from_millis(50);

/// How long a killed build may have lived after its last sign, in nanoseconds: on a busy machine, signs are delayed.
const GRACE: i64 = 250_000_000;

impl Intent {
    /// Creates the intent to write what `outputs` match.
    pub fn new(outputs: &PatternSet, others: Vec<RelPath>) -> Intent {
        let patterns = outputs.patterns().iter().map(ToString::to_string).collect();
        Intent { patterns, others, temporaries: Vec::new(), last_sign: 0 }
    }

    /// Returns whether its build may have written a file that was last changed at `ctime`.
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

/// What an unfinished build has left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// What it intended to write.
    pub intents: Vec<Intent>,
    /// How to find its commands.
    pub commands: Vec<Trace>,
}

impl LeftBehind {
    /// Reads the whole records of the file at `path`. The file's modification time is the last sign of life of the
    /// build that wrote it.
    pub fn read(path: &Path) -> LeftBehind {
        let Ok(bytes) = std::fs::read(path) else { return LeftBehind::default() };
        let mut left = LeftBehind::decode(&bytes).0;
        let sign = std::fs::metadata(path).map_or(0, |metadata| nanoseconds(&metadata));
        left.intents.iter_mut().filter(|intent| intent.last_sign == 0).for_each(|intent| intent.last_sign = sign);
        left
    }

    /// Decodes these bytes. Also returns how many of them are whole records.
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

    /// Encodes it as records.
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

/// Returns the modification time of a file, in nanoseconds since 1970.
fn nanoseconds(metadata: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

impl Intents {
    /// Opens the file to append intents to it. It starts with `left_behind`, including the time of that build's last
    /// sign of life. A record that a kill has torn is cut off, because it would hide those after it.
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

    /// Notes an intent. Once this returns, later builds know it, whatever happens to this one.
    pub fn note(&self, intent: &Intent) -> io::Result<()> {
        self.append(&record(INTENT, |body| intent.encode(body)))
    }

    /// Gives a sign of life.
    pub fn give_sign(&self) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let intents = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // If this fails, files written after a kill count as the build's.
        let _ = futimens(&intents.file, &Timestamps { last_access: now, last_modification: now });
    }

    /// Notes how a command can be found.
    pub fn note_command(&self, trace: &Trace) -> io::Result<()> {
        self.append(&record(COMMAND, |body| trace.encode(body)))
    }

    fn append(&self, record: &[u8]) -> io::Result<()> {
        let mut intents = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Appended { file, length } = &mut *intents;
        // Half a record, left by a full disk, would hide those that are noted later.
        file.write_all(record).inspect_err(|_| drop(file.set_len(*length)))?;
        *length += record.len() as u64;
        Ok(())
    }

    /// Drops all records but these, because the journal now knows the others.
    pub fn keep(self, path: &Path, unfinished: &LeftBehind) -> io::Result<()> {
        if *unfinished == LeftBehind::default() {
            return self.file.into_inner().unwrap_or_else(PoisonError::into_inner).file.set_len(0);
        }
        files::replace(path, &unfinished.encode(), Durability::Volatile)
    }

    /// Returns whether the last build finished, so that nothing was left behind.
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
