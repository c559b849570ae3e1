//! The edge of the switch, spoken to by hand: streams, registrations, password guesses.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Command, Event, Subscriber, Transport};
use ccbs_sip::core::{Core, CoreConfig, Flow, Transmit};
use md5::{Digest, Md5};
use sipx_sip::auth::{Challenge, Credentials, respond, strongest};
use sipx_sip::{HeaderName, Limits, Message, Request, Response, parse_datagram};

use super::net::{Player, START, switch};

pub(crate) struct Edge {
    pub(crate) core: Core<Player>,
    pub(crate) now: u64,
    serial: u32,
}

impl Edge {
    pub(crate) fn new(change: impl FnOnce(&mut CoreConfig)) -> Self {
        let mut config = CoreConfig::new(switch(), "test");
        change(&mut config);
        Self { core: Core::new(config, Player::default(), [7; 32]), now: START, serial: 0 }
    }

    pub(crate) fn subscribe(&mut self, number: &str) {
        use std::fmt::Write as _;
        let ha1 = Md5::digest(format!("{number}:test:secret")).iter().fold(String::new(), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        });
        let subscriber =
            Subscriber { number: Arc::from(number), ha1_md5: Some(ha1.into()), ha1_sha256: None, capacity: 1 };
        self.core.command(self.now, Command::SetSubscriber(subscriber));
    }

    pub(crate) fn accept(&mut self, from: &str) -> Flow {
        let from = from.parse().unwrap();
        self.core.accept(self.now, from, ours(from)).unwrap()
    }

    /// Hands octets of a flow to the core; what it sends back.
    pub(crate) fn put(&mut self, flow: Flow, octets: &[u8]) -> Vec<Transmit> {
        match flow.transport {
            Transport::Udp => {
                self.core.datagram(self.now, flow.remote, ours(flow.remote), Bytes::copy_from_slice(octets));
            }
            Transport::Tcp => self.core.stream(self.now, flow, octets),
        }
        self.sent()
    }

    pub(crate) fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.core.poll_transmit()).collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.core.poll_event()).collect()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.core.counters().get(name)
    }

    /// Lets time pass up to the next thing that is due.
    pub(crate) fn step(&mut self) -> u64 {
        let before = self.now;
        self.now = self.now.max(self.core.next_deadline().expect("something is due"));
        self.core.expire(self.now);
        self.now - before
    }

    fn request(&mut self, flow: Flow, method: &str, lines: &str) -> String {
        self.request_of("101", flow, method, lines)
    }

    pub(crate) fn request_of(&mut self, number: &str, flow: Flow, method: &str, lines: &str) -> String {
        self.serial += 1;
        let (serial, from) = (self.serial, flow.remote);
        let transport = flow.transport.to_string().to_uppercase();
        format!(
            "{method} sip:test SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bKe{serial};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{number}@test>;tag=1\r\nTo: <sip:{number}@test>\r\nCall-ID: edge{number}\r\n\
             CSeq: {serial} {method}\r\n{lines}Content-Length: 0\r\n\r\n"
        )
    }

    /// REGISTER of 101 with a password; the status of its second try.
    fn register(&mut self, flow: Flow, password: &str, lines: &str) -> u16 {
        self.register_of("101", flow, password, lines)
    }

    pub(crate) fn register_of(&mut self, number: &str, flow: Flow, password: &str, lines: &str) -> u16 {
        let first = self.request_of(number, flow, "REGISTER", lines);
        let challenged = response(&self.put(flow, first.as_bytes())[0]);
        assert_eq!(challenged.status.code(), 401);
        let value = challenged.headers.value(&HeaderName::WwwAuthenticate).unwrap();
        let challenge = strongest(vec![Challenge::parse(&value, false).unwrap()]).unwrap();
        let answer = respond(&challenge, &Credentials::new(number, password), "REGISTER", "sip:test", 1, "c");
        let again = self.request_of(number, flow, "REGISTER", &format!("Authorization: {answer}\r\n{lines}"));
        response(&self.put(flow, again.as_bytes())[0]).status.code()
    }
}

/// The listener that reaches an address.
pub(crate) fn ours(remote: SocketAddr) -> SocketAddr {
    if remote.is_ipv4() { switch() } else { "[2001:db8::1]:5060".parse().unwrap() }
}

fn parse(transmit: &Transmit) -> Message {
    parse_datagram(transmit.bytes.clone(), &Limits::datagram()).unwrap()
}

pub(crate) fn response(transmit: &Transmit) -> Response {
    match parse(transmit) {
        Message::Response(response) => response,
        Message::Request(request) => panic!("{request:?}"),
    }
}

pub(crate) fn request(transmit: &Transmit) -> Request {
    match parse(transmit) {
        Message::Request(request) => request,
        Message::Response(response) => panic!("{response:?}"),
    }
}

