//! `completions`: scripts by which shells ask percache, and what it answers.

use std::path::Path;

use crate::sandbox::{PERCACHE, Sandbox};

const WORKSPACE: &str = r#"
    [workspace]
    members = ["pkgs/*"]

    [task.codegen]
    description = "Generate tables"
    command = "@ran(codegen)"
    tools = ["@ran(tool)"]
"#;

const MEMBER: &str = r#"
    [task.objects]
    foreach = "src/*"
    command = "true"
"#;

fn workspace() -> Sandbox {
    let ws = Sandbox::new(WORKSPACE);
    ws.config_in("pkgs/app", MEMBER);
    ws.write("pkgs/app/src/a b.c", "");
    ws.write("pkgs/app/src/c.c", "");
    ws
}

/// What bash would offer at the end of `line`, when readline takes `rest` for the word.
fn bash(ws: &Sandbox, line: &str, rest: &str) -> Vec<String> {
    let script = r#"
        eval "$(percache completions bash)"
        COMP_LINE=$LINE COMP_POINT=${#LINE}
        _percache percache "$REST" x
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    ws.write("ask.bash", script);
    let directory = Path::new(PERCACHE).parent().unwrap().display();
    let ask = format!("PATH={directory}:$PATH LINE='{line}' REST='{rest}' bash ask.bash");
    ws.shell(&ask).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let ws = workspace();
    assert_eq!(bash(&ws, "percache buil", "buil"), ["build"]);
    assert_eq!(bash(&ws, "percache build --keep", "--keep"), ["--keep-going"]);
    assert_eq!(bash(&ws, "percache build --logs=f", "f"), ["failed"]);
    assert_eq!(bash(&ws, "percache help finger", "finger"), ["fingerprint"]);
}

#[test]
fn bash_completes_tasks_whose_names_readline_splits() {
    let ws = workspace();
    assert_eq!(bash(&ws, "percache build co", "co"), ["codegen"]);
    assert_eq!(bash(&ws, "percache why pkgs/", "pkgs/"), ["pkgs/app:objects"]);
    assert_eq!(bash(&ws, "percache why pkgs/app:", ""), ["objects"]);
    assert_eq!(bash(&ws, "percache build codegen pkgs/app:ob", "ob"), ["objects"]);
}

#[test]
fn instances_come_once_their_task_is_named_and_are_escaped() {
    let ws = workspace();
    assert_eq!(bash(&ws, "percache log pkgs/app:objects[", "objects["), [r"objects[src/a\ b.c]", "objects[src/c.c]"]);
    assert_eq!(bash(&ws, r"percache log pkgs/app:objects[src/a\ b", r"objects[src/a\ b"), [r"objects[src/a\ b.c]"]);
}

#[test]
fn in_a_member_its_tasks_have_short_names() {
    let ws = workspace();
    assert_eq!(bash(&ws, "percache -C pkgs/app build ob", "ob"), ["objects"]);
    assert_eq!(bash(&ws, "percache build ob", "ob"), Vec::<String>::new());
}

#[test]
fn asking_runs_nothing_and_opens_no_store() {
    let ws = workspace();
    assert_eq!(bash(&ws, "percache build co", "co"), ["codegen"]);
    assert_eq!(ws.newly_tallied(), Vec::<String>::new());
    assert!(!ws.exists(".percache"));
}

#[test]
fn a_broken_configuration_has_no_tasks_to_offer_and_no_message() {
    let ws = Sandbox::new("[task.codegen]\ncomand = \"true\"\n");
    let run = ws.run(ws.command("").env("PERCACHE_COMPLETE", "fish").args(["--", "percache", "build", "co"]));
    assert_eq!(run.succeeds().output(), "");
    assert_eq!(bash(&ws, "percache build --keep", "--keep"), ["--keep-going"]);
}

#[test]
fn fish_zsh_and_others_get_descriptions() {
    let ws = workspace();
    let ask = |shell: &str| {
        let mut command = ws.command("");
        command.env("PERCACHE_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "2").env("_CLAP_IFS", "\n");
        ws.run(command.args(["--", "percache", "build", "c"])).succeeds().stdout
    };
    assert_eq!(ask("fish"), "codegen\tGenerate tables\n");
    assert_eq!(ask("powershell"), "codegen\tGenerate tables\n");
    assert_eq!(ask("zsh"), "codegen:Generate tables");
    assert_eq!(ask("elvish"), "codegen");
}

#[test]
fn every_shell_has_a_script_and_others_are_refused() {
    let ws = Sandbox::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        ws.percache(["completions", shell]).succeeds().says(["percache", "PERCACHE_COMPLETE"]);
    }
    ws.percache(["completions", "csh"]).exits(2);
}
