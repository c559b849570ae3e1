//! Recalls: what the engine asks for, and what it is told of them.

use std::sync::Arc;

use ccbs_engine::{self as engine, Action, ConnectOutcome, FailCause, PlayOutcome, RecallId, RingOutcome};
use ccbs_sip::api::{Cause, Command, LegId, Played, Target};

use super::service::{Call, Service, identity};
use super::wire::Wire;

/// What a recall waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Ringing,
    Nothing,
    Playing { play: u32, token: u64 },
    Connecting { timeout_ms: u64 },
}

/// A recall in progress.
#[derive(Debug)]
pub(crate) struct Recall {
    /// The leg to its caller, while there is one.
    leg: Option<LegId>,
    caller: String,
    callee: String,
    doing: Doing,
    releasing: bool,
}

impl Service {
    pub(super) fn recall_action(&mut self, wire: &mut Wire, action: Action) {
        match action {
            Action::Ring { recall, caller, callee, timeout_ms, .. } => {
                self.tally.recalls += 1;
                let leg = LegId(self.serial());
                self.enter_recall(leg, recall, &caller, &callee);
                let entry = Recall {
                    leg: Some(leg),
                    caller: caller.to_string(),
                    callee: callee.to_string(),
                    doing: Doing::Ringing,
                    releasing: false,
                };
                assert!(self.recalls.insert(recall, entry).is_none(), "{recall:?} began twice");
                let target = Target::Subscriber(Arc::from(&*caller));
                let command = Command::Ring { leg, target, identity: identity(&callee), timeout_ms };
                wire.core.command(wire.now, command);
            }
            Action::Play { recall, play, prompts, .. } => {
                let token = self.serial();
                let known = self.recalls.get_mut(&recall).expect("a recall that plays is known");
                let Some(leg) = known.leg else {
                    self.forget(
                        wire,
                        recall,
                        &engine::Event::PlayOutcome { recall, play, outcome: PlayOutcome::CallerGone },
                    );
                    return;
                };
                known.doing = Doing::Playing { play, token };
                let prompts = prompts.iter().map(|prompt| Arc::from(format!("{prompt:?}"))).collect();
                wire.core.command(wire.now, Command::Play { leg, token, prompts });
            }
            Action::Connect { recall, timeout_ms, .. } => {
                let known = self.recalls.get_mut(&recall).expect("a recall that connects is known");
                if known.leg.is_none() {
                    self.tell_connect(wire, recall, ConnectOutcome::CallerGone);
                    return;
                }
                known.doing = Doing::Connecting { timeout_ms };
                let callee = known.callee.clone();
                self.connect(wire, recall, &callee, timeout_ms);
            }
            Action::Release { recall, .. } => {
                // One that is not known any more has told its last outcome, and its leg is gone.
                let leg = self.recalls.get_mut(&recall).map(|known| {
                    known.releasing = true;
                    known.leg
                });
                match leg.flatten() {
                    Some(leg) => wire.core.command(wire.now, Command::Release { leg, cause: None }),
                    None => self.forget(wire, recall, &engine::Event::Released { recall }),
                }
            }
            Action::Reply { .. } | Action::Step { .. } => unreachable!("dealt with by the service"),
        }
    }

    fn connect(&mut self, wire: &mut Wire, recall: RecallId, callee: &str, timeout_ms: u64) {
        let way = self.way(callee);
        let known = &self.recalls[&recall];
        let (Some(target), Some(leg)) = (way, known.leg) else {
            self.tell_connect(wire, recall, ConnectOutcome::Unreachable);
            return;
        };
        let command = Command::Connect { leg, target, identity: identity(&known.caller), timeout_ms };
        wire.core.command(wire.now, command);
    }

    /// The last that is told of a recall.
    fn forget(&mut self, wire: &Wire, recall: RecallId, outcome: &engine::Event) {
        self.recalls.remove(&recall);
        self.tell(wire, outcome);
    }

    fn tell_connect(&mut self, wire: &Wire, recall: RecallId, outcome: ConnectOutcome) {
        if matches!(outcome, ConnectOutcome::Answered | ConnectOutcome::CallerGone) {
            self.recalls.remove(&recall);
        } else if let Some(known) = self.recalls.get_mut(&recall) {
            known.doing = Doing::Nothing;
        }
        self.tell(wire, &engine::Event::ConnectOutcome { recall, outcome });
    }

