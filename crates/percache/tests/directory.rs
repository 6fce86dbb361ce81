//! A cache in a directory: what can be opened, what processes that share it know of each other, and what is kept when
//! space is short. Processes are this test program again, running the one test that an environment variable names.

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

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Calls, ON_DISK, Open, TestClock};
use percache::{Cache, CacheBuilder};

const DIR: &str = "PERCACHE_TEST_DIR";
const KIND: &str = "PERCACHE_TEST_KIND";

/// Starts the test `name` of this program in a process of its own, with caches of that kind.
fn start(name: &str, dir: &Path, kind: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(DIR, dir).env(KIND, kind).stdout(Stdio::null());
    command.spawn().unwrap()
}

/// The directory and the kind of caches, in a process that was started by a test; elsewhere there is nothing to do.
fn role() -> Option<(PathBuf, Open)> {
    let kind = env::var(KIND).ok()?;
    let (_, open) = ON_DISK.into_iter().find(|(name, _)| *name == kind)?;
    Some((PathBuf::from(env::var_os(DIR)?), open))
}

fn each(test: impl Fn(&str, Open, &Path)) {
    for (kind, open) in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        test(kind, open, dir.path());
    }
}

fn opened(kind: &str, path: &Path) -> Result<Cache, percache::Error> {
    match kind {
        #[cfg(feature = "rocksdb")]
        "rocksdb" => Cache::open(path),
        _ => Cache::open_files(path),
    }
}

#[test]
fn what_cannot_be_a_directory_is_an_error_that_says_so() {
    each(|kind, _, dir| {
        fs::write(dir.join("file"), "an old shelve").unwrap();
        let message = |path: &Path| opened(kind, path).unwrap_err().to_string();
        let error = message(&dir.join("file"));
        assert!(error.contains("is a file, and a cache is a directory"), "{kind}: {error}");
        let error = message(&dir.join("file").join("cache"));
        assert!(error.contains("below something that is not a directory"), "{kind}: {error}");
        assert!(message(Path::new("")).contains("is empty"), "{kind}");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.join("nowhere"), dir.join("link")).unwrap();
            let error = message(&dir.join("link"));
            assert!(error.contains("leads nowhere"), "{kind}: {error}");
        }
        assert_eq!(fs::read(dir.join("file")).unwrap(), b"an old shelve");
    });
}

#[test]
fn worker_changes_its_directory() {
    let Some((dir, open)) = role() else { return };
    env::set_current_dir(dir.join("a")).unwrap();
    let cache = open(Cache::builder(), Path::new("results.cache"));
    cache.call("f", &1, || 1);
    cache.sync().unwrap();
    env::set_current_dir(dir.join("b")).unwrap();
    cache.call("f", &2, || 2);
    cache.clear(Some(Duration::from_secs(3_600))).unwrap();
    cache.close().unwrap();
}

