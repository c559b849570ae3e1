//! Breadth first over every state that a world can reach.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use ccbs_engine::Engine;
use ccbs_engine::watch::Watch;

use crate::history::repeat;
use crate::step::{State, Watched, Wrong};
use crate::world::{Move, World};

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// No more states than that.
    pub states: u32,
    /// One of so many new states is also gone on from without having been written and restored, and one of so many
    /// states that were met again is compared with its first meeting.
    pub sample: u64,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// States.
    pub states: u32,
    /// Moves made.
    pub transitions: u64,
    /// How many moves lead to the farthest state.
    pub depth: u32,
    /// Whether no state was left out.
    pub closed: bool,
    /// States that were gone on from as they were, and compared with their snapshot restored.
    pub restored: u64,
    /// States that were met again and compared with their first meeting.
    pub compared: u64,
    /// How much processor time it took; where the system does not tell that, how much time.
    pub time: Duration,
    /// A rule that was broken, and the shortest history of it.
    pub broken: Option<Broken>,
}

/// A rule that was broken.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The rule in words.
    pub rule: &'static str,
    /// How.
    pub what: String,
    /// The moves that lead there, each by its number among those possible.
    pub history: Vec<u16>,
}

// Rules of exploring itself, besides those of `ccbs_engine::watch::Rule`.
const ENDS: &str = "every order ends when only time passes";
const RESTORES: &str = "a restored engine goes on the same";
const CANONICAL: &str = "what looks the same goes on the same";

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

/// The hash of a form: two 64-bit hashes of fixed keys. That any two of ten million states share one, so that one of
/// them is taken for the other, has a probability of 1.5 in 10²⁵.
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
    hash: u128,
    snapshot: Vec<u8>,
    watch: Watch,
}

struct Exploration<'a> {
    world: &'a World,
    bounds: Bounds,
    index: HashMap<u128, u32, BuildHasherDefault<Identity>>,
    known: Vec<Known>,
    open: VecDeque<Open>,
    transitions: u64,
    restored: u64,
    compared: u64,
    /// States met, for the samples.
    met: u64,
    /// Whether a state was left out.
    full: bool,
}

/// The processor time that this thread has used.
fn processor_time() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))
}

/// Explores a world.
pub fn explore(world: &World, bounds: Bounds) -> Found {
    let began = (Instant::now(), processor_time());
    let mut exploration = Exploration {
        world,
        bounds,
        index: HashMap::default(),
        known: Vec::new(),
        open: VecDeque::new(),
        transitions: 0,
        restored: 0,
        compared: 0,
        met: 0,
        full: false,
    };
    let (depth, broken) = exploration.run();
    Found {
        states: number(exploration.known.len()),
        transitions: exploration.transitions,
        depth,
        closed: broken.is_none() && !exploration.full,
        restored: exploration.restored,
        compared: exploration.compared,
        time: processor_time().zip(began.1).map_or_else(|| began.0.elapsed(), |(now, began)| now.saturating_sub(began)),
        broken,
    }
}

