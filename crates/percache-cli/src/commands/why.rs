//! `percache why`.

use percache_runner::build::explain::Why as Reason;
use percache_runner::why::{self, State};

use crate::args::{Cli, Why};
use crate::commands::explain;
use crate::error::{CliError, SUCCESS};
use crate::setup::Setup;
use crate::style::{Paint, Style};

/// Says why a task ran, or would run.
pub fn run(cli: &Cli, args: &Why) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &args.args, Paint::stderr(cli.color))?;
    let id = setup.select_one(&args.task)?;
    let name = &setup.workspace.task(id).name;
    let paint = Paint::stdout(cli.color);
    let store = setup.open_store(Paint::stderr(cli.color));
    let caller = std::env::vars_os().collect();
    let asked = why::Question {
        workspace: &setup.workspace,
        graph: &setup.graph,
        store_dir: &setup.store_dir,
        store: &store,
        caller: &caller,
        colour: paint.is_on(),
    };
    let answer = why::why(&asked, id).map_err(CliError::failure)?;
    let strong = paint.apply(Style::Strong, name);
    match &answer.state {
        State::UpToDate => crate::say!("{strong} is up to date"),
        State::WouldRestore => {
            crate::say!("{strong} would be restored: its result is in the store, its outputs are not in the tree")
        }
        State::Group => crate::say!("{strong} is a group: it runs nothing itself"),
        State::MayRun(needs) => crate::say!("{strong} may run: it depends on {}", needs.join(", ")),
        State::WouldRun(reason) => {
            crate::say!("{strong} would run");
            explain::tell(reason, paint);
        }
        State::Broken(message) => crate::say!("{strong} would fail: {message}"),
    }
    if let Some(last) = &answer.last {
        crate::say!("\nwhy it ran the last time:");
        match last {
            Reason::FirstTime => crate::say!("  it had not run here before"),
            last => explain::tell(last, paint),
        }
    }
    Ok(SUCCESS)
}
