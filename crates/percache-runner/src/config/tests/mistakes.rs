//! Mistakes in keys, types and names.

use super::mistakes;

#[test]
fn an_unknown_key_finds_the_nearest() {
    let found = mistakes(
        r#"[task.a]
comand = "x"
"#,
        &[],
    );
    let said = r#"error: unknown key `comand` in [task.a]
  percache.toml:2:1 <comand> no such key
hint: did you mean `command`?"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[tasks.a]
command = "x"
[workspace]
member = []
[cache]
foo = 1
"#,
        &[],
    );
    let said = r#"error: unknown key `tasks` in the file
  percache.toml:1:2 <tasks> no such key
hint: did you mean `task`?
error: unknown key `member` in [workspace]
  percache.toml:4:1 <member> no such key
hint: did you mean `members`?
error: unknown key `foo` in [cache]
  percache.toml:6:1 <foo> no such key
hint: its keys are `check_rate`, `dir`, `maxage`, `maxsize`"#;
    assert_eq!(found, said);
}

#[test]
fn a_wrong_type_is_named_with_what_is_expected() {
    let found = mistakes(
        r#"[task.a]
command = "x"
retries = "two"
deps = "b"
inputs = ["x", 3]
cache = 1
env = { A = 1 }
timeout = 1.5
matrix = 3
foreach = 3
"#,
        &[],
    );
    let said = r#"error: `retries` has the wrong type
  percache.toml:3:11 <"two"> expected an integer, found a string
error: `deps` has the wrong type
  percache.toml:4:8 <"b"> expected an array of strings, found a string
hint: write `deps = ["b"]`
error: `inputs` has the wrong type
  percache.toml:5:16 <3> expected a string, found an integer
hint: write `"3"`
error: `cache` has the wrong type
  percache.toml:6:9 <1> expected `true` or `false`, found an integer
error: `env.A` has the wrong type
  percache.toml:7:13 <1> expected a string, or `false` to take it away, found an integer
hint: write `"1"`
error: `timeout` has the wrong type
  percache.toml:8:11 <1.5> expected a string, found a float
hint: write `"1.5"`
error: `matrix` has the wrong type
  percache.toml:9:10 <3> expected a table, found an integer
error: `foreach` has the wrong type
  percache.toml:10:11 <3> expected a string or an array of strings, found an integer"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"task.a = 3
pools = 1
"#,
        &[],
    );
    let said = r#"error: `task.a` has the wrong type
  percache.toml:1:10 <3> expected a table, found an integer
error: `pools` has the wrong type
  percache.toml:2:9 <1> expected a table, found an integer"#;
    assert_eq!(found, said);
}

#[test]
fn ages_sizes_and_counts_are_checked() {
    let found = mistakes(
        r#"[task.a]
command = "x"
timeout = "10 parsecs"
retries = -1
"#,
        &[],
    );
    let said = r#"error: `timeout` is not an age
  percache.toml:3:11 <"10 parsecs"> is not an age
hint: write a whole number with s, m, h, d or w: `90s`, `30m`, `12h`, `30d`, `2w`
error: `retries` is out of range
  percache.toml:4:11 <-1> must be an integer from 0 to 4294967295"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[cache]
maxage = "soon"
maxsize = "20 apples"
check_rate = 1.5
dir = ""
[pools]
a = 0
b = "x"
"#,
        &[],
    );
    let said = r#"error: `maxage` is not an age
  percache.toml:2:10 <"soon"> is not an age
hint: write a whole number with s, m, h, d or w: `90s`, `30m`, `12h`, `30d`, `2w`
error: `maxsize` is not a size
  percache.toml:3:11 <"20 apples"> is not a size
hint: write a number of bytes, or one with a unit: `500MB`, `2GiB`, `1.5GiB`
error: `check_rate` is not a fraction
  percache.toml:4:14 <1.5> must be a number from 0 to 1
hint: `0.01` is one in a hundred, `1` is all
error: `dir` is not a path
  percache.toml:5:7 <""> must name a directory
hint: leave it out for `.percache`
error: `pools.a` is out of range
  percache.toml:7:5 <0> must be an integer from 1 to 4294967295
error: `pools.b` is no size
  percache.toml:8:5 <"x"> is not a size above 0
hint: write how many tasks may run at a time, or a size with a unit: `4`, `"32GiB"`"#;
    assert_eq!(found, said);
}

#[test]
fn a_task_has_something_to_do() {
    let found = mistakes(
        r#"[task.a]
command = "  "
[task.b]
command = []
[task.c]
command = [""]
[task.d]
"#,
        &[],
    );
    let said = r#"error: the command is empty
  percache.toml:2:11 <"  "> names no program
hint: leave `command` out to make a group of `deps`
error: the command is empty
  percache.toml:4:11 <[]> names no program
hint: leave `command` out to make a group of `deps`
error: the command is empty
  percache.toml:6:11 <[""]> names no program
hint: leave `command` out to make a group of `deps`
error: task `d` has nothing to do
  percache.toml:7:7 <d> has neither `command` nor `deps`
hint: give it a `command`, or `deps` to make it a group"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.e]
outputs = ["x"]
depfile = "y"
"#,
        &[],
    );
    let said = r#"error: task `e` has `outputs` but no `command`
  percache.toml:2:1 <outputs> means nothing without a command
hint: only a task that runs something has it; a task without `command` is a group of `deps`
error: task `e` has `depfile` but no `command`
  percache.toml:3:1 <depfile> means nothing without a command
hint: only a task that runs something has it; a task without `command` is a group of `deps`"#;
    assert_eq!(found, said);
}

#[test]
fn names_of_tasks_leave_room_for_syntax() {
    let found = mistakes(
        r#"task."b c".command = "x"
task."x:y".command = "x"
task."-v".command = "x"
"#,
        &[],
    );
    let said = r#"error: `b c` cannot be a task's name
  percache.toml:1:6 <"b c"> is not a valid name
hint: use letters, digits and `_ - . / + @`, not beginning with `-`
error: `x:y` cannot be a task's name
  percache.toml:2:6 <"x:y"> is not a valid name
hint: use letters, digits and `_ - . / + @`, not beginning with `-`
error: `-v` cannot be a task's name
  percache.toml:3:6 <"-v"> is not a valid name
hint: use letters, digits and `_ - . / + @`, not beginning with `-`"#;
    assert_eq!(found, said);
}
