//! `percache log`.

use std::io::{self, Write};

use percache_runner::journal::Journal;
use percache_runner::model::Task;
use percache_runner::worktree::Worktree;

use crate::args::{Cli, Log};
use crate::error::{CliError, SUCCESS};
use crate::report::quoted;
use crate::setup::Setup;
use crate::style::Paint;

/// Shows the log of a task's last result, whole.
pub fn run(cli: &Cli, args: &Log) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let task = setup.workspace.task(setup.select_one(&args.task)?);
    let name = &task.name;
    let journal = Journal::load(&Worktree::new(&setup.store_dir, &setup.workspace.root).journal());
    let record = journal.tasks.get(name);
    let Some(key) = record.and_then(|record| record.key.or(record.previous)) else {
        let hint = match task {
            Task { command: None, .. } => "it is a group: it runs nothing itself".to_owned(),
            Task { cache: false, .. } | Task { interactive: true, .. } => "it is never stored".to_owned(),
            _ => format!("only successful runs are stored; `percache build {}` runs it", quoted(name)),
        };
        return Err(CliError::failure(format!("`{name}` has no stored result here")).hint(Some(hint)));
    };
    let store = setup.open_store(Paint::stderr(cli.color));
    let result = store.result(&key).map_err(|e| CliError::store(&e, &setup.store_dir))?;
    let result = result.ok_or_else(|| {
        let hint = format!("`percache build {}` makes it again", quoted(name));
        CliError::failure(format!("the last result of `{name}` is not in the store any more")).hint(Some(hint))
    })?;
    match store.read(&result.log, &mut io::stdout().lock()) {
        Err(percache::store::ReadError::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => {}
        answer => answer.map_err(CliError::failure)?,
    }
    let _ = io::stdout().flush();
    Ok(SUCCESS)
}
