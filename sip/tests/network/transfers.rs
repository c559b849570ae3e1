//! Transfers: where a transferred party goes, and the talk that comes of it.

use ccbs_engine::{self as engine, FailCause};
use ccbs_sip::api::{Cause, Command, LegId};

use super::service::{Kind, Service, identity, line};
use super::wire::Wire;

/// A transfer under way: who goes where, at whose wish.
#[derive(Debug)]
pub(crate) struct Move {
    pub(super) goes: String,
    by: String,
    pub(super) to: String,
    back: bool,
}

impl Service {
    fn party(&self, leg: LegId) -> Option<String> {
        if let Some(call) = self.calls.get(&leg) {
            return Some(call.caller.clone());
        }
        let call = self.calls.get(self.by_peer.get(&leg)?)?;
        Some(call.callee.clone())
    }

    pub(super) fn transfer(&mut self, wire: &mut Wire, leg: LegId, by: LegId, dialled: &str) {
        let (Some(goes), Some(by)) = (self.party(leg), self.party(by)) else {
            wire.core.command(wire.now, Command::RejectTransfer { leg, status: 500 });
            return;
        };
        self.moves.insert(leg, Move { goes, by, to: dialled.to_owned(), back: false });
        self.go(wire, leg, dialled);
    }

    pub(super) fn go(&mut self, wire: &mut Wire, leg: LegId, to: &str) {
        let way = self.way(to);
        let Some(moved) = self.moves.get_mut(&leg) else { return };
        to.clone_into(&mut moved.to);
        let command = match way {
            Some(target) if !wire.chance(100) => {
                Command::Transfer { leg, target, identity: identity(&moved.goes), timeout_ms: 8_000 }
            }
            _ => Command::RejectTransfer { leg, status: 403 },
        };
        wire.core.command(wire.now, command);
    }

    pub(super) fn transferred(&mut self, wire: &mut Wire, leg: LegId, peer: LegId, numbers: [&str; 2]) {
        self.tally.transfers += 1;
        let moved = self.moves.remove(&leg);
        let caller = moved.as_ref().map(|moved| moved.goes.clone()).or_else(|| self.party(leg));
        let callee = moved.map(|moved| moved.to).or_else(|| self.party(peer));
        let caller = caller.unwrap_or_else(|| numbers[0].to_owned());
        let callee = callee.unwrap_or_else(|| numbers[1].to_owned());
        for leg in [leg, peer] {
            let begun = self.by_peer.get(&leg).copied().unwrap_or(leg);
            self.over(begun);
        }
        self.enter(leg, Kind::Transferred, &caller, &callee, None);
        if let Some(call) = self.calls.get_mut(&leg) {
            (call.bridged, call.peer) = (true, Some(peer));
        }
        self.by_peer.insert(peer, leg);
        self.tell(wire, &engine::Event::CallAnswered { caller: line(&caller), callee: line(&callee) });
    }

    pub(super) fn transfer_failed(&mut self, wire: &mut Wire, leg: LegId, alone: bool, cause: Cause) {
        let moved = self.moves.remove(&leg);
        if let Some(moved) = &moved
            && let (Cause::Status(486) | Cause::Refused(486), false) = (cause, moved.goes.starts_with('9'))
        {
            let (caller, callee) = (line(&moved.goes), line(&moved.to));
            self.tell(wire, &engine::Event::CallFailed { caller, callee, cause: FailCause::Busy });
        }
        if !alone {
            return;
        }
        match moved.filter(|moved| !moved.back) {
            Some(moved) => {
                let by = moved.by.clone();
                self.moves.insert(leg, Move { to: by.clone(), back: true, ..moved });
                self.go(wire, leg, &by);
            }
            None => wire.core.command(wire.now, Command::RejectTransfer { leg, status: 480 }),
        }
    }
}
