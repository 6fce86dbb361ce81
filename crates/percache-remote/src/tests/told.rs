//! What a server is told with every call: which tool, which build, which task.

use super::farm::{Answer, Farm};
use super::{Machine, noise, table};
use crate::reapi::v2::RequestMetadata;

/// Returns what was told with the calls of a method.
fn of(farm: &Farm, method: &str) -> Vec<RequestMetadata> {
    farm.told().into_iter().filter(|(called, _)| called == method).map(|(_, told)| told).collect()
}

#[test]
fn every_call_says_which_build_it_belongs_to_and_which_task_if_it_is_one() {
    let farm = Farm::start(&[Answer::Lost]);
    let table = table(&format!("grpc://127.0.0.1:{}", farm.port));
    let machine = Machine::new(&table);
    assert!(machine.pulls("app").is_none());
    let looked_up = of(&farm, "GetActionResult").remove(0);
    assert_eq!((looked_up.action_id.len(), &*looked_up.target_id), (64, ""));
    // Too large to lie in the record itself.
    machine.uploads.offer(machine.made("objects[src/a.c]", &[("a.o", &noise(100 << 10, 3))]));
    assert_eq!(machine.finish().done, 1);

    let told = farm.told();
    let methods = ["GetCapabilities", "GetActionResult", "FindMissingBlobs", "BatchUpdateBlobs", "UpdateActionResult"];
    for method in methods {
        assert_eq!(of(&farm, method).len(), farm.calls(method), "{method}");
        assert!(farm.calls(method) > 0, "{method}");
    }
    assert!(told.iter().all(|(_, told)| told.tool_invocation_id == looked_up.tool_invocation_id));
    assert!(told.iter().all(|(_, told)| told.tool_details.as_ref().unwrap().tool_name == "percache"));
    let written = of(&farm, "UpdateActionResult").remove(0);
    assert_eq!((&*written.target_id, &*written.action_mnemonic), ("objects[src/a.c]", "objects"));
    assert_eq!(written.action_id.len(), 64);
    // Contents of many tasks travel together.
    assert_eq!(of(&farm, "FindMissingBlobs")[0].target_id, "");

    let next = Machine::new(&table);
    assert!(next.pulls("app").is_none());
    assert_ne!(farm.told().last().unwrap().1.tool_invocation_id, looked_up.tool_invocation_id);
}
