//! `percache build`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use percache::Digest;
use percache_runner::action::context::{Check, Force, HitLogs, Options};
use percache_runner::config;
use percache_runner::fs::stamp::moment;
use percache_runner::model::Caller;
use percache_runner::model::{CacheSettings, TaskId};
use percache_runner::process::Stop;
use percache_runner::schedule::results::Summary;
use percache_runner::session::{self, Prior, Session};
use percache_runner::worktree::conditions::Asked;

use crate::args::{Build, Cli, Logs};
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::report::{self, Manner, Place, Report};
use crate::setup::{Setup, holder, open_store};
use crate::terminal::style::{self, Paint};

/// Runs `percache build`.
pub fn run(cli: &Cli, args: &Build) -> Result<u8, CliError> {
    let Some(rev) = &args.affected else { return build(cli, args) };
    let setup = Setup::load(cli.directory.as_deref(), &args.args, Paint::stderr(cli.color))?;
    let affected = setup.affected(selected(&setup, args)?, rev, &args.args)?;
    if affected.is_empty() {
        if !cli.quiet {
            crate::say!("no task is affected");
        }
        return Ok(SUCCESS);
    }
    let names = affected.iter().map(|id| setup.name_from_here(&setup.workspace.task(*id).name));
    build(cli, &Build { tasks: names.collect(), affected: None, ..args.clone() })
}

fn build(cli: &Cli, args: &Build) -> Result<u8, CliError> {
    let (start, began) = (Instant::now(), moment());
    let caller = std::env::vars_os().collect();
    let prior = prior(cli, args, &caller);
    if let Some(idle) = prior.as_ref().and_then(Prior::idle).filter(|_| plain(args)) {
        report::idle(idle, manner(cli, args), start.elapsed());
        return Ok(SUCCESS);
    }
    // Results will be looked up, so the store is opened while the rest is read.
    let early = prior.as_ref().filter(|_| !args.no_cache && !args.dry_run).map(|prior| {
        let store = open_store(prior.store_dir(), Paint::stderr(cli.color));
        store.begin_view();
        (prior.store_dir().to_owned(), store)
    });
    let kept = prior.as_ref().and_then(|prior| kept(cli, prior));
    let (setup, kept) = match kept {
        Some((setup, digest)) => (setup, Some(digest)),
        None => (Setup::load(cli.directory.as_deref(), &args.args, Paint::stderr(cli.color))?, None),
    };
    let selected = selected(&setup, args)?;
    setup.check_args(&selected, &args.args)?;
    let asked = Asked::new(setup.location.cwd.as_bytes(), &args.tasks, &args.args);
    // Only now is the place of the store known.
    let prior = prior.filter(|prior| prior.is_of(&setup.store_dir)).or_else(|| {
        let elsewhere = looks_back(args) && setup.store_dir != usual_store(&setup.workspace.root);
        let root = &setup.workspace.root;
        elsewhere.then(|| session::prior(&setup.store_dir, root, &asked, &caller, &holder()))?
    });
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let early = early.filter(|(dir, _)| *dir == setup.store_dir).map(|(_, store)| store);
    let store = early.or_else(|| (!args.no_cache).then(|| setup.open_store(Paint::stderr(cli.color))));
    let options = options(cli, args);
    let place = Place { cwd: &setup.location.cwd, directory: cli.directory.as_deref(), args: &args.args };
    let mut report = Report::new(&setup.workspace, place, manner(cli, args), args.profile.as_deref())?;
    let session = Session {
        workspace: &setup.workspace,
        graph: &setup.graph,
        store_dir: &setup.store_dir,
        single: None,
        store: store.as_ref(),
        options: &options,
        caller: &caller,
        stop: &stop,
        listener: &*report.listener(),
        holder: &holder(),
        asked: Some(asked),
        kept,
        began,
        last: true,
    };
    let summary = session.run(&selected, prior, &mut report).map_err(CliError::session)?;
    let traced = report.trace(&setup.graph, store.as_ref());
    report.finish(&summary);
    traced?;
    // The process ends now, so destructors are skipped.
    std::mem::forget((store, setup));
    Ok(status(&summary))
}

/// Returns whether no option asks for more than a plain build.
fn plain(args: &Build) -> bool {
    let more = args.force
        || args.accept
        || args.check
        || args.dry_run
        || args.explain
        || args.json
        || args.no_cache
        || args.profile.is_some();
    !more && args.logs != Logs::All
}

/// Returns what is still valid of the last build's findings, without reading the configuration. Only for a store in its
/// default place, because any other place is named in the configuration.
fn prior(cli: &Cli, args: &Build, caller: &Caller) -> Option<Prior> {
    if !looks_back(args) {
        return None;
    }
    let location = config::discover(cli.directory.as_deref().unwrap_or(Path::new("."))).ok()?;
    let asked = Asked::new(location.cwd.as_bytes(), &args.tasks, &args.args);
    session::prior(&usual_store(&location.root), &location.root, &asked, caller, &holder())
}

/// Returns the cached workspace, if the configuration is unchanged, and the digest of the cache.
fn kept(cli: &Cli, prior: &Prior) -> Option<(Setup, Digest)> {
    let location = config::discover(cli.directory.as_deref().unwrap_or(Path::new("."))).ok()?;
    let (workspace, digest) = prior.workspace(&location.root)?;
    Some((Setup::of(location, workspace), digest))
}

/// Returns whether the findings of an earlier build may be used.
fn looks_back(args: &Build) -> bool {
    !args.dry_run && !args.no_cache
}

/// Returns the place of a store if the configuration does not name one.
fn usual_store(root: &Path) -> PathBuf {
    config::store_dir(root, &CacheSettings::default())
}

fn manner(cli: &Cli, args: &Build) -> Manner {
    Manner {
        paint: Paint::stdout(cli.color),
        verbose: cli.verbose,
        quiet: cli.quiet,
        logs: args.logs,
        explain: args.explain || args.dry_run,
        dry_run: args.dry_run,
        json: args.json,
        terminal: style::can_redraw(),
    }
}

fn selected(setup: &Setup, args: &Build) -> Result<Vec<TaskId>, CliError> {
    if args.tasks.is_empty() { Ok(setup.workspace.default.clone()) } else { setup.select(&args.tasks) }
}

fn options(cli: &Cli, args: &Build) -> Options {
    Options {
        // CPU affinity and cgroup quotas are taken into account.
        jobs: args.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1),
        keep_going: args.keep_going,
        force: match args.force {
            false => Force::No,
            true if args.tasks.is_empty() => Force::All,
            true => Force::Selected,
        },
        accept: args.accept,
        check: match args.check {
            false => Check::Sample,
            true if args.tasks.is_empty() => Check::All,
            true => Check::Selected,
        },
        dry_run: args.dry_run,
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
