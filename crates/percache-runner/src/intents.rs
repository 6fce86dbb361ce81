//! Intents: what a build in progress is about to write, noted before it does.
//!
//! A killed build leaves outputs that no journal knows of. Were they taken for somebody's files, a later run could mistake them for
//! its own outputs. So before a command runs or files are restored, one record says which patterns the task owns and what lay there
//! that was not its own. After a kill, everything else that the patterns mean is the dead build's. When the journal is written, the
//! intents are dropped.
//!
//! Each record: its length (4 bytes), patterns, paths of others, paths of temporary files; a torn one at the end was never acted on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use percache::codec::{DecodeError, Decoder, Encode};
use percache::files::{self, Durability};

use crate::paths::RelPath;
use crate::pattern::PatternSet;

/// One intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The output patterns of the task, relative to the workspace.
    pub patterns: Vec<String>,
    /// What they meant before and was not the task's.
    pub others: Vec<RelPath>,
    /// Files beside the outputs that are there only while these are restored from another file system. Sorted.
    pub temporaries: Vec<RelPath>,
}

impl Intent {
    /// The intent to write what `outputs` mean.
    pub fn new(outputs: &PatternSet, others: Vec<RelPath>) -> Intent {
        let patterns = outputs.patterns().iter().map(ToString::to_string).collect();
        Intent { patterns, others, temporaries: Vec::new() }
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.count(self.patterns.len());
        self.patterns.iter().for_each(|pattern| body.text(pattern));
        for paths in [&self.others, &self.temporaries] {
            body.count(paths.len());
            paths.iter().for_each(|path| body.bytes(path.as_bytes()));
        }
        let mut record = Vec::with_capacity(body.len() + 4);
        record.bytes(&body);
        record
    }

    fn decode(body: &[u8]) -> Result<Intent, DecodeError> {
        let mut from = Decoder::new(body);
        let patterns = (0..from.count(4)?).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        let paths = |from: &mut Decoder<'_>| {
            let path = |from: &mut Decoder<'_>| RelPath::new(from.bytes()?).map_err(|_| DecodeError("a path is none"));
            (0..from.count(4)?).map(|_| path(from)).collect::<Result<_, _>>()
        };
        let (others, temporaries) = (paths(&mut from)?, paths(&mut from)?);
        from.finish()?;
        Ok(Intent { patterns, others, temporaries })
    }
}

/// The intents of the build in progress.
pub struct Intents {
    file: Mutex<File>,
}

impl Intents {
    /// Begins to note, after those that are there.
    pub fn open(path: &Path) -> io::Result<Intents> {
        Ok(Intents { file: Mutex::new(files::private().create(true).append(true).open(path)?) })
    }

    /// Notes one. It is known to a later build as soon as this returns, whatever happens to this one.
    pub fn note(&self, intent: &Intent) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = file.metadata()?.len();
        // A half of one, left behind by a full disk, would hide those that are noted later.
        file.write_all(&intent.encode()).inspect_err(|_| drop(file.set_len(before)))
    }

    /// Drops all but these: the journal knows the others now.
    pub fn keep(self, path: &Path, unfinished: &[&Intent]) -> io::Result<()> {
        if unfinished.is_empty() {
            return self.file.into_inner().unwrap_or_else(PoisonError::into_inner).set_len(0);
        }
        let kept: Vec<u8> = unfinished.iter().flat_map(|intent| intent.encode()).collect();
        files::replace(path, &kept, Durability::Volatile)
    }

    /// Whether a build came to its end: nothing was left behind.
    pub fn is_empty(path: &Path) -> bool {
        match File::open(path).and_then(|file| file.metadata()) {
            Ok(metadata) => metadata.len() == 0,
            Err(e) => e.kind() == io::ErrorKind::NotFound,
        }
    }

    /// What a build that did not come to its end meant to do.
    pub fn left_behind(path: &Path) -> Vec<Intent> {
        let bytes = std::fs::read(path).unwrap_or_default();
        let mut from = Decoder::new(&bytes);
        std::iter::from_fn(|| Intent::decode(from.bytes().ok()?).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_left_behind_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intents");
        assert_eq!(Intents::left_behind(&path), []);
        let outputs = PatternSet::parse(&RelPath::root(), &["build/", "!build/keep"]).unwrap();
        let intent = Intent::new(&outputs, vec![RelPath::new("build/other").unwrap()]);
        let intents = Intents::open(&path).unwrap();
        intents.note(&intent).unwrap();
        Intents::open(&path).unwrap().note(&intent).unwrap();
        assert_eq!(Intents::left_behind(&path), [intent.clone(), intent.clone()]);
        let patterns = PatternSet::parse(&RelPath::root(), &intent.patterns).unwrap();
        assert!(patterns.matches(&RelPath::new("build/x").unwrap()));
        assert!(!patterns.matches(&RelPath::new("build/keep").unwrap()));
        intents.keep(&path, &[&intent]).unwrap();
        assert_eq!(Intents::left_behind(&path), std::slice::from_ref(&intent));
        Intents::open(&path).unwrap().keep(&path, &[]).unwrap();
        assert_eq!(Intents::left_behind(&path), []);
    }

    #[test]
    fn a_torn_record_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intents");
        let intent =
            Intent { patterns: vec!["out".into()], others: vec![], temporaries: vec![RelPath::new("t").unwrap()] };
        let mut bytes = intent.encode();
        let whole = bytes.len();
        bytes.extend_from_slice(&intent.encode());
        for end in whole..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert_eq!(Intents::left_behind(&path), std::slice::from_ref(&intent));
        }
    }
}
