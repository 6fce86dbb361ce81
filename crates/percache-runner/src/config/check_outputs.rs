//! Checks that every output belongs to one task, and that no task reads what it writes.
//!
//! Reports only what is certain from the patterns alone, where one lies inside another. Two globs that may overlap are
//! left to the build.

use std::collections::HashMap;

use super::cycles::seen_from;
use super::load::Tasks;
use super::placeholder::Piece;
use super::report::{Place, Report};
use super::stated::{Stated, Text};
use crate::graph::OutputIndex;
use crate::model::TaskId;
use crate::model::path::RelPath;
use crate::model::pattern::{Pattern, PatternSet};

/// Reports outputs with two owners, outputs that are inputs of the same task, and outputs that contain a configuration
/// file or lie in `stores`.
pub(super) fn check_outputs(tasks: &Tasks, files: &[RelPath], stores: &[RelPath], report: &mut Report) {
    let mut index = OutputIndex::default();
    for (id, task) in (0u32..).map(TaskId).zip(&tasks.tasks) {
        index.insert(id, &task.outputs);
    }
    let mut check = Check { tasks, report, index, globs: HashMap::new(), depfiles: HashMap::new() };
    for position in 0..tasks.tasks.len() {
        check.owners(position);
        check.depfile(position);
        check.own_inputs(position);
        check.configuration(position, files);
        check.store(position, stores);
    }
}

struct Check<'c> {
    tasks: &'c Tasks,
    report: &'c mut Report,
    index: OutputIndex,
    /// The first owner of each glob.
    globs: HashMap<String, usize>,
    depfiles: HashMap<&'c RelPath, usize>,
}

