//! Symlinks on the way to what a build reads: a path is known by every one of them and by what it leads to, however short the look at it is.
//!
//! Before each change a build has had nothing to do, so that the next one goes by what that one noted.

mod discovered;

use std::time::Duration;

use crate::sandbox::Sandbox;

/// This much older than the clock of the file system can tell, stamps stand for contents.
const PAUSE: Duration = Duration::from_millis(30);

/// Builds until nothing is left to do, long enough after the last change.
fn rest(ws: &Sandbox) {
    for _ in 0..2 {
        std::thread::sleep(PAUSE);
        ws.build([]).succeeds();
    }
    ws.build([]).ran([]);
}

/// A task that writes what a script says to `out/read`.
fn reader(inputs: &str, script: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[task.read]\ncommand = '''@ran(read); ({script}) > out/read'''\n{inputs}\noutputs = ['out/read']\n"
    ))
}

/// Rests, changes something, builds, and compares what was read.
fn after(ws: &Sandbox, what: &str, change: impl FnOnce(&Sandbox), read: &str) {
    rest(ws);
    change(ws);
    let run = ws.build([]).succeeds();
    assert_eq!(ws.read("out/read"), read, "after this: {what}\n{}", run.output());
}

fn relink(ws: &Sandbox, target: &str, path: &str) {
    if ws.exists(path) {
        ws.remove(path);
    }
    ws.symlink(target, path);
}

#[test]
fn an_input_that_is_a_symlink_is_known_by_all_that_it_leads_over() {
    let absolute = |ws: &Sandbox, path: &str| ws.path(path).to_str().unwrap().to_owned();
    for kind in ["relative", "absolute", "chain", "outside"] {
        let ws = reader("inputs = ['link']", "cat link");
        for (path, text) in [("one", "1"), ("two", "2"), ("../one", "1"), ("../two", "2")] {
            ws.write(path, text);
        }
        let (link, one, two) = match kind {
            "relative" => ("link", "one".to_owned(), "two".to_owned()),
            "absolute" => ("link", absolute(&ws, "one"), absolute(&ws, "two")),
            "outside" => ("link", "../one".to_owned(), "../two".to_owned()),
            _ => ("further", "one".to_owned(), "two".to_owned()),
        };
        if kind == "chain" {
            ws.symlink("middle", "link");
            ws.symlink("further", "middle");
        }
        let edited = if kind == "outside" { "../two" } else { "two" };
        ws.symlink(&one, link);
        ws.build([]).ran(["read"]);
        after(&ws, "it leads elsewhere", |ws| relink(ws, &two, link), "2");
        after(&ws, "the file behind it is edited", |ws| ws.write(edited, "3"), "3");
        after(
            &ws,
            "another one takes the place of the file",
            |ws| {
                ws.write("other", "4");
                ws.rename("other", edited);
            },
            "4",
        );
        after(
            &ws,
            "it becomes a file",
            |ws| {
                ws.remove(link);
                ws.write(link, "5");
            },
            "5",
        );
    }
}

#[test]
fn nothing_runs_when_only_times_behind_a_symlink_change() {
    let ws = reader("inputs = ['link', 'dir/*']", "cat link dir/*");
    ws.write("one", "1");
    ws.write("real/two", "2");
    ws.symlink("one", "link");
    ws.symlink("real", "dir");
    ws.build([]).ran(["read"]);
    rest(&ws);
    ws.touch("one");
    ws.touch("real/two");
    ws.build([]).ran([]).up_to_date(1);
}

#[test]
fn what_dangles_or_leads_in_a_circle_is_known_by_what_is_missing() {
    let ws = reader("inputs = ['link']", "cat link 2>/dev/null || echo none");
    ws.symlink("gone/deep", "link");
    ws.build([]).ran(["read"]);
    after(&ws, "a directory appears without the file", |ws| ws.write("gone/other", ""), "none\n");
    after(&ws, "the file appears", |ws| ws.write("gone/deep", "1"), "1");
    after(&ws, "the directory is gone", |ws| ws.remove("gone"), "none\n");
    after(
        &ws,
        "it leads in a circle",
        |ws| {
            relink(ws, "round", "link");
            ws.symlink("link", "round");
        },
        "none\n",
    );
    after(
        &ws,
        "the circle is cut",
        |ws| {
            ws.remove("round");
            ws.write("round", "2");
        },
        "2",
    );
}

#[test]
fn the_executable_bit_of_what_a_symlink_leads_to_counts() {
    let ws = reader("inputs = ['link']", "[ -x link ] && echo yes || echo no");
    ws.write("tool", "");
    ws.symlink("tool", "link");
    ws.build([]).ran(["read"]);
    after(&ws, "a bit is set", |ws| ws.set_mode("tool", 0o755), "yes\n");
}

