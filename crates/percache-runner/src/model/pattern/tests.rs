//! What patterns match, and when two sets of them overlap.

use super::parse::PatternErrorKind;
use super::*;
use crate::model::path::PathError;
use crate::syntax::glob::GlobError;
use proptest::prelude::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn set(patterns: &[&str]) -> PatternSet {
    PatternSet::parse(&RelPath::root(), patterns).unwrap()
}

fn error(base: &str, patterns: &[&str]) -> (usize, PatternErrorKind) {
    let error = PatternSet::parse(&path(base), patterns).unwrap_err();
    assert_eq!(error.pattern, patterns[error.index]);
    (error.index, error.kind)
}

#[test]
fn sets_that_differ_in_single_paths_have_the_rest_in_common() {
    let (one, other) =
        (set(&["src/a.c", "inc/**/*.h", "gone", "!inc/x.h"]), set(&["src/b.c", "inc/**/*.h", "gone", "!inc/x.h"]));
    let is_file = |path: &RelPath| path.as_bytes().ends_with(b".c");
    let ((paths, rest), (_, same)) = (one.split_off(&is_file), other.split_off(&is_file));
    assert_eq!(paths, [&path("src/a.c")]);
    let texts: Vec<_> = rest.patterns().iter().map(Pattern::to_string).collect();
    assert_eq!(texts, ["inc/**/*.h", "gone", "!inc/x.h"]);
    assert_eq!(rest, same);
}

#[test]
fn patterns_match_paths() {
    for (pattern, yes, no) in [
        ("src", &["src", "src/x/y"][..], &["src2", "a/src", ""][..]),
        ("build/", &["build", "build/a"], &["builder"]),
        (".", &["", "a", "a/b"], &[]),
        ("*.c", &["a.c", ".c", "a.c/below"], &["src/a.c", "a.h"]),
        ("src/*/a", &["src/x/a", "src/x/a/b"], &["src/a", "src/x/y/a"]),
        ("src/**/*.c", &["src/a.c", "src/x/y/a.c"], &["a.c", "src/a.h", "src"]),
        ("src/**", &["src/a", "src/.x", "src/a/b"], &["src", "lib/a"]),
        ("**", &["a", "a/b"], &[""]),
        ("**/t", &["t", "a/t", "a/b/t/c"], &["at", "a/tt"]),
        ("a/**/b/**/c", &["a/b/c", "a/x/b/y/b/c"], &["a/c/b", "a/b"]),
        ("{src,lib/x}/*.h", &["src/a.h", "lib/x/b.h"], &["lib/a.h"]),
        (r"a\*b", &["a*b"], &["axb"]),
    ] {
        for yes in yes {
            assert!(set(&[pattern]).matches(&path(yes)), "{pattern} {yes}");
        }
        for no in no {
            assert!(!set(&[pattern]).matches(&path(no)), "{pattern} {no}");
        }
    }
}

#[test]
fn the_last_pattern_that_matches_decides() {
    let set = set(&["src", "!src/gen", "src/gen/keep.c"]);
    assert!(set.matches(&path("src/a.c")));
    assert!(!set.matches(&path("src/gen/a.c")));
    assert!(set.matches(&path("src/gen/keep.c")));
    assert!(!PatternSet::default().matches(&path("a")));
}

#[test]
fn patterns_are_relative_to_the_file_that_states_them() {
    let set = PatternSet::parse(&path("pkgs/[app]"), &["*.c", "../lib/*.h", "./x", "!y*"]).unwrap();
    assert!(set.matches(&path("pkgs/[app]/a.c")), "the directory is no pattern");
    assert!(set.matches(&path("pkgs/lib/a.h")));
    assert!(!set.matches(&path("pkgs/a/a.c")));
    let texts: Vec<String> = set.patterns().iter().map(Pattern::to_string).collect();
    assert_eq!(texts, [r"pkgs/\[app\]/*.c", "pkgs/lib/*.h", r"pkgs/\[app\]/x", r"!pkgs/\[app\]/y*"]);
}

