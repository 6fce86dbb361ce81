//! Forks: a child begins with a clean state, keeps its own results, and leaves its parent's work and locks alone.

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
use std::path::Path;
use std::process::{Child, exit};
use std::thread;
use std::time::{Duration, Instant};

use common::workers::{await_file, computed, finish, note, role, start};
use common::{open, open_with};
use percache::{Cache, memoize};

/// Runs `child` in a child process, which ends with it as a program does that returns from `main`.
fn fork(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: that the child may use the library is what is tested here; it ends before it returns to what the
    // parent's threads had.
    let process = unsafe { libc::fork() };
    if process == 0 {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        exit(i32::from(ended.is_err()));
    }
    process
}

/// Waits for a child, which must end well and within ten seconds.
fn reap(process: libc::pid_t) {
    let begin = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: `status` is a number that can be written to.
        let reaped = unsafe { libc::waitpid(process, &raw mut status, libc::WNOHANG) };
        if reaped == process {
            return assert_eq!(status, 0, "the child failed");
        }
        if begin.elapsed() > Duration::from_secs(10) {
            // SAFETY: kills the child that was made here.
            unsafe { libc::kill(process, libc::SIGKILL) };
            panic!("the child hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn run(name: &str, dir: &Path) {
    finish(vec![start(name, dir)]);
}

fn kept(dir: &Path) -> u64 {
    open(&dir.join("cache")).stats().unwrap().results
}

/// Stands for a computation that must not happen.
fn lost<T>() -> T {
    panic!("a result is lost")
}

fn large(n: u64) -> Vec<u8> {
    vec![n as u8; 600_000]
}

/// A cache with a result in the database itself, so that RocksDB has threads.
fn written(dir: &Path) -> Cache {
    let cache = open(&dir.join("cache"));
    cache.call("large", &0u64, || large(0));
    cache.sync().unwrap();
    cache
}

#[test]
fn worker_forks_after_use() {
    let Some(dir) = role() else { return };
    let cache = written(&dir);
    let f = cache.wrap("f", |n: u64| {
        note(&dir, n);
        n * 2
    });
    f.call(1);
    let child = fork(|| assert_eq!((f.call(2), f.call(2), f.call(3)), (4, 4, 6)));
    reap(child);
    assert_eq!((f.call(1), f.call(4)), (2, 8));
}

#[test]
fn a_child_keeps_its_results_and_the_parent_its_own() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_forks_after_use", dir.path());
    assert_eq!(computed(dir.path()), [1, 2, 3, 4]);
    assert_eq!(kept(dir.path()), 5);
}

#[test]
fn worker_forks_with_large_results() {
    let Some(dir) = role() else { return };
    let cache = written(&dir);
    let child = fork(|| {
        for n in 1..5u64 {
            assert_eq!(cache.call("large", &n, || large(n)), large(n));
            cache.sync().unwrap();
        }
        assert_eq!(cache.call("large", &0u64, lost::<Vec<u8>>), large(0));
        let key = percache::Function::new("large").key(&1u64).unwrap();
        cache.remove(key).unwrap();
        cache.sync().unwrap();
        cache.clone().close().unwrap();
    });
    reap(child);
    for n in 2..5u64 {
        assert_eq!(cache.call("large", &n, lost::<Vec<u8>>), large(n));
    }
}

#[test]
fn a_child_writes_what_is_large_and_removes_although_the_database_has_no_threads_there() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_forks_with_large_results", dir.path());
    assert_eq!(kept(dir.path()), 4);
    let cache = open(&dir.path().join("cache"));
    assert!(cache.verify(false).unwrap().is_clean());
    cache.clear(None).unwrap();
    assert_eq!(cache.stats().unwrap().results, 0);
}

