//! What tells functions apart that look alike, and what of their code counts.

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
use percache::{Cache, memoize, package};
use serde::Serialize;

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[test]
fn functions_of_one_name_and_code_in_two_blocks_are_apart() {
    let first = {
        fn rate() -> u32 {
            19
        }
        #[memoize(cache = CACHE)]
        fn tax(amount: u32) -> u32 {
            amount * rate()
        }
        tax(10)
    };
    let second = {
        fn rate() -> u32 {
            7
        }
        #[memoize(cache = CACHE)]
        fn tax(amount: u32) -> u32 {
            amount * rate()
        }
        tax(10)
    };
    assert_eq!((first, second), (190, 70));
}

#[test]
fn functions_that_a_macro_makes_are_apart() {
    macro_rules! tax {
        ($rate:expr) => {{
            fn rate() -> u32 {
                $rate
            }
            #[memoize(cache = CACHE)]
            fn tax(amount: u32) -> u32 {
                called();
                amount * rate()
            }
            tax
        }};
    }
    let (high, low) = (tax!(19), tax!(7));
    assert_eq!((high(10), low(10), high(10), low(10)), (190, 70, 190, 70));
    assert_eq!(calls(), 2);
}

#[test]
fn methods_of_local_types_of_one_name_are_apart() {
    macro_rules! area {
        ($factor:expr) => {{
            #[derive(Serialize)]
            struct Shape(u32);
            impl Shape {
                fn factor(&self) -> u32 {
                    $factor
                }
                #[memoize(cache = CACHE)]
                fn area(&self) -> u32 {
                    self.0 * self.factor()
                }
            }
            Shape(10).area()
        }};
    }
    assert_eq!((area!(2), area!(3)), (20, 30));
}

trait Priced {
    fn price(&self) -> u32;

    #[memoize(cache = CACHE, skip(self))]
    fn total(&self, pieces: u32) -> u32 {
        called();
        self.price() * pieces
    }
}

struct Apple;
struct Pear;

impl Priced for Apple {
    fn price(&self) -> u32 {
        2
    }
}

impl Priced for Pear {
    fn price(&self) -> u32 {
        3
    }
}

#[test]
fn a_default_method_is_another_one_for_each_type() {
    for _ in 0..2 {
        assert_eq!((Apple.total(10), Pear.total(10)), (20, 30));
    }
    assert_eq!(calls(), 2);
}

#[test]
fn what_is_not_compiled_is_no_code() {
    mod plain {
        #[percache::memoize(cache = super::CACHE, name = "conditional")]
        pub fn f(n: u32) -> u32 {
            super::called();
            n + 1
        }
    }
    mod off {
        #[percache::memoize(cache = super::CACHE, name = "conditional")]
        pub fn f(n: u32) -> u32 {
            #[cfg(any())]
            let n = n * 2;
            super::called();
            n + 1
        }
    }
    mod on {
        #[percache::memoize(cache = super::CACHE, name = "conditional")]
        pub fn f(n: u32) -> u32 {
            #[cfg(not(any()))]
            let n = n * 2;
            super::called();
            n + 1
        }
    }
    assert_eq!((plain::f(1), off::f(1), calls()), (2, 2, 1));
    assert_eq!((on::f(1), calls()), (3, 1));
    mod asked {
        #[percache::memoize(cache = super::CACHE, name = "asked")]
        pub fn f(n: u32) -> u32 {
            if cfg!(not(any())) { n } else { 0 }
        }
    }
    mod asked_otherwise {
        #[percache::memoize(cache = super::CACHE, name = "asked")]
        pub fn f(n: u32) -> u32 {
            if cfg!(any()) { n } else { 0 }
        }
    }
    assert_eq!((asked::f(1), asked_otherwise::f(1)), (1, 0));
}

#[test]
fn arguments_may_be_conditional() {
    #[memoize(cache = CACHE)]
    fn f(
        n: u32,
        #[cfg(any())] missing: std::collections::HashMap<u8, u8>,
        #[cfg(not(any()))] (a, b): (u32, u32),
    ) -> u32 {
        called();
        n + a * b
    }
    assert_eq!((f(1, (2, 3)), f(1, (2, 3)), f(1, (2, 4)), calls()), (7, 7, 9, 2));
}

