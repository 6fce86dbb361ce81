//! A small server of the Remote Execution API that can misbehave, in this process.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;

use crate::reapi::{bytestream, rpc, v2};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Misdeeds {
    /// The first stream of an upload is reset behind so many bytes.
    pub resets_upload_after: Option<usize>,
    /// It knows nothing of uploads that broke off.
    pub forgets_uploads: bool,
    /// It confirms one byte less than it was sent.
    pub miscounts: bool,
    /// Streams end in the middle, as if that were all.
    pub halves_streams: bool,
    /// One bit of what is read in batches is another one.
    pub flips: bool,
    /// What is read in batches is longer than its name says.
    pub lengthens: bool,
    /// The first so many calls of each kind, but the very first one, are answered with UNAVAILABLE.
    pub unavailable_at_first: usize,
    /// Every answer takes so long.
    pub delay: Duration,
    /// Nothing may be written; reading is allowed.
    pub denies_writes: bool,
    /// The limit of batches that it advertises, and enforces.
    pub batch_limit: Option<i64>,
}

#[derive(Default)]
struct State {
    blobs: HashMap<String, Vec<u8>>,
    uploads: HashMap<String, Vec<u8>>,
    results: HashMap<String, v2::ActionResult>,
    calls: HashMap<String, usize>,
    /// Bytes of contents that came in streams.
    streamed: usize,
    reset: bool,
}

/// The server; its thread ends with the process.
pub(super) struct Odd {
    pub port: u16,
    misdeeds: Misdeeds,
    state: Arc<Mutex<State>>,
}

