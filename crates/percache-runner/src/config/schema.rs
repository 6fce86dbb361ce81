//! The JSON Schema of percache.toml, for editors.
//!
//! The types here describe the file and are never deserialized: `raw` and `raw_task` read the file, with places and
//! hints. A test checks that both know the same keys. Knows nothing of what the keys do.

#![expect(dead_code, reason = "the fields are there for their names, types and descriptions")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// Generates the schema, in the draft that editors know best (07).
pub fn schema() -> Value {
    // Without references, because this draft ignores whatever stands beside one, even descriptions.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    schema.insert("title".into(), "percache.toml".into());
    let mut schema = schema.to_value();
    hand_down(&mut schema);
    schema
}

/// Copies the description of an array or table to its contents where they have none of their own: editors with Taplo
/// show the description of an item also for the key of an array that has items.
fn hand_down(schema: &mut Value) {
    let description = schema.get("description").cloned();
    let Value::Object(schema) = schema else { return };
    for (part, inner) in schema {
        let within: Vec<&mut Value> = match (part.as_str(), inner) {
            ("items" | "additionalProperties", inner) => vec![inner],
            ("patternProperties", Value::Object(patterns)) => patterns.values_mut().collect(),
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(hand_down);
                continue;
            }
            _ => continue,
        };
        for inner in within {
            if let (Value::Object(inner), Some(text)) = (&mut *inner, &description) {
                inner.entry("description").or_insert_with(|| text.clone());
            }
            hand_down(inner);
        }
    }
}

