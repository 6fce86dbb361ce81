//! What every kind of remote can do, whatever it is made of.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `bucket` | object stores, Redis, WebDAV and shared directories |
//! | `page` | what a page of HTTP says is wrong |
//! | `reapi` | servers of the Remote Execution API |
//! | `stream` | large contents, a piece at a time, between threads that block and tasks that do not |

pub(crate) mod bucket;
mod page;
pub(crate) mod reapi;
pub(crate) mod stream;

use std::time::{Duration, SystemTime};

use crate::digest::{Blob, Sha256};
use crate::fault::Fault;
use crate::keys::{ActionKey, FingerprintKey};
use crate::settings::Settings;
use bucket::Bucket;
use reapi::Reapi;
use stream::{Receiver, Sender};

/// How long one call may make no progress. Whether the remote is there at all is found out long before that.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// A content up to this size is read and written in one piece, and together with others.
pub(crate) const SMALL: u64 = 1 << 20;
/// A record is never larger: that is some hundred thousand outputs.
pub(crate) const RECORD: u64 = 16 << 20;

/// The name of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Path sets.
    Paths(FingerprintKey),
    /// A result.
    Result(ActionKey),
}

impl Key {
    /// Returns the digest.
    pub fn digest(&self) -> &Sha256 {
        match self {
            Key::Paths(key) => &key.0,
            Key::Result(key) => &key.0,
        }
    }
}

/// The form in which a large content travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As it is.
    Plain,
    /// Compressed, one frame.
    Zstd,
}

/// The upload of a large content, over all attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LargeUpload {
    /// Its name; empty for remotes that know no halves.
    pub name: String,
    /// The bytes that an attempt before has left there.
    pub written: u64,
}

/// What a remote says of itself, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Names and values, in the order in which they are shown.
    pub facts: Vec<(&'static str, String)>,
}

/// A remote.
pub(crate) enum Service {
    /// An object store.
    Bucket(Bucket),
    /// A server of the Remote Execution API.
    Reapi(Reapi),
}

impl Service {
    /// Makes ready for the first call. Connects to nothing.
    pub fn open(settings: &Settings) -> Result<Service, Fault> {
        match settings.address.scheme.is_grpc() {
            true => Reapi::open(settings).map(Service::Reapi),
            false => Bucket::open(settings).map(Service::Bucket),
        }
    }

    /// Makes the first contact. Returns what the remote says of itself.
    pub async fn contact(&self) -> Result<About, Fault> {
        match self {
            Service::Bucket(bucket) => bucket.contact().await,
            Service::Reapi(server) => server.contact().await,
        }
    }

    /// Reads a record.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Service::Bucket(bucket) => bucket.get(key).await,
            Service::Reapi(server) => server.get(key).await,
        }
    }

    /// Writes a record; the contents that it refers to are there.
    pub async fn put(&self, key: &Key, record: Vec<u8>, refers_to: &[Blob]) -> Result<(), Fault> {
        match self {
            Service::Bucket(bucket) => bucket.put(key, record).await,
            Service::Reapi(server) => server.put(key, record, refers_to).await,
        }
    }

    /// Returns those that are not there.
    pub async fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, Fault> {
        match self {
            Service::Bucket(bucket) => bucket.missing(blobs).await,
            Service::Reapi(server) => server.missing(blobs).await,
        }
    }

    /// Reads contents of at most [`Service::small`] bytes each, unverified, and hands over each as it comes. One that
    /// is not there is not handed over; that is no reason to do without the others.
    pub async fn read_small(&self, blobs: &[Blob], got: &(dyn Fn(Blob, Vec<u8>) + Sync)) -> Result<(), Fault> {
        match self {
            Service::Bucket(bucket) => bucket.read_small(blobs, got).await,
            Service::Reapi(server) => server.read_small(blobs, got).await,
        }
    }

    /// Reads a content, unverified and packed as [`Service::packing`] says, into `to`.
    pub async fn read_large(&self, blob: &Blob, to: &Sender) -> Result<(), Fault> {
        match self {
            Service::Bucket(bucket) => bucket.read_large(blob, to).await,
            Service::Reapi(server) => server.read_large(blob, to).await,
        }
    }

    /// Writes contents of at most [`Service::small`] bytes each; `done` is told the bytes of each that is there.
    pub async fn write_small(&self, blobs: Vec<(Blob, Vec<u8>)>, done: &(dyn Fn(u64) + Sync)) -> Result<(), Fault> {
        match self {
            Service::Bucket(bucket) => bucket.write_small(blobs, done).await,
            Service::Reapi(server) => server.write_small(blobs, done).await,
        }
    }

    /// Begins the upload of a large content.
    pub fn begin_upload(&self, blob: &Blob) -> LargeUpload {
        match self {
            Service::Bucket(_) => LargeUpload::default(),
            Service::Reapi(server) => server.begin_upload(blob),
        }
    }

    /// Writes a content that comes packed as [`Service::packing`] says, from where the upload stands.
    pub async fn write_large(&self, blob: &Blob, upload: &LargeUpload, from: Receiver) -> Result<(), Fault> {
        match self {
            Service::Bucket(bucket) => bucket.write_large(blob, from).await,
            Service::Reapi(server) => server.write_large(blob, upload, from).await,
        }
    }

    /// Returns how many bytes of an upload that broke off are there, so that the rest suffices; 0 to begin anew.
    pub async fn written(&self, blob: &Blob, upload: &LargeUpload) -> u64 {
        match self {
            Service::Bucket(_) => 0,
            Service::Reapi(server) => server.written(blob, upload).await,
        }
    }

    /// Takes away what a trial has written `at` a time of this machine, where that can be done. Returns how far the
    /// remote's clock is ahead, in seconds, if it tells its time.
    pub async fn clean_up(&self, key: &Key, blob: &Blob, at: SystemTime) -> Option<f64> {
        match self {
            Service::Bucket(bucket) => bucket.clean_up(key, blob).await.map(|written| ahead(written, at)),
            // It has no call for that; what nobody uses goes by itself.
            Service::Reapi(server) => server.ahead(),
        }
    }

    /// Returns up to which size contents are read and written in one piece.
    pub async fn small(&self) -> Result<u64, Fault> {
        match self {
            Service::Bucket(_) => Ok(SMALL),
            Service::Reapi(server) => server.small().await,
        }
    }

    /// Returns how large contents travel. Known after the first contact.
    pub fn packing(&self) -> Packing {
        match self {
            Service::Bucket(_) => Packing::Zstd,
            Service::Reapi(server) => server.packing(),
        }
    }

    /// Returns the largest content that it can keep.
    pub fn largest(&self) -> u64 {
        match self {
            Service::Bucket(bucket) => bucket.largest(),
            Service::Reapi(_) => u64::MAX,
        }
    }
}

/// Returns how far one time is ahead of another, in seconds.
pub(crate) fn ahead(of: SystemTime, other: SystemTime) -> f64 {
    match of.duration_since(other) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    }
}
