//! Threads and forks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;

/// A value with threads, good only in the process that made it.
///
/// A forked child has no threads but the one that forked, and a lock may be held for ever. So in a child
/// nothing of the value is touched, not even to drop it.
pub(crate) struct Here<T> {
    value: Option<T>,
    process: u32,
    what: &'static str,
}

impl<T> Here<T> {
    /// `what` names the value in errors, e.g. "driver".
    pub(crate) fn new(what: &'static str, value: T) -> Self {
        Self { value: Some(value), process: std::process::id(), what }
    }

    pub(crate) fn get(&self) -> Result<&T, Error> {
        if let Some(value) = self.value.as_ref().filter(|_| self.is_ours()) {
            return Ok(value);
        }
        let (what, theirs, ours) = (self.what, self.process, std::process::id());
        Err(Error::Closed(format!(
            "this {what} belongs to process {theirs} and cannot be used in its fork {ours}; make a new {what} after the fork"
        )))
    }

    fn is_ours(&self) -> bool {
        std::process::id() == self.process
    }
}

impl<T> Drop for Here<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            std::mem::forget(self.value.take());
        }
    }
}

/// Locks, also after a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
