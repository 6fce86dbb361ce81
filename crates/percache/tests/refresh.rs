//! Results that are computed again before they are too old, and old ones that stand in for an error.

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

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, LazyLock, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::counted::ready;
use common::{Calls, TestClock};
use percache::backend::MemoryBackend;
use percache::{Cache, memoize};

/// Waits until something is true that another thread makes true.
fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_true() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn memory(clock: &TestClock) -> Cache {
    clock.builder().backend(MemoryBackend::new())
}

static CLOCK: LazyLock<TestClock> = LazyLock::new(TestClock::default);
static CACHE: LazyLock<Cache> = LazyLock::new(|| memory(&CLOCK));
static COMPUTED: AtomicU64 = AtomicU64::new(0);

/// The tests that share these move the same clock.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn an_older_result_is_returned_and_computed_again() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    #[memoize(cache = CACHE, refresh_after = "1h", maxage = "1d")]
    fn f(label: &str, list: &[u32], owned: String) -> (String, u64) {
        (format!("{label}{}{owned}", list.len()), COMPUTED.fetch_add(1, Ordering::SeqCst) + 1)
    }
    let call = || f("a", &[1, 2], "b".into());
    COMPUTED.store(0, Ordering::SeqCst);
    assert_eq!(call(), ("a2b".into(), 1));
    CLOCK.pass(3_599);
    assert_eq!(call().1, 1);
    CLOCK.pass(1);
    assert_eq!(call().1, 1, "the old one at once");
    eventually("it is computed again", || call().1 == 2);
    thread::sleep(Duration::from_millis(20));
    assert_eq!((call().1, COMPUTED.load(Ordering::SeqCst)), (2, 2), "once");
    CLOCK.pass(86_400);
    assert_eq!(call().1, 3, "too old to be returned");
}

#[test]
fn methods_and_generic_functions_are_refreshed() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    #[derive(Clone, serde::Serialize)]
    struct Scale<T>(T);
    impl<T: Clone + Send + serde::Serialize + 'static> Scale<T> {
        #[memoize(cache = CACHE, refresh_after = "10s", handle)]
        fn apply(&self, n: u64) -> u64 {
            COMPUTED.fetch_add(1, Ordering::SeqCst) + n
        }
    }
    let scale = Scale("x".to_owned());
    let first = scale.apply(1);
    CLOCK.pass(10);
    assert_eq!(scale.apply(1), first);
    eventually("it is computed again", || scale.apply(1) != first);
    assert!(scale.apply_entry(1).get().is_some_and(|value| value != first));
}

#[test]
fn many_threads_refresh_once() {
    let clock = TestClock::default();
    let cache = memory(&clock);
    let calls = Calls::default();
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let f = {
        let calls = calls.clone();
        let compute = move |n: u32| {
            calls.one();
            if calls.count() > 1 {
                wait.lock().unwrap().recv().unwrap();
            }
            n
        };
        cache.wrap("f", compute).refresh_after(Duration::from_secs(5))
    };
    f.call(1);
    clock.pass(5);
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                (0..100).for_each(|_| assert_eq!(f.call(1), 1));
            });
        }
    });
    eventually("it is being computed", || calls.count() == 2);
    go.send(()).unwrap();
    thread::sleep(Duration::from_millis(20));
    f.call(1);
    assert_eq!(calls.count(), 2);
}

#[test]
fn a_refresh_that_panics_or_fails_leaves_the_old_result_and_pauses() {
    let clock = TestClock::default();
    let cache = memory(&clock);
    let (calls, panics) = (Calls::default(), Arc::new(AtomicBool::new(false)));
    let f = {
        let (calls, panics) = (calls.clone(), panics.clone());
        let compute = move |n: u32| {
            calls.one();
            match (calls.count(), panics.load(Ordering::SeqCst)) {
                (1, _) => Ok(n),
                (_, true) => panic!("on purpose"),
                (_, false) => Err("no more"),
            }
        };
        cache.wrap_result("f", compute).refresh_after(Duration::from_secs(60))
    };
    assert_eq!(f.call(1), Ok(1));
    for panicking in [true, false] {
        panics.store(panicking, Ordering::SeqCst);
        clock.pass(60);
        calls.since();
        calls.one();
        eventually("it is tried", || f.call(1) == Ok(1) && calls.count() == 2);
        for _ in 0..50 {
            assert_eq!(f.call(1), Ok(1));
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(calls.count(), 2, "not again and again");
        eventually("it is tried later", || {
            clock.pass(10);
            f.call(1) == Ok(1) && calls.count() == 3
        });
    }
}

#[test]
fn futures_are_refreshed_by_the_spawner() {
    type Task = percache::Spawned;
    let tasks: Arc<Mutex<Vec<Task>>> = Arc::default();
    let clock = TestClock::default();
    let spawned = tasks.clone();
    let builder = clock.builder().spawner(move |task| spawned.lock().unwrap().push(task));
    let cache = builder.backend(MemoryBackend::new());
    let calls = Calls::default();
    let wrapped = {
        let calls = calls.clone();
        let compute = move |n: u32| {
            calls.one();
            let count = calls.count();
            async move { (n, count) }
        };
        cache.wrap_async("f", compute).refresh_after(Duration::from_secs(5))
    };
    assert_eq!(ready(wrapped.call(1)), (1, 1));
    clock.pass(5);
    assert_eq!(ready(wrapped.call(1)), (1, 1));
    assert_eq!((ready(wrapped.call(1)), tasks.lock().unwrap().len()), ((1, 1), 1), "one task");
    ready(tasks.lock().unwrap().pop().unwrap());
    assert_eq!(ready(wrapped.call(1)), (1, 2));
}

#[test]
fn without_a_spawner_one_caller_computes() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    #[memoize(cache = CACHE, refresh_after = "10s")]
    async fn f(text: &str) -> (String, u64) {
        std::future::ready(()).await;
        (text.to_owned(), COMPUTED.fetch_add(1, Ordering::SeqCst))
    }
    let first = ready(f("x"));
    assert_eq!(ready(f("x")), first);
    CLOCK.pass(10);
    let second = ready(f("x"));
    assert_ne!(second, first);
    assert_eq!(ready(f("x")), second);
}

