//! `percache gc`.

use percache_runner::maintenance::{self, DEFAULT_MAXAGE, DEFAULT_MAXSIZE, Report, Request};
use percache_runner::syntax::units::{format_size, parse_age, parse_size};

use crate::args::{Cli, Gc};
use crate::error::{CliError, SUCCESS};
use crate::setup::{Keeping, open_store};
use crate::style::Paint;

/// Collects garbage.
pub fn run(cli: &Cli, args: &Gc) -> Result<u8, CliError> {
    let maxage = args.maxage.as_deref().map(parse_age).transpose().map_err(CliError::age)?;
    let maxsize = args.maxsize.as_deref().map(parse_size).transpose().map_err(CliError::size)?;
    let paint = Paint::stderr(cli.color);
    let Keeping { dir, settings } = Keeping::load(cli.directory.as_deref(), args.exec, paint)?;
    // Whoever names one bound means that one alone.
    let named = maxage.is_some() || maxsize.is_some();
    let request = Request {
        maxage: maxage.or_else(|| (!named).then_some(settings.maxage.unwrap_or(DEFAULT_MAXAGE))),
        maxsize: maxsize.or_else(|| (!named).then_some(settings.maxsize.unwrap_or(DEFAULT_MAXSIZE))),
        dry_run: args.dry_run,
        ..Request::default()
    };
    let store = open_store(&dir, paint);
    let report = maintenance::gc(&store, &dir, &request).map_err(|e| CliError::maintenance(&e, &dir))?;
    if !cli.quiet {
        crate::say!("{}", sentence(&report, args.dry_run));
    }
    Ok(SUCCESS)
}

/// What went, and what it was good for.
pub fn sentence(report: &Report, dry_run: bool) -> String {
    let collected = &report.collected;
    let verb = if dry_run { "would remove" } else { "removed" };
    let went = format!(
        "{verb} {} and {} ({}), {} left ({})",
        count(collected.results, "result"),
        count(collected.blobs, "blob"),
        format_size(collected.bytes),
        count(collected.results_left, "result"),
        format_size(collected.bytes_left),
    );
    let displaced = count(report.displaced as u64, "displaced file");
    let went = if report.displaced > 0 { format!("{went}\n{verb} {displaced}") } else { went };
    if dry_run {
        return went;
    }
    format!("{went}\nstore on disk: {} before, {} now", format_size(report.before), format_size(report.after))
}

/// `1 result`, `2 results`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
