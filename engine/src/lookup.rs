//! The table of an order's life by (state, input).

use crate::life::{Input, Row, State, TABLE, When};

pub(crate) const STATES: usize = State::Ended as usize + 1;
pub(crate) const INPUTS: usize = Input::Restarted as usize + 1;
pub(crate) const NONE: u8 = u8::MAX;

/// The rows as they run: in tests one may be changed.
#[cfg(test)]
use crate::tests::table_mutants::table;
#[cfg(not(test))]
fn table() -> &'static [Row] {
    TABLE
}

/// For each (state, input) the first row.
pub(crate) static FIRST: [[u8; INPUTS]; STATES] = first_rows();

pub(crate) const fn first_rows() -> [[u8; INPUTS]; STATES] {
    let mut first = [[NONE; INPUTS]; STATES];
    assert!(TABLE.len() < NONE as usize);
    let mut index = TABLE.len();
    while index > 0 {
        index -= 1;
        let row = &TABLE[index];
        #[allow(clippy::cast_possible_truncation)] // fewer rows than NONE: asserted above
        let number = index as u8;
        first[row.from as usize][row.on as usize] = number;
    }
    first
}

/// The row that an input takes; `holds` tells whether a condition does. The last row of a (state, input) always holds,
/// so the search never leaves them.
pub(crate) fn lookup(from: State, on: Input, holds: impl Fn(When) -> bool) -> Option<&'static Row> {
    let first = FIRST[from as usize][on as usize];
    table().get(usize::from(first)..)?.iter().find(|row| holds(row.when))
}
