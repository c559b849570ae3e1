//! A SIP phone (or, without registration, a trunk) for the virtual network: its transactions are those of
//! `sipx-sip`, its manners are set by a [`Plan`].

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use sipx_sip::auth::{Challenge, Credentials, respond};
use sipx_sip::headers::{CSeq, Contact, From, To};
use sipx_sip::transaction::{Dispatch, Output, Timer};
use sipx_sip::{
    HeaderName, Limits, Message, Method, Reliability, Request, RequestBuilder, Response, ResponseBuilder, StatusCode,
    Timers, TransactionKey, TransactionLayer, TuEvent, Uri, parse_datagram,
};

/// What a phone does with a call that comes in. Times in ms after the INVITE.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is one independent habit of a phone")]
pub(crate) struct Plan {
    pub(crate) ring_after: Option<u64>,
    pub(crate) answer_after: Option<u64>,
    pub(crate) refuse: Option<(u16, u64)>,
    /// Early media: the provisional is a 183 with a description.
    pub(crate) early_media: bool,
    /// Its answer to a re-INVITE names another port.
    pub(crate) moves: bool,
    /// How many re-INVITEs it refuses with 491 first.
    pub(crate) glares: u32,
    /// The status of its answer to every re-INVITE, when not 200.
    pub(crate) refuse_reinvite: Option<u16>,
    /// Never acknowledges a 2xx.
    pub(crate) no_ack: bool,
    /// Wants digest credentials with a call (a trunk).
    pub(crate) challenge: bool,
    /// Wants them with BYE and re-INVITE too.
    pub(crate) challenge_inside: bool,
    /// Takes its time with a re-INVITE, and so can be cancelled.
    pub(crate) slow_reinvite: bool,
    /// Offers no description in its INVITEs.
    pub(crate) late_offer: bool,
    /// Hangs up this long after it was connected.
    pub(crate) hang_up_after: Option<u64>,
    /// Says nothing at all.
    pub(crate) dead: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            ring_after: Some(20),
            answer_after: Some(1000),
            refuse: None,
            early_media: false,
            moves: false,
            glares: 0,
            refuse_reinvite: None,
            no_ack: false,
            challenge: false,
            challenge_inside: false,
            slow_reinvite: false,
            late_offer: false,
            hang_up_after: None,
            dead: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Trying,
    Ringing,
    Up,
    /// With the final status, or 200 after a BYE.
    Over(u16),
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "what the phone knows about its call")]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) incoming: bool,
    pub(crate) state: State,
    /// From or To of ours, and of the far side, with tags.
    local: String,
    remote: String,
    target: Uri,
    cseq: u32,
    server: Option<TransactionKey>,
    invite: Option<Request>,
    /// The INVITE or re-INVITE of ours that runs.
    pending: bool,
    cancelled: bool,
    ack: Option<Bytes>,
    /// Our 2xx that waits for its ACK.
    repeat: Option<(Bytes, u64, u64)>,
    acked: bool,
    pub(crate) remote_sdp: Option<Bytes>,
    /// From of the INVITE that came in.
    pub(crate) shown: String,
    pub(crate) asserted: Option<String>,
}

#[derive(Debug, Clone)]
enum Act {
    Ring(usize),
    Answer(usize),
    Refuse(usize, u16),
    Repeat(usize),
    HangUp(usize),
    Timer(TransactionKey, Timer),
}

#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) number: String,
    pub(crate) address: SocketAddr,
    switch: SocketAddr,
    pub(crate) plan: Plan,
    pub(crate) calls: Vec<Call>,
    pub(crate) received: Vec<(u64, Message)>,
    pub(crate) registered: u16,
    layer: TransactionLayer,
    agenda: BTreeMap<(u64, u64), Act>,
    pub(crate) out: Vec<Bytes>,
    now: u64,
    serial: u64,
    port: u16,
    /// A re-INVITE not yet answered.
    slow: Option<TransactionKey>,
    /// Sent in place of its own description.
    pub(crate) only_sdp: Option<&'static str>,
}

