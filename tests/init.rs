//! `init`: what it writes for a directory works as it stands.

use crate::sandbox::Sandbox;

/// Writes the configuration; a build does something, and a second one, which has to be `idle` or not, succeeds as well.
fn works(ws: &Sandbox, idle: bool) {
    ws.percache(["init"]).succeeds().says(["percache.toml"]);
    assert!(ws.build([]).succeeds().count("ran") > 0);
    assert_eq!(ws.build([]).succeeds().count("ran") == 0, idle, "{}", ws.read("percache.toml"));
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let ws = Sandbox::new("# mine\n");
    ws.percache(["init"]).exits(2).says(["already"]);
    assert_eq!(ws.read("percache.toml"), "# mine\n");
    ws.percache(["init", "-n"]).succeeds();
    assert_eq!(ws.read("percache.toml"), "# mine\n");
}

#[test]
fn a_dry_run_shows_what_would_be_written() {
    let ws = Sandbox::empty();
    let shown = ws.percache(["init", "-n"]).succeeds().stdout;
    assert!(!ws.exists("percache.toml"));
    ws.percache(["init"]).succeeds();
    assert_eq!(ws.read("percache.toml"), shown);
}

#[test]
fn an_empty_directory_gets_an_example() {
    works(&Sandbox::empty(), true);
}

#[test]
fn c_sources_are_compiled_one_by_one_and_headers_count() {
    let ws = Sandbox::empty();
    ws.write("include/x.h", "int x(void);\n");
    ws.write("src/main.c", "#include \"x.h\"\nint main(void) { return x(); }\n");
    ws.write("src/a/x.c", "#include \"x.h\"\nint x(void) { return 0; }\n");
    works(&ws, true);
    ws.write("include/x.h", "int x(void);\n#define Y 1\n");
    assert_eq!(ws.build([]).succeeds().count("ran"), 2, "both objects, and not the program: they came out the same");
}

#[test]
fn two_sources_of_one_name_get_objects_of_their_own() {
    let ws = Sandbox::empty();
    ws.write("src/a/x.c", "int a(void) { return 0; }\n");
    ws.write("src/b/x.c", "int a(void);\nint main(void) { return a(); }\n");
    works(&ws, true);
}

#[test]
fn targets_of_a_makefile_always_run_and_only_the_first_by_default() {
    let ws = Sandbox::empty();
    ws.write("Makefile", ".PHONY: all clean\nall:\n\techo made > made\nclean:\n\trm -r .\n");
    works(&ws, false);
    assert_eq!(ws.read("made"), "made\n");
    ws.percache(["list"]).succeeds().says(["all", "clean"]);
}

