//! What the store promises, on every database that it runs on.

mod fresh;
mod origins;

use std::collections::HashMap;
use std::io;
#[cfg(feature = "rocksdb")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "rocksdb")]
use super::gc::Collected;
use super::gc::{Policy, collect};
use super::id::{ActionKey, Fingerprint};
use super::layout::{BLOBS, COLUMNS};
use super::manifest::{Manifest, PathSet};
use super::record::{Content, Entry, Node, ResultKey, StoredResult};
use super::verify::verify;
use super::writer::NewResult;
use super::{ReadError, Store};
use crate::base::clock::{Micros, Time};
use crate::base::digest::Digest;
use crate::db::engine::Engine;
use crate::db::memory::MemoryEngine;

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a test on each database.
fn on_every_engine(test: impl Fn(&dyn Fn() -> Store)) {
    let memory: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    test(&|| Store::new(memory.clone()));
    #[cfg(feature = "rocksdb")]
    {
        let dir = tempfile::tempdir().unwrap();
        test(&|| Store::new(Arc::new(crate::db::rocks::RocksEngine::new(dir.path(), COLUMNS, "test"))));
    }
}

fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn add(store: &Store, bytes: &[u8]) -> Content {
    store.add(&mut &bytes[..], &mut |_| ()).unwrap()
}

fn read(store: &Store, content: &Content) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    store.read(content, &mut bytes).map(|()| bytes)
}

fn key(name: &str) -> ResultKey {
    ResultKey { action: ActionKey::new(Digest::of(name.as_bytes())), place: None }
}

fn fingerprint(name: &str) -> Fingerprint {
    Fingerprint::new(Digest::of(format!("fingerprint of {name}").as_bytes()))
}

/// Records a result called `name` with one output of these bytes.
fn record(store: &Store, name: &str, bytes: &[u8]) -> NewResult {
    let node = Node::File { content: add(store, bytes), executable: false };
    let new = NewResult {
        key: key(name),
        result: StoredResult {
            label: name.into(),
            fingerprint: fingerprint(name),
            created: Time::now(),
            took: Micros::new(1),
            status: 0,
            log: add(store, format!("log of {name}").as_bytes()),
            outputs: Manifest::from_sorted_entries(vec![Entry::new(*b"out", node)]).unwrap(),
        },
        parts: format!("parts of {name}").into_bytes(),
        paths: Some(PathSet::from_iter([b"include/a.h".into()])),
        origin: None,
    };
    store.record(new.clone(), None);
    new
}

fn policy<'a>(used: &'a HashMap<ResultKey, Time>) -> Policy<'a> {
    Policy { unused_since: None, maxsize: None, only: None, used, worthwhile: 0.0 }
}

#[test]
fn a_result_adds_what_no_older_one_has() {
    on_every_engine(|open| {
        let store = open();
        let large = noise(1, 3 << 20);
        record(&store, "a", &large);
        std::thread::sleep(Duration::from_millis(2));
        record(&store, "b", &large);
        store.flush().unwrap();
        let grown = super::growth::growth(&*store.engine().view().unwrap()).unwrap();
        let labels: Vec<_> = grown.iter().map(|growth| growth.label.as_str()).collect();
        assert_eq!(labels, ["a", "b"]);
        assert!(grown[0].added >= 3 << 20, "{grown:?}");
        assert!((1..1000).contains(&grown[1].added), "its log is its own: {grown:?}");
        let all = super::stats::stats(&*store.engine().view().unwrap(), &HashMap::new()).unwrap();
        assert_eq!(grown.iter().map(|growth| growth.added).sum::<u64>(), all.stored);
    });
}

#[test]
fn an_empty_store_has_nothing() {
    on_every_engine(|open| {
        let store = open();
        assert_eq!(store.result(&key("a")).unwrap(), None);
        assert_eq!(store.path_sets(&fingerprint("f")).unwrap(), []);
        let content = Content { digest: Digest::of(b"x"), length: 1 };
        assert!(matches!(read(&store, &content), Err(ReadError::Missing(_))));
    });
}

#[test]
fn what_is_recorded_is_found_before_and_after_it_is_written_and_by_another_store() {
    on_every_engine(|open| {
        let store = open();
        assert_eq!(store.result(&key("a")).unwrap(), None);
        let bytes = noise(1, 3 << 20);
        let new = record(&store, "a", &bytes);
        let check = |store: &Store| {
            assert_eq!(store.result(&new.key).unwrap().as_ref(), Some(&new.result));
            assert_eq!(store.parts(&new.key).unwrap().as_ref(), Some(&new.parts));
            assert_eq!(store.path_sets(&new.result.fingerprint).unwrap(), [new.paths.clone().unwrap()]);
            for content in new.result.contents() {
                assert_eq!(Digest::of(&read(store, &content).unwrap()), content.digest);
            }
        };
        check(&store);
        store.flush().unwrap();
        check(&store);
        check(&open());
    });
}

