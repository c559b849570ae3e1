//! Responses to requests of ours, and requests that nobody answers: who waits for them.

use std::borrow::Cow;

use sipx_sip::{Response, validate_response};

use super::Core;
use super::transactions::{Answer, ClientId, Purpose, Silence};
use crate::api::Cause;
use crate::media::Media;

impl<M: Media> Core<M> {
    pub(super) fn response(&mut self, response: Response) {
        if validate_response(&response).iter().any(|finding| !finding.is_repairable()) {
            self.io.count("response.malformed");
            return;
        }
        let Some(answer) = self.transactions.answered(&mut self.io, response) else { return };
        self.answered(&answer);
        self.transactions.settle(answer.client);
    }

    fn answered(&mut self, answer: &Answer) {
        let status = answer.response.status.code();
        if matches!(status, 401 | 407) && self.authorize(answer) {
            return;
        }
        if status == 422 && self.lengthened(answer) {
            return;
        }
        if status == 421 && self.extended(answer) {
            return;
        }
        match answer.purpose {
            Purpose::Invite(leg) => self.invite_answered(leg, answer.client, &answer.response),
            Purpose::Reinvite(leg) => self.reinvite_answered(leg, answer.client, &answer.response),
            Purpose::Relay(leg, server) => self.relay_answered(leg, server, answer.client, &answer.response),
            Purpose::Bye(leg) if status >= 200 => self.forget(leg),
            Purpose::Probe(leg) => self.probed(leg, status),
            Purpose::Refresh(leg) => self.refresh_answered(leg, status, Some(&answer.response.headers)),
            Purpose::Page(page) => self.page_answered(page, status),
            Purpose::Lamp(lamp) => self.lamp_answered(lamp, status),
            Purpose::Qualify(name) if status >= 200 => self.qualified(name, true),
            Purpose::Told(leg) if status >= 200 => self.told(leg, status < 300),
            Purpose::Register(id) => {
                let request = self.transactions.client_request(answer.client).map(Cow::into_owned);
                self.registration_answered(id, request.as_ref(), &answer.response);
            }
            Purpose::Orphan => self.orphan_answered(answer.client, &answer.response),
            Purpose::Bye(_) | Purpose::Told(_) | Purpose::Qualify(_) | Purpose::Prack(_) | Purpose::Nothing => {}
        }
    }

    pub(super) fn silent(&mut self, silence: Silence) {
        match silence {
            Silence::NoAnswer(client, purpose) => self.no_answer(client, purpose),
            Silence::NoAck(server, leg) => self.no_ack(server, leg),
        }
    }

    fn no_answer(&mut self, client: ClientId, purpose: Purpose) {
        self.io.count("request.unanswered");
        match purpose {
            Purpose::Invite(leg) => self.invite_failed(leg, client, Cause::Timeout, 408),
            Purpose::Reinvite(leg) => self.reinvite_failed(leg, client, 408),
            Purpose::Relay(leg, server) => self.relay_failed(leg, server, 408),
            Purpose::Bye(leg) => self.forget(leg),
            Purpose::Probe(leg) => self.probed(leg, 408),
            Purpose::Refresh(leg) => self.refresh_answered(leg, 408, None),
            Purpose::Told(leg) => self.told(leg, false),
            Purpose::Page(page) => self.page_answered(page, 408),
            Purpose::Lamp(lamp) => self.lamp_answered(lamp, 408),
            Purpose::Qualify(name) => self.qualified(name, false),
            Purpose::Register(id) => self.registration_failed(id, 408, None),
            // A phone that does not hear it repeats its response, and gives the call up itself (RFC 3262 3).
            Purpose::Prack(_) | Purpose::Orphan | Purpose::Nothing => {}
        }
    }
}