#[test]
fn a_receiver_can_be_skipped_and_so_can_what_is_changed() {
    struct Client {
        cache: Cache,
        requests: u32,
    }
    impl Client {
        #[memoize(cache = self.cache, skip(self))]
        fn get(&self, n: u32) -> u32 {
            called();
            n + self.requests
        }
        #[memoize(cache = self.cache, skip(self))]
        fn fetch(&mut self, n: u32) -> u32 {
            self.requests += 1;
            n
        }
        #[memoize(cache = self.cache, skip(self, log))]
        async fn fetch_later(&mut self, log: &mut Vec<u32>, n: u32) -> u32 {
            log.push(n);
            self.requests += 1;
            n
        }
        #[memoize(cache = self.cache, skip(self))]
        fn consume(self, n: u32) -> u32 {
            n + self.requests
        }
    }
    let mut client = Client { cache: Cache::in_memory(), requests: 0 };
    assert_eq!((client.fetch(5), client.fetch(5), client.requests), (5, 5, 1));
    assert_eq!((client.get(1), client.get(1), calls()), (2, 2, 1));
    let mut log = Vec::new();
    for _ in 0..2 {
        assert_eq!(ready(client.fetch_later(&mut log, 7)), 7);
    }
    assert_eq!((log, client.requests), (vec![7], 2));
    assert_eq!(client.consume(1), 3);
}

#[test]
fn a_cache_may_be_an_argument_that_the_body_takes() {
    #[memoize(cache = cache, skip(cache))]
    fn f(cache: Cache, n: u32) -> u32 {
        called();
        drop(cache);
        n
    }
    let cache = Cache::in_memory();
    assert_eq!((f(cache.clone(), 1), f(cache, 1), calls()), (1, 1, 1));
}

mod facade {
    pub mod inner {
        pub use ::percache;
    }
}

#[test]
fn the_crate_may_be_somewhere_else() {
    #[memoize(cache = CACHE, crate = facade::inner::percache)]
    fn by_path(n: u32) -> u32 {
        n
    }
    #[memoize(cache = CACHE, crate = "facade::inner::percache", depends_on(helper), keep_none = false)]
    fn by_text(n: u32) -> Option<u32> {
        Some(helper(n))
    }
    #[percache::tracked(crate = "crate::facade::inner::percache")]
    fn helper(n: u32) -> u32 {
        n
    }
    assert_eq!((by_path(1), by_text(1)), (1, Some(1)));
}

#[test]
fn names_are_those_of_a_package_if_asked() {
    let cache = Cache::in_memory();
    let [here, there] = ["here", "there"].map(|name| cache.for_package(percache::Package::named(name)));
    assert_eq!((here.wrap("f", |n: u32| n).call(1), there.wrap("f", |n: u32| n + 1).call(1)), (1, 2));
    assert_eq!((here.call("g", &1, || 1), there.call("g", &1, || 2)), (1, 2));
    let own = cache.wrap("f", |n: u32| n + 2).package(package!());
    let versions = cache.wrap("f", |n: u32| n + 3).package(package!("package"));
    assert_eq!((own.call(1), versions.call(1)), (3, 4));
}

#[test]
fn two_closures_of_one_name_do_not_share_results() {
    let cache = Cache::in_memory();
    let double = cache.wrap("f", |n: u32| n * 2);
    let triple = cache.wrap("f", |n: u32| n * 3);
    for _ in 0..2 {
        assert_eq!((double.call(2), triple.call(2)), (4, 6));
    }
    let again = cache.wrap("f", |n: u32| n * 3).version("2");
    assert_eq!((again.call(2), cache.stats().unwrap().results), (6, 2));
    for n in 0..2 {
        // The closure is the same each time.
        let loops = cache.wrap("loop", |n: u32| {
            called();
            n
        });
        assert_eq!((loops.call(7), calls()), (7, u32::from(n == 0)));
    }
}

#[test]
fn arguments_of_a_wrapped_closure_may_be_local_to_a_loop() {
    fn trimmed(text: &&str) -> String {
        text.trim().to_owned()
    }
    let cache = Cache::in_memory();
    let length = cache.wrap("length", |text: &str| text.len());
    let joined = cache.wrap("joined", |(a, b): (&str, &[u8])| format!("{a}{b:?}"));
    let keyed = cache.wrap("keyed", |text: &str| text.len()).keyed_by(trimmed);
    for n in 0..3u8 {
        let (text, bytes) = (format!("text {n}"), vec![n]);
        assert_eq!(length.call(&text), 6);
        assert_eq!(joined.call((&text, &bytes)), format!("text {n}[{n}]"));
        assert_eq!(keyed.call(&text), 6);
        let name = format!("local {n}");
        assert_eq!(cache.wrap(&name, |n: u8| n).call(n), n);
    }
    assert_eq!(cache.stats().unwrap().results, 12);
}

#[test]
fn how_far_results_are_shared_is_part_of_the_key() {
    macro_rules! shared {
        ($($level:literal)?) => {{
            #[memoize(cache = CACHE, name = "shared" $(, share = $level)?)]
            fn f(n: u32) -> u32 {
                called();
                n
            }
            f as fn(u32) -> u32
        }};
    }
    for f in [shared!(), shared!("version"), shared!("package"), shared!("everyone")] {
        assert_eq!((f(1), f(1), calls()), (1, 1, 1));
    }
    assert_eq!((shared!("source")(1), calls()), (1, 0), "this is how it is without the option");
}
