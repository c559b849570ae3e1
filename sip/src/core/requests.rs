//! Requests as they arrive: what is wrong with them, and who deals with them.

use sipx_sip::{HeaderName, Method, Request, ResponseBuilder, Scheme, validate_request};

use super::inside::Extra;
use super::io::Flow;
use super::transactions::{Arrival, ServerId};
use super::{Core, mended, message};
use crate::media::Media;

impl<M: Media> Core<M> {
    pub(super) fn request(&mut self, mut request: Request, from: Flow) {
        let findings = validate_request(&request);
        if let Some(finding) = findings.iter().find(|finding| !finding.is_repairable()) {
            self.io.count("request.malformed");
            self.refuse_unseen(&request, finding.status(), from);
            return;
        }
        if !matches!(request.uri.scheme(), Scheme::Sip) {
            self.io.count("request.scheme");
            self.refuse_unseen(&request, 416, from);
            return;
        }
        mended::stamp_via(&mut request, from.remote);
        match self.transactions.arrived(&mut self.io, request, from) {
            Arrival::New(server, request) => self.new_request(server, &request, from),
            Arrival::Ack(ack) => self.ack(&ack),
            Arrival::Absorbed => {}
        }
    }

    /// Answers without a transaction what is too broken to have one (RFC 3261 8.2.7).
    pub(super) fn refuse_unseen(&mut self, request: &Request, status: u16, from: Flow) {
        if request.method == Method::Ack {
            return;
        }
        let tag = message::stateless_tag(&request.headers);
        let mut request = request.clone();
        mended::stamp_via(&mut request, from.remote);
        if let Some(response) = message::plain(&request, status, &tag) {
            self.io.send(from, message::bytes_of_response(&response));
        }
    }

    pub(super) fn new_request(&mut self, server: ServerId, request: &Request, from: Flow) {
        if request.method == Method::Cancel {
            self.cancel(server, request);
            return;
        }
        if let Some(builder) = unsupported(request) {
            self.io.count("request.extension");
            self.transactions.dismiss(&mut self.io, server, Some(&builder.build()));
            return;
        }
        if message::to_tag(&request.headers).is_some() {
            if request.method == Method::Subscribe && self.resubscribed(server, request, from) {
                return;
            }
            self.inside(server, request, from);
            return;
        }
        match &request.method {
            Method::Invite => self.incoming(server, request, from),
            Method::Register => self.register(server, request, from),
            Method::Options => self.options(server, request),
            Method::Message => self.paged(server, request, from),
            Method::Subscribe => self.subscribed(server, request, from),
            Method::Refer => {
                // Nobody is called on the word of one who is in no call.
                self.io.count("refer.out_of_place");
                self.refuse(server, request, 403);
            }
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                self.io.count("request.no_dialog");
                self.refuse(server, request, 481);
            }
            Method::Other(_) => {
                self.io.count("request.unknown_method");
                self.refuse(server, request, 501);
            }
            _ => {
                self.io.count("request.method");
                self.refuse(server, request, 405);
            }
        }
    }

    /// Answers a request that has no leg, and keeps nothing of it.
    pub(super) fn refuse(&mut self, server: ServerId, request: &Request, status: u16) {
        self.refuse_with(server, request, status, &[]);
    }

    /// The same with more headers.
    pub(super) fn refuse_with(&mut self, server: ServerId, request: &Request, status: u16, extra: &[Extra]) {
        let tag = message::stateless_tag(&request.headers);
        let response = message::response(request, status, &tag).and_then(|mut builder| {
            if matches!(status, 405 | 501) {
                builder = builder.header(HeaderName::Allow, message::ALLOW).ok()?;
            }
            for (name, value) in extra {
                builder = builder.header(name.clone(), value.clone()).ok()?;
            }
            Some(builder)
        });
        self.transactions.dismiss(&mut self.io, server, response.map(ResponseBuilder::build).as_ref());
    }

    /// 200 to OPTIONS, in a dialog or out (RFC 3261 11.2).
    pub(super) fn options(&mut self, server: ServerId, request: &Request) {
        let tag = message::stateless_tag(&request.headers);
        let response = message::response(request, 200, &tag).and_then(|builder| {
            builder
                .header(HeaderName::Allow, message::ALLOW)
                .ok()?
                .header(HeaderName::Accept, "application/sdp")
                .ok()?
                .header(HeaderName::AllowEvents, "dialog")
                .ok()?
                .header(HeaderName::Supported, message::SUPPORTED)
                .ok()?
                .header(HeaderName::Server, self.io.config.product.clone())
                .ok()
        });
        self.transactions.dismiss(&mut self.io, server, response.map(ResponseBuilder::build).as_ref());
    }
}

/// 420 for a request that needs an extension we don't have (RFC 3261 8.2.2.3).
fn unsupported(request: &Request) -> Option<ResponseBuilder> {
    let mut wanted = Vec::new();
    for header in request.headers.get_all(&HeaderName::Require) {
        for tag in header.value().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if tag.is_empty() || message::has_extension(tag) {
                continue;
            }
            if !wanted.is_empty() {
                wanted.extend_from_slice(b", ");
            }
            wanted.extend_from_slice(tag);
        }
    }
    if wanted.is_empty() {
        return None;
    }
    let tag = message::stateless_tag(&request.headers);
    message::response(request, 420, &tag)?.header(HeaderName::Unsupported, wanted).ok()
}
