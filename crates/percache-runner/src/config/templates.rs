//! Completes tasks with what they do not state themselves: the defaults of `[workspace]`, then the templates that they
//! extend, in order, then their own keys.
//!
//! Arrays are appended, tables merged, and everything else is replaced. Every value keeps its place, so that a mistake
//! is shown where it is written. Knows nothing of placeholders.

use std::collections::HashMap;

use super::files::File;
use super::inputs::DEFAULT_INPUTS;
use super::keys::{RawTask, TaskKeys};
use super::reader::Written;
use super::report::{At, Report};
use crate::model::UnusedTemplate;
use crate::model::path::RelPath;
use crate::syntax::suggest::did_you_mean;

/// Keys and where they are written.
#[derive(Clone, Debug, Default)]
struct Layer {
    keys: TaskKeys<At<String>>,
    written: Written,
}

impl Layer {
    fn merge(&mut self, over: Layer) {
        self.keys.merge(over.keys);
        self.written.known.extend(over.written.known);
        self.written.unknown.extend(over.written.unknown);
    }
}

/// One `[template.NAME]`.
struct Template {
    /// The directory of the file that states it.
    dir: RelPath,
    raw: RawTask,
    state: State,
    used: bool,
}

/// How far a template is with what it extends.
enum State {
    Open,
    /// In work: whoever comes here again is in a cycle.
    Entered,
    Done(Box<Layer>),
}

/// Completes the tasks of all files. Returns the templates that no task uses. Reports mistakes.
pub(super) fn complete(
    files: &mut [File],
    defaults: &TaskKeys<At<String>>,
    report: &mut Report,
) -> Vec<UnusedTemplate> {
    let mut templates = Templates::collect(files, report);
    for file in files {
        for task in file.raw.keys.task.iter_mut().flatten() {
            templates.complete(&file.dir, task, report);
            if task.keys.command.is_some() {
                add_defaults(&file.dir, task, defaults);
            }
        }
    }
    templates.check_rest(report);
    templates.unused(report)
}

struct Templates {
    all: Vec<Template>,
    /// The position of a template, by the directory of its file and its name.
    by_name: HashMap<(RelPath, String), usize>,
}

impl Templates {
    fn collect(files: &mut [File], report: &mut Report) -> Templates {
        let mut templates = Templates { all: Vec::new(), by_name: HashMap::new() };
        for file in files {
            for raw in file.raw.keys.template.take().into_iter().flatten() {
                let key = (file.dir.clone(), raw.name.value.clone());
                if let Some(first) = templates.by_name.get(&key) {
                    let first = templates.all[*first].raw.name.at.clone();
                    report
                        .error(format!("two templates are named `{}`", key.1), raw.name.at, "makes the name twice")
                        .also(&first, "first stated here")
                        .hint("rename one of them".to_owned());
                    continue;
                }
                templates.by_name.insert(key, templates.all.len());
                templates.all.push(Template { dir: file.dir.clone(), raw, state: State::Open, used: false });
            }
        }
        templates
    }

    /// Merges what a task extends below its own keys.
    fn complete(&mut self, dir: &RelPath, task: &mut RawTask, report: &mut Report) {
        let Some(names) = task.keys.extends.take() else { return };
        let mut merged = Layer::default();
        for name in &names {
            let Some(found) = self.find(dir, name, report) else { continue };
            self.mark_used(found);
            if let Some(layer) = self.resolve(found, name, &mut Vec::new(), report) {
                merged.merge(layer);
            }
        }
        task.inherited = merged.written;
        merged.keys.merge(std::mem::take(&mut task.keys));
        task.keys = merged.keys;
    }

