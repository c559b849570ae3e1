//! The application's commands.

use std::sync::Arc;

use super::Core;
use super::end::{Farewell, reason_of};
use super::leg::{Role, Stage};
use super::line::offer;
use crate::api::{Cause, Command, Event, LegId};
use crate::media::Media;

impl<M: Media> Core<M> {
    /// Does what the application says. `now` is Unix time (ms).
    pub fn command(&mut self, now: u64, command: Command) {
        self.advance(now);
        match command {
            Command::SetSubscriber(subscriber) => {
                *self.offers.entry(offer(&subscriber)).or_insert(0) += 1;
                if let Some(before) = self.subscribers.insert(subscriber.number.clone(), subscriber) {
                    self.offer_gone(&before);
                }
            }
            Command::RemoveSubscriber(number) => self.remove_subscriber(&number),
            Command::Restore { number, bindings } => self.restore_bindings(&number, &bindings),
            Command::SetTrunk(trunk) => {
                self.trunk_set(&trunk);
                match self.trunks.iter_mut().find(|known| known.name == trunk.name) {
                    Some(known) => *known = trunk,
                    None => self.trunks.push(trunk),
                }
            }
            Command::RemoveTrunk(name) => {
                self.trunk_gone(&name);
                self.trunks.retain(|trunk| trunk.name != name);
            }
            Command::LoadPrompt { name, samples } => self.media.load(name, samples),
            Command::Reject { leg, status } => self.reject(leg, status),
            Command::Dial { leg, target, identity, timeout_ms } => {
                self.dial(leg, &target, identity, timeout_ms);
            }
            Command::Answer { leg } => self.answer(leg),
            Command::Ring { leg, target, identity, timeout_ms } => {
                self.ring(leg, &target, identity, timeout_ms);
            }
            Command::Play { leg, token, prompts } => self.play(leg, token, &prompts),
            Command::StopPlay { leg } => self.stop_play(leg),
            Command::Connect { leg, target, identity, timeout_ms } => {
                self.connect(leg, &target, identity, timeout_ms);
            }
            Command::StopConnect { leg } => self.stop_connect(leg),
            Command::Transfer { leg, target, identity, timeout_ms } => {
                self.transfer(leg, &target, identity, timeout_ms);
            }
            Command::RejectTransfer { leg, status } => {
                let status = if (300..700).contains(&status) { status } else { 500 };
                self.reject_transfer(leg, status);
            }
            Command::Release { leg, cause } => self.release(leg, cause),
        }
    }

    /// Ends every leg, in order of their ids, and takes our registrations back: the switch is about to stop. `now` is Unix time (ms).
    pub fn release_all(&mut self, now: u64) {
        self.advance(now);
        self.unregister_all();
        self.advance(now);
        self.lamps_out();
        let mut legs: Vec<LegId> = self.legs.keys().copied().collect();
        legs.sort_unstable();
        for leg in legs {
            // One leg's end takes others with it.
            if self.legs.get(&leg).is_some_and(|leg| leg.stage != Stage::Closing) {
                self.command(now, Command::Release { leg, cause: None });
            }
        }
    }

    fn reject(&mut self, id: LegId, status: u16) {
        if self.legs.get(&id).is_none_or(|leg| leg.stage != Stage::Routing) {
            self.io.count("command.out_of_place");
            return;
        }
        let status = if (300..700).contains(&status) { status } else { 500 };
        self.hang_up(id, Cause::Refused(status), Farewell::Final(status));
    }

    fn release(&mut self, id: LegId, cause: Option<u16>) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.stage != Stage::Closing) else {
            self.io.count("command.out_of_place");
            return;
        };
        let refusal = cause.filter(|cause| leg.invite.is_some() && (300..700).contains(cause));
        let farewell = match refusal {
            Some(status) => Farewell::Final(status),
            None => Farewell::Bye(reason_of(cause)),
        };
        self.hang_up(id, Cause::Local, farewell);
    }

    fn remove_subscriber(&mut self, number: &Arc<str>) {
        if let Some(before) = self.subscribers.remove(number) {
            self.offer_gone(&before);
        }
        self.lamps_of_removed(number);
        if self.registrar.remove(number) {
            self.io.emit(Event::Registration { number: number.clone(), contacts: 0 });
            self.tell_bindings(number);
        }
        let mut legs: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| leg.line.as_ref() == Some(number)).map(|(id, _)| *id).collect();
        legs.sort_unstable();
        for id in legs {
            let Some(leg) = self.legs.get(&id) else { continue };
            match (leg.stage, leg.role) {
                (Stage::Calling, Role::Dialled(_) | Role::Connected(_) | Role::Transferred(_)) => {
                    self.callee_failed(id, Cause::Refused(480));
                }
                _ => self.hang_up(id, Cause::Local, Farewell::Bye(None)),
            }
        }
    }
}
