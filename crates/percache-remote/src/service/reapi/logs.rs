//! What a command writes while a worker runs it, as far as the server streams it.

use std::future::Future;
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;

use super::channel::Client;
use crate::reapi::bytestream::ReadRequest;
use crate::reapi::v2::ExecuteOperationMetadata;

/// The streams of what a command writes.
#[derive(Default)]
pub(super) struct Logs<'a> {
    names: Vec<String>,
    reads: FuturesUnordered<BoxFuture<'a, ()>>,
}

impl<'a> Logs<'a> {
    /// Reads the streams that an operation names.
    pub fn follow(
        &mut self,
        client: &Client,
        metadata: &ExecuteOperationMetadata,
        wrote: &'a (dyn Fn(bool, &[u8]) + Sync),
    ) {
        for (stderr, name) in [(false, &metadata.stdout_stream_name), (true, &metadata.stderr_stream_name)] {
            if name.is_empty() || self.names.contains(name) {
                continue;
            }
            self.names.push(name.clone());
            let (client, name) = (client.clone(), name.clone());
            self.reads.push(Box::pin(async move {
                let request = ReadRequest { resource_name: name, ..Default::default() };
                let Ok(answer) = client.streams().read(request).await else { return };
                let mut pieces = answer.into_inner();
                while let Ok(Some(piece)) = pieces.message().await {
                    wrote(stderr, &piece.data);
                }
            }));
        }
    }

    /// Reads until all streams have ended.
    pub async fn all(&mut self) {
        while self.reads.next().await.is_some() {}
    }

    /// Reads while something else is awaited.
    pub async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let reads = async {
            self.all().await;
            std::future::pending::<()>().await;
        };
        match select(pin!(other), pin!(reads)).await {
            Either::Left((value, _)) => value,
            Either::Right((_, other)) => other.await,
        }
    }
}
