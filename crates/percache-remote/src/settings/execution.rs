//! From `[remote.execution]` and the environment to the server that executes commands.

use std::path::Path;

use super::variables::{Source, expand};
use super::{Settings, SettingsError, Table};

/// What stands in the names of variables behind [`super::VARIABLES`].
const INFIX: &str = "EXECUTION_";
/// Commands that are executed at a time, unless something else is said.
const JOBS: usize = 100;
/// Each command that is executed has a thread here that waits for it.
const MOST_JOBS: usize = 1_000;

/// The `[remote.execution]` table as it is written: every value a text, with variables in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionTable {
    /// Where the server is.
    pub url: Option<String>,
    /// Its instance name.
    pub instance: Option<String>,
    /// The properties that workers must have.
    pub platform: Vec<(String, String)>,
    /// How many commands may be executed at a time.
    pub jobs: Option<u32>,
    /// What is sent along with every call.
    pub headers: Vec<(String, String)>,
    /// The file with the certificates that are believed.
    pub ca: Option<String>,
    /// The file with the certificate that is shown.
    pub cert: Option<String>,
    /// The file with its key.
    pub key: Option<String>,
}

/// What is needed to have commands executed.
#[derive(Debug)]
pub struct ExecutionSettings {
    /// The server.
    pub server: Settings,
    /// The properties that workers must have.
    pub platform: Vec<(String, String)>,
    /// How many commands may be executed at a time.
    pub jobs: usize,
}

impl ExecutionSettings {
    /// Combines the table with the environment. Headers, certificates and the instance that are not given are those of
    /// the `remote` that results are shared through, if it is the same server. Returns `None` if no server is named.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn resolve(
        table: &ExecutionTable,
        remote: Option<&Settings>,
        root: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<ExecutionSettings>, SettingsError> {
        let source = Source { variable, infix: INFIX };
        // Neither is a key of this table.
        let hidden = |name: &str| match name {
            "PERCACHE_REMOTE_EXECUTION_READ" | "PERCACHE_REMOTE_EXECUTION_WRITE" => None,
            "PERCACHE_REMOTE_EXECUTION_TRUST" | "PERCACHE_REMOTE_EXECUTION_SIGN_WITH" => None,
            name => variable(name),
        };
        let of_server = Source { variable: &hidden, infix: INFIX };
        let server = Table {
            url: table.url.clone(),
            instance: table.instance.clone(),
            headers: table.headers.clone(),
            ca: table.ca.clone(),
            cert: table.cert.clone(),
            key: table.key.clone(),
            ..Table::default()
        };
        let Some(mut server) = Settings::read(&of_server, &server, root).map_err(renamed)? else { return Ok(None) };
        if !server.address.scheme.is_grpc() {
            return Err(SettingsError::new(
                "execution.url",
                "only servers of the Remote Execution API execute commands",
            )
            .hint("write `grpcs://HOST`; results may be shared through something else, by `url` of [remote]"));
        }
        if let Some(remote) = remote.filter(|remote| remote.address.is_same_server(&server.address)) {
            inherit(&mut server, remote);
        }
        if let Some(remote) = remote {
            server.invocation.clone_from(&remote.invocation);
        }
        let platform = platform(&source, table)?;
        Ok(Some(ExecutionSettings { server, platform, jobs: jobs(&source, table)? }))
    }
}

fn inherit(server: &mut Settings, remote: &Settings) {
    if server.headers.is_empty() {
        server.headers.clone_from(&remote.headers);
    }
    if server.namespace.is_empty() {
        server.namespace.clone_from(&remote.namespace);
    }
    if server.tls.ca.is_none() && server.tls.identity.is_none() {
        server.tls.clone_from(&remote.tls);
    }
}

fn platform(source: &Source<'_>, table: &ExecutionTable) -> Result<Vec<(String, String)>, SettingsError> {
    let mut platform: Vec<(String, String)> = match source.variable("PLATFORM") {
        None => {
            let filled = |(name, value): &(String, String)| Some((name.clone(), expand(value, source.variable)?));
            table.platform.iter().filter_map(filled).collect()
        }
        Some(text) => {
            let property = |pair: &str| match pair.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
                _ => Err(SettingsError::new("execution.platform", format!("`{pair}` is not `NAME=VALUE`"))
                    .hint("write PERCACHE_REMOTE_EXECUTION_PLATFORM as `OSFamily=linux,Arch=x86_64`")),
            };
            text.split(',').filter(|pair| !pair.trim().is_empty()).map(property).collect::<Result<_, _>>()?
        }
    };
    platform.sort();
    Ok(platform)
}

