//! The conditions under which the evidence in a journal is valid; see [`crate::session::freshness`].
//!
//! ```text
//! version  digest of the arguments for {args}(20)
//! names of variables, digest of their values(20)
//! tools: command, directory, names of variables passed and taken, variables set, digest of what it printed(20)
//! number of the list of the configuration's paths(4)
//! flag [digest of what is kept of the configuration(20), see crate::config::kept]
//! flag [what was asked for(20), its tasks: positions in the list of tasks]
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use percache::Digest;
use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::base::digest::Hasher;

use crate::model::Caller;
use crate::process::MARK;
use crate::syntax::name_globs::NameGlobs;

/// The conditions under which the evidence of tasks is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The digest of the arguments that `{args}` stands for.
    pub args: Digest,
    /// The variables that the result of a build may depend on: names, or globs over names; sorted.
    pub variables: Vec<String>,
    /// The digest of their values.
    pub environment: Digest,
    /// The tools that tasks name, and the digests of their output. They are asked again in every build.
    pub tools: Vec<Tool>,
    /// The number of the list of paths that the configuration depends on.
    pub configuration: u32,
    /// The digest of the cached workspace.
    pub kept: Option<Digest>,
    /// The digest of the last request, and the positions of its tasks in the journal, without groups.
    pub request: Option<(Digest, Vec<u32>)>,
}

/// A request to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The digest of the arguments that `{args}` stands for.
    pub args: Digest,
    /// The digest of the names of the tasks, and of the directory where they were given.
    pub tasks: Digest,
}

impl Asked {
    /// Creates the request for the tasks of these names, as seen from the directory `cwd` of the workspace, with these
    /// arguments. `download`: which outputs are wanted here, as far as the caller says.
    pub fn new(cwd: &[u8], tasks: &[String], args: &[String], download: Option<&[u8]>) -> Asked {
        let digest = |first: &[&[u8]], list: &[String]| {
            let mut hasher = Hasher::new();
            first.iter().for_each(|first| hasher.bytes(first));
            hasher.count(list.len());
            list.iter().for_each(|text| hasher.text(text));
            hasher.finish()
        };
        Asked { args: digest(&[b""], args), tasks: digest(&[cwd, download.unwrap_or_default()], tasks) }
    }
}

/// A tool that tasks name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The command, see [`Task::invocation`](crate::model::Task::invocation).
    pub command: String,
    /// The directory that it runs in, relative to the workspace.
    pub cwd: Vec<u8>,
    /// Names of variables that it sees, and that are not set for it (`env_pass`).
    pub pass: Vec<String>,
    /// The same, for fingerprinted variables (`env_from`).
    pub from: Vec<String>,
    /// Variables that the configuration sets. Values from elsewhere are never written to disk.
    pub set: BTreeMap<String, String>,
    /// The digest of its output.
    pub answer: Digest,
}

impl Tool {
    fn encode(&self, to: &mut Vec<u8>) {
        to.text(&self.command);
        to.bytes(&self.cwd);
        for names in [&self.pass, &self.from] {
            to.count(names.len());
            names.iter().for_each(|name| to.text(name));
        }
        to.count(self.set.len());
        self.set.iter().for_each(|(name, value)| {
            to.text(name);
            to.text(value);
        });
        to.digest(&self.answer);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Tool, DecodeError> {
        let text = |from: &mut Decoder<'_>| from.text().map(str::to_owned);
        let names = |from: &mut Decoder<'_>| (0..from.count(4)?).map(|_| text(from)).collect::<Result<Vec<_>, _>>();
        Ok(Tool {
            command: text(from)?,
            cwd: from.bytes()?.to_vec(),
            pass: names(from)?,
            from: names(from)?,
            set: (0..from.count(8)?).map(|_| Ok((text(from)?, text(from)?))).collect::<Result<_, _>>()?,
            answer: from.digest()?,
        })
    }
}

/// Returns the digest of the caller's variables that match `names`.
pub(crate) fn variables_digest(caller: &Caller, names: &[String]) -> Digest {
    let globs = NameGlobs::of(names);
    let mut hasher = Hasher::new();
    let counts = |name: &OsString| name != MARK && globs.matches(name);
    for (name, value) in caller.iter().filter(|(name, _)| counts(name)) {
        hasher.bytes(name.as_bytes());
        hasher.bytes(value.as_bytes());
    }
    hasher.finish()
}

impl Finding {
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.text(env!("CARGO_PKG_VERSION"));
        to.digest(&self.args);
        to.count(self.variables.len());
        self.variables.iter().for_each(|name| to.text(name));
        to.digest(&self.environment);
        to.count(self.tools.len());
        self.tools.iter().for_each(|tool| tool.encode(to));
        to.u32(self.configuration);
        to.bool(self.kept.is_some());
        self.kept.iter().for_each(|digest| to.digest(digest));
        to.bool(self.request.is_some());
        if let Some((tasks, positions)) = &self.request {
            to.digest(tasks);
            to.count(positions.len());
            positions.iter().for_each(|position| to.u32(*position));
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Finding, DecodeError> {
        if from.text()? != env!("CARGO_PKG_VERSION") {
            return Err(DecodeError("it is of another version of percache"));
        }
        Ok(Finding {
            args: from.digest()?,
            variables: (0..from.count(4)?).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()?,
            environment: from.digest()?,
            tools: (0..from.count(40)?).map(|_| Tool::decode(from)).collect::<Result<_, _>>()?,
            configuration: from.u32()?,
            kept: if from.bool()? { Some(from.digest()?) } else { None },
            request: match from.bool()? {
                true => Some((from.digest()?, (0..from.count(4)?).map(|_| from.u32()).collect::<Result<_, _>>()?)),
                false => None,
            },
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a finding that names no paths.
    pub fn example() -> Finding {
        let tool = Tool {
            command: "cc --version".into(),
            cwd: Vec::new(),
            pass: vec!["A".into()],
            from: vec!["CC".into()],
            set: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            answer: Digest::of(b"1"),
        };
        Finding {
            args: Digest::of(b"args"),
            variables: vec!["CC".into(), "LC_*".into()],
            environment: Digest::of(b"env"),
            tools: vec![tool],
            configuration: 0,
            kept: Some(Digest::of(b"kept")),
            request: Some((Digest::of(b"r"), vec![0])),
        }
    }

    #[test]
    fn it_is_read_back_as_written() {
        let mut bytes = Vec::new();
        example().encode(&mut bytes);
        let mut from = Decoder::new(&bytes);
        assert_eq!(Finding::decode(&mut from), Ok(example()));
        assert_eq!(from.finish(), Ok(()));
    }
}
