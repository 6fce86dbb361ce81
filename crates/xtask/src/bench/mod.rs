//! `cargo xtask bench`: percache as a whole beside tools that do the same and beside what the machine itself can do, in one run.
//!
//! Every figure is the median of several runs, and every tool has its turn in each round, so that what else the machine does falls on
//! all of them alike. Absolute times say little; the ratios are what counts.

mod case;
mod growth;
mod instructions;
mod limits;
mod remote;
mod rivals;
mod table;
mod workload;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Failure, Result, cargo, path_failure, run};
use wait4::Wait4;

use case::{CASES, Case};
use rivals::{Tool, tools};
use table::{Spent, Times};
use workload::{USUAL_BYTES, Workload};

pub use growth::growth;
pub use instructions::instructions;
pub use remote::remote;

/// What is measured.
pub struct Settings {
    /// Number of tasks.
    pub tasks: usize,
    /// Source files of each.
    pub files: usize,
    /// How often each case is run.
    pub runs: usize,
}

impl Settings {
    /// Reads `--tasks N`, `--files N` and `--runs N`.
    pub fn parse(arguments: &[&str]) -> Result<Settings> {
        let mut settings = Settings { tasks: 200, files: 20, runs: 5 };
        for pair in arguments.chunks(2) {
            let number = pair.get(1).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
            let field = match pair[0] {
                "--tasks" => &mut settings.tasks,
                "--files" => &mut settings.files,
                "--runs" => &mut settings.runs,
                other => return Err(Failure(format!("`bench` has no option `{other}`"))),
            };
            *field = number.ok_or_else(|| Failure(format!("`{}` needs a number above 0", pair[0])))?;
        }
        Ok(settings)
    }
}

/// Measures, and prints the tables.
pub fn bench(settings: &Settings) -> Result<()> {
    run(&mut cargo(["build", "--release", "--package", "percache-cli"]))?;
    let place = Place::new()?;
    let workload = Workload { tasks: settings.tasks, files: settings.files, bytes: USUAL_BYTES };
    let mut entrants = Vec::new();
    for tool in tools(&built("percache")?) {
        let dir = place.0.join(tool.name);
        workload.write(&dir)?;
        (tool.describe)(&workload, &dir)?;
        entrants.push((tool, dir));
    }
    println!(
        "{} tasks with {} files each, {} runs; medians: milliseconds of wall time (of processor time), peak memory of the largest process\n",
        settings.tasks, settings.files, settings.runs
    );
    let mut times: BTreeMap<(Case, &str), Times> = BTreeMap::new();
    for case in CASES {
        for round in 0..settings.runs {
            for (tool, dir) in entrants.iter().filter(|(tool, _)| case.makes_sense(tool)) {
                case.prepare(tool, &workload, dir, round)?;
                let spent = measure(tool, dir)?;
                workload.check(dir)?;
                times.entry((case, tool.name)).or_default().push(spent);
            }
        }
    }
    let names: Vec<&str> = entrants.iter().map(|(tool, _)| tool.name).collect();
    table::print(&names, &times);
    let (_, dir) = &entrants[0];
    limits::print(&workload, dir, &place.0, settings.runs, &times)
}

/// Runs a tool and says what that took, with all processes that it waited for.
fn measure(tool: &Tool, dir: &Path) -> Result<Spent> {
    let failure = |e| path_failure("run", &tool.program, e);
    let said = dir.with_extension("said");
    let file = fs::File::create(&said).and_then(|file| Ok((file.try_clone()?, file)));
    let (stdout, stderr) = file.map_err(|e| path_failure("create", &said, e))?;
    let mut command = Command::new(&tool.program);
    command.args(&tool.arguments).current_dir(dir).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let start = std::time::Instant::now();
    let used = command.spawn().map_err(failure)?.wait4().map_err(failure)?;
    let wall = start.elapsed();
    if !used.status.success() {
        let said = fs::read_to_string(&said).unwrap_or_default();
        return Err(Failure(format!("{} failed:\n{said}", tool.name)));
    }
    Ok(Spent { wall, processor: used.rusage.utime + used.rusage.stime, memory: used.rusage.maxrss })
}

/// A program that cargo has just built: beside this one.
fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|e| Failure(format!("who am I: {e}")))?;
    // This one may have been built with another profile.
    let target = own.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(target.join("release").join(name))
}

/// A directory for all this, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Place> {
        let place = Place(std::env::temp_dir().join(format!("percache-bench-{}", std::process::id())));
        fs::create_dir_all(&place.0).map_err(|e| path_failure("create", &place.0, e))?;
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
