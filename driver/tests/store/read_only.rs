//! Where nothing can be written a store can still be looked at.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use ccbs_driver::{JournalReader, verify};
use ccbs_engine::Profile;

use crate::place::{Place, ordered};

const LOOKED_AT: &str = "CCBS_LOOKED_AT";
const NOBODY: u32 = 65_534;

/// Looks, as whoever runs it, at the store that the environment names.
#[test]
#[ignore = "run by the test below, as somebody who may write nothing"]
fn looks() {
    let Ok(path) = std::env::var(LOOKED_AT) else { return };
    let path = Path::new(&path);
    fs::write(path.with_extension("mine"), "").unwrap_err();
    match verify(path, &mut || true) {
        Ok(found) => {
            println!("orders: {}, entries: {}", found.unwrap().orders, JournalReader::open(path).unwrap().count());
        }
        Err(error) => println!("{error}"),
    }
}

fn looked_at(place: &Place) -> String {
    let directory = place.path().parent().unwrap().to_owned();
    for entry in fs::read_dir(&directory).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(&directory, Permissions::from_mode(0o555)).unwrap();
    let elsewhere = Place::new();
    let program = elsewhere.path();
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut looks = Command::new(&program);
    looks.args(["--exact", "read_only::looks", "--ignored", "--nocapture"]).env(LOOKED_AT, place.path());
    looks.current_dir("/");
    if fs::metadata(&directory).unwrap().uid() == 0 {
        // The superuser may write everywhere.
        looks.uid(NOBODY);
    }
    let ran = looks.output().unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_store_that_was_closed_is_read_and_one_that_was_not_says_what_to_do() {
    let place = Place::new();
    let commit = ordered(&place, Profile::autodial());
    let killed = Place::new();
    fs::copy(place.path(), killed.path()).unwrap();
    fs::copy(place.path().with_extension("db-wal"), killed.path().with_extension("db-wal")).unwrap();
    drop(commit);
    let told = looked_at(&place);
    assert!(told.contains("orders: 1, entries: 3"), "{told}");
    let told = looked_at(&killed);
    assert!(told.contains("cannot be read where it is") && told.contains("copy it, and its -wal"), "{told}");
}
