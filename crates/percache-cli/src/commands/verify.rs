//! `percache verify`.

use percache::base::clock::Time;
use percache::db::tail;
use percache::store::Store;
use percache::store::open::rescue;
use percache::store::verify::{Findings, check, repair};
use percache::store::writer::PATIENCE;
use percache_runner::store;
use percache_runner::store::Unstable;
use percache_runner::text::format_age;

use crate::args::{Cli, Verify};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, SUCCESS};
use crate::setup::{Keeping, holder, open_store};
use crate::terminal::style::{Paint, Style};

/// Checks the store.
pub fn run(cli: &Cli, args: &Verify) -> Result<u8, CliError> {
    let dir = Keeping::load(cli, args.exec)?.dir;
    let mut store = open_store(&dir, Paint::stderr(cli.color));
    let paint = Paint::stdout(cli.color);
    if !tail::or_database_exists(&dir) {
        crate::say!("the store is empty");
        return Ok(SUCCESS);
    }
    if args.repair {
        store::advance_epoch(&dir).map_err(CliError::failure)?;
    }
    let findings = match look(&store, args.repair) {
        Err(e) if args.repair => {
            crate::say!("the store cannot be read: {e}");
            crate::say!("{}", rescue(&dir, &holder()).map_err(CliError::failure)?);
            store = open_store(&dir, Paint::stderr(cli.color));
            look(&store, true).map_err(CliError::failure)?
        }
        answer => answer.map_err(|e| {
            let hint = format!("`{}` keeps what is whole and removes the rest", repair_command(args));
            CliError::failure(format!("the store cannot be read: {e}")).hint(Some(hint))
        })?,
    };
    tell(&findings, args, paint);
    store::unstable_tasks(&dir).map_err(CliError::failure)?.iter().for_each(|task| tell_of(task, paint));
    Ok(if findings.is_sound() || args.repair { SUCCESS } else { FAILURE })
}

/// Reports a task that a check found to be unstable.
fn tell_of(Unstable { task, found, outputs }: &Unstable, paint: Paint) {
    const NAMED: usize = 3;
    let age = format_age(Time::now().since(*found));
    let named = outputs.iter().take(NAMED).map(|output| format!("`{output}`")).collect::<Vec<_>>().join(", ");
    let what = match outputs.len() {
        0 => "it failed where it had succeeded".to_owned(),
        1..=NAMED => format!("{named} came out otherwise"),
        more => format!("{named} and {} more came out otherwise", more - NAMED),
    };
    crate::say!("{} task `{task}`, checked {age} ago: {what}", paint.apply(Style::Bad, "unstable"));
}

/// Returns the command that repairs the store that was checked.
fn repair_command(args: &Verify) -> String {
    format!("percache verify{} --repair", if args.exec { " --exec" } else { "" })
}

fn look(store: &Store, mend: bool) -> Result<Findings, percache::db::engine::EngineError> {
    if mend { repair(store.engine(), PATIENCE) } else { check(store.engine(), PATIENCE) }
}

fn tell(findings: &Findings, args: &Verify, paint: Paint) {
    let broken = |what: String| crate::say!("{} {what}", paint.apply(Style::Bad, "broken"));
    findings.broken_blobs.iter().for_each(|digest| broken(format!("blob {digest}")));
    findings.broken_lists.iter().for_each(|digest| broken(format!("content {digest}")));
    for (_, label) in &findings.broken_results {
        match label {
            Some(label) => broken(format!("a result of `{label}`")),
            None => broken("a result that cannot be read".to_owned()),
        }
    }
    if findings.lost_commits > 0 {
        broken(format!("{} to the database", count(findings.lost_commits as u64, "commit")));
    }
    let (results, blobs) = (count(findings.results, "result"), count(findings.blobs, "blob"));
    match (findings.is_sound(), args.repair) {
        (true, _) => crate::say!("{results} and {blobs}: all whole"),
        (false, true) => crate::say!("{results} and {blobs} are whole; the rest was removed"),
        (false, false) => {
            crate::say!("{results} and {blobs} are whole");
            crate::say!("\n{} `{}` removes the rest", paint.apply(Style::Hint, "hint:"), repair_command(args));
        }
    }
}
