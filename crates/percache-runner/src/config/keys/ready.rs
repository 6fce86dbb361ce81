//! The key `ready`: what shows that a server is ready.

use serde_json::{Value, json};

use super::table::Traits;
use super::types::TaskType;
use crate::config::reader::Fields;
use crate::config::report::{At, Place};
use crate::config::stray::Form;
use crate::syntax::suggest::did_you_mean;

/// The type of the key.
pub(in crate::config) struct ReadyWhen;

/// `ready`, with texts in the form of `T`.
#[derive(Clone, Debug)]
pub(in crate::config) struct RawReady<T> {
    /// The signs that are stated, each with its value. Everything but one is reported.
    pub signs: Vec<(RawSign, T)>,
    pub timeout: Option<T>,
}

/// The kind of a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum RawSign {
    Tcp,
    Http,
    Log,
    Command,
}

const TIMEOUT: &str = "timeout";
const SIGNS: [(&str, RawSign); 4] =
    [("tcp", RawSign::Tcp), ("http", RawSign::Http), ("log", RawSign::Log), ("command", RawSign::Command)];

impl TaskType for ReadyWhen {
    type Of<T> = RawReady<T>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<RawReady<At<String>>> {
        let entries = fields.table(key)?;
        let (mut signs, mut timeout) = (Vec::new(), None);
        let mut stated: Vec<Place> = Vec::new();
        for (name, value) in entries {
            let what = format!("{key}.{}", name.value);
            if name.value == TIMEOUT {
                timeout = fields.expect_string_or_integer(&what, value);
                continue;
            }
            let Some((_, sign)) = SIGNS.iter().find(|(known, _)| *known == name.value) else {
                let names = SIGNS.map(|(name, _)| name).into_iter().chain([TIMEOUT]);
                let hint = did_you_mean(&name.value, names)
                    .unwrap_or_else(|| "its keys are `tcp`, `http`, `log`, `command` and `timeout`".to_owned());
                fields.error(format!("unknown key `{what}`"), &name.at.span, "no such key").hint(hint);
                // One that is misspelt is not missing as well.
                stated.push(name.at);
                continue;
            };
            stated.push(name.at);
            let read = match sign {
                RawSign::Tcp => fields.expect_string_or_integer(&what, value),
                _ => fields.expect_string(&what, value),
            };
            signs.extend(read.map(|value| (*sign, value)));
        }
        match stated.as_slice() {
            [] => {
                let hint = "`{ tcp = 3000 }`, `{ http = \"http://localhost:3000/\" }`, `{ log = \"listening\" }` or \
                            `{ command = \"…\" }`";
                let at = fields.place_of(key)?;
                fields.report.error(format!("`{key}` names no sign"), at, "when is it ready?").hint(hint.to_owned());
            }
            [first, second, ..] => {
                let hint = "keep one of them; a `command` can check several things".to_owned();
                let title = format!("`{key}` names two signs");
                fields.report.error(title, second.clone(), "here").also(first, "and here").hint(hint);
            }
            [_] => {}
        }
        Some(RawReady { signs, timeout })
    }

    fn schema() -> Value {
        let age = json!({
            "type": ["string", "integer"], "pattern": r"^([0-9]+[smhdw]?|.*\{.*\}.*)$", "minimum": 0,
            "description": "The time after which a server that is not ready has failed. Default: `1m`."
        });
        json!({
            "type": "object",
            "properties": {
                "tcp": { "type": ["integer", "string"], "minimum": 1, "maximum": 65535,
                    "description": "A port on which it accepts connections: `3000` or `host:3000`." },
                "http": { "type": "string", "pattern": "^http://|^\\{",
                    "description": "A URL that it answers with a status from 200 to 399." },
                "log": { "type": "string", "minLength": 1, "description": "A text that it prints." },
                "command": { "type": "string", "pattern": r"\S", "description": "A shell command that succeeds." },
                "timeout": age,
            },
            "oneOf": [
                { "required": ["tcp"] }, { "required": ["http"] }, { "required": ["log"] }, { "required": ["command"] }
            ],
            "additionalProperties": false
        })
    }

    fn map<T, U>(value: RawReady<T>, traits: Traits, to: &mut impl FnMut(Traits, T) -> U) -> RawReady<U> {
        let form = |sign| if sign == RawSign::Command { traits.form(Form::Shell) } else { traits };
        RawReady {
            signs: value.signs.into_iter().map(|(sign, text)| (sign, to(form(sign), text))).collect(),
            timeout: value.timeout.map(|text| to(traits, text)),
        }
    }
}