/// Intents and fingerprints rely on the text of a pattern.
#[test]
fn what_is_written_of_a_pattern_is_read_as_the_same() {
    for text in ["a**/", "a**", "b/**", "./!a*", "!!a*", r"\!a*", "./!a", ".", r"\.", r"a/\..", "!.", "a/", "{!a*,b}"] {
        let written = set(&[text]);
        let texts: Vec<String> = written.patterns().iter().map(Pattern::to_string).collect();
        let read = PatternSet::parse(&RelPath::root(), &texts).unwrap();
        let told = |set: &PatternSet| {
            set.patterns().iter().map(|p| (p.negated, p.directory, p.literal().cloned())).collect::<Vec<_>>()
        };
        assert_eq!(told(&read), told(&written), "{text} written as {texts:?}");
    }
}

#[test]
fn literals_are_known() {
    let set = PatternSet::parse(&path("a"), &["{x,y}.o", "*.h", r"z\*", "../b/"]).unwrap();
    let literals: Vec<_> = set.patterns().iter().map(|p| (p.index, p.literal().map(ToString::to_string))).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(literals, [(0, some("a/x.o")), (0, some("a/y.o")), (1, None), (2, some("a/z*")), (3, some("b"))]);
}

#[test]
fn mistakes_name_the_pattern() {
    assert_eq!(error("", &["a", ""]), (1, PatternErrorKind::Empty));
    assert_eq!(error("", &["!"]), (0, PatternErrorKind::Empty));
    assert_eq!(error("", &["/a"]), (0, PathError::Absolute.into()));
    assert_eq!(error("", &["/a*"]), (0, PathError::Absolute.into()));
    assert_eq!(error("a", &["../../b/*"]), (0, PathError::Outside.into()));
    assert_eq!(error("", &["a*/../b"]), (0, PatternErrorKind::ParentBehindWildcard));
    assert_eq!(error("", &["x", "y", "a["]), (2, GlobError::UnclosedClass.into()));
    assert_eq!(error("", &["{a"]).1, GlobError::UnclosedBrace.into());
}

#[test]
fn a_walk_starts_at_the_roots_and_enters_what_may_hold_a_match() {
    let root_texts = |patterns: &[&str]| set(patterns).roots().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(root_texts(&["src/**/*.c", "src/gen/x.h", "src-2/*.c", "!src", "doc"]), ["doc", "src", "src-2"]);
    assert_eq!(root_texts(&["*.c", "src"]), ["."]);
    assert_eq!(root_texts(&["!a"]), [""; 0]);

    let enters = |patterns: &[&str], dir: &str| set(patterns).enters(&path(dir));
    assert!(enters(&["src/*/a.c"], "src/x"));
    assert!(enters(&["src/*/a.c"], ""));
    assert!(enters(&["src"], "src/x/y"));
    assert!(!enters(&["src/*/a.c"], "src/x/y"));
    assert!(!enters(&["src/*.c"], "src/x"));
    assert!(enters(&["src/**/*.c"], "src/x/y"));
    assert!(!enters(&["src", "!src/gen"], "src/gen"));
    assert!(enters(&["src", "!src/gen", "src/gen/k/a.c"], "src/gen"));
}

#[test]
fn sets_overlap_when_a_path_may_be_meant_by_both() {
    let overlaps = |a: &[&str], b: &[&str]| {
        assert_eq!(set(a).overlaps(&set(b)), set(b).overlaps(&set(a)), "{a:?} {b:?}");
        set(a).overlaps(&set(b))
    };
    assert!(overlaps(&["gen"], &["gen/*.h"]), "a literal may be a directory");
    assert!(overlaps(&["**/*.c"], &["gen/a.c"]));
    assert!(overlaps(&["a"], &["a"]));
    assert!(overlaps(&["src/*/x"], &["src/y/*"]));
    assert!(overlaps(&["**/x/**"], &["y/**"]));
    assert!(!overlaps(&["build/*.o"], &["build/*.h"]));
    assert!(!overlaps(&["src/**/*.c"], &["build/x.c"]));
    assert!(!overlaps(&["a/b"], &["a/c"]));
    assert!(!overlaps(&["ab"], &["a"]));
    assert!(!overlaps(&["src/**", "!src/gen"], &["src/gen/*.c"]), "what is surely taken away does not count");
    assert!(overlaps(&["src/**", "!src/gen", "src/gen/a.c"], &["src/gen/*.c"]), "unless it is put back");
    assert!(overlaps(&["src/**", "!src/gen/a.c"], &["src/gen/*.c"]));
    assert!(!overlaps(&["**/*.c", "!**/*_test.c"], &["src/x_test.c"]));
    assert!(!overlaps(&["!a"], &["a"]));
}

