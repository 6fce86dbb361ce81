//! What tasks take over from templates, from `[workspace]` and from included files.

use super::{inputs, mistakes, names, outputs, path, task, workspace};
use crate::model::TaskCommand;

#[test]
fn arrays_are_appended_tables_merged_and_the_rest_replaced() {
    let made = workspace(
        r#"[template.base]
command = "base"
inputs = ["src", "src2"]
outputs = ["out"]
env = { A = "1", B = "1" }
matrix = { os = ["l", "w"], arch = ["x"] }
timeout = "1m"
retries = 2
[template.more]
inputs = ["more"]
env = { B = "2", C = "2" }
timeout = "2m"
[task.a]
extends = ["base", "more"]
command = ["own"]
inputs = ["!src2"]
outputs = ["{os}"]
env = { C = "3" }
matrix = { os = ["m"] }
"#,
        &[],
    );
    assert_eq!(names(&made), ["a[arch=x,os=m]"]);
    let task = task(&made, "a[arch=x,os=m]");
    assert_eq!(inputs(task), ["src", "src2", "more", "!src2"]);
    assert_eq!(outputs(task), ["out", "m"]);
    let env: Vec<_> = task.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=1", "B=2", "C=3"]);
    assert_eq!(task.command, Some(TaskCommand::Argv(vec!["own".into()])));
    assert_eq!((task.timeout.unwrap().as_secs(), task.retries), (120, 2));
}

#[test]
fn variables_and_dependencies_are_taken_away() {
    let made = workspace(
        r#"[workspace]
env = { A = "w", W = "w" }
[template.t]
env = { A = "t", B = "t", C = "t" }
deps = ["x", "y"]
[template.u]
extends = ["t"]
env = { B = false }
[task.x]
command = "x"
[task.y]
command = "y"
[task.a]
extends = ["u"]
command = "a"
env = { A = false, B = "again", W = false }
deps = ["!x"]
[task.b]
command = "b"
deps = ["*", "!y", "!a"]
"#,
        &[],
    );
    let env: Vec<_> = task(&made, "a").env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["B=again", "C=t"]);
    let deps = |name: &str| task(&made, name).deps.iter().map(|id| &made.task(*id).name[..]).collect::<Vec<_>>();
    assert_eq!((deps("a"), deps("b")), (vec!["y"], vec!["x"]));
}

#[test]
fn taking_away_what_is_not_there_is_a_mistake() {
    let found = mistakes(
        r#"[workspace]
env = { A = "1", B = false }
[template.t]
env = { C = "1" }
[task.x]
command = "x"
[task.a]
command = "a"
extends = ["t"]
env = { C = false, CC = false, D = true }
deps = ["!x", "!nobody"]
"#,
        &[],
    );
    let said = r#"error: `B = false` takes nothing away
  percache.toml:2:18 <B> is set by nothing before it
hint: leave it out; in a task, it takes away what a template or [workspace] sets
error: `CC = false` takes nothing away
  percache.toml:10:20 <CC> is set by nothing before it
hint: leave it out, or name what a template or [workspace] sets
error: `env.D` has the wrong type
  percache.toml:10:36 <true> expected a string, or `false` to take it away, found a boolean
error: `!x` takes nothing away
  percache.toml:11:9 <"!x"> none of these is a dependency before it
hint: leave it out, or name what a template, or a glob before it, states
error: task `a` depends on a task that does not exist
  percache.toml:11:15 <"!nobody"> no task is named `nobody`
hint: tasks are the tables [task.NAME] of this file; those of a member are named `directory:task`"#;
    assert_eq!(found, said);
}

#[test]
fn templates_extend_templates_and_paths_belong_to_the_task() {
    let made = workspace(
        r#"[workspace]
members = ["pkgs/*"]
[template.node]
inputs = ["src"]
cwd = "."
[template.built]
extends = ["node"]
command = "build {dir}"
foreach = "*.in"
outputs = ["dist/{stem}"]
[task.x]
extends = ["built"]
"#,
        &[
            ("pkgs/a/percache.toml", "[task.build]\nextends = ['built']\n"),
            ("pkgs/b/percache.toml", "[template.built]\ncommand = 'own'\n[task.build]\nextends = ['built']\n"),
            ("pkgs/a/1.in", ""),
        ],
    );
    assert_eq!(names(&made), ["pkgs/a:build[1.in]", "pkgs/b:build"]);
    let of_a = task(&made, "pkgs/a:build[1.in]");
    assert_eq!((inputs(of_a), outputs(of_a)), (vec!["pkgs/a/src".to_owned()], vec!["pkgs/a/dist/1".to_owned()]));
    assert_eq!(of_a.cwd, path("pkgs/a"));
    assert_eq!(task(&made, "pkgs/b:build").command, Some(TaskCommand::Shell("own".into())), "its own template");
    assert_eq!(made.unused, []);
}

