//! Tells a task that writes its own inputs from a person who edits them.
//!
//! A change that comes while no command runs is a person's. One that comes while commands run may be a person's, and it
//! counts all the same: whoever edits a file during a build wants the result. But a command that writes its own input
//! does so each time it runs, at about the same time after its start. A change of that kind no longer stops a build;
//! the build finishes, and another one follows. After two whole builds in a row with the same change at the same time,
//! or three at any time, the change is ignored.
//!
//! A server has no end to wait for. After four restarts in a row, soon after its start and at the same time, it is no
//! longer restarted.
//!
//! Does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::reads::Change;

const SECOND: i64 = 1_000_000_000;
/// How much the clock of the file system may lag behind.
const TICK: i64 = SECOND / 100;
/// How precisely the start of a command that has not ended is known. Whatever triggered the build came before it.
const SLACK: i64 = SECOND / 20;
/// Two times after the start are the same if they differ by less than this, or by less than a tenth.
const ALIKE: i64 = SECOND / 4;
/// What counts as soon after the start: a person has hardly seen the result yet.
const SOON: i64 = 3 * SECOND;
/// The number of builds in a row, stopped soon after their start, after which one is allowed to finish, whatever
/// stopped them.
const STOPS: usize = 4;
/// The number of restarts of a server in a row, soon after its start and at the same time, after which it is not
/// restarted.
const RESTARTS: usize = 4;
/// The number of whole builds in a row, with a change at different times, after which the change is ignored.
const WHOLE: usize = 3;

/// A run of a command, in wall clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The task.
    pub task: String,
    /// Whether it owns the terminal or is a server, so that it may run for as long as somebody uses it.
    pub interactive: bool,
    /// When it began.
    pub began: i64,
    /// When it ended, if it has.
    pub ended: Option<i64>,
}

impl Run {
    /// Returns how long after its start a moment was, if it was running then.
    fn offset(&self, when: i64) -> Option<i64> {
        let running = match self.ended {
            Some(ended) => (self.began - TICK..=ended).contains(&when),
            None => when >= self.began - SLACK,
        };
        running.then_some((when - self.began).max(0))
    }
}

/// Consecutive builds in which a path was changed while commands ran.
#[derive(Clone, Debug, Default)]
struct Strike {
    /// The number of them that finished.
    whole: usize,
    /// The commands that ran at the change in the last finished build, with the times after their start.
    whole_offsets: Offsets,
    /// The number of builds that were stopped soon after their start.
    stops: usize,
    /// The number of the latest of these that were stopped at the same time.
    alike: usize,
    /// The commands that ran at the change in the last build, with the times after their start.
    offsets: Offsets,
}

/// Times after the start of commands, by the names of their tasks.
type Offsets = BTreeMap<String, i64>;

/// Tracks the paths that the build itself changes.
#[derive(Debug, Default)]
pub struct Blame {
    /// Includes directories, in which a task may create a file of another name each time.
    strikes: BTreeMap<Vec<u8>, Strike>,
    /// The paths whose changes are ignored, and the tasks that ran when they were changed.
    settled: BTreeMap<Vec<u8>, BTreeSet<String>>,
}

/// A path whose changes are ignored from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed {
    /// The path.
    pub path: Vec<u8>,
    /// The tasks that ran whenever it was changed.
    pub tasks: Vec<String>,
}

/// The verdict on changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Paths whose changes are worth another build.
    pub count: Vec<Vec<u8>>,
    /// Paths whose changes are ignored from now on.
    pub blamed: Vec<Blamed>,
}

impl Blame {
    /// Decides whether changes that are seen while a build runs should stop it. They are judged again when it is over.
    pub fn meanwhile(&mut self, changes: &[Change], runs: &[Run]) -> Verdict {
        let serves = runs.iter().any(|run| run.interactive && run.ended.is_none());
        self.judge(changes, runs, |strike, offsets| match strike {
            None => Guess::Person,
            Some(strike) if serves => {
                let common = common(&strike.offsets, offsets);
                if strike.alike < RESTARTS || common.is_empty() { Guess::Person } else { Guess::Task(common) }
            }
            Some(strike) => {
                let alike = !common(&strike.offsets, offsets).is_empty() || strike.stops >= STOPS;
                if alike { Guess::Unknown } else { Guess::Person }
            }
        })
    }

    /// Decides whether the changes during a build that is over call for another one. `whole` says whether it finished.
    pub fn after(&mut self, changes: &[Change], runs: &[Run], whole: bool) -> Verdict {
        let verdict = self.judge(changes, runs, |strike, offsets| {
            let Some(strike) = strike.filter(|strike| whole && strike.whole > 0) else { return Guess::Person };
            let common = common(&strike.whole_offsets, offsets);
            match common.is_empty() {
                false => Guess::Task(common),
                true if strike.whole + 1 >= WHOLE => Guess::Task(offsets.keys().cloned().collect()),
                true => Guess::Person,
            }
        });
        self.clear(changes, runs, whole);
        let mut noted = BTreeSet::new();
        for change in changes {
            let offsets = offsets(change, runs);
            if offsets.is_empty() {
                keys(change).for_each(|key| drop(self.strikes.remove(key)));
                continue;
            }
            for key in keys(change) {
                // Of several files in one directory, the first counts for all.
                if noted.insert(key.to_vec()) {
                    self.strikes.entry(key.to_vec()).or_default().note(offsets.clone(), whole);
                }
            }
        }
        verdict
    }

