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
    ws.percache(["graph", "--needed-by", "dist/a.js"]).exits(2);
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
