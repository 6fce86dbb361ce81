//! Depfiles as written in the world, and by the compilers that are installed.

use super::*;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn names(text: &str) -> Vec<String> {
    parse(text.as_bytes()).unwrap().into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
}

#[test]
fn prerequisites_are_given_in_order_and_once() {
    assert_eq!(names("a.o: a.c a.h\\\n b.h \\\n  a.h\n"), ["a.c", "a.h", "b.h"]);
    assert_eq!(names("a.o b.o : a.c\nc.o: c.c a.c"), ["a.c", "c.c"]);
    assert_eq!(names("a.o: a.c a.h\n\na.h:\n\nb.h:"), ["a.c", "a.h"], "phony targets give nothing");
    assert_eq!(names("a.o: \\\n"), [""; 0]);
    assert_eq!(names(""), [""; 0]);
    assert_eq!(names("a.o:\\\n  a.c\\"), ["a.c"]);
}

#[test]
fn escapes_are_those_of_make() {
    assert_eq!(names(r"a\ b.o: c\ d.h \#e.h f$$g.h a#b $x"), ["c d.h", "#e.h", "f$g.h", "a#b", "$x"]);
    assert_eq!(names(r"x: a\\\ b c\\ d \\\#e"), [r"a\ b", r"c\", "d", r"\\#e"]);
    assert_eq!(names(r"x: a\b a\!b"), [r"a\b", r"a\!b"]);
    assert_eq!(names(r"a\:b: c\:d e:f"), ["c:d", "e:f"]);
}

#[test]
fn windows_is_understood() {
    assert_eq!(names("C:\\out\\a.obj: C:\\src\\a.c \\\r\n D:/inc/b\\ c.h\r\n"), [r"C:\src\a.c", "D:/inc/b c.h"]);
    assert_eq!(names("a.obj:\r\n"), [""; 0]);
}

#[test]
fn comments_of_rustc_are_skipped() {
    assert_eq!(names("main: src/main.rs\n\nsrc/main.rs:\n\n# env-dep:CARGO_PKG_NAME=x: y\n"), ["src/main.rs"]);
}

#[test]
fn mistakes_name_the_line() {
    let error = |text: &str| parse(text.as_bytes()).map_err(|error| (error.line, error.kind));
    assert_eq!(error("a: b \\\n c\nd e\n"), Err((3, DepfileErrorKind::NoColon)));
    assert_eq!(error("a:b"), Err((1, DepfileErrorKind::NoColon)));
    assert_eq!(error("a: b\n\0\0"), Err((2, DepfileErrorKind::Nul)));
}

fn run(dir: &Path, program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The names that compilers have to escape.
const AWKWARD: [&str; 6] = ["a b.h", "c#d.h", "e$f.h", r"g\h.h", "i:j.h", "k\\ l.h"];

#[test]
fn a_c_compiler_is_understood() {
    // On macOS `gcc` is clang, which escapes less.
    let gcc = if cfg!(target_os = "macos") { &AWKWARD[..4] } else { &AWKWARD[..] };
    for (compiler, mut headers) in [("gcc", gcc.to_vec()), ("clang", AWKWARD[..4].to_vec())] {
        let dir = tempfile::tempdir().unwrap();
        if !run(dir.path(), compiler, &["--version"]) {
            assert_ne!(compiler, "gcc", "gcc is part of the development set-up");
            continue;
        }
        let includes: String = headers.iter().map(|name| format!("#include \"{name}\"\n")).collect();
        fs::write(dir.path().join("m n.c"), includes).unwrap();
        for name in &headers {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert!(run(dir.path(), compiler, &["-MD", "-MP", "-MF", "out.d", "-c", "m n.c", "-o", "m n.o"]));
        let mut found = parse(&fs::read(dir.path().join("out.d")).unwrap()).unwrap();
        found.retain(|name| !name.starts_with(b"/"));
        headers.insert(0, "m n.c");
        assert_eq!(found, headers.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>(), "{compiler}");
    }
}

#[test]
fn rustc_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("main.rs"), "#[path = \"a b.rs\"] mod b; fn main() { let _ = option_env!(\"HOME\"); }")
        .unwrap();
    fs::write(dir.path().join("a b.rs"), "").unwrap();
    assert!(run(dir.path(), "rustc", &["--emit=dep-info=out.d", "main.rs"]));
    assert_eq!(parse(&fs::read(dir.path().join("out.d")).unwrap()).unwrap(), [&b"main.rs"[..], b"a b.rs"]);
}
