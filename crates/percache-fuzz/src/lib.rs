//! What percache reads from others (configurations, depfiles, journals, records of a store), as targets for a fuzzer: each takes any bytes
//! and panics when something does not hold that has to hold whatever they are.
//!
//! Beyond "no panic": what was read is written and read back as the same; what a reader allocates is bounded by what it was given and not by
//! the lengths that stand in it; and no input takes long.
//!
//! The same targets are run by libFuzzer (the workspace in `fuzz`) and, for a few seconds, by `tests/replay.rs` on what it has found. Knows nothing of
//! either.

mod codec;
mod configuration;
mod depfile;
mod env_file;
mod intents;
mod journal;
pub mod mutation;
mod pattern;
mod record;
mod store;
mod tail;

use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// One reader, with what is to hold of it.
pub struct Target {
    /// Its name, which is that of its corpus.
    pub name: &'static str,
    /// Gives it these bytes; panics when something does not hold.
    run: fn(&[u8]),
    /// Inputs from which others are made.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What has a meaning in its inputs.
    pub words: &'static [&'static str],
    /// Bytes that it may allocate for each byte that it is given; `None` when that is no measure of it.
    allocates: Option<u64>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    codec::TARGET,
    configuration::TARGET,
    depfile::TARGET,
    env_file::TARGET,
    intents::TARGET,
    journal::TARGET,
    pattern::TARGET,
    record::TARGET,
    store::TARGET,
    tail::TARGET,
];

/// Longer inputs say nothing new and take long.
pub const LONGEST: usize = 1 << 14;
/// What a target may allocate however little it is given.
const ALLOCATES_ANYWAY: u64 = 256 << 10;
/// What no input may take: processor time, so that a busy machine breaks no promise.
const PATIENCE: Duration = Duration::from_secs(2);

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Where the inputs lie that fuzzers have found for it.
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }

    /// Gives the target an input.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn check(&self, input: &[u8]) {
        let input = &input[..input.len().min(LONGEST)];
        let began = processor_time();
        let allocated = allocation_counter::measure(|| (self.run)(input)).bytes_total;
        let took = processor_time().saturating_sub(began);
        assert!(took < PATIENCE, "{}: {} bytes take {took:?}", self.name, input.len());
        if let Some(each) = self.allocates {
            let bound = ALLOCATES_ANYWAY + each * input.len() as u64;
            assert!(allocated <= bound, "{}: {allocated} bytes allocated for {}", self.name, input.len());
        }
    }
}

/// What this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
