//! Calls as other languages and executors make them: bytes, and duties instead of closures.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]
#![cfg(unix)]

mod common;

use std::fs;
use std::thread;
use std::time::Duration;

use common::tasks::block_on;
use common::workers::{await_file, computed, finish, note, role, start};
use common::{Calls, open};
use percache::{Begun, Cache, Function};

fn lead(begun: Begun) -> percache::Lead {
    match begun {
        Begun::Lead(lead) => lead,
        other => panic!("{other:?}"),
    }
}

fn wait(begun: Begun) -> percache::Wait {
    match begun {
        Begun::Wait(wait) => wait,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_leads_and_the_others_wait_and_hit() {
    let cache = Cache::in_memory();
    let function = Function::new("f".to_owned());
    let key = function.key(&1).unwrap();
    let first = lead(cache.begin(&function, key));
    let (blocks, awaits) = (wait(cache.begin(&function, key)), wait(cache.begin(&function, key)));
    thread::scope(|scope| {
        let threads = [scope.spawn(|| blocks.block()), scope.spawn(|| block_on(awaits))];
        thread::sleep(Duration::from_millis(20));
        first.finish(b"value");
        for thread in threads {
            assert!(matches!(thread.join().unwrap(), Begun::Hit(bytes) if bytes == b"value"));
        }
    });
    assert!(matches!(cache.begin(&function, key), Begun::Hit(bytes) if bytes == b"value"));
    let stats = cache.stats().unwrap();
    assert_eq!((stats.results, stats.hits, stats.misses), (1, 3, 1));
}

#[test]
fn a_duty_that_is_dropped_passes_on_and_an_error_goes_to_all() {
    let cache = Cache::in_memory();
    let function = Function::new("f");
    let key = function.key(&1).unwrap();
    let first = lead(cache.begin(&function, key));
    let waits = [(), ()].map(|()| wait(cache.begin(&function, key)));
    drop(first);
    let [one, other] = waits;
    let second = lead(one.block());
    second.fail(b"no");
    assert!(matches!(other.block(), Begun::Failed(error) if error == b"no"));
    assert!(matches!(cache.begin(&function, key), Begun::Lead(_)), "nothing is kept of it");
}

#[test]
fn what_waits_within_its_own_duty_gets_one_of_its_own() {
    let cache = Cache::in_memory();
    let function = Function::new("f");
    let key = function.key(&1).unwrap();
    let outer = lead(cache.begin(&function, key));
    outer.within(|| lead(wait(cache.begin(&function, key)).block()).finish(b"inner"));
    outer.finish(b"outer");
    assert_eq!(cache.get_bytes(&function, key).as_deref(), Some(&b"outer"[..]));
}

#[test]
fn bytes_are_kept_across_runs_and_are_never_a_value_of_another_type() {
    let dir = tempfile::tempdir().unwrap();
    let function = Function::new("f");
    let key = function.key(&1).unwrap();
    let calls = Calls::default();
    let compute = || {
        calls.one();
        Ok::<_, String>(vec![9, 1, 0, 0, 0, 0, 0, 0, 0])
    };
    for _ in 0..2 {
        let cache = open(dir.path());
        assert_eq!(cache.call_bytes(&function, key, compute).unwrap()[0], 9);
        cache.close().unwrap();
    }
    assert_eq!(calls.count(), 1);
    let cache = open(dir.path());
    assert_eq!(cache.get::<u64>(key), None);
    cache.put(&function, key, &7u64).unwrap();
    assert_eq!(cache.get_bytes(&function, key), None);
    assert_eq!(cache.call_bytes(&function, key, || Err("no")), Err("no"));
}

#[test]
fn worker_begins() {
    let Some(dir) = role() else { return };
    let cache = open(&dir.join("cache"));
    let function = Function::new("f");
    let key = function.key(&1).unwrap();
    let mut begun = cache.begin(&function, key);
    fs::write(dir.join(format!("begun-{}", std::process::id())), "").unwrap();
    loop {
        begun = match begun {
            Begun::Hit(bytes) => return assert_eq!(bytes, b"value"),
            Begun::Wait(wait) => block_on(wait),
            Begun::Failed(error) => panic!("{error:?}"),
            Begun::Lead(lead) => {
                note(&dir, 1);
                await_file(&dir.join("go"));
                lead.finish(b"value");
                return;
            }
        }
    }
}

#[test]
fn a_duty_holds_for_other_processes_too() {
    let dir = tempfile::tempdir().unwrap();
    let children = vec![start("worker_begins", dir.path()), start("worker_begins", dir.path())];
    for child in &children {
        await_file(&dir.path().join(format!("begun-{}", child.id())));
    }
    fs::write(dir.path().join("go"), "").unwrap();
    finish(children);
    assert_eq!(computed(dir.path()), [1]);
}
