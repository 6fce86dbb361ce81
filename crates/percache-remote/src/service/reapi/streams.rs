//! Contents too large for one message, by the ByteStream service.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream;
use tokio::time::timeout;

use super::channel::{Client, fault};
use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::invocation::uuid;
use crate::reapi::bytestream::{QueryWriteStatusRequest, ReadRequest, WriteRequest};
use crate::service::stream::{Receiver, Sender};
use crate::service::{IDLE, LargeUpload, Packing};

/// Reads a content into `to`.
pub(super) async fn read(
    client: &Client,
    instance: &str,
    packing: Packing,
    blob: &Blob,
    to: &Sender,
) -> Result<(), Fault> {
    let name = format!("{}{}", prefix(instance), name(packing, blob));
    let request = ReadRequest { resource_name: name, ..Default::default() };
    let answer = within("Read", client.streams().read(request)).await?;
    let mut pieces = answer.into_inner();
    while let Some(piece) = within("Read", pieces.message()).await? {
        if to.send(Ok(piece.data.to_vec())).await.is_err() {
            // Whoever reads it has seen enough.
            return Ok(());
        }
    }
    Ok(())
}

/// Begins to write a content: gives the upload a name.
pub(super) fn begin(instance: &str, packing: Packing, blob: &Blob) -> LargeUpload {
    let name = format!("{}uploads/{}/{}", prefix(instance), uuid(), name(packing, blob));
    LargeUpload { name, written: 0 }
}

/// Returns how many bytes of an upload the server has; 0 if it does not say.
pub(super) async fn written(client: &Client, upload: &LargeUpload) -> u64 {
    let request = QueryWriteStatusRequest { resource_name: upload.name.clone() };
    let status = within("QueryWriteStatus", client.streams().query_write_status(request)).await;
    status.ok().and_then(|status| u64::try_from(status.into_inner().committed_size).ok()).unwrap_or(0)
}

/// Writes what is left of a content, which comes from `from`.
pub(super) async fn write(
    client: &Client,
    packing: Packing,
    blob: &Blob,
    upload: &LargeUpload,
    from: Receiver,
) -> Result<(), Fault> {
    let (failed, mut failure) = tokio::sync::mpsc::channel(1);
    let offset = upload.written as i64;
    let moved = Arc::new(AtomicU64::new(0));
    let name = upload.name.clone();
    let state = Sending { name, from, next: None, offset, failed, done: false, moved: moved.clone() };
    let pieces =
        stream::unfold(state, |mut state| async move { state.message().await.map(|message| (message, state)) });
    let mut streams = client.streams();
    let answer = match unless_idle(&moved, streams.write(pieces)).await? {
        Ok(answer) => answer.into_inner(),
        // The reason is on our side, and the server has only seen that no more came.
        Err(status) => return Err(failure.try_recv().unwrap_or_else(|_| fault("Write", &status))),
    };
    if let Ok(fault) = failure.try_recv() {
        return Err(fault);
    }
    // -1: somebody else was faster, and the content came compressed.
    let is_whole = packing == Packing::Zstd || answer.committed_size == blob.length as i64;
    match is_whole || answer.committed_size == -1 {
        true => Ok(()),
        false => {
            Err(Fault::new(FaultKind::Transient, format!("Write: the server has {} bytes", answer.committed_size)))
        }
    }
}

/// The messages of an upload. One piece is kept back, because the last one says that it is the last.
struct Sending {
    name: String,
    from: Receiver,
    next: Option<Vec<u8>>,
    offset: i64,
    failed: tokio::sync::mpsc::Sender<Fault>,
    done: bool,
    /// The bytes that the connection has taken.
    moved: Arc<AtomicU64>,
}

impl Sending {
    async fn message(&mut self) -> Option<WriteRequest> {
        if self.done {
            return None;
        }
        if self.next.is_none() {
            self.next = Some(self.piece().await?.unwrap_or_default());
        }
        let after = self.piece().await?;
        let data = std::mem::replace(&mut self.next, after).unwrap_or_default();
        let resource_name = std::mem::take(&mut self.name);
        let write_offset = self.offset;
        self.offset += data.len() as i64;
        self.moved.fetch_add(data.len() as u64 + 1, Ordering::Relaxed);
        self.done = self.next.is_none();
        Some(WriteRequest { resource_name, write_offset, finish_write: self.done, data: data.into() })
    }

    /// Returns the next piece, or that there is none. Returns `None` when it failed: the stream then ends without the
    /// message that would finish it.
    async fn piece(&mut self) -> Option<Option<Vec<u8>>> {
        match self.from.recv().await {
            Some(Ok(piece)) => Some(Some(piece)),
            None => Some(None),
            Some(Err(fault)) => {
                let _ = self.failed.try_send(fault);
                None
            }
        }
    }
}

/// Waits for the answer to an upload as long as something of it moves.
async fn unless_idle<T>(moved: &AtomicU64, call: impl Future<Output = T>) -> Result<T, Fault> {
    let mut call = pin!(call);
    loop {
        let before = moved.load(Ordering::Relaxed);
        match timeout(IDLE, &mut call).await {
            Ok(answer) => return Ok(answer),
            Err(_) if moved.load(Ordering::Relaxed) == before => return Err(Fault::timeout("Write", IDLE)),
            Err(_) => {}
        }
    }
}

fn prefix(instance: &str) -> String {
    if instance.is_empty() { String::new() } else { format!("{instance}/") }
}

fn name(packing: Packing, blob: &Blob) -> String {
    match packing {
        Packing::Plain => format!("blobs/{}/{}", blob.digest, blob.length),
        Packing::Zstd => format!("compressed-blobs/zstd/{}/{}", blob.digest, blob.length),
    }
}

/// Waits for an answer, and not for ever.
async fn within<T>(what: &str, call: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, Fault> {
    match timeout(IDLE, call).await {
        Ok(answer) => answer.map_err(|status| fault(what, &status)),
        Err(_) => Err(Fault::timeout(what, IDLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_instance_in_front_if_there_is_one() {
        assert_eq!((prefix(""), prefix("a/b")), (String::new(), "a/b/".into()));
        let blob = Blob::of(b"");
        assert!(
            name(Packing::Zstd, &blob).starts_with("compressed-blobs/zstd/e3b0")
                && name(Packing::Plain, &blob).ends_with("/0")
        );
    }
}
