//! Outcomes of a recall's actions, and what a restart makes of the recalls.

use crate::action::{Action, AttemptFailure};
use crate::counters::Counter;
use crate::effects::Told;
use crate::engine::Engine;
use crate::event::{ConnectOutcome, PlayOutcome, RingOutcome};
use crate::life::{Asked, Input, State};
use crate::line_life::{self, Fact};
use crate::{OrderId, RecallId};

impl Engine {
    pub(crate) fn ring_outcome(&mut self, recall: RecallId, outcome: RingOutcome, out: &mut Vec<Action>) {
        let failure = match outcome {
            RingOutcome::Answered => {
                return self.outcome(recall, Some(Asked::Ring), Input::CallerAnswered, Told::Nothing, out);
            }
            RingOutcome::Busy => AttemptFailure::CallerBusy,
            RingOutcome::NoAnswer => AttemptFailure::CallerNoAnswer,
            RingOutcome::Declined => AttemptFailure::CallerDeclined,
            RingOutcome::Unreachable => AttemptFailure::CallerUnreachable,
            RingOutcome::Failed => AttemptFailure::SwitchFailed,
            RingOutcome::NotTried => {
                let told = Told::Failure(AttemptFailure::NotTried);
                return self.outcome(recall, Some(Asked::Ring), Input::NotTried, told, out);
            }
        };
        self.outcome(recall, Some(Asked::Ring), Input::CallerFailed, Told::Failure(failure), out);
    }

    pub(crate) fn play_outcome(&mut self, recall: RecallId, play: u32, outcome: PlayOutcome, out: &mut Vec<Action>) {
        let asked = [Asked::Announce, Asked::Tell].into_iter().find(|asked| asked.play() == play);
        let (input, told) = match outcome {
            PlayOutcome::Played | PlayOutcome::Failed => (Input::Heard, Told::Nothing),
            PlayOutcome::CallerGone => (Input::CallerGone, Told::Failure(AttemptFailure::CallerGone)),
        };
        self.outcome(recall, asked, input, told, out);
    }

    pub(crate) fn connect_outcome(&mut self, recall: RecallId, outcome: ConnectOutcome, out: &mut Vec<Action>) {
        let (input, failure) = match outcome {
            ConnectOutcome::Answered => {
                return self.outcome(recall, Some(Asked::Connect), Input::CalleeAnswered, Told::Nothing, out);
            }
            ConnectOutcome::CallerGone => (Input::CallerGone, AttemptFailure::CallerGone),
            ConnectOutcome::Busy => (Input::CalleeFailed, AttemptFailure::CalleeBusy),
            ConnectOutcome::NoAnswer => (Input::CalleeFailed, AttemptFailure::CalleeNoAnswer),
            ConnectOutcome::Declined => (Input::CalleeFailed, AttemptFailure::CalleeDeclined),
            ConnectOutcome::Unreachable => (Input::CalleeFailed, AttemptFailure::CalleeUnreachable),
            ConnectOutcome::Failed => (Input::CalleeFailed, AttemptFailure::SwitchFailed),
        };
        self.outcome(recall, Some(Asked::Connect), input, Told::Failure(failure), out);
    }

    pub(crate) fn released(&mut self, recall: RecallId, out: &mut Vec<Action>) {
        self.outcome(recall, Some(Asked::Release), Input::Released, Told::Nothing, out);
    }

    /// Takes the outcome of an action, `None` for one that no recall has, if the recall waits for it.
    fn outcome(&mut self, recall: RecallId, asked: Option<Asked>, input: Input, told: Told, out: &mut Vec<Action>) {
        let Some(place) = self.recalls.find(recall) else {
            let was = (1..self.next_recall).contains(&recall.0);
            self.counters.add(if was { Counter::OutcomesEndedRecall } else { Counter::OutcomesUnknown });
            return;
        };
        let recall = &mut self.recalls[place];
        let (slot, bit) = (recall.order, asked.map_or(0, Asked::bit));
        let state = self.orders[slot].state;
        if asked.is_some() && asked == state.awaits() {
            recall.answered |= bit;
            self.input(slot, input, told, out);
            return;
        }
        let why = if recall.answered & bit != 0 {
            Counter::OutcomesDouble
        } else if recall.sent & bit == 0 {
            Counter::OutcomesOutOfOrder
        } else if state == State::Clearing {
            Counter::OutcomesEndedOrder
        } else {
            Counter::OutcomesLate
        };
        self.counters.add(why);
        self.counters.add(Counter::OutcomesUnexpected);
    }

    pub(crate) fn restarted(&mut self, out: &mut Vec<Action>) {
        for line in 0..self.lines.slots() {
            if self.lines.has(line) {
                let presence = line_life::heard(self.lines.presence(line), Fact::Restarted).to;
                self.lines.set_presence(line, presence);
                self.lines.set_registered(line, None);
            }
        }
        let mut slots: Vec<(OrderId, u32)> = self.orders.iter().map(|(slot, order)| (order.id, slot)).collect();
        slots.sort_unstable();
        self.restarting = true;
        for (_, slot) in slots {
            self.expire_cb_timer(slot, out);
            self.input(slot, Input::Restarted, Told::Failure(AttemptFailure::SwitchFailed), out);
        }
        self.restarting = false;
        for line in 0..self.lines.slots() {
            self.lines.forget_unneeded(line);
        }
    }

    /// An order whose CB timer ran out while nobody was there is queued before it hears of the restart: then it
    /// waits for the lines to be reported like the others in the queue.
    fn expire_cb_timer(&mut self, slot: u32, out: &mut Vec<Action>) {
        let order = &self.orders[slot];
        let due = order.timer.filter(|_| order.state == State::Waiting).and_then(|timer| self.wheel.deadline(timer));
        if due.is_some_and(|due| due <= self.now) {
            self.disarm(slot);
            self.input(slot, Input::CbTimer, Told::Nothing, out);
        }
    }
}
