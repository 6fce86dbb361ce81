//! What runs at the same time: `-j`, pools, dependencies, interactive tasks.

use crate::sandbox::Sandbox;

/// Tasks that notice how many of them run at the same time: each makes a directory entry while it runs and logs the number of entries.
fn crowd(keys: &str) -> Sandbox {
    let ws = Sandbox::new(&format!(
        r#"
            {keys}
            foreach = "src/*"
            command = """
            mkdir -p running && touch running/{{name}}
            ls running | wc -l >> counts
            sleep 0.2
            rm running/{{name}}
            """
            inputs = ["{{file}}"]
        "#
    ));
    for name in ["a", "b", "c", "d"] {
        ws.write(&format!("src/{name}"), name);
    }
    ws
}

fn most_at_once(ws: &Sandbox) -> usize {
    ws.read("counts").lines().map(|line| line.trim().parse::<usize>().unwrap()).max().unwrap()
}

#[test]
fn tasks_run_at_the_same_time_up_to_j() {
    let ws = crowd("[task.crowd]");
    ws.build(["-j", "3"]).succeeds();
    assert!((2..=3).contains(&most_at_once(&ws)), "{}", ws.read("counts"));
    let ws = crowd("[task.crowd]");
    ws.build(["-j1"]).succeeds();
    assert_eq!(most_at_once(&ws), 1);
}

#[test]
fn at_most_as_many_tasks_of_a_pool_as_it_says() {
    let ws = crowd("[pools]\nheavy = 1\n[task.crowd]\npool = \"heavy\"");
    ws.build(["-j", "4"]).succeeds();
    assert_eq!(most_at_once(&ws), 1);
}

#[test]
fn tasks_take_no_more_of_a_pool_than_it_has() {
    for (keys, most) in [
        ("[pools]\nram = \"8GiB\"\n[task.crowd]\nuses = { ram = \"3GiB\" }", 2),
        ("[pools]\ngpu = 3\n[task.crowd]\nuses = { gpu = 2 }", 1),
        // Of the machine, each takes all that there is.
        ("[task.crowd]\nuses = { mem = \"1000000TiB\" }", 1),
        ("[task.crowd]\nuses = { cpu = 1000000 }", 1),
    ] {
        let ws = crowd(keys);
        ws.build(["-j", "4"]).succeeds();
        assert_eq!(most_at_once(&ws), most, "{keys}: {}", ws.read("counts"));
        ws.build(["-j", "4"]).ran([]).up_to_date(4);
    }
}

/// What a task uses is no part of what it does.
#[test]
fn another_use_of_pools_runs_nothing() {
    let ws = Sandbox::new("[pools]\ngpu = 3\n[task.a]\ncommand = '@ran(a)'\ninputs = []\nuses = { gpu = 2 }\n");
    ws.build([]).ran(["a"]);
    ws.edit_config("gpu = 2 }", "gpu = 1, mem = \"1GiB\" }");
    ws.build([]).ran([]).up_to_date(1);
    ws.edit_config("uses = { gpu = 1, mem = \"1GiB\" }", "pool = \"gpu\"");
    ws.build([]).ran([]).up_to_date(1);
}

