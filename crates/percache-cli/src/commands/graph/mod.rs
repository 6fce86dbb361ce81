//! `percache graph`: selects the part of the graph to show; [`forms`] prints it.

mod forms;

use percache_runner::Project;
use percache_runner::tasks::{NamedFile, NamedFileError, TaskId, named_file};
use percache_runner::text::{reason, shown};

use crate::args::{Cli, Graph, GraphFormat};
use crate::error::{CliError, SUCCESS};
use crate::setup::{load, only_affected, only_filtered};

/// A part of the graph.
struct Picture<'a> {
    project: &'a Project,
    /// The tasks to show, sorted.
    shown: Vec<TaskId>,
    /// The tasks where trees begin.
    roots: Vec<TaskId>,
    /// The files that were named.
    files: Vec<NamedFile>,
    /// Whether trees lead from dependencies to dependents.
    upwards: bool,
}

impl Picture<'_> {
    fn name(&self, id: TaskId) -> &str {
        &self.project.workspace.task(id).name
    }

    fn shows(&self, id: &TaskId) -> bool {
        self.shown.binary_search(id).is_ok()
    }

    /// Yields the dependencies of the task that are shown.
    fn needs(&self, id: TaskId) -> impl DoubleEndedIterator<Item = TaskId> + '_ {
        self.project.graph.needs[id.index()].iter().copied().filter(|id| self.shows(id))
    }

    /// Yields the dependents of the task that are shown.
    fn needed_by(&self, id: TaskId) -> impl DoubleEndedIterator<Item = TaskId> + '_ {
        self.project.graph.needed_by[id.index()].iter().copied().filter(|id| self.shows(id))
    }
}

/// Shows the dependency graph.
pub fn run(cli: &Cli, args: &Graph) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let picture = picture(&project, args)?;
    let text = match args.format {
        GraphFormat::Text => forms::tree(&picture),
        GraphFormat::Dot => forms::dot(&picture),
        GraphFormat::Mermaid => forms::mermaid(&picture),
        GraphFormat::Json => forms::json(&picture),
    };
    crate::say!("{}", text.trim_end());
    Ok(SUCCESS)
}

fn picture<'a>(project: &'a Project, args: &Graph) -> Result<Picture<'a>, CliError> {
    let wanted: Vec<String> = args.tasks.iter().chain(&args.needs).cloned().collect();
    let tops = || project.workspace.ids().filter(|id| project.graph.needed_by[id.index()].is_empty()).collect();
    let filters = args.filter.as_slice();
    let mut shown = match filters {
        [] => Vec::new(),
        // Only tasks of these packages, without what they need of others.
        filters => only_filtered(project, (&wanted, project.workspace.ids().collect()), filters, &[])?,
    };
    let roots: Vec<TaskId> = match wanted.is_empty() {
        _ if !filters.is_empty() => shown.clone(),
        true => tops(),
        false => project.select(&wanted)?,
    };
    if filters.is_empty() {
        shown = project.graph.closure(&roots);
    }
    if args.affected.is_some() || !filters.is_empty() {
        if let Some(rev) = &args.affected {
            shown = only_affected(project, shown, rev, &[])?;
        }
        let is_top =
            |id: &TaskId| project.graph.needed_by[id.index()].iter().all(|by| shown.binary_search(by).is_err());
        let roots = shown.iter().copied().filter(is_top).collect();
        return Ok(Picture { project, shown, roots, files: Vec::new(), upwards: false });
    }
    if args.needed_by.is_empty() {
        return Ok(Picture { project, shown, roots, files: Vec::new(), upwards: false });
    }
    let (mut files, mut from) = (Vec::new(), Vec::new());
    for name in &args.needed_by {
        match file(project, name)? {
            Some(file) => files.push(file),
            None => from.extend(tasks_or_file(project, name)?),
        }
    }
    let readers = files.iter().flat_map(|file| &file.needed_by);
    let dependents = project.graph.dependents(&from.iter().chain(readers).copied().collect::<Vec<_>>());
    let between: Vec<TaskId> = dependents.into_iter().filter(|id| shown.binary_search(id).is_ok()).collect();
    let is_shown = |id: &TaskId| between.binary_search(id).is_ok();
    from.retain(is_shown);
    files.iter_mut().for_each(|file| file.needed_by.retain(is_shown));
    Ok(Picture { project, shown: between, roots: from, files, upwards: true })
}

/// Returns what is known of a path; `None` if it does not exist, no task makes it, and none reads it.
fn file(project: &Project, name: &str) -> Result<Option<NamedFile>, CliError> {
    let usage = |what: String| {
        let inside = format!("files are those of the workspace in `{}`", shown(&project.workspace.root));
        CliError::usage(format!("`{name}`: {what}")).hint(Some(inside))
    };
    named_file(project, name, &std::env::vars_os().collect()).map_err(|e| match e {
        NamedFileError::Outside => usage("the path leaves the workspace".to_owned()),
        NamedFileError::Path(e) => usage(e.to_string()),
        NamedFileError::Pattern(e) => CliError::usage(format!("`{name}`: {e}")),
        NamedFileError::Walk(e) => CliError::failure(format!("{e}: {}", reason(&e.source))),
    })
}

fn tasks_or_file(project: &Project, name: &str) -> Result<Vec<TaskId>, CliError> {
    project.select(&[name.to_owned()]).map_err(|_| {
        let hint = "give the path of an input or an output, as seen from here, or the name of a task";
        CliError::usage(format!("there is neither a file nor a task `{name}`")).hint(Some(hint))
    })
}