    /// Forgets suspicions that a whole build has refuted.
    fn clear(&mut self, changes: &[Change], runs: &[Run], whole: bool) {
        let changed: BTreeSet<&[u8]> = changes.iter().flat_map(keys).collect();
        let ran = |task: &String| runs.iter().any(|run| run.task == *task);
        if whole {
            self.strikes.retain(|key, _| changed.contains(key.as_slice()));
            self.settled.retain(|key, tasks| changed.contains(key.as_slice()) || !tasks.iter().any(ran));
        }
    }

    fn judge(
        &mut self,
        changes: &[Change],
        runs: &[Run],
        guess: impl Fn(Option<&Strike>, &Offsets) -> Guess,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        for change in changes {
            let (path, offsets) = (change.path.clone(), offsets(change, runs));
            if offsets.is_empty() {
                verdict.count.push(path);
                continue;
            }
            if keys(change).any(|key| self.settled.contains_key(key)) {
                continue;
            }
            let guesses = keys(change).map(|key| (key, guess(self.strikes.get(key), &offsets)));
            match guesses.max_by_key(|(_, guess)| guess.certainty()) {
                Some((key, Guess::Task(tasks))) => {
                    self.settled.insert(key.to_vec(), tasks.clone());
                    verdict.blamed.push(Blamed { path, tasks: tasks.into_iter().collect() });
                }
                Some((_, Guess::Unknown)) => {}
                Some((_, Guess::Person)) | None => verdict.count.push(path),
            }
        }
        verdict
    }
}

/// Who made a change.
enum Guess {
    Person,
    /// It is not known yet.
    Unknown,
    /// One of these tasks.
    Task(BTreeSet<String>),
}

impl Guess {
    fn certainty(&self) -> usize {
        match self {
            Guess::Person => 0,
            Guess::Unknown => 1,
            Guess::Task(_) => 2,
        }
    }
}

impl Strike {
    fn note(&mut self, offsets: Offsets, whole: bool) {
        if whole {
            self.whole += 1;
            self.stops = 0;
            self.alike = 0;
            self.whole_offsets.clone_from(&offsets);
        } else {
            let soon = offsets.values().any(|offset| *offset < SOON);
            self.stops = if soon { self.stops + 1 } else { 0 };
            self.alike = match (soon, self.alike > 0 && common(&self.offsets, &offsets).is_empty()) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => self.alike + 1,
            };
        }
        self.offsets = offsets;
    }
}

/// Yields what a change is recognised by: its path, and its directory if a file was created or removed.
fn keys(change: &Change) -> impl Iterator<Item = &[u8]> {
    let end = memchr::memrchr(b'/', &change.path).map_or(0, |slash| slash + 1);
    std::iter::once(&change.path[..]).chain(change.comes_or_goes.then_some(&change.path[..end]))
}

fn offsets(change: &Change, runs: &[Run]) -> Offsets {
    runs.iter().filter_map(|run| Some((run.task.clone(), run.offset(change.when)?))).collect()
}