#[test]
fn a_pattern_that_begins_at_a_symlink_looks_into_what_it_leads_to() {
    for inputs in ["link/*.txt", "link/**", "link/", "link", "link/**/*.txt"] {
        let ws = reader(&format!("inputs = ['{inputs}']"), "cat link/*.txt 2>/dev/null || true");
        for (path, text) in [("real/a.txt", "a"), ("other/a.txt", "A"), ("other/c.txt", "C"), ("../away/d.txt", "d")] {
            ws.write(path, text);
        }
        ws.symlink("real", "link");
        ws.build([]).ran(["read"]);
        assert_eq!(ws.read("out/read"), "a", "{inputs}");
        after(&ws, "a file appears", |ws| ws.write("real/b.txt", "b"), "ab");
        after(&ws, "a file is edited", |ws| ws.write("real/b.txt", "B"), "aB");
        after(&ws, "a file is gone", |ws| ws.remove("real/a.txt"), "B");
        after(&ws, "it leads elsewhere", |ws| relink(ws, "other", "link"), "AC");
        after(
            &ws,
            "it leads there over another one",
            |ws| {
                ws.symlink("other", "middle");
                relink(ws, "middle", "link");
            },
            "AC",
        );
        after(&ws, "the other one leads elsewhere", |ws| relink(ws, "real", "middle"), "B");
        after(&ws, "it leads out of the workspace", |ws| relink(ws, "../away", "link"), "d");
        after(&ws, "a file out there is edited", |ws| ws.write("../away/d.txt", "D"), "D");
        after(
            &ws,
            "it is a directory",
            |ws| {
                ws.remove("link");
                ws.write("link/e.txt", "e");
            },
            "e",
        );
        after(
            &ws,
            "it is a symlink to where that is now",
            |ws| {
                ws.rename("link", "moved");
                ws.symlink("moved", "link");
                ws.write("moved/f.txt", "f");
            },
            "ef",
        );
    }
}

