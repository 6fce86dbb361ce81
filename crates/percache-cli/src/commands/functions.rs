//! `percache stats|list|gc|clear|verify --cache FILE`: the same commands for a cache of function results.
//!
//! Such a cache belongs to a program that uses the library, and has no percache.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use percache::backend::files::FILES;
use percache::db::tail;
use percache::maintenance::{Entry, FunctionStats, Removed, Rules};
use percache::{Cache, Origin};
use percache_runner::store::{DEFAULT_MAXAGE, DEFAULT_MAXSIZE};
use percache_runner::text::{format_age, format_duration, format_size, parse_age, parse_size, shown};
use serde_json::json;

use crate::args::{Clear, Cli, Command, Gc, List, Stats, Verify};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, SUCCESS};

/// Returns whether the command is about a cache of functions.
pub fn is_meant(cli: &Cli) -> bool {
    file(cli).is_some()
}

fn file(cli: &Cli) -> Option<&Path> {
    match &cli.command {
        Command::List(List { cache, .. })
        | Command::Gc(Gc { cache, .. })
        | Command::Clear(Clear { cache, .. })
        | Command::Stats(Stats { cache, .. })
        | Command::Verify(Verify { cache, .. }) => cache.as_deref(),
        _ => None,
    }
}

/// Does it.
pub fn run(cli: &Cli) -> Result<u8, CliError> {
    let Some(file) = file(cli) else { return Ok(SUCCESS) };
    let path = cli.directory.clone().unwrap_or_default().join(file);
    let cache = match &cli.command {
        Command::Verify(Verify { repair: true, .. }) => open_to_repair(&path)?,
        _ => open(&path)?,
    };
    let status = match &cli.command {
        Command::List(args) => list(&cache, args)?,
        Command::Gc(args) => gc(&cache, args, cli.quiet)?,
        Command::Clear(args) => clear(&cache, args, cli.quiet)?,
        Command::Stats(args) => stats(&cache, args)?,
        Command::Verify(args) => verify(&cache, args)?,
        _ => SUCCESS,
    };
    cache.close().map_err(CliError::failure)?;
    Ok(status)
}

/// Opens a cache that exists: to look at one must not make one.
fn open(path: &Path) -> Result<Cache, CliError> {
    if is_of_files(path) {
        return Cache::open_files(path).map_err(CliError::failure);
    }
    if !tail::or_database_exists(path) {
        let message = format!("there is no cache of function results at {}", shown(path));
        return Err(CliError::failure(message)
            .hint(Some("give the path that the program opens with `Cache::open` or `Cache::open_files`")));
    }
    Cache::open(path).map_err(CliError::failure)
}

/// Returns whether the program that made the cache keeps its results in files.
fn is_of_files(path: &Path) -> bool {
    path.join(FILES).is_dir()
}

/// Opens a cache with damaged records, and rebuilds its database if it cannot be read.
fn open_to_repair(path: &Path) -> Result<Cache, CliError> {
    if is_of_files(path) {
        return open(path);
    }
    let read = |path| {
        let cache = Cache::open(path)?;
        cache.verify(false).map(|_| cache)
    };
    match read(path) {
        Err(e) if tail::or_database_exists(path) => {
            crate::say!("the cache cannot be read: {e}");
            Cache::salvage(path).map_err(CliError::failure)?;
            crate::say!("the database was made anew from what could be read");
            open(path)
        }
        Ok(cache) => Ok(cache),
        Err(_) => open(path),
    }
}

