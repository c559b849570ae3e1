//! Recalls and calls whose two sides differ in transport, IP version or kind, spoken to by hand.

use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Command, Event, Identity, LegId, Target, Transport, Trunk};
use ccbs_sip::core::{Flow, Listener, Transmit};
use sipx_sip::{HeaderName, Method, Request, Response};

use super::edge::{Edge, header, ours, request, response};

const FOUR: [&str; 2] = ["198.51.100.1:5061", "198.51.100.2:5062"];
const SIX: [&str; 2] = ["[2001:db8::a]:5061", "[2001:db8::b]:5062"];

/// A description with key presses as events (RFC 4733).
fn describes(flow: Flow, port: u16) -> String {
    let ip = flow.remote.ip();
    let version = if ip.is_ipv4() { 4 } else { 6 };
    format!(
        "v=0\r\no=- 5 1 IN IP{version} {ip}\r\ns=-\r\nc=IN IP{version} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    )
}

/// A response to one of the switch's requests.
fn reply(request: &Request, flow: Flow, status: &str, tag: &str, sdp: Option<&str>) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let name = HeaderName::parse(&Bytes::from_static(name.as_bytes()));
        let value = header(request, &name);
        let tag = if name == HeaderName::To && !value.contains("tag=") { format!(";tag={tag}") } else { String::new() };
        format!("{}: {value}{tag}\r\n", String::from_utf8_lossy(name.canonical()))
    });
    let kind = if sdp.is_some() { "Content-Type: application/sdp\r\n" } else { "" };
    let body = sdp.unwrap_or("");
    format!(
        "SIP/2.0 {status}\r\n{}Contact: <sip:x@{};transport={}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        copied.concat(),
        flow.remote,
        flow.transport,
        body.len()
    )
}

fn both(change: impl FnOnce(&mut ccbs_sip::core::CoreConfig)) -> Edge {
    Edge::new(|config| {
        config.listeners.push(Listener::new(ours(SIX[0].parse().unwrap())));
        change(config);
    })
}

/// A registered phone of a number at an address, over a transport.
fn phone(edge: &mut Edge, number: &str, address: &str, transport: Transport) -> Flow {
    edge.subscribe(number);
    let at: std::net::SocketAddr = address.parse().unwrap();
    let flow = match transport {
        Transport::Udp => Flow::udp(u8::from(at.is_ipv6()), at),
        Transport::Tcp => edge.accept(address),
    };
    let contact = format!("Contact: <sip:{number}@{address};transport={transport}>\r\n");
    assert_eq!(edge.register_of(number, flow, "secret", &contact), 200);
    edge.events();
    flow
}

fn subscriber(number: &str) -> Target {
    Target::Subscriber(Arc::from(number))
}

fn identity(number: &str) -> Identity {
    Identity { number: Arc::from(number), display: None }
}

fn is_request(transmit: &Transmit, method: &Method) -> bool {
    transmit.bytes.starts_with(method.as_bytes())
}

fn text(body: &Bytes) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

fn media_lines(body: &str) -> Vec<&str> {
    body.lines().filter(|line| ["c=", "m=", "a="].iter().any(|start| line.starts_with(start))).collect()
}

