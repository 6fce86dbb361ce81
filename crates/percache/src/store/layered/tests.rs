//! Tests of a store over another one. The other one is a local store, too, behind a wrapper that counts and damages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::base::clock::{Micros, Time};
use crate::db::memory::MemoryEngine;
use crate::store::Store;
use crate::store::manifest::Manifest;
use crate::store::record::{Entry, Node};

fn store() -> Store {
    Store::new(Arc::new(MemoryEngine::new()))
}

/// Another store, as it may be at the other end of a network.
struct Other {
    store: Store,
    /// Whether it answers with something else than it was asked for.
    lies: AtomicBool,
    /// Whether it does not answer.
    is_down: AtomicBool,
    batches: AtomicUsize,
    questions: AtomicUsize,
}

impl Other {
    fn new() -> Other {
        Other {
            store: store(),
            lies: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            batches: AtomicUsize::new(0),
            questions: AtomicUsize::new(0),
        }
    }

    fn answers(&self) -> Result<(), EngineError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        match self.is_down.load(Ordering::Relaxed) {
            true => Err(EngineError::Io("no route to host".into())),
            false => Ok(()),
        }
    }

    fn of_this_machine(&self) -> ! {
        panic!("this is asked of the local store alone")
    }
}

impl Results for Other {
    fn path_sets(&self, fingerprint: &Fingerprint) -> Result<Vec<PathSet>, EngineError> {
        self.answers()?;
        self.store.path_sets(fingerprint)
    }

    fn result(&self, key: &ResultKey, _: Option<&PathSet>) -> Result<Option<StoredResult>, EngineError> {
        self.answers()?;
        self.store.result(key)
    }

    fn tied_results(&self, _: &ActionKey) -> Result<Vec<(WorkspaceId, StoredResult)>, EngineError> {
        self.of_this_machine()
    }

    fn parts(&self, key: &ResultKey) -> Result<Option<Vec<u8>>, EngineError> {
        self.answers()?;
        self.store.parts(key)
    }

    fn record(&self, new: NewResult, guard: Option<Guard>) {
        assert!(guard.is_none() && new.key.place.is_none(), "tied results stay here");
        self.store.record(new, None);
    }

    fn generation(&self) -> u64 {
        self.of_this_machine()
    }

    fn known_generation(&self) -> u64 {
        self.of_this_machine()
    }

    fn renew(&self) {}
}

impl Contents for Other {
    fn has(&self, contents: &[Content]) -> Result<Vec<bool>, EngineError> {
        self.answers()?;
        Contents::has(&self.store, contents)
    }

    fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError> {
        self.answers()?;
        if !self.lies.load(Ordering::Relaxed) {
            return self.store.read(content, to);
        }
        let mut bytes = Vec::new();
        self.store.read(content, &mut bytes)?;
        bytes[0] ^= 1;
        Ok(to.write_all(&bytes)?)
    }

    fn read_many(&self, contents: &[Content]) -> Vec<Result<Vec<u8>, ReadError>> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        assert!(contents.iter().map(|content| content.length).sum::<u64>() <= BATCH);
        let read = |content| {
            let mut bytes = Vec::new();
            self.read(content, &mut bytes).map(|()| bytes)
        };
        contents.iter().map(read).collect()
    }

    fn add(&self, reader: &mut dyn Read, seen: &mut dyn FnMut(&[u8])) -> io::Result<Content> {
        self.answers().map_err(io::Error::other)?;
        self.store.add(reader, seen)
    }
}

const KEY: ResultKey = ResultKey { action: ActionKey::new(Digest([1; 20])), place: None };
const FINGERPRINT: Fingerprint = Fingerprint::new(Digest([2; 20]));

/// As long as small files, one that is read by itself, and one that is stored in chunks.
const LENGTHS: [usize; 4] = [10, 20, 100_000, 3 << 20];

fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn paths() -> PathSet {
    [b"include/a.h".to_vec()].into_iter().collect()
}

/// Records a result in a store, with an output of each length.
fn record(storage: &dyn Storage, key: ResultKey) -> StoredResult {
    let add = |bytes: &[u8]| storage.add(&mut &*bytes, &mut |_| ()).unwrap();
    let outputs = LENGTHS.map(|length| {
        let node = Node::File { content: add(&bytes(length)), executable: false };
        Entry::new(format!("out/{length:08}"), node)
    });
    let log = add(b"log");
    let outputs = Manifest::from_sorted_entries(outputs.into()).unwrap();
    let result = StoredResult {
        label: "a".into(),
        fingerprint: FINGERPRINT,
        created: Time::EPOCH,
        took: Micros::ZERO,
        status: 0,
        log,
        outputs,
    };
    let new = NewResult { key, result: result.clone(), parts: b"parts".to_vec(), paths: Some(paths()) };
    storage.record(new, None);
    result
}

