//! No wait of a thread is without an end: whoever would wait on its own stack or its own pool computes; and after a failure
//! exactly one of those who wait goes on.

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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::patience::{ends, pause};
use common::{Calls, open};
use percache::{Cache, memoize};

#[cfg(feature = "rayon")]
mod pools {
    use super::*;
    use rayon::prelude::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn a_part_of_the_computation_below_the_wait_for_it_does_not_hang() {
        let results = ends(|| {
            let cache = Cache::in_memory();
            let parts = || {
                rayon::join(|| pause(60), || rayon::join(|| pause(30), || pause(300)));
            };
            let f = Arc::new(cache.wrap("f", move |n: u64| {
                parts();
                n + 7
            }));
            let pool = pool(3);
            let (send, receive) = mpsc::channel();
            for _ in 0..2 {
                let (f, send) = (f.clone(), send.clone());
                pool.spawn(move || send.send(f.call(2)).unwrap());
                pause(15);
            }
            [receive.recv().unwrap(), receive.recv().unwrap()]
        });
        assert_eq!(results, [9, 9]);
    }

    #[test]
    fn parallel_iteration_over_repeats_of_a_parallel_function_ends() {
        for threads in [1, 2, 4] {
            let sum = ends(move || {
                let cache = Cache::in_memory();
                let f = cache.wrap("f", |n: u64| (0..50u64).into_par_iter().map(|m| m * n % 7).sum::<u64>());
                let g = cache.wrap("g", |n: u64| (n..n + 3).into_par_iter().map(|n| f.call(n % 5)).sum::<u64>());
                pool(threads).install(|| (0..2_000u64).into_par_iter().map(|n| g.call(n % 10)).sum::<u64>())
            });
            let f = |n: u64| (0..50).map(|m| m * n % 7).sum::<u64>();
            let g = |n: u64| (n..n + 3).map(|n| f(n % 5)).sum::<u64>();
            assert_eq!(sum, (0..2_000).map(|n| g(n % 10)).sum::<u64>());
        }
    }

    #[test]
    fn a_scope_that_asks_for_what_surrounds_it_ends() {
        let value = ends(|| {
            static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);
            #[memoize(cache = CACHE, skip(depth))]
            fn f(n: u64, depth: u64) -> u64 {
                let sum = std::sync::atomic::AtomicU64::new(n);
                if depth > 0 {
                    rayon::scope(|scope| {
                        for _ in 0..3 {
                            scope.spawn(|_| {
                                sum.fetch_add(f(n, depth - 1), Ordering::SeqCst);
                            });
                        }
                    });
                }
                sum.into_inner()
            }
            pool(2).install(|| f(1, 2))
        });
        assert!(value >= 1);
    }

    #[test]
    fn two_keys_that_are_crossed_in_a_join_end() {
        ends(|| {
            let cache = Cache::in_memory();
            let run = |mine: u64, other: u64| {
                cache.call("f", &mine, || {
                    pause(30);
                    rayon::join(|| cache.call("f", &other, || other), || pause(10)).0 + mine
                })
            };
            pool(2).install(|| rayon::join(|| run(1, 2), || run(2, 1)));
        });
    }

    #[test]
    fn a_short_wait_on_a_pool_computes_nothing_twice() {
        let cache = Cache::in_memory();
        let calls = Calls::default();
        let f = cache.wrap("f", |n: u64| {
            calls.one();
            pause(20);
            n
        });
        pool(4).install(|| (0..4u32).into_par_iter().with_max_len(1).for_each(|_| assert_eq!(f.call(1), 1)));
        assert_eq!(calls.count(), 1);
    }
}

#[test]
fn a_thread_that_is_joined_and_asks_for_what_joins_it_computes() {
    static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);
    #[memoize(cache = CACHE, skip(depth))]
    fn f(n: u64, depth: u64) -> u64 {
        if depth == 0 { n } else { thread::scope(|scope| scope.spawn(|| f(n, depth - 1)).join().unwrap() + 1) }
    }
    assert_eq!(ends(|| f(1, 1)), 2);
}