fn jobs(source: &Source<'_>, table: &ExecutionTable) -> Result<usize, SettingsError> {
    let wrong = |text: &str| {
        SettingsError::new("execution.jobs", format!("`{text}` is not a number from 1 to {MOST_JOBS}"))
            .hint("it is how many commands are executed at a time")
    };
    let jobs = match source.variable("JOBS") {
        Some(text) => text.trim().parse().map_err(|_| wrong(&text))?,
        None => table.jobs.map_or(JOBS, |jobs| jobs as usize),
    };
    if (1..=MOST_JOBS).contains(&jobs) { Ok(jobs) } else { Err(wrong(&jobs.to_string())) }
}

/// Says of which table a key is.
fn renamed(error: SettingsError) -> SettingsError {
    let key = match error.key {
        "url" => "execution.url",
        "instance" => "execution.instance",
        "headers" => "execution.headers",
        "tls.ca" => "execution.tls.ca",
        "tls.cert" => "execution.tls.cert",
        "tls.key" => "execution.tls.key",
        "tls" => "execution.tls",
        other => other,
    };
    SettingsError { key, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(
        table: &ExecutionTable,
        remote: Option<&Settings>,
        variables: &[(&str, &str)],
    ) -> Result<Option<ExecutionSettings>, SettingsError> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        ExecutionSettings::resolve(table, remote, Path::new("/work"), &variable)
    }

    fn table(url: &str) -> ExecutionTable {
        ExecutionTable { url: Some(url.into()), ..ExecutionTable::default() }
    }

    fn remote(url: &str) -> Settings {
        let headers = vec![("x-team".to_owned(), "a".to_owned())];
        let table = Table { url: Some(url.into()), instance: Some("team".into()), headers, ..Table::default() };
        Settings::resolve(&table, Path::new("/work"), &|_| None).unwrap().unwrap()
    }

    #[test]
    fn variables_come_before_the_table_and_nothing_is_nothing() {
        assert!(resolved(&ExecutionTable::default(), None, &[]).unwrap().is_none());
        assert!(resolved(&table("$FARM"), None, &[]).unwrap().is_none());
        let written = ExecutionTable {
            platform: vec![("OSFamily".into(), "linux".into()), ("Pool".into(), "$POOL".into())],
            jobs: Some(7),
            ..table("grpc://one")
        };
        let settings = resolved(&written, None, &[("POOL", "large")]).unwrap().unwrap();
        assert_eq!((settings.jobs, settings.server.address.to_string()), (7, "grpc://one".into()));
        assert_eq!(settings.platform[1], ("Pool".into(), "large".into()));
        let variables = [
            ("PERCACHE_REMOTE_EXECUTION_URL", "grpc://two:1"),
            ("PERCACHE_REMOTE_EXECUTION_INSTANCE", "main"),
            ("PERCACHE_REMOTE_EXECUTION_PLATFORM", "b=2, a=1"),
            ("PERCACHE_REMOTE_EXECUTION_JOBS", "3"),
            ("PERCACHE_REMOTE_EXECUTION_READ", "false"),
            ("PERCACHE_REMOTE_URL", "s3://bucket"),
        ];
        let settings = resolved(&written, None, &variables).unwrap().unwrap();
        assert_eq!((settings.jobs, settings.server.address.to_string()), (3, "grpc://two:1".into()));
        assert_eq!((settings.platform[0].0.as_str(), settings.server.namespace.as_str()), ("a", "main"));
    }

    #[test]
    fn secrets_of_the_remote_go_to_the_same_server_alone() {
        let cache = remote("grpc://farm:80");
        let same = resolved(&table("grpc://farm"), Some(&cache), &[]).unwrap().unwrap();
        assert_eq!((same.server.headers.len(), &same.server.namespace[..]), (1, "team"));
        for other in ["grpc://farm:81", "grpc://cache"] {
            let other = resolved(&table(other), Some(&cache), &[]).unwrap().unwrap();
            assert_eq!((other.server.headers.len(), &other.server.namespace[..]), (0, ""));
        }
    }

    #[test]
    fn mistakes_name_their_key() {
        let key =
            |table: &ExecutionTable, variables: &[(&str, &str)]| resolved(table, None, variables).unwrap_err().key;
        assert_eq!(key(&table("s3://bucket"), &[]), "execution.url");
        assert_eq!(key(&table("nonsense"), &[]), "execution.url");
        for jobs in ["0", "1001", "many"] {
            assert_eq!(key(&table("grpc://a"), &[("PERCACHE_REMOTE_EXECUTION_JOBS", jobs)]), "execution.jobs");
        }
        assert_eq!(key(&table("grpc://a"), &[("PERCACHE_REMOTE_EXECUTION_PLATFORM", "x")]), "execution.platform");
        let secret = ExecutionTable { headers: vec![("authorization".into(), "x".into())], ..table("grpc://a") };
        assert_eq!(key(&secret, &[]), "execution.headers");
    }
}
