//! The form of the table of an order's life, and its index.

use super::table_mutants::table;
use crate::life::{self, Input, State as S};
use crate::lookup::{FIRST, NONE, first_rows};

#[test]
fn rows_of_one_state_and_input_stand_together_and_only_the_last_always_holds() {
    let mut seen = std::collections::BTreeSet::new();
    let table = table();
    for (index, row) in table.iter().enumerate() {
        let key = (row.from as usize, row.on as usize);
        let continues = index > 0 && (table[index - 1].from, table[index - 1].on) == (row.from, row.on);
        assert!(continues != seen.insert(key), "{row:?} stands apart from its like");
        let last = table.get(index + 1).is_none_or(|next| (next.from, next.on) != (row.from, row.on));
        assert_eq!(last, row.when == life::When::Always, "{row:?}: only the last of its like is unconditional");
        assert!(row.from != row.to || !row.effects.is_empty(), "{row:?} does nothing");
    }
}

#[test]
fn an_order_can_be_ended_in_every_state_and_its_life_ends_it_outside_recalls() {
    let has = |from: S, on: Input| table().iter().any(|row| row.from == from && row.on == on);
    for row in table().iter().filter(|row| !matches!(row.from, S::Clearing | S::Failed)) {
        assert!(has(row.from, Input::End), "{:?} cannot be ended", row.from);
        assert_ne!(has(row.from, Input::LifeOver), row.from.in_recall(), "{:?} and life", row.from);
    }
}

#[test]
fn the_index_knows_the_first_row_of_each_state_and_input() {
    // At run time, as the compiler did before.
    assert_eq!(first_rows(), FIRST);
    let mut known = 0;
    for (state, inputs) in FIRST.iter().enumerate() {
        for (input, &first) in inputs.iter().enumerate() {
            let found = life::TABLE.iter().position(|row| (row.from as usize, row.on as usize) == (state, input));
            assert_eq!(found, (first != NONE).then_some(usize::from(first)), "state {state}, input {input}");
            known += usize::from(first != NONE);
        }
    }
    assert!(known > 50, "{known}");
}
