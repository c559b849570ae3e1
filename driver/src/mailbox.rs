//! The two bounded queues between a driver and its users.

use std::sync::{Arc, Mutex};

use ccbs_engine::{Action, Event};
use tokio::sync::Notify;

use crate::commit::lock;
use crate::driver::{DrainError, SubmitError};

/// Called, on the driver's thread, when there is something to drain.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

/// What came of a driver's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It takes inputs.
    Open,
    /// It takes no more inputs, and ends when what it has is done.
    Closing,
    /// It stopped by itself.
    Failed(Arc<str>),
}

/// Events on their way in.
pub(crate) struct Inbox {
    queue: Mutex<(Vec<Event>, State)>,
    limit: usize,
    /// Rung when events arrive or the state changes.
    pub(crate) bell: Notify,
}

impl Inbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self { queue: Mutex::new((Vec::new(), State::Open)), limit, bell: Notify::new() }
    }

    pub(crate) fn offer(&self, events: Vec<Event>) -> Result<(), SubmitError> {
        let mut queue = lock(&self.queue);
        match &queue.1 {
            State::Open => {}
            State::Closing => return Err(SubmitError::Closed),
            State::Failed(reason) => return Err(SubmitError::Failed { reason: Arc::clone(reason) }),
        }
        let queued = queue.0.len();
        if events.len() > self.limit - queued {
            return Err(SubmitError::Overload { offered: events.len(), queued, limit: self.limit });
        }
        queue.0.extend(events);
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// Takes up to `most` events, oldest first.
    pub(crate) fn take(&self, most: usize) -> (Vec<Event>, State) {
        let mut queue = lock(&self.queue);
        let taken = if queue.0.len() <= most {
            std::mem::take(&mut queue.0)
        } else {
            let rest = queue.0.split_off(most);
            std::mem::replace(&mut queue.0, rest)
        };
        (taken, queue.1.clone())
    }

    /// Moves on to `state`, unless the driver has failed.
    pub(crate) fn set(&self, state: State) {
        let mut queue = lock(&self.queue);
        if !matches!(queue.1, State::Failed(_)) {
            queue.1 = state;
        }
        drop(queue);
        self.bell.notify_one();
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.queue).1.clone()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.queue).0.len()
    }
}

/// Actions on their way out.
pub(crate) struct Outbox {
    queue: Mutex<(Vec<Action>, Option<DrainError>)>,
    limit: usize,
    wake: Wake,
    /// Rung when there is room again.
    pub(crate) bell: Notify,
}

impl Outbox {
    pub(crate) fn new(limit: usize, wake: Wake) -> Self {
        Self { queue: Mutex::new((Vec::new(), None)), limit, wake, bell: Notify::new() }
    }

    pub(crate) fn is_full(&self) -> bool {
        lock(&self.queue).0.len() >= self.limit
    }

    pub(crate) fn push(&self, actions: &mut Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        let mut queue = lock(&self.queue);
        let sleeping = queue.0.is_empty();
        queue.0.append(actions);
        drop(queue);
        if sleeping {
            (self.wake)();
        }
    }

    /// Says that nothing follows what is in the queue.
    pub(crate) fn end(&self, why: DrainError) {
        lock(&self.queue).1.get_or_insert(why);
        (self.wake)();
    }

    pub(crate) fn drain(&self) -> Result<Vec<Action>, DrainError> {
        let mut queue = lock(&self.queue);
        if queue.0.is_empty()
            && let Some(why) = &queue.1
        {
            return Err(why.clone());
        }
        let actions = std::mem::take(&mut queue.0);
        drop(queue);
        self.bell.notify_one();
        Ok(actions)
    }
}
