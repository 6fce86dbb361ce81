//! `percache why`: asks the question. [`tell`] words the answer, [`json`] prints it for programs;
//! [`summary`] is about several tasks.

mod changes;
mod json;
mod summary;
mod tell;

use std::sync::Arc;

use percache_runner::configuration;
use percache_runner::tasks::{TaskId, Workspace};
use percache_runner::why;

use crate::args::{Cli, Why};
use crate::error::{CliError, SUCCESS};
use crate::setup::{load, only_affected, open_store};
use crate::terminal::style::Paint;

/// Explains why a task ran, or would run; of several tasks, or of the last build, in few words.
pub fn run(cli: &Cli, args: &Why) -> Result<u8, CliError> {
    let project = Arc::new(load(cli, &args.args)?);
    let mut ids = args.task.as_deref().map(|name| project.select_some(name)).transpose()?;
    if let Some(rev) = &args.affected {
        let all = ids.unwrap_or_else(|| project.workspace.ids().collect());
        let affected = only_affected(&project, all, rev, &args.args)?;
        if affected.is_empty() {
            crate::say!("{}", if args.json { "[]" } else { "no task is affected" });
            return Ok(SUCCESS);
        }
        ids = Some(affected);
    }
    project.check_args(ids.as_deref().unwrap_or_default(), &args.args)?;
    let paint = Paint::stdout(cli.color);
    let store = Arc::new(open_store(&project.store_dir, Paint::stderr(cli.color)));
    let asked = why::Question { project: project.clone(), store, caller: std::env::vars_os().collect() };
    let text = match ids.as_deref() {
        Some([id]) => one(&asked, *id, args, cli.verbose, paint)?,
        Some(ids) => {
            let all = why::standings(&asked, ids).map_err(CliError::failure)?;
            let name = args.task.as_deref().unwrap_or("what is affected");
            match args.json {
                true => format!("{:#}", json::standings(&project.workspace, &all)),
                false => summary::standings(&project, name, &all, cli.verbose, paint),
            }
        }
        None => {
            let last = why::last_build(&asked).ok_or_else(CliError::no_build)?;
            match args.json {
                true => format!("{:#}", summary::last_build_json(&last)),
                false => summary::last_build(&last, cli.verbose, paint),
            }
        }
    };
    crate::say!("{}", text.trim_end());
    Ok(SUCCESS)
}

fn one(asked: &why::Question, id: TaskId, args: &Why, verbose: bool, paint: Paint) -> Result<String, CliError> {
    let answer = why::why(asked, id).map_err(CliError::failure)?;
    Ok(match args.json {
        true => format!("{:#}", json::answer(&asked.project.workspace, id, &answer)),
        false => tell::answer(&asked.project, id, &answer, verbose, paint),
    })
}

/// Returns the place where a task is defined: `percache.toml:14`.
fn place(workspace: &Workspace, id: TaskId) -> Option<String> {
    configuration::stated(workspace, workspace.task(id))
}
