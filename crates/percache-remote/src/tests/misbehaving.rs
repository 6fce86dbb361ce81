//! Servers that misbehave: what they do wrong costs time, or a result, and nothing else.

use super::farm::{Answer, Farm};
use super::odd::{Misdeeds, Odd};
use super::*;

const LARGE: usize = 6 << 20;

fn large() -> Vec<u8> {
    noise(LARGE, 9)
}

/// Uploads a small and a large content, and fetches them from another machine.
fn goes_there_and_back(server: &Odd) -> (Machine, bool) {
    let (here, there) = (Machine::new(&server.table()), Machine::new(&server.table()));
    let large = large();
    here.uploads.offer(here.made("app", &[("large", &large), ("least", b"least"), ("small", &beside("small"))]));
    here.finish();
    let came = there.pulls("app").is_some();
    (here, came)
}

#[test]
fn the_server_itself_does_nothing_wrong() {
    goes_from_one_machine_to_another(&Odd::start(Misdeeds::default()).table());
}

#[test]
fn an_upload_that_is_reset_goes_on_where_it_stood() {
    let server = Odd::start(Misdeeds { resets_upload_after: Some(LARGE / 2), ..Misdeeds::default() });
    let (here, came) = goes_there_and_back(&server);
    assert!(came, "{:?}", here.remote.take_notices());
    assert_eq!(server.calls("QueryWriteStatus"), 1);
    let streamed = server.came();
    assert!((LARGE..LARGE + (1 << 20)).contains(&streamed), "{streamed} of {LARGE} bytes were sent");
}

#[test]
fn an_upload_that_the_server_has_forgotten_begins_anew() {
    let misdeeds = Misdeeds { resets_upload_after: Some(LARGE / 2), forgets_uploads: true, ..Misdeeds::default() };
    let server = Odd::start(misdeeds);
    let (here, came) = goes_there_and_back(&server);
    assert!(came, "{:?}", here.remote.take_notices());
    assert!(server.came() > LARGE + LARGE / 2);
}

#[test]
fn a_server_that_confirms_another_length_is_not_believed() {
    let server = Odd::start(Misdeeds { miscounts: true, ..Misdeeds::default() });
    let (here, came) = goes_there_and_back(&server);
    assert!(!came);
    assert_eq!(here.uploads.leftovers().len(), 0, "offered in this run");
    assert_eq!(here.again(&server.table()).uploads.leftovers().len(), 1);
}

#[test]
fn what_comes_otherwise_than_it_went_is_a_miss() {
    let good = Odd::start(Misdeeds::default());
    assert!(goes_there_and_back(&good).1);
    for misdeeds in [
        Misdeeds { halves_streams: true, ..Misdeeds::default() },
        Misdeeds { flips: true, ..Misdeeds::default() },
        Misdeeds { lengthens: true, ..Misdeeds::default() },
    ] {
        let bad = good.again(misdeeds);
        let there = Machine::new(&bad.table());
        assert!(there.pulls("app").is_none(), "{misdeeds:?}");
        assert!(!there.remote.is_given_up(), "{misdeeds:?}: it answers, after all");
        assert!(matches!(&there.remote.take_notices()[..], [Notice::Refused { .. }]), "{misdeeds:?}");
    }
}

#[test]
fn what_fails_in_passing_is_tried_again() {
    let server = Odd::start(Misdeeds { unavailable_at_first: 1, ..Misdeeds::default() });
    let (here, came) = goes_there_and_back(&server);
    assert!(came, "{:?}", here.remote.take_notices());
}

#[test]
fn a_server_that_takes_nothing_is_read_nevertheless() {
    let good = Odd::start(Misdeeds::default());
    assert!(goes_there_and_back(&good).1);
    let closed = good.again(Misdeeds { denies_writes: true, ..Misdeeds::default() });
    let here = Machine::new(&closed.table());
    here.uploads.offer(here.made("new", &[("new", b"new")]));
    assert_eq!(here.finish().done, 0);
    assert!(matches!(&here.remote.take_notices()[..], [Notice::ReadOnly { .. }]));
    assert!(here.pulls("app").is_some());
    assert!(!here.remote.is_writable());
}

#[test]
fn no_request_is_larger_than_the_server_says() {
    let server = Odd::start(Misdeeds { batch_limit: Some(100_000), ..Misdeeds::default() });
    let (here, there) = (Machine::new(&server.table()), Machine::new(&server.table()));
    let many: Vec<_> = (0..500).map(|at| (format!("f{at:03}"), noise(3_000, at))).collect();
    let many: Vec<_> = many.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
    here.uploads.offer(here.made("app", &many));
    assert_eq!(here.finish().done, 1, "{:?}", here.remote.take_notices());
    assert!(there.pulls("app").is_some());
    // What is more than the limit, the server has refused.
    assert!(server.calls("BatchUpdateBlobs") < 30, "{} batches", server.calls("BatchUpdateBlobs"));
}

