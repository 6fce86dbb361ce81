//! What the test-suite of the original percache promises, under the same headings.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use common::{Calls, TestClock, open, open_with};
use percache::backend::{Backend, BackendError, MemoryBackend, Table, Visit};
use percache::{Cache, Digest, memoize};
use serde::{Serialize, Serializer};

#[test]
fn test_01_basics_two_functions_with_int_and_float_arguments() {
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let foo = cache.wrap("foo", |(a, b): (u32, u32)| {
        calls.one();
        a + b
    });
    let foo_float = cache.wrap("foo", |(a, b): (f64, f64)| {
        calls.one();
        a + b
    });
    let bar = cache.wrap("bar", |(a, b): (u32, u32)| {
        calls.one();
        a * b
    });
    assert_eq!((foo.call((3, 4)), foo_float.call((3.0, 4.0)), bar.call((3, 4))), (7, 7.0, 12));
    assert_eq!(calls.since(), 3);
    assert_eq!((foo.call((3, 4)), foo_float.call((3.0, 4.0)), bar.call((3, 4))), (7, 7.0, 12));
    assert_eq!(calls.since(), 0);
}

#[test]
fn test_02_a_second_cache_on_the_same_file_with_functions_defined_anew() {
    let dir = tempfile::tempdir().unwrap();
    let calls = Calls::default();
    {
        let cache = open(dir.path());
        let foo = cache.wrap("foo", |n: u32| {
            calls.one();
            n * 2
        });
        assert_eq!(foo.call(2), 4);
        cache.close().unwrap();
    }
    assert_eq!(calls.since(), 1);
    let cache = open(dir.path());
    let foo = cache.wrap("foo", |n: u32| {
        calls.one();
        n * 2
    });
    assert_eq!(foo.call(2), 4);
    assert_eq!(calls.since(), 0);
    let foo = cache.wrap("foo", |n: &str| {
        calls.one();
        n.repeat(2)
    });
    assert_eq!(foo.call("2"), "22");
    assert_eq!(calls.since(), 1);
}

#[test]
fn test_03_text_and_bytes_differ() {
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let text = cache.wrap("length", |text: &str| {
        calls.one();
        text.len()
    });
    let bytes = cache.wrap("length", |bytes: &[u8]| {
        calls.one();
        bytes.len() + 100
    });
    for _ in 0..2 {
        assert_eq!((text.call("abc"), bytes.call(b"abc")), (3, 103));
    }
    assert_eq!(calls.count(), 2);
}

#[test]
fn test_04_text_that_is_not_ascii_and_its_bytes() {
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let text = cache.wrap("echo", |text: String| {
        calls.one();
        text
    });
    let bytes = cache.wrap("echo", |bytes: Vec<u8>| {
        calls.one();
        bytes
    });
    let word = "Übergrößenträger — 日本語";
    for _ in 0..2 {
        assert_eq!(text.call(word.into()), word);
        assert_eq!(bytes.call(word.into()), word.as_bytes());
    }
    assert_eq!(calls.count(), 2);
}

#[test]
fn test_05_clear_with_an_age_drops_what_was_not_used() {
    let clock = TestClock::default();
    let dir = tempfile::tempdir().unwrap();
    let cache = open_with(clock.builder(), dir.path());
    let calls = Calls::default();
    let foo = cache.wrap("foo", |n: u32| {
        calls.one();
        n
    });
    foo.call(1);
    foo.call(2);
    clock.pass(2);
    foo.call(2); // only read
    foo.call(3);
    assert_eq!(calls.since(), 3);
    assert_eq!(cache.clear(Some(Duration::from_secs(1))).unwrap().results, 1);
    assert_eq!([1, 2, 3].map(|n| foo.call(n)), [1, 2, 3]);
    assert_eq!(calls.since(), 1, "only the one that was not used for two seconds is computed again");
    assert_eq!(cache.clear(None).unwrap().results, 3);
    assert_eq!([1, 2, 3].map(|n| foo.call(n)), [1, 2, 3]);
    assert_eq!(calls.since(), 3);
}

#[test]
fn test_06_the_order_of_named_arguments_does_not_matter_and_their_values_do() {
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let foo = cache.wrap("foo", |named: BTreeMap<&str, u32>| {
        calls.one();
        named["a"] * 10 + named["b"]
    });
    assert_eq!(foo.call(BTreeMap::from([("a", 1), ("b", 2)])), 12);
    assert_eq!(foo.call(BTreeMap::from([("b", 2), ("a", 1)])), 12);
    assert_eq!(calls.since(), 1);
    assert_eq!(foo.call(BTreeMap::from([("a", 2), ("b", 1)])), 21);
    assert_eq!(calls.since(), 1);
}

