//! Mistakes in values: patterns, paths, placeholders, axes; and in the text itself.

use super::{Tree, keys_of_a_task, mistakes};

#[test]
fn patterns_and_paths_stay_in_the_workspace_and_are_well_formed() {
    let found = mistakes(
        r#"[task.a]
command = "x"
inputs = ["a[", "ok", "../../x", "/etc/passwd", ""]
outputs = ["{a,b", "../out"]
depfile = "../d"
cwd = "/"
env_file = ["../../e"]
"#,
        &[],
    );
    let said = r#"error: `a[` is not a valid pattern
  percache.toml:3:11 <"a["> `[` is not closed; write `\[` for the character itself
error: `../../x` is not a valid pattern
  percache.toml:3:23 <"../../x"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `/etc/passwd` is not a valid pattern
  percache.toml:3:34 <"/etc/passwd"> the path is absolute
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `` is not a valid pattern
  percache.toml:3:49 <""> the pattern is empty
hint: `.` is everything in the directory
error: `{a,b` is not a valid pattern
  percache.toml:4:12 <"{a,b"> `{` is not closed; write `\{` for the character itself
error: `../out` is not a valid pattern
  percache.toml:4:20 <"../out"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `../d` is not a path in the workspace
  percache.toml:5:11 <"../d"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `/` is not a path in the workspace
  percache.toml:6:7 <"/"> the path is absolute
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `../../e` is not a path in the workspace
  percache.toml:7:13 <"../../e"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.a]
command = "x"
inputs = ["!x", "y"]
outputs = ["!y"]
"#,
        &[],
    );
    let said = r#"error: the first pattern takes away from nothing
  percache.toml:3:11 <"!x"> has nothing before it
hint: begin with a pattern that adds: `"."` is everything in the directory
error: the first pattern takes away from nothing
  percache.toml:4:12 <"!y"> has nothing before it
hint: begin with a pattern that adds: `"."` is everything in the directory"#;
    assert_eq!(found, said);
}

#[test]
fn placeholders_are_spelled_right() {
    let found = mistakes(
        r#"[task.a]
foreach = "*.c"
command = "cc {fiel} {stme} {unknown}"
inputs = ["{File}"]
matrix = { python = ["3"] }
env = { X = "{pyhton}" }
"#,
        &[("a.c", "")],
    );
    let said = r#"error: unknown placeholder `{fiel}`
  percache.toml:3:15 <{fiel}> is not a placeholder of this task
hint: did you mean `{file}`?
error: unknown placeholder `{stme}`
  percache.toml:3:22 <{stme}> is not a placeholder of this task
hint: did you mean `{stem}`?
error: unknown placeholder `{File}`
  percache.toml:4:12 <{File}> is not a placeholder of this task
hint: did you mean `{file}`?
error: unknown placeholder `{pyhton}`
  percache.toml:6:14 <{pyhton}> is not a placeholder of this task
hint: did you mean `{python}`?"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.a]
command = "x"
inputs = ["{args}"]
tools = ['''
x {args}''']
"#,
        &[],
    );
    let said = r#"error: `{args}` cannot be used here
  percache.toml:3:12 <{args}> has no value here
hint: only `command` and `env` can take the arguments of the command line
error: `{args}` cannot be used here
  percache.toml:5:3 <{args}> has no value here
hint: only `command` and `env` can take the arguments of the command line"#;
    assert_eq!(found, said);
}

#[test]
fn axes_can_be_told_apart() {
    let found = mistakes(
        r#"[task.a]
command = "x"
matrix = { file = ["a"], x = [], y = ["1", "1"], z = "a", "a b" = ["1"], w = [[1]], v = [""] }
"#,
        &[],
    );
    let said = r#"error: `file` cannot be an axis
  percache.toml:3:12 <file> `{file}` already has a meaning
hint: name it differently, for example `a_file`
error: axis `x` has no values
  percache.toml:3:30 <[]> makes no task at all
hint: give it at least one value
error: axis `y` has the value `1` twice
  percache.toml:3:44 <"1"> stands here again
  percache.toml:3:39 <"1"> first stated here
hint: leave one of them out
error: `matrix.z` has the wrong type
  percache.toml:3:54 <"a"> expected an array, found a string
error: `a b` cannot be an axis
  percache.toml:3:59 <"a b"> could not stand between braces
hint: use letters, digits, `_` and `-`, not beginning with a digit or `-`
error: `matrix.w` has the wrong type
  percache.toml:3:79 <[1]> expected a string, a number or a boolean, found an array
error: this cannot be the value of an axis
  percache.toml:3:90 <""> is empty or has control characters
hint: it becomes part of the task's name: write a text of one line"#;
    assert_eq!(found, said);
}

#[test]
fn what_is_never_stored_has_no_say_about_storing() {
    let found = mistakes(
        r#"[task.a]
command = "x"
interactive = true
cache = true
valid_for = "1d"
"#,
        &[],
    );
    let said = r#"error: task `a` is interactive and cannot be cached
  percache.toml:4:9 <true> an interactive task is never stored
hint: leave `cache` out
error: task `a` is never stored, so `valid_for` has no effect
  percache.toml:5:1 <valid_for> speaks of stored results
hint: leave it out"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.a]
command = "x"
cache = false
valid_for = "1d"
"#,
        &[],
    );
    let said = r#"error: task `a` is never stored, so `valid_for` has no effect
  percache.toml:4:1 <valid_for> speaks of stored results
