//! The tables of a file: `[workspace]` and `[cache]`, whose keys are known, and `[pools]` and `[task]`, whose keys are
//! names.

use std::marker::PhantomData;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeValue;

use super::task::{TASK, TaskKeys};
use super::types::{Section, Type};
use crate::config::reader::{Fields, Written, entries};
use crate::config::report::{At, Place, Report};
use crate::model::Capacity;
use crate::syntax::units::parse_size;

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

/// The table of pools, each with what its tasks may take of it together.
pub(in crate::config) struct Pools;

impl Type for Pools {
    type Value = Vec<(At<String>, Capacity)>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        let table = fields.bare_table(key)?;
        let read = entries(fields.file, table).into_iter().filter_map(|(name, value)| {
            let what = format!("{key}.{}", name.value);
            let capacity = match value.get_ref() {
                DeValue::String(_) => Capacity::Bytes(read_bytes(fields, &what, value)?),
                _ => Capacity::Count(fields.expect_count(&what, value, 1)?.value.into()),
            };
            Some((name, capacity))
        });
        Some(read.collect())
    }

    fn schema() -> Value {
        let size = r"^[0-9]+(\.[0-9]{1,18})? *([kmgtKMGT][iI]?[bB]?|[bB])$";
        let capacity = json!({
            "type": ["integer", "string"], "minimum": 1, "maximum": u32::MAX, "pattern": size
        });
        json!({ "type": "object", "additionalProperties": capacity })
    }
}

fn read_bytes<'i>(fields: &mut Fields<'_, 'i>, what: &str, value: Spanned<DeValue<'i>>) -> Option<u64> {
    let size = fields.expect_string(what, value)?;
    // Without a unit, it may be meant as a number of tasks.
    let has_unit = size.value.ends_with(|char: char| char.is_ascii_alphabetic());
    let bytes = parse_size(&size.value).ok().filter(|bytes| *bytes > 0 && has_unit);
    if bytes.is_none() {
        let hint = "write how many tasks may run at a time, or a size with a unit: `4`, `\"32GiB\"`".to_owned();
        fields.report.error(format!("`{what}` is no size"), size.at, "is not a size above 0").hint(hint);
    }
    bytes
}

/// One `[task.NAME]` or `[template.NAME]` as written: every value with its place, types checked, nothing resolved.
#[derive(Debug)]
pub(in crate::config) struct RawTask {
    pub name: At<String>,
    pub keys: TaskKeys<At<String>>,
    pub written: Written,
    /// The keys that it takes over from templates.
    pub inherited: Written,
    /// How many of its first `inputs` are those of `[workspace]`.
    pub shared_inputs: usize,
}

impl RawTask {
    /// Returns the place of a key that it has, its own before an inherited one.
    pub fn place(&self, key: &str) -> Option<&Place> {
        self.written.place(key).or_else(|| self.inherited.place(key))
    }

    fn read_all(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<RawTask>> {
        let tables = fields.table(key)?;
        let read = tables.into_iter().filter_map(|(name, value)| {
            check_name(fields.report, key, &name);
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => {
                    let what = format!("[{key}.{}]", name.value);
                    let mut fields = Fields::new(fields.report, fields.file, what, table);
                    let keys = TaskKeys::read(&mut fields);
                    let written = fields.finish(&TASK);
                    Some(RawTask { name, keys, written, inherited: Written::default(), shared_inputs: 0 })
                }
                other => {
                    fields.wrong_type(&format!("{key}.{}", name.value), span, "a table", &other);
                    None
                }
            }
        });
        Some(read.collect())
    }
}

/// The table of tasks.
pub(in crate::config) struct Tasks;

impl Type for Tasks {
    type Value = Vec<RawTask>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        RawTask::read_all(fields, key)
    }

    fn schema() -> Value {
        let mut task = TASK.schema();
        task["description"] = "A command with its inputs and outputs; without a command, a group of `deps`.".into();
        let needs = TASK.keys.iter().filter(|key| key.traits.needs_command);
        let needs: Map<_, _> = needs.map(|key| (key.name.to_owned(), json!(["command"]))).collect();
        // Of a task that extends templates, its own keys do not tell what it has. With `anyOf`, editors mark the whole
        // table as wrong.
        task["if"] = json!({ "not": { "required": ["extends"] } });
        task["then"] = json!({
            "dependencies": needs, "if": { "not": { "required": ["command"] } }, "then": { "required": ["deps"] }
        });
        json!({ "type": "object", "additionalProperties": false, "patternProperties": { NAME: task } })
    }
}

/// The table of templates.
pub(in crate::config) struct Templates;

impl Type for Templates {
    type Value = Vec<RawTask>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        RawTask::read_all(fields, key)
    }

    fn schema() -> Value {
        let mut template = TASK.schema();
        template["description"] = "Keys that tasks take over with `extends`.".into();
        json!({ "type": "object", "additionalProperties": false, "patternProperties": { NAME: template } })
    }
}

/// The names of tasks and templates.
const NAME: &str = r#"^[^-\s:\[\]{}()*?!,;'"][^\s:\[\]{}()*?!,;'"]*$"#;

/// Checks the name of a task or template: names occur in messages, on command lines and in `deps`, where `:`, `[`, `]`,
/// `*`, `?` and `!` are special.
fn check_name(report: &mut Report, what: &str, name: &At<String>) {
    let fits = |c: char| c.is_alphanumeric() || "_-./+@".contains(c);
    if !name.value.is_empty() && name.value.chars().all(fits) && !name.value.starts_with('-') {
        return;
    }
    let hint = "use letters, digits and `_ - . / + @`, not beginning with `-`".to_owned();
    let title = format!("`{}` cannot be a {what}'s name", name.value);
    report.error(title, name.at.clone(), "is not a valid name").hint(hint);
}