    /// Returns a template with everything that it extends, or `None` in a cycle. `name` is where it is named; `path`
    /// has the templates that lead there.
    fn resolve(
        &mut self,
        position: usize,
        name: &At<String>,
        path: &mut Vec<usize>,
        report: &mut Report,
    ) -> Option<Layer> {
        match &self.all[position].state {
            State::Done(layer) => return Some(Layer::clone(layer)),
            State::Entered => {
                let first = path.iter().position(|other| *other == position).unwrap_or_default();
                let circle = path[first..].iter().chain([&position]);
                let names: Vec<String> = circle.map(|other| self.all[*other].raw.name.value.clone()).collect();
                let title = format!("template `{}` extends itself: {}", names[0], names.join(" → "));
                let hint = "take one of these names out of `extends`".to_owned();
                report.error(title, name.at.clone(), "closes the circle").hint(hint);
                return None;
            }
            State::Open => self.all[position].state = State::Entered,
        }
        path.push(position);
        let (dir, names) = (self.all[position].dir.clone(), self.all[position].raw.keys.extends.clone());
        let mut merged = Layer::default();
        for name in names.iter().flatten() {
            let Some(found) = self.find(&dir, name, report) else { continue };
            if let Some(layer) = self.resolve(found, name, path, report) {
                merged.merge(layer);
            }
        }
        path.pop();
        let raw = &self.all[position].raw;
        merged.merge(Layer { keys: raw.keys.clone(), written: raw.written.clone() });
        merged.keys.extends = None;
        self.all[position].state = State::Done(Box::new(merged.clone()));
        Some(merged)
    }

    /// Returns the template that a file of the directory `dir` means by a name: its own, or else that of the root.
    fn find(&self, dir: &RelPath, name: &At<String>, report: &mut Report) -> Option<usize> {
        let of = |dir: &RelPath| self.by_name.get(&(dir.clone(), name.value.clone())).copied();
        let found = of(dir).or_else(|| of(&RelPath::root()));
        if found.is_none() {
            let visible = self.all.iter().filter(|template| template.dir == *dir || template.dir.is_root());
            let hint = did_you_mean(&name.value, visible.map(|template| &template.raw.name.value[..]));
            let hint = hint.unwrap_or_else(|| "state it as [template.NAME], here or in the root file".to_owned());
            let title = format!("there is no template `{}`", name.value);
            report.error(title, name.at.clone(), "is not a template").hint(hint);
        }
        found
    }

    /// Marks a template, and what it extends, as used.
    fn mark_used(&mut self, position: usize) {
        if std::mem::replace(&mut self.all[position].used, true) {
            return;
        }
        let (dir, names) = (self.all[position].dir.clone(), self.all[position].raw.keys.extends.clone());
        for name in names.into_iter().flatten() {
            let of = |dir: &RelPath| self.by_name.get(&(dir.clone(), name.value.clone())).copied();
            if let Some(found) = of(&dir).or_else(|| of(&RelPath::root())) {
                self.mark_used(found);
            }
        }
    }

    /// Resolves the templates that no task uses, for the mistakes in them.
    fn check_rest(&mut self, report: &mut Report) {
        for position in 0..self.all.len() {
            let name = self.all[position].raw.name.clone();
            self.resolve(position, &name, &mut Vec::new(), report);
        }
    }

    fn unused(&self, report: &Report) -> Vec<UnusedTemplate> {
        let unused = self.all.iter().filter(|template| !template.used).map(|template| UnusedTemplate {
            name: template.raw.name.value.clone(),
            place: report.line(&template.raw.name.at),
        });
        unused.collect()
    }
}

/// Puts the defaults of `[workspace]` before the keys of a task. Paths of the workspace are relative to the root.
fn add_defaults(dir: &RelPath, task: &mut RawTask, defaults: &TaskKeys<At<String>>) {
    let mut keys = defaults.clone();
    for input in keys.inputs.iter_mut().flatten() {
        input.value = seen_from(dir, &input.value);
    }
    if keys.inputs.is_some() && task.keys.inputs.is_none() {
        task.keys.inputs = Some(vec![At { value: DEFAULT_INPUTS.to_owned(), at: task.name.at.clone() }]);
    }
    task.shared_inputs = keys.inputs.as_ref().map_or(0, Vec::len);
    keys.merge(std::mem::take(&mut task.keys));
    task.keys = keys;
}

/// Returns a pattern of the root file as a file of the directory `dir` would write it.
fn seen_from(dir: &RelPath, pattern: &str) -> String {
    let (negated, rest) = match pattern.strip_prefix('!') {
        Some(rest) => ("!", rest),
        None => ("", pattern),
    };
    let up = "../".repeat(dir.components().count());
    // An absolute path stays what it is: a mistake.
    if rest.starts_with('/') { pattern.to_owned() } else { format!("{negated}{up}{rest}") }
}