#[test]
fn a_timeout_ends_the_wait_for_a_thread() {
    let cache =
        Cache::builder().wait_timeout(Duration::from_millis(50)).backend(percache::backend::MemoryBackend::new());
    let go = Barrier::new(2);
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            cache.call("f", &1, || {
                go.wait();
                pause(1_000);
                1
            })
        });
        go.wait();
        assert_eq!(cache.call("f", &1, || 1), 1);
        let waited = begin.elapsed();
        assert!(waited >= Duration::from_millis(50) && waited < Duration::from_millis(900), "{waited:?}");
    });
}

#[test]
fn a_computation_that_sleeps_is_not_done_twice() {
    let cache = Cache::in_memory();
    let (calls, go) = (Calls::default(), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                go.wait();
                cache.call("f", &1, || {
                    calls.one();
                    pause(6_000);
                    1
                })
            });
        }
    });
    assert_eq!(calls.count(), 1);
}

/// Calls `f` from many threads at once; how often it ran, and how many times at once.
fn herd(cache: &Cache, kind: &str, fails: usize) -> (usize, usize) {
    let (calls, running, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let f = cache.wrap("f", |_: &str| {
        let me = calls.fetch_add(1, Ordering::SeqCst);
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        pause(40);
        running.fetch_sub(1, Ordering::SeqCst);
        assert!(me >= fails, "as it should");
        7
    });
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let _ = catch_unwind(AssertUnwindSafe(|| f.call(kind)));
            });
        }
    });
    (calls.into_inner(), most.into_inner())
}

#[test]
fn after_a_panic_one_goes_on_and_the_next_only_if_that_fails_too() {
    let dir = tempfile::tempdir().unwrap();
    for cache in [Cache::in_memory(), open(dir.path())] {
        assert_eq!(herd(&cache, "one", 1), (2, 1));
        assert_eq!(herd(&cache, "three", 3), (4, 1));
        assert_eq!(herd(&cache, "all", usize::MAX), (8, 1));
    }
}

#[derive(Debug, PartialEq)]
struct NotCloned(u32);

#[test]
fn an_error_that_can_be_cloned_is_given_to_all_who_wait_and_kept_for_nobody() {
    let cache = Cache::in_memory();
    let calls = Calls::default();
    let cloned = cache.wrap_result("cloned", |_: u8| -> Result<u8, String> {
        calls.one();
        pause(60);
        Err(format!("{}", calls.count()))
    });
    let own = cache.wrap_result("own", |_: u8| -> Result<u8, NotCloned> {
        calls.one();
        pause(20);
        Err(NotCloned(1))
    });
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(cloned.call(1), Err("1".to_owned()));
            });
        }
    });
    assert_eq!(calls.since(), 1);
    assert_eq!(cloned.call(1), Err("1".to_owned()), "computed again");
    assert_eq!(calls.since(), 1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(own.call(1), Err(NotCloned(1)));
            });
        }
    });
    assert_eq!(calls.since(), 4);
}

#[test]
fn results_of_which_nothing_can_be_kept_are_computed_side_by_side() {
    /// Says that it can be serialised, and cannot.
    #[derive(Clone)]
    struct Broken;
    impl serde::Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("it cannot"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Broken {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Broken, D::Error> {
            Ok(Broken)
        }
    }
    let cache = Cache::in_memory();
    let begin = Instant::now();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                cache.call("f", &1, || {
                    pause(200);
                    Broken
                });
            });
        }
    });
    assert!(begin.elapsed() < Duration::from_millis(1_000), "one after the other");
}

#[test]
fn two_caches_on_one_directory_compute_once_in_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let calls = Calls::default();
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            let cache = open(dir.path());
            let (calls, barrier) = (&calls, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let compute = || {
                    calls.one();
                    pause(100);
                    5
                };
                assert_eq!(cache.call("f", &1, compute), 5);
                assert_eq!(cache.call("f", &1, compute), 5);
            });
        }
    });
    assert_eq!(calls.count(), 1);
}
