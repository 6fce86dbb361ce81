//! Results in a file: from the store of a workspace, and into it.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use percache::base::clock::Time;
use percache::db::engine::EngineError;
use percache::store::Store;
use percache::store::origin::{Origin, Place};
use percache::store::record::{ResultKey, StoredResult};
use percache::store::writer::NewResult;
use percache_remote::{ActionKey, ArchiveReader, ArchiveWriter, Export, Item, Notary, Sha256, Taken};
pub use percache_remote::{ArchiveError, Written};
use percache_runner::sharing::identify;
use percache_runner::{Project, Stop};

use super::Sha256Names;

/// Why results could not be exported.
pub enum ExportError {
    /// The store cannot be read.
    Store(EngineError),
    /// The file cannot be written.
    File(io::Error),
    /// The user has stopped it.
    Stopped,
}

impl From<EngineError> for ExportError {
    fn from(error: EngineError) -> ExportError {
        ExportError::Store(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> ExportError {
        ExportError::File(error)
    }
}

/// Which results are exported.
pub struct Wanted<'a> {
    /// Those of tasks with these names.
    pub tasks: &'a dyn Fn(&str) -> bool,
    /// Those that were used of late; `None` if that does not matter.
    pub used: Option<Uses>,
}

/// When results were used.
pub struct Uses {
    /// When each was last used.
    pub last: HashMap<ResultKey, Time>,
    /// The time since when it must have been.
    pub since: Time,
}

/// Writes results of a store to `to`.
pub fn export<W: Write>(
    store: &Store,
    notary: &Notary,
    wanted: &Wanted<'_>,
    to: W,
    stop: &Stop,
) -> Result<(Written, W), ExportError> {
    let mut results = store.results_with(wanted.tasks)?;
    results.retain(|(key, result)| {
        let last = |uses: &Uses| uses.last.get(key).is_some_and(|last| *last >= uses.since);
        // Another exit status than 0 is an answer to somebody here, and a failure to everybody else.
        result.status == 0 && wanted.used.as_ref().is_none_or(last)
    });
    let mut writer = ArchiveWriter::new(to, notary, store)?;
    for (key, result) in results {
        if stop.requested() {
            return Err(ExportError::Stopped);
        }
        if let Some(export) = exported(store, key, result)? {
            writer.add(&export)?;
        }
    }
    Ok(writer.finish()?)
}

/// Completes a result; `None` if it is not known any more what was hashed into its key.
fn exported(store: &Store, key: ResultKey, result: StoredResult) -> Result<Option<Export>, EngineError> {
    let Some(parts) = store.parts(&key)? else { return Ok(None) };
    let Some(identity) = identify(&Sha256Names, &parts).filter(|identity| identity.action == key.action) else {
        return Ok(None);
    };
    Ok(Some(Export { action: ActionKey(Sha256(identity.shared)), place: key.place, result, parts }))
}

/// What became of a file.
#[derive(Default)]
pub struct Imported {
    /// Results that are in the store now and were not before.
    pub new: u64,
    /// Results that were in the store before.
    pub known: u64,
    /// Results that are tied to another directory.
    pub tied: u64,
    /// Results that are not used, and why the first one is not.
    pub refused: u64,
    /// Why the first of them is not.
    pub why: Option<String>,
    /// The bytes of contents that came.
    pub bytes: u64,
    /// What kept it from being read to its end.
    pub error: Option<ArchiveError>,
}

/// Takes the results of a file into the store of a project. `name` is how the user calls the file.
///
/// # Errors
/// When the store cannot be written. A file that is damaged is no error: what is whole of it is taken.
pub fn import(
    project: &Project,
    store: &Store,
    notary: &Notary,
    from: impl Read,
    name: &str,
) -> Result<Imported, EngineError> {
    let name_of = |parts: &[u8]| Some(ActionKey(Sha256(identify(&Sha256Names, parts)?.shared)));
    let mut into = Into { project, store, name, imported: Imported::default(), keys: Vec::new() };
    let read = ArchiveReader::new(from, notary, store, &name_of).and_then(|mut reader| {
        while let Some(item) = reader.next()? {
            into.take(item).map_err(|e| ArchiveError::Store(io::Error::other(e.to_string())))?;
        }
        Ok(())
    });
    into.imported.error = read.err();
    into.finish()
}

struct Into<'a> {
    project: &'a Project,
    store: &'a Store,
    name: &'a str,
    imported: Imported,
    /// The results that were added.
    keys: Vec<ResultKey>,
}

impl Into<'_> {
    fn take(&mut self, item: Item) -> Result<(), EngineError> {
        match item {
            Item::Taken(taken) => return self.add(*taken),
            Item::Refused { label, why } => {
                let why = label.map_or_else(|| why.clone(), |label| format!("the result of `{label}`: {why}"));
                self.refuse(why);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, why: String) {
        self.imported.refused += 1;
        self.imported.why.get_or_insert(why);
    }

    fn add(&mut self, taken: Taken) -> Result<(), EngineError> {
        let Taken { result, parts, place, bytes } = taken;
        let identity = identify(&Sha256Names, &parts).filter(|identity| identity.fingerprint == result.fingerprint);
        let Some(identity) = identity else {
            self.refuse(format!("the result of `{}` is not that of what it says", result.label));
            return Ok(());
        };
        if place.is_some_and(|place| place != self.project.place()) {
            self.imported.tied += 1;
            return Ok(());
        }
        let key = ResultKey { action: identity.action, place };
        if self.store.result(&key)?.is_some() {
            self.imported.known += 1;
            return Ok(());
        }
        let origin = Some(Origin { from: Place::File(self.name.to_owned()), came: Time::now() });
        self.store.record(NewResult { key, result, parts, paths: identity.paths, origin }, None);
        self.imported.bytes += bytes;
        self.keys.push(key);
        Ok(())
    }

    /// Writes everything, and counts what really is there.
    fn finish(mut self) -> Result<Imported, EngineError> {
        self.store.flush()?;
        self.store.renew();
        for key in &self.keys {
            match self.store.result(key)? {
                Some(_) => self.imported.new += 1,
                None => {
                    self.imported.refused += 1;
                    self.imported.why.get_or_insert_with(|| "a gc has removed its contents meanwhile".to_owned());
                }
            }
        }
        Ok(self.imported)
    }
}
