//! Packages of other ecosystems: members from their files, names of packages, and `^task`.

mod project;
mod random;

use crate::sandbox::Sandbox;
use crate::watch::{Watch, until_it_reads};

const ROOT: &str = r#"
    [workspace]
    members = "npm"

    [template.package]
    command = '''@ran("${PWD##*/}"); cat src > out; cat {deps} >> out'''
    inputs = ["src"]
    outputs = ["out"]
    deps = ["^build"]
"#;

const BUILD: &str = "[task.build]\nextends = [\"package\"]\n";

/// app → lib → base, in three packages of npm. One more has no percache.toml.
fn project() -> Sandbox {
    let ws = Sandbox::new(ROOT);
    ws.write("package.json", r#"{ "name": "shop", "workspaces": ["packages/*"] }"#);
    let package = |dir: &str, name: &str, needs: &str| {
        let manifest = format!(r#"{{ "name": "@shop/{name}", "dependencies": {{ {needs} }} }}"#);
        ws.write(&format!("packages/{dir}/package.json"), manifest);
        ws.write(&format!("packages/{dir}/src"), format!("{dir}\n"));
    };
    package("app", "web", r#""@shop/lib": "*", "left-pad": "^1.0.0""#);
    package("lib", "lib", r#""@shop/through": "workspace:*""#);
    package("through", "through", r#""@shop/base": "workspace:*""#);
    package("base", "base", "");
    for dir in ["app", "lib", "base"] {
        ws.write(&format!("packages/{dir}/percache.toml"), BUILD);
    }
    ws
}

#[test]
fn the_tasks_of_the_packages_below_come_first_and_count() {
    let ws = project();
    ws.build([]).ran(["base", "lib", "app"]);
    assert_eq!(ws.read("packages/app/out"), "app\nbase\nlib\nbase\n");
    ws.build([]).up_to_date(3);
    ws.write("packages/base/src", "changed\n");
    ws.build(["packages/app:build"]).ran(["base", "lib", "app"]);
    assert_eq!(ws.read("packages/app/out"), "app\nchanged\nlib\nchanged\n");
}

/// What a program runs may lie further below than what its own package names, and what lies between may stay the same.
#[test]
fn what_lies_further_below_counts_although_nothing_between_changes() {
    let ws = project();
    ws.edit_config("cat {deps} >> out", "true {deps}");
    ws.build([]).ran(["base", "lib", "app"]);
    ws.write("packages/base/src", "changed\n");
    ws.build([]).ran(["base", "lib", "app"]);
    assert_eq!(ws.read("packages/lib/out"), "lib\n");
}

#[test]
fn names_of_packages_stand_for_their_directories() {
    let ws = project();
    ws.build(["@shop/lib:build"]).ran(["base", "lib"]);
    ws.build(["@shop/*:build"]).ran(["app"]).up_to_date(2);
    ws.percache(["why", "@shop/web:build"]).succeeds().says(["packages/app:build"]);
    ws.percache(["list", "@shop/b*:build"]).succeeds().says(["packages/base:build"]).does_not_say("packages/lib");
    ws.percache(["build", "@shop/wbe:build"]).exits(2).says(["did you mean `@shop/web:build`"]);
    ws.percache(["build", "@shop/web:biuld"]).exits(2).says(["did you mean `@shop/web:build"]);
    // In `deps` and `default`, too; the root's package stands for the root.
    ws.edit_config("[workspace]", "[task.all]\ndeps = [\"@shop/base:*\"]\n[workspace]\ndefault = [\"shop:all\"]");
    ws.write("packages/base/package.json", r#"{ "name": "@shop/base" }"#);
    ws.build([]).succeeds().ran([]).up_to_date(1);
    ws.percache(["graph", "all"]).succeeds().says(["packages/base:build"]);
}

/// What the files of the ecosystem say is part of the configuration, which is kept while nothing changes.
#[test]
fn a_changed_manifest_is_noticed() {
    let ws = project();
    ws.build([]).ran(["base", "lib", "app"]);
    ws.build([]).up_to_date(3);
    // A dependency more, and one less.
    ws.write("packages/app/package.json", r#"{ "name": "@shop/web", "dependencies": { "@shop/base": "*" } }"#);
    ws.build([]).ran(["app"]);
    assert_eq!(ws.read("packages/app/out"), "app\nbase\n");
    // In a package without tasks, too.
    ws.write("packages/through/package.json", r#"{ "name": "@shop/through" }"#);
    ws.build([]).ran(["lib"]);
    assert_eq!(ws.read("packages/lib/out"), "lib\n");
    // A file of its own makes a package a member, and another pattern takes it away.
    ws.write("packages/through/percache.toml", BUILD);
    ws.write("packages/through/src", "through\n");
    ws.build([]).ran(["through", "lib"]);
    ws.write("package.json", r#"{ "workspaces": ["packages/*", "!packages/through"] }"#);
    ws.build([]).ran([]).up_to_date(2).restored(1);
    ws.write("package.json", r#"{ "workspaces": ["packages/*", "extra"] }"#);
    ws.write("extra/package.json", r#"{ "name": "extra" }"#);
    ws.write("extra/percache.toml", "[task.build]\ncommand = \"true\"\ninputs = []\n");
    ws.percache(["list"]).succeeds().says(["extra:build"]);
    ws.build([]).succeeds();
    ws.same_as_clean();
}

#[test]
fn a_command_in_a_package_belongs_to_the_workspace() {
    let ws = project();
    ws.run(ws.command("packages/lib").args(["build", "build"])).ran(["base", "lib"]);
    ws.run(ws.command("packages/through").args(["build", "@shop/web:build"])).ran(["app"]);
}

#[test]
fn a_change_of_a_manifest_is_watched() {
    let ws = project();
    let watch = Watch::start(&ws, &[]);
    until_it_reads(&ws, "packages/app/out", "app\nbase\nlib\nbase\n");
    ws.write("packages/app/package.json", r#"{ "name": "@shop/web" }"#);
    until_it_reads(&ws, "packages/app/out", "app\n");
    ws.write("packages/app/package.json", "{ broken");
    ws.write("packages/app/package.json", r#"{ "name": "@shop/web", "dependencies": { "@shop/base": "*" } }"#);
    until_it_reads(&ws, "packages/app/out", "app\nbase\n");
    drop(watch);
}

#[test]
fn a_new_dependency_affects_the_package() {
    let ws = project();
    ws.write(".gitignore", ".percache\nout\n");
    ws.shell("git init -q -b main . && git config user.name n && git config user.email e@example.com");
    ws.shell("git add . && git commit -qm first");
    let affected = || ws.percache(["list", "--affected=HEAD"]).succeeds();
    ws.write("packages/through/package.json", r#"{ "name": "@shop/through" }"#);
    affected().says(["packages/lib:build", "packages/app:build"]).does_not_say("base");
}

#[test]
fn packages_that_depend_on_each_other_are_told() {
    let ws = project();
    ws.write("packages/base/package.json", r#"{ "name": "@shop/base", "devDependencies": { "@shop/web": "*" } }"#);
    ws.percache(["list"]).exits(2).says([
        "dependency cycle: `packages/app:build",
        "(`^build`)",
        "percache.toml:9",
        "these packages depend on each other",
    ]);
}

/// Cargo allows a circle that only tests close. A test needs what it uses all the same, and the builds stay in order.
#[test]
fn tests_need_their_dependencies_although_packages_form_a_circle() {
    let ws = Sandbox::new(
        r#"
        [workspace]
        members = "cargo"
        [template.build]
        command = '''@ran("${PWD##*/}")'''
        inputs = ["src"]
        deps = ["^build"]
        [template.test]
        command = '''@ran("${PWD##*/}-test")'''
        inputs = []
        deps = ["build", "^build", "^test"]
        "#,
    );
    ws.write("Cargo.toml", "[workspace]\nmembers = [\"core\", \"lib\", \"app\"]\n");
    for (dir, needs) in [
        ("core", "[dev-dependencies]\nlib = { path = \"../lib\" }"),
        ("lib", "[dependencies]\ncore = { path = \"../core\" }"),
        ("app", "[dependencies]\ncore = { path = \"../core\" }"),
    ] {
        ws.write(&format!("{dir}/Cargo.toml"), format!("[package]\nname = \"{dir}\"\n{needs}\n"));
        ws.write(&format!("{dir}/src"), dir);
        ws.write(&format!("{dir}/percache.toml"), "task.build.extends = [\"build\"]\ntask.test.extends = [\"test\"]\n");
    }
    ws.build(["core:test", "-j1"]).ran(["core", "lib", "core-test"]);
    ws.write("lib/src", "changed");
    ws.build(["core:test", "-j1"]).ran(["lib", "core-test"]);
    // Whoever depends on a package does not use what its tests do.
    ws.build(["app:build"]).ran(["app"]).up_to_date(1);
    ws.build(["-j1"]).ran(["app-test", "lib-test"]);
}

/// A plugin has its host as a peer, and the host may have the plugin as a dependency.
#[test]
fn peers_come_first_unless_they_close_a_circle() {
    let ws = project();
    ws.write("packages/base/package.json", r#"{ "name": "@shop/base", "peerDependencies": { "@shop/web": "*" } }"#);
    ws.build(["-j1"]).ran(["base", "lib", "app"]);
    ws.write("packages/app/package.json", r#"{ "name": "@shop/web" }"#);
    ws.build(["-j1"]).ran(["app", "base", "lib"]);
    assert_eq!(ws.read("packages/base/out"), "base\napp\n");
}

/// Names of Python packages have many spellings, wherever they are written.
#[test]
fn spellings_of_a_python_package_are_one_name() {
    let ws = Sandbox::new("[workspace]\nmembers = \"uv\"\n[task.all]\ndeps = [\"b-x:build\"]\n");
    ws.write("pyproject.toml", "[tool.uv.workspace]\nmembers = [\"p/*\"]\n");
    for (dir, name) in [("p/one", "A"), ("p/two", "b.x")] {
        ws.write(&format!("{dir}/pyproject.toml"), format!("[project]\nname = \"{name}\"\n"));
        ws.config_in(dir, &format!("[task.build]\ncommand = \"@ran({name})\"\ninputs = []\n"));
    }
    ws.build(["all"]).ran(["b.x"]);
    for name in ["b.x:build", "B_X:build", "b-x:b*", "B_*:build"] {
        ws.build([name]).ran([]).up_to_date(1);
    }
    ws.build(["build", "--filter", "b_X"]).ran([]).up_to_date(1);
    ws.build(["a:build"]).ran(["A"]);
}

/// A package that loses its manifest stops being a member; whoever builds is told, also from what is kept.
#[test]
fn a_directory_that_looks_like_a_member_and_is_none_is_told() {
    let ws = project();
    ws.build([]).succeeds().does_not_say("is no member");
    ws.write("packages/none/percache.toml", "");
    // A build that finds the configuration unchanged does not read it, and says nothing of it.
    ws.build([]).succeeds().says(["packages/none/percache.toml: `packages/none` is no member", "package.json"]);
    ws.edit_config("members = \"npm\"", "members = [\"npm\", \"packages/none\"]");
    ws.build([]).succeeds().does_not_say("is no member");
    ws.edit_config("[\"npm\", \"packages/none\"]", "[\"npm\", \"!packages/none\"]");
    ws.build([]).succeeds().does_not_say("is no member");
    ws.write("package.json", r#"{ "workspaces": ["packages/*", "nope"] }"#);
    ws.build([]).succeeds().says(["package.json: `workspaces` names `nope`, which has no package.json"]);
    ws.edit_config("[\"npm\", \"!packages/none\"]", "[\"!npm\"]");
    ws.percache(["list"]).exits(2).says(["the first of `members` takes something away", "percache.toml:3"]);
}

#[test]
fn wrong_uses_are_told_with_their_place() {
    let ws = Sandbox::new("[task.a]\ncommand = \"true\"\ndeps = [\"^build\"]");
    ws.percache(["list"]).exits(2).says([
        "`^build` has no meaning here",
        "percache.toml:3",
        "no packages are known",
        "\"npm\"",
    ]);
    let ws = project();
    ws.write("tools/percache.toml", "[task.x]\ndeps = [\"^build\"]\n");
    ws.edit_config("members = \"npm\"", "members = [\"npm\", \"tools\"]");
    ws.percache(["list"]).exits(2).says(["tools/percache.toml:2", "`tools` is no package"]);
    ws.write("tools/percache.toml", "[task.x]\ndeps = [\"packages/lib:build\"]\n");
    ws.percache(["list"]).succeeds().says(["tools:x", "packages/app:build"]);
    ws.edit_config("[\"^build\"]", "[\"^biuld\"]");
    ws.percache(["list"]).exits(2).says(["percache.toml:9", "did you mean `^build`?"]);
    ws.edit_config("[\"^biuld\"]", "[\"^packages/lib:build\"]");
    ws.percache(["list"]).exits(2).says(["behind `^` stands a task without a directory"]);
    ws.edit_config("[\"^packages/lib:build\"]", "[\"^build\"]");
    ws.edit_config("[\"npm\", \"tools\"]", "[\"npm\", \"go\"]");
    ws.percache(["list"])
        .exits(2)
        .says(["the packages of go are not known: go.work: it is not there", "percache.toml:3"]);
    ws.write("go/percache.toml", "");
    ws.percache(["list"]).exits(2).says(["`go` in `members` may mean two things", "`./go`"]);
    ws.edit_config("[\"npm\", \"go\"]", "[\"npm\", \"./go\", \"!packages/app\"]");
    ws.percache(["list"]).succeeds().does_not_say("packages/app");
    ws.edit_config("[\"npm\", \"./go\", \"!packages/app\"]", "\"nmp\"");
    ws.percache(["list"]).exits(2).says(["`nmp` is not an ecosystem", "did you mean `npm`?"]);
    ws.edit_config("\"nmp\"", "\"pkgs/*\"");
    ws.percache(["list"]).exits(2).says(["members = [\"pkgs/*\"]"]);
    ws.edit_config("\"pkgs/*\"", "\"npm\"");
    ws.write("packages/lib/package.json", "{\n \"name\" }");
    ws.percache(["list"]).exits(2).says(["packages/lib/package.json:2:9", "expected colon", "percache.toml:3"]);
}

/// The file with the mistake comes first, with the place; percache.toml only says why it is read.
#[test]
fn a_mistake_in_another_file_is_shown_there() {
    let ws = Sandbox::new("");
    let shown = |ecosystem: &str, files: &[(&str, &str)], expected: &[&str]| {
        ws.write("percache.toml", format!("workspace.members = [\"{ecosystem}\"]\n"));
        files.iter().for_each(|(file, text)| ws.write(file, text));
        let said = expected.iter().fold(ws.percache(["list"]).exits(2), |said, text| said.says([text]));
        let reason = format!("\n ::: percache.toml:1:22\n  |\n1 | workspace.members = [\"{ecosystem}\"]\n");
        said.says([&reason]);
    };
    let npm = [("package.json", "{ \"workspaces\": [\"é\"] }\n"), ("é/package.json", "{\n  \"é\": é\n}\n")];
    shown("npm", &npm, &["--> é/package.json:2:8\n", "2 |   \"é\": é\n", "é/package.json: it cannot be read as JSON"]);
    ws.write("é/package.json", "{}");
    shown(
        "npm",
        &[("package.json", "\u{feff}{\n \"workspaces\" [] }\n")],
        &["--> package.json:2:15\n", "expected colon"],
    );
    let pnpm = [("package.json", "{}"), ("pnpm-workspace.yaml", "# é\npackages:\n  - 'a'\n b: [\n")];
    shown("pnpm", &pnpm, &["--> pnpm-workspace.yaml:4:", "cannot be read as YAML"]);
    shown(
        "cargo",
        &[("Cargo.toml", "[workspace]\nmembers = [a]\n")],
        &["--> Cargo.toml:2:12\n", "2 | members = [a]\n"],
    );
    shown("uv", &[("pyproject.toml", "[tool\n")], &["--> pyproject.toml:1:6\n"]);
    shown("go", &[("go.work", "go 1.22\nuse (\n\t./gone\n)\n")], &["--> go.work:3:", "has no go.mod", "go mod init"]);
    std::fs::write(ws.path("package.json"), b"{\n\"a\": \"\xff\" }").unwrap();
    shown("npm", &[], &["--> package.json:2:7\n", "is not UTF-8"]);
}

#[test]
fn cargo_uv_and_go_have_packages_too() {
    let task = |ws: &Sandbox, dir: &str| {
        ws.config_in(dir, &format!("[task.build]\ncommand = \"@ran({dir})\"\ninputs = []\ndeps = [\"^build\"]\n"));
    };
    let ws = Sandbox::new("[workspace]\nmembers = [\"cargo\", \"uv\", \"go\"]\n");
    ws.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
    ws.write("a/Cargo.toml", "[package]\nname = \"crate-a\"\n[dependencies]\ncrate-b = { path = \"../b\" }\n");
    ws.write("b/Cargo.toml", "[package]\nname = \"crate-b\"\n");
    ws.write("pyproject.toml", "[tool.uv.workspace]\nmembers = [\"p\", \"q\"]\n");
    ws.write(
        "p/pyproject.toml",
        "[project]\nname = \"py-p\"\ndependencies = [\"py_q\"]\n[tool.uv.sources]\npy-q = { workspace = true }\n",
    );
    ws.write("q/pyproject.toml", "[project]\nname = \"py-q\"\n");
    ws.write("go.work", "use ./g\nuse ./h\n");
    ws.write("g/go.mod", "module example.com/g\nrequire example.com/h v0.0.0\n");
    ws.write("h/go.mod", "module example.com/h\n");
    ["a", "b", "p", "q", "g", "h"].iter().for_each(|dir| task(&ws, dir));
    ws.build(["crate-a:build", "-j1"]).ran(["b", "a"]);
    ws.build(["py-p:build", "-j1"]).ran(["q", "p"]);
    ws.build(["example.com/g:build", "-j1"]).ran(["h", "g"]);
}

/// `^build` may find nothing without being a mistake; whoever asks for nothing else learns why nothing happens.
#[test]
fn a_name_that_finds_no_task_above_is_told() {
    let ws = project();
    let in_base = |name: &str| ws.percache(["-C", "packages/base", "build", name]);
    let alone = "`^build` means no task here: `@shop/base` depends on no other package of the workspace";
    in_base("^build").up_to_date(0).says([alone]);
    in_base("^build").up_to_date(0).says([alone]);
    ws.write("packages/app/percache.toml", [BUILD, "[task.pack]\ncommand = \"true\"\ninputs = []\n"].concat());
    let in_lib = |arguments: [&str; 2]| ws.percache(["-C", "packages/lib", "build", arguments[0], arguments[1]]);
    let none = "`^pack` means no task here: no package that `@shop/lib` depends on has a task `pack`";
    in_lib(["^pack", "-j1"]).up_to_date(0).says([none]);
    // Beside others, too, and again when there is nothing to do.
    in_lib(["^pack", "^build"]).ran(["base"]).says([none]);
    in_lib(["^pack", "^build"]).up_to_date(1).says([none]);
    in_lib(["^build", "-j1"]).up_to_date(1).does_not_say("means no task");
    ws.percache(["-C", "packages/base", "why", "^build"]).exits(2).says([alone, "hint:"]).does_not_say("foreach");
    // In `deps` it is no more than what packages at the bottom have.
    ws.build([]).succeeds().does_not_say("means no task");
}

/// A note is as true in a build with nothing to do as in the one that read the configuration.
#[test]
fn every_build_tells_what_is_odd_about_packages() {
    let ws = project();
    ws.edit("package.json", "\"packages/*\"", "\"packages/*\", \"gone\"");
    ws.edit_config("[template.package]", "[template.spare]\n[template.package]");
    let odd = ["`workspaces` names `gone`, which has no package.json", "no task extends the template `spare`"];
    ws.build([]).succeeds().says(odd);
    ws.build([]).up_to_date(3).says(odd);
    ws.build(["-q"]).up_to_date(3).does_not_say("gone");
    ws.write("packages/lib/src", "changed\n");
    ws.build([]).ran(["lib", "app"]).says(odd);
    ws.build([]).up_to_date(3).says(odd);
    ws.write("gone/package.json", "{}");
    ws.build([]).up_to_date(3).does_not_say("gone");
    ws.edit_config("[template.spare]", "");
    ws.build([]).up_to_date(3).does_not_say("spare");
    ws.build([]).up_to_date(3).does_not_say("spare");
}

/// A file of its own makes a directory a workspace when it is no member; a lost manifest must not do that in silence.
#[test]
fn a_package_without_its_manifest_says_that_it_builds_alone() {
    let ws = project();
    let root = ws.path("").canonicalize().unwrap().display().to_string();
    let inside = |more: &str| ws.percache(["-C", "packages/base", "build", more]);
    inside("-j1").succeeds().does_not_say("workspace of its own").says(["packages/base:build"]);
    std::fs::rename(ws.path("packages/base/package.json"), ws.path("packages/base/saved")).unwrap();
    ws.write("packages/base/percache.toml", "[task.build]\ncommand = \"true\"\ninputs = [\"src\"]\n");
    let expected = [
        "percache.toml: `packages/base` builds as a workspace of its own",
        &format!("`members` in `{root}` names the packages of npm, and there is no package.json here"),
        "add `\"packages/base\"` to `members` there, or take it away: `\"!packages/base\"`",
    ];
    inside("-j1").succeeds().says(expected);
    // Whether there is anything to do or not.
    inside("-j1").up_to_date(1).says(expected);
    inside("-q").succeeds().does_not_say("workspace of its own");
    inside("--json").succeeds().says(["\"event\":\"note\"", "builds as a workspace of its own"]);
    ws.percache(["-C", "packages/base", "list"]).succeeds();
    // Whoever wants it so says so.
    ws.edit_config("members = \"npm\"", "members = [\"npm\", \"!packages/base\"]");
    inside("-j1").up_to_date(1).does_not_say("workspace of its own");
    // A pattern takes it with or without a manifest.
    ws.edit_config("\"!packages/base\"", "\"packages/b*\"");
    inside("-j1").succeeds().says(["packages/base:build"]).does_not_say("workspace of its own");
    ws.edit_config(", \"packages/b*\"", "");
    ws.write("package.json", "{\n \"name\" }");
    inside("-j1")
        .succeeds()
        .says(["it is not known which packages are members of", "package.json: line 2: expected colon"]);
}
