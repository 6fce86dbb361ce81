//! Many callers at the same time, in one process: threads and `async` tasks.

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
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Barrier, LazyLock};
use std::task::Poll;
use std::thread;

use common::tasks::{Gate, block_on, poll};
use common::{Calls, open};
use percache::{Cache, memoize};

#[test]
fn threads_that_want_the_same_key_compute_it_once() {
    let cache = Cache::in_memory();
    for round in 0..200u32 {
        let calls = Calls::default();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                let f = cache.wrap("f", |n: u32| {
                    calls.one();
                    thread::yield_now();
                    n * 2
                });
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    assert_eq!(f.call(round), round * 2);
                });
            }
        });
        assert_eq!(calls.count(), 1, "in round {round}");
    }
}

#[test]
fn eight_threads_get_the_right_results() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let calls = Calls::default();
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let f = cache.wrap("f", |n: u64| {
                calls.one();
                (n, "x".repeat(n as usize % 300))
            });
            scope.spawn(move || {
                for step in 0..2_000 {
                    let n = (step * (2 * thread + 1)) % 500;
                    assert_eq!(f.call(n), (n, "x".repeat(n as usize % 300)));
                }
            });
        }
    });
    assert_eq!(calls.count(), 500);
    cache.close().unwrap();
    assert_eq!(open(dir.path()).stats().unwrap().results, 500);
}

#[test]
fn recursion_in_many_threads_neither_deadlocks_nor_repeats() {
    static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[memoize(cache = CACHE)]
    fn fib(n: u64) -> u64 {
        CALLS.fetch_add(1, Ordering::SeqCst);
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(fib(90), 2_880_067_194_370_816_120));
        }
    });
    assert_eq!(CALLS.load(Ordering::SeqCst), 91);
}

#[test]
fn two_threads_that_wait_for_each_other_compute_instead() {
    // What work stealing can do: each thread, while it computes its own key, comes to want the other's.
    let cache = &Cache::in_memory();
    let barrier = &Barrier::new(2);
    thread::scope(|scope| {
        for (mine, other) in [(1, 2), (2, 1)] {
            scope.spawn(move || {
                let value = cache.call("f", &mine, || {
                    barrier.wait();
                    mine * 10 + cache.call("f", &other, || other)
                });
                assert!(value >= mine * 10 + other, "{value}");
            });
        }
    });
}

#[test]
fn a_panic_is_not_kept_and_those_who_wait_compute_themselves() {
    let cache = Cache::in_memory();
    let first = AtomicBool::new(true);
    let calls = Calls::default();
    let barrier = Barrier::new(4);
    let panics: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let f = cache.wrap("f", |n: u32| {
                    calls.one();
                    assert!(!first.swap(false, Ordering::SeqCst), "the first call fails");
                    n
                });
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    catch_unwind(AssertUnwindSafe(|| f.call(7))).map_or(1, |value| {
                        assert_eq!(value, 7);
                        0
                    })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(panics, 1);
    assert_eq!(cache.call("f", &7u32, || -> u32 { panic!("it is kept") }), 7);
}

static ASYNC: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[memoize(cache = ASYNC, skip(gate, calls))]
async fn gated(gate: &Gate, calls: &Calls, n: u32) -> u32 {
    calls.one();
    gate.pass().await;
    n * 2
}

#[test]
fn tasks_that_want_the_same_key_compute_it_once_and_block_nobody() {
    let (gate, calls) = (Gate::default(), Calls::default());
    let mut one = pin!(gated(&gate, &calls, 1));
    let mut two = pin!(gated(&gate, &calls, 1));
    // Both on this one thread: the second returns to the executor instead of blocking it.
    assert!(poll(&mut one).is_pending());
    assert!(poll(&mut two).is_pending());
    gate.open();
    assert_eq!(poll(&mut one), Poll::Ready(2));
    assert_eq!(poll(&mut two), Poll::Ready(2));
    assert_eq!(calls.count(), 1);
}

#[test]
fn tasks_that_wait_are_woken() {
    let (gate, calls) = (Gate::default(), Calls::default());
    let (started, wait) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..8 {
            let (gate, calls, started) = (&gate, &calls, started.clone());
            scope.spawn(move || {
                started.send(()).unwrap();
                assert_eq!(block_on(gated(gate, calls, 2)), 4);
            });
        }
        (0..8).for_each(|_| wait.recv().unwrap());
        gate.open();
    });
    assert_eq!(calls.count(), 1);
}

#[test]
fn a_cancelled_task_hands_its_duty_on() {
    let (gate, calls) = (Gate::default(), Calls::default());
    let mut waits = pin!(gated(&gate, &calls, 3));
    {
        let mut cancelled = pin!(gated(&gate, &calls, 3));
        assert!(poll(&mut cancelled).is_pending());
        assert!(poll(&mut waits).is_pending());
        assert_eq!(calls.count(), 1);
    }
    gate.open();
    assert_eq!(poll(&mut waits), Poll::Ready(6));
    assert_eq!(calls.count(), 2);
}
