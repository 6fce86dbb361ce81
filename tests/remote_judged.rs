//! `download = "wanted"`: a task is judged by what its dependencies are, wherever their outputs lie.

use std::process::Command;
use std::time::Duration;

use crate::sandbox::sharing::{self, bucket};
use crate::sandbox::{Background, Run, Sandbox};

/// `[remote]` with `download = "wanted"`, and these tasks.
fn config(tasks: &str) -> String {
    format!("[remote]\nurl = '$CACHE'\nwrite = '$CACHE_WRITE'\ndownload = 'wanted'\n{tasks}")
}

fn command(ws: &Sandbox, clone: &str) -> Command {
    sharing::command(ws, clone, &bucket(ws), &["build"])
}

fn share(ws: &Sandbox) -> Run {
    ws.run(command(ws, "one").env("CACHE_WRITE", "true")).succeeds()
}

fn build(ws: &Sandbox) -> Run {
    ws.run(&mut command(ws, "two"))
}

/// Two clones with these tasks and `src/a` and `src/b`, of which the first has built and shared everything.
fn shared(tasks: &str) -> Sandbox {
    let ws = sharing::clones(&["one", "two"], &config(tasks), &["src/a", "src/b", "src/c"]);
    ws.write("nonce", "");
    share(&ws);
    ws
}

/// A dependency counts while its outputs come, too.
#[test]
fn a_dependency_whose_outputs_come_counts() {
    let ws = shared(
        "[task.a]\ncommand = '@ran(a); cat src/a > a'\ninputs = ['src/a']\noutputs = ['a']\n\
         [task.b]\ncommand = '@ran(b); cat a > b'\ninputs = []\noutputs = ['b']\ndeps = ['a']\n\
         [task.l]\ncommand = '@ran(l); ln -s b l'\ninputs = []\noutputs = ['l']\ndeps = ['b']\n\
         [task.c]\ncommand = '@ran(c); cat l > c'\ninputs = ['l']\noutputs = ['c']\ndeps = ['b']\n",
    );
    build(&ws).ran([]);
    assert_eq!(ws.read("two/c"), "a\n");
}

#[test]
fn the_result_of_a_forgotten_dependency_does_not_count_once_it_is_stated() {
    let tasks = |deps: &str| {
        format!(
            "[task.a]\ncommand = '@ran(a); cat src/a > a'\ninputs = ['src/a']\noutputs = ['a']\n\
             [task.b]\ncommand = '@ran(b); cat a > b 2>/dev/null || echo none > b'\ninputs = []\noutputs = ['b']\n{deps}\n\
             [task.c]\ncommand = '@ran(c); cat b src/b > c'\ninputs = ['src/b']\noutputs = ['c']\ndeps = ['b']\n"
        )
    };
    let ws = sharing::clones(&["one", "two"], &config(&tasks("")), &["src/a", "src/b"]);
    ws.run(command(&ws, "one").arg("b").env("CACHE_WRITE", "true")).ran(["b"]);
    ["one", "two"].iter().for_each(|clone| ws.config_in(clone, &config(&tasks("deps = ['a']"))));
    share(&ws).ran(["a", "b", "c"]);
    build(&ws).ran([]);
    ws.write("two/src/b", "new\n");
    build(&ws).ran(["c"]);
    assert_eq!(ws.read("two/c"), "a\nnew\n");
}

#[test]
fn a_pattern_that_begins_at_a_link_sees_what_was_left_behind_it() {
    let tasks = "[task.gen]\ncommand = '@ran(gen); mkdir -p gen; cat src/a > gen/x'\ninputs = ['src/a']\noutputs = ['gen/']\n\
        [task.app]\ncommand = '@ran(app); ls l/ > app 2>/dev/null || echo nothing > app'\ninputs = ['l/*']\n\
        deps = ['gen']\noutputs = ['app']\n";
    let ws = sharing::clones(&["one", "two"], &config(tasks), &["src/a"]);
    ws.symlink("nowhere", "one/l");
    share(&ws).ran(["app", "gen"]);
    ws.remove("one/l");
    ["one/l", "two/l"].iter().for_each(|link| ws.symlink("gen", link));
    share(&ws).ran(["app"]);
    build(&ws).ran([]);
    assert_eq!(ws.read("two/app"), "x\n");
}

