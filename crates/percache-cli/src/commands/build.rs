//! `percache build`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "remote")]
use percache_runner::Session;
use percache_runner::tasks::{LastRuns, LastState, TaskId};
use percache_runner::{
    Accept, Check, Download, Force, HitLogs, Opened, Options, Project, Request, Stop, Summary, Target, open,
};

use crate::args::{Build, Cli, Logs};
use crate::commands::portable;
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
#[cfg(feature = "remote")]
use crate::remote::execution::{self, Farm};
#[cfg(feature = "remote")]
use crate::remote::{self, Ending, Sharing};
use crate::report::{self, Manner, Place, Report, Wanted};
use crate::setup::{directory, holder, load, only_affected, only_filtered, open_store};
use crate::terminal::style::{self, Paint};

/// Runs `percache build`.
pub fn run(cli: &Cli, args: &Build) -> Result<u8, CliError> {
    if args.affected.is_none() && !args.failed && args.filter.is_empty() {
        return build(cli, args);
    }
    let project = load(cli, &args.args)?;
    let chosen = choose(&project, args)?;
    if chosen.is_empty() {
        let why = match (args.failed, &args.affected) {
            (true, _) => "no task has failed",
            (false, Some(_)) => "no task is affected",
            (false, None) => "no task is selected",
        };
        return report::nothing(&project.workspace, manner(cli, args), &wanted(args), why).map(|()| SUCCESS);
    }
    let names = chosen.iter().map(|id| project.name_from_here(&project.workspace.task(*id).name));
    build(cli, &Build { tasks: names.collect(), affected: None, failed: false, filter: Vec::new(), ..args.clone() })
}

/// Returns the tasks that `--filter`, `--failed` and `--affected` leave of the named ones, or of all.
fn choose(project: &Project, args: &Build) -> Result<Vec<TaskId>, CliError> {
    let mut chosen = match args.failed {
        failed if !args.filter.is_empty() => {
            let default = project.workspace.default.clone();
            let chosen = only_filtered(project, (&args.tasks, default), &args.filter, &args.args)?;
            if failed { project.graph.closure(&chosen) } else { chosen }
        }
        true if args.tasks.is_empty() => project.workspace.ids().collect(),
        // A dependency that failed is the reason why a named task was not built.
        true => project.graph.closure(&project.select(&args.tasks)?),
        false => project.requested(&args.tasks, &[])?,
    };
    if args.failed {
        let past = LastRuns::of(project);
        chosen.retain(|id| past.state(project.workspace.task(*id)) == LastState::Failed);
    }
    match &args.affected {
        Some(rev) => only_affected(project, chosen, rev, &args.args),
        None => Ok(chosen),
    }
}

fn build(cli: &Cli, args: &Build) -> Result<u8, CliError> {
    let (start, wanted) = (Instant::now(), wanted(args));
    let stderr = Paint::stderr(cli.color);
    let store = |dir: &Path| Arc::new(open_store(dir, stderr));
    let request = Request {
        target: Target::Directory(directory(cli)),
        tasks: &args.tasks,
        args: &args.args,
        options: options(cli, args),
        jobs: args.jobs,
        every_event: args.json || args.profile.is_some() || !wanted.is_empty(),
        caller: std::env::vars_os().collect(),
        holder: holder(),
        store: (!args.no_cache).then_some(&store),
        last: true,
    };
    let mut session = match open(request)? {
        Opened::Unchanged { tasks, notes } => {
            report::idle((&tasks, &notes), manner(cli, args), start.elapsed());
            return if args.check_portable { portable::check(cli, args, None, SUCCESS) } else { Ok(SUCCESS) };
        }
        Opened::Session(session) => session,
    };
    let project = session.project().clone();
    #[cfg(feature = "remote")]
    let (sharing, farm) = share(&mut session, args)?;
    #[cfg(not(feature = "remote"))]
    if project.workspace.remote.url.is_some() || project.workspace.remote.execution.url.is_some() {
        crate::aside!("[remote] is not used: this percache was built without the feature `remote`");
    }
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let place = Place { cwd: &project.cwd, directory: cli.directory.as_deref(), args: &args.args };
    let mut report = Report::new(&project.workspace, place, manner(cli, args), args.profile.as_deref())?;
    if !wanted.is_empty() {
        let planned = project.graph.closure(&project.requested(&args.tasks, &[])?);
        report = report.with_files(&wanted, planned)?;
    }
    let summary = session.build(&stop, &*report.listener(), &mut report).map_err(CliError::session)?;
    let traced = report.trace(&project.graph, session.store().map(|store| &**store));
    let finished = report.finish(&summary).and(traced);
    #[cfg(feature = "remote")]
    {
        farm.iter().for_each(|farm| farm.finish(stderr));
        if let Some(sharing) = &sharing {
            let quiet = cli.quiet || args.json;
            let live = style::can_redraw() && !quiet;
            let came = (!args.dry_run).then_some(summary.shared);
            sharing.finish(&Ending { stop: &stop, quiet, live, paint: stderr, came });
        }
        std::mem::forget((sharing, farm));
    }
    finished?;
    let mut status = status(&summary);
    if args.check_portable {
        status = portable::check(cli, args, session.store().map(|store| (&*project, &**store)), status)?;
    }
    // The process ends now, so destructors are skipped.
    std::mem::forget((session, project));
    Ok(status)
}

