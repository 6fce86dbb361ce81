//! Random commands on a worker to which random things happen. What a command comes to there is what it comes to here,
//! or it is as good as not run.
//!
//! `PERCACHE_EXECUTION_ROUNDS` is the number of histories.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use percache::Digest;
use percache::store::record::Node;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};

use super::execution::World;
use super::farm::{Answer, Farm};
use super::worker::Mishap;
use crate::execution::{Command, Executed, Input, InputKind, OutputPath};
use crate::reapi::v2;

const FILES: [&str; 5] = ["src/a", "src/b", "src/deep/c", "src/deep/d", "tool"];
const TEXTS: [&[u8]; 4] = [b"", b"one\n", b"two\n", &[b'x'; 70_000]];

/// One command: what it finds, what its script does, and where.
#[derive(Clone, Debug)]
struct Task {
    files: Vec<(u8, u8, bool)>,
    steps: Vec<(u8, u8)>,
    below: bool,
    /// Whether the sources are an output, too.
    whole: bool,
    /// Whether the server has lost everything before.
    lost: bool,
    answers: Vec<Fault>,
}

/// What the server does instead of what it ought to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Worker(Mishap),
    /// It has kept a failure.
    CachedFailure,
    StreamEnds,
    Internal,
    Unavailable,
}

/// What a command has come to.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    status: i32,
    outputs: BTreeMap<String, (Node, Vec<u8>)>,
    log: String,
}

fn tasks() -> impl Strategy<Value = Vec<Task>> {
    let mishap = prop_oneof![
        3 => Just(Fault::Worker(Mishap::LosesInputs)),
        2 => Just(Fault::Worker(Mishap::LosesOutputs)),
        2 => Just(Fault::Worker(Mishap::SpoilsOutputs)),
        3 => Just(Fault::CachedFailure),
        2 => Just(Fault::StreamEnds),
        1 => Just(Fault::Internal),
        1 => Just(Fault::Unavailable),
    ];
    let answers = prop_oneof![2 => vec(mishap.clone(), 0..1), 2 => vec(mishap, 1..3)];
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let files = vec((0..FILES.len() as u8, 0..TEXTS.len() as u8, any::<bool>()), 1..6);
    let task = (files, vec((0..10u8, any::<u8>()), 0..8), flags, answers);
    let task = task.prop_map(|(files, steps, (below, whole, lost), mut answers)| {
        // A server that says a second time what was not wanted the first time has executed it, for all that is known.
        let mut kept = 0;
        answers.retain(|fault| {
            kept += usize::from(*fault == Fault::CachedFailure);
            *fault != Fault::CachedFailure || kept == 1
        });
        Task { files, steps, below, whole, lost, answers }
    });
    vec(task, 1..5)
}

impl Task {
    fn base(&self) -> &'static str {
        if self.below { "pkg/" } else { "" }
    }

    fn inputs(&self) -> BTreeMap<&'static str, (&'static [u8], bool)> {
        let files = self.files.iter();
        files.map(|(file, text, exec)| (FILES[usize::from(*file)], (TEXTS[usize::from(*text)], *exec))).collect()
    }

    fn script(&self) -> String {
        let inputs: Vec<_> = self.inputs().into_keys().collect();
        let step = |(what, number): &(u8, u8)| {
            let input = inputs[usize::from(*number) % inputs.len()];
            match what {
                0 | 1 => format!("cat {input} >> out"),
                2 => format!("mkdir -p made/d{0}; cp {input} made/d{0}/f", number % 3),
                3 => format!("ln -sfn ../{input} made/l{}", number % 3),
                4 => "printf x > made/run; chmod +x made/run".to_owned(),
                5 => format!("echo said {number}; echo wrong {number} >&2"),
                6 => "echo $LEVEL >> out".to_owned(),
                7 => format!("if [ {number} -lt 60 ]; then exit {}; fi", number % 3),
                8 => format!("mkdir -p made/empty{}/e", number % 3),
                _ => format!("cp {input} src/new{}; ln -sfn {input} link", number % 2),
            }
        };
        let steps: Vec<_> = self.steps.iter().map(step).collect();
        format!("mkdir -p made src\n{}\n", steps.join("\n"))
    }

    fn outputs(&self) -> Vec<&'static str> {
        let mut outputs = vec!["out", "made", "link"];
        outputs.extend(self.whole.then_some("src"));
        outputs
    }

    fn command(&self) -> Command {
        let base = self.base();
        let file = |(path, (bytes, executable)): (&str, (&[u8], bool))| Input {
            path: format!("{base}{path}"),
            kind: InputKind::File { digest: Digest::of(bytes), executable },
        };
        let mut inputs: Vec<_> = self.inputs().into_iter().map(file).collect();
        let link = InputKind::Symlink("src/a".into());
        inputs.push(Input { path: format!("{base}input-link"), kind: link });
        let output = |path| OutputPath { path: format!("{base}{path}"), directory: path == "made" || path == "src" };
        Command {
            arguments: vec!["sh".into(), "-c".into(), self.script()],
            environment: vec![("PATH".into(), std::env::var("PATH").unwrap()), ("LEVEL".into(), "3".into())],
            directory: base.trim_end_matches('/').to_owned(),
            inputs,
            outputs: self.outputs().into_iter().map(output).collect(),
            cacheable: true,
            ..Command::default()
        }
    }

    /// Runs the command here.
    fn run(&self) -> Came {
        let dir = tempfile::tempdir().unwrap();
        for (path, (bytes, executable)) in self.inputs() {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 })).unwrap();
        }
        symlink("src/a", dir.path().join("input-link")).unwrap();
        let mut command = std::process::Command::new("sh");
        let ran = command.args(["-c", &self.script()]).env("LEVEL", "3").current_dir(&dir).output().unwrap();
        let mut outputs = BTreeMap::new();
        self.outputs().into_iter().for_each(|path| collect(&dir.path().join(path), path, &mut outputs));
        let inputs = self.inputs();
        outputs.retain(|path, (node, bytes)| {
            let same = |(text, exec): &(&[u8], bool)| {
                matches!(node, Node::File { executable, .. } if executable == exec && bytes == text)
            };
            !inputs.get(&path[..]).is_some_and(same)
        });
        let outputs = outputs.into_iter().map(|(path, what)| (format!("{}{path}", self.base()), what)).collect();
        let log = [ran.stdout, ran.stderr].concat();
        Came { status: ran.status.code().unwrap(), outputs, log: String::from_utf8(log).unwrap() }
    }

    /// Returns whether the command comes to its end whatever the server has done.
    fn is_tolerable(&self) -> bool {
        let loses = |fault: &&Fault| **fault == Fault::Worker(Mishap::LosesInputs);
        let losses = self.answers.iter().filter(loses).count() + usize::from(self.lost);
        let cached = self.answers.iter().filter(|fault| **fault == Fault::CachedFailure).count();
        losses <= 1 && cached <= 1 && self.answers.len() == losses - usize::from(self.lost) + cached
    }
}

