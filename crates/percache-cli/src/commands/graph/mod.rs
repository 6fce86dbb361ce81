//! `percache graph`: selects the part of the graph to show; [`forms`] prints it.

mod forms;

use percache_runner::explain::readers::Readers;
use percache_runner::fs::walk::{self, Want};
use percache_runner::model::TaskId;
use percache_runner::model::path::RelPath;
use percache_runner::model::pattern::PatternSet;
use percache_runner::model::problem::reason;
use percache_runner::syntax::glob::escape;
use percache_runner::syntax::shown::shown;
use percache_runner::worktree::Worktree;
use percache_runner::worktree::journal::Journal;

use crate::args::{Cli, Graph, GraphFormat};
use crate::error::{CliError, SUCCESS};
use crate::setup::Setup;
use crate::terminal::style::Paint;

/// A part of the graph.
struct Picture<'a> {
    setup: &'a Setup,
    /// The tasks to show, sorted.
    shown: Vec<TaskId>,
    /// The tasks where trees begin.
    roots: Vec<TaskId>,
    /// The files that were named.
    files: Vec<File>,
    /// Whether trees lead from dependencies to dependents.
    upwards: bool,
}

/// A file or directory that was named.
struct File {
    path: RelPath,
    /// The task whose output it is.
    made_by: Option<TaskId>,
    /// The tasks that read it.
    needed_by: Vec<TaskId>,
}

impl Picture<'_> {
    fn name(&self, id: TaskId) -> &str {
        &self.setup.workspace.task(id).name
    }

    fn shows(&self, id: &TaskId) -> bool {
        self.shown.binary_search(id).is_ok()
    }

    /// Yields the dependencies of the task that are shown.
    fn needs(&self, id: TaskId) -> impl DoubleEndedIterator<Item = TaskId> + '_ {
        self.setup.graph.needs[id.index()].iter().copied().filter(|id| self.shows(id))
    }

    /// Yields the dependents of the task that are shown.
    fn needed_by(&self, id: TaskId) -> impl DoubleEndedIterator<Item = TaskId> + '_ {
        self.setup.graph.needed_by[id.index()].iter().copied().filter(|id| self.shows(id))
    }
}

/// Shows the dependency graph.
pub fn run(cli: &Cli, args: &Graph) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let picture = picture(&setup, args)?;
    let text = match args.format {
        GraphFormat::Text => forms::tree(&picture),
        GraphFormat::Dot => forms::dot(&picture),
        GraphFormat::Mermaid => forms::mermaid(&picture),
        GraphFormat::Json => forms::json(&picture),
    };
    crate::say!("{}", text.trim_end());
    Ok(SUCCESS)
}

fn picture<'a>(setup: &'a Setup, args: &Graph) -> Result<Picture<'a>, CliError> {
    let wanted: Vec<String> = args.tasks.iter().chain(&args.needs).cloned().collect();
    let tops = || setup.workspace.ids().filter(|id| setup.graph.needed_by[id.index()].is_empty()).collect();
    let roots: Vec<TaskId> = if wanted.is_empty() { tops() } else { setup.select(&wanted)? };
    let mut shown = setup.graph.closure(&roots);
    if let Some(rev) = &args.affected {
        shown = setup.affected(shown, rev, &[])?;
        let is_top = |id: &TaskId| setup.graph.needed_by[id.index()].iter().all(|by| shown.binary_search(by).is_err());
        let roots = shown.iter().copied().filter(is_top).collect();
        return Ok(Picture { setup, shown, roots, files: Vec::new(), upwards: false });
    }
    if args.needed_by.is_empty() {
        return Ok(Picture { setup, shown, roots, files: Vec::new(), upwards: false });
    }
    let (mut files, mut from) = (Vec::new(), Vec::new());
    for name in &args.needed_by {
        match file(setup, name)? {
            Some(file) => files.push(file),
            None => from.extend(tasks_or_file(setup, name)?),
        }
    }
    let readers = files.iter().flat_map(|file| &file.needed_by);
    let dependents = setup.graph.dependents(&from.iter().chain(readers).copied().collect::<Vec<_>>());
    let between: Vec<TaskId> = dependents.into_iter().filter(|id| shown.binary_search(id).is_ok()).collect();
    let is_shown = |id: &TaskId| between.binary_search(id).is_ok();
    from.retain(is_shown);
    files.iter_mut().for_each(|file| file.needed_by.retain(is_shown));
    Ok(Picture { setup, shown: between, roots: from, files, upwards: true })
}

/// Returns what is known of a path; `None` if it does not exist, no task makes it, and none reads it.
fn file(setup: &Setup, name: &str) -> Result<Option<File>, CliError> {
    let native = std::path::Path::new(name);
    let path = match (native.parent(), native.file_name()) {
        // The workspace's own path has no symlinks either.
        (Some(parent), Some(last)) if native.is_absolute() => {
            let real = parent.canonicalize().unwrap_or_else(|_| parent.to_owned()).join(last);
            RelPath::from_native(&setup.location.root, &real).ok_or("the path leaves the workspace".to_owned())
        }
        _ => setup.location.cwd.join(name).map_err(|e| e.to_string()),
    };
    let inside = format!("files are those of the workspace in `{}`", shown(&setup.location.root));
    let path = path.map_err(|e| CliError::usage(format!("`{name}`: {e}")).hint(Some(inside)))?;
    let skip: Vec<_> = RelPath::from_native(&setup.workspace.root, &setup.store_dir).into_iter().collect();
    let journal = Journal::load(&Worktree::new(&setup.store_dir, &setup.workspace.root).journal());
    let caller = std::env::vars_os().collect();
    let (workspace, graph) = (&setup.workspace, &setup.graph);
    let asked = Readers { workspace, graph, journal: &journal, skip: &skip, caller: &caller };
    let there = path.to_path(&setup.workspace.root);
    let failed = |e: walk::WalkError| CliError::failure(format!("{e}: {}", reason(&e.source)));
    let mut paths = vec![path.clone()];
    if there.is_dir() && !there.is_symlink() {
        let text = if path.is_root() { ".".to_owned() } else { escape(&path.to_text()) };
        let below =
            PatternSet::parse(&RelPath::root(), &[text]).map_err(|e| CliError::usage(format!("`{name}`: {e}")))?;
        let found = walk::expand(&setup.workspace.root, &below, &skip, Want::Files).map_err(failed)?;
        paths.extend(found.into_iter().map(|found| found.path));
    }
    let needed_by = asked.of(&paths).map_err(failed)?;
    let made_by = setup.graph.outputs.owner(&path);
    let known = made_by.is_some() || !needed_by.is_empty() || there.symlink_metadata().is_ok();
    Ok(known.then_some(File { path, made_by, needed_by }))
}

fn tasks_or_file(setup: &Setup, name: &str) -> Result<Vec<TaskId>, CliError> {
    setup.select(&[name.to_owned()]).map_err(|_| {
        let hint = "give the path of an input or an output, as seen from here, or the name of a task";
        CliError::usage(format!("there is neither a file nor a task `{name}`")).hint(Some(hint))
    })
}
