//! Packed buffers, good, damaged and random, against living engines.

use ccbs_engine::packed::{ACTION_BYTES, EVENT_BYTES, EVENT_FIELDS, PackedActions};
use ccbs_engine::{Action, Engine};

use super::Counts;
use super::mutate;
use super::random::Random;
use super::world::{World, packable};

/// Buffers in one run.
pub(crate) const INPUTS: u64 = 400;

/// One engine takes whatever comes; a twin is told the same by objects.
pub(crate) fn run(random: &mut Random, counts: &mut Counts, tried: &mut Vec<u8>) {
    let mut world = World::new(random);
    world.live(random, 40);
    let mut twin = Engine::restore(&world.engine.snapshot()).expect("a good snapshot");
    for input in 0..INPUTS {
        world.pass(random);
        *tried = buffer(random, &mut world);
        counts.add("inputs");
        try_one(&mut world, &mut twin, tried, counts, random.once_in(16));
        if input % 16 == 0 {
            world.engine.check().expect("a consistent engine");
        }
        if random.once_in(8) {
            damage_actions(random, &world, counts);
        }
    }
    world.engine.check().expect("a consistent engine");
    assert_eq!(world.engine.snapshot(), twin.snapshot(), "packed and by objects are the same");
    run_out(&mut world.engine, counts);
}

/// Gives one buffer to the engine; refused, it changed nothing, and taken, it did what objects do.
pub(crate) fn try_one(world: &mut World, twin: &mut Engine, bytes: &[u8], counts: &mut Counts, closely: bool) {
    let before = closely.then(|| world.engine.snapshot());
    let mut out = Vec::new();
    let unpacked = world.engine.unpack_events(bytes);
    match world.engine.apply_packed(world.now, bytes, &mut out) {
        Ok(()) => {
            counts.add("taken");
            let mut theirs = Vec::new();
            let events = unpacked.expect("what was taken can be unpacked");
            twin.apply_all(world.now, &events, &mut theirs).expect("what was taken packed");
            assert_eq!(out, theirs, "packed and by objects are the same");
            let again = twin.pack_events(&events).expect("what was packed");
            assert_eq!(again, bytes, "an event has one packed form");
            let packed = world.engine.pack_actions(&out).expect("the engine's actions");
            assert_eq!(world.engine.unpack_actions(&packed).as_ref(), Ok(&out));
            world.heard(out);
        }
        Err(error) => {
            assert!(out.is_empty(), "a batch that was refused does nothing");
            assert_eq!(unpacked, Err(error.clone()));
            if let Some(before) = before {
                assert_eq!(before, world.engine.snapshot(), "a batch that was refused changes nothing");
            }
            // Which record does not matter here.
            let field = error.field.rsplit('.').next().expect("a field");
            assert!(!error.what.is_empty() && error.field.starts_with("events"));
            counts.add(&format!("refused for {field}"));
        }
    }
}

fn buffer(random: &mut Random, world: &mut World) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(4) {
        let events = packable(random, &mut world.open, random.clone().number());
        bytes.extend(world.engine.pack_events(&events).expect("events with a packed form"));
    }
    match random.below(10) {
        // As it is.
        0..4 => {}
        4 => bytes.extend((0..EVENT_BYTES).map(|_| random.byte())),
        5 => bytes.extend(likely(random)),
        6 => {
            let length = random.below(3 * EVENT_BYTES);
            bytes = (0..length).map(|_| random.byte()).collect();
        }
        // One field of one record is another number.
        7 if !bytes.is_empty() => {
            let record = random.below(bytes.len() / EVENT_BYTES) * EVENT_BYTES;
            let field = random.pick(&EVENT_FIELDS);
            let at = record + field.offset;
            let number = random.number().to_le_bytes();
            bytes[at..at + field.bytes].copy_from_slice(&number[..field.bytes]);
        }
        _ => mutate::bytes(random, &mut bytes),
    }
    bytes
}

/// A record whose fields are near to good ones.
fn likely(random: &mut Random) -> [u8; EVENT_BYTES] {
    let mut record = [0; EVENT_BYTES];
    record[0] = u8::try_from(random.below(21)).expect("few");
    for field in &EVENT_FIELDS[1..] {
        if random.once_in(2) {
            record[field.offset] = u8::try_from(random.below(9)).expect("few");
        }
    }
    record
}

/// Action records that were damaged are refused or are actions, never a panic.
fn damage_actions(random: &mut Random, world: &World, counts: &mut Counts) {
    let actions: &[Action] = &world.open;
    let good = world.engine.pack_actions(actions).expect("the engine's actions");
    let mut records = good.records.clone();
    let records = if random.once_in(4) || records.is_empty() {
        (0..ACTION_BYTES).map(|_| random.byte()).collect()
    } else {
        mutate::bytes(random, &mut records);
        records
    };
    let packed = PackedActions { records, numbers: good.numbers };
    match world.engine.unpack_actions(&packed) {
        Ok(actions) => {
            counts.add("damaged actions that are actions");
            let again = world.engine.pack_actions(&actions).expect("what was packed");
            assert_eq!(world.engine.unpack_actions(&again), Ok(actions));
        }
        Err(error) => {
            assert!(error.field.starts_with("actions"));
            counts.add("damaged actions refused");
        }
    }
}

/// Nobody answers any more: everything ends by itself.
fn run_out(engine: &mut Engine, counts: &mut Counts) {
    let mut out = Vec::new();
    let mut steps = 0;
    while let Some(next) = engine.next_deadline() {
        engine.advance(next, &mut out);
        steps += 1;
        assert!(steps < 100_000, "the timers never end");
    }
    engine.check().expect("a consistent engine");
    assert_eq!(engine.orders().count(), 0, "an order that never ended");
    counts.add("runs to the end of every order");
}
