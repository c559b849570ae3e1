//! How a Rust thread wakes asyncio: an eventfd, written without the interpreter.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use crate::error::Error;

/// An eventfd that is readable while there is something to drain.
#[derive(Clone)]
pub(crate) struct Wake(Arc<OwnedFd>);

impl Wake {
    pub(crate) fn new() -> Result<Self, Error> {
        eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
            .map(|descriptor| Self(Arc::new(descriptor)))
            .map_err(|error| Error::Machine(format!("no eventfd could be made: {error}")))
    }

    /// Makes it readable. Called on any thread.
    pub(crate) fn set(&self) {
        // The only possible failure is a counter at its end, and then it is readable already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Makes it unreadable. Called before the queue is emptied, so that what arrives later sets it anew.
    pub(crate) fn clear(&self) {
        // It may not be set: a drain that was not asked for is no error.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }

    pub(crate) fn fileno(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
