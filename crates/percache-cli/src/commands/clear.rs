//! `percache clear`.

use std::collections::HashSet;

use percache_runner::store;
use percache_runner::store::Request;
use percache_runner::text::parse_age;

use crate::args::{Clear, Cli};
use crate::commands::gc::sentence;
use crate::error::{CliError, SUCCESS};
use crate::setup::{exec_store_dir, load, open_store};
use crate::terminal::style::Paint;

/// Removes results.
pub fn run(cli: &Cli, args: &Clear) -> Result<u8, CliError> {
    let maxage = args.maxage.as_deref().map(parse_age).transpose().map_err(CliError::age)?;
    let paint = Paint::stderr(cli.color);
    let (dir, names) = if args.exec {
        (exec_store_dir()?, HashSet::new())
    } else {
        let project = load(cli, &[])?;
        let selected = project.select(&args.tasks)?;
        let names = selected.iter().map(|id| project.workspace.task(*id).name.clone()).collect();
        (project.store_dir, names)
    };
    let all = args.tasks.is_empty();
    let only = move |label: &str| all || names.contains(label);
    let store = open_store(&dir, paint);
    let request = Request { maxage, only: Some(&only), ..Request::default() };
    let report = store::gc(&store, &dir, &request).map_err(|e| CliError::maintenance(&e, &dir))?;
    if !cli.quiet {
        crate::say!("{}", sentence(&report, false));
    }
    Ok(SUCCESS)
}
