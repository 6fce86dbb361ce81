//! What git tracks and ignores, as far as it decides which files are inputs; above all, that a build with nothing to do
//! notices when that changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::sandbox::Sandbox;

const GIT: &str = "git -c user.name=n -c user.email=e -c init.defaultBranch=main";

/// A repository with one commit, and a task that reads every file there is.
fn repository(files: &[(&str, &str)]) -> Sandbox {
    let ws = Sandbox::new("[task.all]\ncommand = \"@ran(all); ls -R > out/all\"\noutputs = [\"out/all\"]");
    files.iter().for_each(|(path, text)| ws.write(path, text));
    ws.shell(&format!("{GIT} init -q . && git add -A && {GIT} commit -qm first"));
    settle(&ws);
    ws
}

/// Builds until the next build would go by nothing but stamps: younger ones do not stand for what is in a file.
fn settle(ws: &Sandbox) {
    std::thread::sleep(Duration::from_millis(50));
    ws.build([]).succeeds();
    ws.build([]).ran([]);
}

/// Whether a change of that file runs the task, which is settled before and after.
#[track_caller]
fn counts(ws: &Sandbox, path: &str) -> bool {
    let text = ws.read(path);
    ws.write(path, format!("{text}+"));
    let ran = ws.build([]).succeeds().commands == ["all"];
    settle(ws);
    ran
}

#[test]
fn a_tracked_file_counts_although_it_is_ignored_as_soon_as_it_is_tracked() {
    let ws = repository(&[(".gitignore", "*.log\nvendor/\n"), ("golden.log", "1"), ("vendor/lib.js", "1")]);
    assert!(!counts(&ws, "golden.log") && !counts(&ws, "vendor/lib.js"));
    ws.shell("git add -f golden.log vendor/lib.js");
    ws.build([]).ran(["all"]);
    settle(&ws);
    assert!(counts(&ws, "golden.log") && counts(&ws, "vendor/lib.js"));
    ws.shell("git rm -q -f --cached golden.log");
    ws.build([]).succeeds();
    settle(&ws);
    assert!(!counts(&ws, "golden.log") && counts(&ws, "vendor/lib.js"));
}

#[test]
fn what_git_does_besides_runs_nothing() {
    let ws = repository(&[("a", "1")]);
    for command in [
        "touch a && git status".to_owned(),
        format!("{GIT} commit -q --allow-empty -m more"),
        "git checkout -q -b other".to_owned(),
        "git update-index --split-index".to_owned(),
        "git update-index --index-version 4".to_owned(),
        "git gc -q".to_owned(),
    ] {
        ws.shell(&command);
        ws.build([]).ran([]).up_to_date(1);
    }
}

#[test]
fn the_users_list_may_be_a_symlink_and_its_target_is_looked_at() {
    let ws = repository(&[]);
    let (dotfiles, config) = (ws.outside("home/dotfiles"), ws.outside("home/config/git"));
    fs::create_dir_all(&dotfiles).unwrap();
    fs::create_dir_all(&config).unwrap();
    fs::write(dotfiles.join("ignore"), "secret\n").unwrap();
    symlink("../../dotfiles/ignore", config.join("ignore")).unwrap();
    ws.write("secret", "1");
    settle(&ws);
    assert!(!counts(&ws, "secret"));
    fs::write(dotfiles.join("ignore"), "").unwrap();
    ws.build([]).ran(["all"]);
    settle(&ws);
    assert!(counts(&ws, "secret"));
}

#[test]
fn the_users_list_is_anchored_to_the_repository_wherever_percache_is_called() {
    let ws = repository(&[("scratch", "1"), ("sub/scratch", "1")]);
    fs::create_dir_all(ws.outside("home/config/git")).unwrap();
    fs::write(ws.outside("home/config/git/ignore"), "/scratch\n").unwrap();
    ws.shell("git rm -q --cached scratch");
    settle(&ws);
    for directory in ["", "sub", ".."] {
        let build = |ws: &Sandbox| ws.run(ws.command(directory).arg("-C").arg(ws.root()).arg("build"));
        ws.write("scratch", directory);
        build(&ws).ran([]);
        ws.write("sub/scratch", format!("from {directory}"));
        build(&ws).ran(["all"]);
    }
}

#[test]
fn every_level_of_the_configuration_may_name_the_users_list() {
    let ws = repository(&[]);
    let home = ws.outside("home");
    ws.write("secret", "1");
    settle(&ws);
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("list"), "secret\n").unwrap();
    fs::write(home.join("more"), "[core]\nexcludesFile = ~/list\n").unwrap();
    // Each of these is noticed by a build that otherwise had nothing to do.
    fs::write(home.join(".gitconfig"), "[include]\npath = more\n").unwrap();
    ws.build([]).ran([]).restored(1);
    settle(&ws);
    assert!(!counts(&ws, "secret"));
    fs::write(home.join("more"), "").unwrap();
    ws.build([]).succeeds();
    settle(&ws);
    assert!(counts(&ws, "secret"));
    ws.shell("git config core.excludesFile ~/list");
    ws.build([]).succeeds();
    settle(&ws);
    assert!(!counts(&ws, "secret"));
}

