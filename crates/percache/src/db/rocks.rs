//! The database on RocksDB. Only this module names RocksDB.
//!
//! RocksDB allows one writing process, and opening it to write takes 15 to 30 ms. So a [`RocksEngine`] opens it read-only for
//! views, which takes no lock, and read-write only for the length of a session, behind a lock file of our own that names its holder.
//! Small commits do without even that: they go to the [`tail`](crate::db::tail), and with the next large one into the database.
//!
//! Sessions write without a write-ahead log: with `atomic_flush` all columns reach the disk and the manifest together, which is the
//! commit. Contents are written once, to blob files, instead of twice.
//!
//! ```text
//! DIR/db/…         RocksDB's files
//! DIR/tail         commits that are not in the database yet
//! DIR/writer       lock file of the writing process
//! DIR/generation   counts commits, and those among them that changed the database: eight bytes each, written after each
//! ```

mod blob_file;
pub mod forks;
mod options;
pub mod salvage;
mod session;

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, IteratorMode, ReadOptions};

use crate::base::codec::Encode;
use crate::base::digest::Hasher;
use crate::base::files::{self, Durability, create_private_dir};
use crate::base::lock::{FileLock, LockError, this_process};
use crate::db::engine::{Column, DATABASE, Engine, EngineError, Session, SharedView, View, Visit};
use crate::db::tail::{self, Tail};
use forks::Database;
use options::{Use, column_options, database_options, io_error, rocks_error};
use session::{BriefSession, FullSession};

/// How long whoever wants to read waits for a writer that keeps disturbing it.
const READING_PATIENCE: Duration = Duration::from_secs(10);

/// A database in a directory.
pub struct RocksEngine {
    dir: PathBuf,
    columns: &'static [Column],
    holder: String,
    pictures: Mutex<Pictures>,
}

const ORPHANED: &str =
    "a process that was forked from one that had written to it cannot do this; any other process can";

/// The newest pictures at hand.
#[derive(Default)]
struct Pictures {
    /// Of the database, and after how many commits to it it was opened.
    base: Option<(u64, SharedView)>,
    /// Of the database with the tail over it, and after how many commits.
    view: Option<(u64, SharedView)>,
}

/// What `DIR/generation` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Commits {
    all: u64,
    /// Those that changed the database, and not the tail alone.
    full: u64,
}

impl RocksEngine {
    /// The database in `dir`, which need not exist. Nothing is opened yet. `holder` names this process to others that wait for it.
    pub fn new(dir: &Path, columns: &'static [Column], holder: &str) -> RocksEngine {
        RocksEngine { dir: dir.to_owned(), columns, holder: holder.to_owned(), pictures: Mutex::default() }
    }

    fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    fn tail(&self) -> PathBuf {
        self.dir.join(tail::NAME)
    }