fn collect(at: &Path, path: &str, outputs: &mut BTreeMap<String, (Node, Vec<u8>)>) {
    let Ok(metadata) = at.symlink_metadata() else { return };
    let (node, bytes) = if metadata.is_symlink() {
        (Node::Symlink(fs::read_link(at).unwrap().to_str().unwrap().into()), Vec::new())
    } else if metadata.is_dir() {
        for entry in fs::read_dir(at).unwrap().flatten() {
            collect(&entry.path(), &format!("{path}/{}", entry.file_name().to_str().unwrap()), outputs);
        }
        (Node::Directory, Vec::new())
    } else {
        let bytes = fs::read(at).unwrap();
        let content = percache::store::record::Content { digest: Digest::of(&bytes), length: bytes.len() as u64 };
        (Node::File { content, executable: metadata.permissions().mode() & 0o100 != 0 }, bytes)
    };
    outputs.insert(path.to_owned(), (node, bytes));
}

fn answer(fault: &Fault) -> Answer {
    match fault {
        Fault::Worker(mishap) => Answer::Works(*mishap),
        Fault::CachedFailure => Answer::Cached(v2::ActionResult { exit_code: 1, ..Default::default() }),
        Fault::StreamEnds => Answer::Lost,
        Fault::Internal => Answer::Status(13, v2::ActionResult::default()),
        Fault::Unavailable => Answer::Fails(14, None),
    }
}

fn came(world: &World, executed: Executed) -> Came {
    let bytes_of = |node: &Node| {
        let mut bytes = Vec::new();
        if let Node::File { content, .. } = node {
            world.store.read(content, &mut bytes).unwrap();
        }
        bytes
    };
    let outputs = executed.outputs.into_iter().map(|(path, node)| {
        let bytes = bytes_of(&node);
        (path, (node, bytes))
    });
    let log = String::from_utf8(world.build.log.lock().unwrap().clone()).unwrap();
    Came { status: executed.status, outputs: outputs.collect(), log }
}

fn play(tasks: &[Task]) -> TestCaseResult {
    let farm = Farm::start(&[Answer::Works(Mishap::Nothing)]);
    let mut world = World::new(farm.port);
    let mut harmless = true;
    for task in tasks {
        if task.lost {
            farm.lose_all();
        }
        let answers: Vec<_> = task.answers.iter().map(answer).chain([Answer::Works(Mishap::Nothing)]).collect();
        farm.answer(&answers);
        world.command = task.command();
        let files =
            task.inputs().into_iter().map(|(path, (bytes, _))| (format!("{}{path}", task.base()), bytes.to_vec()));
        world.build.files = files.collect::<HashMap<_, _>>();
        world.build.log.lock().unwrap().clear();
        harmless &= task.is_tolerable();
        match world.execute() {
            Ok(executed) => prop_assert_eq!(came(&world, executed), task.run(), "there (left), here (right)"),
            Err(fault) => prop_assert!(!harmless, "{fault}"),
        }
    }
    Ok(())
}

#[test]
fn what_a_command_comes_to_there_is_what_it_comes_to_here() {
    let rounds = std::env::var("PERCACHE_EXECUTION_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let config = ProptestConfig { cases: rounds, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(&tasks(), |tasks| play(&tasks)).unwrap_or_else(|error| panic!("{error}"));
}
