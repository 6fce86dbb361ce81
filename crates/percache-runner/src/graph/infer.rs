//! Inferred dependencies: an input pattern of one task matches what another declares as its output.
//!
//! The patterns alone decide, so that a clean tree and a built one give the same graph. An output without wildcards
//! counts as a file unless it ends in `/` or `/**`, or the input continues below it: `gen/` and `gen/*.c` feed
//! `**/*.c`, `app` does not.

use std::collections::HashMap;
use std::ops::Range;

use super::outputs::positive;
use crate::model::path::RelPath;
use crate::model::pattern::{Pattern, PatternSet};
use crate::model::{Task, TaskId};

/// The patterns that connect two tasks, as positions among the patterns as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The position in the producer's `outputs`.
    pub output: usize,
    /// The position in the consumer's `inputs`.
    pub input: usize,
}

/// Returns how `producer` feeds `consumer`, if it does.
pub fn feeds(producer: &Task, consumer: &Task) -> Option<Feed> {
    [&consumer.inputs.patterns, &consumer.inputs.partial].into_iter().find_map(|inputs| feeds_one(producer, inputs))
}

fn feeds_one(producer: &Task, inputs: &PatternSet) -> Option<Feed> {
    if !inputs.overlaps_as_named(&producer.outputs) {
        return None;
    }
    let pairs = positive(inputs).flat_map(|input| positive(&producer.outputs).map(move |output| (input, output)));
    let mut meeting = pairs.filter(|(input, output)| input.overlaps_as_named(output));
    meeting.next().map(|(input, output)| Feed { output: output.index, input: input.index })
}

/// Returns the tasks that feed each task, sorted, without its explicit dependencies and itself.
pub fn inferred(tasks: &[Task]) -> Vec<Vec<TaskId>> {
    let mut producers = Producers::new(tasks);
    let ids = (0u32..).map(TaskId);
    ids.zip(tasks).map(|(id, task)| producers.of(id, task)).collect()
}

/// The place where an output begins, its owner, and its pattern.
type Output<'t> = (&'t RelPath, TaskId, &'t Pattern);

/// All declared outputs, by the place where they begin.
struct Producers<'t> {
    tasks: &'t [Task],
    /// Sorted by bytes, so that everything below a directory is contiguous.
    outputs: Vec<Output<'t>>,
    /// The range of `outputs` that begin at a path.
    at: HashMap<&'t [u8], Range<usize>>,
    /// The producers that meet a glob, found once because all instances of a task share their globs.
    of_glob: HashMap<String, Vec<TaskId>>,
}

impl<'t> Producers<'t> {
    fn new(tasks: &'t [Task]) -> Self {
        let ids = (0u32..).map(TaskId);
        let outputs = ids
            .zip(tasks)
            .flat_map(|(id, task)| positive(&task.outputs).map(move |pattern| (pattern.prefix(), id, pattern)));
        let mut outputs: Vec<_> = outputs.collect();
        outputs.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let mut at = HashMap::with_capacity(outputs.len());
        let mut first = 0;
        for same in outputs.chunk_by(|a, b| a.0 == b.0) {
            at.insert(same[0].0.as_bytes(), first..first + same.len());
            first += same.len();
        }
        Producers { tasks, outputs, at, of_glob: HashMap::new() }
    }

    fn of(&mut self, id: TaskId, task: &Task) -> Vec<TaskId> {
        let mut found = self.feeding(&task.inputs.patterns);
        found.extend(self.feeding(&task.inputs.partial));
        found.sort_unstable();
        found.dedup();
        found.retain(|&other| other != id && task.deps.binary_search(&other).is_err());
        found
    }

    /// Returns the tasks whose outputs these inputs match.
    fn feeding(&mut self, inputs: &PatternSet) -> Vec<TaskId> {
        let mut found = Vec::new();
        for pattern in positive(inputs) {
            if pattern.literal().is_some() {
                found.extend(self.meeting(pattern));
            } else {
                let key = pattern.to_string();
                if !self.of_glob.contains_key(&key) {
                    let meeting = self.meeting(pattern);
                    self.of_glob.insert(key.clone(), meeting);
                }
                found.extend(&self.of_glob[&key]);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|&other| self.remains(inputs, other));
        found
    }

    /// Returns whether the two still overlap when exclusions are considered.
    fn remains(&self, inputs: &PatternSet, producer: TaskId) -> bool {
        let outputs = &self.tasks[producer.index()].outputs;
        let takes_away = |set: &PatternSet| set.patterns().iter().any(|pattern| pattern.negated);
        !(takes_away(inputs) || takes_away(outputs)) || inputs.overlaps_as_named(outputs)
    }

    /// Returns the tasks with an output that meets `input`: it begins at or below the place where the input begins, or
    /// at a directory above.
    fn meeting(&self, input: &Pattern) -> Vec<TaskId> {
        let start = input.prefix();
        let below = self.below(start);
        let exact = self.at(start.as_bytes());
        let above = start.ancestors().flat_map(|dir| self.at(dir));
        let candidates = below.iter().chain(exact).chain(above);
        candidates.filter(|(_, _, output)| input.overlaps_as_named(output)).map(|&(_, id, _)| id).collect()
    }

    fn at(&self, path: &[u8]) -> &[Output<'t>] {
        self.at.get(path).map_or(&[], |range| &self.outputs[range.clone()])
    }

    /// Returns the outputs that begin below `dir`: the bytes from `dir/` up to the first that does not have `/` after
    /// `dir`.
    fn below(&self, dir: &RelPath) -> &[Output<'t>] {
        if dir.is_root() {
            let at_root = self.outputs.partition_point(|(start, ..)| start.is_root());
            return &self.outputs[at_root..];
        }
        let edge = |byte| [dir.as_bytes(), &[byte]].concat();
        let (from, to) = (edge(b'/'), edge(b'/' + 1));
        let first = self.outputs.partition_point(|(start, ..)| start.as_bytes() < &from[..]);
        let last = self.outputs.partition_point(|(start, ..)| start.as_bytes() < &to[..]);
        &self.outputs[first..last]
    }
}
