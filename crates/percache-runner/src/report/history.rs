//! The last builds of a worktree, for `percache report`: the time, duration and counts of each, and every task of the
//! last one.
//!
//! One file per worktree, limited in size, replaced at the end of a build that did something: a build that found
//! everything up to date does not change it. No build depends on it. It has two lines of JSON: the builds, oldest
//! first, and the tasks of the last one.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use percache::base::clock::Time;
use percache::base::files::{self, Durability};
use serde::{Deserialize, Serialize};

/// The number of builds that are remembered.
const REMEMBERED: usize = 100;
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The last builds that did something, the oldest first.
    pub builds: Vec<Build>,
    /// The tasks of the last build; each comes after its dependencies.
    pub tasks: Vec<TaskRun>,
}

/// One build.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// When it began.
    pub began: Time,
    /// How long it took, in microseconds, as all durations here.
    pub took: u64,
    /// The command line.
    pub command: String,
    /// How many tasks could run at a time.
    pub jobs: usize,
    /// The number of tasks that ran and succeeded.
    pub ran: usize,
    /// The number of tasks that were up to date.
    pub up_to_date: usize,
    /// The number of tasks that were restored.
    pub restored: usize,
    /// The number of tasks that failed.
    pub failed: usize,
    /// The number of tasks that were running when the user stopped the build.
    pub stopped: usize,
    /// The number of tasks that did not start because of a failure or an interruption.
    pub skipped: usize,
    /// Whether the user stopped it.
    pub interrupted: bool,
    /// How long the commands of all hits had taken when they ran.
    pub saved: u64,
    /// The number of tasks whose results were fetched from a remote.
    #[serde(default)]
    pub fetched: usize,
    /// The bytes that came for them.
    #[serde(default)]
    pub fetched_bytes: u64,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It ran, and its outputs changed.
    Ran,
    /// It ran, and its outputs did not change, so it gave its dependents no reason to run.
    Same,
    /// It was restored.
    Restored,
    /// It was up to date.
    UpToDate,
    /// It is a group.
    Group,
    /// It failed.
    Failed,
    /// It was running when the user stopped the build.
    Stopped,
    /// It did not start because of a failure or an interruption.
    Skipped,
}

/// One task of the last build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRun {
    /// Its name.
    pub name: String,
    /// The name without its instance.
    pub template: String,
    /// How it ended.
    pub ending: Ending,
    /// When it began, since the beginning of the build.
    pub began: u64,
    /// How long it took.
    pub took: u64,
    /// How long the command of a hit had taken when it ran.
    pub saved: u64,
    /// The size of its outputs in bytes.
    pub bytes: u64,
    /// The positions of its direct dependencies.
    pub needs: Vec<u32>,
    /// Why it ran, if the build determined it or it was obvious; or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// If there is no reason: the keys, in hexadecimal, of the results before and after, whose comparison gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<(String, String)>,
    /// If its result was fetched from a remote: which, and how many bytes came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<(String, u64)>,
    /// Why a result that the remote has was not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// If its command ran on a worker elsewhere: how long it waited for the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    builds: Vec<Build>,
}

impl History {
    /// Loads the file at `path`; empty if there is none, or if it cannot be read.
    pub fn load(path: &Path) -> History {
        let text = fs::read_to_string(path).unwrap_or_default();
        let Some((head, tasks)) = text.split_once('\n') else { return History::default() };
        match (serde_json::from_str::<Head>(head), serde_json::from_str(tasks)) {
            (Ok(Head { version: VERSION, builds }), Ok(tasks)) => History { builds, tasks },
            _ => History::default(),
        }
    }

    /// Adds a build to the file at `path`.
    pub fn add(path: &Path, build: Build, tasks: &[TaskRun]) -> io::Result<()> {
        let mut line = String::new();
        // A head that cannot be read is replaced.
        let _ = File::open(path).and_then(|file| BufReader::new(file).read_line(&mut line));
        let head = serde_json::from_str(&line).ok();
        let mut head: Head =
            head.filter(|head: &Head| head.version == VERSION).unwrap_or(Head { version: VERSION, builds: Vec::new() });
        head.builds.push(build);
        head.builds.drain(..head.builds.len().saturating_sub(REMEMBERED));
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, tasks)?;
        bytes.push(b'\n');
        files::replace(path, &bytes, Durability::Volatile)
    }
}

