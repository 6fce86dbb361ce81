//! Who takes part: percache, and of the others those that are installed.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::workload::{Workload, name, write};
use crate::run::{Result, has_program};

/// A build tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What is run.
    pub program: PathBuf,
    /// With what.
    pub arguments: Vec<String>,
    /// Whether it keeps results and puts them back.
    pub restores: bool,
    /// What it has left behind that a cold start does not have, relative to the workload.
    pub state: &'static [&'static str],
    /// Writes its description of a workload.
    pub describe: fn(&Workload, &Path) -> Result<()>,
}

/// Those that are there; percache first.
pub fn tools(percache: &Path) -> Vec<Tool> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let percache = self::percache(percache);
    let other = |name: &'static str, arguments: &[&str], state, describe| Tool {
        name,
        program: name.into(),
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        restores: false,
        state,
        describe,
    };
    let j = format!("-j{jobs}");
    let others = [
        other("ninja", &["--quiet"], &[".ninja_log", ".ninja_deps"][..], describe_ninja),
        other("n2", &[], &[".n2_db"][..], describe_ninja),
        other("make", &["-s", &j, "all"], &[][..], describe_make),
        other("task", &["--silent", "all"], &[".task"][..], describe_task),
    ];
    std::iter::once(percache).chain(others.into_iter().filter(|tool| has_program(tool.name))).collect()
}

/// percache itself, this program.
pub fn percache(program: &Path) -> Tool {
    Tool {
        name: "percache",
        program: program.to_owned(),
        arguments: vec!["build".into(), "-q".into()],
        restores: true,
        state: &[".percache"],
        describe: describe_percache,
    }
}

fn describe_percache(workload: &Workload, dir: &Path) -> Result<()> {
    let mut text = String::new();
    for task in 0..workload.tasks {
        let deps: Vec<_> = workload.needs(task).map(|need| format!("\"{}\"", name(need))).collect();
        let [bundle, sum] = workload.outputs(task);
        let own = name(task);
        let _ = writeln!(
            text,
            "[task.{own}]\ncommand = \"{}\"\ninputs = [\"{own}/src/**\"]\noutputs = [\"{bundle}\", \"{sum}\"]\ndeps = [{}]\n",
            workload.command(task),
            deps.join(", ")
        );
    }
    write(dir, "percache.toml", &text)
}

/// Inputs of a task as a list of files: these tools know no patterns.
fn inputs(workload: &Workload, task: usize) -> String {
    let own = (0..workload.files).map(|file| format!("{}/src/f{file}.txt", name(task)));
    let sums = workload.needs(task).map(|need| format!("{}/out/sum.txt", name(need)));
    own.chain(sums).collect::<Vec<_>>().join(" ")
}

fn describe_ninja(workload: &Workload, dir: &Path) -> Result<()> {
    let mut text = "rule r\n  command = $command\n".to_owned();
    for task in 0..workload.tasks {
        let [bundle, sum] = workload.outputs(task);
        let (inputs, command) = (inputs(workload, task), workload.command(task));
        let _ = writeln!(text, "build {bundle} {sum}: r {inputs}\n  command = {command}");
    }
    write(dir, "build.ninja", &text)
}

fn describe_make(workload: &Workload, dir: &Path) -> Result<()> {
    let all: Vec<_> = (0..workload.tasks).map(|task| workload.outputs(task)[1].clone()).collect();
    let mut text = format!("all: {}\n", all.join(" "));
    for task in 0..workload.tasks {
        let [_, sum] = workload.outputs(task);
        let _ = writeln!(text, "{sum}: {}\n\t{}", inputs(workload, task), workload.command(task));
    }
    write(dir, "Makefile", &text)
}

fn describe_task(workload: &Workload, dir: &Path) -> Result<()> {
    let all: Vec<_> = (0..workload.tasks).map(name).collect();
    let mut text = format!("version: '3'\nrun: once\ntasks:\n  all:\n    deps: [{}]\n", all.join(", "));
    for task in 0..workload.tasks {
        let own = name(task);
        let needs: Vec<_> = workload.needs(task).map(name).collect();
        let [bundle, sum] = workload.outputs(task);
        let sums = workload.needs(task).map(|need| format!(", '{}/out/sum.txt'", name(need))).collect::<String>();
        let _ = writeln!(
            text,
            "  {own}:\n    deps: [{}]\n    sources: ['{own}/src/**'{sums}]\n    generates: ['{bundle}', '{sum}']\n    cmds: ['{}']",
            needs.join(", "),
            workload.command(task)
        );
    }
    write(dir, "Taskfile.yml", &text)
}
