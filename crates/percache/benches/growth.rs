//! The store as it grows: what gc of many results takes and gives back, what opening and reading cost after many sessions, and what versions of one
//! large file take.
//!
//! ```text
//! cargo bench -p percache --bench growth --profile release -- 100000 1000
//! ```
//!
//! The numbers are those of results and of sessions. Each figure comes with what it is to be held against.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use percache::Digest;
use percache::base::clock::{Micros, Time};
use percache::store::gc::{Policy, collect};
use percache::store::id::{ActionKey, Fingerprint};
use percache::store::record::{Entry, Node, ResultKey, StoredResult};
use percache::store::writer::NewResult;
use percache::store::{Store, open};

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

fn main() {
    // cargo adds words of its own.
    let numbers: Vec<u32> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let (results, sessions) = (numbers.first().copied().unwrap_or(100_000), numbers.get(1).copied().unwrap_or(1_000));
    println!("| what | figure | beside |");
    println!("| --- | --- | --- |");
    gc(results);
    many_sessions(sessions);
    versions(10, 64 * MIB);
}

/// Half of many results go.
fn gc(count: u32) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = opened(dir.path());
    let begin = Instant::now();
    (0..count).for_each(|number| record(&store, number, &noise(number, 600)));
    store.flush().expect("flushed");
    let written = begin.elapsed();
    drop(store);
    let before = disk_usage(dir.path());
    let keep = |label: &str| label.parse().is_ok_and(|number: u32| number.is_multiple_of(2));
    let used = HashMap::new();
    let policy = Policy { unused_since: None, maxsize: None, only: Some(&keep), used: &used, worthwhile: 0.0 };
    let begin = Instant::now();
    let store = opened(dir.path());
    let collected = collect(store.engine(), &policy, PATIENCE).expect("collected");
    let took = begin.elapsed();
    assert_eq!(collected.results + collected.results_left, u64::from(count));
    let after = disk_usage(dir.path());
    println!(
        "| gc of {count} results, half of which go | {:.2} s | to write them took {:.2} s |",
        seconds(took),
        seconds(written)
    );
    println!("| the space on the disk after it | {:.1} MB | before {:.1} MB |", megabytes(after), megabytes(before));
}

/// What a reader pays after one session and after many, each of which wrote to the database.
fn many_sessions(count: u32) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = None;
    let mut session = Duration::ZERO;
    for number in 0..count {
        let begin = Instant::now();
        let store = opened(dir.path());
        record(&store, number, &noise(number, 600));
        store.flush().expect("flushed");
        // From the tail into the database, as a large session does.
        store.engine().session(PATIENCE).and_then(|session| session.commit()).expect("committed");
        session += begin.elapsed();
        drop(store);
        if number == 0 {
            first = Some(reading(dir.path(), 1));
        }
    }
    let (first, last) = (first.unwrap_or_default(), reading(dir.path(), count));
    let files = fs::read_dir(dir.path().join("db")).map_or(0, Iterator::count);
    println!(
        "| open and read a result after {count} sessions | {:.2} ms | after one {:.2} ms |",
        millis(last),
        millis(first)
    );
    println!("| one of these sessions | {:.1} ms | |", millis(session / count.max(1)));
    println!("| files of the database after them | {files} | |");
}

/// The median of opening the store anew and reading one result and its content.
fn reading(dir: &Path, count: u32) -> Duration {
    let mut times: Vec<_> = (0..21)
        .map(|round| {
            let number = round * 7919 % count;
            let begin = Instant::now();
            let store = opened(dir);
            let result = store.result(&key(number)).expect("read").expect("there");
            result.contents().for_each(|content| store.read(&content, &mut std::io::sink()).expect("read"));
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// Versions of a file, 1 % of which is other bytes each time, at one place.
fn versions(count: u32, length: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut bytes = noise(1, length);
    let mut first = 0;
    for version in 0..count {
        let at = version as usize * length / count as usize;
        bytes.splice(at..at, noise(100 + version, length / 100));
        let store = opened(dir.path());
        record(&store, version, &bytes);
        store.flush().expect("flushed");
        drop(store);
        if version == 0 {
            first = disk_usage(dir.path());
        }
    }
    let all = disk_usage(dir.path());
    let ratio = all as f64 / first as f64;
    println!(
        "| {count} versions of {} MiB, 1 % inserted each | {:.0} MB | one version {:.0} MB: {ratio:.2} |",
        length / MIB,
        megabytes(all),
        megabytes(first)
    );
}

fn opened(dir: &Path) -> Store {
    open::open(dir, "bench").0
}

fn key(number: u32) -> ResultKey {
    ResultKey { action: ActionKey::new(Digest::of(&number.to_le_bytes())), place: None }
}

fn record(store: &Store, number: u32, bytes: &[u8]) {
    let add = |mut bytes: &[u8]| store.add(&mut bytes, &mut |_| ()).expect("added");
    let node = Node::File { content: add(bytes), executable: false };
    let result = StoredResult {
        label: number.to_string(),
        fingerprint: Fingerprint::new(Digest::of(&(!number).to_le_bytes())),
        created: Time::now(),
        took: Micros::ZERO,
        status: 0,
        log: add(b""),
        outputs: percache::store::manifest::Manifest::from_sorted_entries(vec![Entry::new(*b"out", node)]).unwrap(),
    };
    store.record(
        NewResult {
            key: key(number),
            result,
            parts: bytes[..100.min(bytes.len())].to_vec(),
            paths: None,
            origin: None,
        },
        None,
    );
}

/// Bytes that do not compress.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed) << 32 | 0x9e37_79b9;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

/// What the files below a directory take on the disk.
fn disk_usage(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { disk_usage(&entry.path()) } else { blocks(&entry.path()) }).sum()
}

fn blocks(path: &Path) -> u64 {
    #[cfg(unix)]
    return fs::metadata(path).map_or(0, |metadata| std::os::unix::fs::MetadataExt::blocks(&metadata) * 512);
    #[cfg(not(unix))]
    return fs::metadata(path).map_or(0, |metadata| metadata.len());
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
