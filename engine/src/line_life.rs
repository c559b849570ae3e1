//! What is known of a line: one table.
//!
//! Facts about a line move it between three states; the news goes to the orders that the line placed. Orders
//! of profile `ccbs` *for* the line are told after every fact whether it is available to them. While a line is
//! in a recall its state is noted and nobody is told; when the recall is over, it is looked at.

use serde::{Deserialize, Serialize};

/// What is known of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// No call.
    Free,
    /// A call.
    Busy,
    /// Nobody can say; for a caller it counts as not busy, and a callee is polled.
    Unknown,
}

/// What may be heard of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// It has a call.
    Busy,
    /// It has no call.
    Free,
    /// Nobody can say whether it has a call.
    Unknown,
    /// It left the configuration.
    Removed,
    /// The process that reports the lines has started anew.
    Restarted,
}

/// What the orders that the line placed are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    Nothing,
    /// The caller is busy.
    Busy,
    /// The caller is no longer busy.
    Free,
}

/// One transition.
#[derive(Debug, Clone, Copy)]
pub struct LineRow {
    /// The state before.
    pub from: Presence,
    /// What is heard.
    pub on: Fact,
    /// The state after.
    pub to: Presence,
    /// What is told.
    pub news: News,
}

pub(crate) const fn row(from: Presence, on: Fact, to: Presence, news: News) -> LineRow {
    LineRow { from, on, to, news }
}

use Fact as F;
use Presence as P;

/// Every transition. A removed line has no orders left to tell, and of a restart every order hears by itself.
#[rustfmt::skip]
pub static LINE_TABLE: &[LineRow] = &[
    row(P::Unknown, F::Busy,      P::Busy,    News::Busy),
    row(P::Unknown, F::Free,      P::Free,    News::Nothing),
    row(P::Unknown, F::Unknown,   P::Unknown, News::Nothing),
    row(P::Unknown, F::Removed,   P::Unknown, News::Nothing),
    row(P::Unknown, F::Restarted, P::Unknown, News::Nothing),

    row(P::Free,    F::Busy,      P::Busy,    News::Busy),
    row(P::Free,    F::Free,      P::Free,    News::Nothing),
    row(P::Free,    F::Unknown,   P::Unknown, News::Nothing),
    row(P::Free,    F::Removed,   P::Unknown, News::Nothing),
    row(P::Free,    F::Restarted, P::Unknown, News::Nothing),

    row(P::Busy,    F::Busy,      P::Busy,    News::Nothing),
    row(P::Busy,    F::Free,      P::Free,    News::Free),
    row(P::Busy,    F::Unknown,   P::Unknown, News::Free),
    row(P::Busy,    F::Removed,   P::Unknown, News::Nothing),
    row(P::Busy,    F::Restarted, P::Unknown, News::Nothing),
];

/// The rows as they run: in tests one may be changed.
#[cfg(test)]
use crate::tests::table_mutants::line_table as table;
#[cfg(not(test))]
fn table() -> &'static [LineRow] {
    LINE_TABLE
}

/// How many facts there are: the table has one row for each in each state, in this order.
const FACTS: usize = F::Restarted as usize + 1;

/// The row that a fact takes.
pub(crate) fn heard(from: Presence, on: Fact) -> &'static LineRow {
    let state = match from {
        P::Unknown => 0,
        P::Free => 1,
        P::Busy => 2,
    };
    let row = &table()[state * FACTS + on as usize];
    #[cfg(test)]
    crate::tests::coverage::line_took(row);
    row
}

impl Presence {
    /// The word used on the command line and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Busy => "busy",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_row_for_each_fact_in_each_state() {
        for from in [P::Unknown, P::Free, P::Busy] {
            for on in [F::Busy, F::Free, F::Unknown, F::Removed, F::Restarted] {
                let row = heard(from, on);
                assert_eq!((row.from, row.on), (from, on));
            }
        }
        assert_eq!(LINE_TABLE.len(), 3 * FACTS);
    }
}
