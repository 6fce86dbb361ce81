//! Executing an action: the stream of an operation, followed until it is done, and what its end means.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::channel::fault;
use super::logs::Logs;
use super::{Reapi, SHA256, blob, digest, within};
use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::reapi::longrunning::{CancelOperationRequest, Operation, operation};
use crate::reapi::protobuf::Any;
use crate::reapi::rpc::{self, PreconditionFailure};
use crate::reapi::v2;
use crate::service::IDLE;

/// How often in a row a stream without a message is taken up again before the server counts as failing.
const LOST: u32 = 3;
/// The pause before that, times the number of losses so far.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a server may take to give a sign of life when a stream was lost.
const SIGN: Duration = Duration::from_secs(2);
/// How long a server may go on with a command beyond its timeout, which is the server's to enforce.
const GRACE: Duration = Duration::from_secs(60);
/// How long streams of a log may go on when the command has ended.
const LINGER: Duration = Duration::from_secs(1);

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The server has it, and says nothing yet.
    Asked,
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Executing,
}

/// An action that is to be executed.
pub(crate) struct Ask<'a> {
    /// The action.
    pub action: Blob,
    /// Whether a result that the server has cached is of no use.
    pub fresh: bool,
    /// After what time the server ends the command.
    pub timeout: Option<Duration>,
    /// Is told how far it is.
    pub told: &'a (dyn Fn(Stage) + Sync),
    /// Is told what the command writes, to stderr or to stdout, if the server streams it.
    pub wrote: &'a (dyn Fn(bool, &[u8]) + Sync),
    /// The name of the operation, once there is one.
    pub name: &'a Mutex<Option<String>>,
}

impl Ask<'_> {
    fn name(&self) -> Option<String> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_name(&self, name: Option<String>) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

/// What became of an action.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The command ended.
    Ended {
        /// Its result.
        result: Box<v2::ActionResult>,
        /// Whether the server did not execute it now.
        cached: bool,
    },
    /// The server has ended it, because it took longer than its timeout.
    TimedOut(Box<v2::ActionResult>),
    /// The server lacks these blobs, or some that it does not name.
    Missing(Vec<Blob>),
}

/// Why a stream gave no answer.
enum Lost {
    /// It broke off; the operation may go on.
    Broken(Fault),
    /// The server does not know the operation.
    Forgotten(Fault),
    /// There is no use in asking again.
    For(Fault),
}

impl Reapi {
    /// Executes an action, and waits for its end.
    pub async fn execute(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        let mut progress = Progress { losses: 0, executing: None };
        loop {
            let lost = match self.follow(ask, &mut progress).await {
                Ok(answer) => return Ok(answer),
                Err(Lost::For(fault)) => return Err(fault),
                Err(Lost::Broken(fault)) => fault,
                Err(Lost::Forgotten(fault)) => {
                    ask.set_name(None);
                    fault
                }
            };
            log::debug!("execution: {lost}");
            progress.losses += 1;
            if progress.losses > LOST {
                return Err(lost);
            }
            tokio::time::sleep(PAUSE.mul_f64(f64::from(progress.losses) * (0.5 + fastrand::f64()))).await;
            // One that is down says so at once, and may come up again; one that says nothing takes long each time.
            if timeout(SIGN, self.contact()).await.is_err() {
                let message = format!("Execute: no answer within {} s", SIGN.as_secs());
                return Err(Fault::new(FaultKind::Unreachable, message));
            }
        }
    }

    /// Ends an operation, if the server can.
    pub async fn cancel(&self, name: &str) {
        let request = CancelOperationRequest { name: name.to_owned() };
        if let Err(fault) = within("CancelOperation", self.client.operations().cancel_operation(request)).await {
            log::debug!("execution: {fault}");
        }
    }

