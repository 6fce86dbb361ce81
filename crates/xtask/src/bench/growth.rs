//! How percache grows: the same cases with more tasks, more files and more bytes.

use super::case::Case;
use super::rivals::{Tool, percache};
use super::table::Times;
use super::workload::{USUAL_BYTES, Workload};
use super::{Place, built, measure};
use crate::run::{Failure, Result, cargo, run};

const RUNS: usize = 3;
/// What takes longer than this cold is measured once: it is not the clock that is uncertain then.
const LONG: f64 = 20_000.0;
const CASES: [Case; 4] = [Case::NoOp, Case::Leaf, Case::Touch, Case::Restore];

/// What is grown, one after the other.
const SERIES: [(&str, [Workload; 3]); 3] = [
    ("tasks", [workload(1_000, 1, USUAL_BYTES), workload(10_000, 1, USUAL_BYTES), workload(100_000, 1, USUAL_BYTES)]),
    (
        "files",
        [workload(1_000, 10, USUAL_BYTES), workload(1_000, 100, USUAL_BYTES), workload(1_000, 1_000, USUAL_BYTES)],
    ),
    ("bytes", [workload(100, 10, 10_000), workload(100, 10, 100_000), workload(100, 10, 1_000_000)]),
];

const fn workload(tasks: usize, files: usize, bytes: usize) -> Workload {
    Workload { tasks, files, bytes }
}

/// Measures the series with these names, or all, and prints a line for each size.
pub fn growth(names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| SERIES.iter().all(|(known, _)| known != *name)) {
        return Err(Failure(format!("`growth` has no series `{unknown}`: tasks, files, bytes")));
    }
    run(&mut cargo(["build", "--release", "--package", "percache-cli"]))?;
    let tool = percache(&built("percache")?);
    println!(
        "Milliseconds and peak memory; cold once; else medians of {RUNS}, or once where cold takes longer than 20 s\n"
    );
    let cases = [Case::Cold].into_iter().chain(CASES).map(Case::name).collect::<Vec<_>>().join(" | ");
    println!("| tasks | files | source bytes | {cases} |");
    println!("| --- | --- | --- |{}", " --- |".repeat(CASES.len() + 1));
    for (name, sizes) in &SERIES {
        if names.is_empty() || names.contains(name) {
            sizes.iter().try_for_each(|size| line(&tool, size))?;
        }
    }
    Ok(())
}

fn line(tool: &Tool, workload: &Workload) -> Result<()> {
    let place = Place::new()?;
    let dir = place.0.join("growing");
    workload.write(&dir)?;
    (tool.describe)(workload, &dir)?;
    let files = workload.tasks * workload.files;
    print!("| {} | {files} | {} |", workload.tasks, files * workload.bytes);
    let mut runs = 1;
    for case in [Case::Cold].into_iter().chain(CASES) {
        let mut times = Times::default();
        for round in 0..runs {
            case.prepare(tool, workload, &dir, round)?;
            times.push(measure(tool, &dir)?);
        }
        workload.check(&dir)?;
        if case == Case::Cold && times.wall() < LONG {
            runs = RUNS;
        }
        print!(" {:.0}, {:.0} MiB |", times.wall(), times.memory());
    }
    println!();
    Ok(())
}
