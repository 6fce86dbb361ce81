//! The inputs of a task's last result here, read from the store for explanations and for dry runs.

use std::collections::HashMap;

use percache::Digest;
use percache::store::record::ResultKey;

use crate::action::context::Context;
use crate::key::fingerprint::{Kind, Parts, Value};
use crate::model::Task;

/// Returns the parts that were hashed for a result.
pub fn parts(ctx: &Context<'_>, key: &ResultKey) -> Option<Parts> {
    let bytes = ctx.or_trouble(ctx.store?.parts(key))??;
    ctx.or_trouble(Parts::decode(&bytes))
}

/// Returns the key of the task's last result here.
pub fn last(ctx: &Context<'_>, task: &Task) -> Option<ResultKey> {
    ctx.journal.tasks.get(&task.name).and_then(|record| record.key.or(record.previous))
}

/// Returns what the tools of a task printed when it last succeeded here. Looking at a workspace must not run what its
/// configuration says.
pub fn tool_answers(ctx: &Context<'_>, task: &Task) -> HashMap<Vec<u8>, Digest> {
    if task.tools.is_empty() {
        return HashMap::new();
    }
    let Some(parts) = last(ctx, task).and_then(|key| parts(ctx, &key)) else { return HashMap::new() };
    let tools = parts.iter().filter(|part| part.kind == Kind::Tool);
    let answers = tools.filter_map(|part| match part.value {
        Value::Digest(digest) => Some((part.name.clone(), digest)),
        _ => None,
    });
    answers.collect()
}
