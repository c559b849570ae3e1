//! A history of a world, repeated.

use ccbs_engine::Action;

use crate::step::{State, Watched, Wrong};
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
    pub wrong: Option<Wrong>,
}

/// Repeats a history: numbers of moves among those possible. It ends where a rule is broken, or where a number is none
/// of a move.
pub fn repeat(world: &World, history: &[u16]) -> (Vec<Moment>, State) {
    let (engine, watch) = world.begin();
    let began = engine.now();
    let mut state = State::from(Watched { engine, watch });
    let (mut moments, mut moves) = (Vec::new(), Vec::new());
    for &number in history {
        world.moves(&state.at.engine, &state.at.watch, &mut moves);
        let Some(step) = moves.get(usize::from(number)) else { break };
        let (mut at, mut form, mut actions) = (state.at.clone(), Vec::new(), Vec::new());
        let wrong = at.step(world, step, &state, &mut actions, &mut form).err();
        let over = wrong.is_some();
        moments.push(Moment { at: at.engine.now() - began, step: step.clone(), actions, wrong });
        if over {
            break;
        }
        state = State { at, form };
    }
    (moments, state)
}
