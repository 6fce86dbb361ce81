//! `percache why`: asks the question. [`tell`] words the answer, [`json`] prints it for programs.

mod changes;
mod json;
mod tell;

use std::sync::Arc;

use percache_runner::configuration;
use percache_runner::tasks::{TaskId, Workspace};
use percache_runner::why;

use crate::args::{Cli, Why};
use crate::error::{CliError, SUCCESS};
use crate::setup::{load, open_store};
use crate::terminal::style::Paint;

/// Explains why a task ran, or would run.
pub fn run(cli: &Cli, args: &Why) -> Result<u8, CliError> {
    let project = Arc::new(load(cli, &args.args)?);
    let id = project.select_one(&args.task)?;
    project.check_args(&[id], &args.args)?;
    let paint = Paint::stdout(cli.color);
    let store = Arc::new(open_store(&project.store_dir, Paint::stderr(cli.color)));
    let asked = why::Question { project: project.clone(), store, caller: std::env::vars_os().collect() };
    let answer = why::why(&asked, id).map_err(CliError::failure)?;
    if args.json {
        crate::say!("{:#}", json::answer(&project.workspace, id, &answer));
    } else {
        let text = tell::answer(&project, id, &answer, paint);
        crate::say!("{}", text.trim_end());
    }
    Ok(SUCCESS)
}

/// Returns the place where a task is defined: `percache.toml:14`.
fn place(workspace: &Workspace, id: TaskId) -> Option<String> {
    configuration::stated(workspace, workspace.task(id))
}