pub(crate) const PASSWORD: &str = "secret";

impl Phone {
    pub(crate) fn new(number: &str, address: SocketAddr, switch: SocketAddr, plan: Plan) -> Self {
        Self {
            number: number.to_owned(),
            address,
            switch,
            plan,
            calls: Vec::new(),
            received: Vec::new(),
            registered: 0,
            layer: TransactionLayer::new(Timers::default()),
            agenda: BTreeMap::new(),
            out: Vec::new(),
            now: 0,
            serial: 0,
            port: 10_000,
            slow: None,
            only_sdp: None,
        }
    }

    pub(crate) fn at_rest(&self) -> bool {
        self.layer.is_empty() && self.calls.iter().all(|call| matches!(call.state, State::Over(_)))
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.agenda.keys().next().map(|key| key.0)
    }

    fn later(&mut self, ms: u64, act: Act) {
        self.serial += 1;
        self.agenda.insert((self.now + ms, self.serial), act);
    }

    fn token(&mut self) -> String {
        self.serial += 1;
        format!("{}x{}", self.number, self.serial)
    }

    pub(crate) fn sdp(&self) -> Bytes {
        if let Some(sdp) = self.only_sdp {
            return Bytes::from_static(sdp.as_bytes());
        }
        let ip = self.address.ip();
        Bytes::from(format!(
            "v=0\r\no=- {} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n",
            self.number, self.port
        ))
    }

    fn build(&mut self, method: &Method, uri: Uri, head: [&str; 3], cseq: u32) -> RequestBuilder {
        let [from, to, call_id] = head;
        let branch = self.token();
        RequestBuilder::new(method.clone(), uri)
            .header(HeaderName::Via, format!("SIP/2.0/UDP {};branch=z9hG4bK{branch};rport", self.address))
            .unwrap()
            .max_forwards(70)
            .header(HeaderName::From, from.to_owned())
            .unwrap()
            .header(HeaderName::To, to.to_owned())
            .unwrap()
            .header(HeaderName::CallId, call_id.to_owned())
            .unwrap()
            .cseq(cseq, method)
            .unwrap()
            .header(HeaderName::Contact, format!("<sip:{}@{}>", self.number, self.address))
            .unwrap()
    }

    fn send(&mut self, request: Request) {
        if let Some((key, outputs)) = self.layer.send_request(request, Reliability::Unreliable) {
            self.perform(&key, outputs);
        }
    }

    pub(crate) fn register(&mut self, now: u64, expires: u32) {
        self.now = now;
        let uri = Uri::parse(Bytes::from(format!("sip:{}", self.switch))).unwrap();
        let me = format!("<sip:{}@test>", self.number);
        let (tag, id) = (self.token(), self.token());
        let request = self
            .build(&Method::Register, uri, [&format!("{me};tag={tag}"), &me, &id], 1)
            .header(HeaderName::Expires, expires.to_string())
            .unwrap()
            .build();
        self.send(request);
    }

    pub(crate) fn call(&mut self, now: u64, dialled: &str) -> usize {
        self.now = now;
        let uri = Uri::parse(Bytes::from(format!("sip:{dialled}@{}", self.switch))).unwrap();
        let tag = self.token();
        let (local, remote) = (format!("<sip:{}@test>;tag={tag}", self.number), format!("<{uri}>"));
        let id = self.token();
        let mut builder = self.build(&Method::Invite, uri.clone(), [&local, &remote, &id], 1);
        if !self.plan.late_offer {
            builder = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(self.sdp());
        }
        let request = builder.build();
        self.calls.push(Call {
            id,
            incoming: false,
            state: State::Trying,
            local,
            remote,
            target: uri,
            cseq: 1,
            server: None,
            invite: Some(request.clone()),
            pending: true,
            cancelled: false,
            ack: None,
            repeat: None,
            acked: true,
            remote_sdp: None,
            shown: String::new(),
            asserted: None,
        });
        self.send(request);
        self.calls.len() - 1
    }

