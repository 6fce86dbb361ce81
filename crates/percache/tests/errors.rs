//! An error is kept for nobody, and given to all who wait for it: whatever its type is called, and however the function is memoized.

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

use std::fmt::Debug;
use std::sync::{Barrier, LazyLock};
use std::thread;
use std::time::Duration;

use common::Calls;
use common::tasks::block_on;
use percache::{Cache, memoize};
use serde::Serialize;
use serde::de::DeserializeOwned;

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

type Fallible<T> = Result<T, String>;

/// How often `call` computes when four threads call it at the same time, and when it is called once more after that.
#[track_caller]
fn computed<R: PartialEq + Debug + Sync>(calls: &Calls, failed: &R, call: impl Fn() -> R + Sync) -> (u64, u64) {
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(call(), *failed);
            });
        }
    });
    let together = calls.since();
    assert_eq!(call(), *failed);
    (together, calls.since())
}

fn down(calls: &Calls) -> Fallible<u32> {
    calls.one();
    thread::sleep(Duration::from_millis(60));
    Err("down".into())
}

#[memoize(cache = CACHE, skip(calls))]
fn behind_an_alias(calls: &Calls) -> Fallible<u32> {
    down(calls)
}

#[memoize(cache = CACHE, skip(calls), keep_none = false, keep_if = |_| true)]
fn in_an_option(calls: &Calls) -> Option<Fallible<u32>> {
    Some(down(calls))
}

#[memoize(cache = CACHE, skip(calls))]
fn of_any_type<R: Serialize + DeserializeOwned + From<Fallible<u32>>>(calls: &Calls) -> R {
    down(calls).into()
}

#[memoize(cache = CACHE, skip(calls))]
fn of_any_value<T: Serialize + DeserializeOwned + From<u32>>(calls: &Calls) -> Fallible<T> {
    down(calls).map(T::from)
}

#[memoize(cache = CACHE, skip(calls))]
async fn of_any_type_later<R: Serialize + DeserializeOwned + From<Fallible<u32>>>(calls: &Calls) -> R {
    down(calls).into()
}

#[memoize(cache = CACHE, skip(calls), handle, refresh_after = "1h")]
fn with_a_handle(calls: &Calls) -> Fallible<u32> {
    down(calls)
}

#[memoize(cache = CACHE, skip(calls), handle)]
async fn with_a_handle_later(calls: &Calls) -> Fallible<u32> {
    down(calls)
}

#[memoize(cache = CACHE, skip(calls), handle)]
fn of_any_type_with_a_handle<R: Serialize + DeserializeOwned + From<Fallible<u32>>>(calls: &Calls) -> R {
    down(calls).into()
}

#[test]
fn functions_with_handles_share_errors_by_type() {
    let (calls, failed) = (Calls::default(), Fallible::<u32>::Err("down".into()));
    assert_eq!(computed(&calls, &failed, || with_a_handle(&calls)), (1, 1));
    assert_eq!(computed(&calls, &failed, || block_on(with_a_handle_later(&calls))), (1, 1));
    assert_eq!(computed(&calls, &failed, || of_any_type_with_a_handle(&calls)), (1, 1));
    assert_eq!((with_a_handle_entry(&calls).refresh(), calls.since()), (failed, 1));
    assert_eq!(with_a_handle_entry(&calls).get(), None);
}

#[test]
fn functions_share_errors_by_type() {
    let (calls, failed) = (Calls::default(), Fallible::<u32>::Err("down".into()));
    assert_eq!(computed(&calls, &failed, || behind_an_alias(&calls)), (1, 1));
    assert_eq!(computed(&calls, &Some(failed.clone()), || in_an_option(&calls)), (1, 1));
    assert_eq!(computed(&calls, &failed, || of_any_value(&calls)), (1, 1));
    assert_eq!(computed(&calls, &failed, || of_any_type(&calls)), (1, 1));
    assert_eq!(computed(&calls, &failed, || block_on(of_any_type_later(&calls))), (1, 1));
}

#[test]
fn callables_share_errors() {
    let (calls, failed, cache) = (Calls::default(), Fallible::<u32>::Err("down".into()), Cache::in_memory());
    let wrapped = cache.wrap("wrapped", |_: u8| down(&calls)).keep_if(|_| true);
    assert_eq!(computed(&calls, &failed, || wrapped.call(1)), (1, 1));
    assert_eq!(computed(&calls, &failed, || cache.call("called", &1, || down(&calls))), (1, 1));
    let ruled = cache.wrap_result("ruled", |_: u8| down(&calls)).keyed_by(|n| n + 1).keep_if(|_| false).version("2");
    assert_eq!(computed(&calls, &failed, || ruled.call(1)), (1, 1));
    let ahead = cache.wrap_result("ahead", {
        let calls = calls.clone();
        move |_: u8| down(&calls)
    });
    let ahead = ahead.refresh_after(Duration::from_secs(60));
    assert_eq!(computed(&calls, &failed, || ahead.call(1)), (1, 1));
    let later = cache.wrap_async("later", async |_: u8| down(&calls));
    assert_eq!(computed(&calls, &failed, || block_on(later.call(1))), (1, 1));
    let later = cache.wrap_result_async("later", async |_: u16| down(&calls)).keep_if(|_| true);
    assert_eq!(computed(&calls, &failed, || block_on(later.call(1))), (1, 1));
    let some = cache.wrap_result("some", |_: u8| down(&calls).map(Some)).only_some();
    assert_eq!(computed(&calls, &failed.map(Some), || some.call(1)), (1, 1));
}

#[derive(Clone, Debug, PartialEq)]
struct Unknown<'a>(&'a str);

#[memoize(cache = CACHE)]
fn borrows<'a>(name: &'a str) -> Result<u32, Unknown<'a>> {
    Err(Unknown(name))
}

#[memoize(cache = CACHE)]
async fn borrows_later(name: &str) -> Result<u32, Unknown<'_>> {
    Err(Unknown(name))
}

#[memoize(cache = CACHE)]
fn of_any_error<E: Clone + Send + From<u8>>(n: u8) -> Result<u32, E> {
    Err(n.into())
}

#[test]
fn errors_may_borrow() {
    let (name, cache) = (String::from("name"), Cache::in_memory());
    assert_eq!(borrows(&name), Err(Unknown("name")));
    assert_eq!(block_on(borrows_later(&name)), Err(Unknown("name")));
    assert_eq!(of_any_error::<u32>(1), Err(1));
    let wrapped = cache.wrap_result("wrapped", |_: u8| Result::<u8, _>::Err(Unknown(&name)));
    assert_eq!((*wrapped).call(1), Err(Unknown("name")));
}

#[test]
fn a_second_callable_of_a_name_computes_also_if_it_may_fail() {
    let (calls, cache) = (Calls::default(), Cache::in_memory());
    let first = cache.wrap_result("name", |n: u32| Fallible::Ok(n));
    let second = cache.wrap_result("name", |n: u32| {
        calls.one();
        Fallible::Ok(n + 1)
    });
    assert_eq!((first.call(1), second.call(1), second.call(1)), (Ok(1), Ok(2), Ok(2)));
    assert_eq!(calls.count(), 2);
    assert_eq!((second.entry(1).get(), second.entry(1).refresh()), (None, Ok(2)));
    assert!(second.entry(1).remove().is_err() && second.entry(1).key().is_err(), "it is the key of the first");
    assert_eq!(first.entry(1).get(), Some(Ok(1)));
}
