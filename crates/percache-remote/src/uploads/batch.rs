//! A batch of results, in the one safe order: contents before what names them.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use percache::store::interface::Contents;
use percache::store::record::{Content, ResultKey};

use super::Upload;
use super::names::Names;
use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::inlined::Inlined;
use crate::invocation::for_task;
use crate::record::{Notary, Refusal, RemoteResult};
use crate::remote::Shared;
use crate::service::stream::{PipeWriter, pipe};
use crate::service::{Key, LargeUpload, Packing, Service};

/// Names that are asked for in one question.
const ASKED: usize = 1_000;
/// Small contents that are written together, in bytes: what is held in memory at a time.
const TOGETHER: u64 = 8 << 20;
/// Good enough, and faster than most networks.
const LEVEL: i32 = 3;

/// What became of a batch. What is in neither list is offered again by a later run.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// These are there.
    pub done: Vec<ResultKey>,
    /// These will not be written, now or later.
    pub passed_over: Vec<ResultKey>,
}

/// Writes results; `sent` is told of every content's bytes that are there.
pub(super) fn write(
    shared: &Shared,
    local: &dyn Contents,
    uploads: &[Upload],
    names: &mut Names,
    sent: &(dyn Fn(u64) + Sync),
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut records = Vec::new();
    for upload in uploads {
        match record(local, upload, names) {
            Some(record) if is_small_enough(shared, &record) => records.push((upload, record)),
            // It has gone from the local store meanwhile, or is too large for the remote, now and later.
            _ => outcome.passed_over.push(upload.key),
        }
    }
    let lost = match write_contents(shared, local, &records, sent) {
        Ok(lost) => lost,
        Err(fault) => {
            note(shared, &fault);
            return outcome;
        }
    };
    // The others of the batch have nothing to do with a content that the remote does not take.
    records.retain(|(_, record)| !record.contents().any(|(_, blob)| lost.contains(&blob)));
    for (upload, record) in &mut records {
        match for_task(&upload.result.label, || write_record(shared, local, upload, record, sent)) {
            Ok(true) => outcome.done.push(upload.key),
            Ok(false) => outcome.passed_over.push(upload.key),
            Err(fault) => {
                note(shared, &fault);
                if !shared.connection.may_write() {
                    break;
                }
            }
        }
    }
    outcome
}

fn is_small_enough(shared: &Shared, record: &RemoteResult) -> bool {
    let largest = shared.connection.service().map(|service| service.largest()).unwrap_or(u64::MAX);
    record.blobs.values().all(|blob| blob.length <= largest)
}

/// A server that lets us read and not write is worth having.
fn note(shared: &Shared, fault: &Fault) {
    log::debug!("upload: {fault}");
    if matches!(fault.kind, FaultKind::Denied | FaultKind::Unsupported) {
        shared.connection.read_only(&fault.message);
    }
}

/// Names every content of a result. Returns `None` if one cannot be had.
fn record(local: &dyn Contents, upload: &Upload, names: &mut Names) -> Option<RemoteResult> {
    let mut blobs = BTreeMap::new();
    for content in upload.result.contents() {
        let blob = names.get(&content).or_else(|| Blob::of_content(local, &content))?;
        names.add(content, blob);
        blobs.insert(content.digest, blob);
    }
    let inlined = Inlined::choose(blobs.values().map(|blob| blob.length));
    Some(RemoteResult { result: upload.result.clone(), blobs, paths: upload.paths.clone(), inlined })
}

/// Writes what the remote lacks. Returns the large contents that it does not take.
fn write_contents(
    shared: &Shared,
    local: &dyn Contents,
    records: &[(&Upload, RemoteResult)],
    sent: &(dyn Fn(u64) + Sync),
) -> Result<HashSet<Blob>, Fault> {
    let mut seen = HashSet::new();
    let all = records.iter().flat_map(|(_, record)| record.separate());
    let all: Vec<_> = all.filter(|(_, blob)| seen.insert(*blob)).collect();
    let blobs: Vec<_> = all.iter().map(|(_, blob)| *blob).collect();
    let mut missing = HashSet::new();
    for asked in blobs.chunks(ASKED) {
        missing.extend(shared.connection.call_upload(async |service| service.missing(asked).await)?);
    }
    // The remote says that it has a damaged content. Its next reader would have to run the command again.
    missing.extend(shared.damaged().iter().copied());
    let wanted = all.into_iter().filter(|(_, blob)| missing.contains(blob));
    let most = shared.connection.call_upload(async |service| service.small().await)?;
    let (small, large): (Vec<_>, Vec<_>) = wanted.partition(|(_, blob)| blob.length <= most);
    let mut together = Vec::new();
    let mut bytes = 0;
    for (content, blob) in &small {
        together.push((*blob, small_content(local, content, blob)?));
        bytes += blob.length;
        if bytes >= TOGETHER {
            let group = std::mem::take(&mut together);
            shared.connection.call_upload(async |service| service.write_small(group, sent).await)?;
            bytes = 0;
        }
    }
    if !together.is_empty() {
        shared.connection.call_upload(async |service| service.write_small(together, sent).await)?;
    }
    let mut lost = HashSet::new();
    for (content, blob) in &large {
        if let Err(fault) = write_large(shared, local, content, blob, sent) {
            let passes = !matches!(fault.kind, FaultKind::Denied | FaultKind::Unsupported);
            if !passes || !shared.connection.may_write() || shared.connection.is_cancelled() {
                return Err(fault);
            }
            note(shared, &fault);
            lost.insert(*blob);
        }
    }
    Ok(lost)
}

