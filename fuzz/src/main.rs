//! One program for all targets: `PERCACHE_FUZZ_TARGET` names the one, `PERCACHE_FUZZ_SEEDS` a directory that gets its seeds and its dictionary.

#![no_main]

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::exit;
use std::sync::LazyLock;

use percache_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = env::var("PERCACHE_FUZZ_TARGET").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("PERCACHE_FUZZ_TARGET is to be one of {}", names.join(", "));
        exit(2);
    })
});

libfuzzer_sys::fuzz_target!(init: write_seeds(), |input: &[u8]| TARGET.check(input));

/// Before libFuzzer reads its corpora.
fn write_seeds() {
    let Some(directory) = env::var_os("PERCACHE_FUZZ_SEEDS").map(PathBuf::from) else { return };
    let write = |name: String, bytes: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, bytes).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    };
    for (number, seed) in (TARGET.seeds)().iter().enumerate() {
        write(format!("seed-{number}"), seed);
    }
    // One word a line, every byte escaped.
    let escaped = |word: &&str| word.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let words: Vec<String> = TARGET.words.iter().map(|word| format!("\"{}\"\n", escaped(word))).collect();
    write("../words".to_owned(), words.concat().as_bytes());
}
