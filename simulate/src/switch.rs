//! The switch: carries out what the engine says, with people at both ends.

use ccbs_engine::{Action, ConnectOutcome, Event, PlayOutcome, RecallId, RingOutcome};

use crate::agenda::What;
use crate::office::{Office, index_of};
use crate::random::millis;

/// A prompt's length (ms).
const PROMPT: u64 = 2_500;

/// A recall as the switch knows it.
pub(crate) struct Recall {
    caller: u32,
    callee: u32,
    caller_leg: bool,
    callee_leg: bool,
    /// Counts what the switch was told to do: a step planned for an earlier one is void.
    phase: u32,
    play: u32,
}

/// How a recall goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RecallStep {
    /// The call to the caller ended its ringing.
    Rung(RingOutcome),
    /// A prompt is over.
    Played(PlayOutcome),
    /// The call to the callee ended its ringing.
    Connected(ConnectOutcome),
    /// The two have talked.
    TalkOver,
    /// The legs are gone.
    Gone,
}

impl Office<'_> {
    pub(crate) fn carry_out(&mut self, action: &Action) {
        match action {
            Action::Ring { recall, caller, callee, timeout_ms, .. } => {
                self.ring(recall.0, index_of(caller), index_of(callee), *timeout_ms);
            }
            Action::Play { recall, play, prompts, .. } => self.play(recall.0, *play, prompts.len() as u64),
            Action::Connect { recall, timeout_ms, .. } => self.connect(recall.0, *timeout_ms),
            Action::Release { recall, .. } => match self.next_phase(recall.0) {
                Some(phase) => self.plan(100, What::Recall(recall.0, phase, RecallStep::Gone)),
                None => self.deliver(Event::Released { recall: *recall }),
            },
            Action::Reply { .. } | Action::Step { .. } => {}
        }
    }

    fn next_phase(&mut self, recall: u64) -> Option<u32> {
        let found = self.recalls.get_mut(&recall)?;
        found.phase += 1;
        Some(found.phase)
    }

    fn ring(&mut self, recall: u64, caller: u32, callee: u32, timeout: u64) {
        let mut legs = Recall { caller, callee, caller_leg: false, callee_leg: false, phase: 0, play: 0 };
        let (after, outcome) = if self.cannot_ring() {
            (100, RingOutcome::NotTried)
        } else if !self.lines[caller as usize].registered {
            (100, RingOutcome::Unreachable)
        } else if self.is_busy(caller) {
            (100, RingOutcome::Busy)
        } else {
            legs.caller_leg = true;
            let draw = self.people.unit();
            let after = millis(self.people.exponential(self.settings.answer_mean_s)).clamp(500, timeout);
            if draw < self.settings.recall_decline_share {
                (after, RingOutcome::Declined)
            } else if draw < self.settings.recall_decline_share + self.settings.recall_answer_share && after < timeout {
                (after, RingOutcome::Answered)
            } else {
                (timeout, RingOutcome::NoAnswer)
            }
        };
        if legs.caller_leg {
            self.occupy(caller);
        }
        self.recalls.insert(recall, legs);
        self.plan(after, What::Recall(recall, 0, RecallStep::Rung(outcome)));
    }

    fn play(&mut self, recall: u64, play: u32, prompts: u64) {
        let Some(phase) = self.next_phase(recall) else { return };
        if let Some(found) = self.recalls.get_mut(&recall) {
            found.play = play;
        }
        let length = PROMPT * prompts;
        if self.people.chance(self.settings.prompt_hangup_share) {
            let after = self.people.between(0, length);
            self.plan(after, What::Recall(recall, phase, RecallStep::Played(PlayOutcome::CallerGone)));
        } else {
            self.plan(length, What::Recall(recall, phase, RecallStep::Played(PlayOutcome::Played)));
        }
    }

    fn connect(&mut self, recall: u64, timeout: u64) {
        let Some(phase) = self.next_phase(recall) else { return };
        let Some(callee) = self.recalls.get(&recall).map(|found| found.callee) else { return };
        let (after, outcome) = if !self.lines[callee as usize].registered {
            (200, ConnectOutcome::Unreachable)
        } else if self.is_busy(callee) {
            (200, ConnectOutcome::Busy)
        } else {
            self.occupy(callee);
            if let Some(found) = self.recalls.get_mut(&recall) {
                found.callee_leg = true;
            }
            let after = millis(self.people.exponential(self.settings.answer_mean_s)).clamp(500, timeout);
            if self.people.chance(self.settings.ringback_hangup_share) {
                (after, ConnectOutcome::CallerGone)
            } else if self.people.chance(self.settings.callee_decline_share) {
                (after, ConnectOutcome::Declined)
            } else if self.people.chance(self.settings.answer_share) && after < timeout {
                (after, ConnectOutcome::Answered)
            } else {
                (timeout, ConnectOutcome::NoAnswer)
            }
        };
        self.plan(after, What::Recall(recall, phase, RecallStep::Connected(outcome)));
    }

    pub(crate) fn recall_goes_on(&mut self, recall: u64, phase: u32, step: RecallStep) {
        let Some(found) = self.recalls.get(&recall).filter(|found| found.phase == phase) else { return };
        let play = found.play;
        let id = RecallId(recall);
        match step {
            RecallStep::Rung(outcome) => {
                if outcome != RingOutcome::Answered {
                    self.drop_legs(recall);
                    self.recalls.remove(&recall);
                }
                self.deliver(Event::RingOutcome { recall: id, outcome });
            }
            RecallStep::Played(outcome) => {
                if outcome == PlayOutcome::CallerGone {
                    self.drop_legs(recall);
                }
                self.deliver(Event::PlayOutcome { recall: id, play, outcome });
            }
            RecallStep::Connected(outcome) => {
                match outcome {
                    ConnectOutcome::Answered => {
                        let hold = self.people.log_normal(self.settings.hold_mean_s, self.settings.hold_sigma);
                        self.plan(millis(hold).max(1_000), What::Recall(recall, phase, RecallStep::TalkOver));
                    }
                    ConnectOutcome::CallerGone => self.drop_legs(recall),
                    _ => self.drop_callee_leg(recall),
                }
                self.deliver(Event::ConnectOutcome { recall: id, outcome });
            }
            RecallStep::TalkOver => {
                self.drop_legs(recall);
                self.recalls.remove(&recall);
            }
            RecallStep::Gone => {
                self.drop_legs(recall);
                self.recalls.remove(&recall);
                self.deliver(Event::Released { recall: id });
            }
        }
    }

    fn drop_callee_leg(&mut self, recall: u64) {
        if let Some(found) = self.recalls.get_mut(&recall)
            && std::mem::take(&mut found.callee_leg)
        {
            let callee = found.callee;
            self.vacate(callee);
        }
    }

    pub(crate) fn drop_legs(&mut self, recall: u64) {
        self.drop_callee_leg(recall);
        if let Some(found) = self.recalls.get_mut(&recall)
            && std::mem::take(&mut found.caller_leg)
        {
            let caller = found.caller;
            self.vacate(caller);
        }
    }
}