/// The heavy task needs the whole pool, of which something is always taken as long as light tasks may go first.
#[test]
fn a_heavy_task_starts_before_all_light_ones_are_done() {
    let ws = Sandbox::new(
        r#"
            [pools]
            mem = "2GiB"
            [task.light]
            matrix = { number = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30"] }
            command = "case {number} in *[13579]) sleep 0.05;; *) sleep 0.02;; esac; @ran(light)"
            inputs = []
            uses = { mem = "1GiB" }
            [task.zz-heavy]
            command = "@ran(heavy)"
            inputs = []
            uses = { mem = "2GiB" }
        "#,
    );
    ws.build(["-j", "8"]).succeeds();
    let tally = std::fs::read_to_string(ws.outside("tally")).unwrap();
    let position = tally.lines().position(|line| line == "heavy").unwrap();
    assert!(position <= 12, "the heavy task came after {position} others");
}

#[test]
fn a_full_pool_does_not_hold_up_other_tasks() {
    let ws = Sandbox::new(
        r#"
            [pools]
            one = 1

            [task.waits]
            command = "while [ ! -e go ]; do sleep 0.01; done"
            inputs = []
            pool = "one"
            timeout = "20s"

            [task.pooled]
            foreach = "src/*"
            command = "true"
            inputs = ["{file}"]
            pool = "one"

            [task.zz-frees]
            command = "touch go"
            inputs = []
        "#,
    );
    for name in ["a", "b", "c"] {
        ws.write(&format!("src/{name}"), name);
    }
    ws.build(["-j", "2"]).succeeds();
}

#[test]
fn a_dependency_is_done_before_its_dependents_start() {
    let ws = Sandbox::new(
        r#"
            [task.a]
            command = "test -e done-b"
            inputs = []
            deps = ["b"]

            [task.b]
            command = "test -e done-c; sleep 0.1; touch done-b"
            inputs = []
            deps = ["group"]

            [task.group]
            deps = ["c"]

            [task.c]
            command = "sleep 0.1; touch done-c"
            inputs = []
        "#,
    );
    ws.build(["-j", "4", "a"]).succeeds();
}

#[test]
fn an_interactive_task_runs_each_time_and_alone_on_the_terminal() {
    let ws = Sandbox::new("[task.ask]\ncommand = \"@ran(ask); echo question\"\ninputs = []\ninteractive = true");
    ws.build([]).succeeds().reported(["ask"]).says(["question"]);
    ws.build([]).succeeds().reported(["ask"]);
}

#[test]
fn a_thousand_tasks() {
    let ws = Sandbox::new(
        r#"
            [task.each]
            foreach = "src/*"
            command = "cat {file} > out/{name}"
            inputs = ["{file}"]
            outputs = ["out/{name}"]

            [task.all]
            command = "cat out/* > all.out"
            inputs = ["out/*"]
            outputs = ["all.out"]
        "#,
    );
    for number in 0..1000 {
        ws.write(&format!("src/{number}"), number.to_string());
    }
    assert_eq!(ws.build([]).succeeds().count("ran"), 1001);
    ws.build([]).ran([]).up_to_date(1001);
    ws.write("src/500", "changed");
    assert_eq!(ws.build([]).succeeds().count("ran"), 2);
    ws.remove("out");
    ws.build([]).ran([]).restored(1000);
}

/// Two tasks that each call make for four targets, which tell how many of them are running.
const NESTED: &str = r#"
    [workspace]
    jobserver = true

    [task.a]
    command = "make -s -C a"
    inputs = ["a/Makefile"]

    [task.b]
    command = "make -s -C b"
    inputs = ["b/Makefile"]
"#;

#[test]
fn nested_makes_share_the_budget_of_parallel_work() {
    let makefile = "all: 1 2 3 4\n1 2 3 4:\n\t@touch ../run/$(notdir $(CURDIR))$@; ls ../run | wc -l >> ../counts; \
                    sleep 0.1; rm ../run/$(notdir $(CURDIR))$@\n";
    let most = |jobs: &str| {
        let ws = Sandbox::new(NESTED);
        std::fs::create_dir(ws.path("run")).expect("a directory");
        for dir in ["a", "b"] {
            ws.write(&format!("{dir}/Makefile"), makefile);
        }
        let run = ws.build(["-j", jobs]).succeeds().does_not_say("jobserver");
        drop(run);
        ws.read("counts").lines().map(|line| line.trim().parse::<usize>().expect("a number")).max().unwrap_or(0)
    };
    assert_eq!(most("1"), 1);
    let three = most("3");
    assert!(three == 2 || three == 3, "{three} at a time: both makes run, and no more than three of their targets");
}

/// The form of the protocol that ninja knows, where there is one that does.
#[test]
fn a_nested_ninja_shares_the_budget_by_a_named_pipe() {
    let version = std::process::Command::new("ninja").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(1), Some(13)) {
        println!("there is no ninja from 1.13 here");
        return;
    }
    let ws = Sandbox::new(
        r#"
            [workspace]
            jobserver = "fifo"

            [task.build]
            foreach = "*.ninja"
            command = "ninja -f {file}"
            inputs = ["{file}"]
        "#,
    );
    for file in ["a", "b"] {
        let rule = format!(
            "rule r\n  command = echo > run/$out; ls run | wc -l >> counts; sleep 0.1; rm run/$out\n\
                            build {file}1: r\nbuild {file}2: r\nbuild {file}3: r\nbuild {file}4: r\n"
        );
        ws.write(&format!("{file}.ninja"), format!("builddir = {file}\n{rule}"));
    }
    std::fs::create_dir(ws.path("run")).expect("a directory");
    ws.build(["-j", "2"]).succeeds();
    let most = ws.read("counts").lines().map(|line| line.trim().parse::<usize>().expect("a number")).max();
    assert!(most <= Some(2), "{most:?} at a time");
}

#[test]
fn a_build_that_shares_its_budget_can_be_stopped_and_goes_on_without_slots_that_a_killed_command_took() {
    let ws = Sandbox::new(
        r#"
        [workspace]
        jobserver = true

        [task.greedy]
        command = "make -s -C greedy"
        inputs = ["greedy/Makefile"]
        timeout = "1s"

        [task.after]
        command = "@ran(after); true"
        inputs = []
        "#,
    );
    ws.write("greedy/Makefile", "all: 1 2 3 4\n1 2 3 4:\n\t@sleep 30\n");
    ws.build(["-j", "2", "-k"]).fails().says(["after", "greedy", "1 failed, 1 ran"]);
}
