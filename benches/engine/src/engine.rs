//! The engine: lines, whole lives of orders, memory, a burst of releases.

use std::hint::black_box;

use ccbs_engine::{
    Action, ConnectOutcome, Drive, Engine, Event, FailCause, Limits, LineId, LineKind, LineRef, Number, PlayOutcome,
    Profile, RecallId, RingOutcome,
};

use crate::clock::{Numbers, cpu_ns};
use crate::memory;

const START: u64 = 1_800_000_000_000;

fn limits() -> Limits {
    Limits { orders_total: 10_000_000, recalls_at_once: 100_000, recalls_per_second: 10_000, ..Limits::default() }
}

/// The number of a line as a Russian subscriber dials it: eleven digits.
fn number(index: u32) -> Number {
    Number::from(format!("7495{index:07}"))
}

/// An engine with subscribers that may all order, at its start time.
pub struct World {
    pub engine: Engine,
    pub lines: Vec<LineId>,
    now: u64,
    out: Vec<Action>,
}

impl World {
    /// `count` idle lines; those that order have `profile`.
    #[must_use]
    pub fn new(count: u32, profile: Option<&Profile>) -> Self {
        let mut engine = Engine::new(limits()).expect("limits in range");
        let mut out = Vec::new();
        let mut lines = Vec::with_capacity(count as usize);
        for index in 0..count {
            let line = LineRef::Number(number(index));
            let event = Event::Line { line: line.clone(), kind: LineKind::Internal };
            engine.apply(START, &event, &mut out).expect("a line");
            if let LineRef::Number(number) = &line {
                lines.push(engine.line(number).expect("a line that is known"));
            }
            if let Some(profile) = profile {
                let event = Event::Service { line, profile: Some(Box::new(profile.clone())) };
                engine.apply(START, &event, &mut out).expect("a service");
            }
        }
        let mut world = Self { engine, lines, now: START, out };
        for index in 0..world.lines.len() {
            world.apply(&Event::LineFree { line: LineRef::Id(world.lines[index]) });
        }
        world
    }

    fn apply(&mut self, event: &Event) {
        self.engine.apply(self.now, event, &mut self.out).expect("an event that is taken");
    }

    fn line(&self, index: usize) -> LineRef {
        LineRef::Id(self.lines[index])
    }

    /// The recalls that the actions begin.
    fn rung(&mut self, to: &mut Vec<RecallId>) {
        to.extend(self.out.drain(..).filter_map(|action| match action {
            Action::Ring { recall, .. } => Some(recall),
            _ => None,
        }));
    }

    /// A busy callee is called in vain and ordered.
    fn order(&mut self, caller: usize, callee: usize) {
        let (caller, callee) = (self.line(caller), self.line(callee));
        self.apply(&Event::LineBusy { line: callee.clone() });
        self.apply(&Event::CallFailed { caller: caller.clone(), callee: callee.clone(), cause: FailCause::Busy });
        self.apply(&Event::Order { request: 1, caller, callee: Some(callee) });
    }

    /// Whole lives of orders, `at_once` at a time: failed call, order, release, recall, answer, connect, end.
    /// Gives back how many were completed.
    pub fn lives(&mut self, at_once: usize, rounds: usize, numbers: &mut Numbers) -> usize {
        let mut recalls = Vec::with_capacity(at_once);
        let mut completed = 0;
        for _ in 0..rounds {
            let first = usize::try_from(numbers.below((self.lines.len() - 2 * at_once) as u64)).unwrap_or(0);
            let (callers, callees) = (first..first + at_once, first + at_once..first + 2 * at_once);
            for (caller, callee) in callers.clone().zip(callees.clone()) {
                self.order(caller, callee);
            }
            self.out.clear();
            self.now += 30_000;
            for callee in callees {
                self.apply(&Event::LineFree { line: self.line(callee) });
            }
            self.now += 5_000;
            self.engine.advance(self.now, &mut self.out);
            recalls.clear();
            self.rung(&mut recalls);
            for &recall in &recalls {
                self.apply(&Event::RingOutcome { recall, outcome: RingOutcome::Answered });
                self.apply(&Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::Played });
                self.apply(&Event::ConnectOutcome { recall, outcome: ConnectOutcome::Answered });
                completed += 1;
                self.out.clear();
            }
            self.now += 2_000;
        }
        completed
    }

    /// Each line is reported busy and then free, by its handle as a packed batch has it.
    pub fn line_events(&mut self, lines: &[LineId]) {
        for &line in lines {
            self.apply(&Event::LineBusy { line: LineRef::Id(line) });
        }
        for &line in lines {
            self.apply(&Event::LineFree { line: LineRef::Id(line) });
        }
        assert!(self.out.is_empty(), "nobody ordered anything");
    }
}

/// Processor time of a report about a line without orders (ns), and the allocations it took.
pub fn line_event(count: u32, runs: usize) -> (f64, usize) {
    let mut world = World::new(count, None);
    let order = Numbers::new(3).shuffled(count as usize);
    let lines: Vec<LineId> = order.iter().map(|&index| world.lines[index as usize]).collect();
    world.line_events(&lines);
    let calls = memory::calls();
    let run = |_| {
        let began = cpu_ns();
        world.line_events(&lines);
        cpu_ns() - began
    };
    let least = (0..runs).map(run).min().unwrap_or(0);
    (least as f64 / (2.0 * order.len() as f64), memory::calls() - calls)
}

