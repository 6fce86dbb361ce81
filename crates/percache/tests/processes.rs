//! Several processes on one cache. Each is this test program again, running the one test that an environment variable names.

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
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::workers::{await_file, command, computed, finish, note, role, start};
use common::{open, open_with};
use percache::Cache;

fn value(n: u64) -> Vec<u64> {
    (0..n % 2_000).map(|m| m * n).collect()
}

#[test]
fn worker_same_keys() {
    let Some(dir) = role() else { return };
    let cache = open_with(Cache::builder().live_sync(true), &dir.join("cache"));
    let f = cache.wrap("f", |n: u64| {
        note(&dir, n);
        thread::sleep(Duration::from_millis(5));
        value(n)
    });
    await_file(&dir.join("go"));
    for n in 0..40 {
        assert_eq!(f.call(n), value(n));
    }
}

#[test]
fn processes_that_want_the_same_keys_compute_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..4).map(|_| start("worker_same_keys", dir.path())).collect();
    fs::write(dir.path().join("go"), "").unwrap();
    finish(children);
    assert_eq!(computed(dir.path()), (0..40).collect::<Vec<_>>());
}

#[test]
fn worker_waits_for_one_key() {
    let Some(dir) = role() else { return };
    let cache = open(&dir.join("cache"));
    let f = cache.wrap("f", |n: u64| {
        note(&dir, n);
        fs::write(dir.join("computing"), "").unwrap();
        await_file(&dir.join("go"));
        value(n)
    });
    assert_eq!(f.call(7), value(7));
}

#[test]
fn a_result_that_another_process_waits_for_reaches_it_without_live_sync() {
    let dir = tempfile::tempdir().unwrap();
    let first = start("worker_waits_for_one_key", dir.path());
    await_file(&dir.path().join("computing"));
    let second = start("worker_waits_for_one_key", dir.path());
    await_waiter(dir.path());
    fs::write(dir.path().join("go"), "").unwrap();
    finish(vec![first, second]);
    assert_eq!(computed(dir.path()), [7]);
}

/// Waits until a process waits for the claim of another one: it holds a byte beside the claim, together with others.
fn await_waiter(dir: &Path) {
    let file = fs::metadata(dir.join("cache").join("claims").join("lock")).unwrap();
    let inode = format!(":{} ", std::os::unix::fs::MetadataExt::ino(&file));
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains(&inode) && line.contains(" READ "))
    };
    while !waits() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_right_to_compute_ends_with_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = start("worker_waits_for_one_key", dir.path());
    await_file(&dir.path().join("computing"));
    let second = start("worker_waits_for_one_key", dir.path());
    await_waiter(dir.path());
    first.kill().unwrap();
    first.wait().unwrap();
    fs::write(dir.path().join("go"), "").unwrap();
    finish(vec![second]);
    assert_eq!(computed(dir.path()), [7, 7]);
    let left = fs::read_dir(dir.path().join("cache").join("claims")).unwrap().count();
    assert_eq!(left, 1, "there is one lock file, however many keys are claimed");
}

#[test]
fn worker_own_keys() {
    let Some(dir) = role() else { return };
    let cache = open(&dir.join("cache"));
    let mine = u64::from(std::process::id()) * 1_000;
    let f = cache.wrap("f", value);
    await_file(&dir.join("go"));
    for n in mine..mine + 200 {
        note(&dir, n);
        assert_eq!(f.call(n), value(n));
        // And some that all of them use.
        assert_eq!(f.call(n % 50), value(n % 50));
        if n % 64 == 0 {
            cache.sync().unwrap();
        }
    }
}

#[test]
fn processes_on_one_cache_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..4).map(|_| start("worker_own_keys", dir.path())).collect();
    fs::write(dir.path().join("go"), "").unwrap();
    finish(children);
    let cache = open(&dir.path().join("cache"));
    let f = cache.wrap("f", |n: u64| -> Vec<u64> { panic!("{n} is lost") });
    for n in computed(dir.path()).into_iter().chain(0..50) {
        assert_eq!(f.call(n), value(n));
    }
    assert!(cache.verify(false).unwrap().is_clean());
}

#[test]
fn worker_until_killed() {
    let Some(dir) = role() else { return };
    let cache = open(&dir.join("cache"));
    let f = cache.wrap("f", value);
    for n in 0.. {
        assert_eq!(f.call(n), value(n));
        if n % 100 == 99 {
            cache.sync().unwrap();
            note(&dir, n);
        }
    }
}

#[test]
fn kill_loses_only_what_was_not_synced_and_leaves_nothing_torn() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=5 {
        let mut child = start("worker_until_killed", dir.path());
        while computed(dir.path()).len() < 2 * round {
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let synced = computed(dir.path()).last().copied().unwrap();
        let cache = open(&dir.path().join("cache"));
        let f = cache.wrap("f", |n: u64| -> Vec<u64> { panic!("{n} of {synced} is lost") });
        for n in 0..=synced {
            assert_eq!(f.call(n), value(n));
        }
        let found = cache.verify(false).unwrap();
        assert_eq!(found.damaged, [], "in round {round}");
    }
}

