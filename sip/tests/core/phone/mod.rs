//! A SIP phone (or, without registration, a trunk) for the virtual network: its transactions are those of
//! `sipx-sip`, its manners are set by a [`Plan`].

mod answering;
mod calling;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use sipx_sip::headers::{CSeq, From, To};
use sipx_sip::transaction::{Dispatch, Output, Timer};
use sipx_sip::{
    HeaderName, Limits, Message, Method, Reliability, Request, RequestBuilder, Timers, TransactionKey,
    TransactionLayer, TuEvent, Uri, parse_datagram,
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
    /// What it says in Contact in place of its address.
    pub(crate) contact: Option<&'static str>,
    /// Record-Route of its responses, as a proxy before it leaves it.
    pub(crate) record_route: Option<&'static str>,
    /// Offers no description in its INVITEs.
    pub(crate) late_offer: bool,
    /// Hangs up this long after it was connected.
    pub(crate) hang_up_after: Option<u64>,
    /// Says nothing at all.
    pub(crate) dead: bool,
    /// More headers of its first INVITE.
    pub(crate) asks: &'static [(&'static str, &'static str)],
    /// More headers of its 2xx to INVITE and UPDATE.
    pub(crate) grants: &'static [(&'static str, &'static str)],
    /// More headers of its provisional responses.
    pub(crate) early: &'static [(&'static str, &'static str)],
    /// The status and a header of its answers to other requests within a call, when not 200.
    pub(crate) refuse_inside: Option<(u16, &'static str, &'static str)>,
    /// Added to its description: hold.
    pub(crate) direction: &'static str,
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
            contact: None,
            record_route: None,
            late_offer: false,
            hang_up_after: None,
            dead: false,
            asks: &[],
            grants: &[],
            early: &[],
            refuse_inside: None,
            direction: "",
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

/// A request outside of a call, kept for its challenge and repetition.
#[derive(Debug, Clone)]
struct Errand {
    method: Method,
    uri: Uri,
    /// From, To and Call-ID.
    head: [String; 3],
    cseq: u32,
    more: Vec<(String, String)>,
    text: &'static str,
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
    errand: Option<Errand>,
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
            errand: None,
            slow: None,
            only_sdp: None,
        }
    }

    fn says_contact(&self) -> String {
        self.plan.contact.map_or_else(|| format!("<sip:{}@{}>", self.number, self.address), str::to_owned)
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
            "v=0\r\no=- {} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n{}",
            self.number, self.port, self.plan.direction
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
            .header(HeaderName::Contact, self.says_contact())
            .unwrap()
    }

    fn send(&mut self, request: Request) {
        if let Some((key, outputs)) = self.layer.send_request(request, Reliability::Unreliable) {
            self.perform(&key, outputs);
        }
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

    fn find(&self, message: &Message) -> Option<usize> {
        let id = message.headers().value(&HeaderName::CallId)?.into_owned();
        self.calls.iter().rposition(|call| call.id.as_bytes() == id.as_slice())
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