#[test]
fn in_a_linked_worktree_the_excludes_of_the_repository_count() {
    let ws = Sandbox::empty();
    ws.config_in("main", "[task.all]\ncommand = \"@ran(all); ls > out/all\"\noutputs = [\"out/all\"]");
    ws.shell(&format!(
        "cd main && {GIT} init -q . && git add -A && {GIT} commit -qm x && git worktree add -q ../linked"
    ));
    let build = |ws: &Sandbox| ws.run(ws.command("linked").arg("build")).succeeds();
    ws.write("main/.git/info/exclude", "secret\n");
    ws.write("linked/secret", "1");
    std::thread::sleep(Duration::from_millis(50));
    build(&ws);
    build(&ws).ran([]);
    ws.write("linked/secret", "2");
    build(&ws).ran([]);
    ws.write("main/.git/info/exclude", "");
    build(&ws).ran(["all"]);
}

#[test]
fn a_worktree_inside_of_the_tree_is_no_part_of_it() {
    let ws = repository(&[("src/a.c", "1")]);
    ws.config(
        r#"
            [task.all]
            command = "@ran(all)"

            [task.each]
            foreach = "**/*.c"
            command = "@ran({file})"
            inputs = ["{file}"]
        "#,
    );
    ws.build([]).ran(["all", "src/a.c"]);
    ws.shell("git worktree add -q .worktrees/x && git clone -q . clone");
    ws.write(".worktrees/x/src/a.c", "2");
    ws.build([]).ran(["clone/src/a.c"]);
    settle(&ws);
    ws.write(".worktrees/x/src/a.c", "3");
    ws.write("clone/new", "");
    ws.build([]).ran([]).up_to_date(3);
    ws.shell("rm .worktrees/x/.git");
    ws.build([]).ran([".worktrees/x/src/a.c", "all"]);
}

#[test]
fn a_submodule_is_part_of_the_tree() {
    let ws = repository(&[]);
    ws.write("sub/a", "1");
    ws.write("sub/b.log", "1");
    ws.shell(&format!(
        "cd sub && {GIT} init -q . && git add a && {GIT} commit -qm x && echo '*.log' > .git/info/exclude"
    ));
    settle(&ws);
    assert!(!counts(&ws, "sub/a"), "another repository");
    ws.shell("git -c protocol.file.allow=always submodule --quiet add ./sub");
    ws.build([]).ran(["all"]);
    settle(&ws);
    assert!(counts(&ws, "sub/a") && !counts(&ws, "sub/b.log"));
}

#[test]
fn what_other_systems_keep_does_not_count() {
    let ws = repository(&[]);
    for path in
        [".hg/dirstate", ".svn/wc.db", ".jj/repo/x", "sub/CVS/Entries", "_darcs/x", ".pijul/x", ".bzr/x", ".fslckout"]
    {
        ws.write(path, "1");
    }
    settle(&ws);
    for path in
        [".hg/dirstate", ".svn/wc.db", ".jj/repo/x", "sub/CVS/Entries", "_darcs/x", ".pijul/x", ".bzr/x", ".fslckout"]
    {
        assert!(!counts(&ws, path), "{path}");
    }
}

#[test]
fn the_lock_of_an_editor_is_no_input() {
    let ws = Sandbox::new(
        r#"
            [task.each]
            foreach = "src/*.c"
            command = "@ran({file}); cat {file}"
            inputs = ["{file}"]

            [task.some]
            command = "@ran(some)"
            inputs = ["src/*.c"]

            [task.all]
            command = "@ran(all)"
        "#,
    );
    ws.write("src/main.c", "1");
    ws.build([]).ran(["all", "some", "src/main.c"]);
    ws.symlink("me@host.example.4711:1700000000", "src/.#main.c");
    ws.build([]).ran([]).up_to_date(3);
    settle(&ws);
    // It leads somewhere now.
    ws.write("src/me@host.example.4711:1700000000", "2");
    ws.build([]).ran(["all", "some", "src/.#main.c"]);
}

#[test]
fn an_ignored_directory_that_cannot_be_read_is_no_obstacle() {
    // Root reads everything.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let ws = repository(&[(".gitignore", "data\n"), ("a.c", "1")]);
    ws.config("[task.all]\ncommand = \"@ran(all)\"\n[task.some]\ncommand = \"@ran(some)\"\ninputs = [\"**/*.c\"]");
    ws.write("data/x", "");
    ws.set_mode("data", 0o0);
    ws.build([]).ran(["all", "some"]);
    ws.build([]).ran([]).up_to_date(2);
    ws.write(".gitignore", "");
    ws.build([]).fails().says(["data", "Permission denied"]);
    ws.set_mode("data", 0o755);
    ws.build([]).succeeds();
}

#[test]
fn other_variables_mean_another_list() {
    let ws = repository(&[]);
    ws.write("secret", "1");
    settle(&ws);
    fs::write(ws.outside("list"), "secret\n").unwrap();
    fs::write(ws.outside("config"), format!("[core]\nexcludesFile = {}\n", ws.outside("list").display())).unwrap();
    let build = |global: &str| ws.run(ws.command("").arg("build").env("GIT_CONFIG_GLOBAL", ws.outside(global)));
    build("config").ran([]).restored(1);
    ws.write("secret", "2");
    build("config").ran([]).up_to_date(1);
    build("missing").ran(["all"]);
}

#[test]
fn a_broken_index_is_an_error_with_its_name_and_other_tasks_do_not_mind() {
    let ws = repository(&[("a", "1")]);
    ws.config("[task.all]\ncommand = \"@ran(all)\"\n[task.some]\ncommand = \"@ran(some)\"\ninputs = [\"a\"]");
    ws.write(".git/index", "DIRC");
    ws.build(["some"]).ran(["some"]);
    ws.build(["all"]).fails().says([".git/index", "git"]);
}
