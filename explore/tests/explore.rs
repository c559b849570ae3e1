//! The explorer finds what it is to find, and tells it.

use ccbs_explore::{Bounds, explore, repeat, tell, worlds};

#[test]
fn the_first_states_of_every_world_keep_the_rules() {
    for world in worlds() {
        let found = explore(&world, Bounds { states: 300, sample: 7 });
        assert!(found.broken.is_none(), "{}: {:?}", world.name, found.broken);
        assert_eq!(found.states, 300, "{}", world.name);
        assert!(!found.closed && found.restored > 0 && found.compared > 0, "{}: {found:?}", world.name);
    }
}

#[test]
fn exploring_twice_finds_the_same() {
    let world = &worlds()[0];
    let (one, other) =
        (explore(world, Bounds { states: 2_000, sample: 50 }), explore(world, Bounds { states: 2_000, sample: 50 }));
    assert_eq!((one.states, one.transitions, one.depth), (other.states, other.transitions, other.depth));
}

#[test]
fn a_history_is_told_in_words() {
    let world = worlds().into_iter().find(|world| world.name == "autodial-plain").expect("a world of that name");
    let mut history = Vec::new();
    for wanted in ["2 calls 1, and hears busy", "2 orders 1", "time passes", "recall 1, ring: Answered"] {
        let told = |number: u16| {
            let mut longer = history.clone();
            longer.push(number);
            let (moments, _) = repeat(&world, &longer);
            moments.len() == longer.len() && tell(&world, &moments[moments.len() - 1..]).contains(wanted)
        };
        let found = (0..200).find(|&number| told(number));
        history.push(found.unwrap_or_else(|| panic!("no move {wanted:?} after {history:?}")));
    }
    let (moments, state) = repeat(&world, &history);
    let told = tell(&world, &moments);
    assert!(told.contains("10.0 s  time passes") && told.contains("order 1: rings 2, recall 1"), "{told}");
    assert!(told.contains("order 1: its caller answered"), "{told}");
    assert_eq!(state.at.watch.recalls().len(), 1);
}
