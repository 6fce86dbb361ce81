//! `#[memoize]` and its options.

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

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use common::counted::{called, calls, ready};
use percache::{Cache, memoize};
use serde::{Deserialize, Serialize};

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[test]
fn recursion_computes_each_value_once() {
    #[memoize(cache = CACHE)]
    fn fib(n: u64) -> u64 {
        called();
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    assert_eq!(fib(80), 23_416_728_348_467_685);
    assert_eq!(calls(), 81);
}

#[test]
fn patterns_and_mutable_arguments_work() {
    #[memoize(cache = CACHE)]
    fn f((a, b): (u32, u32), mut c: u32, [first, ..]: [u32; 3]) -> u32 {
        called();
        c += 1;
        a * 1000 + b * 100 + c * 10 + first
    }
    for _ in 0..2 {
        assert_eq!(f((1, 2), 3, [4, 5, 6]), 1244);
    }
    assert_eq!(calls(), 1);
    assert_eq!(f((1, 2), 3, [4, 5, 7]), 1244);
    assert_eq!(calls(), 1, "what the pattern leaves out is an argument too");
}

#[test]
fn borrowed_arguments_work() {
    #[memoize(cache = CACHE)]
    fn join(parts: &[&str], with: &str) -> String {
        called();
        parts.join(with)
    }
    for _ in 0..2 {
        assert_eq!(join(&["a", "b"], ", "), "a, b");
        assert_eq!(join(&["a, b"], ""), "a, b");
    }
    assert_eq!(calls(), 2);
}

#[test]
fn early_returns_and_question_marks_work() {
    #[memoize(cache = CACHE)]
    fn half(n: i32) -> Option<i32> {
        called();
        if n % 2 == 1 {
            return None;
        }
        let digit = n.to_string().chars().next()?;
        Some(n / 2 + digit as i32 - digit as i32)
    }
    for _ in 0..2 {
        assert_eq!((half(3), half(4)), (None, Some(2)));
    }
    assert_eq!(calls(), 2, "None is a result like any other");
}

#[test]
fn of_a_result_only_ok_is_kept() {
    #[memoize(cache = CACHE)]
    fn checked(n: i32) -> Result<i32, std::num::ParseIntError> {
        called();
        if n < 0 { "x".parse() } else { Ok(n) }
    }
    for _ in 0..3 {
        assert_eq!(checked(1), Ok(1));
    }
    assert_eq!(calls(), 1);
    for _ in 0..3 {
        assert!(checked(-1).is_err());
    }
    assert_eq!(calls(), 3);
}

#[test]
fn errors_are_kept_for_a_time_if_asked() {
    let clock = common::TestClock::default();
    let cache = clock.builder().in_memory_for_test();
    #[memoize(cache = *cache, cache_err = "30s")]
    fn fails(cache: &Cache2, n: i32) -> Result<i32, String> {
        called();
        if n < 0 { Err(format!("{n} is negative")) } else { Ok(n) }
    }
    let cache = Cache2(cache);
    for _ in 0..3 {
        assert_eq!(fails(&cache, -1), Err("-1 is negative".into()));
        assert_eq!(fails(&cache, 1), Ok(1));
    }
    assert_eq!(calls(), 2);
    clock.pass(31);
    assert_eq!(fails(&cache, -1), Err("-1 is negative".into()));
    assert_eq!(fails(&cache, 1), Ok(1));
    assert_eq!(calls(), 1, "only the error is too old");
}

/// A cache that can be an argument, of which nothing counts.
struct Cache2(Cache);

impl std::ops::Deref for Cache2 {
    type Target = Cache;
    fn deref(&self) -> &Cache {
        &self.0
    }
}

impl Serialize for Cache2 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

trait InMemoryForTest {
    fn in_memory_for_test(self) -> Cache;
}

impl InMemoryForTest for percache::CacheBuilder {
    fn in_memory_for_test(self) -> Cache {
        self.backend(percache::backend::MemoryBackend::new())
    }
}

#[test]
fn what_is_older_than_maxage_is_computed_again() {
    let clock = common::TestClock::default();
    let cache = Cache2(clock.builder().in_memory_for_test());
    #[memoize(cache = *cache, maxage = "7d", skip(cache))]
    fn fetch(cache: &Cache2, n: u32) -> u32 {
        called();
        n
    }
    fetch(&cache, 1);
    clock.pass(7 * 86_400 - 1);
    fetch(&cache, 1);
    assert_eq!(calls(), 1);
    clock.pass(1);
    fetch(&cache, 1);
    assert_eq!(calls(), 1);
    fetch(&cache, 1);
    assert_eq!(calls(), 0);
}

#[test]
fn skipped_arguments_do_not_count_and_need_not_be_serialisable() {
    struct Connection(u32);
    #[memoize(cache = CACHE, skip(connection))]
    fn query(connection: &Connection, text: &str) -> String {
        called();
        format!("{text} by {}", connection.0)
    }
    assert_eq!(query(&Connection(1), "x"), "x by 1");
    assert_eq!(query(&Connection(2), "x"), "x by 1");
    assert_eq!(calls(), 1);
}

#[test]
fn a_key_expression_is_all_that_counts() {
    #[memoize(cache = CACHE, key = (text.to_lowercase(), n % 10))]
    fn f(text: &str, n: u32) -> String {
        called();
        format!("{text} {n}")
    }
    assert_eq!(f("A", 1), "A 1");
    assert_eq!(f("a", 11), "A 1");
    assert_eq!(calls(), 1);
    assert_eq!(f("a", 12), "a 12");
    assert_eq!(calls(), 1);
}

#[test]
fn instances_of_generic_functions_are_apart() {
    #[memoize(cache = CACHE)]
    fn name<T: Default + Serialize>(n: u32) -> String {
        called();
        format!("{} {n}", std::any::type_name::<T>())
    }
    assert_eq!((name::<u8>(1), name::<u16>(1)), ("u8 1".into(), "u16 1".into()));
    assert_eq!((name::<u8>(1), name::<u16>(1)), ("u8 1".into(), "u16 1".into()));
    assert_eq!(calls(), 2);
    #[memoize(cache = CACHE, name = "sized")]
    fn sized<const N: usize>() -> usize {
        called();
        N
    }
    assert_eq!((sized::<1>(), sized::<2>(), sized::<1>()), (1, 2, 1));
    assert_eq!(calls(), 2);
}

#[derive(Serialize)]
struct Scale<T>(T);

impl<T: Serialize + Copy + Into<f64>> Scale<T> {
    #[memoize(cache = CACHE)]
    fn apply(&self, n: f64) -> f64 {
        called();
        self.0.into() * n
    }

    /// Names neither `self` nor `Self` nor `T` in a place where the attribute could see it.
    #[memoize(cache = CACHE)]
    fn size(n: usize) -> usize {
        called();
        n * size_of::<T>()
    }
}

trait Named {
    fn name(&self, n: u32) -> String;
}

#[derive(Serialize)]
struct One;
#[derive(Serialize)]
struct Two;

impl Named for One {
    #[memoize(cache = CACHE)]
    fn name(&self, n: u32) -> String {
        format!("one {n}")
    }
}

impl Named for Two {
    #[memoize(cache = CACHE)]
    fn name(&self, n: u32) -> String {
        format!("two {n}")
    }
}

#[test]
fn methods_depend_on_their_object_and_its_type() {
    assert_eq!((Scale(2u8).apply(1.5), Scale(3u8).apply(1.5), Scale(2u8).apply(1.5)), (3.0, 4.5, 3.0));
    assert_eq!(calls(), 2);
    assert_eq!((Scale::<u8>::size(3), Scale::<f64>::size(3), Scale::<u8>::size(3)), (3, 24, 3));
    assert_eq!(calls(), 2);
    assert_eq!((One.name(1), Two.name(1)), ("one 1".into(), "two 1".into()));
}

#[test]
fn async_functions_and_methods_work() {
    #[memoize(cache = CACHE)]
    async fn add(a: u32, (b, _): (u32, u32)) -> u32 {
        called();
        std::future::ready(a).await + b
    }
    #[memoize(cache = CACHE)]
    async fn fallible(text: &str) -> Result<u32, std::num::ParseIntError> {
        called();
        let n: u32 = text.parse()?;
        if n == 1 {
            return Ok(100);
        }
        Ok(n)
    }
    #[derive(Serialize, Deserialize)]
    struct Client(u32);
    impl Client {
        #[memoize(cache = CACHE)]
        async fn get(&self, n: u32) -> u32 {
            called();
            self.0 + n
        }
    }
    for _ in 0..2 {
        assert_eq!(ready(add(1, (2, 0))), 3);
        assert_eq!((ready(fallible("1")), ready(fallible("2"))), (Ok(100), Ok(2)));
        assert_eq!(ready(Client(1).get(2)), 3);
    }
    assert_eq!(calls(), 4);
    assert!(ready(fallible("x")).is_err() && ready(fallible("x")).is_err());
    assert_eq!(calls(), 2);
}

#[test]
fn futures_of_memoized_functions_can_move_between_threads() {
    #[memoize(cache = CACHE)]
    async fn f(n: u32) -> u32 {
        n
    }
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(ready(is_send(f(1))), 1);
}

#[test]
fn other_attributes_and_lints_are_untouched() {
    static DROPS: AtomicU32 = AtomicU32::new(0);
    struct Droppable;
    impl Drop for Droppable {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::SeqCst);
        }
    }
    #[must_use]
    #[memoize(cache = CACHE, skip(_droppable))]
    fn f(_droppable: Droppable, n: u32) -> u32 {
        n
    }
    assert_eq!(f(Droppable, 1) + f(Droppable, 1), 2);
    assert_eq!(DROPS.load(Ordering::SeqCst), 2, "arguments are dropped on a hit as well");
}
