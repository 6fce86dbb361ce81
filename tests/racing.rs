//! Edited while running: inputs and outputs that change under percache's hands, and clocks that do not tell.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::sandbox::{Run, Sandbox};

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

// ---- clocks -----------------------------------------------------------------------------------------------------------

/// Edits of the same length, faster than any clock, right after the journal was written and before it.
#[test]
fn edits_within_one_tick_of_the_journal() {
    let ws = Sandbox::new(COPY);
    for n in 0..60 {
        let text = format!("{n:03}\n");
        ws.write("input", &text);
        if n % 3 == 0 {
            // As young as the journal to the nanosecond, as far as a program can say so.
            let journal = ws.shell("ls .percache/worktrees/*/journal 2>/dev/null || echo input");
            ws.shell(&format!("touch -r {} input", journal.trim()));
        }
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), text);
        if n % 4 == 0 {
            // A snapshot, perhaps.
            ws.build([]).ran([]);
        }
    }
}

#[test]
fn times_of_files_that_are_set_to_anything() {
    let ws = Sandbox::new(COPY);
    ws.write("input", "one\n");
    ws.build([]).ran(["copy"]);
    std::thread::sleep(Duration::from_millis(50));
    ws.build([]).ran([]);
    for (number, date) in ["1970-01-01", "2038-01-20", "2100-01-01 12:00", "1999-12-31"].into_iter().enumerate() {
        let old = ws.modified("input");
        ws.write("input", format!("{number:03}\n"));
        ws.shell(&format!("touch -d '{date}' input"));
        ws.build([]).ran(["copy"]);
        assert_eq!(ws.read("out/copy"), format!("{number:03}\n"));
        // Another content of the same length, under the same modification time.
        ws.write("input", "two\n");
        let file = fs::File::options().append(true).open(ws.path("input")).unwrap();
        file.set_modified(old).unwrap();
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), "two\n");
    }
}

/// A clock that is wrong by as many seconds as a test says. `None` where that is not possible.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    fn new(ws: &Sandbox) -> Option<Clock> {
        let (source, library) = (ws.outside("clock.c"), ws.outside("clock.so"));
        fs::write(&source, include_str!("sandbox/clock.c")).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).stderr(Stdio::null());
        let compiled = cfg!(target_os = "linux") && command.status().is_ok_and(|status| status.success());
        if !compiled {
            println!("skipped: there is no C compiler, or no LD_PRELOAD");
        }
        compiled.then(|| Clock { library, offset: ws.outside("offset") })
    }

    fn build(&self, ws: &Sandbox, offset: i64) -> Run {
        fs::write(&self.offset, offset.to_string()).unwrap();
        let mut command = ws.command("");
        ws.run(command.arg("build").env("LD_PRELOAD", &self.library).env("SHIM_CLOCK", &self.offset))
    }
}

const DAY: i64 = 86_400;

/// The clock jumps, and with it the times at which results and the journal were written: to the future and back, again and again.
#[test]
fn a_clock_that_jumps_back_and_forth() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); cat input > out/copy"
            inputs = ["input"]
            outputs = ["out/copy"]

            [task.fresh]
            command = "@ran(fresh); echo 1 > out/fresh"
            inputs = []
            outputs = ["out/fresh"]
            valid_for = "1h"
        "#,
    );
    let Some(clock) = Clock::new(&ws) else { return };
    for (round, offset) in [0, 400 * DAY, -400 * DAY, 20_000 * DAY, 0, 3, -3, 0].into_iter().enumerate() {
        for edit in 0..3 {
            let text = format!("{round}{edit}\n");
            ws.write("input", &text);
            let run = clock.build(&ws, offset).succeeds().does_not_say("warning");
            assert!(run.commands.contains(&"copy".to_owned()));
            assert_eq!(ws.read("out/copy"), text);
            let run = clock.build(&ws, offset).succeeds();
            assert!(!run.commands.contains(&"copy".to_owned()), "{}", run.output());
        }
    }
    ws.percache(["verify"]).succeeds();
    ws.percache(["stats"]).succeeds();
    ws.percache(["gc", "--maxage", "1d"]).succeeds();
    ws.build([]).succeeds();
    ws.same_as_clean();
}

#[test]
fn a_journal_from_the_future_is_believed_no_more_than_another() {
    let ws = Sandbox::new(COPY);
    ws.write("input", "one\n");
    ws.build([]).ran(["copy"]);
    std::thread::sleep(Duration::from_millis(50));
    ws.build([]).ran([]);
    let future = SystemTime::now() + Duration::from_secs(1_000_000);
    for file in ["journal", "snapshot", "used", "intents"] {
        for path in ws.shell(&format!("ls .percache/worktrees/*/{file} 2>/dev/null || true")).lines() {
            fs::File::options().append(true).open(ws.path(path)).unwrap().set_modified(future).unwrap();
        }
    }
    ws.write("input", "two\n");
    ws.build([]).ran(["copy"]);
    assert_eq!(ws.read("out/copy"), "two\n");
    ws.percache(["gc", "--maxage", "0"]).succeeds();
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/copy"), "two\n");
}

/// A discovered input has no digest from before the run; whether it changed meanwhile, only its time can tell. When the clock is set
/// back during the run, it cannot.
#[test]
fn a_clock_that_is_set_back_while_a_header_is_edited() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); cat header > out/copy; echo 'out/copy: header' > dep/copy.d; if [ -e edit ]; then echo 0 > ../offset; echo edited >> header; fi"
            inputs = []
            outputs = ["out/copy"]
            depfile = "dep/copy.d"
        "#,
    );
    let Some(clock) = Clock::new(&ws) else { return };
    ws.write("header", "first\n");
    ws.write("edit", "");
    clock.build(&ws, 3600).reported(["copy"]).says(["`copy` is not stored", "clock was set back"]);
    ws.remove("edit");
    clock.build(&ws, 0).ran(["copy"]);
    assert_eq!(ws.read("out/copy"), "first\nedited\n");
    clock.build(&ws, 0).ran([]);
}

/// A file system that keeps no fractions of a second: many edits of one length within one of its ticks.
#[test]
fn a_file_system_whose_clock_has_steps_of_a_second() {
    let ws = Sandbox::empty();
    // ext4 has no room for more in inodes of 128 bytes.
    let script =
        "truncate -s 40M ../image && mkfs.ext4 -q -F -I 128 ../image && mkdir coarse && mount -o loop ../image coarse";
    let mounted = Command::new("sh").args(["-e", "-c", script]).current_dir(ws.root()).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: no such file system can be mounted here");
        return;
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(ws.path("coarse"));
    ws.config_in("coarse/w", COPY);
    for n in 0..25 {
        let text = format!("{n:03}\n");
        ws.write("coarse/w/input", &text);
        assert!(ws.shell("stat -c %z coarse/w/input").contains(".000000000"), "the clock has steps of a second");
        ws.run(ws.command("coarse/w").arg("build")).succeeds();
        assert_eq!(ws.read("coarse/w/out/copy"), text);
        if n % 5 == 4 {
            // An output of the same length, changed in the same second.
            ws.write("coarse/w/out/copy", "xxx\n");
            ws.run(ws.command("coarse/w").arg("build")).ran([]).restored(1);
            assert_eq!(ws.read("coarse/w/out/copy"), text);
            // Long enough for digests to settle, and for a snapshot; then an edit.
            std::thread::sleep(Duration::from_millis(2500));
            ws.run(ws.command("coarse/w").arg("build")).ran([]);
            ws.run(ws.command("coarse/w").arg("build")).ran([]);
        }
    }
}
