//! Linked worktrees and clones of a git repository, switched branches: results are shared wherever the content is the same.

use crate::sandbox::Sandbox;

const CONFIG: &str = r#"
    [task.each]
    foreach = "src/*.txt"
    command = "@ran({stem}); cat {file} > out/{stem}"
    inputs = ["{file}"]
    outputs = ["out/{stem}"]

    [task.join]
    command = "@ran(join); cat out/* > joined.txt"
    inputs = ["out/*"]
    outputs = ["joined.txt"]
"#;

const GIT: &str = "git -c user.name=n -c user.email=e -c init.defaultBranch=main";

/// A repository in `main`, a directory of the sandbox, with one commit.
fn repository() -> Sandbox {
    let ws = Sandbox::empty();
    ws.config_in("main", CONFIG);
    ws.write("main/.gitignore", "out/\njoined.txt\n");
    ws.write("main/src/a.txt", "a\n");
    ws.write("main/src/b.txt", "b\n");
    ws.shell(&format!("cd main && {GIT} init -q . && git add -A && {GIT} commit -qm first"));
    ws
}

#[test]
fn a_linked_worktree_uses_the_store_of_the_main_one() {
    let ws = repository();
    ws.run(ws.command("main").arg("build")).ran(["a", "b", "join"]);
    ws.shell("cd main && git worktree add -q ../linked");
    ws.run(ws.command("linked").arg("build")).ran([]).restored(3);
    assert_eq!(ws.read("linked/joined.txt"), "a\nb\n");
    assert!(!ws.exists("linked/.percache") && ws.exists("main/.percache"));
    ws.write("linked/src/a.txt", "A\n");
    ws.run(ws.command("linked").arg("build")).ran(["a", "join"]);
    ws.write("main/src/a.txt", "A\n");
    ws.run(ws.command("main").arg("build")).ran([]).restored(2);
}

#[test]
fn switching_branches_and_back_runs_nothing() {
    let ws = repository();
    let build = || ws.run(ws.command("main").arg("build"));
    build().ran(["a", "b", "join"]);
    ws.shell("cd main && git checkout -q -b other && git rm -q src/b.txt && echo c > src/c.txt && echo A > src/a.txt");
    ws.shell(&format!("cd main && git add -A && {GIT} commit -qm second"));
    build().ran(["a", "c", "join"]);
    assert_eq!(ws.read("main/joined.txt"), "A\nc\n");
    for (branch, joined) in [("main", "a\nb\n"), ("other", "A\nc\n"), ("main", "a\nb\n")] {
        ws.shell(&format!("cd main && git checkout -q {branch}"));
        build().ran([]);
        assert_eq!(ws.read("main/joined.txt"), joined);
        build().ran([]).restored(0);
    }
}

#[test]
fn clones_share_a_store_that_lies_outside_of_them() {
    let ws = repository();
    ws.edit("main/percache.toml", "[task.each]", "[cache]\ndir = \"../store\"\n[task.each]");
    ws.shell(&format!("cd main && git add -A && {GIT} commit -qm second && git clone -q . ../clone"));
    ws.run(ws.command("main").arg("build")).ran(["a", "b", "join"]);
    ws.run(ws.command("clone").arg("build")).ran([]).restored(3);
}

#[test]
fn an_output_that_names_its_directory_is_not_restored_in_another() {
    let ws = Sandbox::empty();
    for clone in ["one", "two"] {
        ws.config_in(
            clone,
            r#"
                [cache]
                dir = "../store"

                [task.tied]
                command = "@ran(tied); pwd > out/place"
                inputs = []
                outputs = ["out/place"]
            "#,
        );
    }
    for clone in ["one", "two", "one", "two"] {
        ws.run(ws.command(clone).arg("build")).succeeds();
        assert_eq!(ws.read(&format!("{clone}/out/place")), format!("{}\n", ws.path(clone).display()));
    }
    assert_eq!(ws.newly_tallied(), Vec::<String>::new());
    ws.remove("one/out");
    ws.run(ws.command("one").arg("build")).ran([]).restored(1);
}

/// What the tree looks like after a move is not what a clean build would make there.
#[test]
fn a_workspace_that_was_moved_runs_what_wrote_down_where_it_was() {
    let ws = Sandbox::empty();
    let tasks = r#"
        [task.place]
        command = "@ran(place); pwd > place.txt"
        inputs = []
        outputs = ["place.txt"]

        [task.plain]
        command = "@ran(plain); echo plain > plain.txt"
        inputs = []
        outputs = ["plain.txt"]
    "#;
    ws.config_in("here", tasks);
    ws.run(ws.command("here").arg("build")).ran(["place", "plain"]);
    ws.rename("here", "there");
    ws.run(ws.command("there").arg("build")).ran(["place"]).up_to_date(1);
    let told = ws.read("there/place.txt");
    assert!(told.trim_end().ends_with("/there"), "{told}");
    ws.run(ws.command("there").arg("build")).ran([]).up_to_date(2);
    // What only lost its outputs is restored without a look at anything else.
    ws.rename("there", "here");
    ws.remove("here/place.txt");
    ws.run(ws.command("here").arg("build")).ran([]).restored(1);
    let told = ws.read("here/place.txt");
    assert!(told.trim_end().ends_with("/here"), "{told}");
}

#[test]
fn a_workspace_that_was_moved_keeps_its_results() {
    let ws = repository();
    ws.run(ws.command("main").arg("build")).ran(["a", "b", "join"]);
    ws.rename("main", "moved");
    ws.run(ws.command("moved").arg("build")).ran([]).up_to_date(3);
}