#[test]
fn the_remote_is_asked_again_for_what_could_not_be_judged_before() {
    let tasks = "[task.gen]\ncommand = '''@ran(gen); printf '{\"v\": 1}' > x.json'''\ninputs = ['src/a']\n\
        outputs = ['x.json']\n\
        [task.use]\nmatrix = { n = [1, 2, 3, 4, 5, 6, 7, 8] }\ncommand = '@ran({n}); echo {n} > use{n}'\n\
        inputs = ['x.json#v']\noutputs = ['use{n}']\n";
    let ws = shared(tasks);
    for _ in 0..5 {
        build(&ws).ran([]);
        ws.shell("cd two && rm -rf .percache x.json use*");
    }
}

#[test]
fn a_task_without_outputs_has_nothing_to_leave() {
    let ws = shared(
        "[task.test]\ncommand = '@ran(test)'\ninputs = ['src/a']\n\
         [task.app]\ncommand = '@ran(app); cat src/b > app'\ninputs = ['src/b']\noutputs = ['app']\ndeps = ['test']\n",
    );
    build(&ws).ran([]).up_to_date(1);
    ws.shell("rm -rf ../bucket");
    ws.run(command(&ws, "two").args(["--no-remote", "test"])).ran([]).up_to_date(1);
}

/// The remote is asked ahead of a task's turn.
#[test]
fn what_the_remote_had_for_an_input_that_has_changed_meanwhile_is_not_used() {
    let ws = shared(
        "[task.slow]\ncommand = '@ran(slow); sleep 1; echo > slow'\ninputs = []\noutputs = ['slow']\ncache = false\n\
         [task.t]\ncommand = '@ran(t); cat src/a > t'\ninputs = ['src/a']\noutputs = ['t']\n\
         [task.app]\ncommand = '@ran(app); cat t > app'\ninputs = ['t']\noutputs = ['app']\n",
    );
    ws.newly_tallied();
    let slow = Background::start(command(&ws, "two").args(["-j", "1"]), ws.outside("said"));
    ws.wait_until("the slow task runs", || !ws.newly_tallied().is_empty());
    ws.write("two/src/a", "new\n");
    slow.finish(Duration::from_secs(60));
    assert_eq!(ws.read("two/app"), "new\n");
}

/// Without names, groups make nothing wanted.
#[test]
fn members_of_groups_that_others_depend_on_are_left() {
    let tasks = "[task.x]\ncommand = '@ran(x); cat src/a > x'\ninputs = ['src/a']\noutputs = ['x']\n\
        [task.y]\ncommand = '@ran(y); cat x > y'\ninputs = ['x']\noutputs = ['y']\n\
        [task.all]\ndeps = ['x', 'y']\n";
    let ws = shared(tasks);
    build(&ws).ran([]).restored(1);
    assert!(!ws.exists("two/x") && ws.exists("two/y"));
    ws.run(command(&ws, "two").arg("all")).ran([]).restored(1);
    assert!(ws.exists("two/x"));
}

