//! The two bounded queues between a driver and its users.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use ccbs_engine::{Action, Event, LineId, Number};
use tokio::sync::Notify;

use crate::commit::lock;
use crate::driver::{DrainError, LineError, SubmitError};
use crate::store::Note;

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

/// Numbers whose handles somebody waits for.
pub(crate) struct LinesAsked {
    pub(crate) numbers: Vec<Number>,
    pub(crate) answer: Sender<Result<Vec<LineId>, LineError>>,
}

/// What a commit is made of.
pub(crate) enum Taken {
    /// Maybe none.
    Events(Vec<Event>),
    Lines(LinesAsked),
}

struct Queue {
    events: Vec<Event>,
    /// Each with the number of events before it.
    lines: VecDeque<(usize, LinesAsked)>,
    notes: Vec<Note>,
    state: State,
}

impl Queue {
    fn refusal(&self) -> Option<SubmitError> {
        match &self.state {
            State::Open => None,
            State::Closing => Some(SubmitError::Closed),
            State::Failed(reason) => Some(SubmitError::Failed { reason: Arc::clone(reason) }),
        }
    }
}

/// Events, and numbers whose handles are asked for, on their way in.
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    limit: usize,
    /// Rung when events arrive or the state changes.
    pub(crate) bell: Notify,
}

impl Inbox {
    pub(crate) fn new(limit: usize) -> Self {
        let queue = Queue { events: Vec::new(), lines: VecDeque::new(), notes: Vec::new(), state: State::Open };
        Self { queue: Mutex::new(queue), limit, bell: Notify::new() }
    }

    pub(crate) fn offer(&self, events: Vec<Event>) -> Result<(), SubmitError> {
        let mut queue = lock(&self.queue);
        if let Some(refusal) = queue.refusal() {
            return Err(refusal);
        }
        let queued = queue.events.len();
        if events.len() > self.limit - queued {
            return Err(SubmitError::Overload { offered: events.len(), queued, limit: self.limit });
        }
        queue.events.extend(events);
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// Takes a note, in the place of one that waits for the same key.
    pub(crate) fn note(&self, note: Note) -> Result<(), SubmitError> {
        let mut queue = lock(&self.queue);
        if let Some(refusal) = queue.refusal() {
            return Err(refusal);
        }
        if let Some(there) = queue.notes.iter_mut().find(|there| (&there.part, &there.key) == (&note.part, &note.key)) {
            *there = note;
        } else if queue.notes.len() >= self.limit {
            return Err(SubmitError::Overload { offered: 1, queued: queue.notes.len(), limit: self.limit });
        } else {
            queue.notes.push(note);
        }
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// Asks for handles after the events that wait; the answer comes, or the channel is closed.
    pub(crate) fn ask(&self, numbers: Vec<Number>) -> Result<Receiver<Result<Vec<LineId>, LineError>>, SubmitError> {
        let (answer, answered) = channel();
        let mut queue = lock(&self.queue);
        if let Some(refusal) = queue.refusal() {
            return Err(refusal);
        }
        let before = queue.events.len();
        queue.lines.push_back((before, LinesAsked { numbers, answer }));
        drop(queue);
        self.bell.notify_one();
        Ok(answered)
    }

    /// Takes up to `most` events, oldest first, or handles asked for: what came first. And the notes, if they are wanted:
    /// those that came before an event are kept with it at the latest, the phone of who orders with the order.
    pub(crate) fn take(&self, most: usize, with_notes: bool) -> (Taken, Vec<Note>, State) {
        let mut queue = lock(&self.queue);
        let state = queue.state.clone();
        let notes = if with_notes { std::mem::take(&mut queue.notes) } else { Vec::new() };
        let before = queue.lines.front().map(|(before, _)| *before);
        if before == Some(0)
            && let Some((_, asked)) = queue.lines.pop_front()
        {
            return (Taken::Lines(asked), notes, state);
        }
        let most = before.unwrap_or(most).min(most);
        let taken = if queue.events.len() <= most {
            std::mem::take(&mut queue.events)
        } else {
            let rest = queue.events.split_off(most);
            std::mem::replace(&mut queue.events, rest)
        };
        for (before, _) in &mut queue.lines {
            *before -= taken.len();
        }
        (Taken::Events(taken), notes, state)
    }

    /// Answers everybody who waits for handles.
    pub(crate) fn refuse_lines(&self, why: &LineError) {
        let waiting = std::mem::take(&mut lock(&self.queue).lines);
        for (_, asked) in waiting {
            // Who no longer waits needs no answer.
            let _ = asked.answer.send(Err(why.clone()));
        }
    }

    /// Moves on to `state`, unless the driver has failed.
    pub(crate) fn set(&self, state: State) {
        let mut queue = lock(&self.queue);
        if !matches!(queue.state, State::Failed(_)) {
            queue.state = state;
        }
        drop(queue);
        self.bell.notify_one();
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.queue).state.clone()
    }

    /// How many wait for handles.
    pub(crate) fn lines_len(&self) -> usize {
        lock(&self.queue).lines.len()
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        lock(&self.queue).events.len()
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
