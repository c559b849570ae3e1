//! Threads, forks and the interpreter's exit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyo3::prelude::*;

use crate::error::Error;

/// Something with threads, which ends them.
pub(crate) trait Close: Send + Sync + 'static {
    /// Ends the threads and waits for them; a second call does nothing.
    fn close(&self);
}

/// A value with threads, good only in the process that made it.
///
/// A forked child has no threads but the one that forked, and a lock may be held for ever. So in a child
/// nothing of the value is touched, not even to drop it.
pub(crate) struct Here<T: Close> {
    value: Option<Arc<T>>,
    process: u32,
    what: &'static str,
}

impl<T: Close> Here<T> {
    /// `what` names the value in errors, e.g. "driver".
    pub(crate) fn new(what: &'static str, value: T) -> Self {
        let value = Arc::new(value);
        let alive: Weak<T> = Arc::downgrade(&value);
        let process = std::process::id();
        let mut living = lock(&LIVING);
        living.retain(|(owner, value)| *owner == process && value.strong_count() > 0);
        living.push((process, alive));
        Self { value: Some(value), process, what }
    }

    pub(crate) fn get(&self) -> Result<&T, Error> {
        if let Some(value) = self.value.as_ref().filter(|_| self.is_ours()) {
            return Ok(value);
        }
        let (what, theirs, ours) = (self.what, self.process, std::process::id());
        Err(Error::Closed(format!(
            "this {what} belongs to process {theirs} and cannot be used in its fork {ours}; make a new {what} \
             after the fork"
        )))
    }

    fn is_ours(&self) -> bool {
        std::process::id() == self.process
    }
}

impl<T: Close> Drop for Here<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if !self.is_ours() {
            std::mem::forget(value);
            return;
        }
        // The threads never need the interpreter, but others should not wait for them to end.
        if let Some(value) = value {
            Python::try_attach(|py| py.detach(|| value.close()));
            value.close();
        }
    }
}

/// What has to be closed when the interpreter exits, with its process. Locked only while attached and for a
/// moment, so that no fork finds it locked.
static LIVING: Mutex<Vec<(u32, Weak<dyn Close>)>> = Mutex::new(Vec::new());

/// Has everything closed at the interpreter's exit that is not closed by then.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let close = wrap_pyfunction!(close_all, module)?;
    module.py().import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}

#[pyfunction(name = "_close_all")]
fn close_all(py: Python<'_>) {
    let living = std::mem::take(&mut *lock(&LIVING));
    for (process, value) in living {
        if process == std::process::id()
            && let Some(value) = value.upgrade()
        {
            py.detach(|| {
                value.close();
                drop(value);
            });
        }
    }
}

/// Locks, also after a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