/// The tasks of a workspace: one file in its root, and one in each member, which has [task.…] tables only.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct File {
    /// What the whole workspace shares. Only in the root file.
    workspace: Option<Workspace>,
    /// Where the store is and how large and old it may grow. Only in the root file.
    cache: Option<Cache>,
    /// Every key names a pool, its value says how many of the pool's tasks may run at a time. Only in the root file.
    pools: Option<BTreeMap<String, Count>>,
    /// [task.NAME]: a command with what it reads and what it writes, or a group of `deps`.
    task: Option<BTreeMap<TaskName, Task>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Workspace {
    /// Directories with a percache.toml of their own, as patterns; `!` takes away. Their tasks are named `directory:task`.
    members: Option<Vec<String>>,
    /// What a bare `percache build` builds: names of tasks, or globs over names. Without it, every task.
    default: Option<Vec<String>>,
    /// Variables set for every command, part of every fingerprint. A task's own `env` wins.
    env: Option<BTreeMap<Variable, String>>,
    /// `true` or `"pipe"`: percache is a GNU make jobserver for its commands, so that nested make and cargo share the budget of `-j`. `"fifo"`:
    /// in the form that ninja from 1.13 knows, and make only from 4.4. Default: `false`.
    jobserver: Option<JobserverForm>,
    /// Directories of outputs that may be symlinks out of the workspace, for example to another disk: outputs below them are written, restored
    /// and removed where these lead. Default: none.
    follow: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Cache {
    /// The directory of the store; may be absolute. Default: `.percache` beside this file or, in a linked git worktree, beside the main
    /// worktree's.
    #[schemars(extend("default" = ".percache"))]
    dir: Option<Text>,
    /// gc: results not used for this long go. `90s`, `30m`, `12h`, `30d`, `2w`, or a number of seconds. Default: `30d`.
    #[schemars(extend("default" = "30d"))]
    maxage: Option<Age>,
    /// gc: then the least recently used go, until the store is below this. `500MB`, `2GiB`, or a number of bytes. Default: `20GiB`.
    #[schemars(extend("default" = "20GiB"))]
    maxsize: Option<Size>,
    /// Of the tasks whose results are stored, this share, chosen anew in each build, runs all the same, and is compared with what is stored.
    /// From 0 to 1; `1` is all. Default: `0`.
    #[schemars(extend("default" = 0))]
    check_rate: Option<Fraction>,
}

/// A command with what it reads and what it writes; without a command, a group of `deps`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = conditions)]
struct Task {
    /// One line for `percache list`.
    description: Option<String>,
    /// What runs. A string runs under `sh -e -c`; an array is a program and its arguments, executed without a shell. `{file}`, `{dir}`,
    /// `{name}`, `{stem}`, `{ext}` (with `foreach`), axes of `matrix` and `{args}` are filled in. Without a command the task is a group of
    /// `deps`.
    command: Option<Command>,
    /// A pattern, or several: one task per matching file, named `task[file]`.
    foreach: Option<OneOrMore>,
    /// One task per combination of its axes' values, named `task[axis=value]`; `{axis}` stands for the value in every string of the task.
    matrix: Option<BTreeMap<Axis, Values>>,
    /// Patterns for the files whose content matters; `!` takes away. Left out: every file below this directory that git tracks or
    /// would not ignore, less outputs. `[]`: none.
    inputs: Option<Vec<String>>,
    /// Patterns for what the command makes: kept in the store, restored when missing or changed. One without a wildcard must be there after
    /// success. End a directory with `/`.
    outputs: Option<Vec<String>>,
    /// Tasks that are done before: names, or globs over names. Their outputs are inputs, by content.
    deps: Option<Vec<String>>,
    /// A make-style file that the command writes (`cc -MD`): what it names becomes an input by itself.
    depfile: Option<Text>,
    /// Commands whose output is part of the fingerprint, like `cc --version`. Each runs once per build.
    tools: Option<Vec<String>>,
    /// Variables set for the command, part of the fingerprint. Wins over all others.
    env: Option<BTreeMap<Variable, String>>,
    /// Variables taken from the caller's environment, part of the fingerprint. Globs over names are allowed.
    env_from: Option<Vec<String>>,
    /// Variables taken from the caller's environment, not part of the fingerprint. Globs over names are allowed.
    env_pass: Option<Vec<String>>,
    /// Files with lines of `KEY=value`, set for the command, part of the fingerprint. Later files win.
    env_file: Option<Vec<String>>,
    /// Then it is killed with its whole process group, and has failed. `90s`, `10m`, `1h`, or a number of seconds.
    timeout: Option<AgeText>,
    /// A result older than this is not used: for what reads the world outside. `12h`, `1d`, or a number of seconds.
    valid_for: Option<AgeText>,
    /// Tried again this often before it counts as failed. Default: 0.
    #[schemars(extend("default" = 0))]
    retries: Option<u32>,
    /// `false`: always runs, never stored. Default: `true`.
    #[schemars(extend("default" = true))]
    cache: Option<bool>,
    /// `true`: owns the terminal while it runs, never stored. Default: `false`.
    #[schemars(extend("default" = false))]
    interactive: Option<bool>,
    /// Where the command runs. Default: the directory of this file. Other paths of the task stay relative to the file.
    #[schemars(extend("default" = "."))]
    cwd: Option<String>,
    /// The pool that it belongs to, a key of [pools] of the root file.
    pool: Option<String>,
}

/// Adapts the schema to TOML, which has no null, and joins the lines of descriptions, because editors wrap lines
/// themselves.
fn plain(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
}

/// Adds the checks of `raw_task` that concern a task as a whole.
fn conditions(schema: &mut Schema) {
    let needs: Map<_, _> =
        super::raw_task::NEED_COMMAND.iter().map(|key| ((*key).to_owned(), json!(["command"]))).collect();
    schema.insert("dependencies".into(), needs.into());
    // Either of the two is required. With `anyOf`, editors mark the whole table as wrong.
    schema.insert("if".into(), json!({ "not": { "required": ["command"] } }));
    schema.insert("then".into(), json!({ "required": ["deps"] }));
}

/// Defines types of the file that have only a schema.
macro_rules! described {
    ($($name:ident: $schema:tt;)*) => {$(
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

described! {
    TaskName: { "type": "string", "pattern": r#"^[^-\s:\[\]{}()*?!,;'"][^\s:\[\]{}()*?!,;'"]*$"# };
    Variable: { "type": "string", "pattern": "^[^=]+$" };
    Axis: { "type": "string", "pattern": "^(?!(file|dir|name|stem|ext|args)$)[A-Za-z_][A-Za-z0-9_-]*$" };
    Values: { "type": "array", "items": { "type": ["string", "number", "boolean"] }, "minItems": 1, "uniqueItems": true };
    Text: { "type": "string", "minLength": 1 };
    Count: { "type": "integer", "minimum": 1, "maximum": 4294967295u32 };
    OneOrMore: { "type": ["string", "array"], "items": { "type": "string" } };
    Command: { "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1, "pattern": r"\S" };
    Age: { "type": ["string", "integer"], "pattern": "^[0-9]+[smhdw]?$", "minimum": 0 };
    AgeText: { "type": ["string", "integer"], "pattern": r"^([0-9]+[smhdw]?|.*\{.*\}.*)$", "minimum": 0 };
    Fraction: { "type": "number", "minimum": 0, "maximum": 1 };
    JobserverForm: { "type": ["boolean", "string"], "enum": [false, true, "pipe", "fifo"] };
    Size: { "type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]{1,18})? *([kmgtKMGT][iI]?)?[bB]?$", "minimum": 0 };
}
