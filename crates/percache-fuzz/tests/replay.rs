//! Every target on everything that was ever found for it, and on some thousands of variations: the same ones in every run, or others by
//!
//! ```text
//! PERCACHE_FUZZ_SEED=N     another sequence
//! PERCACHE_FUZZ_RUNS=N     that many variations of each target
//! ```

use std::fs;

use fastrand::Rng;
use percache_fuzz::{TARGETS, Target, mutation};

/// Takes some seconds in all; the targets run side by side.
const RUNS: u64 = 20_000;
/// These touch the file system, or do a lot with each input.
const SLOW: [&str; 2] = ["configuration", "store"];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}

/// Checks the input; a panic is told with the input, ready to be kept.
fn check(target: &Target, input: &[u8]) {
    struct Tell<'a>(&'a Target, &'a [u8]);
    impl Drop for Tell<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let path = std::env::temp_dir().join(format!("percache-fuzz-{}", self.0.name));
                let kept = fs::write(&path, self.1).map_or_else(|e| e.to_string(), |()| path.display().to_string());
                eprintln!("{}: the input is in {kept}", self.0.name);
            }
        }
    }
    let _tell = Tell(target, input);
    target.check(input);
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(target.corpus()).unwrap_or_else(|e| panic!("{}: {e}", target.corpus().display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn replay(name: &str) {
    let target = Target::named(name).unwrap();
    let mut inputs = (target.seeds)();
    inputs.extend(corpus(target));
    inputs.iter().for_each(|input| check(target, input));
    let mut rng = Rng::with_seed(setting("PERCACHE_FUZZ_SEED", 1));
    let runs = setting("PERCACHE_FUZZ_RUNS", if SLOW.contains(&name) { RUNS / 10 } else { RUNS });
    for _ in 0..runs {
        check(target, &mutation::vary(&inputs, target.words, &mut rng));
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        #[test]
        fn every_target_is_replayed_and_every_corpus_has_one() {
            let replayed = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), replayed);
            let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
            let mut corpora: Vec<_> =
                fs::read_dir(corpora).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            corpora.sort();
            assert_eq!(corpora, replayed);
        }
    };
}

targets! { codec configuration depfile env_file intents journal pattern record store tail }