#[test]
fn a_store_that_was_read_before_sees_what_another_wrote_since() {
    on_every_engine(|open| {
        let (reader, writer) = (open(), open());
        assert_eq!(reader.result(&key("a")).unwrap(), None);
        let new = record(&writer, "a", b"bytes");
        writer.flush().unwrap();
        assert_eq!(reader.result(&key("a")).unwrap(), Some(new.result));
    });
}

#[test]
fn one_content_is_stored_once() {
    on_every_engine(|open| {
        let store = open();
        for name in ["a", "b", "c"] {
            record(&store, name, &noise(1, 100_000));
            store.flush().unwrap();
        }
        let stats = super::stats::stats(&*store.engine().view().unwrap(), &HashMap::new()).unwrap();
        assert_eq!((stats.results, stats.blobs), (3, 4));
        assert!(stats.logical > 300_000 && stats.stored < 110_000, "{stats:?}");
    });
}

#[test]
fn a_result_survives_for_as_long_as_it_is_used() {
    on_every_engine(|open| {
        let store = open();
        let (old, kept) = (record(&store, "old", &noise(1, 50_000)), record(&store, "kept", &noise(2, 50_000)));
        store.flush().unwrap();
        let later = Time::now().saturating_add(Duration::from_secs(1));
        let used = HashMap::from([(kept.key, later)]);
        let policy = Policy { unused_since: Some(later.saturating_sub(Duration::from_millis(1))), ..policy(&used) };
        let collected = collect(store.engine(), &policy, PATIENCE).unwrap();
        assert_eq!((collected.results, collected.results_left, collected.blobs), (1, 1, 2));
        let store = open();
        assert_eq!(store.result(&old.key).unwrap(), None);
        assert_eq!(store.parts(&old.key).unwrap(), None);
        assert_eq!(store.path_sets(&old.result.fingerprint).unwrap(), []);
        assert_eq!(store.result(&kept.key).unwrap(), Some(kept.result));
        // The use was recorded: a second gc does not need to be told.
        let again = Policy { used: &HashMap::new(), ..policy };
        assert_eq!(collect(store.engine(), &again, PATIENCE).unwrap().results, 0);
    });
}

#[test]
fn above_the_size_the_least_recently_used_goes_first() {
    on_every_engine(|open| {
        let store = open();
        let names = ["a", "b", "c", "d"];
        let results: Vec<_> =
            (1u32..).zip(names).map(|(seed, name)| record(&store, name, &noise(seed, 100_000))).collect();
        store.flush().unwrap();
        let used = (1u64..)
            .zip([1, 3, 0, 2])
            .map(|(age, i)| (results[i].key, Time::now().saturating_add(Duration::from_secs(age))))
            .collect();
        let policy = Policy { maxsize: Some(250_000), ..policy(&used) };
        let collected = collect(store.engine(), &policy, PATIENCE).unwrap();
        assert!(collected.bytes_left <= 250_000);
        let store = open();
        let left = names.map(|name| store.result(&key(name)).unwrap().is_some());
        assert_eq!(left, [true, false, true, false]);
    });
}

#[test]
fn a_result_without_contents_does_not_go_to_make_room() {
    on_every_engine(|open| {
        let store = open();
        let mut known = record(&store, "known", b"its content is in the tree alone");
        known.result.outputs.do_not_keep();
        store.record(known.clone(), None);
        std::thread::sleep(Duration::from_millis(2));
        record(&store, "large", &noise(1, 200_000));
        store.flush().unwrap();
        let used = HashMap::new();
        let collected = collect(store.engine(), &Policy { maxsize: Some(0), ..policy(&used) }, PATIENCE).unwrap();
        assert_eq!((collected.results, collected.results_left), (1, 1));
        let store = open();
        assert_eq!(store.result(&known.key).unwrap(), Some(known.result.clone()), "though it is the older one");
        assert_eq!(verify(&*store.engine().view().unwrap()).unwrap().results, 1, "nothing is missing");
        let old = Policy { unused_since: Some(Time::MAX), ..policy(&used) };
        assert_eq!(collect(store.engine(), &old, PATIENCE).unwrap().results, 1);
    });
}

#[test]
fn shared_blobs_stay_with_the_last_result_that_refers_to_them() {
    on_every_engine(|open| {
        let store = open();
        let bytes = noise(1, 3 << 20);
        record(&store, "a", &bytes);
        let kept = record(&store, "b", &bytes);
        store.flush().unwrap();
        let only = |label: &str| label == "a";
        let used = HashMap::new();
        let policy = Policy { only: Some(&only), ..policy(&used) };
        let collected = collect(store.engine(), &policy, PATIENCE).unwrap();
        assert_eq!((collected.results, collected.blobs), (1, 1), "the log of `a` alone");
        let store = open();
        for content in kept.result.contents() {
            read(&store, &content).unwrap();
        }
    });
}

#[test]
fn with_the_last_result_everything_goes() {
    on_every_engine(|open| {
        let store = open();
        record(&store, "a", &noise(1, 3 << 20));
        store.flush().unwrap();
        let used = HashMap::new();
        let policy = Policy { unused_since: Some(Time::MAX), ..policy(&used) };
        let collected = collect(store.engine(), &policy, PATIENCE).unwrap();
        assert_eq!((collected.results_left, collected.bytes_left), (0, 0));
        let view = store.engine().view().unwrap();
        for column in COLUMNS {
            view.scan(*column, &[], &mut |key, _| panic!("{key:?} is left in {}", column.name)).unwrap();
        }
    });
}