/// Returns the tasks that had run for the same time.
fn common(before: &Offsets, now: &Offsets) -> BTreeSet<String> {
    let alike = |a: i64, b: i64| (a - b).abs() < ALIKE.max(a.max(b) / 10);
    let same = |(task, offset): &(&String, &i64)| before.get(*task).is_some_and(|before| alike(*before, **offset));
    now.iter().filter(same).map(|(task, _)| task.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(began: i64, ended: Option<i64>) -> Run {
        let seconds = |time: i64| time * SECOND;
        Run { task: "t".into(), interactive: false, began: seconds(began), ended: ended.map(seconds) }
    }

    fn change(path: &str, when: i64) -> Change {
        Change { path: path.into(), when: when * SECOND, comes_or_goes: false }
    }

    fn round(blame: &mut Blame, began: i64, changes: &[Change]) -> (usize, usize) {
        let verdict = blame.after(changes, &[run(began, Some(began + 10))], true);
        (verdict.count.len(), verdict.blamed.len())
    }

    #[test]
    fn a_task_that_changes_the_same_at_the_same_time_is_blamed_after_the_second_round() {
        let mut blame = Blame::default();
        assert_eq!(round(&mut blame, 100, &[change("log", 101)]), (1, 0));
        let verdict = blame.after(&[change("log", 201)], &[run(200, Some(210))], true);
        assert_eq!(verdict.blamed, [Blamed { path: b"log".to_vec(), tasks: vec!["t".into()] }]);
        assert!(verdict.count.is_empty());
        assert_eq!(round(&mut blame, 300, &[change("log", 308)]), (0, 0), "it is named once, and left alone");
    }

    #[test]
    fn who_edits_a_file_during_two_builds_is_heard_and_a_task_with_moods_is_found_out_in_the_third() {
        let mut blame = Blame::default();
        assert_eq!(round(&mut blame, 100, &[change("a.c", 101)]), (1, 0));
        assert_eq!(round(&mut blame, 200, &[change("a.c", 207)]), (1, 0));
        assert_eq!(round(&mut blame, 300, &[change("a.c", 304)]), (0, 1));
    }

    #[test]
    fn a_round_without_the_change_clears() {
        let mut blame = Blame::default();
        assert_eq!(round(&mut blame, 100, &[change("a.c", 101)]), (1, 0));
        assert_eq!(round(&mut blame, 200, &[]), (0, 0));
        assert_eq!(round(&mut blame, 300, &[change("a.c", 301)]), (1, 0));
        assert_eq!(round(&mut blame, 400, &[change("a.c", 401)]), (0, 1));
        assert_eq!(round(&mut blame, 500, &[]), (0, 0));
        assert_eq!(round(&mut blame, 600, &[change("a.c", 601)]), (1, 0), "no longer left alone");
    }

    #[test]
    fn what_changes_while_nothing_runs_is_somebodys_own() {
        let mut blame = Blame::default();
        for began in [100, 200, 300, 400] {
            assert_eq!(round(&mut blame, began, &[change("a.c", began + 50)]), (1, 0));
        }
    }

    #[test]
    fn whoever_edits_a_file_again_and_again_restarts_the_build_each_time() {
        let mut blame = Blame::default();
        for (began, after) in [(100, 1), (200, 4), (300, 2), (400, 7), (500, 5), (600, 9), (700, 3)] {
            let (changes, run) = ([change("a.c", began + after)], run(began, None));
            let verdict = blame.meanwhile(&changes, std::slice::from_ref(&run));
            assert_eq!(verdict.count.len(), 1, "{began}");
            let run = Run { ended: Some((began + after + 1) * SECOND), ..run };
            assert_eq!(blame.after(&changes, &[run], false).count.len(), 1);
        }
    }

    #[test]
    fn a_task_that_stops_itself_comes_to_its_end_and_is_blamed_after_the_second_whole_build() {
        let mut blame = Blame::default();
        let mut starts = |began: i64, whole: bool| {
            let (changes, run) = ([change("log", began + 1)], run(began, None));
            let stops = !blame.meanwhile(&changes, std::slice::from_ref(&run)).count.is_empty();
            assert_eq!(stops, !whole);
            let verdict = blame.after(&changes, &[Run { ended: Some((began + 2) * SECOND), ..run }], whole);
            (verdict.count.len(), verdict.blamed.len())
        };
        assert_eq!(starts(100, false), (1, 0));
        assert_eq!(starts(200, true), (1, 0));
        assert_eq!(starts(300, true), (0, 1));
        assert_eq!(starts(400, true), (0, 0));
    }

    #[test]
    fn a_server_is_blamed_only_after_its_fifth_start() {
        let mut blame = Blame::default();
        let mut starts = Vec::new();
        for began in [100, 200, 300, 400, 500] {
            let server = Run { interactive: true, ..run(began, None) };
            let changes = [change("server.log", began + 1)];
            let verdict = blame.meanwhile(&changes, std::slice::from_ref(&server));
            starts.push((verdict.count.len(), verdict.blamed.len()));
            blame.after(&changes, &[Run { ended: Some((began + 2) * SECOND), ..server }], false);
        }
        assert_eq!(starts, [(1, 0), (1, 0), (1, 0), (1, 0), (0, 1)]);
    }

    #[test]
    fn a_file_of_another_name_each_time_is_the_same_change() {
        let mut blame = Blame::default();
        let new = |path: &str, when: i64| Change { comes_or_goes: true, ..change(path, when) };
        assert_eq!(round(&mut blame, 100, &[new("tmp/1", 101), new("src/a.c", 107)]), (2, 0));
        assert_eq!(round(&mut blame, 200, &[new("tmp/2", 201), new("src/b.c", 202)]), (1, 1));
        assert_eq!(round(&mut blame, 300, &[new("tmp/3", 301)]), (0, 0));
    }

    #[test]
    fn what_a_build_was_begun_for_is_not_its_work() {
        let mut blame = Blame::default();
        for began in [100, 200, 300] {
            let change = Change { when: began * SECOND - SECOND / 30, ..change("a.c", 0) };
            assert_eq!(round(&mut blame, began, &[change]), (1, 0));
        }
    }

    #[test]
    fn who_reacts_to_the_end_of_a_command_is_somebody_else() {
        let mut blame = Blame::default();
        for began in [100, 200, 300] {
            let change = Change { when: (began + 10) * SECOND + 1, ..change("a.c", 0) };
            let verdict = blame.after(&[change], &[run(began, Some(began + 10))], true);
            assert_eq!((verdict.count.len(), verdict.blamed.len()), (1, 0));
        }
    }
}
