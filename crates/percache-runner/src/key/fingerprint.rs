//! Fingerprints: everything that is known about a task before it runs, as a list of labelled parts, and the digest of
//! that list.
//!
//! The same list feeds the hasher and the record that `percache why` compares, so what is hashed is what is explained.
//!
//! # What is in a fingerprint
//!
//! | part | name | value |
//! | --- | --- | --- |
//! | command | | the shell text, or the arguments, placeholders filled in |
//! | cwd | | the directory, relative to the workspace |
//! | outputs | | the patterns, in order |
//! | depfile | | its path |
//! | env | the variable | digest of its value, or unset. Values are never kept in clear |
//! | tool | the command | digest of what it printed |
//! | input | the path | its state: content and executable bit, target of a symlink, or absent |
//! | part | the file and the key | digest of the canonical text of that part of the file, or unset if it has none |
//! | external | the path | the state of a file outside of the workspace |
//! | streams | | `apart` if stdout and stderr are kept apart |
//! | dependency | | the action key of a dependency that has no outputs |
//!
//! The outputs of an explicit dependency are inputs like any other. Not included, because they do not change what a
//! command produces: the task's name, `description`, `timeout`, `retries`, `pool`, `valid_for`, the names of
//! dependencies, the order in the file.
//!
//! # Encoding
//!
//! [`percache::base::codec`]: the text `percache fingerprint 2`, then for each part, sorted by kind, name and value and
//! without duplicates: the kind's number (one byte), the name, the value's encoding. The action key is the digest of
//! the text `percache action 1`, the fingerprint, and for each discovered input, sorted by path, the path and its
//! state. A golden test pins both.

use percache::Digest;
use percache::base::codec::{DecodeError, Decoder, Encode, Sink};
use percache::base::digest::Hasher;
use percache::store::id::{ActionKey, Fingerprint};
use percache::store::manifest::PathSet;

use crate::fs::stat_cache::FileState;
use crate::model::TaskCommand;

/// The kind of a part. The numbers are part of the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The command.
    Command = 1,
    /// The directory where it runs.
    Cwd = 2,
    /// The patterns of its outputs.
    Outputs = 3,
    /// The file to which it writes the names of what it read.
    Depfile = 4,
    /// A variable.
    Env = 5,
    /// A tool's version.
    Tool = 6,
    /// A declared input.
    Input = 7,
    /// A dependency without outputs.
    Dependency = 8,
    /// A discovered input: in the action key, not in the fingerprint.
    Discovered = 9,
    /// How its log is kept: with stdout and stderr apart.
    Streams = 10,
    /// A part of a file; the remark has its canonical text, unless that is long or private.
    FilePart = 11,
    /// A declared input outside of the workspace.
    External = 12,
}

/// The value of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text that may be shown.
    Text(Vec<u8>),
    /// Several texts in order.
    List(Vec<Vec<u8>>),
    /// A digest that is only compared.
    Digest(Digest),
    /// The absence of a value: a variable that is not set.
    Unset,
    /// The state of a path.
    File(FileState),
}

/// One thing that a result depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: Kind,
    /// The variable, command or path that it is about.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Value,
    /// A remark for explanations, which is not hashed: the name of a dependency.
    pub remark: String,
}

impl Part {
    /// Creates a part without a remark.
    pub fn new(kind: Kind, name: impl Into<Vec<u8>>, value: Value) -> Part {
        Part { kind, name: name.into(), value, remark: String::new() }
    }

    /// Creates the part for a command.
    pub fn command(command: &TaskCommand) -> Part {
        let value = match command {
            TaskCommand::Shell(text) => Value::Text(text.clone().into_bytes()),
            TaskCommand::Argv(arguments) => Value::List(arguments.iter().map(|a| a.clone().into_bytes()).collect()),
        };
        Part::new(Kind::Command, "", value)
    }

    fn encode(&self, sink: &mut (impl Sink + ?Sized)) {
        sink.u8(self.kind as u8);
        sink.bytes(&self.name);
        match &self.value {
            Value::Text(text) => {
                sink.u8(1);
                sink.bytes(text);
            }
            Value::List(texts) => {
                sink.u8(2);
                sink.count(texts.len());
                texts.iter().for_each(|text| sink.bytes(text));
            }
            Value::Digest(digest) => {
                sink.u8(3);
                sink.digest(digest);
            }
            Value::Unset => sink.u8(4),
            Value::File(state) => {
                sink.u8(5);
                state.encode(sink);
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Part, DecodeError> {
        let kind = Kind::from_number(from.u8()?)?;
        let name = from.bytes()?.to_vec();
        let value = match from.u8()? {
            1 => Value::Text(from.bytes()?.to_vec()),
            2 => Value::List((0..from.count(4)?).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?),
            3 => Value::Digest(from.digest()?),
            4 => Value::Unset,
            5 => Value::File(FileState::decode(from)?),
            _ => return Err(DecodeError("a part is of an unknown kind")),
        };
        Ok(Part { kind, name, value, remark: from.text()?.to_owned() })
    }

    fn order(&self) -> (Kind, &[u8]) {
        (self.kind, &self.name)
    }
}

impl Kind {
    fn from_number(number: u8) -> Result<Kind, DecodeError> {
        use Kind::*;
        let kinds =
            [Command, Cwd, Outputs, Depfile, Env, Tool, Input, Dependency, Discovered, Streams, FilePart, External];
        kinds.into_iter().find(|kind| *kind as u8 == number).ok_or(DecodeError("a part is of an unknown kind"))
    }
}

/// The parts, in the order in which they are hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Vec<Part>);

impl Parts {
    /// Sorts the parts and removes duplicates.
    pub fn new(mut parts: Vec<Part>) -> Parts {
        let encoded = |part: &Part| {
            let mut bytes = Vec::new();
            part.encode(&mut bytes);
            bytes
        };
        parts.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| encoded(a).cmp(&encoded(b))));
        parts.dedup_by(|a, b| a.order() == b.order() && a.value == b.value);
        Parts(parts)
    }

    /// Yields the parts.
    pub fn iter(&self) -> std::slice::Iter<'_, Part> {
        self.0.iter()
    }

