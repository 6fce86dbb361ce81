//! Which file a command missed that was executed elsewhere, as its log shows.

use crate::model::path::RelPath;

/// What programs say when a file is missing: what stands before its name, and what behind it.
const SAID: [(&str, &str); 14] = [
    ("fatal error: ", ": No such file or directory"),
    ("No such file or directory: '", "'"),
    ("no such file or directory, open '", "'"),
    ("no such file or directory, stat '", "'"),
    ("no such file or directory, lstat '", "'"),
    ("no such file or directory, scandir '", "'"),
    ("Cannot find module '", "'"),
    ("No rule to make target '", "'"),
    ("couldn't read `", "`"),
    ("cannot open ", ": No such file"),
    ("can't open file '", "'"),
    ("can't open '", "'"),
    ("cannot access '", "'"),
    ("cannot stat '", "'"),
];
/// Behind the name in a line that has nothing else behind the last colon before it.
const BEHIND: [&str; 3] = [": No such file or directory", ": No such file", ": not found"];

/// Returns the names of missing files that a log mentions, in order, as they are written there.
fn named(log: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for line in log.lines() {
        let quoted = SAID.iter().find_map(|(before, behind)| {
            let (_, rest) = line.split_once(before)?;
            Some(rest.split_once(behind)?.0)
        });
        let plain = || {
            let end = BEHIND.iter().find_map(|behind| line.find(behind))?;
            line[..end].rsplit(": ").next()
        };
        let name = quoted.or_else(plain).map(|name| name.trim().trim_matches(['\'', '"', '`', '‘', '’']));
        names.extend(name.filter(|name| !name.is_empty() && !name.contains(char::is_whitespace)));
    }
    names
}

/// Returns the file that a command missed although it is here; if there is none, the first missing file that the log
/// names. `cwd` is where the command ran, `is_here` says whether the workspace has a file that is no input.
pub fn undeclared(log: &[u8], cwd: &RelPath, is_here: &dyn Fn(&RelPath) -> bool) -> Option<String> {
    let log = String::from_utf8_lossy(log);
    let names = named(&log);
    let here = names.iter().find_map(|name| found(name, cwd, is_here));
    here.map(|path| path.to_string()).or_else(|| names.first().map(|name| (*name).to_owned()))
}

/// Returns the path that a name most likely stands for: relative to where the command ran or to the workspace, or, in an
/// absolute one, what is left of it below the directory that the worker had for the workspace.
fn found(name: &str, cwd: &RelPath, is_here: &dyn Fn(&RelPath) -> bool) -> Option<RelPath> {
    let endings = ["", ".js", ".ts", ".json", "/index.js"];
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let starts = if name.starts_with('/') { 0..parts.len() } else { 0..1 };
    starts.into_iter().find_map(|start| {
        let rest = parts.get(start..)?.join("/");
        let paths = endings.iter().flat_map(|ending| {
            let path = format!("{rest}{ending}");
            [cwd.join(path.as_bytes()).ok(), RelPath::new(&path).ok()]
        });
        paths.flatten().find(|path| is_here(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_names_it_in_its_way() {
        for (log, name) in [
            ("cat: data/a.txt: No such file or directory\n", "data/a.txt"),
            ("grep: 'a b' x\ncat: a.txt: No such file or directory", "a.txt"),
            ("src/a.c:1:10: fatal error: b.h: No such file or directory\n", "b.h"),
            ("FileNotFoundError: [Errno 2] No such file or directory: 'a.txt'", "a.txt"),
            ("python3: can't open file 'gen.py': [Errno 2] No such file or directory", "gen.py"),
            ("Error: Cannot find module './b'\n", "./b"),
            ("Error: ENOENT: no such file or directory, open 'a.json'", "a.json"),
            ("sh: 1: ./gen.sh: not found\n", "./gen.sh"),
            ("sh: 1: cannot open a.txt: No such file\n", "a.txt"),
            ("make: *** No rule to make target 'a.c', needed by 'a.o'.  Stop.", "a.c"),
            ("ls: cannot access 'a': No such file or directory", "a"),
        ] {
            assert_eq!(named(log), [name], "{log}");
        }
        assert_eq!(named("error: 2 tests failed\nall is well: found"), [""; 0]);
    }

    #[test]
    fn what_is_here_comes_first() {
        let cwd = RelPath::new("pkg").unwrap();
        let undeclared = |log: &str, here: &str| undeclared(log.as_bytes(), &cwd, &|path| path.to_string() == here);
        let log = "cat: x: No such file or directory\ncat: y: No such file or directory\n";
        assert_eq!(undeclared(log, "pkg/y").as_deref(), Some("pkg/y"));
        assert_eq!(undeclared(log, "z").as_deref(), Some("x"));
        assert_eq!(undeclared("cat: /w/1/src/a.c: No such file or directory", "src/a.c").as_deref(), Some("src/a.c"));
        assert_eq!(undeclared("Cannot find module './b'", "pkg/b.js").as_deref(), Some("pkg/b.js"));
        assert_eq!(undeclared("fine", "fine"), None);
    }
}
