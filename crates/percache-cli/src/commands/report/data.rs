//! The content of a report as JSON, for the page and for programs. docs/report.md describes it.

use std::collections::{BTreeMap, HashMap};

use percache::base::clock::Time;
use percache::store::growth::Growth;
use percache_runner::Project;
use percache_runner::history::{Build, Ending, Retrospect, TaskRun, critical_path, rows};
use percache_runner::tasks::LastRuns;
use percache_runner::why::{Question, last_build};
use serde_json::{Value, json};

use crate::report::plain_end;
use crate::report::words::command;

/// The number of moments for which the growth of the store is shown.
const MOMENTS: u64 = 60;

/// How much of the end of a failed task's log is on the page.
const LOG: usize = 16 << 10;

/// Returns all data of the report.
pub fn report(asked: &Question, told: &Retrospect) -> Value {
    let project = &asked.project;
    let (failures, causes) = (Failures::new(project, told), causes(asked));
    let tasks = &told.history.tasks;
    let critical = critical_path(tasks);
    let rows = rows(tasks);
    let (growth, trouble) = match &told.growth {
        Ok(growth) => (growth.as_slice(), None),
        Err(e) => (&[][..], Some(format!("the store cannot be used: {e}"))),
    };
    let tell = |(position, run): (usize, &TaskRun)| {
        let mut task = task(run, rows[position], critical.contains(&position), &failures);
        task["cause"] = causes.get(&run.name).cloned().into();
        task
    };
    json!({
        "workspace": project.workspace.root.to_string_lossy(),
        "build": told.history.builds.last().map(build),
        "tasks": tasks.iter().enumerate().map(tell).collect::<Vec<_>>(),
        "critical_path": critical,
        "builds": told.history.builds.iter().map(build).collect::<Vec<_>>(),
        "store": store(growth),
        "trouble": trouble,
    })
}

fn build(build: &Build) -> Value {
    json!({
        "began": build.began.as_millis() as f64 / 1e3,
        "seconds": seconds(build.took),
        "command": build.command,
        "jobs": build.jobs,
        "ran": build.ran,
        "up_to_date": build.up_to_date,
        "restored": build.restored,
        "failed": build.failed,
        "stopped": build.stopped,
        "skipped": build.skipped,
        "interrupted": build.interrupted,
        "saved_seconds": seconds(build.saved),
        "from_remote": build.fetched,
        "fetched_bytes": build.fetched_bytes,
    })
}

fn task(task: &TaskRun, row: Option<usize>, critical: bool, failures: &Failures<'_>) -> Value {
    let outcome = match task.ending {
        Ending::Ran => "ran",
        Ending::Same => "cut_off",
        Ending::Restored => "restored",
        Ending::UpToDate => "up_to_date",
        Ending::Group => "group",
        Ending::Failed => "failed",
        Ending::Stopped => "stopped",
        Ending::Skipped => "skipped",
    };
    json!({
        "name": task.name,
        "template": task.template,
        "outcome": outcome,
        "began": seconds(task.began),
        "seconds": seconds(task.took),
        "saved_seconds": seconds(task.saved),
        "bytes": task.bytes,
        "row": row,
        "critical": critical,
        "needs": task.needs,
        "reason": task.reason,
        "failure": failures.of(task),
        "fetched_from": task.fetched.as_ref().map(|(from, _)| from),
        "fetched_bytes": task.fetched.as_ref().map(|(_, bytes)| bytes),
        "refused": task.refused,
        "remote_queued_seconds": task.queued.map(seconds),
    })
}

/// Returns the first cause of each task that ran, as far as it is known.
fn causes(asked: &Question) -> HashMap<String, String> {
    let causes = last_build(asked).map(|last| last.causes).unwrap_or_default();
    let known = causes.into_iter().filter_map(|cause| Some((cause.reason?, cause.tasks)));
    known.flat_map(|(reason, tasks)| tasks.into_iter().map(move |task| (task, reason.clone()))).collect()
}

/// What is known of the tasks that failed or were stopped.
struct Failures<'a> {
    commands: HashMap<&'a str, String>,
    past: LastRuns,
    /// When the build began.
    began: Time,
}

impl<'a> Failures<'a> {
    fn new(project: &'a Project, told: &Retrospect) -> Failures<'a> {
        let tasks = project.workspace.ids().map(|id| project.workspace.task(id));
        let commands = tasks.filter_map(|task| Some((task.name.as_str(), command(task)?))).collect();
        let began = told.history.builds.last().map_or(Time::EPOCH, |build| build.began);
        Failures { commands, past: LastRuns::of(project), began }
    }

    /// Returns the command of a task and the end of its log, if it failed or was stopped; `null` if not. The log is
    /// that of the build, unless a later one has run the task.
    fn of(&self, task: &TaskRun) -> Value {
        if !matches!(task.ending, Ending::Failed | Ending::Stopped) {
            return Value::Null;
        }
        let known = self.past.failure(&task.name).filter(|(run, _)| run.ended >= self.began);
        let log = known.as_ref().map(|(_, log)| plain_end(log, LOG));
        let is_whole = known.as_ref().is_some_and(|(run, log)| run.omitted == 0 && log.len() <= LOG);
        json!({ "command": self.commands.get(&*task.name), "log": log, "log_is_whole": is_whole })
    }
}

/// Returns the stored size over time for each template: what its results had added by each of some moments.
fn store(growth: &[Growth]) -> Value {
    let made = |one: &Growth| one.created.as_millis();
    let (first, last) = (growth.first().map_or(0, made), growth.last().map_or(0, made));
    let moments: Vec<u64> = match last - first {
        0 => vec![last],
        span => (0..=MOMENTS).map(|moment| first + span * moment / MOMENTS).collect(),
    };
    let mut tasks: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in growth {
        let template = one.label.split('[').next().unwrap_or(&one.label);
        let from = moments.partition_point(|moment| *moment < made(one));
        let sizes = tasks.entry(template).or_insert_with(|| vec![0; moments.len()]);
        sizes[from..].iter_mut().for_each(|size| *size += one.added);
    }
    let tasks = tasks.into_iter().map(|(template, bytes)| json!({ "template": template, "bytes": bytes }));
    json!({
        "moments": moments.iter().map(|moment| *moment as f64 / 1e3).collect::<Vec<_>>(),
        "tasks": tasks.collect::<Vec<_>>(),
    })
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use percache::base::clock::Time;

    use super::*;

    fn grown(created: u64, label: &str, added: u64) -> Growth {
        Growth { created: Time::from_millis(created), label: label.into(), added }
    }

    #[test]
    fn the_store_grows_by_task() {
        let told = store(&[grown(0, "t[a]", 1), grown(30_000, "u", 5), grown(60_000, "t[b]", 2)]);
        assert_eq!(told["moments"].as_array().map(Vec::len), Some(61));
        assert_eq!(told["tasks"][0]["template"], "t");
        let bytes = |task: usize, moment: usize| told["tasks"][task]["bytes"][moment].as_u64();
        assert_eq!((bytes(0, 0), bytes(0, 59), bytes(0, 60)), (Some(1), Some(1), Some(3)));
        assert_eq!((bytes(1, 29), bytes(1, 30)), (Some(0), Some(5)));
        assert_eq!(store(&[])["tasks"], json!([]));
        assert_eq!(store(&[grown(7, "t", 1)])["tasks"][0]["bytes"], json!([1]));
    }
}