/// What a build uses besides this machine.
#[cfg(feature = "remote")]
type Elsewhere = (Option<Arc<Sharing>>, Option<Arc<Farm>>);

/// Shares results with the remote of the workspace, and has commands executed by workers, if there are any.
#[cfg(feature = "remote")]
fn share(session: &mut Session<'_>, args: &Build) -> Result<Elsewhere, CliError> {
    let project = session.project().clone();
    let Some(store) = session.store().cloned() else { return Ok((None, None)) };
    session.download(remote::download(&project.workspace)?);
    let settings = remote::settings(&project.workspace, &args.remote)?;
    let farm = match args.dry_run {
        false => execution::settings(&project.workspace, &args.remote, settings.as_ref())?,
        true => None,
    };
    let sharing = settings.map(|settings| Arc::new(Sharing::new(settings, store, &project.store_dir)));
    let farm = farm.map(|settings| Arc::new(Farm::new(settings)));
    sharing.iter().for_each(|sharing| session.share(sharing.clone()));
    farm.iter().for_each(|farm| session.execute_on(farm.clone()));
    Ok((sharing, farm))
}

/// Returns the files that the build is to write beside what it prints.
fn wanted(args: &Build) -> Wanted {
    let summary = (!args.dry_run).then(|| Wanted::summary(args.summary_file.as_deref())).flatten();
    Wanted { junit: args.junit.clone(), json: args.json_file.clone(), summary }
}

fn manner(cli: &Cli, args: &Build) -> Manner {
    Manner {
        paint: Paint::stdout(cli.color),
        verbose: cli.verbose,
        quiet: cli.quiet,
        logs: args.logs,
        output: args.output,
        explain: args.explain || args.dry_run,
        dry_run: args.dry_run,
        json: args.json,
        terminal: style::can_redraw(),
    }
}

fn options(cli: &Cli, args: &Build) -> Options {
    Options {
        keep_going: args.keep_going,
        force: match args.force {
            false => Force::No,
            true if args.tasks.is_empty() => Force::All,
            true => Force::Selected,
        },
        accept: if args.accept { Accept::Unknown } else { Accept::No },
        check: match args.check {
            false => Check::Sample,
            true if args.tasks.is_empty() => Check::All,
            true => Check::Selected,
        },
        dry_run: args.dry_run,
        pull: false,
        download: Download::All,
        explain: args.explain,
        hit_logs: match args.logs {
            Logs::All => HitLogs::All,
            // Quiet lines show no logs; JSON events include them.
            Logs::New if !cli.quiet || args.json => HitLogs::Restored,
            Logs::New | Logs::Failed | Logs::None => HitLogs::No,
        },
    }
}

fn status(summary: &Summary) -> u8 {
    match summary {
        Summary { interrupted: true, .. } => INTERRUPTED,
        Summary { failed, unstable, .. } if !failed.is_empty() || !unstable.is_empty() => FAILURE,
        _ => SUCCESS,
    }
}
