//! What can be done with one call of a memoized function, and with all of them.

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

use common::counted::{called, calls, calls_so_far, ready};
use percache::{Cache, memoize};
use serde::Serialize;

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

/// What is true of every memoized function: `f(1)` and its entry.
macro_rules! assert_works {
    ($call:expr, $entry:expr) => {
        calls();
        assert_eq!($entry.get(), None);
        let value = $call;
        assert_eq!((calls(), $entry.get()), (1, Some(value.clone())));
        assert_eq!(($entry.uncached(), calls()), (value.clone(), 1));
        assert_eq!(($entry.refresh(), calls()), (value.clone(), 1));
        assert_eq!(($call, calls()), (value.clone(), 0));
        let key = $entry.key().unwrap();
        assert!(CACHE.entries().unwrap().iter().any(|entry| entry.key == key));
        $entry.remove().unwrap();
        assert!(!CACHE.entries().unwrap().iter().any(|entry| entry.key == key));
        assert_eq!(($entry.get(), calls()), (None, 0));
        $entry.remove().unwrap();
        assert_eq!(($call, calls()), (value, 1));
    };
}

mod shapes {
    #[percache::memoize(cache = super::CACHE, handle)]
    pub fn area(width: u64, label: &str) -> String {
        super::called();
        format!("{label}{width}")
    }
}

#[test]
fn free_functions_have_entries() {
    let label = String::from("x");
    assert_works!(shapes::area(1, &label), shapes::area_entry(1, &label));
    shapes::area(2, "x");
    let all = shapes::area_cache();
    assert_eq!(all.name(), "handles::shapes::area");
    assert_eq!(all.stats().unwrap().unwrap().results, 2);
    assert_eq!(all.clear().unwrap().results, 2);
    assert_eq!(all.stats().unwrap(), None);
}

#[derive(Clone, Serialize)]
struct Scale<T>(T);

impl<T: Copy + Serialize + Into<f64>> Scale<T> {
    #[memoize(cache = CACHE, handle)]
    fn apply(&self, mut by: f64) -> f64 {
        called();
        by += 0.0;
        self.0.into() * by
    }

    #[memoize(cache = CACHE, handle = Self::unit)]
    fn one(n: u64) -> u64 {
        called();
        n
    }
}

#[test]
fn methods_and_associated_functions_have_entries() {
    let scale = Scale(2.0f32);
    assert_works!(scale.apply(3.0), scale.apply_entry(3.0));
    assert_works!(Scale::<u8>::one(3), Scale::<u8>::unit_entry(3));
    Scale(2u8).apply(3.0);
    assert_eq!(Scale::<f32>::apply_cache().name(), "handles::Scale<f32>::apply");
    assert_eq!(Scale::<f32>::apply_cache().clear().unwrap().results, 1);
    assert_eq!(Scale(2u8).apply_entry(3.0).get(), Some(6.0), "another instance is another function");
    assert_eq!(Scale::<u8>::unit_cache().clear().unwrap().results, 1);
}

