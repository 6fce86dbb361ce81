//! Plays a history with the real binary and compares each build with the oracle.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::model::{Build, Edit, History, Kind, Project, content, source};
use super::oracle::{End, Unit};
use super::remote::{Remote, Way};
use super::theirs::some;
use super::world::{Owner, World};
use crate::sandbox::{Node, Run, Sandbox, Tree};

/// What is younger than the file system's clock can tell is looked at again in any case; this much older, its stamp stands for it.
pub const PAUSE: Duration = Duration::from_millis(25);

/// Whether the store holds the result of a key. After a kill that is not known.
#[derive(Clone, Copy, PartialEq)]
pub enum Known {
    Surely,
    Maybe,
    /// It has the result without the contents of its outputs: it holds while they lie there.
    WhileThere,
}

pub struct Player {
    pub ws: Sandbox,
    /// The remote that all clones share, and what the next build does with it.
    pub remote: Option<Rc<RefCell<Remote>>>,
    pub way: Way,
    /// Whether it takes only the outputs that are wanted.
    pub wanted: bool,
    pub project: Project,
    /// As it was last written.
    pub config: Option<String>,
    pub results: BTreeMap<String, Known>,
    pub world: World,
    /// What the user wrote among the outputs, and where: each text is there once, and must be somewhere as long as nobody
    /// but percache takes it away.
    pub owed: BTreeMap<String, String>,
    /// Directories in which something of the user's was, or of a store that is gone: nobody but the user removes them.
    pub kept: BTreeSet<String>,
    /// The outputs of the last build, and nothing happened since, if it was of everything and succeeded.
    pub settled: Option<Tree>,
    /// The last build was of everything and succeeded.
    pub whole: bool,
    pub killed: Option<Instant>,
    /// A directory of outputs that the user keeps elsewhere during one build, by a symlink.
    pub linked: Option<String>,
    pub outside: bool,
    pub git: bool,
    /// How many names the workspace has had, and how many texts the user has written.
    pub names: usize,
    pub texts: usize,
}

impl Player {
    /// A new clone of a project.
    pub fn new(history: &History, remote: &Option<Rc<RefCell<Remote>>>, project: Project) -> Player {
        let ws = Sandbox::empty();
        // Not ignored, both would be inputs of a task that declares none.
        ws.write(".gitignore", "dep/\nforeign*\nparams.yaml\n");
        for directory in ["pool/one", "well/two"] {
            std::fs::create_dir_all(ws.path(directory)).expect("creating a directory");
        }
        if history.git {
            ws.shell("git init -q .");
        }
        let mut player = Player {
            ws,
            remote: remote.clone(),
            way: Way::Apart,
            wanted: false,
            project: Project::default(),
            config: None,
            results: BTreeMap::new(),
            world: World::default(),
            owed: BTreeMap::new(),
            kept: BTreeSet::new(),
            settled: None,
            whole: false,
            killed: None,
            linked: None,
            outside: history.outside,
            git: history.git,
            names: 0,
            texts: 0,
        };
        player.note_root();
        player.become_project(project);
        player
    }

    pub fn note_root(&mut self) {
        self.world.root = self.ws.root().display().to_string();
    }

    pub fn edit(&mut self, edit: &Edit, earlier: &[Project]) {
        self.settled = None;
        match edit {
            Edit::Rename { from, to } if self.project.sources.contains_key(source(*from)) => {
                let to = self.ws.path(source(*to));
                std::fs::create_dir_all(to.parent().expect("a directory above")).expect("creating a directory");
                std::fs::rename(self.ws.path(source(*from)), to).expect("renaming a source");
                self.project.edit(edit, &[]);
                self.write_config();
            }
            Edit::Touch { source: name } if self.project.sources.contains_key(source(*name)) => {
                self.ws.touch(source(*name))
            }
            Edit::DeleteAllOutputs if self.ws.exists("out") => self.ws.remove("out"),
            // The configuration may not fit the edits before this one; then nothing is removed.
            Edit::Clean => drop(self.ws.percache(["clean"])),
            Edit::DeleteOutput { output } => {
                let outputs: Vec<String> = self.ws.outputs().into_keys().collect();
                if let Some(path) = some(&outputs, *output) {
                    self.ws.remove(path);
                }
            }
            Edit::Foreign { slot, number } => {
                let path = self.foreign(*slot, *number);
                self.write_theirs(&path);
            }
            Edit::WriteOver { output } => {
                let files = self.ws.outputs().into_iter().filter(|(_, node)| matches!(node, Node::File { .. }));
                let files: Vec<String> = files.map(|(path, _)| path).collect();
                if let Some(path) = some(&files, *output) {
                    self.write_theirs(path);
                }
            }
            Edit::Track { number } if self.git => self.track(*number),
            Edit::Move => self.relocate(Sandbox::move_to),
            // A copy has other times: what a killed build left is known by them.
            Edit::Copy if self.killed.is_none() => self.relocate(Sandbox::copy_to),
            Edit::RemoveStore => self.remove_store(),
            _ => {
                let mut project = self.project.clone();
                project.edit(edit, earlier);
                self.become_project(project);
            }
        }
    }

