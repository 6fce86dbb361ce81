//! A workspace of packages as data, in the words of each ecosystem; and what its tasks have to make.
//!
//! Knows nothing of percache's store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use proptest::prelude::*;

/// Packages are numbered; one depends on such with lower numbers only.
pub const SLOTS: u8 = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ecosystem {
    Npm,
    Cargo,
    Uv,
    Go,
}

#[derive(Clone, Debug, Default)]
pub struct Package {
    pub name: u8,
    pub dir: u8,
    pub source: u8,
    /// What it depends on: the kind of that, and the name that is written down.
    pub needs: BTreeMap<u8, (u8, u8)>,
    /// Whether it has a `percache.toml`.
    pub tasks: bool,
    /// Whether it is a package of the workspace.
    pub listed: bool,
    /// Whether the output has what those of its dependencies have.
    pub joins: bool,
}

#[derive(Clone, Debug)]
pub struct Project {
    pub ecosystem: Ecosystem,
    pub packages: BTreeMap<u8, Package>,
}

#[derive(Clone, Debug)]
pub enum Edit {
    Source { slot: u8, source: u8 },
    Depend { slot: u8, on: u8, kind: u8 },
    DependNoMore { slot: u8, on: u8 },
    Rename { slot: u8, name: u8, everywhere: bool },
    Move { slot: u8, dir: u8 },
    Add { slot: u8, package: Package },
    Remove { slot: u8 },
    Tasks { slot: u8 },
    List { slot: u8 },
    Join { slot: u8 },
}

/// What a task has to make: which command says so, everything that it depends on, and its output, if it has one.
#[derive(Clone, Debug)]
pub struct Unit {
    pub label: String,
    pub name: String,
    pub key: String,
    pub output: Option<(String, String)>,
    pub needs: BTreeSet<String>,
}

pub fn ecosystem() -> impl Strategy<Value = Ecosystem> {
    prop_oneof![Just(Ecosystem::Npm), Just(Ecosystem::Cargo), Just(Ecosystem::Uv), Just(Ecosystem::Go)]
}

fn slot() -> impl Strategy<Value = u8> {
    0..SLOTS
}

fn package() -> impl Strategy<Value = Package> {
    let needs = prop::collection::btree_map(slot(), (0..4u8).prop_map(|kind| (kind, 0)), 0..3);
    let flags = (prop::bool::weighted(0.8), prop::bool::weighted(0.9), prop::bool::weighted(0.7));
    (0..3u8, needs, flags).prop_map(|(source, needs, (tasks, listed, joins))| Package {
        name: 0,
        dir: 0,
        source,
        needs,
        tasks,
        listed,
        joins,
    })
}

pub fn packages() -> impl Strategy<Value = BTreeMap<u8, Package>> {
    prop::collection::btree_map(slot(), package(), 2..=usize::from(SLOTS))
}

pub fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (slot(), 0..3u8).prop_map(|(slot, source)| Edit::Source { slot, source }),
        4 => (slot(), slot(), 0..4u8).prop_map(|(slot, on, kind)| Edit::Depend { slot, on, kind }),
        2 => (slot(), slot()).prop_map(|(slot, on)| Edit::DependNoMore { slot, on }),
        2 => (slot(), 0..3u8, any::<bool>())
            .prop_map(|(slot, name, everywhere)| Edit::Rename { slot, name, everywhere }),
        1 => (slot(), 0..2u8).prop_map(|(slot, dir)| Edit::Move { slot, dir }),
        2 => (slot(), package()).prop_map(|(slot, package)| Edit::Add { slot, package }),
        1 => slot().prop_map(|slot| Edit::Remove { slot }),
        1 => slot().prop_map(|slot| Edit::Tasks { slot }),
        1 => slot().prop_map(|slot| Edit::List { slot }),
        1 => slot().prop_map(|slot| Edit::Join { slot }),
    ]
}

