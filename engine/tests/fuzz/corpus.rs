//! What failed once, kept: it comes first, whatever the seed.

use std::path::Path;

use ccbs_engine::Engine;

use super::Counts;
use super::random::Random;
use super::world::World;
use super::{packed, snapshots};

/// Replays what is kept; how many inputs that were.
pub(crate) fn replay() -> usize {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(&place)
        .unwrap_or_else(|error| panic!("{}: {error}", place.display()))
        .map(|entry| entry.expect("an entry of the corpus").path())
        .collect();
    files.sort();
    let mut counts = Counts::default();
    for file in &files {
        let bytes = std::fs::read(file).expect("a file of the corpus");
        println!("fuzz: kept input {}", file.file_name().unwrap_or_default().display());
        let mut random = Random::new(7);
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("snapshots") => snapshots::try_one(&mut random, &bytes, &mut counts),
            Some("packed") => {
                let mut world = World::new(&mut random);
                let mut twin = Engine::restore(&world.engine.snapshot()).expect("a good snapshot");
                packed::try_one(&mut world, &mut twin, &bytes, &mut counts, true);
            }
            _ => panic!("{}: expected a name that ends in .snapshots or .packed", file.display()),
        }
    }
    files.len()
}
