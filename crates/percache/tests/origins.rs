//! Functions of one name from several packages in one cache: what is cleared and counted is each one's own.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

use std::sync::LazyLock;

use percache::{Cache, Function, Package, memoize};

/// The results that the cache has under this name, by package.
fn packages(cache: &Cache, name: &str) -> Vec<String> {
    let entries = cache.entries().unwrap();
    let of_name = entries.iter().filter(|entry| entry.name == name);
    let mut packages: Vec<String> = of_name.map(|entry| entry.origin.as_ref().unwrap().to_string()).collect();
    packages.sort();
    packages
}

#[test]
fn a_callable_clears_the_results_of_its_own_package_alone() {
    let cache = Cache::in_memory();
    let [one, other] = ["one", "other"].map(|name| cache.wrap("f", |n: u64| n + 1).package(Package::named(name)));
    let anybodys = cache.wrap("f", |n: u64| n + 1);
    for n in 0..3 {
        assert_eq!((one.call(n), other.call(n), anybodys.call(n)), (n + 1, n + 1, n + 1));
    }
    assert_eq!(one.clear().unwrap().results, 3);
    assert_eq!((one.entry(0).get(), other.entry(0).get(), anybodys.entry(0).get()), (None, Some(1), Some(1)));
    assert_eq!(packages(&cache, "f"), ["any package", "any package", "any package", "other", "other", "other"]);
    assert_eq!(anybodys.clear().unwrap().results, 3);
    assert_eq!(packages(&cache, "f"), ["other", "other", "other"]);
    one.call(1);
    assert_eq!(cache.clear_function("f").unwrap().results, 4, "the name alone means all");
}

#[test]
fn functions_of_several_packages_are_counted_apart() {
    let cache = Cache::in_memory();
    for (name, calls) in [("one", 1), ("other", 2)] {
        let f = cache.for_package(Package::named(name)).wrap("f", |n: u64| n);
        (0..calls).for_each(|n| _ = f.call(n));
    }
    let functions = cache.functions().unwrap();
    let seen: Vec<_> = functions.iter().map(|f| (f.origin.as_ref().unwrap().to_string(), f.results)).collect();
    assert_eq!(seen, [("one".to_owned(), 1), ("other".to_owned(), 2)]);
}

#[test]
fn the_attribute_clears_and_counts_its_own_function() {
    static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);
    #[memoize(cache = CACHE, name = "g", handle)]
    fn g(n: u64) -> u64 {
        n
    }
    let stranger = Function::new("g").package(Package::named("stranger"));
    let key = stranger.key(&1u8).unwrap();
    CACHE.put(&stranger, key, &1u8).unwrap();
    (0..3).for_each(|n| _ = g(n));
    assert_eq!(g_cache().origin().package.as_deref(), Some("percache"));
    assert_eq!(g_cache().stats().unwrap().unwrap().results, 3);
    assert_eq!(g_cache().clear().unwrap().results, 3);
    assert_eq!(g_cache().stats().unwrap(), None);
    assert_eq!(CACHE.get(key), Some(1u8));
    assert_eq!(packages(&CACHE, "g"), ["stranger"]);
}
