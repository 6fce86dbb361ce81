//! What a hit and a miss cost, beside what others take for the same and beside what cannot be avoided.
//!
//! ```text
//! cargo bench -p percache --bench memo --profile release
//! ```
//!
//! - `percache`: the result is in the hot layer; `percache, from the store`: it is not.
//! - `percache, from files`: the store is `Cache::open_files`.
//! - `cached`: the crate of that name, with its store on disk (redb).
//! - `bare rocksdb`: a RocksDB get of the same record from the same database, under a key that is computed already, and decoding it.
//! - `bare redb`: the same of redb.
//! - `memcpy and SHA-1`: what a checked value of this size costs at the least.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use cached::ConcurrentCached;
use cached::RedbCache;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use percache::backend::database::COLUMNS;
use percache::db::engine::Engine;
use percache::db::rocks::RocksEngine;
use percache::memo::key::encoding::decode;
use percache::memo::results::record::open;
use percache::{Cache, Digest, memoize};
use redb::{Database, ReadableDatabase, TableDefinition};
use rocksdb::{DB, Options};

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// Different calls, so that neither the processor nor a store can get used to one of them.
const CALLS: u64 = 1_000;

static CACHE: LazyLock<(tempfile::TempDir, Cache)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory for the benchmark");
    let cache = Cache::open(dir.path()).expect("a cache for the benchmark");
    (dir, cache)
});

fn text(n: u64, length: usize) -> String {
    let mut text = n.to_string();
    text.extend(std::iter::repeat_n('x', length - text.len()));
    text
}

/// One function wherever it is wrapped: two closures of one name would not share their results.
fn computed((n, length): (u64, usize)) -> String {
    text(n, length)
}

/// Stops a benchmark of hits that measures misses.
fn assert_full(cache: &Cache) {
    assert_eq!(cache.stats().expect("figures").misses, 0);
}

#[memoize(cache = CACHE.1)]
fn small(n: u64, length: usize) -> String {
    text(n, length)
}

struct Cycle(u64, u64);

impl Cycle {
    fn next(&mut self) -> u64 {
        self.0 = (self.0 + 1) % self.1;
        self.0
    }
}

/// A cache of files with these results.
fn filled_files(dir: &Path, calls: u64, length: usize) -> Cache {
    let cache = Cache::builder().hot_bytes(0).open_files(dir).expect("a cache");
    let f = cache.wrap("text", computed);
    (0..calls).for_each(|n| drop(f.call((n, length))));
    cache
}

fn filled(dir: &Path, hot: usize, calls: u64, length: usize) -> Cache {
    let opened = || Cache::builder().hot_bytes(hot).open(dir).expect("a cache");
    let fill = |cache: &Cache| {
        let f = cache.wrap("text", computed);
        (0..calls).for_each(|n| drop(f.call((n, length))));
    };
    let cache = opened();
    fill(&cache);
    cache.close().expect("closed");
    // From the tail into the database, where the results of all but the last minutes of a program are.
    let engine = RocksEngine::new(dir, COLUMNS, "bench");
    engine.session(Duration::from_secs(10)).and_then(|session| session.commit()).expect("committed");
    let cache = opened();
    fill(&cache);
    cache
}

/// The database that percache has filled, without percache.
fn bare_rocksdb(dir: &Path) -> DB {
    let columns = COLUMNS.iter().map(|column| (column.name, Options::default()));
    DB::open_cf_with_opts_for_read_only(&Options::default(), dir.join("db"), columns, false).expect("a database")
}

fn redb(dir: &Path, calls: u64, length: usize) -> RedbCache<String, String> {
    let cache = RedbCache::builder("bench").disk_dir(dir).durable(false).build().expect("a cache");
    for n in 0..calls {
        cache.cache_set(format!("{n} {length}"), text(n, length)).expect("set");
    }
    cache
}

/// The same records in redb, without percache.
fn bare_redb(path: &Path, records: &[(Digest, Vec<u8>)]) -> Database {
    let db = Database::create(path).expect("a database");
    let write = db.begin_write().expect("a transaction");
    {
        let mut table = write.open_table(RECORDS).expect("a table");
        for (key, record) in records {
            table.insert(key.as_bytes().as_slice(), record.as_slice()).expect("inserted");
        }
    }
    write.commit().expect("committed");
    db
}

