//! Contents on their way to a server and back. What comes from there is checked against its name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use percache::base::digest::Hasher as LocalHasher;
use percache::store::interface::Contents;
use percache::store::record::Content;

use super::{Caller, reapi};
use crate::connection::Connection;
use crate::digest::{Blob, Hasher};
use crate::fault::{Fault, FaultKind};
use crate::service::Packing;
use crate::service::stream::{PIECE, PipeWriter, pipe};
use crate::verified::{self, damaged};

/// Names that are asked for in one question.
const ASKED: usize = 1_000;
/// Small contents that travel together, in bytes: what is held in memory at a time.
const TOGETHER: u64 = 8 << 20;
/// Good enough, and faster than most networks.
const LEVEL: i32 = 3;

/// Returns the remote name of an input, after a check that it is still what its local name says.
pub(super) fn name(path: &str, digest: &percache::Digest, caller: &dyn Caller) -> Result<Blob, Fault> {
    let (mut local, mut remote, mut length) = (LocalHasher::new(), Hasher::new(), 0);
    read(path, caller, &mut |bytes| {
        local.update(bytes);
        remote.update(bytes);
        length += bytes.len() as u64;
        true
    })?;
    match local.finish() == *digest {
        true => Ok(Blob { digest: remote.finish(), length }),
        false => Err(changed(path)),
    }
}

/// Reads an input as long as `take` wants it.
fn read(path: &str, caller: &dyn Caller, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Fault> {
    let unreadable = |e: io::Error| Fault::new(FaultKind::Local, format!("its input `{path}` cannot be read: {e}"));
    let mut from = caller.open(path).map_err(unreadable)?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if !take(&buffer[..count]) => return Ok(()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(e)),
        }
    }
}

fn changed(path: &str) -> Fault {
    Fault::new(FaultKind::Local, format!("its input `{path}` changed while it was uploaded"))
}

/// What is uploaded: the messages, and the files by their names.
pub(super) struct Parcel<'a> {
    pub messages: BTreeMap<Blob, Vec<u8>>,
    pub files: BTreeMap<Blob, &'a str>,
}

impl Parcel<'_> {
    /// Returns the names of all of it.
    pub fn names(&self) -> Vec<Blob> {
        self.messages.keys().chain(self.files.keys()).copied().collect()
    }
}

/// Uploads those of `blobs`, which are in the parcel, that the server lacks.
pub(super) fn upload(
    connection: &Connection,
    blobs: &[Blob],
    parcel: &Parcel<'_>,
    caller: &dyn Caller,
) -> Result<(), Fault> {
    let mut absent = Vec::new();
    for asked in blobs.chunks(ASKED) {
        absent.extend(connection.call(async |service| reapi(service)?.absent(asked).await)?);
    }
    // Whatever else the server names is not in the parcel.
    absent.retain(|blob| parcel.messages.contains_key(blob) || parcel.files.contains_key(blob));
    absent.sort();
    absent.dedup();
    if absent.is_empty() {
        return Ok(());
    }
    let most = connection.call(async |service| service.small().await)?;
    let (mut together, mut bytes) = (Vec::new(), 0);
    for blob in absent {
        if blob.length > most {
            upload_large(connection, &blob, parcel, caller)?;
            continue;
        }
        together.push((blob, whole(&blob, parcel, caller)?));
        bytes += blob.length;
        if bytes >= TOGETHER {
            write_small(connection, std::mem::take(&mut together))?;
            bytes = 0;
        }
    }
    write_small(connection, together)
}

fn write_small(connection: &Connection, blobs: Vec<(Blob, Vec<u8>)>) -> Result<(), Fault> {
    if blobs.is_empty() {
        return Ok(());
    }
    connection.call(async |service| service.write_small(blobs, &|_| connection.note_answer()).await)
}

/// Returns a small content of the parcel.
fn whole(blob: &Blob, parcel: &Parcel<'_>, caller: &dyn Caller) -> Result<Vec<u8>, Fault> {
    let Some(path) = parcel.files.get(blob) else { return Ok(parcel.messages.get(blob).cloned().unwrap_or_default()) };
    let mut bytes = Vec::with_capacity(blob.length as usize);
    read(path, caller, &mut |piece| {
        bytes.extend_from_slice(piece);
        bytes.len() as u64 <= blob.length
    })?;
    if blob.is(&bytes) { Ok(bytes) } else { Err(changed(path)) }
}

fn upload_large(connection: &Connection, blob: &Blob, parcel: &Parcel<'_>, caller: &dyn Caller) -> Result<(), Fault> {
    let packing = connection.service()?.packing();
    std::thread::scope(|scope| {
        let (to, from) = pipe();
        let fed = scope.spawn(move || {
            let mut pipe = PipeWriter::new(to);
            let fed = match packing {
                Packing::Plain => feed(blob, parcel, caller, &mut pipe),
                Packing::Zstd => zstd::stream::write::Encoder::new(&mut pipe, LEVEL)
                    .map_err(|e| Fault::new(FaultKind::Local, e.to_string()))
                    .and_then(|mut encoder| {
                        feed(blob, parcel, caller, &mut encoder)?;
                        encoder.finish().map(drop).map_err(|e| Fault::new(FaultKind::Local, e.to_string()))
                    }),
            };
            match &fed {
                Ok(()) => drop(pipe.finish()),
                Err(fault) => pipe.fail(fault.message.clone()),
            }
        });
        let written = connection.call(async |service| {
            let upload = service.begin_upload(blob);
            service.write_large(blob, &upload, from).await
        });
        // Nobody reads any more, so it ends.
        drop(fed.join());
        written
    })
}