    async fn follow(&self, ask: &Ask<'_>, progress: &mut Progress) -> Result<Answer, Lost> {
        let named = ask.name().is_some();
        let mut stream = match timeout(IDLE, self.begin(ask)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(status)) => return meaning(&status, named),
            Err(_) => return Err(Lost::Broken(Fault::timeout("Execute", IDLE))),
        };
        let mut logs = Logs::default();
        loop {
            let next = logs.beside(timeout(IDLE, stream.message())).await;
            if progress.is_overdue(ask.timeout) {
                if let Some(name) = ask.name() {
                    self.cancel(&name).await;
                }
                return Ok(Answer::TimedOut(Box::default()));
            }
            let operation = match next {
                Ok(Ok(Some(operation))) => operation,
                Ok(Ok(None)) => {
                    let message = "Execute: the stream ended before the operation was done";
                    return Err(Lost::Broken(Fault::new(FaultKind::Transient, message)));
                }
                Ok(Err(status)) => return meaning(&status, ask.name().is_some()),
                Err(_) => {
                    // A long queue is no dead server.
                    self.contact().await.map_err(Lost::Broken)?;
                    continue;
                }
            };
            progress.losses = 0;
            if !operation.name.is_empty() {
                ask.set_name(Some(operation.name.clone()));
            }
            if operation.done {
                // What is still under way of them is almost here, or never comes.
                let _ = timeout(LINGER, logs.all()).await;
                return end(operation);
            }
            metadata(&operation).iter().for_each(|metadata| logs.follow(&self.client, metadata, ask.wrote));
            let stage = stage(&operation);
            if stage == Some(Stage::Executing) {
                progress.executing.get_or_insert_with(Instant::now);
            }
            stage.into_iter().for_each(|stage| (ask.told)(stage));
        }
    }

    async fn begin(&self, ask: &Ask<'_>) -> Result<Streaming<Operation>, Status> {
        let mut executions = self.client.executions();
        let stream = match ask.name() {
            Some(name) => executions.wait_execution(v2::WaitExecutionRequest { name }).await,
            None => {
                let request = v2::ExecuteRequest {
                    instance_name: self.instance.clone(),
                    skip_cache_lookup: ask.fresh,
                    action_digest: Some(digest(&ask.action)),
                    digest_function: SHA256,
                    inline_stdout: true,
                    inline_stderr: true,
                    ..Default::default()
                };
                executions.execute(request).await
            }
        };
        stream.map(tonic::Response::into_inner)
    }
}

/// How an execution goes.
struct Progress {
    /// Streams in a row that were lost before they said anything.
    losses: u32,
    /// Since when a worker has it.
    executing: Option<Instant>,
}

impl Progress {
    fn is_overdue(&self, timeout: Option<Duration>) -> bool {
        self.executing.zip(timeout).is_some_and(|(since, most)| since.elapsed() > most.saturating_add(GRACE))
    }
}

/// Returns how far an operation is, if it says so.
fn stage(operation: &Operation) -> Option<Stage> {
    use v2::execution_stage::Value;
    match Value::try_from(metadata(operation)?.stage).ok()? {
        Value::CacheCheck | Value::Queued => Some(Stage::Queued),
        Value::Executing => Some(Stage::Executing),
        Value::Unknown | Value::Completed => None,
    }
}

fn metadata(operation: &Operation) -> Option<v2::ExecuteOperationMetadata> {
    v2::ExecuteOperationMetadata::decode(operation.metadata.as_ref()?.value.clone()).ok()
}

/// Returns what the end of an operation means.
fn end(operation: Operation) -> Result<Answer, Lost> {
    let damaged = |message: &str| Lost::For(Fault::new(FaultKind::Damaged, format!("Execute: {message}")));
    let response = match operation.result {
        Some(operation::Result::Error(status)) => return after(&status, None),
        Some(operation::Result::Response(response)) => response,
        None => return Err(damaged("the operation ended without a result")),
    };
    let response = v2::ExecuteResponse::decode(response.value);
    let response = response.map_err(|e| damaged(&format!("the result of the operation is damaged: {e}")))?;
    // Before the exit code, which says nothing about a command that did not run to its end.
    match response.status.filter(|status| status.code != 0) {
        Some(status) => after(&status, response.result),
        None => match response.result {
            Some(result) => Ok(Answer::Ended { result: Box::new(result), cached: response.cached_result }),
            None => Err(damaged("the operation ended without the result of an action")),
        },
    }
}

/// Returns what the status of an operation that is over means.
fn after(status: &rpc::Status, result: Option<v2::ActionResult>) -> Result<Answer, Lost> {
    let code = Code::from(status.code);
    if code == Code::DeadlineExceeded {
        return Ok(Answer::TimedOut(Box::new(result.unwrap_or_default())));
    }
    let status = Status::with_details(code, status.message.clone(), status.encode_to_vec().into());
    match meaning(&status, false) {
        // There is nothing left to wait for.
        Err(Lost::Broken(fault)) => Err(Lost::Forgotten(fault)),
        other => other,
    }
}

