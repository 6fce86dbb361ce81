//! Tests of the seam, with an executor that works without touching the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use percache::Digest;
use percache::base::clock::Micros;
use percache::db::memory::MemoryEngine;
use percache::store::Store;
use percache::store::id::WorkspaceId;
use percache::store::record::{Content, Entry, Node};

use super::*;
use crate::action::context::{Accept, Check, Download, Force, HitLogs, Options, Tools};
use crate::action::directories::Directories;
use crate::action::done::Done;
use crate::action::explain::Why;
use crate::action::further::Documents;
use crate::action::job::{self, Job};
use crate::action::servers::Servers;
use crate::config::{self, Request};
use crate::fs::displaced::Displaced;
use crate::fs::git_index::GitIndex;
use crate::fs::staging::Staging;
use crate::fs::stat_cache::{FileState, Observer};
use crate::graph::TaskGraph;
use crate::model::event::Outcome;
use crate::model::path::RelPath;
use crate::model::{Caller, Workspace};
use crate::worktree::journal::{Journal, TaskRecord};
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;
use crate::worktree::ownership::survey;

const CONFIG: &str = "
[task.build]
command = 'make it'
inputs = ['src/*']
outputs = ['out/*', 'out/main']
";

/// Answers with what it was given, and with the inputs' digests in `out/main`.
struct Elsewhere<'a> {
    store: &'a Store,
    /// Further outputs, and their contents.
    further: &'a [(&'a str, &'a str)],
    failure: Option<Failure>,
    runs: AtomicUsize,
}

impl<'a> Elsewhere<'a> {
    fn new(store: &'a Store, further: &'a [(&'a str, &'a str)]) -> Elsewhere<'a> {
        Elsewhere { store, further, failure: None, runs: AtomicUsize::new(0) }
    }

    fn entry(&self, path: &str, text: &str) -> Entry {
        let content = self.store.add(&mut text.as_bytes(), &mut |_| ()).unwrap();
        Entry::new(path, Node::File { content, executable: false })
    }
}

impl Executor for Elsewhere<'_> {
    fn execute(&self, action: &Action<'_>, _: &Stop, output: &mut Output<'_>) -> Result<Executed, Trouble> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        output.begin();
        output.write(Stream::Out, b"half a log of an attempt");
        output.begin();
        output.write(Stream::Out, b"made elsewhere\n");
        let digests = action.prepared.inputs.iter().filter_map(|(path, state)| match state {
            FileState::File { digest, .. } => Some(format!("{path} {digest}\n")),
            _ => None,
        });
        let mut entries = vec![self.entry("out/main", &digests.collect::<String>())];
        entries.extend(self.further.iter().map(|(path, text)| self.entry(path, text)));
        Ok(Executed {
            failure: self.failure.clone(),
            status: 0,
            took: Duration::from_secs(3),
            began: Moment::now(),
            left: Left::Stored(Manifest::from_found(entries)),
            remote: None,
        })
    }
}

/// A worktree with one task.
struct World {
    dir: tempfile::TempDir,
    workspace: Workspace,
    graph: TaskGraph,
    store: Arc<Store>,
    journal: Journal,
    options: Options,
    stop: Stop,
}

