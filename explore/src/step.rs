//! One step of an engine with its watch, and all that must hold after it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ccbs_engine::watch::{Breach, Rule, Watch};
use ccbs_engine::{Action, Engine};

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

/// A state: the engine, its watch, and the canonical form of both.
#[derive(Debug, Clone)]
pub struct State {
    /// Engine and watch.
    pub at: Watched,
    /// Their form.
    pub form: Vec<u8>,
}

/// A rule that was broken, in words, and how.
pub type Wrong = (&'static str, String);

/// A rule of exploring itself.
const NO_PANIC: &str = "the engine does not panic";

impl From<Watched> for State {
    fn from(at: Watched) -> Self {
        let mut form = Vec::new();
        at.form(&mut form);
        Self { at, form }
    }
}

impl Watched {
    /// The canonical form of both.
    pub fn form(&self, out: &mut Vec<u8>) {
        out.clear();
        self.engine.canonical(out);
        self.watch.canonical(self.engine.now(), out);
    }

    /// Makes a move in a copy of `from` and checks the rules; what the engine did is put into `actions`, and the
    /// new form into `form`.
    pub fn step(
        &mut self,
        world: &World,
        step: &Move,
        from: &State,
        actions: &mut Vec<Action>,
        form: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        actions.clear();
        match catch_unwind(AssertUnwindSafe(|| self.make(world, step, from, actions, form))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Breach { rule, what })) => Err((rule.as_str(), what)),
            Err(panic) => {
                let told = panic.downcast_ref::<String>().cloned();
                let told = told.or_else(|| panic.downcast_ref::<&str>().map(|told| (*told).to_owned()));
                Err((NO_PANIC, told.unwrap_or_default()))
            }
        }
    }

    fn make(
        &mut self,
        world: &World,
        step: &Move,
        from: &State,
        actions: &mut Vec<Action>,
        form: &mut Vec<u8>,
    ) -> Result<(), Breach> {
        let mut now = self.engine.now();
        let mut stray = None;
        match step {
            Move::Event(event) => {
                if Watch::is_outcome(event) && !self.watch.awaits(event) {
                    stray = Some((event, outcomes_counted(&self.engine)));
                }
                self.watch.hear(now, event, &self.engine);
                if let Err(error) = self.engine.apply(now, event, actions) {
                    return Err(Breach { rule: Rule::ToldAsHeard, what: format!("refused: {error}") });
                }
            }
            Move::Time => {
                let deadline = self.engine.next_deadline().unwrap_or(now);
                now = world.tick.map_or(deadline, |tick| deadline.min(now + tick));
                self.engine.advance(now, actions);
            }
            Move::SixtyDays => {
                now += SIXTY_DAYS;
                self.engine.advance(now, actions);
            }
            Move::Back => self.engine.advance(now - 1_000, actions),
        }
        self.watch.see(now, actions, &from.at.engine, &self.engine)?;
        self.engine.check().map_err(|error| Breach { rule: Rule::Consistent, what: error.to_string() })?;
        self.form(form);
        // An outcome that nothing waits for: nothing is done, nothing changes, and it is counted once.
        if let Some((event, counted)) = stray {
            let times = outcomes_counted(&self.engine) - counted;
            if !actions.is_empty() || *form != from.form || times != 1 {
                let what = format!("{event:?}: it is counted {times} times, {actions:?}");
                return Err(Breach { rule: Rule::StrayOutcomes, what });
            }
        }
        Ok(())
    }
}

/// How often an outcome was counted by a name of its own.
fn outcomes_counted(engine: &Engine) -> u64 {
    const SUM: &str = "outcomes_unexpected";
    engine.counters().filter(|(name, _)| name.starts_with("outcomes_") && *name != SUM).map(|(_, count)| count).sum()
}
