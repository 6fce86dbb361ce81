//! Events as JSON, one object per line, for programs. docs/cli.md describes them.

use percache::store::origin::{Origin, Place};
use percache_runner::Summary;
use percache_runner::events::{Deviation, Differs, Event, Outcome, RemoteRun, RemoteStage, Served};
use percache_runner::tasks::{RelPath, Workspace};
use percache_runner::text::shown;
use serde_json::{Value, json};

use crate::messages;
use crate::report::words;

/// Returns the line of an event.
pub fn event(workspace: &Workspace, event: &Event) -> String {
    let name = |id| &workspace.task(id).name;
    line(&match event {
        Event::Begin { tasks, .. } => json!({ "event": "begin", "tasks": tasks }),
        Event::Started { task, usual } => {
            json!({ "event": "started", "task": name(*task), "usual_seconds": usual.map(|usual| usual.as_secs_f64()) })
        }
        Event::Remote { task, stage } => json!({ "event": "remote", "task": name(*task), "stage": stage_word(*stage) }),
        Event::Finished { task, outcome, provenance, log, took, saved, reason, unseen, remote, .. } => {
            let (word, _) = words::outcome(outcome);
            let deviations = match outcome {
                Outcome::Unstable(deviations) => deviations.iter().map(deviation).collect(),
                _ => Vec::new(),
            };
            let failure = match outcome {
                Outcome::Failed(failure) => Some(failure.to_string()),
                _ => None,
            };
            json!({
                "event": "finished",
                "task": name(*task),
                "outcome": word.replace(' ', "_"),
                "failure": failure,
                "differences": deviations,
                "seconds": took.as_secs_f64(),
                "saved_seconds": saved.as_secs_f64(),
                "from_remote": provenance.fetched.is_some(),
                "origin": provenance.origin.as_ref().map(origin),
                "fetched_bytes": provenance.fetched,
                "refused": provenance.refused,
                "remote": remote.as_ref().map(run),
                "reason": reason,
                "unseen_variables": unseen,
                "log": String::from_utf8_lossy(&log.bytes),
                "log_bytes_omitted": log.omitted,
            })
        }
        Event::Server { task, what } => server(name(*task), what),
        Event::Serving { tasks } => {
            json!({ "event": "serving", "tasks": tasks.iter().map(|id| name(*id)).collect::<Vec<_>>() })
        }
        Event::Warning(warning) => {
            let (message, hint) = messages::warning(warning);
            json!({ "event": "warning", "message": message, "hint": hint })
        }
        Event::Note(note) => json!({ "event": "note", "message": messages::note(note) }),
        Event::Displaced(moved) => json!({
            "event": "displaced",
            "paths": moved.paths.iter().map(as_text).collect::<Vec<_>>(),
            "workspace": shown(&moved.root),
            "directory": shown(&moved.to),
            "message": words::moved(moved),
        }),
        Event::Background { task, holders } => {
            let holders = holders.iter().map(|holder| json!({ "id": holder.id, "command": holder.command }));
            json!({ "event": "background", "task": name(*task), "processes": holders.collect::<Vec<_>>() })
        }
        Event::Waiting { task, holder } => json!({ "event": "waiting", "task": task.map(name), "holder": holder }),
    })
}

/// Returns where a result came from.
pub fn origin(origin: &Origin) -> Value {
    let (kind, from, worker) = match &origin.from {
        Place::Remote(address) => ("remote", address, None),
        Place::File(path) => ("file", path, None),
        Place::Worker { server, worker } => ("worker", server, Some(worker).filter(|name| !name.is_empty())),
    };
    json!({ "kind": kind, "from": from, "worker": worker, "came": origin.came.as_millis() as f64 / 1e3 })
}

/// Returns what a server did.
fn server(name: &str, what: &Served) -> Value {
    match what {
        Served::Started => json!({ "event": "started", "task": name, "usual_seconds": null }),
        Served::Output(bytes) => json!({ "event": "output", "task": name, "text": String::from_utf8_lossy(bytes) }),
        Served::Ready(took) => json!({ "event": "ready", "task": name, "seconds": took.as_secs_f64() }),
        Served::Stopped(took) => json!({ "event": "stopped", "task": name, "seconds": took.as_secs_f64() }),
    }
}

fn stage_word(stage: RemoteStage) -> &'static str {
    match stage {
        RemoteStage::Sent => "sent",
        RemoteStage::Asked => "asked",
        RemoteStage::Queued => "queued",
        RemoteStage::Running => "running",
        RemoteStage::Back => "back",
    }
}

/// Returns where a command ran that did not run here.
pub fn run(run: &RemoteRun) -> Value {
    json!({ "worker": run.worker, "queued_seconds": run.queued.as_secs_f64(), "cached": run.cached })
}

/// Returns a path unchanged, or as it is shown in messages if it is not UTF-8.
fn as_text(path: &RelPath) -> String {
    path.to_str().map_or_else(|| path.to_string(), str::to_owned)
}

fn deviation(deviation: &Deviation) -> Value {
    let (line, byte) = match deviation.what {
        Differs::Line { number, .. } => (Some(number), None),
        Differs::Byte(byte) => (None, Some(byte)),
        _ => (None, None),
    };
    json!({ "path": deviation.path, "what": words::differs(&deviation.what), "line": line, "byte": byte })
}

/// Returns the line of the last event.
pub fn summary(summary: &Summary) -> String {
    line(&json!({
        "event": "summary",
        "ran": summary.ran,
        "checked": summary.checked,
        "unstable": summary.unstable,
        "up_to_date": summary.up_to_date,
        "restored": summary.restored,
        "on_remote": summary.on_remote,
        "failed": summary.failed,
        "stopped": summary.stopped,
        "skipped": summary.skipped,
        "would_run": summary.would_run,
        "would_restore": summary.would_restore,
        "may_run": summary.may_run,
        "would_start": summary.would_start,
        "interrupted": summary.interrupted,
        "seconds": summary.took.as_secs_f64(),
        "saved_seconds": summary.saved.as_secs_f64(),
        "from_remote": summary.shared.fetched,
        "fetched_bytes": summary.shared.bytes,
        "fetched_saved_seconds": summary.shared.saved.as_secs_f64(),
        "refused": summary.shared.refused,
        "executed_remotely": summary.remote,
    }))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