    /// A recall that is not being released: what it waits for is told.
    fn live(&mut self, recall: RecallId) -> Option<&mut Recall> {
        self.recalls.get_mut(&recall).filter(|known| !known.releasing)
    }

    pub(super) fn caller_lifted(&mut self, wire: &Wire, recall: RecallId) {
        if let Some(known) = self.live(recall) {
            assert_eq!(known.doing, Doing::Ringing, "answered twice");
            known.doing = Doing::Nothing;
            self.tell(wire, &engine::Event::RingOutcome { recall, outcome: RingOutcome::Answered });
        }
    }

    pub(super) fn prompt_over(&mut self, wire: &Wire, recall: RecallId, token: u64, outcome: Played) {
        let Some(known) = self.live(recall) else { return };
        let Doing::Playing { play, token: playing } = known.doing else { return };
        // Nobody but the end of the leg stops a play, and that is told of itself.
        if playing == token && outcome != Played::Stopped {
            known.doing = Doing::Nothing;
            let outcome = if outcome == Played::Finished { PlayOutcome::Played } else { PlayOutcome::Failed };
            self.tell(wire, &engine::Event::PlayOutcome { recall, play, outcome });
        }
    }

    pub(super) fn callee_lifted(&mut self, wire: &Wire, recall: RecallId) {
        self.tally.connected += 1;
        if self.live(recall).is_some() {
            self.tell_connect(wire, recall, ConnectOutcome::Answered);
        }
    }

    pub(super) fn recall_diverted(&mut self, wire: &mut Wire, recall: RecallId, dialled: &str) {
        let Some(known) = self.live(recall) else { return };
        let Doing::Connecting { timeout_ms } = known.doing else { return };
        if wire.chance(500) {
            self.connect(wire, recall, dialled, timeout_ms);
        } else {
            self.tell_connect(wire, recall, ConnectOutcome::Unreachable);
        }
    }

    pub(super) fn connect_failed(&mut self, wire: &Wire, leg: LegId, cause: Cause) {
        let Some(call) = self.calls.get(&leg) else { return };
        let super::service::Kind::Recall(recall) = call.kind else { return };
        let outcome = match self.why(call, cause, &call.callee) {
            Some(FailCause::Busy) => ConnectOutcome::Busy,
            Some(FailCause::NoReply) => ConnectOutcome::NoAnswer,
            Some(FailCause::NotLoggedIn) => ConnectOutcome::Unreachable,
            _ if cause == Cause::Status(603) => ConnectOutcome::Declined,
            _ => ConnectOutcome::Failed,
        };
        if self.live(recall).is_some() {
            self.tell_connect(wire, recall, outcome);
        }
    }

    /// The leg to the caller of a recall is gone.
    pub(super) fn caller_gone(&mut self, wire: &Wire, recall: RecallId, call: &Call, cause: Cause) {
        let Some(known) = self.recalls.get_mut(&recall) else { return };
        known.leg = None;
        if known.releasing {
            self.forget(wire, recall, &engine::Event::Released { recall });
            return;
        }
        match known.doing {
            Doing::Ringing => {
                let outcome = match self.why(call, cause, &call.caller) {
                    Some(FailCause::Busy) => RingOutcome::Busy,
                    Some(FailCause::NoReply) => RingOutcome::NoAnswer,
                    Some(FailCause::NotLoggedIn) => RingOutcome::Unreachable,
                    _ if cause == Cause::Status(603) => RingOutcome::Declined,
                    _ => RingOutcome::Failed,
                };
                self.forget(wire, recall, &engine::Event::RingOutcome { recall, outcome });
            }
            // The next thing that the engine asks for is told that the caller is gone.
            Doing::Nothing => {}
            Doing::Playing { play, .. } => {
                let outcome = PlayOutcome::CallerGone;
                self.forget(wire, recall, &engine::Event::PlayOutcome { recall, play, outcome });
            }
            Doing::Connecting { .. } => self.tell_connect(wire, recall, ConnectOutcome::CallerGone),
        }
    }
}
