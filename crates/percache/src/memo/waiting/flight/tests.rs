//! Tests of flights: who leads, who follows, and what becomes of it.

use super::*;
use std::sync::mpsc;
use std::thread;

fn board(flights: &Arc<Flights>, key: &str) -> Boarding {
    flights.board(Digest::of(key.as_bytes()), Leader::this_thread(), None)
}

fn lead(flights: &Arc<Flights>, key: &str) -> Lead {
    match board(flights, key) {
        Boarding::Lead(lead) => lead,
        Boarding::Follow(_) => panic!("somebody computes {key} already"),
    }
}

fn follow(flights: &Arc<Flights>, key: &str) -> Follow {
    match board(flights, key) {
        Boarding::Follow(follow) => follow,
        Boarding::Lead(_) => panic!("nobody computes {key}"),
    }
}

fn record(byte: u8) -> Outcome {
    Outcome::Record(Arc::new(vec![byte]))
}

fn is_record(followed: &Followed, byte: u8) -> bool {
    matches!(followed, Followed::Landed(Outcome::Record(record)) if ***record == [byte])
}

#[test]
fn who_follows_gets_the_record() {
    let flights = Arc::<Flights>::default();
    let lead = lead(&flights, "k");
    let follow = follow(&flights, "k");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| follow.wait());
        lead.land(record(1));
        assert!(is_record(&waiter.join().unwrap(), 1));
    });
}

#[test]
fn a_lead_that_is_dropped_without_followers_frees_the_key() {
    let flights = Arc::<Flights>::default();
    drop(lead(&flights, "k"));
    lead(&flights, "k").land(record(1));
    drop(lead(&flights, "k"));
}

#[test]
fn a_failed_lead_passes_to_one_follower_at_a_time() {
    let flights = Arc::<Flights>::default();
    let first = lead(&flights, "k");
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..3 {
            let (follow, tell) = (follow(&flights, "k"), tell.clone());
            scope.spawn(move || tell.send(follow.wait()).unwrap());
        }
        drop(first);
        for left in (0..2).rev() {
            let Followed::Lead(lead) = told.recv().unwrap() else { panic!("nobody leads") };
            assert!(told.recv_timeout(Duration::from_millis(30)).is_err(), "two lead");
            if left > 0 { drop(lead) } else { lead.land(record(7)) }
        }
        assert!(is_record(&told.recv().unwrap(), 7));
    });
    drop(lead(&flights, "k"));
}

#[test]
fn whoever_comes_after_a_failure_leads_although_others_wait() {
    let flights = Arc::<Flights>::default();
    let first = lead(&flights, "k");
    let waits = follow(&flights, "k");
    drop(first);
    let second = lead(&flights, "k");
    second.land(record(2));
    assert!(is_record(&waits.wait(), 2));
}

#[test]
fn a_duty_that_nobody_takes_is_gone_with_the_last_who_waits() {
    let flights = Arc::<Flights>::default();
    let first = lead(&flights, "k");
    let waits = follow(&flights, "k");
    drop(first);
    drop(waits);
    drop(lead(&flights, "k"));
    assert!(flights.shards.iter().all(|shard| lock(shard).is_empty()));
}

#[test]
fn waiting_for_oneself_does_not() {
    let flights = Arc::<Flights>::default();
    let lead = lead(&flights, "k");
    let _entered = lead.enter();
    assert!(matches!(follow(&flights, "k").wait(), Followed::Alone));
}

#[test]
fn a_circle_of_threads_is_broken() {
    let flights = &Arc::<Flights>::default();
    let barrier = &std::sync::Barrier::new(3);
    thread::scope(|scope| {
        for (mine, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
            scope.spawn(move || {
                let lead = lead(flights, mine);
                let _entered = lead.enter();
                barrier.wait();
                if let Boarding::Follow(follow) = board(flights, other) {
                    follow.wait();
                }
                lead.land(record(1));
            });
        }
    });
}

#[test]
fn who_has_waited_too_long_leads_beside_the_other() {
    let flights = Arc::<Flights>::default();
    let first = lead(&flights, "k");
    let key = Digest::of(b"k");
    let timeout = Some(Duration::from_millis(20));
    let Boarding::Follow(follow) = flights.board(key, Leader::Unknown, timeout) else { panic!("it leads") };
    let patient = self::follow(&flights, "k");
    let Followed::Lead(second) = follow.wait() else { panic!("it waits") };
    second.land(record(2));
    assert!(is_record(&patient.wait(), 2), "whoever is first is enough");
    drop(first);
    drop(lead(&flights, "k"));
}
