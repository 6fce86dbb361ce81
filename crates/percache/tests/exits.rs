//! Processes that exit amid threads that use a cache: they end well, and keep what was computed before.

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
use common::workers::{command, role};
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