impl Exploration<'_> {
    fn run(&mut self) -> (u32, Option<Broken>) {
        let (engine, watch) = self.world.begin();
        let first = State::from(Watched { engine, watch });
        self.meet(hash(&first.form), &first.at, (0, 0));
        let (mut depth, mut last_of_level) = (0, 0);
        while let Some(open) = self.open.pop_front() {
            if open.state > last_of_level {
                depth += 1;
                last_of_level = number(self.known.len() - 1);
            }
            if let Err(broken) = self.expand(open) {
                return (depth, Some(broken));
            }
        }
        (depth, self.progress())
    }

    /// Notes a new state.
    fn meet(&mut self, hash: u128, at: &Watched, (parent, step): (u32, u16)) -> u32 {
        let state = number(self.known.len());
        self.index.insert(hash, state);
        self.known.push(Known { parent, step, orders: !at.watch.all_ended(), then: NOT_YET });
        self.open.push_back(Open { state, hash, snapshot: at.engine.snapshot(), watch: at.watch.clone() });
        state
    }

    /// Makes every move from a state.
    fn expand(&mut self, open: Open) -> Result<(), Broken> {
        let (world, here) = (self.world, open.state);
        let engine = Engine::restore(&open.snapshot);
        let engine = engine.map_err(|error| self.broken((RESTORES, error.to_string()), here, None))?;
        let base = State::from(Watched { engine, watch: open.watch });
        if hash(&base.form) != open.hash {
            return Err(self.broken((RESTORES, "it is not in the state that was written".to_owned()), here, None));
        }
        let (mut form, mut moves, mut actions) = (Vec::new(), Vec::new(), Vec::new());
        world.moves(&base.at.engine, &base.at.watch, &mut moves);
        if moves.first() != Some(&Move::Time) {
            self.known[here as usize].then = NEVER;
        }
        // Most moves change nothing; then the same copy is good for the next one.
        let mut spare = None;
        for (number, step) in (0_u16..).zip(&moves) {
            let mut after = spare.take().unwrap_or_else(|| base.at.clone());
            let made = after.step(world, step, &base, &mut actions, &mut form);
            self.transitions += 1;
            made.map_err(|wrong| self.broken(wrong, here, Some(number)))?;
            let then = if form == base.form {
                spare = actions.is_empty().then_some(after);
                here
            } else {
                match self.lead(&form, after, (here, number))? {
                    Some(then) => then,
                    None => continue,
                }
            };
            if *step == Move::Time {
                self.known[here as usize].then = then;
            }
        }
        Ok(())
    }

    /// A move has led to another state; which that is, or `None` if it is new and one too many.
    fn lead(&mut self, form: &[u8], after: Watched, way: (u32, u16)) -> Result<Option<u32>, Broken> {
        let hash = hash(form);
        let known = self.index.get(&hash).copied();
        if known.is_none() && self.known.len() >= self.bounds.states as usize {
            self.full = true;
            return Ok(None);
        }
        let state = known.unwrap_or_else(|| self.meet(hash, &after, way));
        self.met += 1;
        if self.met.is_multiple_of(self.bounds.sample) {
            let wrong = if known.is_none() {
                self.restored += 1;
                self.restores(after)
            } else {
                self.compared += 1;
                let (_, first) = repeat(self.world, &self.history(state));
                let same = self.same(&State::from(after), &first, false);
                (!same).then(|| (CANONICAL, "met again, a state goes on otherwise than met first".to_owned()))
            };
            if let Some(wrong) = wrong {
                return Err(self.broken(wrong, state, None));
            }
        }
        Ok(Some(state))
    }

    /// A state goes on the same from its snapshot as from itself.
    fn restores(&self, at: Watched) -> Option<Wrong> {
        match Engine::restore(&at.engine.snapshot()) {
            Err(error) => Some((RESTORES, error.to_string())),
            Ok(engine) => {
                let restored = Watched { engine, watch: at.watch.clone() };
                let same = self.same(&State::from(at), &State::from(restored), true);
                (!same).then(|| (RESTORES, "it goes on otherwise than one that was not interrupted".to_owned()))
            }
        }
    }

    /// Whether every move leads from both to the same; `to_the_byte`: identities and times in actions as well.
    fn same(&self, one: &State, other: &State, to_the_byte: bool) -> bool {
        let (mut moves, mut others) = (Vec::new(), Vec::new());
        self.world.moves(&one.at.engine, &one.at.watch, &mut moves);
        self.world.moves(&other.at.engine, &other.at.watch, &mut others);
        let came = |from: &State, step: &Move| {
            let (mut after, mut actions, mut form) = (from.at.clone(), Vec::new(), Vec::new());
            // What is wrong after it is found when the state itself is expanded.
            let _ = after.step(self.world, step, from, &mut actions, &mut form);
            (form, actions)
        };
        one.form == other.form
            && moves.len() == others.len()
            && moves.iter().zip(&others).all(|(step, step_of_other)| {
                let (one, other) = (came(one, step), came(other, step_of_other));
                one.0 == other.0 && (one.1 == other.1 || !to_the_byte)
            })
    }

    /// From every state the orders end when nothing happens but that time passes.
    fn progress(&self) -> Option<Broken> {
        let mut ends = vec![false; self.known.len()];
        let mut way = Vec::new();
        for start in 0..self.known.len() {
            let mut state = start;
            while !ends[state] {
                ends[state] = true;
                way.push(state);
                let known = &self.known[state];
                if !known.orders || known.then == NOT_YET {
                    break;
                }
                let what = match known.then {
                    NEVER => "orders stand, and the engine waits for no time",
                    then if way.contains(&(then as usize)) => "orders stand for ever, however much time passes",
                    then => {
                        state = then as usize;
                        continue;
                    }
                };
                return Some(self.broken((ENDS, what.to_owned()), number(start), None));
            }
            way.clear();
        }
        None
    }

    /// The moves that led to a state first, by their numbers.
    fn history(&self, mut state: u32) -> Vec<u16> {
        let mut history = Vec::new();
        while state != 0 {
            let known = &self.known[state as usize];
            history.push(known.step);
            state = known.parent;
        }
        history.reverse();
        history
    }

    fn broken(&self, (rule, what): Wrong, state: u32, last: Option<u16>) -> Broken {
        let mut history = self.history(state);
        history.extend(last);
        Broken { rule, what, history }
    }
}

/// A count of states: there are never more than fit.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NEVER)
}
