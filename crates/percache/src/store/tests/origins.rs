//! Where results came from.

use super::super::origin::{Origin, Place};
use super::*;

#[test]
fn a_result_that_came_from_elsewhere_says_so_as_long_as_it_is_there() {
    on_every_engine(|open| {
        let store = open();
        let made = record(&store, "made here", b"1");
        let from = Place::Remote("grpc://cache".into());
        let origin = Origin { from, came: Time::from_millis(7) };
        let came = NewResult { origin: Some(origin.clone()), ..record(&store, "fetched", b"2") };
        store.record(came.clone(), None);
        for _ in 0..2 {
            // From what waits to be written, and from the disk.
            assert_eq!(store.origin(&made.key, made.result.created).unwrap(), None);
            assert_eq!(store.origin(&came.key, came.result.created).unwrap(), Some(origin.clone()));
            store.flush().unwrap();
            store.renew();
        }
        // The same action, made here later, has come from nowhere.
        let again = Time::from_millis(came.result.created.as_millis() + 1);
        assert_eq!(store.origin(&came.key, again).unwrap(), None);
        assert_eq!(verify(&*store.engine().view().unwrap()).unwrap().results, 2);
        let only = |label: &str| label == "fetched";
        collect(store.engine(), &Policy { only: Some(&only), ..policy(&HashMap::new()) }, PATIENCE).unwrap();
        store.renew();
        assert_eq!(store.origin(&came.key, came.result.created).unwrap(), None);
    });
}