hint: leave it out"#;
    assert_eq!(found, said);
}

#[test]
fn names_of_variables_can_be_names() {
    let found = mistakes(
        r#"[task.a]
command = "x"
env_from = ["CC", "C[", "A=B"]
env_pass = ["", "X_*"]
"#,
        &[],
    );
    let said = r#"error: `C[` is not a valid glob
  percache.toml:3:19 <"C["> `[` is not closed; write `\[` for the character itself
hint: `*` is any text: `CARGO_*`, `LC_{ALL,CTYPE}`
error: `A=B` cannot be a variable
  percache.toml:3:25 <"A=B"> is empty or has a `=`
hint: write the name alone; a value is set by `env = { NAME = "value" }`
error: `` cannot be a variable
  percache.toml:4:13 <""> is empty or has a `=`
hint: write the name alone; a value is set by `env = { NAME = "value" }`"#;
    assert_eq!(found, said);
}

#[test]
fn pools_and_variables_exist() {
    let found = mistakes(
        r#"[task.a]
command = "x"
pool = "havy"
env = { "A=B" = "" }
[pools]
heavy = 1
[workspace.env]
"" = "x"
"#,
        &[],
    );
    let said = r#"error: there is no pool `havy`
  percache.toml:3:8 <"havy"> is not in [pools]
hint: did you mean `heavy`?
error: `A=B` cannot be a variable
  percache.toml:4:9 <"A=B"> is empty or has a `=`
hint: write the name alone; a value is set by `env = { NAME = "value" }`
error: `` cannot be a variable
  percache.toml:8:1 <""> is empty or has a `=`
hint: write the name alone; a value is set by `env = { NAME = "value" }`"#;
    assert_eq!(found, said);
}

#[test]
fn what_is_not_toml_hides_nothing_else() {
    let found = mistakes(
        r#"[task.a]
command = "x"
retrys = 1
inputs = [a]
outputs = 
[task.a]
foo = "unclosed
bar = 1
[task.b]
debs=[]"#,
        &[],
    );
    let said = r#"error: unknown key `retrys` in [task.a]
  percache.toml:3:1 <retrys> no such key
hint: did you mean `retries`?
error: this is not TOML
  percache.toml:4:11 <a> string values must be quoted, expected literal string
error: this is not TOML
  percache.toml:5:11 <> string values must be quoted, expected literal string
error: this is not TOML
  percache.toml:6:7 <a> duplicate key
error: this is not TOML
  percache.toml:7:16 <> invalid basic string, expected `"`
error: unknown key `bar` in [task.a]
  percache.toml:8:1 <bar> no such key
hint: its keys are KEYS
error: unknown key `debs` in [task.b]
  percache.toml:10:1 <debs> no such key
hint: did you mean `deps`?"#;
    assert_eq!(found, said.replace("KEYS", &keys_of_a_task()));
    let found = mistakes(
        r#"[task.a]
command = "x"
command = "y"
"#,
        &[],
    );
    let said = r#"error: this is not TOML
  percache.toml:3:1 <command> duplicate key"#;
    assert_eq!(found, said);
    let found = mistakes(r#"x = ["#, &[]);
    let said = r#"error: this is not TOML
  percache.toml:1:6 <> unclosed array, expected `]`"#;
    assert_eq!(found, said);
}

#[test]
fn a_quote_that_was_never_closed_does_not_fill_the_screen() {
    let config = format!("[task.a]\ncommand = 'x'\ninputs = [\"\"\"[a\n{}\"\"\"]", "line\n".repeat(100));
    let found = Tree::new(&config, &[]).load(&[]).unwrap_err();
    let title = &found.errors[0].title;
    assert!(title.contains("`[a…`") && title.len() < 200 && !title.contains('\n'), "{title}");
}

#[test]
fn a_matrix_is_no_bomb() {
    let axis = format!("[{}]", (0..100).map(|i| format!("\"{i}\"")).collect::<Vec<_>>().join(", "));
    let config = |axes: &[&str]| {
        let axes: Vec<_> = axes.iter().map(|name| format!("{name} = {axis}")).collect();
        format!("[task.a]\ncommand = 'x'\nmatrix = {{ {} }}", axes.join(", "))
    };
    assert_eq!(mistakes(&config(&["a", "b"]), &[]), "no mistake");
    let many = mistakes(&config(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]), &[]);
    assert!(many.starts_with("error: the matrix of `a` stands for more than 10000 tasks\n"), "{many}");
}

#[test]
fn a_value_that_would_be_code_is_refused_where_it_stands() {
    let files = [("src/a b", ""), ("src/plain", "")];
    let found = mistakes(
        r#"[task.a]
foreach = "src/*"
command = "echo {name} `cat {file}`; eval {name}"
inputs = ["{file}"]
tools = ["echo $(({stem}))"]
"#,
        &files,
    );
    let said = r#"error: the shell would not take `src/a b` for data here
  percache.toml:3:29 <{file}> stands in backquotes
hint: write `$(…)` instead of backquotes
error: the shell would not take `a b` for data here
  percache.toml:3:43 <{name}> is evaluated by the command, as code or as the name of a variable
hint: assign it to a variable before: `f={name}; …`, and use "$f" here
error: the shell would not take `a b` for data here
  percache.toml:5:19 <{stem}> stands in arithmetic, where it is evaluated
hint: only numbers and names can stand here"#;
    assert_eq!(found, said);
}
