//! Recalls in progress: what is kept of an order's attempt while it has one.

use std::ops::{Index, IndexMut};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::action::AttemptFailure;
use crate::line::{grow, index};
use crate::line_life::Presence;
use crate::order::hash;
use crate::{Millis, RecallId};

/// A recall.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Recall {
    pub(crate) id: RecallId,
    /// The slot of its order.
    #[serde(skip)]
    pub(crate) order: u32,
    /// Why the attempt failed, once it has.
    pub(crate) failure: Option<AttemptFailure>,
    /// What was known of the callee's line when it was called.
    pub(crate) called: Option<Presence>,
    /// Which actions were sent ([`crate::life::Asked`]).
    pub(crate) sent: u8,
    /// Which of them had their outcome.
    pub(crate) answered: u8,
    /// When the order's life was over, if that was in the recall; else 0.
    pub(crate) expired: Millis,
}

impl Recall {
    /// The recall of an order that begins, of whose actions `sent` are sent.
    pub(crate) fn new(id: RecallId, order: u32, sent: u8) -> Self {
        Self { id, order, failure: None, called: None, sent, answered: 0, expired: 0 }
    }
}

/// All recalls in progress. Their places are used again, their identities are not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recalls {
    places: Vec<Recall>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
}

impl Recalls {
    /// Adds a recall; where it is.
    pub(crate) fn insert(&mut self, recall: Recall) -> u32 {
        let place = if let Some(place) = self.free.pop() {
            self.places[place as usize] = recall;
            place
        } else {
            grow(&mut self.places);
            self.places.push(recall);
            index(self.places.len() - 1)
        };
        let id_of = |&place: &u32| hash(self.places[place as usize].id.0);
        self.by_id.insert_unique(id_of(&place), place, id_of);
        place
    }

    pub(crate) fn remove(&mut self, place: u32) {
        let id = self.places[place as usize].id;
        if let Ok(entry) = self.by_id.find_entry(hash(id.0), |&found| found == place) {
            entry.remove();
        }
        self.free.push(place);
    }

    /// Where a recall is, if it is in progress.
    pub(crate) fn find(&self, id: RecallId) -> Option<u32> {
        self.by_id.find(hash(id.0), |&place| self.places[place as usize].id == id).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl Index<u32> for Recalls {
    type Output = Recall;

    fn index(&self, place: u32) -> &Recall {
        &self.places[place as usize]
    }
}

impl IndexMut<u32> for Recalls {
    fn index_mut(&mut self, place: u32) -> &mut Recall {
        &mut self.places[place as usize]
    }
}