#[test]
fn the_workspace_states_defaults_for_tasks_with_a_command() {
    let made = workspace(
        r#"[workspace]
members = ["pkgs/a"]
env_pass = ["CI", "TOKEN"]
env_from = ["CC"]
tools = ["cc --version", "ld -v"]
shell = ["bash", "-c"]
inputs = ["base.json", "conf/*.ini"]
[task.group]
deps = ["t"]
[task.t]
command = "t"
env_pass = ["!CI", "MINE"]
env_from = ["!CC"]
tools = ["!ld -v", "! false"]
inputs = ["x", "!base.json"]
[task.argv]
command = ["t"]
inputs = []
"#,
        &[("pkgs/a/percache.toml", "[task.t]\ncommand = 't'\nshell = ['zsh', '-c']\n")],
    );
    let own = task(&made, "t");
    assert_eq!(own.env_pass, ["TOKEN", "MINE"]);
    assert_eq!(own.env_from, [""; 0]);
    assert_eq!(own.tools, ["! false", "cc --version"]);
    assert_eq!(own.command, Some(TaskCommand::Argv(["bash", "-c", "t"].map(str::to_owned).to_vec())));
    assert_eq!(inputs(own), ["base.json", "conf/*.ini", "x", "!base.json"]);
    assert_eq!(task(&made, "argv").command, Some(TaskCommand::Argv(vec!["t".to_owned()])));
    assert_eq!(inputs(task(&made, "argv")), ["base.json", "conf/*.ini"]);
    let group = task(&made, "group");
    assert!(group.env_pass.is_empty() && group.tools.is_empty() && inputs(group).is_empty());
    let of_member = task(&made, "pkgs/a:t");
    assert_eq!(inputs(of_member), ["default", "base.json", "conf/*.ini"]);
    assert_eq!(of_member.command, Some(TaskCommand::Argv(["zsh", "-c", "t"].map(str::to_owned).to_vec())));
}

#[test]
fn the_default_inputs_may_stand_beside_others() {
    let made = workspace(
        "[workspace]\nmembers = ['a']\n",
        &[(
            "a/percache.toml",
            "[task.t]\ncommand = 't'\ninputs = ['@default', '../base', '!README.md', './@default']\n",
        )],
    );
    assert_eq!(inputs(task(&made, "a:t")), ["default", "base", "!a/README.md", "a/@default"]);
}

#[test]
fn included_files_count_as_if_they_stood_in_the_file() {
    let made = workspace(
        "include = ['tasks/*.toml', '!tasks/old.toml']\n[workspace]\nmembers = ['m']\n[task.a]\nextends = ['t']\n",
        &[
            ("tasks/one.toml", "[template.t]\ncommand = 't'\ninputs = ['src']\n"),
            ("tasks/two.toml", "[task.b]\nextends = ['t']\ndeps = ['a']\n"),
            ("tasks/old.toml", "nonsense"),
            ("m/percache.toml", "include = ['more.toml']\n"),
            ("m/more.toml", "[task.c]\nextends = ['t']\n"),
        ],
    );
    assert_eq!(names(&made), ["a", "b", "m:c"]);
    assert_eq!((inputs(task(&made, "b")), inputs(task(&made, "m:c"))), (vec!["src".into()], vec!["m/src".into()]));
    let files: Vec<_> = made.files.iter().map(ToString::to_string).collect();
    assert_eq!(files, ["percache.toml", "m/percache.toml", "tasks/one.toml", "tasks/two.toml", "m/more.toml"]);
    assert!(made.listed.contains(&path("tasks")), "a new file there is noticed: {:?}", made.listed);
}

#[test]
fn templates_that_are_not_used_are_known() {
    let made = workspace(
        "[template.a]\ntimeout = '1m'\n[template.b]\nextends = ['a']\n[template.c]\n[task.t]\ncommand = 't'\n\
         extends = ['a']\n",
        &[],
    );
    let unused: Vec<_> = made.unused.iter().map(|unused| format!("{} {}", unused.name, unused.place)).collect();
    assert_eq!(unused, ["b percache.toml:3", "c percache.toml:5"]);
}