#[test]
fn a_small_result_takes_one_call_to_fetch() {
    let server = Odd::start(Misdeeds::default());
    let (here, there) = (Machine::new(&server.table()), Machine::new(&server.table()));
    here.uploads.offer(here.made("app", &[("app", b"1"), ("lib", b"2")]));
    assert_eq!(here.finish().done, 1);
    let before = server.calls("BatchReadBlobs") + server.calls("GetActionResult");
    assert!(there.pulls("app").is_some());
    assert_eq!(server.calls("BatchReadBlobs") + server.calls("GetActionResult") - before, 1);
    // Nothing but the record was uploaded.
    assert_eq!(server.calls("BatchUpdateBlobs"), 1);
}

#[test]
fn many_small_contents_take_few_round_trips() {
    let server = Odd::start(Misdeeds { delay: Duration::from_millis(50), ..Misdeeds::default() });
    let (here, there) = (Machine::new(&server.table()), Machine::new(&server.table()));
    // Only some of them fit into the record.
    let many: Vec<_> = (0..4_000).map(|at| (format!("f{at:04}"), noise(100, at))).collect();
    let many: Vec<_> = many.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
    here.uploads.offer(here.made("app", &many));
    assert_eq!(here.finish().done, 1);
    let began = Instant::now();
    assert!(there.pulls("app").is_some());
    let calls = server.calls("BatchReadBlobs") + server.calls("Read");
    assert!(calls <= 8, "{calls} calls");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// Returns a content that is small, and yet too large to be in a record.
fn beside(text: &str) -> Vec<u8> {
    format!("{text:>20000}").into_bytes()
}

/// Uploads results of three such contents each, one of which all of them share, and a smaller one.
fn uploads_many(server: &Odd, count: usize) -> Vec<ActionKey> {
    let here = Machine::new(&server.table());
    let names: Vec<_> = (0..count).map(|at| format!("app {at}")).collect();
    for name in &names {
        let [own, other, shared] = [&format!("{name} 1"), &format!("{name} 2"), "shared"].map(beside);
        let outputs: [(&str, &[u8]); 4] = [("a", &own), ("b", &other), ("c", &shared), ("d", name.as_bytes())];
        here.uploads.offer(here.made(name, &outputs));
    }
    assert_eq!(here.finish().done, count, "{:?}", here.remote.take_notices());
    names.iter().map(|name| action(name)).collect()
}

fn fetches(machine: &Machine, actions: &[ActionKey]) -> Vec<Option<Fetch>> {
    let results: Vec<_> = machine.remote.results(actions).into_iter().map(|found| found.unwrap().unwrap()).collect();
    let mut fetched = vec![None; results.len()];
    machine.remote.fetch(&results, &*machine.store, &mut |at, fetch| {
        assert_eq!(fetched[at].replace(fetch), None, "told twice of {at}");
    });
    fetched
}

#[test]
fn the_contents_of_many_results_come_in_one_call() {
    let server = Odd::start(Misdeeds::default());
    let actions = uploads_many(&server, 50);
    let there = Machine::new(&server.table());
    let (lookups, reads) = (server.calls("GetActionResult"), server.calls("BatchReadBlobs"));
    let fetched = fetches(&there, &actions);
    assert!(fetched.iter().all(|fetch| matches!(fetch, Some(Fetch::Whole { .. }))), "{fetched:?}");
    assert_eq!(server.calls("GetActionResult") - lookups, 50);
    assert_eq!(server.calls("BatchReadBlobs") - reads, 1);
    // What is shared has come once.
    let bytes = |fetch: &Option<Fetch>| if let Some(Fetch::Whole { bytes }) = fetch { *bytes } else { 0 };
    assert_eq!(fetched.iter().map(bytes).sum::<u64>(), there.remote.counts().fetched);
    assert_eq!(there.remote.counts().hits, 50);
}

#[test]
fn what_one_result_lacks_is_no_matter_to_the_others() {
    let server = Odd::start(Misdeeds::default());
    let actions = uploads_many(&server, 20);
    server.loses(&beside("app 7 2"));
    server.damages(&beside("app 9 1"));
    let there = Machine::new(&server.table());
    for (at, fetch) in fetches(&there, &actions).iter().enumerate() {
        match (at, fetch) {
            (7 | 9, Some(Fetch::Refused(_))) => {}
            (7 | 9, other) => panic!("{at}: {other:?}"),
            (_, other) => assert!(matches!(other, Some(Fetch::Whole { .. })), "{at}: {other:?}"),
        }
    }
    assert!(matches!(&there.remote.take_notices()[..], [Notice::Refused { .. }]));
}

#[test]
fn a_content_that_a_server_does_not_take_keeps_no_other_result_away() {
    // It takes no streams.
    let farm = Farm::start(&[Answer::Lost]);
    let table = table(&format!("grpc://127.0.0.1:{}", farm.port));
    let machine = Machine::new(&table);
    let large = noise(6 << 20, 7);
    machine.uploads.offer(machine.made("large", &[("out", &large)]));
    machine.uploads.offer(machine.made("small", &[("out", b"1")]));
    machine.uploads.offer(machine.made("other", &[("out", b"2")]));
    let progress = machine.finish();
    assert_eq!((progress.done, progress.left()), (2, 1), "{:?}", machine.remote.take_notices());
    assert_eq!(machine.again(&table).uploads.leftovers().len(), 1, "the next run offers it again");
}
