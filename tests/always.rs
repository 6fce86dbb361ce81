//! Tasks that always run, and what depends on them.

use crate::sandbox::Sandbox;

/// A setup step with outputs, and one without; each has tasks below it, by name and by pattern.
const SETUP: &str = r#"
[task.install]
command = "rm -rf modules && mkdir modules && cp lock modules/a && cp version modules/b && @ran(install)"
inputs = ["lock"]
outputs = ["modules/"]
cache = false
[task.login]
command = "@ran(login)"
inputs = ["account"]
cache = false

[task.build]
command = "cat src modules/a > out && @ran(build)"
inputs = ["src"]
outputs = ["out"]
deps = ["install"]
[task.pack]
command = "cat modules/a > pack && @ran(pack)"
inputs = ["modules/a"]
outputs = ["pack"]
[task.upload]
command = "@ran(upload)"
inputs = []
deps = ["login", "build"]
"#;

fn built() -> Sandbox {
    let ws = Sandbox::new(SETUP);
    for name in ["lock", "version", "account", "src"] {
        ws.write(name, "1");
    }
    ws.build([]).reported(["build", "install", "login", "pack", "upload"]);
    ws
}

#[test]
fn nothing_else_runs_while_they_leave_the_same() {
    let ws = built();
    for _ in 0..3 {
        ws.build([]).reported(["install", "login"]).up_to_date(3);
    }
    ws.write("src", "2");
    ws.build([]).reported(["build", "install", "login", "upload"]).up_to_date(1);
    ws.build([]).reported(["install", "login"]).up_to_date(3);
    // Nothing that the named tasks need always runs.
    ws.build(["pack", "install"]).reported(["install"]).up_to_date(1);
}

#[test]
fn what_depends_on_one_goes_by_its_outputs() {
    let ws = built();
    ws.write("lock", "2");
    ws.build([]).reported(["build", "install", "login", "pack", "upload"]);
    // Only an output that not all of them read is another one, and no input of `install` says so.
    ws.write("version", "2");
    let run = ws.build(["--explain"]).reported(["build", "install", "login"]).up_to_date(2);
    run.says(["build (", "modules/b changed"]);
    ws.write("version", "1");
    ws.build([]).reported(["install", "login"]).up_to_date(3);
}

#[test]
fn what_depends_on_one_without_outputs_goes_by_its_inputs_and_command() {
    let ws = built();
    ws.write("account", "2");
    let run = ws.build(["--explain"]).reported(["install", "login", "upload"]).up_to_date(2);
    run.says(["dependency `login` changed"]);
    ws.build([]).reported(["install", "login"]).up_to_date(3);
    ws.edit_config("command = \"@ran(login)\"", "command = \": anew; @ran(login)\"");
    ws.build([]).reported(["install", "login", "upload"]).up_to_date(2);
}

/// The last build is no evidence for tasks below: what a setup step changes besides its outputs is seen, too.
#[test]
fn what_one_changes_besides_its_outputs_is_noticed() {
    let ws = Sandbox::new(
        r#"
[task.checkout]
command = "cp wanted vendor.c && @ran(checkout)"
inputs = []
cache = false
[task.build]
command = "cp vendor.c out && @ran(build)"
inputs = ["vendor.c"]
outputs = ["out"]
deps = ["checkout"]
"#,
    );
    ws.write("wanted", "1");
    ws.build([]).reported(["build", "checkout"]);
    ws.build([]).reported(["checkout"]).up_to_date(1);
    ws.write("wanted", "2");
    ws.build([]).reported(["build", "checkout"]);
    assert_eq!(ws.read("out"), "2");
    ws.build([]).reported(["checkout"]).up_to_date(1);
}
