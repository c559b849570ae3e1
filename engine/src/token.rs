//! What a timer is for, as the wheel keeps it.

use serde::{Deserialize, Serialize};

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// The timer of an order's state: CB timer, guard time, wait, or the outside's time to answer.
    State {
        /// The order's.
        slot: u32,
    },
    /// An order's life.
    Life {
        /// The order's.
        slot: u32,
    },
    /// The earliest end of an offer window of a line.
    Offers {
        /// The line's slot.
        line: u32,
    },
    /// The limit on recalls per second lets the next one begin.
    Pace,
}

/// A [`Timer`] in four bytes: two bits of what, thirty of whose. Slots have no more than thirty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token(u32);

const WHOSE: u32 = u32::MAX >> 2;
const STATE: u32 = 0;
const LIFE: u32 = 1 << 30;
const OFFERS: u32 = 2 << 30;
const PACE: u32 = 3 << 30;

impl From<Timer> for Token {
    fn from(timer: Timer) -> Self {
        Self(match timer {
            Timer::State { slot } => STATE | slot & WHOSE,
            Timer::Life { slot } => LIFE | slot & WHOSE,
            Timer::Offers { line } => OFFERS | line & WHOSE,
            Timer::Pace => PACE,
        })
    }
}

impl From<Token> for Timer {
    fn from(Token(bits): Token) -> Self {
        let whose = bits & WHOSE;
        match bits & !WHOSE {
            STATE => Self::State { slot: whose },
            LIFE => Self::Life { slot: whose },
            OFFERS => Self::Offers { line: whose },
            _ => Self::Pace,
        }
    }
}
