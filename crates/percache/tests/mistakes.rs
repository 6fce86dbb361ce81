//! What the original percache did wrong when it was run, each with the right answer.

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

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use common::{Calls, TestClock, open};
use percache::{Cache, Code, Function, memoize};
use serde::Serialize;

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[test]
fn where_one_argument_ends_and_the_next_begins_matters() {
    #[memoize(cache = CACHE)]
    fn f(a: u32, b: u32) -> (u32, u32) {
        (a, b)
    }
    assert_eq!((f(1, 23), f(12, 3)), ((1, 23), (12, 3)));
}

#[test]
fn two_closures_are_apart() {
    let cache = Cache::in_memory();
    let double = cache.wrap("double", |n: u32| n * 2);
    let triple = cache.wrap("triple", |n: u32| n * 3);
    assert_eq!((double.call(2), triple.call(2)), (4, 6));
}

mod here {
    #[percache::memoize(cache = super::CACHE)]
    pub fn same_name(n: u32) -> String {
        format!("{} {n}", module_path!())
    }
}

mod there {
    #[percache::memoize(cache = super::CACHE)]
    pub fn same_name(n: u32) -> String {
        format!("{} {n}", module_path!())
    }
}

#[test]
fn functions_of_one_name_in_two_modules_are_apart() {
    assert_ne!(here::same_name(1), there::same_name(1));
}

#[test]
fn long_arrays_count_in_the_middle_too() {
    let cache = Cache::in_memory();
    let sum = cache.wrap("sum", |numbers: Vec<u64>| numbers.iter().sum::<u64>());
    let mut numbers = vec![1; 100_000];
    assert_eq!(sum.call(numbers.clone()), 100_000);
    numbers[50_000] = 2;
    assert_eq!(sum.call(numbers), 100_001);
}

#[test]
fn methods_of_short_lived_objects_depend_on_their_values() {
    #[derive(Serialize)]
    struct Account {
        balance: u32,
    }
    impl Account {
        #[memoize(cache = CACHE)]
        fn doubled(&self) -> u32 {
            self.balance * 2
        }
    }
    for balance in 0..200 {
        let account = Box::new(Account { balance });
        assert_eq!(account.doubled(), balance * 2);
    }
}

#[test]
fn another_body_is_another_result_and_the_old_one_comes_back_with_the_old_body() {
    // What an edit of the body does to the digest of its tokens; `attribute.rs` and the unit tests of the macros see to the rest.
    static OLD: Code = Code { digest: [1; 20], depends_on: &[] };
    static NEW: Code = Code { digest: [2; 20], depends_on: &[] };
    let cache = Cache::in_memory();
    let run = |code: &Code, result: u32| {
        let function = Function::new("f").code(code);
        let key = function.key(&()).unwrap();
        cache.run(&function, "", key, &percache::memo::kept::keep::Everything, || result)
    };
    assert_eq!(run(&OLD, 1), 1);
    assert_eq!(run(&NEW, 2), 2, "the edited body must run");
    assert_eq!(run(&OLD, 3), 1, "the old body's result is still there");
    assert_eq!(run(&NEW, 3), 2);
}

#[test]
fn sets_hit_whatever_their_iteration_order() {
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let sum = cache.wrap("sum", |set: HashSet<u32>| {
        calls.one();
        set.iter().sum::<u32>()
    });
    // Each HashSet has a hasher of its own and iterates in an order of its own.
    for _ in 0..20 {
        assert_eq!(sum.call((0..100).collect()), 4950);
    }
    assert_eq!(calls.count(), 1);
}

#[test]
fn the_forms_of_one_call_are_one_entry() {
    // Rust has one form of a call. What corresponds to a defaulted argument is an argument that is left out of a named set.
    let calls = Calls::default();
    let cache = Cache::in_memory();
    let f = cache.wrap("f", |named: BTreeMap<String, u32>| {
        calls.one();
        named.get("b").copied().unwrap_or(2)
    });
    let f = f.keyed_by(|named| (named.get("a").copied(), named.get("b").copied().unwrap_or(2)));
    let named = |pairs: &[(&str, u32)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    assert_eq!((f.call(named(&[("a", 1)])), f.call(named(&[("b", 2), ("a", 1)]))), (2, 2));
    assert_eq!(calls.count(), 1);
}

#[test]
fn a_hit_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let f = cache.wrap("f", |n: u32| n);
    f.call(1);
    cache.sync().unwrap();
    let files = || {
        let mut all = Vec::new();
        visit(dir.path(), &mut all);
        all.sort();
        all
    };
    let before = files();
    for _ in 0..10_000 {
        f.call(1);
    }
    assert_eq!(files(), before);
    assert_eq!(cache.entries().unwrap()[0].hits, 10_000, "and yet each of them counts");
}

fn visit(dir: &std::path::Path, all: &mut Vec<(std::path::PathBuf, std::time::SystemTime, u64)>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        all.push((entry.path(), metadata.modified().unwrap(), metadata.len()));
        if metadata.is_dir() {
            visit(&entry.path(), all);
        }
    }
}

#[test]
fn what_is_known_of_a_result_that_is_gone_does_no_harm() {
    use percache::backend::{Backend, MemoryBackend, Table};
    use std::sync::Arc;
    use std::time::Duration;

    let backend = Arc::new(MemoryBackend::new());
    let orphan = percache::Digest::of(b"orphan");
    backend.put(Table::Uses, &orphan, b"whatever").unwrap();
    let clock = TestClock::default();
    let cache = clock.builder().backend(backend.clone());
    cache.call("f", &1, || 1);
    clock.pass(10);
    assert_eq!(cache.clear(Some(Duration::from_secs(5))).unwrap().results, 1);
    assert_eq!(backend.get(Table::Uses, &orphan).unwrap(), None);
    assert_eq!(cache.stats().unwrap().results, 0);
}

#[test]
fn a_result_that_cannot_be_kept_is_returned() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Stubborn(u32);
    impl Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let cache = Cache::in_memory();
    let f = cache.wrap("f", Stubborn);
    assert_eq!(f.call(7), Stubborn(7));
    let g = cache.wrap("g", |argument: Stubborn| argument.0);
    assert_eq!(g.call(Stubborn(8)), 8, "nor do arguments that cannot be told apart keep a function from running");
}

#[test]
fn an_empty_cache_says_so() {
    assert_eq!(Cache::in_memory().stats().unwrap().to_string(), "Number of cached results : 0\nThe cache is empty");
}

#[cfg(feature = "rocksdb")]
#[test]
fn clear_gives_the_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let size = || {
        let mut all = Vec::new();
        visit(dir.path(), &mut all);
        all.iter().map(|(_, _, size)| size).sum::<u64>()
    };
    let f = cache.wrap("f", |n: u64| -> Vec<u64> { (0..20_000).map(|m| m ^ (n << 32)).collect() });
    for n in 0..100 {
        f.call(n);
    }
    cache.sync().unwrap();
    let full = size();
    assert!(full > 10_000_000, "{full}");
    assert_eq!(cache.clear(None).unwrap().results, 100);
    assert!(size() < full / 10, "{} of {full} are left", size());
}
