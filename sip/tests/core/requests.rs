//! Requests that are refused for what they are, and those that everybody may send.

use bytes::Bytes;
use ccbs_sip::api::Transport;
use ccbs_sip::core::Flow;
use sipx_sip::{HeaderName, Method};

use super::edge::{Edge, response};
use super::net::Net;
use super::phone::Plan;

fn edge() -> (Edge, Flow) {
    (Edge::new(|_| {}), Flow::udp(0, "198.51.100.1:5060".parse().unwrap()))
}

#[test]
fn a_method_that_is_not_served_is_refused_with_those_that_are() {
    let (mut edge, flow) = edge();
    for (method, status) in [("FROBNICATE", 501), ("PUBLISH", 405)] {
        let request = edge.request_of("101", flow, method, "");
        let refusal = response(&edge.put(flow, request.as_bytes())[0]);
        assert_eq!(refusal.status.code(), status);
        let allowed = String::from_utf8(refusal.headers.value(&HeaderName::Allow).unwrap().to_vec()).unwrap();
        assert!(allowed.contains("INVITE") && !allowed.contains(method), "{allowed}");
    }
}

/// RFC 3261 11.2.
#[test]
fn options_are_answered_with_what_we_have() {
    let (mut edge, flow) = edge();
    let request = edge.request_of("101", flow, "OPTIONS", "");
    let answer = response(&edge.put(flow, request.as_bytes())[0]);
    assert_eq!(answer.status.code(), 200);
    let said = |name: HeaderName| String::from_utf8(answer.headers.value(&name).unwrap().to_vec()).unwrap();
    assert!(said(HeaderName::Allow).contains("REFER"));
    assert_eq!(said(HeaderName::Accept), "application/sdp");
    assert_eq!(said(HeaderName::AllowEvents), "dialog");
    assert!(said(HeaderName::Supported).contains("replaces"));
    assert_eq!(edge.core.load(), (0, 0, 0));
}

/// RFC 5626 4.4.1: over TCP a ping is answered with a pong; datagrams that only keep a NAT open are not answered.
#[test]
fn keepalives_are_answered_over_tcp_and_ignored_over_udp() {
    let (mut edge, udp) = edge();
    let tcp = edge.accept("198.51.100.1:40000");
    let pongs: Vec<Bytes> = edge.put(tcp, b"\r\n\r\n").into_iter().map(|sent| sent.bytes).collect();
    assert_eq!(pongs, ["\r\n"]);
    for octets in [&b"\r\n\r\n"[..], b"\0", b"\0\0\0\0"] {
        assert!(edge.put(udp, octets).is_empty());
    }
    assert_eq!((edge.core.counters().get("datagram.keepalive"), edge.core.counters().get("tcp.ping")), (3, 1));
    assert_eq!(tcp.transport, Transport::Tcp);
}

/// RFC 3261 8.2.2.2: the same INVITE over two ways of a forking proxy.
#[test]
fn an_invite_that_comes_by_two_ways_is_taken_once() {
    let mut net = Net::new(1);
    let far = net.trunk("far", true, false, Plan::default());
    net.call(far, "101");
    net.incoming();
    let sent = net.wire.iter().rev().find(|(.., bytes)| bytes.starts_with(b"INVITE")).unwrap();
    let (from, to, invite) = (sent.1, sent.2, String::from_utf8(sent.3.to_vec()).unwrap());
    let other = invite.replace("branch=z9hG4bK", "branch=z9hG4bKother");
    net.core.datagram(net.now, from, to, Bytes::from(other));
    let refusal = std::iter::from_fn(|| net.core.poll_transmit()).map(|sent| sent.bytes).next().unwrap();
    assert!(refusal.starts_with(b"SIP/2.0 482"), "{refusal:?}");
    assert_eq!(net.core.counters().get("request.merged"), 1);
    assert_eq!(net.phones[far].requests(&Method::Invite).len(), 0);
    assert_eq!(net.core.load().0, 1, "the first goes on");
}