#[test]
fn worker_forks_while_computing() {
    let Some(dir) = role() else { return };
    let cache = written(&dir);
    let mut child = None;
    let value = cache.call("f", &1, || {
        child = Some(fork_here());
        if child == Some(0) { cache.call("f", &2, || 20) } else { 1 }
    });
    if child == Some(0) {
        assert_eq!(value, 20);
        assert_eq!(cache.call("f", &3, || 3), 3);
        exit(0);
    }
    assert_eq!((value, cache.call("f", &1, || 7)), (1, 1));
    reap(child.unwrap());
}

/// Both go on.
fn fork_here() -> libc::pid_t {
    // SAFETY: as in `fork`; the child calls `exit`.
    unsafe { libc::fork() }
}

#[test]
fn a_computation_that_forks_ends_in_both() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_forks_while_computing", dir.path());
    // The large one, 2 and 3 of the child, and 1 of either.
    assert_eq!(kept(dir.path()), 4);
}

#[test]
fn worker_leaves_a_child_and_is_killed() {
    let Some(dir) = role() else { return };
    let cache = written(&dir);
    cache.call("f", &1, || {
        let child = fork(|| thread::sleep(Duration::from_secs(20)));
        fs::write(dir.join("child"), child.to_string()).unwrap();
        fs::rename(dir.join("child"), dir.join("computing")).unwrap();
        thread::sleep(Duration::from_secs(60));
    });
}

#[test]
fn a_child_does_not_keep_what_its_parent_has_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let mut parent: Child = start("worker_leaves_a_child_and_is_killed", dir.path());
    await_file(&dir.path().join("computing"));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let begin = Instant::now();
    open(&dir.path().join("cache")).call("f", &1, || ());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    let child = fs::read_to_string(dir.path().join("computing")).unwrap().parse().unwrap();
    // SAFETY: kills the process that was left behind for this test.
    unsafe { libc::kill(child, libc::SIGKILL) };
}

#[test]
fn worker_forks_among_busy_threads() {
    let Some(dir) = role() else { return };
    let cache: &'static Cache = Box::leak(Box::new(written(&dir)));
    let in_memory: &'static Cache = Box::leak(Box::new(Cache::in_memory()));
    static OVER: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let busy = [0, 1, 2, 3u64].map(|thread| {
        thread::spawn(move || {
            for n in (0..).take_while(|_| !OVER.load(std::sync::atomic::Ordering::Relaxed)) {
                let key = thread % 2 * 1_000_000 + n % 5_000;
                cache.call("busy", &key, || vec![key; 20]);
                in_memory.call("busy", &key, || vec![key; 20]);
                if n % 1_000 == 0 {
                    cache.sync().unwrap();
                }
            }
        })
    });
    for n in 0..40u64 {
        let child = fork(|| {
            for m in 0..20 {
                let key = n * 100 + m;
                assert_eq!(cache.call("child", &key, || key), key);
                assert_eq!(in_memory.call("child", &key, || key), key);
                cache.call("busy", &m, || vec![m; 20]);
            }
        });
        reap(child);
    }
    // To exit among busy threads is another matter.
    OVER.store(true, std::sync::atomic::Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
    exit(0);
}

#[test]
fn locks_that_other_threads_hold_do_not_hang_a_child() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_forks_among_busy_threads", dir.path());
    let cache = open(&dir.path().join("cache"));
    for n in 0..40u64 {
        assert_eq!(cache.call("child", &(n * 100), lost::<u64>), n * 100);
    }
    assert!(cache.verify(false).unwrap().is_clean());
}

#[test]
fn worker_becomes_a_daemon() {
    let Some(dir) = role() else { return };
    let cache = written(&dir);
    cache.call("f", &1, || 1);
    let child = fork(|| {
        cache.call("f", &2, || 2);
        let grandchild = fork(|| {
            cache.call("f", &3, || 3);
            // What the grandchild has is dropped by hand, and nothing is left to do at exit.
            drop(cache.clone());
        });
        reap(grandchild);
        cache.sync().unwrap();
        // SAFETY: ends the process without running anything.
        unsafe { libc::_exit(0) };
    });
    reap(child);
    drop(cache);
}

#[test]
fn a_daemon_keeps_its_results() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_becomes_a_daemon", dir.path());
    assert_eq!(kept(dir.path()), 4);
}