/// Returns what an error of the stream means. `named`: whether there is an operation to come back to.
fn meaning(status: &Status, named: bool) -> Result<Answer, Lost> {
    let fault = fault("Execute", status);
    match status.code() {
        Code::FailedPrecondition => Ok(Answer::Missing(missing(status))),
        Code::NotFound if named => Err(Lost::Forgotten(fault)),
        Code::NotFound => Ok(Answer::Missing(Vec::new())),
        Code::DeadlineExceeded => Err(Lost::Broken(fault)),
        _ if fault.kind == FaultKind::Transient => Err(Lost::Broken(fault)),
        _ => Err(Lost::For(fault)),
    }
}

/// Returns the blobs that a failed precondition names.
fn missing(status: &Status) -> Vec<Blob> {
    let Ok(status) = rpc::Status::decode(status.details()) else { return Vec::new() };
    let failure = |detail: &Any| match detail.type_url.ends_with("google.rpc.PreconditionFailure") {
        true => PreconditionFailure::decode(detail.value.clone()).ok(),
        false => None,
    };
    let violations = status.details.iter().filter_map(failure).flat_map(|failure| failure.violations);
    violations.filter(|violation| violation.r#type == "MISSING").filter_map(|v| named_blob(&v.subject)).collect()
}

/// Reads `blobs/HASH/SIZE`, which may have an instance name in front.
fn named_blob(subject: &str) -> Option<Blob> {
    let mut parts = subject.rsplit('/');
    let size_bytes = parts.next()?.parse().ok()?;
    blob(&v2::Digest { hash: parts.next()?.to_owned(), size_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reapi::rpc::precondition_failure::Violation;

    fn status(code: Code, details: Vec<Any>) -> rpc::Status {
        rpc::Status { code: code as i32, message: "so".into(), details }
    }

    fn precondition(subject: &str) -> Any {
        let violation = Violation { r#type: "MISSING".into(), subject: subject.into(), description: String::new() };
        let other = Violation { r#type: "OTHER".into(), ..violation.clone() };
        let value = PreconditionFailure { violations: vec![violation, other] }.encode_to_vec().into();
        Any { type_url: "type.googleapis.com/google.rpc.PreconditionFailure".into(), value }
    }

    fn over(response: v2::ExecuteResponse) -> Result<Answer, Lost> {
        let response = Any { type_url: String::new(), value: response.encode_to_vec().into() };
        end(Operation { done: true, result: Some(operation::Result::Response(response)), ..Default::default() })
    }

    #[test]
    fn what_a_server_lacks_is_found_in_the_details() {
        let blob = Blob::of(b"abc");
        let status = status(Code::FailedPrecondition, vec![precondition(&format!("a/blobs/{}/3", blob.digest))]);
        let Ok(Answer::Missing(blobs)) = after(&status, None) else { panic!() };
        assert_eq!(blobs, [blob]);
        assert_eq!(named_blob("blobs/xyz/1"), None);
        let plain = Status::new(Code::FailedPrecondition, "something is missing");
        assert!(matches!(meaning(&plain, false), Ok(Answer::Missing(blobs)) if blobs.is_empty()));
    }

    #[test]
    fn the_status_counts_before_the_exit_code() {
        let result = v2::ActionResult { exit_code: 0, ..Default::default() };
        let response = |code| v2::ExecuteResponse {
            result: Some(result.clone()),
            status: Some(status(code, Vec::new())),
            ..Default::default()
        };
        assert!(matches!(over(response(Code::Ok)), Ok(Answer::Ended { cached: false, .. })));
        assert!(matches!(over(response(Code::DeadlineExceeded)), Ok(Answer::TimedOut(_))));
        assert!(matches!(over(response(Code::Unavailable)), Err(Lost::Forgotten(_))));
        assert!(matches!(over(response(Code::ResourceExhausted)), Err(Lost::Forgotten(_))));
        assert!(matches!(over(response(Code::InvalidArgument)), Err(Lost::For(_))));
        assert!(matches!(over(v2::ExecuteResponse::default()), Err(Lost::For(_))));
        assert!(matches!(end(Operation::default()), Err(Lost::For(_))));
    }

    #[test]
    fn a_lost_stream_is_taken_up_again_and_a_refusal_is_not() {
        let of = |code, named| meaning(&Status::new(code, "so"), named);
        assert!(matches!(of(Code::Unavailable, true), Err(Lost::Broken(_))));
        assert!(matches!(of(Code::DeadlineExceeded, true), Err(Lost::Broken(_))));
        assert!(matches!(of(Code::NotFound, true), Err(Lost::Forgotten(_))));
        assert!(matches!(of(Code::NotFound, false), Ok(Answer::Missing(_))));
        assert!(matches!(of(Code::PermissionDenied, false), Err(Lost::For(_))));
        assert!(matches!(of(Code::Unimplemented, false), Err(Lost::For(_))));
    }
}
