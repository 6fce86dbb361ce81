//! Processes that exit: whatever their threads do, they end well, and keep what was computed before.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

mod common;

use std::process::{Child, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

use common::open;
use common::workers::{command, computed, finish, note, role, start};
use percache::Cache;

/// How many processes there are, one after the other: a crash at exit is a matter of microseconds.
const PROCESSES: usize = 25;

/// Uses the cache in every way, for ever.
fn use_busily(cache: &Cache, thread: u64) {
    let small = cache.wrap("small", |n: u64| n + 1);
    let large = cache.wrap("large", |n: u64| vec![n as u8; 400_000]);
    for n in 0.. {
        match thread % 4 {
            0 => assert_eq!(small.call(n * 8 + thread), n * 8 + thread + 1),
            1 => assert_eq!(large.call(n % 50)[0], (n % 50) as u8),
            // What goes wrong once the process exits goes wrong with an error.
            2 => drop(cache.sync()),
            _ => drop((cache.stats(), cache.remove(small.key(&n).unwrap()))),
        }
        // A second look at what is in the store and not in memory.
        assert_eq!(small.call(n % 100), n % 100 + 1);
    }
}

#[test]
fn worker_exits_amid_busy_threads() {
    let Some(dir) = role() else { return };
    let cache = Cache::builder().hot_bytes(0);
    let cache: &'static Cache = Box::leak(Box::new(common::open_with(cache, &dir.join("cache"))));
    cache.call("first", &0u8, || 1);
    (0..8).for_each(|n| drop(thread::spawn(move || use_busily(cache, n))));
    thread::sleep(Duration::from_millis(60));
    exit(0);
}

fn value(n: u64) -> Vec<u64> {
    (0..n % 2_000).map(|m| m * n).collect()
}

/// Waits until the process ends, for a minute at the most: whether it has ended well.
fn ends_well(mut child: Child) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

#[test]
fn a_process_exits_well_whatever_its_other_threads_do() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..PROCESSES {
        let process = command("worker_exits_amid_busy_threads", dir.path()).stderr(Stdio::null()).spawn().unwrap();
        assert!(ends_well(process), "process {round}");
    }
    let cache = open(&dir.path().join("cache"));
    assert_eq!(cache.call("first", &0u8, || 2), 1, "it was kept");
    assert!(cache.verify(false).unwrap().damaged.is_empty());
}

#[test]
fn worker_exits_without_dropping() {
    let Some(dir) = role() else { return };
    let cache: &'static Cache = Box::leak(Box::new(open(&dir.join("cache"))));
    let f = cache.wrap("f", value);
    for n in 0..100 {
        f.call(n);
        f.call(n);
        if n == 50 {
            // The database has been read and written before; at exit it is used once more.
            cache.sync().unwrap();
        }
    }
    std::process::exit(0);
}

/// First writes little, which goes to the tail alone; then much, so that the database itself is opened; and leaves much for the end.
#[test]
fn worker_leaves_much_for_its_exit() {
    let Some(dir) = role() else { return };
    static CACHE: std::sync::OnceLock<Cache> = std::sync::OnceLock::new();
    let cache = CACHE.get_or_init(|| open(&dir.join("cache")));
    let large = |n: u64| (0..300_000).map(|m| m ^ n).collect::<Vec<u64>>();
    cache.call("small", &1, || 1);
    cache.sync().unwrap();
    cache.call("large", &1, || large(1));
    cache.sync().unwrap();
    cache.call("large", &2, || large(2));
    std::process::exit(0);
}

#[test]
fn what_a_process_leaves_for_its_exit_is_written_however_much_it_is() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = start("worker_leaves_much_for_its_exit", dir.path());
        let deadline = Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it does not come to its end");
            }
            thread::sleep(Duration::from_millis(10));
        }
        let cache = open(&dir.path().join("cache"));
        assert_eq!(cache.call("large", &2, Vec::<u64>::new).len(), 300_000);
    }
}

#[test]
fn a_cache_in_a_static_is_kept_at_exit_with_its_uses() {
    let dir = tempfile::tempdir().unwrap();
    finish(vec![start("worker_exits_without_dropping", dir.path())]);
    let cache = open(&dir.path().join("cache"));
    assert_eq!(cache.stats().unwrap().results, 100);
    assert_eq!(cache.functions().unwrap()[0].hits, 100);
}

#[test]
fn worker_refresh_at_exit() {
    let Some(dir) = role() else { return };
    static CACHE: std::sync::OnceLock<Cache> = std::sync::OnceLock::new();
    let cache = CACHE.get_or_init(|| open(&dir.join("cache")));
    let f = cache
        .wrap("f", move |n: u64| {
            note(&dir, n);
            if computed(&dir).len() > 1 {
                thread::sleep(Duration::from_millis(200));
            }
            n
        })
        .refresh_after(Duration::ZERO);
    assert_eq!((f.call(1), f.call(1)), (1, 1));
    // Its refresh is under way, and goes on while statics are closed.
    std::process::exit(0);
}

#[test]
fn a_refresh_does_not_hold_up_the_end_of_a_process() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let output = command("worker_refresh_at_exit", dir.path()).stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !errors.contains("panicked"), "{} {errors}", output.status);
        let cache = open(&dir.path().join("cache"));
        let f = cache.wrap("f", |_: u64| -> u64 { unreachable!("what was computed before is kept") });
        assert_eq!(f.call(1), 1);
    }
}
