//! Our registrations at trunks, whose answers are written by hand.

use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Command, Event, Register, Transport, Trunk};
use ccbs_sip::core::Flow;
use sipx_sip::{HeaderName, Request};

use super::edge::{Edge, header, request};
use super::net::switch;

/// The REGISTER that the switch just sent.
fn registering(edge: &mut Edge) -> (Request, Flow) {
    let sent = edge.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    (request(&sent[0]), sent[0].flow)
}

fn answer(edge: &mut Edge, flow: Flow, request: &Request, status: &str, lines: &str) {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let name = HeaderName::parse(&Bytes::from_static(name.as_bytes()));
        let tag = if name == HeaderName::To { ";tag=far" } else { "" };
        format!("{}: {}{tag}\r\n", String::from_utf8_lossy(name.canonical()), header(request, &name))
    });
    let text = format!("SIP/2.0 {status}\r\n{}{lines}Content-Length: 0\r\n\r\n", copied.concat());
    match flow.transport {
        Transport::Udp => edge.core.datagram(edge.now, flow.remote, switch(), Bytes::from(text)),
        Transport::Tcp => edge.core.stream(edge.now, flow, text.as_bytes()),
    }
}

/// Runs until the next REGISTER is sent; how long that took.
fn until_registering(edge: &mut Edge) -> (Request, Flow, u64) {
    let begun = edge.now;
    loop {
        edge.step();
        let sent = edge.sent();
        if let Some(transmit) = sent.first() {
            return (request(transmit), transmit.flow, edge.now - begun);
        }
    }
}

#[test]
fn we_register_at_a_trunk_refresh_in_time_and_take_it_back() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut edge = Edge::new(|_| {});
        let trunk = Trunk {
            name: Arc::from("far"),
            address: "203.0.113.5:5060".parse().unwrap(),
            transport,
            credentials: Some((Arc::from("us"), Arc::from("pw"))),
            trusted: false,
            register: Some(Register { domain: Arc::from("far.example"), expires_s: 600 }),
        };
        edge.core.command(edge.now, Command::SetTrunk(trunk.clone()));
        let (first, flow) = registering(&mut edge);
        assert_eq!((flow.transport, flow.remote), (transport, trunk.address));
        assert_eq!(first.uri.to_string(), "sip:far.example");
        assert_eq!(header(&first, &HeaderName::To), "<sip:us@far.example>");
        answer(&mut edge, flow, &first, "423 Interval Too Brief", "Min-Expires: 1000\r\n");
        let (longer, flow) = registering(&mut edge);
        assert_eq!(header(&longer, &HeaderName::Expires), "1000");
        let challenge = "WWW-Authenticate: Digest realm=\"far\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
        answer(&mut edge, flow, &longer, "401 Unauthorized", challenge);
        let (proved, flow) = registering(&mut edge);
        assert!(header(&proved, &HeaderName::Authorization).contains("username=\"us\""));
        assert_eq!(header(&proved, &HeaderName::CallId), header(&first, &HeaderName::CallId));
        let contact = header(&proved, &HeaderName::Contact);
        let ours = contact.split(";expires").next().unwrap();
        answer(
            &mut edge,
            flow,
            &proved,
            "200 OK",
            &format!("Contact: <sip:other@x>;expires=9, {ours};expires=100\r\n"),
        );
        let events = edge.events();
        let [Event::TrunkRegistration { registered: true, status: 200, again_ms, .. }] = events[..] else {
            panic!("{events:?}")
        };
        assert!((75_000..90_000).contains(&again_ms));
        let (refresh, flow, after) = until_registering(&mut edge);
        assert_eq!(after, again_ms, "refreshed before it ends");
        answer(&mut edge, flow, &refresh, "200 OK", "Expires: 600\r\n");
        edge.events();
        edge.core.command(edge.now, Command::SetTrunk(trunk.clone()));
        assert!(edge.sent().is_empty(), "the same trunk again changes nothing");
        edge.core.command(edge.now, Command::RemoveTrunk(Arc::from("far")));
        let (back, flow) = registering(&mut edge);
        assert_eq!(header(&back, &HeaderName::Expires), "0");
        assert!(edge.core.is_leaving());
        answer(&mut edge, flow, &back, "200 OK", "");
        assert!(!edge.core.is_leaving());
    }
}

#[test]
fn a_trunk_that_refuses_is_asked_again_after_growing_waits() {
    let mut edge = Edge::new(|_| {});
    let trunk = Trunk {
        name: Arc::from("far"),
        address: "203.0.113.5:5060".parse().unwrap(),
        transport: Transport::Udp,
        credentials: Some((Arc::from("us"), Arc::from("pw"))),
        trusted: false,
        register: Some(Register { domain: Arc::from("far.example"), expires_s: 600 }),
    };
    edge.core.command(edge.now, Command::SetTrunk(trunk));
    let (mut request, mut flow) = registering(&mut edge);
    let challenge = "WWW-Authenticate: Digest realm=\"far\", nonce=\"n1\", qop=\"auth\"\r\n";
    for _ in 0..2 {
        answer(&mut edge, flow, &request, "401 Unauthorized", challenge);
        (request, flow) = registering(&mut edge);
    }
    // Wrong password: it is not tried for ever.
    answer(&mut edge, flow, &request, "401 Unauthorized", challenge);
    let mut waits = Vec::new();
    for round in 0_u32..10 {
        let failed = edge.events().into_iter().find_map(|event| match event {
            Event::TrunkRegistration { registered: false, status, again_ms, .. } => Some((status, again_ms)),
            _ => None,
        });
        let (status, again_ms) = failed.expect("a failure");
        assert_eq!(status, if round == 0 { 401 } else { 503 });
        let longest = (30_000 << round).min(1_800_000);
        assert!((longest / 2..=longest).contains(&again_ms), "{again_ms} in round {round}");
        waits.push(again_ms);
        let after;
        (request, flow, after) = until_registering(&mut edge);
        assert_eq!(after, again_ms);
        answer(&mut edge, flow, &request, "503 Service Unavailable", "");
    }
    edge.events();
    (request, flow, _) = until_registering(&mut edge);
    answer(&mut edge, flow, &request, "200 OK", "");
    edge.events();
    (request, flow, _) = until_registering(&mut edge);
    answer(&mut edge, flow, &request, "503 Service Unavailable", "Retry-After: 500 (maintenance)\r\n");
    let Some(Event::TrunkRegistration { again_ms: 500_000, .. }) = edge.events().pop() else { panic!("Retry-After") };
    assert!(waits.windows(2).any(|pair| pair[0] < pair[1]));
}