pub(crate) fn header(request: &Request, name: &HeaderName) -> String {
    String::from_utf8(request.headers.value(name).unwrap().to_vec()).unwrap()
}

#[test]
fn trap_21_a_message_split_at_any_byte() {
    let mut edge = Edge::new(|_| {});
    let flow = edge.accept("198.51.100.1:40000");
    let with_body = edge
        .request(flow, "OPTIONS", "Content-Type: text/plain\r\n")
        .replace("Content-Length: 0\r\n\r\n", "Content-Length: 26\r\n\r\nOPTIONS sip:no SIP/2.0\r\n\r\n");
    let stream = format!("{with_body}\r\n\r\n{}", edge.request(flow, "OPTIONS", ""));
    let expected = |sent: &[Transmit]| {
        let [first, pong, second] = sent else { panic!("{sent:?}") };
        [first, second].iter().all(|transmit| response(transmit).status.code() == 200) && pong.bytes == "\r\n"
    };
    for at in 0..=stream.len() {
        let flow = edge.accept("198.51.100.1:40000");
        let (head, tail) = stream.as_bytes().split_at(at);
        let mut sent = edge.put(flow, head);
        sent.extend(edge.put(flow, tail));
        assert!(expected(&sent), "cut at {at}");
        assert!(sent.iter().all(|transmit| transmit.flow == flow), "answered over the connection of the request");
        edge.core.disconnected(edge.now, flow, true);
    }
    let one_by_one: Vec<Transmit> = stream.bytes().flat_map(|octet| edge.put(flow, &[octet])).collect();
    assert!(expected(&one_by_one));
    assert_eq!(edge.core.load(), (0, 0, 0), "requests over TCP leave nothing behind");
}

#[test]
fn trap_20_a_stream_that_cannot_be_framed_is_closed() {
    let mut edge = Edge::new(|config| config.connections.message = 4_000);
    for (change, counter, answer) in [
        ("", "tcp.no_length", Some(400)),
        ("Content-Length: 18446744073709551615\r\n", "tcp.too_long", None),
        ("Content-Length: 4000\r\n", "tcp.too_long", None),
        ("Content-Length: x\r\n", "tcp.bad_length", None),
        ("Content-Length: 0\r\nl: 0\r\n", "tcp.bad_length", None),
    ] {
        let flow = edge.accept("198.51.100.1:40000");
        let before = edge.count(counter);
        let text = edge.request(flow, "OPTIONS", "").replace("Content-Length: 0\r\n", change);
        let sent = edge.put(flow, text.as_bytes());
        assert_eq!(sent.first().map(|transmit| response(transmit).status.code()), answer, "{change}");
        assert_eq!((edge.count(counter), edge.core.poll_close()), (before + 1, Some(flow)), "{change}");
        assert!(edge.put(flow, text.as_bytes()).is_empty(), "closed is closed");
    }
    assert_eq!((edge.core.connections(), edge.core.next_deadline()), (0, None));
}

#[test]
fn trap_10_half_sent_and_idle_connections_end_and_a_registered_one_stays() {
    let mut edge = Edge::new(|_| {});
    edge.subscribe("101");
    let (half, idle, registered) =
        (edge.accept("198.51.100.1:1"), edge.accept("198.51.100.1:2"), edge.accept("198.51.100.1:3"));
    edge.put(half, b"OPTIONS sip:test SIP/2.0\r\n");
    let options = edge.request(idle, "OPTIONS", "");
    assert_eq!(edge.put(idle, options.as_bytes()).len(), 1);
    let contact = "Contact: <sip:101@10.0.0.9;transport=tcp>\r\nExpires: 7200\r\n";
    assert_eq!(edge.register(registered, "secret", contact), 200);
    let mut closed = Vec::new();
    while edge.now < START + 3_600_000 {
        edge.step();
        closed.extend(std::iter::from_fn(|| edge.core.poll_close()));
    }
    assert_eq!(closed, [half, idle]);
    assert_eq!((edge.count("tcp.half_sent"), edge.count("tcp.idle")), (1, 1));
    assert!(edge.core.is_open(registered));
}

