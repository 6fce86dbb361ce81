//! Tests of which changes matter to the watched tasks.

use crate::worktree::journal::TaskRecord;
use percache::base::clock::{Micros, Time};
use std::fs;

use super::*;
use crate::config;

/// A workspace on disk, and the scope that is watched in it.
struct Sample {
    _temp: tempfile::TempDir,
    workspace: Workspace,
    graph: TaskGraph,
    tasks: Vec<TaskId>,
    journal: Journal,
    failed: Vec<String>,
    written: HashSet<RelPath>,
    caller: Caller,
}

impl Sample {
    fn new(config: &str, files: &[&str]) -> Sample {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "1").unwrap();
        }
        fs::write(root.join("percache.toml"), config).unwrap();
        let request = config::Request { args: Vec::new(), store: None, made: None };
        let workspace = config::load(&root, &request).unwrap();
        let graph = TaskGraph::new(&workspace);
        let tasks = workspace.ids().collect();
        let (journal, failed, written, caller) = Default::default();
        Sample { _temp: temp, workspace, graph, tasks, journal, failed, written, caller }
    }

    fn scope(&self) -> Scope<'_> {
        let Sample { workspace, graph, tasks, journal, failed, written, caller, .. } = self;
        Scope { workspace, graph, tasks, skip: &[], caller, journal, failed, written }
    }

    fn look(&self) -> Reads {
        Reads::look(self.scope(), &KnownFiles::new())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.workspace.root.join(path)
    }

    fn changed(&self, before: &Reads, began: i64) -> Vec<String> {
        let changes = self.look().changed_since(before, &self.workspace.root, began);
        changes.into_iter().map(|change| String::from_utf8(change.path).unwrap()).collect()
    }
}

const COPY: &str = r#"
    [task.gen]
    command = "true"
    inputs = []
    outputs = ["src/gen.c"]
    [task.copy]
    command = "true"
    inputs = ["src/*.c", "later/x"]
    outputs = ["out/*"]
"#;

#[test]
fn only_contents_of_inputs_count() {
    let sample = Sample::new(COPY, &["src/a.c", "src/b.c", "src/gen.c", "src/x.h"]);
    let before = sample.look();
    fs::write(sample.path("src/a.c"), "1").unwrap();
    fs::write(sample.path("src/gen.c"), "2").unwrap();
    fs::write(sample.path("src/x.h"), "2").unwrap();
    fs::create_dir(sample.path("later")).unwrap();
    assert!(sample.changed(&before, 0).is_empty());
    fs::write(sample.path("src/a.c"), "2").unwrap();
    fs::remove_file(sample.path("src/b.c")).unwrap();
    fs::write(sample.path("src/c.c"), "").unwrap();
    fs::write(sample.path("later/x"), "").unwrap();
    assert_eq!(sample.changed(&before, 0), ["later/x", "src/a.c", "src/b.c", "src/c.c"]);
}

#[test]
fn files_are_looked_at_again_by_themselves() {
    let sample = Sample::new(COPY, &["src/a.c", "src/b.c"]);
    let root = &sample.workspace.root;
    let mut reads = sample.look();
    let both = BTreeSet::from([sample.path("src/a.c"), sample.path("src/b.c")]);
    assert!(reads.look_again(root, &both).is_empty());
    fs::write(sample.path("src/b.c"), "2").unwrap();
    let found = reads.look_again(root, &both);
    assert_eq!(found.iter().map(|(change, _)| change.path.as_slice()).collect::<Vec<_>>(), [b"src/b.c"]);
    reads.update(found);
    assert!(reads.look_again(root, &both).is_empty());
    assert!(sample.changed(&reads, 0).is_empty());
}

#[test]
fn a_path_concerns_the_tasks_as_far_as_it_can_be_read() {
    let sample = Sample::new(COPY, &["src/a.c", "src/x.h", "node_modules/y"]);
    let reads = sample.look();
    let concern = |path: &str| reads.concern(sample.scope(), &sample.path(path));
    assert_eq!(concern("src/a.c"), Concern::File);
    for path in ["src/new.c", "later", "later/x", "src"] {
        assert_eq!(concern(path), Concern::Structure, "{path}");
    }
    for path in ["src/x.h", "src/gen.c", "out/a", "node_modules", "node_modules/y", "README", ".git/index"] {
        assert_eq!(concern(path), Concern::Nothing, "{path}");
    }
    let directories: Vec<_> = reads.directories().iter().map(|dir| dir.strip_prefix(&sample.workspace.root)).collect();
    assert_eq!(directories, ["", "later", "src"].map(|dir| Ok(Path::new(dir))));
}

#[test]
fn what_a_task_turns_out_to_read_counts_from_then_on() {
    let mut sample = Sample::new(COPY, &["src/a.c", "include/old.h", "include/new.h"]);
    let before = sample.look();
    let found = ["include/new.h", "include/old.h"].map(|path| path.as_bytes().to_vec());
    let began = moment();
    std::thread::sleep(std::time::Duration::from_millis(30));
    fs::write(sample.path("include/new.h"), "2").unwrap();
    sample.journal.tasks.insert("copy".into(), record(found.to_vec()));
    assert_eq!(sample.changed(&before, began), ["include/new.h"], "it was written while the build ran");
    let before = sample.look();
    assert!(sample.changed(&before, 0).is_empty());
    fs::write(sample.path("include/old.h"), "3").unwrap();
    assert_eq!(sample.changed(&before, 0), ["include/old.h"]);
}

#[test]
fn of_a_failed_task_with_a_depfile_every_source_counts() {
    let config = format!("{COPY}depfile = \"out/x.d\"\n");
    let mut sample = Sample::new(&config, &["src/a.c", ".gitignore"]);
    fs::write(sample.path(".gitignore"), "*.log\n").unwrap();
    let idle = sample.look();
    fs::write(sample.path("include.h"), "").unwrap();
    assert!(sample.changed(&idle, 0).is_empty());
    sample.failed.push("copy".into());
    let before = sample.look();
    fs::write(sample.path("new.h"), "").unwrap();
    fs::write(sample.path("x.log"), "").unwrap();
    assert_eq!(sample.changed(&before, 0), ["new.h"]);
}

#[test]
fn what_the_next_build_removes_does_not_count() {
    let mut sample = Sample::new(COPY, &["src/old.c"]);
    sample.journal.tasks.insert(
        "gone".into(),
        TaskRecord {
            outputs: percache::store::manifest::Manifest::from_found(vec![percache::store::record::Entry::new(
                *b"src/old.c",
                percache::store::record::Node::Directory,
            )]),
            ..record(Vec::new())
        },
    );
    sample.written = abandoned(&sample.graph, &sample.journal);
    let before = sample.look();
    fs::remove_file(sample.path("src/old.c")).unwrap();
    sample.written.clear();
    assert!(sample.changed(&before, 0).is_empty());
}

fn record(discovered: Vec<Vec<u8>>) -> TaskRecord {
    TaskRecord {
        key: None,
        fingerprint: percache::store::id::Fingerprint::default(),
        created: Time::EPOCH,
        took: Micros::ZERO,
        previous: None,
        discovered: discovered.into_iter().collect(),
        outputs: Default::default(),
        failed: false,
        on_remote: false,
        uncertain: Vec::new(),
        evidence: Default::default(),
    }
}
