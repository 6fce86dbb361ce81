//! Targets of Nx that run commands: those of project.json, and of `nx` in package.json. A target of this kind comes
//! before a script of the same name; targets that an executor of a plugin runs are only named.

use std::collections::BTreeMap;

use super::super::Keys;
use super::super::write::{list, string};
use super::nx::{Nx, own_name};
use super::project::Member;
use super::rules::up;
use crate::model::path::RelPath;
use crate::syntax::data::Data;

pub(super) const RUN_COMMANDS: &str = "nx:run-commands";
pub(super) const RUN_SCRIPT: &str = "nx:run-script";
/// Their former names.
const FORMER: [(&str, &str); 2] =
    [("@nrwl/workspace:run-commands", RUN_COMMANDS), ("@nrwl/workspace:run-script", RUN_SCRIPT)];

/// Options of commands that change nothing of what they do.
const OF_DISPLAY: [&str; 6] = ["color", "usePty", "streamOutput", "description", "tty", "__unparsed__"];

/// What a target runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What it runs, as a shell would: tools that note their state are found by it.
    pub text: String,
    command: Command,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Command {
    /// A script of package.json.
    Script(String),
    /// A text for the shell, the directory to run in as seen from the root, and variables.
    Shell { cwd: String, env: BTreeMap<String, String> },
}

/// The targets of a package.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    pub known: BTreeMap<String, Target>,
    /// The targets that are left out, as sentences.
    pub unknown: Vec<String>,
}

/// Returns the name of an executor, which may be a former one.
pub(super) fn executor(name: &str) -> &str {
    FORMER.iter().find(|(former, _)| *former == name).map_or(name, |(_, now)| now)
}

impl Targets {
    /// Returns the targets of a package.
    pub fn of(nx: &Nx, member: &Member) -> Targets {
        let stated = [member.of_nx.get("targets"), member.manifest.at(&["nx", "targets"])];
        let mut targets = Targets::default();
        for (name, _) in stated.into_iter().flatten().flat_map(Data::entries) {
            // A target that only adds to the script of its name is described by it.
            let layers = nx.layers(member, name);
            let has_own = layers.iter().any(|layer| layer.get("executor").is_some() || layer.get("command").is_some());
            if !has_own || targets.known.contains_key(name) {
                continue;
            }
            match target(member, name, &layers) {
                Ok(target) => {
                    targets.known.insert(name.to_owned(), target);
                }
                // The script takes its place, and the comment of its task says so.
                Err(_) if member.manifest.at(&["scripts", name]).is_some() => {}
                Err(why) => targets.unknown.push(format!("The target `{name}` is left out: {why}.")),
            }
        }
        targets.unknown.dedup();
        targets
    }
}

impl Target {
    /// Returns the keys that say what the task of this target runs, and where.
    pub fn keys(&self, manager: &str, member: &Member) -> Keys {
        match &self.command {
            Command::Script(script) => vec![("command", list(&[manager, "run", script]))],
            Command::Shell { cwd, env } => {
                // Nx finds the programs of packages in the directory of the command and in those above.
                let depth = cwd.split('/').filter(|part| !part.is_empty()).count();
                let bins: Vec<String> =
                    (0..=depth).map(|above| format!("$PWD/{}node_modules/.bin", "../".repeat(above))).collect();
                let path = format!("PATH=\"{}:$PATH\"", bins.join(":"));
                let mut keys = vec![("command", string(format!("{path}\n{}", self.text)))];
                let place = seen_from(member, cwd);
                if !place.is_empty() {
                    keys.push(("cwd", string(place)));
                }
                if !env.is_empty() {
                    let entries = env.iter().map(|(name, value)| format!("{} = {}", string(name), string(value)));
                    keys.push(("env", format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))));
                }
                keys
            }
        }
    }
}

/// Returns what a target runs.
///
/// # Errors
/// Returns why only Nx can run it.
fn target(member: &Member, name: &str, layers: &[&Data]) -> Result<Target, String> {
    let value = |key: &str| layers.iter().find_map(|layer| layer.get(key));
    let short = value("command").and_then(Data::text);
    let stated = value("executor").and_then(Data::text).unwrap_or(RUN_COMMANDS);
    let options = options(layers, value("defaultConfiguration").and_then(Data::text));
    match executor(stated) {
        RUN_SCRIPT => {
            let script = options.get("script").and_then(|script| script.text()).unwrap_or(name);
            let text = member.manifest.at(&["scripts", script]).and_then(Data::text);
            let text = text.ok_or_else(|| format!("package.json has no script `{script}`"))?.to_owned();
            Ok(Target { text, command: Command::Script(script.to_owned()) })
        }
        RUN_COMMANDS => shell(member, short, &options),
        other => Err(format!("`{other}` is an executor of Nx, and no command")),
    }
}

