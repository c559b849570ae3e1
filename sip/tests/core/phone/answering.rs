//! A phone that is called.

use bytes::Bytes;
use sipx_sip::headers::{Contact, To};
use sipx_sip::{HeaderName, Message, Method, Request, ResponseBuilder, StatusCode, TransactionKey};

use super::{Act, Call, Phone, State};

fn headed(mut builder: ResponseBuilder, more: &[(&'static str, &'static str)]) -> ResponseBuilder {
    for (name, value) in more {
        let name = HeaderName::parse(&Bytes::from_static(name.as_bytes()));
        builder = builder.header(name, *value).unwrap();
    }
    builder
}

impl Phone {
    pub(super) fn respond(
        &mut self,
        key: &TransactionKey,
        status: u16,
        tag: Option<&str>,
        sdp: Option<Bytes>,
    ) -> Option<Bytes> {
        let request = self.layer.server_request(key)?.clone();
        let code = StatusCode::new(status).unwrap();
        let mut builder = ResponseBuilder::to_request(&request, code, "Test").unwrap();
        let has_tag = request.headers.typed::<To>()?.ok()?.tag().is_some();
        if let Some(tag) = tag.filter(|_| !has_tag) {
            let to = request.headers.value(&HeaderName::To)?.into_owned();
            let to = format!("{};tag={tag}", String::from_utf8(to).unwrap());
            builder = builder.set_header(&HeaderName::To, to).unwrap();
        }
        builder = builder.header(HeaderName::Contact, self.says_contact()).unwrap();
        if let Some(route) = self.plan.record_route {
            builder = builder.header(HeaderName::RecordRoute, route).unwrap();
        }
        if (200..300).contains(&status) && matches!(request.method, Method::Invite | Method::Update) {
            builder = headed(builder, self.plan.grants);
        }
        if (101..200).contains(&status) {
            builder = headed(builder, self.plan.early);
        }
        if let Some((_, name, value)) = self.plan.refuse_inside.filter(|(refused, ..)| *refused == status) {
            builder = headed(builder, &[(name, value)]);
        }
        if status == 407 {
            let challenge = "Digest realm=\"far\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"";
            builder = builder.header(HeaderName::ProxyAuthenticate, challenge).unwrap();
        }
        if let Some(sdp) = sdp {
            builder = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(sdp);
        }
        let response = builder.build();
        let bytes = Message::Response(response.clone()).to_bytes();
        let outputs = self.layer.send_response(key, response);
        self.perform(key, outputs);
        Some(bytes)
    }

    pub(super) fn request(&mut self, key: TransactionKey, request: &Request) {
        let tag = self.token();
        let message = Message::Request(request.clone());
        let index = self.find(&message);
        let challenged = index.is_some() && self.plan.challenge_inside;
        if challenged
            && matches!(request.method, Method::Bye | Method::Invite | Method::Prack | Method::Update)
            && request.headers.get(&HeaderName::ProxyAuthorization).is_none()
        {
            self.respond(&key, 407, None, None);
            return;
        }
        let first = request.headers.typed::<To>().unwrap().unwrap().tag().is_none();
        let index = index.filter(|_| request.method != Method::Invite || !first);
        match (&request.method, index) {
            (Method::Invite, None) => self.called(key, request, &tag),
            (Method::Invite, Some(index)) => self.reinvited(&key, index, request),
            (Method::Cancel, Some(index)) => {
                self.respond(&key, 200, Some(&tag), None);
                if matches!(self.calls[index].state, State::Trying | State::Ringing) {
                    self.refuse(index, 487);
                } else if let Some(reinvite) = self.slow.take() {
                    self.respond(&reinvite, 487, None, None);
                }
            }
            (Method::Bye, Some(index)) => {
                self.respond(&key, 200, Some(&tag), None);
                self.calls[index].state = State::Over(200);
                self.calls[index].repeat = None;
            }
            (Method::Bye | Method::Cancel, None) => {
                self.respond(&key, 481, Some(&tag), None);
            }
            _ => {
                let status = self.plan.refuse_inside.map_or(200, |(status, ..)| status);
                let offered = request.method == Method::Update && !request.body().is_empty();
                if let Some(index) = index.filter(|_| offered && status == 200) {
                    self.calls[index].remote_sdp = Some(request.body().clone());
                }
                let answer = (offered && status == 200).then(|| self.sdp());
                self.respond(&key, status, Some(&tag), answer);
            }
        }
    }