#[test]
fn unknown_and_circular_templates() {
    let found = mistakes(
        r#"[template.node]
extends = ["nod"]
[template.a]
extends = ["b"]
[template.b]
extends = ["a"]
[template.node]
timeout = "1m"
[template."a b"]
[task.t]
command = "t"
extends = ["nodes", "qqqqq", "a"]
"#,
        &[],
    );
    assert!(found.contains("error: this is not TOML"), "the same table twice: {found}");
    let found = mistakes(
        r#"include = ["more.toml"]
[template.node]
extends = ["nod"]
[template.a]
extends = ["b"]
[template.b]
extends = ["a"]
[template."a b"]
[task.t]
command = "t"
extends = ["nodes", "qqqqq", "a"]
"#,
        &[("more.toml", "[template.node]\ntimeout = '1m'\n")],
    );
    let said = r#"error: there is no template `nod`
  percache.toml:3:12 <"nod"> is not a template
hint: did you mean `node`?
error: template `a` extends itself: a → b → a
  percache.toml:7:12 <"a"> closes the circle
hint: take one of these names out of `extends`
error: `a b` cannot be a template's name
  percache.toml:8:11 <"a b"> is not a valid name
hint: use letters, digits and `_ - . / + @`, not beginning with `-`
error: there is no template `nodes`
  percache.toml:11:12 <"nodes"> is not a template
hint: did you mean `node`?
error: there is no template `qqqqq`
  percache.toml:11:21 <"qqqqq"> is not a template
hint: state it as [template.NAME], here or in the root file
error: two templates are named `node`
  more.toml:1:11 <node> makes the name twice
  percache.toml:2:11 <node> first stated here
hint: rename one of them"#;
    assert_eq!(found, said);
}

#[test]
fn a_mistake_is_shown_where_it_is_written() {
    let found = mistakes(
        r#"[workspace]
members = ["a", "b"]
[template.t]
command = "t {fiel}"
foreach = "*.c"
pool = "heavy"
inputs = ["../../x"]
tools = ["!cc"]
"#,
        &[
            ("a/percache.toml", "[task.t]\nextends = ['t']\n"),
            (
                "b/percache.toml",
                "[task.t]\nextends = ['t']\n[task.g]\nextends = ['g']\n[template.g]\nenv = {}\ndeps = ['t']\n",
            ),
            ("a/x.c", ""),
        ],
    );
    let said = r#"error: unknown placeholder `{fiel}`
  percache.toml:4:14 <{fiel}> is not a placeholder of this task
hint: did you mean `{file}`?
error: there is no pool `heavy`
  percache.toml:6:8 <"heavy"> is not in [pools]
hint: state it in [pools] of the root file
error: `../../x` is not a valid pattern
  percache.toml:7:11 <"../../x"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `!cc` takes nothing away
  percache.toml:8:10 <"!cc"> there is no `cc` before it
hint: leave it out, or name what a template or [workspace] states
error: task `g` has `env` but no `command`
  b/percache.toml:6:1 <env> means nothing without a command
hint: only a task that runs something has it; a task without `command` is a group of `deps`"#;
    assert_eq!(found, said);
}

#[test]
fn mistakes_about_shells_and_included_files() {
    let found = mistakes(
        r#"include = ["none.toml", "percache.toml", "../x.toml", "more.toml"]
[workspace]
shell = []
inputs = ["@default"]
[task.a]
command = ["a"]
shell = ["bash", "-c"]
[task.b]
command = "print('{args}')"
shell = ["python3", "-c"]
[task.c]
command = "c"
shell = "bash -c"
"#,
        &[("more.toml", "include = ['x']\n[workspace]\n[pools]\nx = 1\n")],
    );
    let said = r#"error: `include` names `none.toml`, which is not a file
  percache.toml:1:12 <"none.toml"> is not a file
hint: name files with tables [task.NAME] and [template.NAME]
error: `include` names `percache.toml`, which includes itself
  percache.toml:1:25 <"percache.toml"> includes itself
hint: name files with tables [task.NAME] and [template.NAME]
error: this is not a pattern for files
  percache.toml:1:42 <"../x.toml"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: `shell` is empty
  percache.toml:3:1 <shell> names no program
hint: name a program and its arguments: `["bash", "-euo", "pipefail", "-c"]`
error: `@default` in `inputs` of [workspace]
  percache.toml:4:11 <"@default"> means something in a task only
hint: leave it out: tasks without `inputs` keep their default beside these
error: the command of task `a` is an array, so `shell` has no effect
  percache.toml:7:1 <shell> runs commands that are strings
hint: write the command as a string, or leave `shell` out
error: values cannot be quoted for `python3 -c`
  percache.toml:9:19 <{args}> would be code in that language
hint: write the command as an array, whose elements need no quotes
error: `shell` has the wrong type
  percache.toml:13:9 <"bash -c"> expected an array of strings, found a string
hint: write `shell = ["bash -c"]`
error: `include` in an included file
  more.toml:1:1 <include> only a percache.toml may have this key
hint: move it to the percache.toml that includes this file
error: [workspace] in an included file
  more.toml:2:2 <workspace> only the root file may have this table
hint: move it to the percache.toml of the workspace root
error: [pools] in an included file
  more.toml:3:2 <pools> only the root file may have this table
hint: move it to the percache.toml of the workspace root"#;
    assert_eq!(found, said);
}