    fn read_tail(&self) -> Result<Tail, EngineError> {
        let mut names = Hasher::new();
        self.columns.iter().for_each(|column| names.text(column.name));
        let kind = u32::from_le_bytes(*names.finish().as_bytes().first_chunk().unwrap_or(&[0; 4]));
        Tail::read(&self.tail(), kind).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => EngineError::Damaged(e.to_string()),
            _ => io_error(e),
        })
    }

    fn lock(&self, patience: Duration) -> Result<FileLock, EngineError> {
        create_private_dir(&self.dir).map_err(io_error)?;
        FileLock::acquire(&self.dir.join("writer"), &self.holder, patience, &mut |_| ()).map_err(|e| match e {
            LockError::Held(holder) => EngineError::Busy { holder },
            LockError::Io(e) => io_error(e),
        })
    }

    fn open_view(&self) -> Result<SharedView, EngineError> {
        let mut pause = Duration::from_millis(1);
        loop {
            match self.try_view() {
                // A session that begins or ends meanwhile replaces files that were about to be opened.
                Err(_) if pause < Duration::from_millis(30) => std::thread::sleep(pause),
                // What fails although nobody writes is damaged. Where the lock cannot be had, the error stands: the directory may be
                // one that cannot be written.
                Err(e) => {
                    return match self.lock(READING_PATIENCE) {
                        Ok(_lock) => self.try_view(),
                        Err(_) => Err(e),
                    };
                }
                view => return view,
            }
            pause *= 2;
        }
    }

    fn try_view(&self) -> Result<SharedView, EngineError> {
        if self.is_unborn()? {
            return Ok(Arc::new(crate::db::memory::empty_view()));
        }
        match self.open_to_read() {
            // Somebody is just making it, or was killed making it.
            Err(_) if !self.has_data() => Ok(Arc::new(crate::db::memory::empty_view())),
            view => view,
        }
    }

    fn open_to_read(&self) -> Result<SharedView, EngineError> {
        let options = database_options(Use::Read, &self.database());
        let columns = self.columns.iter().map(|column| (column.name, column_options(*column, Use::Read)));
        let open =
            || DB::open_cf_with_opts_for_read_only(&options, self.database(), columns, false).map_err(rocks_error);
        let db = Database::to_read(open)?;
        Ok(Arc::new(RocksView { db }))
    }

    /// Whether nothing was ever committed. RocksDB would take a database without its file `CURRENT` for a new one and throw away what
    /// is there.
    fn is_unborn(&self) -> Result<bool, EngineError> {
        let current = self.database().join("CURRENT");
        match fs::metadata(&current) {
            Ok(_) => Ok(false),
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(io_error(e)),
            Err(_) if self.has_data() => Err(EngineError::Damaged(format!("`{}` is missing", current.display()))),
            Err(_) => Ok(true),
        }
    }

    /// Whether there are files that hold keys or values.
    fn has_data(&self) -> bool {
        let holds_data = |entry: fs::DirEntry| {
            let path = entry.path();
            path.extension().is_some_and(|extension| extension == "sst" || extension == "blob")
        };
        fs::read_dir(self.database()).into_iter().flatten().flatten().any(holds_data)
    }

    fn open_session(&self, how: Use) -> Result<Database, EngineError> {
        let path = self.database();
        create_private_dir(&path).map_err(io_error)?;
        self.is_unborn()?;
        match self.open_to_write(how) {
            // What was left behind when it was made for the first time: nothing is lost with it.
            Err(EngineError::Damaged(_)) if !self.has_data() => {
                fs::remove_dir_all(&path).and_then(|()| create_private_dir(&path)).map_err(io_error)?;
                self.open_to_write(how)
            }
            db => db,
        }
    }

    fn open_to_write(&self, how: Use) -> Result<Database, EngineError> {
        if forks::is_orphaned() {
            return Err(EngineError::Io(ORPHANED.into()));
        }
        let columns = self.columns.iter().map(|c| ColumnFamilyDescriptor::new(c.name, column_options(*c, how)));
        let options = database_options(how, &self.database());
        let open = || DB::open_cf_descriptors(&options, self.database(), columns).map_err(rocks_error);
        Database::to_write(open)
    }

    /// Moves the database out of the way, to `DIR/NAME`, so that the next session begins a new one.
    pub fn set_aside(&self, name: &str, patience: Duration) -> Result<PathBuf, EngineError> {
        let _lock = self.lock(patience)?;
        let aside = self.dir.join(name);
        match fs::rename(self.database(), &aside) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error(e)),
            Err(_) => create_private_dir(&aside).map_err(io_error)?,
            Ok(()) => {}
        }
        match fs::rename(self.tail(), aside.join(tail::NAME)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(e)),
            _ => self.bump(true).map(|()| aside),
        }
    }

    fn commits(&self) -> Commits {
        // Asked by every task several times. The file is never changed, only replaced: it is read whole or not at all.
        let mut bytes = [0; 16];
        let read = File::open(self.dir.join("generation")).and_then(|mut file| file.read_exact(&mut bytes));
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let (all, full) = bytes.split_at(8);
        read.map_or_else(|_| Commits::default(), |()| Commits { all: number(all), full: number(full) })
    }

    /// Counts a commit; `full`: one that changes the database. Called with the lock held.
    fn bump(&self, full: bool) -> Result<(), EngineError> {
        if full {
            // RocksDB makes its files with the modes that the umask leaves.
            files::make_private(&self.database());
        }
        let Commits { all, full: before } = self.commits();
        let next = [(all + 1).to_le_bytes(), (before + u64::from(full)).to_le_bytes()].concat();
        // In one step: a reader of a file that is just being written would take it for a new database.
        files::replace(&self.dir.join("generation"), &next, Durability::Volatile).map_err(io_error)
    }

    fn pictures(&self) -> MutexGuard<'_, Pictures> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture of the database without its tail, which was asked for when there were that many commits. `locked`: by whom who asks.
    fn base(&self, commits: Commits, locked: bool) -> Result<SharedView, EngineError> {
        let mut pictures = self.pictures();
        match &pictures.base {
            Some((seen, base)) if *seen == commits.full => Ok(base.clone()),
            _ => {
                let base = if locked { self.try_view()? } else { self.open_view()? };
                pictures.base = Some((commits.full, base.clone()));
                Ok(base)
            }
        }
    }
}