#[test]
fn trap_13_a_call_goes_on_over_the_flow_of_its_phones_latest_registration() {
    let mut edge = Edge::new(|_| {});
    edge.subscribe("101");
    let first = edge.accept("198.51.100.1:1");
    let contact = "Contact: <sip:101@10.0.0.9;transport=tcp>;+sip.instance=\"<urn:uuid:1>\";foo=\"a;b\";bar\r\n";
    assert_eq!(edge.register(first, "secret", contact), 200);
    let leg = ccbs_sip::api::LegId(2);
    let ring = |edge: &mut Edge, leg| {
        let target = ccbs_sip::api::Target::Subscriber(Arc::from("101"));
        let identity = ccbs_sip::api::Identity { number: Arc::from("100"), display: None };
        edge.core.command(edge.now, Command::Ring { leg, target, identity, timeout_ms: 30_000 });
        edge.sent()
    };
    let sent = ring(&mut edge, leg);
    let invite = request(&sent[0]);
    assert_eq!(sent[0].flow, first);
    assert_eq!(invite.uri.to_string(), "sip:101@10.0.0.9;transport=tcp");
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let name = HeaderName::parse(&Bytes::from_static(name.as_bytes()));
        let tag = if name == HeaderName::To { ";tag=b" } else { "" };
        format!("{}: {}{tag}\r\n", String::from_utf8_lossy(name.canonical()), header(&invite, &name))
    });
    let ok = format!(
        "SIP/2.0 200 OK\r\n{}Contact: <sip:101@10.0.0.9;transport=tcp>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        copied.concat(),
        sdp.len()
    );
    let sent = edge.put(first, ok.as_bytes());
    let counters: Vec<_> = edge.core.counters().iter().collect();
    assert_eq!(sent.first().map(|ack| ack.flow), Some(first), "the ACK; {counters:?} {ok}");
    // The phone's connection breaks, and it comes back.
    edge.core.disconnected(edge.now, first, true);
    assert!(edge.events().contains(&Event::Registration { number: Arc::from("101"), contacts: 0 }));
    let second = edge.accept("198.51.100.1:2");
    let options = edge.request(second, "OPTIONS", "");
    edge.put(second, options.as_bytes());
    assert_eq!(edge.register(second, "secret", contact), 200);
    edge.core.command(edge.now, Command::Release { leg, cause: None });
    let bye = edge.sent();
    assert_eq!((request(&bye[0]).method.to_string().as_str(), bye[0].flow), ("BYE", second));
}

#[test]
fn parameters_of_a_contact_are_given_back() {
    let mut edge = Edge::new(|_| {});
    edge.subscribe("101");
    let flow = Flow::udp(0, "198.51.100.1:5060".parse().unwrap());
    let kept = ";methods=\"INVITE,BYE\";foo=bar;audio;+sip.ice;pub-gruu=\"sip:101@test;gr=urn:uuid:1\"";
    let contact = format!("Contact: <sip:101@198.51.100.1;ob;x=y>;q=0.5{kept}\r\n");
    let first = edge.request(flow, "REGISTER", &contact);
    edge.put(flow, first.as_bytes());
    assert_eq!(edge.register(flow, "secret", &contact), 200);
    let query = edge.request(flow, "REGISTER", "");
    let challenged = response(&edge.put(flow, query.as_bytes())[0]);
    let value = challenged.headers.value(&HeaderName::WwwAuthenticate).unwrap();
    let challenge = Challenge::parse(&value, false).unwrap();
    let answer = respond(&challenge, &Credentials::new("101", "secret"), "REGISTER", "sip:test", 1, "c");
    let query = edge.request(flow, "REGISTER", &format!("Authorization: {answer}\r\n"));
    let bound = response(&edge.put(flow, query.as_bytes())[0]);
    let bound = String::from_utf8(bound.headers.value(&HeaderName::Contact).unwrap().to_vec()).unwrap();
    assert_eq!(bound, format!("<sip:101@198.51.100.1;ob;x=y>;expires=3600;q=0.500{kept}"));
}

#[test]
fn trap_9_guesses_are_counted_for_each_address_and_a_registered_phone_is_heard_all_the_same() {
    let mut edge = Edge::new(|config| config.guesses.guesses = 5);
    edge.subscribe("101");
    let at = |host: u8, port: u16| Flow::udp(0, SocketAddr::from(([198, 51, 100, host], port)));
    let contact = "Contact: <sip:101@198.51.100.1>\r\n";
    assert_eq!(edge.register(at(1, 5060), "secret", contact), 200);
    for guess in 0..5 {
        assert_eq!(edge.register(at(1, 6000 + guess), "wrong", contact), 403);
    }
    assert_eq!((edge.count("digest.refused"), edge.count("digest.too_many_guesses")), (5, 0));
    assert_eq!(edge.register(at(1, 7000), "secret", contact), 403, "even the right one now");
    assert_eq!((edge.count("digest.refused"), edge.count("digest.too_many_guesses")), (5, 1));
    assert_eq!(edge.register(at(1, 5060), "secret", contact), 200, "the phone that is there");
    assert_eq!(edge.register(at(2, 5060), "secret", contact), 200, "another address");
    edge.now += 60_000;
    assert_eq!(edge.register(at(1, 7000), "secret", contact), 200, "the time is over");
}
