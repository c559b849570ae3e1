//! A history of a world, repeated and told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ccbs_engine::Action;

use crate::step::Watched;
use crate::world::{Move, World};

/// One move of a history and what came of it.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When, counted from the world's beginning (ms).
    pub at: u64,
    /// The move.
    pub step: Move,
    /// What the engine did.
    pub actions: Vec<Action>,
    /// The rule that was broken, and how.
    pub broken: Option<(String, String)>,
}

/// Repeats a history: numbers of moves among those possible. It ends where a rule is broken, or where a number is none
/// of a move.
pub fn repeat(world: &World, history: &[u16]) -> (Vec<Moment>, Watched) {
    let (engine, watch) = world.begin();
    let began = engine.now();
    let mut at = Watched { engine, watch };
    let (mut moments, mut moves) = (Vec::new(), Vec::new());
    for &number in history {
        world.moves(&at.engine, &at.watch, &mut moves);
        let Some(step) = moves.get(usize::from(number)) else { break };
        let before = at.engine.clone();
        let mut actions = Vec::new();
        let made = catch_unwind(AssertUnwindSafe(|| at.make(world, step, &before, &mut actions)));
        let broken = match made {
            Ok(Ok(())) => None,
            Ok(Err(breach)) => Some((breach.rule.as_str().to_owned(), breach.what)),
            Err(_) => Some((crate::explore::NO_PANIC.to_owned(), "it panicked".to_owned())),
        };
        let over = broken.is_some();
        moments.push(Moment { at: at.engine.now() - began, step: step.clone(), actions, broken });
        if over {
            break;
        }
    }
    (moments, at)
}
