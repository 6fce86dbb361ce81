//! `percache build --check-portable`.

use percache::store::Store;
use percache_runner::Project;
use percache_runner::tasks::{NotPortable, not_portable};
use percache_runner::text::{first_few, shown};

use crate::args::{Build, Cli};
use crate::error::{CliError, FAILURE, SUCCESS};
use crate::setup::{load, open_store};
use crate::terminal::style::{Paint, Style};

/// What unties results.
const HINT: &str = "compile with `-ffile-prefix-map=\"$PWD\"=.` (C, C++) or `--remap-path-prefix \"$PWD\"=.` (rustc), and \
                    write paths into files as seen from these";

/// Names the tasks of a build that ended with `status` whose results are tied to this directory. Returns the exit
/// status. `opened` is the workspace with its store, if the build has opened them.
pub fn check(cli: &Cli, args: &Build, opened: Option<(&Project, &Store)>, status: u8) -> Result<u8, CliError> {
    let paint = Paint::stderr(cli.color);
    let (loaded, store);
    let (project, store) = match opened {
        Some(opened) => opened,
        None => {
            loaded = load(cli, &args.args)?;
            store = open_store(&loaded.store_dir, paint);
            (&loaded, &store)
        }
    };
    let found = not_portable(project, store, &project.requested(&args.tasks, &args.args)?);
    if found.is_empty() {
        if !cli.quiet {
            crate::aside!("no output contains the path of this workspace");
        }
        return Ok(status);
    }
    tell(project, &found, paint);
    Ok(if status == SUCCESS { FAILURE } else { status })
}

fn tell(project: &Project, found: &[NotPortable], paint: Paint) {
    let (have, they) = if found.len() == 1 { ("task has", "it runs") } else { ("tasks have", "they run") };
    let root = shown(&project.workspace.root);
    let title = format!("{} {have} outputs with the path of this workspace, `{root}`", found.len());
    crate::aside!("{} {title}: in any other directory, {they} again", paint.apply(Style::Bad, "error:"));
    for NotPortable { task, outputs } in found {
        crate::aside!("  {}: {}", paint.apply(Style::Strong, task), first_few(outputs));
    }
    crate::aside!("\n{} {HINT}", paint.apply(Style::Hint, "hint:"));
}