#[test]
fn a_directory_where_a_pattern_begins_may_have_been_anything_before() {
    type Before = (&'static str, fn(&Sandbox));
    let before: [Before; 5] = [
        ("nothing", |_| ()),
        ("a file", |ws| ws.write("lib", "")),
        ("a dangling symlink", |ws| ws.symlink("nowhere", "lib")),
        ("a symlink to a file", |ws| {
            ws.write("file", "");
            ws.symlink("file", "lib");
        }),
        ("a circle", |ws| ws.symlink("lib", "lib")),
    ];
    for (what, make) in before {
        for pattern in ["lib/*.txt", "lib/sub/*.txt", "lib/sub/x.txt"] {
            let ws = reader(&format!("inputs = ['{pattern}']"), &format!("cat {pattern} 2>/dev/null || echo none"));
            make(&ws);
            ws.build([]).ran(["read"]);
            rest(&ws);
            if ws.exists("lib") {
                ws.remove("lib");
            }
            let file = pattern.replace('*', "x");
            ws.write(&file, "x");
            ws.build([]).ran(["read"]);
            assert_eq!(ws.read("out/read"), "x", "{what}, {pattern}");
        }
    }
    let ws = reader("inputs = ['lib/*.txt']", "cat lib/*.txt 2>/dev/null || echo none");
    ws.symlink("nowhere", "lib");
    ws.build([]).ran(["read"]);
    after(&ws, "what it leads to appears", |ws| ws.write("nowhere/x.txt", "x"), "x");
}

#[test]
fn where_a_symlink_on_the_way_leads_is_an_input() {
    let script = "cat link/a; readlink link; readlink link/up || true";
    let ws = reader("inputs = ['link/a']", script);
    ws.write("one/a", "a\n");
    ws.write("two/a", "a\n");
    ws.symlink("one", "link");
    ws.build([]).ran(["read"]);
    after(&ws, "the same file elsewhere", |ws| relink(ws, "two", "link"), "a\ntwo\n");
    ws.build([]).ran([]).up_to_date(1);
    relink(&ws, "one", "link");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn the_directory_of_a_command_may_be_a_symlink() {
    let ws = Sandbox::new(
        "[task.read]\ncommand = '@ran(read); cat name > ../out/read'\ncwd = 'link'\ninputs = ['link/name']\noutputs = ['out/read']\n",
    );
    ws.write("one/name", "1");
    ws.write("two/name", "2");
    ws.symlink("one", "link");
    ws.build([]).ran(["read"]);
    after(&ws, "it leads elsewhere", |ws| relink(ws, "two", "link"), "2");
}

#[test]
fn an_env_file_may_be_a_symlink() {
    let ws = reader("inputs = []\nenv_file = ['dir/.env']", "echo $K");
    ws.write("one/.env.dev", "K=1\n");
    ws.symlink(".env.dev", "one/.env");
    ws.symlink("one", "dir");
    ws.write("two/.env", "K=3\n");
    ws.build([]).ran(["read"]);
    after(&ws, "its target is edited", |ws| ws.write("one/.env.dev", "K=2\n"), "2\n");
    after(&ws, "the directory leads elsewhere", |ws| relink(ws, "two", "dir"), "3\n");
    after(
        &ws,
        "it leads out of the workspace",
        |ws| {
            ws.write("../env", "K=4\n");
            relink(ws, "../../env", "two/.env");
        },
        "4\n",
    );
    after(&ws, "the file out there is edited", |ws| ws.write("../env", "K=5\n"), "5\n");
}

#[test]
fn a_configuration_may_be_a_symlink() {
    let config = |text: &str| {
        format!("[task.read]\ncommand = 'mkdir -p out; echo {text} > out/read'\ninputs = []\noutputs = ['out/read']\n")
    };
    for member in [false, true] {
        let ws = Sandbox::empty();
        let file = if member { "member/percache.toml" } else { "percache.toml" };
        if member {
            ws.config("[workspace]\nmembers = ['member']\n");
            ws.write("member/x", "");
        }
        let up = if member { "../" } else { "" };
        ws.write("conf/one", config("1"));
        ws.symlink(&format!("{up}middle"), file);
        ws.symlink("conf/one", "middle");
        let out = if member { "member/out/read" } else { "out/read" };
        let mut number = 1;
        let mut expect = |change: &dyn Fn(&Sandbox, &str)| {
            ws.build([]).succeeds();
            rest(&ws);
            number += 1;
            change(&ws, &config(&number.to_string()));
            ws.build([]).succeeds();
            assert_eq!(ws.read(out), format!("{number}\n"), "member: {member}");
        };
        expect(&|ws, text| ws.write("conf/one", text));
        expect(&|ws, text| {
            ws.write("conf/new", text);
            ws.rename("conf/new", "conf/one");
        });
        expect(&|ws, text| {
            ws.write("conf/two", text);
            relink(ws, "conf/two", "middle");
        });
        expect(&|ws, text| {
            ws.write("../conf", text);
            relink(ws, &format!("{up}../conf"), file);
        });
        expect(&|ws, text| ws.write("../conf", text));
        rest(&ws);
        ws.write("../conf", "[nonsense");
        ws.build([]).exits(2);
    }
}

#[test]
fn a_member_may_lie_behind_a_symlink() {
    let ws = Sandbox::new("[workspace]\nmembers = ['link']\n");
    for (dir, text) in [("one", "1"), ("two", "2")] {
        ws.config_in(dir, "[task.read]\ncommand = '@ran(read); cat text > out/read'\noutputs = ['out/read']\n");
        ws.write(&format!("{dir}/text"), text);
    }
    ws.symlink("one", "link");
    ws.build([]).ran(["read"]);
    rest(&ws);
    ws.write("one/text", "3");
    ws.build([]).ran(["read"]);
    assert_eq!(ws.read("link/out/read"), "3");
    rest(&ws);
    relink(&ws, "two", "link");
    ws.build([]).ran(["read"]);
    assert_eq!(ws.read("link/out/read"), "2");
    rest(&ws);
}

#[test]
fn foreach_finds_what_lies_behind_a_symlink_and_no_symlink_that_leads_to_no_file() {
    let ws = Sandbox::new(
        "[task.each]\nforeach = 'link/*'\ncommand = '@ran({name}); cat {file} > out/{name}'\ninputs = ['{file}']\noutputs = ['out/{name}']\n",
    );
    ws.write("real/a", "a");
    ws.write("other/b", "b");
    ws.symlink("real", "link");
    ws.symlink("user@host.1234:5678", "real/.#a");
    ws.write("dir/x", "");
    ws.symlink("../dir", "real/dir");
    ws.build([]).ran(["a"]);
    rest(&ws);
    ws.write("real/c", "c");
    ws.build([]).ran(["c"]);
    rest(&ws);
    ws.write("real/c", "C");
    ws.build([]).ran(["c"]);
    rest(&ws);
    ws.symlink("late", "real/d");
    ws.build([]).ran([]);
    rest(&ws);
    ws.write("real/late", "d");
    ws.build([]).ran(["d", "late"]);
    rest(&ws);
    ws.remove("real/late");
    ws.build([]).ran([]);
    assert!(!ws.exists("out/d") && !ws.exists("out/late"));
    rest(&ws);
    relink(&ws, "other", "link");
    ws.build([]).ran(["b"]);
    assert!(!ws.exists("out/a"));
}