#[test]
fn worker_forks_before_first_use() {
    let Some(dir) = role() else { return };
    let cache = open_with(Cache::builder().live_sync(true), &dir.join("cache"));
    let child = fork(|| {
        let cache = cache;
        assert_eq!(cache.call("f", &1, || large(1)), large(1));
        cache.close().unwrap();
    });
    reap(child);
    // The other way round: the parent has used nothing yet.
    let cache = open(&dir.join("cache"));
    assert_eq!(cache.call("f", &1, lost::<Vec<u8>>), large(1));
    cache.call("f", &2, || 2);
}

#[test]
fn a_child_uses_first_what_its_parent_has_opened() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_forks_before_first_use", dir.path());
    assert_eq!(kept(dir.path()), 2);
}

#[test]
fn worker_waits_in_a_child() {
    let Some(dir) = role() else { return };
    let cache = written(&dir);
    let mut child = 0;
    let value = cache.call("f", &1, || {
        // The child wants what its parent computes: it waits for it as any process does.
        child = fork(|| {
            let value = cache.call("f", &1, || {
                note(&dir, 2);
                2
            });
            assert_eq!(value, 1);
        });
        thread::sleep(Duration::from_millis(300));
        note(&dir, 1);
        1
    });
    assert_eq!(value, 1);
    reap(child);
}

#[test]
fn a_child_waits_for_what_its_parent_computes() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_waits_in_a_child", dir.path());
    assert_eq!(computed(dir.path()), [1]);
}

mod attribute {
    use super::*;
    use std::sync::LazyLock;

    static CACHE: LazyLock<Cache> = LazyLock::new(|| open(&role().unwrap().join("cache")));

    #[memoize(cache = *CACHE)]
    fn double(n: u64) -> u64 {
        note(&role().unwrap(), n);
        n * 2
    }

    #[test]
    fn worker_static() {
        if role().is_none() {
            return;
        }
        assert_eq!(double(1), 2);
        let children = [2, 3].map(|n| fork(move || assert_eq!((double(n), double(n)), (2 * n, 2 * n))));
        children.into_iter().for_each(reap);
        exit(0);
    }

    #[test]
    fn caches_in_statics_are_kept_by_parent_and_children() {
        let dir = tempfile::tempdir().unwrap();
        run("attribute::worker_static", dir.path());
        assert_eq!(computed(dir.path()), [1, 2, 3]);
        assert_eq!(kept(dir.path()), 3);
    }
}

/// All other tests once more, on the other back-end.
#[cfg(feature = "rocksdb")]
#[test]
fn the_same_holds_in_files() {
    if std::env::var_os(common::IN_FILES).is_none() && role().is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.env(common::IN_FILES, "1").args(["--skip", "the_same_holds_in_files"]);
        let output = again.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn worker_forks_while_a_function_gets_its_rules() {
    let Some(dir) = role() else { return };
    static CACHE: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(Cache::in_memory);
    static MAKING: std::sync::Barrier = std::sync::Barrier::new(2);
    fn age() -> Duration {
        if thread::current().name() == Some("slow") {
            MAKING.wait();
            thread::sleep(Duration::from_millis(300));
        }
        Duration::from_secs(60)
    }
    #[memoize(cache = CACHE, maxage = age())]
    fn f(n: u64) -> u64 {
        n
    }
    assert!(dir.is_dir() && CACHE.entries().unwrap().is_empty());
    let slow = thread::Builder::new().name("slow".into()).spawn(|| f(1)).unwrap();
    MAKING.wait();
    reap(fork(|| assert_eq!((f(1), f(1)), (1, 1))));
    assert_eq!((slow.join().unwrap(), f(1)), (1, 1));
}

#[test]
fn a_child_does_not_wait_for_what_another_thread_of_its_parent_was_making() {
    let dir = tempfile::tempdir().unwrap();
    run("worker_forks_while_a_function_gets_its_rules", dir.path());
}