/// Writes a large content. What breaks off is tried once more: from where it stood, if the server still knows, else from
/// the start.
fn write_large(
    shared: &Shared,
    local: &dyn Contents,
    content: &Content,
    blob: &Blob,
    sent: &(dyn Fn(u64) + Sync),
) -> Result<(), Fault> {
    let mut upload = shared.connection.service()?.begin_upload(blob);
    match write_rest(shared, local, content, blob, &upload, sent) {
        Err(fault) if fault.kind == FaultKind::Transient => {}
        answer => return answer,
    }
    let ask = async |service: &Service| Ok(service.written(blob, &upload).await);
    let written = shared.connection.call_upload(ask)?;
    // All of it, and still it failed: that was not the reason.
    if written > 0 && written < blob.length {
        upload.written = written;
    } else {
        upload = shared.connection.service()?.begin_upload(blob);
    }
    write_rest(shared, local, content, blob, &upload, sent)
}

fn small_content(local: &dyn Contents, content: &Content, blob: &Blob) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(content.length as usize);
    local.read(content, &mut bytes).map_err(|e| Fault::new(FaultKind::Local, e.to_string()))?;
    match blob.is(&bytes) {
        true => Ok(bytes),
        false => Err(Fault::new(FaultKind::Local, format!("the remembered name of {} is wrong", content.digest))),
    }
}

fn write_rest(
    shared: &Shared,
    local: &dyn Contents,
    content: &Content,
    blob: &Blob,
    upload: &LargeUpload,
    sent: &(dyn Fn(u64) + Sync),
) -> Result<(), Fault> {
    let packing = shared.connection.service()?.packing();
    std::thread::scope(|scope| {
        let (to, from) = pipe();
        scope.spawn(move || {
            let mut pipe = PipeWriter::new(to);
            let read = match packing {
                Packing::Plain => {
                    let mut rest = Behind { to: Counting(&mut pipe, sent), skip: upload.written };
                    local.read(content, &mut rest)
                }
                Packing::Zstd => {
                    zstd::stream::write::Encoder::new(&mut pipe, LEVEL).map_err(Into::into).and_then(|mut encoder| {
                        local.read(content, &mut Counting(&mut encoder, sent))?;
                        encoder.finish().map(drop).map_err(Into::into)
                    })
                }
            };
            match read {
                // Where nobody listens any more, the other end knows why.
                Ok(()) => drop(pipe.finish()),
                Err(error) => pipe.fail(error.to_string()),
            }
        });
        shared.connection.call_upload(async |service| service.write_large(blob, upload, from).await)
    })
}

/// Lets through what comes behind the first bytes.
struct Behind<W> {
    to: W,
    skip: u64,
}

impl<W: Write> Write for Behind<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let skipped = self.skip.min(bytes.len() as u64) as usize;
        self.to.write_all(&bytes[skipped..])?;
        self.skip -= skipped as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Tells of every byte that goes through it.
struct Counting<'a, W>(&'a mut W, &'a (dyn Fn(u64) + Sync));

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.0.write(bytes)?;
        (self.1)(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Writes path set and result, unless they are there. Returns whether the result is there now.
fn write_record(
    shared: &Shared,
    local: &dyn Contents,
    upload: &Upload,
    record: &mut RemoteResult,
    sent: &(dyn Fn(u64) + Sync),
) -> Result<bool, Fault> {
    let (connection, notary) = (&shared.connection, &shared.notary);
    let key = Key::Result(upload.action);
    let there = connection.call_upload(async |service| service.get(&key).await)?;
    let there = there.map(|bytes| (notary.decode_result(&upload.action, &bytes), bytes));
    let is_there = match there {
        Some((Ok(there), bytes)) => {
            mend(shared, local, &key, &there, &bytes)?;
            true
        }
        // It is another's, who is not believed here and may be elsewhere: not ours to replace.
        Some((Err(refusal @ Refusal::Distrust(_)), _)) => {
            connection.refuse(|| format!("the result of `{}`", upload.result.label), &refusal);
            return Ok(false);
        }
        Some((Err(_), _)) | None => false,
    };
    if let Some(paths) = &record.paths {
        let key = Key::Paths(upload.fingerprint);
        let there = connection.call_upload(async |service| service.get(&key).await)?;
        if let Some(bytes) = notary.add_paths(&upload.fingerprint, paths, there.as_deref()) {
            connection.call_upload(async |service| service.put(&key, bytes, &[]).await)?;
        }
    }
    if is_there {
        return Ok(true);
    }
    // Not before: what is there already need not be read.
    let contents: Vec<_> = record.contents().collect();
    record.inlined.pack(local, &contents)?;
    let blobs: Vec<_> = record.separate().map(|(_, blob)| blob).collect();
    let bytes = notary.encode_result(&upload.action, record);
    connection.call_upload(async |service| service.put(&key, bytes, &blobs).await)?;
    sent(record.inlined_bytes());
    Ok(true)
}

/// Puts the small contents into a result that is there without them, or with others, if they are here: nobody writes
/// them beside it.
fn mend(shared: &Shared, local: &dyn Contents, key: &Key, there: &RemoteResult, bytes: &[u8]) -> Result<(), Fault> {
    let contents: Vec<_> = there.contents().collect();
    if there.inlined.is_whole(&contents) {
        return Ok(());
    }
    let mut mended = there.clone();
    mended.inlined = Inlined::choose(contents.iter().map(|(content, _)| content.length));
    if mended.inlined.pack(local, &contents).is_err() {
        // It has other contents than ours.
        return Ok(());
    }
    let Ok(bytes) = Notary::encode_with(bytes, &mended.inlined) else { return Ok(()) };
    let blobs: Vec<_> = mended.separate().map(|(_, blob)| blob).collect();
    shared.connection.call_upload(async |service| service.put(key, bytes, &blobs).await)
}
