//! One dialog: the state that both ends share (RFC 3261 12).

use std::sync::Arc;

use bytes::Bytes;
use sipx_sip::headers::{Contact, RecordRoute, Route};
use sipx_sip::message::Headers;
use sipx_sip::{CSeq, HeaderName, Method, Request, RequestBuilder, Response, Uri};

use super::io::{Flow, Io};
use super::message::{Body, address_of, contact, from_tag, to_tag, via};
use crate::api::Transport;

#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) call_id: Bytes,
    /// From of our requests, tag included.
    local: Bytes,
    pub(super) local_tag: Bytes,
    /// To of our requests, tag included.
    remote: Bytes,
    pub(super) remote_tag: Bytes,
    /// Where requests are addressed: the far side's Contact.
    target: Uri,
    routes: Vec<Bytes>,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: u32,
    /// Where its requests go.
    pub(super) flow: Flow,
    pub(super) trunk: Option<Arc<str>>,
}

impl Dialog {
    /// The dialog that an INVITE of the far side begins. Datagrams go back to where it came from, unless
    /// it came through a proxy or trunk that named another address.
    pub(super) fn called(invite: &Request, local_tag: &str, from: Flow, trunk: Option<Arc<str>>) -> Option<Self> {
        let mut local = invite.headers.value(&HeaderName::To)?.into_owned();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(local_tag.as_bytes());
        let mut dialog = Self {
            call_id: value(&invite.headers, &HeaderName::CallId)?,
            local: Bytes::from(local),
            local_tag: Bytes::copy_from_slice(local_tag.as_bytes()),
            remote: value(&invite.headers, &HeaderName::From)?,
            remote_tag: from_tag(&invite.headers).unwrap_or_default(),
            target: contact_of(&invite.headers)?,
            routes: record_routes(&invite.headers),
            local_cseq: 0,
            remote_cseq: cseq(&invite.headers)?,
            flow: from,
            trunk,
        };
        dialog.aim();
        Some(dialog)
    }

    /// The dialog that a response to our INVITE begins (or, for a re-INVITE, confirms).
    pub(super) fn calling(invite: &Request, response: &Response, flow: Flow, trunk: Option<Arc<str>>) -> Option<Self> {
        let inside = to_tag(&invite.headers).is_some();
        let routes = if inside {
            invite.headers.get_all(&HeaderName::Route).map(|h| owned(&h.value())).collect()
        } else {
            let mut routes = record_routes(&response.headers);
            routes.reverse();
            routes
        };
        let mut dialog = Self {
            call_id: value(&invite.headers, &HeaderName::CallId)?,
            local: value(&invite.headers, &HeaderName::From)?,
            local_tag: from_tag(&invite.headers)?,
            remote: value(&response.headers, &HeaderName::To)?,
            remote_tag: to_tag(&response.headers).unwrap_or_default(),
            target: contact_of(&response.headers).unwrap_or_else(|| invite.uri.clone()),
            routes,
            local_cseq: cseq(&invite.headers)?,
            remote_cseq: 0,
            flow,
            trunk,
        };
        if !inside {
            dialog.aim();
        }
        Some(dialog)
    }

    /// Phones are reached over the flow they used, for they may sit behind a NAT; behind a trunk the next
    /// hop is the one the route set or the Contact names, if it is an address (no names are resolved).
    fn aim(&mut self) {
        if self.trunk.is_none() || self.flow.transport == Transport::Tcp {
            return;
        }
        let next = match self.routes.first() {
            Some(route) => <Route as sipx_sip::TypedHeader>::decode(route).ok().map(|r| r.uri.clone()),
            None => Some(self.target.clone()),
        };
        if let Some(address) = next.as_ref().and_then(address_of) {
            self.flow.remote = address;
        }
    }

    /// Whether the far side's Contact is this one.
    pub(super) fn is_at(&self, contact: &Uri) -> bool {
        self.target.equivalent(contact)
    }

    /// In place of a connection that is gone, the next request goes over a new one, where there may be one.
    fn revive(&mut self, io: &mut Io) {
        if io.connected(self.flow) {
            return;
        }
        let named = address_of(&self.target);
        if let Some(live) = io.live_or_at(self.flow, named) {
            self.flow = live;
        }
    }

    /// A re-INVITE or UPDATE, or the 2xx to ours, may move the far side's Contact (RFC 3261 12.2).
    pub(super) fn retarget(&mut self, headers: &Headers) {
        if let Some(target) = contact_of(headers) {
            self.target = target;
            self.aim();
        }
    }

