//! Servers of the Remote Execution API: their content store, and their action cache.
//!
//! A record is a content like any other. The action result under its key names it, as the output file `record`, and all
//! contents beside it that it refers to, so that servers which look after whole results know what belongs together. The
//! key is the digest of an action that has nothing but our key as its salt.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `batches` | as many contents as fit into one message |
//! | `calls` | what goes along with every call, and answers that are none |
//! | `capabilities` | what the server can, and how much at a time |
//! | `execute` | commands on workers of the server |
//! | `channel` | from an address to a connection, and from a status to a fault |
//! | `logs` | what a command writes while a worker runs it |
//! | `names` | digests as messages |
//! | `streams` | contents too large for one message |

mod batches;
mod calls;
mod capabilities;
mod channel;
pub(crate) mod execute;
mod logs;
mod names;
mod streams;

use std::collections::HashMap;
use std::future::Future;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tonic::{Response, Status};

use self::batches::{OVERHEAD, batches};
use self::capabilities::Capabilities;
use self::channel::{Client, fault};
use self::names::action;
pub(crate) use self::names::{blob, digest};
use super::stream::{Receiver, Sender};
use super::{About, IDLE, Key, LargeUpload, Packing, RECORD, SMALL};
use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::invocation::for_action;
use crate::reapi::v2;
use crate::retry::retried;
use crate::settings::Settings;

/// Batches that are under way at a time.
const CALLS: usize = 8;
/// Good enough, and faster than most networks.
const LEVEL: i32 = 3;
/// A record of up to so many bytes lies in the action result as well, as its output.
const INLINE: usize = 64 << 10;
/// Contents that an action result names at the most: more do not fit into a message.
const NAMED: usize = 20_000;
/// The output file that is the record.
const RECORD_NAME: &str = "record";
const SHA256: i32 = v2::digest_function::Value::Sha256 as i32;
const ZSTD: i32 = v2::compressor::Value::Zstd as i32;
const IDENTITY: i32 = v2::compressor::Value::Identity as i32;

/// A server of the Remote Execution API.
pub(crate) struct Reapi {
    client: Client,
    instance: String,
    capabilities: OnceCell<Capabilities>,
}

impl Reapi {
    /// Makes ready for the first call.
    pub fn open(settings: &Settings) -> Result<Reapi, Fault> {
        let client = Client::new(settings)?;
        Ok(Reapi { client, instance: settings.namespace.clone(), capabilities: OnceCell::new() })
    }

    /// Asks the server what it can.
    pub async fn contact(&self) -> Result<About, Fault> {
        self.ask_capabilities().await.map(|capabilities| capabilities.about())
    }

    async fn capabilities(&self) -> Result<&Capabilities, Fault> {
        self.capabilities.get_or_try_init(|| self.ask_capabilities()).await
    }

    async fn ask_capabilities(&self) -> Result<Capabilities, Fault> {
        let request = v2::GetCapabilitiesRequest { instance_name: self.instance.clone() };
        let answer = within("GetCapabilities", self.client.capabilities().get_capabilities(request)).await;
        match answer {
            // Whoever does not even know that is something else, and nothing else will go better.
            Err(fault) if fault.kind == FaultKind::Unsupported => Err(Fault { kind: FaultKind::Unreachable, ..fault }),
            answer => Capabilities::of(&answer?),
        }
    }

    /// Returns how far the server's clock is ahead of this machine's, in seconds, if it tells its time.
    pub fn ahead(&self) -> Option<f64> {
        self.client.ahead()
    }

    /// Returns up to which size contents go into batches.
    pub async fn small(&self) -> Result<u64, Fault> {
        Ok(self.capabilities().await?.batch.saturating_sub(OVERHEAD).min(SMALL))
    }

    /// Returns how large contents travel.
    pub fn packing(&self) -> Packing {
        let zstd = self.capabilities.get().is_some_and(|capabilities| capabilities.zstd_streams);
        if zstd { Packing::Zstd } else { Packing::Plain }
    }