#[test]
fn an_old_result_stands_in_for_an_error() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    static FAILS: AtomicBool = AtomicBool::new(false);
    #[memoize(cache = CACHE, maxage = "10s", stale_if_error = "100s")]
    fn f(n: u32) -> Result<u32, String> {
        if FAILS.load(Ordering::SeqCst) { Err("no network".into()) } else { Ok(n) }
    }
    assert_eq!(f(1), Ok(1));
    FAILS.store(true, Ordering::SeqCst);
    CLOCK.pass(10);
    assert_eq!(f(1), Ok(1));
    assert_eq!(f(2), Err("no network".into()), "there is nothing old");
    CLOCK.pass(99);
    assert_eq!(f(1), Ok(1));
    CLOCK.pass(1);
    assert_eq!(f(1), Err("no network".into()), "too old even for that");
    FAILS.store(false, Ordering::SeqCst);
    assert_eq!(f(1), Ok(1));
}

#[test]
fn those_who_wait_for_an_error_get_the_old_result_too() {
    let clock = TestClock::default();
    let cache = memory(&clock);
    let (calls, barrier) = (Calls::default(), Barrier::new(4));
    let f = cache.wrap_result("f", |n: u32| {
        calls.one();
        thread::sleep(Duration::from_millis(60));
        if calls.count() == 1 { Ok(n) } else { Err("no network".to_owned()) }
    });
    let f = f.maxage(Duration::from_secs(10)).stale_if_error(Duration::from_secs(10));
    assert_eq!(f.call(1), Ok(1));
    clock.pass(10);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(f.call(1), Ok(1));
            });
        }
    });
    assert_eq!(calls.count(), 2);
    clock.pass(10);
    assert!(f.call(1).is_err());
}

#[test]
fn an_old_result_does_not_stand_in_for_what_is_no_error() {
    let clock = TestClock::default();
    let cache = memory(&clock);
    let calls = Calls::default();
    let found = cache.wrap("found", |n: u32| {
        calls.one();
        (calls.count() == 1).then_some(n)
    });
    let found = found.only_some().maxage(Duration::from_secs(10)).stale_if_error(Duration::from_secs(10));
    assert_eq!(found.call(1), Some(1));
    clock.pass(10);
    assert_eq!(found.call(1), None, "it is gone, and that is no error");
}

#[test]
fn an_old_result_on_disk_stands_in_too() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let opened = || common::open_with(clock.builder(), dir.path());
    let rules = Duration::from_secs(10);
    let cache = opened();
    cache.wrap_result("f", |n: u32| Ok::<_, String>(n)).maxage(rules).call(1).unwrap();
    cache.close().unwrap();
    clock.pass(10);
    let cache = opened();
    let f = cache.wrap_result("f", |_: u32| Err::<u32, _>("no network".to_owned())).maxage(rules);
    assert_eq!(f.call(1), Err("no network".into()));
    assert_eq!(f.stale_if_error(rules).call(1), Ok(1));
}

#[test]
fn ages_are_constants_or_milliseconds() {
    const AGE: Duration = Duration::from_millis(1_500);
    struct Rules;
    impl Rules {
        const AGE: Duration = AGE;
        #[memoize(cache = CACHE, maxage = Self::AGE, key = n)]
        fn constant(&self, n: u64) -> u64 {
            COMPUTED.fetch_add(1, Ordering::SeqCst) + n
        }
    }
    #[memoize(cache = CACHE, maxage = AGE * 2, cache_err = Duration::from_millis(10))]
    fn sum(n: u64) -> Result<u64, String> {
        Ok(COMPUTED.fetch_add(1, Ordering::SeqCst) + n)
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (one, two) = (Rules.constant(1), sum(1));
    CLOCK.pass(1);
    assert_eq!((Rules.constant(1), sum(1)), (one, two.clone()));
    CLOCK.pass(1);
    assert_ne!(Rules.constant(1), one);
    assert_eq!(sum(1), two);
    CLOCK.pass(1);
    assert_ne!(sum(1), two);
}

#[test]
fn milliseconds_pass_by_the_systems_clock() {
    static REAL: LazyLock<Cache> = LazyLock::new(Cache::in_memory);
    #[memoize(cache = REAL, maxage = "250ms")]
    fn f() -> u64 {
        COMPUTED.fetch_add(1, Ordering::SeqCst)
    }
    let start = Instant::now();
    let first = f();
    let again = f();
    assert!(again == first || start.elapsed() > Duration::from_millis(200));
    thread::sleep(Duration::from_millis(260));
    assert_ne!(f(), first);
}