#[test]
fn test_07_an_argument_that_is_its_value_hits_and_one_that_is_an_identity_never_does() {
    #[derive(Serialize)]
    struct Valued(u32);
    struct Identified(u32);
    static NEXT: AtomicU32 = AtomicU32::new(0);
    impl Serialize for Identified {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.0, NEXT.fetch_add(1, Ordering::SeqCst)).serialize(serializer)
        }
    }
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let valued = cache.wrap("valued", |argument: Valued| {
        calls.one();
        argument.0
    });
    let identified = cache.wrap("identified", |argument: Identified| {
        calls.one();
        argument.0
    });
    for _ in 0..5 {
        assert_eq!(valued.call(Valued(7)), 7);
    }
    assert_eq!(calls.since(), 1);
    for _ in 0..5 {
        assert_eq!(identified.call(Identified(7)), 7);
    }
    assert_eq!(calls.since(), 5);
}

#[test]
fn test_08_a_key_function_is_authoritative() {
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let foo = cache.wrap("foo", |n: u32| {
        calls.one();
        n
    });
    let foo = foo.keyed_by(|_| "constant");
    assert_eq!((foo.call(1), foo.call(2), foo.call(3)), (1, 1, 1));
    assert_eq!(calls.count(), 1);
}

#[test]
fn test_09_wrapping_is_the_same_as_the_attribute() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    static CACHE: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(Cache::in_memory);
    fn plain(a: u32, b: u32) -> u32 {
        CALLS.fetch_add(1, Ordering::SeqCst);
        a + b
    }
    #[memoize(cache = CACHE)]
    fn decorated(a: u32, b: u32) -> u32 {
        plain(a, b)
    }
    let wrapped = CACHE.wrap("plain", |(a, b)| plain(a, b));
    let checked = |a, b| CACHE.call("plain", &(a, b), || plain(a, b));
    assert_eq!((decorated(1, 2), wrapped.call((1, 2))), (3, 3));
    assert_eq!(CALLS.load(Ordering::SeqCst), 2);
    assert_eq!((decorated(1, 2), wrapped.call((1, 2)), checked(1, 2)), (3, 3, 3));
    assert_eq!(CALLS.load(Ordering::SeqCst), 2);
    assert_eq!((decorated(2, 2), checked(2, 2), wrapped.call((2, 2))), (4, 4, 4));
    assert_eq!(CALLS.load(Ordering::SeqCst), 4);
}

/// Counts how often it is synced and closed.
#[derive(Default)]
struct Foreign {
    memory: MemoryBackend,
    syncs: AtomicU32,
    closes: AtomicU32,
}

impl Backend for Foreign {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        self.memory.get(table, key)
    }
    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        self.memory.put(table, key, value)
    }
    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        self.memory.remove(table, key)
    }
    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        self.memory.for_each(table, &mut |key, value| -> ControlFlow<()> { visit(key, value) })
    }
    fn sync(&self) -> Result<(), BackendError> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    fn close(&self) -> Result<(), BackendError> {
        self.closes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn test_10_a_foreign_back_end_is_synced_with_live_sync_and_closed_once() {
    for live_sync in [true, false] {
        let backend = Arc::new(Foreign::default());
        let cache = Cache::builder().live_sync(live_sync).backend(backend.clone());
        let seen = || (backend.syncs.load(Ordering::SeqCst), backend.closes.load(Ordering::SeqCst));
        let foo = cache.wrap("foo", |n: u32| n);
        foo.call(1);
        assert_eq!(seen(), (u32::from(live_sync), 0));
        foo.call(1);
        assert_eq!(seen(), (u32::from(live_sync), 0), "a hit has nothing to sync");
        cache.clone().close().unwrap();
        assert_eq!(seen(), (u32::from(live_sync), 1));
        assert_eq!((foo.call(1), foo.call(2)), (1, 2), "a function outlives its cache");
        let second = foo.key(&2).unwrap().0;
        assert_eq!(backend.get(Table::Results, &second).unwrap(), None, "a closed back-end is left alone");
        drop((foo, cache));
        assert_eq!(seen(), (u32::from(live_sync), 1), "closed twice");
    }
}
