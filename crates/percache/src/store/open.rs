//! Opening a store in a directory.

use std::path::Path;
use std::sync::Arc;

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::db::engine::{Column, Engine, EngineError, Session};
use crate::db::rocks::RocksEngine;
use crate::store::layout::{BLOBS, COLUMNS, FORMAT, INDEX, Sizes, digest_key, format_of, kind, write_format};
use crate::store::writer::PATIENCE;
use crate::store::{Store, blob};

/// The store in `dir`, which need not exist; nothing but its format is looked at yet. A store of another format is set aside, and
/// the warning says where it is. `holder` names this process to others that wait for it.
pub fn open(dir: &Path, holder: &str) -> (Store, Option<String>) {
    let engine = RocksEngine::new(dir, COLUMNS, holder);
    let format = match format_of(dir) {
        // Damaged. It says nothing of the database, which may well be whole; if it is damaged too, a new one is begun.
        Ok(None) if dir.join("format").exists() && Engine::view(&engine).is_err() => Ok(Some("unknown".to_owned())),
        format => format,
    };
    let warning = match format {
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
    let format: String = format.chars().take(16).collect();
    let place = engine.set_aside(&format!("db.format-{format}-{}", Time::now().as_millis()), PATIENCE)?;
    write_format(dir).map_err(|e| EngineError::Io(e.to_string()))?;
    Ok(place.display().to_string())
}

/// Puts a store right whose database cannot even be read: brings what can be read into a new one, or sets it aside. Says what was done.
pub fn rescue(dir: &Path, holder: &str) -> Result<String, EngineError> {
    let engine = RocksEngine::new(dir, COLUMNS, holder);
    match engine.salvage(PATIENCE, &mut keep) {
        Ok(()) => Ok("the database was made anew from what could be read".to_owned()),
        Err(e) => {
            let place = engine.set_aside(&format!("db.damaged-{}", Time::now().as_millis()), PATIENCE)?;
            Ok(format!("the database could not be made anew ({e}) and was moved to `{}`", place.display()))
        }
    }
}

fn keep(column: Column, key: &[u8], value: &[u8], session: &mut dyn Session) -> Result<bool, EngineError> {
    if column == BLOBS {
        let (Some(digest), Some(piece)) = (Digest::from_slice(key), blob::unpack(value)) else { return Ok(false) };
        if Digest::of(&piece) != digest {
            return Ok(false);
        }
        // Of the index nothing is believed: the blobs themselves say what there is.
        let sizes = Sizes { length: piece.len() as u32, stored: value.len() as u32 };
        session.put(INDEX, &digest_key(kind::SIZES, &digest), &sizes.to_bytes())?;
    } else if column == INDEX && key.first() == Some(&kind::SIZES) {
        return Ok(false);
    }
    session.put(column, key, value)?;
    Ok(true)
}
