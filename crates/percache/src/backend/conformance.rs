//! Tests that any [`Backend`] must pass, for whoever writes one.
//!
//! ```
//! use percache::backend::{MemoryBackend, conformance};
//!
//! conformance::keeps(&MemoryBackend::new());
//! conformance::serves_many_threads(&MemoryBackend::new());
//! ```
//!
//! A back-end that outlives the process also has to pass [`outlives`]. They panic with what is wrong.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::thread;

use super::{Backend, BackendError, Table};
use crate::base::digest::Digest;

fn key(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn ok<T>(what: &str, answer: Result<T, BackendError>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => panic!("{what} failed: {error}"),
    }
}

fn get(backend: &dyn Backend, table: Table, name: &str) -> Option<Vec<u8>> {
    ok("get", backend.get(table, &key(name)))
}

fn put(backend: &dyn Backend, table: Table, name: &str, value: &[u8]) {
    ok("put", backend.put(table, &key(name), value));
}

fn all(backend: &dyn Backend, table: Table) -> BTreeMap<Digest, Vec<u8>> {
    let mut all = BTreeMap::new();
    let visited = backend.for_each(table, &mut |key, value| {
        assert!(all.insert(*key, value.to_vec()).is_none(), "for_each shows {key} twice");
        ControlFlow::Continue(())
    });
    ok("for_each", visited);
    all
}

/// What is put can be got, overwritten, removed and iterated. `backend` is empty, and afterwards again.
pub fn keeps(backend: &dyn Backend) {
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    for table in Table::ALL {
        assert_eq!(get(backend, table, "a"), None, "an empty back-end has something");
        assert_eq!(all(backend, table), BTreeMap::new());
        put(backend, table, "a", b"1");
        assert_eq!(get(backend, table, "a").as_deref(), Some(&b"1"[..]), "get after put");
        put(backend, table, "a", b"2");
        assert_eq!(get(backend, table, "a").as_deref(), Some(&b"2"[..]), "get after the second put");
        put(backend, table, "empty", b"");
        assert_eq!(get(backend, table, "empty").as_deref(), Some(&b""[..]), "an empty value is a value");
        put(backend, table, "large", &large);
        assert!(get(backend, table, "large") == Some(large.clone()), "a large value comes back changed");
    }
    ok("sync", backend.sync());
    for table in Table::ALL {
        let expected = [("a", &b"2"[..]), ("empty", b""), ("large", &large)];
        let expected: BTreeMap<_, _> = expected.map(|(name, value)| (key(name), value.to_vec())).into();
        assert!(all(backend, table) == expected, "iterating {} shows something else than was put", table.name());
        stops_when_told(backend, table);
        for name in ["a", "empty", "large", "never put"] {
            ok("remove", backend.remove(table, &key(name)));
            assert_eq!(get(backend, table, name), None, "get after remove");
        }
        assert_eq!(all(backend, table), BTreeMap::new(), "iteration after remove");
    }
    ok("sync", backend.sync());
    assert_eq!(all(backend, Table::Results), BTreeMap::new(), "iteration after remove and sync");
}

fn stops_when_told(backend: &dyn Backend, table: Table) {
    let mut seen = 0;
    let visited = backend.for_each(table, &mut |_, _| {
        seen += 1;
        ControlFlow::Break(())
    });
    ok("for_each", visited);
    assert_eq!(seen, 1, "for_each goes on after a break");
}

/// Threads that put, get and remove at the same time see their own values whole. `backend` is empty.
pub fn serves_many_threads(backend: &dyn Backend) {
    thread::scope(|scope| {
        for thread in 0..8u8 {
            scope.spawn(move || {
                for round in 0..200u16 {
                    let name = format!("{thread}/{}", round % 20);
                    let value = vec![thread; usize::from(round) * 7 + 1];
                    put(backend, Table::Results, &name, &value);
                    assert_eq!(
                        get(backend, Table::Results, &name),
                        Some(value),
                        "another thread's value, or part of one"
                    );
                    // One key that all of them write: any of the values, but a whole one.
                    put(backend, Table::Results, "shared", &vec![thread; 10_000]);
                    let shared = get(backend, Table::Results, "shared").unwrap_or_default();
                    assert!(shared.len() == 10_000 && shared.iter().all(|byte| *byte == shared[0]), "a torn value");
                    if round % 3 == 0 {
                        ok("remove", backend.remove(Table::Results, &key(&name)));
                        assert_eq!(get(backend, Table::Results, &name), None, "get after remove");
                    }
                }
            });
        }
    });
}

/// What was synced or closed is there when the storage is opened again, and seen by who has it open already. `open` opens one and
/// the same storage each time, which is empty at first.
pub fn outlives<B: Backend>(open: &dyn Fn() -> B) {
    let first = open();
    put(&first, Table::Results, "synced", b"1");
    put(&first, Table::Results, "removed", b"2");
    ok("sync", first.sync());
    let beside = open();
    assert_eq!(get(&beside, Table::Results, "synced").as_deref(), Some(&b"1"[..]), "sync did not make it visible");
    put(&first, Table::Results, "later", b"3");
    put(&first, Table::Results, "synced", b"4");
    ok("remove", first.remove(Table::Results, &key("removed")));
    ok("sync", first.sync());
    assert_eq!(get(&beside, Table::Results, "later").as_deref(), Some(&b"3"[..]), "a second sync is not seen");
    put(&first, Table::Uses, "closed", b"5");
    ok("close", first.close());
    drop(first);
    ok("close", beside.close());
    drop(beside);

    let again = open();
    let expected = BTreeMap::from([(key("synced"), b"4".to_vec()), (key("later"), b"3".to_vec())]);
    assert_eq!(all(&again, Table::Results), expected, "what was synced");
    assert_eq!(get(&again, Table::Uses, "closed").as_deref(), Some(&b"5"[..]), "what was put before close");
    ok("close", again.close());
}
