//! `percache why`: the question. The answer is worded in [`tell`] and, for programs, in [`json`].

mod changes;
mod json;
mod tell;

use percache_runner::config;
use percache_runner::explain;
use percache_runner::model::{TaskId, Workspace};

use crate::args::{Cli, Why};
use crate::error::{CliError, SUCCESS};
use crate::setup::Setup;
use crate::style::Paint;

/// Says why a task ran, or would run.
pub fn run(cli: &Cli, args: &Why) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &args.args, Paint::stderr(cli.color))?;
    let id = setup.select_one(&args.task)?;
    setup.check_args(&[id], &args.args)?;
    let paint = Paint::stdout(cli.color);
    let store = setup.open_store(Paint::stderr(cli.color));
    let caller = std::env::vars_os().collect();
    let asked = explain::Question {
        workspace: &setup.workspace,
        graph: &setup.graph,
        store_dir: &setup.store_dir,
        store: &store,
        caller: &caller,
    };
    let answer = explain::why(&asked, id).map_err(CliError::failure)?;
    if args.json {
        crate::say!("{:#}", json::answer(&setup.workspace, id, &answer));
    } else {
        let text = tell::answer(&setup, id, &answer, paint);
        crate::say!("{}", text.trim_end());
    }
    Ok(SUCCESS)
}

/// Where a task is stated: `percache.toml:14`.
fn place(workspace: &Workspace, id: TaskId) -> Option<String> {
    config::stated(workspace, workspace.task(id))
}
