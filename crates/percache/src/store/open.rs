//! Opening a store in a directory.

use std::path::Path;
use std::sync::Arc;

use crate::engine::EngineError;
use crate::rocks::RocksEngine;
use crate::store::Store;
use crate::store::layout::{COLUMNS, FORMAT, format_of};
use crate::store::record::Time;
use crate::store::writer::PATIENCE;

/// The store in `dir`, which need not exist; nothing but its format is looked at yet. A store of another format is set aside, and
/// the warning says where it is. `holder` names this process to others that wait for it.
pub fn open(dir: &Path, holder: &str) -> (Store, Option<String>) {
    let engine = RocksEngine::new(dir, COLUMNS, holder);
    let warning = match format_of(dir) {
        Ok(Some(other)) if other != FORMAT => Some(match set_aside(&engine, dir, &other) {
            Ok(place) => {
                format!("the store has format {other}, this percache writes {FORMAT}: it was moved to `{place}`")
            }
            Err(e) => {
                format!("the store has format {other}, this percache writes {FORMAT}, and it cannot be moved away: {e}")
            }
        }),
        _ => None,
    };
    (Store::new(Arc::new(engine)), warning)
}

fn set_aside(engine: &RocksEngine, dir: &Path, format: &str) -> Result<String, EngineError> {
    // What stands in the file may be anything.
    let format: String = format.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    let now: Time = super::now();
    let place = engine.set_aside(&format!("db.format-{format}-{now}"), PATIENCE)?;
    std::fs::write(dir.join("format"), FORMAT).map_err(|e| EngineError::Io(e.to_string()))?;
    Ok(place.display().to_string())
}

/// Puts a store right whose database cannot even be opened: rebuilds it from whatever of its files can be read, or sets it aside.
/// Says what was done.
pub fn rescue(dir: &Path, holder: &str) -> Result<String, EngineError> {
    let engine = RocksEngine::new(dir, COLUMNS, holder);
    let reopened = engine.repair(PATIENCE).and_then(|()| crate::engine::Engine::view(&engine).map(|_| ()));
    match reopened {
        Ok(()) => Ok("the database was rebuilt from what could be read".to_owned()),
        Err(e) => {
            let place = engine.set_aside(&format!("db.damaged-{}", super::now()), PATIENCE)?;
            Ok(format!("the database could not be rebuilt ({e}) and was moved to `{}`", place.display()))
        }
    }
}
