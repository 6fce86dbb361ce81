//! A server of the Remote Execution API within a test: it has contents, and answers as it is told, or has a worker
//! execute what it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::net::TcpListener;

use super::worker::{Mishap, work};
use crate::digest::Blob;
use crate::reapi::bytestream::{ReadRequest, ReadResponse};
use crate::reapi::longrunning::{Operation, operation};
use crate::reapi::protobuf::{Any, Empty};
use crate::reapi::rpc::{PreconditionFailure, Status, precondition_failure::Violation};
use crate::reapi::v2;
use crate::service::reapi::{blob, digest};

/// How the server answers when it is to execute something. Each answer is used once; the last one for ever.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The result of an action.
    Result(v2::ActionResult),
    /// The result that a worker comes to.
    Works(Mishap),
    /// A result that the server had.
    Cached(v2::ActionResult),
    /// A result, of which this was streamed as its log before.
    Streamed(String, v2::ActionResult),
    /// A status within the response, with a result.
    Status(i32, v2::ActionResult),
    /// A status of the call, with its details.
    Fails(i32, Option<Any>),
    /// The operation begins, and then the stream ends.
    Lost,
    /// The operation begins, and nothing more is heard of it.
    Silence,
}

/// The server.
pub(super) struct Farm {
    pub port: u16,
    state: Arc<State>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct State {
    blobs: Mutex<HashMap<Blob, Vec<u8>>>,
    answers: Mutex<Vec<Answer>>,
    calls: Mutex<Vec<String>>,
    told: Mutex<Vec<(String, v2::RequestMetadata)>>,
    actions: Mutex<Vec<(v2::ExecuteRequest, v2::Action)>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap()
}

impl Farm {
    /// Starts a server that gives these answers.
    pub fn start(answers: &[Answer]) -> Farm {
        let state = Arc::new(State::default());
        *lock(&state.answers) = answers.to_vec();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = state.clone();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = served.clone();
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(call(state.clone(), request, respond));
                    }
                });
            }
        });
        Farm { port, state, _runtime: runtime }
    }

    /// Replaces the answers that are to come.
    pub fn answer(&self, answers: &[Answer]) {
        *lock(&self.state.answers) = answers.to_vec();
    }

    /// Adds a content.
    pub fn add(&self, bytes: &[u8]) -> Blob {
        let blob = Blob::of(bytes);
        lock(&self.state.blobs).insert(blob, bytes.to_vec());
        blob
    }

    /// Adds a content under the name of another.
    pub fn add_as(&self, blob: Blob, bytes: &[u8]) {
        lock(&self.state.blobs).insert(blob, bytes.to_vec());
    }

    /// Loses every content.
    pub fn lose_all(&self) {
        lock(&self.state.blobs).clear();
    }

    /// Returns a content.
    pub fn bytes(&self, blob: &Blob) -> Option<Vec<u8>> {
        lock(&self.state.blobs).get(blob).cloned()
    }

    /// Returns how often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        lock(&self.state.calls).iter().filter(|called| *called == method).count()
    }

    /// Returns what was told of each call: the method, and what it is for.
    pub fn told(&self) -> Vec<(String, v2::RequestMetadata)> {
        lock(&self.state.told).clone()
    }

    /// Returns what was to be executed.
    pub fn actions(&self) -> Vec<(v2::ExecuteRequest, v2::Action)> {
        lock(&self.state.actions).clone()
    }
}