#[test]
fn a_damaged_blob_is_an_error_and_verify_finds_and_repair_removes_it() {
    on_every_engine(|open| {
        let store = open();
        let (broken, whole) = (record(&store, "broken", b"the bytes"), record(&store, "whole", b"other bytes"));
        store.flush().unwrap();
        let Node::File { content, .. } = broken.result.outputs[0].node else { panic!() };
        let mut session = store.engine().session(PATIENCE).unwrap();
        session.put(BLOBS, content.digest.as_bytes(), b"\x00the bites").unwrap();
        session.commit().unwrap();

        let store = open();
        assert!(matches!(read(&store, &content), Err(ReadError::Damaged(_))));
        let findings = verify(&*store.engine().view().unwrap()).unwrap();
        assert_eq!((findings.broken_blobs.as_slice(), findings.results), (&[content.digest][..], 1));
        assert_eq!(super::verify::repair(store.engine(), PATIENCE).unwrap(), findings);
        let store = open();
        assert!(verify(&*store.engine().view().unwrap()).unwrap().is_sound());
        assert_eq!(store.result(&broken.key).unwrap(), None);
        assert_eq!(store.result(&whole.key).unwrap(), Some(whole.result));
    });
}

#[test]
fn a_guard_is_kept_until_others_can_find_the_result() {
    struct Tell(Arc<dyn Fn() + Send + Sync>);
    impl Drop for Tell {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    on_every_engine(|open| {
        let (store, other) = (open(), open());
        let mut new = record(&store, "a", b"bytes");
        new.key = key("guarded");
        let (found, wanted) = (Arc::new(std::sync::Mutex::new(None)), new.key);
        let tell = {
            let found = found.clone();
            Tell(Arc::new(move || *found.lock().unwrap() = Some(other.result(&wanted).unwrap().is_some())))
        };
        store.record(new, Some(Box::new(tell)));
        store.flush().unwrap();
        drop(store);
        assert_eq!(*found.lock().unwrap(), Some(true));
    });
}

#[test]
fn a_reader_that_fails_is_an_error_and_leaves_the_store_as_it_was() {
    struct Fails;
    impl io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no more"))
        }
    }
    on_every_engine(|open| assert!(open().add(&mut Fails, &mut |_| ()).is_err()));
}

#[cfg(feature = "rocksdb")]
#[test]
fn a_store_in_a_place_that_cannot_be_written_says_so_and_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let store =
        Store::new(Arc::new(crate::db::rocks::RocksEngine::new(&dir.path().join("file/store"), COLUMNS, "test")));
    assert_eq!(store.result(&key("a")).unwrap(), None);
    record(&store, "a", b"bytes");
    assert!(store.flush().is_err());
    record(&store, "b", b"bytes");
    assert!(store.flush().is_err());
}

#[cfg(feature = "rocksdb")]
#[test]
fn gc_gives_the_space_back() {
    fn size(dir: &Path) -> u64 {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(Arc::new(crate::db::rocks::RocksEngine::new(dir.path(), COLUMNS, "test")));
    for seed in 1..=8 {
        record(&store, &seed.to_string(), &noise(seed, 4 << 20));
    }
    store.flush().unwrap();
    let before = size(dir.path());
    assert!(before > 32 << 20);
    let used = HashMap::new();
    let policy = Policy { only: Some(&|label| label != "1"), ..policy(&used) };
    let collected: Collected = collect(store.engine(), &policy, PATIENCE).unwrap();
    let after = size(dir.path());
    assert!(collected.results == 7 && after < before / 6, "{before} bytes before, {after} after");
}

/// A store of many small builds has few files: a process may have no more than a thousand open, and opening them takes time.
#[test]
#[cfg(feature = "rocksdb")]
fn files_do_not_grow_in_number_with_the_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let store = || Store::new(Arc::new(crate::db::rocks::RocksEngine::new(dir.path(), COLUMNS, "test")));
    for number in 0..270 {
        let store = store();
        record(&store, &format!("{number}"), &noise(number, 600));
        store.flush().unwrap();
        // From the tail into the database.
        store.engine().session(PATIENCE).unwrap().commit().unwrap();
        let files = std::fs::read_dir(dir.path().join("db")).unwrap().count();
        assert!(files < 4 * 42 + 258, "{files} files after {number} sessions");
    }
    let names = std::fs::read_dir(dir.path().join("db")).unwrap().map(|file| file.unwrap().path());
    let contents = names.filter(|path| path.extension().is_some_and(|extension| extension == "blob")).count();
    assert!(contents < 20, "{contents} files of contents");
    let store = store();
    for number in 0..270 {
        let result = store.result(&key(&format!("{number}"))).unwrap().unwrap();
        let content = result.contents().last().unwrap();
        assert_eq!(read(&store, &content).unwrap(), noise(number, 600));
    }
}