    /// Writes what differs, as a switch of branches does.
    pub fn become_project(&mut self, project: Project) {
        for path in self.project.sources.keys().filter(|path| !project.sources.contains_key(*path)) {
            self.ws.remove(path);
        }
        for (path, text) in project.sources.iter().filter(|(path, text)| self.project.sources.get(*path) != Some(*text))
        {
            self.ws.write(path, text);
        }
        let before = if self.config.is_none() { BTreeMap::new() } else { self.project.links() };
        for (path, target) in project.links().into_iter().filter(|(path, target)| before.get(path) != Some(target)) {
            if self.ws.exists(path) {
                self.ws.remove(path);
            }
            self.ws.symlink(target, path);
        }
        let first = self.config.is_none();
        if first || self.project.params != project.params {
            self.ws.write("params.yaml", project.params());
        }
        if first || self.project.external != project.external {
            let text = content(project.external);
            std::fs::write(self.ws.outside("external.txt"), text).expect("writing beside the workspace");
        }
        self.forget_globs_of_a_kill(&project);
        self.project = project;
        self.write_config();
    }

    /// What a killed build left at a glob of a task that is gone could as well be the user's: it stays until they
    /// remove it.
    fn forget_globs_of_a_kill(&mut self, project: &Project) {
        let is_globbed = |project: &Project, slot: u8| {
            project.tasks.get(&slot).is_some_and(|task| matches!(task.kind, Kind::Globbed { .. }))
        };
        let gone = self.project.tasks.keys().filter(|slot| is_globbed(&self.project, **slot));
        for slot in gone.filter(|slot| self.killed.is_some() && !is_globbed(project, **slot)) {
            let place = format!("out/t{slot}.globs");
            if self.ws.exists(&place) {
                self.ws.remove(&place);
            }
        }
    }

    fn write_config(&mut self) {
        // Rewritten, it would have every task judged anew.
        let store = if self.outside { "cache.dir = \"../store\"\n" } else { "" };
        let text = format!("{store}{}", self.project.config());
        if self.config.as_ref() != Some(&text) {
            self.ws.config(&text);
            self.config = Some(text);
        }
    }

    pub fn build(&mut self, build: &Build) -> TestCaseResult {
        self.look_again();
        let units = self.project.units(&self.world);
        let all: BTreeSet<usize> = (0..units.len()).collect();
        match build {
            Build::Full => self.build_and_check(&all, None),
            Build::Repeated => (0..3).try_for_each(|_| {
                std::thread::sleep(PAUSE);
                self.build_and_check(&all, None)
            }),
            Build::Named { slot } => match self.project.some_slot(*slot) {
                Some(slot) => self.build_and_check(&closure(&units, slot), Some(self.project.name(slot))),
                None => self.build_and_check(&all, None),
            },
            Build::Killed { after } => self.build_and_kill(Duration::from_millis(u64::from(*after))),
            Build::Tampered { output, how } => {
                if let Some(outputs) = self.settled.take() {
                    self.tamper(&outputs, *output, *how);
                    self.look_again();
                }
                let before = self.moved_away().filter(|_| self.linked.is_none());
                self.build_and_check(&all, None)?;
                prop_assert_eq!(self.moved_away(), before, "what a symlink led to has changed (left)");
                Ok(())
            }
        }
    }

