//! Logs of the last failed runs of a worktree: how each ended, and the end of its log. Failures are never stored; this
//! is what `percache log`, `why` and `list` know of them until the task succeeds.
//!
//! One file per task, limited in size and number, readable by its owner only: the head as a line of JSON, then the log
//! as written. No build depends on them. Knows nothing of how a run comes about.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percache::Digest;
use percache::base::clock::Time;
use percache::base::files::{self, Durability, create_private_dir};
use serde::{Deserialize, Serialize};

use crate::worktree::journal::TaskRecord;

/// The largest part of a log that is kept, from its end.
pub const LONGEST: usize = 1 << 20;
/// The number of runs that are kept, the latest ones.
pub const KEPT: usize = 64;
const VERSION: u32 = 1;

/// A run that failed or was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRun {
    version: u32,
    /// The name of the task.
    pub task: String,
    /// When it ended.
    pub ended: Time,
    /// How it ended, in a few words.
    pub how: String,
    /// Whether the user stopped it; otherwise it failed.
    pub stopped: bool,
    /// The number of bytes of the log before the part that is kept.
    pub omitted: u64,
}

impl FailedRun {
    /// Describes a run whose whole log is kept.
    pub fn new(task: &str, ended: Time, how: String, stopped: bool) -> FailedRun {
        FailedRun { version: VERSION, task: task.to_owned(), ended, how, stopped, omitted: 0 }
    }

    /// Returns whether no later run is known: the journal's record of the task is not newer.
    pub fn is_last(&self, record: Option<&TaskRecord>) -> bool {
        record.is_none_or(|record| record.created <= self.ended)
    }
}

/// Adds failed runs, each with its log, to those in the directory `dir`. Removes those of tasks that have since ended
/// in another way, as `is_done` says.
pub fn keep(dir: &Path, runs: &[(FailedRun, Vec<u8>)], is_done: &dyn Fn(&str) -> bool) -> io::Result<()> {
    let mut before = files_in(dir)?;
    if before.is_empty() && runs.is_empty() {
        return Ok(());
    }
    before.retain(|(_, path)| {
        let wanted = !files::is_temporary(path) && head(path).is_some_and(|(run, _)| !is_done(&run.task));
        if !wanted {
            let _ = fs::remove_file(path);
        }
        wanted
    });
    if !runs.is_empty() {
        create_private_dir(dir)?;
    }
    let newest = &runs[runs.len().saturating_sub(KEPT)..];
    for (run, log) in newest {
        let kept = &log[log.len().saturating_sub(LONGEST)..];
        let head = FailedRun { omitted: run.omitted + (log.len() - kept.len()) as u64, ..run.clone() };
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(kept);
        let path = path(dir, &run.task);
        before.retain(|(_, other)| *other != path);
        files::replace(&path, &bytes, Durability::Volatile)?;
    }
    before.sort();
    let surplus = (before.len() + newest.len()).saturating_sub(KEPT);
    before.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// Returns the failed run of a task, and its log.
pub fn of(dir: &Path, task: &str) -> Option<(FailedRun, Vec<u8>)> {
    let (run, mut rest) = head(&path(dir, task))?;
    let mut log = Vec::new();
    rest.read_to_end(&mut log).ok()?;
    (run.task == task).then_some((run, log))
}

/// Returns all failed runs.
pub fn all(dir: &Path) -> Vec<FailedRun> {
    files_in(dir).unwrap_or_default().iter().filter_map(|(_, path)| Some(head(path)?.0)).collect()
}

/// Returns the files in the directory, each with its modification time; none if the directory does not exist.
fn files_in(dir: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            entries.map(|entry| entry.and_then(|entry| Ok((entry.metadata()?.modified()?, entry.path())))).collect()
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

fn head(path: &Path) -> Option<(FailedRun, BufReader<File>)> {
    let mut reader = BufReader::new(File::open(path).ok()?);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let run: FailedRun = serde_json::from_slice(&line).ok()?;
    (run.version == VERSION).then_some((run, reader))
}

fn path(dir: &Path, task: &str) -> PathBuf {
    dir.join(Digest::of(task.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn run(task: &str) -> FailedRun {
        FailedRun::new(task, Time::from_millis(7), "exit status 1".into(), false)
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = all(dir).into_iter().map(|run| run.task).collect();
        names.sort();
        names
    }

    #[test]
    fn a_run_is_kept_until_its_task_ends_otherwise() {
        let temp = tempfile::tempdir().unwrap();
        let dir = &temp.path().join("failed");
        keep(dir, &[], &|_| true).unwrap();
        assert!(!dir.exists(), "nothing failed, nothing is made");
        keep(dir, &[(run("a"), b"one\n\xff".into()), (run("b"), Vec::new())], &|_| false).unwrap();
        assert_eq!(of(dir, "a"), Some((run("a"), b"one\n\xff".to_vec())));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(dir), mode(&path(dir, "a"))), (0o700, 0o600));
        keep(dir, &[(run("b"), b"again".into())], &|task| task == "a").unwrap();
        assert_eq!(names(dir), ["b"]);
        assert_eq!(of(dir, "b").unwrap().1, b"again");
        assert_eq!(of(dir, "a"), None);
    }

    #[test]
    fn logs_and_their_number_are_bounded() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        let long = [vec![b'x'; LONGEST], b"end".to_vec()].concat();
        keep(dir, &[(FailedRun { omitted: 5, ..run("long") }, long)], &|_| false).unwrap();
        let (kept, log) = of(dir, "long").unwrap();
        assert_eq!((kept.omitted, log.len(), log.ends_with(b"end")), (8, LONGEST, true));
        let many: Vec<_> = (0..2 * KEPT).map(|number| (run(&number.to_string()), Vec::new())).collect();
        keep(dir, &many, &|_| false).unwrap();
        assert_eq!(names(dir).len(), KEPT);
        assert!(of(dir, "127").is_some() && of(dir, "long").is_none());
    }

    #[test]
    fn what_is_damaged_is_not_there_and_goes() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        fs::write(path(dir, "a"), "{").unwrap();
        fs::write(dir.join("x.1-0.new"), "").unwrap();
        assert_eq!((of(dir, "a"), all(dir)), (None, Vec::new()));
        keep(dir, &[], &|_| false).unwrap();
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    }
}