fn hits(criterion: &mut Criterion) {
    for (name, length, calls) in [("100 B", 100usize, CALLS), ("1 MiB", 1 << 20, 8)] {
        let mut group = criterion.benchmark_group("hit");
        group.throughput(Throughput::Bytes(length as u64));
        let dir = tempfile::tempdir().expect("a directory");

        if length == 100 {
            (0..calls).for_each(|n| drop(small(n, length)));
            let mut cycle = Cycle(0, calls);
            group.bench_function(BenchmarkId::new("percache, #[memoize]", name), |b| {
                b.iter(|| small(cycle.next(), length))
            });
        }
        for (label, hot) in [("percache", 64 << 20), ("percache, from the store", 0)] {
            let cache = filled(&dir.path().join(label), hot, calls, length);
            let f = cache.wrap("text", computed);
            let mut cycle = Cycle(0, calls);
            group.bench_function(BenchmarkId::new(label, name), |b| b.iter(|| f.call((cycle.next(), length))));
            assert_full(&cache);
        }
        let cache = filled_files(&dir.path().join("files"), calls, length);
        let f = cache.wrap("text", computed);
        let mut cycle = Cycle(0, calls);
        group.bench_function(BenchmarkId::new("percache, from files", name), |b| {
            b.iter(|| f.call((cycle.next(), length)))
        });
        let cache = redb(&dir.path().join("redb"), calls, length);
        let mut cycle = Cycle(0, calls);
        group.bench_function(BenchmarkId::new("cached", name), |b| {
            b.iter(|| cache.cache_get(&format!("{} {length}", cycle.next())).expect("a hit"));
        });
        let stored = dir.path().join("bare");
        let cache = filled(&stored, 0, calls, length);
        let f = cache.wrap("text", computed);
        let keys: Vec<Digest> = (0..calls).map(|n| f.key(&(n, length)).expect("a key").0).collect();
        let db = bare_rocksdb(&stored);
        let results = db.cf_handle(COLUMNS[1].name).expect("a column");
        let mut cycle = Cycle(0, calls);
        group.bench_function(BenchmarkId::new("bare rocksdb", name), |b| {
            b.iter(|| {
                let record =
                    db.get_pinned_cf(results, keys[cycle.next() as usize].as_bytes()).expect("a get").expect("a hit");
                decode::<String>(open(&record).expect("a record").value).expect("decoded")
            });
        });
        let record = |key: &Digest| db.get_cf(results, key.as_bytes()).expect("a get").expect("a record");
        let records: Vec<_> = keys.iter().map(|key| (*key, record(key))).collect();
        let db = bare_redb(&dir.path().join("bare redb"), &records);
        group.bench_function(BenchmarkId::new("bare redb", name), |b| {
            b.iter(|| {
                let read = db.begin_read().expect("a transaction");
                let table = read.open_table(RECORDS).expect("a table");
                let record =
                    table.get(keys[cycle.next() as usize].as_bytes().as_slice()).expect("a get").expect("a hit");
                decode::<String>(open(record.value()).expect("a record").value).expect("decoded")
            });
        });
        let value = text(7, length);
        group.bench_function(BenchmarkId::new("memcpy and SHA-1", name), |b| {
            b.iter(|| (black_box(&value).clone(), Digest::of(value.as_bytes())));
        });
        group.finish();
    }
}

fn misses(criterion: &mut Criterion) {
    for (name, length) in [("100 B", 100usize), ("1 MiB", 1 << 20)] {
        let mut group = criterion.benchmark_group("miss");
        group.sample_size(20);
        let dir = tempfile::tempdir().expect("a directory");
        let mut n = 0;
        let database = Cache::open(dir.path().join("percache")).expect("a cache");
        let files = Cache::open_files(dir.path().join("files")).expect("a cache");
        for (label, cache) in [("percache", database), ("percache, to files", files)] {
            let f = cache.wrap("text", computed);
            group.bench_function(BenchmarkId::new(label, name), |b| {
                b.iter(|| {
                    n += 1;
                    f.call((n, length))
                });
            });
        }
        let cache = redb(&dir.path().join("redb"), 0, length);
        group.bench_function(BenchmarkId::new("cached", name), |b| {
            b.iter(|| {
                n += 1;
                let key = format!("{n} {length}");
                let found = cache.cache_get(&key).expect("a store that works");
                found.unwrap_or_else(|| {
                    let value = text(n, length);
                    cache.cache_set(key, value.clone()).expect("a store that works");
                    value
                })
            });
        });
        group.bench_function(BenchmarkId::new("the function itself", name), |b| {
            b.iter(|| {
                n += 1;
                text(n, length)
            });
        });
        group.finish();
    }
}

fn bytes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hit");
    group.throughput(Throughput::Bytes(1 << 20));
    let cache = Cache::in_memory();
    let f = cache.wrap("bytes", |n: u8| vec![n; 1 << 20]);
    group.bench_function(BenchmarkId::new("percache, Vec<u8>", "1 MiB"), |b| b.iter(|| f.call(7)));
    group.finish();
}

criterion_group!(benches, hits, bytes, misses);
criterion_main!(benches);