/// A whole recall: each side hears only over its own flow, and of the other's media as that was described.
fn recall(edge: &mut Edge, a: Flow, b: Flow, callee: &Target) {
    let leg = LegId(2);
    let (from_a, from_b) = (describes(a, 7000), describes(b, 7002));
    edge.core.command(
        edge.now,
        Command::Ring { leg, target: subscriber("102"), identity: identity("101"), timeout_ms: 9000 },
    );
    let sent = edge.sent();
    let invite = request(&sent[0]);
    assert_eq!((sent[0].flow, sent.len()), (a, 1));
    let version = if a.remote.is_ipv4() { "IP4 192.0.2.1" } else { "IP6 2001:db8::1" };
    assert!(
        text(invite.body()).contains(&format!("c=IN {version}\r\n")),
        "our media on its side: {}",
        text(invite.body())
    );
    assert!(
        header(&invite, &HeaderName::Via).starts_with(&format!("SIP/2.0/{} ", a.transport.to_string().to_uppercase()))
    );
    let sent = edge.put(a, reply(&invite, a, "200 OK", "a", Some(&from_a)).as_bytes());
    assert!(is_request(&sent[0], &Method::Ack) && sent[0].flow == a);
    assert!(edge.events().contains(&Event::Answered { leg }));
    edge.core.command(
        edge.now,
        Command::Connect { leg, target: callee.clone(), identity: identity("102"), timeout_ms: 9000 },
    );
    let sent = edge.sent();
    let called = request(&sent[0]);
    assert_eq!((sent[0].flow, sent.len()), (b, 1));
    assert_eq!(media_lines(&text(called.body())), media_lines(&from_a));
    assert!(edge.put(b, reply(&called, b, "180 Ringing", "b", None).as_bytes()).is_empty());
    assert!(edge.core.media_mut().ringback.contains(&leg));
    let sent = edge.put(b, reply(&called, b, "200 OK", "b", Some(&from_b)).as_bytes());
    let [ack, again] = &sent[..] else { panic!("{sent:?}") };
    assert!(is_request(ack, &Method::Ack) && ack.flow == b);
    let swap = request(again);
    assert_eq!((again.flow, &swap.method), (a, &Method::Invite));
    assert_eq!(media_lines(&text(swap.body())), media_lines(&from_b), "key presses go from phone to phone");
    let sent = edge.put(a, reply(&swap, a, "200 OK", "a", Some(&from_a)).as_bytes());
    assert!(is_request(&sent[0], &Method::Ack) && sent[0].flow == a && sent.len() == 1);
    let bridged = edge.events().into_iter().find_map(|event| match event {
        Event::Bridged { leg: joined, peer } if joined == leg => Some(peer),
        _ => None,
    });
    edge.core.command(edge.now, Command::Release { leg: bridged.expect("joined"), cause: None });
    let byes = edge.sent();
    assert!(byes.iter().all(|bye| is_request(bye, &Method::Bye)));
    let mut flows: Vec<Flow> = byes.iter().map(|bye| bye.flow).collect();
    flows.sort_unstable();
    let mut expected = vec![a, b];
    expected.sort_unstable();
    assert_eq!(flows, expected);
}

#[test]
fn a_recall_over_any_two_transports_and_ip_versions() {
    for at in [FOUR, SIX, [FOUR[0], SIX[1]], [SIX[0], FOUR[1]]] {
        for (first, second) in [
            (Transport::Tcp, Transport::Udp),
            (Transport::Udp, Transport::Tcp),
            (Transport::Tcp, Transport::Tcp),
            (Transport::Udp, Transport::Udp),
        ] {
            let mut edge = both(|_| {});
            let a = phone(&mut edge, "102", at[0], first);
            let b = phone(&mut edge, "101", at[1], second);
            recall(&mut edge, a, b, &subscriber("101"));
        }
    }
}

fn trunk(edge: &mut Edge, address: &str) -> Flow {
    edge.core.command(
        edge.now,
        Command::SetTrunk(Trunk {
            name: Arc::from("far"),
            address: address.parse().unwrap(),
            transport: Transport::Udp,
            credentials: None,
            trusted: true,
            register: None,
        }),
    );
    Flow::udp(0, address.parse().unwrap())
}

#[test]
fn a_recall_through_a_trunk() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut edge = both(|_| {});
        let a = phone(&mut edge, "102", FOUR[0], transport);
        let b = trunk(&mut edge, FOUR[1]);
        recall(&mut edge, a, b, &Target::Trunk { trunk: Arc::from("far"), number: Arc::from("5551234") });
    }
}

/// A subscriber with phones of both IP versions: both ring at the recall, each is told an address it can reach.
#[test]
fn phones_of_both_ip_versions_ring_together_at_a_recall() {
    for answers in 0..2 {
        let mut edge = both(|_| {});
        let flows = [phone(&mut edge, "102", FOUR[0], Transport::Udp), phone(&mut edge, "102", SIX[0], Transport::Udp)];
        let leg = LegId(2);
        edge.core.command(
            edge.now,
            Command::Ring { leg, target: subscriber("102"), identity: identity("101"), timeout_ms: 9000 },
        );
        let sent = edge.sent();
        assert_eq!(sent.len(), 2);
        let invite = |flow| request(sent.iter().find(|transmit| transmit.flow == flow).unwrap());
        let offers: Vec<String> = flows.iter().map(|flow| text(invite(*flow).body())).collect();
        assert!(
            offers
                .iter()
                .all(|offer| offer.is_empty() || offer.contains("IP4 192.0.2.1") || offer.contains("IP6 2001:db8::1"))
        );
        assert_eq!(offers.iter().filter(|offer| offer.is_empty()).count(), 1, "our media is at one address");
        let flow = flows[answers];
        let offer = describes(flow, 7000);
        let sent = edge.put(flow, reply(&invite(flow), flow, "200 OK", "a", Some(&offer)).as_bytes());
        let ack = sent.iter().find(|transmit| is_request(transmit, &Method::Ack)).expect("an ACK");
        let told = if offers[answers].is_empty() { text(request(ack).body()) } else { offers[answers].clone() };
        let expected = if flow.remote.is_ipv4() { "c=IN IP4 192.0.2.1\r\n" } else { "c=IN IP6 2001:db8::1\r\n" };
        assert!(told.contains(expected), "{told}");
        assert!(edge.events().contains(&Event::Answered { leg }));
        assert_eq!(edge.core.media_mut().towards[&leg].0, std::net::SocketAddr::new(flow.remote.ip(), 7000));
    }
}

