//! Which rows of the two tables this thread has taken.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::table_mutants::{line_table, table};
use crate::life::Row;
use crate::line_life::LineRow;

thread_local! {
    static TAKEN: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
    static LINE_TAKEN: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that a row of an order's life was taken.
pub(crate) fn took(row: &'static Row) {
    let row = table().iter().position(|known| std::ptr::eq(known, row)).expect("a row of the table");
    TAKEN.with_borrow_mut(|taken| taken.insert(row));
}

/// Notes that a row of a line's life was taken.
#[allow(clippy::trivially_copy_pass_by_ref)] // which of the rows it is counts, not its value
pub(crate) fn line_took(row: &'static LineRow) {
    let row = line_table().iter().position(|known| std::ptr::eq(known, row)).expect("a row of the table");
    LINE_TAKEN.with_borrow_mut(|taken| taken.insert(row));
}

/// The rows of an order's life not taken so far.
pub(crate) fn missed() -> Vec<&'static Row> {
    TAKEN.with_borrow(|taken| not_in(table(), taken))
}

/// The rows of a line's life not taken so far.
pub(crate) fn lines_missed() -> Vec<&'static LineRow> {
    LINE_TAKEN.with_borrow(|taken| not_in(line_table(), taken))
}

fn not_in<T>(rows: &'static [T], taken: &BTreeSet<usize>) -> Vec<&'static T> {
    rows.iter().enumerate().filter(|(index, _)| !taken.contains(index)).map(|(_, row)| row).collect()
}

#[test]
fn a_thread_that_took_one_row_has_missed_all_others() {
    assert_eq!((missed().len(), lines_missed().len()), (table().len(), line_table().len()));
    took(&table()[3]);
    line_took(&line_table()[4]);
    assert_eq!((missed().len(), lines_missed().len()), (table().len() - 1, line_table().len() - 1));
    assert!(!missed().iter().any(|row| std::ptr::eq(*row, &raw const table()[3])));
}
