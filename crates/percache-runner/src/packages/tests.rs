//! What each ecosystem's files are taken for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Reads the packages of a tree. Returns them as `name dir -> names of what it needs`; what it may need in a circle is
/// in parentheses.
fn read_all(ecosystem: Ecosystem, files: &[(&str, &str)]) -> Result<Vec<String>, Mistake> {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let packages = read(dir.path(), ecosystem, "percache.toml", &mut |_| {})?.packages;
    let shown = packages.iter().map(|package| {
        let needs = package.needs.iter().map(|need| packages[*need as usize].shown());
        let lenient = package.lenient.iter().map(|need| format!("({})", packages[*need as usize].shown()));
        let all: Vec<String> = needs.chain(lenient).collect();
        format!("{} {} -> {}", package.name, package.dir.to_text(), all.join(" "))
    });
    Ok(shown.map(|line| line.trim_end().to_owned()).collect())
}

#[test]
fn npm_knows_dependencies_by_name_and_version() {
    let found = read_all(
        Ecosystem::Npm,
        &[
            (
                "package.json",
                r#"{ "name": "root", "workspaces": ["packages/*", "!packages/old"], "devDependencies": { "@x/tool": "*" } }"#,
            ),
            ("packages/old/package.json", r#"{ "name": "old" }"#),
            ("packages/not-a-package/readme", ""),
            ("packages/app/node_modules/left-pad/package.json", r#"{ "name": "left-pad" }"#),
            (
                "packages/app/package.json",
                r#"{ "name": "@x/app",
                     "dependencies": { "@x/lib": "^1.0.0", "left-pad": "*", "@x/new": "npm:@x/new@1", "old": "*" },
                     "devDependencies": { "@x/tool": "workspace:^" },
                     "peerDependencies": { "@x/peer": "*" },
                     "optionalDependencies": { "by-path": "file:../path" } }"#,
            ),
            (
                "packages/lib/package.json",
                r#"{ "name": "@x/lib", "version": "1.2.0", "dependencies": { "@x/tool": "^1.0.0" } }"#,
            ),
            (
                "packages/tool/package.json",
                r#"{ "name": "@x/tool", "version": "2.0.0", "dependencies": { "a": "workspace:@x/lib@*" } }"#,
            ),
            ("packages/new/package.json", r#"{ "name": "@x/new" }"#),
            ("packages/path/package.json", "{}"),
            (
                "packages/peer/package.json",
                r#"{ "name": "@x/peer", "dependencies": { "@x/app": "workspace:../app" } }"#,
            ),
        ],
    );
    assert_eq!(
        found.unwrap(),
        [
            "root . -> @x/tool",
            "@x/app packages/app -> @x/lib packages/path @x/tool (@x/peer)",
            "@x/lib packages/lib ->",
            "@x/new packages/new ->",
            " packages/path ->",
            "@x/peer packages/peer -> @x/app",
            "@x/tool packages/tool -> @x/lib",
        ]
    );
}

/// What npm links: `*` takes a prerelease, and a path needs no `file:`.
#[test]
fn npm_links_paths_prereleases_and_peers() {
    let found = read_all(
        Ecosystem::Npm,
        &[
            ("package.json", r#"{ "workspaces": ["p/*"] }"#),
            ("p/a/package.json", r#"{ "name": "a", "version": "1.0.0-alpha.1" }"#),
            ("p/b/package.json", r#"{ "name": "b", "dependencies": { "a": "*" } }"#),
            ("p/c/package.json", r#"{ "name": "c", "dependencies": { "x": "../b", "y": "file://../a" } }"#),
            ("p/d/package.json", r#"{ "name": "d", "dependencies": { "a": "~/p/a", "z": "./../c/", "b": "u/b" } }"#),
            (
                "p/e/package.json",
                r#"{ "name": "e", "peerDependencies": { "a": "*", "b": "*" },
                                      "devDependencies": { "a": "1.0.0" } }"#,
            ),
        ],
    );
    let expected = [" . ->", "a p/a ->", "b p/b -> a", "c p/c -> a b", "d p/d -> a c", "e p/e -> (b)"];
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn an_absolute_path_may_lead_to_a_package() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let needs = format!(r#"{{ "dependencies": {{ "x": "{}", "y": "/elsewhere" }} }}"#, root.join("p/a").display());
    let own = r#"{ "workspaces": ["p/*"] }"#;
    for (path, text) in [("package.json", own), ("p/a/package.json", "{}"), ("p/b/package.json", &needs)] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let packages = read(&root, Ecosystem::Npm, "percache.toml", &mut |_| {}).unwrap().packages;
    assert_eq!(packages.iter().map(|package| package.needs.clone()).collect::<Vec<_>>(), [vec![], vec![], vec![1]]);
}

#[test]
fn pnpm_lists_its_packages_in_a_file_of_its_own() {
    let files = [
        ("package.json", "{}"),
        ("pnpm-workspace.yaml", "packages:\n  - '.'\n  - 'libs/**'\n  - '!**/fixtures/**'\ncatalog:\n  lib: ^1.0.0\n"),
        ("libs/a/package.json", r#"{ "name": "a", "dependencies": { "lib": "catalog:" } }"#),
        ("libs/deep/lib/package.json", r#"{ "name": "lib" }"#),
        ("libs/a/fixtures/f/package.json", r#"{ "name": "f" }"#),
    ];
    let expected = [" . ->", "a libs/a -> lib", "lib libs/deep/lib ->"];
    assert_eq!(read_all(Ecosystem::Pnpm, &files).unwrap(), expected);
    assert_eq!(read_all(Ecosystem::Npm, &files).unwrap(), expected, "a package.json without `workspaces`");
}

#[test]
fn cargo_follows_paths_and_tells_what_only_tests_need() {
    let found = read_all(
        Ecosystem::Cargo,
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = ['crates/*']\nexclude = ['crates/out']\n[workspace.dependencies]\nb = { path = 'crates/b' }\n\
                 [patch.crates-io]\nd = { path = 'vendor/d' }\n",
            ),
            (
                "crates/a/Cargo.toml",
                "[package]\nname = 'a'\n[dependencies]\nb.workspace = true\nserde = '1'\n[target.'cfg(unix)'.dependencies]\nc = { path = '../../extra/c' }\n",
            ),
            ("crates/b/Cargo.toml", "[package]\nname = 'b'\n[dev-dependencies]\na = { path = '../a' }\nd = '1'\n"),
            ("crates/out/Cargo.toml", "[package]\nname = 'out'\n"),
            (
                "extra/c/Cargo.toml",
                "[package]\nname = 'c'\n[build-dependencies]\nrenamed = { package = 'd', version = '1' }\n",
            ),
            ("vendor/d/Cargo.toml", "[package]\nname = 'd'\n"),
        ],
    );
    assert_eq!(found.unwrap(), ["a crates/a -> b c", "b crates/b -> (a) (d)", "c extra/c -> d", "d vendor/d ->"]);
}

#[test]
fn uv_asks_sources_and_compares_names_in_their_normal_form() {
    let found = read_all(
        Ecosystem::Uv,
        &[
            (
                "pyproject.toml",
                "[project]\nname = 'root'\ndependencies = ['Lib.A>=1']\n[tool.uv.workspace]\nmembers = ['packages/*']\nexclude = ['packages/old']\n\
                 [tool.uv.sources]\nlib-a = { workspace = true }\n",
            ),
            (
                "packages/a/pyproject.toml",
                "[project]\nname = 'lib_a'\n[dependency-groups]\ntest = ['lib-b[x] ; python_version > \"3\"', { include-group = 'g' }]\n",
            ),
            (
                "packages/b/pyproject.toml",
                "[project]\nname = 'lib-b'\ndependencies = ['lib-a', 'lib-c']\n[tool.uv.sources]\nlib-a = { git = 'https://x' }\nlib-c = { path = '../c' }\n",
            ),
            ("packages/c/pyproject.toml", "[project]\nname = 'lib-c'\n[build-system]\nrequires = ['hatchling']\n"),
            ("packages/old/pyproject.toml", "[project]\nname = 'old'\n"),
        ],
    );
    assert_eq!(
        found.unwrap(),
        ["root . -> lib_a", "lib_a packages/a -> lib-b", "lib-b packages/b -> lib-c", "lib-c packages/c ->"]
    );
}

#[test]
fn go_takes_modules_from_go_work() {
    let found = read_all(
        Ecosystem::Go,
        &[
            ("go.work", "go 1.22\nuse (\n\t./a\n\t./b // the library\n)\nuse ./c\n"),
            ("a/go.mod", "module example.com/a\nrequire (\n\texample.com/b v1.0.0\n\texample.com/away v1.0.0\n)\n"),
            ("b/go.mod", "module example.com/b\nrequire example.com/old v0.0.0\nreplace example.com/old => ../c\n"),
            ("c/go.mod", "module example.com/c\n"),
            ("d/go.mod", "module example.com/d\n"),
        ],
    );
    assert_eq!(
        found.unwrap(),
        ["example.com/a a -> example.com/b", "example.com/b b -> example.com/c", "example.com/c c ->"]
    );
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let problem = |ecosystem, files: &[(&str, &str)]| {
        let mistake = read_all(ecosystem, files).unwrap_err();
        format!("{}: {}", mistake.file, mistake.problem)
    };
    assert_eq!(problem(Ecosystem::Npm, &[]), "package.json: it is not there");
    assert_eq!(problem(Ecosystem::Yarn, &[("package.json", "{}")]), "package.json: it has no `workspaces`");
    assert_eq!(problem(Ecosystem::Pnpm, &[("package.json", "{}")]), "pnpm-workspace.yaml: it is not there");
    assert_eq!(problem(Ecosystem::Cargo, &[("Cargo.toml", "")]), "Cargo.toml: it has no [workspace]");
    assert_eq!(problem(Ecosystem::Uv, &[("pyproject.toml", "")]), "pyproject.toml: it has no [tool.uv.workspace]");
    assert_eq!(problem(Ecosystem::Go, &[]), "go.work: it is not there");
    let workspaces =
        |value: &str| problem(Ecosystem::Npm, &[("package.json", &format!("{{ \"workspaces\": {value} }}"))]);
    assert_eq!(workspaces("\"p/*\""), "package.json: `workspaces` is no list");
    assert_eq!(workspaces("{}"), "package.json: `workspaces` is no list");
    assert_eq!(workspaces("[1]"), "package.json: `workspaces` has an item that is no text");
    let nothing = [("pnpm-workspace.yaml", "packages: ['p/*']")];
    assert_eq!(problem(Ecosystem::Pnpm, &nothing), "pnpm-workspace.yaml: no package that it lists is there");
    let cargo = |members: &str| {
        let own = format!("[workspace]\nmembers = {members}\n");
        problem(Ecosystem::Cargo, &[("Cargo.toml", &own), ("a/Cargo.toml", "[package]\nname = 'a'\n")])
    };
    assert_eq!(cargo("['a', 'zz']"), "Cargo.toml: `members` names `zz`, which has no Cargo.toml");
    assert_eq!(cargo("['b/*']"), "Cargo.toml: no package that its [workspace] lists is there");
    let uv = [("pyproject.toml", "[tool.uv.workspace]\nmembers = ['p/*']")];
    assert_eq!(problem(Ecosystem::Uv, &uv), "pyproject.toml: no package that its [tool.uv.workspace] lists is there");
    let go = |work: &str| problem(Ecosystem::Go, &[("go.work", work)]);
    assert_eq!(go("go 1.22"), "go.work: it uses no module");
    assert_eq!(go("use ./nope"), "go.work: `use ./nope` names a directory without a go.mod");
    let broken = [("package.json", r#"{ "workspaces": ["p"] }"#), ("p/package.json", "{\n\n]")];
    assert_eq!(problem(Ecosystem::Npm, &broken), "p/package.json: it cannot be read as JSON");
    let excerpt = read_all(Ecosystem::Npm, &broken).unwrap_err().excerpt.unwrap();
    assert!(excerpt.to_string().starts_with("p/package.json: line 3: "), "{excerpt}");
    let twice = [
        ("package.json", r#"{ "workspaces": ["*"] }"#),
        ("a/package.json", r#"{ "name": "x" }"#),
        ("b/package.json", r#"{ "name": "x" }"#),
    ];
    assert_eq!(problem(Ecosystem::Npm, &twice), "b/package.json: its name `x` is that of a/package.json");
}

/// What the ecosystem accepts, although it finds nothing.
#[test]
fn slips_that_the_ecosystem_accepts_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let own = r#"{ "workspaces": ["p/*", "nope", "../x", "!p/old", "p/a", "gone/*"] }"#;
    for (path, text) in [
        ("package.json", own),
        ("percache.toml", ""),
        ("p/a/package.json", "{}"),
        ("p/a/percache.toml", ""),
        ("p/stray/percache.toml", ""),
        ("p/old/percache.toml", ""),
        ("p/empty/readme", ""),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let read = read(dir.path(), Ecosystem::Npm, "percache.toml", &mut |_| {}).unwrap();
    assert_eq!(read.strays, [RelPath::new("p/stray").unwrap()]);
    let doubts: Vec<_> = read.doubts.iter().map(|doubt| format!("{}: {}", doubt.file, doubt.problem)).collect();
    assert_eq!(
        doubts,
        [
            "package.json: `workspaces` names `nope`, which has no package.json",
            "package.json: `workspaces` names `../x`, which lies outside of the workspace and is no member",
        ]
    );
}

/// The answer is kept while none of these paths has changed.
#[test]
fn everything_that_was_read_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [("package.json", r#"{ "workspaces": ["p/*"] }"#), ("p/a/package.json", "{}")] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let noted = |root: &Path| {
        let mut noted = BTreeSet::new();
        read(root, Ecosystem::Npm, "percache.toml", &mut |path| noted.extend([path.to_string()])).unwrap();
        noted
    };
    assert_eq!(noted(dir.path()), ["p", "p/a", "p/a/package.json", "package.json"].map(str::to_owned).into());
}
