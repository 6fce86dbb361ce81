//! `percache clean`.

use percache_runner::Stop;
use percache_runner::tasks::{Clean, Cleaned, RelPath};
use percache_runner::text::{first_few, reason, way_out};

use crate::args::{self, Cli};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::setup::{holder, load};
use crate::terminal::style::{Paint, Style};

/// Removes the outputs of tasks.
pub fn run(cli: &Cli, args: &args::Clean) -> Result<u8, CliError> {
    let paint = Paint::stderr(cli.color);
    let project = load(cli, &[])?;
    let tasks = if args.tasks.is_empty() { None } else { Some(project.select(&args.tasks)?) };
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let clean = Clean {
        workspace: &project.workspace,
        graph: &project.graph,
        store_dir: &project.store_dir,
        tasks: tasks.as_deref(),
        dry_run: args.dry_run,
    };
    let waiting = &mut |other: &str| crate::aside!("{} {other}", paint.apply(Style::Faint, "waiting for"));
    let cleaned = match clean.run(&holder(), &stop, waiting) {
        Ok(cleaned) => cleaned,
        Err(_) if stop.requested() => return Ok(INTERRUPTED),
        Err(e) => return Err(CliError::failure(format!("cannot clean: {e}"))),
    };
    tell(cli, args, &cleaned);
    Ok(if warn(&cleaned, paint) { FAILURE } else { SUCCESS })
}

fn tell(cli: &Cli, args: &args::Clean, cleaned: &Cleaned) {
    for path in &cleaned.edited {
        crate::say!("kept {path}: it was edited after it was made");
    }
    if !cleaned.unknown.is_empty() {
        let (names, them) = (first_few(&cleaned.unknown), if cleaned.unknown.len() == 1 { "it" } else { "them" });
        crate::say!("kept {names}: no successful run made {them}");
    }
    for path in &cleaned.sources {
        crate::say!("kept {path}: it is a source now");
    }
    if cli.verbose || args.dry_run {
        let verb = if args.dry_run { "would remove" } else { "removed" };
        cleaned.removed.iter().for_each(|path: &RelPath| crate::say!("{verb} {path}"));
    }
    if !cli.quiet {
        let verb = if args.dry_run { "would remove" } else { "removed" };
        crate::say!("{verb} {}", count(cleaned.removed.len() as u64, "output"));
        if !cleaned.not_kept.is_empty() {
            let names = first_few(&cleaned.not_kept);
            crate::say!("the store does not keep the outputs of {names}: the next build runs what makes them");
        }
    }
}

/// Warns about paths that could not be removed. Returns whether there are any.
fn warn(cleaned: &Cleaned, paint: Paint) -> bool {
    for (path, why) in &cleaned.stuck {
        crate::aside!("{} `{path}` cannot be removed: {}", paint.apply(Style::Bad, "error:"), reason(why));
        if let Some(hint) = way_out(why) {
            crate::aside!("\n{} {hint}", paint.apply(Style::Hint, "hint:"));
        }
    }
    !cleaned.stuck.is_empty()
}