impl Check<'_> {
    fn owners(&mut self, position: usize) {
        let task = &self.tasks.tasks[position];
        for pattern in positive(&task.outputs) {
            let Some(path) = pattern.literal() else {
                let first = *self.globs.entry(pattern.to_string()).or_insert(position);
                self.owned_twice(position, pattern, first);
                if first == position {
                    self.inside(position, pattern);
                }
                continue;
            };
            if !task.outputs.matches(path) {
                continue;
            }
            let others: Vec<usize> =
                self.index.owners(path).map(TaskId::index).filter(|other| *other != position).collect();
            for other in others {
                // If two tasks name the same path, each finds the other: report it at the later one.
                let same = positive(&self.tasks.tasks[other].outputs).any(|other| other.literal() == Some(path));
                if !same || other < position {
                    self.owned_twice(position, pattern, other);
                }
            }
        }
    }

    /// Reports tasks that own everything that the glob `pattern` matches.
    fn inside(&mut self, position: usize, pattern: &Pattern) {
        let task = &self.tasks.tasks[position];
        let paths = examples(pattern);
        let Some((first, others)) = paths.split_first().filter(|_| paths.iter().all(|path| task.outputs.matches(path)))
        else {
            return;
        };
        let owners = self.index.owners(first).map(TaskId::index).filter(|other| *other != position);
        let all = |other: &usize| others.iter().all(|path| self.tasks.tasks[*other].outputs.matches(path));
        let text = pattern.to_string();
        let owners: Vec<usize> = owners.filter(all).collect();
        for other in owners {
            // If two contain each other, report it at the later one.
            let theirs = &self.tasks.tasks[other].outputs;
            let contains = |theirs: &Pattern| {
                let paths = theirs.literal().map_or_else(|| examples(theirs), |path| vec![path.clone()]);
                !paths.is_empty() && paths.iter().all(|path| task.outputs.matches(path))
            };
            let same = positive(theirs).any(|theirs| theirs.to_string() == text);
            if !same && (other < position || !positive(theirs).any(contains)) {
                self.owned_twice(position, pattern, other);
            }
        }
    }

    fn owned_twice(&mut self, position: usize, pattern: &Pattern, other: usize) {
        if other == position {
            return;
        }
        let (stated, first) = (self.tasks.stated(position), self.tasks.stated(other));
        let (name, first_name) = (&self.tasks.tasks[position].name, &self.tasks.tasks[other].name);
        let at = output_place(stated, pattern.index);
        let title = format!("two tasks produce `{pattern}`");
        if self.tasks.of[position] == self.tasks.of[other] {
            let label = format!("is an output of `{first_name}` and of `{name}`");
            self.report.error(title, at, label).hint(tell_apart(stated, stated.outputs().get(pattern.index)));
            return;
        }
        let theirs = positive(&self.tasks.tasks[other].outputs);
        let paths = pattern.literal().map_or_else(|| examples(pattern), |path| vec![path.clone()]);
        let mut theirs = theirs.filter(|theirs| {
            let contains = !paths.is_empty() && paths.iter().all(|path| theirs.matches(path));
            contains || theirs.to_string() == pattern.to_string()
        });
        let first_at = theirs.next().map_or_else(|| first.at.clone(), |theirs| output_place(first, theirs.index));
        let mistake = self.report.error(title, at, format!("`{name}` produces it"));
        let hint = "every output belongs to one task: rename it, or take it away with a `!` pattern".to_owned();
        mistake.also(&first_at, format!("`{first_name}` produces it too")).hint(hint);
    }

    fn depfile(&mut self, position: usize) {
        let task = &self.tasks.tasks[position];
        let Some(depfile) = task.discovery.depfile() else { return };
        let stated = self.tasks.stated(position);
        let at = stated.keys.depfile.as_ref().map_or(&stated.at, |text| &text.at).clone();
        let other = self.depfiles.insert(depfile, position);
        let other = other.or_else(|| self.index.owners(depfile).map(TaskId::index).find(|other| *other != position));
        let Some(other) = other else { return };
        let label = format!("`{}` and `{}` both write it", self.tasks.tasks[other].name, task.name);
        let same = self.tasks.of[position] == self.tasks.of[other];
        let apart = "give each a depfile of its own".to_owned();
        let hint = if same { tell_apart(stated, stated.keys.depfile.as_ref()) } else { Some(apart) };
        self.report.error(format!("two tasks write `{depfile}`"), at, label).hint(hint);
    }

    fn own_inputs(&mut self, position: usize) {
        let task = &self.tasks.tasks[position];
        if !self.own_inputs_among(position, &task.inputs.patterns) {
            self.own_inputs_among(position, &task.inputs.partial);
        }
    }

    /// Reports an output that is among these inputs of the same task. Returns whether there is one.
    fn own_inputs_among(&mut self, position: usize, inputs: &PatternSet) -> bool {
        let task = &self.tasks.tasks[position];
        for output in positive(&task.outputs) {
            let Some(path) = example(output).filter(|path| task.outputs.matches(path) && inputs.matches(path)) else {
                continue;
            };
            let input = positive(inputs).find(|input| input.matches(&path));
            let exclude = seen_from(&self.tasks.stated(position).dir, output);
            let hint = format!("take it away from the inputs: add `\"!{exclude}\"` at the end");
            self.reads_itself(position, output, input, hint);
            return true;
        }
        for input in positive(inputs) {
            let Some(path) = input.literal().filter(|path| inputs.matches(path) && task.outputs.matches(path)) else {
                continue;
            };
            if let Some(output) = positive(&task.outputs).find(|output| output.matches(path)) {
                let hint = "name the files that the task writes, or keep the input elsewhere".to_owned();
                self.reads_itself(position, output, Some(input), hint);
                return true;
            }
        }
        false
    }

    fn reads_itself(&mut self, position: usize, output: &Pattern, input: Option<&Pattern>, hint: String) {
        let (task, stated) = (&self.tasks.tasks[position], self.tasks.stated(position));
        let title = format!("task `{}` reads its own output `{output}`", task.name);
        let mut mistake = self.report.error(title, output_place(stated, output.index), "is an output");
        if let Some(text) = input.and_then(|input| stated.keys.inputs.as_ref()?.get(input.index)) {
            mistake = mistake.also(&text.at, "and here an input");
        }
        mistake.hint(hint);
    }

    fn configuration(&mut self, position: usize, files: &[RelPath]) {
        let (task, stated) = (&self.tasks.tasks[position], self.tasks.stated(position));
        let Some(file) = files.iter().find(|file| task.outputs.matches(file)) else { return };
        let output = positive(&task.outputs).find(|output| output.matches(file));
        let at = output.map_or_else(|| stated.at.clone(), |output| output_place(stated, output.index));
        let title = format!("an output of `{}` contains {file}", task.name);
        let hint = "name the files that the task writes, or a directory of their own".to_owned();
        self.report.error(title, at, "the configuration is nobody's output").hint(hint);
    }

    fn store(&mut self, position: usize, stores: &[RelPath]) {
        let (task, stated) = (&self.tasks.tasks[position], self.tasks.stated(position));
        // A store at the root is reported elsewhere.
        let inside = |path: &RelPath| stores.iter().any(|store| !store.is_root() && path.starts_with(store));
        let mut outputs = positive(&task.outputs);
        let Some(output) = outputs.find(|output| inside(output.literal().unwrap_or(output.prefix()))) else { return };
        let title = format!("an output of `{}` lies in the store", task.name);
        let hint = "name another place, or set `dir` of [cache]".to_owned();
        self.report.error(title, output_place(stated, output.index), "is percache's own").hint(hint);
    }
}

