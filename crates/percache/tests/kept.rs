//! Which part of what a function returns is kept: the type says what an error is, options say the rest.

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

use common::counted::{called, calls, ready};
use percache::{Cache, memoize};
use serde::{Deserialize, Serialize};

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

type Fallible<T> = Result<T, String>;
type Perhaps<T> = Option<T>;

#[test]
fn the_type_says_what_an_error_is() {
    #[memoize(cache = CACHE)]
    fn by_alias(n: u32) -> Fallible<u32> {
        called();
        if n == 0 { Err("zero".into()) } else { Ok(n) }
    }
    #[memoize(cache = CACHE)]
    fn by_io(n: u32) -> std::io::Result<u32> {
        called();
        if n == 0 { Err(std::io::Error::other("zero")) } else { Ok(n) }
    }
    #[memoize(cache = CACHE)]
    fn in_an_option(n: u32) -> Option<std::io::Result<u32>> {
        called();
        (n < 2).then(|| by_io(n))
    }
    #[memoize(cache = CACHE)]
    fn generic<T: Serialize + for<'a> Deserialize<'a> + From<Fallible<u32>>>(n: u32) -> T {
        called();
        T::from(if n == 0 { Err("zero".into()) } else { Ok(n) })
    }
    for _ in 0..2 {
        assert!(by_alias(0).is_err() && by_io(0).is_err());
        assert!(generic::<Fallible<u32>>(0).is_err());
    }
    assert_eq!(calls(), 6, "errors are not kept");
    for _ in 0..2 {
        assert!(
            by_alias(1).is_ok() && by_io(1).is_ok() && in_an_option(1).unwrap().is_ok() && in_an_option(2).is_none()
        );
        assert!(generic::<Fallible<u32>>(1).is_ok());
    }
    assert_eq!(calls(), 5);
    assert!(in_an_option(0).unwrap().is_err() && in_an_option(0).unwrap().is_err());
    assert_eq!(calls(), 4);
}

#[test]
fn of_wrapped_callables_errors_are_not_kept_either() {
    let cache = Cache::in_memory();
    let checked = cache.wrap("checked", |n: u32| -> Fallible<u32> {
        called();
        if n == 0 { Err("zero".into()) } else { Ok(n) }
    });
    for _ in 0..2 {
        assert_eq!((checked.call(0), checked.call(1)), (Err("zero".into()), Ok(1)));
    }
    assert_eq!(calls(), 3);
    let failed = || Fallible::<u32>::Err("x".into());
    let compute = || {
        called();
        failed()
    };
    assert_eq!((cache.call("f", &1, compute), cache.call("f", &1, compute)), (failed(), failed()));
    assert_eq!(calls(), 2);
    let kept = cache.wrap("kept", |_: u32| compute()).keep_errors(std::time::Duration::from_secs(60));
    assert_eq!((kept.call(0), kept.call(0)), (failed(), failed()));
    assert_eq!(calls(), 1);
}

#[test]
fn none_and_what_does_not_suit_are_not_kept_if_asked() {
    #[memoize(cache = CACHE, keep_none = false)]
    fn found(n: u32) -> Perhaps<u32> {
        called();
        (n > 0).then_some(n)
    }
    #[memoize(cache = CACHE, keep_if = |text| !text.is_empty())]
    fn text(n: usize) -> String {
        called();
        "x".repeat(n)
    }
    #[memoize(cache = CACHE, keep_if = Option::is_some)]
    async fn later(n: u32) -> Option<u32> {
        called();
        (n > 0).then_some(n)
    }
    #[memoize(cache = CACHE, keep_if = |kept| matches!(kept, Err(error) if error != "down"), cache_err = "30s")]
    fn lasting(error: &str) -> Fallible<u32> {
        called();
        Err(error.to_owned())
    }
    for (n, computed) in [(0, 6), (1, 3)] {
        for _ in 0..2 {
            assert_eq!((found(n).is_some(), text(n as usize).len()), (n == 1, n as usize));
            assert_eq!(ready(later(n)).is_some(), n == 1);
        }
        assert_eq!(calls(), computed);
    }
    for (error, computed) in [("missing", 1), ("down", 2)] {
        assert!(lasting(error).is_err() && lasting(error).is_err());
        assert_eq!(calls(), computed);
    }
    let cache = Cache::in_memory();
    let some = cache.wrap("some", |n: u32| found(n)).only_some();
    let long = cache.wrap("long", |n: u32| n).keep_if(|n| *n > 1);
    assert_eq!((some.call(0), some.call(1), long.call(1), long.call(2)), (None, Some(1), 1, 2));
    assert_eq!(cache.stats().unwrap().results, 2);
}