#[test]
fn digests_are_not_enough_for_links_parts_and_tools() {
    let config = |task: &str| {
        format!(
            "[remote]\nurl = '$CACHE'\nwrite = '$CACHE_WRITE'\ndownload = 'wanted'\n\
             [task.gen]\ncommand = '''@ran(gen); mkdir -p gen; printf '{{\"v\": \"%s\"}}' \"$(cat src/a)\" > gen/x.json; \
             printf '#!/bin/sh\\necho 1\\n' > gen/tool; chmod +x gen/tool'''\ninputs = ['src/a']\noutputs = ['gen/']\n\
             [task.app]\ncommand = '@ran(app); cat gen/x.json src/b > app'\noutputs = ['app']\n{task}\n"
        )
    };
    for task in [
        "inputs = ['gen/x.json#v', 'src/b']",
        "inputs = ['src/b', 'link']",
        "inputs = ['src/b']\ntools = ['gen/tool']\ndeps = ['gen']",
        "inputs = ['src/b']\ndeps = ['gen']\ncache = false",
    ] {
        let link = task.contains("link");
        let task = if link { format!("{task}\ndeps = ['gen']") } else { task.to_owned() };
        let ws = Sandbox::empty();
        for clone in ["one", "two"] {
            ws.config_in(clone, &config(&task));
            ["a", "b"].iter().for_each(|name| ws.write(&format!("{clone}/src/{name}"), format!("{name}\n")));
            if link {
                ws.symlink("gen/x.json", &format!("{clone}/link"));
            }
        }
        ws.run(command(&ws, "one").env("CACHE_WRITE", "true")).ran(["app", "gen"]);
        let run = build(&ws).succeeds();
        assert_eq!(
            run.commands.contains(&"app".to_owned()),
            task.contains("cache = false"),
            "{task}: {}",
            run.output()
        );
        assert_eq!(run.stderr, "", "{task}");
        // The other clone's next result is another one.
        ws.write("one/src/a", "changed\n");
        ws.run(command(&ws, "one").env("CACHE_WRITE", "true")).succeeds();
        ws.write("two/src/a", "changed\n");
        build(&ws).succeeds();
        assert_eq!(ws.read("two/app"), ws.read("one/app"), "{task}");
        ws.write("two/src/b", "new\n");
        build(&ws).succeeds();
        assert_eq!(ws.read("two/app"), "{\"v\": \"changed\"}new\n", "{task}");
    }
}

/// Whoever was judged by what an output was, and is not any more, is judged again.
#[test]
fn an_output_that_comes_out_differently_is_noticed_by_the_next_build() {
    let config = "[remote]\nurl = '$CACHE'\nwrite = '$CACHE_WRITE'\ndownload = 'wanted'\n\
        [task.gen]\ncommand = '@ran(gen); cat src/a ../nonce > gen'\ninputs = ['src/a']\noutputs = ['gen']\n\
        [task.first]\ncommand = '@ran(first); cat gen > first'\ninputs = ['gen']\noutputs = ['first']\n\
        [task.second]\ncommand = '@ran(second); cat gen src/b > second'\ninputs = ['gen', 'src/b']\noutputs = ['second']\n";
    let ws = Sandbox::empty();
    ws.write("nonce", "1\n");
    for clone in ["one", "two"] {
        ws.config_in(clone, config);
        ["a", "b"].iter().for_each(|name| ws.write(&format!("{clone}/src/{name}"), format!("{name}\n")));
    }
    ws.run(command(&ws, "one").env("CACHE_WRITE", "true")).ran(["first", "gen", "second"]);
    ws.write("nonce", "2\n");
    build(&ws).ran([]).restored(2);
    ws.shell("rm -rf ../bucket");
    ws.write("two/src/b", "new\n");
    build(&ws).ran(["gen", "second"]);
    assert_eq!(ws.read("two/second"), "a\n2\nnew\n");
    build(&ws).ran(["first"]);
    assert_eq!(ws.read("two/first"), "a\n2\n");
    build(&ws).ran([]);
}

