//! What is written about worlds and planted bugs is so.

use std::path::Path;

use ccbs_explore::planted::Bug;
use ccbs_explore::{document, worlds};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn engine_md() -> String {
    std::fs::read_to_string(root().join("docs/engine.md")).expect("docs/engine.md")
}

#[test]
fn every_planted_bug_changes_one_place_of_the_engine_and_names_a_world() {
    let bugs = Bug::all(root()).expect("planted bugs");
    assert!(bugs.len() >= 8, "only {} planted bugs", bugs.len());
    for bug in &bugs {
        let source = std::fs::read_to_string(root().join(&bug.file)).expect("the file that it changes");
        let planted = bug.plant(&source).expect("the text that it changes stands there once");
        assert_ne!(planted, source, "{} changes nothing", bug.name);
        assert!(worlds().iter().any(|world| world.name == bug.world), "{}: there is no world {}", bug.name, bug.world);
    }
    assert!(bugs.iter().any(|bug| bug.short), "no planted bug in the short form");
}

#[test]
fn the_table_of_planted_bugs_is_that_of_their_files() {
    let bugs = Bug::all(root()).expect("planted bugs");
    let document = engine_md();
    assert_eq!(
        document::between(&document, "planted"),
        Some(&*document::planted(&bugs)),
        "make it anew: ccbs-explore --planted --write docs/engine.md"
    );
}

#[test]
fn the_table_of_worlds_names_every_world() {
    let document = engine_md();
    let table = document::between(&document, "worlds").expect("the table");
    let named: Vec<&str> = table.lines().skip(2).filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(named, worlds().iter().map(|world| world.name).collect::<Vec<_>>());
}
