//! The picture in the documentation is the table's.

use std::path::Path;

#[allow(dead_code)] // its `main` is the example's
#[path = "../examples/life_diagram.rs"]
mod life_diagram;

#[test]
fn the_diagram_in_the_documentation_is_drawn_from_the_table() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/engine.md");
    let document = document.to_str().expect("a path in UTF-8");
    let (old, new) = life_diagram::redrawn(document).expect("a document with a place for the diagram");
    assert!(old.contains("waiting --> queued"));
    assert!(old == new, "run: cargo run -p ccbs-engine --example life_diagram -- --write docs/engine.md");
}
