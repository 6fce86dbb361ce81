//! From tasks as written to tasks as run: `foreach`, `matrix`, placeholders, `{args}`, members and names.

use crate::sandbox::Sandbox;

#[test]
fn placeholders_of_a_foreach_task() {
    let ws = Sandbox::new(
        r#"
            [task.show]
            foreach = "src/**/*.c"
            command = "echo {file} {dir} {name} {stem} {ext} > out/{stem}"
            inputs = ["{file}"]
            outputs = ["out/{stem}"]
        "#,
    );
    ws.write("src/deep/a.b.c", "");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/a.b"), "src/deep/a.b.c src/deep a.b.c a.b c\n");
}

#[test]
fn values_are_quoted_for_the_shell() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            foreach = "src/*"
            command = "cp {file} out/{name}"
            inputs = ["{file}"]
            outputs = ["out/{name}"]
        "#,
    );
    let names = ["with space", "it's", "$HOME", "a;b", "*", "-n", "\"q\"", "back\\slash"];
    for name in names {
        ws.write(&format!("src/{name}"), name);
    }
    ws.build([]).succeeds();
    for name in names {
        assert_eq!(ws.read(&format!("out/{name}")), name);
    }
}

#[test]
fn an_array_is_executed_without_a_shell() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            foreach = "src/*"
            command = ["cp", "{file}", "out/{name}"]
            inputs = ["{file}"]
            outputs = ["out/{name}"]

            [task.literal]
            command = ["printf", "%s", "$HOME; `x` {print $1}"]
            inputs = []
        "#,
    );
    ws.write("src/a $b", "text");
    ws.build(["--logs", "all"]).succeeds().says(["$HOME; `x` {print $1}"]);
    assert_eq!(ws.read("out/a $b"), "text");
}

#[test]
fn every_other_brace_belongs_to_the_shell() {
    let ws = Sandbox::new(
        r#"
            [task.braces]
            command = """
            v=value
            printf 'a b\n' | awk '{print $2}' > out/braces
            echo ${v} ${v:-x} {} { } {unrelated} {a,b} >> out/braces
            """
            inputs = []
            outputs = ["out/braces"]
        "#,
    );
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/braces"), "b\nvalue value {} { } {unrelated} {a,b}\n");
}

#[test]
fn matrix_makes_one_task_per_combination() {
    let ws = Sandbox::new(
        r#"
            [task.test]
            command = "@ran({os}-{python}); echo {os} {python} > out/{os}-{python}"
            inputs = []
            outputs = ["out/{os}-{python}"]
            matrix = { python = ["3.11", "3.12"], os = ["linux", "mac"] }
        "#,
    );
    ws.build(["test[os=mac,python=3.12]"]).ran(["mac-3.12"]);
    ws.build(["test"]).ran(["linux-3.11", "linux-3.12", "mac-3.11"]).up_to_date(1);
    ws.edit_config(r#"["3.11", "3.12"]"#, r#"["3.11", "3.13"]"#);
    ws.build([]).ran(["linux-3.13", "mac-3.13"]).up_to_date(2);
    assert!(!ws.exists("out/mac-3.12"));
}

#[test]
fn arguments_behind_two_dashes_are_part_of_the_fingerprint() {
    let ws = Sandbox::new(
        "[task.test]\ncommand = \"@ran(test); printf '<%s>' {args} > out/args\"\ninputs = []\noutputs = [\"out/args\"]",
    );
    ws.build(["test", "--", "one", "two words", "$x"]).ran(["test"]);
    assert_eq!(ws.read("out/args"), "<one><two words><$x>");
    ws.build(["test", "--", "one", "two words", "$x"]).ran([]);
    ws.build(["test", "--", "other"]).ran(["test"]);
    ws.build(["test"]).ran(["test"]);
    ws.build(["test", "--", "other"]).ran([]).restored(1);
}

#[test]
fn tasks_are_chosen_by_name_template_instance_and_glob() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            members = ["pkgs/*"]
            default = ["top"]

            [task.top]
            command = "@ran(top)"
            inputs = []

            [task.each]
            foreach = "src/*"
            command = "@ran({name})"
            inputs = ["{file}"]
        "#,
    );
    for member in ["app", "lib"] {
        let task = |name: &str| format!("[task.{name}]\ncommand = \"@ran({member}-{name})\"\ninputs = []\n");
        ws.config_in(&format!("pkgs/{member}"), &(task("build") + &task("test")));
    }
    ws.write("src/a", "");
    ws.write("src/b", "");
    ws.build([]).ran(["top"]);
    ws.build(["each[src/a]"]).ran(["a"]);
    ws.build(["each"]).ran(["b"]);
    ws.build(["pkgs/app:*"]).ran(["app-build", "app-test"]);
    ws.build(["pkgs/*:build"]).ran(["lib-build"]);
    ws.run(ws.command("pkgs/lib").args(["build", "test"])).ran(["lib-test"]);
}