    /// CANCEL before the answer, BYE after, 486 to a call that rings.
    pub(crate) fn hang_up(&mut self, now: u64, index: usize) {
        self.now = now;
        let call = &self.calls[index];
        match (call.state, call.incoming) {
            (State::Trying | State::Ringing, true) => self.refuse(index, 486),
            (State::Trying | State::Ringing, false) => {
                self.calls[index].cancelled = true;
                if self.calls[index].state == State::Ringing {
                    self.send_cancel(index);
                }
            }
            (State::Up, _) => {
                let bye = self.inside(index, &Method::Bye).build();
                self.calls[index].state = State::Over(200);
                self.calls[index].repeat = None;
                self.send(bye);
            }
            (State::Over(_), _) => {}
        }
    }

    fn send_cancel(&mut self, index: usize) {
        let invite = self.calls[index].invite.clone().unwrap();
        let mut builder = RequestBuilder::new(Method::Cancel, invite.uri.clone());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
            builder = builder.header(name.clone(), invite.headers.value(&name).unwrap().into_owned()).unwrap();
        }
        let cseq = invite.headers.typed::<CSeq>().unwrap().unwrap().sequence;
        let cancel = builder.max_forwards(70).cseq(cseq, &Method::Cancel).unwrap().build();
        self.send(cancel);
    }

    pub(crate) fn reinvite(&mut self, now: u64, index: usize, port: u16) {
        self.now = now;
        self.port = port;
        let sdp = self.sdp();
        let builder = self.inside(index, &Method::Invite);
        let request = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(sdp).build();
        self.calls[index].invite = Some(request.clone());
        self.calls[index].pending = true;
        self.calls[index].ack = None;
        self.send(request);
    }

    /// Takes the re-INVITE that runs back.
    pub(crate) fn cancel_reinvite(&mut self, now: u64, index: usize) {
        self.now = now;
        self.send_cancel(index);
    }

    pub(crate) fn request_inside(&mut self, now: u64, index: usize, method: &Method, body: &'static str) {
        self.now = now;
        let mut builder = self.inside(index, method);
        if !body.is_empty() {
            builder = builder.header(HeaderName::ContentType, "application/dtmf-relay").unwrap().body(body);
        }
        let request = builder.build();
        self.send(request);
    }

    fn inside(&mut self, index: usize, method: &Method) -> RequestBuilder {
        self.calls[index].cseq += 1;
        let call = &self.calls[index];
        let (uri, cseq) = (call.target.clone(), call.cseq);
        let (local, remote, id) = (call.local.clone(), call.remote.clone(), call.id.clone());
        self.build(method, uri, [&local, &remote, &id], cseq)
    }

    fn find(&self, message: &Message) -> Option<usize> {
        let id = message.headers().value(&HeaderName::CallId)?.into_owned();
        self.calls.iter().position(|call| call.id.as_bytes() == id.as_slice())
    }

    pub(crate) fn datagram(&mut self, now: u64, bytes: Bytes) {
        self.now = now;
        if self.plan.dead {
            return;
        }
        let message = parse_datagram(bytes, &Limits::datagram()).expect("the switch sends well-formed messages");
        let findings = sipx_sip::validate(&message);
        assert!(findings.is_empty(), "{findings:?} in {}", String::from_utf8_lossy(&message.to_bytes()));
        self.received.push((now, message.clone()));
        match self.layer.receive(message, Reliability::Unreliable) {
            Dispatch::Matched { key, outputs } | Dispatch::Created { key, outputs } => {
                self.perform(&key, outputs);
            }
            Dispatch::Unmatched(message) => {
                if let Message::Request(request) = *message {
                    self.ack(&request);
                }
            }
        }
    }

    fn perform(&mut self, key: &TransactionKey, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(message) => self.out.push(message.to_bytes()),
                Output::SetTimer { timer, after } => {
                    let after = u64::try_from(after.as_millis()).unwrap();
                    self.later(after, Act::Timer(key.clone(), timer));
                }
                Output::ClearTimer(timer) => self.agenda.retain(|_, act| match act {
                    Act::Timer(of, name) => of != key || *name != timer,
                    _ => true,
                }),
                Output::ToTu(event) => match *event {
                    TuEvent::Request(request) => self.request(key.clone(), &request),
                    TuEvent::Response(response) => self.response(&response),
                    TuEvent::Ack(ack) => self.ack(&ack),
                    TuEvent::Timeout => self.timeout(key),
                    _ => {}
                },
                Output::Terminated(_) => self.agenda.retain(|_, act| match act {
                    Act::Timer(of, _) => of != key,
                    _ => true,
                }),
                _ => {}
            }
        }
    }

    fn timeout(&mut self, key: &TransactionKey) {
        for call in &mut self.calls {
            let ours = call.invite.as_ref().and_then(TransactionKey::from_sent_request);
            if ours.as_ref() == Some(key) && call.pending {
                call.pending = false;
                call.state = State::Over(408);
            }
        }
    }

    pub(crate) fn expire(&mut self, now: u64) {
        self.now = now;
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Act::Ring(index) => self.ring(index),
                Act::Answer(index) => self.answer(index),
                Act::Refuse(index, status) => self.refuse(index, status),
                Act::HangUp(index) => self.hang_up(now, index),
                Act::Repeat(index) => self.repeat(index),
                Act::Timer(key, timer) => {
                    let outputs = self.layer.on_timer(&key, timer);
                    self.perform(&key, outputs);
                }
            }
        }
    }

    fn respond(&mut self, key: &TransactionKey, status: u16, tag: Option<&str>, sdp: Option<Bytes>) -> Option<Bytes> {
        let request = self.layer.server_request(key)?.clone();
        let code = StatusCode::new(status).unwrap();
        let mut builder = ResponseBuilder::to_request(&request, code, "Test").unwrap();
        let has_tag = request.headers.typed::<To>()?.ok()?.tag().is_some();
        if let Some(tag) = tag.filter(|_| !has_tag) {
            let to = request.headers.value(&HeaderName::To)?.into_owned();
            let to = format!("{};tag={tag}", String::from_utf8(to).unwrap());
            builder = builder.set_header(&HeaderName::To, to).unwrap();
        }
        let contact = format!("<sip:{}@{}>", self.number, self.address);
        builder = builder.header(HeaderName::Contact, contact).unwrap();
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

    fn request(&mut self, key: TransactionKey, request: &Request) {
        let tag = self.token();
        let message = Message::Request(request.clone());
        let index = self.find(&message);
        let challenged = index.is_some() && self.plan.challenge_inside;
        if challenged
            && matches!(request.method, Method::Bye | Method::Invite)
            && request.headers.get(&HeaderName::ProxyAuthorization).is_none()
        {
            self.respond(&key, 407, None, None);
            return;
        }
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
                self.respond(&key, 200, Some(&tag), None);
            }
        }
    }

    fn called(&mut self, key: TransactionKey, request: &Request, tag: &str) {
        if self.plan.challenge && request.headers.get(&HeaderName::ProxyAuthorization).is_none() {
            self.respond(&key, 407, Some(tag), None);
            return;
        }
        let text =
            |name: &HeaderName| request.headers.value(name).map(|value| String::from_utf8(value.into_owned()).unwrap());
        let shown = text(&HeaderName::From).unwrap();
        self.calls.push(Call {
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
        let index = self.calls.len() - 1;
        if let Some(ms) = self.plan.ring_after {
            self.later(ms, Act::Ring(index));
        }
        if let Some((status, ms)) = self.plan.refuse {
            self.later(ms, Act::Refuse(index, status));
        } else if let Some(ms) = self.plan.answer_after {
            self.later(ms, Act::Answer(index));
        }
    }

    fn reinvited(&mut self, key: &TransactionKey, index: usize, request: &Request) {
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
        self.accept(key.clone(), index);
    }

    fn ring(&mut self, index: usize) {
        if self.calls[index].state != State::Trying {
            return;
        }
        self.calls[index].state = State::Ringing;
        let (key, tag) = (self.calls[index].server.clone().unwrap(), self.tag(index));
        let sdp = self.plan.early_media.then(|| self.sdp());
        let status = if self.plan.early_media { 183 } else { 180 };
        self.respond(&key, status, Some(&tag), sdp);
    }

    fn tag(&self, index: usize) -> String {
        self.calls[index].local.rsplit_once("tag=").unwrap().1.to_owned()
    }

    fn answer(&mut self, index: usize) {
        if matches!(self.calls[index].state, State::Trying | State::Ringing) {
            self.calls[index].state = State::Up;
            let key = self.calls[index].server.clone().unwrap();
            self.accept(key, index);
            if let Some(ms) = self.plan.hang_up_after {
                self.later(ms, Act::HangUp(index));
            }
        }
    }

    /// 200 with our description, repeated until its ACK comes.
    fn accept(&mut self, key: TransactionKey, index: usize) {
        let (tag, sdp) = (self.tag(index), self.sdp());
        self.calls[index].acked = false;
        if let Some(bytes) = self.respond(&key, 200, Some(&tag), Some(sdp)) {
            self.calls[index].repeat = Some((bytes, 500, self.now + 32_000));
            self.later(500, Act::Repeat(index));
        }
    }

    fn repeat(&mut self, index: usize) {
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

    fn refuse(&mut self, index: usize, status: u16) {
        if matches!(self.calls[index].state, State::Trying | State::Ringing) {
            self.calls[index].state = State::Over(status);
            let (key, tag) = (self.calls[index].server.clone().unwrap(), self.tag(index));
            self.respond(&key, status, Some(&tag), None);
        }
    }

    fn ack(&mut self, request: &Request) {
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

    fn response(&mut self, response: &Response) {
        let status = response.status.code();
        let method = response.headers.typed::<CSeq>().unwrap().unwrap().method;
        match (&method, status) {
            (_, 401 | 407) => self.authorize(response, &method),
            (Method::Register, 200) => {
                self.registered = u16::try_from(response.headers.count(&HeaderName::Contact)).unwrap();
            }
            (Method::Invite, _) => self.invite_response(response, status),
            _ => {}
        }
    }

    fn authorize(&mut self, response: &Response, method: &Method) {
        let (name, answer, proxy) = if response.status.code() == 401 {
            (HeaderName::WwwAuthenticate, HeaderName::Authorization, false)
        } else {
            (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization, true)
        };
        let value = response.headers.value(&name).expect("a challenge");
        let challenge = Challenge::parse(&value, proxy).expect("a digest challenge");
        let index = self.find(&Message::Response(response.clone()));
        let text = |name: &HeaderName| String::from_utf8(response.headers.value(name).unwrap().into_owned()).unwrap();
        let sequence = response.headers.typed::<CSeq>().unwrap().unwrap().sequence + 1;
        let (uri, sdp) = match index {
            Some(index) => (self.calls[index].target.clone(), (!self.plan.late_offer).then(|| self.sdp())),
            None => (Uri::parse(Bytes::from(format!("sip:{}", self.switch))).unwrap(), None),
        };
        if let Some(index) = index
            && self.calls[index].cancelled
        {
            self.calls[index].state = State::Over(487);
            return;
        }
        let credentials = Credentials::new(self.number.clone(), PASSWORD);
        let value = respond(&challenge, &credentials, &method.to_string(), &uri.to_string(), 1, "cn");
        let (from, id) = (text(&HeaderName::From), text(&HeaderName::CallId));
        let to = match index {
            Some(index) => self.calls[index].remote.clone(),
            None => format!("<sip:{}@test>", self.number),
        };
        let mut builder = self.build(method, uri, [&from, &to, &id], sequence).header(answer, value).unwrap();
        if let Some(sdp) = sdp {
            builder = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(sdp);
        }
        let request = builder.build();
        if let Some(index) = index {
            self.calls[index].invite = Some(request.clone());
            self.calls[index].cseq = sequence;
        }
        self.send(request);
    }

    fn invite_response(&mut self, response: &Response, status: u16) {
        let Some(index) = self.find(&Message::Response(response.clone())) else { return };
        let sdp = (!response.body().is_empty()).then(|| response.body().clone());
        let to = String::from_utf8(response.headers.value(&HeaderName::To).unwrap().into_owned()).unwrap();
        let call = &mut self.calls[index];
        match status {
            101..200 if call.state == State::Trying => {
                call.state = State::Ringing;
                if call.cancelled {
                    self.send_cancel(index);
                }
            }
            100 if call.cancelled && call.state == State::Trying => {
                call.state = State::Ringing;
                self.send_cancel(index);
            }
            100..200 => {}
            200..300 => {
                if let Some(ack) = call.ack.clone() {
                    self.out.push(ack);
                    return;
                }
                call.pending = false;
                if sdp.is_some() {
                    call.remote_sdp = sdp;
                }
                let first = matches!(call.state, State::Trying | State::Ringing);
                let cancelled = call.cancelled && first;
                if first {
                    call.state = State::Up;
                    call.remote = to;
                    call.target = response.headers.typed::<Contact>().unwrap().unwrap().uri.clone();
                }
                if !self.plan.no_ack {
                    self.send_ack(index, response);
                }
                if cancelled {
                    self.hang_up(self.now, index);
                } else if first && let Some(ms) = self.plan.hang_up_after {
                    self.later(ms, Act::HangUp(index));
                }
            }
            _ => {
                call.pending = false;
                if matches!(call.state, State::Trying | State::Ringing) {
                    call.state = State::Over(status);
                }
            }
        }
    }

    fn send_ack(&mut self, index: usize, response: &Response) {
        let sequence = response.headers.typed::<CSeq>().unwrap().unwrap().sequence;
        let call = &self.calls[index];
        let (uri, local, remote, id) = (call.target.clone(), call.local.clone(), call.remote.clone(), call.id.clone());
        let mut builder = self.build(&Method::Ack, uri, [&local, &remote, &id], sequence);
        if self.plan.late_offer {
            builder = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(self.sdp());
        }
        let bytes = Message::Request(builder.build()).to_bytes();
        self.calls[index].ack = Some(bytes.clone());
        self.out.push(bytes);
    }

    /// The messages that came in, as `METHOD` or `status METHOD`.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.received
            .iter()
            .map(|(_, message)| match message {
                Message::Request(request) => request.method.to_string(),
                Message::Response(response) => {
                    let method = response.headers.typed::<CSeq>().unwrap().unwrap().method;
                    format!("{} {method}", response.status)
                }
            })
            .collect()
    }

    /// Requests of this method that came in.
    pub(crate) fn requests(&self, method: &Method) -> Vec<&Request> {
        self.received
            .iter()
            .filter_map(|(_, message)| message.as_request())
            .filter(|request| request.method == *method)
            .collect()
    }

    /// Tags that the switch used in To of its responses to an INVITE with this Call-ID, final ones last.
    pub(crate) fn to_tags(&self, call: usize) -> Vec<(u16, Vec<u8>)> {
        let id = self.calls[call].id.as_bytes();
        self.received
            .iter()
            .filter_map(|(_, message)| message.as_response())
            .filter(|response| response.headers.value(&HeaderName::CallId).as_deref() == Some(id))
            .filter_map(|response| {
                let to = response.headers.typed::<To>()?.ok()?;
                Some((response.status.code(), to.tag()?.to_vec()))
            })
            .collect()
    }
}

/// The display and URI of a From as a user reads it.
pub(crate) fn reads(from: &str) -> (Option<String>, String) {
    let from = <From as sipx_sip::TypedHeader>::decode(from.as_bytes()).unwrap();
    let name = from.display_name.as_ref().map(|name| String::from_utf8(name.clone()).unwrap());
    (name, String::from_utf8(from.uri.decoded_user().unwrap_or_default()).unwrap())
}

impl Phone {
    /// Whether nothing else is being agreed on in this call.
    pub(crate) fn may_reinvite(&self, call: usize) -> bool {
        let call = &self.calls[call];
        !call.pending && call.repeat.is_none() && call.acked
    }
}
