//! Failures: building again what failed, naming it at the end, and what CI systems show of it.

use crate::sandbox::Sandbox;

/// `good` succeeds; `one` and `two` fail until there is a file `fixed`; `last` needs `one`.
const BROKEN: &str = r#"
    [task.good]
    command = "@ran(good)"
    inputs = []

    [task.one]
    command = "@ran(one); echo trouble in one; [ -e fixed ]"
    inputs = ["fixed"]

    [task.two]
    command = "@ran(two); [ -e fixed ]"
    inputs = ["fixed"]

    [task.last]
    command = "@ran(last)"
    deps = ["one"]
    inputs = []
"#;

#[test]
fn failed_tasks_are_built_again_and_nothing_else() {
    let ws = Sandbox::new(BROKEN);
    ws.build(["--failed"]).succeeds().reported([]).says(["no task has failed"]);
    ws.build(["-k"]).fails().reported(["good", "one", "two"]);
    ws.build(["--failed", "-k"]).fails().reported(["one", "two"]);
    ws.build(["--failed", "last"]).fails().reported(["one"]);
    ws.build(["--failed", "good"]).succeeds().reported([]).says(["no task has failed"]);
    ws.write("fixed", "");
    ws.build(["--failed"]).succeeds().reported(["one", "two"]);
    ws.build(["--failed", "--json"]).succeeds().reported([]).says([r#""event":"summary""#]).does_not_say("no task");
    ws.build(["--failed", "-q"]).succeeds().does_not_say("no task");
    ws.build(["--failed", "lost"]).exits(2).says(["lost"]);
}

#[test]
fn a_failed_task_outside_of_the_default_ones_is_found_from_any_directory() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            default = ["good"]
            members = ["web"]

            [task.good]
            command = "@ran(good)"
            inputs = []
        "#,
    );
    ws.config_in("web", "[task.t]\ncommand = \"@ran(t); false\"\ninputs = []\n");
    ws.run(ws.command("web").args(["build", "t"])).fails().reported(["t"]);
    ws.build(["--failed"]).fails().reported(["t"]);
    ws.run(ws.command("web").args(["build", "--failed"])).fails().reported(["t"]);
}

#[test]
fn several_failures_are_named_again_at_the_end() {
    let ws = Sandbox::new(BROKEN);
    let run = ws.build(["-k"]).fails();
    let (_, end) = run.stdout.split_once("failed tasks:\n").expect("they are named");
    let lines: Vec<_> = end.lines().collect();
    assert_eq!(lines[..2], ["  one (exit status 1)", "  two (exit status 1)"], "{end}");
    assert!(lines[2].starts_with("2 failed, "), "{end}");
    ws.build(["one"]).fails().does_not_say("failed tasks:");
}

#[test]
fn one_failure_is_named_again_if_much_follows_it() {
    let ws = Sandbox::new("[task.t]\ncommand = \"seq 40; exit 3\"\ninputs = []\n");
    ws.build([]).fails().says(["\nfailed tasks:\n  t (exit status 3)\n1 failed"]);
    ws.build(["--logs", "none"]).fails().does_not_say("failed tasks:");
}

const COMPILER: &str = r#"
    [task.good]
    command = "echo fine"
    inputs = []

    [task.lib]
    command = "cat log; false"
    cwd = "lib"
    inputs = []
    deps = ["good"]
"#;

fn compiler(log: &str) -> Sandbox {
    let ws = Sandbox::new(COMPILER);
    ws.write("lib/src/a,b.c", "int x\n");
    ws.write("lib/log", log);
    ws
}

#[test]
fn github_shows_failures_unfolded_and_where_the_compiler_found_them() {
    let log =
        "src/a,b.c:1:6: error: expected 100% of\nlost.c:1:1: error: no such file\n/etc/passwd:1:1: error: outside\n";
    let ws = compiler(log);
    let run = ws.run(ws.command("").arg("build").env("GITHUB_ACTIONS", "true")).fails();
    assert_eq!(run.stdout.matches("::group::").count(), 1, "{}", run.stdout);
    run.says([
        "::group::good\nfine\n::endgroup::\n",
        &format!("1s)\n{log}  command:").split_off("1s)".len()),
        "::error title=percache::task lib failed: exit status 1\n",
        "::error file=lib/src/a%2Cb.c,line=1,col=6,title=lib::expected 100%25 of\n",
    ])
    .does_not_say("file=lost")
    .does_not_say("file=/etc")
    .does_not_say("passwd,line");
}

#[test]
fn github_gets_paths_within_its_repository_and_at_most_ten() {
    let ws = compiler(&"src/a,b.c:1:6: error: again\n".repeat(30));
    let above = ws.root().parent().unwrap().to_owned();
    let build = |top: &std::path::Path| {
        ws.run(ws.command("").arg("build").env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", top)).fails()
    };
    let run = build(&above);
    let name = ws.root().file_name().unwrap().to_str().unwrap();
    assert_eq!(run.stdout.matches(&format!("::error file={name}/lib/src/a%2Cb.c,line=1")).count(), 10);
    build(&ws.path("lib/src")).says(["::error file=a%2Cb.c,line=1"]);
}

#[test]
fn gitlab_folds_what_succeeded_and_not_what_failed() {
    let ws = compiler("trouble\n");
    let run = ws.run(ws.command("").arg("build").env("GITLAB_CI", "true")).fails();
    let log = &run.stdout;
    assert_eq!((log.matches("section_start:").count(), log.matches("section_end:").count()), (1, 1), "{log}");
    let (before, section) = log.split_once("section_start:").unwrap();
    let (_, section) = section.split_once(':').unwrap();
    let (name, section) = section.split_once("[collapsed=true]\r\x1b[0Kgood\nfine\nsection_end:").expect(log);
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)), "{name}");
    assert!(section.contains(&format!(":{name}\r\x1b[0K\n")) && section.contains("trouble"), "{log}");
    assert!(!before.contains("trouble") && !log.contains("::error"), "{log}");
    assert!(!ws.run(ws.command("").args(["build", "-k"])).stdout.contains("section_"));
}