    fn build_and_kill(&mut self, after: Duration) -> TestCaseResult {
        (self.settled, self.whole) = (None, false);
        let mut command = self.build_command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starting percache");
        std::thread::sleep(after);
        child.kill().expect("killing percache");
        child.wait().expect("waiting for percache");
        self.killed = Some(Instant::now());
        self.ws.wait_for_orphans();
        self.world.ran = self.ws.newly_tallied().into_iter().collect();
        let units = self.project.units(&self.world);
        let succeeds = |unit: &&Unit| unit.stored && matches!(unit.end, End::Succeeds(_));
        for unit in units.iter().filter(|unit| self.world.ran.contains(&unit.label)).filter(succeeds) {
            self.results.entry(unit.key.clone()).or_insert(Known::Maybe);
            self.add_to_remote(unit, Known::Maybe);
        }
        let may_have_come: Vec<&Unit> = units.iter().filter(|unit| self.on_remote(unit).is_some()).collect();
        for unit in may_have_come {
            self.results.entry(unit.key.clone()).or_insert(Known::Maybe);
        }
        self.check_nothing_lost("after a kill")?;
        self.tidy_after_a_kill();
        Ok(())
    }

    /// The user takes away what would be theirs or the killed build's, depending on how far that came.
    fn tidy_after_a_kill(&mut self) {
        self.look_again();
        let (project, world) = (&self.project, &self.world);
        let doubtful = |path: &String, node: &Node| match world.owner(project, path) {
            Owner::Nobody => false,
            Owner::Named(_) => true,
            Owner::Matched(_) => *node == Node::Directory || world.recorded.contains(path),
        };
        let theirs = world.theirs.iter().filter(|(path, node)| doubtful(path, node));
        let doubtful: Vec<String> = theirs.map(|(path, _)| path.clone()).collect();
        doubtful.iter().for_each(|path| self.ws.remove(path));
        self.look_again();
    }

    pub fn build_command(&self) -> Command {
        let mut command = self.ws.command("");
        command.args(["build", "-k"]);
        if let Some(remote) = &self.remote {
            remote.borrow().give_to(&mut command, self.way, self.wanted);
        }
        command
    }

    fn build_and_check(&mut self, wanted: &BTreeSet<usize>, name: Option<String>) -> TestCaseResult {
        // What is gone is made anew by whoever makes it.
        let outputs = self.ws.outputs();
        self.kept.retain(|path| outputs.contains_key(path));
        let was_linked = self.linked.is_some();
        let run = self.ws.run(self.build_command().args(&name));
        self.check(wanted, name.is_none(), run, &outputs, was_linked)
    }

    /// Compares what a build of these has done with what it had to do.
    pub fn check(
        &mut self,
        wanted: &BTreeSet<usize>,
        of_everything: bool,
        run: Run,
        before: &Tree,
        was_linked: bool,
    ) -> TestCaseResult {
        self.take_back(&run.output())?;
        self.world.ran = run.commands.iter().cloned().collect();
        self.find_empty_directories();
        let units = self.project.units(&self.world);
        let wanted_units: Vec<&Unit> = wanted.iter().map(|index| &units[*index]).collect();
        let succeeds = wanted_units.iter().all(|unit| matches!(unit.end, End::Succeeds(_)));
        prop_assert_eq!(run.status, i32::from(!succeeds), "{}", run.output());
        self.check_minimal(&wanted_units, &run, before, was_linked)?;
        self.check_shared(&wanted_units, &run)?;
        self.check_nothing_lost(&run.output())?;
        self.settle(&wanted_units);
        let may_stay = if self.wanted { needed(&units, wanted) } else { BTreeSet::new() };
        let outputs = self.check_outputs(&wanted_units, &may_stay, &run, succeeds && of_everything)?;
        self.learn(&wanted_units, &may_stay);
        if of_everything {
            self.killed = None;
        }
        self.whole = succeeds && of_everything;
        self.settled =
            Some(outputs).filter(|_| self.whole && !self.wanted && wanted_units.iter().all(|unit| unit.stored));
        Ok(())
    }
}

/// What some of these units need: its outputs are not wanted for their own sake.
fn needed(units: &[Unit], built: &BTreeSet<usize>) -> BTreeSet<String> {
    let needs = built.iter().flat_map(|index| &units[*index].needs);
    needs.map(|need| units[*need].label.clone()).collect()
}

/// A task's units and what they need.
fn closure(units: &[Unit], slot: u8) -> BTreeSet<usize> {
    let mut closure: BTreeSet<usize> = (0..units.len()).filter(|index| units[*index].slot == slot).collect();
    for index in (0..units.len()).rev() {
        if closure.contains(&index) {
            closure.extend(&units[index].needs);
        }
    }
    closure
}
