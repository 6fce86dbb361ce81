//! What the machine itself can do: the floor under every figure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use sha1::{Digest, Sha1};

use super::case::Case;
use super::table::{Times, median};
use super::workload::{Workload, name};
use crate::run::{Failure, Result, path_failure};

/// Prints them, and what percache takes beside them.
pub fn print(
    workload: &Workload,
    dir: &Path,
    place: &Path,
    runs: usize,
    times: &BTreeMap<(Case, &str), Times>,
) -> Result<()> {
    let own = |case| times.get(&(case, "percache")).map(Times::wall).unwrap_or_default();
    let several = |work: &dyn Fn() -> Result<f64>| -> Result<f64> {
        (0..runs).map(|_| work()).collect::<Result<Vec<_>>>().map(median)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one = several(&|| with_all(workload, dir, 1, &stat))?;
    let all = several(&|| with_all(workload, dir, threads, &stat))?;
    let read = several(&|| with_all(workload, dir, threads, &read_and_hash))?;
    let copy = several(&|| copy_outputs(workload, dir, place))?;
    let spawn = several(&|| spawn(workload.tasks))?;
    println!("\n| the machine | ms | percache takes |");
    println!("| --- | --- | --- |");
    println!("| lstat of all sources and outputs, 1 thread | {one:.1} | |");
    println!("| the same, {threads} threads | {all:.1} | {:.2}× for nothing to do |", own(Case::NoOp) / all);
    println!(
        "| open, read and SHA-1 of them, {threads} threads | {read:.1} | {:.2}× for all touched |",
        own(Case::Touch) / read
    );
    println!(
        "| `cp -r` of all outputs to where they were deleted | {copy:.1} | {:.2}× to restore them |",
        own(Case::Restore) / copy
    );
    println!(
        "| {} times `sh -c true`, {threads} at a time | {spawn:.1} | {:.2}× cold |",
        workload.tasks,
        own(Case::Cold) / spawn
    );
    if let Some(speed) = openssl() {
        println!("| `openssl speed sha1`, 16 KiB | {speed} | see `cargo bench -p percache --bench parts` |");
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work().map(|()| start.elapsed().as_secs_f64() * 1e3)
}

fn stat(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn read_and_hash(path: &Path) -> bool {
    fs::read(path).is_ok_and(|content| Sha1::digest(content)[0] == 0)
}

fn with_all(workload: &Workload, dir: &Path, threads: usize, each: &(dyn Fn(&Path) -> bool + Sync)) -> Result<f64> {
    let sources = (0..workload.tasks).flat_map(|task| (0..workload.files).map(move |file| (task, file)));
    let sources = sources.map(|(task, file)| workload.source(dir, task, file));
    let outputs = (0..workload.tasks).flat_map(|task| workload.outputs(task)).map(|output| dir.join(output));
    let paths: Vec<_> = sources.chain(outputs).collect();
    timed(|| {
        std::thread::scope(|scope| {
            for part in paths.chunks(paths.len().div_ceil(threads)) {
                scope.spawn(move || part.iter().filter(|path| each(path)).count());
            }
        });
        Ok(())
    })
}

fn copy_outputs(workload: &Workload, dir: &Path, place: &Path) -> Result<f64> {
    let saved = place.join("saved");
    if !saved.exists() {
        for task in 0..workload.tasks {
            let to = saved.join(name(task));
            fs::create_dir_all(to.join("out")).map_err(|e| path_failure("create", &to, e))?;
            for output in workload.outputs(task) {
                fs::copy(dir.join(&output), saved.join(&output)).map_err(|e| path_failure("copy", &saved, e))?;
            }
        }
    }
    workload.remove_outputs(dir)?;
    timed(|| call(Command::new("cp").arg("-r").arg(saved.join(".")).arg(dir)))
}

fn spawn(count: usize) -> Result<f64> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    timed(|| {
        std::thread::scope(|scope| {
            let part = || (0..count.div_ceil(threads)).try_for_each(|_| call(Command::new("sh").args(["-c", "true"])));
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(part)).collect();
            handles.into_iter().try_for_each(|handle| handle.join().unwrap_or(Ok(())))
        })
    })
}

fn call(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status().map_err(|e| Failure(format!("{command:?}: {e}")))?;
    crate::run::check(status.success(), || format!("{command:?} failed ({status})"))
}

/// What `openssl speed` says of 16 KiB blocks, where it is installed.
fn openssl() -> Option<String> {
    let output = Command::new("openssl").args(["speed", "-seconds", "1", "-bytes", "16384", "sha1"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().rev().find(|line| line.starts_with("sha1"))?;
    let thousands: f64 = line.split_whitespace().nth(1)?.trim_end_matches('k').parse().ok()?;
    Some(format!("{:.0} MB/s", thousands / 1e3))
}
