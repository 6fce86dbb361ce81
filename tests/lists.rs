//! `{inputs}`, `{outputs}` and `{deps}` in commands.

use crate::sandbox::Sandbox;

#[test]
fn paths_stand_in_a_command_in_the_order_of_the_patterns() {
    let ws = Sandbox::new(
        r#"
        [workspace]
        inputs = ["lock"]
        [task.cat]
        command = "cat {inputs} > {outputs}"
        inputs = ["b.txt", "*.txt", "!c.txt", "p.json#/a"]
        outputs = ["out/all", "none*"]
        [task.app]
        command = ["sh", "-c", "mkdir -p 'app dir' && cp \"$@\" 'app dir'", "sh", "{deps}"]
        inputs = []
        deps = ["cat", "more"]
        outputs = ["app dir/"]
        [task.more]
        command = ["sh", "-c", "echo more > {outputs}"]
        inputs = []
        outputs = ["out/more than one"]
        "#,
    );
    for (name, text) in [("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c"), ("d e;$(x)'.txt", "d"), ("lock", "l")] {
        ws.write(name, text);
    }
    ws.write("p.json", "{\"a\": 1}");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/all"), "bad{\"a\": 1}");
    assert_eq!((ws.read("app dir/all"), ws.read("app dir/more than one")), ("bad{\"a\": 1}".into(), "more\n".into()));
    ws.build([]).ran([]).up_to_date(3);
    ws.write("z.txt", "z");
    ws.percache(["why", "cat"]).says(["z.txt is new"]);
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/all"), "badz{\"a\": 1}");
}

#[test]
fn paths_are_as_seen_from_the_directory_of_the_command() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"m\"]\n");
    ws.config_in(
        "m",
        "[task.t]\ncommand = \"cat {inputs} > {outputs}\"\ncwd = \"sub\"\ninputs = [\"-x\", \"src/\", \"../base\"]\noutputs = [\"o/1\"]\n",
    );
    for (name, text) in [("m/-x", "x"), ("m/src/1", "1"), ("m/src/2", "2"), ("base", "b"), ("m/sub/keep", "")] {
        ws.write(name, text);
    }
    ws.build([]).succeeds();
    assert_eq!(ws.read("m/o/1"), "x12b");
}

#[test]
fn a_shell_that_is_named_gets_them_quoted() {
    let ws = Sandbox::new(
        "[workspace]\nshell = [\"bash\", \"-euc\"]\n[task.t]\ncommand = \"for f in {inputs}; do cat \\\"$f\\\"; done > {outputs}\"\n\
         inputs = [\"*.in\"]\noutputs = [\"out\"]\n",
    );
    ws.write("a b.in", "1");
    ws.write("$HOME.in", "2");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out"), "21");
}

#[test]
fn outputs_of_dependencies_are_those_that_they_made() {
    let ws = Sandbox::new(
        r#"
        [task.many]
        command = "mkdir -p d/e; for f in $(cat list); do echo $f > d/$f; done"
        inputs = ["list"]
        outputs = ["d/"]
        [task.all]
        command = "cat {deps} > all"
        inputs = []
        deps = ["many"]
        outputs = ["all"]
        "#,
    );
    ws.write("list", "a b");
    ws.build([]).succeeds();
    assert_eq!(ws.read("all"), "a\nb\n");
    ws.write("list", "b c");
    ws.build([]).succeeds();
    assert_eq!(ws.read("all"), "b\nc\n");
    ws.remove("all");
    ws.remove("d");
    ws.build([]).ran([]).restored(2);
}

#[test]
fn they_are_left_alone_where_a_program_may_mean_them() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = \"printf '%s' '{inputs} {deps}' > {outputs}; echo ${outputs:-none} >> {outputs}\"\n\
         inputs = [\"a\"]\noutputs = [\"out\"]\n",
    );
    ws.write("a", "");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out"), "{inputs} {deps}none\n");
}

#[test]
fn lists_without_a_meaning_are_mistakes() {
    let build = |task: &str| Sandbox::new(&format!("[task.g]\ndeps = []\n[task.t]\n{task}\n")).build([]).exits(2);
    build("command = \"cat {inputs}\"").says(["percache.toml:4:16", "`{inputs}` stands for nothing", "`inputs`"]);
    build("command = \"cat {inputs}\"\ninputs = [\"@default\"]").says(["`{inputs}` stands for nothing"]);
    build("command = \"cat {inputs}\"\ninputs = []").says(["`{inputs}` stands for nothing"]);
    build("command = [\"cat\", \"{outputs}\"]\noutputs = [\"*.o\"]").says(["percache.toml:4:20", "without wildcards"]);
    build("command = \"cat {deps}\"\ninputs = []").says(["the task has no `deps`", "name the tasks in `deps`"]);
    build("command = \"cat {input}\"\ninputs = [\"a\"]").says(["percache.toml:4:16", "did you mean `{inputs}`?"]);
    build("command = \"cat {dpes}\"\ninputs = []\noutputs = [\"{inputs}\"]").says(["`{inputs}`"]);
    build("command = \"echo `cat {inputs}`\"\ninputs = [\"a\"]").says(["cannot be put here", "stand by itself"]);
}

#[test]
fn arguments_that_no_task_takes_are_a_mistake() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = \"@ran(t)\"\ninputs = []\n[task.u]\ncommand = \"@ran(u); echo {args}\"\ninputs = []\n\
         [task.v]\ndeps = [\"u\"]\n",
    );
    ws.build(["t", "--", "-v"]).exits(2).says(["`t` takes no arguments"]).reported([]);
    ws.build(["u", "--", "-v"]).ran(["u"]);
    ws.build(["--", "-w"]).reported(["t", "u"]);
}