fn stats(cache: &Cache, args: &Stats) -> Result<u8, CliError> {
    let stats = cache.stats().map_err(CliError::failure)?;
    let mut functions = cache.functions().map_err(CliError::failure)?;
    functions.sort_by_key(|function| std::cmp::Reverse(function.saved));
    if args.json {
        let value = json!({
            "results": stats.results,
            "bytes": stats.bytes,
            "oldest_use_seconds": stats.oldest_use.map(|age| age.as_secs()),
            "latest_use_seconds": stats.latest_use.map(|age| age.as_secs()),
            "functions": functions.iter().map(function_json).collect::<Vec<_>>(),
        });
        crate::say!("{value:#}");
        return Ok(SUCCESS);
    }
    crate::say!("{stats}");
    if !functions.is_empty() {
        let labels = Labels::of(functions.iter().map(|function| (&*function.name, function.origin.as_ref())));
        let rows = functions.iter().map(|function| {
            let (results, hits) = (function.results.to_string(), function.hits.to_string());
            let name = format!("{}{}", function.name, labels.label(&function.name, function.origin.as_ref()));
            [results, format_size(function.bytes), hits, format_duration(function.saved), name]
        });
        crate::say!();
        table(["results", "size", "hits", "time saved", "function"], rows.collect());
    }
    Ok(SUCCESS)
}

fn function_json(function: &FunctionStats) -> serde_json::Value {
    json!({
        "name": function.name,
        "package": function.origin.as_ref().and_then(package),
        "versions": function.versions,
        "results": function.results,
        "bytes": function.bytes,
        "hits": function.hits,
        "seconds_saved": function.saved.as_secs_f64(),
    })
}

fn list(cache: &Cache, args: &List) -> Result<u8, CliError> {
    let entries = entries(cache, &args.tasks)?;
    if args.json {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let rows = entries.iter().map(|entry| {
            json!({
                "key": entry.key.to_string(),
                "function": entry.name,
                "package": entry.origin.as_ref().and_then(package),
                "code": entry.code.map(|code| code.to_string()),
                "created": seconds(entry.created),
                "last_used": seconds(entry.last_used),
                "bytes": entry.size,
                "cost_seconds": entry.cost.as_secs_f64(),
                "hits": entry.hits,
                "arguments": entry.arguments,
            })
        });
        crate::say!("{:#}", serde_json::Value::Array(rows.collect()));
        return Ok(SUCCESS);
    }
    let labels = Labels::of(entries.iter().map(|entry| (&*entry.name, entry.origin.as_ref())));
    let rows = entries.iter().map(|entry| {
        let call = format!("{}{}", call(entry), labels.label(&entry.name, entry.origin.as_ref()));
        let age = entry.last_used.elapsed().unwrap_or_default();
        [format_age(age), format_size(entry.size), entry.hits.to_string(), format_duration(entry.cost), call]
    });
    table(["last used", "size", "hits", "took", "function"], rows.collect());
    Ok(SUCCESS)
}

/// Returns the function's name, followed by the arguments as far as they fit.
fn call(entry: &Entry) -> String {
    const LONGEST: usize = 60;
    let Some(arguments) = &entry.arguments else { return entry.name.clone() };
    let short: String = arguments.chars().take(LONGEST).collect();
    let cut = if short.len() < arguments.len() && !short.ends_with('…') { "…" } else { "" };
    let (open, close) = if arguments.starts_with('(') { ("", "") } else { ("(", ")") };
    format!("{}{open}{short}{cut}{close}", entry.name)
}

/// Returns what an origin says of the package, if it says anything.
fn package(origin: &Origin) -> Option<String> {
    origin.package.as_ref().map(|_| format!("{origin:#}"))
}

/// Says of functions of one name in several packages which is which.
struct Labels<'a>(BTreeMap<&'a str, BTreeSet<Option<&'a Origin>>>);

impl<'a> Labels<'a> {
    fn of(functions: impl Iterator<Item = (&'a str, Option<&'a Origin>)>) -> Labels<'a> {
        let mut origins: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        functions.for_each(|(name, origin)| _ = origins.entry(name).or_default().insert(origin));
        Labels(origins)
    }

    /// Returns what goes behind the name: the package, with more of the origin if packages of that name and version differ; nothing
    /// where all functions of the name are one.
    fn label(&self, name: &str, origin: Option<&Origin>) -> String {
        let Some(origins) = self.0.get(name).filter(|origins| origins.len() > 1) else { return String::new() };
        let Some(origin) = origin else { return "  [package unknown]".into() };
        let short = origin.to_string();
        let alike = origins.iter().flatten().filter(|other| other.to_string() == short).count();
        if alike > 1 { format!("  [{origin:#}]") } else { format!("  [{short}]") }
    }
}

