//! What names mean, and what was meant by wrong ones.

use super::*;

const TASKS: [(&str, &str); 8] = [
    ("app", "app"),
    ("objects[src/a.c]", "objects"),
    ("objects[src/b*.c]", "objects"),
    ("pkgs/app:build", "pkgs/app:build"),
    ("pkgs/app:test", "pkgs/app:test"),
    ("pkgs/lib:build", "pkgs/lib:build"),
    ("pkgs/lib:t[x:y]", "pkgs/lib:t"),
    ("test", "test"),
];

fn resolve(scope: &str, text: &str) -> Result<Vec<&'static str>, SelectError> {
    let empty = ["none".to_owned()];
    let names = Names::new(TASKS.iter().copied(), &empty);
    let ids = names.resolve(&RelPath::new(scope).unwrap(), text)?;
    Ok(ids.into_iter().map(|id| TASKS[id.index()].0).collect())
}

fn meant(scope: &str, text: &str) -> Option<String> {
    resolve(scope, text).unwrap_err().hint()
}

#[test]
fn a_name_is_looked_up_in_its_own_file() {
    assert_eq!(resolve("", "test").unwrap(), ["test"]);
    assert_eq!(resolve("pkgs/app", "test").unwrap(), ["pkgs/app:test"]);
    assert_eq!(resolve("pkgs/app", ":test").unwrap(), ["test"]);
    assert_eq!(resolve("", ":test").unwrap(), ["test"]);
    assert_eq!(resolve("pkgs/app", "pkgs/lib:build").unwrap(), ["pkgs/lib:build"]);
}

#[test]
fn a_task_with_instances_stands_for_all_of_them() {
    assert_eq!(resolve("", "objects").unwrap(), ["objects[src/a.c]", "objects[src/b*.c]"]);
    assert_eq!(resolve("", "objects[src/a.c]").unwrap(), ["objects[src/a.c]"]);
    assert_eq!(
        resolve("", "objects[src/b*.c]").unwrap(),
        ["objects[src/b*.c]"],
        "the name itself comes before the glob"
    );
    assert_eq!(resolve("", "pkgs/lib:t[x:y]").unwrap(), ["pkgs/lib:t[x:y]"]);
    assert_eq!(resolve("", "none").unwrap(), [""; 0]);
}

#[test]
fn globs_stay_on_their_side_of_the_colon() {
    assert_eq!(resolve("", "*").unwrap(), ["app", "objects[src/a.c]", "objects[src/b*.c]", "test"]);
    assert_eq!(resolve("pkgs/app", "*").unwrap(), ["pkgs/app:build", "pkgs/app:test"]);
    assert_eq!(resolve("", "*:build").unwrap(), ["pkgs/app:build", "pkgs/lib:build"]);
    assert_eq!(resolve("", "pkgs/*:?est").unwrap(), ["pkgs/app:test"]);
    assert_eq!(resolve("", "objects[*a.c]").unwrap(), ["objects[src/a.c]"]);
    assert_eq!(resolve("pkgs/app", ":a*").unwrap(), ["app"]);
    assert_eq!(resolve("", "x*"), Err(SelectError::NoMatch { glob: "x*".to_owned(), meant: None }));
}

#[test]
fn an_unknown_name_finds_what_was_meant() {
    assert_eq!(meant("", "objcts").as_deref(), Some("did you mean `objects`?"));
    assert_eq!(meant("pkgs/app", "app").as_deref(), Some("did you mean `:app`?"));
    assert_eq!(meant("", "build").as_deref(), Some("did you mean `pkgs/app:build` or `pkgs/lib:build`?"));
    assert_eq!(meant("", "objects[src/c.c]").as_deref(), Some("did you mean `objects[src/a.c]`?"));
    assert_eq!(meant("pkgs/app", "tets").as_deref(), Some("did you mean `test`?"));
    assert_eq!(meant("", "pkgs/ap:build").as_deref(), Some("did you mean `pkgs/app:build`?"));
    assert_eq!(meant("", "zzz"), None);
}

#[test]
fn a_directory_is_known_by_its_last_components() {
    assert_eq!(meant("", "lib:build").as_deref(), Some("did you mean `pkgs/lib:build`?"));
    assert_eq!(meant("pkgs/app", "lib:build").as_deref(), Some("did you mean `pkgs/lib:build`?"));
    assert_eq!(meant("", "lib:biuld").as_deref(), Some("did you mean `pkgs/lib:build`?"));
    assert_eq!(meant("", "biuld").as_deref(), Some("did you mean `pkgs/app:build` or `pkgs/lib:build`?"));
    assert_eq!(meant("", "./pkgs/lib").as_deref(), Some("did you mean `pkgs/lib:*`?"));
    assert_eq!(meant("", "pkgs/lib").as_deref(), Some("did you mean `pkgs/lib:*`?"));
    assert_eq!(meant("", "lib/").as_deref(), Some("did you mean `pkgs/lib:*`?"));
    assert_eq!(meant("", "lib:*").as_deref(), Some("did you mean `pkgs/lib:*`?"));
    assert_eq!(meant("", "kgs/lib").as_deref(), None);
}
