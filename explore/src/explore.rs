//! Breadth first over every state that a world can reach.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use ccbs_engine::Engine;
use ccbs_engine::watch::{Breach, Watch};

use crate::history::repeat;
use crate::step::Watched;
use crate::world::{Move, World};

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// No more states than that.
    pub states: u32,
    /// One of so many new states is also gone on from without having been written and restored, and one of so many
    /// states that were met again is compared with its first meeting.
    pub sample: u32,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// States.
    pub states: u32,
    /// Moves made.
    pub transitions: u64,
    /// The longest shortest history.
    pub depth: u32,
    /// Whether no state was left out.
    pub closed: bool,
    /// States that were gone on from as they were, and compared with their snapshot restored.
    pub restored: u64,
    /// States that were met again and compared with their first meeting.
    pub compared: u64,
    /// How long it took.
    pub time: Duration,
    /// A rule that was broken, and the shortest history of it.
    pub broken: Option<Broken>,
}

/// A rule that was broken.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The rule in words.
    pub rule: String,
    /// How.
    pub what: String,
    /// The moves that lead there, each by its number among those possible.
    pub history: Vec<u16>,
}

/// A rule of the exploration itself, besides those of [`ccbs_engine::watch::Rule`].
const ENDS: &str = "every order ends when only time passes";
const RESTORES: &str = "a restored engine goes on the same";
const CANONICAL: &str = "equal forms go on equally";
pub(crate) const NO_PANIC: &str = "the engine does not panic";

#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = number.to_le_bytes().first_chunk().map_or(0, |&low| u64::from_le_bytes(low));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The hash of a form: two 64-bit hashes of fixed keys. That any two of ten million states share one has a
/// probability of about 1.5 in 10²⁵.
fn hash(form: &[u8]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(form);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

/// Time has not been let pass yet.
const NOT_YET: u32 = u32::MAX;
/// No time can pass.
const NEVER: u32 = u32::MAX - 1;

/// What is kept of a state.
struct Known {
    parent: u32,
    step: u16,
    /// Whether an order stands.
    orders: bool,
    /// Where time alone leads.
    then: u32,
}

/// A state whose moves are still to be made.
struct Open {
    state: u32,
    snapshot: Vec<u8>,
    watch: Watch,
}

struct Exploration<'a> {
    world: &'a World,
    bounds: Bounds,
    index: HashMap<u128, u32, BuildHasherDefault<Identity>>,
    known: Vec<Known>,
    open: VecDeque<Open>,
    /// States met again, to be compared with their first meeting in the end.
    again: Vec<(u32, Watched)>,
    compared: u64,
    transitions: u64,
    restored: u64,
    met: u64,
    full: bool,
}

/// Explores a world.
pub fn explore(world: &World, bounds: Bounds) -> Found {
    let began = Instant::now();
    let mut exploration = Exploration {
        world,
        bounds,
        index: HashMap::default(),
        known: Vec::new(),
        open: VecDeque::new(),
        again: Vec::new(),
        compared: 0,
        transitions: 0,
        restored: 0,
        met: 0,
        full: false,
    };
    let (depth, broken) = match exploration.run() {
        Ok(depth) => (depth, None),
        Err((depth, broken)) => (depth, Some(*broken)),
    };
    Found {
        states: u32::try_from(exploration.known.len()).unwrap_or(u32::MAX),
        transitions: exploration.transitions,
        depth,
        closed: broken.is_none() && !exploration.full,
        restored: exploration.restored,
        compared: exploration.compared,
        time: began.elapsed(),
        broken,
    }
}

type Stop = (u32, Box<Broken>);

