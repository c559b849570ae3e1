//! REGISTER of phones, and what becomes of the calls of a phone that is registered no longer.

use std::sync::Arc;

use sipx_sip::{HeaderName, Request, ResponseBuilder, Uri};

use super::dialog::Dialog;
use super::end::{Farewell, reason_of};
use super::io::Flow;
use super::leg::Stage;
use super::transactions::ServerId;
use super::{Core, message};
use crate::api::{Cause, Event, LegId};
use crate::media::Media;
use crate::registrar::Contact;

/// Whose calls end.
enum Gone<'a> {
    /// The phone with this binding.
    Contact(&'a Contact),
    /// The phone that is reached so.
    Flow(Flow),
}

impl<M: Media> Core<M> {
    /// REGISTER (RFC 3261 10.3).
    pub(super) fn register(&mut self, server: ServerId, request: &Request, from: Flow) {
        let Some(number) = self.authenticated(server, request, false) else { return };
        self.expire_registrations();
        let tag = self.io.token();
        let displaced = self.registrar.displaced();
        let result = self.registrar.register(self.io.now, request, &number, from);
        if self.registrar.displaced() != displaced {
            self.io.count("register.displaced");
        }
        let mut calls = None;
        let response = match result {
            Ok(registered) => {
                if registered.changed {
                    self.io.emit(Event::Registration { number: number.clone(), contacts: registered.count });
                }
                calls = Some((registered.moved, registered.gone, registered.cleared, registered.restarted));
                message::response(request, 200, &tag).and_then(|mut builder| {
                    for contact in registered.contacts {
                        builder = builder.header(HeaderName::Contact, contact).ok()?;
                    }
                    for path in registered.path {
                        builder = builder.header(HeaderName::Path, path).ok()?;
                    }
                    Some(builder)
                })
            }
            Err(rejected) => {
                self.io.count("register.rejected");
                message::response(request, rejected.status, &tag).and_then(|mut builder| {
                    for (name, value) in rejected.headers {
                        builder = builder.header(name, value).ok()?;
                    }
                    Some(builder)
                })
            }
        };
        self.transactions.respond(&mut self.io, server, response.map(ResponseBuilder::build));
        let Some((moved, gone, cleared, restarted)) = calls else { return };
        self.qualify_later(&number);
        if cleared {
            // What a phone says that was started anew; calls of the subscriber's other phones go on. Behind one NAT they
            // have one address, and one that was started anew another port.
            self.hang_up_at(&number, &Gone::Flow(from));
            self.ask_at_once(&number, |dialog| dialog.flow.remote.ip() == from.remote.ip());
            return;
        }
        for contact in &gone {
            self.hang_up_at(&number, &Gone::Contact(contact));
        }
        let lost = self.follow(&number, &moved, from);
        if (restarted || lost) && self.io.config.probe_ms > 0 {
            self.ask_at_once(&number, |dialog| dialog.flow == from);
        }
    }

    /// Whether other bindings of the subscriber share this one's flow: phones behind one proxy are told apart by their
    /// Contacts.
    fn shares_flow(&self, number: &str, gone: &Contact) -> bool {
        self.registrar.contacts(number).iter().any(|contact| contact.flow == gone.flow)
    }

