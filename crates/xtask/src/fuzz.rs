//! `cargo xtask fuzz`: libFuzzer on what percache reads from others. Needs no nightly toolchain: counters of coverage are a pass of LLVM that stable
//! Rust accepts; only sanitizers are missing, and percache has no unsafe code for them to look at.
//!
//! Knows nothing of the targets: the program in `fuzz` does, and `crates/percache-fuzz` keeps what was found.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Result, cargo, check, host, path_failure, repository, run};

/// What cargo-fuzz gives to rustc, less the sanitizers.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];
/// No input may need more: the targets read small things.
const LIMITS: &[&str] = &["-rss_limit_mb=1024", "-timeout=20", "-max_len=4096", "-print_final_stats=1"];

/// Fuzzes one target, or each in turn, for so many seconds; then replaces its corpus by as small a one that covers as much.
pub fn fuzz(target: Option<&str>, seconds: &str) -> Result<()> {
    check(seconds.parse::<u32>().is_ok(), || format!("`{seconds}` is no number of seconds"))?;
    let program = build()?;
    let corpora = repository().join("crates/percache-fuzz/corpus");
    let targets: Vec<String> = match target {
        Some(target) => vec![target.to_owned()],
        None => names(&corpora)?,
    };
    for target in targets {
        let corpus = corpora.join(&target);
        check(corpus.is_dir(), || format!("no target is named `{target}`"))?;
        Run::new(&program, &target, corpus)?.fuzz(seconds)?;
    }
    Ok(())
}

fn names(corpora: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(corpora).map_err(|e| path_failure("read", corpora, e))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Builds the program, for an explicit target: so that build scripts have no counters.
fn build() -> Result<PathBuf> {
    let host = host()?;
    let mut command = cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    run(command.env("RUSTFLAGS", COVERAGE.join(" ")))?;
    let default = || repository().join("fuzz/target").into_os_string();
    let directory = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(default);
    Ok(PathBuf::from(directory).join(&host).join("release/fuzz"))
}

/// One target, with a directory for what comes up.
struct Run {
    program: PathBuf,
    target: String,
    corpus: PathBuf,
    scratch: PathBuf,
}

impl Run {
    fn new(program: &Path, target: &str, corpus: PathBuf) -> Result<Run> {
        let scratch = std::env::temp_dir().join(format!("percache-fuzz-{}-{target}", std::process::id()));
        for name in ["seeds", "found", "kept", "tmp"] {
            let directory = scratch.join(name);
            fs::create_dir_all(&directory).map_err(|e| path_failure("create", &directory, e))?;
        }
        Ok(Run { program: program.to_owned(), target: target.to_owned(), corpus, scratch })
    }

    fn fuzz(self, seconds: &str) -> Result<()> {
        let [seeds, found, kept] = ["seeds", "found", "kept"].map(|name| self.scratch.join(name));
        let flag = |name: &str, value: &Path| {
            let mut flag = OsString::from(format!("-{name}="));
            flag.push(value);
            flag
        };
        let mut fuzzing = self.program();
        fuzzing.args(LIMITS).arg(format!("-max_total_time={seconds}"));
        fuzzing.arg(flag("dict", &self.scratch.join("words"))).arg(flag("artifact_prefix", &self.crashes()));
        // What failed stays where it is.
        run(fuzzing.args([&found, &self.corpus, &seeds]))?;
        run(self.program().args(["-set_cover_merge=1", "-max_len=1024"]).args([&kept, &self.corpus, &seeds, &found]))?;
        fs::remove_dir_all(&self.corpus).map_err(|e| path_failure("remove", &self.corpus, e))?;
        copy(&kept, &self.corpus)?;
        fs::remove_dir_all(&self.scratch).map_err(|e| path_failure("remove", &self.scratch, e))
    }

    fn crashes(&self) -> PathBuf {
        self.scratch.join("failed-")
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("PERCACHE_FUZZ_TARGET", &self.target).env("PERCACHE_FUZZ_SEEDS", self.scratch.join("seeds"));
        command.env("TMPDIR", self.scratch.join("tmp")).current_dir(&self.scratch);
        command
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|e| path_failure("create", to, e))?;
    for name in names(from)? {
        let path = from.join(&name);
        fs::copy(&path, to.join(&name)).map_err(|e| path_failure("copy", &path, e))?;
    }
    Ok(())
}