fn positive(set: &PatternSet) -> impl Iterator<Item = &Pattern> {
    set.patterns().iter().filter(|pattern| !pattern.negated)
}

fn output_place(stated: &Stated, number: usize) -> Place {
    stated.outputs().get(number).map_or(&stated.at, |text| &text.at).clone()
}

/// Returns a path that `pattern` matches: itself, or with a name in place of each wildcard. `None` where that is not
/// enough: what is not certain is left to the build.
fn example(pattern: &Pattern) -> Option<RelPath> {
    if let Some(path) = pattern.literal() {
        return Some(path.clone());
    }
    let text = pattern.to_string().replace("**", "x").replace(['*', '?'], "x");
    RelPath::new(&text).ok().filter(|path| pattern.matches(path))
}

/// Returns paths that the glob `pattern` matches, so unlike each other that a pattern that matches all of them is taken
/// to match whatever `pattern` does. Empty where that is not enough: what is not certain is left to the build.
fn examples(pattern: &Pattern) -> Vec<RelPath> {
    let text = pattern.to_string();
    // `?` is one character, and the directory below `**` may have any name.
    let filled = |star: &str, deep: &str, one: &str| {
        let text = text.replace("**", "\0").replace('*', star).replace('?', one).replace('\0', deep);
        RelPath::new(&text).ok().filter(|path| pattern.matches(path))
    };
    let paths = [filled("percache-1", "percache-2", "1"), filled("q.r", "s/t", "z")];
    paths.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Suggests how to make `written` differ between the instances of one task.
fn tell_apart(stated: &Stated, written: Option<&Text>) -> Option<String> {
    let text: String = written?.template.pieces().iter().map(|piece| spelled(stated, piece)).collect();
    let (dir, name) = text.rsplit_once('/').map_or((String::new(), &text[..]), |(dir, name)| (format!("{dir}/"), name));
    if stated.keys.foreach.is_some() && !text.contains("{dir}") && !text.contains("{file}") {
        let name = if text.contains("{stem}") || text.contains("{name}") {
            name.to_owned()
        } else {
            format!("{{stem}}.{name}")
        };
        return Some(format!("tell them apart by `{{dir}}`: `{dir}{{dir}}/{name}`"));
    }
    let axis = stated.axes().iter().find(|axis| !text.contains(&format!("{{{}}}", axis.name.value)))?;
    Some(format!("tell them apart by the axis: `{dir}{{{}}}/{name}`", axis.name.value))
}

fn spelled(stated: &Stated, piece: &Piece) -> String {
    use super::placeholder::Slot::{Args, Axis, Dir, Ext, File, List, Name, Stem};
    let word = match piece {
        Piece::Text(text) => return text.clone(),
        Piece::Slot(Axis(axis)) => stated.axes().get(*axis).map_or("", |axis| &axis.name.value),
        Piece::Slot(File) => "file",
        Piece::Slot(Dir) => "dir",
        Piece::Slot(Name) => "name",
        Piece::Slot(Stem) => "stem",
        Piece::Slot(Ext) => "ext",
        Piece::Slot(Args) => "args",
        Piece::Slot(List(list)) => list.name(),
    };
    format!("{{{word}}}")
}