    /// A phone un-registered: its calls end, and those that ring there are given up.
    fn hang_up_at(&mut self, number: &Arc<str>, gone: &Gone<'_>) {
        let shared = matches!(gone, Gone::Contact(gone) if self.shares_flow(number, gone));
        let there = |flow: Flow, is_at: &dyn Fn(&Uri) -> bool| match gone {
            Gone::Contact(gone) => flow == gone.flow && (!shared || is_at(&gone.uri)),
            Gone::Flow(gone) => flow == *gone,
        };
        for id in self.lines.get(number).cloned().unwrap_or_default() {
            let Some(leg) = self.legs.get(&id).filter(|leg| leg.stage != Stage::Closing) else { continue };
            if let Some(dialog) = &leg.dialog {
                if there(dialog.flow, &|uri| dialog.is_at(uri)) {
                    self.io.count("leg.unregistered");
                    self.hang_up(id, Cause::Remote, Farewell::Bye(reason_of(Some(480))));
                }
                continue;
            }
            let rings = |client| {
                let invite = self.transactions.client_request(client);
                let target = self.transactions.client_target(client);
                target.zip(invite).is_some_and(|((flow, _), invite)| there(flow, &|uri| invite.uri.equivalent(uri)))
            };
            let ringing = leg.branches.iter().filter(|branch| branch.failed.is_none());
            let given_up: Vec<_> = ringing.map(|branch| branch.client).filter(|client| rings(*client)).collect();
            for client in given_up {
                self.io.count("leg.unregistered");
                self.transactions.abandon(&mut self.io, client, None);
                self.invite_failed(id, client, Cause::Refused(480), 480);
            }
        }
    }

    /// A phone that may be gone is asked whether it is still in its calls.
    pub(super) fn ask_for_calls(&mut self, number: &Arc<str>, at: &Contact) {
        let others = self.registrar.contacts(number).iter();
        let shared = others.filter(|other| !other.uri.equivalent(&at.uri)).any(|other| other.flow == at.flow);
        self.ask_at_once(number, |dialog| dialog.flow == at.flow && (!shared || dialog.is_at(&at.uri)));
    }

    /// Phones of a subscriber that may be gone are asked whether they are still in their calls.
    fn ask_at_once(&mut self, number: &Arc<str>, is_there: impl Fn(&Dialog) -> bool) {
        let asked = |id: &LegId| {
            let leg = self.legs.get(id).filter(|leg| leg.stage == Stage::Up);
            leg.and_then(|leg| leg.dialog.as_ref()).is_some_and(&is_there)
        };
        let legs: Vec<LegId> = self.lines.get(number).into_iter().flatten().copied().filter(asked).collect();
        for id in legs {
            if let Some(waiting) = self.legs.get_mut(&id).and_then(|leg| leg.probe.take()) {
                self.io.wheel.cancel(waiting);
            }
            self.probe(id);
        }
    }

    /// Calls of a phone whose registration came over another flow than before go on over the new one. A phone whose
    /// connection broke has no registration to compare with: it is known by its Contact, or by being the only one.
    /// True when there was such a call.
    fn follow(&mut self, number: &Arc<str>, moved: &[(Flow, Flow)], to: Flow) -> bool {
        if self.line(number) == 0 {
            return false;
        }
        let mut found = false;
        let (io, contacts) = (&self.io, self.registrar.contacts(number));
        let here = contacts.iter().filter(|contact| contact.flow == to);
        let uris: Vec<_> = here.map(|contact| &contact.uri).collect();
        let alone = contacts.len() == 1;
        for id in self.lines.get(number).into_iter().flatten() {
            let Some(dialog) = self.legs.get_mut(id).and_then(|leg| leg.dialog.as_mut()) else { continue };
            let lost = !io.connected(dialog.flow) && !uris.is_empty();
            let back = alone && dialog.flow.remote.ip() == to.remote.ip();
            if moved.iter().any(|(from, _)| *from == dialog.flow)
                || (lost && (back || uris.iter().any(|uri| dialog.is_at(uri))))
            {
                dialog.flow = to;
                found |= lost;
            }
        }
        found
    }

    pub(super) fn expire_registrations(&mut self) {
        for (number, gone) in self.registrar.expire(self.io.now) {
            self.tell_contacts(&number);
            for gone in &gone {
                self.io.count("register.expired");
                // A REGISTER may be late or lost while its phone talks on; a call that rings has its own time.
                self.ask_for_calls(&number, gone);
            }
        }
    }

    pub(super) fn tell_contacts(&mut self, number: &Arc<str>) {
        let contacts = u16::try_from(self.registrar.reachable(number).count()).unwrap_or(u16::MAX);
        self.io.emit(Event::Registration { number: number.clone(), contacts });
    }
}