#[test]
fn a_member_may_depend_on_the_root_and_on_other_members() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            members = ["pkgs/*"]

            [task.base]
            command = "@ran(base); echo base > out/base"
            inputs = []
            outputs = ["out/base"]
        "#,
    );
    ws.config_in("pkgs/lib", "[task.build]\ncommand = \"@ran(lib); cat ../../out/base > out/lib\"\ninputs = []\noutputs = [\"out/lib\"]\ndeps = [\":base\"]");
    ws.config_in("pkgs/app", "[task.build]\ncommand = \"@ran(app); cat ../lib/out/lib > out/app\"\ninputs = []\noutputs = [\"out/app\"]\ndeps = [\"pkgs/lib:build\"]");
    ws.build(["pkgs/app:build"]).ran(["app", "base", "lib"]);
    assert_eq!(ws.read("pkgs/app/out/app"), "base\n");
}

#[test]
fn a_group_is_a_task_with_dependencies_only() {
    let ws = Sandbox::new(
        r#"
            [task.all]
            deps = ["test-*"]

            [task.test-a]
            command = "@ran(a)"
            inputs = []

            [task.test-b]
            command = "@ran(b)"
            inputs = []

            [task.other]
            command = "@ran(other)"
            inputs = []
        "#,
    );
    ws.build(["all"]).ran(["a", "b"]);
}

#[test]
fn the_workspace_is_found_from_below_and_with_an_option() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"pkg\"]\n[task.root]\ncommand = \"@ran(root)\"\ninputs = []");
    ws.config_in("pkg", "[task.inner]\ncommand = \"@ran(inner)\"\ninputs = []");
    ws.write("pkg/deep/er/file", "");
    ws.run(ws.command("pkg/deep/er").arg("build")).ran(["inner", "root"]);
    let mut elsewhere = ws.command("");
    elsewhere.current_dir("/").arg("-C").arg(ws.path("pkg")).arg("build");
    ws.run(&mut elsewhere).ran([]).up_to_date(2);
}

#[test]
fn files_that_a_task_makes_are_expanded_by_the_next_foreach() {
    let ws = Sandbox::new(
        r#"
            [task.first]
            foreach = "src/*.a"
            command = "@ran({name}); cat {file} > out/{stem}.b"
            inputs = ["{file}"]
            outputs = ["out/{stem}.b"]

            [task.second]
            foreach = "out/*.b"
            command = "@ran({name}); cat {file} {file} > out/{stem}.c"
            inputs = ["{file}"]
            outputs = ["out/{stem}.c"]
        "#,
    );
    ws.write("src/x.a", "x");
    ws.build([]).ran(["x.a", "x.b"]);
    assert_eq!(ws.read("out/x.c"), "xx");
    ws.write("src/y.a", "y");
    ws.build([]).ran(["y.a", "y.b"]).up_to_date(2);
}