#[test]
fn what_a_pattern_names_is_a_file_unless_somebody_says_otherwise() {
    let overlaps = |a: &str, b: &str| {
        assert_eq!(set(&[a]).overlaps_as_named(&set(&[b])), set(&[b]).overlaps_as_named(&set(&[a])), "{a} {b}");
        set(&[a]).overlaps_as_named(&set(&[b]))
    };
    assert!(!overlaps("build/app", "**/*.c"));
    assert!(!overlaps("build/*.o", "**/*.c"));
    assert!(overlaps("build/app", "**/app"));
    assert!(overlaps("build/*.o", "**/a.*"));
    assert!(overlaps("gen/", "**/*.c"));
    assert!(overlaps("gen/**", "**/*.c"));
    assert!(overlaps("gen", "gen/**/*.c"));
    assert!(overlaps("gen", "gen"));
    assert!(overlaps("build/gen", "build"));
    assert!(overlaps("build/gen", "."));
    assert!(overlaps("build/*", "build/*/*.h"));
    assert!(!overlaps("build/a/b", "build/**/c/d"));
    assert!(!overlaps("gen", "lib/**/*.c"));
}

/// Patterns over a small alphabet, so that they often match.
fn any_pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => "[ab]{1,2}",
        1 => "[ab*?]{1,3}",
        1 => Just("**".to_owned()),
        1 => Just("[a-b]".to_owned()),
        1 => Just("{a,b*}".to_owned()),
        1 => Just("{a/b,b}".to_owned()),
        1 => Just("*{,a}".to_owned()),
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn any_set() -> impl Strategy<Value = PatternSet> {
    prop::collection::vec((prop::bool::weighted(0.25), any_pattern()), 1..4).prop_map(|patterns| {
        let texts: Vec<String> =
            patterns.iter().map(|(not, text)| format!("{}{text}", if *not { "!" } else { "" })).collect();
        PatternSet::parse(&RelPath::root(), &texts).unwrap()
    })
}

fn any_path() -> impl Strategy<Value = RelPath> {
    prop::collection::vec("[ab]{1,2}", 1..5).prop_map(|parts| path(&parts.join("/")))
}

proptest! {
    #[test]
    fn sets_that_share_a_path_overlap(a in any_set(), b in any_set(), paths in prop::collection::vec(any_path(), 40)) {
        for path in paths {
            prop_assert!(!(a.matches(&path) && b.matches(&path)) || a.overlaps(&b), "{}", path);
            prop_assert!(!a.overlaps_as_named(&b) || a.overlaps(&b));
        }
    }

    #[test]
    fn a_match_lies_below_a_root_and_every_directory_above_is_entered(a in any_set(), path in any_path()) {
        if a.matches(&path) {
            let root = a.roots().into_iter().find(|root| path.starts_with(root));
            prop_assert!(root.is_some());
            let mut dir = path.parent();
            while let Some(at) = dir {
                prop_assert!(a.enters(&at), "{}", at);
                dir = at.parent();
            }
        }
    }

    /// The reference is `globset`, asked for the path and for every directory above it.
    #[test]
    fn patterns_mean_what_they_mean_to_globset(text in any_pattern(), path in any_path()) {
        let mut builder = globset::GlobBuilder::new(&text);
        let glob = builder.literal_separator(true).empty_alternates(true).build().unwrap().compile_matcher();
        let above = path.ancestors().filter(|dir| !dir.is_empty());
        let expected = above.chain([path.as_bytes()]).any(|path| glob.is_match(std::str::from_utf8(path).unwrap()));
        prop_assert_eq!(set(&[&text]).matches(&path), expected);
    }

    #[test]
    fn the_text_of_a_pattern_is_the_pattern(a in any_set(), path in any_path()) {
        let texts: Vec<String> = a.patterns().iter().map(ToString::to_string).collect();
        prop_assert_eq!(PatternSet::parse(&RelPath::root(), &texts).unwrap().matches(&path), a.matches(&path));
    }
}