/// Returns all results, or those of the named functions.
fn entries(cache: &Cache, names: &[String]) -> Result<Vec<Entry>, CliError> {
    let mut entries = cache.entries().map_err(CliError::failure)?;
    if let Some(name) = names.iter().find(|name| !entries.iter().any(|entry| entry.name == **name)) {
        let hint = "`percache stats --cache FILE` shows all functions";
        return Err(CliError::usage(format!("no result is of a function named `{name}`")).hint(Some(hint)));
    }
    entries.retain(|entry| names.is_empty() || names.contains(&entry.name));
    Ok(entries)
}

fn gc(cache: &Cache, args: &Gc, quiet: bool) -> Result<u8, CliError> {
    let maxage = args.maxage.as_deref().map(parse_age).transpose().map_err(CliError::age)?;
    let max_size = args.maxsize.as_deref().map(parse_size).transpose().map_err(CliError::size)?;
    // If only one limit is given, the other does not apply.
    let named = maxage.is_some() || max_size.is_some();
    let rules = Rules {
        maxage: maxage.or((!named).then_some(DEFAULT_MAXAGE)),
        max_size: max_size.or((!named).then_some(DEFAULT_MAXSIZE)),
        dry_run: args.dry_run,
    };
    let removed = cache.collect(&rules).map_err(CliError::failure)?;
    say_removed(&removed, if args.dry_run { "would remove" } else { "removed" }, quiet);
    Ok(SUCCESS)
}

fn clear(cache: &Cache, args: &Clear, quiet: bool) -> Result<u8, CliError> {
    let maxage = args.maxage.as_deref().map(parse_age).transpose().map_err(CliError::age)?;
    let removed = if args.tasks.is_empty() {
        cache.clear(maxage).map_err(CliError::failure)?
    } else {
        let mut removed = Removed::default();
        for entry in entries(cache, &args.tasks)? {
            if maxage.is_none_or(|maxage| entry.last_used.elapsed().is_ok_and(|age| age >= maxage)) {
                cache.remove(entry.key).map_err(CliError::failure)?;
                removed.results += 1;
                removed.bytes += entry.size;
            }
        }
        cache.sync().map_err(CliError::failure)?;
        removed
    };
    say_removed(&removed, "removed", quiet);
    Ok(SUCCESS)
}

fn say_removed(removed: &Removed, verb: &str, quiet: bool) {
    if !quiet {
        crate::say!("{verb} {} ({})", count(removed.results, "result"), format_size(removed.bytes));
    }
}

fn verify(cache: &Cache, args: &Verify) -> Result<u8, CliError> {
    let found = cache.verify(args.repair).map_err(CliError::failure)?;
    found.damaged.iter().for_each(|key| crate::say!("broken result {key}"));
    found.partial.iter().for_each(|key| crate::say!("incomplete result {key}"));
    let intact = count(found.intact, "result");
    match (found.is_clean(), args.repair) {
        (true, _) => crate::say!("{intact}: all whole"),
        (false, true) => crate::say!("{intact} whole; the rest was removed"),
        (false, false) => crate::say!("{intact} whole; `--repair` removes the rest"),
    }
    Ok(if found.is_clean() || args.repair { SUCCESS } else { FAILURE })
}

/// Prints a table, with all columns but the last aligned right.
fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) {
    let mut widths = head.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(head.map(str::to_owned)).chain(rows) {
        let line = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| if column + 1 == N { cell.clone() } else { format!("{cell:>width$}") });
        crate::say!("{}", line.collect::<Vec<_>>().join("  "));
    }
}
