//! An order's whole life in plain sentences with times, from a recording of the engine's inputs.
//!
//! The recording is repeated through the real engine. Between any two inputs the order and its lines are looked at,
//! so that the story also tells why an order did *not* move.
#![forbid(unsafe_code)]

mod narrator;
mod words;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;

use ccbs_driver::Input;
use ccbs_driver::recording::{Entry, Recording, RecordingError};
use ccbs_engine::{Action, Engine, Event, Millis, Number, OrderId, RecallId, Step};
use thiserror::Error;

use narrator::{Moment, Narrator};

/// Whose story is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// That of one order.
    Order(OrderId),
    /// Those of all orders by or for a number.
    Number(String),
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// When (Unix ms).
    pub at: Millis,
    /// What.
    pub text: String,
}

/// The life of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The order.
    pub order: OrderId,
    /// Who ordered.
    pub caller: Number,
    /// For whom.
    pub callee: Number,
    /// What happened, oldest first.
    pub sentences: Vec<Sentence>,
}

/// What a recording tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stories {
    /// Oldest order first.
    pub stories: Vec<Story>,
    /// How many older orders of the number were left out.
    pub left_out: u64,
    /// How many inputs were read.
    pub records: u64,
    /// When the last of them was (Unix ms).
    pub until: Millis,
    /// How many bytes at the end belong to a record that was not written to its end.
    pub torn_bytes: Option<u64>,
}