/// Checks that a store has a result with everything that belongs to it, by itself.
fn has_all(store: &Store, result: &StoredResult) {
    store.flush().unwrap();
    store.renew();
    assert_eq!(store.result(&KEY).unwrap().as_ref(), Some(result));
    assert_eq!(store.parts(&KEY).unwrap().as_deref(), Some(&b"parts"[..]));
    assert_eq!(store.path_sets(&FINGERPRINT).unwrap(), [paths()]);
    for (entry, length) in result.outputs.iter().zip(LENGTHS) {
        let Node::File { content, .. } = &entry.node else { panic!("a file") };
        let mut read = Vec::new();
        store.read(content, &mut read).unwrap();
        assert_eq!(read, bytes(length));
    }
}

#[test]
fn what_the_other_has_fills_the_local_one() {
    let (local, other) = (store(), Other::new());
    let result = record(&other.store, KEY);
    let both = Layered::new(&local, &other);
    let sets = both.path_sets(&FINGERPRINT).unwrap();
    assert_eq!(sets, [paths()]);
    assert_eq!(both.result(&KEY, sets.first()).unwrap().as_ref(), Some(&result));
    assert_eq!(other.batches.load(Ordering::Relaxed), 1, "small contents come together");
    has_all(&local, &result);
    // From here on the other one is not needed.
    other.is_down.store(true, Ordering::Relaxed);
    assert_eq!(both.result(&KEY, None).unwrap().as_ref(), Some(&result));
    assert_eq!(both.path_sets(&FINGERPRINT).unwrap(), [paths()], "an error of the other one is no error");
    assert_eq!(both.result(&ResultKey { action: ActionKey::default(), ..KEY }, None).unwrap(), None);
}

#[test]
fn a_content_that_is_another_one_is_a_miss() {
    let (local, other) = (store(), Other::new());
    let result = record(&other.store, KEY);
    let both = Layered::new(&local, &other);
    other.lies.store(true, Ordering::Relaxed);
    assert_eq!(both.result(&KEY, None).unwrap(), None);
    for content in result.contents() {
        let mut read = Vec::new();
        assert!(both.read(&content, &mut read).is_err() && read.is_empty(), "{content:?} was seen");
    }
    assert_eq!(local.result(&KEY).unwrap(), None);
    other.lies.store(false, Ordering::Relaxed);
    assert_eq!(both.result(&KEY, Some(&paths())).unwrap().as_ref(), Some(&result));
    has_all(&local, &result);
}

#[test]
fn a_result_that_is_not_all_there_is_a_miss() {
    let (local, other) = (store(), Other::new());
    let mut result = record(&other.store, KEY);
    result.log = Content { digest: Digest::of(b"never stored"), length: 12 };
    let new = NewResult { key: KEY, result, parts: Vec::new(), paths: None };
    other.store.record(new, None);
    assert_eq!(Layered::new(&local, &other).result(&KEY, None).unwrap(), None);
}

#[test]
fn what_is_recorded_goes_to_both() {
    let (local, other) = (store(), Other::new());
    let result = record(&Layered::new(&local, &other), KEY);
    has_all(&local, &result);
    has_all(&other.store, &result);
    // A store that does not answer keeps nobody from recording.
    other.is_down.store(true, Ordering::Relaxed);
    let key = ResultKey { action: ActionKey::default(), place: None };
    record(&Layered::new(&local, &other), key);
    assert!(local.result(&key).unwrap().is_some() && other.store.result(&key).unwrap().is_none());
}

#[test]
fn what_is_tied_to_a_directory_stays_here() {
    let (local, other) = (store(), Other::new());
    let both = Layered::new(&local, &other);
    let key = ResultKey { place: Some(WorkspaceId::new(Digest([3; 20]))), ..KEY };
    record(&both, key);
    assert_eq!(other.store.result(&key).unwrap(), None);
    assert_eq!(both.result(&ResultKey { action: ActionKey::default(), ..key }, None).unwrap(), None);
    assert_eq!(other.questions.load(Ordering::Relaxed), 0);
    local.flush().unwrap();
    local.renew();
    assert_eq!(both.tied_results(&KEY.action).unwrap().len(), 1);
}

#[test]
fn a_content_of_the_other_one_is_read_and_kept() {
    let (local, other) = (store(), Other::new());
    let both = Layered::new(&local, &other);
    let contents = LENGTHS.map(|length| other.store.add(&mut &bytes(length)[..], &mut |_| ()).unwrap());
    let missing = Content { digest: Digest::of(b"x"), length: 1 };
    let asked = [contents[0], missing, contents[3]];
    assert_eq!(both.has(&asked).unwrap(), [true, false, true]);
    assert!(both.read(&missing, &mut io::sink()).is_err());
    for (content, length) in contents.iter().zip(LENGTHS) {
        let mut read = Vec::new();
        both.read(content, &mut read).unwrap();
        assert_eq!(read, bytes(length));
        assert!(local.has(content).unwrap());
    }
}

#[test]
fn batches_hold_all_contents_in_order() {
    let content = |length: &u64| Content { digest: Digest::default(), length: *length };
    for lengths in [&[][..], &[1], &[BATCH, 1], &[1, BATCH, BATCH, 2, 3], &[BATCH + 1, 1]] {
        let contents: Vec<_> = lengths.iter().map(content).collect();
        let batches = batches(&contents);
        assert_eq!(batches.concat(), contents);
        assert!(batches.iter().all(|batch| !batch.is_empty()));
    }
}