/// Makes the details of a precondition that fails because this content is missing.
pub(super) fn lacks(blob: &Blob) -> Any {
    let subject = format!("blobs/{}/{}", blob.digest, blob.length);
    let violation = Violation { r#type: "MISSING".into(), subject, description: String::new() };
    let value = PreconditionFailure { violations: vec![violation] }.encode_to_vec().into();
    Any { type_url: "type.googleapis.com/google.rpc.PreconditionFailure".into(), value }
}

async fn call(state: Arc<State>, request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let metadata = request.headers().get(crate::invocation::HEADER).map(|value| unbase64(value.as_bytes()));
    let metadata = metadata.map(|bytes| v2::RequestMetadata::decode(&bytes[..]).unwrap());
    lock(&state.told).extend(metadata.map(|metadata| (method.clone(), metadata)));
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        bytes.extend_from_slice(&piece);
    }
    let message = bytes.get(5..).unwrap_or_default().to_vec();
    lock(&state.calls).push(method.clone());
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    for part in answer(&state, &method, &message) {
        match part {
            Part::Message(bytes) => {
                let mut framed = vec![0];
                framed.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                framed.extend_from_slice(&bytes);
                let _ = stream.send_data(framed.into(), false);
            }
            Part::Pause => tokio::time::sleep(Duration::from_millis(200)).await,
            Part::Wait => tokio::time::sleep(Duration::from_secs(3_600)).await,
            Part::End(code, details) => {
                trailers.insert("grpc-status", code.into());
                trailers.insert("grpc-message", "as%20told".parse().unwrap());
                if let Some(detail) = details {
                    let status = Status { code, message: "as told".into(), details: vec![detail] };
                    trailers.insert("grpc-status-details-bin", base64(&status.encode_to_vec()).parse().unwrap());
                }
            }
        }
    }
    let _ = stream.send_trailers(trailers);
}

enum Part {
    Message(Vec<u8>),
    Pause,
    Wait,
    End(i32, Option<Any>),
}

fn answer(state: &State, method: &str, message: &[u8]) -> Vec<Part> {
    let one = |message: Vec<u8>| vec![Part::Message(message)];
    match method {
        "GetCapabilities" => one(v2::ServerCapabilities {
            cache_capabilities: Some(v2::CacheCapabilities::default()),
            execution_capabilities: Some(v2::ExecutionCapabilities { exec_enabled: true, ..Default::default() }),
            ..Default::default()
        }
        .encode_to_vec()),
        "FindMissingBlobs" => {
            let asked = v2::FindMissingBlobsRequest::decode(message).unwrap().blob_digests;
            let blobs = lock(&state.blobs);
            let is_missing = |named: &v2::Digest| !blob(named).is_some_and(|blob| blobs.contains_key(&blob));
            let missing_blob_digests = asked.into_iter().filter(is_missing).collect();
            one(v2::FindMissingBlobsResponse { missing_blob_digests }.encode_to_vec())
        }
        "BatchUpdateBlobs" => {
            let requests = v2::BatchUpdateBlobsRequest::decode(message).unwrap().requests;
            let add = |request: v2::batch_update_blobs_request::Request| {
                let named = blob(request.digest.as_ref().unwrap()).unwrap();
                assert!(named.is(&request.data), "what is uploaded is what its name says");
                lock(&state.blobs).insert(named, request.data.to_vec());
                v2::batch_update_blobs_response::Response { digest: request.digest, status: None }
            };
            let responses = requests.into_iter().map(add).collect();
            one(v2::BatchUpdateBlobsResponse { responses }.encode_to_vec())
        }
        "BatchReadBlobs" => {
            let digests = v2::BatchReadBlobsRequest::decode(message).unwrap().digests;
            let blobs = lock(&state.blobs);
            let read = |named: v2::Digest| {
                let data = blob(&named).and_then(|blob| blobs.get(&blob).cloned());
                let code = if data.is_some() { 0 } else { 5 };
                v2::batch_read_blobs_response::Response {
                    digest: Some(named),
                    data: data.unwrap_or_default().into(),
                    status: Some(Status { code, ..Default::default() }),
                    ..Default::default()
                }
            };
            let responses = digests.into_iter().map(read).collect();
            one(v2::BatchReadBlobsResponse { responses }.encode_to_vec())
        }
        "Execute" => {
            let request = v2::ExecuteRequest::decode(message).unwrap();
            let action = lock(&state.blobs).get(&blob(request.action_digest.as_ref().unwrap()).unwrap()).cloned();
            let action = v2::Action::decode(&action.unwrap_or_default()[..]).unwrap();
            lock(&state.actions).push((request, action));
            executed(worked(state))
        }
        "Read" => match lock(&state.answers).first() {
            Some(Answer::Streamed(log, _)) => {
                one(ReadResponse { data: Bytes::from(log.clone().into_bytes()) }.encode_to_vec())
            }
            _ => content(state, &ReadRequest::decode(message).unwrap().resource_name),
        },
        "WaitExecution" => executed(worked(state)),
        _ => one(Empty {}.encode_to_vec()),
    }
}

