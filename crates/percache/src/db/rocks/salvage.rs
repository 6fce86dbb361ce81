//! Salvage: what can still be read of a damaged database is brought into a new one.
//!
//! RocksDB refuses to open a database of which one file is damaged, and its own repair forgets all blob files and drops a table in
//! which one block is bad. So everything is read in three ways, each of which finds what the others miss: from tables that RocksDB's
//! repair can make sense of, without a manifest if need be; from the database as it is, past what is damaged; and from the blob files
//! themselves.
//!
//! ```text
//! DIR/salvage/old/…   the database's files, by hard links, for RocksDB's repair
//! DIR/salvage/db/…    the new database
//! ```

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rocksdb::{DB, IteratorMode, Options};

use super::options::{Use, column_options, database_options, io_error};
use super::{RocksEngine, blob_file, handle};
use crate::base::files::create_private_dir;
use crate::db::engine::{Column, Engine, EngineError, Session};

/// Ranges of keys that cannot be read, in one column, before the rest of it is given up.
const GAPS: usize = 1000;
/// As long as the longest key.
const WIDTH: usize = 48;

/// Is shown a key and value that were found, which may be damaged or outdated, and puts them where they are sound; whether they are.
pub type Keep<'a> = dyn FnMut(Column, &[u8], &[u8], &mut dyn Session) -> Result<bool, EngineError> + 'a;

impl RocksEngine {
    /// Replaces the database by a new one with everything in it that can still be read and that `keep` takes.
    pub fn salvage(&self, patience: Duration, keep: &mut Keep<'_>) -> Result<(), EngineError> {
        let _lock = self.lock(patience)?;
        let place = self.dir.join("salvage");
        let answer = self.salvage_into(&place, keep);
        let _ = fs::remove_dir_all(&place);
        answer
    }

    fn salvage_into(&self, place: &Path, keep: &mut Keep<'_>) -> Result<(), EngineError> {
        match fs::remove_dir_all(place) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error(e)),
            _ => {}
        }
        create_private_dir(place).map_err(io_error)?;
        let new = RocksEngine::new(place, self.columns, &self.holder);
        let mut session = new.session(Duration::ZERO)?;
        // The last word has what RocksDB itself takes for the present state.
        self.take_from_repaired(&place.join("old"), &mut *session, keep)?;
        self.take_from_blob_files(&mut *session, keep)?;
        self.take_from_damaged(&self.database(), &mut *session, keep)?;
        session.commit()?;
        exchange(&self.database(), &new.database()).map_err(io_error)?;
        self.bump(true)
    }

    /// What RocksDB's own repair makes of the tables; it changes files, so it gets links to them.
    fn take_from_repaired(
        &self,
        old: &Path,
        session: &mut dyn Session,
        keep: &mut Keep<'_>,
    ) -> Result<(), EngineError> {
        create_private_dir(old).map_err(io_error)?;
        for entry in fs::read_dir(self.database()).map_err(io_error)?.flatten() {
            let to = old.join(entry.file_name());
            if fs::hard_link(entry.path(), &to).is_err() {
                fs::copy(entry.path(), &to).map_err(io_error)?;
            }
        }
        match DB::repair(&database_options(Use::Write, old), old) {
            Ok(()) => self.take_from_damaged(old, session, keep),
            Err(e) => {
                log::info!("RocksDB cannot repair {}: {e}", old.display());
                Ok(())
            }
        }
    }

    fn take_from_blob_files(&self, session: &mut dyn Session, keep: &mut Keep<'_>) -> Result<(), EngineError> {
        let Some(large) = self.columns.iter().find(|column| column.large) else { return Ok(()) };
        let mut failed = None;
        for entry in fs::read_dir(self.database()).map_err(io_error)?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "blob")
                && let Ok(bytes) = fs::read(entry.path())
            {
                blob_file::records(&bytes, &mut |key, value| {
                    failed.is_none()
                        && keep(*large, key, value, session).unwrap_or_else(|e| {
                            failed = Some(e);
                            false
                        })
                });
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What can be read past all damage.
    fn take_from_damaged(
        &self,
        path: &Path,
        session: &mut dyn Session,
        keep: &mut Keep<'_>,
    ) -> Result<(), EngineError> {
        let lenient = |mut options: Options| {
            options.set_paranoid_checks(false);
            options
        };
        // RocksDB's repair knows of a column only when one of its tables is left.
        let there = DB::list_cf(&database_options(Use::Read, path), path).ok();
        let is_there = |c: &&Column| there.as_ref().is_none_or(|there| there.iter().any(|name| name == c.name));
        let columns = self.columns.iter().filter(is_there).map(|c| (c.name, lenient(column_options(*c, Use::Read))));
        let db = match DB::open_cf_with_opts_for_read_only(
            &lenient(database_options(Use::Read, path)),
            path,
            columns,
            false,
        ) {
            Ok(db) => db,
            Err(e) => {
                log::info!("{} cannot be opened: {e}", path.display());
                return Ok(());
            }
        };
        let mut names: HashSet<[u8; blob_file::KEY]> = HashSet::new();
        for column in self.columns.iter().filter(|column| !column.large) {
            scan_past_damage(&db, *column, &mut |key, value| {
                names.extend(key.last_chunk().copied());
                keep(*column, key, value, session).map(drop)
            })?;
        }
        for column in self.columns.iter().filter(|column| column.large) {
            // One by one where the name is known from elsewhere: one that cannot be read hides no other.
            let Ok(family) = handle(&db, *column) else { continue };
            for name in &names {
                if let Ok(Some(value)) = db.get_pinned_cf(family, name) {
                    keep(*column, name, &value, session)?;
                }
            }
            scan_past_damage(&db, *column, &mut |key, value| keep(*column, key, value, session).map(drop))?;
        }
        Ok(())
    }
}

