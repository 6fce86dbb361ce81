//! Remotes that keep objects under names: S3 and its like, Google and Azure, Redis, WebDAV, a shared directory.
//!
//! # Layout
//!
//! Below the prefix of the address, `percache/v1/NAMESPACE/sha256/`, and there:
//!
//! | name | object |
//! | --- | --- |
//! | `results/ab/abcd…` | the record of a result with the smallest of its contents, under the action key |
//! | `paths/ab/abcd…` | the path sets of a fingerprint, under its key |
//! | `blobs/ab/abcd….zst` | a content under its SHA-256, as one zstd frame |
//!
//! An object is written in one step where the service can do that, and is never changed but for path sets; whoever reads
//! one verifies it.

mod open;

use std::future::Future;
use std::time::SystemTime;

use futures_util::{StreamExt, TryStreamExt, stream};
use opendal::options::WriteOptions;
use opendal::{ErrorKind, Operator};
use tokio::time::timeout;

use super::stream::{PIECE, Receiver, Sender};
use super::{About, IDLE, Key, RECORD, page};
use crate::digest::Blob;
use crate::fault::{self, Fault, FaultKind};
use crate::retry::retried;
use crate::settings::{Scheme, Settings};

/// Calls at a time. What a bucket takes for one call is mostly the way there and back.
const CALLS: usize = 64;
/// Good enough, and faster than most networks.
const LEVEL: i32 = 3;
/// Redis takes a content in one piece, and at most 512 MiB of it.
const LARGEST_IN_REDIS: u64 = 256 << 20;

/// A remote that keeps objects.
pub(crate) struct Bucket {
    operator: Operator,
    scheme: Scheme,
    shown: String,
    /// What all names begin with.
    prefix: String,
}

impl Bucket {
    /// Makes ready for the first call.
    pub fn open(settings: &Settings) -> Result<Bucket, Fault> {
        let operator = open::operator(settings).map_err(|e| fault("the remote's address", e))?;
        let namespace = Some(settings.namespace.as_str()).filter(|name| !name.is_empty()).unwrap_or("default");
        let prefix = format!("percache/v1/{namespace}/sha256");
        Ok(Bucket { operator, scheme: settings.address.scheme, shown: settings.address.to_string(), prefix })
    }

    /// Looks for something that is not there: that needs the connection, the credentials and the right to read.
    pub async fn contact(&self) -> Result<About, Fault> {
        let name = format!("{}/contact", self.prefix);
        within("stat", self.operator.exists(&name)).await?;
        let facts = vec![("kind", format!("{:?}", self.scheme).to_lowercase()), ("objects", self.prefix.clone())];
        Ok(About { facts })
    }

    /// Returns the largest content that it can keep.
    pub fn largest(&self) -> u64 {
        match self.scheme {
            Scheme::Redis | Scheme::Rediss => LARGEST_IN_REDIS,
            _ => u64::MAX,
        }
    }