/// Processor time of an order's whole life (ns), and the allocations of one.
pub fn order_life(profile: &Profile, at_once: usize, runs: usize) -> (f64, f64) {
    let rounds = 20_000 / at_once;
    let mut world = World::new(20_000, Some(profile));
    let mut numbers = Numbers::new(5);
    world.lives(at_once, rounds, &mut numbers);
    let calls = memory::calls();
    let run = |_| {
        let began = cpu_ns();
        let completed = world.lives(at_once, rounds, &mut numbers);
        let took = cpu_ns() - began;
        assert_eq!(completed, at_once * rounds, "every order is completed");
        took
    };
    let least = (0..runs).map(run).min().unwrap_or(0);
    let lives = (at_once * rounds) as f64;
    (least as f64 / lives, (memory::calls() - calls) as f64 / (lives * runs as f64))
}

/// Bytes of an idle line: all, and those of its number alone.
pub fn idle_line(count: u32) -> (f64, f64) {
    let numbers: Vec<Number> = (0..count).map(number).collect();
    drop(numbers);
    let before = memory::in_use();
    let numbers: Vec<Number> = (0..count).map(number).collect();
    let of_numbers = memory::in_use() - before;
    drop(numbers);
    let before = memory::in_use();
    let world = World::new(count, None);
    let handles = world.lines.capacity() * size_of::<LineId>();
    let all = memory::in_use() - before - handles;
    black_box(&world);
    (all as f64 / f64::from(count), of_numbers as f64 / f64::from(count))
}

/// Bytes of a waiting order, its timers and its places in all queues included. A hundred a second are placed;
/// in the end all of them wait, and all offers have lapsed.
pub fn waiting_order(profile: &Profile, count: u32) -> f64 {
    // Long enough that all wait at once.
    let mut profile = Profile { service_duration_s: 86_400, ..profile.clone() };
    if let Drive::Timer { cb_timer_internal_s, .. } = &mut profile.drive {
        *cb_timer_internal_s = 3_600;
    }
    let mut world = World::new(2 * count, Some(&profile));
    world.now += 1_000;
    let before = memory::in_use();
    for index in 0..count as usize {
        world.order(index, count as usize + index);
        world.out.clear();
        world.now += 10;
    }
    world.now += u64::from(profile.offer_window_s) * 1_000 + 1;
    world.engine.advance(world.now, &mut world.out);
    assert!(world.out.is_empty(), "nobody is recalled");
    world.out = Vec::new();
    let bytes = memory::in_use() - before;
    let states = ["waiting", "watching"];
    assert_eq!(world.engine.orders().filter(|order| states.contains(&order.state)).count(), count as usize);
    bytes as f64 / f64::from(count)
}

/// Processor time (ms) from the release of `count` lines with an order each in one tick to the last action:
/// until all recalls that the limits allow at once have begun, and until every order had its turn.
pub fn burst(profile: &Profile, count: u32) -> (f64, f64) {
    let mut world = World::new(2 * count, Some(profile));
    world.now += 1_000;
    for index in 0..count as usize {
        world.order(index, count as usize + index);
        world.out.clear();
    }
    world.now += 31_000;
    world.engine.advance(world.now, &mut world.out);
    let began = cpu_ns();
    for index in count as usize..2 * count as usize {
        world.apply(&Event::LineFree { line: world.line(index) });
    }
    world.now += 5_000;
    world.engine.advance(world.now, &mut world.out);
    let tick = cpu_ns() - began;
    let mut recalls = Vec::new();
    let mut begun = 0;
    loop {
        world.rung(&mut recalls);
        begun += recalls.len();
        for recall in recalls.drain(..) {
            world.apply(&Event::RingOutcome { recall, outcome: RingOutcome::Answered });
            world.apply(&Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::Played });
            world.apply(&Event::ConnectOutcome { recall, outcome: ConnectOutcome::Answered });
        }
        if begun == count as usize {
            break;
        }
        world.now = world.engine.next_deadline().expect("turns are paced by a timer").max(world.now);
        world.engine.advance(world.now, &mut world.out);
    }
    (tick as f64 / 1e6, (cpu_ns() - began) as f64 / 1e6)
}

/// What many lines and orders take: seconds to make them, bytes of all, and ns of a report about a line.
pub fn large(profile: &Profile, lines: u32, orders: u32) -> (f64, usize, f64) {
    let before = memory::in_use();
    let began = cpu_ns();
    let mut world = World::new(lines, Some(profile));
    world.now += 1_000;
    for index in 0..orders as usize {
        world.order(index, orders as usize + index);
        world.out.clear();
    }
    let took = (cpu_ns() - began) as f64 / 1e9;
    let bytes = memory::in_use() - before;
    let mut numbers = Numbers::new(11);
    let count = 1_000_000;
    let idle = u64::from(lines - 2 * orders);
    let picked: Vec<usize> =
        (0..count).map(|_| 2 * orders as usize + usize::try_from(numbers.below(idle)).unwrap_or(0)).collect();
    let picked: Vec<LineId> = picked.into_iter().map(|index| world.lines[index]).collect();
    let began = cpu_ns();
    for &line in &picked {
        world.apply(&Event::LineBusy { line: LineRef::Id(line) });
    }
    (took, bytes, (cpu_ns() - began) as f64 / f64::from(count))
}