/// What a trunk says before the answer reaches the caller as it is said, and each fork of it for itself.
#[test]
fn early_media_of_a_trunk_passes() {
    let mut edge = both(|_| {});
    let a = trunk(&mut edge, FOUR[0]);
    let b = phone(&mut edge, "101", FOUR[1], Transport::Udp);
    // The trunk calls in, is routed out again to a second trunk.
    let far: std::net::SocketAddr = "203.0.113.9:5060".parse().unwrap();
    edge.core.command(
        edge.now,
        Command::SetTrunk(Trunk {
            name: Arc::from("out"),
            address: far,
            transport: Transport::Udp,
            credentials: None,
            trusted: false,
            register: None,
        }),
    );
    let out = Flow::udp(0, far);
    let offer = describes(a, 7000);
    let lines = format!("Contact: <sip:far@{}>\r\nContent-Type: application/sdp\r\n", a.remote);
    let invite = edge
        .request_of("far", a, "INVITE", &lines)
        .replace("INVITE sip:test", "INVITE sip:7@test")
        .replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{offer}", offer.len()));
    edge.put(a, invite.as_bytes());
    let leg = edge.events().into_iter().find_map(|event| match event {
        Event::Incoming { leg, .. } => Some(leg),
        _ => None,
    });
    let target = Target::Trunk { trunk: Arc::from("out"), number: Arc::from("7") };
    edge.core
        .command(edge.now, Command::Dial { leg: leg.unwrap(), target, identity: identity("far"), timeout_ms: 9000 });
    let sent = edge.sent();
    let called = request(sent.iter().find(|transmit| transmit.flow == out).unwrap());
    assert_eq!(media_lines(&text(called.body())), media_lines(&offer), "telephone-event too");
    let mut hears = |status: &str, tag: &str, sdp: Option<&str>| -> Response {
        let sent = edge.put(out, reply(&called, out, status, tag, sdp).as_bytes());
        response(sent.iter().find(|transmit| transmit.flow == a).expect("passed on"))
    };
    let (one, other) = (describes(out, 8000), describes(out, 8002));
    let early = hears("183 Session Progress", "fork1", Some(&one));
    assert_eq!((early.status.code(), media_lines(&text(early.body()))), (183, media_lines(&one)));
    let ringing = hears("180 Ringing", "fork1", None);
    assert_eq!((ringing.status.code(), ringing.body().is_empty()), (180, true));
    let second = hears("183 Session Progress", "fork2", Some(&other));
    assert_eq!(media_lines(&text(second.body())), media_lines(&other));
    let answered = hears("200 OK", "fork2", Some(&other));
    assert_eq!((answered.status.code(), media_lines(&text(answered.body()))), (200, media_lines(&other)));
    assert_eq!(b.transport, Transport::Udp);
}

#[test]
fn a_phone_behind_a_proxy_is_called_through_its_path() {
    let mut edge = both(|_| {});
    edge.subscribe("101");
    let flow = Flow::udp(0, FOUR[0].parse().unwrap());
    let lines =
        "Path: <sip:10.0.0.1;lr>, <sip:10.0.0.2;lr>\r\nContact: <sip:101@10.0.0.9>;q=0.2, <sip:101@10.0.0.8>;q=0.7\r\n";
    assert_eq!(edge.register_of("101", flow, "secret", "Contact: <sip:101@10.0.0.9>;expires=5\r\n"), 423);
    assert_eq!(edge.register_of("101", flow, "secret", lines), 200);
    edge.core.command(
        edge.now,
        Command::Ring { leg: LegId(2), target: subscriber("101"), identity: identity("1"), timeout_ms: 9000 },
    );
    let sent = edge.sent();
    let invites: Vec<Request> = sent.iter().map(request).collect();
    assert_eq!(
        invites.iter().map(|invite| invite.uri.to_string()).collect::<Vec<_>>(),
        ["sip:101@10.0.0.8", "sip:101@10.0.0.9"]
    );
    assert!(invites.iter().all(|invite| header(invite, &HeaderName::Route) == "<sip:10.0.0.1;lr>, <sip:10.0.0.2;lr>"));
    assert!(sent.iter().all(|transmit| transmit.flow == flow), "over the flow it registered by");
}