impl Exploration<'_> {
    fn run(&mut self) -> Result<u32, Stop> {
        let (engine, watch) = self.world.begin();
        let first = Watched { engine, watch };
        let mut form = Vec::new();
        first.form(&mut form);
        self.meet(&form, &first, (0, 0));
        let (mut depth, mut last_of_level) = (0, 0);
        while let Some(open) = self.open.pop_front() {
            if open.state > last_of_level {
                depth += 1;
                last_of_level = u32::try_from(self.known.len() - 1).unwrap_or(u32::MAX);
            }
            self.expand(&open).map_err(|broken| (depth, broken))?;
        }
        for (state, again) in std::mem::take(&mut self.again) {
            self.compared += 1;
            self.goes_on_equally(state, &again).map_err(|broken| (depth, broken))?;
        }
        self.progress().map_err(|broken| (depth, broken))?;
        Ok(depth)
    }

    /// Notes a state; its number, and whether it is new.
    fn meet(&mut self, form: &[u8], at: &Watched, (parent, step): (u32, u16)) -> (u32, bool) {
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let state = *self.index.entry(hash(form)).or_insert(number);
        let new = state == number;
        if new {
            let orders = !at.watch.all_ended();
            self.known.push(Known { parent, step, orders, then: NOT_YET });
            self.open.push_back(Open { state, snapshot: at.engine.snapshot(), watch: at.watch.clone() });
        }
        (state, new)
    }

    /// Makes every move from a state.
    fn expand(&mut self, open: &Open) -> Result<(), Box<Broken>> {
        let world = self.world;
        let engine = match Engine::restore(&open.snapshot) {
            Ok(engine) => engine,
            Err(error) => return Err(self.broken(RESTORES, error.to_string(), open.state, None)),
        };
        let base = Watched { engine, watch: open.watch.clone() };
        let (mut here, mut form, mut moves, mut actions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        base.form(&mut here);
        world.moves(&base.engine, &base.watch, &mut moves);
        if moves.first() != Some(&Move::Time) {
            self.known[open.state as usize].then = NEVER;
        }
        // Most moves change nothing; then the same copy is good for the next one.
        let mut spare = None;
        for (number, step) in (0_u16..).zip(&moves) {
            let mut after = spare.take().unwrap_or_else(|| base.clone());
            actions.clear();
            let made = catch_unwind(AssertUnwindSafe(|| after.make(world, step, &base.engine, &mut actions)));
            self.transitions += 1;
            match made {
                Ok(Ok(())) => {}
                Ok(Err(Breach { rule, what })) => {
                    return Err(self.broken(rule.as_str(), what, open.state, Some(number)));
                }
                Err(_) => return Err(self.broken(NO_PANIC, format!("{step:?}"), open.state, Some(number))),
            }
            after.form(&mut form);
            let (state, new) = if form == here {
                (open.state, false)
            } else if self.known.len() as u64 >= u64::from(self.bounds.states) && !self.index.contains_key(&hash(&form))
            {
                self.full = true;
                continue;
            } else {
                self.meet(&form, &after, (open.state, number))
            };
            if *step == Move::Time {
                self.known[open.state as usize].then = state;
            }
            if form == here {
                // What was counted meanwhile must not stand in for what is to be counted.
                spare = actions.is_empty().then_some(after).filter(|_| !is_counted(step));
                continue;
            }
            self.met += 1;
            if self.bounds.sample > 0 && self.met.is_multiple_of(u64::from(self.bounds.sample)) {
                if new {
                    self.restores(&after, state)?;
                } else {
                    self.again.push((state, after));
                }
            }
        }
        Ok(())
    }

    /// A state goes on the same from its snapshot as from itself.
    fn restores(&mut self, at: &Watched, state: u32) -> Result<(), Box<Broken>> {
        self.restored += 1;
        let engine = match Engine::restore(&at.engine.snapshot()) {
            Ok(engine) => engine,
            Err(error) => return Err(self.broken(RESTORES, error.to_string(), state, None)),
        };
        let restored = Watched { engine, watch: at.watch.clone() };
        let mut moves = Vec::new();
        self.world.moves(&at.engine, &at.watch, &mut moves);
        let (mut one, mut other) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (number, step) in (0_u16..).zip(&moves) {
            for (from, (actions, form)) in [(at, &mut one), (&restored, &mut other)] {
                actions.clear();
                let mut after = from.clone();
                // What is broken is found from the state itself.
                let _ = catch_unwind(AssertUnwindSafe(|| after.make(self.world, step, &from.engine, actions)));
                after.form(form);
            }
            if one != other {
                let what = "restored, the engine goes on otherwise than if it had not been interrupted".to_owned();
                return Err(self.broken(RESTORES, what, state, Some(number)));
            }
        }
        Ok(())
    }

    /// A state that was met again goes on as it did when it was first met.
    fn goes_on_equally(&self, state: u32, again: &Watched) -> Result<(), Box<Broken>> {
        let (_, first) = repeat(self.world, &self.broken("", String::new(), state, None).history);
        let (mut moves, mut moves_again) = (Vec::new(), Vec::new());
        self.world.moves(&first.engine, &first.watch, &mut moves);
        self.world.moves(&again.engine, &again.watch, &mut moves_again);
        let (mut form, mut form_again) = (Vec::new(), Vec::new());
        for (number, (step, step_again)) in (0_u16..).zip(moves.iter().zip(&moves_again)) {
            for (from, step, form) in [(&first, step, &mut form), (again, step_again, &mut form_again)] {
                let mut after = from.clone();
                // What is broken is found from the state itself.
                let _ = catch_unwind(AssertUnwindSafe(|| after.make(self.world, step, &from.engine, &mut Vec::new())));
                after.form(form);
            }
            if form != form_again {
                let what = "a state that was met again goes on otherwise than when it was first met".to_owned();
                return Err(self.broken(CANONICAL, what, state, Some(number)));
            }
        }
        Ok(())
    }

    /// From every state the orders end when nothing happens but that time passes.
    fn progress(&self) -> Result<(), Box<Broken>> {
        // 0: not looked at, 1: on the way, 2: ends.
        let mut marks = vec![0_u8; self.known.len()];
        let mut way = Vec::new();
        for start in 0..self.known.len() {
            let mut state = start;
            while marks[state] == 0 {
                marks[state] = 1;
                way.push(state);
                let known = &self.known[state];
                if !known.orders || known.then == NOT_YET {
                    break;
                }
                if known.then == NEVER {
                    let what = "orders stand, and the engine waits for no time".to_owned();
                    return Err(self.broken(ENDS, what, u32::try_from(start).unwrap_or(NEVER), None));
                }
                state = known.then as usize;
                if marks[state] == 1 {
                    let what = "orders stand for ever, however much time passes".to_owned();
                    return Err(self.broken(ENDS, what, u32::try_from(start).unwrap_or(NEVER), None));
                }
            }
            for state in way.drain(..) {
                marks[state] = 2;
            }
        }
        Ok(())
    }

    fn broken(&self, rule: &str, what: String, state: u32, last: Option<u16>) -> Box<Broken> {
        let mut history: Vec<u16> = last.into_iter().collect();
        let mut state = state;
        while state != 0 {
            let known = &self.known[state as usize];
            history.push(known.step);
            state = known.parent;
        }
        history.reverse();
        Box::new(Broken { rule: rule.to_owned(), what, history })
    }
}

/// Whether the move counts something that the next one looks at.
fn is_counted(step: &Move) -> bool {
    matches!(step, Move::Event(event) if Watch::is_outcome(event))
}