impl World {
    fn new(config: &str) -> World {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("work");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(dir.path().join("staging")).unwrap();
        fs::write(root.join("src/a.txt"), "a").unwrap();
        fs::write(root.join("percache.toml"), config).unwrap();
        let workspace = config::load(&root, &Request::default()).unwrap();
        let options = Options {
            keep_going: false,
            force: Force::No,
            accept: Accept::No,
            check: Check::Sample,
            dry_run: false,
            pull: false,
            download: Download::All,
            explain: true,
            hit_logs: HitLogs::All,
        };
        World {
            graph: TaskGraph::new(&workspace),
            workspace,
            store: Arc::new(Store::new(Arc::new(MemoryEngine::new()))),
            journal: Journal::default(),
            options,
            stop: Stop::manual().unwrap(),
            dir,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.workspace.root.join(path)
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// Does what a build does for the task, and keeps its record in the journal.
    fn build(&mut self, executor: &dyn Executor) -> Done {
        let done = self.run(executor);
        if let Some(record) = &done.record {
            self.journal.tasks.insert("build".to_owned(), record.clone());
        }
        done
    }

    fn record(&self) -> &TaskRecord {
        &self.journal.tasks["build"]
    }

    fn run(&self, executor: &dyn Executor) -> Done {
        let (root, id) = (&self.workspace.root, TaskId(0));
        let observer = Observer::new(root, &self.journal.files);
        let previous = survey(&observer, &self.graph.outputs, &self.journal, &[], &[]).unwrap().owned;
        let (caller, servers) = (Caller::new(), Servers::default());
        let ctx = Context {
            workspace: &self.workspace,
            graph: &self.graph,
            options: &self.options,
            jobs: 1,
            observer,
            store: Some(&*self.store),
            trusted: true,
            journal: &self.journal,
            worktree: self.dir.path(),
            staging: Staging::in_worktree(self.dir.path().join("staging")),
            intents: None,
            claimant: None,
            servers: &servers,
            holder: "a test",
            caller: &caller,
            stop: &self.stop,
            listener: &(),
            store_dir: self.dir.path(),
            skip: Vec::new(),
            place: WorkspaceId::new(Digest::of(b"here")),
            previous,
            displaced: Displaced::at(self.dir.path().join("displaced"), root),
            directories: Directories::new(&[]),
            needed: OnceLock::new(),
            git: GitIndex::open(root),
            kept: Mutex::default(),
            stuck: BTreeSet::new(),
            tools: Tools::default(),
            documents: Documents::default(),
            contents: Contents::new(root, Some(&*self.store), Texts::at(self.dir.path().join("texts"))),
            carries: false,
            untouched: Vec::new(),
            places: OnceLock::new(),
            remote: None,
            executor: Some(executor),
            away: None,
            budget: None,
            sources: OnceLock::new(),
            promised: Mutex::default(),
            trouble: Mutex::new(None),
        };
        let task = self.workspace.task(id);
        let tell = |_| ();
        let (deps, servers) = (Vec::new(), Vec::new());
        let job = Job {
            id,
            task,
            deps,
            servers,
            foreground: false,
            force: false,
            as_before: false,
            check: false,
            leave: false,
            complete: true,
            tell: &tell,
        };
        let done = job::run(&ctx, &job).unwrap_or_else(|pending| panic!("{pending:?}"));
        assert_eq!(ctx.trouble.into_inner().unwrap(), None);
        self.store.flush().unwrap();
        done
    }
}

fn main_of(text: &str) -> String {
    format!("src/a.txt {}\n", Digest::of(text.as_bytes()))
}

#[test]
fn what_is_left_in_the_store_is_restored_recorded_and_explained() {
    let mut world = World::new(CONFIG);
    let store = world.store.clone();
    let elsewhere = Elsewhere::new(&store, &[]);
    let done = world.build(&elsewhere);
    assert_eq!(done.outcome, Outcome::Ran);
    assert_eq!(done.reason, Some(Why::FirstTime));
    assert_eq!(done.log.bytes, b"made elsewhere\n", "of the last attempt alone");
    assert_eq!(done.visible.unwrap().outputs, [RelPath::new("out/main").unwrap()]);
    assert_eq!(world.text("out/main"), Some(main_of("a")));
    let stored = store.result(&world.record().key.unwrap()).unwrap().expect("a result");
    assert_eq!((stored.took, stored.outputs), (Micros::new(3_000_000), world.record().outputs.clone()));
    assert_eq!(world.build(&elsewhere).outcome, Outcome::UpToDate);
    fs::remove_file(world.path("out/main")).unwrap();
    let done = world.build(&elsewhere);
    assert_eq!((done.outcome, done.log.bytes), (Outcome::Restored, b"made elsewhere\n".to_vec()));
    assert_eq!(world.text("out/main"), Some(main_of("a")));
    assert_eq!(elsewhere.runs.load(Ordering::Relaxed), 1);
    fs::write(world.path("src/a.txt"), "b").unwrap();
    let done = world.build(&elsewhere);
    let Some(Why::Changed(changes)) = done.reason else { panic!("{:?}", done.reason) };
    assert_eq!(changes.iter().map(|change| change.name.as_slice()).collect::<Vec<_>>(), [b"src/a.txt"]);
    assert_eq!((done.outcome, world.text("out/main")), (Outcome::Ran, Some(main_of("b"))));
    assert_eq!(elsewhere.runs.load(Ordering::Relaxed), 2);
}

#[test]
fn what_lies_in_the_way_of_stored_outputs_is_displaced_and_old_outputs_go() {
    let mut world = World::new(CONFIG);
    let store = world.store.clone();
    fs::create_dir(world.path("out")).unwrap();
    fs::write(world.path("out/main"), "somebody's own").unwrap();
    let done = world.build(&Elsewhere::new(&store, &[("out/old", "x")]));
    assert!(done.moved.is_some());
    assert_eq!((world.text("out/main"), world.text("out/old")), (Some(main_of("a")), Some("x".to_owned())));
    fs::write(world.path("src/a.txt"), "b").unwrap();
    let done = world.build(&Elsewhere::new(&store, &[]));
    assert!(done.moved.is_none());
    assert_eq!((world.text("out/main"), world.text("out/old")), (Some(main_of("b")), None));
}

#[test]
fn a_command_that_fails_elsewhere_leaves_the_tree_as_it_was() {
    let mut world = World::new(CONFIG);
    let store = world.store.clone();
    world.build(&Elsewhere::new(&store, &[("out/old", "x")]));
    let record = world.record().clone();
    fs::write(world.path("src/a.txt"), "b").unwrap();
    let failing = Elsewhere { failure: Some(Failure::Exit(2)), ..Elsewhere::new(&store, &[]) };
    assert_eq!(world.build(&failing).outcome, Outcome::Failed(Failure::Exit(2)));
    assert_eq!(world.text("out/main"), Some(main_of("a")));
    assert_eq!(*world.record(), record, "which is the last result's");
    fs::write(world.path("src/a.txt"), "a").unwrap();
    assert_eq!(world.build(&failing).outcome, Outcome::UpToDate);
    fs::write(world.path("src/a.txt"), "b").unwrap();
    let done = world.build(&Elsewhere::new(&store, &[]));
    assert_eq!((done.outcome, done.moved.is_some()), (Outcome::Ran, false));
    assert_eq!((world.text("out/main"), world.text("out/old")), (Some(main_of("b")), None));
}

#[test]
fn what_the_executor_did_not_hand_over_is_a_failure_and_the_tree_stays_as_it_was() {
    struct Empty(Vec<Entry>);
    impl Executor for Empty {
        fn execute(&self, _: &Action<'_>, _: &Stop, _: &mut Output<'_>) -> Result<Executed, Trouble> {
            let left = Left::Stored(Manifest::from_found(self.0.clone()));
            Ok(Executed { failure: None, status: 0, took: Duration::ZERO, began: Moment::now(), left, remote: None })
        }
    }
    let mut world = World::new(CONFIG);
    let done = world.build(&Empty(Vec::new()));
    assert_eq!(done.outcome, Outcome::Failed(Failure::MissingOutputs(vec!["out/main".to_owned()])));
    let content = Content { digest: Digest::of(b"never handed over"), length: 17 };
    let lost = Entry::new("out/main", Node::File { content, executable: false });
    let done = world.build(&Empty(vec![lost]));
    let Outcome::Failed(Failure::Error(trouble)) = &done.outcome else { panic!("{:?}", done.outcome) };
    assert!(trouble.message.starts_with("its outputs cannot be fetched: "), "{}", trouble.message);
    let foreign = Entry::new("src/a.txt", Node::Symlink(b"elsewhere".to_vec()));
    let main = Entry::new("out/main", Node::Symlink(b"elsewhere".to_vec()));
    let done = world.build(&Empty(vec![main, foreign]));
    assert!(matches!(done.outcome, Outcome::Failed(Failure::Error(_))), "{:?}", done.outcome);
    assert_eq!((world.text("src/a.txt").as_deref(), world.text("out/main")), (Some("a"), None));
    assert!(world.record().failed && world.record().key.is_none());
}

#[test]
fn a_depfile_in_the_store_is_read_there_and_does_not_come_into_the_tree() {
    let mut world = World::new(&format!("{CONFIG}depfile = 'deps.d'\n"));
    let store = world.store.clone();
    fs::write(world.path("found.h"), "1").unwrap();
    let elsewhere = Elsewhere::new(&store, &[("deps.d", "out/main: found.h\n")]);
    assert_eq!(world.build(&elsewhere).outcome, Outcome::Ran);
    assert_eq!(world.text("deps.d"), None);
    assert_eq!(*world.record().discovered, [b"found.h".to_vec()]);
    assert_eq!(world.build(&elsewhere).outcome, Outcome::UpToDate);
    fs::write(world.path("found.h"), "2").unwrap();
    let done = world.build(&elsewhere);
    assert!(matches!(&done.reason, Some(Why::Changed(changes)) if changes[0].name == b"found.h"), "{:?}", done.reason);
    let done = world.build(&Elsewhere::new(&store, &[]));
    assert_eq!(done.outcome, Outcome::UpToDate);
    fs::write(world.path("found.h"), "3").unwrap();
    let done = world.build(&Elsewhere::new(&store, &[]));
    let Outcome::Failed(Failure::Error(trouble)) = &done.outcome else { panic!("{:?}", done.outcome) };
    assert_eq!(trouble.message, "its depfile `deps.d` cannot be read: it was not written");
}
