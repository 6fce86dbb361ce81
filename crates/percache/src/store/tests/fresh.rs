//! Contents that are about to be read are not read from the database.

use super::*;

#[test]
fn what_was_added_to_be_read_comes_from_memory_once() {
    on_every_engine(|open| {
        let store = open();
        let content = store.add_to_read(b"the bytes").unwrap();
        store.flush().unwrap();
        let mut session = store.engine().session(PATIENCE).unwrap();
        session.put(BLOBS, content.digest.as_bytes(), b"\x00the bites").unwrap();
        session.commit().unwrap();
        store.renew();
        assert_eq!(read(&store, &content).unwrap(), b"the bytes");
        assert!(matches!(read(&store, &content), Err(ReadError::Damaged(_))));
    });
}