#[test]
fn a_relative_path_is_that_of_the_directory_in_which_the_cache_was_opened() {
    each(|kind, open, dir| {
        for name in ["a", "b"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        assert!(start("worker_changes_its_directory", dir, kind).wait().unwrap().success());
        assert_eq!(fs::read_dir(dir.join("b")).unwrap().count(), 0, "{kind}");
        assert_eq!(open(Cache::builder(), &dir.join("a/results.cache")).stats().unwrap().results, 2, "{kind}");
    });
}

#[test]
fn what_one_process_removes_another_does_not_give_out_from_memory() {
    each(|kind, open, dir| {
        let clock = TestClock::default();
        let [one, other] = [(); 2].map(|()| open(clock.builder(), dir));
        let calls = Calls::default();
        let f = |cache: &Cache| cache.call("f", &1, || calls.one());
        f(&one);
        one.sync().unwrap();
        f(&other);
        f(&other);
        assert_eq!(calls.since(), 1, "{kind}");
        one.clear(None).unwrap();
        clock.pass(1);
        f(&other);
        assert_eq!(calls.since(), 1, "{kind}: cleared, and yet found");
        other.sync().unwrap();
        one.clear(Some(Duration::ZERO)).unwrap();
        clock.pass(1);
        f(&other);
        assert_eq!(calls.since(), 1, "{kind}: cleared by age, and yet found");

        let g = one.wrap("g", |n: u64| n);
        g.call(7);
        one.sync().unwrap();
        let get = |cache: &Cache| cache.get::<u64>(g.key(&7).unwrap());
        assert_eq!(get(&other), Some(7));
        one.remove(g.key(&7).unwrap()).unwrap();
        one.sync().unwrap();
        clock.pass(1);
        assert_eq!(get(&other), None, "{kind}: removed, and yet found");
    });
}

#[test]
fn uses_count_though_another_process_clears() {
    each(|kind, open, dir| {
        let clock = TestClock::default();
        let [one, other] = [(); 2].map(|()| open(clock.builder(), dir));
        one.call("f", &1, || 1);
        one.sync().unwrap();
        for _ in 0..3 {
            other.call("f", &1, || 2);
        }
        one.call("g", &1, || 1);
        clock.pass(10);
        one.call("g", &2, || 1);
        one.remove(one.entries().unwrap()[0].key).unwrap();
        one.sync().unwrap();
        clock.pass(1);
        other.call("f", &1, || 2);
        other.sync().unwrap();
        let hits = |name: &str| one.functions().unwrap().iter().find(|f| f.name == name).map(|f| f.hits);
        assert_eq!(hits("f"), Some(4), "{kind}");
    });
}

const LIMIT: u64 = 4 << 20;

fn limited() -> CacheBuilder {
    Cache::builder().max_size(LIMIT)
}

#[test]
fn worker_stores_much() {
    let Some((dir, open)) = role() else { return };
    let cache = open(limited(), &dir.join("cache"));
    let who = std::process::id();
    for n in 0..150u64 {
        cache.call("f", &(who, n), || "x".repeat(40_000));
    }
}

#[test]
fn processes_that_share_a_limit_keep_it_together() {
    each(|kind, open, dir| {
        let children: Vec<Child> = (0..6).map(|_| start("worker_stores_much", dir, kind)).collect();
        let mut most = 0;
        for mut child in children {
            assert!(child.wait().unwrap().success());
            most = most.max(open(limited(), &dir.join("cache")).stats().unwrap().bytes);
        }
        assert!(most <= 2 * LIMIT, "{kind}: {most} bytes of {LIMIT}");
        assert!(most >= LIMIT / 4, "{kind}: only {most} bytes of {LIMIT} are left");
        let cache = open(limited(), &dir.join("cache"));
        assert!(cache.verify(false).unwrap().is_clean(), "{kind}");
    });
}

#[test]
fn many_short_processes_keep_a_limit_too() {
    each(|kind, open, dir| {
        for n in 0..300u64 {
            let cache = open(limited(), dir);
            cache.call("f", &n, || "x".repeat(20_000));
            cache.close().unwrap();
        }
        let bytes = open(limited(), dir).stats().unwrap().bytes;
        assert!((LIMIT / 2..=LIMIT * 5 / 4).contains(&bytes), "{kind}: {bytes} bytes of {LIMIT}");
    });
}

#[test]
fn a_clock_that_was_wrong_for_a_while_keeps_nothing_young() {
    let (clock, day) = (TestClock::default(), 86_400);
    clock.pass(365 * day);
    let cache = clock.builder().maxage(Duration::from_secs(60)).max_size(10_000).in_memory_backend();
    cache.call("f", &1, || "a year ahead".to_owned());
    cache.call("g", &0, String::new);
    clock.back(335 * day);
    assert_eq!(cache.call("f", &1, || "fresh".to_owned()), "fresh");
    assert_eq!(cache.stats().unwrap().latest_use, Some(Duration::ZERO));
    assert_eq!(cache.clear(Some(Duration::from_secs(day))).unwrap().results, 1, "g is of any age");
    assert_eq!(cache.clear(Some(Duration::from_secs(day))).unwrap().results, 0, "f was used just now");
}

#[test]
fn results_dated_in_the_future_are_evicted_first() {
    let clock = TestClock::default();
    clock.pass(365 * 86_400);
    let cache = clock.builder().max_size(10_000).in_memory_backend();
    cache.call("future", &1, || 1);
    clock.back(300 * 86_400);
    for n in 0..100 {
        clock.pass(1);
        cache.call("g", &n, || "x".repeat(200));
    }
    assert!(cache.entries().unwrap().iter().all(|entry| entry.name == "g"));
}

#[test]
fn a_result_dated_in_the_future_is_used_like_any_other() {
    let clock = TestClock::default();
    clock.pass(365 * 86_400);
    let cache = clock.builder().hot_bytes(0).in_memory_backend();
    cache.call("f", &1, || 1);
    clock.back(300 * 86_400);
    assert_eq!(cache.call("f", &1, || 2), 1, "without a maxage, its age does not matter");
    assert_eq!(cache.stats().unwrap().oldest_use, Some(Duration::ZERO), "and from its use on, its last use is known");
    assert_eq!(cache.clear(Some(Duration::from_secs(5))).unwrap().results, 0);
}

trait InMemory {
    fn in_memory_backend(self) -> Cache;
}

impl InMemory for CacheBuilder {
    fn in_memory_backend(self) -> Cache {
        self.backend(percache::backend::MemoryBackend::new())
    }
}

#[test]
fn worker_ends_at_once() {
    let Some((dir, open)) = role() else { return };
    let hooked = open(Cache::builder(), &dir.join("hooked"));
    let unhooked = open(Cache::builder().close_at_exit(false), &dir.join("unhooked"));
    for cache in [&hooked, &unhooked] {
        cache.call("f", &1, || 1);
        cache.call("f", &1, || 2);
    }
    std::mem::forget((hooked, unhooked));
    if dir.join("close_all").exists() {
        percache::close_all();
        // SAFETY: ends the process, and nothing that others rely on is left to be done.
        unsafe { libc::_exit(0) }
    }
    std::process::exit(0);
}

#[test]
fn close_all_closes_every_cache_and_the_hook_at_exit_is_an_option() {
    each(|kind, open, dir| {
        let hits =
            |name: &str| open(Cache::builder(), &dir.join(name)).entries().unwrap().first().map(|entry| entry.hits);
        assert!(start("worker_ends_at_once", dir, kind).wait().unwrap().success());
        assert_eq!(hits("hooked"), Some(1), "{kind}");
        assert_ne!(hits("unhooked"), Some(1), "{kind}");
        for name in ["hooked", "unhooked"] {
            fs::remove_dir_all(dir.join(name))
                .or_else(|e| if dir.join(name).exists() { Err(e) } else { Ok(()) })
                .unwrap();
        }
        fs::write(dir.join("close_all"), "").unwrap();
        assert!(start("worker_ends_at_once", dir, kind).wait().unwrap().success());
        assert_eq!((hits("hooked"), hits("unhooked")), (Some(1), Some(1)), "{kind}");
    });
}

/// A file system of one mebibyte, as far as we may mount one.
#[cfg(target_os = "linux")]
struct Small(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl Small {
    fn new() -> Option<Small> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Small(dir)),
            _ => {
                eprintln!("skipped: no file system can be mounted here, which needs root");
                None
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_what_fits_is_kept_and_what_was_kept_is_found() {
    for (kind, open) in ON_DISK {
        let Some(small) = Small::new() else { return };
        let dir = small.0.path().join("cache");
        let cache = open(Cache::builder(), &dir);
        let small_ones = |cache: &Cache, numbers: std::ops::Range<u64>| {
            numbers.for_each(|n| assert_eq!(cache.call("small", &n, || 1_000 + n), 1_000 + n));
        };
        small_ones(&cache, 0..20);
        cache.sync().unwrap();
        // Together they do not fit: the two large ones each by itself, too.
        small_ones(&cache, 20..40);
        for n in 0..2u64 {
            assert_eq!(cache.call("large", &n, || "x".repeat(2 << 20)).len(), 2 << 20);
        }
        small_ones(&cache, 40..60);
        assert_eq!(cache.close().is_err(), kind == "rocksdb", "files are written, or not, when they are put");

        let cache = open(Cache::builder(), &dir);
        let lost = (0..60u64).filter(|n| cache.call("small", n, || 0u64) == 0).count();
        assert_eq!(lost, 0, "{kind}");
        assert!(cache.verify(false).unwrap().is_clean(), "{kind}");
        drop(cache);
    }
}