/// Whoever was judged in the same build by what an output was is judged again, too.
#[test]
fn who_was_judged_before_an_output_came_out_differently_is_judged_again() {
    let ws = shared(
        "[task.gen]\ncommand = '@ran(gen); yes $(cat src/a ../nonce) | head -c 200000 > gen; sleep 0.5'\n\
         inputs = ['src/a']\noutputs = ['gen']\n\
         [task.first]\ncommand = '@ran(first); head -c 3 gen > first'\ninputs = ['gen', 'src/c']\noutputs = ['first']\n\
         [task.second]\ncommand = '@ran(second); head -c 3 gen | cat - src/b > second'\ninputs = ['gen', 'src/b']\n\
         outputs = ['second']\n",
    );
    build(&ws).ran([]).restored(2);
    ["one/src/c", "two/src/c"].iter().for_each(|path| ws.write(path, "other\n"));
    share(&ws).ran(["first"]);
    ws.shell("rm -r ../bucket/percache/v1/default/sha256/blobs");
    ws.write("nonce", "2\n");
    ws.write("two/src/b", "new\n");
    build(&ws).ran(["gen", "second"]).up_to_date(1);
    assert_eq!((ws.read("two/first"), ws.read("two/second")), ("a\na".to_owned(), "a 2new\n".to_owned()));
    build(&ws).ran(["first"]);
    assert_eq!(ws.read("two/first"), "a 2");
    build(&ws).ran([]);
}

/// A tool may be an output, or read one. What it says without them is not what it says.
#[test]
fn tools_are_asked_again_when_outputs_have_come() {
    let ws = shared(
        "[task.gen]\ncommand = '@ran(gen); cat src/a > version'\ninputs = ['src/a']\noutputs = ['version']\n\
         [task.app]\ncommand = '@ran(app); cat src/b > app'\ninputs = ['src/b']\noutputs = ['app']\n\
         tools = ['cat version 2>/dev/null || echo none']\ndeps = ['gen']\n",
    );
    build(&ws).ran([]).restored(2);
    build(&ws).ran([]);
}

/// There, they have a second path.
#[test]
fn where_the_user_keeps_outputs_elsewhere_they_come() {
    let ws = shared(
        "[task.gen]\ncommand = '@ran(gen); mkdir -p gen; cat src/a > gen/x'\ninputs = ['src/a']\noutputs = ['gen/']\n\
         [task.app]\ncommand = '@ran(app); ls else > app 2>/dev/null || echo none > app'\ninputs = ['else/*']\n\
         outputs = ['app']\ndeps = ['gen']\n",
    );
    assert_eq!(ws.read("one/app"), "none\n");
    ws.shell("cd two && mkdir else && ln -s else gen");
    build(&ws).ran(["app"]).restored(1);
    assert_eq!(ws.read("two/app"), "x\n");
}

#[test]
fn outputs_with_symlinks_among_them_come() {
    let ws = shared(
        "[task.gen]\ncommand = '@ran(gen); mkdir -p gen; cat src/a > gen/x; ln -sf x gen/link'\ninputs = ['src/a']\n\
         outputs = ['gen/']\n\
         [task.app]\ncommand = '@ran(app); cat gen/x > app'\ninputs = ['gen/x']\noutputs = ['app']\n",
    );
    build(&ws).ran([]).restored(2);
    assert_eq!(ws.read("two/gen/link"), "a\n");
}

/// An external file is named by another path than the output that it is.
#[test]
fn an_external_file_that_is_an_output_comes_before_it_is_judged() {
    let tasks = "[task.gen]\ncommand = '@ran(gen); mkdir -p gen; cat src/a > gen/x'\ninputs = ['src/a']\noutputs = ['gen/']\n\
        [task.app]\ncommand = '@ran(app); cat ../alias/x > app 2>/dev/null || echo none > app'\ninputs = []\n\
        external = ['../alias/x']\ndeps = ['gen']\noutputs = ['app']\n";
    let ws = sharing::clones(&["one", "two"], &config(tasks), &["src/a"]);
    share(&ws).ran(["app", "gen"]);
    ws.symlink("one/gen", "alias");
    share(&ws).ran(["app"]);
    ws.remove("alias");
    ws.symlink("two/gen", "alias");
    build(&ws).ran([]);
    assert_eq!(ws.read("two/app"), "a\n");
}
