//! `percache gc`.

use percache_runner::store;
use percache_runner::store::{DEFAULT_MAXAGE, DEFAULT_MAXSIZE, Report, Request};
use percache_runner::text::{format_size, parse_age, parse_size};

use crate::args::{Cli, Gc};
use crate::error::{CliError, SUCCESS};
use crate::setup::{Keeping, open_store};
use crate::terminal::style::Paint;

/// Collects garbage.
pub fn run(cli: &Cli, args: &Gc) -> Result<u8, CliError> {
    let maxage = args.maxage.as_deref().map(parse_age).transpose().map_err(CliError::age)?;
    let maxsize = args.maxsize.as_deref().map(parse_size).transpose().map_err(CliError::size)?;
    let paint = Paint::stderr(cli.color);
    let Keeping { dir, settings } = Keeping::load(cli, args.exec)?;
    // If only one limit is given, the other does not apply.
    let named = maxage.is_some() || maxsize.is_some();
    let request = Request {
        maxage: maxage.or_else(|| (!named).then_some(settings.maxage.unwrap_or(DEFAULT_MAXAGE))),
        maxsize: maxsize.or_else(|| (!named).then_some(settings.maxsize.unwrap_or(DEFAULT_MAXSIZE))),
        dry_run: args.dry_run,
        ..Request::default()
    };
    let store = open_store(&dir, paint);
    let report = store::gc(&store, &dir, &request).map_err(|e| CliError::maintenance(&e, &dir))?;
    if !cli.quiet {
        crate::say!("{}", sentence(&report, args.dry_run));
    }
    Ok(SUCCESS)
}

/// Describes what was removed, and what remains.
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
    let mut text = went;
    if report.displaced.files > 0 {
        text += &format!("\n{verb} {}", report.displaced);
    }
    if report.displaced_left.files > 0 {
        text += &format!(
            "\nkept {}: `percache displaced` lists them, and they go when they are `maxage` old",
            report.displaced_left
        );
    }
    if dry_run {
        return text;
    }
    format!("{text}\nstore on disk: {} before, {} now", format_size(report.before), format_size(report.after))
}

/// Formats a count with its noun: `1 result`, `2 results`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
