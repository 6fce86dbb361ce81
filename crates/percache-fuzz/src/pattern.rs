//! Patterns: what is said of two of them, or of a directory, agrees with what they match.

use std::collections::BTreeSet;

use percache_runner::internals::PatternSet;
use percache_runner::tasks::RelPath;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "pattern",
    run,
    seeds,
    words: &["**", "*", "?", "[a-z]", "[!", "{a,b}", "{", "}", ",", "!", "../", "./", "\\", "é", "\n\n", "/"],
    allocates: None,
};

/// Patterns a line, an empty line, other patterns, an empty line, paths.
fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut section =
        |most: usize| -> Vec<&[u8]> { lines.by_ref().take_while(|line| !line.is_empty()).take(most).collect() };
    let (ours, theirs, paths) = (section(6), section(6), section(12));
    let (Some(ours), Some(theirs)) = (set(&ours), set(&theirs)) else { return };
    let mut paths: BTreeSet<RelPath> = paths.into_iter().filter_map(|path| RelPath::new(path).ok()).collect();
    for patterns in [&ours, &theirs] {
        paths.extend(patterns.patterns().iter().filter_map(|pattern| pattern.literal().cloned()));
        is_written_as_it_is_read(patterns, &paths);
        paths.iter().for_each(|path| is_found_by_a_walk(patterns, path));
    }
    assert_eq!(ours.overlaps(&theirs), theirs.overlaps(&ours));
    assert_eq!(ours.overlaps_as_named(&theirs), theirs.overlaps_as_named(&ours));
    assert!(ours.overlaps(&theirs) || !ours.overlaps_as_named(&theirs));
    for path in paths.iter().filter(|path| ours.matches(path) && theirs.matches(path)) {
        assert!(ours.overlaps(&theirs), "{} and {} both match {path}", text(&ours), text(&theirs));
    }
}

fn set(lines: &[&[u8]]) -> Option<PatternSet> {
    let texts: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    let set = PatternSet::parse(&RelPath::root(), &texts).ok()?;
    // Braces may make a thousand of one, and this compares each with each.
    (set.patterns().len() <= 64).then_some(set)
}

fn text(set: &PatternSet) -> String {
    set.patterns().iter().map(|pattern| format!("`{pattern}` ")).collect()
}

fn is_written_as_it_is_read(set: &PatternSet, paths: &BTreeSet<RelPath>) {
    let texts: Vec<String> = set.patterns().iter().map(ToString::to_string).collect();
    let again = PatternSet::parse(&RelPath::root(), &texts);
    let again = again.unwrap_or_else(|error| panic!("{error}, written by percache"));
    let texts_again: Vec<String> = again.patterns().iter().map(ToString::to_string).collect();
    assert_eq!(texts_again, texts);
    for path in paths {
        assert_eq!(again.matches(path), set.matches(path), "{path} by {}", text(set));
    }
    for (pattern, other) in set.patterns().iter().zip(again.patterns()) {
        assert_eq!((pattern.negated, pattern.literal()), (other.negated, other.literal()));
        assert_eq!(pattern.directory, other.directory, "`{pattern}`");
    }
}

/// What is meant lies below one of the roots, in directories that are entered.
fn is_found_by_a_walk(set: &PatternSet, path: &RelPath) {
    if !set.matches(path) {
        return;
    }
    let roots = set.roots();
    assert!(roots.iter().any(|root| path.starts_with(root)), "{path} below {roots:?}");
    for pattern in set.patterns().iter().filter(|pattern| pattern.matches(path)) {
        assert!(path.starts_with(pattern.prefix()) && pattern.reaches(path), "{path} by `{pattern}`");
    }
    for directory in path.ancestors().filter_map(|directory| RelPath::new(directory).ok()) {
        if roots.iter().any(|root| directory.starts_with(root)) {
            assert!(set.enters(&directory), "{directory} for {path} by {}", text(set));
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "src/**/*.c\n!src/old/**\n\nsrc/a?[b-d].{c,h}\nbuild/\n\nsrc/x/abc.c\nsrc/old/y.c\nbuild\nsrc\n",
        "**\n\n*.o\n\na.o\nb/c.o\nb/\\*\n",
        "gen\n!gen/x\n\n*/a.h\n\ngen/a.h\ngen/x/a.h\n",
        "\\!a\\{b\\}\n[!a-c][]x]\n**/a/**/b\n\n./a/../b\n\n!a{b}\nd]\na/b\nx/a/y/b/z\n",
        "*a*a*a*a*a*a*a*b\n**/a/**/a/**/a/**/a/**/b\n\n*a*a*a*a*a*a*a*c\n\naaaaaaaaaaaaaaaaaaaaaaaaaaa\na/a/a/a/a/a/a/a/a/a/a/a\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