impl Engine for RocksEngine {
    fn view(&self) -> Result<SharedView, EngineError> {
        let mut tries = 0;
        loop {
            // Asked before looking: a commit in between makes the view look older than it is, never newer.
            let commits = self.commits();
            if let Some((seen, view)) = &self.pictures().view
                && *seen == commits.all
            {
                return Ok(view.clone());
            }
            let tail = self.read_tail()?;
            let base = self.base(commits, false)?;
            tries += 1;
            // A commit may have taken the tail into the database meanwhile, and a gc what it refers to out of that.
            if self.commits().full == commits.full || tries == 10 {
                let view = over(tail, base, self.columns);
                self.pictures().view = Some((commits.all, view.clone()));
                return Ok(view);
            }
        }
    }

    fn forget_view(&self) {
        *self.pictures() = Pictures::default();
    }

    fn undisturbed(
        &self,
        patience: Duration,
        look: &mut dyn FnMut(&dyn View) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let _lock = match self.lock(patience) {
            Err(e @ EngineError::Busy { .. }) => return Err(e),
            lock => lock.ok(),
        };
        look(&*over(self.read_tail()?, self.try_view()?, self.columns))
    }

    fn generation(&self) -> u64 {
        self.commits().all
    }

    fn lost(&self) -> Result<usize, EngineError> {
        Ok(self.read_tail()?.lost())
    }

    fn after_fork(&self) -> Option<Box<dyn Engine>> {
        Some(Box::new(RocksEngine::new(&self.dir, self.columns, &this_process())))
    }

    fn session(&self, patience: Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        if forks::is_orphaned() {
            return self.brief_session(patience);
        }
        Ok(Box::new(FullSession::begin(self, self.lock(patience)?)?))
    }

    fn brief_session(&self, patience: Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        Ok(Box::new(BriefSession::begin(self, patience)?))
    }
}

/// A picture of the database with its tail over it.
fn over(tail: Tail, base: SharedView, columns: &'static [Column]) -> SharedView {
    if tail.is_empty() { base } else { Arc::new(TailedView { tail, base, columns }) }
}

struct TailedView {
    tail: Tail,
    base: SharedView,
    columns: &'static [Column],
}

impl View for TailedView {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        match self.tail.get(number(self.columns, column)?, key) {
            Some(value) => Ok(value.map(found).is_some()),
            None => self.base.read(column, key, found),
        }
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let number = number(self.columns, column)?;
        self.tail.scan_over(number, prefix, |visit| self.base.scan(column, prefix, visit), visit)
    }
}

/// The number by which the tail knows a column.
fn number(columns: &[Column], column: Column) -> Result<u8, EngineError> {
    let number = columns.iter().position(|other| *other == column).and_then(|number| u8::try_from(number).ok());
    number.ok_or_else(|| missing(column))
}

fn missing(column: Column) -> EngineError {
    EngineError::Damaged(format!("column family `{}` is missing", column.name))
}

struct RocksView {
    db: Database,
}

impl View for RocksView {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        read(&self.db, column, key, found)
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        scan(&self.db, column, prefix, visit)
    }
}

fn read(db: &DB, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
    let value = db.get_pinned_cf(handle(db, column)?, key).map_err(rocks_error)?;
    Ok(value.map(|value| found(&value)).is_some())
}

fn scan(db: &DB, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
    let mut options = ReadOptions::default();
    options.set_iterate_range(rocksdb::PrefixRange(prefix));
    options.fill_cache(false);
    for entry in db.iterator_cf_opt(handle(db, column)?, options, IteratorMode::Start) {
        let (key, value) = entry.map_err(rocks_error)?;
        if visit(&key, &value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

fn handle(db: &DB, column: Column) -> Result<&ColumnFamily, EngineError> {
    db.cf_handle(column.name).ok_or_else(|| missing(column))
}
