//! A SIP phone (or, without registration, a trunk) for the virtual network: its transactions are those of
//! `sipx-sip`, its manners are set by a [`Plan`].

mod answering;
mod calling;
mod plan;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;
use ccbs_sip::api::Transport;
use sipx_sip::headers::{CSeq, From, To};
use sipx_sip::transaction::{Dispatch, Output, Timer};
use sipx_sip::{
    HeaderName, Limits, Message, Method, Reliability, Request, RequestBuilder, Timers, TransactionKey,
    TransactionLayer, TuEvent, Uri, parse_datagram,
};

pub(crate) use self::plan::Plan;

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
    /// A cancelled call that never got a final answer is over all the same (RFC 3261 9.1).
    Cancelled(usize),
    Timer(TransactionKey, Timer),
}

#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) number: String,
    pub(crate) address: SocketAddr,
    switch: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) plan: Plan,
    pub(crate) calls: Vec<Call>,
    /// Call-ID of each call.
    by_id: HashMap<Vec<u8>, usize>,
    pub(crate) received: Vec<(u64, Message)>,
    /// Tells it from others with its number.
    pub(crate) mark: usize,
    /// Whether it keeps what came in.
    pub(crate) remembers: bool,
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
            transport: Transport::Udp,
            plan,
            calls: Vec::new(),
            by_id: HashMap::new(),
            received: Vec::new(),
            mark: 0,
            remembers: true,
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
        let over = if self.reliability().is_reliable() { ";transport=tcp" } else { "" };
        self.plan.contact.map_or_else(|| format!("<sip:{}@{}{over}>", self.number, self.address), str::to_owned)
    }

    fn reliability(&self) -> Reliability {
        match self.transport {
            Transport::Udp => Reliability::Unreliable,
            Transport::Tcp => Reliability::Reliable,
        }
    }

    /// Switched off and on: nothing is left of what it was doing.
    #[allow(dead_code, reason = "phones are switched off in the network of many calls alone")]
    pub(crate) fn restart(&mut self, now: u64) {
        self.now = now;
        self.layer = TransactionLayer::new(Timers::default());
        self.agenda.clear();
        self.calls.clear();
        self.by_id.clear();
        self.out.clear();
        (self.errand, self.slow) = (None, None);
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
        format!("{}x{}x{}", self.number, self.mark, self.serial)
    }

    pub(crate) fn sdp(&self) -> Bytes {
        if let Some(sdp) = self.only_sdp {
            return Bytes::from_static(sdp.as_bytes());
        }
        let ip = self.address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        Bytes::from(format!(
            "v=0\r\no=- {} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n{}",
            self.number, self.port, self.plan.direction
        ))
    }

    fn build(&mut self, method: &Method, uri: Uri, head: [&str; 3], cseq: u32) -> RequestBuilder {
        let [from, to, call_id] = head;
        let branch = self.token();
        let over = if self.reliability().is_reliable() { "TCP" } else { "UDP" };
        RequestBuilder::new(method.clone(), uri)
            .header(HeaderName::Via, format!("SIP/2.0/{over} {};branch=z9hG4bK{branch};rport", self.address))
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
        if let Some((key, outputs)) = self.layer.send_request(request, self.reliability()) {
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
        let id = message.headers().value(&HeaderName::CallId)?;
        self.by_id.get(&*id).copied().filter(|index| *index < self.calls.len())
    }

    fn enter(&mut self, call: Call) -> usize {
        let index = self.calls.len();
        self.by_id.insert(call.id.clone().into_bytes(), index);
        self.calls.push(call);
        index
    }

    pub(crate) fn datagram(&mut self, now: u64, bytes: Bytes) {
        self.now = now;
        if self.plan.dead {
            return;
        }
        let message = parse_datagram(bytes, &Limits::datagram()).expect("the switch sends well-formed messages");
        let findings = sipx_sip::validate(&message);
        assert!(findings.is_empty(), "{findings:?} in {}", String::from_utf8_lossy(&message.to_bytes()));
        if self.remembers {
            self.received.push((now, message.clone()));
        }
        match self.layer.receive(message, self.reliability()) {
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
                Act::Cancelled(index) => {
                    if let Some(call) = self.calls.get_mut(index)
                        && matches!(call.state, State::Trying | State::Ringing)
                    {
                        (call.state, call.pending) = (State::Over(487), false);
                    }
                }
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