fn feed(blob: &Blob, parcel: &Parcel<'_>, caller: &dyn Caller, to: &mut dyn io::Write) -> Result<(), Fault> {
    let unsent = |e: io::Error| Fault::new(FaultKind::Local, e.to_string());
    let Some(path) = parcel.files.get(blob) else {
        let message = parcel.messages.get(blob).map(Vec::as_slice).unwrap_or_default();
        return message.chunks(PIECE).try_for_each(|piece| to.write_all(piece)).map_err(unsent);
    };
    let (mut hasher, mut length, mut sent) = (Hasher::new(), 0, Ok(()));
    read(path, caller, &mut |piece| {
        hasher.update(piece);
        length += piece.len() as u64;
        sent = to.write_all(piece);
        sent.is_ok() && length <= blob.length
    })?;
    sent.map_err(unsent)?;
    let read = Blob { digest: hasher.finish(), length };
    if read == *blob { Ok(()) } else { Err(changed(path)) }
}

/// Adds contents to the local ones.
pub(super) fn fetch(
    connection: &Connection,
    blobs: HashSet<Blob>,
    local: &dyn Contents,
) -> Result<HashMap<Blob, Content>, Fault> {
    let kept = |e: io::Error| Fault::new(FaultKind::Local, e.to_string());
    let mut contents = HashMap::new();
    let most = if blobs.is_empty() { 0 } else { connection.call(async |service| service.small().await)? };
    let (mut group, mut bytes) = (Vec::new(), 0);
    let mut blobs: Vec<Blob> = blobs.into_iter().collect();
    blobs.sort();
    for blob in blobs {
        if blob.length == 0 {
            contents.insert(blob, checked_nothing(&blob, local)?);
        } else if blob.length > most {
            contents.insert(blob, fetch_large(connection, &blob, local)?);
        } else {
            bytes += blob.length;
            group.push(blob);
            if bytes >= TOGETHER {
                fetch_small(connection, &std::mem::take(&mut group), &mut |blob, bytes| {
                    contents.insert(blob, local.add(&mut &bytes[..], &mut |_| ()).map_err(kept)?);
                    Ok(())
                })?;
                bytes = 0;
            }
        }
    }
    fetch_small(connection, &group, &mut |blob, bytes| {
        contents.insert(blob, local.add(&mut &bytes[..], &mut |_| ()).map_err(kept)?);
        Ok(())
    })?;
    Ok(contents)
}

fn checked_nothing(blob: &Blob, local: &dyn Contents) -> Result<Content, Fault> {
    if !blob.is(b"") {
        return Err(damaged(blob));
    }
    local.add(&mut io::empty(), &mut |_| ()).map_err(|e| Fault::new(FaultKind::Local, e.to_string()))
}

/// Fetches small contents, and hands over each that is what its name says.
fn fetch_small(
    connection: &Connection,
    blobs: &[Blob],
    take: &mut dyn FnMut(Blob, Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if blobs.is_empty() {
        return Ok(());
    }
    let came = Mutex::new(HashMap::new());
    let got = |blob: Blob, bytes: Vec<u8>| {
        connection.note_answer();
        came.lock().unwrap_or_else(PoisonError::into_inner).insert(blob, bytes);
    };
    connection.call(async |service| service.read_small(blobs, &got).await)?;
    let mut came = came.into_inner().unwrap_or_else(PoisonError::into_inner);
    blobs.iter().try_for_each(|blob| match came.remove(blob) {
        Some(bytes) if blob.is(&bytes) => take(*blob, bytes),
        Some(_) => Err(damaged(blob)),
        None => Err(lacks(blob)),
    })
}

/// Fetches a content into memory. Its length is known to be bearable.
pub(super) fn fetch_whole(connection: &Connection, blob: &Blob) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    fetch_into(connection, blob, &mut |bytes| all.extend_from_slice(bytes))?;
    Ok(all)
}

/// Fetches a content piece by piece. If it is not what its name says, that is known at its end only.
pub(super) fn fetch_into(connection: &Connection, blob: &Blob, take: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
    if blob.length == 0 {
        return if blob.is(b"") { Ok(()) } else { Err(damaged(blob)) };
    }
    let most = connection.call(async |service| service.small().await)?;
    if blob.length <= most {
        return fetch_small(connection, &[*blob], &mut |_, bytes| {
            take(&bytes);
            Ok(())
        });
    }
    verified::read(connection, blob, &|_| (), &mut |from| {
        let mut buffer = vec![0; 128 << 10];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(()),
                count => take(&buffer[..count]),
            }
        }
    })
}

fn fetch_large(connection: &Connection, blob: &Blob, local: &dyn Contents) -> Result<Content, Fault> {
    let fetched = || verified::read(connection, blob, &|_| (), &mut |from| local.add(from, &mut |_| ()));
    match fetched() {
        // Once more from the start.
        Err(fault) if fault.kind == FaultKind::Transient => fetched(),
        answer => answer,
    }
}

/// Returns the fault that a content is not there.
pub(super) fn lacks(blob: &Blob) -> Fault {
    Fault::new(FaultKind::Missing, format!("the server does not have the content {}", blob.digest))
}