#[test]
fn packages_of_a_workspace_become_members_that_depend_on_each_other() {
    let ws = Sandbox::empty();
    ws.write("package.json", r#"{ "workspaces": ["packages/*"] }"#);
    ws.write(".gitignore", "node_modules\ndist\n");
    for package in ["app", "lib"] {
        ws.write(&format!("packages/{package}/.gitignore"), "node_modules\ndist\n");
    }
    ws.write(
        "packages/lib/package.json",
        r#"{ "name": "lib", "scripts": { "build": "x", "dev": "x", "test:unit": "x" } }"#,
    );
    ws.write(
        "packages/app/package.json",
        r#"{ "name": "app", "dependencies": { "lib": "*" }, "scripts": { "build": "x", "release": "x" } }"#,
    );
    ws.percache(["init"]).succeeds();
    let plan = ws.build(["--dry-run"]).succeeds();
    assert_eq!(plan.count("would run") + plan.count("may run"), 3, "{}", plan.output());
    plan.does_not_say("release").does_not_say("dev").says(["packages/app:build", "packages/lib:test-unit"]);
    ws.percache(["graph", "packages/app:build"]).succeeds().says(["packages/lib:build"]);
}

/// The one `.gitignore` of a repository stands in its root.
#[test]
fn what_git_ignores_in_all_packages_is_an_output_of_each() {
    let ws = Sandbox::empty();
    ws.shell("git init -q .");
    ws.write(".gitignore", "node_modules/\ndist/\n/build\n");
    ws.write("package.json", r#"{ "workspaces": ["packages/*"] }"#);
    ws.write("packages/lib/package.json", r#"{ "name": "lib", "scripts": { "build": "x", "test": "x" } }"#);
    ws.percache(["init"]).succeeds();
    let text = ws.read("packages/lib/percache.toml");
    assert!(text.contains("outputs = [\"dist\"]"), "{text}");
    assert!(!text.contains("inputs"), "by default, what git ignores is none: {text}");
}

/// Git is told of the outputs and not of node_modules, or there is no git at all.
#[test]
fn what_a_package_builds_is_no_input_of_its_scripts() {
    let ws = Sandbox::empty();
    ws.write(".gitignore", "dist\n");
    ws.write("package.json", r#"{ "scripts": { "build": "x", "test": "x" } }"#);
    ws.write("node_modules/left-pad/index.js", "");
    ws.write("dist/a.js", "");
    ws.percache(["init"]).succeeds();
    ws.percache(["list"]).succeeds().says(["build", "test"]);
    assert!(ws.read("percache.toml").contains(r#"inputs = ["@default", "!**/node_modules"]"#));
    ws.percache(["graph", "--needed-by", "node_modules/left-pad/index.js"]).succeeds().does_not_say("test");
    ws.percache(["graph", "--needed-by", "package.json"]).succeeds().says(["test"]);
}

#[test]
fn a_cargo_package_a_python_project_and_a_taskfile_are_understood() {
    let ws = Sandbox::empty();
    ws.write("Cargo.toml", "[package]\nname = \"x\"\n");
    ws.write("pyproject.toml", "[tool.ruff]\n[tool.pytest.ini_options]\n");
    ws.write("Taskfile.yml", "version: '3'\ntasks:\n  db:reset:\n    cmds: [x]\n");
    ws.percache(["init"]).succeeds();
    let all = ws.percache(["list"]).succeeds();
    all.says(["build", "test", "python-test", "lint", "db-reset"]);
}

#[test]
fn what_git_ignores_is_no_input_of_a_python_project() {
    let ws = Sandbox::empty();
    ws.shell("git init -q .");
    ws.write("pyproject.toml", "[tool.pytest.ini_options]\n");
    ws.write(".gitignore", "*.log\n__pycache__/\n");
    ws.percache(["init"]).succeeds();
    assert!(!ws.read("percache.toml").contains("\ninputs"), "by default, what git ignores is none");
    // Where more is no source, that is taken away from what git does not ignore.
    ws.remove("percache.toml");
    ws.write(".gitignore", "*.log\n/data\n!keep.log\n# comment\ncache/\n");
    ws.percache(["init"]).succeeds();
    let text = ws.read("percache.toml");
    assert!(text.contains(r#"inputs = ["@default", "!**/__pycache__"]"#), "{text}");
    for (path, counts) in
        [("a.log", false), ("keep.log", true), ("data/x", false), ("a.py", true), ("__pycache__/a.pyc", false)]
    {
        ws.write(path, "");
        let known = ws.percache(["graph", "--needed-by", path]);
        assert_eq!(known.output().contains("test"), counts, "{path}: {}", known.output());
    }
}

#[test]
fn each_language_has_its_own_compiler() {
    let ws = Sandbox::empty();
    // Good C, and no C++.
    ws.write("main.c", "#include <stdlib.h>\nint f(void);\nint main(void) { int *new = malloc(f()); return !new; }\n");
    ws.write("f.cpp", "extern \"C\" int f() { return 4; }\n");
    works(&ws, true);
    ws.percache(["list"]).succeeds().says(["objects[main.c]", "objects-cpp[f.cpp]", "program"]);
}

/// What tsc notes of its outputs must go with them: else it leaves out what it believes to be there.
#[test]
fn state_that_a_tool_keeps_beside_its_outputs_is_an_output() {
    let ws = Sandbox::empty();
    ws.write(".gitignore", "node_modules\ndist\n*.tsbuildinfo\n");
    ws.write(
        "package.json",
        r#"{ "scripts": { "build": "tsc -p .", "build:prod": "tsc -p .", "typecheck": "tsc --noEmit", "test": "x" } }"#,
    );
    let text = |configuration: &str| {
        ws.write("tsconfig.json", configuration);
        ws.percache(["init", "-n"]).succeeds().stdout
    };
    let plain = text(r#"{ "compilerOptions": { "outDir": "dist" } }"#);
    assert!(plain.contains("outputs = [\"dist\"]") && !plain.contains("tsbuildinfo"), "{plain}");
    let composite = text("{ // with a comment\n \"compilerOptions\": { \"composite\": true } }");
    assert_eq!(
        composite.matches("outputs = [\"dist\", \"*.tsbuildinfo\"]").count(),
        1,
        "one task owns them: {composite}"
    );
    let named = text(r#"{ "compilerOptions": { "tsBuildInfoFile": "./.cache/state" } }"#);
    assert!(named.contains(r#"["dist", "*.tsbuildinfo", ".cache/state"]"#), "{named}");
    ws.percache(["init"]).succeeds();
    ws.percache(["list"]).succeeds().says(["build-prod", "typecheck"]);
}

/// base ← lib ← app, and raw, which builds nothing, ← app: packages whose scripts are shell commands.
fn monorepo() -> Sandbox {
    let ws = Sandbox::empty();
    ws.shell("git init -q -b main .");
    ws.write(".gitignore", "node_modules\ndist\n.percache\n");
    ws.write(
        "package.json",
        r#"{ "workspaces": ["packages/*"], "scripts": { "build": "turbo run build", "lint": "x" } }"#,
    );
    ws.write("package-lock.json", "{}");
    ws.write("tsconfig.base.json", "{}");
    let package = |name: &str, needs: &str, below: &str, test: &str| {
        let build = format!("mkdir -p dist && cat src/* {below} > dist/all");
        ws.write(
            &format!("packages/{name}/package.json"),
            format!(r#"{{ "name": "@m/{name}", "scripts": {{ "build": "{build}" {test} }}, "dependencies": {{ {needs} }} }}"#),
        );
        ws.write(&format!("packages/{name}/src/{name}"), "x\n");
    };
    package("base", "", "", "");
    package("lib", r#""@m/base": "*""#, "../base/dist/all", "");
    let test = r#", "test": "grep -q good dist/all""#;
    package("app", r#""@m/lib": "*", "@m/raw": "*""#, "../lib/dist/all ../raw/src/raw", test);
    ws.write("packages/raw/package.json", r#"{ "name": "@m/raw" }"#);
    ws.write("packages/raw/src/raw", "x\n");
    ws.write("packages/base/src/base", "good\n");
    ws
}

/// A change at the bottom reaches the test on top, and so does one of a package that builds nothing, or of a lock file.
fn reaches_the_top(ws: &Sandbox) {
    ws.build([]).succeeds();
    assert_eq!(ws.build([]).succeeds().count("ran"), 0, "{}", ws.read("percache.toml"));
    ws.write("packages/base/src/base", "bad\n");
    ws.build([]).fails().says(["packages/app:test"]);
    ws.write("packages/raw/src/raw", "good\n");
    ws.build([]).succeeds().says(["packages/app:test"]);
    ws.write("packages/base/src/base", "good\n");
    ws.write("packages/raw/src/raw", "x\n");
    assert_eq!(ws.build([]).succeeds().count("ran"), 0, "both results are in the store");
    ws.write("package-lock.json", "{ }");
    assert!(ws.build([]).succeeds().count("ran") >= 4, "another version of a package changes everything");
}

fn has_all<const N: usize>(text: &str, parts: [&str; N]) {
    for part in parts {
        assert!(text.contains(part), "there is no `{part}` in:\n{text}");
    }
}

#[test]
fn a_change_at_the_bottom_reaches_the_test_on_top() {
    let ws = monorepo();
    ws.percache(["init"]).succeeds().says(["a workspace of packages", "packages/raw/percache.toml"]);
    has_all(
        &ws.read("percache.toml"),
        [
            "members = \"npm\"",
            r#"inputs = ["package-lock.json", "tsconfig.base.json"]"#,
            "tools = [\"node --version\"]",
            "[task.build]\ndeps = [\"*:build\"]",
        ],
    );
    has_all(&ws.read("packages/app/percache.toml"), [r#"deps = ["build", "^build"]"#]);
    reaches_the_top(&ws);
}

#[test]
fn turbo_json_says_what_depends_on_what() {
    let ws = monorepo();
    ws.write(
        "turbo.json",
        r#"{ // of Turborepo
            "globalEnv": ["CI_*"], "globalDependencies": ["settings.txt"],
            "tasks": {
                "build": { "dependsOn": ["^build"], "outputs": ["dist/**", "!dist/cache"], "env": ["TOKEN", "!X"] },
                "test": { "dependsOn": ["build"], "inputs": ["$TURBO_DEFAULT$", "!*.md", "$TURBO_ROOT$/shared.txt"] },
                "@m/app#extra": { "dependsOn": ["@m/base#build"], "cache": false },
                "dev": { "cache": false, "persistent": true },
                "nobody": { "dependsOn": ["^nobody"] }
            } }"#,
    );
    ws.edit("packages/app/package.json", r#""test":"#, r#""dev": "x", "other": "x", "extra": "x", "test":"#);
    ws.percache(["init"]).succeeds().says(["with its turbo.json"]);
    let (root, app) = (ws.read("percache.toml"), ws.read("packages/app/percache.toml"));
    has_all(
        &root,
        [
            r#"env_from = ["CI_*"]"#,
            r#""settings.txt"]"#,
            "[template.build]\ncommand = [\"npm\", \"run\", \"build\"]\ndeps = [\"^build\"]\nenv_from = [\"TOKEN\"]\n",
            r#"outputs = ["dist/**", "!dist/cache"]"#,
        ],
    );
    has_all(
        &app,
        [
            r#"inputs = ["@default", "!*.md", "../../shared.txt"]"#,
            "[task.extra]\ncommand = [\"npm\", \"run\", \"extra\"]\ndeps = [\"@m/base:build\"]\ncache = false\n",
            "[task.dev]",
            "= true\n",
        ],
    );
    assert!(!app.contains("other"), "turbo.json does not name it: {app}");
    reaches_the_top(&ws);
    // Without turbo.json, names decide.
    let plain = ws.percache(["init", "-n", "--from", "npm"]).succeeds().stdout;
    assert!(plain.contains("other") && !plain.contains("TOKEN"), "{plain}");
}

#[test]
fn nx_json_says_what_counts_and_what_is_cached() {
    let ws = monorepo();
    ws.write(
        "nx.json",
        r#"{ "namedInputs": {
                 "default": ["{projectRoot}/**/*", "sharedGlobals"],
                 "production": ["default", "!{projectRoot}/**/*.spec.ts"],
                 "sharedGlobals": ["{workspaceRoot}/shared.txt"] },
             "targetDefaults": {
                 "build": { "dependsOn": ["^build"], "inputs": ["production", "^production", { "env": "MODE" }],
                            "outputs": ["{projectRoot}/dist"], "cache": true },
                 "test": { "dependsOn": ["build"], "inputs": ["default", "^production", { "runtime": "uname" }], "cache": true },
                 "lint": { "inputs": ["default", "^production"], "cache": true } } }"#,
    );
    ws.edit("packages/app/package.json", r#""test":"#, r#""lint": "grep -q x ../raw/src/raw", "test":"#);
    ws.percache(["init", "--from", "nx"]).succeeds().says(["with its nx.json"]);
    has_all(
        &ws.read("percache.toml"),
        [
            r#"inputs = ["@default", "../../shared.txt", "!**/*.spec.ts"]"#,
            r#"outputs = ["dist/**"]"#,
            r#"env_from = ["MODE"]"#,
        ],
    );
    has_all(&ws.read("packages/app/percache.toml"), [r#"tools = ["uname"]"#, r#"deps = ["^sources"]"#]);
    ws.build(["packages/app:lint"]).succeeds();
    assert_eq!(ws.build(["packages/app:lint"]).succeeds().count("ran"), 0);
    ws.write("packages/raw/src/raw", "good\n");
    ws.build(["packages/app:lint"]).fails();
    ws.edit("packages/app/package.json", "grep -q x ../raw/src/raw", "true");
    ws.write("packages/raw/src/raw", "x\n");
    reaches_the_top(&ws);
}

#[test]
fn a_makefile_beside_c_sources_is_offered_both_ways() {
    let ws = Sandbox::empty();
    ws.write("Makefile", "all:\n\tcc -o prog main.c\n");
    ws.write("main.c", "int main(void) { return 0; }\n");
    ws.percache(["init"]).succeeds().says(["a Makefile", "C sources in this directory: `percache init --from c`"]);
    ws.percache(["list"]).succeeds().says(["all"]).does_not_say("objects");
    ws.remove("percache.toml");
    ws.percache(["init", "--from", "c"]).succeeds().does_not_say("Makefile");
    ws.percache(["list"]).succeeds().says(["objects"]).does_not_say("all ");
    ws.remove("percache.toml");
    ws.percache(["init", "--from", "make"]).succeeds().says(["1 task"]);
}

#[test]
fn what_is_named_must_be_there_and_readable() {
    let ws = Sandbox::empty();
    ws.percache(["init", "--from", "turbo"]).exits(2).says(["there is no turbo.json with tasks here", "hint:"]);
    ws.percache(["init", "--from", "makefile"]).exits(2).says(["make"]);
    ws.write("package.json", r#"{ "scripts": { "build": "x" } }"#);
    ws.percache(["init", "--from", "turbo"]).exits(2).says(["there is no turbo.json"]);
    ws.write("turbo.json", "{\n\"tasks\" }");
    ws.percache(["init", "--from", "turbo"]).exits(2).says([
        "turbo.json cannot be read",
        "--> turbo.json:2:9\n",
        "hint:",
    ]);
    ws.write("package.json", "{");
    ws.percache(["init"]).exits(2).says(["package.json cannot be read", "--> package.json:1:1\n", "1 | {\n"]);
    assert!(!ws.exists("percache.toml"));
}

#[test]
fn stages_of_dvc_and_recipes_of_just_become_tasks() {
    let ws = Sandbox::empty();
    ws.write("params.yaml", "train:\n  lr: 0.1\nother: 1\n");
    ws.write(
        "dvc.yaml",
        "stages:\n  prepare:\n    cmd: cp raw.csv data.csv\n    deps: [raw.csv]\n    outs: [data.csv]\n  \
         train:\n    cmd: 'grep lr params.yaml > model; cat data.csv >> model'\n    deps: [data.csv]\n    params: [train.lr]\n    outs: [model]\n",
    );
    ws.write("raw.csv", "1\n");
    ws.write("justfile", "# Tell\nhello:\n    echo hello\n");
    ws.percache(["init"]).succeeds().says(["dvc.yaml", "a justfile"]);
    ws.build(["prepare", "train"]).succeeds();
    assert_eq!(ws.read("model"), "  lr: 0.1\n1\n");
    ws.write("params.yaml", "other: 2\ntrain:\n  lr: 0.1\n");
    assert_eq!(ws.build(["train"]).succeeds().count("ran"), 0, "another parameter is not read");
    ws.write("raw.csv", "2\n");
    assert_eq!(ws.build(["train"]).succeeds().count("ran"), 2);
    ws.percache(["list"]).succeeds().says(["hello", "Tell"]);
}

/// A value that init had written down would stay when the parameter changes.
#[test]
fn a_stage_that_dvc_fills_in_is_left_out_and_named() {
    let ws = Sandbox::empty();
    ws.write("params.yaml", "lr: 0.1\n");
    ws.write(
        "dvc.yaml",
        "stages:\n  t:\n    cmd: 'echo ${lr} > m.txt'\n    outs: [m.txt]\n  plain:\n    cmd: 'echo \\${HOME:+x} > p.txt'\n    \
         outs: [p.txt]\n",
    );
    ws.percache(["init", "--from", "dvc"]).succeeds();
    let text = ws.read("percache.toml");
    has_all(&text, ["# The stage `t` of dvc.yaml is left out: DVC fills in `${lr}`", "[task.plain]"]);
    assert!(!text.contains("[task.t]") && !text.contains("0.1"), "{text}");
    ws.build([]).succeeds();
    assert_eq!(ws.read("p.txt"), "x\n");
    // Where it is all that there is, the comment still says so.
    ws.remove("percache.toml");
    ws.write("dvc.yaml", "stages:\n  t:\n    cmd: 'echo ${lr} > m.txt'\n");
    ws.percache(["init", "--from", "dvc"]).succeeds();
    has_all(&ws.read("percache.toml"), ["# The stage `t` of dvc.yaml is left out"]);
    ws.percache(["list"]).succeeds();
}

/// base ← lib and nothing else in the manifests, as Nx knows it.
#[test]
fn a_dependency_that_only_nx_knows_is_one_of_tasks() {
    let ws = Sandbox::empty();
    ws.write("package.json", r#"{ "workspaces": ["p/*"] }"#);
    ws.write(
        "nx.json",
        r#"{ "targetDefaults": { "build": { "dependsOn": ["^build"], "outputs": ["{projectRoot}/out.txt"], "cache": true } } }"#,
    );
    ws.write("p/a/package.json", r#"{ "name": "a", "scripts": { "build": "cat src > out.txt" } }"#);
    ws.write("p/a/src", "1\n");
    let package = |more: &str| {
        format!(r#"{{ "name": "b", "scripts": {{ "build": "cat ../a/out.txt > out.txt" }}, "nx": {{ {more} }} }}"#)
    };
    ws.write("p/b/package.json", package(r#""implicitDependencies": ["a", "gone"]"#));
    let follows = |case: &str| {
        ws.percache(["init"]).succeeds();
        ws.percache(["graph", "p/b:build"]).succeeds().says(["p/a:build"]);
        ws.write("p/a/src", "1\n");
        ws.build([]).succeeds();
        ws.write("p/a/src", "2\n");
        ws.build([]).succeeds();
        assert_eq!(ws.read("p/b/out.txt"), "2\n", "{case}: {}", ws.read("p/b/percache.toml"));
        for file in ["percache.toml", "p/a/percache.toml", "p/b/percache.toml"] {
            ws.remove(file);
        }
    };
    follows("in package.json");
    let text = ws.percache(["init", "-n"]).succeeds().stdout;
    has_all(&text, ["# `gone` in `implicitDependencies` of p/b means no package here."]);
    ws.write("p/b/package.json", package(r#""implicitDependencies": ["p/[!b]*"]"#));
    follows("by a glob");
    ws.write("p/b/package.json", package(""));
    ws.write("p/b/project.json", r#"{ "implicitDependencies": ["tag:base"] }"#);
    ws.write("p/a/project.json", r#"{ "tags": ["base"] }"#);
    follows("by a tag, in project.json");
}

/// Targets of project.json run commands from the root, find the programs of packages, and come before scripts.
#[test]
fn targets_of_project_json_that_run_commands_are_tasks() {
    let ws = Sandbox::empty();
    ws.write("package.json", r#"{ "workspaces": ["p/*"] }"#);
    ws.write(
        "nx.json",
        r#"{ "targetDefaults": {
            "build": { "dependsOn": ["^build"], "cache": true },
            "nx:run-commands": { "dependsOn": ["^build"], "outputs": ["{options.outputPath}"], "cache": true } } }"#,
    );
    let tool = ws.path("node_modules/.bin/stamp");
    ws.write("node_modules/.bin/stamp", "#!/bin/sh\necho \"stamped: $*, $MODE\"\n");
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    ws.write("p/a/package.json", r#"{ "name": "@x/a", "scripts": { "build": "exit 1", "say": "echo said" } }"#);
    ws.write("p/a/src", "one\n");
    ws.write(
        "p/a/project.json",
        r#"{ "name": "a", "targets": {
            "build": { "executor": "nx:run-commands", "outputs": ["{projectRoot}/out.txt"],
                       "options": { "command": "stamp {projectName} > {projectRoot}/out.txt && cat p/a/src >> p/a/out.txt",
                                    "env": { "MODE": "plain" } },
                       "defaultConfiguration": "quick",
                       "configurations": { "quick": { "env": { "MODE": "quick" } } } },
            "both": { "executor": "nx:run-commands", "cache": false, "options": {
                       "commands": ["cd .. && pwd > a/up", { "command": "pwd > here" }], "cwd": "p/a", "parallel": false } },
            "beside": { "executor": "@nrwl/workspace:run-commands", "cache": false, "options": {
                       "commands": ["exit 3", "echo two > {projectRoot}/two"] } },
            "short": { "command": "echo ${HOME:+short} > p/a/short.txt", "outputs": ["{projectRoot}/short.txt"] },
            "other": { "executor": "nx:run-script", "options": { "script": "say" } },
            "serve": { "executor": "nx:run-commands", "continuous": true, "options": { "command": "sleep 100" } },
            "tsc": { "executor": "@nx/js:tsc", "options": {} },
            "args": { "command": "echo {args.name}" },
            "extra": { "executor": "nx:run-commands", "options": { "command": "x", "readyWhen": "up" } },
            "out": { "executor": "nx:run-commands", "options": { "command": "x", "cwd": "../.." } } } }"#,
    );
    ws.write("p/b/package.json", r#"{ "name": "@x/b", "dependencies": { "@x/a": "*" } }"#);
    ws.write(
        "p/b/project.json",
        r#"{ "name": "b", "targets": {
            "build": { "command": "cat p/a/out.txt > p/b/out.txt", "outputs": ["{projectRoot}/out.txt"] },
            "last": { "command": "true", "dependsOn": ["a:short"] } } }"#,
    );
    ws.percache(["init"]).succeeds().says(["with its nx.json"]);
    let text = ws.read("p/a/percache.toml");
    has_all(
        &text,
        [
            "# The target `tsc` is left out: `@nx/js:tsc` is an executor of Nx, and no command.",
            "# The target `args` is left out: Nx fills in `{args.name}`.",
            "# The target `extra` is left out: percache does not know its option `readyWhen`.",
            "# The target `out` is left out: its `cwd` is `../..`, outside of the workspace.",
            r#"outputs = ["out.txt"]"#,
            r#"env = { "MODE" = "quick" }"#,
            "persistent = true",
            r#"command = ["npm", "run", "say"]"#,
        ],
    );
    ws.build(["@x/b:build"]).succeeds();
    assert_eq!(ws.read("p/b/out.txt"), "stamped: a, quick\none\n", "{text}");
    ws.build(["@x/b:build"]).up_to_date(2);
    ws.write("p/a/src", "two\n");
    assert_eq!(ws.build(["@x/b:build"]).succeeds().count("ran"), 2);
    assert_eq!(ws.read("p/b/out.txt"), "stamped: a, quick\ntwo\n");
    ws.build(["p/a:both"]).succeeds();
    let root = ws.path("p").canonicalize().unwrap().display().to_string();
    assert_eq!((ws.read("p/a/up"), ws.read("p/a/here")), (format!("{root}\n"), format!("{root}/a\n")));
    // Commands beside each other all run to their end, and each may fail.
    ws.build(["p/a:beside"]).fails().says(["exit status 3"]);
    assert_eq!(ws.read("p/a/two"), "two\n");
    ws.build(["@x/b:last"]).succeeds();
    assert_eq!(ws.read("p/a/short.txt"), "short\n");
    ws.percache(["graph", "@x/b:last"]).succeeds().says(["p/a:short"]);
}

#[test]
fn what_cannot_be_translated_of_nx_json_is_named_and_not_cached() {
    let ws = Sandbox::empty();
    ws.write("package.json", r#"{ "workspaces": ["p/*"] }"#);
    ws.write(
        "nx.json",
        r#"{ "targetDefaults": {
            "build": { "outputs": ["{options.outputPath}"], "cache": true },
            "pack": { "outputs": ["{projectRoot}/dist", "{options.file}", "{options.other}"],
                      "options": { "file": "{projectRoot}/a.tgz" }, "cache": true },
            "gen": { "inputs": ["nowhere", { "input": "default", "projects": ["b"] }], "cache": true },
            "test": { "dependsOn": [{ "target": "gen", "projects": ["a", "b"] }, "b:gen"], "cache": true },
            "lint": { "dependsOn": [{ "target": "gen", "projects": "tag:x" }, "build-*"], "cache": true } } }"#,
    );
    let scripts = r#""scripts": { "build": "true", "gen": "true", "test": "true", "lint": "true", "pack": "true" }"#;
    ws.write("p/a/package.json", format!(r#"{{ "name": "a", {scripts} }}"#));
    ws.write("p/b/package.json", r#"{ "name": "b", "scripts": { "gen": "true" } }"#);
    ws.percache(["init"]).succeeds();
    let text = ws.read("p/a/percache.toml") + &ws.read("percache.toml");
    has_all(
        &text,
        [
            "# Not understood, and left out: the output `{options.outputPath}`.",
            "# Not understood, and left out: the input `nowhere`.",
            "# Not understood, and left out: the input `{ input: default, projects: [b] }`.",
            "# Not understood, and left out: `dependsOn: { projects: tag:x, target: gen }`.",
            "# Not understood, and left out: `dependsOn: build-*`.",
            r#"deps = ["a:gen", "b:gen"]"#,
            // Nx leaves out the outputs of options that are not there, too.
            r#"outputs = ["dist/**", "a.tgz"]"#,
        ],
    );
    ws.build(["p/a:build"]).succeeds();
    assert_eq!(ws.build(["p/a:build"]).succeeds().count("ran"), 1, "what is not known is not up to date");
    // Several packages are all dependencies.
    ws.percache(["graph", "p/a:test"]).succeeds().says(["p/b:gen", "p/a:gen"]);
}

#[test]
fn a_packages_turbo_json_adds_to_what_it_inherits() {
    let ws = Sandbox::empty();
    ws.write("package.json", r#"{ "workspaces": ["p/*"] }"#);
    ws.write(
        "turbo.json",
        r#"{ "tasks": { "gen": {}, "build": { "dependsOn": ["gen"], "outputs": ["dist/**"], "env": ["A"], "inputs": ["src"] } } }"#,
    );
    let build = "mkdir -p dist extra && cp src dist/a && cp src extra/b";
    ws.write("p/a/package.json", format!(r#"{{ "name": "a", "scripts": {{ "gen": "true", "build": "{build}" }} }}"#));
    ws.write("p/a/src", "1\n");
    let own = |task: &str| format!(r#"{{ "extends": ["//"], "tasks": {{ "build": {{ {task} }} }} }}"#);
    ws.write(
        "p/a/turbo.json",
        own(r#""outputs": ["$TURBO_EXTENDS$", "extra/**"], "env": ["$TURBO_EXTENDS$", "B"],
               "inputs": ["$TURBO_EXTENDS$", "more"], "dependsOn": ["$TURBO_EXTENDS$", "^build"]"#),
    );
    ws.percache(["init"]).succeeds();
    let text = ws.read("p/a/percache.toml");
    has_all(
        &text,
        [
            r#"outputs = ["dist/**", "extra/**"]"#,
            r#"env_from = ["A", "B"]"#,
            r#"inputs = ["package.json", "src", "more"]"#,
            r#"deps = ["gen", "^build"]"#,
        ],
    );
    ws.build([]).succeeds();
    ws.shell("rm -r p/a/dist");
    ws.build([]).succeeds();
    assert_eq!(ws.read("p/a/dist/a"), "1\n", "what is inherited is an output as well");
    // What is not known is named, and nothing is called up to date for it.
    let proposed = |turbo: &str| {
        ws.write("p/a/turbo.json", turbo);
        ws.percache(["init", "-n"]).succeeds().stdout
    };
    let other = proposed(&own(r#""outputs": ["$TURBO_OTHER$/x"]"#));
    has_all(&other, ["# Not understood, and left out: `$TURBO_OTHER$/x`.", "cache = false"]);
    let from = proposed(r#"{ "extends": ["//", "shared"], "tasks": { "build": {} } }"#);
    has_all(&from, ["# Not understood, and left out: `extends: shared` of its turbo.json."]);
    has_all(&proposed("{\n]"), ["# Not understood, and left out: p/a/turbo.json: line 2", "cache = false"]);
    let gone = proposed(&own(r#""extends": false"#));
    assert!(!gone.contains("[task.build]") && gone.contains("[task.gen]"), "{gone}");
}

/// An output without an extension is a file or a directory, and may be missing.
#[test]
fn an_output_may_be_a_file_a_directory_or_missing() {
    let ws = Sandbox::empty();
    ws.write("package.json", r#"{ "workspaces": ["p/*"] }"#);
    ws.write("turbo.json", r#"{ "tasks": { "build": { "outputs": ["bin/tool", "STAMP", "none", "dist"] } } }"#);
    let package = |name: &str, build: &str| {
        ws.write(
            &format!("p/{name}/package.json"),
            format!(r#"{{ "name": "{name}", "scripts": {{ "build": "{build}" }} }}"#),
        );
    };
    package("file", "mkdir -p bin && echo 1 > bin/tool && touch STAMP");
    package("dir", "mkdir -p bin/tool/x && echo 1 > bin/tool/x/y && touch STAMP");
    ws.percache(["init"]).succeeds();
    has_all(&ws.read("percache.toml"), [r#"outputs = ["bin/[t]ool", "[S]TAMP", "[n]one", "dist/**"]"#]);
    ws.build([]).succeeds();
    ws.shell("rm -r p/file/bin p/dir/bin p/*/STAMP");
    let again = ws.build([]).succeeds();
    assert_eq!(again.count("ran"), 0, "{}", again.output());
    assert_eq!(ws.read("p/file/bin/tool"), "1\n");
    assert_eq!(ws.read("p/dir/bin/tool/x/y"), "1\n");
    assert!(ws.exists("p/file/STAMP") && ws.exists("p/dir/STAMP"));
}

#[test]
fn a_bare_build_makes_what_make_makes_and_never_cleans() {
    let ws = Sandbox::empty();
    let proposed = |makefile: &str| {
        ws.write("Makefile", makefile);
        if ws.exists("percache.toml") {
            ws.remove("percache.toml");
        }
        ws.percache(["init", "--from", "make"]).succeeds();
        ws.build([]).succeeds();
        ws.read("percache.toml")
    };
    let rules = ".PHONY: clean\nclean: ; rm -f prog\nprog: prog.in ; cp prog.in prog\n";
    ws.write("prog.in", "1\n");
    let text = proposed(&format!(".DEFAULT_GOAL := prog\n{rules}"));
    has_all(&text, [r#"default = ["prog"]"#, "[task.clean]"]);
    assert_eq!(ws.read("prog"), "1\n");
    ws.write("x.mk", "all: prog\n");
    ws.remove("prog");
    let text = proposed(&format!("include x.mk\n{rules}"));
    has_all(&text, [r#"default = ["make"]"#, "[task.clean]", r#"command = ["make"]"#]);
    assert_eq!(ws.read("prog"), "1\n");
    let text = proposed(rules);
    has_all(&text, ["default = []", "[task.clean]"]);
    assert_eq!(ws.read("prog"), "1\n", "make itself would remove it");
}

#[test]
fn a_source_with_a_blank_in_its_name_is_linked() {
    let ws = Sandbox::empty();
    ws.write("sp ace.c", "int f(void);\nint main(void) { return f(); }\n");
    ws.write("b.c", "int f(void) { return 0; }\n");
    works(&ws, true);
}

#[test]
fn what_cannot_be_a_task_is_left_out() {
    let ws = Sandbox::empty();
    ws.write(".gitignore", "dist\nnode_modules\n");
    ws.write("package.json", r#"{ "workspaces": ["p/*"], "scripts": { "all": "true", "": "true" } }"#);
    ws.shell("mkdir node_modules");
    ws.write("p/b/package.json", r#"{ "name": "b", "scripts": { "gen": "true", "": "true" } }"#);
    ws.write(
        "p/a/package.json",
        r#"{ "name": "a", "scripts": { "build": "true", "prebuild": "true" }, "dependencies": { "b": "1" } }"#,
    );
    ws.percache(["init"]).succeeds();
    let text = ws.read("percache.toml");
    has_all(
        &text,
        [
            "# The script `` is left out: no task can have this name.",
            r#"# `outputs = ["node_modules/", "!node_modules/.cache/", "!node_modules/.vite/"]`"#,
        ],
    );
    has_all(&ws.read("p/b/percache.toml"), ["# The script `` is left out"]);
    assert!(!text.contains(r#"["dist"]"#), "the root builds nothing itself: {text}");
    ws.build(["all"]).succeeds();
    ws.shell("rm percache.toml p/*/percache.toml");
    ws.write("turbo.json", r#"{ "tasks": { "build": { "dependsOn": ["b#gen", "b#none", "a#prebuild"] } } }"#);
    ws.percache(["init"]).succeeds();
    has_all(
        &ws.read("p/a/percache.toml"),
        ["`dependsOn: b#gen`, which is no task.", "`dependsOn: a#prebuild`, which is no task.", "cache = false"],
    );
    ws.percache(["list"]).succeeds().does_not_say("gen");
}