/// Why there is no story.
#[derive(Debug, Error)]
pub enum StoryError {
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// It has no such order.
    #[error("{path} has no order {order}: {there}")]
    UnknownOrder {
        /// Which file.
        path: String,
        /// Which order.
        order: u64,
        /// What there is instead.
        there: String,
    },
    /// It has no order by or for the number.
    #[error("{path} has no order by or for {number}; orders by or for other numbers: {others}")]
    UnknownNumber {
        /// Which file.
        path: String,
        /// Which number.
        number: String,
        /// How many there are.
        others: u64,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Tells the lives of orders out of a recording.
///
/// `most` bounds the stories of a number: the newest orders are told. `go_on` is asked now and then; `false` stops.
pub fn explain(
    path: &Path,
    which: &Which,
    most: NonZero<usize>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Stories, StoryError> {
    let (orders, left_out) = find(path, which, most, go_on)?;
    let (recording, mut engine) = Recording::open(path)?;
    let mut telling = Telling::of(orders, &engine);
    let (until, torn_bytes, records) = repeat(recording, &mut engine, go_on, &mut |now, event, actions, engine| {
        telling.moment(&Moment { now, event, actions, engine });
    })?;
    let stories = telling.narrators.into_values().map(|narrator| narrator.end(until)).collect();
    Ok(Stories { stories, left_out, records, until, torn_bytes })
}

type Pairs = BTreeMap<OrderId, (Number, Number)>;

/// The orders whose stories are wanted, with their caller and callee.
fn find(
    path: &Path,
    which: &Which,
    most: NonZero<usize>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(Pairs, u64), StoryError> {
    let (recording, mut engine) = Recording::open(path)?;
    let mut found = Pairs::new();
    let (mut left_out, mut all, mut first, mut last) = (0, 0_u64, None, None);
    let mut meet = |order: OrderId, caller: &Number, callee: &Number| {
        all += 1;
        first.get_or_insert(order.0);
        last = Some(order.0);
        let wanted = match which {
            Which::Order(wanted) => *wanted == order,
            Which::Number(number) => **caller == **number || **callee == **number,
        };
        if wanted {
            found.insert(order, (caller.clone(), callee.clone()));
            if found.len() > most.get() {
                found.pop_first();
                left_out += 1;
            }
        }
    };
    for view in engine.orders() {
        meet(view.order, &view.caller, &view.callee);
    }
    repeat(recording, &mut engine, go_on, &mut |_, _, actions, _| {
        for action in actions {
            if let Action::Step { order, caller, callee, step: Step::Accepted { .. } } = action {
                meet(*order, caller, callee);
            }
        }
    })?;
    if found.is_empty() {
        let path = path.display().to_string();
        return Err(match which {
            Which::Order(order) => StoryError::UnknownOrder {
                path,
                order: order.0,
                there: match (first, last) {
                    (Some(first), Some(last)) => format!("its orders are {first} to {last}"),
                    _ => "nothing was ordered while it was written".to_owned(),
                },
            },
            Which::Number(number) => StoryError::UnknownNumber { path, number: number.clone(), others: all },
        });
    }
    Ok((found, left_out))
}

/// Sees an input and what came of it.
type Look<'a> = dyn FnMut(Millis, Option<&Event>, &[Action], &Engine) + 'a;

/// Repeats a recording input by input; `look` sees the event (`None`: timers), the actions and the engine after it.
/// Gives the time of the last input, the bytes of a torn tail, and how many records there were.
fn repeat(
    mut recording: Recording,
    engine: &mut Engine,
    go_on: &mut dyn FnMut() -> bool,
    look: &mut Look<'_>,
) -> Result<(Millis, Option<u64>, u64), StoryError> {
    let (mut until, mut records) = (engine.now(), 0_u64);
    let mut actions = Vec::new();
    for entry in recording.by_ref() {
        // A snapshot in the middle is the state that the inputs before it lead to.
        let Entry::Record(record) = entry? else { continue };
        records += 1;
        if records % 4_096 == 0 && !go_on() {
            return Err(StoryError::Stopped);
        }
        until = record.now;
        // As `Record::apply` does, one event at a time.
        match &record.input {
            Input::Timers => {
                engine.advance(record.now, &mut actions);
                look(record.now, None, &actions, engine);
                actions.clear();
            }
            Input::Events(events) => {
                for event in events {
                    // What was refused changed nothing in the original run either.
                    let _ = engine.apply(record.now, event, &mut actions);
                    look(record.now, Some(event), &actions, engine);
                    actions.clear();
                }
            }
            Input::Started(_) => {
                record.apply(engine, &mut actions);
                look(record.now, Some(&Event::Restarted), &actions, engine);
                actions.clear();
            }
            // A handle is nothing in anybody's life, but later events may name lines by it.
            Input::Lines(_) => drop(record.apply(engine, &mut actions)),
        }
    }
    Ok((until, recording.torn_bytes(), records))
}

/// The narrators, and who among them listens to what.
struct Telling {
    narrators: BTreeMap<OrderId, Narrator>,
    /// Those that look at every moment: not ended yet.
    active: Vec<OrderId>,
    recalls: BTreeMap<RecallId, OrderId>,
}

impl Telling {
    fn of(orders: Pairs, engine: &Engine) -> Self {
        let narrators: BTreeMap<_, _> = orders
            .into_iter()
            .map(|(order, (caller, callee))| (order, Narrator::new(order, caller, callee, engine)))
            .collect();
        Self { active: narrators.keys().copied().collect(), narrators, recalls: BTreeMap::new() }
    }

    fn moment(&mut self, moment: &Moment<'_>) {
        for action in moment.actions {
            if let Action::Ring { recall, order, .. } = action
                && self.narrators.contains_key(order)
            {
                self.recalls.insert(*recall, *order);
            }
        }
        let (narrators, recalls) = (&mut self.narrators, &self.recalls);
        let of_recall = words::recall_of(moment.event).and_then(|recall| recalls.get(&recall)).copied();
        self.active.retain(|order| {
            let Some(narrator) = narrators.get_mut(order) else { return false };
            narrator.moment(moment, of_recall == Some(*order));
            !narrator.has_ended()
        });
        // Outcomes come late, too.
        if let Some(order) = of_recall
            && !self.active.contains(&order)
            && let Some(narrator) = self.narrators.get_mut(&order)
        {
            narrator.outcome_after_the_end(moment);
        }
    }
}
