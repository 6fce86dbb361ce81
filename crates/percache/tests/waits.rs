//! No wait is without an end: whoever would wait on its own stack, its own task or its own pool computes; and after a
//! failure exactly one of those who wait goes on.

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
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, LazyLock};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use common::tasks::{Gate, block_on, poll};
use common::{Calls, open};
use percache::{Cache, memoize};

/// Fails if `work` does not end in good time.
fn ends<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(work()));
    match receive.recv_timeout(Duration::from_secs(30)) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("it panicked"),
    }
}

fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

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

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[memoize(cache = CACHE, skip(depth, gate))]
async fn follow(url: &str, depth: u32, gate: &Gate) -> u32 {
    gate.pass().await;
    if depth == 0 { 0 } else { Box::pin(follow(url, depth - 1, gate)).await + 1 }
}

#[test]
fn a_task_that_awaits_itself_computes() {
    let gate = Gate::default();
    gate.open();
    assert_eq!(block_on(follow("a", 3, &gate)), 3);
}

#[test]
fn a_task_that_awaits_itself_computes_on_whatever_thread_it_is_polled() {
    let gate = Gate::default();
    let inner = gate.clone();
    let mut future = Box::pin(async move { follow("b", 2, &inner).await });
    for _ in 0..3 {
        // A step on a thread of its own, as executors do that have many.
        future = thread::spawn(move || {
            assert!(poll(&mut future.as_mut()).is_pending());
            future
        })
        .join()
        .unwrap();
    }
    gate.open();
    let value = thread::spawn(move || block_on(future)).join().unwrap();
    assert_eq!(value, 2);
}

/// Both, as `join!` does it.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut a, mut b) = (None, None);
    std::future::poll_fn(move |context| {
        if a.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            a = Some(value);
        }
        if b.is_none()
            && let Poll::Ready(value) = other.as_mut().poll(context)
        {
            b = Some(value);
        }
        match (a.take(), b.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (a, b) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

#[memoize(cache = CACHE, skip(depth))]
async fn forked(n: u32, depth: u32) -> u32 {
    if depth == 0 {
        return n;
    }
    let (one, other) = both(Box::pin(forked(n, depth - 1)), Box::pin(forked(n + 1, depth - 1))).await;
    one + other
}

#[test]
fn a_task_that_awaits_itself_beside_others_computes() {
    assert!(ends(|| block_on(forked(1, 4))) > 0);
}

#[memoize(cache = CACHE, skip(gate, calls))]
async fn crossed(mine: u32, other: u32, gate: &Gate, calls: &Calls) -> u32 {
    calls.one();
    gate.pass().await;
    if other == 0 { mine } else { mine + Box::pin(crossed(other, 0, gate, calls)).await }
}

/// The key is `mine` alone, so that two calls can want each other.
#[memoize(cache = CACHE, key = mine)]
async fn crossing(mine: u32, other: u32, gate: &Gate, calls: &Calls) -> u32 {
    calls.one();
    gate.pass().await;
    if calls.count() > 10 { mine } else { mine + Box::pin(crossing(other, mine, gate, calls)).await }
}

#[test]
fn two_tasks_that_wait_for_each_other_compute_instead() {
    let value = ends(|| {
        let (gate, calls) = (Gate::default(), Calls::default());
        let (one, other) = (gate.clone(), gate.clone());
        let threads = [(1, 2, one), (2, 1, other)].map(|(mine, other, gate)| {
            let calls = calls.clone();
            thread::spawn(move || block_on(crossing(mine, other, &gate, &calls)))
        });
        pause(50);
        gate.open();
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(value.into_iter().all(|value| value > 0));
    let (gate, calls) = (Gate::default(), Calls::default());
    gate.open();
    assert_eq!(block_on(crossed(1, 2, &gate, &calls)), 3);
}

#[memoize(cache = CACHE, skip(gate, calls))]
async fn gated(gate: &Gate, calls: &Calls, n: u32) -> u32 {
    calls.one();
    gate.pass().await;
    n * 2
}

#[test]
fn a_future_that_is_begun_and_left_alone_holds_nobody_up_for_long() {
    let (gate, calls) = (Gate::default(), Calls::default());
    let mut left = pin!(gated(&gate, &calls, 1));
    assert!(poll(&mut left).is_pending());
    let (opener, begin) = (gate.clone(), Instant::now());
    thread::spawn(move || {
        pause(100);
        opener.open();
    });
    // In the same task, which polls the first one no more.
    assert_eq!(block_on(gated(&gate, &calls, 1)), 2);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(poll(&mut left), Poll::Ready(2));
    assert_eq!(calls.count(), 2);
}

#[test]
fn when_the_one_that_computes_is_dropped_exactly_one_task_goes_on() {
    let (gate, calls) = (Gate::default(), Calls::default());
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(gated(&gate, &calls, 2))).collect();
    {
        let mut first = pin!(gated(&gate, &calls, 2));
        assert!(poll(&mut first).is_pending());
        assert!(waiting.iter_mut().all(|task| poll(&mut task.as_mut()).is_pending()));
    }
    assert!(waiting.iter_mut().all(|task| poll(&mut task.as_mut()).is_pending()));
    assert_eq!(calls.count(), 2);
    // The one that took over goes too, before any other one is polled.
    drop(waiting.remove(0));
    assert!(waiting.iter_mut().all(|task| poll(&mut task.as_mut()).is_pending()));
    assert_eq!(calls.count(), 3);
    gate.open();
    assert!(waiting.iter_mut().all(|task| poll(&mut task.as_mut()) == Poll::Ready(4)));
    assert_eq!(calls.count(), 3);
}

#[memoize(cache = CACHE, skip(gate, calls))]
async fn failing(gate: &Gate, calls: &Calls, panics: bool) -> Result<u32, String> {
    calls.one();
    gate.pass().await;
    assert!(!panics || calls.count() > 1, "as it should");
    Err("down".into())
}

#[test]
fn tasks_that_wait_for_an_error_get_it_and_for_a_panic_go_on() {
    for panics in [false, true] {
        let (gate, calls) = (Gate::default(), Calls::default());
        let mut tasks: Vec<_> = (0..4).map(|_| Box::pin(failing(&gate, &calls, panics))).collect();
        assert!(tasks.iter_mut().all(|task| poll(&mut task.as_mut()).is_pending()));
        gate.open();
        let first = catch_unwind(AssertUnwindSafe(|| poll(&mut tasks[0].as_mut())));
        assert_eq!(first.is_err(), panics);
        let others = tasks[1..].iter_mut().map(|task| poll(&mut task.as_mut()));
        others.for_each(|polled| assert_eq!(polled, Poll::Ready(Err("down".into()))));
        assert_eq!(calls.count(), 1 + u64::from(panics));
    }
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
