//! What is written about worlds and planted bugs is so.

use std::path::Path;

use ccbs_explore::planted::Planted;
use ccbs_explore::{document, worlds};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn engine_md() -> String {
    std::fs::read_to_string(root().join("docs/engine.md")).expect("docs/engine.md")
}

#[test]
fn every_planted_bug_changes_one_place_of_the_engine_and_names_a_world() {
    let all = Planted::all(root()).expect("planted bugs");
    assert!(all.len() >= 8, "only {} planted bugs", all.len());
    for planted in &all {
        planted.bug.fits(root()).expect("the text that it changes stands there once");
        let (name, world) = (&planted.bug.name, &planted.world);
        assert!(worlds().iter().any(|known| known.name == *world), "{name}: there is no world {world}");
    }
    assert!(all.iter().any(|planted| planted.short), "no planted bug in the short form");
}

#[test]
fn the_table_of_planted_bugs_is_that_of_their_files() {
    let all = Planted::all(root()).expect("planted bugs");
    let document = engine_md();
    assert_eq!(
        document::between(&document, "planted"),
        Some(&*document::planted(&all)),
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
