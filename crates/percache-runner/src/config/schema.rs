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

/// The tasks of a workspace: one file in its root, and one in each member, which may have only [task.…] tables.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct File {
    /// Settings of the whole workspace. Only in the root file.
    workspace: Option<Workspace>,
    /// The location of the store, and its limits of size and age. Only in the root file.
    cache: Option<Cache>,
    /// Every key is the name of a pool, and its value how many of the pool's tasks may run at a time. Only in the root
    /// file.
    pools: Option<BTreeMap<String, Count>>,
    /// [task.NAME]: a command with its inputs and outputs, or a group of `deps`.
    task: Option<BTreeMap<TaskName, Task>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Workspace {
    /// Directories with a percache.toml of their own, as patterns; `!` excludes. Their tasks are named
    /// `directory:task`.
    members: Option<Vec<String>>,
    /// The tasks that a bare `percache build` builds: names, or globs over names. Default: all tasks.
    default: Option<Vec<String>>,
    /// Variables set for every command, part of every fingerprint. A task's own `env` wins.
    env: Option<BTreeMap<Variable, String>>,
    /// `true` or `"pipe"`: percache is a GNU make jobserver for its commands, so that nested make and cargo share the
    /// budget of `-j`. `"fifo"`: the same in the form that ninja supports from 1.13 and make only from 4.4. Default:
    /// `false`.
    jobserver: Option<JobserverForm>,
    /// Directories of outputs that may be symlinks out of the workspace, for example to another disk: outputs below
    /// them are written, restored and removed where the symlinks lead. Default: none.
    follow: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Cache {
    /// The directory of the store; may be absolute. Default: `.percache` beside this file or, in a linked git worktree,
    /// beside the main worktree's.
    #[schemars(extend("default" = ".percache"))]
    dir: Option<Text>,
    /// gc removes results that were not used for this long. `90s`, `30m`, `12h`, `30d`, `2w`, or a number of seconds.
    /// Default: `30d`.
    #[schemars(extend("default" = "30d"))]
    maxage: Option<Age>,
    /// gc then removes the least recently used results until the store is below this size. `500MB`, `2GiB`, or a number
    /// of bytes. Default: `20GiB`.
    #[schemars(extend("default" = "20GiB"))]
    maxsize: Option<Size>,
    /// The share of tasks with stored results, chosen anew in each build, that run anyway, so that their outputs are
    /// compared with the stored ones. From 0 to 1; `1` is all. Default: `0`.
    #[schemars(extend("default" = 0))]
    check_rate: Option<Fraction>,
}

/// A command with its inputs and outputs; without a command, a group of `deps`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = conditions)]
struct Task {
    /// A description in one line, for `percache list`.
    description: Option<String>,
    /// The command. A string runs under `sh -e -c`; an array is a program and its arguments, run without a shell.
    /// `{file}`, `{dir}`, `{name}`, `{stem}`, `{ext}` (with `foreach`), axes of `matrix` and `{args}` are filled in.
    /// Without a command the task is a group of `deps`.
    command: Option<Command>,
    /// One or more patterns: one task per matching file, named `task[file]`.
    foreach: Option<OneOrMore>,
    /// One task per combination of the axes' values, named `task[axis=value]`; `{axis}` stands for the value in every
    /// string of the task.
    matrix: Option<BTreeMap<Axis, Values>>,
    /// Patterns for the files whose content matters; `!` excludes. Default: every file below this directory that git
    /// tracks or would not ignore, except outputs. `[]`: none.
    inputs: Option<Vec<String>>,
    /// Patterns for what the command makes: stored, and restored when missing or changed. A pattern without a wildcard
    /// must exist after success. End a directory with `/`.
    outputs: Option<Vec<String>>,
    /// Tasks that must be done first: names, or globs over names. Their outputs are inputs, by content.
    deps: Option<Vec<String>>,
    /// A make-style depfile that the command writes (`cc -MD`): the files that it names become inputs.
    depfile: Option<Text>,
    /// Commands whose output is part of the fingerprint, like `cc --version`. Each runs once per build.
    tools: Option<Vec<String>>,
    /// Variables set for the command, part of the fingerprint. Override all others.
    env: Option<BTreeMap<Variable, String>>,
    /// Variables taken from the caller's environment, part of the fingerprint. Globs over names are allowed.
    env_from: Option<Vec<String>>,
    /// Variables taken from the caller's environment, not part of the fingerprint. Globs over names are allowed.
    env_pass: Option<Vec<String>>,
    /// Files of `KEY=value` lines, set for the command, part of the fingerprint. Later files win.
    env_file: Option<Vec<String>>,
    /// The command fails and is killed with its whole process group after this long. `90s`, `10m`, `1h`, or a number of
    /// seconds.
    timeout: Option<AgeText>,
    /// Results older than this are not used, for commands that read the outside world. `12h`, `1d`, or a number of
    /// seconds.
    valid_for: Option<AgeText>,
    /// How many times the command is retried before the task counts as failed. Default: 0.
    #[schemars(extend("default" = 0))]
    retries: Option<u32>,
    /// `false`: the task always runs and is never stored. Default: `true`.
    #[schemars(extend("default" = true))]
    cache: Option<bool>,
    /// `true`: the task owns the terminal while it runs, and is never stored. Default: `false`.
    #[schemars(extend("default" = false))]
    interactive: Option<bool>,
    /// The directory that the command runs in. Default: the directory of this file. Other paths of the task stay
    /// relative to the file.
    #[schemars(extend("default" = "."))]
    cwd: Option<String>,
    /// The pool that the task belongs to, a key of `[pools]` in the root file.
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