    fn build(&self, io: &mut Io, method: &Method, sequence: u32) -> Option<RequestBuilder> {
        let via = via(io, self.flow);
        let mut builder = RequestBuilder::new(method.clone(), self.target.clone()).header(HeaderName::Via, via).ok()?;
        for route in &self.routes {
            builder = builder.header(HeaderName::Route, route.clone()).ok()?;
        }
        builder
            .max_forwards(70)
            .header(HeaderName::From, self.local.clone())
            .ok()?
            .header(HeaderName::To, self.remote.clone())
            .ok()?
            .header(HeaderName::CallId, self.call_id.clone())
            .ok()?
            .cseq(sequence, method)
            .ok()
    }

    /// A request within the dialog, with the next number, for [`Self::flow`] as it is afterwards.
    pub(super) fn request(
        &mut self,
        io: &mut Io,
        method: &Method,
        body: Option<&Body>,
        extra: &[(HeaderName, Bytes)],
    ) -> Option<Request> {
        self.revive(io);
        self.local_cseq = self.local_cseq.saturating_add(1);
        let mut builder = self.build(io, method, self.local_cseq)?;
        if matches!(method, Method::Invite | Method::Update | Method::Notify) {
            builder = builder.header(HeaderName::Contact, contact(io, self.flow)).ok()?;
        }
        for (name, value) in extra {
            builder = builder.header(name.clone(), value.clone()).ok()?;
        }
        if let Some(body) = body {
            builder = builder.header(HeaderName::ContentType, body.kind.clone()).ok()?.body(body.bytes.clone());
        }
        Some(builder.build())
    }

    /// The ACK for a 2xx to the INVITE with this number; a branch of its own (RFC 3261 13.2.2.4).
    pub(super) fn ack(&self, io: &mut Io, invite: &Request, body: Option<&Body>) -> Option<Request> {
        let sequence = cseq(&invite.headers)?;
        let mut builder = self.build(io, &Method::Ack, sequence)?;
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            for header in invite.headers.get_all(&name) {
                builder = builder.header(name.clone(), owned(&header.value())).ok()?;
            }
        }
        if let Some(body) = body {
            builder = builder.header(HeaderName::ContentType, body.kind.clone()).ok()?.body(body.bytes.clone());
        }
        Some(builder.build())
    }

    /// Our Contact as the far side of this dialog is told it.
    pub(super) fn contact(&self, io: &Io) -> String {
        contact(io, self.flow)
    }

    /// A phone behind a NAT may come from a new port after a pause.
    pub(super) fn moved_to(&mut self, from: Flow) {
        if self.trunk.is_none() {
            self.flow = from;
        }
    }

    /// Whether a request with this Call-ID and From tag is of this dialog.
    pub(super) fn is_from(&self, headers: &Headers) -> bool {
        headers.value(&HeaderName::CallId).is_some_and(|id| *id == *self.call_id)
            && from_tag(headers).unwrap_or_default() == self.remote_tag
    }
}

fn owned(value: &[u8]) -> Bytes {
    Bytes::copy_from_slice(value)
}

fn value(headers: &Headers, name: &HeaderName) -> Option<Bytes> {
    headers.value(name).map(|value| owned(&value))
}

pub(super) fn cseq(headers: &Headers) -> Option<u32> {
    Some(headers.typed::<CSeq>()?.ok()?.sequence)
}

/// The URI of the first Contact, if it is one we can address.
pub(super) fn contact_of(headers: &Headers) -> Option<Uri> {
    let contact = headers.typed::<Contact>()?.ok()?;
    contact.uri.scheme().is_sip().then(|| contact.uri.clone())
}

/// The Record-Route values in wire order, one a value however the lines were folded.
fn record_routes(headers: &Headers) -> Vec<Bytes> {
    let mut routes = Vec::new();
    for header in headers.get_all(&HeaderName::RecordRoute) {
        if <RecordRoute as sipx_sip::TypedHeader>::decode_list(&header.value()).is_ok() {
            routes.extend(split(&header.value()));
        }
    }
    routes
}

/// The values of a comma-separated list of addresses, as they were written.
fn split(value: &[u8]) -> Vec<Bytes> {
    let (mut quoted, mut angle, mut start) = (false, false, 0);
    let mut parts = Vec::new();
    for (i, &byte) in value.iter().enumerate() {
        match byte {
            b'"' if !angle => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b',' if !quoted && !angle => {
                parts.push(owned(value[start..i].trim_ascii()));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(owned(value[start..].trim_ascii()));
    parts.retain(|part| !part.is_empty());
    parts
}
