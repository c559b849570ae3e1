//! Max-Forwards (RFC 3261 16.3, 16.6): a call that goes round in circles ends.

use bytes::Bytes;
use ccbs_sip::api::{Command, Event};
use sipx_sip::{HeaderName, Method};

use super::net::{Net, dial, subscriber, switch};
use super::phone::Plan;

/// An INVITE for 101 from a trunk, with these header lines besides.
fn invite(net: &mut Net, far: usize, lines: &str) {
    let from = net.phones[far].address;
    let text = format!(
        "INVITE sip:101@{} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKhops;rport\r\n{lines}\
         From: <sip:7@far>;tag=7\r\nTo: <sip:101@test>\r\nCall-ID: hops\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:7@{from}>\r\nContent-Length: 0\r\n\r\n",
        switch()
    );
    net.core.datagram(net.now, from, switch(), Bytes::from(text));
    net.drain();
}

#[test]
fn the_last_hop_is_refused_and_nothing_is_sent_on() {
    let mut net = Net::new(30);
    let b = net.phone("101", 1, Plan::default());
    let far = net.trunk("far", true, false, Plan::default());
    let before = net.wire.len();
    invite(&mut net, far, "Max-Forwards: 0\r\n");
    net.run(1000);
    let sent: Vec<_> = net.wire[before..].iter().filter(|(_, from, ..)| *from == switch()).collect();
    assert!(!sent.is_empty());
    for (_, _, to, bytes) in sent {
        assert_eq!(*to, net.phones[far].address);
        assert!(bytes.starts_with(b"SIP/2.0 483 "), "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(net.saw(|event| matches!(event, Event::Incoming { .. })), 0);
    assert!(net.phones[b].received.is_empty());
    assert_eq!(net.core.counters().get("request.hops"), 1);
}

#[test]
fn each_leg_has_one_hop_fewer_and_seventy_when_nothing_is_said() {
    for (lines, left) in [
        ("Max-Forwards: 1\r\n", &b"0"[..]),
        ("Max-Forwards: 20\r\n", b"19"),
        ("Max-Forwards: 255\r\n", b"254"),
        ("", b"70"),
    ] {
        let mut net = Net::new(31);
        let b = net.phone("101", 1, Plan::default());
        let far = net.trunk("far", true, false, Plan::default());
        invite(&mut net, far, lines);
        let leg = net.incoming();
        net.command(dial(leg, subscriber("101"), "7"));
        net.wait(1000, &Event::Ringing { leg });
        let hops = net.phones[b].requests(&Method::Invite)[0].headers.value(&HeaderName::MaxForwards);
        assert_eq!(hops.as_deref(), Some(left), "{lines}");
        assert_eq!(net.core.counters().get("request.hops"), 0);
        net.command(Command::Release { leg, cause: None });
        net.run(100);
    }
}