#[test]
fn worker_nested() {
    let Some(dir) = role() else { return };
    let cache = open(&dir.join("cache"));
    let (mine, other) = if dir.join("first").exists() { (2u64, 1u64) } else { (1, 2) };
    fs::write(dir.join("first"), "").unwrap();
    let got = cache.call("f", &mine, || {
        fs::write(dir.join(format!("computing-{mine}")), "").unwrap();
        await_file(&dir.join(format!("computing-{other}")));
        mine * 10 + cache.call("f", &other, || other)
    });
    assert!(got >= mine * 10 + other);
}

#[test]
fn processes_that_wait_for_each_other_compute_instead() {
    let dir = tempfile::tempdir().unwrap();
    let first = start("worker_nested", dir.path());
    await_file(&dir.path().join("first"));
    let second = start("worker_nested", dir.path());
    finish(vec![first, second]);
}

/// All other tests once more, on the other back-end.
#[cfg(feature = "rocksdb")]
#[test]
fn the_same_holds_in_files() {
    if std::env::var_os(common::IN_FILES).is_none() && role().is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.env(common::IN_FILES, "1").args(["--skip", "default::", "--skip", "the_same_holds_in_files"]);
        let output = again.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Sends a signal to a process that a test has started.
fn signal(process: &Child, signal: i32) {
    // SAFETY: the process is a child that was not waited for yet, so that the number is its own.
    assert_eq!(unsafe { libc::kill(process.id() as i32, signal) }, 0);
}

/// How long a call takes that has to compute because the process that does so already is not to be waited for.
fn waits_in_vain(builder: percache::CacheBuilder, stop: bool) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let mut first = start("worker_waits_for_one_key", dir.path());
    await_file(&dir.path().join("computing"));
    if stop {
        signal(&first, libc::SIGSTOP);
    }
    let begin = Instant::now();
    let value = open_with(builder, &dir.path().join("cache")).call("f", &7u64, || vec![7u64]);
    assert_eq!(value, [7]);
    first.kill().unwrap();
    first.wait().unwrap();
    begin.elapsed()
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_was_stopped_is_not_waited_for() {
    let waited = waits_in_vain(Cache::builder(), true);
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(8), "{waited:?}");
}

#[test]
fn a_process_that_takes_long_is_waited_for_until_the_timeout() {
    let waited = waits_in_vain(Cache::builder().wait_timeout(Duration::from_millis(200)), false);
    assert!(waited >= Duration::from_millis(200) && waited < Duration::from_secs(2), "{waited:?}");
}

#[test]
fn worker_warns() {
    struct Standard;
    impl log::Log for Standard {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            eprintln!("{}", record.args());
        }
        fn flush(&self) {}
    }
    let Some(dir) = role() else { return };
    log::set_logger(&Standard).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let cache = open_with(Cache::builder().wait_timeout(Duration::from_millis(2_300)), &dir.join("cache"));
    cache.call("f", &7u64, || vec![7u64]);
}

#[test]
fn a_process_that_waits_says_for_whom() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = start("worker_waits_for_one_key", dir.path());
    await_file(&dir.path().join("computing"));
    let output = command("worker_warns", dir.path()).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("waiting for process {}, which computes f", first.id())), "{text}");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn worker_claims_many() {
    let Some(dir) = role() else { return };
    let cache = open(&dir.join("cache"));
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let mut tasks: Vec<_> = (0..600u64)
        .map(|n| {
            let function = percache::Function::new("f");
            let key = function.key(&n).unwrap();
            match cache.begin(&function, key) {
                percache::Begun::Lead(lead) => lead,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let open_files = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open_files <= before + 2, "{before} {open_files}");
    tasks.drain(..).for_each(|lead| lead.finish(b"x"));
}

#[cfg(target_os = "linux")]
#[test]
fn claims_need_one_descriptor_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    finish(vec![start("worker_claims_many", dir.path())]);
}

#[cfg(all(feature = "user-cache", target_os = "linux"))]
mod default {
    use super::*;

    #[percache::memoize]
    fn anywhere(n: u64) -> u64 {
        note(&role().unwrap(), n);
        n * 2
    }

    #[test]
    fn worker_default_cache() {
        if role().is_some() {
            assert_eq!((anywhere(1), anywhere(1)), (2, 2));
        }
    }

    #[test]
    fn without_a_cache_results_are_kept_for_the_user() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut command = command("default::worker_default_cache", dir.path());
            assert!(command.env("XDG_CACHE_HOME", dir.path()).status().unwrap().success());
        }
        assert_eq!(computed(dir.path()), [1]);
        let name = if cfg!(feature = "rocksdb") { "functions" } else { "functions-files" };
        assert!(dir.path().join("percache").join(name).is_dir());
    }

    #[test]
    fn a_default_cache_that_cannot_be_opened_breaks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("percache"), "in the way").unwrap();
        let mut command = command("default::worker_default_cache", dir.path());
        assert!(command.env("XDG_CACHE_HOME", dir.path()).status().unwrap().success());
        assert_eq!(computed(dir.path()), [1], "and it lasts as long as the process");
    }
}
