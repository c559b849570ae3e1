//! One step of an engine with its watch, and all that must hold after it.

use ccbs_engine::watch::{Breach, Rule, Watch};
use ccbs_engine::{Action, Engine, Event};

use crate::world::{Move, World};

/// Sixty days (ms).
const SIXTY_DAYS: u64 = 60 * 86_400_000;

/// An engine and the one who watches it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The engine.
    pub engine: Engine,
    /// Its watch.
    pub watch: Watch,
}

impl Watched {
    /// The canonical form of both.
    pub fn form(&self, out: &mut Vec<u8>) {
        out.clear();
        self.engine.canonical(out);
        self.watch.canonical(self.engine.now(), out);
    }

    /// Makes a move and checks the rules; what the engine did is appended to `actions`. `before` is the engine
    /// as it was.
    pub fn make(
        &mut self,
        world: &World,
        step: &Move,
        before: &Engine,
        actions: &mut Vec<Action>,
    ) -> Result<(), Breach> {
        let engine = &mut self.engine;
        let mut now = engine.now();
        match step {
            Move::Event(event) => {
                let awaited = self.watch.awaits(event);
                self.watch.hear(now, event, engine);
                let refused = engine.apply(now, event, actions).err();
                if let Some(error) = refused {
                    return Err(Breach { rule: Rule::ToldAsHeard, what: format!("refused: {error}") });
                }
                if Watch::is_outcome(event) && !awaited {
                    stray(event, before, engine, actions)?;
                }
            }
            Move::Time => {
                let deadline = engine.next_deadline().unwrap_or(now);
                now = world.tick.map_or(deadline, |tick| deadline.min(now + tick));
                engine.advance(now, actions);
            }
            Move::SixtyDays => {
                now += SIXTY_DAYS;
                engine.advance(now, actions);
            }
            Move::Back => engine.advance(now - 1_000, actions),
        }
        self.watch.see(now, actions, before, &self.engine)?;
        self.engine.check().map_err(|error| Breach { rule: Rule::Consistent, what: error.to_string() })
    }
}

/// An outcome that nothing waits for: nothing is done, nothing changes, and it is counted once.
fn stray(event: &Event, before: &Engine, after: &Engine, actions: &[Action]) -> Result<(), Breach> {
    let breach = |what: String| Err(Breach { rule: Rule::StrayOutcomes, what: format!("{event:?}: {what}") });
    if let Some(action) = actions.first() {
        return breach(format!("{action:?}"));
    }
    let (mut was, mut is) = (Vec::new(), Vec::new());
    before.canonical(&mut was);
    after.canonical(&mut is);
    if was != is {
        return breach("something changed".to_owned());
    }
    let sum = "outcomes_unexpected";
    let names = before.counters().map(|(name, _)| name).filter(|name| name.starts_with("outcomes_") && *name != sum);
    let grew = |name: &str| {
        let count =
            |engine: &Engine| engine.counters().find(|counter| counter.0 == name).map_or(0, |counter| counter.1);
        count(after) - count(before)
    };
    match names.map(grew).sum::<u64>() {
        1 => Ok(()),
        times => breach(format!("counted {times} times")),
    }
}
