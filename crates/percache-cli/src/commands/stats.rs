//! `percache stats`.

use std::path::Path;

use percache::base::clock::Time;
use percache_runner::store;
use percache_runner::text::{format_age, format_duration, format_size, shown};
use serde_json::{Value, json};

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
    let shared = shared(&dir);
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
            "remote": shared.as_ref().map(|shared| &shared.1),
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
    if let Some((words, _)) = shared {
        crate::say!("{words}");
    }
    match stats.used {
        Some((oldest, latest)) => {
            crate::say!("oldest usage age   {}", format_age(age(oldest)));
            crate::say!("latest usage age   {}", format_age(age(latest)));
        }
        None => crate::say!("the store is empty"),
    }
    Ok(SUCCESS)
}

/// Describes what remotes have brought so far, in words and for programs. `None` if no results are shared.
#[cfg(feature = "remote")]
fn shared(dir: &Path) -> Option<(String, Value)> {
    let totals = crate::remote::totals(dir)?;
    let (bytes, saved) = (format_size(totals.fetched), format_duration(totals.saved.into()));
    let mut words = format!(
        "from the remote    {} ({bytes}, saved {saved}), {} {}",
        count(totals.hits, "result"),
        totals.misses,
        if totals.misses == 1 { "miss" } else { "misses" }
    );
    if totals.refused > 0 {
        words.push_str(&format!(", {} not used", totals.refused));
    }
    if totals.uploaded > 0 {
        let sent = format_size(totals.sent);
        words.push_str(&format!("\nto the remote      {} ({sent})", count(totals.uploaded, "result")));
    }
    let value = json!({
        "since": totals.since.as_millis() as f64 / 1e3,
        "hits": totals.hits,
        "misses": totals.misses,
        "refused": totals.refused,
        "fetched_bytes": totals.fetched,
        "saved_seconds": totals.saved.get() as f64 / 1e6,
        "uploaded": totals.uploaded,
        "sent_bytes": totals.sent,
    });
    Some((words, value))
}

#[cfg(not(feature = "remote"))]
fn shared(_dir: &Path) -> Option<(String, Value)> {
    None
}
