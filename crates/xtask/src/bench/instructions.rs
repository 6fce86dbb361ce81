//! How many instructions percache takes, counted by callgrind: they do not depend on what else the machine does.
//!
//! A processor's own instructions for SHA-1 are not known to valgrind, so hashing counts for far more than it costs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::case::Case;
use super::rivals::percache;
use super::workload::{USUAL_BYTES, Workload};
use super::{Place, Settings, built};
use crate::run::{Failure, Result, cargo, check, has_program, path_failure, run};

const CASES: [Case; 4] = [Case::NoOp, Case::Leaf, Case::Touch, Case::Restore];

/// Counts, and prints a line for each case.
pub fn instructions(settings: &Settings) -> Result<()> {
    check(has_program("valgrind"), || "it needs `valgrind`, which is not installed".to_owned())?;
    run(&mut cargo(["build", "--release", "--package", "percache-cli"]))?;
    let tool = percache(&built("percache")?);
    let place = Place::new()?;
    let dir = place.0.join("counted");
    let workload = Workload { tasks: settings.tasks, files: settings.files, bytes: USUAL_BYTES };
    workload.write(&dir)?;
    (tool.describe)(&workload, &dir)?;
    let paths = workload.tasks * (workload.files + 2);
    println!("{} tasks with {} files each: {paths} files with the outputs\n", settings.tasks, settings.files);
    println!("| case | million instructions | of these SHA-1 | per file without it |");
    println!("| --- | --- | --- | --- |");
    for case in CASES {
        case.prepare(&tool, &workload, &dir, 0)?;
        let counted = count(&tool.program, &tool.arguments, &dir, &place.0)?;
        workload.check(&dir)?;
        let rest = (counted.all - counted.sha1) as f64;
        let millions = |count: f64| count / 1e6;
        println!(
            "| {} | {:.1} | {:.1} | {:.0} |",
            case.name(),
            millions(counted.all as f64),
            millions(counted.sha1 as f64),
            rest / paths as f64
        );
    }
    Ok(())
}

struct Counted {
    all: u64,
    sha1: u64,
}

fn count(program: &Path, arguments: &[String], dir: &Path, place: &Path) -> Result<Counted> {
    let out = place.join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display())).arg(program);
    command.args(arguments).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().map_err(|e| Failure(format!("{command:?}: {e}")))?;
    check(status.success(), || format!("{command:?} failed ({status})"))?;
    let text = fs::read_to_string(&out).map_err(|e| path_failure("read", &out, e))?;
    Ok(Counted { all: summary(&text), sha1: annotated(&out, "sha1") })
}

/// What the line `summary: N` or `totals: N` says.
fn summary(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

/// The instructions in functions with `part` in their names.
fn annotated(out: &Path, part: &str) -> u64 {
    let mut command = Command::new("callgrind_annotate");
    command.arg("--threshold=100").arg(out).stderr(Stdio::null());
    let text = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let count = |line: &str| line.split_whitespace().next()?.replace(',', "").parse::<u64>().ok();
    text.lines().filter(|line| line.contains(part)).filter_map(count).sum()
}
