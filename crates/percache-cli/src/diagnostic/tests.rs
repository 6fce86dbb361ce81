//! The rendering of a dozen mistakes, as a user sees it.

use std::fs;

use percache_runner::{OpenError, Project};

use super::render;

/// Renders the mistakes of a root file and other files, without colours.
fn shown(files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let Err(OpenError::Config(mistakes)) = Project::load(dir.path(), &[]) else { panic!("there are mistakes") };
    let coloured = render(&mistakes, true);
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    render(&mistakes, false)
}

#[test]
fn a_name_that_does_not_exist() {
    let shown = shown(&[(
        "percache.toml",
        r#"[task.codegen]
command = "x"

[task.build]
command = "x"
deps = ["codgen"]
"#,
    )]);
    let expected = r#"error: task `build` depends on a task that does not exist
 --> percache.toml:6:9
  |
6 | deps = ["codgen"]
  |         ^^^^^^^^ no task is named `codgen`

hint: did you mean `codegen`?
"#;
    assert_eq!(shown, expected);
}

#[test]
fn keys_types_and_values() {
    let shown = shown(&[(
        "percache.toml",
        "[cache]\nmaxage = \"soon\"\n\n[task.build]\ncomand = \"make\"\nretries = \"two\"\ninputs = [\n  \"src\",\n\t\"../b[\",\n]\n",
    )]);
    let expected = r#"error: `maxage` is not an age
 --> percache.toml:2:10
  |
2 | maxage = "soon"
  |          ^^^^^^ is not an age

hint: write a whole number with s, m, h, d or w: `90s`, `30m`, `12h`, `30d`, `2w`

error: unknown key `comand` in [task.build]
 --> percache.toml:5:1
  |
5 | comand = "make"
  | ^^^^^^ no such key

hint: did you mean `command`?

error: `retries` has the wrong type
 --> percache.toml:6:11
  |
6 | retries = "two"
  |           ^^^^^ expected an integer, found a string

error: `../b[` is not a valid pattern
 --> percache.toml:9:2
  |
9 |     "../b[",
  |     ^^^^^^^ `[` is not closed; write `\[` for the character itself
"#;
    assert_eq!(shown, expected);
}

#[test]
fn a_placeholder_inside_a_command() {
    let shown = shown(&[(
        "percache.toml",
        r#"[task.objects]
foreach = "*.c"
command = "cc -c {fiel} -o é/{stem}.o"
"#,
    )]);
    let expected = r#"error: unknown placeholder `{fiel}`
 --> percache.toml:3:18
  |
3 | command = "cc -c {fiel} -o é/{stem}.o"
  |                  ^^^^^^ is not a placeholder of this task

hint: did you mean `{file}`?
"#;
    assert_eq!(shown, expected);
}

#[test]
fn a_cycle_through_two_files() {
    let shown = shown(&[
        (
            "percache.toml",
            r#"workspace.members = ["lib"]

[task.a]
deps = ["b"]

[task.b]
command = "x"
inputs = ["lib/gen.h"]
"#,
        ),
        (
            "lib/percache.toml",
            r#"[task.gen]
command = "x"
outputs = ["gen.h"]
deps = [":a"]
"#,
        ),
    ]);
    let expected = r#"error: dependency cycle: `a` → `b` → `lib:gen` → `a`
 --> percache.toml:4:9
  |
4 | deps = ["b"]
  |         ^^^ `a` depends on `b`
...
8 | inputs = ["lib/gen.h"]
  |           ----------- `b` reads `lib/gen.h`, an output of `lib:gen`
  |
 ::: lib/percache.toml:4:9
  |
4 | deps = [":a"]
  |         ---- `lib:gen` depends on `a`

hint: if `lib/gen.h` is not meant as an input, add `"!lib/gen.h"` to `inputs`
"#;
    assert_eq!(shown, expected);
}

#[test]
fn an_output_with_two_owners() {
    let shown = shown(&[(
        "percache.toml",
        r#"[task.a]
command = "x"
outputs = ["gen/"]

[task.b]
command = "x"
outputs = ["gen/x.h"]
"#,
    )]);
    let expected = r#"error: two tasks produce `gen/x.h`
 --> percache.toml:7:12
  |
3 | outputs = ["gen/"]
  |            ------ `a` produces it too
...
7 | outputs = ["gen/x.h"]
  |            ^^^^^^^^^ `b` produces it

hint: every output belongs to one task: rename it, or take it away with a `!` pattern
"#;
    assert_eq!(shown, expected);
}

#[test]
fn instances_that_cannot_be_told_apart() {
    let shown = shown(&[
        (
            "percache.toml",
            r#"[task.o]
foreach = "src/**/*.c"
command = "x"
outputs = ["build/{stem}.o"]
"#,
        ),
        ("src/a/x.c", ""),
        ("src/b/x.c", ""),
    ]);
    let expected = r#"error: two tasks produce `build/x.o`
 --> percache.toml:4:12
  |
4 | outputs = ["build/{stem}.o"]
  |            ^^^^^^^^^^^^^^^^ is an output of `o[src/a/x.c]` and of `o[src/b/x.c]`

hint: tell them apart by `{dir}`: `build/{dir}/{stem}.o`
"#;
    assert_eq!(shown, expected);
}

#[test]
fn an_output_that_is_its_own_input() {
    let shown = shown(&[(
        "percache.toml",
        r#"[task.a]
command = "x"
inputs = ["src"]
outputs = ["src/gen.c"]
"#,
    )]);
    let expected = r#"error: task `a` reads its own output `src/gen.c`
 --> percache.toml:4:12
  |
3 | inputs = ["src"]
  |           ----- and here an input
4 | outputs = ["src/gen.c"]
  |            ^^^^^^^^^^^ is an output

hint: take it away from the inputs: add `"!src/gen.c"` at the end
"#;
    assert_eq!(shown, expected);
}

#[test]
fn what_is_not_toml() {
    let shown = shown(&[(
        "percache.toml",
        r#"[task.a]
command = make

[task.b]
command = "x
"#,
    )]);
    let expected = r#"error: this is not TOML
 --> percache.toml:2:11
  |
2 | command = make
  |           ^^^^ string values must be quoted, expected literal string

error: this is not TOML
 --> percache.toml:5:13
  |
5 | command = "x
  |             ^ invalid basic string, expected `"`
"#;
    assert_eq!(shown, expected);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    // A file that nobody can read from its beginning, whatever his permissions.
    std::os::unix::fs::symlink("/proc/self/mem", dir.path().join("percache.toml")).unwrap();
    let Err(OpenError::Config(mistakes)) = Project::load(dir.path(), &[]) else { panic!("it cannot be read") };
    let expected = r#"error: cannot read percache.toml
 --> percache.toml:1:1
  |
1 |
  | ^ input/output error
"#;
    assert_eq!(render(&mistakes, false), expected);
}
