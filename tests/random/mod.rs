//! Random graphs, random edits, random kills. After every build its outputs are those of a clean build, and no command ran that need not.
//!
//! `PERCACHE_PROPTEST_BUILDS` is the number of builds; `PERCACHE_PROPTEST_SEED` repeats one history, whose seed a failure prints together
//! with the shrunk history. With `PERCACHE_PROPTEST_SHARED`, all histories have a remote that clones share.

mod check;
mod configuration;
mod drive;
mod errands;
mod known;
mod model;
mod oracle;
mod remote;
mod rounds;
mod strategy;
mod tampering;
mod theirs;
mod world;

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::rounds::Counts;

const DEFAULT_BUILDS: usize = 1000;
const THREADS: u64 = 2;

#[test]
fn incremental_equals_clean_and_is_minimal() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PERCACHE_PROPTEST_SEED") {
        history(seed, &Counts::default());
        return;
    }
    let wanted = number("PERCACHE_PROPTEST_BUILDS").map_or(DEFAULT_BUILDS, |number| number as usize);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let (first, done) = (now.as_nanos() as u64, Counts::default());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let done = &done;
            scope.spawn(move || {
                let mut seed = first.wrapping_add(thread << 32);
                while done.builds.load(Ordering::Relaxed) < wanted {
                    history(seed, done);
                    seed = seed.wrapping_add(1);
                }
            });
        }
    });
    let Counts { builds, came, left } = done;
    let (builds, came, left) = (builds.into_inner(), came.into_inner(), left.into_inner());
    println!("{builds} builds, {came} results came from remotes, {left} were left there");
}

/// Builds one history, and looks for a shorter one if something is wrong with it.
fn history(seed: u64, counts: &Counts) {
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    // Without a remote, a build costs a third.
    let shared = if std::env::var_os("PERCACHE_PROPTEST_SHARED").is_some() { 0.999 } else { 0.3 };
    let outcome = runner.run(&strategy::histories(shared), |history| rounds::play(&history, counts));
    if let Err(error) = outcome {
        panic!("PERCACHE_PROPTEST_SEED={seed}\n{error}");
    }
}
