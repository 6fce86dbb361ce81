//! The tables of a file: `[workspace]` and `[cache]`, whose keys are known, and `[pools]` and `[task]`, whose keys are
//! names.

use std::marker::PhantomData;
use std::num::NonZeroUsize;

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::task::{TASK, TaskKeys};
use super::types::{Section, Type};
use crate::config::reader::{Fields, Written, entries};
use crate::config::report::{At, Report};

/// A table whose keys are known.
pub(in crate::config) struct Subtable<S>(PhantomData<S>);

impl<S: Section + std::fmt::Debug> Type for Subtable<S> {
    type Value = S;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<S> {
        let table = fields.bare_table(key)?;
        let mut fields = Fields::new(fields.report, fields.file, format!("[{key}]"), table);
        let section = S::read(&mut fields);
        fields.finish(S::table());
        Some(section)
    }

    fn schema() -> Value {
        S::table().schema()
    }
}

/// The table of pools, each with how many of its tasks may run at a time.
pub(in crate::config) struct Pools;

impl Type for Pools {
    type Value = Vec<(At<String>, NonZeroUsize)>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        let table = fields.bare_table(key)?;
        let read = entries(fields.file, table).into_iter().filter_map(|(name, value)| {
            let capacity = fields.expect_count(&format!("{key}.{}", name.value), value, 1)?;
            Some((name, NonZeroUsize::new(capacity.value as usize)?))
        });
        Some(read.collect())
    }

    fn schema() -> Value {
        let count = json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX });
        json!({ "type": "object", "additionalProperties": count })
    }
}

/// One `[task.NAME]` as written: every value with its place, types checked, nothing resolved.
#[derive(Debug)]
pub(in crate::config) struct RawTask {
    pub name: At<String>,
    pub keys: TaskKeys<At<String>>,
    pub written: Written,
}

/// The table of tasks.
pub(in crate::config) struct Tasks;

impl Type for Tasks {
    type Value = Vec<RawTask>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        let tables = fields.table(key)?;
        let read = tables.into_iter().filter_map(|(name, value)| {
            check_name(fields.report, &name);
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => {
                    let what = format!("[{key}.{}]", name.value);
                    let mut fields = Fields::new(fields.report, fields.file, what, table);
                    let keys = TaskKeys::read(&mut fields);
                    Some(RawTask { name, keys, written: fields.finish(&TASK) })
                }
                other => {
                    fields.wrong_type(&format!("{key}.{}", name.value), span, "a table", &other);
                    None
                }
            }
        });
        Some(read.collect())
    }

    fn schema() -> Value {
        let mut task = TASK.schema();
        task["description"] = "A command with its inputs and outputs; without a command, a group of `deps`.".into();
        let needs = TASK.keys.iter().filter(|key| key.traits.needs_command);
        task["dependencies"] = needs.map(|key| (key.name.to_owned(), json!(["command"]))).collect::<Map<_, _>>().into();
        // Either of the two is required. With `anyOf`, editors mark the whole table as wrong.
        task["if"] = json!({ "not": { "required": ["command"] } });
        task["then"] = json!({ "required": ["deps"] });
        let name = r#"^[^-\s:\[\]{}()*?!,;'"][^\s:\[\]{}()*?!,;'"]*$"#;
        json!({ "type": "object", "additionalProperties": false, "patternProperties": { name: task } })
    }
}

/// Checks the name of a task: names occur in messages, on command lines and in `deps`, where `:`, `[`, `]`, `*`, `?`
/// and `!` are special.
fn check_name(report: &mut Report, name: &At<String>) {
    let fits = |c: char| c.is_alphanumeric() || "_-./+@".contains(c);
    if !name.value.is_empty() && name.value.chars().all(fits) && !name.value.starts_with('-') {
        return;
    }
    let hint = "use letters, digits and `_ - . / + @`, not beginning with `-`".to_owned();
    let title = format!("`{}` cannot be a task's name", name.value);
    report.error(title, name.at.clone(), "is not a valid name").hint(hint);
}
