//! What the last run of a task here depended on: read back from the store, for explanations and for what only looks.

use std::collections::HashMap;

use percache::Digest;
use percache::store::record::ResultKey;

use crate::action::context::Context;
use crate::key::fingerprint::{Kind, Parts, Value};
use crate::model::Task;

/// What was hashed for a result.
pub fn parts(ctx: &Context<'_>, key: &ResultKey) -> Option<Parts> {
    let bytes = ctx.or_trouble(ctx.store?.parts(key))??;
    ctx.or_trouble(Parts::decode(&bytes))
}

/// The last result of a task here.
pub fn last(ctx: &Context<'_>, task: &Task) -> Option<ResultKey> {
    ctx.journal.tasks.get(&task.name).and_then(|record| record.key.or(record.previous))
}

/// What the tools of a task said when it last succeeded here. To look at a workspace must not run what its configuration says.
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
