//! `percache build`.

use std::io::IsTerminal;

use percache_runner::build::Summary;
use percache_runner::build::context::{HitLogs, Options};
use percache_runner::model::TaskId;
use percache_runner::process::Stop;
use percache_runner::session::Session;

use crate::args::{Build, Cli, Logs};
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::report::{Manner, Report};
use crate::setup::{Setup, holder};
use crate::style::Paint;

/// Builds.
pub fn run(cli: &Cli, args: &Build) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &args.args, Paint::stderr(cli.color))?;
    let selected = selected(&setup, args)?;
    let paint = Paint::stdout(cli.color);
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let store = (!args.no_cache).then(|| setup.open_store(Paint::stderr(cli.color)));
    let options = options(args, paint);
    let session = Session {
        workspace: &setup.workspace,
        graph: &setup.graph,
        store_dir: &setup.store_dir,
        store: store.as_ref(),
        options: &options,
        caller: &std::env::vars_os().collect(),
        stop: &stop,
        holder: &holder(),
    };
    let manner = Manner {
        paint,
        verbose: cli.verbose,
        quiet: cli.quiet,
        logs: args.logs,
        explain: args.explain || args.dry_run,
        json: args.json,
        live: std::io::stdout().is_terminal() && !cli.quiet,
    };
    let mut report = Report::new(&setup.workspace, manner, args.profile.as_deref())?;
    let summary = session.run(&selected, &mut report).map_err(CliError::failure)?;
    report.finish(&summary)?;
    Ok(status(&summary))
}

fn selected(setup: &Setup, args: &Build) -> Result<Vec<TaskId>, CliError> {
    if args.tasks.is_empty() { Ok(setup.workspace.default.clone()) } else { setup.select(&args.tasks) }
}

fn options(args: &Build, paint: Paint) -> Options {
    Options {
        // Affinity and cgroup quotas are taken into account.
        jobs: args.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1),
        keep_going: args.keep_going,
        force: args.force,
        dry_run: args.dry_run,
        explain: args.explain,
        colour: paint.is_on(),
        hit_logs: match args.logs {
            Logs::All => HitLogs::All,
            Logs::New => HitLogs::Restored,
            Logs::Failed | Logs::None => HitLogs::No,
        },
    }
}

fn status(summary: &Summary) -> u8 {
    match summary {
        Summary { interrupted: true, .. } => INTERRUPTED,
        Summary { failed, .. } if !failed.is_empty() => FAILURE,
        _ => SUCCESS,
    }
}