impl Project {
    pub fn new(ecosystem: Ecosystem, packages: BTreeMap<u8, Package>) -> Project {
        let mut project = Project { ecosystem, packages };
        // An ecosystem without any package is an error.
        let first = project.packages.entry(0).or_default();
        (first.tasks, first.listed) = (true, true);
        project
    }

    pub fn edit(&mut self, edit: &Edit) {
        let name_of = |project: &Project, slot: u8| project.packages.get(&slot).map_or(0, |package| package.name);
        let (at, lasting) = match edit {
            Edit::Add { slot, package } => {
                let known = self.packages.entry(*slot).or_default();
                *known = Package { name: known.name, dir: known.dir, ..package.clone() };
                (*slot, true)
            }
            Edit::Remove { slot } if *slot > 0 => return drop(self.packages.remove(slot)),
            Edit::Depend { slot, on, kind } => {
                let name = name_of(self, *on);
                if let Some(package) = self.packages.get_mut(slot) {
                    package.needs.insert(*on, (*kind, name));
                }
                return;
            }
            Edit::Rename { slot, name, everywhere } => {
                let followers = self.packages.values_mut().filter_map(|package| package.needs.get_mut(slot));
                followers.filter(|_| *everywhere).for_each(|need| need.1 = *name);
                self.packages.entry(*slot).and_modify(|package| package.name = *name);
                return;
            }
            Edit::Source { slot, .. }
            | Edit::DependNoMore { slot, .. }
            | Edit::Move { slot, .. }
            | Edit::Remove { slot }
            | Edit::Tasks { slot }
            | Edit::List { slot }
            | Edit::Join { slot } => (*slot, false),
        };
        let Some(package) = self.packages.get_mut(&at) else { return };
        match edit {
            Edit::Source { source, .. } => package.source = *source,
            Edit::DependNoMore { on, .. } => drop(package.needs.remove(on)),
            Edit::Move { dir, .. } => package.dir = *dir,
            Edit::Tasks { .. } => package.tasks ^= at > 0,
            Edit::List { .. } => package.listed ^= at > 0,
            Edit::Join { .. } => package.joins ^= true,
            _ => {}
        }
        if lasting && at == 0 {
            (package.tasks, package.listed) = (true, true);
        }
    }

    fn dir(&self, slot: u8) -> String {
        format!("p{slot}{}", if self.packages[&slot].dir == 0 { "" } else { "-moved" })
    }

    fn named(&self, slot: u8, name: u8) -> String {
        match self.ecosystem {
            Ecosystem::Npm => format!("@shop/p{slot}-{name}"),
            Ecosystem::Cargo | Ecosystem::Uv => format!("p{slot}-{name}"),
            Ecosystem::Go => format!("example.com/p{slot}-{name}"),
        }
    }

    /// The name of a package.
    pub fn package_name(&self, slot: u8) -> String {
        self.named(slot, self.packages[&slot].name)
    }

    /// The packages that one depends on directly; `deep`: as far as those see it that depend on that one.
    fn direct(&self, slot: u8, deep: bool) -> Vec<u8> {
        let counts = |(on, (kind, name)): &(&u8, &(u8, u8))| {
            let Some(package) = self.packages.get(*on).filter(|package| **on < slot && package.listed) else {
                return false;
            };
            match self.ecosystem {
                // A version that does not fit.
                Ecosystem::Npm => *kind != 3 && package.name == *name,
                // They go by directories; what tests use is their own affair.
                Ecosystem::Cargo => !(deep && *kind == 3),
                // It comes from elsewhere.
                Ecosystem::Uv => *kind != 3 && package.name == *name,
                Ecosystem::Go => package.name == *name,
            }
        };
        let needs = &self.packages[&slot].needs;
        needs.iter().filter(counts).map(|(on, _)| *on).collect()
    }