/// An answer: messages, or a status.
type Answer = Result<Vec<Vec<u8>>, (i32, &'static str)>;

const UNAVAILABLE: i32 = 14;
const NOT_FOUND: i32 = 5;
const DENIED: i32 = 7;
const INVALID: i32 = 3;

impl Odd {
    /// Starts a server.
    pub fn start(misdeeds: Misdeeds) -> Odd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let odd = Odd { port, misdeeds, state: Arc::default() };
        let shared = Odd { port, misdeeds, state: odd.state.clone() };
        std::thread::spawn(move || shared.serve(listener));
        odd
    }

    /// Returns another server with the same contents.
    pub fn again(&self, misdeeds: Misdeeds) -> Odd {
        let other = Odd::start(misdeeds);
        let (blobs, results) = {
            let state = self.state();
            (state.blobs.clone(), state.results.clone())
        };
        let mut state = other.state();
        (state.blobs, state.results) = (blobs, results);
        drop(state);
        other
    }

    pub fn table(&self) -> crate::Table {
        super::table(&format!("grpc://127.0.0.1:{}", self.port))
    }

    /// Loses a content.
    pub fn loses(&self, bytes: &[u8]) {
        assert!(self.state().blobs.remove(&crate::Sha256::of(bytes).to_string()).is_some());
    }

    /// Has other bytes under the name of a content.
    pub fn damages(&self, bytes: &[u8]) {
        let mut state = self.state();
        let blob = state.blobs.get_mut(&crate::Sha256::of(bytes).to_string()).unwrap();
        blob[0] ^= 1;
    }

    /// Returns how often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.state().calls.iter().filter(|(path, _)| path.ends_with(method)).map(|(_, count)| *count).sum()
    }

    /// Returns the bytes of contents that came in streams.
    pub fn came(&self) -> usize {
        self.state().streamed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(self, listener: TcpListener) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        let this = std::rc::Rc::new(self);
        local.block_on(&runtime, async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let this = this.clone();
                tokio::task::spawn_local(async move {
                    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let this = this.clone();
                        tokio::task::spawn_local(async move {
                            let path = request.uri().path().to_owned();
                            this.answer(&path, request.into_body(), respond).await;
                        });
                    }
                });
            }
        });
    }

    async fn answer(&self, path: &str, mut body: RecvStream, mut respond: SendResponse<Bytes>) {
        tokio::time::sleep(self.misdeeds.delay).await;
        let count = {
            let mut state = self.state();
            let count = state.calls.entry(path.to_owned()).or_default();
            *count += 1;
            *count
        };
        // One that does not even say what it can is taken for one that is down.
        let answer = if count <= self.misdeeds.unavailable_at_first && !path.ends_with("GetCapabilities") {
            Err((UNAVAILABLE, "later"))
        } else if path.ends_with("/Write") {
            match self.write(&mut body).await {
                Some(answer) => answer,
                None => return respond.send_reset(Reason::INTERNAL_ERROR),
            }
        } else {
            self.unary(path, &whole(&mut body).await)
        };
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let Ok(mut stream) = respond.send_response(head, false) else { return };
        let (code, message) = answer.as_ref().err().copied().unwrap_or((0, ""));
        for message in answer.unwrap_or_default() {
            let mut frame = BytesMut::with_capacity(message.len() + 5);
            frame.extend_from_slice(&[0]);
            frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
            frame.extend_from_slice(&message);
            let _ = stream.send_data(frame.freeze(), false);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(code));
        trailers.insert("grpc-message", HeaderValue::from_static(message));
        let _ = stream.send_trailers(trailers);
    }

    fn unary(&self, path: &str, request: &[u8]) -> Answer {
        let method = path.rsplit('/').next().unwrap();
        match method {
            "GetCapabilities" => one(self.capabilities()),
            "FindMissingBlobs" => {
                let asked = v2::FindMissingBlobsRequest::decode(request).unwrap();
                let state = self.state();
                let missing = asked.blob_digests.into_iter().filter(|digest| !state.blobs.contains_key(&digest.hash));
                one(v2::FindMissingBlobsResponse { missing_blob_digests: missing.collect() })
            }
            "BatchUpdateBlobs" => self.update(v2::BatchUpdateBlobsRequest::decode(request).unwrap(), request.len()),
            "BatchReadBlobs" => one(self.batch(v2::BatchReadBlobsRequest::decode(request).unwrap())),
            "GetActionResult" => {
                let asked = v2::GetActionResultRequest::decode(request).unwrap().action_digest.unwrap().hash;
                self.state().results.get(&asked).map_or(Err((NOT_FOUND, "no such action")), |found| one(found.clone()))
            }
            "UpdateActionResult" if self.misdeeds.denies_writes => Err((DENIED, "read only")),
            "UpdateActionResult" => {
                let update = v2::UpdateActionResultRequest::decode(request).unwrap();
                let result = update.action_result.unwrap();
                self.state().results.insert(update.action_digest.unwrap().hash, result.clone());
                one(result)
            }
            "Read" => self.read(&bytestream::ReadRequest::decode(request).unwrap().resource_name),
            "QueryWriteStatus" => {
                let asked = bytestream::QueryWriteStatusRequest::decode(request).unwrap().resource_name;
                let committed =
                    self.state().uploads.get(&asked).map(Vec::len).filter(|_| !self.misdeeds.forgets_uploads);
                let status =
                    |size: usize| bytestream::QueryWriteStatusResponse { committed_size: size as i64, complete: false };
                committed.map_or(Err((NOT_FOUND, "no such upload")), |size| one(status(size)))
            }
            _ => Err((12, "not here")),
        }
    }

    fn capabilities(&self) -> v2::ServerCapabilities {
        v2::ServerCapabilities {
            cache_capabilities: Some(v2::CacheCapabilities {
                digest_functions: vec![1],
                max_batch_total_size_bytes: self.misdeeds.batch_limit.unwrap_or(0),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn update(&self, request: v2::BatchUpdateBlobsRequest, length: usize) -> Answer {
        if self.misdeeds.denies_writes {
            return Err((DENIED, "read only"));
        }
        if self.misdeeds.batch_limit.is_some_and(|limit| length as i64 > limit) {
            return Err((INVALID, "more than the limit"));
        }
        let mut state = self.state();
        let responses = request.requests.into_iter().map(|one| {
            let digest = one.digest.unwrap();
            state.blobs.insert(digest.hash.clone(), one.data.to_vec());
            v2::batch_update_blobs_response::Response { digest: Some(digest), status: None }
        });
        one(v2::BatchUpdateBlobsResponse { responses: responses.collect() })
    }

    fn batch(&self, request: v2::BatchReadBlobsRequest) -> v2::BatchReadBlobsResponse {
        let state = self.state();
        let responses = request.digests.into_iter().map(|digest| {
            let Some(mut data) = state.blobs.get(&digest.hash).cloned() else {
                let status = rpc::Status { code: NOT_FOUND, message: "no such content".into(), details: vec![] };
                let (digest, status) = (Some(digest), Some(status));
                return v2::batch_read_blobs_response::Response { digest, status, ..Default::default() };
            };
            if let Some(first) = data.first_mut().filter(|_| self.misdeeds.flips) {
                *first ^= 1;
            }
            if self.misdeeds.lengthens {
                data.extend_from_slice(b"more");
            }
            v2::batch_read_blobs_response::Response { digest: Some(digest), data: data.into(), ..Default::default() }
        });
        v2::BatchReadBlobsResponse { responses: responses.collect() }
    }

    fn read(&self, name: &str) -> Answer {
        let hash = name.rsplit('/').nth(1).unwrap_or_default();
        let state = self.state();
        let Some(blob) = state.blobs.get(hash) else { return Err((NOT_FOUND, "no such content")) };
        let end = if self.misdeeds.halves_streams { blob.len() / 2 } else { blob.len() };
        let pieces = blob[..end].chunks(64 << 10);
        Ok(pieces.map(|piece| bytestream::ReadResponse { data: piece.to_vec().into() }.encode_to_vec()).collect())
    }

    /// Takes an upload. Returns `None` when its stream is to be reset.
    async fn write(&self, body: &mut RecvStream) -> Option<Answer> {
        let (mut buffer, mut name) = (BytesMut::new(), String::new());
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            buffer.extend_from_slice(&data);
            while let Some(request) = take_frame(&mut buffer) {
                let request = bytestream::WriteRequest::decode(&request[..]).unwrap();
                if self.misdeeds.denies_writes {
                    return Some(Err((DENIED, "read only")));
                }
                if !request.resource_name.is_empty() {
                    name = request.resource_name;
                }
                let mut state = self.state();
                state.streamed += request.data.len();
                let upload = state.uploads.entry(name.clone()).or_default();
                if upload.len() as i64 != request.write_offset {
                    return Some(Err((INVALID, "not where it stands")));
                }
                upload.extend_from_slice(&request.data);
                let length = upload.len();
                if self.misdeeds.resets_upload_after.is_some_and(|most| length > most) && !state.reset {
                    state.reset = true;
                    return None;
                }
            }
        }
        let mut state = self.state();
        let whole = state.uploads.get(&name).cloned().unwrap_or_default();
        let committed_size = whole.len() as i64 - i64::from(self.misdeeds.miscounts);
        let hash = name.rsplit('/').nth(1).unwrap_or_default().to_owned();
        state.blobs.insert(hash, whole);
        Some(one(bytestream::WriteResponse { committed_size }))
    }
}

fn one(message: impl Message) -> Answer {
    Ok(vec![message.encode_to_vec()])
}

/// Reads a request that is one message.
async fn whole(body: &mut RecvStream) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        buffer.extend_from_slice(&data);
    }
    take_frame(&mut buffer).map(|frame| frame.to_vec()).unwrap_or_default()
}

/// Takes a message off the front, if all of it is there.
fn take_frame(buffer: &mut BytesMut) -> Option<BytesMut> {
    let length = u32::from_be_bytes(buffer.get(1..5)?.try_into().unwrap()) as usize;
    if buffer.len() < 5 + length {
        return None;
    }
    let mut frame = buffer.split_to(5 + length);
    Some(frame.split_off(5))
}
