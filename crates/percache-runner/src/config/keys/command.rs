//! The key `command`: a text for a shell, or a program and its arguments.

use serde_json::{Value, json};
use toml::de::DeValue;

use super::table::Traits;
use super::types::TaskType;
use crate::config::reader::Fields;
use crate::config::report::At;
use crate::config::stray::Form;

/// The type of the key.
pub(in crate::config) struct Command;

/// A command, with texts in the form of `T`.
#[derive(Clone, Debug)]
pub(in crate::config) enum RawCommand<T> {
    Shell(T),
    Argv(Vec<T>),
}

impl TaskType for Command {
    type Of<T> = RawCommand<T>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<RawCommand<At<String>>> {
        let value = fields.take(key)?;
        let span = value.span();
        let (command, empty) = match value.into_inner() {
            DeValue::String(text) => {
                let empty = text.trim().is_empty();
                (RawCommand::Shell(At { value: text.into_owned(), at: fields.place(&span) }), empty)
            }
            DeValue::Array(items) => {
                let count = items.len();
                let argv: Vec<_> = items.into_iter().filter_map(|item| fields.expect_string(key, item)).collect();
                let empty = count == 0 || argv.first().is_some_and(|program| program.value.is_empty());
                (RawCommand::Argv(argv), empty)
            }
            other => {
                fields.wrong_type(key, span, "a string or an array of strings", &other);
                return None;
            }
        };
        if empty {
            let hint = "leave `command` out to make a group of `deps`".to_owned();
            fields.error("the command is empty", &span, "names no program").hint(hint);
        }
        Some(command)
    }

    fn schema() -> Value {
        json!({ "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1, "pattern": r"\S" })
    }

    fn map<T, U>(value: RawCommand<T>, traits: Traits, to: &mut impl FnMut(Traits, T) -> U) -> RawCommand<U> {
        match value {
            RawCommand::Shell(text) => RawCommand::Shell(to(traits, text)),
            RawCommand::Argv(items) => {
                let traits = traits.form(Form::Argument);
                RawCommand::Argv(items.into_iter().map(|item| to(traits, item)).collect())
            }
        }
    }
}