    /// Reads a record.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        let name = self.record(key);
        retried(|| self.object(&name, RECORD)).await
    }

    /// Writes a record.
    pub async fn put(&self, key: &Key, record: Vec<u8>) -> Result<(), Fault> {
        let (name, record) = (self.record(key), opendal::Buffer::from(record));
        retried(|| async {
            within("write", self.operator.write_options(&name, record.clone(), self.options())).await.map(drop)
        })
        .await
    }

    /// Returns those contents that are not there.
    pub async fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, Fault> {
        let look = |blob: Blob| async move {
            let name = self.blob(&blob);
            let there = retried(|| within("stat", self.operator.exists(&name))).await?;
            Ok((!there).then_some(blob))
        };
        let found = stream::iter(blobs.iter().copied()).map(look).buffer_unordered(CALLS);
        found.try_filter_map(|missing| async move { Ok(missing) }).try_collect().await
    }

    /// Reads small contents.
    pub async fn read_small(&self, blobs: &[Blob], got: &(dyn Fn(Blob, Vec<u8>) + Sync)) -> Result<(), Fault> {
        let read = |blob: Blob| async move {
            let name = self.blob(&blob);
            // A frame is never much larger than what is in it.
            let limit = blob.length + blob.length / 64 + 1024;
            let Some(packed) = retried(|| self.object(&name, limit)).await? else { return Ok(()) };
            // What cannot be unpacked is not the content, as whoever checks it will see.
            got(blob, zstd::bulk::decompress(&packed, blob.length as usize).unwrap_or(packed));
            Ok(())
        };
        let all: Vec<_> = stream::iter(blobs.iter().copied()).map(read).buffer_unordered(CALLS).collect().await;
        all.into_iter().collect()
    }

    /// Reads a large content, as it is packed.
    pub async fn read_large(&self, blob: &Blob, to: &Sender) -> Result<(), Fault> {
        let name = self.blob(blob);
        let reader = within("read", self.operator.reader(&name)).await?;
        let mut pieces = within("read", reader.into_stream(..)).await?;
        loop {
            let piece = match within("read", pieces.try_next()).await {
                Err(fault) if fault.kind == FaultKind::Missing => return Err(missing(blob)),
                piece => piece?,
            };
            let Some(piece) = piece else { return Ok(()) };
            for part in piece.to_bytes().chunks(PIECE) {
                if to.send(Ok(part.to_vec())).await.is_err() {
                    // Whoever reads it has seen enough.
                    return Ok(());
                }
            }
        }
    }

    /// Writes small contents.
    pub async fn write_small(&self, blobs: Vec<(Blob, Vec<u8>)>, done: &(dyn Fn(u64) + Sync)) -> Result<(), Fault> {
        let write = |(blob, bytes): (Blob, Vec<u8>)| async move {
            let name = self.blob(&blob);
            let packed =
                zstd::bulk::compress(&bytes, LEVEL).map_err(|e| Fault::new(FaultKind::Local, e.to_string()))?;
            let packed = opendal::Buffer::from(packed);
            retried(|| within("write", self.operator.write_options(&name, packed.clone(), self.options()))).await?;
            done(blob.length);
            Ok(())
        };
        stream::iter(blobs).map(write).buffer_unordered(CALLS).try_collect().await
    }

    /// Writes a large content that comes packed.
    pub async fn write_large(&self, blob: &Blob, mut from: Receiver) -> Result<(), Fault> {
        let name = self.blob(blob);
        let mut writer = within(
            "write",
            self.operator.writer_options(&name, WriteOptions { chunk: Some(8 * PIECE), ..self.options() }),
        )
        .await?;
        while let Some(piece) = from.recv().await {
            let sent = match piece {
                Ok(piece) => within("write", writer.write(piece)).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = sent {
                // Where this fails too, the service has its own ways to be rid of half an upload.
                let _ = timeout(IDLE, writer.abort()).await;
                return Err(fault);
            }
        }
        within("write", writer.close()).await.map(drop)
    }

    /// Removes what a trial has written, and returns when that was by the clock of the service.
    pub async fn clean_up(&self, key: &Key, blob: &Blob) -> Option<SystemTime> {
        let name = self.record(key);
        let written = within("stat", self.operator.stat(&name)).await.ok().and_then(|of| of.last_modified());
        for name in [name, self.blob(blob)] {
            // Whoever may write need not be allowed to delete.
            let _ = within("delete", self.operator.delete(&name)).await;
        }
        written.map(SystemTime::from)
    }

    /// Reads an object of at most `limit` bytes.
    async fn object(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let read = async {
            let reader = within("read", self.operator.reader(name)).await?;
            let mut pieces = within("read", reader.into_stream(..)).await?;
            let mut bytes = Vec::new();
            while let Some(piece) = within("read", pieces.try_next()).await? {
                if bytes.len() as u64 + piece.len() as u64 > limit {
                    return Err(Fault::new(FaultKind::Damaged, format!("{name} is larger than it can be")));
                }
                bytes.extend_from_slice(&piece.to_bytes());
            }
            Ok(bytes)
        };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
            Err(fault) => Err(Fault { message: format!("{}: {}", self.shown, fault.message), ..fault }),
        }
    }

    /// Returns how objects are written.
    fn options(&self) -> WriteOptions {
        // OpenDAL cannot read the answer of a server that says what kind of object it is, and that there is none.
        let kind = (self.scheme == Scheme::Gcs).then(|| "application/octet-stream".to_owned());
        WriteOptions { content_type: kind, ..WriteOptions::default() }
    }

    fn record(&self, key: &Key) -> String {
        let kind = match key {
            Key::Paths(_) => "paths",
            Key::Result(_) => "results",
        };
        let digest = key.digest().to_string();
        format!("{}/{kind}/{}/{digest}", self.prefix, &digest[..2])
    }

    fn blob(&self, blob: &Blob) -> String {
        let digest = blob.digest.to_string();
        format!("{}/blobs/{}/{digest}.zst", self.prefix, &digest[..2])
    }
}

fn missing(blob: &Blob) -> Fault {
    Fault::new(FaultKind::Missing, format!("the remote does not have {}", blob.digest))
}

/// Waits for an answer, and not for ever.
async fn within<T>(what: &str, call: impl Future<Output = Result<T, opendal::Error>>) -> Result<T, Fault> {
    match timeout(IDLE, call).await {
        Ok(answer) => answer.map_err(|e| fault(what, e)),
        Err(_) => Err(Fault::timeout(what, IDLE)),
    }
}

/// Returns whether the service does not know who asks, or there are no credentials to ask with. OpenDAL has no kind of
/// error for either, but the status of the answer is in what it says for programmers.
fn is_unauthorized(error: &opendal::Error) -> bool {
    let is_401 = || error.kind() == ErrorKind::Unexpected && error.to_string().contains("status: 401");
    error.message().starts_with("signing http request") || is_401()
}

fn fault(what: &str, error: opendal::Error) -> Fault {
    if let Some(why) = fault::tls(&error) {
        return Fault::new(FaultKind::Tls, why);
    }
    // Without the context, which may have the whole request in it.
    let said = page::said(error.message());
    let kind = match error.kind() {
        _ if page::wants_certificate(&said) || is_unauthorized(&error) => FaultKind::Denied,
        ErrorKind::NotFound => FaultKind::Missing,
        ErrorKind::PermissionDenied => FaultKind::Denied,
        ErrorKind::Unsupported => FaultKind::Unsupported,
        ErrorKind::ConfigInvalid => FaultKind::Unreachable,
        _ => FaultKind::Transient,
    };
    match fault::root(&error) {
        Some(cause) => Fault::new(kind, format!("{what}: {said}: {cause}")),
        None => Fault::new(kind, format!("{what}: {said}")),
    }
}
