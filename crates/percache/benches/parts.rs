//! The parts of the store that touch every byte: hashing, cutting into chunks, compressing, and the way back.
//!
//! ```text
//! cargo bench -p percache --bench parts --profile release
//! openssl speed -bytes 16384 sha1
//! ```
//!
//! The store is in memory, so that what a disk and a database cost is not in these figures.

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
use std::io;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use percache::Digest;
use percache::db::memory::MemoryEngine;
use percache::store::Store;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Bytes that compress to about half, as programs and texts do.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn hash(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha1");
    for length in [KIB, 16 * KIB, 16 * MIB] {
        let bytes = bytes(length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_with_input(BenchmarkId::from_parameter(length), &bytes, |b, bytes| b.iter(|| Digest::of(bytes)));
    }
}

fn store(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    group.sample_size(20);
    for length in [4 * KIB, 64 * KIB, 16 * MIB] {
        let bytes = bytes(length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_with_input(BenchmarkId::new("add", length), &bytes, |b, bytes| {
            let store = Store::new(Arc::new(MemoryEngine::new()));
            b.iter(|| store.add(&mut bytes.as_slice(), &mut |seen| _ = black_box(seen.len())).expect("added"));
        });
        let store = Store::new(Arc::new(MemoryEngine::new()));
        let content = store.add(&mut bytes.as_slice(), &mut |_| ()).expect("added");
        store.flush().expect("flushed");
        group.bench_with_input(BenchmarkId::new("read", length), &content, |b, content| {
            b.iter(|| store.read(content, &mut io::sink()).expect("read"));
        });
    }
}

criterion_group!(benches, hash, store);
criterion_main!(benches);
