//! Which rows of the table of an order's life this thread has taken.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::life::{Row, TABLE};

thread_local! {
    static TAKEN: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that a row was taken.
pub(crate) fn took(row: &'static Row) {
    let row = TABLE.iter().position(|known| std::ptr::eq(known, row)).expect("a row of the table");
    TAKEN.with_borrow_mut(|taken| taken.insert(row));
}

/// The rows taken so far.
pub(crate) fn taken() -> BTreeSet<usize> {
    TAKEN.with_borrow(BTreeSet::clone)
}