#[test]
fn generic_functions_in_blocks_have_entries() {
    #[memoize(cache = CACHE, handle)]
    fn size<T: Default + Serialize, const N: usize>((a, b): (u8, u8), _: &[u8]) -> String {
        called();
        format!("{} {N} {}", std::any::type_name::<T>(), a + b)
    }
    assert_works!(size::<u8, 2>((1, 2), &[0; 2]), size_entry::<u8, 2>((1, 2), &[0; 2]));
    size::<u16, 2>((1, 2), &[0; 2]);
    assert_eq!(size_cache::<u8, 2>().clear().unwrap().results, 1);
    assert!(size_entry::<u16, 2>((1, 2), &[0; 2]).get().is_some());
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn async_functions_have_entries() {
    #[memoize(cache = CACHE, handle)]
    async fn fetch(url: &str, n: u32) -> Result<String, String> {
        called();
        std::future::ready(()).await;
        if url.is_empty() { Err("no url".into()) } else { Ok(format!("{url} {n}")) }
    }
    assert_eq!(ready(fetch_entry("u", 1).get()), None);
    let value = ready(fetch("u", 1));
    assert_eq!((ready(fetch_entry("u", 1).get()), calls()), (Some(value.clone()), 1));
    assert_eq!((ready(fetch_entry("u", 1).uncached()), calls()), (value.clone(), 1));
    assert_eq!((ready(assert_send(fetch_entry("u", 1).refresh())), calls()), (value, 1));
    assert_eq!(fetch_entry("u", 1).key().unwrap(), fetch_entry("u", 1).key().unwrap());
    fetch_entry("u", 1).remove().unwrap();
    assert_eq!((ready(fetch_entry("u", 1).get()), calls()), (None, 0));
    assert!(ready(fetch_entry("", 1).refresh()).is_err());
    assert_eq!(fetch_cache().stats().unwrap(), None);
}

#[test]
fn a_handle_does_not_show_in_the_name() {
    #[memoize(cache = cache, key = (), handle)]
    fn f(cache: &Cache) -> u8 {
        1
    }
    let cache = Cache::in_memory();
    f(&cache);
    assert_eq!(cache.entries().unwrap()[0].name, "handles::a_handle_does_not_show_in_the_name::f");
}

#[test]
fn a_cache_of_the_arguments_has_entries() {
    struct Client {
        cache: Cache,
    }
    impl Client {
        #[memoize(cache = self.cache, key = n, handle)]
        fn get(&self, n: u8) -> u8 {
            called();
            n
        }
    }
    let client = Client { cache: Cache::in_memory() };
    assert_eq!((client.get(1), client.get_entry(1).refresh(), calls()), (1, 1, 2));
    client.get_entry(1).remove().unwrap();
    assert_eq!(client.get_entry(1).get(), None);
}

#[test]
fn errors_of_the_body_are_not_kept_by_a_refresh() {
    #[memoize(cache = CACHE, handle)]
    fn odd(n: i32) -> Result<i32, String> {
        called();
        if calls_so_far() > 1 { Err("no more".into()) } else { Ok(n) }
    }
    assert_eq!(odd(1), Ok(1));
    assert_eq!(odd_entry(1).refresh(), Err("no more".into()));
    assert_eq!(odd(1), Ok(1), "what was good stays");
}

#[test]
fn recursion_within_a_refresh_uses_the_cache() {
    #[memoize(cache = CACHE, handle)]
    fn fib(n: u64) -> u64 {
        called();
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    assert_eq!(fib(30), 832_040);
    assert_eq!(calls(), 31);
    assert_eq!((fib_entry(30).refresh(), calls()), (832_040, 1));
    assert_eq!((fib_entry(30).uncached(), calls()), (832_040, 1));
}

#[test]
fn closures_have_entries() {
    let add = CACHE.wrap("add", |(a, b): (u64, u64)| {
        called();
        a + b
    });
    assert_works!(add.call((1, 2)), add.entry((1, 2)));
    assert_eq!(add.clear().unwrap().results, 1);
    assert_eq!(add.entry((1, 2)).get(), None);
}

#[test]
fn closures_of_futures_are_wrapped() {
    let cache = Cache::in_memory();
    let fetch = cache.wrap_result_async("fetch", |url: String| async move {
        called();
        std::future::ready(()).await;
        if url.is_empty() { Err("no url") } else { Ok(url.len()) }
    });
    for _ in 0..2 {
        assert_eq!(ready(assert_send(fetch.call("four".into()))), Ok(4));
    }
    assert_eq!(calls(), 1);
    for _ in 0..2 {
        assert!(ready(fetch.call(String::new())).is_err());
    }
    assert_eq!(calls(), 2, "errors are not kept");
    assert_eq!((ready(fetch.entry("four".into()).refresh()), calls()), (Ok(4), 1));
    fetch.entry("four".into()).remove().unwrap();
    assert_eq!(ready(fetch.entry("four".into()).get()), None);
    let key = cache.wrap("fetch", |_: String| 0).key(&"four".to_owned()).unwrap();
    assert_eq!(fetch.entry("four".into()).key().unwrap(), key, "the name and the arguments are all that counts");
}

#[test]
fn entries_tell_the_arguments() {
    let cache = Cache::in_memory();
    #[memoize(cache = cache, skip(cache, password))]
    fn login(cache: &Cache, user: &str, password: &str) -> usize {
        user.len() + password.len()
    }
    #[memoize(cache = cache, skip(cache), describe = false)]
    fn secret(cache: &Cache, token: &str) -> usize {
        token.len()
    }
    #[memoize(cache = cache, key = n / 10)]
    fn tens(cache: &Cache, n: u32) -> u32 {
        n / 10
    }
    login(&cache, "a\nb", "hunter2");
    secret(&cache, "hunter3");
    tens(&cache, 123);
    cache.call("length", &("x", 1), || 1);
    cache.wrap("wrapped", |n: u8| n).call(7);
    let entries = cache.entries().unwrap();
    let of = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name.ends_with(name)).unwrap();
        entry.arguments.clone()
    };
    assert_eq!(of("login").as_deref(), Some(r#"("a\nb")"#));
    assert_eq!(of("secret"), None);
    assert_eq!(of("tens").as_deref(), Some("12"));
    assert_eq!(of("length").as_deref(), Some(r#"("x", 1)"#));
    assert_eq!(of("wrapped").as_deref(), Some("7"));
}

#[test]
fn what_a_function_changes_can_be_skipped() {
    #[memoize(cache = CACHE, skip(counter, log), handle)]
    fn count(counter: &mut u32, n: u32, #[cfg(any())] missing: u32, log: &mut Vec<u32>) -> u32 {
        *counter += n;
        log.push(n);
        n
    }
    let (mut counter, mut log) = (0, Vec::new());
    assert_eq!(count_entry(&mut counter, 2, &mut log).refresh(), 2);
    assert_eq!(count(&mut counter, 2, &mut log), 2);
    assert_eq!((counter, log.len()), (2, 1));
}

#[test]
fn a_cache_can_be_told_not_to_keep_arguments() {
    let cache = Cache::builder().describe_arguments(false).backend(percache::backend::MemoryBackend::new());
    cache.wrap("f", |n: u8| n).call(7);
    assert_eq!(cache.entries().unwrap()[0].arguments, None);
}

#[cfg(feature = "compression")]
#[test]
fn large_results_are_compressed_where_they_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let text = |n: u64| format!("{n} ").repeat(50_000);
    let cache = common::open_with(Cache::builder().compress_above(10_000), dir.path());
    let (large, small) = (cache.wrap("large", text), cache.wrap("small", |n: u64| n));
    assert_eq!((large.call(7), small.call(7)), (text(7), 7));
    let function = percache::Function::new("bytes");
    let key = function.key(&7).unwrap();
    cache.put_bytes(&function, key, text(8).as_bytes()).unwrap();
    assert!(cache.stats().unwrap().bytes < 5_000, "{}", cache.stats().unwrap());
    assert_eq!(large.call(7), text(7));
    cache.close().unwrap();
    // Whoever opens it reads it, whatever it asks for itself.
    let cache = common::open(dir.path());
    let large = cache.wrap("large", |_: u64| -> String { unreachable!("a miss") });
    assert_eq!(large.call(7), text(7));
    assert_eq!(large.call(7), text(7), "and again, from memory");
    assert_eq!(cache.get_bytes(&function, key).unwrap(), text(8).as_bytes());
    assert_eq!(cache.get::<String>(key), None, "bytes are no value");
    assert!(cache.verify(false).unwrap().is_clean());
}