type Found<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), EngineError> + 'a;

/// Shows every key and value that can be read to `found`.
fn scan_past_damage(db: &DB, column: Column, found: &mut Found<'_>) -> Result<(), EngineError> {
    let Ok(family) = handle(db, column) else { return Ok(()) };
    let mut from = Some(Vec::new());
    for _ in 0..GAPS {
        let Some(start) = from else { break };
        let mut last = start.clone();
        let mut whole = true;
        for entry in db.iterator_cf(family, IteratorMode::From(&start, rocksdb::Direction::Forward)) {
            match entry {
                Ok((key, value)) => {
                    found(&key, &value)?;
                    last = key.into_vec();
                }
                Err(_) => whole = false,
            }
        }
        if whole {
            break;
        }
        from = behind_the_gap(&last, &|key| {
            let mut iterator = db.iterator_cf(family, IteratorMode::From(key, rocksdb::Direction::Forward));
            !matches!(iterator.next(), Some(Err(_)))
        });
    }
    Ok(())
}

/// The first key, more or less, after `last` from which reading goes on. `None` when there is none.
fn behind_the_gap(last: &[u8], readable: &dyn Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut bits = 0;
    loop {
        if readable(&plus_power(last, bits)?) {
            break;
        }
        bits += 1;
    }
    // Beyond that lies the next readable key, and before it the last unreadable one: closer, by halves.
    let Some(mut step) = bits.checked_sub(1) else { return plus_power(last, 0) };
    let mut unreadable = plus_power(last, step)?;
    for _ in 0..24 {
        let Some(next) = step.checked_sub(1) else { break };
        step = next;
        let middle = plus_power(&unreadable, step)?;
        if !readable(&middle) {
            unreadable = middle;
        }
    }
    plus_power(&unreadable, step)
}

/// A key as a number of [`WIDTH`] bytes, plus two to the power of `bits`. `None` when that is too large.
fn plus_power(key: &[u8], bits: usize) -> Option<Vec<u8>> {
    let mut sum = key.to_vec();
    sum.resize(WIDTH.max(key.len()), 0);
    let mut at = sum.len().checked_sub(1 + bits / 8)?;
    let mut carry = 1u16 << (bits % 8);
    loop {
        carry += u16::from(sum[at]);
        sum[at] = carry as u8;
        carry >>= 8;
        if carry == 0 {
            return Some(sum);
        }
        at = at.checked_sub(1)?;
    }
}

/// Puts a new directory in the place of an old one, and the old one in its place.
fn exchange(old: &Path, new: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    let aside = new.with_extension("damaged");
    fs::rename(old, &aside)?;
    fs::rename(new, old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_behind_what_cannot_be_read() {
        for (last, end) in [([0x3f, 0xff], [0x42, 0x10]), ([0x40, 0], [0x40, 1]), ([0, 0], [0x77, 0])] {
            // The next key after the last one that was read is not readable, nor are those up to the end.
            let next = behind_the_gap(&last, &|key| key >= &end[..]).unwrap();
            assert!(next >= end.to_vec() && next < vec![end[0], end[1], 1], "{next:x?}");
        }
        assert_eq!(behind_the_gap(&[0xff], &|_| false), None);
    }

    #[test]
    fn keys_are_numbers() {
        assert_eq!(plus_power(&[1], 8 * (WIDTH - 1)).unwrap()[..2], [2, 0]);
        assert_eq!(plus_power(&[1, 0xff], 8 * (WIDTH - 2)).unwrap()[..3], [2, 0, 0]);
        assert_eq!(plus_power(&[0xff], 8 * WIDTH - 1), None);
        assert_eq!(plus_power(&[], 8 * WIDTH), None);
    }
}
