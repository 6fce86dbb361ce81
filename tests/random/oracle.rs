//! What a build has to do, computed without percache: the outputs of every task, and for each what its result depends on.
//!
//! Knows nothing of stores or earlier builds.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::model::{FIXED, Kind, Project, Task, content};
use super::world::{Owner, World};
use crate::sandbox::{Node, Tree};

/// One concrete task.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What its command reports.
    pub label: String,
    /// The task that it is an instance of.
    pub slot: u8,
    /// The task and file that it is an instance for; `None` if it is the only one.
    pub stem: Option<String>,
    /// Everything that its result depends on. Two units with one key have one result.
    pub key: String,
    pub end: End,
    /// Positions of the units that it needs.
    pub needs: Vec<usize>,
    /// Whether a run that succeeds is stored: nothing of unknown origin lay among what it made or read.
    pub stored: bool,
    /// Whether something of unknown origin lies among the outputs of a task that it names as a dependency and that did not run. It sees
    /// that when something else makes percache look at that task, and not before; what it makes then is another result.
    pub sees_strays: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With these outputs.
    Succeeds(Tree),
    Fails,
    /// Something that it needs fails.
    Skipped,
}

/// How a task's outputs are read by a shell and matched by a pattern; `None` if it has none that others read.
fn read_by(slot: u8, kind: &Kind) -> Option<(String, String)> {
    match kind {
        Kind::Link { .. } | Kind::Check { .. } | Kind::Setup { output: false, .. } => None,
        Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => {
            Some((format!("find out/t{slot} -name '*.txt' 2>/dev/null"), format!("out/t{slot}/*.txt")))
        }
        Kind::Directory { .. } => Some((format!("find out/t{slot}.dir -type f"), format!("out/t{slot}.dir"))),
        Kind::Globbed { .. } => Some((format!("find out/t{slot}.globs -name '*.o'"), format!("out/t{slot}.globs/*.o"))),
        _ => Some((format!("echo out/t{slot}.txt"), format!("out/t{slot}.txt"))),
    }
}