    /// The packages with tasks that one depends on, directly or indirectly.
    fn below(&self, slot: u8) -> Vec<u8> {
        let (mut found, mut open) = (BTreeSet::new(), self.direct(slot, false));
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(self.direct(next, true));
            }
        }
        let mut found: Vec<u8> = found.into_iter().filter(|slot| self.packages[slot].tasks).collect();
        found.sort_by_key(|slot| self.dir(*slot));
        found
    }

    /// Everything that the tasks have to make, by slot: first what builds a package, then what tests it.
    pub fn units(&self) -> BTreeMap<u8, [Unit; 2]> {
        let mut units: BTreeMap<u8, [Unit; 2]> = BTreeMap::new();
        for (slot, package) in self.packages.iter().filter(|(_, package)| package.tasks && package.listed) {
            let dir = self.dir(*slot);
            let below: Vec<&[Unit; 2]> = self.below(*slot).iter().map(|slot| &units[slot]).collect();
            let outputs: Vec<_> = below.iter().filter_map(|[build, _]| build.output.clone()).collect();
            let mut text = format!("{}\n", package.source);
            if package.joins {
                text.extend(outputs.iter().map(|(_, text)| text.as_str()));
            }
            let build = Unit {
                label: dir.clone(),
                name: format!("packages/{dir}:build"),
                key: format!("{dir} {} {} {outputs:?}", package.source, package.joins),
                output: Some((format!("packages/{dir}/out"), text)),
                needs: below.iter().flat_map(|[build, _]| build.needs.clone()).chain([dir.clone()]).collect(),
            };
            let label = format!("{dir}-test");
            let tested: Vec<_> = below.iter().map(|[_, test]| &test.key).collect();
            let test = Unit {
                label: label.clone(),
                name: format!("packages/{dir}:test"),
                key: format!("test {dir} {:?} {tested:?}", build.output),
                output: None,
                needs: below
                    .iter()
                    .flat_map(|[_, test]| test.needs.clone())
                    .chain(build.needs.clone())
                    .chain([label])
                    .collect(),
            };
            units.insert(*slot, [build, test]);
        }
        units
    }

    /// Every file of the workspace.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::from([("percache.toml".to_owned(), self.root())]);
        let (manifest, text) = self.workspace();
        files.insert(manifest.to_owned(), text);
        for (slot, package) in &self.packages {
            let dir = format!("packages/{}", self.dir(*slot));
            let (manifest, text) = self.manifest(*slot);
            files.insert(format!("{dir}/{manifest}"), text);
            files.insert(format!("{dir}/src"), format!("{}\n", package.source));
            if package.tasks {
                let template = if package.joins { "joins" } else { "plain" };
                let tasks = format!("[task.build]\nextends = [\"{template}\"]\n[task.test]\nextends = [\"test\"]\n");
                files.insert(format!("{dir}/percache.toml"), tasks);
            }
        }
        files
    }

    fn root(&self) -> String {
        let ecosystem = format!("{:?}", self.ecosystem).to_lowercase();
        let build = |name: &str, read: &str| {
            format!(
                "[template.{name}]\ncommand = '''@ran(\"${{PWD##*/}}\"); cat src > out; {read} {{deps}} >> out'''\n\
                 inputs = [\"src\"]\noutputs = [\"out\"]\ndeps = [\"^build\"]\n"
            )
        };
        format!(
            "[workspace]\nmembers = \"{ecosystem}\"\n{}{}[template.test]\ncommand = '''@ran(\"${{PWD##*/}}-test\")'''\n\
             inputs = []\ndeps = [\"build\", \"^test\"]\n",
            build("joins", "cat"),
            build("plain", "true")
        )
    }

    fn unlisted(&self) -> impl Iterator<Item = String> + '_ {
        let unlisted = self.packages.iter().filter(|(_, package)| !package.listed);
        unlisted.map(|(slot, _)| format!("packages/{}", self.dir(*slot)))
    }

    /// The file that says which packages there are.
    fn workspace(&self) -> (&'static str, String) {
        let quoted = |mark: &str| self.unlisted().map(|dir| format!("\"{mark}{dir}\"")).collect::<Vec<_>>();
        match self.ecosystem {
            Ecosystem::Npm => {
                let all = [vec!["\"packages/*\"".to_owned()], quoted("!")].concat();
                ("package.json", format!("{{ \"name\": \"shop\", \"workspaces\": [{}] }}\n", all.join(", ")))
            }
            Ecosystem::Cargo => {
                let excluded = quoted("").join(", ");
                ("Cargo.toml", format!("[workspace]\nmembers = [\"packages/*\"]\nexclude = [{excluded}]\n"))
            }
            Ecosystem::Uv => {
                let excluded = quoted("").join(", ");
                let text = format!("[tool.uv.workspace]\nmembers = [\"packages/*\"]\nexclude = [{excluded}]\n");
                ("pyproject.toml", text)
            }
            Ecosystem::Go => {
                let listed = self.packages.iter().filter(|(_, package)| package.listed);
                let used: String = listed.map(|(slot, _)| format!("use ./packages/{}\n", self.dir(*slot))).collect();
                ("go.work", format!("go 1.24\n{used}"))
            }
        }
    }

    fn manifest(&self, slot: u8) -> (&'static str, String) {
        let package = &self.packages[&slot];
        let own = self.package_name(slot);
        let needs = package.needs.iter().filter(|(on, _)| **on < slot);
        let needs: Vec<_> = needs.map(|(on, (kind, name))| (*on, *kind, self.named(*on, *name))).collect();
        let of = |kind: u8, form: &dyn Fn(&str) -> String, between: &str| {
            let some = needs.iter().filter(|(_, other, _)| *other == kind);
            some.map(|(_, _, name)| form(name)).collect::<Vec<_>>().join(between)
        };
        match self.ecosystem {
            Ecosystem::Npm => {
                let table = |key: &str, kind: u8, version: &str| {
                    format!(", \"{key}\": {{ {} }}", of(kind, &|name| format!("\"{name}\": \"{version}\""), ", "))
                };
                let mut text = format!("{{ \"name\": \"{own}\", \"version\": \"1.2.0\"");
                text += &table("dependencies", 0, "workspace:*");
                text += &table("devDependencies", 1, "^1.0.0");
                text += &table("optionalDependencies", 2, "*");
                // One table cannot be there twice.
                text += &table("resolutions", 4, "*");
                text += &table("peerDependencies", 3, "^2.0.0");
                ("package.json", text + " }\n")
            }
            Ecosystem::Cargo => {
                let mut text = format!("[package]\nname = \"{own}\"\n");
                let tables =
                    ["dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies", "dev-dependencies"];
                for (kind, table) in (0..).zip(tables) {
                    let _ = writeln!(text, "[{table}]");
                    for (on, ..) in
                        needs.iter().filter(|(on, other, _)| *other == kind && self.packages.contains_key(on))
                    {
                        let dir = self.dir(*on);
                        let _ = writeln!(text, "need{on} = {{ path = \"../{dir}\" }}");
                    }
                }
                ("Cargo.toml", text)
            }
            Ecosystem::Uv => {
                let quote = |name: &str| format!("\"{}>=1\"", name.replace('-', "_").to_uppercase());
                let stated = [of(0, &quote, ", "), of(3, &quote, ", ")];
                let stated = stated.iter().filter(|list| !list.is_empty()).cloned().collect::<Vec<_>>().join(", ");
                let mut text = format!("[project]\nname = \"{own}\"\ndependencies = [{stated}]\n");
                let _ = writeln!(text, "[project.optional-dependencies]\nextra = [{}]", of(1, &quote, ", "));
                let _ = writeln!(text, "[dependency-groups]\ndev = [{}]", of(2, &quote, ", "));
                let elsewhere = of(3, &|name| format!("{name} = {{ git = \"https://example.com/x\" }}\n"), "");
                let _ = write!(text, "[tool.uv.sources]\n{elsewhere}");
                ("pyproject.toml", text)
            }
            Ecosystem::Go => {
                let needs: String = needs.iter().map(|(_, _, name)| format!("require {name} v0.0.0\n")).collect();
                ("go.mod", format!("module {own}\n\ngo 1.24\n\n{needs}"))
            }
        }
    }
}
