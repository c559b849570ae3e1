//! Memory comes back: when the orders of a random history have ended and its lines have left, the engine holds as many
//! bytes as after the history before.

#[path = "fuzz/random.rs"]
#[allow(dead_code)] // the fuzz needs more of it
mod random;
#[path = "fuzz/world.rs"]
#[allow(dead_code)]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use ccbs_engine::{Event, LineKind, LineRef};

use random::Random;
use world::World;

const SIXTY_DAYS: u64 = 60 * 86_400_000;

/// The bytes in use.
static IN_USE: AtomicIsize = AtomicIsize::new(0);

struct Counted;

fn count(size: usize) -> isize {
    isize::try_from(size).expect("a size of memory")
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(count(layout.size()), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(count(layout.size()), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.fetch_add(count(size) - count(layout.size()), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// One history from its first line to its last, and what is in use when it is over (bytes); the orders it had.
fn lived(world: &mut World, seed: u64) -> (isize, u64) {
    let mut random = Random::new(seed);
    let mut out = Vec::new();
    let accepted = |world: &World| world.engine.counters().find(|found| found.0 == "orders_accepted").expect("it").1;
    let before = accepted(world);
    let numbers = world::NUMBERS.map(|number| LineRef::Number(number.into()));
    for line in &numbers[..6] {
        let profile = Some(Box::new(world::profile(&mut random)));
        for event in [
            Event::Line { line: line.clone(), kind: LineKind::Internal },
            Event::Service { line: line.clone(), profile },
        ] {
            world.engine.apply(world.now, &event, &mut out).expect("a good event");
        }
    }
    world.live(&mut random, 20_000);
    for line in numbers {
        world.engine.apply(world.now, &Event::LineRemoved { line }, &mut out).expect("a good event");
    }
    world.now += SIXTY_DAYS;
    world.engine.advance(world.now, &mut out);
    assert_eq!((world.engine.orders().count(), world.engine.next_deadline()), (0, None));
    world.open = Vec::new();
    drop(out);
    (IN_USE.load(Relaxed), accepted(world) - before)
}

#[test]
fn memory_returns_to_its_level_when_all_orders_have_ended() {
    for seed in 1..=10 {
        let mut world = World::new(&mut Random::new(seed));
        let level = (0..3).map(|_| lived(&mut world, seed).0).max().expect("a level");
        for round in 3..12 {
            let (in_use, orders) = lived(&mut world, seed);
            assert!(orders > 100, "seed {seed}: only {orders} orders");
            // A queue or table may have had a larger crowd at once than ever before; what leaks a few bytes an order
            // is far beyond that.
            let room = level / 20;
            assert!(in_use <= level + room, "seed {seed}, round {round}: {in_use} bytes in use, {level} before");
        }
    }
}
