//! `percache stats`.

use percache::base::clock::Time;
use percache_runner::store;
use percache_runner::text::{format_age, format_size, shown};
use serde_json::json;

use crate::args::{Cli, Stats};
use crate::commands::gc::count;
use crate::error::{CliError, SUCCESS};
use crate::setup::{Keeping, open_store};
use crate::terminal::style::Paint;

/// Shows the size of the store, and its hits and misses.
pub fn run(cli: &Cli, args: &Stats) -> Result<u8, CliError> {
    let paint = Paint::stderr(cli.color);
    let dir = Keeping::load(cli, args.exec)?.dir;
    let store = open_store(&dir, paint);
    let (stats, hits, misses) = store::statistics(&store, &dir).map_err(|e| CliError::maintenance(&e, &dir))?;
    let age = |time: Time| Time::now().since(time);
    let disk = store::disk_usage(&dir);
    let displaced = store::displaced(&dir).map_err(|e| CliError::maintenance(&e.into(), &dir))?;
    if args.json {
        let value = json!({
            "results": stats.results,
            "blobs": stats.blobs,
            "logical_bytes": stats.logical,
            "stored_bytes": stats.stored,
            "disk_bytes": disk,
            "displaced_files": displaced.files,
            "displaced_bytes": displaced.bytes,
            "hits": hits,
            "misses": misses,
            "oldest_use_seconds": stats.used.map(|(oldest, _)| age(oldest).as_secs()),
            "latest_use_seconds": stats.used.map(|(_, latest)| age(latest).as_secs()),
        });
        crate::say!("{value:#}");
        return Ok(SUCCESS);
    }
    crate::say!("store              {}", shown(&dir));
    crate::say!("results            {}", stats.results);
    crate::say!("blobs              {}", stats.blobs);
    crate::say!("logical size       {}", format_size(stats.logical));
    crate::say!("stored size        {} ({} on disk)", format_size(stats.stored), format_size(disk));
    if displaced.files > 0 {
        let files = count(displaced.files as u64, "file");
        crate::say!("displaced          {files} ({}), see `percache displaced`", format_size(displaced.bytes));
    }
    let rate = if hits + misses == 0 {
        "none so far".to_owned()
    } else {
        format!("{:.1} %", 100.0 * hits as f64 / (hits + misses) as f64)
    };
    crate::say!(
        "hit rate           {rate} ({}, {misses} {})",
        count(hits, "hit"),
        if misses == 1 { "miss" } else { "misses" }
    );
    match stats.used {
        Some((oldest, latest)) => {
            crate::say!("oldest usage age   {}", format_age(age(oldest)));
            crate::say!("latest usage age   {}", format_age(age(latest)));
        }
        None => crate::say!("the store is empty"),
    }
    Ok(SUCCESS)
}
