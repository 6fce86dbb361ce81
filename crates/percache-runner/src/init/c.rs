//! C and C++ without a build system: one task per file, and one that links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::ignored::ignores;
use super::{Part, Proposed, list, string};

struct Language {
    extensions: &'static [&'static str],
    compiler: &'static str,
    name: &'static str,
}

const LANGUAGES: [Language; 2] = [
    Language { extensions: &["c"], compiler: "cc", name: "C" },
    Language { extensions: &["cpp", "cc", "cxx"], compiler: "c++", name: "C++" },
];

/// Returns whether the project has a build system of its own.
pub(super) fn is_built_otherwise(dir: &Path) -> bool {
    let files = ["Makefile", "makefile", "GNUmakefile", "CMakeLists.txt", "meson.build", "configure"];
    files.iter().any(|file| dir.join(file).exists())
}

pub(super) fn look(dir: &Path) -> Option<Part> {
    let has = |place: &str, language: &Language| !sources(dir, place, language.extensions).is_empty();
    let place = ["src", "."].into_iter().find(|place| LANGUAGES.iter().any(|language| has(place, language)))?;
    // Each language has its own compiler, because valid C need not be valid C++.
    let languages: Vec<&Language> = LANGUAGES.iter().filter(|language| has(place, language)).collect();
    let all: Vec<&str> = languages.iter().flat_map(|language| language.extensions).copied().collect();
    let files = sources(dir, place, &all);
    let stems: BTreeSet<_> = files.iter().filter_map(|file| file.file_stem()).collect();
    let object = if stems.len() == files.len() { "build/{stem}.o" } else { "build/{dir}/{name}.o" };
    let mut tasks: Vec<Proposed> = languages.iter().map(|language| objects(dir, place, language, object)).collect();
    if let [_, second] = tasks.as_mut_slice() {
        second.name = "objects-cpp".to_owned();
        second.comment = "The same for C++, which has a compiler of its own.".to_owned();
    }
    let mains = files.iter().filter(|file| has_main(file)).count();
    // The C++ compiler links the objects of both languages.
    if let Some(language) = languages.last().filter(|_| mains == 1) {
        tasks.push(link(dir, language));
    }
    let names: Vec<&str> = languages.iter().map(|language| language.name).collect();
    let place = if place == "." { "this directory" } else { place };
    Some(Part { found: format!("{} sources in {place}", names.join(" and ")), prefix: "c", tasks, ..Part::default() })
}

/// Proposes the task that compiles the files of a language.
fn objects(dir: &Path, place: &str, language: &Language, object: &str) -> Proposed {
    let extensions = language.extensions.iter().filter(|extension| !sources(dir, place, &[extension]).is_empty());
    let at = if place == "." { String::new() } else { format!("{place}/**/") };
    let globs: Vec<String> = extensions.map(|extension| format!("{at}*.{extension}")).collect();
    let include = if dir.join("include").is_dir() { vec!["-Iinclude"] } else { Vec::new() };
    let mut command = vec![language.compiler, "-O2", "-Wall", "-fdiagnostics-color=always"];
    command.extend(include);
    let depfile = format!("{}.d", object.trim_end_matches(".o"));
    command.extend(["-MD", "-MF", &depfile, "-c", "{file}", "-o", object]);
    Proposed {
        name: "objects".to_owned(),
        comment: "One task per file. The compiler says in the depfile which headers it read: they become inputs by themselves.\n\
                  It has to be told to use colours, as it sees no terminal; percache takes them out where they are not wanted."
            .to_owned(),
        keys: vec![
            ("foreach", list(&globs)),
            ("command", list(&command)),
            ("inputs", list(&["{file}"])),
            ("outputs", list(&[object])),
            ("depfile", string(&depfile)),
            ("tools", list(&[format!("{} --version", language.compiler)])),
        ],
        default: true,
    }
}

fn link(dir: &Path, language: &Language) -> Proposed {
    let name = dir
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    let output = format!("build/{}", name.unwrap_or("program"));
    Proposed {
        name: "program".to_owned(),
        comment: "The inputs are outputs of the tasks above: the dependency is found by itself. Add libraries behind \
                  `{inputs}`: `-lm`."
            .to_owned(),
        keys: vec![
            ("command", list(&[language.compiler, "{inputs}", "-o", &output])),
            ("inputs", list(&["build/**/*.o"])),
            ("outputs", list(&[output])),
        ],
        default: true,
    }
}

/// Returns the source files in a directory, and those below it unless it is the project's own.
fn sources(dir: &Path, place: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.join(place)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            let name = entry.file_name();
            // What git ignores was generated, or belongs to somebody else.
            if name.to_str().is_none_or(|name| ignores(path.parent().unwrap_or(dir), name)) {
                continue;
            }
            if kind.is_dir() && place != "." {
                open.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|e| extensions.iter().any(|known| e == *known)) {
                found.push(path);
            }
        }
    }
    found
}

fn has_main(file: &Path) -> bool {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().any(|line| line.contains(" main(") || line.starts_with("main("))
}
