//! MESSAGE outside of a call (RFC 3428): passed on to all phones of the subscriber it is for.

use std::collections::HashMap;

use sipx_sip::{HeaderName, Method, Request, RequestBuilder};

use super::Core;
use super::io::Flow;
use super::leg::Destination;
use super::message::{self, Body};
use super::transactions::{Purpose, ServerId};
use crate::api::Identity;
use crate::media::Media;

/// A message that its phones have not answered yet.
#[derive(Debug)]
pub(super) struct Page {
    server: ServerId,
    waiting: usize,
    /// The lowest final status so far.
    best: u16,
}

/// Messages under way, and the name of the next.
#[derive(Debug, Default)]
pub(super) struct Pages {
    under_way: HashMap<u64, Page>,
    next: u64,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }
}

impl<M: Media> Core<M> {
    /// MESSAGE outside of a dialog.
    pub(super) fn paged(&mut self, server: ServerId, request: &Request, from: Flow) {
        let trunk = self.trunk_at(request, from).map(|trunk| trunk.trusted);
        let sender = if let Some(trusted) = trunk {
            let (number, display) = message::caller_of(request, trusted);
            Identity { number, display }
        } else {
            let Some(number) = self.authenticated(server, request, true) else { return };
            Identity { number, display: message::from_display(request) }
        };
        let Some(hops) = message::hops_left(request) else {
            self.io.count("request.hops");
            self.refuse(server, request, 483);
            return;
        };
        let number = message::number_of(&request.uri).filter(|number| self.subscribers.contains_key(number));
        let Some(number) = number else {
            self.refuse(server, request, 404);
            return;
        };
        let destinations = self.destinations(&number);
        let body = Body::of(&request.headers, request.body());
        let name = self.pages.next;
        self.pages.next += 1;
        let mut waiting = 0;
        for destination in &destinations {
            let sent = self.page(&sender, &number, destination, body.as_ref(), hops).and_then(|page| {
                self.transactions.request(&mut self.io, page, destination.flow, Purpose::Page(name), None)
            });
            waiting += usize::from(sent.is_some());
        }
        if waiting == 0 {
            self.refuse(server, request, 480);
            return;
        }
        self.pages.under_way.insert(name, Page { server, waiting, best: 699 });
    }

    fn page(
        &mut self,
        sender: &Identity,
        number: &str,
        to: &Destination,
        body: Option<&Body>,
        hops: u8,
    ) -> Option<Request> {
        let domain = self.io.domain.clone();
        let from = message::name_addr(sender, &domain);
        let (tag, id) = (self.io.token(), self.io.token());
        let via = message::via(&mut self.io, to.flow);
        let mut builder = RequestBuilder::new(Method::Message, to.uri.clone()).header(HeaderName::Via, via).ok()?;
        for path in &to.routes {
            builder = builder.header(HeaderName::Route, path.clone()).ok()?;
        }
        builder = builder
            .max_forwards(hops)
            .header(HeaderName::From, format!("{from};tag={tag}"))
            .ok()?
            .header(HeaderName::To, format!("<sip:{}@{domain}>", message::escape_user(number)))
            .ok()?
            .header(HeaderName::CallId, id)
            .ok()?
            .cseq(1, &Method::Message)
            .ok()?
            .header(HeaderName::PAssertedIdentity, from)
            .ok()?;
        if let Some(body) = body {
            builder = builder.header(HeaderName::ContentType, body.kind.clone()).ok()?.body(body.bytes.clone());
        }
        Some(builder.build())
    }

    /// A phone answered a message, or nobody did (408): the first that takes it speaks for all.
    pub(super) fn page_answered(&mut self, name: u64, status: u16) {
        if status < 200 {
            return;
        }
        let Some(page) = self.pages.under_way.get_mut(&name) else { return };
        page.waiting -= 1;
        page.best = page.best.min(status);
        if status >= 300 && page.waiting > 0 {
            return;
        }
        let (server, status) = (page.server, super::reinvite::passed_on(page.best));
        self.pages.under_way.remove(&name);
        let Some(request) = self.transactions.server_request(server) else { return };
        let tag = message::stateless_tag(&request.headers);
        let response = message::plain(request, status, &tag);
        self.transactions.respond(&mut self.io, server, response);
    }
}
