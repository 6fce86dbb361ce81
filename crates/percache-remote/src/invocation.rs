//! What servers of the Remote Execution API are told with every call: which tool calls, in which build, and for which
//! task. They group their logs by it, and decide nothing by it.
//!
//! Names of tasks go along, and no values.

use std::future::Future;

use prost::Message;

use crate::reapi::v2::{RequestMetadata, ToolDetails};

/// The header, as the protocol names it.
pub(crate) const HEADER: &str = "build.bazel.remote.execution.v2.requestmetadata-bin";
/// Bytes of a task's name that are told: a header has to stay small.
const NAME: usize = 256;
/// The variables in which CI systems number a run of theirs, and what is put in front of the number.
const RUNS: [(&str, &str); 6] = [
    ("GITHUB_RUN_ID", "github-"),
    ("CI_PIPELINE_ID", "gitlab-"),
    ("BUILDKITE_BUILD_ID", "buildkite-"),
    ("CIRCLE_WORKFLOW_ID", "circleci-"),
    ("BUILD_BUILDID", "azure-"),
    ("BUILD_TAG", ""),
];

/// One build: what is the same for all of its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    id: String,
    /// What this build has in common with others: the run of the CI system that they belong to.
    correlated: String,
}

/// What a call is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// The digest of the action.
    pub action: String,
    /// The name of the task.
    pub task: String,
}

tokio::task_local! {
    static PURPOSE: Purpose;
}

impl Invocation {
    /// Begins a build.
    pub(crate) fn new(variable: &dyn Fn(&str) -> Option<String>) -> Invocation {
        let run = |(name, front): &(&str, &str)| {
            let id = variable(name).filter(|id| !id.is_empty() && id.len() <= NAME)?;
            Some(format!("{front}{id}"))
        };
        Invocation { id: uuid(), correlated: RUNS.iter().find_map(run).unwrap_or_default() }
    }

    /// Returns the message that goes along with a call which is made now.
    pub(crate) fn message(&self) -> Vec<u8> {
        let Purpose { action, task } = purpose();
        let mnemonic = task.split('[').next().unwrap_or_default();
        let metadata = RequestMetadata {
            tool_details: Some(ToolDetails {
                tool_name: "percache".into(),
                tool_version: env!("CARGO_PKG_VERSION").into(),
            }),
            action_id: action,
            tool_invocation_id: self.id.clone(),
            correlated_invocations_id: self.correlated.clone(),
            action_mnemonic: start_of(mnemonic),
            target_id: start_of(&task),
            configuration_id: String::new(),
        };
        metadata.encode_to_vec()
    }
}

fn purpose() -> Purpose {
    PURPOSE.try_with(Purpose::clone).unwrap_or_default()
}

fn start_of(name: &str) -> String {
    let end = (0..=NAME.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name[..end.unwrap_or(0)].to_owned()
}

/// Runs `call`, whose calls to a server are for this task.
pub(crate) fn for_task<T>(task: &str, call: impl FnOnce() -> T) -> T {
    PURPOSE.sync_scope(Purpose { task: task.to_owned(), ..purpose() }, call)
}

/// Runs `call`, whose calls to a server are for this action of the same task as before.
pub(crate) fn for_its_action<T>(action: &str, call: impl FnOnce() -> T) -> T {
    PURPOSE.sync_scope(Purpose { action: action.to_owned(), ..purpose() }, call)
}

/// Waits for `call`, whose calls to a server are for this action of the same task as before.
pub(crate) async fn for_action<T>(action: &str, call: impl Future<Output = T>) -> T {
    PURPOSE.scope(Purpose { action: action.to_owned(), ..purpose() }, call).await
}

/// Makes a random UUID of version 4.
pub(crate) fn uuid() -> String {
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(invocation: &Invocation) -> RequestMetadata {
        RequestMetadata::decode(&invocation.message()[..]).unwrap()
    }

    #[test]
    fn a_uuid_is_one_of_version_4() {
        let uuid = uuid();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
        assert!("89ab".contains(&uuid[19..20]) && uuid != super::uuid());
    }

    #[test]
    fn a_call_says_what_it_is_for_and_no_longer_than_that() {
        let invocation = Invocation::new(&|name| (name == "CI_PIPELINE_ID").then(|| "17".to_owned()));
        let plain = told(&invocation);
        assert_eq!((&*plain.correlated_invocations_id, &*plain.target_id, &*plain.action_id), ("gitlab-17", "", ""));
        let tool = plain.tool_details.unwrap();
        assert_eq!((&*tool.tool_name, &*tool.tool_version), ("percache", env!("CARGO_PKG_VERSION")));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let within =
            for_task("objects[src/ä.c]", || runtime.block_on(for_action("ab12", async { told(&invocation) })));
        assert_eq!((&*within.action_mnemonic, &*within.target_id), ("objects", "objects[src/ä.c]"));
        assert_eq!((within.action_id.as_str(), &within.tool_invocation_id), ("ab12", &plain.tool_invocation_id));
        assert_eq!(told(&invocation).target_id, "");
        let long = for_task(&"ä".repeat(300), || told(&invocation));
        assert!(long.target_id.len() <= NAME && long.target_id.starts_with('ä'));
    }

    #[test]
    fn without_ci_nothing_is_common_to_builds() {
        let (one, other) = (Invocation::new(&|_| None), Invocation::new(&|_| None));
        assert!(one.correlated.is_empty() && one.id != other.id);
    }
}
