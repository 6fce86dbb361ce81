//! The answer as JSON, for programs. docs/cli.md describes it.

use percache_runner::tasks::{FailedRun, TaskId, Workspace};
use percache_runner::why::{Answer, Chain, Change, Kind, Last, Link, Nearest, Standing, Stands, State};
use serde_json::{Value, json};

use super::{changes, place, tell};
use crate::report::json::origin;

/// Returns the whole answer.
pub fn answer(workspace: &Workspace, id: TaskId, answer: &Answer) -> Value {
    let (state, message) = state(&answer.state);
    json!({
        "task": workspace.task(id).name,
        "stated": place(workspace, id),
        "state": state,
        "message": message,
        "reason": answer.chains.first().map(|chain| tell::line(workspace, chain)),
        "chains": answer.chains.iter().map(|links| chain(workspace, links)).collect::<Vec<_>>(),
        "causes": answer.causes,
        "last": answer.last.as_ref().map(|result| last(workspace, result)),
        "nearest": answer.nearest.as_ref().map(nearest),
        "failed": answer.failed.as_ref().map(failed),
        "tools_not_run": answer.remembered,
        "refused": answer.refused,
    })
}

/// Returns how several tasks stand.
pub fn standings(workspace: &Workspace, all: &[Standing]) -> Value {
    let tasks = all.iter().map(|standing| {
        let (state, message) = state(&standing.state);
        let task = &workspace.task(standing.task).name;
        json!({ "task": task, "state": state, "message": message, "reason": standing.reason })
    });
    Value::Array(tasks.collect())
}

fn state(state: &State) -> (&'static str, Option<&String>) {
    match state {
        State::UpToDate => ("up_to_date", None),
        State::OnRemote => ("on_remote", None),
        State::WouldRestore => ("would_restore", None),
        State::Group => ("group", None),
        State::Server => ("server", None),
        State::WouldRun => ("would_run", None),
        State::MayRun => ("may_run", None),
        State::Broken(message) => ("would_fail", Some(message)),
    }
}

fn failed(run: &FailedRun) -> Value {
    json!({ "ended": seconds(run.ended), "how": run.how, "stopped": run.stopped })
}

fn last(workspace: &Workspace, last: &Last) -> Value {
    json!({
        "made": seconds(last.created),
        "seconds": last.took.as_secs_f64(),
        "remote": last.remote,
        "chain": last.chain.as_ref().map(|links| chain(workspace, links)),
        "reason": last.reason,
        "origin": last.origin.as_ref().map(origin),
    })
}

fn nearest(nearest: &Nearest) -> Value {
    json!({
        "made": seconds(nearest.created),
        "tied_elsewhere": nearest.tied_elsewhere,
        "tied_to": nearest.directory.as_ref().map(|directory| directory.display().to_string()),
        "changes": nearest.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn chain(workspace: &Workspace, chain: &Chain) -> Value {
    chain.iter().map(|one| link(workspace, one)).collect()
}

fn link(workspace: &Workspace, link: &Link) -> Value {
    let changes: Vec<Value> = link.why.changes().iter().map(change).collect();
    let stands = match link.stands {
        Stands::WouldRun => "would_run",
        Stands::MayRun => "may_run",
        Stands::Renewed => "made_anew",
        Stands::Server => "changed",
    };
    json!({
        "task": workspace.task(link.task).name,
        "state": stands,
        "via": link.via.as_ref().map(|path| String::from_utf8_lossy(path)),
        "reason": link.why.to_string(),
        "changes": changes,
    })
}

fn change(change: &Change) -> Value {
    let kind = match change.kind {
        Kind::Command => "command",
        Kind::Cwd => "cwd",
        Kind::Outputs => "outputs",
        Kind::Depfile => "depfile",
        Kind::Env => "env",
        Kind::Tool => "tool",
        Kind::Input | Kind::Discovered => "input",
        Kind::Dependency => "dependency",
        Kind::Streams => "streams",
        Kind::FilePart => "part",
        Kind::External => "external",
    };
    let name = if change.kind == Kind::Dependency { change.remark.as_bytes() } else { &change.name };
    let (old, new) = changes::old_and_new(change);
    let lines = change.lines.as_ref().map_or(&[][..], |difference| &difference.lines);
    let lines = lines.iter().map(|line| json!({ "new": line.new, "number": line.number, "text": line.text }));
    json!({
        "kind": kind,
        "name": String::from_utf8_lossy(name),
        "text": change.to_string(),
        "old": old,
        "new": new,
        "line": change.lines.as_ref().map(|difference| difference.first),
        "lines": lines.collect::<Vec<_>>(),
        "values": change.values,
    })
}

/// Converts to seconds since 1970.
fn seconds(time: percache::base::clock::Time) -> f64 {
    time.as_millis() as f64 / 1000.0
}