impl Project {
    pub(super) fn existing<'a>(&'a self, numbers: &'a [u8]) -> Vec<&'static str> {
        let mut names: Vec<_> = numbers.iter().map(|number| super::model::source(*number)).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.sources.contains_key(name));
        names
    }

    /// The tasks of these numbers below `slot`, without doubles.
    pub(super) fn below(&self, slot: u8, numbers: &[u8]) -> Vec<u8> {
        let mut slots: Vec<u8> = numbers.iter().copied().filter(|n| *n < slot && self.tasks.contains_key(n)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Of these, the tasks whose outputs others read.
    pub(super) fn readable(&self, slot: u8, numbers: &[u8]) -> Vec<(u8, String, String)> {
        let readable =
            |slot: u8| read_by(slot, &self.tasks[&slot].kind).map(|(script, pattern)| (slot, script, pattern));
        self.below(slot, numbers).into_iter().filter_map(readable).collect()
    }

    pub(super) fn upstream_each(&self, slot: u8, upstream: u8) -> Option<u8> {
        self.below(slot, &[upstream]).into_iter().find(|slot| self.is_each(*slot))
    }

    pub(super) fn is_each(&self, slot: u8) -> bool {
        matches!(self.tasks[&slot].kind, Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind)
    }

    pub fn name(&self, slot: u8) -> String {
        match self.tasks[&slot].alias {
            0 => format!("t{slot}"),
            alias => format!("renamed{alias}-{slot}"),
        }
    }

    /// Every unit, each behind those that it needs.
    pub fn units(&self, world: &World) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        for (slot, task) in &self.tasks {
            let new = match &task.kind {
                Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => {
                    self.each_units(*slot, task, &units, world)
                }
                _ => vec![self.single_unit(*slot, task, &units, world)],
            };
            units.extend(new);
        }
        units
    }

    fn text(&self, source: &str) -> &'static str {
        self.sources.get(source).copied().unwrap_or_default()
    }

    /// The directory that `dir.lnk` leads to; `None` if it leads nowhere.
    fn directory_behind(&self) -> Option<&'static str> {
        match self.place() {
            "none" => None,
            "over.lnk" => Some(FIXED[0].1),
            place => Some(place),
        }
    }

    /// The files in it, by the names that they have through the symlink.
    fn files_behind(&self) -> Vec<(String, &'static str)> {
        let Some(directory) = self.directory_behind() else { return Vec::new() };
        let name = |path: &str| Some(path.strip_prefix(directory)?.strip_prefix('/')?.to_owned());
        let files = self.sources.iter().filter_map(|(path, text)| Some((format!("dir.lnk/{}", name(path)?), *text)));
        files.collect()
    }

    /// What `file.lnk` leads to.
    fn text_behind(&self) -> Option<&'static str> {
        let target = if self.target() == FIXED[1].0 { FIXED[1].1 } else { self.target() };
        self.sources.get(target).copied()
    }

    /// What is at `dir.lnk/../up.txt`.
    fn text_above(&self) -> Option<&'static str> {
        let above = self.directory_behind()?.split('/').next()?;
        self.sources.get(format!("{above}/up.txt").as_str()).copied()
    }

    /// What of the symlinks counts for a task.
    fn links_read(&self, task: &Task) -> String {
        match &task.kind {
            // If there is no file, nothing is on the way to one.
            Kind::Behind { literal: false } if self.files_behind().is_empty() => String::new(),
            Kind::Behind { .. } | Kind::EachBehind => format!("->{}{:?}", self.place(), self.files_behind()),
            Kind::Through => format!("->{}{:?}", self.target(), self.text_behind()),
            Kind::Up => format!("->{}{:?}", self.place(), self.text_above()),
            Kind::All => format!("->{}->{}", self.place(), self.target()),
            Kind::Part { second: false } => format!("={}", self.params.0),
            Kind::Part { second: true } => format!("={}", self.params.1),
            Kind::External => format!("={:?}", content(self.external)),
            Kind::Templated { own: false } => format!("={}", self.level),
            _ => String::new(),
        }
    }

    fn each_units(&self, slot: u8, task: &Task, units: &[Unit], world: &World) -> Vec<Unit> {
        // File, its text, and the unit that makes it.
        let files: Vec<(String, End, Option<usize>)> = match &task.kind {
            Kind::EachOf { upstream } => {
                let upstream = self.upstream_each(slot, *upstream);
                let makers = units.iter().enumerate().filter(|(_, unit)| Some(unit.slot) == upstream);
                let file = |unit: &Unit| format!("out/t{}/{}.txt", unit.slot, unit.stem.as_deref().unwrap_or_default());
                let made = makers.map(|(index, unit)| (file(unit), unit.end.clone(), Some(index)));
                let directory = upstream.map(|slot| format!("out/t{slot}/"));
                let beside = |path: &&String| directory.as_ref().is_some_and(|above| path.starts_with(above));
                let theirs =
                    world.theirs.iter().filter(|(path, _)| beside(path) && world.owner(self, path) == Owner::Nobody);
                let found = |(path, node): (&String, &Node)| {
                    (path.clone(), End::Succeeds([(path.clone(), node.clone())].into()), None)
                };
                made.chain(theirs.map(found)).collect()
            }
            Kind::EachBehind => {
                let files = self.files_behind().into_iter();
                files.map(|(path, text)| (path.clone(), End::Succeeds([file(&path, text)].into()), None)).collect()
            }
            kind => {
                let deep = matches!(kind, Kind::Each { deep: true });
                let matches = |path: &str| path.starts_with("src/") && (deep || !path.contains("/deep/"));
                let sources = self.sources.iter().filter(|(path, _)| matches(path));
                sources.map(|(path, text)| (path.to_string(), End::Succeeds([file(path, text)].into()), None)).collect()
            }
        };
        let unit = |(path, end, maker): (String, End, Option<usize>)| {
            let stem = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".txt").to_owned();
            let end = match end {
                End::Succeeds(made) => {
                    let text = format!("{}\n{}", task.salt, bytes_of(made.get(&path)));
                    End::Succeeds([file(&format!("out/t{slot}/{stem}.txt"), &text)].into())
                }
                _ => End::Skipped,
            };
            // The definition is the same for all of them; the file and what it says make the difference, and the salt is in the output.
            let link = if matches!(task.kind, Kind::EachBehind) { self.place() } else { "" };
            let key = format!(
                "{}{link}{path}{end:?}",
                self.each_definition(slot, task.salt, &task.kind).split_once('\n').map_or("", |rest| rest.1)
            );
            Unit {
                label: format!("t{slot}-{stem}"),
                slot,
                stem: Some(stem),
                key,
                end,
                needs: maker.into_iter().collect(),
                stored: true,
                sees_strays: false,
            }
        };
        files.into_iter().map(unit).collect()
    }

    fn single_unit(&self, slot: u8, task: &Task, units: &[Unit], world: &World) -> Unit {
        let (upstream, explicit): (Vec<u8>, bool) = match &task.kind {
            Kind::Join { upstream, .. } => {
                (self.readable(slot, upstream).into_iter().map(|(slot, ..)| slot).collect(), false)
            }
            Kind::After { deps } => (self.below(slot, deps), true),
            _ => (Vec::new(), false),
        };
        let label = format!("t{slot}");
        let needs: Vec<usize> = (0..units.len()).filter(|index| upstream.contains(&units[*index].slot)).collect();
        let needed: Vec<&Unit> =
            upstream.iter().flat_map(|slot| units.iter().filter(move |unit| unit.slot == *slot)).collect();
        let mut key = self.definition(slot);
        if let Some((before, _)) = key.split_once("\ndeps = ") {
            key = before.to_owned(); // by which name a dependency is called does not count
        }
        for unit in &needed {
            let counts_by_key = explicit && matches!(&unit.end, End::Succeeds(made) if made.is_empty());
            let _ = if counts_by_key { write!(key, "{}", unit.key) } else { write!(key, "{:?}", unit.end) };
        }
        for (path, text) in self.sources_read(task) {
            let _ = write!(key, "{path}={text:?}");
        }
        key += &self.links_read(task);
        if matches!(task.kind, Kind::Tied { .. }) {
            key += &world.root;
        }
        let mut stored = world.unknown(self, slot).is_empty();
        let mut sees_strays = false;
        let mut read = BTreeMap::new();
        for upstream in &upstream {
            let all = world.beside(self, *upstream);
            let unknown = world.unknown(self, *upstream);
            // Who names its dependencies sees what these have found when they ran; of what else it reads, nobody has told.
            let made = needed.iter().filter(|unit| unit.slot == *upstream);
            let seen = match explicit {
                false => all.clone(),
                true if world.ran.contains(&format!("t{upstream}")) => {
                    let written = self.written(*upstream);
                    unknown.into_iter().filter(|(path, _)| !written.contains_key(path)).collect()
                }
                true => {
                    sees_strays |= !unknown.is_empty();
                    Tree::new()
                }
            };
            let _ = if seen.is_empty() { Ok(()) } else { write!(key, "+{seen:?}") };
            let made =
                made.filter_map(|unit| if let End::Succeeds(made) = &unit.end { Some(made.clone()) } else { None });
            // A result that was stored has what its command had read.
            let found = if explicit && !world.ran.contains(&label) { seen } else { all };
            let found = found.into_iter().filter(|(path, _)| !explicit || !path.contains("foreign"));
            let counts = !explicit || !self.is_each(*upstream);
            read.insert(*upstream, made.flatten().chain(found).filter(|_| counts).collect::<Tree>());
        }
        if matches!(task.kind, Kind::All) {
            let _ = write!(key, "{:?}", world.sources(self));
        }
        let mut texts: String = read.values().flat_map(Tree::values).map(|node| bytes_of(Some(node))).collect();
        if matches!(task.kind, Kind::Tied { .. }) {
            texts = format!("{}\n", world.root);
        }
        let end = match needed.iter().all(|unit| matches!(unit.end, End::Succeeds(_))) {
            true => self.end(slot, task, &texts).map_or(End::Fails, End::Succeeds),
            false => End::Skipped,
        };
        stored &= !sees_strays && !matches!(task.kind, Kind::Setup { .. });
        Unit { label, slot, stem: None, key, end, needs, stored, sees_strays }
    }

    /// The sources that count for a task, discovered ones included.
    fn sources_read(&self, task: &Task) -> BTreeMap<&'static str, &'static str> {
        let wanted = |path: &str| match &task.kind {
            Kind::Join { sources, .. }
            | Kind::Directory { sources }
            | Kind::Globbed { sources }
            | Kind::Check { sources }
            | Kind::Tied { sources }
            | Kind::Setup { sources, .. } => self.existing(sources).contains(&path),
            Kind::Link { source } => self.existing(&[*source]).contains(&path),
            Kind::Glob { pattern } => {
                path.starts_with("src/")
                    && !(pattern % 3 == 0 && path.contains("/deep/"))
                    && !(pattern % 3 == 2 && path == "src/deep/e.txt")
            }
            Kind::All => true,
            Kind::Discover => path == "inc/f.txt" || path == "inc/g.txt" && self.text("inc/f.txt").contains("two"),
            Kind::Each { .. } | Kind::EachOf { .. } | Kind::After { .. } => false,
            // What is read through symlinks goes by other names.
            Kind::Behind { .. } | Kind::EachBehind | Kind::Through | Kind::Up => false,
            Kind::Part { .. } | Kind::External | Kind::Templated { .. } => false,
        };
        self.sources.iter().filter(|(path, _)| wanted(path)).map(|(path, text)| (*path, *text)).collect()
    }

    /// What the command of a task with a directory or a glob of outputs writes, be it that it fails then.
    pub fn written(&self, slot: u8) -> Tree {
        let task = &self.tasks[&slot];
        let plain: String = self.sources_read(task).values().copied().collect();
        match &task.kind {
            Kind::Directory { .. } => directory(slot, task.salt, &plain),
            Kind::Globbed { .. } => {
                let words = plain.split_whitespace().chain(["all"]);
                words.map(|word| file(&format!("out/t{slot}.globs/{word}.o"), &format!("{}\n", task.salt))).collect()
            }
            _ => Tree::new(),
        }
    }

    /// The stems of the files that a `foreach` has an instance for.
    pub fn stems(&self, slot: u8, theirs: &Tree) -> Vec<String> {
        let stem = |path: &str| path.rsplit('/').next().unwrap_or_default().trim_end_matches(".txt").to_owned();
        match &self.tasks[&slot].kind {
            Kind::EachOf { upstream } => {
                let Some(upstream) = self.upstream_each(slot, *upstream) else { return Vec::new() };
                let directory = format!("out/t{upstream}/");
                let found = theirs.keys().filter(|path| path.starts_with(&directory)).map(|path| stem(path));
                self.stems(upstream, theirs).into_iter().chain(found).collect()
            }
            Kind::EachBehind => self.files_behind().into_iter().map(|(path, _)| stem(&path)).collect(),
            Kind::Each { deep } => {
                let matches = |path: &str| path.starts_with("src/") && (*deep || !path.contains("/deep/"));
                self.sources.keys().filter(|path| matches(path)).map(|path| stem(path)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The outputs; `None` if the command fails.
    fn end(&self, slot: u8, task: &Task, upstream: &str) -> Option<Tree> {
        let salt = task.salt;
        let read = self.sources_read(task);
        let plain: String = read.values().copied().collect();
        let named: String = read.iter().map(|(path, text)| format!("{path}\n{text}")).collect();
        let text = |text: String| Some([file(&format!("out/t{slot}.txt"), &format!("{salt}\n{text}"))].into());
        match &task.kind {
            Kind::Join { .. } if (plain.clone() + upstream).contains("fail") => None,
            Kind::Join { .. } | Kind::After { .. } | Kind::Tied { .. } => text(plain + upstream),
            Kind::Glob { .. } => text(named),
            Kind::All => {
                let listed = read.iter().filter(|(path, _)| path.starts_with("src/") || path.starts_with("inc/"));
                text(listed.map(|(path, text)| format!("{path}\n{text}")).collect())
            }
            Kind::Behind { .. } => text(self.files_behind().into_iter().map(|(_, text)| text).collect()),
            Kind::Part { second: false } => text(format!("{}\n", self.params.0)),
            Kind::Part { second: true } => text(format!("{}\n", self.params.1)),
            Kind::External => text(content(self.external).to_owned()),
            Kind::Templated { own: true } => text("own\n".to_owned()),
            Kind::Templated { own: false } => text(format!("{}\n", self.level)),
            Kind::Through => text(self.text_behind().unwrap_or("none\n").to_owned()),
            Kind::Up => self.text_above().and_then(|found| text(found.to_owned())),
            Kind::Discover => {
                let next = self.text("inc/f.txt").contains("two");
                let there = |path: &str| self.sources.contains_key(path);
                if there("inc/f.txt") && (!next || there("inc/g.txt")) { text(plain) } else { None }
            }
            Kind::Directory { .. } | Kind::Globbed { .. } if plain.contains("fail") => None,
            Kind::Directory { .. } | Kind::Globbed { .. } => Some(self.written(slot)),
            Kind::Link { .. } => {
                Some([(format!("out/t{slot}.link"), Node::Symlink(format!("to-{}-{salt}", plain.len())))].into())
            }
            Kind::Setup { output: true, .. } => text(plain),
            Kind::Setup { .. } | Kind::Check { .. } | Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => {
                Some(Tree::new())
            }
        }
    }
}

fn file(path: &str, text: &str) -> (String, Node) {
    (path.to_owned(), Node::File { bytes: text.as_bytes().to_vec(), executable: false })
}

fn bytes_of(node: Option<&Node>) -> String {
    match node {
        Some(Node::File { bytes, .. }) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

fn directory(slot: u8, salt: u8, text: &str) -> Tree {
    let root = format!("out/t{slot}.dir");
    let mut tree = Tree::from([(root.clone(), Node::Directory), (format!("{root}/empty"), Node::Directory)]);
    for word in text.split_whitespace() {
        tree.insert(format!("{root}/{word}"), Node::Directory);
        tree.extend([file(&format!("{root}/{word}/{word}"), &format!("{salt}\n"))]);
        tree.insert(format!("{root}/link-{word}"), Node::Symlink(format!("{word}/{word}")));
        if word == "one" {
            tree.insert(format!("{root}/run"), Node::File { bytes: b"x".to_vec(), executable: true });
        }
    }
    tree
}