/// Returns the pieces of the content that the name of a resource means.
fn content(state: &State, resource: &str) -> Vec<Part> {
    let blobs = lock(&state.blobs);
    let Some((_, bytes)) = blobs.iter().find(|(blob, _)| resource.contains(&blob.digest.to_string())) else {
        return vec![Part::End(5, None)];
    };
    let pieces = bytes.chunks(1 << 20).map(|piece| ReadResponse { data: piece.to_vec().into() }.encode_to_vec());
    pieces.map(Part::Message).collect()
}

fn next(state: &State) -> Answer {
    let mut answers = lock(&state.answers);
    if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
}

/// Returns the next answer, after the worker has done its part in it.
fn worked(state: &State) -> Answer {
    let mishap = match next(state) {
        Answer::Works(mishap) => mishap,
        answer => return answer,
    };
    let action = lock(&state.actions).last().and_then(|(request, _)| blob(request.action_digest.as_ref()?)).unwrap();
    match work(&mut lock(&state.blobs), &action, mishap) {
        Ok(result) => Answer::Result(result),
        Err(missing) => Answer::Fails(9, Some(lacks(&missing))),
    }
}

fn executed(answer: Answer) -> Vec<Part> {
    let metadata = |stage: v2::execution_stage::Value| {
        let metadata = v2::ExecuteOperationMetadata { stage: stage as i32, ..Default::default() };
        Some(Any { type_url: String::new(), value: metadata.encode_to_vec().into() })
    };
    let name = "operations/1".to_owned();
    let begun = |stage| {
        Part::Message(Operation { name: name.clone(), metadata: metadata(stage), ..Default::default() }.encode_to_vec())
    };
    let done = |response: v2::ExecuteResponse| {
        let result = Any { type_url: String::new(), value: response.encode_to_vec().into() };
        let result = Some(operation::Result::Response(result));
        Part::Message(Operation { name: name.clone(), done: true, result, ..Default::default() }.encode_to_vec())
    };
    let (queued, executing) = (v2::execution_stage::Value::Queued, v2::execution_stage::Value::Executing);
    match answer {
        Answer::Result(result) => {
            vec![
                begun(queued),
                begun(executing),
                done(v2::ExecuteResponse { result: Some(result), ..Default::default() }),
            ]
        }
        Answer::Streamed(_, result) => {
            let stdout_stream_name = "logs/1".into();
            let metadata = v2::ExecuteOperationMetadata { stdout_stream_name, ..Default::default() }.encode_to_vec();
            let metadata = Some(Any { type_url: String::new(), value: metadata.into() });
            let begun = Operation { name: name.clone(), metadata, ..Default::default() }.encode_to_vec();
            let response = v2::ExecuteResponse { result: Some(result), ..Default::default() };
            vec![Part::Message(begun), Part::Pause, done(response)]
        }
        Answer::Cached(result) => {
            vec![done(v2::ExecuteResponse { result: Some(result), cached_result: true, ..Default::default() })]
        }
        Answer::Status(code, result) => {
            let status = Some(Status { code, message: "as told".into(), details: Vec::new() });
            vec![begun(queued), done(v2::ExecuteResponse { result: Some(result), status, ..Default::default() })]
        }
        Answer::Fails(code, details) => vec![Part::End(code, details)],
        Answer::Works(_) => unreachable!("the worker is done"),
        Answer::Lost => vec![begun(queued)],
        Answer::Silence => vec![begun(queued), Part::Wait],
    }
}

/// Makes the result of a command that has left one file.
pub(super) fn left(path: &str, blob: &Blob) -> v2::ActionResult {
    let file = v2::OutputFile { path: path.into(), digest: Some(digest(blob)), ..Default::default() };
    v2::ActionResult { output_files: vec![file], stdout_raw: Bytes::from_static(b"said\n"), ..Default::default() }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let all = group.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        (0..=group.len()).for_each(|at| text.push(DIGITS[(all >> (18 - 6 * at) & 63) as usize] as char));
    }
    text
}

/// Undoes [`base64`].
fn unbase64(text: &[u8]) -> Vec<u8> {
    let digit = |digit: &u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no digit"),
    };
    let mut bytes = Vec::new();
    for group in text.chunks(4) {
        let all = group.iter().fold(0u32, |all, one| all << 6 | u32::from(digit(one))) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&all.to_be_bytes()[1..group.len()]);
    }
    bytes
}
