//! Edited while running: inputs and outputs that change under percache's hands.

mod clocks;

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::sandbox::Sandbox;

/// To make a link of an input is not to change it.
#[test]
fn an_input_that_gets_another_name_while_the_task_runs() {
    let ws = Sandbox::new(
        r#"
            [task.link]
            command = "@ran(link); rm -f ../other; ln input ../other; cat input > out/copy"
            inputs = ["input"]
            outputs = ["out/copy"]
        "#,
    );
    ws.write("input", "text");
    ws.build([]).ran(["link"]).does_not_say("not stored");
    ws.build([]).ran([]);
}

const COPY: &str = r#"
    [task.copy]
    command = "@ran(copy); cat input > out/copy"
    inputs = ["input"]
    outputs = ["out/copy"]
"#;

// ---- inputs -----------------------------------------------------------------------------------------------------------

#[test]
fn a_task_that_deletes_its_input_is_not_stored() {
    let ws = Sandbox::new(
        r#"
            [task.eat]
            command = "@ran(eat); cat input > out/eaten; rm input"
            inputs = ["input"]
            outputs = ["out/eaten"]
        "#,
    );
    for _ in 0..2 {
        ws.write("input", "food");
        ws.build([]).reported(["eat"]).succeeds().says(["`eat` is not stored", "input"]);
        assert_eq!(ws.read("out/eaten"), "food");
    }
}

#[test]
fn an_input_that_appears_and_one_that_disappears_while_the_task_runs() {
    for change in ["echo new > src/new", "rm src/b", "mv src/b src/c", "chmod +x src/a", "ln -sf a src/b"] {
        let ws = Sandbox::new(&format!(
            r#"
                [task.join]
                command = "@ran(join); cat src/* > out/join; if [ -e change ]; then {change}; fi"
                inputs = ["src/*"]
                outputs = ["out/join"]
            "#
        ));
        ws.write("src/a", "a\n");
        ws.write("src/b", "b\n");
        ws.write("change", "");
        ws.build([]).reported(["join"]).says(["is not stored"]);
        ws.remove("change");
        ws.build([]).ran(["join"]);
        ws.same_as_clean();
    }
}

/// An edit back and forth leaves the same content under a new stamp. Which of the two the command read, nobody knows.
#[test]
fn an_input_that_is_edited_and_put_back_while_the_task_runs() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); if [ -e change ]; then cp input ../kept; echo wrong > input; fi; cat input > out/copy; if [ -e change ]; then cp ../kept input; fi"
            inputs = ["input"]
            outputs = ["out/copy"]
        "#,
    );
    ws.write("input", "right\n");
    ws.write("change", "");
    ws.build([]).reported(["copy"]).says(["is not stored", "input"]);
    ws.remove("change");
    ws.remove("out");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/copy"), "right\n");
}

/// An editor saves again and again while builds run. When it stops, the next build is right, and so is every result that was stored.
#[test]
fn an_editor_that_never_stops() {
    let ws = Sandbox::new(
        r#"
            [task.slow]
            command = "@ran(slow); cat input > out/first; sleep 0.01; cat input > out/second"
            inputs = ["input"]
            outputs = ["out/first", "out/second"]
        "#,
    );
    let text = |n: u32| format!("{:04}\n", n % 7);
    ws.write("input", text(0));
    let path = ws.path("input");
    let mut commands: Vec<Command> = (0..25).map(|_| ws.command("")).collect();
    std::thread::scope(|scope| {
        let builds = scope.spawn(move || {
            for command in &mut commands {
                assert!(command.arg("build").output().unwrap().status.success());
            }
        });
        for n in 0.. {
            if builds.is_finished() {
                break;
            }
            // Half of them in place, half by a rename, as editors do.
            if n % 2 == 0 {
                fs::write(&path, text(n)).unwrap();
            } else {
                fs::write(path.with_extension("new"), text(n)).unwrap();
                fs::rename(path.with_extension("new"), &path).unwrap();
            }
            std::thread::sleep(Duration::from_millis(u64::from(n) * 7 % 23));
        }
    });
    for n in 0..7 {
        ws.write("input", text(n));
        ws.build([]).succeeds();
        for output in ["out/first", "out/second"] {
            assert_eq!(ws.read(output), text(n), "{output} for {n}");
        }
    }
}

// ---- outputs ----------------------------------------------------------------------------------------------------------

#[test]
fn outputs_that_another_process_touches() {
    let ws = Sandbox::new(COPY);
    ws.write("input", "text\n");
    ws.build([]).ran(["copy"]);
    let touches: [(&str, bool); 7] = [
        ("touch out/copy", false),
        ("chmod +x out/copy", true),
        ("echo more >> out/copy", true),
        ("printf 'TEXT\n' > out/copy", true),
        ("cp out/copy ../c; rm out/copy; mv ../c out/copy", false),
        ("rm out/copy; ln -s ../input out/copy", true),
        ("rm out/copy; mkdir out/copy", true),
    ];
    for (touch, wrong) in touches {
        ws.shell(touch);
        let run = ws.build([]).ran([]);
        assert_eq!(run.count("restored"), usize::from(wrong), "after `{touch}`");
        assert!(ws.path("out/copy").symlink_metadata().unwrap().is_file(), "after `{touch}`");
        assert_eq!(ws.read("out/copy"), "text\n", "after `{touch}`");
        ws.same_as_clean();
    }
}

/// A command that leaves a child behind, which writes to the output after the command has ended.
#[test]
fn an_output_that_is_written_after_the_command_has_ended() {
    let ws = Sandbox::new(
        r#"
            [task.late]
            command = "@ran(late); echo right > out/late; (sleep 0.3; echo wrong > out/late) > ../child.log 2>&1 &"
            inputs = []
            outputs = ["out/late"]
        "#,
    );
    ws.build([]).succeeds();
    ws.wait_until("the child has written", || ws.read("out/late") == "wrong\n");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("out/late"), "right\n");
}

#[test]
fn an_output_that_is_always_written_to_is_never_stored_torn() {
    let ws = Sandbox::new(
        r#"
            [task.shared]
            command = "@ran(shared); yes A | head -c 400000 > out/shared"
            inputs = ["input"]
            outputs = ["out/shared"]
        "#,
    );
    ws.write("input", "0");
    ws.build([]).succeeds();
    let path = ws.path("out/shared");
    let (stop, done) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(done) {
                let _ = fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(1000));
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        for n in 0..10 {
            fs::write(path.parent().unwrap().with_file_name("input"), n.to_string()).unwrap();
            let mut command = ws.command("");
            // Whether it fails because somebody changed the output meanwhile, or not: what is stored is what was there at one time.
            command.arg("build").output().unwrap();
        }
        stop.store(true, done);
    });
    ws.newly_tallied();
    for n in 0..10 {
        ws.write("input", n.to_string());
        ws.remove("out");
        ws.build([]).succeeds();
        let bytes = fs::read(&path).unwrap();
        assert!([1000, 400_000].contains(&bytes.len()), "{}", bytes.len());
    }
}
