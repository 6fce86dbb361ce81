//! No wait of a task is without an end: a task that would wait for itself computes, and of tasks that wait for one that was dropped or
//! has failed exactly one goes on.

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
use std::sync::LazyLock;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use common::Calls;
use common::patience::{ends, pause};
use common::tasks::{Gate, block_on, poll};
use percache::{Cache, memoize};

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