/// Returns the options of a target: those of the default configuration come first.
fn options<'d>(layers: &[&'d Data], configuration: Option<&str>) -> BTreeMap<&'d str, &'d Data> {
    let configured = configuration
        .into_iter()
        .flat_map(|name| layers.iter().filter_map(move |layer| layer.at(&["configurations", name])));
    let stated = layers.iter().filter_map(|layer| layer.get("options"));
    let mut options = BTreeMap::new();
    for (key, value) in configured.chain(stated).flat_map(Data::entries) {
        options.entry(key).or_insert(value);
    }
    options
}

/// Returns what a target with `nx:run-commands` runs.
fn shell(member: &Member, short: Option<&str>, options: &BTreeMap<&str, &Data>) -> Result<Target, String> {
    let known = ["command", "commands", "cwd", "parallel", "env"];
    if let Some(other) = options.keys().find(|key| !known.contains(key) && !OF_DISPLAY.contains(key)) {
        return Err(format!("percache does not know its option `{other}`"));
    }
    let text = |data: &Data| data.text().or_else(|| data.get("command")?.text()).map(str::to_owned);
    let commands: Option<Vec<String>> = match (options.get("commands"), options.get("command")) {
        (Some(several), _) => several.items().iter().map(text).collect(),
        (None, Some(Data::List(words))) => {
            words.iter().map(text).collect::<Option<Vec<_>>>().map(|words| vec![words.join(" ")])
        }
        (None, Some(one)) => text(one).map(|one| vec![one]),
        (None, None) => short.map(|short| vec![short.to_owned()]),
    };
    let commands = commands.filter(|commands| !commands.is_empty()).ok_or("it has no command")?;
    let commands: Vec<String> = commands.iter().map(|command| filled(member, command)).collect::<Result<_, _>>()?;
    let cwd = options.get("cwd").and_then(|cwd| cwd.text()).unwrap_or_default();
    let cwd = filled(member, cwd)?;
    let inside = RelPath::new(&cwd).map_err(|_| format!("its `cwd` is `{cwd}`, outside of the workspace"))?;
    let cwd = if inside.is_root() { String::new() } else { inside.to_string() };
    let env = options.get("env").into_iter().flat_map(|env| env.entries());
    let env = env.filter_map(|(name, value)| Some((name.to_owned(), value.text()?.to_owned()))).collect();
    let parallel = options.get("parallel") != Some(&&Data::Bool(false));
    Ok(Target { text: together(&commands, parallel), command: Command::Shell { cwd, env } })
}

/// Returns one text for several commands, each in a shell of its own.
fn together(commands: &[String], parallel: bool) -> String {
    match commands {
        [one] => one.clone(),
        several if !parallel => several.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join("\n"),
        several => {
            let starts = (1..).zip(several).map(|(number, one)| format!("({one}) & p{number}=$!"));
            let waits = (1..=several.len()).map(|number| format!("wait $p{number} || failed=$?"));
            let lines = starts.chain(["failed=0".to_owned()]).chain(waits).chain(["exit $failed".to_owned()]);
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

/// Replaces what Nx replaces in an option.
///
/// # Errors
/// Returns what only Nx can replace. percache takes some words in braces for placeholders.
fn filled(member: &Member, text: &str) -> Result<String, String> {
    let name = own_name(member).unwrap_or(&member.name);
    let root = if member.dir.is_empty() { "." } else { &member.dir };
    let filled = text.replace("{projectRoot}", root).replace("{projectName}", name);
    let filled = filled.replace("{workspaceRoot}/", "").replace("{workspaceRoot}", ".");
    let mut rest = filled.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let word = after.split('}').next().unwrap_or_default();
        let is_word =
            !word.is_empty() && word.len() < after.len() && word.chars().all(|c| c.is_alphanumeric() || c == '.');
        if is_word && !before.ends_with('$') {
            return Err(format!("Nx fills in `{{{word}}}`"));
        }
        rest = after;
    }
    Ok(filled)
}

/// Returns a directory as seen from a package; empty if it is that of the package.
fn seen_from(member: &Member, cwd: &str) -> String {
    let below =
        cwd.strip_prefix(&member.dir).filter(|rest| rest.is_empty() || rest.starts_with('/') || member.dir.is_empty());
    match below {
        Some(rest) => rest.trim_start_matches('/').to_owned(),
        None if cwd.is_empty() => up(member).trim_end_matches('/').to_owned(),
        None => format!("{}{cwd}", up(member)),
    }
}