    pub(super) fn called(&mut self, key: TransactionKey, request: &Request, tag: &str) {
        if self.plan.challenge && request.headers.get(&HeaderName::ProxyAuthorization).is_none() {
            self.respond(&key, 407, Some(tag), None);
            return;
        }
        let text =
            |name: &HeaderName| request.headers.value(name).map(|value| String::from_utf8(value.into_owned()).unwrap());
        let shown = text(&HeaderName::From).unwrap();
        let index = self.enter(Call {
            id: text(&HeaderName::CallId).unwrap(),
            incoming: true,
            state: State::Trying,
            local: format!("{};tag={tag}", text(&HeaderName::To).unwrap()),
            remote: shown.clone(),
            target: request.headers.typed::<Contact>().unwrap().unwrap().uri.clone(),
            cseq: 0,
            server: Some(key),
            invite: None,
            pending: false,
            cancelled: false,
            ack: None,
            repeat: None,
            acked: false,
            remote_sdp: (!request.body().is_empty()).then(|| request.body().clone()),
            shown,
            asserted: text(&HeaderName::PAssertedIdentity),
        });
        if let Some(ms) = self.plan.ring_after {
            self.later(ms, Act::Ring(index));
        }
        if let Some((status, ms)) = self.plan.refuse {
            self.later(ms, Act::Refuse(index, status));
        } else if let Some(ms) = self.plan.answer_after {
            self.later(ms, Act::Answer(index));
        }
    }

    pub(super) fn reinvited(&mut self, key: &TransactionKey, index: usize, request: &Request) {
        if self.calls[index].pending || self.plan.glares > 0 {
            self.plan.glares = self.plan.glares.saturating_sub(1);
            self.respond(key, 491, None, None);
            return;
        }
        if let Some(status) = self.plan.refuse_reinvite {
            self.respond(key, status, None, None);
            return;
        }
        if self.calls[index].state != State::Up {
            self.respond(key, 481, None, None);
            return;
        }
        if self.plan.slow_reinvite {
            self.slow = Some(key.clone());
            return;
        }
        if !request.body().is_empty() {
            self.calls[index].remote_sdp = Some(request.body().clone());
        }
        if self.plan.moves {
            self.port += 2;
        }
        self.accept(key, index);
    }

    pub(super) fn ring(&mut self, index: usize) {
        if self.calls[index].state != State::Trying {
            return;
        }
        self.calls[index].state = State::Ringing;
        let (key, tag) = (self.calls[index].server.clone().unwrap(), self.tag(index));
        let sdp = self.plan.early_media.then(|| self.sdp());
        let status = if self.plan.early_media { 183 } else { 180 };
        self.respond(&key, status, Some(&tag), sdp);
    }

    pub(super) fn tag(&self, index: usize) -> String {
        self.calls[index].local.rsplit_once("tag=").unwrap().1.to_owned()
    }

    pub(super) fn answer(&mut self, index: usize) {
        if matches!(self.calls[index].state, State::Trying | State::Ringing) {
            self.calls[index].state = State::Up;
            let key = self.calls[index].server.clone().unwrap();
            self.accept(&key, index);
            if let Some(ms) = self.plan.hang_up_after {
                self.later(ms, Act::HangUp(index));
            }
        }
    }

    /// 200 with our description, repeated until its ACK comes.
    pub(super) fn accept(&mut self, key: &TransactionKey, index: usize) {
        let (tag, sdp) = (self.tag(index), self.sdp());
        self.calls[index].acked = false;
        if let Some(bytes) = self.respond(key, 200, Some(&tag), Some(sdp)) {
            self.calls[index].repeat = Some((bytes, 500, self.now + 32_000));
            self.later(500, Act::Repeat(index));
        }
    }

    pub(super) fn repeat(&mut self, index: usize) {
        let now = self.now;
        let Some((bytes, interval, until)) = self.calls[index].repeat.as_mut() else { return };
        if now >= *until {
            self.calls[index].repeat = None;
            self.hang_up(now, index);
            return;
        }
        *interval = (*interval * 2).min(4000);
        let (bytes, wait) = (bytes.clone(), (*interval).min(*until - now));
        self.out.push(bytes);
        self.later(wait, Act::Repeat(index));
    }

    pub(super) fn refuse(&mut self, index: usize, status: u16) {
        if matches!(self.calls[index].state, State::Trying | State::Ringing) {
            self.calls[index].state = State::Over(status);
            let (key, tag) = (self.calls[index].server.clone().unwrap(), self.tag(index));
            self.respond(&key, status, Some(&tag), None);
        }
    }

    pub(super) fn ack(&mut self, request: &Request) {
        if request.method != Method::Ack {
            return;
        }
        if let Some(index) = self.find(&Message::Request(request.clone())) {
            self.calls[index].repeat = None;
            self.calls[index].acked = true;
            if !request.body().is_empty() {
                self.calls[index].remote_sdp = Some(request.body().clone());
            }
        }
    }
}