    /// Returns the digest of all parts.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Hasher::new();
        hasher.text("percache fingerprint 2");
        self.0.iter().for_each(|part| part.encode(&mut hasher));
        Fingerprint::new(hasher.finish())
    }

    /// Encodes the record for `why`: these parts and the discovered inputs.
    pub fn record(&self, discovered: &Discovered) -> Vec<u8> {
        let mut to = Vec::new();
        to.count(self.0.len() + discovered.0.len());
        let found = discovered.0.iter();
        let found = found.map(|(path, state)| Part::new(Kind::Discovered, path.clone(), Value::File(state.clone())));
        for part in self.0.iter().cloned().chain(found) {
            part.encode(&mut to);
            to.text(&part.remark);
        }
        to
    }

    /// Decodes a record.
    pub fn decode(bytes: &[u8]) -> Result<Parts, DecodeError> {
        let mut from = Decoder::new(bytes);
        let parts = (0..from.count(10)?).map(|_| Part::decode(&mut from)).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok(Parts(parts))
    }
}

/// Discovered inputs and their states, sorted by path. Paths are relative to the workspace, or absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered(pub Vec<(Vec<u8>, FileState)>);

impl Discovered {
    /// Returns the paths without their states.
    pub fn paths(&self) -> PathSet {
        self.0.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Computes the action key for a fingerprint.
    pub fn action(&self, fingerprint: &Fingerprint) -> ActionKey {
        let mut hasher = Hasher::new();
        hasher.text("percache action 1");
        hasher.digest(fingerprint.digest());
        for (path, state) in &self.0 {
            hasher.bytes(path);
            state.encode(&mut hasher);
        }
        ActionKey::new(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<Part> {
        let state = FileState::File { digest: Digest::of(b"int main;"), executable: false };
        vec![
            Part::command(&TaskCommand::Argv(vec!["cc".into(), "-c".into(), "a.c".into()])),
            Part::new(Kind::Cwd, "", Value::Text(b"src".into())),
            Part::new(Kind::Env, "CC", Value::Unset),
            Part::new(Kind::Env, "CFLAGS", Value::Digest(Digest::of(b"-O2"))),
            Part::new(Kind::Input, "src/a.c", Value::File(state)),
            Part::new(Kind::Input, "src/b.c", Value::File(FileState::Absent)),
        ]
    }

    #[test]
    fn the_encoding_is_pinned() {
        let fingerprint = Parts::new(example()).fingerprint();
        assert_eq!(fingerprint.to_string(), "7710fe32341f1445e38af37654c7f7ea8fbd0216");
        let found = Discovered(vec![(b"include/a.h".into(), FileState::Directory)]);
        assert_eq!(found.action(&fingerprint).to_string(), "01844f6db679bd761bad688a490e10085b2fcbcc");
        assert_ne!(found.action(&fingerprint), Discovered::default().action(&fingerprint));
    }

    #[test]
    fn the_order_of_parts_and_doubles_do_not_matter() {
        let mut parts = example();
        parts.reverse();
        parts.push(parts[0].clone());
        assert_eq!(Parts::new(parts).fingerprint(), Parts::new(example()).fingerprint());
    }

    #[test]
    fn every_part_matters_and_a_remark_does_not() {
        let whole = Parts::new(example()).fingerprint();
        for i in 0..example().len() {
            let mut fewer = example();
            fewer.remove(i);
            assert_ne!(Parts::new(fewer).fingerprint(), whole);
        }
        let mut remarked = example();
        remarked[0].remark = "dear reader".into();
        assert_eq!(Parts::new(remarked).fingerprint(), whole);
    }

    #[test]
    fn a_shell_text_and_an_argument_list_differ() {
        let shell = Part::command(&TaskCommand::Shell("cc".into()));
        let argv = Part::command(&TaskCommand::Argv(vec!["cc".into()]));
        assert_ne!(Parts::new(vec![shell]).fingerprint(), Parts::new(vec![argv]).fingerprint());
    }

    #[test]
    fn a_record_is_read_back_as_written() {
        let mut parts = example();
        parts[3].remark = "a remark".into();
        let parts = Parts::new(parts);
        let found = Discovered(vec![(b"/usr/include/stdio.h".into(), FileState::Absent)]);
        let read = Parts::decode(&parts.record(&found)).unwrap();
        assert_eq!(read.iter().count(), parts.iter().count() + 1);
        assert!(parts.iter().all(|part| read.iter().any(|other| other == part)));
    }
}
