//! A phone that calls, and what it does within a call.

use bytes::Bytes;
use sipx_sip::auth::{Challenge, Credentials, respond};
use sipx_sip::headers::{CSeq, Contact};
use sipx_sip::{HeaderName, Message, Method, RequestBuilder, Response, Uri};

use super::{Act, Call, Errand, PASSWORD, Phone, State};

fn headed(mut builder: RequestBuilder, more: &[(&str, &str)]) -> RequestBuilder {
    for (name, value) in more {
        let name = HeaderName::parse(&Bytes::copy_from_slice(name.as_bytes()));
        builder = builder.header(name, (*value).to_owned()).unwrap();
    }
    builder
}

impl Phone {
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
        builder = headed(builder, self.plan.asks);
        if !self.plan.late_offer {
            builder = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(self.sdp());
        }
        let request = builder.build();
        let index = self.enter(Call {
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
        index
    }

    pub(super) fn send_cancel(&mut self, index: usize) {
        let invite = self.calls[index].invite.clone().unwrap();
        let mut builder = RequestBuilder::new(Method::Cancel, invite.uri.clone());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
            builder = builder.header(name.clone(), invite.headers.value(&name).unwrap().into_owned()).unwrap();
        }
        let cseq = invite.headers.typed::<CSeq>().unwrap().unwrap().sequence;
        let cancel = builder.max_forwards(70).cseq(cseq, &Method::Cancel).unwrap().build();
        self.send(cancel);
        self.later(32_000, Act::Cancelled(index));
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

    /// A re-INVITE without a description: the far side shall offer.
    pub(crate) fn ask_offer(&mut self, now: u64, index: usize) {
        self.now = now;
        let request = self.inside(index, &Method::Invite).build();
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

    /// A request within a call with these headers and description.
    pub(crate) fn say(&mut self, now: u64, index: usize, method: &Method, more: &[(&str, &str)], sdp: bool) {
        self.now = now;
        let mut builder = headed(self.inside(index, method), more);
        if sdp {
            let sdp = self.sdp();
            builder = builder.header(HeaderName::ContentType, "application/sdp").unwrap().body(sdp);
        }
        let request = builder.build();
        if *method == Method::Invite {
            self.calls[index].invite = Some(request.clone());
            self.calls[index].pending = true;
            self.calls[index].ack = None;
        }
        self.send(request);
    }

    /// MESSAGE to a number.
    pub(crate) fn page(&mut self, now: u64, to: &str, text: &'static str) {
        let more = [("Content-Type".to_owned(), "text/plain".to_owned())];
        self.now = now;
        self.outside(&Method::Message, to, more.to_vec(), text);
    }

    /// SUBSCRIBE to a number.
    pub(crate) fn subscribe(&mut self, now: u64, to: &str, more: &[(&str, &str)]) {
        self.now = now;
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.outside(&Method::Subscribe, to, more, "");
    }

    fn outside(&mut self, method: &Method, to: &str, more: Vec<(String, String)>, text: &'static str) {
        let uri = Uri::parse(Bytes::from(format!("sip:{to}@{}", self.switch))).unwrap();
        let (tag, id) = (self.token(), self.token());
        let head = [format!("<sip:{}@test>;tag={tag}", self.number), format!("<{uri}>"), id];
        self.errand = Some(Errand { method: method.clone(), uri, head, cseq: 1, more, text });
        self.run_errand(None);
    }

    /// SUBSCRIBE within the last subscription.
    pub(crate) fn resubscribe(&mut self, now: u64, expires: u32) {
        self.now = now;
        let errand = self.errand.as_mut().unwrap();
        errand.more.retain(|(name, _)| name != "Expires");
        errand.more.push(("Expires".to_owned(), expires.to_string()));
        errand.cseq += 1;
        self.run_errand(None);
    }

    fn run_errand(&mut self, credentials: Option<(HeaderName, String)>) {
        let errand = self.errand.clone().unwrap();
        let [from, to, id] = &errand.head;
        let mut builder = self.build(&errand.method, errand.uri, [from, to, id], errand.cseq);
        let more: Vec<(&str, &str)> = errand.more.iter().map(|(name, value)| (&**name, &**value)).collect();
        builder = headed(builder, &more);
        if let Some((name, value)) = credentials {
            builder = builder.header(name, value).unwrap();
        }
        if !errand.text.is_empty() {
            builder = builder.body(errand.text);
        }
        self.send(builder.build());
    }

    /// What came back for a MESSAGE or SUBSCRIBE outside of a call.
    fn errand_answered(&mut self, response: &Response, status: u16) {
        let Some(errand) = self.errand.as_mut() else { return };
        if (200..300).contains(&status) {
            let to = response.headers.value(&HeaderName::To).unwrap().into_owned();
            errand.head[1] = String::from_utf8(to).unwrap();
            if let Some(Ok(contact)) = response.headers.typed::<Contact>() {
                errand.uri = contact.uri.clone();
            }
        }
        if status == 407 {
            let value = response.headers.value(&HeaderName::ProxyAuthenticate).unwrap();
            let challenge = Challenge::parse(&value, true).unwrap();
            let credentials = Credentials::new(self.number.clone(), PASSWORD);
            let (method, uri) = (errand.method.to_string(), errand.uri.to_string());
            errand.cseq += 1;
            let value = respond(&challenge, &credentials, &method, &uri, 1, "cn");
            self.run_errand(Some((HeaderName::ProxyAuthorization, value)));
        }
    }

    /// REFER of this call to a number or URI.
    pub(crate) fn refer(&mut self, now: u64, index: usize, to: &str, more: &[(&str, &str)]) {
        let to = if to.contains(':') { to.to_owned() } else { format!("<sip:{to}@{}>", self.switch) };
        let mut headers = vec![("Refer-To", to.as_str())];
        headers.extend_from_slice(more);
        self.say(now, index, &Method::Refer, &headers, false);
    }

    /// The Replaces header that names this call, escaped for a URI.
    pub(crate) fn replaces(&self, index: usize, escaped: bool) -> String {
        let call = &self.calls[index];
        let tag = |side: &str| side.rsplit_once("tag=").unwrap().1.to_owned();
        let text = format!("{};to-tag={};from-tag={}", call.id, tag(&call.remote), tag(&call.local));
        if escaped { text.replace(';', "%3B").replace('=', "%3D").replace('@', "%40") } else { text }
    }

    /// What NOTIFY told of our REFERs: the sipfrag's status line and the subscription's state.
    pub(crate) fn progress(&self) -> Vec<(String, String)> {
        let notifies = self.requests(&Method::Notify).into_iter();
        notifies
            .map(|notify| {
                let state = notify.headers.value(&HeaderName::SubscriptionState).unwrap().into_owned();
                let state = String::from_utf8(state).unwrap();
                let line = String::from_utf8(notify.body().to_vec()).unwrap();
                (line.trim_end().to_owned(), state.split(';').next().unwrap().to_owned())
            })
            .collect()
    }

    pub(super) fn inside(&mut self, index: usize, method: &Method) -> RequestBuilder {
        self.calls[index].cseq += 1;
        let call = &self.calls[index];
        let (uri, cseq) = (call.target.clone(), call.cseq);
        let (local, remote, id) = (call.local.clone(), call.remote.clone(), call.id.clone());
        self.build(method, uri, [&local, &remote, &id], cseq)
    }

    pub(super) fn response(&mut self, response: &Response) {
        let status = response.status.code();
        let method = response.headers.typed::<CSeq>().unwrap().unwrap().method;
        match (&method, status) {
            (Method::Message | Method::Subscribe, _) if self.find(&Message::Response(response.clone())).is_none() => {
                self.errand_answered(response, status);
            }
            (_, 401 | 407) => self.authorize(response, &method),
            (Method::Register, 200) => {
                self.registered = u16::try_from(response.headers.count(&HeaderName::Contact)).unwrap();
            }
            (Method::Invite, _) => self.invite_response(response, status),
            (Method::Update, 200..300) if !response.body().is_empty() => {
                if let Some(index) = self.find(&Message::Response(response.clone())) {
                    self.calls[index].remote_sdp = Some(response.body().clone());
                }
            }
            _ => {}
        }
    }

    pub(super) fn authorize(&mut self, response: &Response, method: &Method) {
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
        if *method == Method::Invite {
            builder = headed(builder, self.plan.asks);
        }
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

    pub(super) fn invite_response(&mut self, response: &Response, status: u16) {
        let Some(index) = self.find(&Message::Response(response.clone())) else { return };
        let sdp = (!response.body().is_empty()).then(|| response.body().clone());
        let to = String::from_utf8(response.headers.value(&HeaderName::To).unwrap().into_owned()).unwrap();
        if (101..200).contains(&status) {
            self.acknowledge_early(index, response);
        }
        let call = &mut self.calls[index];
        match status {
            101..200 if call.state == State::Trying => {
                call.remote = to;
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

    /// PRACK, when the response wants it.
    fn acknowledge_early(&mut self, index: usize, response: &Response) {
        let Some(Ok(number)) = response.headers.typed::<sipx_sip::rel::RSeq>() else { return };
        let to = response.headers.value(&HeaderName::To).unwrap().into_owned();
        let cseq = response.headers.typed::<CSeq>().unwrap().unwrap().sequence;
        let call = &mut self.calls[index];
        call.remote = String::from_utf8(to).unwrap();
        call.target = response.headers.typed::<Contact>().unwrap().unwrap().uri.clone();
        if self.plan.no_ack {
            return;
        }
        let ack = format!("{} {cseq} INVITE", number.0);
        let prack = headed(self.inside(index, &Method::Prack), &[("RAck", &ack)]).build();
        self.send(prack);
    }

    pub(super) fn send_ack(&mut self, index: usize, response: &Response) {
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
}