    /// Reads a record.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        let action = action(key);
        for_action(&action.hash.clone(), self.get_of(action)).await
    }

    async fn get_of(&self, action: v2::Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.capabilities().await?;
        let request = v2::GetActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(action),
            inline_output_files: vec![RECORD_NAME.into()],
            digest_function: SHA256,
            ..Default::default()
        };
        let ask = async || within("GetActionResult", self.client.actions().get_action_result(request.clone())).await;
        let result = match retried(ask).await {
            Err(fault) if fault.kind == FaultKind::Missing => return Ok(None),
            answer => answer?,
        };
        // Somebody's failed action, or nothing of ours.
        let Some(file) = result.output_files.into_iter().find(|file| file.path == RECORD_NAME) else { return Ok(None) };
        let Some(blob) = file.digest.as_ref().and_then(blob).filter(|_| result.exit_code == 0) else { return Ok(None) };
        if blob.length > RECORD {
            return Err(Fault::new(FaultKind::Damaged, "the record is larger than it can be"));
        }
        if let Some(record) = [file.contents, result.stdout_raw].into_iter().find(|bytes| blob.is(bytes)) {
            return Ok(Some(record.to_vec()));
        }
        match self.whole(&blob).await {
            Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Writes a record.
    pub async fn put(&self, key: &Key, record: Vec<u8>, refers_to: &[Blob]) -> Result<(), Fault> {
        let action = action(key);
        for_action(&action.hash.clone(), self.put_of(action, record, refers_to)).await
    }

    async fn put_of(&self, action: v2::Digest, record: Vec<u8>, refers_to: &[Blob]) -> Result<(), Fault> {
        let name = Blob::of(&record);
        let file =
            |path: String, blob: &Blob| v2::OutputFile { path, digest: Some(digest(blob)), ..Default::default() };
        let files = refers_to.iter().take(NAMED).map(|blob| file(format!("contents/{}", blob.digest), blob));
        let result = v2::ActionResult {
            // Whoever asks for the result then has the record with the answer, from servers that inline no files.
            stdout_raw: if record.len() <= INLINE { record.clone().into() } else { Default::default() },
            output_files: std::iter::once(file(RECORD_NAME.into(), &name)).chain(files).collect(),
            ..Default::default()
        };
        if name.length <= self.small().await? {
            self.write_small(vec![(name, record)], &|_| ()).await?;
        } else {
            self.write_whole(&name, record).await?;
        }
        let request = v2::UpdateActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(action),
            action_result: Some(result),
            digest_function: SHA256,
            ..Default::default()
        };
        let ask =
            async || within("UpdateActionResult", self.client.actions().update_action_result(request.clone())).await;
        retried(ask).await.map(drop)
    }

    /// Returns those contents of results that are not there.
    pub async fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, Fault> {
        if !self.capabilities().await?.update {
            return Err(Fault::new(FaultKind::Denied, "the server takes no results (update_enabled = false)"));
        }
        self.absent(blobs).await
    }

    /// Returns whether the server executes actions.
    pub async fn executes(&self) -> Result<bool, Fault> {
        Ok(self.capabilities().await?.executes)
    }

    /// Returns those contents that are not there, whether results are taken or not.
    pub async fn absent(&self, blobs: &[Blob]) -> Result<Vec<Blob>, Fault> {
        let request = v2::FindMissingBlobsRequest {
            instance_name: self.instance.clone(),
            blob_digests: blobs.iter().map(digest).collect(),
            digest_function: SHA256,
        };
        let ask = async || within("FindMissingBlobs", self.client.contents().find_missing_blobs(request.clone())).await;
        Ok(retried(ask).await?.missing_blob_digests.iter().filter_map(blob).collect())
    }

    /// Reads small contents.
    pub async fn read_small(&self, blobs: &[Blob], got: &(dyn Fn(Blob, Vec<u8>) + Sync)) -> Result<(), Fault> {
        let capabilities = self.capabilities().await?;
        let read = |batch: Vec<Blob>| self.read_batch(capabilities, batch, got);
        let batches = batches(blobs.iter().copied(), capabilities.batch, |blob| blob.length);
        // What one batch lacks is no reason to break off the others.
        let all: Vec<_> = stream::iter(batches).map(read).buffer_unordered(CALLS).collect().await;
        all.into_iter().collect()
    }

    async fn read_batch(
        &self,
        capabilities: &Capabilities,
        batch: Vec<Blob>,
        got: &(dyn Fn(Blob, Vec<u8>) + Sync),
    ) -> Result<(), Fault> {
        let compressors = if capabilities.zstd_batches { vec![IDENTITY, ZSTD] } else { Vec::new() };
        let request = v2::BatchReadBlobsRequest {
            instance_name: self.instance.clone(),
            digests: batch.iter().map(digest).collect(),
            acceptable_compressors: compressors,
            digest_function: SHA256,
        };
        let ask = async || within("BatchReadBlobs", self.client.contents().batch_read_blobs(request.clone())).await;
        let answer = retried(ask).await?;
        let asked: HashMap<_, _> = batch.iter().map(|blob| (blob.digest, *blob)).collect();
        for response in answer.responses {
            // Before the bytes: a server may send both.
            match ok(response.status.as_ref(), "BatchReadBlobs") {
                Err(fault) if matches!(fault.kind, FaultKind::Missing | FaultKind::Damaged) => continue,
                status => status?,
            }
            let named = response.digest.as_ref().and_then(blob);
            let Some(blob) = named.filter(|blob| asked.get(&blob.digest) == Some(blob)) else { continue };
            let bytes = match response.compressor {
                // What cannot be unpacked is not the content, as whoever checks it will see.
                ZSTD => zstd::bulk::decompress(&response.data, blob.length as usize).unwrap_or_default(),
                _ => response.data.to_vec(),
            };
            got(blob, bytes);
        }
        Ok(())
    }

    /// Writes small contents.
    pub async fn write_small(&self, blobs: Vec<(Blob, Vec<u8>)>, done: &(dyn Fn(u64) + Sync)) -> Result<(), Fault> {
        let capabilities = self.capabilities().await?;
        let write = |batch: Vec<(Blob, Vec<u8>)>| self.write_batch(capabilities, batch, done);
        let batches = batches(blobs.into_iter(), capabilities.batch, |(blob, _)| blob.length);
        stream::iter(batches).map(write).buffer_unordered(CALLS).try_collect().await
    }

    async fn write_batch(
        &self,
        capabilities: &Capabilities,
        batch: Vec<(Blob, Vec<u8>)>,
        done: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Fault> {
        let (count, bytes) = (batch.len(), batch.iter().map(|(blob, _)| blob.length).sum());
        let one = |(blob, bytes): (Blob, Vec<u8>)| {
            let packed = capabilities.zstd_updates.then(|| zstd::bulk::compress(&bytes, LEVEL).ok()).flatten();
            let packed = packed.filter(|packed| packed.len() < bytes.len());
            v2::batch_update_blobs_request::Request {
                digest: Some(digest(&blob)),
                compressor: if packed.is_some() { ZSTD } else { IDENTITY },
                data: packed.unwrap_or(bytes).into(),
            }
        };
        let request = v2::BatchUpdateBlobsRequest {
            instance_name: self.instance.clone(),
            requests: batch.into_iter().map(one).collect(),
            digest_function: SHA256,
        };
        let ask = async || within("BatchUpdateBlobs", self.client.contents().batch_update_blobs(request.clone())).await;
        let answer = retried(ask).await?;
        answer.responses.iter().try_for_each(|response| ok(response.status.as_ref(), "BatchUpdateBlobs"))?;
        if answer.responses.len() < count {
            return Err(Fault::new(FaultKind::Damaged, "BatchUpdateBlobs: not every content was answered for"));
        }
        done(bytes);
        Ok(())
    }

    /// Reads a large content, packed as it travels.
    pub async fn read_large(&self, blob: &Blob, to: &Sender) -> Result<(), Fault> {
        streams::read(&self.client, &self.instance, self.packing(), blob, to).await
    }

    /// Writes a large content that comes packed as it travels.
    pub async fn write_large(&self, blob: &Blob, upload: &LargeUpload, from: Receiver) -> Result<(), Fault> {
        streams::write(&self.client, self.packing(), blob, upload, from).await
    }

    /// Begins the upload of a large content.
    pub fn begin_upload(&self, blob: &Blob) -> LargeUpload {
        streams::begin(&self.instance, self.packing(), blob)
    }

    /// Returns how many bytes of an upload are there. What is compressed here differs from what a second attempt would
    /// send, so that begins anew.
    pub async fn written(&self, blob: &Blob, upload: &LargeUpload) -> u64 {
        match self.packing() {
            Packing::Plain => streams::written(&self.client, upload).await.min(blob.length),
            Packing::Zstd => 0,
        }
    }

    /// Reads a content of which the length is known to be bearable.
    async fn whole(&self, blob: &Blob) -> Result<Vec<u8>, Fault> {
        if blob.length <= self.small().await? {
            let bytes = std::sync::Mutex::new(None);
            let got = |_, read| *bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(read);
            self.read_small(&[*blob], &got).await?;
            let bytes = bytes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            return bytes.ok_or_else(|| Fault::new(FaultKind::Missing, "the record is not there"));
        }
        let (to, mut from) = super::stream::pipe();
        let read = async {
            let read = streams::read(&self.client, &self.instance, Packing::Plain, blob, &to).await;
            drop(to);
            read
        };
        let collect = async {
            let mut bytes = Vec::new();
            while let Some(Ok(piece)) = from.recv().await {
                if bytes.len() as u64 + piece.len() as u64 > blob.length {
                    break;
                }
                bytes.extend_from_slice(&piece);
            }
            from.close();
            bytes
        };
        let (read, bytes) = futures_util::future::join(read, collect).await;
        read.map(|()| bytes)
    }

    async fn write_whole(&self, blob: &Blob, bytes: Vec<u8>) -> Result<(), Fault> {
        let (to, from) = super::stream::pipe();
        let feed = async {
            for piece in bytes.chunks(super::stream::PIECE) {
                if to.send(Ok(piece.to_vec())).await.is_err() {
                    break;
                }
            }
            drop(to);
        };
        let upload = streams::begin(&self.instance, Packing::Plain, blob);
        let write = streams::write(&self.client, Packing::Plain, blob, &upload, from);
        futures_util::future::join(feed, write).await.1
    }
}

/// Waits for an answer, and not for ever.
async fn within<T>(what: &str, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Fault> {
    match timeout(IDLE, call).await {
        Ok(answer) => answer.map(Response::into_inner).map_err(|status| fault(what, &status)),
        Err(_) => Err(Fault::timeout(what, IDLE)),
    }
}

/// Checks the status that belongs to one content of a batch.
fn ok(status: Option<&crate::reapi::rpc::Status>, what: &str) -> Result<(), Fault> {
    match status.map(|status| (status.code, &status.message)) {
        None | Some((0, _)) => Ok(()),
        Some((code, message)) => Err(fault(what, &Status::new(code.into(), message.clone()))),
    }
}
