//! Which rows of the table of an order's life this thread has taken.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static TAKEN: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that a row was taken.
pub(crate) fn took(row: usize) {
    TAKEN.with_borrow_mut(|taken| taken.insert(row));
}

/// The rows taken so far.
pub(crate) fn taken() -> BTreeSet<usize> {
    TAKEN.with_borrow(BTreeSet::clone)
}