/// Returns the positions of the tasks on the critical path of a build: the chain, each task waiting for the previous
/// one, whose total duration is the longest. In the order in which they were done.
pub fn critical_path(tasks: &[TaskRun]) -> Vec<usize> {
    // For each task, the length of the longest chain that ends with it, and the task before it in that chain.
    let mut longest: Vec<(u64, Option<usize>)> = Vec::with_capacity(tasks.len());
    for (position, task) in tasks.iter().enumerate() {
        // Dependencies come before their dependents; anything else is damage, and would lead in circles.
        let needs = task.needs.iter().map(|need| *need as usize).filter(|need| *need < position);
        let before = needs.max_by_key(|need| longest[*need].0);
        longest.push((task.took + before.map_or(0, |before| longest[before].0), before));
    }
    let last = (0..tasks.len()).max_by_key(|position| longest[*position].0);
    let mut path: Vec<usize> = std::iter::successors(last, |position| longest[*position].1).collect();
    path.retain(|position| !matches!(tasks[*position].ending, Ending::Group | Ending::Skipped));
    path.reverse();
    path
}

/// Assigns each task a row of a picture in which tasks in one row do not overlap, with as few rows as possible; `None`
/// for tasks that took no part.
pub fn rows(tasks: &[TaskRun]) -> Vec<Option<usize>> {
    let took_part = |task: &TaskRun| !matches!(task.ending, Ending::Skipped | Ending::Group);
    let mut order: Vec<usize> = (0..tasks.len()).filter(|position| took_part(&tasks[*position])).collect();
    order.sort_by_key(|position| tasks[*position].began);
    let mut rows = vec![None; tasks.len()];
    let mut busy_until: Vec<u64> = Vec::new();
    for position in order {
        let task = &tasks[position];
        let free = busy_until.iter().position(|until| *until <= task.began);
        let row = free.unwrap_or(busy_until.len());
        busy_until.resize(busy_until.len().max(row + 1), 0);
        busy_until[row] = task.began + task.took;
        rows[position] = Some(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, began: u64, took: u64, needs: &[u32]) -> TaskRun {
        TaskRun {
            name: name.into(),
            template: name.into(),
            ending: Ending::Ran,
            began,
            took,
            saved: 0,
            bytes: 0,
            needs: needs.into(),
            reason: None,
            results: None,
            fetched: None,
            refused: None,
            queued: None,
        }
    }

    #[test]
    fn it_is_read_back_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("builds");
        assert_eq!(History::load(&path), History::default());
        for began in 0..120 {
            let build = Build { began: Time::from_millis(began), ..Build::default() };
            History::add(&path, build, &[task("a", began, 1, &[])]).unwrap();
        }
        let history = History::load(&path);
        let began: Vec<_> = history.builds.iter().map(|build| build.began.as_millis()).collect();
        assert_eq!(began, (20..120).collect::<Vec<_>>());
        assert_eq!(history.tasks, [task("a", 119, 1, &[])]);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        assert_eq!(History::load(&path), History::default());
        History::add(&path, Build::default(), &[]).unwrap();
        assert_eq!(History::load(&path).builds.len(), REMEMBERED, "what is whole of it is kept");
    }

    #[test]
    fn the_critical_path_is_the_longest_chain() {
        // a ─► c ─► d, b ─► c; e runs by itself.
        let mut tasks = [
            task("a", 0, 3, &[]),
            task("b", 0, 5, &[]),
            task("c", 5, 2, &[0, 1]),
            task("d", 7, 1, &[2]),
            task("e", 8, 7, &[]),
        ];
        assert_eq!(critical_path(&tasks), [1, 2, 3]);
        tasks[4].took = 9;
        assert_eq!(critical_path(&tasks), [4]);
        assert_eq!(critical_path(&[]), [0; 0]);
        tasks[4].needs = vec![4, 99];
        assert_eq!(critical_path(&tasks), [4], "damage is no endless loop");
    }

    #[test]
    fn a_row_has_one_task_at_a_time() {
        let tasks = [task("a", 0, 5, &[]), task("b", 0, 2, &[]), task("c", 2, 2, &[]), task("d", 3, 1, &[])];
        assert_eq!(rows(&tasks), [Some(0), Some(1), Some(1), Some(2)]);
    }
}
